"""Where sources and targets are: two folders, one folder of pictures side by side, a table, arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from gantools.data.pairing import HalfSource, listed, matched
from gantools.data.sources import (
    PATH_COLUMN,
    FileSource,
    PictureSource,
    is_table_file,
    read_table,
    table_columns,
)
from gantools.errors import ConfigError, DataError
from gantools.pipelines.containers import pictures

COLUMNS = ("source", "target")
WORDS = ("source", "target")


def sources_and_targets(
    X: Any, y: Any, *, paired: bool, side_by_side: bool, colour_only: bool, max_megapixels: float
) -> tuple[PictureSource | None, PictureSource]:
    """What to translate from and to, in the same order where they are pairs.

    Returns
    -------
    sources, targets
        `sources` is None where they are to be made of the targets.

    Raises
    ------
    ConfigError
        When it cannot be told what the targets are.
    DataError
        When pictures are missing, or have no partner: all of them are listed.
    """
    if y is None:
        alone = _alone(X, side_by_side, colour_only, max_megapixels)
        if alone is not None:
            return alone
        if colour_only:
            return None, pictures(X, max_megapixels)
        raise ConfigError(
            "there are no targets: give them as y (a second folder, whose files have the same stems), or X as a table "
            "with columns `source` and `target`, or side_by_side=True for pictures that hold both"
        )
    if side_by_side:
        raise ConfigError("side_by_side=True takes both from the pictures of X; leave y out")
    found = pictures(X, max_megapixels), pictures(y, max_megapixels)
    return matched(*found, WORDS) if paired else found


def _alone(
    X: Any, side_by_side: bool, colour_only: bool, max_megapixels: float
) -> tuple[PictureSource, PictureSource] | None:
    """Both, out of X alone; None where X does not hold both."""
    if side_by_side:
        both = pictures(X, max_megapixels)
        return HalfSource(both, right=False), HalfSource(both, right=True)
    folder = Path()
    if isinstance(X, (str, Path)) and is_table_file(Path(X)):
        found = table_columns(Path(X))
        if colour_only and PATH_COLUMN in found:
            return None
        if not set(COLUMNS) <= set(found):
            raise DataError(
                f"{X}: has the columns {', '.join(found)}; a table of pairs has `source` and `target`, and a table of "
                "pictures, of which a second one holds the targets, has `path`"
            )
        folder, X = Path(X).parent, read_table(Path(X))
    if not (isinstance(X, pd.DataFrame) and set(COLUMNS) <= set(X.columns)):
        return None
    if X.empty:
        raise DataError("the table of pairs has no rows")
    empty = X.index[X[list(COLUMNS)].isna().any(axis=1)]
    if len(empty):
        raise DataError(f"{len(empty)} rows of the table have no source or no target: rows {listed_rows(empty)}")
    files = [[folder / str(p) for p in X[column]] for column in COLUMNS]
    missing = [f"{p}: no such file" for column in files for p in column if not p.exists()]
    if missing:
        raise DataError(f"{len(missing)} files of the table are missing:\n" + listed(missing))
    sources, targets = (
        FileSource(paths, [str(p) for p in X[column]], max_megapixels)
        for column, paths in zip(COLUMNS, files, strict=True)
    )
    return sources, targets


def listed_rows(rows: Any, most: int = 10) -> str:
    """Row numbers of a table, the first few."""
    return ", ".join(str(r) for r in list(rows)[:most]) + (" ..." if len(rows) > most else "")
