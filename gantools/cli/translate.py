"""``gantools translate``: fit, apply, evaluate."""

from __future__ import annotations

import itertools
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gantools.cli import pictures, shared
from gantools.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd


app = typer.Typer(help="Make pictures of one kind into another.", no_args_is_help=True, rich_markup_mode=None)

Source = Annotated[
    Path,
    typer.Argument(
        help="Folder of sources; or, without TARGET: a CSV with `source,target`, pictures with both side by side "
        "(--side-by-side), or colour pictures, for a model that adds colour.",
        metavar="SOURCE",
    ),
]
Target = Annotated[Path | None, typer.Argument(help="Folder of targets; pairs share a file stem.", metavar="[TARGET]")]
SideBySide = Annotated[
    bool, typer.Option("--side-by-side", help="Each picture of SOURCE holds its target in its right half.")
]
Model = Annotated[Path, typer.Option("--model", help="The model's folder.", metavar="DIR")]

_FIGURES = ("psnr", "ssim", "perceptual", "chroma")


@app.command()
def fit(
    source: Source,
    model: Model,
    target: Target = None,
    unpaired: Annotated[bool, typer.Option("--unpaired", help="SOURCE and TARGET are piles without pairs.")] = False,
    side_by_side: SideBySide = False,
    config: Annotated[
        str | None,
        typer.Option("--config", help="A preset's name, or a YAML file; cpu-128 if not given.", metavar="NAME_OR_FILE"),
    ] = None,
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
    """Learn to make SOURCE into TARGET. Some pairs are held out, to say how good the model is."""
    from gantools import GanTranslator
    from gantools.pipelines.translate.figures import means

    checkpoint = shared.checkpoint_of(model)
    flags: dict[str, Any] = {
        "paired": False if unpaired else None,
        "side_by_side": True if side_by_side else None,
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
    preset = config or ("unpaired" if unpaired else "cpu-128")
    parameters = shared.settings_of("translate", preset, settings, flags, GanTranslator().get_params(deep=False))
    place = shared.writable_file(sheet or shared.beside(model, "-sheet.png"), shared.SHEET, source, target)
    shared.writable_file(report, shared.PAGE)
    translator = GanTranslator(**parameters)
    with shared.training_of(model, resume, log):
        translator.fit(source, target)
        translator.set_params(checkpoint=None, resume=False, log=None).save(model)
    shared.by_first_alone()
    if not translator.validation_.empty:
        _write_sheet(place, translator.held_out_examples(source, target), translator.methods(ends=True))
    if report is not None:
        _write_fitted(report, translator, source, target, model)
    summary = {"model": str(model), **translator.training_}
    table = _table(means(translator.validation_, {})) if not translator.validation_.empty else ""
    shared.report(summary, json, quiet, lambda: _fitted(summary, table, place, not translator.paired))


def _fitted(summary: dict[str, Any], table: str, sheet: Path, unpaired: bool) -> str:
    told = f"Learnt from {summary['samples']:,} pictures, {summary['skipped']} skipped; "
    told += f"{summary['seconds']:.0f} s of training.\n"
    if table:
        told += f"On the {summary['held_out']} held out (sheet: {sheet}):\n{table}\n"
    elif unpaired:
        told += "Without pairs there is nothing to measure on; `evaluate` does where you have some.\n"
    else:
        told += "None was held out to measure on (five pairs or more are wanted for that).\n"
    model = summary["model"]
    return f"{told}Model: {model}\nNext: gantools translate apply DATA --model {shared.quoted(model)} --out DIR"


_SHOWN = 12
_ROWS = 8
_TRIVIAL = ("identity", "mean colour")
_NAMES = {
    "ours": "ours",
    "fidelity": "ours, texture 0",
    "texture": "ours, texture 1",
    "identity": "source as it is",
    "mean colour": "mean colour",
    "truth": "truth",
}


def _table(figures: dict[str, float]) -> str:
    """Means of the figures, a line for each method."""
    columns = [*_FIGURES, *(["frechet"] if "frechet" in figures else [])]
    headings = {"psnr": "PSNR", "ssim": "SSIM", "perceptual": "perceptual distance", "frechet": "Fréchet distance"}
    widths = {c: max(len(headings.get(c, c)), 7) + 1 for c in columns}
    endings = {name: "" if name == "ours" else f"_{name.replace(' ', '_')}" for name in _NAMES}
    names = {endings[name]: shown for name, shown in _NAMES.items()}
    lines = [f"{'':16s}" + "".join(f"{headings.get(c, c):>{widths[c]}s}" for c in columns)]
    for ending, name in names.items():
        cells = [_cell(c, figures.get(c + ending), widths[c]) for c in columns]
        if any(cell.strip() for cell in cells):
            lines.append(f"{name:16s}" + "".join(cells))
    return "\n".join(lines)


def _cell(column: str, value: float | None, width: int) -> str:
    if value is None:
        return " " * width
    digits = {"psnr": 2, "chroma": 1, "frechet": 1}.get(column, 4)
    return f"{value:{width}.{digits}f}"


def _write_fitted(path: Path, translator: Any, source: Path, target: Path | None, model: Path) -> None:
    """The report of a fit; without pairs, of what it makes of the first sources."""
    from gantools.pipelines.translate.figures import pictured

    if translator.paired:
        methods = {name: m for name, m in translator.methods(ends=True).items() if name not in _TRIVIAL}
        examples = translator.held_out_examples(source, target) if not translator.validation_.empty else ()
        items = ((e.name, pictured(e, methods)) for e in examples)
    else:
        shown = translator.translated_sources(source, target, _SHOWN)
        items = ((name, {"source": picture, "ours": made}) for name, picture, made in shown)
    go_on = f"gantools translate apply DATA --model {shared.quoted(model)} --out DIR"
    _write_report(path, items, translator.validation_, estimator=translator, commands=[go_on])


def _write_report(path: Path, items: Any, figures: pd.DataFrame, **more: Any) -> None:
    from gantools.report import write_pictures

    write_pictures(path, "Pictures translated", items, figures, _NAMES, ("source", "ours"), **more)


def _write_sheet(path: Path, examples: Any, methods: dict[str, Any]) -> None:
    """Sources, what the model makes of them, and truths; what needs no model is in the table."""
    from gantools.pipelines.translate.figures import sheet

    ours = {name: method for name, method in methods.items() if name not in _TRIVIAL}
    pictures.write_sheet(path, sheet(itertools.islice(examples, _ROWS), ours))


@app.command()
def apply(
    data: Annotated[Path, typer.Argument(help="Folder of pictures, one, or CSV with `path`.", metavar="DATA")],
    model: Model,
    out: Annotated[Path, typer.Option("--out", help="Folder for the translated pictures.", metavar="DIR")],
    texture: pictures.Texture = None,
    vividness: pictures.Vividness = None,
    n_samples: Annotated[
        int | None,
        typer.Option("--n-samples", min=1, help="So many plausible results of each, of a model fitted with variety."),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option("--seed", min=0, max=2**32 - 1, help="Which of the plausible results, or which of several first."),
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
    """Translate DATA into DIR, with the same names, subfolders, sizes and formats."""
    from gantools.pipelines.translate.apply import translate_kept

    translator = _loaded(model, device, quiet, texture, vividness, max_megapixels, {"tile": tile})
    if n_samples is None:
        translation = translator.translation() if seed is None else translator.variations(1, seed)[0]
        work = {out: partial(translate_kept, translation)}
    else:
        several = translator.variations(n_samples, seed or 0)
        work = {out / f"sample-{k}": partial(translate_kept, translate) for k, translate in enumerate(several, 1)}
    pictures.convert(
        data,
        out,
        work,
        words=("translating", "translated"),
        json=json,
        quiet=quiet,
        overwrite=overwrite,
        resume=resume,
        every_frame=frames,
        max_megapixels=translator.max_megapixels,
    )


@app.command()
def evaluate(
    source: Source,
    model: Model,
    target: Target = None,
    side_by_side: SideBySide = False,
    out: pictures.Figures = None,
    sheet: pictures.Sheet = None,
    report: shared.Report = None,
    texture: pictures.Texture = None,
    vividness: pictures.Vividness = None,
    max_megapixels: pictures.MaxMegapixels = None,
    device: shared.Device = "auto",
    json: shared.AsJson = False,
    quiet: shared.Quiet = False,
) -> None:
    """How near translations of SOURCE are to TARGET, beside the untouched source and the mean colour."""
    from gantools.pipelines.translate.figures import means, pictured

    pictures.check_places(out, sheet, report, model, source, target)
    shared.by_first_alone()
    translator = _loaded(model, device, quiet, texture, vividness, max_megapixels, {})
    translator.set_params(side_by_side=side_by_side)
    table, frechet = translator.evaluate(source, target)
    if out is not None:
        pictures.write_figures(out, table)
    if sheet is not None:
        _write_sheet(sheet, translator.examples(source, target, _ROWS), translator.methods())
    if report is not None:
        methods = {name: m for name, m in translator.methods().items() if name not in _TRIVIAL}
        items = ((e.name, pictured(e, methods)) for e in translator.examples(source, target))
        _write_report(report, items, table, extra=frechet)
    result = {"n": int((table["method"] == "ours").sum()), **means(table, frechet)}
    shared.report(result, json, quiet, lambda: f"{result['n']} pictures\n{_table(result)}")


def _loaded(
    model: Path,
    device: str,
    quiet: bool,
    texture: float | None,
    vividness: float | None,
    max_megapixels: float | None,
    use: dict[str, Any],
) -> Any:
    from gantools import GanTranslator

    use = {"verbose": int(not quiet), "vividness": vividness, **use}
    kind = (GanTranslator, "translator")
    translator = pictures.loaded(model, device, kind, ("texture", texture), max_megapixels, use)
    if vividness not in (None, 1) and not translator.colour_only:
        raise ConfigError(f"--vividness: {model} does not add colour to gray pictures; leave it out")
    return translator
