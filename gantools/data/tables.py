"""Feature tables to standardised vectors: missing values imputed, categories one-hot."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gantools.errors import DataError

_MOST_CATEGORIES = 100
CLIP = 8.0


@dataclass
class TableEncoder:
    """Standardises numbers and spreads categories, as learnt from normals.

    Numbers: the median stands in for what is missing, then (x - mean) / deviation, clipped to +-8. Texts and
    booleans: one column of 0 and 1 for each category seen; "missing" is a category of its own; a category never
    seen is all zeros.

    Attributes
    ----------
    numbers : dict
        Column to [median, mean, deviation].
    categories : dict
        Column to its list of categories.
    """

    columns: list[str] = field(default_factory=list)
    numbers: dict[str, list[float]] = field(default_factory=dict)
    categories: dict[str, list[str]] = field(default_factory=dict)

    def fit(self, frame: pd.DataFrame) -> TableEncoder:
        """Learn from `frame`, whose columns' names are texts.

        Raises
        ------
        DataError
            For a column of texts that are all different or too many, and for infinite numbers.
        """
        self.columns = list(frame.columns)
        for name in self.columns:
            column = frame[name]
            if is_numeric(column):
                values = column_numbers(column, name)
                known = values[~np.isnan(values)]
                median = float(np.median(known)) if len(known) else 0.0
                filled = np.where(np.isnan(values), median, values)
                with np.errstate(over="ignore", invalid="ignore"):
                    mean, deviation = float(filled.mean()), float(filled.std())
                if not np.isfinite([mean, deviation]).all():
                    raise DataError(f"column {name!r} holds numbers too large to compare; give them in a larger unit")
                self.numbers[name] = [
                    median,
                    mean,
                    deviation if deviation > 1e-12 * abs(mean) else 1.0,
                ]
            else:
                self.categories[name] = distinct_texts(column, name)
        return self

    def transform(self, frame: pd.DataFrame) -> NDArray[np.float64]:
        """Vectors of `frame`: (N, D) float64.

        Raises
        ------
        DataError
            When columns are missing or too many, or numbers are infinite or not numbers.
        """
        self.check_columns(frame)
        blocks: list[NDArray[np.float64]] = []
        for name in self.columns:
            if name in self.numbers:
                median, mean, deviation = self.numbers[name]
                values = column_numbers(frame[name], name)
                values = np.where(np.isnan(values), median, values)
                blocks.append(np.clip((values - mean) / deviation, -CLIP, CLIP)[:, None])
            else:
                texts = np.asarray(column_texts(frame[name]), dtype=object)
                blocks.append(np.stack([texts == c for c in self.categories[name]], 1).astype(np.float64))
        return np.concatenate(blocks, axis=1)

    def check_columns(self, frame: pd.DataFrame) -> None:
        """Refuse a table whose columns, in whatever order, are not those learnt.

        Raises
        ------
        DataError
            When columns are missing or too many.
        """
        check_columns(frame, self.columns)

    def to_dict(self) -> dict[str, Any]:
        """What JSON can hold of it; `TableEncoder(**d)` is the way back."""
        return {"columns": self.columns, "numbers": self.numbers, "categories": self.categories}


def check_columns(frame: pd.DataFrame, learnt: Sequence[str]) -> None:
    """Refuse a table whose columns, in whatever order, are not those that a model learnt.

    Raises
    ------
    DataError
        When columns are missing or too many.
    """
    missing = [c for c in learnt if c not in frame.columns]
    extra = [c for c in frame.columns if c not in learnt]
    if missing or extra:
        parts = [f"lacks {', '.join(map(repr, missing[:5]))}"] if missing else []
        parts += [f"has {', '.join(map(repr, extra[:5]))}, unknown to the model"] if extra else []
        raise DataError(
            f"the table {' and '.join(parts)}; the model was fitted on {len(learnt)} columns: "
            + ", ".join(learnt[:10])
            + (", ..." if len(learnt) > 10 else "")
        )


def distinct_texts(column: pd.Series, name: str) -> list[str]:
    """A column's categories, in order, "missing" among them.

    Raises
    ------
    DataError
        When they are too many to be categories.
    """
    texts = column_texts(column)
    found = sorted(set(texts))
    if len(found) > min(_MOST_CATEGORIES, max(10, len(texts) // 2)):
        raise DataError(
            f"column {name!r} is text with {len(found)} different values in {len(texts)} rows; "
            "drop it, or turn it into numbers"
        )
    return found


def with_columns(table: pd.DataFrame, columns: Mapping[str, pd.Series]) -> pd.DataFrame:
    """The table with some of its columns replaced, whatever they are called: `DataFrame.assign` has no `self`."""
    table = table.copy(deep=False)
    for name, column in columns.items():
        table[name] = column
    return table


def without_nan(table: pd.DataFrame) -> pd.DataFrame:
    """The table as JSON holds it: None where a value is missing."""
    return table.astype(object).where(table.notna(), None)


def plain_value(value: Any) -> Any:
    """NumPy's scalars as Python's, others as they are."""
    return value.item() if isinstance(value, np.generic) else value


def is_numeric(column: pd.Series) -> bool:
    """Whether a column holds numbers, and not truths."""
    return bool(pd.api.types.is_numeric_dtype(column)) and not pd.api.types.is_bool_dtype(column)


def column_numbers(column: pd.Series, name: str) -> NDArray[np.float64]:
    """A column's numbers, NaN where they are missing.

    Raises
    ------
    DataError
        For what is no number, and for infinity, with its row.
    """
    try:
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError):
        bad = pd.to_numeric(column, errors="coerce").isna() & column.notna()
        row = int(np.flatnonzero(bad.to_numpy())[0])
        raise DataError(
            f"column {name!r}, {row_name(column, row)}: {column.iloc[row]!r} is not a number, and the model was "
            "fitted on numbers there"
        ) from None
    if np.isinf(values).any():
        row = int(np.flatnonzero(np.isinf(values))[0])
        where = row_name(column, row)
        raise DataError(f"column {name!r}, {where}: the value is infinity; leave it empty if it is unknown")
    return values


def row_name(rows: pd.DataFrame | pd.Series, at: int) -> str:
    """What a user knows a row by: "line 14" of a CSV, whose index is called so; else its label, "row 12"."""
    return f"{'row' if rows.index.name is None else rows.index.name} {rows.index[at]}"


def column_texts(column: pd.Series) -> list[str]:
    """A column's values as texts, "missing" where there is none.

    2.0, as a gap makes of whole numbers, is "2"; a truth is "True" or "False", however it is written.
    """
    return ["missing" if missing else _text(v) for v, missing in zip(column, column.isna(), strict=True)]


def _text(value: Any) -> str:
    text = str(int(value)) if isinstance(value, (float, np.floating)) and float(value).is_integer() else str(value)
    return text.capitalize() if text.lower() in ("true", "false") else text


def unusable_rows(frame: pd.DataFrame, numbers: Collection[str]) -> dict[int, str]:
    """Rows that hold an infinite value, or no number in one of the columns `numbers`, each with a reason."""
    found = infinite_rows(frame)
    for name, column in frame.items():
        if str(name) in numbers and not is_numeric(column):
            values = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
            wrong = (np.isnan(values) & column.notna().to_numpy()) | np.isinf(values)
            for row in map(int, np.flatnonzero(wrong)):
                what = "infinity" if np.isinf(values[row]) else "not a number"
                found[row] = f"column {name!r}: {column.iloc[row]!r} is {what}"
    return dict(sorted(found.items()))


def infinite_rows(frame: pd.DataFrame) -> dict[int, str]:
    """Rows that hold an infinite value, each with a reason that names the column."""
    numbers = frame.select_dtypes(include="number")
    infinite = np.isinf(numbers.to_numpy(dtype=np.float64, na_value=np.nan))
    rows = np.flatnonzero(infinite.any(axis=1))
    return {int(r): f"column {numbers.columns[infinite[r].argmax()]!r} is infinity" for r in rows}
