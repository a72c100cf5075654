"""What gantools raises. Every message names the file, the line or the parameter, and the way out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def printable(text: str) -> str:
    """A text that any file can hold: names of files may have bytes that are no text."""
    return text.encode("utf-8", "backslashreplace").decode()


class GantoolsError(Exception):
    """Anything gantools refuses or fails at, in words meant for its user."""

    exit_code = 1

    def __init__(self, words: object = "") -> None:
        super().__init__(printable(str(words)))


class ConfigError(GantoolsError, ValueError):
    """A parameter, a preset or a combination of settings that cannot work."""

    exit_code = 2


class DataError(GantoolsError, ValueError):
    """Input that cannot be used: a folder without pictures, a table with a missing column, a wrong size."""


class ModelError(GantoolsError):
    """A model folder that is missing, incomplete, altered or of another kind."""


class QualityError(GantoolsError):
    """What was made is not good enough, by a bar that the user set."""

    exit_code = 3


class Interrupted(GantoolsError):
    """Training stopped by the user, with a checkpoint to resume from."""

    exit_code = 130


@contextmanager
def about(what: Any) -> Iterator[None]:
    """What is wrong with data inside is said with the name of its file or folder."""
    try:
        yield
    except DataError as error:
        words = str(error)
        raise DataError(words if words.startswith(str(what)) else f"{what}: {words}") from None
