"""What a training tells while it goes on, for those who script: lines of JSON, or TensorBoard."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from gantools import processes
from gantools.core import Tick
from gantools.errors import ConfigError

LINES = (".jsonl", ".ndjson", ".json")
"""Endings of files for lines of JSON; anything else is a folder for TensorBoard."""


@contextmanager
def logged(target: str | Path | None, resume: bool) -> Iterator[Callable[[Tick], None]]:
    """Inside, what is called with every tick of a training writes it down; the first process only.

    Parameters
    ----------
    target : str, Path or None
        A file with one of `LINES` as its ending, a folder for TensorBoard, or nothing.
    resume : bool
        Whether lines are added to those there are.

    Raises
    ------
    ConfigError
        When it cannot be written, or TensorBoard is not installed.
    """
    if target is None or not processes.first():
        yield lambda tick: None
        return
    lines = Path(target).suffix in LINES
    writer: Any = _opened(Path(target)) if lines else _tensorboard(Path(target))
    begun, failed = resume, False

    def tell(tick: Tick) -> None:
        nonlocal begun, failed
        if failed:
            return
        try:
            if not lines:
                _scalars(writer, tick)
                return
            if not begun and Path(target).stat().st_size:
                writer.truncate(0)  # an earlier training's, whose log is whole until this one has something to tell
            writer.write(json.dumps(_plain(tick)) + "\n")
            writer.flush()
            begun = True
        except OSError as error:  # training is worth more than its log
            failed = True
            warnings.warn(f"log={str(target)!r}: {error.strerror or error}; no more is logged", stacklevel=2)

    try:
        yield tell
    finally:
        with suppress(OSError):
            writer.close()


def _plain(tick: Tick) -> dict[str, Any]:
    """A tick as JSON holds it: what is not finite is null."""
    figures = {name: value if math.isfinite(value) else None for name, value in tick.figures.items()}
    told = {"stage": tick.name, "images": tick.images, "max_images": int(tick.max_images), "fraction": tick.fraction}
    return {**told, "seconds": tick.seconds, **({"health": tick.health} if tick.health else {}), **figures}


def _opened(path: Path) -> Any:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("a", encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"log={str(path)!r} cannot be written: {error.strerror or error}") from error


def _tensorboard(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise ConfigError(
            f"log={str(folder)!r} is a folder, for TensorBoard, which is not installed: pip install "
            f"'gantools[tensorboard]', or name a file that ends in {LINES[0]}"
        ) from None
    if folder.is_file():
        raise ConfigError(
            f"log={str(folder)!r} is a file; name a folder for TensorBoard, or a file ending in {LINES[0]}"
        )
    return SummaryWriter(str(folder))


def _scalars(writer: Any, tick: Tick) -> None:
    for name, value in tick.figures.items():
        writer.add_scalar(f"{tick.name}/{name}", value, tick.images)
    if tick.health:
        writer.add_text(f"{tick.name}/health", tick.health, tick.images)
