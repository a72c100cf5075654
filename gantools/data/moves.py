"""Small moves of pictures, differentiable, so that a discriminator can be shown both players' pictures moved.

Zhao et al. 2020, "Differentiable Augmentation for Data-Efficient GAN Training"; kornia does the moving.
"""

from __future__ import annotations

import torch
from kornia.geometry.transform import get_affine_matrix2d, warp_affine
from torch import Tensor

_SHIFT = 0.06
_DEGREES = 6.0
_SCALE = 0.08


def moved(pictures: Tensor, strength: float, rng: torch.Generator) -> Tensor:
    """Every picture shifted, turned and scaled by amounts of its own.

    At strength 1 a picture is shifted by up to 6 % of its sides, turned by up to 6 degrees and scaled by up to 8 %,
    each evenly. Borders are continued.

    Parameters
    ----------
    pictures : Tensor, (N, C, H, W)
    strength : float
        0 moves nothing.
    rng : torch.Generator
        On the pictures' device.
    """
    if strength == 0:
        return pictures
    n, height, width = len(pictures), pictures.shape[2], pictures.shape[3]
    draws = torch.rand((n, 5), generator=rng, device=pictures.device) * 2 - 1
    sides = torch.tensor([width, height], device=pictures.device)
    centre = ((sides - 1) / 2).expand(n, 2)
    matrix = get_affine_matrix2d(
        draws[:, :2] * _SHIFT * strength * sides,
        centre,
        (1 + draws[:, 2:3] * _SCALE * strength).expand(n, 2),
        draws[:, 3] * _DEGREES * strength,
    )
    return warp_affine(pictures, matrix[:, :2], (height, width), padding_mode="border", align_corners=True)
