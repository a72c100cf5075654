"""The translator as a module of nothing but tensors, to be exported."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from gantools.data.planes import mirrored
from gantools.data.resize import guided, to_size
from gantools.errors import ConfigError
from gantools.pipelines.export import Deployable
from gantools.pipelines.translate.apply import Translation
from gantools.pipelines.translate.pairs import working_size

if TYPE_CHECKING:
    from gantools.pipelines.translate.translator import GanTranslator


class Translating(nn.Module):
    """Pictures (N, H, W, C), uint8, of one size, to pictures (N, H, W, channels_out), uint8.

    At one size, to reduce a picture and to continue it as in a mirror are linear: matrices, taken from the functions
    that `Translation` uses.

    Parameters
    ----------
    translation : Translation
    size : (int, int)
        H and W.
    """

    reduce_rows: Tensor
    reduce_columns: Tensor
    continue_rows: Tensor
    continue_columns: Tensor

    def __init__(self, translation: Translation, size: tuple[int, int]) -> None:
        super().__init__()
        self.generator = translation.generator.cpu()
        picture = torch.zeros(1, *size)
        wanted = working_size(picture, translation.size) if translation.size is not None else size
        self.reduces = tuple(wanted) != size
        for side, length, small in zip(("rows", "columns"), size, wanted, strict=True):
            self.register_buffer(f"reduce_{side}", _reducing(length, small))
            continued = -(-small // self.generator.stride) * self.generator.stride
            line = mirrored(torch.arange(small, dtype=torch.float32).view(1, 1, -1), 1, continued)
            self.register_buffer(f"continue_{side}", line.flatten().long())

    def forward(self, images: Tensor) -> Tensor:
        planes = images.permute(0, 3, 1, 2).float().mul(2 / 255).sub(1)
        if self.reduces:
            small = (self.reduce_rows @ planes @ self.reduce_columns.T).clamp(-1, 1)
            added = self._translated(small) - self.generator.plain(small)
            made = self.generator.plain(planes) + guided(added, small, planes)
        else:
            made = self._translated(planes)
        return made.add(1).div(2).clamp(0, 1).mul(255).round().to(torch.uint8).permute(0, 2, 3, 1)

    def _translated(self, planes: Tensor) -> Tensor:
        whole = planes[:, :, self.continue_rows][:, :, :, self.continue_columns]
        made: Tensor = self.generator(whole)
        return made[:, :, : planes.shape[2], : planes.shape[3]]


def _reducing(length: int, small: int) -> Tensor:
    """The matrix (small, length) by which antialiased bicubic interpolation makes a line shorter."""
    if length == small:
        return torch.eye(length)
    lines = torch.eye(length)[:, None].expand(-1, 2, -1)  # (length, 2, length): each pixel's own line, twice
    return torch.stack([to_size(line[None] * 0.25, 2, small, low=-1.0)[0, 0] * 4 for line in lines], 1)


def deployable(translator: GanTranslator, size: tuple[int, int] | None) -> Deployable:
    """What can be exported of a fitted translator, at its parameter `texture`.

    Raises
    ------
    ConfigError
        When no size is given, and the model has none of its own.
    """
    translation = translator.translation()
    if size is None and translation.size is None:
        raise ConfigError("this model takes pictures of any size, and is exported for one: --size HEIGHTxWIDTH")
    height, width = size or (translation.size, translation.size)
    assert height is not None
    assert width is not None
    shape = (2, height, width, translation.generator.channels_in)
    images = torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    notes = {"texture": float(translator.texture)}
    module = Translating(translation, (height, width))
    return Deployable(
        module,
        {"images": images},
        ("transform",),
        notes=notes,
        reference=lambda images: (translator.transform(images),),
    )
