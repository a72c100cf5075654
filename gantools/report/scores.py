"""Sections on anomaly scores: a threshold to move, a gallery with heatmaps, curves where labels are known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gantools.report import plots
from gantools.report.grids import data_uri, fitted, rgb
from gantools.report.heatmaps import heat_layer, mapped
from gantools.report.page import Section, chart, figure

MOST_HEATMAPS = 200
MOST_THUMBNAILS = 10_000
MOST_ROWS = 50_000
_LARGE, _THUMBNAIL = 192, 96
_SMALL = 64
_MOST_NORMALS = 1000
_MOST_ERRORS = 100


def sections(
    detector: Any,
    data: Any,
    table: pd.DataFrame,
    abnormal: NDArray[np.bool_] | None = None,
    title: str = "Scores",
    page: int = 60,
) -> list[Section]:
    """What was scored, the most abnormal first.

    Parameters
    ----------
    detector : GanAnomalyDetector
        Fitted.
    data : pictures or table
        What was scored.
    table : DataFrame
        From `GanAnomalyDetector.score_table`.
    abnormal : ndarray of bool, (N,), or None
        Which are known to be abnormal.
    title : str
    page : int
        How many to show at once.
    """
    usable = (table["error"] == "").to_numpy() & np.isfinite(table["anomaly_score"].to_numpy(float))
    valid = table[usable].sort_values("anomaly_score", ascending=False, kind="stable")
    known = None if abnormal is None else np.asarray(abnormal)[valid.index]
    values = _values(detector, data, table, valid, known)
    values["data"]["page"] = page
    found = [Section(title, "scores", values)]
    if known is not None and known.any() and not known.all():
        scores = valid["anomaly_score"].to_numpy()
        curves = [chart(lambda ax, draw=draw: draw(scores, known, ax), (3.6, 3.6)) for draw in _CURVES]  # type: ignore[misc]
        found.append(figure("Against the labels", curves))
    return found


_CURVES = (plots.plot_roc, plots.plot_precision_recall)


def _values(
    detector: Any, data: Any, table: pd.DataFrame, valid: pd.DataFrame, known: NDArray[np.bool_] | None
) -> dict[str, Any]:
    name = "row" if "row" in table else "path"
    threshold = float(-detector.offset_)
    scored, flagged = len(valid), int((valid["anomaly_score"] > threshold).sum())
    n_abnormal = None if known is None else int(known.sum())
    valid, known = valid.head(MOST_ROWS), None if known is None else known[:MOST_ROWS]
    pictures = name == "path" and len(valid) > 0
    thumbnails, heats, small = _pictures(detector, data, valid.index.tolist()) if pictures else ([], [], False)
    scores = valid["anomaly_score"].to_numpy()
    wrong = table[table["error"] != ""]
    words = (
        "A score of 0 is a typical normal. The p-value is the chance that a fresh normal would score as high; "
        "a threshold decides what is flagged, and you may move it."
    )
    if scored > len(valid):
        words += f" Of {scored:,} these are the {len(valid):,} most abnormal; the CSV of scores has all."
    return {
        "words": words,
        "summary": f"{flagged} of {scored} flagged as abnormal",
        "labelled": known is not None,
        "pictures": pictures,
        "errors": [(str(row[name]), row["error"]) for _, row in wrong.head(_MOST_ERRORS).iterrows()],
        "more_errors": max(0, len(wrong) - _MOST_ERRORS),
        "data": {
            "key": name,
            "n_scored": scored,
            "n_abnormal": n_abnormal,
            "names": [str(value) for value in valid[name]],
            "scores": scores.tolist(),
            "p": valid["p_value"].round(6).tolist(),
            "parts": {
                c.removeprefix("part_").replace("_", " "): valid[c].round(4).tolist()
                for c in valid.columns
                if c.startswith("part_")
            },
            "abnormal": None if known is None else known.tolist(),
            "threshold": threshold,
            "range": _range(scores, threshold),
            "normals": _thinned(detector.calibration_),
            "thumbnails": thumbnails,
            "heats": heats,
            "pictures": pictures,
            "small": small,
        },
    }


def _range(scores: NDArray[np.float64], threshold: float) -> list[float]:
    """From where to where the histogram goes."""
    if len(scores) == 0:
        return [0.0, max(1.0, 2 * threshold)]
    low = min(float(scores.min()), threshold)
    high = max(float(np.quantile(scores, 0.99)), low + 1.5 * (threshold - low), low + 1e-3)
    return [low, high]


def _thinned(normals: NDArray[np.float64]) -> list[float]:
    """Held-out normals' scores, or so many quantiles of them."""
    if len(normals) <= _MOST_NORMALS:
        return [float(score) for score in normals]
    return np.quantile(normals, np.linspace(0, 1, _MOST_NORMALS)).round(5).tolist()


def _pictures(detector: Any, data: Any, order: Sequence[int]) -> tuple[list[str], list[str], bool]:
    """Thumbnails, layers of heat for the most abnormal, and whether pictures are so small that pixels shall show."""
    from gantools.data.sources import open_pictures

    source = open_pictures(data, detector.max_megapixels)
    thumbnails = [""] * len(order)
    heats = [""] * len(order)
    longest = 0
    top = list(order[:MOST_HEATMAPS])
    for place, (_, picture, heat) in enumerate(mapped(detector, source, top)):
        longest = max(longest, *picture.shape[:2])
        shown = fitted(rgb(picture), _LARGE)
        thumbnails[place] = data_uri(shown)
        heats[place] = data_uri(heat_layer(heat, shown.size))
    for place, index in enumerate(order[MOST_HEATMAPS:MOST_THUMBNAILS], MOST_HEATMAPS):
        thumbnails[place] = data_uri(fitted(rgb(source.read(index)), _THUMBNAIL), quality=70)
    return thumbnails, heats, longest <= _SMALL


def fitted_sections(detector: Any) -> list[Section]:
    """Of a fitted detector: how normals that it was not trained on score, and where the threshold is."""
    drawn = chart(
        lambda ax: plots.plot_scores(detector.calibration_, -detector.offset_, ax=ax, name="normals"), (7, 2.8)
    )
    words = (
        "Normals, held out of the training where there are enough, by which scores are put on their scale: "
        "0 is a typical one, and above 1 lies the most abnormal twentieth."
    )
    return [figure("Normals", [drawn], words=words)]
