"""Players for feature vectors."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_SLOPE = 0.2


class MlpGenerator(nn.Module):
    """Latents to feature vectors.

    Parameters
    ----------
    n_features : int
        Length of a vector.
    latent : int
        Length of a latent.
    width : int
        Units of the two hidden layers.
    """

    def __init__(self, n_features: int, latent: int = 32, width: int = 128) -> None:
        super().__init__()
        self.latent = latent
        self.hidden1 = nn.Linear(latent, width)
        self.hidden2 = nn.Linear(width, width)
        self.out = nn.Linear(width, n_features)

    def forward(self, latents: Tensor) -> Tensor:
        """Latents (N, latent), standard normal, to vectors (N, n_features), unbounded."""
        h = F.leaky_relu(self.hidden1(latents), _SLOPE)
        vectors: Tensor = self.out(F.leaky_relu(self.hidden2(h), _SLOPE))
        return vectors


class MlpDiscriminator(nn.Module):
    """Feature vectors to one logit each.

    Parameters
    ----------
    n_features : int
        Length of a vector.
    width : int
        Units of the two hidden layers.
    """

    def __init__(self, n_features: int, width: int = 128) -> None:
        super().__init__()
        self.hidden1 = nn.Linear(n_features, width)
        self.hidden2 = nn.Linear(width, width)
        self.logit = nn.Linear(width, 1)

    def features(self, vectors: Tensor) -> list[Tensor]:
        """Both hidden layers of `vectors`."""
        first = _leaky(self.hidden1(vectors))
        return [first, _leaky(self.hidden2(first))]

    def forward(self, vectors: Tensor) -> Tensor:
        """Vectors (..., n_features) to logits (...)."""
        return self.judged(self.features(vectors))

    def judged(self, features: list[Tensor]) -> Tensor:
        """Logits of what `features` gave."""
        logits: Tensor = self.logit(features[-1])
        return logits.squeeze(-1)


def _leaky(x: Tensor) -> Tensor:
    """Leaky ReLU; in an export as a maximum, which runtimes have in float64 too."""
    return torch.maximum(x, _SLOPE * x) if torch.compiler.is_exporting() else F.leaky_relu(x, _SLOPE)
