"""Feature tables to vectors that networks can make, and back: whole numbers stay whole, and ranges are kept."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.special import ndtri
from torch import Tensor

from gantools.core.initialise import fitting
from gantools.data.tables import column_numbers, distinct_texts, is_numeric, plain_value
from gantools.errors import DataError

_MOST_QUANTILES = 1000
_MISSING = "missing"


@dataclass
class _Column:
    """How one column is written.

    `quantiles` of a number's known values, empty for a category; `categories` of a category, or of whether a number
    is missing; `dtype` of the column; of a categorical one also its `levels`, and whether they are `ordered`; `whole`
    where numbers are whole, though a gap among them may have made them floating point.
    """

    dtype: str
    quantiles: list[float] = field(default_factory=list)
    categories: list[Any] = field(default_factory=list)
    levels: list[Any] | None = None
    ordered: bool = False
    whole: bool = False

    @property
    def counts(self) -> bool:
        """Whether it holds whole numbers of up to 64 bits, and none is missing."""
        return self.dtype.lower().startswith(("int", "uint")) and not self.categories

    @property
    def bits(self) -> type[np.integer[Any]]:
        """Of 64 bits, the kind of whole number that it holds where it `counts`."""
        return np.uint64 if self.dtype.lower().startswith("u") else np.int64

    @property
    def places(self) -> dict[tuple[bool, bool, Any], int]:
        """Where each category is among them, by its key."""
        return {_key(value): place for place, value in enumerate(self.categories)}

    def whole_numbers(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Values rounded, and none beyond what the column's dtype holds, as floats of the ends of 64 bits would be."""
        kind = re.match(r"u?int\d+", self.dtype.lower())
        if kind is None:
            return np.round(values)
        ends = np.iinfo(kind[0])
        highest = float(ends.max)
        return np.clip(np.round(values), ends.min, highest if int(highest) <= ends.max else np.nextafter(highest, 0))

    def series(self, values: Any) -> pd.Series:
        """Values in the column's dtype."""
        if self.levels is not None:
            return pd.Series(pd.Categorical(values, categories=self.levels, ordered=self.ordered))
        return pd.Series(values, dtype=object if self.dtype == "object" else None).astype(self.dtype)  # type: ignore[call-overload]


@dataclass
class TableCodec:
    """Numbers become normal scores, by their quantiles; categories become choices, one 1 among zeros.

    A number column with missing values has a choice besides: known or missing.

    Attributes
    ----------
    columns : dict
        Name to how it is written.
    """

    columns: dict[str, _Column] = field(default_factory=dict)

    def fit(self, frame: pd.DataFrame) -> TableCodec:
        """Learn from `frame`, whose columns' names are texts.

        Raises
        ------
        DataError
            For a column of texts that are all different or too many, and for infinite numbers.
        """
        for name, column in frame.items():
            name = str(name)
            if is_numeric(column):
                values = column_numbers(column, name)
                known = values[~np.isnan(values)]
                n = min(_MOST_QUANTILES, max(len(known), 1))
                quantiles = np.quantile(known, np.linspace(0, 1, n)) if len(known) else np.zeros(1)
                choice = ["known", _MISSING] if len(known) < len(values) else []
                whole = bool(len(known)) and bool((known == np.round(known)).all())
                self.columns[name] = _Column(str(column.dtype), quantiles.tolist(), choice, whole=whole)
            else:
                distinct = {_key(v): v for v in _plain_values(column, name)}
                distinct_texts(column, name)
                found = sorted(distinct.values(), key=lambda v: (v is None, str(v), type(v).__name__))
                levels, ordered = None, False
                if isinstance(column.dtype, pd.CategoricalDtype):
                    levels, ordered = [_plain(v, name) for v in column.cat.categories], bool(column.cat.ordered)
                self.columns[name] = _Column(str(column.dtype), [], found, levels, ordered)
        return self

    @property
    def width(self) -> int:
        """Length of a vector."""
        return sum(bool(c.quantiles) + len(c.categories) for c in self.columns.values())

    @property
    def choices(self) -> list[tuple[int, int]]:
        """Where each choice begins and ends in a vector."""
        found, at = [], 0
        for column in self.columns.values():
            at += bool(column.quantiles)
            if column.categories:
                found.append((at, at + len(column.categories)))
                at += len(column.categories)
        return found

    def transform(self, frame: pd.DataFrame) -> NDArray[np.float64]:
        """Vectors of `frame`: (N, width)."""
        blocks: list[NDArray[np.float64]] = []
        for name, column in self.columns.items():
            if column.quantiles:
                values = column_numbers(frame[name], name)
                missing = np.isnan(values)
                middle = column.quantiles[len(column.quantiles) // 2]
                blocks.append(_to_scores(np.where(missing, middle, values), column.quantiles)[:, None])
                if column.categories:
                    blocks.append(np.stack([~missing, missing], 1).astype(np.float64))
            else:
                places = column.places
                keys = np.asarray([places.get(_key(v), -1) for v in _plain_values(frame[name], name)], np.int64)
                blocks.append((keys[:, None] == np.arange(len(column.categories))).astype(np.float64))
        return np.concatenate(blocks, axis=1)

    def inverse(self, vectors: NDArray[np.float64]) -> pd.DataFrame:
        """A table of vectors (N, width), in the columns' dtypes."""
        table: dict[str, Any] = {}
        at = 0
        for name, column in self.columns.items():
            if column.quantiles:
                values = np.interp(vectors[:, at], _grid(len(column.quantiles)), column.quantiles)
                at += 1
                values = column.whole_numbers(values) if column.whole or "int" in column.dtype.lower() else values
                if column.categories:
                    values = np.where(vectors[:, at : at + 2].argmax(1) == 1, np.nan, values)
                    at += 2
                table[name] = column.series(values)
            else:
                k = len(column.categories)
                chosen = vectors[:, at : at + k].argmax(1)
                at += k
                table[name] = column.series([column.categories[i] for i in chosen])
        return pd.DataFrame(table)

    def packed(self, frame: pd.DataFrame) -> Tensor:
        """The very values of `frame` as one tensor (N, columns) of int64; `unpacked` is the way back.

        Whole numbers are themselves, others the bits of their float64, categories their places.
        """
        packed: list[NDArray[np.int64]] = []
        for name, column in self.columns.items():
            if column.counts:
                packed.append(frame[name].to_numpy(column.bits).view(np.int64))
            elif column.quantiles:
                packed.append(column_numbers(frame[name], name).view(np.int64))
            else:
                places = column.places
                packed.append(np.array([places[_key(v)] for v in _plain_values(frame[name], name)], np.int64))
        return torch.from_numpy(np.stack(packed, 1))

    def unpacked(self, packed: Tensor) -> pd.DataFrame:
        """The table that was packed, in the columns' dtypes."""
        table: dict[str, Any] = {}
        for values, (name, column) in zip(packed.numpy().T, self.columns.items(), strict=True):
            if column.counts:
                table[name] = column.series(np.ascontiguousarray(values).view(column.bits))
            elif column.quantiles:
                table[name] = column.series(np.ascontiguousarray(values).view(np.float64))
            else:
                table[name] = column.series([column.categories[i] for i in values])
        return pd.DataFrame(table)

    def to_dict(self) -> dict[str, Any]:
        """What a model folder can hold of it, quantiles as tensors; `from_dict` is the way back."""
        return {
            name: {**vars(column), "quantiles": torch.tensor(column.quantiles, dtype=torch.float64)}
            for name, column in self.columns.items()
        }

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> TableCodec:
        """The codec that `to_dict` was asked of."""
        quantiles = {
            name: fitting(f"quantiles of {name}", column["quantiles"], torch.float64, None).tolist()
            for name, column in stored.items()
        }
        return cls({name: _Column(**{**column, "quantiles": quantiles[name]}) for name, column in stored.items()})


def _grid(n: int) -> NDArray[np.float64]:
    """The normal scores of n numbers in order."""
    scores: NDArray[np.float64] = ndtri((np.arange(n) + 0.5) / n)
    return scores


def _to_scores(values: NDArray[np.float64], quantiles: list[float]) -> NDArray[np.float64]:
    """Normal scores; a value that fills several quantiles gets the middle of theirs."""
    grid, numbers = _grid(len(quantiles)), np.asarray(quantiles)
    high = np.interp(values, numbers, grid)
    low = -np.interp(-values, -numbers[::-1], -grid[::-1])
    return (low + high) / 2


def _key(value: Any) -> tuple[bool, bool, Any]:
    """What tells a category from others: 2 and 2.0 are one; "2" is another, as is True than 1, and "None" than None."""
    return isinstance(value, str), isinstance(value, bool), value


def _plain_values(column: pd.Series, name: str) -> list[Any]:
    """A column's values as Python's own, None where one is missing."""
    return [_plain(v, name) for v in column.astype(object).where(column.notna(), None)]


def _plain(value: Any, column: str) -> Any:
    value = plain_value(value)
    if value is not None and not isinstance(value, (str, int, float, bool)):
        raise DataError(f"column {column!r} holds {type(value).__name__}; turn it into numbers or texts")
    return value
