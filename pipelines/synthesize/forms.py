"""What samples are made of: pictures or tables, to tensors and back into the container they came in."""

from __future__ import annotations

import warnings
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy import sparse
from torch import Tensor
from torch.nn import functional as F

from gantools.data.codec import TableCodec
from gantools.data.sources import PATH_COLUMN, ArraySource, PictureSource, as_array, channels_first, laid_as
from gantools.data.standard import InputContract, skip_or_refuse
from gantools.data.tables import plain_value, with_columns
from gantools.errors import DataError

LONGEST_SIDE = 64
_SHORTEST_SIDE = 8
_AT_ONCE = 64


@dataclass(frozen=True)
class PictureForm:
    """Pictures: what the networks see, and what comes out.

    Attributes
    ----------
    channels, height, width : int
        Of what the networks see.
    out_height, out_width : int
        Of what comes out: the commonest of the reals.
    dtype : str
        Of what comes out.
    flat : bool
        Whether a picture came as (H, W), without an axis of channels.
    given : str
        What held the samples, as `holder_of` says.
    """

    channels: int
    height: int
    width: int
    out_height: int
    out_width: int
    dtype: str
    flat: bool
    given: str = "array"

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of one sample, as the networks see it."""
        return self.channels, self.height, self.width

    @classmethod
    def of(cls, source: PictureSource, size: int | None) -> PictureForm:
        """The form that suits a source's pictures.

        What comes out has the commonest size. The networks work at that, reduced until no side is longer than `size`
        (64 if None).
        """
        sizes: Counter[tuple[int, int]] = Counter()
        channels: list[int] = []
        first_error: DataError | None = None
        for index in range(len(source)):
            try:
                height, width, depth = source.read(index).shape
            except DataError as error:
                first_error = first_error or error
                continue
            sizes[height, width] += 1
            channels.append(depth)
        if not sizes:
            raise DataError(f"none of the {len(source)} pictures can be read; the first: {first_error}")
        if len(set(channels)) > 1:  # alpha that only some have is laid on white
            channels = [{2: 1, 4: 3}.get(depth, depth) for depth in channels]
        (height, width), _ = sizes.most_common(1)[0]
        ratio = min(1.0, (size or LONGEST_SIDE) / max(height, width))
        small = [max(_SHORTEST_SIDE, round(side * ratio)) for side in (height, width)]
        dtype, flat = "uint8", False
        if isinstance(source, ArraySource):
            first = np.asarray(source.pictures[0])
            dtype, flat = str(first.dtype), first.ndim == 2 and max(channels) == 1
        return cls(max(channels), small[0], small[1], height, width, dtype, flat)

    def tensors(self, source: PictureSource, max_bad: float = 0.0) -> tuple[Tensor, NDArray[np.int64], list[str]]:
        """The pictures, the numbers of those that could be read, and a reason for each that could not.

        Raises
        ------
        DataError
            When too many of them cannot be read, or they do not fit the form.
        """
        contract = InputContract(self.channels, self.height, self.width, resize=True)
        pictures = torch.empty(len(source), self.channels, self.height, self.width)
        good: list[int] = []
        reasons: list[str] = []
        for index in range(len(source)):
            try:
                pictures[len(good)] = contract.standard(source.read(index), source.name(index))
                good.append(index)
            except DataError as error:
                reasons.append(str(error))
        skip_or_refuse(reasons, len(source), max_bad)
        if reasons:
            warnings.warn(f"{len(reasons)} pictures were skipped: {'; '.join(reasons[:5])}", stacklevel=2)
        return pictures[: len(good)], np.asarray(good, np.int64), reasons

    def samples(self, pictures: Tensor) -> NDArray[Any]:
        """Pictures (N, C, H, W) in [-1, 1] as an array (N, H, W[, C]) in the reals' size and dtype."""
        return np.concatenate([self._samples(some) for some in pictures.split(_AT_ONCE)])

    def _samples(self, pictures: Tensor) -> NDArray[Any]:
        if tuple(pictures.shape[2:]) != (self.out_height, self.out_width):
            size = (self.out_height, self.out_width)
            pictures = F.interpolate(pictures, size=size, mode="bicubic", align_corners=False)
        unit = pictures.clamp(-1, 1).add(1).div(2).permute(0, 2, 3, 1).cpu().numpy()
        unit = unit[..., 0] if self.flat else unit
        kind = np.dtype(self.dtype)
        if kind.kind == "u":
            return np.round(unit * float(np.iinfo(kind).max)).astype(kind)
        return unit > 0.5 if kind.kind == "b" else unit.astype(kind)

    def rounded(self, pictures: Tensor) -> Tensor:
        """Pictures as they are once they have come out: of eight bits, where the reals are."""
        pictures = pictures.clamp(-1, 1)
        return pictures.mul(127.5).add(127.5).round().sub(127.5).div(127.5) if self.dtype == "uint8" else pictures


@dataclass(frozen=True)
class TableForm:
    """Feature tables: what the networks see, and what comes out.

    Attributes
    ----------
    codec : TableCodec
    container : str
        "frame", "array" or "sparse".
    dtype : str
        Of an array.
    names : tuple
        The columns' names, of a frame.
    levels : tuple
        What the levels of these names are called, of which there is one or more.
    given : str
        "tensor", or else "array".
    """

    codec: TableCodec
    container: str
    dtype: str
    names: tuple[Any, ...] = ()
    given: str = "array"
    levels: tuple[Any, ...] = (None,)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one sample, as the networks see it."""
        return (self.codec.width,)

    @classmethod
    def of(cls, X: Any) -> TableForm:
        """The form of a table."""
        container = "frame" if isinstance(X, pd.DataFrame) else "sparse" if sparse.issparse(X) else "array"
        dtype = str(X.dtype) if hasattr(X, "dtype") else "float64"
        codec = TableCodec().fit(as_frame(X))
        if container != "frame":
            return cls(codec, container, dtype)
        levels = tuple(None if name is None else _plain_name(name) for name in X.columns.names)
        return cls(codec, container, dtype, tuple(map(_plain_name, X.columns)), levels=levels)

    def tensors(self, X: Any) -> Tensor:
        """Vectors (N, width)."""
        return torch.from_numpy(self.codec.transform(as_frame(X))).float()

    def samples(self, vectors: Tensor) -> Any:
        """Vectors as a table in the container and the dtypes that came in."""
        return self.contained(self.codec.inverse(vectors.cpu().double().numpy()))

    def contained(self, frame: pd.DataFrame) -> Any:
        """A table whose columns are named by texts in the container, and of an array the dtype, that came in."""
        if self.container == "frame":
            several = all(isinstance(name, tuple) for name in self.names)
            axis = pd.MultiIndex.from_tuples(self.names) if several else pd.Index(list(self.names))
            return frame.set_axis(axis.set_names(self.levels) if len(self.levels) == axis.nlevels else axis, axis=1)
        array = frame.to_numpy(dtype=np.dtype(self.dtype))
        return sparse.csr_matrix(array) if self.container == "sparse" else array

    def rounded(self, vectors: Tensor) -> Tensor:
        """Vectors as they are once they went to a table and back."""
        return torch.from_numpy(self.codec.transform(self.codec.inverse(vectors.cpu().double().numpy()))).float()


Form = PictureForm | TableForm


def form_state(form: Form) -> dict[str, Any]:
    """What JSON can hold of a form; `form_from` is the way back."""
    if isinstance(form, PictureForm):
        return asdict(form)
    rest = {"container": form.container, "dtype": form.dtype, "names": list(form.names), "given": form.given}
    return {"codec": form.codec.to_dict(), "levels": list(form.levels), **rest}


def form_from(state: dict[str, Any]) -> Form:
    """The form that `form_state` was asked of."""
    if "codec" in state:
        codec = TableCodec.from_dict(state["codec"])
        names = tuple(tuple(name) if isinstance(name, list) else name for name in state["names"])  # of several levels
        given = state.get("given", "array")
        return TableForm(codec, state["container"], state["dtype"], names, given, tuple(state.get("levels", [None])))
    return PictureForm(**state)


def _plain_name(name: Any) -> Any:
    """A column's name as a model's description holds it: a text or a number, or of several levels as many."""
    if isinstance(name, tuple):
        return tuple(map(_plain_name, name))
    name = plain_value(name)
    if not isinstance(name, (str, int, float, bool)):
        raise DataError(f"the column {name!s} is named by a {type(name).__name__}; rename it with a text")
    return name


def as_frame(X: Any) -> pd.DataFrame:
    """A table as a DataFrame whose columns are named by texts."""
    if isinstance(X, pd.DataFrame):
        frame = X.set_axis([str(c) for c in X.columns], axis=1)
        if frame.columns.has_duplicates:
            raise DataError(f"two columns are called {frame.columns[frame.columns.duplicated()][0]!r}; rename one")
        sparse_ones = [str(c) for c in frame if isinstance(frame[c].dtype, pd.SparseDtype)]
        return with_columns(frame, {c: frame[c].sparse.to_dense() for c in sparse_ones})  # type: ignore[attr-defined]
    array = X.toarray() if sparse.issparse(X) else np.asarray(as_array(X) if isinstance(X, Tensor) else X)
    frame = pd.DataFrame(array, columns=[str(i) for i in range(array.shape[1])])
    return frame.infer_objects() if array.dtype == object else frame


def holder_of(X: Any) -> str:
    """What holds samples: "array", "tensor", "planes" for a tensor (N, C, H, W), or "list of" one of these."""
    if isinstance(X, Tensor):
        return "planes" if channels_first(X) else "tensor"
    listed = isinstance(X, (list, tuple)) and len(X) > 0 and np.ndim(X[0]) >= 2
    if not listed:
        return "array"
    return f"list of {holder_of(X[0][None]) if isinstance(X[0], Tensor) else 'array'}"


def held(form: Form, samples: Any) -> Any:
    """What `form.samples` gave in the holder that the reals came in; tensors are on the CPU."""
    kind = form.given.removeprefix("list of ")
    if kind != "array":
        samples = torch.from_numpy(samples)
        samples = samples.movedim(-1, -3) if kind == "planes" else samples
    return samples if kind == form.given else list(samples)


def joined(X: Any, new: Any) -> Any:
    """`X`, unchanged and first, with the samples `new` after it, in the container of X.

    Paths of new pictures have gaps in the other columns of a DataFrame, whose whole numbers and truths become nullable.
    """
    if isinstance(X, pd.DataFrame) and isinstance(new, list):
        paths = X[PATH_COLUMN].dtype
        if isinstance(paths, pd.CategoricalDtype):  # of which new paths are no category
            X = X.astype({PATH_COLUMN: paths.categories.dtype})
        X = X.astype({c: X[c].convert_dtypes().dtype for c in X if X[c].dtype.kind in "biu"})  # which can hold a gap
        rest = pd.DataFrame({PATH_COLUMN: new}).reindex(columns=X.columns).astype(X.dtypes)
        return pd.concat([X, rest], ignore_index=True)
    if isinstance(X, pd.DataFrame):
        return pd.concat([X, new.set_axis(X.columns, axis=1).astype(X.dtypes)], ignore_index=True)
    if sparse.issparse(X):
        return sparse.vstack([X, new], format=X.format)
    if isinstance(X, pd.Series):
        return pd.concat([X, pd.Series(list(new), name=X.name)], ignore_index=True)
    if isinstance(X, Tensor):
        return torch.cat([X, laid_as(torch.from_numpy(new).to(X), X)])
    if isinstance(X, (list, tuple)) and isinstance(X[0], Tensor):
        return [*X, *laid_as(torch.from_numpy(new).to(X[0]), X[0][None])]
    if isinstance(X, (list, tuple)) and isinstance(X[0], Path):
        return [*X, *map(Path, new)]
    if isinstance(X, (list, tuple)) and isinstance(X[0], Image.Image):
        return [*X, *map(Image.fromarray, new)]
    if isinstance(X, (list, tuple)):
        return [*X, *(new.tolist() if np.ndim(X[0]) == 1 else new)]
    if X.dtype == object and X.ndim == 1:
        filled = np.empty(len(new), dtype=object)
        filled[:] = list(new)
        return np.concatenate([X, filled])
    return np.concatenate([X, np.asarray(new, dtype=object if X.dtype == object else None)])
