"""Translating pictures of any size and depth."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gantools.data.keep import Kept, opaque_colours
from gantools.data.planes import from_signed, mirrored, on_white, to_signed
from gantools.data.resize import along_edges, guide, luma, rows_of, to_size
from gantools.errors import DataError
from gantools.networks.translator import Translator
from gantools.pipelines.tiling import Grid, Tile, by_tiles
from gantools.pipelines.translate.pairs import working_size

_USUAL_WIDTH, _LARGE_WIDTH = 24, 64
_TILES = (2048, 2900, 3600)  # sides of squares as large as a tile with its surroundings may be: .7, 1.4 and 2.2 GB
_COST = 1.5  # pixels computed for each one of the picture, above which the next larger tiles are taken
_BAND = 1 << 20  # pixels of a large picture that are worked on at once


_Put = Callable[[Tensor, int, int], None]
"""Takes a part (channels_out, h, w) of the result, its top and its left."""


class Translation:
    """Applies a generator to arrays of any size and depth.

    A picture is continued, as in a mirror, to a multiple of the generator's stride, and cut back. Where the generator
    was trained at a smaller size, it works at that size, and what it changed is enlarged along the edges of the source
    and added to what its linear part makes of the whole picture: lines and edges stay sharp. Memory: the picture, its
    planes, the result, and one tile's activations, 170 bytes for each of its pixels at the default width.

    Parameters
    ----------
    generator : Translator
        From (N, channels_in, H, W) to (N, channels_out, H, W), both in [-1, 1].
    size : int or None
        Shorter side that pictures are translated at; None: their own.
    device : torch.device
    tile : int or None
        Side of a tile; None: what suits the picture, with surroundings at most 13 megapixels.
    latents : Tensor or None, (n_latents,)
        Which of the plausible results; None: the one of latents zero.
    """

    def __init__(
        self,
        generator: Translator,
        size: int | None,
        device: torch.device,
        tile: int | None,
        latents: Tensor | None = None,
    ) -> None:
        self.generator = generator.eval().to(device)
        self.size, self.device, self.tile = size, device, tile
        self.latents = None if latents is None else latents[None].to(device)

    def of(self, latents: Tensor) -> Translation:
        """The same with other latents; the generator is shared."""
        return Translation(self.generator, self.size, self.device, self.tile, latents)

    def __call__(self, picture: NDArray[Any], advance: Callable[[float], None] = lambda fraction: None) -> NDArray[Any]:
        """A picture (H, W, C) translated: (H, W, channels_out) of the same dtype.

        What is transparent becomes white; where only colour is added, alpha is kept instead.

        Raises
        ------
        DataError
            When its channels are not those the generator was trained with.
        GantoolsError
            When memory does not suffice even for small tiles.
        """
        dtype = np.dtype(np.uint8) if picture.dtype == np.bool_ else picture.dtype
        alpha = picture[..., -1:] if picture.shape[2] in (2, 4) and self.generator.colour_only else None
        planes = self._planes(picture if alpha is None else opaque_colours(picture)[..., :-1])
        channels = self.generator.channels_out
        out = np.empty((*planes.shape[1:], channels + (alpha is not None)), dtype)

        def put(made: Tensor, top: int, left: int) -> None:
            bottom, right = top + made.shape[1], left + made.shape[2]
            out[top:bottom, left:right, :channels] = from_signed(made, dtype)

        height, width = working_size(planes, self.size) if self.size is not None else planes.shape[1:]
        if (height, width) == planes.shape[1:]:
            self._translate(planes, put, advance)
        else:
            self._translate_small(planes, to_size(planes, height, width, low=-1.0), put, advance)
        if alpha is not None:
            out[..., channels:] = alpha
        return out

    def _planes(self, picture: NDArray[Any]) -> Tensor:
        """A picture (H, W, C) as planes (channels_in, H, W) in [-1, 1]: on white, gray repeated, or colours' luma."""
        wanted, height, width = self.generator.channels_in, *picture.shape[:2]
        planes = torch.empty(wanted, height, width)
        for top, bottom in _bands(height, width):
            band = picture[top:bottom]
            planes[:, top:bottom] = _as_learnt(to_signed(band if band.shape[2] == wanted else on_white(band)), wanted)
        return planes

    def _translate_small(self, planes: Tensor, small: Tensor, put: _Put, advance: Callable[[float], None]) -> None:
        """A picture (C, H, W) by what is changed of the small one: enlarged along its edges, in bands of rows."""
        added = -self._plain(small)

        def add(made: Tensor, top: int, left: int) -> None:
            added[:, top : top + made.shape[1], left : left + made.shape[2]] += made

        self._translate(small, add, advance)
        coefficients = guide(added[None], small[None])
        height, width = planes.shape[1:]
        for top, bottom in _bands(height, width):
            band = planes[:, top:bottom]
            change = along_edges(rows_of(coefficients, height, top, bottom), band[None])[0]
            put(self._plain(band) + change, top, 0)

    @torch.no_grad()
    def _plain(self, planes: Tensor) -> Tensor:
        return self.generator.plain(planes[None].to(self.device))[0].cpu()

    def _translate(self, planes: Tensor, put: _Put, advance: Callable[[float], None]) -> None:
        """A picture (C, H, W) at the size it is translated at, tile by tile."""
        height, width = planes.shape[1:]
        stride, radius = self.generator.stride, self.generator.radius
        whole = mirrored(planes.contiguous(), _up(height, stride), _up(width, stride))
        grid = Grid(whole.shape[1], whole.shape[2], radius, stride)
        size = (self.tile, self.tile) if self.tile else _tile_size(grid, self.generator.width)

        @torch.no_grad()
        def compute(tile: Tile) -> None:
            top, bottom, left, right = tile.inner
            above, below, before, after = tile.outer
            made = self.generator(whole[None, :, above:below, before:after].to(self.device), self.latents)[0]
            inner = made[:, top - above : min(bottom, height) - above, left - before : min(right, width) - before]
            put(inner.cpu(), top, left)

        by_tiles(grid, size, compute, self.device, advance)


def _tile_size(grid: Grid, width: int) -> tuple[int, int]:
    """Height and width of tiles no larger than it takes for their surroundings to cost little.

    Wide generators, whose maps take more memory, have smaller ones.
    """
    share = _USUAL_WIDTH / min(max(width, _USUAL_WIDTH), _LARGE_WIDTH)
    for side in _TILES:
        size, cost = grid.cheapest(int(side**2 * share))
        if cost <= _COST:
            break
    return size


def _as_learnt(planes: Tensor, wanted: int) -> Tensor:
    """With the channels that the generator takes: gray repeated, or colours' luma."""
    found = planes.shape[0]
    if found == wanted:
        return planes
    if found == 1:
        return planes.expand(wanted, -1, -1)
    if wanted == 1 and found == 3:
        return luma(planes)
    raise DataError(
        f"has {found} channels, and the model was trained on sources of {wanted}; bring it to as many, or fit a model "
        "on such sources"
    )


def translate_kept(
    translate: Translation, kept: Kept, advance: Callable[[float], None] = lambda fraction: None
) -> None:
    """Translate a file's picture in place, and note what of it could not be kept."""
    had_alpha, was_gray = kept.has_alpha, kept.pixels.shape[2] < 3
    kept.pixels = translate(kept.pixels, advance)
    if had_alpha and not kept.has_alpha:
        kept.notes.append("what was transparent was taken for white")
    if kept.icc and was_gray != (kept.pixels.shape[2] < 3):
        kept.icc = None
        kept.notes.append("its colour profile, of gray or of colours, fits no longer and is left out")


def _up(length: int, multiple: int) -> int:
    return -(-length // multiple) * multiple


def _bands(height: int, width: int) -> Iterator[tuple[int, int]]:
    """The first and the last row of parts of a picture that are worked on at once."""
    rows = max(1, _BAND // width)
    return ((top, min(top + rows, height)) for top in range(0, height, rows))
