"""Samples as files, and the folders that they go to."""

from __future__ import annotations

import csv
import itertools
import math
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from gantools import processes
from gantools.core.checkpoint import write_atomically
from gantools.data.keep import Kept, write_kept
from gantools.data.sources import LABEL_COLUMN
from gantools.data.tables import with_columns
from gantools.errors import ConfigError

MANIFEST = "manifest.csv"
TABLE = "samples.csv"
_LONGEST = 200  # bytes
PACKED = "images.npz"
_BESIDE = (TABLE, PACKED, "sheet.png", "grid.png", "interpolation.png")


def check_out(out: Path, overwrite: bool, *inputs: Path) -> None:
    """Refuse, before hours of training, a folder that new samples cannot go to.

    That is one which cannot be made, which already holds files, or which has to do with the inputs. It is left as it
    is, and is not there if it was not. Under torchrun the first process tries.

    Raises
    ------
    ConfigError
        Naming what is there, and the way out.
    """
    if out.is_file():
        raise ConfigError(f"{out} is a file; name a folder")
    target = out.resolve()
    for path in (p.resolve() for p in inputs):
        if target == path or target in path.parents or path in target.parents:
            raise ConfigError(f"{out} and {path} are within each other; name another folder for the new samples")
    there = sorted(p.name for p in out.iterdir()) if out.is_dir() else []
    if there and not overwrite:
        raise ConfigError(f"{out} already holds {there[0]!r}; name another folder, or allow it with --overwrite")
    if there and not _is_ours(out / MANIFEST):
        raise ConfigError(
            f"{out} holds files that are not from this command (no {MANIFEST} of its own); name another folder"
        )
    if not processes.first():
        return
    made = [folder for folder in (out, *out.parents) if not folder.exists()]
    try:
        out.mkdir(parents=True, exist_ok=True)
        for folder in made:
            folder.rmdir()
    except OSError as error:
        raise ConfigError(f"{out} cannot be made ({error.strerror}); name another folder") from None


def clear_out(out: Path) -> None:
    """Take away what an earlier run left there, and nothing else."""
    if (out / MANIFEST).is_file():
        names = pd.read_csv(out / MANIFEST, dtype=str)["path"].dropna()
        listed = [name for name in names if (out / name).resolve().is_relative_to(out.resolve())]
        for name in [*listed, *_BESIDE, MANIFEST]:
            (out / name).unlink(missing_ok=True)
        for folder in sorted({(out / name).parent for name in listed} - {out}):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()


def _is_ours(manifest: Path) -> bool:
    """Whether a manifest begins as ours do."""
    if not manifest.is_file():
        return False
    with manifest.open(encoding="utf-8", errors="replace") as file:
        return file.readline().startswith("path,label,seed")


def folder_name(label: Any) -> str:
    """A label as the name of a folder, no longer than file systems take."""
    name = re.sub(r"[^\w.+ -]", "_", str(label)).encode()[:_LONGEST].decode(errors="ignore")
    return name.strip(". ") or "_"


def folders_of(labels: Iterable[Any]) -> dict[Any, str]:
    """The name of each label's folder.

    Raises
    ------
    ConfigError
        When two labels would share one.
    """
    owners: dict[str, Any] = {}
    for label in dict.fromkeys(labels):
        name = folder_name(label)
        if name in owners:
            raise ConfigError(f"labels {owners[name]!r} and {label!r} would share the folder {name!r}; rename one")
        owners[name] = label
    return {label: name for name, label in owners.items()}


def as_bytes(pictures: NDArray[Any]) -> NDArray[Any]:
    """Pictures that files can hold: floats in [0, 1] and truths as uint8, others as they are."""
    if pictures.dtype.kind == "f":
        return np.round(pictures * 255).astype(np.uint8)
    return pictures.astype(np.uint8) * 255 if pictures.dtype.kind == "b" else pictures


def write_pictures(parts: Iterable[tuple[NDArray[Any], Any]], seed: int, out: Path) -> Iterator[int]:
    """Pictures as PNG, a folder a class where there are classes, and manifest.csv.

    The manifest lists at any time what is there, so that what an interrupted run left can be replaced.

    Parameters
    ----------
    parts : iterable of (ndarray, labels or None)
        As of `GanSynthesizer.in_parts`.

    Yields
    ------
    int
        How many are written.

    Raises
    ------
    ConfigError
        When two classes would share a folder.
    """
    folders: dict[str, str] = {}
    written = 0
    with _manifest(out) as (lines, file):
        for X, y in parts:
            labels = [""] * len(X) if y is None else [str(label) for label in y]
            folders = {**folders_of([*filter(None, folders), *filter(None, labels)]), "": ""}
            for picture, label in zip(as_bytes(X), labels, strict=True):
                target = out / folders[label] / f"sample-{written:06d}.png"
                target.parent.mkdir(parents=True, exist_ok=True)
                write_kept(target, Kept(picture[..., None] if picture.ndim == 2 else picture))
                lines.writerow([target.relative_to(out), label, seed])
                file.flush()
                written += 1
                yield written


def labelled(table: pd.DataFrame, labels: Any) -> pd.DataFrame:
    """Rows and, last, their classes: in the column `label`, or if there is one, `class`, `label_2` and so on."""
    names = itertools.chain((LABEL_COLUMN, "class"), (f"{LABEL_COLUMN}_{i}" for i in itertools.count(2)))
    name = next(n for n in names if n not in table.columns)
    return with_columns(table, {name: pd.Series(labels, index=table.index)})


def write_rows(X: Any, y: Any, seed: int, out: Path) -> None:
    """A table as samples.csv, with the column `label` where there are classes, and manifest.csv."""
    table = X if isinstance(X, pd.DataFrame) else pd.DataFrame(X.toarray() if sparse.issparse(X) else X)
    table = table if y is None else labelled(table, y)
    with _manifest(out) as (lines, _):
        write_atomically(out / TABLE, table.to_csv(index=False).encode())
        lines.writerows([TABLE, label, seed] for label in ([""] * len(table) if y is None else y))


@contextmanager
def _manifest(out: Path) -> Iterator[tuple[Any, IO[str]]]:
    """A manifest with its header: what writes lines into it, and the file."""
    out.mkdir(parents=True, exist_ok=True)
    with (out / MANIFEST).open("w", newline="", encoding="utf-8") as file:
        lines = csv.writer(file)
        lines.writerow(["path", "label", "seed"])
        yield lines, file


def write_grid(pictures: NDArray[Any], path: Path, columns: int | None = None) -> None:
    """Pictures (N, H, W[, C]) side by side, in so many columns; as many as rows if None."""
    pictures = as_bytes(pictures[..., None] if pictures.ndim == 3 else pictures)
    n, height, width, channels = pictures.shape
    columns = columns or math.ceil(math.sqrt(n))
    rows = math.ceil(n / columns)
    blank = np.zeros((rows * columns - n, height, width, channels), pictures.dtype)
    grid = np.concatenate([pictures, blank]).reshape(rows, columns, height, width, channels)
    write_kept(path, Kept(grid.transpose(0, 2, 1, 3, 4).reshape(rows * height, columns * width, channels)))
