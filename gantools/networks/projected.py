"""Discriminators that judge a frozen network's feature maps instead of pixels.

Projected GANs (Sauer et al. 2021) play on frozen features; SimpleNet (Liu et al. 2023) finds defects with a
small dense discriminator on them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gantools.networks.backbone import EfficientNetLite0, load_backbone

_SLOPE = 0.2
_BLOCKS = (2, 4, 10, 14)
_SMALLEST = 64


class FeatureDiscriminator(nn.Module):
    """Feature maps to a map of logits of the same size.

    Parameters
    ----------
    channels : int
        Of the feature maps, all taken together.
    width : int
        Of the hidden layers.
    depth : int
        Number of residual blocks, each of which looks twice as far around as the one before.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, channels: int, width: int = 64, depth: int = 2) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(1, channels, 1, 1))
        self.register_buffer("deviation", torch.ones(1, channels, 1, 1))
        self.mix = nn.Conv2d(channels, width, 1)
        self.looks = nn.ModuleList(_Look(width, 2**i) for i in range(depth))
        self.logit = nn.Conv2d(width, 1, 1)

    @torch.no_grad()
    def standardise(self, maps: Tensor) -> None:
        """Set the fixed mean and deviation of each channel from normals' maps (N, C, h, w)."""
        self.mean.copy_(maps.mean((0, 2, 3), keepdim=True))
        self.deviation.copy_(maps.std((0, 2, 3), keepdim=True) + 1e-6)

    def features(self, maps: Tensor) -> list[Tensor]:
        """What each layer makes of the frozen `maps`, from the first to the last."""
        found = [F.leaky_relu(self.mix((maps - self.mean) / self.deviation), _SLOPE)]
        for look in self.looks:
            found.append(found[-1] + look(found[-1]))
        return found

    def forward(self, maps: Tensor) -> Tensor:
        """Feature maps (N, C, h, w) to logits (N, 1, h, w); h and w more than the last layer's dilation."""
        logits: Tensor = self.logit(self.features(maps)[-1])
        return logits


class _Look(nn.Module):
    """A 3 x 3 convolution of half of the channels between two of 1 x 1 (ResNet's bottleneck, He et al. 2016)."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        inner = width // 2
        self.narrow = nn.Conv2d(width, inner, 1)
        self.around = nn.Conv2d(inner, inner, 3, padding=dilation, dilation=dilation, padding_mode="reflect")
        self.widen = nn.Conv2d(inner, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        for layer in (self.narrow, self.around, self.widen):
            x = F.leaky_relu(layer(x), _SLOPE)
        return x


class ProjectedDiscriminator(nn.Module):
    """Pictures to logits at four scales of a frozen EfficientNet-Lite0, whose maps are mixed at random first.

    Mixing across channels (1 x 1) and, from the coarsest map to the finest, across scales (3 x 3) by convolutions that
    stay as they were drawn leaves each small discriminator nothing to rely on alone. Sauer et al. 2021, "Projected GANs
    Converge Faster".

    Attributes
    ----------
    width : int
        Channels of the mixed maps and of the small discriminators.
    """

    width = 64

    def __init__(self) -> None:
        super().__init__()
        width = self.width
        self.backbone: EfficientNetLite0 = load_backbone(_BLOCKS)
        self.across_channels = nn.ModuleList(_random_mix(c, width, 1) for c in self.backbone.channels)
        self.across_scales = nn.ModuleList(_random_mix(width, width, 3) for _ in _BLOCKS[1:])
        self.judges = nn.ModuleList(_Judge(width, strides) for strides in (2, 1, 0, 0))

    def maps(self, pictures: Tensor) -> list[Tensor]:
        """The mixed maps of pictures, from the finest to the coarsest; pictures under 64 pixels are enlarged."""
        factor = _SMALLEST / min(pictures.shape[2:])
        if factor > 1:
            pictures = F.interpolate(pictures, scale_factor=factor, mode="bilinear", align_corners=False)
        found = [mix(m) for mix, m in zip(self.across_channels, self.backbone(pictures.add(1).div(2)), strict=True)]
        for i in reversed(range(len(found) - 1)):
            coarser = self.across_scales[i](found[i + 1])
            found[i] = found[i] + F.interpolate(coarser, size=found[i].shape[2:], mode="bilinear", align_corners=False)
        return found

    def features(self, pictures: Tensor) -> list[Tensor]:
        """What each small discriminator makes of its map, the coarsest's last: (N, width, h, w)."""
        return [judge.looks(m) for judge, m in zip(self.judges, self.maps(pictures), strict=True)]  # type: ignore[operator]

    def judged(self, features: list[Tensor]) -> Tensor:
        """Logits of what `features` gave."""
        return torch.cat([judge.logit(f).flatten(1) for judge, f in zip(self.judges, features, strict=True)], 1)  # type: ignore[operator]

    def forward(self, pictures: Tensor) -> Tensor:
        """Pictures (N, C, H, W) in [-1, 1] to logits (N, places), about as many of each scale."""
        return self.judged(self.features(pictures))


class _Judge(nn.Module):
    """A small discriminator of one map: halvings to about four pixels a side, one look, dense logits."""

    def __init__(self, width: int, halvings: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(halvings):
            layers += [nn.Conv2d(width, width, 4, 2, 1), nn.LeakyReLU(_SLOPE)]
        self.looks = nn.Sequential(*layers, nn.Conv2d(width, width, 3, 1, 1), nn.LeakyReLU(_SLOPE))
        self.logit = nn.Conv2d(width, 1, 1)


def _random_mix(channels_in: int, channels_out: int, kernel: int) -> nn.Module:
    """A convolution that is never trained, drawn so that the size of what passes is kept."""
    mix = nn.Conv2d(channels_in, channels_out, kernel, padding=kernel // 2, bias=False)
    nn.init.kaiming_normal_(mix.weight, nonlinearity="linear")
    return mix.requires_grad_(False)
