"""Classes in folders or lists of files, and new samples written beside each other with a manifest."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gantools.core.checkpoint import write_atomically
from gantools.data.decode import MAX_MEGAPIXELS, ORIENTATION, decoding_errors, is_picture, open_checked
from gantools.data.keep import Kept, read_kept, write_kept
from gantools.data.lines import named_by_line
from gantools.data.planes import on_white
from gantools.data.sources import (
    LABEL_COLUMN,
    PATH_COLUMN,
    categories_as_written,
    check_paths,
    is_table_file,
    pictures_below,
    read_table,
)
from gantools.data.tables import row_name
from gantools.errors import DataError, printable
from gantools.pipelines.augment.making import Made, Maker
from gantools.pipelines.synthesize.forms import PictureForm
from gantools.pipelines.synthesize.writing import MANIFEST, PACKED, TABLE, as_bytes, labelled

_Line = tuple[Any, ...]  # of the manifest, without the path
_COLUMNS = ("path", "label", "seed", "critic_score", "nearest_real", "nearest_distance")


class Labelled(NamedTuple):
    """Samples and their labels: paths of pictures, or a table."""

    X: Any
    y: list[Any]


def read_labelled(data: Path, categories: Sequence[str] | None = None) -> Labelled:
    """One subfolder a class, a CSV or Parquet file with columns `path` and `label`, or one with `label` and features.

    Features of a CSV that are `categories` are read letter by letter; None: those that hold anything but numbers.

    Raises
    ------
    DataError
        Naming the folder or the columns that are missing, or the class that is empty.
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
        where = row_name(named_by_line(table, data), int(np.flatnonzero(unknown)[0]))
        raise DataError(f"{data}, {where}: the label is missing")
    labels = _plain_numbers(table[LABEL_COLUMN].tolist())
    if PATH_COLUMN in table.columns:
        check_paths(table, data)
        return Labelled([str(data.parent / str(p)) for p in table[PATH_COLUMN]], labels)
    if table.shape[1] == 1:
        raise DataError(f"{data}: has no columns but its labels; there is nothing to learn")
    return Labelled(categories_as_written(table.drop(columns=[LABEL_COLUMN]), data, categories), labels)


def _plain_numbers(labels: list[Any]) -> list[Any]:
    """Texts that are all whole numbers of up to 18 digits, as such, without zeros before them; others as they are."""
    whole = all(isinstance(label, str) and re.fullmatch(r"-?(0|[1-9]\d{0,17})", label) for label in labels)
    return [int(label) for label in labels] if whole else labels


def _from_folder(data: Path) -> Labelled:
    of_class: dict[str, list[str]] = {}
    for picture in pictures_below(data):
        of_class.setdefault(picture.relative_to(data).parts[0], []).append(str(picture))
    folders = sorted(p for p in data.iterdir() if p.is_dir() and not p.name.startswith("."))
    if len(folders) < 2:
        raise DataError(f"{data}: has {len(folders)} subfolders; one for each class, two at least, are wanted")
    loose = [p.name for p in data.iterdir() if p.is_file() and is_picture(p)]
    if loose:
        raise DataError(f"{data}: {loose[0]!r} is in no class's subfolder; move it into one, or away")
    paths: list[str] = []
    labels: list[str] = []
    for folder in folders:
        mine = of_class.get(folder.name, [])
        if not mine:
            raise DataError(f"{folder}: no pictures in this class's folder")
        paths += mine
        labels += [printable(folder.name)] * len(mine)
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
    max_megapixels : float
        Larger real pictures are refused.
    """

    def __init__(
        self,
        out: Path,
        suffix: str,
        names: list[str],
        folders: dict[Any, str],
        max_megapixels: float = MAX_MEGAPIXELS,
    ) -> None:
        self.out = out
        self.suffix = suffix
        self.names = names
        self.n = 0
        self._packed: list[NDArray[Any]] = []
        self._of_packed: list[_Line] = []
        self.folders = folders
        self.max_megapixels = max_megapixels

    @contextmanager
    def writing(self) -> Iterator[Writer]:
        """Inside, samples can be written; whatever ends it, what is there is whole, and in the manifest."""
        self.out.mkdir(parents=True, exist_ok=True)
        with (self.out / MANIFEST).open("w", newline="", encoding="utf-8") as file:
            self._file = file
            self._lines = csv.writer(file)
            self._lines.writerow(_COLUMNS)
            try:
                yield self
            finally:
                self._pack()

    def real(self, path: str, label: Any) -> None:
        """Copy a real picture; one with transparency, or on its side, as a PNG, upright and on white."""
        target = self._folder(label) / f"real-{self.n:06d}{Path(path).suffix.lower()}"
        line = (label, "", "", path, "")
        if _is_plain(Path(path), self.max_megapixels):
            with self._listed(target, [line]):
                write_atomically(target, Path(path).read_bytes())
        else:
            target = target.with_suffix(".png")
            with self._listed(target, [line]):
                write_kept(target, Kept(on_white(read_kept(Path(path), self.max_megapixels).pixels)))

    def real_rows(self, rows: pd.DataFrame, labels: list[Any]) -> None:
        """Copy real rows of a table, whose index says which they are."""
        self._rows(rows, [(label, "", "", f"row {n}", "") for n, label in zip(rows.index, labels, strict=True)])

    def made(self, made: Made, label: Any, maker: Maker) -> None:
        """Write new samples."""
        lines: list[_Line] = [(label, made.seed, *cells) for cells in self._told(made)]
        if not isinstance(maker.form, PictureForm):
            self._rows(pd.DataFrame(maker.samples(made)), lines)
        elif self.suffix == "npz":
            self._packed.append(maker.samples(made))
            self._of_packed += lines
        else:
            for i, line in enumerate(lines):
                target = self._folder(label) / f"{made.method}-{self.n:06d}.{self.suffix}"
                with self._listed(target, [line]):
                    picture = maker.form.samples(made.tensors[i : i + 1])[0]
                    write_kept(target, Kept(_with_channels(as_bytes(picture))))

    def _told(self, made: Made) -> Iterator[tuple[str, str, str]]:
        """The discriminator's logit, the nearest real and the distance to it, of each sample."""
        for critic, nearest, distance in zip(made.critic, made.nearest, made.distance, strict=True):
            logit, apart = ("" if np.isnan(v) else f"{v:.4f}" for v in (critic, distance))
            yield logit, self.names[int(nearest)], apart

    @contextmanager
    def _listed(self, target: Path, lines: list[_Line]) -> Iterator[None]:
        """Inside, samples are written to a file; without their lines in the manifest, they are taken away again."""
        listed, before = self.n, target.stat().st_size if target.exists() else 0
        try:
            yield
            self._list(target, lines)
        except BaseException:
            if self.n == listed and before > 0:
                os.truncate(target, before)
            elif self.n == listed:
                target.unlink(missing_ok=True)
            raise

    def _rows(self, rows: pd.DataFrame, lines: list[_Line]) -> None:
        """More rows of the table."""
        target = self.out / TABLE
        with self._listed(target, lines):
            labelled(rows, [line[0] for line in lines]).to_csv(target, mode="a", header=self.n == 0, index=False)

    def _pack(self) -> None:
        """The packed pictures, where there are any, and then their lines."""
        if not self._packed:
            return
        images = np.concatenate(self._packed)[: len(self._of_packed)]
        lines = self._of_packed[: len(images)]
        stream = io.BytesIO()
        np.savez_compressed(stream, images=images, labels=np.asarray([line[0] for line in lines]))
        with self._listed(self.out / PACKED, lines):
            write_atomically(self.out / PACKED, stream.getvalue())

    def _list(self, target: Path, lines: list[_Line]) -> None:
        name = target.relative_to(self.out).as_posix()
        self._lines.writerows([printable(str(cell)) for cell in (name, *line)] for line in lines)
        self._file.flush()
        self.n += len(lines)

    def _folder(self, label: Any) -> Path:
        folder = self.out / self.folders[label]
        folder.mkdir(exist_ok=True)
        return folder


def _is_plain(path: Path, max_megapixels: float) -> bool:
    """Whether a picture file looks the same to whoever knows nothing of transparency and of cameras held sideways."""
    with decoding_errors(path, max_megapixels), open_checked(path, max_megapixels) as image:
        upright = image.getexif().get(ORIENTATION, 1) == 1
        return upright and not image.has_transparency_data


def _with_channels(picture: Any) -> Any:
    return picture[..., None] if picture.ndim == 2 else picture
