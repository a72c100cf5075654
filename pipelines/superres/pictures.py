"""Pictures to learn from: pairs of high and low resolution, in bounded memory, cut into patches."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from gantools.core import Batch
from gantools.core.batches import mine
from gantools.data.degrade import Degradation, Reduction
from gantools.data.pairing import refuse
from gantools.data.planes import mirrored, with_channels
from gantools.data.resize import cropped, enlarged, reduced
from gantools.data.sources import PictureSource, to_tensor
from gantools.data.standard import allowance, skip_or_refuse
from gantools.errors import DataError

_BUDGET = 2 << 30
_ROOM = 1.5  # sides of a patch that a window has at least, so that not all its patches are one
_BYTES_OF_ERRORS = 4
_MARGIN = 3  # small pixels around a patch that a low one is made from, more than the kernel that reduces reaches
_FEWEST_TO_ALIGN = 32  # below, noise and compression make sound pairs look shifted
_MOST_SHIFTED = 2
_ALIKE, _UNLIKE = 0.5, 0.2  # correlations
_GAIN, _CHANCE = 0.02, 4.0  # of correlation by a shift; how many deviations of it noise may bring
_CONTRAST = 0.03  # deviation of what is more than noise
_WAYS: dict[int, Callable[[Tensor], Tensor]] = {  # by the bits of the way that a patch is turned
    1: lambda patches: patches.flip(3),
    2: lambda patches: patches.flip(2),
    4: lambda patches: patches.transpose(2, 3),
}

_Thing = TypeVar("_Thing")


@dataclass
class Pair:
    """A picture and the low one that it is to be made from.

    Attributes
    ----------
    high : Tensor, (C, sH, sW), uint8, or float16 in [-1, 1]
        Of eight bits where that loses nothing; `signed` reads either.
    low : Tensor or None, (C, H, W), uint8, or float16 in [-1, 1]
        None where it is made of the high one at every step.
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
    patch: int,
    seed: int,
    max_bad: float,
    advance: Callable[[float], None],
    budget: int = _BUDGET,
) -> tuple[list[Pair], NDArray[np.int64], list[str]]:
    """Read every picture once and keep all of it, or as large a part, at random, as memory allows each.

    Where memory does not suffice for a window of each that has room for a patch, pictures are left out, at random. A
    warning says how much is kept.

    Parameters
    ----------
    high, low : PictureSource
        `low` is None where low pictures are made of the high ones at every step.
    patch : int
        Side of the patches to be cut, in pixels of the low picture.
    budget : int
        Bytes that may be kept.

    Returns
    -------
    pairs, numbers, reasons
        The pairs, their numbers in `high` in ascending order, and why other pictures were skipped.

    Raises
    ------
    DataError
        When more than `max_bad` cannot be used, or none is left, or the two of a pair do not fit: all of them are
        listed. Pairs whose sizes agree, but not what they show, count as such that cannot be used.
    """
    pairs: dict[int, Pair] = {}
    reasons: dict[int, str] = {}
    misfits: dict[int, str] = {}
    doubtful: dict[int, str] = {}
    left, cut, there, kept = budget, 0, 0, 0
    n = seen = len(high)
    for done, index in enumerate(map(int, np.random.default_rng((seed, n, 5)).permutation(n))):
        if left <= 0 and pairs:
            seen = done
            break
        advance(done / n)
        try:
            large = to_tensor(with_channels(high.read(index), channels, high.name(index)))
            small = None if low is None else to_tensor(with_channels(low.read(index), channels, low.name(index)))
        except DataError as error:
            reasons[index] = str(error)
            continue
        if low is not None and small is not None:
            both = f"{low.name(index)} and {high.name(index)}"
            if wrong := misfit(small, large, scale):
                misfits[index] = f"{both}: {wrong}"
                continue
            if wrong := misaligned(small, large, scale):
                doubtful[index] = f"{both}: {wrong}"
                continue
        large = cropped(mirrored(large, scale, scale), scale)
        pair = _kept(large, small, scale, patch, left // (n - done), high.name(index), (seed, index))
        pairs[index] = pair
        left -= _bytes(pair, scale)
        cut += pair.high.shape != large.shape
        there, kept = there + large[0].numel(), kept + pair.high[0].numel()
    refuse(_in_order(misfits), seen, f"; is scale={scale} (--scale) right, and are the low ones given as such?")
    if doubtful and len(reasons) + len(doubtful) > allowance(seen, max_bad):
        way = "; align them, leave them out, or skip up to N such with --max-bad N (max_bad=N)"
        refuse(_in_order(doubtful), seen, way)
    skipped = _in_order(reasons | doubtful)
    skip_or_refuse(skipped, seen, max_bad if pairs else 0)
    if cut or seen < n:
        left_out = f", and {n - seen:,} pictures are left out" if seen < n else ""
        warnings.warn(
            f"the {n:,} pictures are more than the {budget / 2**30:.2g} GiB set aside for them: {kept / there:.0%} of "
            f"the pixels of {len(pairs):,} are kept to learn from, of {cut:,} a window only{left_out}; fewer, or "
            "smaller, pictures are kept whole",
            stacklevel=3,
        )
    return _in_order(pairs), np.asarray(sorted(pairs), np.int64), skipped


def _in_order(by_number: dict[int, _Thing]) -> list[_Thing]:
    return [by_number[index] for index in sorted(by_number)]


def misfit(low: Tensor, high: Tensor, scale: int) -> str:
    """Why the sizes of two pictures (C, H, W) are not those of a low and a high one; nothing where they are."""
    (h, w), (sh, sw) = low.shape[1:], high.shape[1:]
    if (sh, sw) != (h * scale, w * scale):
        return f"{w} x {h} and {sw} x {sh} pixels; times {scale}, {w * scale} x {h * scale} are wanted"
    return ""


def misaligned(low: Tensor, high: Tensor, scale: int) -> str:
    """Why a low picture (C, H, W) in [0, 1] and a high one of `scale` times its size do not show the same.

    Nothing where they do, or where there is too little to see: in small pictures, and in flat ones with noise.
    """
    a, b = low.mean(0), reduced(high[None], scale)[0].mean(0)
    if min(a.shape) < _FEWEST_TO_ALIGN or a.std() < 1e-3 or b.std() < 1e-3:
        return ""
    inner = slice(_MOST_SHIFTED, -_MOST_SHIFTED)
    wanted = b[inner, inner].flatten()
    steps = range(-_MOST_SHIFTED, _MOST_SHIFTED + 1)
    likeness = {
        (dy, dx): float(torch.corrcoef(torch.stack([a.roll((dy, dx), (0, 1))[inner, inner].flatten(), wanted]))[0, 1])
        for dy in steps
        for dx in steps
    }
    (dy, dx), most = max(likeness.items(), key=lambda found: found[1])
    by_chance = _CHANCE * (1 - most) / wanted.numel() ** 0.5
    if most > _ALIKE and most > likeness[0, 0] + _GAIN + by_chance:
        return f"one is shifted by {dx} x {dy} small pixels"
    if most < _UNLIKE and _is_more_than_noise(a) and _is_more_than_noise(b):
        return "they show different things"
    return ""


def _is_more_than_noise(gray: Tensor) -> bool:
    """Whether most of the contrast of a picture (H, W) outlives a mean over 4 x 4 pixels, and is not little."""
    coarse = float(F.avg_pool2d(gray[None], 4).std())
    return coarse > max(_CONTRAST, 0.5 * float(gray.std()))


def signed(kept: Tensor) -> Tensor:
    """A picture, or a part of one, as a `Pair` keeps it, as float32 in [-1, 1]."""
    return kept.float().div(127.5).sub(1) if kept.dtype == torch.uint8 else kept.float()


def _stored(unit: Tensor) -> Tensor:
    """A picture in [0, 1] as a `Pair` keeps it."""
    return unit.mul(255).round().byte() if _has_eight_bits(unit) else unit.mul(2).sub(1).half()


def _has_eight_bits(unit: Tensor) -> bool:
    levels = unit * 255
    return bool((levels - levels.round()).abs().max() < 1e-3)


def _bytes(pair: Pair, scale: int) -> int:
    """What a pair takes, with its errors of interpolation by the small pixel."""
    low = 0 if pair.low is None else pair.low.nbytes
    return int(pair.high.nbytes + low + pair.high[0].numel() // scale**2 * _BYTES_OF_ERRORS)


def _kept(
    high: Tensor,
    low: Tensor | None,
    scale: int,
    patch: int,
    share: int,
    name: str,
    seed: tuple[int, int],
) -> Pair:
    """The pair, or a window of it that takes `share` bytes at most, unless it has to be larger for patches."""
    channels, h, w = high.shape[0], high.shape[1] // scale, high.shape[2] // scale
    bytes_high, bytes_low = (0 if x is None else 2 - _has_eight_bits(x) for x in (high, low))
    each = channels * (scale**2 * bytes_high + bytes_low) + _BYTES_OF_ERRORS
    if h * w * each > share:
        side = max(int((max(share, 0) / each) ** 0.5), int(_ROOM * patch))
        height = min(max(side, side * side // min(side, w)), h)
        width = min(max(side, side * side // min(side, h)), w)
        rng = np.random.default_rng(seed)
        top, left = int(rng.integers(h - height + 1)), int(rng.integers(w - width + 1))
        low = None if low is None else low[:, top : top + height, left : left + width]
        rows = slice(top * scale, (top + height) * scale)
        high = high[:, rows, left * scale : (left + width) * scale]
    return Pair(_stored(high), None if low is None else _stored(low), name)


class Patches:
    """Batches of patches by step: a function of the seed and the step, and of nothing else.

    A patch is drawn as often as interpolation errs in it: most of a photograph is smooth, and nothing is to be learnt
    there. Where low pictures are made of high ones, a patch begins at any pixel of the high one, not only where a small
    pixel of the whole picture does: so a photograph has `scale` x `scale` times as many different low patches.

    Parameters
    ----------
    pairs : list of Pair
        Pictures are continued as in a mirror, those smaller than a patch and where what is around a patch is needed.
    scale : int
    side : int
        Of a patch, in pixels of the low picture.
    batch_size : int
    degradation : Degradation, Reduction or None
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
        degradation: Degradation | Reduction | None = None,
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
        rngs = [np.random.default_rng((self.seed, step, 3, int(place))) for place in mine(np.arange(self.batch_size))]
        if self.pairs[0].low is None:
            return self._made_low(rngs)
        highs, lows, ways = zip(*map(self._given, rngs), strict=True)
        return {"reals": self._turned(highs, ways), "source": self._turned(lows, ways)}

    def _given(self, rng: np.random.Generator) -> tuple[Tensor, Tensor, int]:
        """A high patch and its low one, as they are kept, and how they are to be turned."""
        s, side = self.scale, self.side
        index, top, left, way = self._place(rng)
        pair = self._large_enough(self.pairs[index])
        assert pair.low is not None
        high = pair.high[:, top * s : (top + side) * s, left * s : (left + side) * s]
        return high, pair.low[:, top : top + side, left : left + side], way

    def _made_low(self, rngs: list[np.random.Generator]) -> Batch:
        """High patches, and low ones made of them and of what lies around."""
        assert self.degradation is not None
        highs = self._turned(*zip(*map(self._with_surroundings, rngs), strict=True))
        lows = self.degradation.batch(highs, rngs)
        return {"reals": _without_margin(highs, _MARGIN * self.scale), "source": _without_margin(lows, _MARGIN)}

    def _with_surroundings(self, rng: np.random.Generator) -> tuple[Tensor, int]:
        """A high patch with a margin, as it is kept, and how it is to be turned."""
        s, side = self.scale, self.side * self.scale
        index, top, left, way = self._place(rng)
        high = self.pairs[index].high
        last = [max(0, length - side) for length in high.shape[1:]]
        begins = [min(place * s + int(rng.integers(s)), most) for place, most in zip((top, left), last, strict=True)]
        return _around(high, begins, side, _MARGIN * s), way

    def _place(self, rng: np.random.Generator) -> tuple[int, int, int, int]:
        """A picture's number, the small pixel that a patch begins at, and its turn, by the errors there."""
        index = _drawn(self._pictures, rng)
        top = _drawn(self._rows[index], rng)
        left = _drawn(np.cumsum(self._errors[index][top], dtype=np.float64), rng)
        return index, top, left, int(rng.integers(8))

    def _turned(self, patches: Sequence[Tensor], ways: Sequence[int]) -> Tensor:
        """Square patches as they are kept, as a batch (N, C, H, W) of float32 in [-1, 1] on the device, each turned.

        There are eight ways to turn and to flip one.
        """
        if len({patch.dtype for patch in patches}) > 1:
            patches = [signed(patch) for patch in patches]
        batch = torch.stack(list(patches)).to(self.device)
        for bit, turned in _WAYS.items():
            batch = torch.stack([b if way & bit else a for a, b, way in zip(batch, turned(batch), ways, strict=True)])
        return signed(batch)


def _errors(pair: Pair, scale: int, side: int) -> NDArray[np.float32]:
    """How far interpolation is from the truth in each patch, by the small pixel it begins at."""
    high = signed(pair.high[None])
    low = reduced(high, scale) if pair.low is None else signed(pair.low[None])
    error = (enlarged(low, scale) - high).abs().mean(1, keepdim=True)
    of_patches = F.avg_pool2d(F.avg_pool2d(error, scale), side, 1)[0, 0]
    found: NDArray[np.float32] = of_patches.add(1e-6).numpy()  # of a picture without any detail, all patches alike
    return found


def _around(picture: Tensor, begins: list[int], side: int, margin: int) -> Tensor:
    """A square patch with what is around it, continued as in a mirror where the picture (C, H, W) ends."""
    for axis, begin in enumerate(begins, 1):
        first, length = begin - margin, side + 2 * margin
        if first >= 0 and first + length <= picture.shape[axis]:
            picture = picture.narrow(axis, first, length)
            continue
        places = torch.arange(first, first + length) % (2 * picture.shape[axis])
        back = 2 * picture.shape[axis] - 1 - places
        picture = picture.index_select(axis, torch.where(places < picture.shape[axis], places, back))
    return picture


def _without_margin(patches: Tensor, margin: int) -> Tensor:
    return patches[..., margin:-margin, margin:-margin].contiguous()


def _drawn(sums: NDArray[np.float64], rng: np.random.Generator) -> int:
    """One of so many things, as often as its share in the running `sums` asks for."""
    return min(int(np.searchsorted(sums, rng.random() * sums[-1], side="right")), len(sums) - 1)
