"""DCGAN's players (Radford et al. 2016), for pictures of any size from 8 pixels up."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gantools.errors import ConfigError
from gantools.networks.minibatch import MinibatchDeviation, MinibatchDiscrimination
from gantools.networks.sizes import halvings

_WIDEST = 512


def initialise(module: nn.Module) -> None:
    """DCGAN's weights for one layer: normal with deviation 0.02, norms around 1."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)


class DcganGenerator(nn.Module):
    """Latents to pictures, by transposed convolutions with batch norm.

    Parameters
    ----------
    shape : (C, H, W)
        Of one picture.
    latent : int
        Length of a latent vector.
    width : int
        Channels of the largest map; each halving has twice as many, up to 512.
    """

    def __init__(self, shape: tuple[int, int, int], latent: int = 64, width: int = 32) -> None:
        super().__init__()
        channels, *size = shape
        self.latent = latent
        self.sizes = halvings((size[0], size[1]))[::-1]
        widths = [min(width * 2**i, _WIDEST) for i in range(len(self.sizes) - 1)][::-1] or [width]
        self.first = nn.Linear(latent, widths[0] * self.sizes[0][0] * self.sizes[0][1], bias=False)
        self.first_norm = nn.BatchNorm2d(widths[0])
        doublings: list[nn.Module] = []
        for here, after in pairwise(widths):
            up = nn.ConvTranspose2d(here, after, 4, 2, 1, bias=False)
            doublings.append(nn.Sequential(up, nn.BatchNorm2d(after), nn.ReLU(inplace=True)))
        doublings.append(nn.ConvTranspose2d(widths[-1], channels, 4, 2, 1))
        self.doublings = nn.ModuleList(doublings)
        self.apply(initialise)

    def forward(self, latents: Tensor) -> Tensor:
        """Latents (N, latent), standard normal, to pictures (N, C, H, W) in [-1, 1]."""
        x = self.first(latents).view(latents.shape[0], -1, *self.sizes[0])
        x = F.relu(self.first_norm(x))
        for doubling, (height, width) in zip(self.doublings, self.sizes[1:], strict=True):
            x = doubling(x)[..., :height, :width]
        return torch.tanh(x)


class DcganDiscriminator(nn.Module):
    """Pictures to one logit each, by strided convolutions.

    Parameters
    ----------
    shape : (C, H, W)
        Of one picture.
    width : int
        Channels of the first map; each halving has twice as many, up to 512.
    batch_norm : bool
        Batch norm on all maps but the first, as published. Not with a gradient penalty: it makes a sample's
        logit depend on its neighbours'.
    minibatch : str
        "none", "deviation" or "discrimination": what the last map is given to see of the batch, against mode
        collapse (`gantools.networks.minibatch`).

    Raises
    ------
    ConfigError
        For another `minibatch`.
    """

    def __init__(
        self, shape: tuple[int, int, int], width: int = 32, *, batch_norm: bool = False, minibatch: str = "none"
    ) -> None:
        super().__init__()
        channels, *size = shape
        self.sizes = halvings((size[0], size[1]))
        maps: list[nn.Module] = []
        for i in range(len(self.sizes) - 1):
            wide = min(width * 2**i, _WIDEST)
            norm = [nn.BatchNorm2d(wide)] if batch_norm and i > 0 else []
            conv = nn.Conv2d(channels, wide, 4, 2, 1, bias=not norm)
            maps.append(nn.Sequential(conv, *norm, nn.LeakyReLU(0.2)))
            channels = wide
        self.maps = nn.ModuleList(maps)
        height, width_ = self.sizes[-1]
        flat = channels * height * width_
        self.beside = _beside(minibatch, flat)
        self.logit = nn.Linear(flat + getattr(self.beside, "extra", 0), 1)
        self.apply(initialise)

    def features(self, pictures: Tensor) -> list[Tensor]:
        """The feature maps of `pictures`, from the finest to the coarsest."""
        maps: list[Tensor] = []
        for block, (height, width) in zip(self.maps, self.sizes[1:], strict=True):
            odd = (0, -pictures.shape[-1] % 2, 0, -pictures.shape[-2] % 2)
            pictures = block(F.pad(pictures, odd))[..., :height, :width]
            maps.append(pictures)
        return maps

    def forward(self, pictures: Tensor) -> Tensor:
        """Pictures (N, C, H, W) in [-1, 1] to logits (N,)."""
        return self.judged(self.features(pictures))

    def judged(self, features: list[Tensor]) -> Tensor:
        """Logits of what `features` gave."""
        logits: Tensor = self.logit(self.beside(features[-1].flatten(1)))
        return logits.squeeze(1)


def _beside(minibatch: str, features: int) -> nn.Module:
    """The layer called `minibatch`, for vectors of so many features."""
    if minibatch == "none":
        return nn.Identity()
    if minibatch == "deviation":
        return MinibatchDeviation()
    if minibatch == "discrimination":
        return MinibatchDiscrimination(features)
    raise ConfigError(f"minibatch={minibatch!r} is not known; choose one of none, deviation, discrimination")
