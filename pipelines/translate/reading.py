"""Where sources and targets are: two folders, one folder of pictures side by side, a table, arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from gantools.data.lines import named_by_line
from gantools.data.pairing import HalfSource, listed, matched
from gantools.data.sources import (
    PATH_COLUMN,
    FileSource,
    PictureSource,
    is_table_file,
    read_table,
    table_columns,
)
from gantools.data.tables import row_name
from gantools.errors import ConfigError, DataError
from gantools.pipelines.containers import pictures

COLUMNS = ("source", "target")
WORDS = ("source", "target")
_OTHERWISE = (
    ", list pairs in a CSV with columns `source` and `target`, or, where they are two piles without pairs, fit with "
    "paired=False (--unpaired)"
)


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
        if not paired:
            raise ConfigError("there are no targets: without pairs, give a second pile as y (TARGET, another folder)")
        raise ConfigError(
            "there are no targets: give them as y (a second folder, whose files have the same stems), or X as a table "
            "with columns `source` and `target`, or side_by_side=True for pictures that hold both"
        )
    if side_by_side:
        raise ConfigError("side_by_side=True takes both from the pictures of X; leave y out")
    if _holds_both(X):
        named = "the table of X" if isinstance(X, pd.DataFrame) else X
        raise ConfigError(
            f"{named} has both sources and targets: leave y (TARGET) out, or give sources as a table with a column "
            "`path`"
        )
    found = pictures(X, max_megapixels), pictures(y, max_megapixels)
    return matched(*found, WORDS, _OTHERWISE) if paired else found


def _holds_both(X: Any) -> bool:
    """Whether X is a table of pairs, and not of pictures."""
    columns: Any = ()
    if isinstance(X, pd.DataFrame):
        columns = X.columns
    elif isinstance(X, (str, Path)) and is_table_file(Path(X)) and Path(X).is_file():
        columns = table_columns(Path(X))
    return set(COLUMNS) <= set(columns) and PATH_COLUMN not in columns


def _alone(
    X: Any, side_by_side: bool, colour_only: bool, max_megapixels: float
) -> tuple[PictureSource, PictureSource] | None:
    """Both, out of X alone; None where X does not hold both."""
    if side_by_side:
        both = pictures(X, max_megapixels)
        return HalfSource(both, right=False), HalfSource(both, right=True)
    folder, name = Path(), "the table of pairs"
    if isinstance(X, (str, Path)) and is_table_file(Path(X)):
        found = table_columns(Path(X))
        if colour_only and PATH_COLUMN in found:
            return None
        if not set(COLUMNS) <= set(found):
            raise DataError(
                f"{X}: has the columns {', '.join(found)}; a table of pairs has `source` and `target`, and a table of "
                "pictures, of which a second one holds the targets, has `path`"
            )
        folder, name = Path(X).parent, str(X)
        X = named_by_line(read_table(Path(X), texts=COLUMNS), Path(X))
    if not (isinstance(X, pd.DataFrame) and set(COLUMNS) <= set(X.columns)):
        return None
    if X.empty:
        raise DataError(f"{name}: has no rows; write one for each pair, with its source and its target")
    rows = [row_name(X, at) for at in range(len(X))]
    gaps = X[list(COLUMNS)].isna() | (X[list(COLUMNS)] == "")
    empty = [row for row, gap in zip(rows, gaps.any(axis=1), strict=True) if gap]
    if empty:
        raise DataError(f"{name}: no source or no target in {_first(empty)}; fill it in, or take the line out")
    files = [[folder / str(p) for p in X[column]] for column in COLUMNS]
    missing = [
        f"{row}: {p}: no such file" for row, *pair in zip(rows, *files, strict=True) for p in pair if not p.exists()
    ]
    if missing:
        raise DataError(
            f"{name}: {len(missing)} files are missing; put them there, or mend their paths, which count from "
            f"{folder.absolute()}:\n" + listed(missing)
        )
    sources, targets = (
        FileSource(paths, [str(p) for p in X[column]], max_megapixels)
        for column, paths in zip(COLUMNS, files, strict=True)
    )
    return sources, targets


def _first(rows: list[str], most: int = 10) -> str:
    """The first few rows of a table, and how many more there are."""
    return ", ".join(rows[:most]) + (f" and {len(rows) - most} more" if len(rows) > most else "")
