"""Wrappers that tell a generator and a discriminator the class."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ConditionalGenerator(nn.Module):
    """A class's learned vector is put before the latent (Mirza & Osindero 2014).

    Parameters
    ----------
    body : nn.Module
        A generator whose `latent` is longer than `width`; the rest of its latent is this module's.
    n_classes : int
        Number of classes.
    width : int
        Length of a class's vector.
    """

    def __init__(self, body: nn.Module, n_classes: int, width: int = 16) -> None:
        super().__init__()
        self.body = body
        self.latent = int(body.latent) - width  # type: ignore[arg-type]
        if self.latent < 1:
            raise ValueError(f"the body's latent of {body.latent} leaves nothing beside a class's vector of {width}")
        self.classes = nn.Embedding(n_classes, width)

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        """Latents (N, latent) and labels (N,), whole numbers from 0, to samples."""
        samples: Tensor = self.body(torch.cat([self.classes(labels), latents], 1))
        return samples


class ProjectionDiscriminator(nn.Module):
    """A class's learned vector is multiplied with the sample's features and added to its logit.

    Miyato & Koyama 2018, "cGANs with Projection Discriminator".

    Parameters
    ----------
    body : nn.Module
        A discriminator with `features`, the last of them (N, features) or (N, features, h, w), and `judged`, which
        makes logits of them.
    features : int
        Length of its last features.
    n_classes : int
        Number of classes.
    """

    def __init__(self, body: nn.Module, features: int, n_classes: int) -> None:
        super().__init__()
        self.body = body
        self.classes = nn.Embedding(n_classes, features)
        nn.init.zeros_(self.classes.weight)

    def features(self, samples: Tensor, labels: Tensor) -> list[Tensor]:
        """The body's features; they do not depend on the class."""
        features: list[Tensor] = self.body.features(samples)  # type: ignore[operator]
        return features

    def forward(self, samples: Tensor, labels: Tensor) -> Tensor:
        """Samples (N, ...) and labels (N,), -1 for none, to logits (N,), or (N, ...) as the body's are."""
        features = self.features(samples, labels)
        pooled = features[-1].flatten(2).sum(2) if features[-1].ndim > 2 else features[-1]
        agreement = (self.classes(labels.clamp_min(0)) * pooled).sum(1) * (labels >= 0)
        logits: Tensor = self.body.judged(features)  # type: ignore[operator]
        return logits + agreement.view(-1, *(1,) * (logits.ndim - 1))


class ConcatenationDiscriminator(nn.Module):
    """The class is given as further channels or features, one for each class (Mirza & Osindero 2014).

    Parameters
    ----------
    body : nn.Module
        A discriminator of samples with `n_classes` more channels or features.
    n_classes : int
        Number of classes.
    """

    def __init__(self, body: nn.Module, n_classes: int) -> None:
        super().__init__()
        self.body = body
        self.n_classes = n_classes

    def features(self, samples: Tensor, labels: Tensor) -> list[Tensor]:
        """The body's features of the samples with their class."""
        features: list[Tensor] = self.body.features(self._together(samples, labels))  # type: ignore[operator]
        return features

    def forward(self, samples: Tensor, labels: Tensor) -> Tensor:
        """Samples (N, C, ...) and labels (N,), -1 for none, to logits (N,)."""
        logits: Tensor = self.body(self._together(samples, labels))
        return logits

    def _together(self, samples: Tensor, labels: Tensor) -> Tensor:
        known = F.one_hot(labels.clamp_min(0), self.n_classes) * (labels >= 0)[:, None]
        planes = known.to(samples.dtype).view(*known.shape, *(1,) * (samples.ndim - 2))
        return torch.cat([samples, planes.expand(*known.shape, *samples.shape[2:])], 1)
