"""What is learnt from, read and checked."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils.validation import check_array
from torch import Tensor

from gantools.data.sources import PictureSource, as_array, is_table, open_pictures
from gantools.errors import DataError
from gantools.pipelines.synthesize.forms import Form, PictureForm, TableForm, as_frame, holder_of
from gantools.pipelines.synthesize.labels import numbered


@dataclass(frozen=True)
class Reals:
    """Samples as the networks see them, and their classes.

    Attributes
    ----------
    form : Form
    source : PictureSource or None
        Where pictures came from.
    table : DataFrame or None
        Rows of a table as they came, the columns named by texts.
    samples : Tensor, (N, ...)
    labels : ndarray of int64, (N,)
        Numbers among `classes`, -1 for none; all 0 where there are no labels.
    classes : ndarray or None
    rows : ndarray of int64, (N,)
        The samples' numbers in the input.
    skipped : list of str
        A reason for each that could not be read.
    """

    form: Form
    source: PictureSource | None
    table: pd.DataFrame | None
    samples: Tensor
    labels: NDArray[np.int64]
    classes: NDArray[Any] | None
    rows: NDArray[np.int64]
    skipped: list[str]


def read_reals(X: Any, y: Any, size: int | None, max_bad: float, max_megapixels: float) -> Reals:
    """Read pictures or a table, and labels; arguments as of `GanSynthesizer`.

    Raises
    ------
    DataError
        When there is nothing that can be used, or labels do not fit.
    """
    form: Form
    skipped: list[str]
    given = holder_of(X)
    if is_table(X):
        source, X = None, _checked(X)
        table: pd.DataFrame | None = as_frame(X)
        form = TableForm.of(X)
        samples, skipped = form.tensors(X), []
        rows = np.arange(len(samples))
        n = len(samples)
    else:
        source, table = open_pictures(X, max_megapixels), None
        form = PictureForm.of(source, size)
        samples, rows, skipped = form.tensors(source, max_bad)
        n = len(source)
    form = replace(form, given=given)
    if y is None:
        return Reals(form, source, table, samples, np.zeros(len(samples), np.int64), None, rows, skipped)
    classes, numbers = numbered(y, n)
    labels = numbers[rows]
    counts = np.bincount(labels[labels >= 0], minlength=len(classes))
    if (counts == 0).any():
        raise DataError(f"class {classes[counts == 0].tolist()[0]!r} has no sample that can be read")
    if unlabelled := int((labels < 0).sum()):
        warnings.warn(f"{unlabelled} samples labelled -1 are taken for unlabelled", stacklevel=2)
    return Reals(form, source, table, samples, labels, classes, rows, skipped)


def _checked(X: Any) -> Any:
    """A table of at least two rows; an array's numbers are finite."""
    if isinstance(X, (str, Path)):
        raise DataError(f"{X} is a table; give its rows as a DataFrame, pandas.read_csv(...), or use the command")
    if hasattr(X, "columns"):
        if len(X) < 2:
            raise DataError(f"the table has {len(X)} rows; at least two are needed")
        if X.shape[1] == 0:
            raise DataError("the table has no columns but its labels; there is nothing to learn")
        return X
    X = as_array(X) if isinstance(X, Tensor) else X
    mixed = getattr(getattr(X, "dtype", None), "kind", "") == "O"
    if mixed:
        return as_frame(X).to_numpy()
    return check_array(X, accept_sparse=["csr", "csc"], ensure_min_samples=2)
