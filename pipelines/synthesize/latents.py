"""Where a class lies among the latents, and how to draw from there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

_JITTER = 1e-5


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
    """

    latents: Tensor
    labels: Tensor
    means: Tensor
    factors: Tensor

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
        """Latents (N, d) for `labels` (N,).

        A real of the class is drawn, moved towards the class's mean, and Gaussian noise with the class's covariance
        makes up for the variance that this took: a smoothed bootstrap with shrinkage (Silverman & Young 1987), whose
        mean and covariance are the class's whatever the novelty is.

        Parameters
        ----------
        labels : Tensor of int64
        novelty : float or Tensor, (N,)
            From 0, the reals themselves, to 1, a Gaussian.
        rng : torch.Generator
        truncation : float
            The distance to the class's mean is multiplied by it.
        """
        device = labels.device
        place = torch.rand(len(labels), generator=rng, device=device)
        noise = torch.randn((len(labels), self.latents.shape[1]), generator=rng, device=device)
        order = torch.argsort(self.labels, stable=True)
        counts = torch.bincount(self.labels, minlength=len(self.means))
        first = counts.cumsum(0) - counts
        picked = self.latents[order[first[labels] + (place * counts[labels]).long().clamp_max(counts[labels] - 1)]]
        means = self.means[labels]
        for c in labels.unique().tolist():
            noise[labels == c] = noise[labels == c] @ self.factors[c].T
        share = torch.as_tensor(novelty, device=device).reshape(-1, 1)
        away = (1 - share.square()).sqrt() * (picked - means) + share * noise
        return means + truncation * away

    def state(self) -> dict[str, Any]:
        """What a model folder holds of it; `ClassLatents(**state)` is the way back."""
        return {"latents": self.latents, "labels": self.labels, "means": self.means, "factors": self.factors}
