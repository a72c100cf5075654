"""``gantools info`` and ``gantools config``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gantools.cli import shared

config_app = typer.Typer(help="Presets that commands take with --config.", no_args_is_help=True, rich_markup_mode=None)


def info(
    model: Annotated[Path, typer.Argument(help="The model's folder.", metavar="MODELDIR")],
    json: shared.AsJson = False,
) -> None:
    """What a model folder holds."""
    from gantools.storage import read_model

    stored = read_model(model)
    result: dict[str, Any] = {
        "class": stored.name,
        **stored.summary,
        "parameters": stored.parameters,
        "versions": stored.versions,
        "megabytes": round(sum(f.stat().st_size for f in model.iterdir()) / 1e6, 2),
    }
    shared.report(result, json, False, lambda: _as_text(result))


def _as_text(result: dict[str, Any]) -> str:
    import yaml

    return yaml.safe_dump(result, sort_keys=False, allow_unicode=True).rstrip()


@config_app.command("list")
def list_presets(json: shared.AsJson = False) -> None:
    """Every preset, with its first line."""
    from gantools import configs

    found = {name: _purpose(configs.path_of(name)) for name in configs.available()}
    shared.report(found, json, False, lambda: "\n".join(f"{name:24s} {text}" for name, text in found.items()))


def _purpose(path: Path) -> str:
    first = path.read_text(encoding="utf-8").split("\n", 1)[0]
    return first.removeprefix("#").strip()


@config_app.command("show")
def show(
    name: Annotated[str, typer.Argument(help="Of a preset, or a YAML file.", metavar="NAME")],
    json: shared.AsJson = False,
) -> None:
    """A preset's file, to copy and edit."""
    from gantools import configs

    settings = configs.read(name)
    path = configs.path_of(name)
    shared.report(settings, json, False, lambda: path.read_text(encoding="utf-8").rstrip())
