"""Self-contained HTML reports."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pandas as pd

from gantools.core.checkpoint import write_atomically
from gantools.report.heatmaps import mapped, overlay, png_bytes

_MOST_SHOWN = 60
_BINS = 40


def render(template: str, **values: Any) -> str:
    """Fill in one of this folder's templates; everything is escaped."""
    from jinja2 import Environment, PackageLoader

    environment = Environment(loader=PackageLoader("gantools", "report"), autoescape=True)
    return environment.get_template(template).render(**values)


def write_scores(path: Path, detector: Any, data: Any, table: pd.DataFrame) -> None:
    """Write a report of scores: how many are flagged, their histogram, the most abnormal with heatmaps.

    Parameters
    ----------
    path : Path
        The HTML file. It holds everything it shows.
    detector : GanAnomalyDetector
        Fitted.
    data : pictures or table
        What was scored.
    table : DataFrame
        From `GanAnomalyDetector.score_table`.
    """
    write_atomically(path, render("scores.html.j2", **_scores(detector, data, table)).encode())


def _scores(detector: Any, data: Any, table: pd.DataFrame) -> dict[str, Any]:
    valid = table[table["error"] == ""].sort_values("anomaly_score", ascending=False)
    name = "row" if "row" in table else "path"
    top = valid.head(_MOST_SHOWN)
    pictures = {} if name == "row" else _embedded(detector, data, [int(i) for i in top.index])
    cards = []
    for index, row in top.iterrows():
        cards.append(
            {
                "name": str(row[name]),
                "score": f"{row['anomaly_score']:.2f}",
                "p": f"{row['p_value']:.4f}",
                "flagged": bool(row["is_anomaly"]),
                "picture": pictures.get(index, ""),
            }
        )
    return {
        "n": len(table),
        "flagged": int(table["is_anomaly"].fillna(False).sum()),
        "errors": [(str(r[name]), r["error"]) for _, r in table[table["error"] != ""].iterrows()],
        "cards": cards,
        "bars": _histogram(valid["anomaly_score"], -detector.offset_),
        "threshold": f"{-detector.offset_:.2f}",
    }


def _embedded(detector: Any, data: Any, indices: list[int]) -> dict[int, str]:
    """Pictures under their heatmaps, as data URIs by number."""
    from gantools.data.sources import open_pictures

    source = open_pictures(data, detector.max_megapixels)
    return {
        i: "data:image/png;base64," + base64.b64encode(png_bytes(overlay(picture, heat))).decode()
        for i, picture, heat in mapped(detector, source, indices)
    }


def _histogram(scores: pd.Series, threshold: float) -> list[dict[str, Any]]:
    import numpy as np

    if scores.empty:
        return []
    low, high = float(scores.min()), float(scores.quantile(0.99))
    counts, edges = np.histogram(scores.clip(upper=high), bins=_BINS, range=(low, max(high, low + 1e-6)))
    tallest = max(1, int(counts.max()))
    return [
        {
            "height": 100 * int(c) / tallest,
            "count": int(c),
            "flagged": bool(edge > threshold),
            "at": f"{edge:.2f}",
        }
        for c, edge in zip(counts, edges[:-1], strict=True)
    ]
