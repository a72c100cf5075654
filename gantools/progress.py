"""Progress on the terminal: one bar for each stage of a piece of work, with the time left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gantools import processes

if TYPE_CHECKING:
    from rich.progress import Progress

Advance = Callable[[float], None]


class Stages:
    """Shows the stages of one piece of work, on stderr, where `shown`.

    Use as a context manager; inside, `stage` opens a bar and gives a function that sets how much of it is done,
    from 0 to 1.
    """

    def __init__(self, shown: bool) -> None:
        self.shown = shown and processes.first()
        self._bars: Progress | None = None

    def __enter__(self) -> Stages:
        if self.shown:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

            self._bars = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.percentage:>3.0f} %"),
                TimeElapsedColumn(),
                TextColumn("left"),
                TimeRemainingColumn(),
                TextColumn("{task.fields[note]}"),
                console=Console(stderr=True),
            )
            self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bars is not None:
            self._bars.stop()

    @contextmanager
    def stage(self, description: str) -> Iterator[Advance]:
        """A stage of the work called `description`."""
        bars = self._bars
        if bars is None:
            yield lambda fraction: None
            return
        task = bars.add_task(description, total=1.0, note="")
        yield lambda fraction: bars.update(task, completed=fraction)
        bars.update(task, completed=1.0)
