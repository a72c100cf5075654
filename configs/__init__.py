"""Presets: configs/<task>/<name>.yaml for estimators, configs/training/<recipe>.yaml for trainers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from gantools.errors import ConfigError

FOLDER = Path(__file__).parent


def available() -> list[str]:
    """Every preset as "<task>/<name>", in order."""
    return sorted(p.relative_to(FOLDER).with_suffix("").as_posix() for p in FOLDER.glob("*/*.yaml"))


def read(name_or_file: str, task: str | None = None) -> dict[str, Any]:
    """The settings of a preset or of a YAML file.

    Parameters
    ----------
    name_or_file : str
        "anomaly/fast", "fast" (of `task`), or the path of a YAML file.
    task : str or None
        Where a bare name is looked for.

    Raises
    ------
    ConfigError
        When there is none, naming those there are, or when it is not a YAML mapping.
    """
    return _parse(path_of(name_or_file, task))


def path_of(name_or_file: str, task: str | None = None) -> Path:
    """The file of a preset; arguments and errors as of `read`."""
    names = available()
    for name in (name_or_file, f"{task}/{name_or_file}"):
        if name in names:
            return FOLDER / f"{name}.yaml"
    path = Path(name_or_file)
    if path.suffix in (".yaml", ".yml"):
        if path.is_file():
            return path
        raise ConfigError(f"{path}: no such file")
    mine = [n.split("/")[1] for n in names if n.startswith(f"{task}/")] if task else names
    raise ConfigError(f"there is no preset {name_or_file!r}; choose one of {', '.join(mine)}, or a .yaml file")


def _parse(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error})") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise ConfigError(f"{path}{line}: is not YAML ({getattr(error, 'problem', error)})") from None
    except ValueError as error:  # a date that there is not
        raise ConfigError(f"{path}: holds a value that is none ({error})") from None
    if content is None:
        return {}
    if not isinstance(content, Mapping):
        raise ConfigError(f"{path}: settings must be written as `name: value` lines")
    return {str(key): value for key, value in content.items()}
