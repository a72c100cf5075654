"""Enlarging pictures of any size and depth, tile by tile, as if it were done at once."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from gantools.data.resize import enlarged, reduced
from gantools.errors import GantoolsError

_AUTO_TILE = 192
_AUTO_TILE_OF_RADIUS = 4
_SMALLEST_TILE = 16


def blended(fidelity: nn.Module, texture: nn.Module, perception: float) -> nn.Module:
    """A generator whose weights lie between two others': 0 is `fidelity`, 1 is `texture` (Wang et al. 2018, ESRGAN)."""
    between = copy.deepcopy(fidelity)
    with torch.no_grad():
        for p, end in zip(between.parameters(), texture.parameters(), strict=True):
            p.lerp_(end, perception)
    return between.eval().requires_grad_(False)


class Eightfold(nn.Module):
    """The mean over the eight flips and turns of a picture (Timofte et al. 2016): better, and eight times slower."""

    def __init__(self, generator: nn.Module) -> None:
        super().__init__()
        self.generator = generator
        self.scale: int = generator.scale  # type: ignore[assignment]
        self.radius: int = generator.radius  # type: ignore[assignment]

    def forward(self, low: Tensor) -> Tensor:
        """Pictures (N, C, H, W) to (N, C, scale H, scale W)."""
        total: Any = 0
        for turns in range(4):
            for flip in (False, True):
                turned = low.rot90(turns, (2, 3)).flip(3) if flip else low.rot90(turns, (2, 3))
                high = self.generator(turned)
                total = total + (high.flip(3) if flip else high).rot90(-turns, (2, 3))
        result: Tensor = total / 8
        return result


class TrueColours(nn.Module):
    """A generator whose result, reduced again, agrees with the low picture in its coarse colours.

    What is missing is blurred at the low size, so that only slow drifts of colour and brightness are put right, and
    added.
    """

    def __init__(self, generator: nn.Module, blur: int = 4) -> None:
        super().__init__()
        self.generator = generator
        self.blur = blur
        self.scale: int = generator.scale  # type: ignore[assignment]
        self.radius: int = generator.radius + 2 + blur + 2  # type: ignore[assignment,operator]

    def forward(self, low: Tensor) -> Tensor:
        """Pictures (N, C, H, W) to (N, C, scale H, scale W)."""
        high = self.generator(low)
        missing = low - reduced(high, self.scale)
        size = 2 * self.blur + 1
        counts = F.avg_pool2d(torch.ones_like(missing[:1, :1]), size, 1, self.blur)
        missing = F.avg_pool2d(missing, size, 1, self.blur) / counts
        result: Tensor = high + enlarged(missing, self.scale)
        return result


class Tile(NamedTuple):
    """A part of a picture, and the larger part that its result depends on: (top, bottom, left, right) each."""

    inner: tuple[int, int, int, int]
    outer: tuple[int, int, int, int]


def tiles(height: int, width: int, side: int, radius: int) -> Iterator[Tile]:
    """Tiles of at most `side` x `side` pixels that cover a picture, each with its surroundings."""
    for top in range(0, height, side):
        for left in range(0, width, side):
            bottom, right = min(top + side, height), min(left + side, width)
            outer = (
                max(0, top - radius),
                min(height, bottom + radius),
                max(0, left - radius),
                min(width, right + radius),
            )
            yield Tile((top, bottom, left, right), outer)


class Enlarger:
    """Applies a generator to arrays of any size, channels and depth.

    Parameters
    ----------
    generator : nn.Module
        With attributes `scale` and `radius`; from (N, channels, H, W) in [-1, 1] to `scale` times the size.
    channels : int
        That the generator takes.
    device : torch.device
    tile : int or None
        Side of a tile, in pixels of the small picture; None: 192, or four times the radius where that is more. Where
        memory runs out, tiles are halved.
    """

    def __init__(self, generator: nn.Module, channels: int, device: torch.device, tile: int | None = None) -> None:
        self.generator = generator.to(device)
        self.channels = channels
        self.device = device
        self.tile = tile
        self.scale: int = generator.scale  # type: ignore[assignment]
        self.radius: int = generator.radius  # type: ignore[assignment]

    def __call__(self, picture: NDArray[Any], advance: Callable[[float], None] = lambda fraction: None) -> NDArray[Any]:
        """A picture `scale` times larger, of the same dtype; uint8 where it was bool.

        Memory: the picture, the result, and one tile's activations.

        Parameters
        ----------
        picture : ndarray, (H, W, C)
            uint8, uint16, bool, or float in [0, 1]. C is the generator's channels, one (repeated for a generator
            of colours), anything (taken one by one by a generator of gray), or one of these and alpha.

        Raises
        ------
        GantoolsError
            When memory does not suffice even for small tiles.
        """
        height, width, channels = picture.shape
        dtype = np.dtype(np.uint8) if picture.dtype == np.bool_ else picture.dtype
        out = np.empty((height * self.scale, width * self.scale, channels), dtype)
        side = self.tile or max(_AUTO_TILE, _AUTO_TILE_OF_RADIUS * self.radius)
        work = list(tiles(height, width, side, self.radius))
        most = side  # that memory sufficed for, or has not been seen not to
        done = 0
        while work:
            tile = work.pop(0)
            top, bottom, left, right = tile.inner
            if max(bottom - top, right - left) > most:
                work = self._halved(tile) + work
                continue
            try:
                self._enlarge_tile(picture, tile, out)
            except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
                if not _out_of_memory(error):
                    raise
                most = max(bottom - top, right - left) // 2
                work = [tile, *work]
                continue
            done += (bottom - top) * (right - left)
            advance(done / (height * width))
        return out

    def _halved(self, tile: Tile) -> list[Tile]:
        """The same part in four smaller tiles, for when one was too much for the memory."""
        top, bottom, left, right = tile.inner
        side = max(bottom - top, right - left) // 2
        if side < _SMALLEST_TILE:
            raise GantoolsError(
                f"not enough memory on {self.device} for a tile of {2 * side} pixels; free some, or use device='cpu'"
            )
        rows, columns = tile.outer[1], tile.outer[3]
        parts = []
        for part in tiles(bottom - top, right - left, side, 0):
            a, b, c, d = part.inner
            inner = (top + a, top + b, left + c, left + d)
            outer = (
                max(tile.outer[0], inner[0] - self.radius),
                min(rows, inner[1] + self.radius),
                max(tile.outer[2], inner[2] - self.radius),
                min(columns, inner[3] + self.radius),
            )
            parts.append(Tile(inner, outer))
        return parts

    @torch.no_grad()
    def _enlarge_tile(self, picture: NDArray[Any], tile: Tile, out: NDArray[Any]) -> None:
        top, bottom, left, right = tile.inner
        above, below, before, after = tile.outer
        low = to_signed(picture[above:below, before:after]).to(self.device)
        high = self.planes(low)
        s = self.scale
        inner = high[:, (top - above) * s : (bottom - above) * s, (left - before) * s : (right - before) * s]
        out[top * s : bottom * s, left * s : right * s] = from_signed(inner.cpu(), out.dtype)

    def planes(self, low: Tensor) -> Tensor:
        """A picture (C, H, W) in [-1, 1], of any number of channels, to (C, scale H, scale W)."""
        n, mine = low.shape[0], self.channels
        if n == mine:
            return self._run(low[None])[0]
        if mine == 1:
            return self._run(low[:, None])[:, 0]
        if n == 1:
            return self._run(low[None].expand(1, mine, -1, -1)).mean(1)
        if n == mine + 1:
            alpha = self._run(low[None, -1:].expand(1, mine, -1, -1)).mean(1)
            return torch.cat([self._run(low[None, :-1])[0], alpha])
        alpha_or_gray = [self._run(plane[None, None].expand(1, mine, -1, -1)).mean(1) for plane in low]
        return torch.cat(alpha_or_gray)

    def _run(self, low: Tensor) -> Tensor:
        high: Tensor = self.generator(low.contiguous())
        return high


def _out_of_memory(error: BaseException) -> bool:
    words = str(error).lower()
    return (
        isinstance(error, (torch.OutOfMemoryError, MemoryError))
        or "out of memory" in words
        or "can't allocate" in words
    )


def to_signed(picture: NDArray[Any]) -> Tensor:
    """(H, W, C) of any depth to a tensor (C, H, W), float32 in [-1, 1]."""
    array = np.ascontiguousarray(picture.transpose(2, 0, 1))
    top = {"u1": 255.0, "u2": 65535.0}.get(array.dtype.str[1:], 1.0)
    return torch.from_numpy(array.astype(np.float32)).mul_(2 / top).sub_(1)


def from_signed(planes: Tensor, dtype: np.dtype[Any]) -> NDArray[Any]:
    """(C, H, W) in [-1, 1] to (H, W, C) of `dtype`: whole numbers are rounded, everything is clamped."""
    unit = planes.add(1).div(2).clamp(0, 1).permute(1, 2, 0)
    if dtype.kind == "f":
        return unit.numpy().astype(dtype)
    top = float(np.iinfo(dtype).max)
    rounded: NDArray[Any] = unit.double().mul(top).round().numpy().astype(dtype)
    return rounded
