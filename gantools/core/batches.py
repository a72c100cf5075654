"""The order in which samples are seen, a function of the seed and the step and of nothing else; and who plays which."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray

from gantools.core.game import Batch
from gantools.core.world import world
from gantools.errors import ConfigError


def mine(indices: NDArray[np.int64]) -> NDArray[np.int64]:
    """Of a batch's samples those that this process plays with: all, or under torchrun every so manieth.

    Raises
    ------
    ConfigError
        When they cannot be dealt out evenly.
    """
    processes = world()
    if len(indices) % processes.size:
        raise ConfigError(
            f"a batch of {len(indices)} cannot be dealt out to {processes.size} processes; "
            "choose a batch_size that is a multiple"
        )
    return indices[processes.rank :: processes.size]


def parts_of(batch: Batch, n: int) -> list[Batch]:
    """A batch dealt out to `n` parts of equal length.

    Raises
    ------
    ConfigError
        When it cannot be.
    """
    if n == 1:
        return [batch]
    size = len(batch["reals"])
    if size % n:
        whole, parts = size * world().size, n * world().size
        raise ConfigError(
            f"a batch of {whole} cannot be dealt out to {parts} parts (processes x accumulate); choose a batch_size "
            f"that is a multiple of {parts}"
        )
    return [{name: values[part::n] for name, values in batch.items()} for part in range(n)]


class Order:
    """Shuffled passes over `n_samples`, addressed by step.

    Each pass is a permutation of its own, drawn from (seed, pass number), so that the indices of any step
    can be had without walking there: training resumes at a step by asking for it.

    Parameters
    ----------
    n_samples : int
        How many samples there are; at least 1.
    batch_size : int
        Indices of one step. A batch runs on into the next pass; with fewer samples than that, a batch holds
        some samples more than once.
    seed : int
        Of the permutations.
    """

    def __init__(self, n_samples: int, batch_size: int, seed: int) -> None:
        if n_samples < 1:
            raise ValueError("there are no samples to order")
        self.n_samples = n_samples
        self.batch_size = batch_size
        self.seed = seed
        self._kept: tuple[int, NDArray[np.int64]] = (-1, np.empty(0, np.int64))  # replaced as one: threads may ask

    def indices(self, step: int) -> NDArray[np.int64]:
        """The samples of step `step`, counted from 0: int64, (batch_size,); under torchrun, this process's of them."""
        positions = np.arange(step * self.batch_size, (step + 1) * self.batch_size)
        passes, within = np.divmod(positions, self.n_samples)
        return mine(np.concatenate([self._of_pass(int(p))[within[passes == p]] for p in np.unique(passes)]))

    def _of_pass(self, number: int) -> NDArray[np.int64]:
        kept = self._kept
        if number != kept[0]:
            kept = self._kept = number, np.random.default_rng((self.seed, number)).permutation(self.n_samples)
        return kept[1]


class Ahead:
    """Batches by step, the next of which is made by a thread while one is played.

    Parameters
    ----------
    batches : Callable
        From a step to its batch; a function of the step alone. Only the thread calls it, once at a time.
    thread : ThreadPoolExecutor
        Of one worker.
    """

    def __init__(self, batches: Callable[[int], Batch], thread: ThreadPoolExecutor) -> None:
        self._batches, self._thread = batches, thread
        self._step = -1
        self._next: Future[Batch]

    def __call__(self, step: int) -> Batch:
        """The batch of `step`; those of steps before the last one, which are asked for to judge by, are made anew."""
        made = self._next if step == self._step else self._thread.submit(self._batches, step)
        batch = made.result()
        if step >= self._step:
            self._step, self._next = step + 1, self._thread.submit(self._batches, step + 1)
        return batch


@contextmanager
def made_ahead(batches: Callable[[int], Batch], device: torch.device) -> Iterator[Callable[[int], Batch]]:
    """Inside, batches are made ahead where a GPU plays them; a CPU has nothing to spare for that."""
    if device.type == "cpu":
        yield batches
        return
    with ThreadPoolExecutor(1, "batches") as thread:
        yield Ahead(batches, thread)
