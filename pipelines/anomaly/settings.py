"""What the detector hands to the model of a kind of data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from gantools.core import AdversarialTrainer, Batch, Game, Tick, Training
from gantools.errors import ConfigError
from gantools.pipelines.base import train_shown
from gantools.pipelines.stages import without_earlier
from gantools.progress import Stages

TRAINING, TRIMMED = "training", "training-trimmed"  # checkpoints' names

_HELD_OUT = 0.2
_MOST_HELD_OUT = 2000
_MEMBER = "member-"  # folders beside the first discriminator's checkpoint, for those of the others


@dataclass(frozen=True)
class FitSettings:
    """How a model is to be fitted; see `GanAnomalyDetector` for the parameters of the same names."""

    parts: tuple[str, ...]
    synthetic: tuple[str, ...]
    fake_weight: float
    n_discriminators: int
    trainer: AdversarialTrainer
    max_images: int
    max_minutes: float | None
    batch_size: int
    width: int | None
    n_neighbors: int
    max_bank: int
    device: torch.device
    seed: int
    checkpoint: Path | None
    resume: bool
    stages: Stages
    on_tick: Callable[[Tick], bool]
    reopen: bool = True

    def train(self, play: Callable[[FitSettings], tuple[Game, Callable[[int], Batch]]]) -> list[Training]:
        """Train the committee's discriminators one after the other, showing progress.

        Parameters
        ----------
        play : Callable
            From one member's settings, whose seed is its own, to its game and batches.

        Returns
        -------
        list of Training
            One for each discriminator, but no more once a callback has ended one of them.
        """
        trainings: list[Training] = []
        for number, own in enumerate(self._members(), 1):
            trained = train_shown(
                self.trainer,
                *play(own),
                self.stages,
                self.on_tick,
                numbered("training", number),
                max_images=self.max_images,
                seed=own.seed,
                max_minutes=own.max_minutes,
                checkpoint=own.checkpoint,
                resume=self.resume,
                reopen=self.reopen,
            )
            trainings.append(trained)
            if trained.stopped == "callback":
                break
        return trainings

    def _members(self) -> Iterator[FitSettings]:
        """The settings of each discriminator: the first has these seeds and files, and all share the time."""
        minutes = None if self.max_minutes is None else self.max_minutes / self.n_discriminators
        for i in range(self.n_discriminators):
            seed, checkpoint = self.seed, self.checkpoint
            if i > 0:
                seed = int(np.random.default_rng((self.seed, 6, i)).integers(2**31 - 1))
                checkpoint = checkpoint and checkpoint.parent / f"{_MEMBER}{i + 1}" / checkpoint.name
            yield replace(self, seed=seed, checkpoint=checkpoint, max_minutes=minutes)

    def generator(self) -> torch.Generator:
        """A fresh generator for initial weights, on the CPU so that devices agree."""
        return torch.Generator().manual_seed(self.seed)


def forget_earlier(checkpoint: str | Path | None) -> None:
    """Away with the checkpoints of an earlier fit's discriminators."""
    if checkpoint is not None:
        for folder in (Path(checkpoint), *Path(checkpoint).glob(f"{_MEMBER}*")):
            without_earlier(folder, (TRAINING, TRIMMED))


def numbered(stage: str, number: int) -> str:
    """What a stage of the discriminator of that number is called: "training", "training 2"."""
    return stage if number == 1 else f"{stage} {number}"


def hold_out(indices: NDArray[np.int64], seed: int, few: int = 100) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Split normals into those to learn from and those to calibrate on.

    A fifth is held out, at least one and at most 2,000. Fewer than `few` normals are not split: they do both.
    """
    if len(indices) < few:
        return indices, indices
    shuffled = np.random.default_rng((seed, 1)).permutation(indices)
    n_held = min(max(1, int(_HELD_OUT * len(shuffled))), _MOST_HELD_OUT)
    return np.sort(shuffled[n_held:]), np.sort(shuffled[:n_held])


def chosen(indices: NDArray[np.int64], most: int, seed: int) -> NDArray[np.int64]:
    """At most `most` of `indices`, at random."""
    if len(indices) <= most:
        return indices
    return np.sort(np.random.default_rng((seed, 2)).choice(indices, most, replace=False))


def wanted(
    parts: Sequence[str] | str, here: Sequence[str], anywhere: Sequence[str], default: Sequence[str]
) -> tuple[str, ...]:
    """The parts that a `parts=` parameter stands for, in the kind of data's own order.

    Parameters
    ----------
    parts : str or sequence of str
        "auto", one part or several. Parts that only other kinds of data have are passed over, so that a preset
        can serve several kinds.
    here, anywhere : sequence of str
        The parts of this kind of data, and of all kinds.
    default : sequence of str
        What "auto" stands for.

    Raises
    ------
    ConfigError
        For a part that does not exist, or when none is left.
    """
    if isinstance(parts, str):
        parts = default if parts == "auto" else (parts,)
    unknown = [p for p in parts if p not in anywhere]
    left = tuple(p for p in here if p in parts)
    if unknown or not left:
        what = f"part {unknown[0]!r} does not exist" if unknown else f"parts={list(parts)} leaves none"
        raise ConfigError(f"{what}; for this kind of data choose from {', '.join(here)}, or 'auto'")
    return left
