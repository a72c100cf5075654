"""The process that holds the model, begun anew where it dies or takes too long."""

from __future__ import annotations

import asyncio
import multiprocessing
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from pebble import ProcessExpired, ProcessPool

from gantools.errors import GantoolsError
from gantools.serve.limits import abandoned

_LOADING = 120  # seconds beyond the timeout that a request may wait for the model to be loaded
_model: Any = None  # of the worker's process alone


class Overdue(GantoolsError):
    """The model did not answer in time, and was begun anew."""


class Crowded(GantoolsError):
    """The model had no time for a request as long as that could wait."""


class Abandoned(GantoolsError):
    """The client had gone before the model had time for its request."""


class Unloadable(GantoolsError):
    """The model cannot be loaded now; it is tried again for the next request."""


class Worker:
    """Asks the model, one request after another, in a process of its own.

    A picture that the model takes too long for, or that ends its process, costs that request and the seconds in which
    the model is loaded again; those that wait are answered then.

    Parameters
    ----------
    folder : Path
        The model's.
    device : str
    max_megapixels : float
        Larger pictures are refused before they are decoded.
    timeout : float
        Seconds that a request may wait, and then that the model may take for it.
    """

    def __init__(self, folder: Path, device: str, max_megapixels: float, timeout: float) -> None:
        self.timeout = timeout
        self.restarts = 0
        self._given = (str(folder.absolute()), device, max_megapixels)
        # The process is ended without a chance to clear up; what it leaves is cleared up here.
        self._files = tempfile.TemporaryDirectory(prefix="gantools-serve-")
        self._pool = self._begun()
        # The pool is given one request at a time: it ends a process to take back what waits in it.
        self._turn = asyncio.Lock()

    def _begun(self) -> ProcessPool:
        context = multiprocessing.get_context("spawn")
        return ProcessPool(1, initializer=_begin, initargs=(*self._given, self._files.name), context=context)

    def ready(self) -> None:
        """Wait until the model is loaded.

        Raises
        ------
        GantoolsError
            When it cannot be.
        """
        try:
            self._pool.schedule(_answer, (_nothing,)).result()
        except (BrokenProcessPool, ProcessExpired):
            raise GantoolsError("the model's process ended while the model was being loaded") from None

    async def ask(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """What `function`, of `gantools.serve.answers`, makes of the model and of `arguments`.

        Raises
        ------
        Crowded, Overdue, Abandoned
        GantoolsError
            What `function` raises; and when the process ended over it, or the model cannot be loaded.
        """
        try:
            await asyncio.wait_for(self._turn.acquire(), self.timeout)
        except TimeoutError:
            raise Crowded(f"the model had no time for this within {self.timeout:g} s; ask again later") from None
        try:
            if await abandoned():
                raise Abandoned("the client did not wait for the answer")
            self._folder()
            if not self._pool.active:  # the process ended while nothing was asked of it
                await self._begin_anew()
            try:
                return await self._asked(function, arguments)
            except BrokenProcessPool:  # or has just done so, or while the model was being loaded
                await self._begin_anew()
                return await self._asked(function, arguments)
        except TimeoutError:
            await self._begin_anew()
            raise Overdue(f"this took longer than {self.timeout:g} s and was given up; give less at once") from None
        except (ProcessExpired, BrokenProcessPool):
            await self._begin_anew()
            raise GantoolsError("the model's process ended over this request and was begun anew") from None
        except Unloadable:
            await self._begin_anew()
            raise
        finally:
            self._turn.release()

    async def _asked(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        job = self._pool.schedule(_answer, (function, *arguments), timeout=self.timeout)
        return await asyncio.wait_for(asyncio.wrap_future(job), self.timeout + _LOADING)

    async def _begin_anew(self) -> None:
        self.restarts += 1
        await asyncio.to_thread(self._end)
        for left in self._folder().iterdir():
            shutil.rmtree(left, ignore_errors=True)
        self._pool = self._begun()

    def _folder(self) -> Path:
        """For the process's files; made again where the system has cleared it away in an idle week."""
        folder = Path(self._files.name)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder

    def _end(self) -> None:
        self._pool.stop()
        self._pool.join()

    def stop(self) -> None:
        """End the process, whatever it does."""
        self._end()
        self._files.cleanup()


def _begin(folder: str, device: str, max_megapixels: float, files: str) -> None:
    """Load the model; what goes wrong is kept, to be said to whoever asks."""
    global _model
    tempfile.tempdir = files
    from gantools import load
    from gantools.serve.answers import ready

    try:
        _model = ready(load(folder, device), max_megapixels)
    except Exception as error:
        _model = error


def _answer(function: Callable[..., Any], *arguments: Any) -> Any:
    if isinstance(_model, Exception):
        raise Unloadable(f"the model cannot be loaded ({_model})")
    return function(_model, *arguments)


def _nothing(model: Any) -> None:
    """To ask for when only an answer is wanted."""
