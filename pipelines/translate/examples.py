"""Pairs to judge by, read one at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gantools.data.pairing import Misfit, pairs_that_fit
from gantools.data.planes import from_signed, on_white, to_signed
from gantools.data.resize import luma, to_size
from gantools.data.sources import FileSource, PictureSource
from gantools.errors import DataError
from gantools.pipelines.containers import raw_picture
from gantools.pipelines.translate.pairs import misfit


class Example(NamedTuple):
    """A picture to judge by: its source and what it should become, (H, W, C) of any depth and of one size.

    It is called by its target's name, or by its source's where targets are there more than once.
    """

    name: str
    source: NDArray[Any]
    target: NDArray[Any]


def examples_of(
    sources: PictureSource | None, targets: PictureSource, indices: Iterable[Any], channels: int, needed: bool = False
) -> Iterator[Example]:
    """Pairs at their source's size; those that cannot be read are left out, with a warning.

    Parameters
    ----------
    sources : PictureSource or None
        None: the targets' luma.
    targets : PictureSource
    indices : iterable of int
    channels : int
        Of the targets. Gray ones are repeated, and of colours the luma is taken where the model makes gray.
    needed : bool
        Whether it is an error when all are left out.

    Raises
    ------
    DataError
        When the two of a pair do not fit: all such pairs are named, and none is given after the first.
    """

    named = sources if sources is not None and _repeats(targets) else targets

    def read(index: int) -> Example:
        target = _exactly(on_white(raw_picture(targets, index)), channels, targets, index)
        if sources is None:
            return Example(targets.name(index), gray_of(target), target)
        source = on_white(raw_picture(sources, index))
        wrong = misfit(source.shape, target.shape)
        if wrong:
            raise Misfit(f"{sources.name(index)} and {targets.name(index)}: {wrong}")
        if source.shape[:2] != target.shape[:2]:
            height, width = source.shape[:2]
            target = from_signed(to_size(to_signed(target), height, width, low=-1.0), target.dtype)
        return Example(named.name(index), source, target)

    return pairs_that_fit(indices, named, read, needed=needed)


def _repeats(pictures: PictureSource) -> bool:
    """Whether some of them share a name."""
    return len({pictures.name(index) for index in range(len(pictures))}) < len(pictures)


def gray_of(picture: NDArray[Any]) -> NDArray[Any]:
    """The luma (H, W, 1) of a picture (H, W, 3), in its depth."""
    return from_signed(luma(to_signed(picture)), picture.dtype)


def _exactly(picture: NDArray[Any], channels: int, targets: PictureSource, index: int) -> NDArray[Any]:
    """Gray repeated where colours are wanted, colours' luma where gray is."""
    found = picture.shape[2]
    if found == channels or found == 1:
        return np.repeat(picture, channels // found, axis=2)
    if found == 3 and channels == 1:
        return gray_of(picture)
    name = targets.paths[index] if isinstance(targets, FileSource) else f"target {targets.name(index)}"
    raise DataError(
        f"{name}: has {found} channels, and the model makes {channels}; give targets of as many, or fit a model on "
        "these"
    )
