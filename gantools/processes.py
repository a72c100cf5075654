"""Which of torchrun's processes this one is. Says so without importing torch; `gantools.core.world` lets them talk."""

from __future__ import annotations

import os

_LAUNCHED = "TORCHELASTIC_RUN_ID"


def count() -> int:
    """How many processes torchrun started; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1")) if _LAUNCHED in os.environ else 1


def rank() -> int:
    """This process's number, from 0."""
    return int(os.environ.get("RANK", "0")) if count() > 1 else 0


def local_rank() -> int:
    """This process's number on its machine: which GPU is its own."""
    return int(os.environ.get("LOCAL_RANK", "0")) if count() > 1 else 0


def first() -> bool:
    """Whether this process is the one that prints, and writes what there is to write once."""
    return rank() == 0


def alone() -> None:
    """From here on this process works by itself, for what is not worth sharing; the others have nothing more to do."""
    os.environ.pop(_LAUNCHED, None)
