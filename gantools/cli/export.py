"""``gantools export``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from gantools.cli import pictures, shared
from gantools.errors import ConfigError


def export(
    model: Annotated[Path, typer.Argument(help="The model's folder.", metavar="MODELDIR")],
    out: Annotated[Path, typer.Option("--out", help="ONNX file to write.", metavar="FILE.onnx")],
    size: Annotated[
        str | None, typer.Option("--size", help="Of pictures, for models that take any.", metavar="HEIGHTxWIDTH")
    ] = None,
    int8: Annotated[
        Path | None,
        typer.Option("--int8", help="Eight bits: smaller, faster, less exact. PICTURES such as it will be given."),
    ] = None,
    perception: pictures.Perception = None,
    texture: pictures.Texture = None,
    vividness: pictures.Vividness = None,
    novelty: Annotated[
        float | None, typer.Option("--novelty", help="0 is near to single reals, 1 farthest.", metavar="N")
    ] = None,
    json: shared.AsJson = False,
    quiet: shared.Quiet = False,
) -> None:
    """A model as one ONNX file that needs neither torch nor gantools, checked against the model."""
    from gantools import load
    from gantools.data.decode import MAX_MEGAPIXELS
    from gantools.data.sources import open_pictures
    from gantools.pipelines.export import export as write

    shared.by_first_alone()
    shared.writable_file(out, shared.MODEL)
    sides = None if size is None else re.fullmatch(r"([1-9]\d*)x([1-9]\d*)", size)
    if size is not None and sides is None:
        raise ConfigError(f"--size {size!r}: write it as HEIGHTxWIDTH, such as 480x640")
    estimator = load(model, "cpu")
    dials = {"perception": perception, "texture": texture, "novelty": novelty}
    for name, value in dials.items():
        estimator = pictures.turned(estimator, name, value)
    estimator = pictures.turned(estimator, "vividness", vividness, most=2)
    typical = None if int8 is None else open_pictures(int8, MAX_MEGAPIXELS)
    size_asked = sides and (int(sides[1]), int(sides[2]))
    result = write(estimator, out, size_asked, typical)

    def words() -> str:
        lines = [f"{out}, {result['megabytes']} MB"]
        for kind in ("inputs", "outputs"):
            lines += [f"  {kind[:-1]} {name}: {' x '.join(shape)}" for name, shape in result[kind].items()]
        apart = ", ".join(f"{name} {value:.1g}" for name, value in result["parity"].items())
        lines.append(f"Beside the model itself (largest difference, or share that differs): {apart}")
        if "loss" in result:
            lost = ", ".join(f"{name} {value:.3g}" for name, value in result["loss"].items())
            lines.append(f"Lost by eight bits, on pictures it was not set by: {lost}")
        return "\n".join(lines)

    shared.report(result, json, quiet, words)
