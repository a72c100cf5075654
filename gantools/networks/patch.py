"""Dense discriminators: a logit for every few pixels, from a small neighbourhood."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_SLOPE = 0.2


class _Scale(nn.Module):
    """Convolutions with two halvings: each output sees 21 pixels of its input, four pixels apart."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            [
                nn.Conv2d(channels, width, 3, 1, 1, padding_mode="reflect"),
                nn.Conv2d(width, 2 * width, 3, 2, 1, padding_mode="reflect"),
                nn.Conv2d(2 * width, 2 * width, 3, 1, 1, padding_mode="reflect"),
                nn.Conv2d(2 * width, 4 * width, 3, 2, 1, padding_mode="reflect"),
                nn.Conv2d(4 * width, 4 * width, 3, 1, 1, padding_mode="reflect"),
            ]
        )

    def forward(self, x: Tensor) -> Tensor:
        for conv in self.convs:
            x = F.leaky_relu(conv(x), _SLOPE)
        return x


class PatchDiscriminator(nn.Module):
    """Pictures of any size from 16 pixels up to a map of logits, a quarter of their size.

    A patch discriminator (Isola et al. 2017) at two scales: the picture and its half. Together a logit sees
    50 pixels.

    Parameters
    ----------
    channels : int
        Of a picture.
    width : int
        Channels of the first map of each scale; the maps after the halvings have two and four times as many.
    """

    def __init__(self, channels: int, width: int = 24) -> None:
        super().__init__()
        self.fine = _Scale(channels, width)
        self.coarse = _Scale(channels, width)
        self.mix = nn.Conv2d(8 * width, 4 * width, 1)
        self.logit = nn.Conv2d(4 * width, 1, 1)

    def features(self, pictures: Tensor) -> list[Tensor]:
        """Fine, coarse (at the fine one's size) and mixed feature maps of `pictures`."""
        fine = self.fine(pictures)
        coarse = self.coarse(F.avg_pool2d(pictures, 2, ceil_mode=True))
        coarse = F.interpolate(coarse, size=fine.shape[2:], mode="bilinear", align_corners=False)
        mixed = F.leaky_relu(self.mix(torch.cat([fine, coarse], 1)), _SLOPE)
        return [fine, coarse, mixed]

    def forward(self, pictures: Tensor) -> Tensor:
        """Pictures (N, C, H, W) in [-1, 1] to logits (N, 1, ceil(H/4), ceil(W/4))."""
        logits: Tensor = self.logit(self.features(pictures)[-1])
        return logits


class TextureDiscriminator(nn.Module):
    """Pictures of any size from 8 pixels up to a map of logits, a quarter of their size; a logit sees 34 pixels.

    A patch discriminator (Isola et al. 2017) that is small and cheap enough to teach a small generator on a CPU.

    Parameters
    ----------
    channels : int
        Of what is shown.
    width : int
        Channels of the first map; the others have twice as many.
    """

    def __init__(self, channels: int, width: int = 32) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            [
                nn.Conv2d(channels, width, 4, 2, 1),
                nn.Conv2d(width, 2 * width, 4, 2, 1),
                nn.Conv2d(2 * width, 2 * width, 3, 1, 1),
                nn.Conv2d(2 * width, 2 * width, 3, 1, 1),
            ]
        )
        self.logit = nn.Conv2d(2 * width, 1, 3, 1, 1)

    def features(self, pictures: Tensor) -> list[Tensor]:
        """What each convolution makes of `pictures`, from the first to the last."""
        found = [pictures]
        for conv in self.convs:
            found.append(F.leaky_relu(conv(found[-1]), _SLOPE))
        return found[1:]

    def forward(self, pictures: Tensor) -> Tensor:
        """Pictures (N, C, H, W) in [-1, 1] to logits (N, 1, H/4, W/4)."""
        logits: Tensor = self.logit(self.features(pictures)[-1])
        return logits
