"""A dense discriminator that is shown a frozen network's feature maps instead of pixels.

Projected GANs (Sauer et al. 2021) play on frozen features; SimpleNet (Liu et al. 2023) finds defects with a
small discriminator on them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_SLOPE = 0.2


class FeatureDiscriminator(nn.Module):
    """Feature maps to a map of logits of the same size.

    Parameters
    ----------
    channels : int
        Of the feature maps, all taken together.
    width : int
        Of the hidden layers.
    depth : int
        Number of 3 x 3 convolutions, each a residual with twice the dilation of the one before.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, channels: int, width: int = 64, depth: int = 2) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(1, channels, 1, 1))
        self.register_buffer("deviation", torch.ones(1, channels, 1, 1))
        self.mix = nn.Conv2d(channels, width, 1)
        self.looks = nn.ModuleList(
            nn.Conv2d(width, width, 3, padding=2**i, dilation=2**i, padding_mode="reflect") for i in range(depth)
        )
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
            found.append(found[-1] + F.leaky_relu(look(found[-1]), _SLOPE))
        return found

    def forward(self, maps: Tensor) -> Tensor:
        """Feature maps (N, C, h, w) to logits (N, 1, h, w); h and w more than the last layer's dilation."""
        logits: Tensor = self.logit(self.features(maps)[-1])
        return logits
