"""Encoders, and generators that decode: variational autoencoders (Kingma & Welling 2014)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gantools.networks.dcgan import DcganDiscriminator
from gantools.networks.mlp import MlpDiscriminator

_LOG_VARIANCE = (-8.0, 4.0)


class PictureEncoder(nn.Module):
    """Pictures to Gaussians over latents, by strided convolutions.

    Parameters
    ----------
    shape : (C, H, W)
        Of one picture.
    latent : int
        Length of a latent.
    width : int
        Channels of the first map; each halving has twice as many, up to 512.
    """

    def __init__(self, shape: tuple[int, int, int], latent: int, width: int = 32) -> None:
        super().__init__()
        self.body = DcganDiscriminator(shape, width)
        flat = self.body.logit.in_features
        self.body.logit = nn.Linear(flat, 2 * latent)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Pictures (N, C, H, W) in [-1, 1] to means and logarithms of variances, (N, latent) each."""
        return _gaussian(self.body.logit(self.body.features(pictures)[-1].flatten(1)))


class VectorEncoder(nn.Module):
    """Feature vectors to Gaussians over latents.

    Parameters
    ----------
    n_features : int
        Length of a vector.
    latent : int
        Length of a latent.
    width : int
        Units of the two hidden layers.
    """

    def __init__(self, n_features: int, latent: int, width: int = 128) -> None:
        super().__init__()
        self.body = MlpDiscriminator(n_features, width)
        self.body.logit = nn.Linear(width, 2 * latent)

    def forward(self, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """Vectors (N, n_features) to means and logarithms of variances, (N, latent) each."""
        return _gaussian(self.body.logit(self.body.features(vectors)[-1]))


class Autoencoder(nn.Module):
    """An encoder and the generator that decodes.

    Parameters
    ----------
    encoder : nn.Module
        From samples to means and logarithms of variances of latents.
    decoder : nn.Module
        From latents to samples; has `latent`, their length.
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder

    def forward(self, samples: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Samples and standard normal noise (N, latent) to what is decoded, and each sample's divergence (N,).

        The divergence is Kullback and Leibler's of the latent's Gaussian from the standard normal one, in nats.
        """
        mean, log_variance = self.encoder(samples)
        decoded: Tensor = self.decoder(mean + noise * (0.5 * log_variance).exp())
        mean, log_variance = mean.float(), log_variance.float()  # differences of near numbers, under bfloat16 too
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)
        return decoded, divergence

    @torch.no_grad()
    def encoded(self, samples: Tensor) -> Tensor:
        """The means of samples' latents: (N, latent)."""
        means: Tensor = self.encoder(samples)[0]
        return means


def _gaussian(parameters: Tensor) -> tuple[Tensor, Tensor]:
    mean, log_variance = parameters.chunk(2, 1)
    return mean, log_variance.clamp(*_LOG_VARIANCE)


class ChoosingGenerator(nn.Module):
    """A generator of vectors some stretches of which are choices: exactly one 1 among zeros.

    The one is where the logit is greatest; its gradient is softmax's (straight through, Bengio et al. 2013).

    Parameters
    ----------
    body : nn.Module
        From latents to unbounded vectors.
    choices : list of (int, int)
        Where each choice begins and ends.
    """

    def __init__(self, body: nn.Module, choices: list[tuple[int, int]]) -> None:
        super().__init__()
        self.body = body
        self.latent = body.latent
        self.choices = choices

    def forward(self, latents: Tensor) -> Tensor:
        """Latents (N, latent) to vectors (N, n_features)."""
        raw: Tensor = self.body(latents)
        parts: list[Tensor] = []
        end = 0
        for start, stop in self.choices:
            soft = raw[:, start:stop].softmax(1)
            hard = F.one_hot(soft.argmax(1), stop - start).to(soft.dtype)
            parts += [raw[:, end:start], hard + soft - soft.detach()]
            end = stop
        return torch.cat([*parts, raw[:, end:]], 1)
