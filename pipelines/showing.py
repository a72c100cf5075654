"""What every fitted estimator shows in a notebook: how its training went, and a summary in HTML."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from sklearn.utils.validation import check_is_fitted

from gantools.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class ShowingMixin:
    """Plots of the training, and scikit-learn's diagram with what came of it below."""

    def plot_history(self, axes: Sequence[Axes] | None = None) -> list[Axes]:
        """Both players' losses, the discriminator's answers and the gradients over the training, stage by stage.

        Parameters
        ----------
        axes : sequence of Axes or None
            Three for each stage; None makes a figure.

        Returns
        -------
        list of Axes

        Raises
        ------
        ConfigError
            When nothing was trained: no class of an augmenter had enough samples.
        """
        from gantools.report.plots import plot_history

        check_is_fitted(self)
        if not len(self.history_):  # type: ignore[attr-defined]
            raise ConfigError("plot_history: nothing was trained, as no class has min_class_size samples")
        return plot_history(self.history_, axes)  # type: ignore[attr-defined]

    def _html_repr(self) -> str:
        """scikit-learn's diagram; of a fitted estimator, with what it was trained on and how that went."""
        diagram: str = super()._html_repr()  # type: ignore[misc]
        if not self.__sklearn_is_fitted__():  # type: ignore[attr-defined]
            return diagram
        return f"{diagram}<p style='font: 13px system-ui, sans-serif'>{escape(self._summary())}</p>"

    def _summary(self) -> str:
        """What was trained and how it went, in a few words."""
        from gantools.report.plots import health_of, stages_of
        from gantools.report.training import duration

        done: dict[str, Any] = self.training_  # type: ignore[attr-defined]
        if not done:
            return "Nothing was trained."
        words = [f"Learnt from {done['samples']:,} samples in {duration(done['seconds'])}"]
        if done.get("skipped"):
            words.append(f"{done['skipped']:,} were skipped")
        if done.get("rollbacks"):
            words.append(f"training began anew or went back {done['rollbacks']} times")
        *_, last = stages_of(self.history_).values()  # type: ignore[attr-defined]
        health = health_of(last)
        if health:
            words.append(f"health at the end: {health[-1][0]}")
        if "psnr" in done:
            others = {name.removeprefix("psnr_"): value for name, value in done.items() if name.startswith("psnr_")}
            beside = [f"{name.replace('_', ' ')} {value:.2f}" for name, value in others.items()]
            words.append(f"PSNR {done['psnr']:.2f} dB on what was held out ({', '.join(beside)})")
        return "; ".join(words) + "."
