"""Pictures as a model wants them: so many channels, such a size, in [-1, 1]; read once, kept while memory allows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from gantools.data.decode import Header
from gantools.data.planes import with_channels
from gantools.data.sources import PictureSource, to_tensor
from gantools.errors import DataError

_LOOKED_AT = 64
_CACHE_BYTES = 1 << 30


@dataclass(frozen=True)
class InputContract:
    """What pictures a model takes.

    Attributes
    ----------
    channels : int
        1 (gray), 3 (colour) or whatever arrays had. What is transparent is laid on white where it is one less.
    height, width : int or None
        Exact size, after resizing where `resize` is set. None: any size.
    resize : bool
        Whether pictures of other sizes are resized to `height` x `width`; otherwise they are refused.
    longest_short_side : int or None
        Without an exact size: pictures whose shorter side is longer are reduced until it is this long.
    least_side : int
        Without an exact size: pictures of which a side is then shorter are refused.
    """

    channels: int
    height: int | None = None
    width: int | None = None
    resize: bool = False
    longest_short_side: int | None = None
    least_side: int = 1

    def to_dict(self) -> dict[str, Any]:
        """For JSON; `InputContract(**d)` is the way back."""
        return asdict(self)

    def standard(self, picture: NDArray[np.float32], name: str) -> Tensor:
        """(H, W, C) in [0, 1] to a tensor (channels, height, width) in [-1, 1].

        Raises
        ------
        DataError
            When the picture has other channels or another size than the model can take.
        """
        x = to_tensor(with_channels(picture, self.channels, name)).mul_(2).sub_(1)
        height, width = x.shape[1:]
        if self.height is None or self.width is None:
            ratio = min(1.0, (self.longest_short_side or min(height, width)) / min(height, width))
            height, width = round(height * ratio), round(width * ratio)
            if min(height, width) < self.least_side:
                least = f"each side needs {self.least_side} at least"
                way = "view='whole' with image_size=64 takes any (--set view=whole --set image_size=64)"
                raise DataError(f"{name}: is {width} x {height} pixels; {least}; {way}")
            return x if ratio == 1 else _resized(x, height, width)
        if (height, width) == (self.height, self.width):
            return x
        if not self.resize:
            side = max(self.height, self.width)
            raise DataError(
                f"{name}: is {width} x {height} pixels; the model was fitted on {self.width} x {self.height} alone; "
                f"view='whole' with image_size={side} takes any (--set view=whole --set image_size={side})"
            )
        return _resized(x, self.height, self.width)


def _resized(x: Tensor, height: int, width: int) -> Tensor:
    out = F.interpolate(x[None], size=(height, width), mode="bilinear", antialias=True, align_corners=False)[0]
    return out.clamp_(-1, 1)


@dataclass(frozen=True)
class Glance:
    """What pictures of a source look like.

    Attributes
    ----------
    source : PictureSource
    channels : int
        The most channels without alpha.
    """

    source: PictureSource
    channels: int

    @classmethod
    def at(cls, source: PictureSource) -> Glance:
        """Look at the first readable pictures, and at the headers of the others while all are gray.

        Raises
        ------
        DataError
            When none of the source's pictures can be read, with the first reason.
        """
        channels: list[int] = []
        first_error: DataError | None = None
        for index in range(len(source)):
            try:
                depth = int(source.read(index).shape[2])
            except DataError as error:
                first_error = first_error or error
                continue
            channels.append({2: 1, 4: 3}.get(depth, depth))
            if len(channels) == _LOOKED_AT:
                break
        if not channels:
            raise DataError(f"none of the {len(source)} pictures can be read; the first: {first_error}")
        glance = cls(source, max(channels))
        coloured = glance.channels == 1 and any(header.coloured for header in glance.headers[index + 1 :] if header)
        return replace(glance, channels=3) if coloured else glance

    @cached_property
    def headers(self) -> list[Header | None]:
        """Of all pictures, read when they are first asked for."""
        return [self.source.header(i) for i in range(len(self.source))]

    @cached_property
    def sizes(self) -> Counter[tuple[int, int]]:
        """How many pictures have each size (height, width), by their headers."""
        return Counter((header.height, header.width) for header in self.headers if header)


class StandardPictures:
    """A source's pictures in standard form, as half floats in memory up to a budget, else read anew.

    Parameters
    ----------
    source : PictureSource
    contract : InputContract
    budget : int
        Bytes that may be kept.
    """

    def __init__(self, source: PictureSource, contract: InputContract, budget: int = _CACHE_BYTES) -> None:
        self.source = source
        self.contract = contract
        self._kept: dict[int, Tensor] = {}
        self._left = budget

    def __getitem__(self, index: int) -> Tensor:
        """Picture `index`: (C, H, W) float32 in [-1, 1], rounded to half precision either way."""
        kept = self._kept.get(index)
        if kept is None:
            kept = self.contract.standard(self.source.read(index), self.source.name(index)).half()
            if kept.nbytes <= self._left:
                self._kept[index] = kept
                self._left -= kept.nbytes
        return kept.float()

    def batch(self, indices: Sequence[int] | NDArray[np.int64]) -> Tensor:
        """Pictures of one size: (N, C, H, W)."""
        return torch.stack([self[int(i)] for i in indices])

    def check_all(self, max_bad: float, advance: Any) -> tuple[NDArray[np.int64], list[str]]:
        """Read everything once: the indices that can be used, and a reason for each that cannot.

        Raises
        ------
        DataError
            When more than `max_bad` of them cannot be read (a share below 1, else a count), with reasons.
        """
        good: list[int] = []
        reasons: list[str] = []
        n = len(self.source)
        for index in range(n):
            try:
                self[index]
                good.append(index)
            except DataError as error:
                reasons.append(str(error))
            if index % 100 == 0:
                advance(index / n)
        skip_or_refuse(reasons, n, max_bad)
        return np.asarray(good, np.int64), reasons


def allowance(n: int, max_bad: float) -> float:
    """How many of `n` pictures may be unusable: `max_bad` is a share below 1, else a count."""
    return max_bad * n if max_bad < 1 else max_bad


def skip_or_refuse(reasons: list[str], n: int, max_bad: float) -> None:
    """Let `reasons`, one for each of `n` pictures that cannot be used, pass where there are few.

    Raises
    ------
    DataError
        When there are more than `max_bad` (a share below 1, else a count), with reasons.
    """
    if len(reasons) > allowance(n, max_bad):
        shown = "\n".join(f"  {reason}" for reason in reasons[:10])
        more = f"\n  and {len(reasons) - 10} more" if len(reasons) > 10 else ""
        raise DataError(
            f"{len(reasons)} of {n} pictures cannot be used, more than max_bad={max_bad:g} allows "
            f"(--max-bad N to skip up to N of them):\n{shown}{more}"
        )


def read_in_batches(
    source: PictureSource, contract: InputContract, size: int
) -> Iterator[tuple[list[int], list[Tensor], dict[int, str]]]:
    """A source's pictures in order, `size` at a time.

    Yields
    ------
    indices, pictures, errors
        The readable pictures' numbers and tensors, and the reason for each unreadable one.
    """
    for start in range(0, len(source), size):
        indices: list[int] = []
        pictures: list[Tensor] = []
        errors: dict[int, str] = {}
        for index in range(start, min(start + size, len(source))):
            try:
                standard = contract.standard(source.read(index), source.name(index)).half().float()
            except DataError as error:
                errors[index] = str(error)
                continue
            indices.append(index)
            pictures.append(standard)
        yield indices, pictures, errors
