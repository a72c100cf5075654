"""Going through a picture tile by tile, each with the surroundings that its result depends on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch

from gantools.errors import GantoolsError

SMALLEST_TILE = 16


class Tile(NamedTuple):
    """A part of a picture, and the larger part that its result depends on: (top, bottom, left, right) each."""

    inner: tuple[int, int, int, int]
    outer: tuple[int, int, int, int]


class Grid(NamedTuple):
    """How a picture is cut up.

    Attributes
    ----------
    height, width : int
        Of the picture: multiples of `stride`.
    radius : int
        How far a pixel's result depends on others.
    stride : int
        Tiles and their surroundings begin and end at multiples of it.
    """

    height: int
    width: int
    radius: int
    stride: int = 1

    def tiles(self, side: int, part: tuple[int, int, int, int] | None = None) -> Iterator[Tile]:
        """Tiles of at most `side` x `side` pixels, a multiple of the stride, that cover the picture or a part of it."""
        first, last, left_end, right_end = part or (0, self.height, 0, self.width)
        side = max(side // self.stride, 1) * self.stride
        for top in range(first, last, side):
            for left in range(left_end, right_end, side):
                inner = (top, min(top + side, last), left, min(left + side, right_end))
                yield Tile(inner, self._surroundings(inner))

    def _surroundings(self, inner: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
        reach = -(-self.radius // self.stride) * self.stride
        top, bottom, left, right = inner
        return (
            max(0, top - reach),
            min(self.height, bottom + reach),
            max(0, left - reach),
            min(self.width, right + reach),
        )


def by_tiles(
    grid: Grid,
    side: int,
    compute: Callable[[Tile], None],
    device: torch.device,
    advance: Callable[[float], None] = lambda fraction: None,
) -> None:
    """Compute every tile of a picture. Where memory runs out, tiles are halved.

    Raises
    ------
    GantoolsError
        When memory does not suffice even for small tiles.
    """
    work = list(grid.tiles(side))
    most = max(side, grid.stride)  # that memory sufficed for, or has not been seen not to
    done = 0
    while work:
        tile = work.pop(0)
        top, bottom, left, right = tile.inner
        longer = max(bottom - top, right - left)
        if longer > most:
            if longer // 2 < max(SMALLEST_TILE, grid.stride):
                raise GantoolsError(
                    f"not enough memory on {device} for a tile of {longer} pixels; free some, or use device='cpu'"
                )
            work = [*grid.tiles(longer // 2, tile.inner), *work]
            continue
        try:
            compute(tile)
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if not _out_of_memory(error):
                raise
            most = longer // 2
            work = [tile, *work]
            continue
        done += (bottom - top) * (right - left)
        advance(done / (grid.height * grid.width))


def _out_of_memory(error: BaseException) -> bool:
    words = str(error).lower()
    return (
        isinstance(error, (torch.OutOfMemoryError, MemoryError))
        or "out of memory" in words
        or "can't allocate" in words
    )
