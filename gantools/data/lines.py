"""Where the rows of a CSV are in its file, as an editor shows it."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Iterator
from pathlib import Path

import pandas as pd


def records(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The header and the rows of a CSV, empty lines passed over as pandas does, each with the line it begins at.

    Raises
    ------
    csv.Error
        For a value longer than the csv module reads; pandas may read it.
    """
    last = 0
    with path.open(newline="", encoding="utf-8-sig") as file:
        lines = csv.reader(file)
        for values in lines:
            if len(values) > 1 or "".join(values).strip():
                yield last + 1, values
            last = lines.line_num


def named_by_line(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """The table of a CSV, its index the `line` at which each row begins; as it is where these cannot be told."""
    if path.suffix.lower() != ".csv":
        return table
    try:
        below = [line for line, _ in records(path)][1:]
    except csv.Error:
        return table
    return table.set_axis(pd.Index(below, name="line"), axis=0) if len(below) == len(table) else table


def tell_of_short_lines(path: Path) -> None:
    """Warn of lines with fewer values than the header has names: Excel omits trailing commas, a cut file the rest."""
    try:
        rows = records(path)
        width = len(next(rows)[1])
        short = [line for line, values in rows if len(values) < width and "".join(values).strip()]
    except csv.Error:
        return
    if short:
        what = f"line {short[0]} has" if len(short) == 1 else f"{len(short)} lines, the first of them {short[0]}, have"
        warnings.warn(
            f"{path}: {what} fewer values than the header has names; the rest are taken for missing", stacklevel=3
        )
