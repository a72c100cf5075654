"""Checkpoints: nested state in one safetensors file, written so that it is there whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from gantools.errors import ModelError

_LONGEST = 200  # bytes of a name


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


UMASK = _umask()
"""Rights that the user does not want files to have; it can be read only by setting it, so once, before any threads."""

State = Mapping[str, Any]


def write_atomically(path: Path, content: bytes) -> None:
    """Write `content` to `path` through a temporary file beside it, fsync and rename.

    Raises
    ------
    ModelError
        When it cannot be written (a full or read-only disk); `path` is then as it was.
    """
    _put(_written_beside(path, content), path)


def save_state(path: Path, state: State) -> None:
    """Write nested `state` (mappings and lists of tensors and of what JSON holds) to one file.

    What `path` held is kept beside it as the previous state. At every moment `path` is one whole state or another; one
    that cannot be written leaves both as they were. What a killed process left half written is cleared away.
    """
    outline, tensors = split_state(state)
    content = save(tensors, metadata={"outline": json.dumps(outline)})
    _clear_away(path)
    temporary = _written_beside(path, content)
    older = _second_name(path, temporary) if path.exists() else None
    _put(temporary, path, older)
    if older is not None:
        _put(older, previous(path))


def _written_beside(path: Path, content: bytes) -> Path:
    """A file with `content` in `path`'s folder, whole and on the disk."""
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=_begun(path), dir=path.parent)
        temporary = Path(name)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~UMASK)
    except BaseException as error:  # an interruption too leaves nothing behind
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        if not isinstance(error, OSError):
            raise
        raise ModelError(f"{path} cannot be written: {error.strerror or error}") from error
    return temporary


def _put(temporary: Path, path: Path, besides: Path | None = None) -> None:
    """Give `temporary` the name `path`, and let the disk know of it where it can be told; if it fails, both go."""
    try:
        temporary.replace(path)
    except BaseException as error:
        for left in (temporary, besides):
            if left is not None:
                left.unlink(missing_ok=True)
        if not isinstance(error, OSError):
            raise
        raise ModelError(f"{path} cannot be written: {error.strerror or error}") from error
    with contextlib.suppress(OSError, AttributeError):
        folder = os.open(path.parent, os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _begun(path: Path) -> str:
    """How the name of a file begins that is to become `path`."""
    name = path.name.encode()
    if len(name) > _LONGEST:  # with what is added, longer than file systems take
        name = name[: _LONGEST - 16] + hashlib.sha256(name).hexdigest()[:16].encode()
    return f".{name.decode(errors='ignore')}.tmp-"


def _clear_away(path: Path) -> None:
    """Remove what writing `path` left behind where the process was killed at it, as far as that can be done."""
    begun = (_begun(path), _begun(previous(path)))
    with contextlib.suppress(OSError):
        for left in path.parent.iterdir():
            if left.name.startswith(begun):
                left.unlink(missing_ok=True)


def previous(path: Path) -> Path:
    """Where the state before the last is kept."""
    return path.with_name(f"{path.stem}.previous{path.suffix}")


def newest(folder: Path) -> Path | None:
    """The checkpoint in `folder` that was written last, if any; those before the last do not count."""
    found = (file for file in folder.glob("*.safetensors") if not file.stem.endswith(".previous"))
    return max(found, key=lambda file: file.stat().st_mtime_ns, default=None)


def _second_name(path: Path, newer: Path) -> Path:
    """A second name of `path`'s content, which outlives the first; if it fails, `newer` goes."""
    second = path.with_name(f"{_begun(previous(path))}{os.getpid()}")
    try:
        try:
            os.link(path, second)
        except OSError:  # a file system without links
            shutil.copyfile(path, second)
    except OSError as error:
        for left in (second, newer):
            left.unlink(missing_ok=True)
        raise ModelError(f"{previous(path)} cannot be written: {error.strerror or error}") from error
    return second


def load_newest_state(path: Path) -> dict[str, Any]:
    """Read `path`, or the state before it, with a warning, where `path` is damaged.

    Raises
    ------
    ModelError
        When neither is whole.
    """
    try:
        return load_state(path)
    except ModelError as error:
        if not previous(path).exists():
            raise
        warnings.warn(f"{error}; going on from the one before it, {previous(path)}", stacklevel=2)
        return load_state(previous(path))


def load_state(path: Path) -> dict[str, Any]:
    """Read what `save_state` wrote, on the CPU.

    Raises
    ------
    ModelError
        When the file is missing, truncated or not a checkpoint.
    """
    try:
        with safe_open(path, framework="pt") as file:
            outline = json.loads(file.metadata()["outline"])
            # copies, as what the file itself lies under keeps some systems from replacing it
            tensors = {key: file.get_tensor(key).clone() for key in file.keys()}  # noqa: SIM118
            return join_state(outline, tensors)
    except FileNotFoundError:
        raise ModelError(f"{path} is missing") from None
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror or error}") from error
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path} is not a whole checkpoint ({error}); delete it to start anew") from error


def split_state(state: State) -> tuple[Any, dict[str, Tensor]]:
    """Nested `state` as an outline that JSON can hold and the tensors that it names."""
    tensors: dict[str, Tensor] = {}
    return _outline(state, tensors), tensors


def join_state(outline: Any, tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """The way back from `split_state`. KeyError or TypeError when the two do not belong together."""
    state: dict[str, Any] = _filled(outline, tensors)
    return state


def _outline(value: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, Tensor):
        key = str(len(tensors))
        tensors[key] = value.detach().cpu().contiguous().clone()
        return {"tensor": key}
    if isinstance(value, Mapping):
        return {"items": [[key, _outline(item, tensors)] for key, item in value.items()]}
    if isinstance(value, (list, tuple)):
        return [_outline(item, tensors) for item in value]
    return value.item() if isinstance(value, np.generic) else value


def _filled(outline: Any, tensors: Mapping[str, Tensor]) -> Any:
    if isinstance(outline, list):
        return [_filled(item, tensors) for item in outline]
    if isinstance(outline, dict):
        if "tensor" in outline:
            return tensors[outline["tensor"]]
        return {key: _filled(item, tensors) for key, item in outline["items"]}
    return outline


def copied(state: Any) -> Any:
    """A nested state as it is now, whatever becomes of its tensors."""
    if isinstance(state, Tensor):
        return state.detach().clone()
    if isinstance(state, dict):
        return {name: copied(value) for name, value in state.items()}
    return type(state)(copied(value) for value in state) if isinstance(state, (list, tuple)) else state
