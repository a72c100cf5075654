"""Sections on pictures made of pictures: before and after, and figures beside what one has without a model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd
from numpy.typing import NDArray

from gantools.report.grids import data_uri, fitted, rgb
from gantools.report.page import Section, table

_SIDE = 480
_SMALL = 160
_MOST_OPEN = 30


def compared(
    title: str, items: Iterable[tuple[str, dict[str, NDArray[Any]]]], left: str, right: str, words: str = ""
) -> Section:
    """Pictures to be drawn over each other, the divide moved with a slider.

    Parameters
    ----------
    items : iterable of (str, dict)
        A picture's name, and what each method makes of it: (H, W, C), of any depth, all of one size.
    left, right : str
        The methods to begin with.
    """
    found, names = [], []
    for name, pictures in items:
        names = list(pictures)
        small = max(next(iter(pictures.values())).shape[:2]) <= _SMALL
        shown = {method: data_uri(fitted(rgb(p), _SIDE), quality=92) for method, p in pictures.items()}
        found.append({"name": name, "pictures": shown, "small": small})
    values = {"words": words, "items": found, "names": names, "left": left, "right": right}
    return Section(title, "compare", values)


def figures(measured: pd.DataFrame, names: Mapping[str, str], frechet: Mapping[str, float]) -> Section:
    """Means of the figures, a row for each method.

    Parameters
    ----------
    measured : DataFrame
        One row for each picture and method: `path`, `method` and figures.
    names : mapping
        What to call methods.
    frechet : mapping
        Fréchet distances by method, of all pictures together; empty where there are too few.
    """
    averages = measured.drop(columns="path").groupby("method", sort=False).mean()
    if frechet:
        averages["frechet"] = pd.Series(frechet, dtype=float)
    n = int(measured["method"].value_counts().max())
    words = "Of one picture." if n == 1 else f"Means over {n} pictures."
    return table("Figures", _headed(averages.reset_index(), names), words)


def each(measured: pd.DataFrame, names: Mapping[str, str]) -> Section:
    """The figures of every picture and method."""
    return table("Every picture", _headed(measured, names), folded=len(measured) > _MOST_OPEN)


def _headed(measured: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    called = [names.get(str(method), str(method)) for method in measured["method"]]
    return measured.assign(method=called).rename(columns=_HEADINGS)


_HEADINGS = {
    "psnr": "PSNR, dB (higher is better)",
    "ssim": "SSIM (higher)",
    "perceptual": "perceptual distance (lower)",
    "chroma": "chroma (as the truth's)",
    "frechet": "Fréchet distance (lower)",
}
