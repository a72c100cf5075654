"""What every step of a training measured, in eight bytes a figure."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

_WHOLE = ("step", "images", "dropped")


class History:
    """A row for every step and a column for every name; not a number where a step has no such figure.

    Attributes
    ----------
    columns : list of str
        In the order in which they first came.
    last : dict of float
        The last row's figures.
    """

    def __init__(self) -> None:
        self.columns: list[str] = []
        self.last: dict[str, float] = {}
        self._places: dict[str, int] = {}
        self._room = np.empty((64, 0))
        self._n = 0

    def __len__(self) -> int:
        return self._n

    def append(self, figures: dict[str, float]) -> None:
        """One more row."""
        if self._n == len(self._room):
            self._room = np.concatenate([self._room, np.full_like(self._room, np.nan)])
        self._n += 1
        self.last = {}
        self.note(figures)

    def note(self, figures: dict[str, float]) -> None:
        """More figures of the last row."""
        new = [name for name in figures if name not in self._places]
        if new:
            self._widen(new)
        self.last |= figures
        self._room[self._n - 1, [self._places[name] for name in figures]] = list(figures.values())

    def _widen(self, names: list[str]) -> None:
        self.columns += names
        self._places = {name: i for i, name in enumerate(self.columns)}
        self._room = np.concatenate([self._room, np.full((len(self._room), len(names)), np.nan)], axis=1)

    def frame(self) -> pd.DataFrame:
        """The rows: float64, but int64 for counts of steps, of images and of dropped moves."""
        frame = pd.DataFrame(self._room[: self._n].copy(), columns=self.columns)
        return frame.astype({name: np.int64 for name in _WHOLE if name in self._places})

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds, without a copy."""
        table: Tensor = torch.from_numpy(self._room[: self._n])
        return {"columns": self.columns, "table": table}

    @classmethod
    def restored(cls, state: dict[str, Any]) -> History:
        """The way back from `state`."""
        history = cls()
        history._widen(list(state["columns"]))
        history._n = len(state["table"])
        history._room = np.concatenate([state["table"].numpy(), history._room])
        if history._n:
            last = history._room[history._n - 1].tolist()
            history.last = {c: v for c, v in zip(history.columns, last, strict=True) if v == v}
        return history
