"""Pairs to judge by, read one at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gantools.data.degrade import Degradation
from gantools.data.pairing import Misfit, pairs_that_fit
from gantools.data.planes import from_signed, on_white, to_signed
from gantools.data.resize import reduced
from gantools.data.sources import PictureSource
from gantools.errors import DataError
from gantools.pipelines.containers import raw_picture


class Example(NamedTuple):
    """A picture to judge by: the low one, (H, W, C) of any depth, and the truth, `scale` times as large."""

    name: str
    low: NDArray[Any]
    high: NDArray[Any]


def examples_of(
    high: PictureSource,
    low: PictureSource | None,
    indices: Iterable[Any],
    scale: int,
    strength: float | None,
    seed: int,
) -> Iterator[Example]:
    """Pairs as they are in files; those that cannot be read or are too small are left out, with a warning.

    Parameters
    ----------
    high : PictureSource
        The truths.
    low : PictureSource or None
        None: the truths, cut to a whole multiple of `scale`, are reduced as in fitting, and rounded to their depth.
    indices : iterable of int
    scale : int
    strength : float or None
        How much what is reduced is spoilt too, at random; None: not at all.
    seed : int
        Of that.

    Raises
    ------
    DataError
        When the two of a pair do not fit: all such pairs are named, and none is given after the first.
    """

    def read(index: int) -> Example:
        truth = on_white(raw_picture(high, index))
        if low is None:
            truth = _whole_multiple(truth, scale)
            small = _reduced(truth, scale, strength, np.random.default_rng((seed, index)))
        else:
            small = on_white(raw_picture(low, index))
            if truth.shape[:2] != (small.shape[0] * scale, small.shape[1] * scale):
                raise Misfit(f"{low.name(index)} ({_size(small)}) and {high.name(index)} ({_size(truth)})")
        return Example(high.name(index), small, truth)

    advice = f"; the second should be {scale} times as large, unless this is a model of another scale"
    return pairs_that_fit(indices, high, read, advice)


def _size(picture: NDArray[Any]) -> str:
    return f"{picture.shape[1]} x {picture.shape[0]}"


def _whole_multiple(picture: NDArray[Any], scale: int) -> NDArray[Any]:
    height, width = (side // scale * scale for side in picture.shape[:2])
    if 0 in (height, width):
        raise DataError(f"a picture of {_size(picture)} pixels is too small for scale={scale}")
    return picture[:height, :width]


def _reduced(picture: NDArray[Any], scale: int, strength: float | None, rng: np.random.Generator) -> NDArray[Any]:
    """The low picture of a high one, rounded to its depth."""
    planes = to_signed(picture)
    low = reduced(planes[None], scale)[0] if strength is None else Degradation(scale, strength)(planes, rng)
    return from_signed(low, picture.dtype)
