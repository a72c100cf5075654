"""Going through a picture tile by tile, each with the surroundings that its result depends on."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import torch

from gantools import processes
from gantools.errors import GantoolsError

SMALLEST_TILE = 16
_MEMORY = Path("/proc/meminfo")
_LIMIT, _TAKEN = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.stat")
_SUPPOSED = 4 << 30


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

    def tiles(self, size: tuple[int, int], part: tuple[int, int, int, int] | None = None) -> Iterator[Tile]:
        """Tiles that cover the picture or a part of it, at most as high and wide as `size` says; whole strides."""
        first, last, left_end, right_end = part or (0, self.height, 0, self.width)
        height, width = (max(side // self.stride, 1) * self.stride for side in size)
        for top in range(first, last, height):
            for left in range(left_end, right_end, width):
                bottom, right = min(top + height, last), min(left + width, right_end)
                around = self._around(top, bottom, self.height) + self._around(left, right, self.width)
                yield Tile((top, bottom, left, right), around)

    def cheapest(self, most: int) -> tuple[tuple[int, int], float]:
        """Equal tiles of which none has more than `most` pixels with its surroundings, and all have the fewest.

        Returns
        -------
        size, cost
            The tiles' height and width, and how many pixels are computed for each one of the picture.
        """
        across = list(self._cuts(self.width))
        cost, size = min(
            (rows * columns / (self.height * self.width), (height, width))
            for height, tallest, rows in self._cuts(self.height)
            for width, widest, columns in across
            if tallest * widest <= most
        )
        return size, cost

    def _cuts(self, length: int) -> Iterator[tuple[int, int, int]]:
        """Ways to cut a side into equal parts: their length, that of the longest with its surroundings, and of all."""
        strides = length // self.stride
        for part in {-(-strides // n) * self.stride for n in range(1, strides + 1)}:
            around = [self._around(first, min(first + part, length), length) for first in range(0, length, part)]
            spans = [end - begin for begin, end in around]
            yield part, max(spans), sum(spans)

    def _around(self, first: int, last: int, length: int) -> tuple[int, int]:
        """Where that begins and ends, of a side so long, which the part from `first` to `last` depends on."""
        reach = -(-self.radius // self.stride) * self.stride
        return max(0, first - reach), min(length, last + reach)


def by_tiles(
    grid: Grid,
    size: tuple[int, int],
    compute: Callable[[Tile], None],
    device: torch.device,
    advance: Callable[[float], None] = lambda fraction: None,
) -> None:
    """Compute every tile of a picture. Where memory runs out, tiles are halved.

    Parameters
    ----------
    size : (int, int)
        Height and width of a tile, at most.

    Raises
    ------
    GantoolsError
        When memory does not suffice even for small tiles.
    """
    work = list(grid.tiles(size))
    most = max(*size, grid.stride)  # that memory sufficed for, or has not been seen not to
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
            work = [*grid.tiles((longer // 2, longer // 2), tile.inner), *work]
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


def free_memory() -> int:
    """Bytes of memory that this process may take: its share of what the system, and a container's limit, leave.

    Where the system does not tell, as anywhere but on Linux, 4 GiB are taken for free.
    """
    free = _SUPPOSED
    with contextlib.suppress(OSError, KeyError, ValueError):
        free = 1024 * _numbers(_MEMORY)["MemAvailable:"]
    with contextlib.suppress(OSError, KeyError, ValueError):  # there is no limit
        free = min(free, max(0, int(_LIMIT.read_text()) - _numbers(_TAKEN)["anon"]))
    return free // processes.count()


def _numbers(path: Path) -> dict[str, int]:
    """Lines of a name and a number."""
    return {words[0]: int(words[1]) for words in map(str.split, path.read_text().splitlines())}


def _out_of_memory(error: BaseException) -> bool:
    words = str(error).lower()
    return (
        isinstance(error, (torch.OutOfMemoryError, MemoryError))
        or "out of memory" in words
        or "can't allocate" in words
    )
