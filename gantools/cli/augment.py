"""``gantools augment``."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gantools import processes
from gantools.cli import shared
from gantools.errors import ConfigError, DataError, QualityError, about

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from gantools.pipelines.augment.files import Labelled, Writer

FORMATS = ("png", "jpg", "npz")
_FOLDS = 5


def augment(
    data: Annotated[
        Path,
        typer.Argument(help="Folder with a subfolder for each class, or CSV with `label`, and `path` or features."),
    ],
    per_class: Annotated[int | None, typer.Option("--per-class", min=0, help="New samples of every class.")] = None,
    to: Annotated[int | None, typer.Option("--to", min=1, help="Size of every class with the new ones.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for the new samples.", metavar="DIR")] = None,
    model: Annotated[
        Path | None, typer.Option("--model", help="The model's folder: used where there is one, else written.")
    ] = None,
    evaluate: Annotated[bool, typer.Option("--evaluate", help="Whether they help, beside other methods.")] = False,
    folds: Annotated[int, typer.Option("--folds", min=2, help="Folds of --evaluate.")] = _FOLDS,
    include_real: Annotated[bool, typer.Option("--include-real", help="Copy the reals too, first.")] = False,
    format: Annotated[str, typer.Option("--format", help="Of pictures: png, jpg or npz.")] = "png",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what an earlier run left in DIR.")] = False,
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
    """More samples of each class of DATA: the generator's, where they pass the gates, else classical ones.

    Ends with code 3 when a class falls short, its samples kept. For example:
    gantools augment flowers/ --per-class 500 --out more-flowers/
    """
    from gantools import GanAugmenter
    from gantools.pipelines.augment.amounts import amounts, check_any
    from gantools.pipelines.augment.files import Labelled, Writer, read_labelled
    from gantools.pipelines.synthesize.labels import numbered
    from gantools.pipelines.synthesize.writing import check_out, folders_of

    if out is None and not evaluate:
        raise ConfigError("say where the new samples shall go with --out DIR, or ask whether they help with --evaluate")
    of_samples = {
        "--model": model,
        "--include-real": include_real,
        "--overwrite": overwrite,
        "--log": log,
        f"--format {format}": format != "png",
    }
    if folds != _FOLDS and not evaluate:
        raise ConfigError(f"--folds {folds} is of --evaluate, which is not asked for; add it, or leave --folds out")
    if out is None and any(of_samples.values()):
        idle = ", ".join(name for name, given in of_samples.items() if given)
        raise ConfigError(f"{idle}: --evaluate alone writes no samples; add --out DIR, or leave it out")
    if resume and model is None:
        raise ConfigError(
            "--resume goes on from the checkpoint beside a model; name the model's folder with --model DIR"
        )
    if per_class is not None and to is not None:
        raise ConfigError("--per-class says how many are new and --to how many there shall be; give one of them")
    if format not in FORMATS:
        raise ConfigError(f"--format {format}: choose one of {', '.join(FORMATS)}")
    labelled = read_labelled(data)
    if not isinstance(labelled.X, list) and format != "png":
        raise ConfigError(f"--format {format} is for pictures, and {data} has features: new rows go into one CSV")
    checkpoint = None if model is None else shared.checkpoint_of(model)
    classes, numbers = numbered(labelled.y, len(labelled.y))
    flags: dict[str, Any] = {
        "per_class": per_class if to is None else _missing(classes, numbers, to),
        "random_state": seed,
        "device": device,
        "max_minutes": max_minutes,
        "max_images": max_images,
        "max_bad": max_bad,
        "checkpoint": None if checkpoint is None else str(checkpoint),
        "resume": resume,
        "log": None if log is None else str(log),
        "verbose": int(not quiet),
    }
    parameters = shared.settings_of("augment", config, settings, flags, GanAugmenter().get_params(deep=False))
    if parameters.get("folder") is not None:
        raise ConfigError("'folder' is no setting of a command; there is --out")
    if len(classes) > 1 and not _is_there(model):
        check_any(amounts(parameters.get("per_class"), parameters.get("sampling_strategy"), classes, numbers))
    shared.writable_file(report, shared.PAGE)
    in_folders = isinstance(labelled.X, list) and (format != "npz" or include_real)
    folders = folders_of(labelled.y) if in_folders else {}
    if out is not None:
        check_out(out, overwrite, data, *([model] if model else []), *_parents(labelled))
    given = GanAugmenter(**parameters)
    learnt = _learnt(given, labelled, model) if model is not None and _is_there(model) else None
    if model is not None and learnt is None:
        shared.check_places(model, log)
    result: dict[str, Any] = {}
    usefulness: tuple[pd.DataFrame, pd.DataFrame] | None = None
    if evaluate:
        with about(data):
            usefulness, result, words = _evaluated(given, labelled, folds)
        _write_report(report, None, {}, 0, usefulness)  # written anew with the samples, where these are made
        if out is None:
            shared.report(result, json, quiet, lambda: words)
            return
        shared.report({}, False, quiet or json, lambda: words)
    assert out is not None
    with about(data):
        augmenter = learnt or _fitted(given, labelled, model, resume)
    shared.by_first_alone()
    asked = parameters.get("per_class")
    as_lacking = asked is None and learnt is not None and learnt.per_class is None  # as many as these samples lack
    if not isinstance(labelled.X, list):
        labelled = labelled if learnt is None else _as_learnt(data, learnt)
    elif to is not None or include_real or as_lacking:
        readable = _readable(labelled.X, augmenter, told=learnt is None)
        labelled = Labelled([labelled.X[i] for i in readable], [labelled.y[i] for i in readable])
        numbers = numbers[readable]
        asked = asked if to is None else _missing(classes, numbers, to)
    if as_lacking:
        lacking = amounts(None, augmenter.sampling_strategy, classes, numbers)
        asked = dict(zip(classes.tolist(), lacking.tolist(), strict=True))
    if in_folders:
        folders = folders_of(augmenter.classes_.tolist())
    writer = Writer(out, format, augmenter.names_, folders, augmenter.max_megapixels)
    written, shown = _write(augmenter, labelled, writer, include_real, asked)
    result |= written
    _write_report(report, augmenter, shown, result["n"], usefulness)
    low = augmenter.quality_.index[augmenter.quality_["good"].eq(False)].tolist()
    result |= {"out": str(out), "low_quality": [str(label) for label in low]}
    shared.report(result, json, quiet, lambda: _words(augmenter, result))
    if low:
        raise typer.Exit(QualityError.exit_code)


def _parents(labelled: Any) -> set[Path]:
    """The folders of the files that are learnt from."""
    return {Path(x).parent for x in labelled.X} if isinstance(labelled.X, list) else set()


def _is_there(model: Path | None) -> bool:
    from gantools.storage import DESCRIPTION

    return model is not None and (model / DESCRIPTION).is_file()


def _missing(classes: NDArray[Any], numbers: NDArray[Any], to: int) -> dict[Any, int]:
    """New samples of each class that make it `to` large."""
    return {label: max(0, to - int((numbers == c).sum())) for c, label in enumerate(classes.tolist())}


def _learnt(augmenter: Any, labelled: Any, model: Path) -> Any:
    """The augmenter of the model's folder, with what `augmenter` sets for this run."""
    from gantools import GanAugmenter, load
    from gantools.pipelines.synthesize.forms import PictureForm
    from gantools.pipelines.synthesize.labels import UNLABELLED

    loaded = load(model, augmenter.device)
    if not isinstance(loaded, GanAugmenter):
        raise ConfigError(f"{model} is a {type(loaded).__name__}, no augmenter; name another folder for the model")
    pictures = isinstance(labelled.X, list)
    if isinstance(loaded.maker_.form, PictureForm) != pictures:
        kinds = ("rows", "pictures") if pictures else ("pictures", "rows")
        raise ConfigError(f"{model} makes {kinds[0]}, and DATA holds {kinds[1]}; name another folder for the model")
    warnings.warn(
        f"{model} was fitted before and is used as it is, whatever --set, --config, --max-images, --max-minutes and "
        "--log say; to fit anew, name another folder",
        stacklevel=2,
    )
    strange = sorted({str(label) for label in labelled.y} - {str(c) for c in loaded.classes_} - {str(UNLABELLED)})
    if strange:
        raise ConfigError(f"{model} was not fitted on the class {strange[0]!r}; name another folder")
    of_this_run = ("verbose", "random_state", "max_bad", "max_megapixels")
    return loaded.set_params(**{name: getattr(augmenter, name) for name in of_this_run})


def _fitted(augmenter: Any, labelled: Any, model: Path | None, resume: bool) -> Any:
    """`augmenter`, fitted here, and saved where a folder is named."""
    if model is None:
        return augmenter.fit(*labelled)
    with shared.training_of(model, resume, augmenter.log and Path(augmenter.log)):
        augmenter.fit(*labelled)
        augmenter.set_params(checkpoint=None, resume=False, log=None).save(model)
    return augmenter


def _write(
    augmenter: Any, labelled: Any, writer: Writer, include_real: bool, per_class: Any
) -> tuple[dict[str, Any], dict[int, list[Any]]]:
    """Write new samples, the manifest and the contact sheet; how many, and pictures of each class to show."""
    from gantools.data.keep import Kept, write_kept
    from gantools.pipelines.augment.amounts import check_any
    from gantools.pipelines.augment.sheet import MOST_CLASSES, SHOWN, contact_sheet
    from gantools.pipelines.base import resolve_seed
    from gantools.pipelines.synthesize.forms import PictureForm
    from gantools.pipelines.synthesize.labels import place_of
    from gantools.pipelines.synthesize.writing import clear_out
    from gantools.progress import Stages

    pictures = isinstance(augmenter.maker_.form, PictureForm)
    wanted = augmenter.settled(per_class)
    check_any(wanted.values())
    shown: dict[int, list[Any]] = {}
    clear_out(writer.out)
    with Stages(bool(augmenter.verbose)) as stages, stages.stage("writing") as advance, writer.writing():
        places = [place_of(label, augmenter.classes_) for label in labelled.y]
        known = {i: augmenter.classes_[c].item() for i, c in enumerate(places) if c is not None and include_real}
        if pictures:
            for i, label in known.items():
                writer.real(labelled.X[i], label)
        elif known:
            writer.real_rows(labelled.X.iloc[list(known)], list(known.values()))
        total, done = max(1, sum(wanted.values())), 0
        for made in augmenter.makes(wanted, resolve_seed(augmenter.random_state)):
            writer.made(made, augmenter.classes_[made.label].item(), augmenter.maker_)
            done += len(made.critic)
            kept = shown.setdefault(made.label, [])
            if made.label < MOST_CLASSES and sum(len(m.critic) for m in kept) < 2 * SHOWN:
                kept.append(made.first(2 * SHOWN))
            advance(done / total)
    if pictures and shown:
        write_kept(writer.out / "sheet.png", Kept(contact_sheet(augmenter.maker_, shown, augmenter.classes_)))
    return {"n": done, "per_class": {str(label): n for label, n in wanted.items()}}, shown if pictures else {}


def _write_report(
    path: Path | None,
    augmenter: Any,
    shown: dict[int, list[Any]],
    made: int,
    usefulness: tuple[pd.DataFrame, pd.DataFrame] | None,
) -> None:
    """The report, where one is asked for; without an augmenter, of the usefulness alone."""
    from gantools.pipelines.augment.sheet import class_sheet
    from gantools.report import write_augmenter, write_usefulness

    if path is None or not processes.first():
        return
    if augmenter is None:
        assert usefulness is not None
        write_usefulness(path, *usefulness)
        return
    classes = augmenter.classes_
    sheets = {str(classes[c]): class_sheet(augmenter.maker_, c, m) for c, m in shown.items() if m}
    write_augmenter(path, augmenter, sheets, made, usefulness)


def _as_learnt(data: Path, augmenter: Any) -> Labelled:
    """A table with the columns that a model learnt, in their order; codes that were texts are as they are written."""
    from gantools.data.tables import check_columns
    from gantools.pipelines.augment.files import Labelled, read_labelled

    form = augmenter.maker_.form
    columns = form.codec.columns
    choices = {name: column.categories for name, column in columns.items() if not column.quantiles}
    codes = [name for name, values in choices.items() if any(isinstance(value, str) for value in values)]
    labelled = read_labelled(data, codes)
    table = labelled.X.set_axis([str(name) for name in labelled.X], axis=1)
    if form.container == "frame":
        with about(data):
            check_columns(table, list(columns))
        table = table[list(columns)]
    elif table.shape[1] != len(columns):
        raise DataError(f"{data}: has {table.shape[1]} features; the model was fitted on {len(columns)}, without names")
    return Labelled(table, labelled.y)


def _readable(paths: list[str], augmenter: Any, told: bool) -> list[int]:
    """Numbers of the pictures that can be read; the others, unless `told` when fitting, are told, or are too many."""
    from gantools.data.decode import read_picture
    from gantools.data.standard import skip_or_refuse
    from gantools.progress import Stages

    good: list[int] = []
    reasons: list[str] = []
    with Stages(bool(augmenter.verbose)) as stages, stages.stage("reading pictures") as advance:
        for i, path in enumerate(paths):
            try:
                read_picture(Path(path), augmenter.max_megapixels)
                good.append(i)
            except DataError as error:
                reasons.append(str(error))
            advance((i + 1) / len(paths))
    if reasons and not told:
        skip_or_refuse(reasons, len(paths), augmenter.max_bad)
        warnings.warn(f"{len(reasons)} pictures were skipped: {'; '.join(reasons[:5])}", stacklevel=2)
    return good


def _words(augmenter: Any, result: dict[str, Any]) -> str:
    table = augmenter.quality_[["n_real", "method", "spread", "coverage"]].round(2)
    out = Path(result["out"])
    lines = [table.to_string(na_rep="-"), f"{result['n']:,} new samples in {out}, listed in {out / 'manifest.csv'}"]
    if (out / "sheet.png").is_file():
        lines.append(f"Look at them beside the reals: {out / 'sheet.png'}")
    if result["low_quality"]:
        lines.append(f"Falling short: {', '.join(result['low_quality'])}. Train longer: --max-images N")
    return "\n".join(lines)


def _evaluated(
    augmenter: Any, labelled: Any, folds: int
) -> tuple[tuple[pd.DataFrame, pd.DataFrame], dict[str, Any], str]:
    """Whether augmentation helps: verdicts and summary, an object, and words."""
    from gantools.data.tables import without_nan
    from gantools.pipelines.augment.usefulness import summary, verdicts
    from gantools.report.classes import verdict_words

    figures = augmenter.evaluate(*labelled, n_splits=folds)
    said = verdicts(figures)
    result = {name: without_nan(t).to_dict("records") for name, t in (("figures", figures), ("verdicts", said))}
    table = summary(figures)
    return (said, table), result, "\n".join([_table(table), "", *verdict_words(said)])


def _table(table: pd.DataFrame) -> str:
    recalls = [str(c) for c in table if str(c).startswith("recall ")]
    worst = table[recalls].min(axis=1).rename("worst recall")
    return table.drop(columns=recalls).join(worst).round(3).to_string()
