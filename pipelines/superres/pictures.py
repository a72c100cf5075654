"""Pictures to learn from: pairs of high and low resolution, in bounded memory, cut into patches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from gantools.core import Batch
from gantools.core.batches import mine
from gantools.data.degrade import Degradation
from gantools.data.pairing import refuse
from gantools.data.planes import mirrored, with_channels
from gantools.data.resize import cropped, enlarged, reduced
from gantools.data.sources import PictureSource, to_tensor
from gantools.data.standard import skip_or_refuse
from gantools.errors import DataError

_BUDGET = 1 << 30
_BYTES = 2
_FEWEST_TO_ALIGN = 32  # below, noise and compression make sound pairs look shifted


@dataclass
class Pair:
    """A picture and the low one that it is to be made from.

    Attributes
    ----------
    high : Tensor, (C, sH, sW), float16 in [-1, 1]
    low : Tensor or None, (C, H, W), float16 in [-1, 1]
        None where it is made anew at every step.
    name : str
    """

    high: Tensor
    low: Tensor | None
    name: str


def read_pairs(
    high: PictureSource,
    low: PictureSource | None,
    scale: int,
    channels: int,
    *,
    degraded: bool,
    seed: int,
    max_bad: float,
    advance: Callable[[float], None],
    budget: int = _BUDGET,
) -> tuple[list[Pair], NDArray[np.int64], list[str]]:
    """Read every picture once and keep all of it, or as large a part, at random, as memory allows each.

    Parameters
    ----------
    high, low : PictureSource
        `low` is None where low pictures are made by reducing the high ones.
    degraded : bool
        Whether low pictures are made at every step, and not kept.

    Returns
    -------
    pairs, numbers, reasons
        The pairs, their numbers in `high`, and why other pictures were skipped.

    Raises
    ------
    DataError
        When more than `max_bad` cannot be used, or none is left, or the two of a pair do not fit: all of them are
        listed.
    """
    share = budget // _BYTES // max(len(high), 1)
    pairs: list[Pair] = []
    numbers: list[int] = []
    reasons: list[str] = []
    misfits: list[str] = []
    for index in range(len(high)):
        try:
            large = to_tensor(with_channels(high.read(index), channels, high.name(index)))
            small = None if low is None else to_tensor(with_channels(low.read(index), channels, low.name(index)))
        except DataError as error:
            reasons.append(str(error))
            continue
        if small is not None:
            wrong = misfit(small, large, scale)
            if wrong:
                assert low is not None
                misfits.append(f"{low.name(index)} and {high.name(index)}: {wrong}")
                continue
        pairs.append(_kept(large, small, scale, share, degraded, high.name(index), (seed, index)))
        numbers.append(index)
        advance((index + 1) / len(high))
    refuse(misfits, len(high))
    skip_or_refuse(reasons, len(high), max_bad if pairs else 0)
    return pairs, np.asarray(numbers, np.int64), reasons


def misfit(low: Tensor, high: Tensor, scale: int) -> str:
    """Why two pictures (C, H, W) are no pair of a low and a high one; nothing where they are."""
    (h, w), (sh, sw) = low.shape[1:], high.shape[1:]
    if (sh, sw) != (h * scale, w * scale):
        return f"{w} x {h} and {sw} x {sh} pixels; times {scale}, {w * scale} x {h * scale} are wanted"
    shift = _misaligned(low, reduced(high[None].float(), scale)[0])
    if shift is not None:
        return f"they show different things, or one is shifted by {shift[1]} x {shift[0]} small pixels"
    return ""


def _misaligned(low: Tensor, reference: Tensor, most: int = 2) -> tuple[int, int] | None:
    """The shift, in pixels of the low picture, at which it resembles the reduced high one more than at none."""
    a, b = low.mean(0), reference.mean(0)
    if min(a.shape) < _FEWEST_TO_ALIGN or a.std() < 1e-3 or b.std() < 1e-3:
        return None
    inner = slice(most, -most)

    def likeness(dy: int, dx: int) -> float:
        moved = a.roll((dy, dx), (0, 1))[inner, inner]
        return float(torch.corrcoef(torch.stack([moved.flatten(), b[inner, inner].flatten()]))[0, 1])

    here = likeness(0, 0)
    shifts = [(dy, dx) for dy in range(-most, most + 1) for dx in range(-most, most + 1)]
    best = max(shifts, key=lambda s: likeness(*s))
    return best if likeness(*best) > here + 0.02 else None


def _kept(
    high: Tensor, low: Tensor | None, scale: int, share: int, degraded: bool, name: str, seed: tuple[int, int]
) -> Pair:
    """The pair, or a window of it of at most `share` values."""
    high = cropped(mirrored(high, scale, scale), scale)
    if low is None and not degraded:
        low = reduced(high[None], scale)[0].mul(255).round().div(255).clamp(0, 1)
    if high.numel() > share:
        side = max(int((share / high.shape[0]) ** 0.5) // scale, 1)
        rng = np.random.default_rng(seed)
        h, w = high.shape[1] // scale, high.shape[2] // scale
        height, width = min(side, h), min(side * side // min(side, h), w)
        top, left = int(rng.integers(h - height + 1)), int(rng.integers(w - width + 1))
        low = None if low is None else low[:, top : top + height, left : left + width]
        rows = slice(top * scale, (top + height) * scale)
        high = high[:, rows, left * scale : (left + width) * scale]
    return Pair(high.mul(2).sub(1).half(), None if low is None else low.mul(2).sub(1).half(), name)


class Patches:
    """Batches of patches by step: a function of the seed and the step, and of nothing else.

    A patch is drawn as often as interpolation errs in it: most of a photograph is smooth, and nothing is to be learnt
    there.

    Parameters
    ----------
    pairs : list of Pair
        Pictures smaller than a patch are continued as in a mirror.
    scale : int
    side : int
        Of a patch, in pixels of the low picture.
    batch_size : int
    degradation : Degradation or None
        Makes the low patches where the pairs have none.
    """

    def __init__(
        self,
        pairs: list[Pair],
        scale: int,
        side: int,
        batch_size: int,
        seed: int,
        device: torch.device,
        degradation: Degradation | None = None,
    ) -> None:
        self.scale, self.side, self.batch_size, self.seed = scale, side, batch_size, seed
        self.device, self.degradation = device, degradation
        self.pairs = pairs
        self._errors = [_errors(self._large_enough(p), scale, side) for p in pairs]
        self._pictures = np.cumsum([e.sum(dtype=np.float64) for e in self._errors])
        self._rows = [np.cumsum(e.sum(1, dtype=np.float64)) for e in self._errors]

    def _large_enough(self, pair: Pair) -> Pair:
        """Continued as in a mirror where it is smaller than a patch."""
        low, high = self.side, self.side * self.scale
        return Pair(
            mirrored(pair.high, high, high), None if pair.low is None else mirrored(pair.low, low, low), pair.name
        )

    def __call__(self, step: int) -> Batch:
        """Step `step`'s `reals` (N, C, s side, s side) and `source` (N, C, side, side), float32 in [-1, 1]."""
        highs: list[Tensor] = []
        lows: list[Tensor] = []
        s, side = self.scale, self.side
        for place in mine(np.arange(self.batch_size)):
            rng = np.random.default_rng((self.seed, step, 3, int(place)))
            index = _drawn(self._pictures, rng)
            pair = self._large_enough(self.pairs[index])
            top = _drawn(self._rows[index], rng)
            left = _drawn(np.cumsum(self._errors[index][top], dtype=np.float64), rng)
            way = int(rng.integers(8))
            high = _turned(pair.high[:, top * s : (top + side) * s, left * s : (left + side) * s], way).float()
            highs.append(high)
            if pair.low is not None:
                lows.append(_turned(pair.low[:, top : top + side, left : left + side], way).float())
            else:
                assert self.degradation is not None
                lows.append(self.degradation(high, rng))
        return {"reals": torch.stack(highs).to(self.device), "source": torch.stack(lows).to(self.device)}


def _errors(pair: Pair, scale: int, side: int) -> NDArray[np.float32]:
    """How far interpolation is from the truth in each patch, by the small pixel it begins at."""
    high = pair.high[None].float()
    low = reduced(high, scale) if pair.low is None else pair.low[None].float()
    error = (enlarged(low, scale) - high).abs().mean(1, keepdim=True)
    of_patches = F.avg_pool2d(F.avg_pool2d(error, scale), side, 1)[0, 0]
    found: NDArray[np.float32] = of_patches.add(1e-6).numpy()  # of a picture without any detail, all patches alike
    return found


def _drawn(sums: NDArray[np.float64], rng: np.random.Generator) -> int:
    """One of so many things, as often as its share in the running `sums` asks for."""
    return min(int(np.searchsorted(sums, rng.random() * sums[-1], side="right")), len(sums) - 1)


def _turned(patch: Tensor, way: int) -> Tensor:
    """One of the eight flips and turns of a square patch."""
    if way & 1:
        patch = patch.flip(2)
    if way & 2:
        patch = patch.flip(1)
    return patch.transpose(1, 2) if way & 4 else patch
