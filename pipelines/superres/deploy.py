"""The super-resolver as a module of nothing but tensors, to be exported."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from gantools.pipelines.export import Deployable

if TYPE_CHECKING:
    from gantools.pipelines.superres.resolver import GanSuperResolver

_EXAMPLE = (2, 24, 32)


class Enlarging(nn.Module):
    """Pictures (N, H, W, C), uint8, to pictures (N, scale H, scale W, C), uint8."""

    def __init__(self, generator: nn.Module) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, images: Tensor) -> Tensor:
        low = images.permute(0, 3, 1, 2).float().mul(2 / 255).sub(1)
        unit = self.generator(low).add(1).div(2).clamp(0, 1)
        return unit.mul(255).round().to(torch.uint8).permute(0, 2, 3, 1)


def deployable(resolver: GanSuperResolver) -> Deployable:
    """What can be exported of a fitted super-resolver, as its parameters (perception, tta, true_colours) stand.

    The whole picture is enlarged at once; in tiles it is for the caller to cut them, with `radius` more pixels on
    every side, which are cut off the results.
    """
    enlarger = resolver.enlarger()
    images = torch.randint(
        0, 256, (*_EXAMPLE, enlarger.channels), generator=torch.Generator().manual_seed(0), dtype=torch.uint8
    )
    notes = {"scale": enlarger.scale, "radius": enlarger.radius, "perception": float(resolver.perception)}
    module = Enlarging(enlarger.generator.cpu())
    return Deployable(
        module, {"images": images}, ("transform",), (1, 2), notes, lambda images: (resolver.transform(images),)
    )
