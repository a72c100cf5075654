"""New samples of a class until there are enough that pass the gates; where none do, classical augmentation."""

from __future__ import annotations

import warnings
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from gantools.data.policy import transformed
from gantools.pipelines.augment.gates import Gates, Verdict
from gantools.pipelines.synthesize import GanSynthesizer
from gantools.pipelines.synthesize.forms import Form, PictureForm, TableForm

_CHUNK = 256
MOST_DRAWN = 20
_NOVELTIES = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
_MOST_COPIES = 0.5


class Made(NamedTuple):
    """New samples of one class.

    Attributes
    ----------
    label : int
        The class's number.
    tensors : Tensor
        As the networks see them; the form's `samples` gives them back in the reals' container.
    method : str
        "gan" or "classical".
    seed : int
        That drew them.
    critic : ndarray
        The discriminator's logits; NaN of classical samples.
    nearest, distance : ndarray
        The nearest real of the class, by its number in the input, and the distance to it, in units of the usual one
        between reals.
    """

    label: int
    tensors: Tensor
    method: str
    seed: int
    critic: NDArray[np.float64]
    nearest: NDArray[np.int64]
    distance: NDArray[np.float64]

    def first(self, n: int) -> Made:
        """The first `n` of them."""
        rest = (self.critic[:n], self.nearest[:n], self.distance[:n])
        return Made(self.label, self.tensors[:n].clone(), self.method, self.seed, *rest)


@dataclass
class Maker:
    """Makes samples of each class.

    Attributes
    ----------
    form : Form
    synthesizer : GanSynthesizer or None
        None where no class is large enough.
    gates : Gates
    numbers : dict
        A class's number here to its number in the synthesizer; other classes are made classically.
    policy : albumentations.Compose
        For pictures.
    novelties : dict
        A class's number to how far its samples go from single reals.
    table : DataFrame or None
        Labelled rows as they came, by their numbers in the input; None for pictures, and for models of before that
        were saved without.
    """

    form: Form
    synthesizer: GanSynthesizer | None
    gates: Gates
    numbers: dict[int, int]
    policy: Any
    novelties: dict[int, float] = field(default_factory=dict)
    table: pd.DataFrame | None = None

    def made(self, label: int, n: int, seed: int, name: Any = None) -> Iterator[Made]:
        """`n` samples of a class, called `name`, some at a time. What the gates leave missing is made classically."""
        left = n
        for made, _ in self.attempts(label, MOST_DRAWN * n + _CHUNK, seed):
            if len(made.critic):
                yield made.first(left)
            left -= len(made.critic)
            if left <= 0:
                return
        if left > 0 and label in self.numbers:
            warnings.warn(
                f"{left} of {n} new samples of class {name} are classical: too few pass the gates", stacklevel=2
            )
        while left > 0:
            chunk = min(left, _CHUNK)
            seed += 1
            yield self._classical(label, chunk, seed)
            left -= chunk

    def samples(self, made: Made) -> Any:
        """New samples in the reals' container; rows that are repeated are the very rows."""
        if made.method == "classical" and self.table is not None and isinstance(self.form, TableForm):
            return self.form.contained(self.table.loc[made.nearest].reset_index(drop=True))
        return self.form.samples(made.tensors)

    def settle_novelty(self, label: int, seed: int) -> None:
        """The least novelty of a class at which at most half of its samples are copies; the more novel, the fewer."""

        def suits(novelty: float) -> bool:
            self.novelties[label] = novelty
            _, verdict = next(self.attempts(label, _CHUNK, seed))
            return float(verdict.copied.float().mean()) <= _MOST_COPIES

        least, *others, most = _NOVELTIES  # the least one mostly suits
        if not suits(least):
            found = bisect_left(others, True, key=suits)
            self.novelties[label] = [*others, most][found]

    def attempts(self, label: int, n: int, seed: int) -> Iterator[tuple[Made, Verdict]]:
        """What passes of `n` samples that the generator makes, some at a time, and what the gates said of all."""
        if label not in self.numbers or self.synthesizer is None:
            return
        rng = np.random.default_rng((seed, label))
        for start in range(0, n, _CHUNK):
            drawn = int(rng.integers(2**31))
            numbers = np.full(min(_CHUNK, n - start), self.numbers[label], np.int64)
            parts = self.synthesizer.drawn(numbers, drawn, novelty=self.novelties.get(label))
            samples, logits = (torch.cat(part) for part in zip(*parts, strict=True))
            samples, logits = self.form.rounded(samples), logits.cpu()
            verdict = self.gates.judge(samples, self.synthesizer.encoded(samples), label, logits, self.form)
            kept = torch.nonzero(verdict.passed)[:, 0]
            made = Made(
                label,
                samples[kept.to(samples.device)].cpu(),
                "gan",
                drawn,
                logits[kept].double().numpy(),
                verdict.nearest[kept].numpy(),
                verdict.distance[kept].double().numpy(),
            )
            yield made, verdict

    def classical(self, wanted: dict[int, int], seed: int) -> Iterator[Made]:
        """So many classical samples of each class, by its number."""
        for label, n in wanted.items():
            if n > 0:
                yield self._classical(label, n, seed)

    def _classical(self, label: int, n: int, seed: int) -> Made:
        rng = np.random.default_rng((seed, label))
        mine = torch.nonzero(self.gates.labels == label)[:, 0]
        picked = mine[torch.from_numpy(rng.integers(len(mine), size=n))]
        tensors = self.moved(self.gates.views[0][picked].reshape(n, *self.form.shape), int(rng.integers(2**31)))
        unknown = np.full(n, np.nan)
        return Made(label, tensors, "classical", seed, unknown, self.gates.rows[picked].numpy(), unknown)

    def moved(self, tensors: Tensor, seed: int) -> Tensor:
        """Pictures as the networks see them, each put through the policy; rows of a table as they are."""
        if not isinstance(self.form, PictureForm):
            return tensors
        pictures = [t.permute(1, 2, 0).add(1).div(2).clamp(0, 1).numpy() for t in tensors]
        found = [
            torch.from_numpy(m.reshape(m.shape[0], m.shape[1], -1)) for m in transformed(pictures, self.policy, seed)
        ]
        return self.form.rounded(torch.stack(found).permute(0, 3, 1, 2).mul(2).sub(1))
