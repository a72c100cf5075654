"""Enlarging pictures of any size and depth, tile by tile, as if it were done at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from gantools.data.planes import from_signed, to_signed
from gantools.data.resize import enlarged, reduced
from gantools.errors import DataError
from gantools.pipelines.tiling import SMALLEST_TILE, Grid, Tile, by_tiles, free_memory

_AUTO_TILE = 192
_AUTO_TILE_OF_RADIUS = 4
_NEAR = 2  # as far as bicubic interpolation sees
_FLOAT = 4
_LAYERS, _RESULTS = 2.5, 4  # measured: so many times the widest layer, and the result, take memory at once
_SHARE = 0.5  # of the free memory, for a tile


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
        Side of a tile, in pixels of the small picture; None: 192, or four times the radius where that is more. On a CPU
        tiles are smaller where these would take more than half of the free memory, as a system that runs out of it ends
        the program without a word. Where memory is refused, tiles are halved.
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
            of colours), anything (taken one by one by a generator of gray, to which the last of two or four is alpha),
            or one of these and alpha.

        Raises
        ------
        DataError
            When it has other channels.
        GantoolsError
            When memory does not suffice even for small tiles.
        """
        height, width, channels = picture.shape
        if self.channels > 1 and channels not in (1, 2, self.channels, self.channels + 1):
            raise DataError(f"a picture of {channels} channels; this model enlarges {self.channels}, with alpha or not")
        dtype = np.dtype(np.uint8) if picture.dtype == np.bool_ else picture.dtype
        out = np.empty((height * self.scale, width * self.scale, channels), dtype)
        grid = Grid(height, width, self.radius)
        size = (self.tile, self.tile) if self.tile else self.tile_size(grid, channels)
        by_tiles(grid, size, lambda tile: self._enlarge_tile(picture, tile, out), self.device, advance)
        return out

    def tile_size(self, grid: Grid, channels: int) -> tuple[int, int]:
        """Height and width of the tiles for a picture of so many channels."""
        side = max(_AUTO_TILE, _AUTO_TILE_OF_RADIUS * self.radius)
        if self.device.type != "cpu":
            return side, side
        most = int(free_memory() * _SHARE) // self.bytes_of_pixel(channels)
        around = 2 * self.radius
        if min(side + around, grid.height) * min(side + around, grid.width) <= most:
            return side, side
        return grid.cheapest(max(most, (SMALLEST_TILE + around) ** 2))[0]

    def bytes_of_pixel(self, channels: int) -> int:
        """About how much memory a tile takes for each of its pixels, surroundings included."""
        layers = [m.in_channels + m.out_channels for m in self.generator.modules() if isinstance(m, nn.Conv2d)]
        at_once = channels if self.channels == 1 else 1
        return round(at_once * _FLOAT * (_LAYERS * max(layers, default=0) + _RESULTS * self.channels * self.scale**2))

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
            high = self._run(low[:, None])[:, 0]
            return torch.cat([high[:-1], self._alpha(low[None, -1:], high[None, -1:])[0]]) if n in (2, 4) else high
        if n == 1:
            return self._run(low[None].expand(1, mine, -1, -1)).mean(1)
        alpha = self._alpha(low[None, -1:], self._run(low[None, -1:].expand(1, mine, -1, -1)).mean(1, keepdim=True))
        colours = low[None, :-1].expand(1, mine, -1, -1)
        return torch.cat([self._run(colours)[0] if n == mine + 1 else self._run(colours).mean(1), alpha[0]])

    def _alpha(self, low: Tensor, high: Tensor) -> Tensor:
        """Transparency no further out than what is near it: what is opaque all around stays so to the last bit."""
        size = 2 * _NEAR + 1
        most, least = F.max_pool2d(low, size, 1, _NEAR), -F.max_pool2d(-low, size, 1, _NEAR)
        return high.clamp(*(F.interpolate(end, scale_factor=self.scale, mode="nearest") for end in (least, most)))

    def _run(self, low: Tensor) -> Tensor:
        high: Tensor = self.generator(low.contiguous())
        return high
