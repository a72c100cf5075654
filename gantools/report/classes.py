"""Sections on new samples: classes beside their reals, whether the samples help, and grids of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gantools.report.grids import data_uri, fitted, grid, rgb
from gantools.report.page import Section, facts, table

_SIDE = 128

_HEADINGS = {
    "n_real": "reals",
    "method": "made by",
    "novelty": "novelty",
    "passed": "pass the gates",
    "agrees": "agree with the class",
    "copies": "near-copies",
    "spread": "spread",
    "coverage": "coverage",
    "good": "varied enough",
}


def quality(augmenter: Any) -> Section:
    """Each class's table: how many reals, and what was measured of candidates for new samples."""
    shown = augmenter.quality_.rename(columns=_HEADINGS).reset_index()
    shown["class"] = shown["class"].astype(str)
    shown["varied enough"] = [
        "" if pd.isna(g) else "yes" if g else "too few pass" if pd.isna(s) else "no"
        for g, s in zip(shown["varied enough"], shown["spread"], strict=True)
    ]
    words = (
        "Spread is how far apart the new samples lie, coverage the share of reals that have one near; both are 1 for "
        "fresh reals. Candidates that look like another class, or too like one real, do not pass."
    )
    return table("Classes", shown, words, digits=2)


def sheets(pictures: Mapping[str, NDArray[np.uint8]]) -> Section:
    """A contact sheet for each class, from `gantools.pipelines.augment.sheet`."""
    words = "On the left reals; on the right new samples, and below each the real that is nearest to it."
    film = [(name, data_uri(picture, None)) for name, picture in pictures.items()]
    return Section("Look at them", "rows", {"words": words, "film": film, "wide": True})


def verdict_words(said: pd.DataFrame) -> list[str]:
    """One line for each row of `gantools.pipelines.augment.usefulness.verdicts`."""
    return [
        f"{row.classifier}, {row.method}: {row.verdict}; {row.difference:+.3f} balanced accuracy beside {row.beside} "
        f"(95 % interval {row.low:+.3f} to {row.high:+.3f})"
        + (f"; {share:.0%} of its new samples are made classically" if share > 0 else "")
        for row, share in zip(said.itertuples(), said["classical"].tolist(), strict=True)
    ]


def verdicts(said: pd.DataFrame, figures: pd.DataFrame) -> list[Section]:
    """Whether new samples help classifiers, beside what one would have picked instead.

    Parameters
    ----------
    said, figures : DataFrame
        From `gantools.pipelines.augment.usefulness`: `verdicts`, and `summary`.
    """
    words = verdict_words(said)
    shown = figures.reset_index()
    explained = "Real samples only in every test; the generator learns anew in every fold."
    return [
        facts(words)._replace(title="Do they help?"),
        table("Every method", shown, explained, digits=3),
    ]


def samples(rows: Mapping[str, Sequence[NDArray[Any]]], title: str = "Samples", words: str = "") -> Section:
    """Samples in rows, each with its name.

    Parameters
    ----------
    rows : mapping
        A row's name to its pictures, (H, W) or (H, W, C) of any depth.
    """
    shown = {name: [np.asarray(fitted(rgb(p), _SIDE)) for p in pictures] for name, pictures in rows.items()}
    film = [(name, data_uri(grid(pictures, len(pictures)), None)) for name, pictures in shown.items()]
    return Section(title, "rows", {"film": film, "words": words})
