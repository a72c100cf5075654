"""Layers that show the discriminator how a sample differs from its neighbours, against mode collapse."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class MinibatchDeviation(nn.Module):
    """One more channel (or feature): the batch's standard deviation, averaged over features.

    Karras et al. 2018, "Progressive Growing of GANs", section 3.
    """

    extra = 1

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, ...) to (N, C + 1, ...)."""
        deviation = (x.var(0, unbiased=False) + 1e-8).sqrt().mean()
        return torch.cat([x, deviation.expand(len(x), 1, *x.shape[2:])], 1)


class MinibatchDiscrimination(nn.Module):
    """More features: how near each sample is to the others of its batch, in learned directions.

    Salimans et al. 2016, "Improved Techniques for Training GANs", section 3.2.

    Parameters
    ----------
    features : int
        Length of a sample's feature vector.
    kernels : int
        Number of features added.
    dimensions : int
        Of the space in which each kernel measures its L1 distances.
    """

    def __init__(self, features: int, kernels: int = 16, dimensions: int = 8) -> None:
        super().__init__()
        self.extra = kernels
        self.project = nn.Linear(features, kernels * dimensions, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, features) to (N, features + kernels)."""
        m = self.project(x).view(len(x), self.extra, -1)
        distances = (m[:, None] - m[None]).abs().sum(3)
        nearness = torch.exp(-distances).sum(1) - 1.0
        return torch.cat([x, nearness], 1)
