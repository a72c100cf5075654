"""Where a class lies among the latents, and how to draw from there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from gantools.core.initialise import fitting

_JITTER = 1e-5
_GOLDEN = (5**0.5 - 1) / 2


@dataclass
class ClassLatents:
    """Each class's reals as latents, with a mean and a covariance.

    A class of few reals borrows from the covariance within all classes: of n reals, its own counts n / (n + `prior`)
    (after the calibrated distributions of Yang et al. 2021, "Free Lunch for Few-shot Learning").

    Attributes
    ----------
    latents : Tensor, (N, d)
        Of the labelled reals.
    labels : Tensor of int64, (N,)
        From 0 to `n_classes` - 1, each at least once.
    means : Tensor, (n_classes, d)
    factors : Tensor, (n_classes, d, d)
        Lower Cholesky factors of the covariances.
    counts, first : Tensor of int64, (n_classes,)
        How many latents each class has, and where they begin in `by_class`.
    by_class : Tensor, (N, d)
        The latents, class after class.
    """

    latents: Tensor
    labels: Tensor
    means: Tensor
    factors: Tensor
    counts: Tensor = field(init=False)
    first: Tensor = field(init=False)
    by_class: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.counts = torch.bincount(self.labels, minlength=len(self.means))
        self.first = self.counts.cumsum(0) - self.counts
        self.by_class = self.latents[torch.argsort(self.labels, stable=True)]

    @classmethod
    def of(cls, latents: Tensor, labels: Tensor, prior: float = 20.0) -> ClassLatents:
        """Estimate from reals; arguments as the attributes of these names."""
        n_classes = int(labels.max()) + 1
        counts = torch.bincount(labels, minlength=n_classes).to(latents)
        means = torch.zeros(n_classes, latents.shape[1], device=latents.device).index_add_(0, labels, latents)
        means = means / counts[:, None]
        rest = (latents - means[labels]).double()
        eye = torch.eye(latents.shape[1], device=latents.device, dtype=torch.float64)
        within = rest.T @ rest / max(1, len(latents) - n_classes)
        factors = []
        for c in range(n_classes):
            mine = rest[labels == c]
            share = len(mine) / (len(mine) + prior)
            own = mine.T @ mine / max(1, len(mine) - 1)
            covariance = share * own + (1 - share) * within
            jitter = _JITTER * (covariance.diagonal().mean() + 1e-3)
            factors.append(torch.linalg.cholesky(covariance + jitter * eye).to(latents))
        return cls(latents, labels, means, torch.stack(factors))

    def draw(self, labels: Tensor, novelty: float | Tensor, rng: torch.Generator, truncation: float = 1.0) -> Tensor:
        """Latents (N, d) for `labels` (N,), drawn at random, but evenly from each class's reals; see `placed`.

        From a random real on, steps of the golden section round the class: however many are drawn, no real has its turn
        much more often than another, where independent draws of as many as there are reals leave out a third of them.
        """
        starts = torch.rand(len(self.means), generator=rng, device=labels.device, dtype=torch.float64)
        places = (starts[labels] + _GOLDEN * _turns(labels)).remainder(1)
        noise = torch.randn((len(labels), self.latents.shape[1]), generator=rng, device=labels.device)
        return self.placed(labels, novelty, places, noise, truncation)

    def placed(
        self, labels: Tensor, novelty: float | Tensor, places: Tensor, noise: Tensor, truncation: float = 1.0
    ) -> Tensor:
        """Latents (N, d) for `labels` (N,).

        A real of the class is drawn, moved towards the class's mean, and Gaussian noise with the class's covariance
        makes up for the variance that this took: a smoothed bootstrap with shrinkage (Silverman & Young 1987), whose
        mean and covariance are the class's whatever the novelty is.

        Parameters
        ----------
        labels : Tensor of int64
        novelty : float or Tensor, (N,)
            From 0, the reals themselves, to 1, a Gaussian.
        places : Tensor, (N,)
            Evenly from [0, 1): which of the class's reals.
        noise : Tensor, (N, d)
            Standard normal.
        truncation : float
            The distance to the class's mean is multiplied by it.
        """
        counts, means = self.counts[labels], self.means[labels]
        picked = self.by_class[self.first[labels] + torch.minimum((places * counts).long(), counts - 1)]
        spread = (self.factors[labels] @ noise[:, :, None])[:, :, 0]
        share = torch.as_tensor(novelty, device=labels.device).reshape(-1, 1)
        away = (1 - share.square()).sqrt() * (picked - means) + share * spread
        return means + truncation * away

    def state(self) -> dict[str, Any]:
        """What a model folder holds of it; `restored` is the way back."""
        return {"latents": self.latents, "labels": self.labels, "means": self.means, "factors": self.factors}

    @classmethod
    def restored(cls, state: dict[str, Tensor], n_classes: int, latent: int, device: torch.device) -> ClassLatents:
        """From what `state` gave.

        Raises
        ------
        ValueError
            When that is not of so many classes and of latents of this length.
        """
        labels = fitting("labels", state["labels"], torch.int64, None)
        if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < n_classes:
            raise ValueError(f"labels should be from 0 to {n_classes - 1}")
        parts = (
            fitting("latents", state["latents"], torch.float32, len(labels), latent),
            labels,
            fitting("means", state["means"], torch.float32, n_classes, latent),
            fitting("factors", state["factors"], torch.float32, n_classes, latent, latent),
        )
        return cls(*(part.to(device) for part in parts))


def _turns(labels: Tensor) -> Tensor:
    """Of each label (N,) from 0, how many like it came before."""
    order, counts = torch.argsort(labels, stable=True), torch.bincount(labels)
    first = counts.cumsum(0) - counts
    turns = torch.empty_like(labels)
    turns[order] = torch.arange(len(labels), device=labels.device) - first[labels[order]]
    return turns
