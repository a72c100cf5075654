"""Named features in which generated pictures are compared with real ones."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from gantools.networks.backbone import load_backbone

_BATCH = 64
_BLOCKS = (10, 14)
_SMALLEST = 64


class PictureFeatures:
    """What a frozen EfficientNet-Lite0 sees, averaged over the picture: blocks 10 and 14 side by side.

    Distances in other features (Inception's, as in published tables) are on another scale: compare figures only
    under one `name`.

    Attributes
    ----------
    name : str
        To print beside every figure.
    length : int
        How many features there are.
    """

    length = 304
    name = "efficientnet-lite0, blocks 10 and 14"

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        self.backbone = load_backbone(_BLOCKS, device)

    @torch.no_grad()
    def __call__(self, pictures: Tensor) -> Tensor:
        """Pictures (N, C, H, W) in [-1, 1] to features (N, 304), on the CPU.

        Pictures with a side under 64 pixels are enlarged until it has as many.
        """
        factor = max(1.0, _SMALLEST / min(pictures.shape[2:]))
        size = [round(side * factor) for side in pictures.shape[2:]]
        found: list[Tensor] = []
        for some in pictures.split(_BATCH):
            large = some.to(self.device)
            if factor > 1:
                large = F.interpolate(large, size=size, mode="bilinear", align_corners=False)
            maps = self.backbone(large.add(1).div(2))
            found.append(torch.cat([m.mean((2, 3)) for m in maps], 1).cpu())
        return torch.cat(found)
