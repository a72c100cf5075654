"""Which labels mean abnormal."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import Tensor

from gantools.errors import DataError


def abnormal_from_labels(y: Any) -> NDArray[np.bool_]:
    """Which labels mean abnormal; see `GanAnomalyDetector.score`.

    Raises
    ------
    DataError
        For numbers other than 1 with 0 or -1, and for labels that are missing.
    """
    y = y.numpy(force=True) if isinstance(y, Tensor) else y
    given = pd.Series(np.asarray(y).ravel()).infer_objects()
    if given.isna().any():
        row = int(np.flatnonzero(given.isna())[0])
        raise DataError(f"sample {row} has no label ({int(given.isna().sum())} without); say of each what it is")
    words = given.astype(str).str.strip().str.lower()
    if words.isin(("true", "false")).all():
        return (words == "true").to_numpy()
    numbers = pd.to_numeric(given, errors="coerce")
    labels = given.to_numpy() if numbers.isna().any() else numbers.to_numpy()
    if labels.dtype.kind in "iuf":
        found = set(np.unique(labels).tolist())
        if found <= {-1, 1}:
            return labels == -1
        if found <= {0, 1}:
            return labels == 1
        raise DataError(f"labels {sorted(found)[:6]} are not known; use -1 (abnormal) and 1, or 1 (abnormal) and 0")
    return ~words.isin(("normal", "good")).to_numpy()
