"""Plots of fitted estimators, on matplotlib axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PLAYERS = {"discriminator": "#2a6f97", "generator": "#d17a22"}
"""A colour for each player, the same in every plot."""

HEALTH = {
    "balanced": "#cfe8d5",
    "discriminator overpowers": "#bcd7ea",
    "generator overpowers": "#f6d9b8",
    "collapsing": "#f3c3c6",
    "diverged": "#c9a3b8",
    "copying the augmentation": "#e6ddf2",
    "learning the reals by heart": "#e8dcc0",
}
"""A colour for each state of a training; see `gantools.core.health`."""

NORMAL, ABNORMAL = "#7a9cc6", "#d1495b"

_POINTS = 400
_CURVE: dict[str, Any] = {"curve_kwargs": {"color": ABNORMAL}, "plot_chance_level": True}


def axes_for(ax: Axes | None, **size: Any) -> Axes:
    """`ax`, or the axes of a new figure."""
    if ax is not None:
        return ax
    from matplotlib import pyplot

    found: Axes = pyplot.subplots(layout="constrained", **size)[1]
    return found


def _legend(ax: Axes) -> None:
    """Above the plot, where it covers nothing."""
    if not ax.get_legend_handles_labels()[0]:
        return
    ax.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=3, fontsize="small", borderaxespad=0.2)


def _line(ax: Axes, shown: pd.DataFrame, column: str, **how: Any) -> None:
    """A column over the reals seen; where there is one value only, a dot."""
    ax.plot(shown["images"], shown[column], lw=1.4, marker="o" if shown[column].count() == 1 else "", **how)


def thinned(history: pd.DataFrame, points: int = _POINTS) -> pd.DataFrame:
    """The means of numbers, and the last of what is text, over at most so many stretches of a history."""
    if len(history) <= points:
        return history.reset_index(drop=True)
    stretch = np.arange(len(history)) * points // len(history)
    numbers = history.select_dtypes("number").groupby(stretch).mean()
    texts = history.select_dtypes(exclude="number").groupby(stretch).last()
    return numbers.join(texts)


def plot_losses(history: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Both players' losses over the reals seen, on the colours of the game's health where it was watched.

    Parameters
    ----------
    history : DataFrame
        One stage of an estimator's `history_`.
    ax : Axes or None
        None makes a figure.
    """
    ax = axes_for(ax, figsize=(7, 3))
    shown = thinned(history)
    for player, colour in PLAYERS.items():
        if f"loss_{player}" in shown:
            _line(ax, shown, f"loss_{player}", color=colour, label=player)
    _shade_health(history, ax)
    ax.set(xlabel="reals seen", ylabel="loss")
    _legend(ax)
    return ax


def plot_answers(history: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """What the discriminator answers to reals and to fakes (1 means real), and how often it tells them apart."""
    ax = axes_for(ax, figsize=(7, 3))
    shown = thinned(history)
    lines = {"d_real": ("D(real)", NORMAL), "d_fake": ("D(fake)", ABNORMAL), "d_wins": ("pairs told apart", "#555555")}
    for column, (name, colour) in lines.items():
        if column in shown:
            _line(ax, shown, column, color=colour, label=name)
    ax.set(xlabel="reals seen", ylabel="share", ylim=(-0.03, 1.03))
    _legend(ax)
    return ax


def plot_gradients(history: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """The norms of both players' gradients, on a logarithmic scale."""
    ax = axes_for(ax, figsize=(7, 3))
    shown = thinned(history)
    for player, colour in PLAYERS.items():
        if f"gradient_{player}" in shown and (shown[f"gradient_{player}"] > 0).any():
            _line(ax, shown, f"gradient_{player}", color=colour, label=player)
    ax.set(xlabel="reals seen", ylabel="gradient's norm", yscale="log")
    _legend(ax)
    return ax


def plot_terms(history: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """What the generator pays where it plays alone, term by term, on a logarithmic scale."""
    ax = axes_for(ax, figsize=(7, 3))
    shown = thinned(history)
    for column in [str(c) for c in shown if str(c).startswith("term_")] or ["loss_generator"]:
        _line(ax, shown, column, label=column.removeprefix("term_"))
    ax.set(xlabel="reals seen", ylabel="loss")
    ax.set_yscale("log", nonpositive="mask")
    _legend(ax)
    return ax


def plots_of(history: pd.DataFrame) -> tuple[Callable[..., Axes], ...]:
    """What there is to plot of one stage: in some the generator plays alone."""
    if "loss_discriminator" in history:
        return plot_losses, plot_answers, plot_gradients
    return plot_terms, plot_gradients


def plot_history(history: pd.DataFrame, axes: Sequence[Axes] | None = None) -> list[Axes]:
    """Losses, the discriminator's answers and gradients, one below the other, for each stage in a column of its own.

    Parameters
    ----------
    history : DataFrame
        An estimator's `history_`.
    axes : sequence of Axes or None
        Three for each stage, stage by stage; None makes a figure.

    Returns
    -------
    list of Axes
    """
    stages = stages_of(history)
    if axes is None:
        from matplotlib import pyplot

        size = (5.5 * len(stages), 7)
        axes = list(pyplot.subplots(3, len(stages), figsize=size, layout="constrained", squeeze=False)[1].T.ravel())
    for i, (name, stage) in enumerate(stages.items()):
        mine = axes[3 * i : 3 * i + 3]
        for ax in mine:
            ax.set_visible(False)
        for plot, ax in zip(plots_of(stage), mine, strict=False):
            ax.set_visible(True)
            plot(stage, ax)
        mine[0].set_title(name, loc="right", fontsize="medium")
    return list(axes)


def stages_of(history: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """A history's stages by name, in order, each with the figures that it has."""
    if "stage" not in history:
        return {"training": history}
    return {str(name): stage.dropna(axis="columns", how="all") for name, stage in history.groupby("stage", sort=False)}


def health_of(history: pd.DataFrame) -> list[tuple[str, float, float]]:
    """Stretches of one stage in which a training was in one state: the state, and the shares where they begin and end.

    Empty where health was not watched.
    """
    if "health" not in history or history["health"].isna().all():
        return []
    states = history["health"].to_numpy()
    images = history["images"].to_numpy(dtype=float)
    begins = [0, *(np.flatnonzero(states[1:] != states[:-1]) + 1).tolist()]
    edges = [0.0, *(images[b] / images[-1] for b in begins[1:]), 1.0]
    return [(str(states[b]), edges[i], edges[i + 1]) for i, b in enumerate(begins)]


def _shade_health(history: pd.DataFrame, ax: Axes) -> None:
    last = float(history["images"].iloc[-1]) if len(history) else 0.0
    named: set[str] = set()
    for state, begin, end in health_of(history):
        label: dict[str, Any] = {"label": state} if state not in named else {}
        named.add(state)
        ax.axvspan(begin * last, end * last, color=HEALTH.get(state, "#eeeeee"), lw=0, zorder=0, **label)


def plot_pictures(
    pictures: Sequence[NDArray[Any]], titles: Sequence[str] = (), columns: int = 8, ax: Axes | None = None
) -> Axes:
    """Pictures in a grid.

    Parameters
    ----------
    pictures : sequence of ndarray, (H, W) or (H, W, C)
        uint8 or float in [0, 1], of one size or of several.
    titles : sequence of str
        One for each row of the grid.
    """
    from gantools.report.grids import grid

    ax = axes_for(ax, figsize=(columns, max(1.0, len(pictures) / columns)))
    picture = grid(pictures, columns)
    ax.imshow(picture, interpolation="nearest")
    ax.set_axis_off()
    if titles:
        step = picture.shape[0] / len(titles)
        for i, title in enumerate(titles):
            ax.text(-2, (i + 0.5) * step, title, ha="right", va="center", fontsize=9)
    return ax


def plot_scores(
    scores: NDArray[np.float64],
    threshold: float,
    abnormal: NDArray[np.bool_] | None = None,
    ax: Axes | None = None,
    name: str = "scored",
) -> Axes:
    """A histogram of anomaly scores and the threshold; scores above the 99 % quantile are counted in the last bin.

    Parameters
    ----------
    scores : ndarray, (N,)
    threshold : float
    abnormal : ndarray of bool, (N,), or None
        Which ones are known to be abnormal: they are stacked in red.
    name : str
        What to call samples of which that is not known.
    """
    ax = axes_for(ax, figsize=(7, 3))
    high = max(float(np.quantile(scores, 0.99)), threshold) * 1.02
    parts, names, colours = [scores], [name], [NORMAL]
    if abnormal is not None:
        parts, names, colours = [scores[~abnormal], scores[abnormal]], ["normal", "abnormal"], [NORMAL, ABNORMAL]
    bins = np.linspace(float(scores.min()), max(high, float(scores.min()) + 1e-6), 41)
    ax.hist([np.minimum(p, high) for p in parts], bins=list(bins), stacked=True, color=colours, label=names)
    ax.axvline(threshold, color="#222222", lw=1.2, ls="--", label="threshold")
    ax.set(xlabel="anomaly score", ylabel="samples")
    _legend(ax)
    return ax


def plot_roc(scores: NDArray[np.float64], abnormal: NDArray[np.bool_], ax: Axes | None = None) -> Axes:
    """The ROC curve of anomaly scores."""
    from sklearn.metrics import RocCurveDisplay

    ax = axes_for(ax, figsize=(4, 4))
    RocCurveDisplay.from_predictions(abnormal, scores, ax=ax, name="detector", **_CURVE)
    ax.set(xlabel="false alarms", ylabel="detected")
    return ax


def plot_precision_recall(scores: NDArray[np.float64], abnormal: NDArray[np.bool_], ax: Axes | None = None) -> Axes:
    """The precision-recall curve of anomaly scores."""
    from sklearn.metrics import PrecisionRecallDisplay

    ax = axes_for(ax, figsize=(4, 4))
    PrecisionRecallDisplay.from_predictions(abnormal, scores, ax=ax, name="detector", **_CURVE)
    ax.set(xlabel="detected", ylabel="abnormal among the flagged")
    return ax
