"""Residual players without norms in the discriminator, after ResNet GANs (Gulrajani et al. 2017; R3GAN, 2024)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gantools.networks.sizes import halvings

_WIDEST = 512
_SLOPE = 0.2


class _Block(nn.Module):
    """Two 3x3 convolutions added to a 1x1 shortcut; the second starts at zero, so that it begins as identity."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, 1, 1)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, 1, 1)
        same = channels_in == channels_out
        self.shortcut = nn.Identity() if same else nn.Conv2d(channels_in, channels_out, 1, bias=False)
        nn.init.kaiming_normal_(self.conv1.weight, _SLOPE)
        nn.init.zeros_(self.conv2.weight)

    def forward(self, x: Tensor) -> Tensor:
        h = F.leaky_relu(self.conv1(F.leaky_relu(x, _SLOPE)), _SLOPE)
        out: Tensor = self.shortcut(x) + self.conv2(h)
        return out


class ResidualGenerator(nn.Module):
    """Latents to pictures: residual blocks, doubled by bilinear interpolation, no norm.

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
        widths = [min(width * 2**i, _WIDEST) for i in range(len(self.sizes))][::-1]
        self.first = nn.Linear(latent, widths[0] * self.sizes[0][0] * self.sizes[0][1])
        self.blocks = nn.ModuleList(
            _Block(here, after) for here, after in zip(widths, [*widths[1:], widths[-1]], strict=True)
        )
        self.to_picture = nn.Conv2d(widths[-1], channels, 3, 1, 1)

    def forward(self, latents: Tensor) -> Tensor:
        """Latents (N, latent), standard normal, to pictures (N, C, H, W) in [-1, 1]."""
        x = self.first(latents).view(len(latents), -1, *self.sizes[0])
        for i, block in enumerate(self.blocks):
            x = block(x)
            if i + 1 < len(self.sizes):
                x = F.interpolate(x, size=self.sizes[i + 1], mode="bilinear", align_corners=False)
        return torch.tanh(self.to_picture(F.leaky_relu(x, _SLOPE)))


class ResidualDiscriminator(nn.Module):
    """Pictures to one logit each: residual blocks, halved by averaging, no norm.

    Parameters
    ----------
    shape : (C, H, W)
        Of one picture.
    width : int
        Channels of the first map; each halving has twice as many, up to 512.
    """

    def __init__(self, shape: tuple[int, int, int], width: int = 32) -> None:
        super().__init__()
        channels, *size = shape
        self.sizes = halvings((size[0], size[1]))
        widths = [min(width * 2**i, _WIDEST) for i in range(len(self.sizes))]
        self.from_picture = nn.Conv2d(channels, widths[0], 3, 1, 1)
        self.blocks = nn.ModuleList(
            _Block(here, after) for here, after in zip(widths, [*widths[1:], widths[-1]], strict=True)
        )
        height, width_ = self.sizes[-1]
        self.logit = nn.Linear(widths[-1] * height * width_, 1)

    def features(self, pictures: Tensor) -> list[Tensor]:
        """The feature maps of `pictures`, from the finest to the coarsest."""
        x = self.from_picture(pictures)
        maps: list[Tensor] = []
        for i, block in enumerate(self.blocks):
            x = block(x)
            maps.append(x)
            if i + 1 < len(self.sizes):
                x = F.avg_pool2d(x, 2, ceil_mode=True)
        return maps

    def forward(self, pictures: Tensor) -> Tensor:
        """Pictures (N, C, H, W) in [-1, 1] to logits (N,)."""
        return self.judged(self.features(pictures))

    def judged(self, features: list[Tensor]) -> Tensor:
        """Logits of what `features` gave."""
        last = F.leaky_relu(features[-1], _SLOPE)
        logits: Tensor = self.logit(last.flatten(1))
        return logits.squeeze(1)
