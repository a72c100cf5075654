"""``gantools anomaly``: fit, score, evaluate."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gantools import processes
from gantools.cli import pictures, shared
from gantools.errors import ConfigError, DataError, about

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

app = typer.Typer(help="Find what is not normal in pictures and tables.", no_args_is_help=True, rich_markup_mode=None)

Data = Annotated[Path, typer.Argument(help="Folder of pictures, one picture, CSV or Parquet.", metavar="DATA")]
Model = Annotated[Path, typer.Option("--model", help="The model's folder.", metavar="DIR")]


@app.command()
def fit(
    data: Data,
    model: Model,
    config: shared.Config = "default",
    settings: shared.Settings = None,
    max_bad: shared.MaxBad = None,
    report: shared.Report = None,
    log: shared.Log = None,
    seed: shared.FitSeed = None,
    device: shared.FitDevice = None,
    max_minutes: shared.MaxMinutes = None,
    max_images: shared.MaxImages = None,
    resume: shared.Resume = False,
    json: shared.AsJson = False,
    quiet: shared.Quiet = False,
) -> None:
    """Learn what is normal from DATA: normal pictures in a folder, or normal rows of a table."""
    from gantools import GanAnomalyDetector

    checkpoint = shared.checkpoint_of(model)
    flags: dict[str, Any] = {
        "random_state": seed,
        "device": device,
        "max_minutes": max_minutes,
        "max_images": max_images,
        "max_bad": max_bad,
        "checkpoint": str(checkpoint),
        "resume": resume,
        "log": None if log is None else str(log),
        "verbose": int(not quiet),
    }
    known = GanAnomalyDetector().get_params(deep=False)
    parameters = shared.settings_of("anomaly", config, settings, flags, known)
    shared.writable_file(report, shared.PAGE)
    with shared.training_of(model, resume, log), about(data):
        detector = GanAnomalyDetector(**parameters).fit(_normals(data))
        detector.set_params(checkpoint=None, resume=False, log=None).save(model)
    if report is not None and processes.first():
        from gantools.report import write_detector

        write_detector(report, detector, shared.quoted(model))
    summary = {
        "model": str(model),
        "kind": detector.kind_,
        "parts": list(detector.parts_),
        **detector.training_,
        "skipped_because": detector.skipped_,
    }
    shared.report(summary, json, quiet, lambda: _fitted(summary))


def _normals(data: Path) -> Any:
    """What to learn from: of a table with labels the rows that are normal, without the labels; of a folder alike."""
    from gantools.data.sources import LABEL_COLUMN, PATH_COLUMN, read_features, read_table, table_columns

    if data.is_dir():
        return _normal_pictures(data)
    if not _is_labelled(data):
        return data
    frame = read_table(data, texts=(PATH_COLUMN,)) if PATH_COLUMN in table_columns(data) else read_features(data)
    if frame.shape[1] == 1:
        raise DataError(f"{data}: has no columns but its labels; there is nothing to learn")
    abnormal = _known_labels(frame[LABEL_COLUMN], data)
    warnings.warn(
        f"{data}: the column 'label' is not learnt (rename it if it is a feature); "
        f"{int(abnormal.sum())} rows that it calls abnormal are left out",
        stacklevel=2,
    )
    normal = frame[~abnormal].drop(columns=LABEL_COLUMN)
    if PATH_COLUMN in normal:
        normal[PATH_COLUMN] = [str(data.parent / str(name)) for name in normal[PATH_COLUMN]]
    return normal


def _normal_pictures(folder: Path) -> Path | list[Path]:
    """Where some of a folder's pictures lie in subfolders named good or normal and some do not, the former."""
    from gantools.data.sources import open_pictures

    source = open_pictures(folder)
    names = [source.name(i) for i in range(len(source))]
    normal = [folder / name for name, wrong in zip(names, _abnormal_by_folder(names), strict=True) if not wrong]
    if len(normal) in (0, len(names)):
        return folder
    warnings.warn(
        f"{folder}: {len(normal)} pictures in subfolders named good or normal are learnt; "
        f"{len(names) - len(normal)} others are left out",
        stacklevel=2,
    )
    return normal


def _abnormal_by_folder(names: Iterable[str]) -> np.ndarray:
    """Which pictures lie in no folder named good or normal."""
    import numpy as np

    folders = [{part.lower() for part in Path(name).parts[:-1]} for name in names]
    return np.array([not {"normal", "good"} & parts for parts in folders])


def _is_labelled(data: Path) -> bool:
    """Whether it is a table file, of features or of paths, with a column `label`."""
    from gantools.data.sources import LABEL_COLUMN, is_table_file, table_columns

    return is_table_file(data) and data.exists() and LABEL_COLUMN in table_columns(data)


def _features(data: Path, detector: Any) -> tuple[Any, pd.Series | None]:
    """A table's features and its column `label`, which is none of them unless it was learnt; other data as it is."""
    from gantools.data.sources import LABEL_COLUMN, is_table, read_features

    if detector.kind_ != "table" or not _is_labelled(data) or not is_table(data):
        return data, None
    encoder = detector.encoder_
    if LABEL_COLUMN in encoder.columns:
        return data, None
    frame = read_features(data, encoder.categories)
    features = frame.drop(columns=LABEL_COLUMN)
    if hasattr(detector, "feature_names_in_"):
        with about(data):
            encoder.check_columns(features)
        features = features[encoder.columns]
    return features, frame[LABEL_COLUMN]


def _fitted(summary: dict[str, Any]) -> str:
    kinds = {"table": "rows of a table", "whole": "whole pictures", "tiles": "pictures, tile by tile"}
    return (
        f"Learnt from {summary['samples']:,} normals ({kinds[summary['kind']]}), "
        f"{summary['skipped']} skipped; {summary['seconds']:.0f} s of training.\n"
        f"Model: {summary['model']}\n"
        f"Next: gantools anomaly score DATA --model {shared.quoted(summary['model'])} --out scores.csv"
    )


@app.command()
def score(
    data: Data,
    model: Model,
    out: Annotated[Path, typer.Option("--out", help="CSV file for the scores.", metavar="FILE.csv")],
    maps: Annotated[Path | None, typer.Option("--maps", help="Folder for heatmaps.", metavar="DIR")] = None,
    report: shared.Report = None,
    max_megapixels: pictures.MaxMegapixels = None,
    device: shared.Device = "auto",
    json: shared.AsJson = False,
    quiet: shared.Quiet = False,
) -> None:
    """Score DATA: one line in the CSV for every input, in input order; a high score is abnormal."""
    from gantools.storage import HISTORY

    shared.writable_file(out, shared.FIGURES, data, model / HISTORY)
    shared.writable_file(report, shared.PAGE)
    detector = _loaded(model, device, quiet, max_megapixels)
    if detector.kind_ == "table" and maps is not None:
        raise ConfigError("--maps: a model of feature tables has no maps")
    places = [] if maps is None else _map_places(detector, data, maps)
    with about(data):
        table = detector.score_table(_features(data, detector)[0])
    if processes.first():
        _write_csv(table, out)
    if maps is not None:
        _write_maps(detector, data, table, places, quiet)
    shared.by_first_alone()
    if report is not None:
        from gantools.report import write_scores

        write_scores(report, detector, data, table)
    n_bad = int((table["error"] != "").sum())
    flagged = int(table["is_anomaly"].fillna(False).sum())
    result = {"scores": str(out), "n": len(table), "n_anomalies": flagged, "n_errors": n_bad}

    def words() -> str:
        errors = f"; {n_bad} could not be scored (see the column 'error')" if n_bad else ""
        return f"{flagged} of {len(table)} flagged as abnormal{errors}. Scores: {out}"

    shared.report(result, json, quiet, words)
    if n_bad == len(table):
        raise DataError(f"nothing could be scored; the first: {table['error'].iloc[0]}")


@app.command()
def evaluate(
    data: Data,
    model: Model,
    labels: Annotated[
        Path | None,
        typer.Option("--labels", help="CSV with `label`, and `path` for pictures.", metavar="CSV"),
    ] = None,
    masks: Annotated[
        Path | None, typer.Option("--masks", help="Folder of masks, named as the pictures.", metavar="DIR")
    ] = None,
    report: shared.Report = None,
    max_megapixels: pictures.MaxMegapixels = None,
    device: shared.Device = "auto",
    json: shared.AsJson = False,
    quiet: shared.Quiet = False,
) -> None:
    """How well the model separates: pictures in a subfolder named normal or good are normal, others are not."""
    shared.writable_file(report, shared.PAGE)
    detector = _loaded(model, device, quiet, max_megapixels)
    if detector.kind_ == "table" and masks is not None:
        raise ConfigError("--masks: a model of feature tables has no maps to compare with them")
    features, beside = _features(data, detector)
    with about(data):
        table = detector.score_table(features)
    if detector.kind_ == "table":
        abnormal = _row_labels(len(table), labels, beside, data)
    else:
        abnormal = _picture_labels(table, data if labels is None and _is_labelled(data) else labels)
    shared.by_first_alone()
    errors = _errors(table)
    for line in errors:
        typer.echo(f"gantools: {line}", err=True)
    result = _measured(table, abnormal)
    if masks is not None:
        result |= _measured_maps(detector, data, table, masks, abnormal)
    if report is not None:
        from gantools.report import write_scores

        write_scores(report, detector, features, table, abnormal, result)
    shared.report({**result, "errors": errors}, json, quiet, lambda: _as_lines(result))


def _loaded(model: Path, device: str, quiet: bool, max_megapixels: float | None) -> Any:
    from gantools import load
    from gantools.pipelines.anomaly import GanAnomalyDetector

    detector = load(model, device)
    if not isinstance(detector, GanAnomalyDetector):
        raise ConfigError(f"{model} is no anomaly detector")
    given = {} if max_megapixels is None else {"max_megapixels": max_megapixels}
    return detector.set_params(verbose=int(not quiet), **given)


def _write_csv(table: pd.DataFrame, out: Path) -> None:
    from gantools.core.checkpoint import write_atomically

    write_atomically(out, table.to_csv(index=False).encode())


def _map_places(detector: Any, data: Path, folder: Path) -> list[Path]:
    """Where each picture's heatmap goes; refused where that cannot be, before any time is spent on scores."""
    from gantools.data.sources import open_pictures
    from gantools.pipelines.files import check_folder, claim, place_in

    check_folder(folder, "--maps")
    shared.not_among("--maps", folder, data)
    source = open_pictures(data, detector.max_megapixels)
    names = [source.name(i) for i in range(len(source))]
    places = [place_in(folder, f"{name}.png") for name in names]
    taken: dict[Path, Path | str] = {}
    for place, name in zip(places, names, strict=True):
        claim(place, name, taken)
    return places


def _write_maps(detector: Any, data: Path, table: pd.DataFrame, places: list[Path], quiet: bool) -> None:
    from gantools.core.world import world
    from gantools.data.sources import open_pictures
    from gantools.progress import Stages
    from gantools.report.heatmaps import mapped, overlay, save_png

    source = open_pictures(data, detector.max_megapixels)
    with Stages(not quiet) as stages, stages.stage("heatmaps") as advance:
        mine = list(world().share(_readable(table)))
        for index, picture, anomaly_map in mapped(detector, source, mine):
            save_png(places[index], overlay(picture, anomaly_map))
            advance((index + 1) / len(table))


def _errors(table: pd.DataFrame) -> list[str]:
    """Why inputs could not be scored, naming each."""
    wrong = table[table["error"] != ""]
    if "row" in wrong:
        return [f"row {row}: {error}" for row, error in zip(wrong["row"], wrong["error"], strict=True)]
    named = zip(wrong["path"], wrong["error"], strict=True)
    return [error if path in error else f"{path}: {error}" for path, error in named]


def _readable(table: pd.DataFrame) -> list[int]:
    """Numbers of the inputs that could be scored."""
    return [i for i, error in enumerate(table["error"]) if error == ""]


def _picture_labels(table: pd.DataFrame, labels: Path | None) -> np.ndarray:
    import pandas as pd

    from gantools.data.sources import read_table

    if labels is None:
        abnormal = _abnormal_by_folder(table["path"])
        _both(
            abnormal,
            "the pictures' folders: put normals into a subfolder named normal or good, others beside it",
        )
        return abnormal
    given = read_table(labels, texts=("path",))
    missing = [c for c in ("path", "label") if c not in given.columns]
    if missing:
        raise DataError(f"{labels}: has no column named {missing[0]!r} (it has {', '.join(given.columns)})")
    given = given.drop_duplicates(["path", "label"])
    twice = given["path"][given["path"].duplicated()]
    if len(twice):
        raise DataError(f"{labels}: has two labels for {twice.iloc[0]!r}; leave one")
    by_path = pd.Series(given["label"].to_numpy(), index=given["path"].astype(str))
    unknown = [p for p in table["path"] if p not in by_path.index]
    if unknown:
        raise DataError(f"{labels}: has no label for {unknown[0]!r} ({len(unknown)} pictures without)")
    abnormal = _known_labels(by_path[table["path"]], labels)
    _both(abnormal, str(labels))
    return abnormal


def _known_labels(values: pd.Series, where: Path) -> np.ndarray:
    from gantools.pipelines.anomaly.labels import abnormal_from_labels

    try:
        return abnormal_from_labels(values.to_numpy())
    except DataError as error:
        raise DataError(f"{where}: {error}") from None


def _row_labels(n: int, labels: Path | None, beside: pd.Series | None, data: Path) -> np.ndarray:
    """Which of a table's `n` rows are abnormal, by a file of labels or the table's own."""
    from gantools.data.sources import LABEL_COLUMN, read_table

    if labels is not None:
        given = read_table(labels)
        if LABEL_COLUMN not in given.columns or len(given) != n:
            raise DataError(f"{labels}: needs a column {LABEL_COLUMN!r} with {n} rows, one for each row of {data}")
        beside = given[LABEL_COLUMN]
    if beside is None:
        raise DataError(
            f"{data}: has no column {LABEL_COLUMN!r} that is no feature; name a CSV that has one with --labels"
        )
    abnormal = _known_labels(beside, labels or data)
    _both(abnormal, str(labels or data))
    return abnormal


def _both(abnormal: np.ndarray, where: str) -> None:
    if abnormal.all() or not abnormal.any():
        kind = "abnormal" if abnormal.all() else "normal"
        raise DataError(f"all {len(abnormal)} samples are {kind} by {where}; to evaluate, both kinds are needed")


def _measured(table: pd.DataFrame, abnormal: np.ndarray) -> dict[str, Any]:
    from gantools.metrics.anomaly import auroc, average_precision

    usable = (table["error"] == "").to_numpy()
    y, scored = abnormal[usable], table[usable]
    _both(y, "the labels of those that could be scored")
    scores = scored["anomaly_score"].to_numpy()
    flagged = scored["is_anomaly"].astype(bool).to_numpy()
    result: dict[str, Any] = {
        "auroc": auroc(y, scores),
        "average_precision": average_precision(y, scores),
        "detected": float(flagged[y].mean()),
        "false_alarms": float(flagged[~y].mean()),
        "n_normal": int((~y).sum()),
        "n_abnormal": int(y.sum()),
        "n_errors": int((~usable).sum()),
    }
    parts = [c for c in table.columns if c.startswith("part_")]
    return result | {f"auroc_{p.removeprefix('part_')}": auroc(y, scored[p].to_numpy()) for p in parts}


def _measured_maps(
    detector: Any, data: Path, table: pd.DataFrame, masks: Path, abnormal: np.ndarray
) -> dict[str, float]:
    import numpy as np

    from gantools.data.masks import at_size, marked, mask_of
    from gantools.data.sources import open_pictures
    from gantools.metrics.anomaly import PixelScores
    from gantools.report.heatmaps import mapped

    source = open_pictures(data, detector.max_megapixels)
    without = [i for i in _readable(table) if abnormal[i] and mask_of(masks, source.name(i)) is None]
    if without:
        name = source.name(without[0])
        raise DataError(f"{masks}: has no mask for {name!r}, which is abnormal ({len(without)} such pictures)")
    pixels = PixelScores()
    for index, _, anomaly_map in mapped(detector, source, _readable(table)):
        mask = mask_of(masks, source.name(index)) if abnormal[index] else None
        if mask is None:
            truth = np.zeros(anomaly_map.shape, bool)
        else:
            truth = at_size(marked(mask, detector.max_megapixels), anomaly_map.shape)
        pixels.add(truth, anomaly_map)
    if not pixels.n_abnormal:
        raise DataError(f"{masks}: none of the masks, named as the pictures, marks anything")
    return {"pixel_auroc": pixels.auroc(), "aupro": pixels.aupro()}


def _as_lines(result: dict[str, Any]) -> str:
    return "\n".join(f"{k:28s} {v:.4f}" if isinstance(v, float) else f"{k:28s} {v}" for k, v in result.items())
