"""scikit-learn's callbacks (1.9, experimental), where they are to be had."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from gantools.core import Tick
from gantools.pipelines.logs import logged

__all__ = ["CallbackSupportMixin", "ticking", "with_callbacks"]

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Stands in where scikit-learn has no callbacks."""

    def with_callbacks(method: Any) -> Any:
        """Stands in where scikit-learn has no callbacks."""
        return method


@contextmanager
def ticking(estimator: Any) -> Iterator[Callable[[Tick], bool]]:
    """A trainer's `on_tick`: it writes to the estimator's `log`, and runs the callbacks set on it; it is True when one
    of these asks to stop.
    """
    with logged(estimator.log, estimator.resume) as log, _called_back(estimator) as call:

        def on_tick(tick: Tick) -> bool:
            log(tick)
            return call(tick)

        yield on_tick


@contextmanager
def _called_back(estimator: Any) -> Iterator[Callable[[Tick], bool]]:
    """Every tick, about a hundred in a training, is one task of the estimator's fit to its callbacks."""
    if not getattr(estimator, "_skl_callbacks", None):
        yield lambda tick: False
        return
    root = estimator._init_callback_context(max_subtasks=None)
    root.call_on_fit_task_begin(estimator=estimator)

    def on_tick(tick: Tick) -> bool:
        context = root.subcontext(task_name=tick.name)
        context.call_on_fit_task_begin(estimator=estimator)
        return bool(context.call_on_fit_task_end(estimator=estimator))

    yield on_tick
    root.call_on_fit_task_end(estimator=estimator)
