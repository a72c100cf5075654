"""Transformers for the way to an augmenter and from it to a classifier, in a Pipeline."""

from __future__ import annotations

from numbers import Integral
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils._param_validation import Interval, Options

from gantools.data.decode import MAX_MEGAPIXELS
from gantools.data.sources import open_pictures
from gantools.data.standard import InputContract
from gantools.errors import DataError


class PictureLoader(TransformerMixin, BaseEstimator):
    """Reads picture files, brought to one size, into an array.

    Parameters
    ----------
    height, width : int or None
        Of every picture; None for the first's.
    channels : 1 or 3
        Gray or colour.

    Attributes
    ----------
    size_ : (int, int)
        Height and width.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "height": [Interval(Integral, 1, None, closed="left"), None],
        "width": [Interval(Integral, 1, None, closed="left"), None],
        "channels": [Options(Integral, {1, 3})],
    }

    def __init__(self, height: int | None = None, width: int | None = None, channels: int = 3) -> None:
        self.height = height
        self.width = width
        self.channels = channels

    def fit(self, X: Any, y: Any = None) -> PictureLoader:
        """Settle the size; X as for `transform`."""
        self._validate_params()
        first = open_pictures(X).read(0)
        self.size_ = (self.height or first.shape[0], self.width or first.shape[1])
        return self

    def transform(self, X: Any) -> NDArray[np.uint8]:
        """Pictures as uint8 (N, H, W, channels).

        Parameters
        ----------
        X : list, Series or array of paths, a DataFrame with a `path` column, or a folder

        Raises
        ------
        DataError
            When one cannot be read, naming it.
        """
        source = open_pictures(X, MAX_MEGAPIXELS)
        contract = InputContract(3, *self.size_, resize=True)
        found = []
        for index in range(len(source)):
            picture = contract.standard(source.read(index), source.name(index)).permute(1, 2, 0).numpy()
            picture = picture if self.channels == 3 else picture.mean(2, keepdims=True)
            found.append(np.round((picture + 1) * 127.5).astype(np.uint8))
        return np.stack(found)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "size_")


class PictureFlattener(TransformerMixin, BaseEstimator):
    """Pictures of one size, as an array, to rows of numbers in [0, 1]: what most classifiers take.

    Rows of a table pass as they are.
    """

    def fit(self, X: Any, y: Any = None) -> PictureFlattener:
        """Nothing is learnt."""
        self.fitted_ = True
        return self

    def transform(self, X: Any) -> Any:
        """(N, H, W[, C]) to (N, H * W * C), float32.

        Raises
        ------
        DataError
            When pictures differ in size.
        """
        if isinstance(X, pd.DataFrame) or issparse(X):
            return X
        if isinstance(X, pd.Series) or (isinstance(X, np.ndarray) and X.dtype == object):
            X = list(X)
        if isinstance(X, (list, tuple)) and len({np.shape(x) for x in X}) > 1:
            raise DataError("pictures differ in size; bring them to one first, such as with PictureLoader")
        pictures = np.asarray(X)
        if pictures.ndim == 2:
            return pictures
        scale = float(np.iinfo(pictures.dtype).max) if pictures.dtype.kind == "u" else 1.0
        return pictures.reshape(len(pictures), -1).astype(np.float32) / np.float32(scale)
