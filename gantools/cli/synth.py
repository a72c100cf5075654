"""``gantools synth``: fit, sample."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

import typer

from gantools import processes
from gantools.cli import shared
from gantools.errors import ConfigError

app = typer.Typer(
    help="More samples of one kind, with or without classes.", no_args_is_help=True, rich_markup_mode=None
)

_ROWS, _COLUMNS = 12, 12

Model = Annotated[Path, typer.Option("--model", help="The model's folder.", metavar="DIR")]


@app.command()
def fit(
    data: Annotated[Path, typer.Argument(help="Folder of pictures, CSV with `path`, or CSV of features.")],
    model: Model,
    classes: Annotated[bool, typer.Option("--classes", help="Subfolders, or the column `label`, are classes.")] = False,
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
    """Learn to make samples like those of DATA."""
    from gantools import GanSynthesizer
    from gantools.data.sources import categories_as_written, is_table, read_table
    from gantools.pipelines.augment.files import read_labelled

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
    parameters = shared.settings_of("synth", config, settings, flags, GanSynthesizer().get_params(deep=False))
    if classes:
        X, y = read_labelled(data)
    else:
        X, y = (categories_as_written(read_table(data), data) if is_table(data) else data), None
    shared.writable_file(report, shared.PAGE)
    with shared.training_of(model, resume, log):
        synthesizer = GanSynthesizer(**parameters).fit(X, y)
        synthesizer.set_params(checkpoint=None, resume=False, log=None).save(model)
    if report is not None and processes.first():
        _write_report(report, synthesizer, model)
    summary = {"model": str(model), **synthesizer.training_}
    words = (
        f"Learnt from {summary['samples']:,} samples in {summary['seconds']:.0f} s. Model: {model}\n"
        f"Next: gantools synth sample --model {shared.quoted(model)} -n 64 --out DIR"
    )
    shared.report(summary, json, quiet, lambda: words)


def _write_report(path: Path, synthesizer: Any, model: Path) -> None:
    from gantools.pipelines.synthesize.forms import PictureForm
    from gantools.report import write_synthesizer

    rows: dict[str, Any] = {}
    if isinstance(synthesizer.form_, PictureForm):
        rows = synthesizer.rows(_ROWS, _COLUMNS, synthesizer.random_state)
    write_synthesizer(path, synthesizer, rows, shared.quoted(model))


@app.command()
def sample(
    model: Model,
    out: Annotated[Path, typer.Option("--out", help="Folder for the samples.", metavar="DIR")],
    n: Annotated[int, typer.Option("-n", min=1, help="How many; with --label, of each label named.")] = 64,
    label: Annotated[list[str] | None, typer.Option("--label", help="Only of this class. Repeatable.")] = None,
    truncation: Annotated[
        float, typer.Option("--truncation", min=0, help="Below 1: less variety, fewer failures.")
    ] = 1.0,
    grid: Annotated[bool, typer.Option("--grid", help="Also one picture of them all, grid.png.")] = False,
    interpolate: Annotated[
        bool, typer.Option("--interpolate", help="Also strips from one sample to another, interpolation.png.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what an earlier run left in DIR.")] = False,
    seed: shared.Seed = 0,
    device: shared.Device = "auto",
    json: shared.AsJson = False,
    quiet: shared.Quiet = False,
) -> None:
    """New samples: PNG files, or samples.csv of a table."""
    import numpy as np

    from gantools import GanSynthesizer, load
    from gantools.pipelines.synthesize.forms import PictureForm
    from gantools.pipelines.synthesize.writing import check_out, clear_out, folders_of, write_grid, write_rows

    shared.by_first_alone()
    synthesizer = load(model, device)
    if not isinstance(synthesizer, GanSynthesizer):
        raise ConfigError(f"{model} is no synthesizer")
    synthesizer.form_ = replace(synthesizer.form_, given="array")
    pictures = isinstance(synthesizer.form_, PictureForm)
    if (grid or interpolate) and not pictures:
        raise ConfigError(f"{model} makes rows of a table; --grid and --interpolate are for pictures")
    labels = None
    if label:
        numbers = synthesizer.numbers_of(label)
        assert synthesizer.classes_ is not None
        labels = np.repeat(synthesizer.classes_[numbers], n)
    if pictures and synthesizer.classes_ is not None:
        folders_of(synthesizer.classes_.tolist())
    check_out(out, overwrite, model)
    n_made = n if labels is None else len(labels)
    if pictures:
        parts = synthesizer.in_parts(n, labels=labels, random_state=seed, truncation=truncation)
        first = next(parts)  # before what was there is taken away
        clear_out(out)
        _write_pictures(chain([first], parts), n_made, seed, out, grid, quiet)
    else:
        found = synthesizer.sample(n, labels=labels, random_state=seed, truncation=truncation)
        X, y = found if synthesizer.classes_ is not None else (found, None)
        clear_out(out)
        write_rows(X, y, seed, out)
    if interpolate:
        strips = [synthesizer.interpolate(label=c, random_state=seed + i) for i, c in enumerate(label or [None] * 6)]
        write_grid(np.concatenate(strips), out / "interpolation.png", columns=len(strips[0]))
    result = {"n": n_made, "out": str(out)}
    shared.report(result, json, quiet, lambda: f"{n_made:,} samples in {out}, listed in {out / 'manifest.csv'}")


def _write_pictures(parts: Iterable[tuple[Any, Any]], n: int, seed: int, out: Path, grid: bool, quiet: bool) -> None:
    """Pictures to files as they are made, and side by side in grid.png if that is wanted."""
    import numpy as np

    from gantools.pipelines.synthesize.writing import write_grid, write_pictures
    from gantools.progress import Stages

    kept: list[Any] = []

    def seen() -> Iterator[tuple[Any, Any]]:
        for X, y in parts:
            if grid:
                kept.append(X)
            yield X, y

    with Stages(not quiet) as stages, stages.stage("making") as advance:
        for written in write_pictures(seen(), seed, out):
            advance(written / n)
    if grid:
        write_grid(np.concatenate(kept), out / "grid.png")
