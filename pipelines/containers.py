"""Pictures in the depth and the container they came in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from gantools.data.decode import is_picture
from gantools.data.keep import read_kept
from gantools.data.pairing import HalfSource
from gantools.data.sources import (
    PATH_COLUMN,
    ArraySource,
    FileSource,
    PictureSource,
    is_table,
    laid_as,
    open_pictures,
)
from gantools.errors import DataError


def are_pictures(y: Any) -> bool:
    """Whether `y` holds pictures, and not the labels that a Pipeline hands on.

    Raises
    ------
    DataError
        For a DataFrame that holds pictures, in no column that is called `path`.
    """
    if y is None or isinstance(y, (PictureSource, str, Path)):
        return y is not None
    if isinstance(y, pd.DataFrame):
        named = PATH_COLUMN in y.columns
        if not named and any(_is_one(value) for _, column in y.items() for value in column.head(1)):
            raise DataError(f"y is a DataFrame of pictures without a column {PATH_COLUMN!r}; rename theirs to that")
        return named
    return getattr(y, "ndim", 1) >= 3 or _is_one(next(iter(y), None))


def _is_one(value: Any) -> bool:
    """Whether it is a picture, or a picture file's name."""
    return is_picture(Path(value)) if isinstance(value, (str, Path)) else np.ndim(value) >= 2


def pictures(X: Any, max_megapixels: float) -> PictureSource:
    """Pictures wherever they are.

    Raises
    ------
    DataError
        For a feature table, or where there are none.
    """
    if is_table(X) and not isinstance(X, (pd.DataFrame, str, Path)):
        raise DataError("pictures are wanted, and this is a feature table: arrays of pictures have three axes or more")
    return open_pictures(X, max_megapixels)


def raw_picture(source: PictureSource, index: int) -> NDArray[Any]:
    """A picture (H, W, C) in the depth it is stored in, with its alpha.

    Raises
    ------
    DataError
        When it cannot be read, or holds what is no picture.
    """
    if isinstance(source, FileSource):
        return read_kept(source.paths[index], source.max_megapixels).pixels
    if isinstance(source, HalfSource):
        return source.half(raw_picture(source.pictures, index), index)
    checked = source.read(index)
    if not isinstance(source, ArraySource):
        return checked
    picture = np.asarray(source.pictures[index]).reshape(checked.shape)
    return picture.astype(np.uint8) * 255 if picture.dtype == np.bool_ else picture


def is_flat(source: PictureSource, index: int) -> bool:
    """Whether the picture came as (H, W), without an axis of channels."""
    return isinstance(source, ArraySource) and np.asarray(source.pictures[index]).ndim == 2


def gathered(X: Any, found: list[NDArray[Any]]) -> Any:
    """Pictures made of others, in the container of X."""
    if isinstance(X, (list, tuple)) and isinstance(X[0], Tensor):
        return [laid_as(torch.from_numpy(f).to(x.device), x[None]) for f, x in zip(found, X, strict=True)]
    if isinstance(X, (list, tuple)) or len({(f.shape, f.dtype) for f in found}) > 1:
        return found
    stacked = np.stack(found)
    return laid_as(torch.from_numpy(stacked).to(X.device), X) if isinstance(X, Tensor) else stacked
