"""What the detector hands to the model of a kind of data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from gantools.core import AdversarialTrainer, Tick
from gantools.errors import ConfigError
from gantools.progress import Stages

_HELD_OUT = 0.2
_MOST_HELD_OUT = 2000


@dataclass(frozen=True)
class FitSettings:
    """How a model is to be fitted; see `GanAnomalyDetector` for the parameters of the same names.

    Attributes
    ----------
    stage : str
        "training", or "trimmed" for the second fit of two.
    reopen : bool
        Whether trainings that had come to their end go on where more is asked of them.
    """

    stage: str
    parts: tuple[str, ...]
    synthetic: tuple[str, ...]
    fake_weight: float
    n_discriminators: int
    trainer: AdversarialTrainer
    max_images: int
    max_minutes: float | None
    batch_size: int
    width: int | None
    n_neighbors: int
    max_bank: int
    device: torch.device
    seed: int
    checkpoint: Path | None
    resume: bool
    stages: Stages
    on_tick: Callable[[Tick], bool]
    reopen: bool = True

    def generator(self) -> torch.Generator:
        """A fresh generator for initial weights, on the CPU so that devices agree."""
        return torch.Generator().manual_seed(self.seed)


def hold_out(indices: NDArray[np.int64], seed: int, few: int = 100) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Split normals into those to learn from and those to calibrate on.

    A fifth is held out, at least one and at most 2,000. Fewer than `few` normals are not split: they do both.
    """
    if len(indices) < few:
        return indices, indices
    shuffled = np.random.default_rng((seed, 1)).permutation(indices)
    n_held = min(max(1, int(_HELD_OUT * len(shuffled))), _MOST_HELD_OUT)
    return np.sort(shuffled[n_held:]), np.sort(shuffled[:n_held])


def chosen(indices: NDArray[np.int64], most: int, seed: int) -> NDArray[np.int64]:
    """At most `most` of `indices`, at random."""
    if len(indices) <= most:
        return indices
    return np.sort(np.random.default_rng((seed, 2)).choice(indices, most, replace=False))


def wanted(
    parts: Sequence[str] | str, here: Sequence[str], anywhere: Sequence[str], default: Sequence[str]
) -> tuple[str, ...]:
    """The parts that a `parts=` parameter stands for, in the kind of data's own order.

    Parameters
    ----------
    parts : str or sequence of str
        "auto", one part or several. Parts that only other kinds of data have are passed over, so that a preset
        can serve several kinds.
    here, anywhere : sequence of str
        The parts of this kind of data, and of all kinds.
    default : sequence of str
        What "auto" stands for.

    Raises
    ------
    ConfigError
        For a part that does not exist, or when none is left.
    """
    if isinstance(parts, str):
        parts = default if parts == "auto" else (parts,)
    unknown = [p for p in parts if p not in anywhere]
    left = tuple(p for p in here if p in parts)
    if unknown or not left:
        what = f"part {unknown[0]!r} does not exist" if unknown else f"parts={list(parts)} leaves none"
        raise ConfigError(f"{what}; for this kind of data choose from {', '.join(here)}, or 'auto'")
    return left
