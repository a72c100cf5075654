"""Labels of any type to numbers from 0, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils.multiclass import check_classification_targets
from torch import Tensor

from gantools.errors import DataError

UNLABELLED = -1


def as_labels(y: Any) -> NDArray[Any]:
    """Labels as an array of one type, (n,) or, one column a class, (n, classes).

    Raises
    ------
    DataError
        When labels are missing or of mixed types.
    """
    y = y.numpy(force=True) if isinstance(y, Tensor) else y
    kept = np.asarray(y, dtype=object) if isinstance(y, (list, tuple)) else np.asarray(y)
    if kept.ndim == 2 and kept.shape[1] == 1:
        kept = kept[:, 0]
    if kept.ndim == 1 and len(missing := np.flatnonzero(pd.isna(kept))):
        raise DataError(f"label {missing[0]} is missing; unlabelled samples have the label -1")
    if kept.dtype == object and kept.ndim == 1:
        _check_types(kept)
        kept = np.asarray(kept.tolist())
    return np.asarray(kept.tolist()) if kept.dtype == object else kept


def place_of(label: Any, classes: NDArray[Any]) -> int | None:
    """A label's number among the classes: of an equal one, else of one that is written alike; None for no class."""
    for i, known in enumerate(classes.tolist()):
        if label == known and isinstance(label, str) == isinstance(known, str):
            return i
    written = [i for i, known in enumerate(classes.tolist()) if str(label) == str(known)]
    return written[0] if written else None


def numbered(y: Any, n: int) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """The classes, in order, and each label's number among them, -1 for an unlabelled sample.

    Among whole numbers -1 means unlabelled, unless 1 is the only other label.

    Parameters
    ----------
    y : array-like, (n,)
        Numbers, texts or truths, all of one type.
    n : int
        Samples that there should be labels for.

    Raises
    ------
    DataError
        When labels are missing, of mixed types or no classes, or their number is another.
    """
    labels = as_labels(y)
    if labels.ndim != 1:
        raise DataError(f"labels have shape {labels.shape}; one label for each sample is wanted, (n,)")
    if len(labels) != n:
        raise DataError(f"there are {n} samples and {len(labels)} labels")
    check_classes(labels)
    check_classification_targets(labels)
    classes, numbers = np.unique(labels, return_inverse=True)
    numbers = numbers.astype(np.int64)
    if labels.dtype.kind in "if" and UNLABELLED in classes and not set(classes.tolist()) <= {-1, 1}:
        at = int(np.flatnonzero(classes == UNLABELLED)[0])
        numbers = np.where(numbers == at, -1, numbers - (numbers > at))
        classes = np.delete(classes, at)
    return classes, numbers


def check_classes(labels: NDArray[Any]) -> None:
    """Refuse labels that are fractions.

    Raises
    ------
    DataError
        Naming one of them.
    """
    fractions = labels[labels != np.round(labels)] if labels.dtype.kind == "f" else []
    if len(fractions):
        raise DataError(f"Unknown label type: {fractions[0]:g} is a fraction; make labels texts or whole numbers")


def _check_types(labels: NDArray[Any]) -> None:
    kinds = {
        "text" if isinstance(v, str) else "number" if isinstance(v, (int, float, np.number, np.bool_)) else None
        for v in labels
    }
    if len(kinds) > 1 or None in kinds:
        shown = ", ".join(repr(v) for v in list(dict.fromkeys(labels))[:5])
        raise DataError(f"labels are of mixed types ({shown}); make them all texts or all numbers")
