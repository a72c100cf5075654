"""Generators that enlarge pictures: bicubic interpolation, and what a convolutional network adds to it.

None of them normalises: what comes out of a pixel depends on its neighbours within `radius` and on nothing else, so
that a picture can be enlarged tile by tile, exactly. The last convolution begins at zero, so that training begins at
bicubic interpolation. Channels lie last in memory, which convolutions on CPUs want.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gantools.data.resize import enlarged

_CUBIC_RADIUS = 2
_SLOPE = 0.2
_RESIDUAL = 0.2


def _conv(channels_in: int, channels_out: int) -> nn.Conv2d:
    """A 3 x 3 convolution that keeps the size of what passes through it, and of its variance."""
    conv = nn.Conv2d(channels_in, channels_out, 3, padding=1)
    nn.init.kaiming_normal_(conv.weight, a=_SLOPE)
    assert conv.bias is not None
    nn.init.zeros_(conv.bias)
    return conv


def _tail(features: int, channels: int, scale: int) -> nn.Conv2d:
    conv = _conv(features, channels * scale**2)
    nn.init.zeros_(conv.weight)
    return conv


class _GatedBlock(nn.Module):
    """Three convolutions, whose result, added to what came in, is let through by how large it is.

    The attention without parameters of Wan et al. 2024, "Swift Parameter-free Attention Network".
    """

    radius = 3

    def __init__(self, features: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(_conv(features, features) for _ in range(self.radius))

    def forward(self, x: Tensor) -> Tensor:
        found = x
        for conv in self.convs:
            found = conv(F.silu(found) if found is not x else x)
        return (x + found) * (found.sigmoid() - 0.5)


class GatedUpscaler(nn.Module):
    """Gated blocks at the small size, all of them joined, then a pixel shuffle (Shi et al. 2016). For CPUs.

    Parameters
    ----------
    scale : int
        How many times larger.
    channels : int
        Of a picture.
    features : int
        Channels of the hidden layers.
    blocks : int
        Of three convolutions each.

    Attributes
    ----------
    radius : int
        An output pixel depends on input pixels at most this far from the one it lies in.
    """

    def __init__(self, scale: int, channels: int = 3, features: int = 48, blocks: int = 3) -> None:
        super().__init__()
        self.scale = scale
        self.head = _conv(channels, features)
        self.blocks = nn.ModuleList(_GatedBlock(features) for _ in range(blocks))
        self.join = nn.Conv2d(features * (blocks + 1), features, 1)
        self.tail = _tail(features, channels, scale)
        self.radius = max(2 + blocks * _GatedBlock.radius, _CUBIC_RADIUS)
        self.to(memory_format=torch.channels_last)

    def forward(self, low: Tensor) -> Tensor:
        """Pictures (N, C, H, W) in [-1, 1] to (N, C, scale H, scale W), unclamped."""
        found = [self.head(low.contiguous(memory_format=torch.channels_last))]
        for block in self.blocks:
            found.append(block(found[-1]))
        added = self.tail(self.join(torch.cat(found, 1)))
        return enlarged(low, self.scale) + F.pixel_shuffle(added, self.scale)


class _DenseBlock(nn.Module):
    """Five convolutions, each of which sees what all before it found (Wang et al. 2018, ESRGAN)."""

    radius = 5

    def __init__(self, features: int, growth: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(_conv(features + i * growth, growth if i < 4 else features) for i in range(5))

    def forward(self, x: Tensor) -> Tensor:
        found = [x]
        for conv in list(self.convs)[:-1]:
            found.append(F.leaky_relu(conv(torch.cat(found, 1)), _SLOPE))
        return x + _RESIDUAL * self.convs[-1](torch.cat(found, 1))


class DenseUpscaler(nn.Module):
    """Residual groups of three dense blocks, ESRGAN's, at the small size. For GPUs.

    Parameters as of `GatedUpscaler`; `groups` of three blocks, whose convolutions add `growth` channels each.
    """

    def __init__(self, scale: int, channels: int = 3, features: int = 64, groups: int = 23, growth: int = 32) -> None:
        super().__init__()
        self.scale = scale
        self.head = _conv(channels, features)
        self.groups = nn.ModuleList(
            nn.Sequential(*(_DenseBlock(features, growth) for _ in range(3))) for _ in range(groups)
        )
        self.body = _conv(features, features)
        self.tail = _tail(features, channels, scale)
        self.radius = 3 + groups * 3 * _DenseBlock.radius
        self.to(memory_format=torch.channels_last)

    def forward(self, low: Tensor) -> Tensor:
        """Pictures (N, C, H, W) in [-1, 1] to (N, C, scale H, scale W), unclamped."""
        first = x = self.head(low.contiguous(memory_format=torch.channels_last))
        for group in self.groups:
            x = x + _RESIDUAL * group(x)
        added = self.tail(F.leaky_relu(first + self.body(x), _SLOPE))
        return enlarged(low, self.scale) + F.pixel_shuffle(added, self.scale)


Upscaler = GatedUpscaler | DenseUpscaler

SIZES = ("tiny", "small", "large")


def build_upscaler(size: str, scale: int, channels: int) -> Upscaler:
    """A generator of a size by name, one of `SIZES`."""
    if size == "tiny":
        return GatedUpscaler(scale, channels)
    if size == "small":
        return GatedUpscaler(scale, channels, features=64, blocks=6)
    return DenseUpscaler(scale, channels)
