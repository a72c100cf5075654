"""Fitted estimators on disk: a folder with model.json, weights.safetensors and history.csv. No pickle, no code.

`model.json` holds the class, the parameters, the versions, a training summary, checksums of the other two
files and of itself, and an outline of the fitted state whose arrays are in `weights.safetensors`.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import shutil
import stat
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from gantools import processes
from gantools.core.checkpoint import UMASK, join_state, split_state
from gantools.errors import GantoolsError, ModelError

FORMAT = 1
DESCRIPTION, WEIGHTS, HISTORY = "model.json", "weights.safetensors", "history.csv"
_FILES = frozenset({DESCRIPTION, WEIGHTS, HISTORY})
_LEFT_BY_SYSTEMS = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})  # where somebody looked into the folder
_SHAPE = {"class": str, "parameters": dict, "versions": dict, "summary": dict, "checksums": dict}
LARGEST_WEIGHTS = 2**31
_LARGEST = {DESCRIPTION: 2**24, WEIGHTS: LARGEST_WEIGHTS, HISTORY: 2**28}


# What building an estimator from a description that makes no sense can end in.
_MISFITS = (
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    RuntimeError,
    StopIteration,
    ArithmeticError,
    MemoryError,
)


@dataclass
class StoredModel:
    """What a model folder holds.

    Attributes
    ----------
    name : str
        Of the estimator's class.
    parameters : dict
        Its constructor's, as JSON can hold them.
    state : dict
        Fitted attributes, nested, with tensors.
    summary : dict
        What a person may want to know: kind of data, how training went.
    history : DataFrame
        One row a training step.
    versions : dict
        Of gantools and of torch at the time of saving.
    """

    name: str
    parameters: dict[str, Any]
    state: dict[str, Any]
    summary: dict[str, Any]
    history: pd.DataFrame
    versions: dict[str, str]


def _versions() -> dict[str, str]:
    return {package: version(package) for package in ("gantools", "torch", "scikit-learn")}


def write_model(
    folder: Path,
    name: str,
    parameters: dict[str, Any],
    state: dict[str, Any],
    summary: dict[str, Any],
    history: pd.DataFrame,
) -> None:
    """Write a model folder, whole or not at all; an older model there is replaced at the end.

    Under torchrun the first process writes it.

    Raises
    ------
    ModelError
        When `folder` holds something that is no model, or cannot be written, or the model could not be read again.
    """
    if not processes.first():
        return
    folder = check_target(folder)
    outline, tensors = split_state(state)
    if not _all_finite(tensors):
        raise ModelError(f"{folder}: the {name}'s weights are not all finite numbers; no model was saved")
    weights = save_tensors(tensors)
    steps = _steps(history)
    content: dict[str, Any] = {
        "format": FORMAT,
        "class": name,
        "parameters": parameters,
        "versions": _versions(),
        "summary": summary,
        "checksums": {WEIGHTS: _checksum(weights), HISTORY: _checksum(steps)},
        "state": outline,
    }
    content["checksum"] = _checksum(_canonical(content))
    description = json.dumps(content, indent=1, default=_plain).encode()
    files = {WEIGHTS: weights, HISTORY: steps, DESCRIPTION: description}
    for file, data in files.items():
        if len(data) > _LARGEST[file]:
            raise ModelError(f"{folder / file} would have {len(data) / 1e6:,.0f} MB, {_too_large(file)}; fit on less")
    temporary: Path | None = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        temporary.chmod(0o777 & ~UMASK)
        for file, data in files.items():
            with (temporary / file).open("wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
        if folder.exists():
            old = temporary / "replaced"
            folder.rename(old)
            (temporary / "new").mkdir()
            for file in _FILES:
                (temporary / file).rename(temporary / "new" / file)
            (temporary / "new").rename(folder)
            shutil.rmtree(temporary, ignore_errors=True)  # the new model is in place
        else:
            temporary.rename(folder)
    except BaseException as error:  # an interruption too leaves the old model where it was
        if temporary is not None:
            old = temporary / "replaced"
            if old.exists() and not folder.exists():
                old.rename(folder)
            shutil.rmtree(temporary, ignore_errors=True)
        if not isinstance(error, OSError):
            raise
        raise ModelError(f"{folder} cannot be written: {error.strerror or error}; no model was saved") from error


def _steps(history: pd.DataFrame) -> bytes:
    """A history as CSV; of one too long for a model's folder, so many rows as fit, evenly and to the last one."""
    written = history.to_csv(index=False).encode()
    if len(written) <= _LARGEST[HISTORY]:
        return written
    every = 1 + math.ceil(1.1 * len(written) / _LARGEST[HISTORY])
    warnings.warn(f"the history of {len(history):,} steps is too long to be kept whole: 1 in {every} is", stacklevel=2)
    return history.iloc[::-every][::-1].to_csv(index=False).encode()


def check_target(folder: Path) -> Path:
    """Refuse, before hours of training, a place where a model cannot be saved.

    Returns
    -------
    Path
        `folder`, or where it leads if it is a link.

    Raises
    ------
    ModelError
        When `folder` is a file, or holds something that is no model, or cannot be replaced as a whole, or its parent
        cannot be written to.
    """
    if folder.is_symlink():
        folder = folder.resolve()
    if folder.exists() and not folder.is_dir():
        raise ModelError(f"{folder} is a file; name a folder for the model")
    if folder.is_dir():
        foreign = sorted(p.name for p in folder.iterdir() if p.name not in _FILES | _LEFT_BY_SYSTEMS)
        if foreign:
            raise ModelError(
                f"{folder} holds {foreign[0]!r}, which is no part of a model; name an empty or a new folder"
            )
        if Path.cwd().is_relative_to(folder.resolve()) or folder.is_mount():
            raise ModelError(
                f"{folder} is a place that cannot be replaced as a whole (commands run in it, or a volume is mounted "
                "there); name a new folder inside it"
            )
    why = unwritable(folder)
    if why is not None:
        raise ModelError(f"{folder} cannot be written: {why}")
    return folder


def unwritable(place: Path) -> str | None:
    """Why nothing can be made at `place`, which does not have to exist; None where something can.

    It is tried, with a file without a name in the nearest folder there is: rights say little of root or of /proc.
    """
    parent = next(p for p in place.absolute().parents if p.exists())
    if not parent.is_dir():
        return f"{parent} is a file"
    try:
        tempfile.TemporaryFile(dir=parent).close()
    except PermissionError:
        return f"no permission in {parent}"
    except OSError as error:
        return f"nothing can be made in {parent} ({error.strerror or error})"
    return None


def read_model(folder: Path) -> StoredModel:
    """Read a model folder.

    Raises
    ------
    ModelError
        When it is missing, incomplete, truncated, altered, a link, or of a newer format, naming the file.
    """
    if not folder.is_dir():
        raise ModelError(f"{folder}: there is no model folder of this name")
    path = folder / DESCRIPTION
    try:
        description = json.loads(_read(path))
        found_format = description["format"]
        claimed = description.pop("checksum")
        checksums = description["checksums"]
        if any(not isinstance(description[key], kind) for key, kind in _SHAPE.items()):
            raise ValueError
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ModelError(f"{path} is truncated or not a model's; save the model again") from None
    if found_format != FORMAT:
        raise ModelError(f"{path} has format {found_format}; this version of gantools reads format {FORMAT}")
    if claimed != _checksum(_canonical(description)):
        raise ModelError(f"{path} was altered after it was saved; save the model again")
    contents = {file: _read(folder / file) for file in (WEIGHTS, HISTORY)}
    for file in contents:
        if checksums.get(file) != _checksum(contents[file]):
            raise ModelError(f"{folder / file} was altered or truncated after it was saved; save the model again")
    try:
        tensors = load_tensors(contents[WEIGHTS])
        state = join_state(description["state"], tensors)
    except (SafetensorError, KeyError, TypeError, ValueError, RecursionError, MemoryError) as error:
        raise ModelError(f"{folder / WEIGHTS} does not fit {path} ({error})") from None
    if not _all_finite(tensors):
        raise ModelError(f"{folder / WEIGHTS} holds numbers that are not finite; fit and save the model again")
    try:
        history = pd.read_csv(io.BytesIO(contents[HISTORY]))
    except ValueError as error:
        raise ModelError(f"{folder / HISTORY} is no table ({error})") from None
    return StoredModel(
        name=description["class"],
        parameters=description["parameters"],
        state=state,
        summary=description["summary"],
        history=history,
        versions=description["versions"],
    )


def _read(path: Path) -> bytes:
    """A model's file; links, pipes and devices, and files larger than a model's can be, are refused unread."""
    try:
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode):
            raise ModelError(f"{path} is no plain file but a link or a device; copy the file itself into the folder")
        if found.st_size > _LARGEST[path.name]:
            raise ModelError(f"{path} has {found.st_size / 1e6:,.0f} MB, {_too_large(path.name)}")
        return path.read_bytes()
    except MemoryError:
        raise ModelError(f"{path} has {found.st_size / 1e6:,.0f} MB, which this machine's memory cannot hold") from None
    except FileNotFoundError:
        raise ModelError(f"{path} is missing; the model folder is incomplete") from None
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror or error}") from None


def _too_large(file: str) -> str:
    return f"more than the {_LARGEST[file] / 1e6:,.0f} MB that a model's may have"


def _all_finite(tensors: Mapping[str, Tensor]) -> bool:
    return all(bool(t.isfinite().all()) for t in tensors.values() if t.is_floating_point())


def _canonical(content: dict[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), default=_plain).encode()


def _plain(value: Any) -> Any:
    """NumPy's scalars, as grids of parameters hold them, for JSON."""
    if isinstance(value, np.generic):
        return value.item()
    raise ModelError(f"{value!r} cannot be kept in a model; use texts or numbers for labels and columns")


def _checksum(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def load(folder: str | Path, device: str = "auto") -> Any:
    """Load a fitted estimator that was saved with its `save` method.

    Parameters
    ----------
    folder : str or Path
        The model folder.
    device : str
        "auto", "cpu", "cuda" or "cuda:N".

    Returns
    -------
    estimator
        Fitted, of the class that was saved. Nothing in the folder is run as code.

    Raises
    ------
    ModelError
        When the folder is missing, incomplete, altered or of a kind this version does not know.
    """
    from gantools.pipelines.anomaly import GanAnomalyDetector
    from gantools.pipelines.augment import GanAugmenter
    from gantools.pipelines.superres import GanSuperResolver
    from gantools.pipelines.synthesize import GanSynthesizer
    from gantools.pipelines.translate import GanTranslator

    kinds = (GanAnomalyDetector, GanAugmenter, GanSuperResolver, GanSynthesizer, GanTranslator)
    known: dict[str, Any] = {kind.__name__: kind for kind in kinds}
    stored = read_model(Path(folder))
    if stored.name not in known:
        raise ModelError(f"{folder} holds a {stored.name!r}; this version of gantools knows {', '.join(known)}")
    try:
        return known[stored.name]._from_stored(stored, device)
    except GantoolsError:
        raise
    except _MISFITS as error:
        said = str(error).partition("\n")[0]
        why = f"{type(error).__name__}: {said}"
        way_out = "if another version of gantools saved it, fit it again"
        raise ModelError(f"{folder} does not describe a {stored.name} ({why}); {way_out}") from None
