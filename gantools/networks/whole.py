"""The discriminator of whole small pictures: real or fake, and which way the picture was moved."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

_SLOPE = 0.1
_GROUP = 8


class _Conv(nn.Module):
    """A 3x3 convolution and a group norm, which, unlike a batch norm, keeps each sample to itself."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False)
        self.norm = nn.GroupNorm(channels_out // _GROUP, channels_out)

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(self.norm(self.conv(x)), _SLOPE)


class WholeDiscriminator(nn.Module):
    """Pictures to one logit each, with a second head for a self-supervised task (SSGAN, Chen et al. 2019).

    Parameters
    ----------
    channels : int
        Of a picture.
    n_transformations : int
        Answers of the second head.
    width : int
        Channels of the first map, a multiple of 8; the maps after the two halvings have twice and four times
        as many.
    """

    def __init__(self, channels: int, n_transformations: int, width: int = 24) -> None:
        super().__init__()
        self.maps = nn.ModuleList(
            [
                _Conv(channels, width, 1),
                _Conv(width, 2 * width, 2),
                _Conv(2 * width, 2 * width, 1),
                _Conv(2 * width, 4 * width, 2),
                _Conv(4 * width, 4 * width, 1),
            ]
        )
        self.logit = nn.Linear(4 * width, 1)
        self.which = nn.Linear(4 * width, n_transformations)

    def features(self, pictures: Tensor) -> list[Tensor]:
        """The feature maps of `pictures`, from the finest to the coarsest."""
        maps: list[Tensor] = []
        for block in self.maps:
            pictures = block(pictures)
            maps.append(pictures)
        return maps

    def forward(self, pictures: Tensor) -> Tensor:
        """Pictures (N, C, H, W) in [-1, 1] to logits (N,)."""
        logits: Tensor = self.logit(self.features(pictures)[-1].mean((2, 3)))
        return logits.squeeze(1)

    def transformation_logits(self, pictures: Tensor) -> Tensor:
        """Pictures (N, C, H, W) in [-1, 1] to unnormalised log-probabilities (N, n_transformations)."""
        logits: Tensor = self.which(self.features(pictures)[-1].mean((2, 3)))
        return logits
