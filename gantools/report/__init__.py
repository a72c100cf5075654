"""Reports: one HTML file for each command, whole in itself. Plots of the same are in `gantools.report.plots`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gantools.report import classes, comparisons, scores, training
from gantools.report.page import Section, facts, write_page

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

_MOST_COMPARED = 12
_DRAG = "Drag over a picture to move the divide."


def write_detector(path: Path, detector: Any, model: str) -> None:
    """A fitted detector: what it learnt from, how normals score, how training went.

    Parameters
    ----------
    path : Path
        The HTML file.
    detector : GanAnomalyDetector
        Fitted.
    model : str
        The model's folder, for the commands to go on with.
    """
    n = detector.training_["samples"]
    lead = f"Learnt from {n:,} normals, by {', '.join(p.replace('_', ' ') for p in detector.parts_)}."
    go_on = facts(commands=[f"gantools anomaly score DATA --model {model} --out scores.csv --report scores.html"])
    write_page(path, "What is normal", lead, [go_on, *scores.fitted_sections(detector), *training.sections(detector)])


def write_scores(
    path: Path,
    detector: Any,
    data: Any,
    table: pd.DataFrame,
    abnormal: NDArray[np.bool_] | None = None,
    figures: Mapping[str, Any] | None = None,
) -> None:
    """What a detector found: a threshold to move, the most abnormal with heatmaps, curves where labels are known.

    Parameters
    ----------
    path : Path
        The HTML file.
    detector : GanAnomalyDetector
        Fitted.
    data : pictures or table
        What was scored.
    table : DataFrame
        From `GanAnomalyDetector.score_table`.
    abnormal : ndarray of bool, (N,), or None
        Which are known to be abnormal.
    figures : mapping or None
        What was measured against the labels, by name.
    """
    flagged = int(table["is_anomaly"].fillna(False).sum())
    numbers = [(name.replace("_", " "), _number(value)) for name, value in (figures or {}).items()]
    write_page(
        path,
        f"{flagged:,} of {len(table):,} flagged as abnormal",
        "Pictures and rows that differ most from the normals come first.",
        [*([facts(numbers=numbers)] if numbers else []), *scores.sections(detector, data, table, abnormal)],
    )


def write_pictures(
    path: Path,
    title: str,
    items: Iterable[tuple[str, dict[str, NDArray[Any]]]],
    measured: pd.DataFrame,
    names: Mapping[str, str],
    begin_with: tuple[str, str],
    *,
    extra: Mapping[str, float] | None = None,
    estimator: Any = None,
    commands: Iterable[str] = (),
) -> None:
    """Pictures made of pictures, beside what one has without a model and the truth.

    Parameters
    ----------
    path : Path
        The HTML file.
    title : str
    items : iterable of (str, dict)
        A picture's name, and what each method makes of it: (H, W, C), of any depth, all of one size.
    measured : DataFrame
        Figures: one row for each picture and method.
    names : mapping
        What to call methods.
    begin_with : (str, str)
        The methods to show on the left and on the right first.
    extra : mapping or None
        Fréchet distances, by method.
    estimator : estimator or None
        Just fitted: how its training went is told too.
    commands : iterable of str
        To go on with.
    """
    named = [
        (name, {names.get(method, method): picture for method, picture in pictures.items()})
        for name, pictures in islice(items, _MOST_COMPARED)
    ]
    averages = measured.groupby("method", sort=False)["psnr"].mean().dropna()
    lead = "; ".join(f"{names.get(str(method), str(method))} {value:.2f} dB" for method, value in averages.items())
    lead = f"Nearness to the truth (PSNR): {lead}." if lead else "Nothing was held out to measure on."
    left, right = (names.get(method, method) for method in begin_with)
    sections: list[Section] = [
        *([facts(commands=list(commands))] if commands else []),
        *([comparisons.compared("Look at them", named, left, right, _DRAG)] if named else []),
        *([comparisons.figures(measured, names, extra or {})] if len(measured) else []),
        *(training.sections(estimator) if estimator is not None else []),
        *([comparisons.each(measured, names)] if len(measured) else []),
    ]
    write_page(path, title, lead, sections)


def write_augmenter(
    path: Path,
    augmenter: Any,
    sheets: Mapping[str, NDArray[np.uint8]],
    made: int,
    verdict: tuple[pd.DataFrame, pd.DataFrame] | None = None,
) -> None:
    """New samples of classes: the table, contact sheets, and whether they help where that was measured.

    Parameters
    ----------
    path : Path
        The HTML file.
    augmenter : GanAugmenter
        Fitted.
    sheets : mapping
        A class to its contact sheet.
    made : int
        New samples.
    verdict : (DataFrame, DataFrame) or None
        From `gantools.pipelines.augment.usefulness`: `verdicts` and `summary`.
    """
    low = augmenter.quality_.index[augmenter.quality_["good"].eq(False)].astype(str).tolist()
    lead = f"Of {len(augmenter.classes_)} classes." + (f" Falling short: {', '.join(low)}." if low else "")
    sections = [*(classes.verdicts(*verdict) if verdict else []), classes.quality(augmenter)]
    sections += [classes.sheets(sheets)] if sheets else []
    write_page(path, f"{made:,} new samples", lead, [*sections, *training.sections(augmenter)])


def write_usefulness(path: Path, said: pd.DataFrame, figures: pd.DataFrame) -> None:
    """Whether new samples help classifiers: arguments as of `gantools.report.classes.verdicts`."""
    lead = "New samples beside what one would have picked instead, tested on real samples only."
    write_page(path, "Do new samples help?", lead, classes.verdicts(said, figures))


def write_synthesizer(path: Path, synthesizer: Any, rows: Mapping[str, Any], model: str) -> None:
    """A fitted synthesizer: samples, and how training went.

    Parameters
    ----------
    path : Path
        The HTML file.
    synthesizer : GanSynthesizer
        Fitted.
    rows : mapping
        A row's name to its pictures; empty for tables.
    model : str
        The model's folder, for the commands to go on with.
    """
    n = synthesizer.training_["samples"]
    sections = [facts(commands=[f"gantools synth sample --model {model} -n 64 --out DIR --grid"])]
    sections += [classes.samples(rows)] if rows else []
    write_page(path, "Samples from nothing", f"Learnt from {n:,}.", [*sections, *training.sections(synthesizer)])


def _number(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else f"{value:,}"
