"""What commands that make pictures of pictures share: a folder through a model, figures, sheets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gantools import processes
from gantools.cli import shared
from gantools.errors import ConfigError, GantoolsError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from gantools.pipelines.files import Convert

MaxMegapixels = Annotated[float | None, typer.Option("--max-megapixels", min=0.0001, help="Larger files are refused.")]
Tile = Annotated[int | None, typer.Option("--tile", min=16, help="Side of a tile, for little memory.")]
Frames = Annotated[bool, typer.Option("--frames", help="Every frame of animations and multi-page files.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what exists in DIR.")]
SkipExisting = Annotated[bool, typer.Option("--resume", help="Skip what exists in DIR.")]
Figures = Annotated[Path | None, typer.Option("--out", help="CSV of each picture's figures.", metavar="FILE.csv")]
Perception = Annotated[
    float | None,
    typer.Option("--perception", help="0 is nearest to the truth, 1 looks most like real pictures.", metavar="P"),
]
Texture = Annotated[
    float | None,
    typer.Option("--texture", help="0 is nearest to the truth, 1 looks most like real targets.", metavar="T"),
]
Vividness = Annotated[
    float | None,
    typer.Option("--vividness", min=0, max=2, help="What added colour is multiplied by.", metavar="V"),
]
Sheet = Annotated[Path | None, typer.Option("--sheet", help="Picture that compares.", metavar="FILE.png")]


def convert(
    data: Path,
    out: Path,
    work: Mapping[Path, Convert],
    *,
    words: tuple[str, str],
    json: bool,
    quiet: bool,
    **how: Any,
) -> None:
    """Convert DATA into each of the folders of `work`, and report; ends with an error where pictures failed.

    Parameters
    ----------
    out : Path
        The folder that was asked for: `work`'s only one, or the one above them.
    work : dict
        What is done for each folder.
    words : (str, str)
        What is being done, and what was: "enlarging", "enlarged".
    **how
        Of `convert_files`.
    """
    from gantools.data.decode import is_picture
    from gantools.data.keep import OF_SEVERAL
    from gantools.data.sources import FileSource, open_pictures
    from gantools.pipelines.files import convert_files, existing, inside, spare, targets

    source = open_pictures(data, how["max_megapixels"])
    assert isinstance(source, FileSource)
    if data.is_file() and is_picture(data):
        source.names = [data.name]
    planned = [(convert, targets(source, folder, out)) for folder, convert in work.items()]
    passed = inside(source, out)
    for _, where in planned:  # all, before the first is begun
        existing(where, how["overwrite"], how["resume"], how["every_frame"])
        if how["overwrite"] and not how["resume"]:
            spare(where, passed, how["every_frame"])
    several = len(planned) > 1
    doing = [f"{words[0]}, {folder.name}" if several else words[0] for folder in work]
    found = [
        convert_files(each, where, doing=what, shown=not quiet, **how)
        for (each, where), what in zip(planned, doing, strict=True)
    ]
    result: dict[str, Any] = {name: sum((f[name] for f in found[1:]), found[0][name]) for name in found[0]}

    def told() -> str:
        skipped = f", {result['n_skipped']} there already" if result["n_skipped"] else ""
        n = len(planned[0][1])
        of_each = f"{n} picture{'s' * (n != 1)}, {len(planned)} results of each: " if several else ""
        return f"{of_each}{result['n']} {words[1]}{skipped}, {result['n_errors']} failed. Pictures: {out}"

    if passed:
        result["notes"].append(
            f"{out} lies inside {data}: the {len(passed)} pictures that were in it are taken for results, not sources"
        )
    if any(note.endswith(OF_SEVERAL) for note in result["notes"]):
        result["notes"].append("--frames takes every frame")
    for line in [*([] if quiet else result["notes"]), *result["errors"]] if processes.first() else []:
        typer.echo(f"gantools: {line}", err=True)
    shared.report({"out": str(out), **result}, json, quiet, told)
    if result["errors"]:
        raise typer.Exit(GantoolsError.exit_code)


def loaded(
    model: Path,
    device: str,
    kind: tuple[type[Any], str],
    dial: tuple[str, float | None],
    max_megapixels: float | None,
    use: dict[str, Any],
) -> Any:
    """The model in a folder, ready for use.

    Parameters
    ----------
    kind : (type, str)
        The estimator it must be, and what to call it.
    dial : (str, float or None)
        A parameter from 0 to 1, by name, if it was given.
    max_megapixels : float or None
    use : dict
        Other parameters. None leaves each as it was in fitting.

    Raises
    ------
    ConfigError
        When it is another kind, or the dial is out of its range.
    """
    from gantools import load

    found = load(model, device)
    if not isinstance(found, kind[0]):
        raise ConfigError(f"{model} is no {kind[1]}")
    given = {k: v for k, v in {**use, "max_megapixels": max_megapixels}.items() if v is not None}
    return turned(found.set_params(**given), *dial)


def turned(estimator: Any, name: str, value: float | None, most: float = 1) -> Any:
    """The estimator with its dial, a parameter from 0 to `most`, set to a value, if one was given.

    Raises
    ------
    ConfigError
        When it has no such dial, or the value is out of its range.
    """
    if value is None:
        return estimator
    if name not in estimator.get_params(deep=False):
        raise ConfigError(f"--{name}: a {type(estimator).__name__} has no such dial")
    if not 0 <= value <= most:
        raise ConfigError(f"--{name} {value:g}: from 0 to {most:g}")
    if name in ("perception", "texture"):
        from gantools.pipelines.stages import check_dial

        check_dial(f"--{name}", estimator.history_)
    return estimator.set_params(**{name: value})


def check_places(
    figures: Path | None, sheet: Path | None, report: Path | None, model: Path, *data: Path | None
) -> None:
    """Whether what was asked for can be written where it was asked for, and replaces nothing of the model or of DATA.

    Raises
    ------
    ConfigError
        When not.
    """
    from gantools.storage import HISTORY

    for path, endings in ((figures, shared.FIGURES), (sheet, shared.SHEET), (report, shared.PAGE)):
        shared.writable_file(path, endings, *data, model / HISTORY)


def write_sheet(path: Path, picture: NDArray[Any]) -> None:
    """A picture of pictures, as the name's format."""
    from gantools.data.keep import Kept, write_kept

    write_kept(path, Kept(picture))


def write_figures(path: Path, figures: pd.DataFrame) -> None:
    """A CSV, whole or not at all."""
    from gantools.core.checkpoint import write_atomically

    write_atomically(path, figures.to_csv(index=False).encode())
