"""One way to read pictures, wherever they are: arrays, tensors, lists, paths, DataFrames, folders, CSV files."""

from __future__ import annotations

import os
import warnings
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from gantools.data.decode import MAX_MEGAPIXELS, Header, header_of, is_picture, plain_mode, read_picture
from gantools.data.lines import named_by_line, tell_of_short_lines
from gantools.data.tables import is_numeric, row_name, with_columns
from gantools.errors import DataError, printable

PATH_COLUMN, LABEL_COLUMN = "path", "label"
_OF_PIXELS = ("1", "L", "LA", "RGB", "RGBA", "I", "F")  # and I;16 in either order; others number colours, or mix inks
_COUNTS = (1, 3, 4)  # of a picture's channels, by which it is told where they are


class PictureSource(ABC):
    """Pictures by number, read when asked for."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def name(self, index: int) -> str:
        """What to call picture `index` in messages and in tables."""

    @abstractmethod
    def read(self, index: int) -> NDArray[np.float32]:
        """Picture `index`: (H, W, C), float32 in [0, 1].

        Raises
        ------
        DataError
            When it cannot be read.
        """

    @abstractmethod
    def header(self, index: int) -> Header | None:
        """What can be told of picture `index` without decoding it; None where that is nothing."""


class ArraySource(PictureSource):
    """Pictures in memory: an array (N, H, W[, C]) or a list of arrays (H, W[, C])."""

    def __init__(self, pictures: NDArray[Any] | Sequence[NDArray[Any]]) -> None:
        self.pictures = pictures

    def __len__(self) -> int:
        return len(self.pictures)

    def name(self, index: int) -> str:
        return f"picture {index}"

    def read(self, index: int) -> NDArray[np.float32]:
        picture = np.asarray(self.pictures[index])
        if picture.ndim == 2:
            picture = picture[..., None]
        if picture.ndim != 3 or 0 in picture.shape:
            raise DataError(f"picture {index} has shape {picture.shape}; (H, W) or (H, W, C) is wanted")
        return _to_unit_range(picture, f"picture {index}")

    def header(self, index: int) -> Header | None:
        shape = np.shape(self.pictures[index])
        if len(shape) not in (2, 3) or 0 in shape:
            return None
        return Header(shape[0], shape[1], len(shape) == 3 and shape[2] >= 3)


class FileSource(PictureSource):
    """Pictures in files."""

    def __init__(
        self,
        paths: Sequence[Path],
        names: Sequence[str] | None = None,
        max_megapixels: float = MAX_MEGAPIXELS,
    ) -> None:
        self.paths = list(paths)
        self.names = list(names) if names is not None else [str(p) for p in paths]
        self.max_megapixels = max_megapixels

    def __len__(self) -> int:
        return len(self.paths)

    def name(self, index: int) -> str:
        return printable(self.names[index])

    def read(self, index: int) -> NDArray[np.float32]:
        return read_picture(self.paths[index], self.max_megapixels)

    def header(self, index: int) -> Header | None:
        return header_of(self.paths[index], self.max_megapixels)


class Selected(PictureSource):
    """Some of a source's pictures, in an order of their own.

    Parameters
    ----------
    source : PictureSource
    chosen : sequence of int
        Their numbers there.
    """

    def __init__(self, source: PictureSource, chosen: Sequence[int]) -> None:
        self.source = source
        self.chosen = chosen

    def __len__(self) -> int:
        return len(self.chosen)

    def name(self, index: int) -> str:
        return self.source.name(self.chosen[index])

    def read(self, index: int) -> NDArray[np.float32]:
        return self.source.read(self.chosen[index])

    def header(self, index: int) -> Header | None:
        return self.source.header(self.chosen[index])


def _to_unit_range(picture: NDArray[Any], name: str) -> NDArray[np.float32]:
    if picture.dtype == np.bool_:
        return picture.astype(np.float32)
    if picture.dtype == np.uint8:
        return picture.astype(np.float32) / 255.0
    if picture.dtype.newbyteorder("=") == np.uint16:
        return picture.astype(np.float32) / 65535.0
    if picture.dtype.kind != "f":
        raise DataError(f"{name} has dtype {picture.dtype}; uint8, uint16 or float in [0, 1] is wanted")
    if not np.isfinite(picture).all():
        raise DataError(f"{name} holds NaN or infinite pixels")
    low, high = float(picture.min()), float(picture.max())
    if low < -1e-6 or high > 1 + 1e-6:
        raise DataError(f"{name} has float pixels from {low:g} to {high:g}; floats must be in [0, 1] (divide by 255?)")
    return picture.astype(np.float32)


def is_table(X: Any) -> bool:
    """Whether `X` is a feature table rather than pictures: two dimensions, or a DataFrame without `path`."""
    if isinstance(X, (PictureSource, Image.Image)):
        return False
    if isinstance(X, pd.DataFrame):
        return PATH_COLUMN not in X.columns
    if isinstance(X, (str, Path)):
        path = Path(X)
        return is_table_file(path) and PATH_COLUMN not in table_columns(path)
    if isinstance(X, pd.Series) or hasattr(X, "toarray"):
        return not isinstance(X, pd.Series)
    if isinstance(X, (list, tuple)):
        if len(X) > 0 and isinstance(X[0], (str, Path)):
            return False
        return len(X) == 0 or np.ndim(_first_as_array(X[0])) < 2
    array_kind = getattr(getattr(X, "dtype", None), "kind", "")
    if array_kind == "O" and X.ndim == 1 and len(X) > 0:
        return is_table(list(X[:1]))
    return getattr(X, "ndim", 2) <= 2 and array_kind not in ("U", "S")


def _first_as_array(item: Any) -> Any:
    return item if hasattr(item, "ndim") else np.asarray(item, dtype=object)


def is_table_file(path: Path) -> bool:
    """Whether the file's name ends as a table's does."""
    return path.suffix.lower() in (".csv", ".parquet", ".pq")


def table_columns(path: Path) -> list[str]:
    """The column names of a CSV or Parquet file, without reading its rows."""
    if path.suffix.lower() == ".csv":
        return list(read_table(path, rows=0).columns)
    import pyarrow.parquet as parquet

    try:
        return list(parquet.read_schema(path).names)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as Parquet ({error})") from None


def read_table(path: Path, rows: int | None = None, texts: Sequence[str] = ()) -> pd.DataFrame:
    """A CSV or Parquet file as a DataFrame.

    Parameters
    ----------
    path : Path
    rows : int or None
        So many at most, of a CSV.
    texts : sequence of str
        Columns of a CSV to be read letter by letter: 007 stays so, and None is a text.

    Raises
    ------
    DataError
        Naming the file, the line where there is one, and the reason.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file")
    try:
        if path.suffix.lower() == ".csv":
            return _with_texts(_read_csv(path, rows), path, rows, texts)
        return pd.read_parquet(path)
    except DataError:
        raise
    except pd.errors.EmptyDataError:
        raise DataError(f"{path}: is empty") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is no UTF-8 text (byte {error.start}); save it as CSV in UTF-8") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as a table ({str(error).strip()})") from None


def _read_csv(path: Path, rows: int | None) -> pd.DataFrame:
    """A CSV whose columns are what its header says; a first one without a name is no column."""
    header = pd.read_csv(path, nrows=1, header=None, dtype=str, keep_default_na=False).iloc[0]
    numbered, header = len(header) > 1 and header.iloc[0] == "", header[header != ""]
    if header.duplicated().any():
        raise DataError(f"{path}: two columns are called {header[header.duplicated()].iloc[0]!r}; rename one")
    spaced = header[(header != header.str.strip()) & header.str.strip().isin((PATH_COLUMN, LABEL_COLUMN))]
    if len(spaced):
        raise DataError(f"{path}: the column {spaced.iloc[0]!r} has a space in its name; take it out")
    mark = next((m for m in ";\t|" if len(header) == 1 and m in header.iloc[0]), "")
    if mark:
        raise DataError(f"{path}: its values are separated by {mark!r}; save it with commas between them")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table = pd.read_csv(path, nrows=rows, index_col=False, low_memory=False)  # else chunks differ in dtypes
    except pd.errors.ParserWarning:
        raise DataError(
            f"{path}: its rows have more values than its header has names; does each end with a comma?"
        ) from None
    if numbered:
        warnings.warn(
            f"{path}: the first column has no name and is taken for row numbers; name it to use it", stacklevel=2
        )
        table = table.iloc[:, 1:]
    if rows is None:
        tell_of_short_lines(path)
    return table


def _with_texts(table: pd.DataFrame, path: Path, rows: int | None, texts: Sequence[str]) -> pd.DataFrame:
    """The table of a CSV, with some of its columns as they are written."""
    columns = [name for name in texts if name in table]
    if not columns:
        return table
    written = pd.read_csv(path, nrows=rows, usecols=columns, dtype=str, keep_default_na=False)
    return with_columns(table, {name: written[name] for name in columns})


def read_features(path: Path, categories: Collection[str] | None = None, least: int = 1) -> pd.DataFrame:
    """A table's rows, whose categories are as they are written: 007 in a short file and in a long one.

    What pandas takes for missing (an empty one, NA, None, null and the like) is missing, as in a DataFrame of pandas.
    Rows of a CSV are named by their `line`, as an editor shows it.

    Parameters
    ----------
    path : Path
    categories : collection of str or None
        Columns that are known to hold categories; None: those that hold anything but numbers, but for `label`.
    least : int
        Rows that are needed.

    Raises
    ------
    DataError
        Naming the file, where it has fewer.
    """
    table = read_table(path)
    if len(table) < least:
        raise DataError(f"{path}: has {len(table)} rows under its header; at least {least} needed")
    if categories is None:
        categories = [str(name) for name in table if name != LABEL_COLUMN and not is_numeric(table[name])]
    written = categories_as_written(table, path, categories)
    rows = with_columns(written, {n: written[n].mask(table[n].isna()) for n in categories if n in table})
    return named_by_line(rows, path)


def categories_as_written(table: pd.DataFrame, path: Path, categories: Collection[str] | None = None) -> pd.DataFrame:
    """The table of a CSV whose categories are read letter by letter: 007, NA and true stay so; an empty one is missing.

    `categories` are columns; None: those that hold anything but numbers.
    """
    if path.suffix.lower() != ".csv":
        return table
    if categories is None:
        categories = [str(name) for name in table if not is_numeric(table[name])]
    written = _with_texts(table, path, None, [*categories])
    return with_columns(written, {n: written[n].mask(written[n] == "") for n in categories if n in table})


def open_pictures(X: Any, max_megapixels: float = MAX_MEGAPIXELS) -> PictureSource:
    """Make a source of whatever holds pictures.

    Parameters
    ----------
    X : array, tensor, list, path, Series or DataFrame
        Arrays (N, H, W) or (N, H, W, C), uint8, uint16 or float in [0, 1]; tensors of the same shapes, or
        (N, C, H, W) where the second axis is 1, 3 or 4 and the last is not; a list or Series of arrays
        (H, W[, C]), of Pillow's images or of paths; a DataFrame or CSV/Parquet file with a `path` column (relative
        paths count from the file's folder); a folder, searched through in order of name; or one picture file.
    max_megapixels : float
        Larger files are refused.

    Raises
    ------
    DataError
        When there are no pictures, naming what was looked at.
    """
    if isinstance(X, PictureSource):
        return X
    if isinstance(X, (str, Path)):
        return _open_path(Path(X), max_megapixels)
    if isinstance(X, pd.DataFrame):
        if PATH_COLUMN not in X.columns:
            raise DataError(f"a DataFrame of pictures needs a column named {PATH_COLUMN!r}")
        X = X[PATH_COLUMN]
    if isinstance(X, pd.Series):
        X = X.astype(object).where(X.notna(), "").tolist()
    if isinstance(X, Image.Image):
        raise DataError("this is one picture; put it into a list: [X]")
    if isinstance(X, Tensor):
        X = as_array(X.permute(0, 2, 3, 1) if channels_first(X) else X)
    if isinstance(X, np.ndarray) and (X.dtype.kind in "US" or (X.dtype == object and X.ndim == 1)):
        X = X.tolist()
    if not hasattr(X, "__len__"):
        raise DataError(f"pictures are wanted: arrays, a tensor, paths or a folder; this is a {type(X).__name__}")
    if len(X) == 0:
        raise DataError("there are no pictures: the input is empty")
    if isinstance(X, (list, tuple)) and any(isinstance(x, (str, Path)) for x in X):
        wrong = [i for i, x in enumerate(X) if not isinstance(x, (str, Path)) or not str(x).strip()]
        if wrong:
            raise DataError(f"number {wrong[0]} of the paths is {X[wrong[0]]!r}; leave out what has no picture")
        return FileSource([Path(p) for p in X], [str(p) for p in X], max_megapixels)
    if isinstance(X, (list, tuple)):
        return ArraySource([_pixels(x) for x in X])
    array = np.asarray(X)
    if array.ndim not in (3, 4):
        raise DataError(f"an array of pictures has shape (N, H, W) or (N, H, W, C), not {array.shape}")
    _check_layout(array.shape)
    return ArraySource(array)


def _check_layout(shape: tuple[int, ...]) -> None:
    """Refuse an array that seems to be (N, C, H, W), and warn of (H, W, C) that would be many gray pictures."""
    if len(shape) == 4 and shape[1] in _COUNTS and shape[-1] > max(_COUNTS):
        raise DataError(
            f"an array of shape {shape} seems to be (N, C, H, W); give it as (N, H, W, C), X.transpose(0, 2, 3, 1), "
            "or as a tensor, torch.from_numpy(X)"
        )
    if len(shape) == 3 and shape[2] in (3, 4) and shape[1] > max(_COUNTS):
        n, height, width = shape
        warnings.warn(
            f"an array of shape {shape} is taken for {n} gray pictures of {width} x {height} pixels; if it is one "
            "picture in colour, put it into a list: [X]",
            stacklevel=3,
        )


def channels_first(pictures: Tensor) -> bool:
    """Whether a tensor holds pictures as (N, C, H, W): its second axis is 1, 3 or 4 long, and its last is not."""
    return pictures.ndim == 4 and pictures.shape[1] in _COUNTS and pictures.shape[-1] not in _COUNTS


def laid_as(pictures: Tensor, like: Tensor) -> Tensor:
    """Pictures (..., H, W, C) with their channels where those of `like`, which are many, have theirs."""
    return pictures.movedim(-1, -3) if channels_first(like) else pictures


def _pixels(picture: Any) -> NDArray[Any]:
    """One of a list of tensors, arrays or Pillow's images, as an array whose channels come last."""
    if isinstance(picture, Image.Image):
        of_pixels = picture.mode in _OF_PIXELS or picture.mode.startswith("I;16")
        return np.asarray(picture if of_pixels else plain_mode(picture))
    if isinstance(picture, Tensor):
        return _channels_last(picture)
    array = np.asarray(picture)
    _check_layout((1, *array.shape) if array.ndim == 3 else ())
    return array


def _channels_last(picture: Tensor) -> NDArray[Any]:
    """One of a list of tensors, (H, W), (H, W, C) or (C, H, W), as an array whose channels come last."""
    return as_array(picture.permute(1, 2, 0) if channels_first(picture[None]) else picture)


def as_array(tensor: Tensor) -> NDArray[Any]:
    """A tensor's values; of bfloat16, which NumPy does not have, as float32."""
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy(force=True)


def pictures_below(folder: Path) -> list[Path]:
    """The pictures of a folder and its subfolders, in order of name; of hidden ones, with a warning, none.

    Links are followed, but no folder is read twice; one to nothing is among the pictures, and cannot be read.
    """
    paths = sorted(p for p in _files_below(folder) if is_picture(p) and (p.is_symlink() or p.is_file()))
    hidden = {p for p in paths if any(part.startswith(".") for part in p.relative_to(folder).parent.parts)}
    if hidden:
        warnings.warn(f"{len(hidden)} pictures in hidden folders are left out: {min(hidden).parent}", stacklevel=2)
    return [p for p in paths if p not in hidden]


def _files_below(folder: Path) -> Iterator[Path]:
    """Whatever is no folder in `folder` and its subfolders, each of which is read once.

    Links to folders are followed last, and not where they lead to what was read before.
    """
    waiting, links = [folder], list[Path]()
    known: set[tuple[int, int]] = set()
    while waiting or links:
        here = waiting.pop() if waiting else links.pop(0)
        try:
            of_system = here.stat()
            if (of_system.st_dev, of_system.st_ino) in known:
                continue
            known.add((of_system.st_dev, of_system.st_ino))
            entries = sorted(os.scandir(here), key=lambda entry: entry.name)
        except OSError as error:
            warnings.warn(f"{here}: this folder cannot be read and is left out ({error.strerror})", stacklevel=2)
            continue
        for entry in entries:
            if _is_folder(entry):
                (links if entry.is_symlink() else waiting).append(Path(entry.path))
            else:
                yield Path(entry.path)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether it is one, or a link to one; not where the link leads nowhere."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _open_path(path: Path, max_megapixels: float) -> PictureSource:
    if not path.exists():
        raise DataError(f"{path}: no such file or folder")
    if path.is_dir():
        paths = pictures_below(path)
        if not paths:
            raise DataError(f"{path}: no pictures in this folder (looked for PNG, JPEG, TIFF, BMP, GIF, WebP)")
        return FileSource(paths, [p.relative_to(path).as_posix() for p in paths], max_megapixels)
    if is_table_file(path):
        table = read_table(path, texts=(PATH_COLUMN,))
        if PATH_COLUMN not in table.columns:
            raise DataError(f"{path}: has no column named {PATH_COLUMN!r} (it has {', '.join(table.columns)})")
        if table.empty:
            raise DataError(f"{path}: has no rows")
        check_paths(table, path)
        names = [str(p) for p in table[PATH_COLUMN]]
        return FileSource([path.parent / p for p in names], names, max_megapixels)
    return FileSource([path], [str(path)], max_megapixels)


def check_paths(table: pd.DataFrame, file: Path) -> None:
    """Refuse rows of a table file that name no picture, by the first of them."""
    paths = table[PATH_COLUMN]
    without = np.flatnonzero(paths.isna() | (paths.astype(str).str.strip() == ""))
    if len(without):
        row = row_name(named_by_line(table, file), int(without[0]))
        raise DataError(f"{file}: {row} has no path; leave out what has no picture")


def to_tensor(picture: NDArray[np.float32]) -> Tensor:
    """(H, W, C) in [0, 1] to a tensor (C, H, W)."""
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))
