"""Ten fixed ways to move a whole picture, for a discriminator that must tell which was done.

Golan & El-Yaniv 2018 ("Deep Anomaly Detection Using Geometric Transformations") showed that a classifier of
such moves, trained on normals, is unsure about abnormal pictures; Chen et al. 2019 ("Self-Supervised GANs via
Auxiliary Rotation Loss") gave the discriminator of a GAN such a head.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

# Sampling (x scale, y scale, x offset, y offset): above 1 shrinks the picture; offsets in half-widths.
_SQUEEZES = (
    (1.5, 1.0, 0.0, 0.0),
    (1.0, 1.5, 0.0, 0.0),
    (1.4, 1.4, 0.0, 0.0),
    (0.7, 0.7, 0.0, 0.0),
    (1.0, 1.0, 0.5, 0.0),
    (1.0, 1.0, 0.0, 0.5),
)
N_TRANSFORMATIONS = 4 + len(_SQUEEZES)


def transformed(pictures: Tensor, number: int) -> Tensor:
    """`pictures` (N, C, H, W) moved in the way `number`: 0 to 3 quarter turns, then squeezes and shifts."""
    if number < 4:
        turned = torch.rot90(pictures, number, (2, 3))
        if turned.shape == pictures.shape:
            return turned
        return F.interpolate(turned, size=pictures.shape[2:], mode="bilinear", align_corners=False)
    across, down, right, below = _SQUEEZES[number - 4]
    matrix = torch.tensor([[across, 0.0, right], [0.0, down, below]], device=pictures.device)
    grid = F.affine_grid(matrix.expand(pictures.shape[0], 2, 3), list(pictures.shape), align_corners=False)
    return F.grid_sample(pictures, grid, padding_mode="border", align_corners=False)


def all_transformed(pictures: Tensor) -> Tensor:
    """Every picture in every way: (10 * N, C, H, W), all pictures in the first way first."""
    return torch.cat([transformed(pictures, number) for number in range(N_TRANSFORMATIONS)])
