"""Classes in folders or lists of files, and new samples written beside each other with a manifest."""

from __future__ import annotations

import csv
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from gantools.data.decode import is_picture
from gantools.data.keep import Kept, write_kept
from gantools.data.sources import LABEL_COLUMN, PATH_COLUMN, is_table_file, read_table
from gantools.errors import DataError, printable
from gantools.pipelines.augment.making import Made
from gantools.pipelines.synthesize.forms import Form, PictureForm
from gantools.pipelines.synthesize.writing import MANIFEST, PACKED, TABLE, as_bytes

_COLUMNS = ("path", "label", "seed", "critic_score", "nearest_real", "nearest_distance")


class Labelled(NamedTuple):
    """Samples and their labels: paths of pictures, or a table."""

    X: Any
    y: list[Any]


def read_labelled(data: Path) -> Labelled:
    """One subfolder a class, a CSV or Parquet file with columns `path` and `label`, or one with `label` and features.

    Raises
    ------
    DataError
        Naming the folder or the column that is missing, or the class that is empty.
    """
    if data.is_dir():
        return _from_folder(data)
    if not is_table_file(data):
        raise DataError(f"{data}: is no folder with a subfolder for each class, and no CSV or Parquet file")
    table = read_table(data, texts=(LABEL_COLUMN, PATH_COLUMN)).reset_index(drop=True)
    if LABEL_COLUMN not in table.columns:
        raise DataError(f"{data}: has no column named {LABEL_COLUMN!r} (it has {', '.join(map(str, table.columns))})")
    unknown = table[LABEL_COLUMN].isna() | table[LABEL_COLUMN].eq("")
    if unknown.any():
        line = int(np.flatnonzero(unknown)[0]) + 2
        raise DataError(f"{data}, line {line}: the label is missing")
    labels = _plain_numbers(table[LABEL_COLUMN].tolist())
    if PATH_COLUMN in table.columns:
        return Labelled([str(data.parent / str(p)) for p in table[PATH_COLUMN]], labels)
    return Labelled(table.drop(columns=[LABEL_COLUMN]), labels)


def _plain_numbers(labels: list[Any]) -> list[Any]:
    """Texts that are all whole numbers, as numbers, unless zeros before them say otherwise; others as they are."""
    texts = all(isinstance(label, str) for label in labels)
    if not texts or any(re.match(r"[+-]?0\d", label) for label in labels):
        return labels
    numbers = pd.to_numeric(pd.Series(labels, dtype=object), errors="coerce")
    return labels if numbers.isna().any() or (numbers % 1 != 0).any() else list(numbers.tolist())


def _from_folder(data: Path) -> Labelled:
    folders = sorted(p for p in data.iterdir() if p.is_dir() and not p.name.startswith("."))
    if len(folders) < 2:
        raise DataError(f"{data}: has {len(folders)} subfolders; one for each class, two at least, are wanted")
    loose = [p.name for p in data.iterdir() if p.is_file() and is_picture(p)]
    if loose:
        raise DataError(f"{data}: {loose[0]!r} is in no class's subfolder; move it into one, or away")
    paths: list[str] = []
    labels: list[str] = []
    for folder in folders:
        mine = sorted(str(p) for p in folder.rglob("*") if p.is_file() and is_picture(p))
        if not mine:
            raise DataError(f"{folder}: no pictures in this class's folder")
        paths += mine
        labels += [folder.name] * len(mine)
    return Labelled(paths, labels)


class Writer:
    """Writes samples into a folder a class, and a manifest line for each once it is whole.

    Parameters
    ----------
    out : Path
    suffix : str
        "png", "jpg" or "npz"; of pictures.
    names : list of str
        What to call the reals, in the manifest.
    folders : dict
        The name of each class's folder, for pictures in files of their own.
    """

    def __init__(self, out: Path, suffix: str, names: list[str], folders: dict[Any, str]) -> None:
        self.out = out
        self.suffix = suffix
        self.names = names
        self.n = 0
        self._kept: list[Any] = []
        self._labels: list[Any] = []
        self.folders = folders

    @contextmanager
    def writing(self) -> Iterator[Writer]:
        """Inside, samples can be written; the manifest is whole at any time."""
        with (self.out / MANIFEST).open("w", newline="", encoding="utf-8") as file:
            self._file = file
            self._lines = csv.writer(file)
            self._lines.writerow(_COLUMNS)
            try:
                yield self
            finally:
                self._finish()

    def real(self, path: str, label: Any) -> None:
        """Copy a real picture."""
        folder = self._folder(label)
        target = folder / f"real-{self.n:06d}{Path(path).suffix.lower()}"
        shutil.copyfile(path, target)
        self._line(target, label, "", "", path, "")

    def real_rows(self, rows: pd.DataFrame, labels: list[Any]) -> None:
        """Copy real rows of a table, whose index says which they are."""
        self._kept.append(rows)
        self._labels += labels
        for number, label in zip(rows.index, labels, strict=True):
            self._line(self.out / TABLE, label, "", "", f"row {number}", "")

    def made(self, made: Made, label: Any, form: Form) -> None:
        """Write new samples."""
        if not isinstance(form, PictureForm) or self.suffix == "npz":
            self._kept.append(form.samples(made.tensors))
            self._labels += [label] * len(made.critic)
        for i in range(len(made.critic)):
            if not isinstance(form, PictureForm):
                target = self.out / TABLE
            elif self.suffix == "npz":
                target = self.out / PACKED
            else:
                target = self._folder(label) / f"{made.method}-{self.n:06d}.{self.suffix}"
                write_kept(target, Kept(_with_channels(as_bytes(form.samples(made.tensors[i : i + 1])[0]))))
            critic = "" if np.isnan(made.critic[i]) else f"{made.critic[i]:.4f}"
            distance = "" if np.isnan(made.distance[i]) else f"{made.distance[i]:.4f}"
            self._line(target, label, made.seed, critic, self.names[int(made.nearest[i])], distance)

    def _line(self, target: Path, label: Any, *rest: Any) -> None:
        cells = (target.relative_to(self.out).as_posix(), label, *rest)
        self._lines.writerow([printable(str(cell)) for cell in cells])
        self._file.flush()
        self.n += 1

    def _folder(self, label: Any) -> Path:
        folder = self.out / self.folders[label]
        folder.mkdir(exist_ok=True)
        return folder

    def _finish(self) -> None:
        if not self._kept:
            return
        if np.ndim(self._kept[0]) == 2:
            pd.concat([pd.DataFrame(kept) for kept in self._kept]).assign(label=self._labels).to_csv(
                self.out / TABLE, index=False
            )
        else:
            np.savez_compressed(self.out / PACKED, images=np.concatenate(self._kept), labels=np.asarray(self._labels))


def _with_channels(picture: Any) -> Any:
    return picture[..., None] if picture.ndim == 2 else picture
