"""Generators that make one picture of another of the same size: a linear part, and what a U-Net adds to it.

The U-Net is told what a frozen pretrained network sees in the source, so that it need not learn from a few pictures
what a face, a leaf or a sky is.

Nothing is normalised over places, and nothing is random or pooled over the picture, so that what comes out of a pixel
depends on its neighbours within `radius`, on their place modulo `stride`, and on nothing else: large pictures can be
translated tile by tile, exactly. The last convolution begins at zero, so that training begins at the source itself.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gantools.networks.backbone import load_backbone

_SLOPE = 0.2
_FOLD = 2
_KERNEL_RADIUS = 1
# Blocks of the pretrained network, by the halving whose size their maps have; how far they see.
_HINTS = {2: 4, 3: 10}
_HINT_RADIUS = 175
_HINT_SCALE = 1 / 6
# Red, green and blue of the colour differences Cb and Cr (ITU-R BT.601, full range).
_OF_DIFFERENCES = ((0.0, 1.402), (-0.344136, -0.714136), (1.772, 0.0))


def _conv(channels_in: int, channels_out: int) -> nn.Conv2d:
    """A 3 x 3 convolution that keeps the size of what passes through it, and its variance."""
    conv = nn.Conv2d(channels_in, channels_out, 3, padding=_KERNEL_RADIUS)
    nn.init.kaiming_normal_(conv.weight, a=_SLOPE)
    assert conv.bias is not None
    nn.init.zeros_(conv.bias)
    return conv


class _PlaceNorm(nn.Module):
    """Layer normalisation over the channels of each place by itself (Ba et al. 2016; as in ConvNeXt)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1, channels, 1, 1))
        self.shift = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        variance, mean = torch.var_mean(x, 1, keepdim=True, correction=0)
        return (x - mean) * (variance + 1e-6).rsqrt() * self.scale + self.shift


class _Block(nn.Module):
    """Two convolutions, whose result is added to what came in; nothing at first."""

    radius = 2 * _KERNEL_RADIUS

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = _PlaceNorm(channels)
        self.first = _conv(channels, channels)
        self.second = _conv(channels, channels)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor) -> Tensor:
        added: Tensor = self.second(F.silu(self.first(self.norm(x))))
        return x + added


class Translator(nn.Module):
    """A U-Net (Ronneberger et al. 2015) of residual blocks that works at half the size and below.

    Pixels of 2 x 2 are dealt to channels first and back last (Shi et al. 2016), so that the costly full size is never
    computed, and no checkerboard is left by strided transposes.

    Parameters
    ----------
    channels_in, channels_out : int
        Of sources and of targets.
    width : int
        Channels of the first map; each halving doubles them, up to 256.
    blocks : sequence of int
        Residual blocks at each size, from the largest to the smallest: four sizes or more.
    colour_only : bool
        Whether sources are gray, and only colour is added: the luma of the result is the source's.
    n_latents : int
        Numbers that choose among several plausible results; 0 for one.

    Attributes
    ----------
    radius : int
        An output pixel depends on input pixels at most this far away.
    stride : int
        Pictures must have sides of a multiple of it.
    widths : tuple of int
        Channels of the maps of `features`.
    vividness : float
        What added colour is multiplied by; 1 in training.
    """

    blocks: tuple[int, ...]
    differences: Tensor

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        width: int = 24,
        blocks: tuple[int, ...] = (1, 1, 1, 1, 1),
        colour_only: bool = False,
        n_latents: int = 0,
    ) -> None:
        super().__init__()
        self.channels_in, self.channels_out, self.colour_only = channels_in, channels_out, colour_only
        self.width, self.blocks = width, blocks
        self.n_latents = n_latents
        self.vividness = 1.0
        made = 2 if colour_only else channels_out
        self.widths = widths = tuple(min(width * 2**i, 256) for i in range(len(blocks)))
        self.stride = _FOLD * 2 ** (len(blocks) - 1)
        self.radius = _radius(blocks, self.stride) + _HINT_RADIUS
        self.backbone = load_backbone(tuple(_HINTS.values()))
        hints = zip(_HINTS, self.backbone.channels, strict=True)
        self.hints = nn.ModuleDict({str(i): nn.Conv2d(channels, widths[i], 1) for i, channels in hints})
        self.head = _conv(channels_in * _FOLD**2, widths[0])
        self.encode = nn.ModuleList(_blocks(w, n) for w, n in zip(widths, blocks, strict=True))
        self.down = nn.ModuleList(nn.Conv2d(a, b, 2, 2) for a, b in pairwise(widths))
        self.up = nn.ModuleList(nn.Conv2d(b, 4 * a, 1) for a, b in pairwise(widths))
        self.decode = nn.ModuleList(_blocks(w, n) for w, n in zip(widths[:-1], blocks, strict=False))
        self.choose = nn.ModuleList(nn.Linear(n_latents, w) for w in widths[1:] if n_latents > 0)
        self.tail = _conv(widths[0], made * _FOLD**2)
        nn.init.zeros_(self.tail.weight)
        self.linear = None if colour_only else _like_source(channels_in, channels_out)
        self.register_buffer("differences", torch.tensor(_OF_DIFFERENCES)[..., None, None], persistent=False)
        self.to(memory_format=torch.channels_last)

    def features(self, pictures: Tensor) -> list[Tensor]:
        """The maps of the first half, from half the size of `pictures` down."""
        pictures = pictures.contiguous(memory_format=torch.channels_last)
        seen = dict(zip(_HINTS, self.backbone(pictures.add(1).div(2)), strict=True))
        x = self.head(F.pixel_unshuffle(pictures, _FOLD))
        found = []
        for i, encode in enumerate(self.encode):
            x = x if i == 0 else self.down[i - 1](x)
            x = encode(x + self.hints[str(i)](seen[i] * _HINT_SCALE) if i in seen else x)
            found.append(x)
        return found

    def plain(self, source: Tensor) -> Tensor:
        """The linear part: what each pixel becomes by itself. Sources (N, C, H, W) of any size."""
        if self.linear is None:
            return source.expand(-1, self.channels_out, -1, -1)
        linear: Tensor = self.linear(source)
        return linear

    def forward(self, source: Tensor, latents: Tensor | None = None) -> Tensor:
        """Sources (N, channels_in, H, W) in [-1, 1] to (N, channels_out, H, W), unclamped.

        Latents (N, n_latents), standard normal, choose among plausible results; None is their mean, zero.
        """
        *maps, x = self.features(source)
        if self.n_latents > 0:
            latents = source.new_zeros(len(source), self.n_latents) if latents is None else latents
            x = x + self.choose[-1](latents)[..., None, None]
        for i in reversed(range(len(self.decode))):
            x = F.pixel_shuffle(self.up[i](x), 2) + maps[i]
            if latents is not None and i > 0:
                x = x + self.choose[i - 1](latents)[..., None, None]
            x = self.decode[i](x)
        added = F.pixel_shuffle(self.tail(x), _FOLD)
        return self.plain(source) + (F.conv2d(added * self.vividness, self.differences) if self.colour_only else added)


def _blocks(channels: int, n: int) -> nn.Sequential:
    return nn.Sequential(*(_Block(channels) for _ in range(n)))


def _like_source(channels_in: int, channels_out: int) -> nn.Conv2d:
    """Each pixel by itself; at first the source, or its mean where the numbers of channels differ."""
    linear = nn.Conv2d(channels_in, channels_out, 1)
    assert linear.bias is not None
    nn.init.zeros_(linear.bias)
    with torch.no_grad():
        alike = torch.eye(channels_in) if channels_in == channels_out else torch.tensor(1 / channels_in)
        linear.weight.copy_(alike.expand(channels_out, channels_in)[..., None, None])
    return linear


def _radius(blocks: tuple[int, ...], stride: int) -> int:
    """How far apart, in pixels, an input and an output that depend on each other can be."""
    last = len(blocks) - 1
    convolved = 0
    for i, n in enumerate(blocks):
        on_the_way = 1 if i == last else 2  # down, and up again
        convolved += on_the_way * n * _Block.radius * _FOLD * 2**i
    return convolved + 2 * _KERNEL_RADIUS * _FOLD + stride - 1
