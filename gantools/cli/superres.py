"""``gantools sr``: fit, upscale, evaluate."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gantools.cli import pictures, shared
from gantools.errors import GantoolsError

if TYPE_CHECKING:
    import pandas as pd

    from gantools.data.keep import Kept

app = typer.Typer(help="Enlarge pictures: super-resolution.", no_args_is_help=True, rich_markup_mode=None)

Data = Annotated[Path, typer.Argument(help="Folder of pictures, one picture, or CSV with `path`.", metavar="DATA")]
Model = Annotated[Path, typer.Option("--model", help="The model's folder.", metavar="DIR")]
Low = Annotated[
    Path | None,
    typer.Option("--low", help="Low pictures of the sharp ones in DATA, named alike.", metavar="LRDIR"),
]
Tta = Annotated[
    bool | None, typer.Option("--tta/--no-tta", help="Mean over eight flips and turns: better, eight times slower.")
]

_CROP = 320


@app.command()
def fit(
    data: Data,
    model: Model,
    scale: Annotated[int | None, typer.Option("--scale", help="How many times larger: 2, 3, 4 or 8.")] = None,
    low: Low = None,
    config: shared.Config = "cpu-fast",
    settings: shared.Settings = None,
    max_bad: shared.MaxBad = None,
    sheet: Annotated[
        Path | None,
        typer.Option("--sheet", help="Picture that compares; MODEL-sheet.png beside the model if not given."),
    ] = None,
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
    """Learn to enlarge from DATA, sharp pictures. Some are held out, to say how good the model is."""
    from gantools import GanSuperResolver

    checkpoint = shared.checkpoint_of(model)
    flags: dict[str, Any] = {
        "scale": scale,
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
    parameters = shared.settings_of("sr", config, settings, flags, GanSuperResolver().get_params(deep=False))
    if low is not None and parameters.get("degradation", "bicubic") == "bicubic":
        parameters["degradation"] = "none"
    target = shared.writable_file(sheet or shared.beside(model, "-sheet.png"), shared.SHEET, data, low)
    shared.writable_file(report, shared.PAGE)
    resolver = GanSuperResolver(**parameters)
    with shared.training_of(model, resume, log):
        resolver.fit(*_pair(data, low))
        resolver.set_params(checkpoint=None, resume=False, log=None).save(model)
    shared.by_first_alone()
    if not resolver.validation_.empty:
        _write_sheet(target, resolver, resolver.held_out_examples(*_pair(data, low)), both_ends=True)
    if report is not None:
        examples = resolver.held_out_examples(*_pair(data, low)) if not resolver.validation_.empty else ()
        go_on = f"gantools sr upscale DATA --model {shared.quoted(model)} --out DIR"
        _write_report(report, resolver, examples, resolver.validation_, True, estimator=resolver, commands=[go_on])
    summary = {"model": str(model), **resolver.training_}
    shared.report(summary, json, quiet, lambda: _fitted(resolver, summary, target))


def _pair(sharp: Path, low: Path | None) -> tuple[Path, Path | None]:
    """What the estimator takes as X and y."""
    return (sharp, None) if low is None else (low, sharp)


def _fitted(resolver: Any, summary: dict[str, Any], sheet: Path) -> str:
    told = f"Learnt from {summary['samples']:,} pictures, {summary['skipped']} skipped; "
    told += f"{summary['seconds']:.0f} s of training.\n"
    if not resolver.validation_.empty:
        told += f"On the {summary['held_out']} held out (sheet: {sheet}):\n{_table(resolver.validation_)}\n"
    else:
        told += "None was held out to measure on (five pictures or more are wanted for that).\n"
    model = summary["model"]
    return f"{told}Model: {model}\nNext: gantools sr upscale DATA --model {shared.quoted(model)} --out DIR"


def _table(figures: pd.DataFrame) -> str:
    """Means of the figures, a line for each method."""
    averages = figures.groupby("method", sort=False)[["psnr", "ssim", "perceptual"]].mean()
    lines = [f"{'':28s} {'PSNR-Y':>8s} {'SSIM':>7s} {'perceptual distance':>20s}"]
    names = _names(figures)
    for method, row in averages.iterrows():
        name = names.get(str(method), str(method))
        lines.append(f"{name:28s} {row['psnr']:8.2f} {row['ssim']:7.4f} {row['perceptual']:20.4f}")
    return "\n".join(lines)


def _names(figures: pd.DataFrame) -> dict[str, str]:
    """What to call methods."""
    both = "texture" in figures["method"].to_numpy()
    return {"ours": "ours, perception 0", "texture": "ours, perception 1"} if both else {}


def _write_report(path: Path, resolver: Any, examples: Any, figures: pd.DataFrame, fitted: bool, **more: Any) -> None:
    from gantools.pipelines.superres.figures import cropped
    from gantools.report import write_pictures

    methods = resolver.methods(both_ends=fitted)
    items = ((e.name, cropped(e, methods, resolver.scale_, _CROP)) for e in examples)
    title = f"{resolver.scale_} times larger"
    write_pictures(path, title, items, figures, _names(figures), ("bicubic", "ours"), **more)


def _write_sheet(path: Path, resolver: Any, examples: Any, both_ends: bool) -> None:
    import itertools

    from gantools.pipelines.superres.figures import sheet

    methods = resolver.methods(both_ends=both_ends)
    pictures.write_sheet(path, sheet(list(itertools.islice(examples, 6)), methods, resolver.scale_))


@app.command()
def upscale(
    data: Data,
    model: Model,
    out: Annotated[Path, typer.Option("--out", help="Folder for the enlarged pictures.", metavar="DIR")],
    perception: pictures.Perception = None,
    tta: Tta = None,
    true_colours: Annotated[
        bool | None,
        typer.Option("--true-colours/--no-true-colours", help="Put right slow drifts of colour and brightness."),
    ] = None,
    tile: pictures.Tile = None,
    max_megapixels: pictures.MaxMegapixels = None,
    frames: pictures.Frames = False,
    overwrite: pictures.Overwrite = False,
    resume: pictures.SkipExisting = False,
    device: shared.Device = "auto",
    json: shared.AsJson = False,
    quiet: shared.Quiet = False,
) -> None:
    """Enlarge DATA into DIR, with the same names, subfolders and formats."""
    use = {"tta": tta, "true_colours": true_colours, "tile": tile}
    resolver = _loaded(model, device, quiet, perception, max_megapixels, use)
    enlarger = resolver.enlarger()

    def enlarge(kept: Kept, advance: Callable[[float], None]) -> None:
        kept.pixels = resolver.enlarge(kept.pixels, enlarger, advance)

    pictures.convert(
        data,
        out,
        {out: enlarge},
        words=("enlarging", "enlarged"),
        json=json,
        quiet=quiet,
        overwrite=overwrite,
        resume=resume,
        every_frame=frames,
        max_megapixels=resolver.max_megapixels,
    )


@app.command()
def evaluate(
    data: Data,
    model: Model,
    low: Low = None,
    out: pictures.Figures = None,
    sheet: pictures.Sheet = None,
    report: shared.Report = None,
    perception: pictures.Perception = None,
    tta: Tta = None,
    max_megapixels: pictures.MaxMegapixels = None,
    device: shared.Device = "auto",
    json: shared.AsJson = False,
    quiet: shared.Quiet = False,
) -> None:
    """How near enlarged pictures are to DATA, sharp ones, reduced first if no --low is given, beside interpolation."""
    from gantools.pipelines.superres.figures import means

    pictures.check_places(out, sheet, report, model, data, low)
    shared.by_first_alone()
    resolver = _loaded(model, device, quiet, perception, max_megapixels, {"tta": tta})
    figures = resolver.evaluate(*_pair(data, low))
    if figures.empty:
        raise GantoolsError(f"{data}: none of the pictures can be judged")
    if out is not None:
        pictures.write_figures(out, figures)
    if sheet is not None:
        _write_sheet(sheet, resolver, resolver.examples(*_pair(data, low)), both_ends=False)
    if report is not None:
        _write_report(report, resolver, resolver.examples(*_pair(data, low)), figures, False)
    result = {"n": int((figures["method"] == "ours").sum()), **means(figures)}
    shared.report(result, json, quiet, lambda: f"{result['n']} pictures\n{_table(figures)}")


def _loaded(
    model: Path,
    device: str,
    quiet: bool,
    perception: float | None,
    max_megapixels: float | None,
    use: dict[str, Any],
) -> Any:
    from gantools import GanSuperResolver

    use = {"verbose": int(not quiet), **use}
    return pictures.loaded(
        model, device, (GanSuperResolver, "super-resolver"), ("perception", perception), max_megapixels, use
    )
