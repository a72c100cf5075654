"""Pictures to learn from, at the size they are learnt at, and batches of windows of them."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from gantools.core import Batch
from gantools.core.batches import Order, mine
from gantools.data.pairing import refuse
from gantools.data.planes import contrast, mirrored, with_channels
from gantools.data.resize import luma, to_size
from gantools.data.sources import PictureSource, to_tensor
from gantools.data.standard import skip_or_refuse
from gantools.errors import ConfigError, DataError

_BUDGET = 1 << 31
_BYTES = 2
_SAME_ASPECT = 0.02
_LOOKED_AT = 200
_RELATED = 0.3
_FEWEST_TO_RELATE = 8


class Shelf:
    """Pictures at the size they are learnt at, in bounded memory: (C, H, W), float16 in [-1, 1].

    Parameters
    ----------
    channels : int
    size : int or None
        Pictures whose shorter side is longer are reduced to it.
    share : int
        Values of a picture that are kept, at most: of larger ones a window, at random.
    """

    def __init__(self, channels: int, size: int | None, share: int) -> None:
        self.channels, self.size, self.share = channels, size, share
        self.cut = 0

    def standard(self, picture: NDArray[np.float32], name: str) -> Tensor:
        """A picture (H, W, C) as planes (C, H, W) in [0, 1] with the right channels, at the size it is learnt at."""
        if self.channels == 1 and picture.shape[2] >= 3:
            planes = luma(to_tensor(with_channels(picture, 3, name)))
        else:
            planes = to_tensor(with_channels(picture, self.channels, name))
        return planes if self.size is None else to_size(planes, *working_size(planes, self.size))

    def told(self) -> None:
        """Warn where windows were kept of pictures, for lack of memory."""
        if self.cut:
            warnings.warn(
                f"of {self.cut} pictures only a window of about {round((self.share / self.channels) ** 0.5)} pixels is "
                "learnt from: there are too many for the memory set aside (fewer pictures, or a smaller size, help)",
                stacklevel=3,
            )

    def window(self, planes: Tensor, seed: tuple[int, int]) -> tuple[slice, slice]:
        """The part of a picture that is kept."""
        height, width = planes.shape[1:]
        if planes.numel() <= self.share:
            return slice(0, height), slice(0, width)
        self.cut += 1
        side = max(int((self.share / planes.shape[0]) ** 0.5), 1)
        rng = np.random.default_rng(seed)
        rows = min(max(side, side * side // min(side, width)), height)
        columns = min(max(side, side * side // min(side, height)), width)
        top, left = int(rng.integers(height - rows + 1)), int(rng.integers(width - columns + 1))
        return slice(top, top + rows), slice(left, left + columns)


def working_size(planes: Tensor, size: int) -> tuple[int, int]:
    """The height and width at which a picture (C, H, W) is translated: its shorter side at most `size`."""
    height, width = planes.shape[1:]
    factor = min(1.0, size / min(height, width))
    return max(1, round(height * factor)), max(1, round(width * factor))


def read_pairs(
    sources: PictureSource | None,
    targets: PictureSource,
    channels: tuple[int, int],
    size: int | None,
    *,
    seed: int,
    max_bad: float,
    advance: Callable[[float], None],
    budget: int = _BUDGET,
) -> tuple[list[tuple[Tensor, Tensor]], NDArray[np.int64], list[str]]:
    """Read every pair once.

    A target of another size than its source, but of the same aspect, is brought to the source's size.

    Parameters
    ----------
    sources : PictureSource or None
        None where a source is its target's luma.
    channels : (int, int)
        Of sources and of targets.

    Returns
    -------
    pairs, numbers, reasons
        Sources and targets, their numbers, and why others were skipped.

    Raises
    ------
    DataError
        When more than `max_bad` cannot be used, none is left, or aspects differ: all such pairs are listed.
    """
    n = len(targets)
    share = budget // _BYTES // max(n, 1) // sum(channels) * channels[1]
    shelves = Shelf(channels[0], size, share), Shelf(channels[1], size, share)
    pairs: list[tuple[Tensor, Tensor]] = []
    numbers: list[int] = []
    reasons: list[str] = []
    misfits: list[str] = []
    for index in range(n):
        advance(index / n)
        try:
            target = targets.read(index)
            if sources is None:
                after = shelves[1].standard(target, targets.name(index))
                before = luma(after)
            else:
                source = sources.read(index)
                wrong = misfit(source.shape, target.shape)
                if wrong:
                    misfits.append(f"{sources.name(index)} and {targets.name(index)}: {wrong}")
                    continue
                before = shelves[0].standard(source, sources.name(index))
                after = to_size(shelves[1].standard(target, targets.name(index)), *before.shape[1:])
        except DataError as error:
            reasons.append(str(error))
            continue
        rows, columns = shelves[1].window(after, (seed, index))
        pairs.append((_kept(before[:, rows, columns]), _kept(after[:, rows, columns])))
        numbers.append(index)
    shelves[1].told()
    refuse(misfits, n)
    skip_or_refuse(reasons, n, max_bad if pairs else 0)
    return pairs, np.asarray(numbers, np.int64), reasons


def read_alone(
    pictures: PictureSource,
    channels: int,
    size: int | None,
    *,
    seed: int,
    max_bad: float,
    advance: Callable[[float], None],
    budget: int = _BUDGET // 2,
) -> tuple[list[Tensor], list[str]]:
    """As `read_pairs`, of pictures that have no partner."""
    n = len(pictures)
    shelf = Shelf(channels, size, budget // _BYTES // max(n, 1))
    found: list[Tensor] = []
    reasons: list[str] = []
    for index in range(n):
        advance(index / n)
        try:
            planes = shelf.standard(pictures.read(index), pictures.name(index))
        except DataError as error:
            reasons.append(str(error))
            continue
        rows, columns = shelf.window(planes, (seed, index))
        found.append(_kept(planes[:, rows, columns]))
    shelf.told()
    skip_or_refuse(reasons, n, max_bad if found else 0)
    return found, reasons


def _kept(planes: Tensor) -> Tensor:
    return planes.mul(2).sub(1).half()


def misfit(source: tuple[int, ...], target: tuple[int, ...]) -> str:
    """Why pictures of two shapes (H, W, ...) are no pair; nothing where they are."""
    (h, w), (th, tw) = source[:2], target[:2]
    if abs(h * tw / (w * th) - 1) > _SAME_ASPECT + 1 / min(h, w, th, tw):
        return f"{w} x {h} and {tw} x {th} pixels have different aspects; crop one like the other"
    return ""


def unrelated(pairs: list[tuple[Tensor, Tensor]], seed: int) -> bool:
    """Whether sources resemble their own targets, in where edges are, no more than those of others.

    True where a source's own target ranks, on the average, below 30 % of all targets; by chance it is 50 %.
    """
    if len(pairs) < _FEWEST_TO_RELATE:
        return False
    chosen = np.random.default_rng((seed, 2)).permutation(len(pairs))[:_LOOKED_AT]
    ours, theirs = (torch.stack([_edges(pairs[i][side]) for i in chosen]) for side in (0, 1))
    likeness = ours @ theirs.T
    better = (likeness > likeness.diagonal()[:, None]).float().sum(1) / (len(chosen) - 1)
    return float(better.mean()) > _RELATED


def _edges(planes: Tensor) -> Tensor:
    """Where a picture changes, on a grid of 16 x 16, as a vector of length one and mean zero."""
    grid = F.adaptive_avg_pool2d(contrast(planes.float().mean(0))[None], 16).flatten()
    return F.normalize(grid - grid.mean(), dim=0)


class Windows:
    """Batches of windows by step: a function of the seed and the step, and of nothing else.

    Parameters
    ----------
    sources, targets : list of Tensor
        Partners by number where `paired`; each (C, H, W). Smaller ones are continued as in a mirror.
    side : int
        Of a window.
    policy : albumentations pipeline or None
        What is done to both pictures of a pair alike, and to single ones by themselves.
    named : str
        What to call the policy in messages.
    """

    def __init__(
        self,
        sources: list[Tensor],
        targets: list[Tensor],
        *,
        paired: bool,
        side: int,
        batch_size: int,
        seed: int,
        device: torch.device,
        policy: Any = None,
        named: str = "the policy",
    ) -> None:
        self.sources = [mirrored(p, side, side) for p in sources]
        self.targets = [mirrored(p, side, side) for p in targets]
        self.paired, self.side, self.seed, self.device = paired, side, seed, device
        self.policy, self.named = policy, named
        self._orders = Order(len(sources), batch_size, seed), Order(len(targets), batch_size, seed + 1)

    def __call__(self, step: int) -> Batch:
        """Step `step`'s `reals` and `source`: (N, C, side, side), float32 in [-1, 1]."""
        ours: list[Tensor] = []
        theirs: list[Tensor] = []
        wanted = self._orders[0].indices(step)
        partners = wanted if self.paired else self._orders[1].indices(step)
        for place, i, j in zip(mine(np.arange(self._orders[0].batch_size)), wanted, partners, strict=True):
            rng = np.random.default_rng((self.seed, step, 4, int(place)))
            source, target = self.sources[i], self.targets[j]
            if self.paired:
                rows, columns = self._drawn(source, rng)
                source, target = self._changed([source[:, rows, columns], target[:, rows, columns]], rng)
            else:
                source, target = (
                    self._changed([p[(slice(None), *self._drawn(p, rng))]], rng)[0] for p in (source, target)
                )
            ours.append(source)
            theirs.append(target)
        return {"reals": torch.stack(theirs).to(self.device), "source": torch.stack(ours).to(self.device)}

    def _drawn(self, picture: Tensor, rng: np.random.Generator) -> tuple[slice, slice]:
        top, left = (int(rng.integers(side - self.side + 1)) for side in picture.shape[1:])
        return slice(top, top + self.side), slice(left, left + self.side)

    def _changed(self, alike: list[Tensor], rng: np.random.Generator) -> list[Tensor]:
        """Windows put through the policy, all in the same way."""
        if self.policy is None:
            return [p.float() for p in alike]
        self.policy.set_random_seed(int(rng.integers(2**31)))
        arrays = [p.float().add(1).div(2).permute(1, 2, 0).contiguous().numpy() for p in alike]
        names = ("image", "partner")
        found = self.policy(**dict(zip(names, arrays, strict=False)))
        changed = [torch.from_numpy(np.ascontiguousarray(found[name])) for name, _ in zip(names, arrays, strict=False)]
        for before, after in zip(alike, changed, strict=True):
            (h, w), (th, tw) = before.shape[1:], after.shape[:2]
            if (h, w) != (th, tw):
                raise ConfigError(
                    f"{self.named}: makes windows of {w} x {h} pixels into {tw} x {th}; take out what changes their "
                    "size"
                )
        return [c.clamp(0, 1).permute(2, 0, 1).mul(2).sub(1) for c in changed]
