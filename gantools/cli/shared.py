"""What commands share: flags, settings from presets, output."""

from __future__ import annotations

import json
import shlex
import shutil
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, TypeVar

import typer

from gantools import processes
from gantools.errors import ConfigError, printable

Config = Annotated[str, typer.Option("--config", help="A preset's name, or a YAML file.", metavar="NAME_OR_FILE")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", help="One setting, as key=value; dotted for nested. Repeatable.", metavar="KEY=VALUE"),
]
Seed = Annotated[int, typer.Option("--seed", min=0, max=2**32 - 1, help="Of everything random.")]
FitSeed = Annotated[
    int | None,
    typer.Option("--seed", min=0, max=2**32 - 1, help="Of everything random. [default: 0]", show_default=False),
]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:N.")]
FitDevice = Annotated[
    str | None, typer.Option("--device", help="auto, cpu, cuda or cuda:N. [default: auto]", show_default=False)
]
MaxMinutes = Annotated[float | None, typer.Option("--max-minutes", help="Limit on the time in training.")]
MaxImages = Annotated[int | None, typer.Option("--max-images", help="Samples to see in training.")]
MaxBad = Annotated[
    float | None,
    typer.Option("--max-bad", help="Unreadable pictures to skip: a count, or a share below 1."),
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on from where an interrupted run stopped.")]
AsJson = Annotated[bool, typer.Option("--json", help="One machine-readable object on stdout.")]
Report = Annotated[Path | None, typer.Option("--report", help="HTML file that shows how it went.", metavar="FILE.html")]
Log = Annotated[
    Path | None,
    typer.Option("--log", help="While it trains: lines of JSON (.jsonl), or a TensorBoard folder.", metavar="PATH"),
]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress and no summary.")]

PAGE, FIGURES, MODEL = (".html", ".htm"), (".csv",), (".onnx",)
SHEET = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp")
"""How files may end that are written; the first is named to those who ask for another."""

_FLAGS = {"resume": "--resume", "verbose": "--quiet", "checkpoint": "--model, beside which checkpoints lie"}

_Place = TypeVar("_Place", bound=Path | None)


def settings_of(
    task: str, config: str, overrides: list[str] | None, flags: Mapping[str, Any], known: Mapping[str, Any]
) -> dict[str, Any]:
    """An estimator's parameters: a preset's, then `--set`, then flags that were given; the seed is 0 if none says else.

    Raises
    ------
    ConfigError
        For an unknown preset or setting, naming those there are, or one that is a flag's.
    """
    from gantools import configs

    settings = {"random_state": 0, **configs.read(config, task)}
    for override in overrides or []:
        key, equals, text = override.partition("=")
        if not equals or not key:
            raise ConfigError(f"--set {override!r}: write it as key=value")
        _put(settings, key.strip().split("."), _value(text, override))
    for name in _FLAGS.keys() & settings.keys() & known.keys():
        raise ConfigError(f"{name!r} is no setting of a command; there is {_FLAGS[name]}")
    settings |= {name: value for name, value in flags.items() if value is not None}
    unknown = [name for name in settings if name not in known]
    if unknown:
        raise ConfigError(f"there is no setting {unknown[0]!r}; there are {', '.join(sorted(known))}")
    if isinstance(settings.get("synthesizer"), dict):
        settings["synthesizer"] = _synthesizer(settings["synthesizer"])
    return settings


def _value(text: str, override: str) -> Any:
    import yaml

    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError):  # the second for a date that there is not
        raise ConfigError(f"--set {override!r}: the value is not YAML") from None
    if isinstance(value, str):  # YAML 1.1 takes 1e-4 for a text
        try:
            return float(value)
        except ValueError:
            return value
    return value


def _put(settings: dict[str, Any], keys: list[str], value: Any) -> None:
    *outer, last = keys
    for key in outer:
        inner = settings.get(key)
        if isinstance(inner, str):
            inner = {"recipe": inner}
        settings[key] = inner = inner if isinstance(inner, dict) else {}
        settings = inner
    settings[last] = value


def _synthesizer(settings: dict[str, Any]) -> Any:
    """A synthesizer from `synthesizer.x` settings."""
    from gantools import GanSynthesizer

    known = GanSynthesizer().get_params(deep=False)
    unknown = [name for name in settings if name not in known]
    if unknown:
        raise ConfigError(f"there is no setting 'synthesizer.{unknown[0]}'; there are {', '.join(known)}")
    return GanSynthesizer(**settings)


@contextmanager
def warnings_as_lines(quiet: bool) -> Iterator[None]:
    """Warnings inside come as plain lines on stderr, each once."""

    told: set[str] = set()

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        if not quiet and processes.first() and str(message) not in told:
            told.add(str(message))
            print(f"gantools: {message}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.simplefilter("default")
        for of_developers in (DeprecationWarning, PendingDeprecationWarning, ImportWarning):
            warnings.simplefilter("ignore", of_developers)
        warnings.showwarning = show
        yield


@contextmanager
def ended_as_interrupted() -> Iterator[None]:
    """Inside, SIGTERM, by which schedulers and torchrun end a process, does what Ctrl-C does.

    Where it is handled already, or this is not the main thread, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return

    def as_interrupted(number: int, frame: FrameType | None) -> None:
        interrupts = signal.getsignal(signal.SIGINT)  # ignored in a shell's background
        (interrupts if callable(interrupts) else signal.default_int_handler)(signal.SIGINT, frame)

    signal.signal(signal.SIGTERM, as_interrupted)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def report(result: Mapping[str, Any], as_json: bool, quiet: bool, words: Callable[[], str]) -> None:
    """Print a command's result: an object with `--json`, else `words` unless `--quiet`; the first process only."""
    if not processes.first():
        return
    if as_json:
        print(json.dumps(result, allow_nan=True), flush=True)
    elif not quiet:
        print(printable(words()), flush=True)


def quoted(path: Path) -> str:
    """A path as a shell wants it, in a command to go on with."""
    return shlex.quote(str(path))


def beside(model: Path, ending: str) -> Path:
    """A path beside a model's folder, its name with `ending`; "." has no name of its own."""
    named = model if model.name else model.absolute()
    return named.with_name(f"{named.name}{ending}")


def checkpoint_of(model: Path) -> Path:
    """The folder for the checkpoints of the training that makes `model`."""
    return beside(model, ".checkpoint")


@contextmanager
def training_of(model: Path, resume: bool, log: Path | None = None) -> Iterator[None]:
    """Inside, `model` is trained: an older training's checkpoints are laid aside, unless to `resume`.

    They are gone in the end when all went well, and are as they were when training failed before its first checkpoint.

    Raises
    ------
    ModelError
        When the model could not be saved in the end.
    ConfigError
        When `log` is within the model's folder, or within its checkpoints'.
    """
    check_places(model, log)
    checkpoint = checkpoint_of(model)
    aside = checkpoint.with_name(f"{checkpoint.name}.old")
    if processes.first():
        if not checkpoint.exists() and aside.exists():
            aside.rename(checkpoint)  # a training was killed before its first checkpoint
        if not resume and checkpoint.exists():
            shutil.rmtree(aside, ignore_errors=True)
            checkpoint.rename(aside)
    try:
        yield
    except BaseException:
        if processes.first() and aside.exists() and not checkpoint.exists():
            aside.rename(checkpoint)
        raise
    remove_checkpoint(model)
    if processes.first():
        shutil.rmtree(aside, ignore_errors=True)


def check_places(model: Path, log: Path | None) -> None:
    """Refuse, before any work, a `model` that cannot be saved there, or a `log` within what is replaced as a whole."""
    from gantools.storage import check_target

    check_target(model)
    for place in (model, checkpoint_of(model)):
        if log is not None and log.resolve().is_relative_to(place.resolve()):
            raise ConfigError(f"--log {log} is within {place}, which is replaced as a whole; name a place beside it")


def remove_checkpoint(model: Path) -> None:
    """Away with the checkpoints of the training that makes `model`."""
    if processes.first():
        shutil.rmtree(checkpoint_of(model), ignore_errors=True)


def by_first_alone() -> None:
    """What comes now is not shared out: the first process goes on by itself, the others are done.

    Raises
    ------
    typer.Exit
        In the others.
    """
    if not processes.first():
        raise typer.Exit
    processes.alone()


def not_among(option: str, place: Path, *data: Path | None) -> Path:
    """`place`, once it is clear that what is written there will not be read as one of the pictures of `data`.

    Parameters
    ----------
    option : str
        That names another place.

    Raises
    ------
    ConfigError
        When it lies inside a folder of them.
    """
    for folder in data:
        if folder is not None and folder.is_dir() and place.resolve().is_relative_to(folder.resolve()):
            raise ConfigError(f"{place} would be among the pictures of {folder}; name a place elsewhere with {option}")
    return place


def writable_file(path: _Place, endings: tuple[str, ...], *inputs: Path | None) -> _Place:
    """`path`, once it is clear, before any work is done, that such a file can be written there; None stays None.

    Parameters
    ----------
    path : Path or None
    endings : tuple of str
        `PAGE`, `FIGURES`, `MODEL` or `SHEET`.
    *inputs : Path or None
        What the command reads and must not replace: files, lists of pictures, folders of pictures.

    Raises
    ------
    ConfigError
        When it is a folder, its ending is that of another kind of file, it would replace an input or a picture that a
        list names, or be a picture among the inputs, or when nothing can be written there.
    """
    from gantools.storage import unwritable

    if path is None:
        return path
    if path.is_dir():
        raise ConfigError(f"{path} is a folder; name a file")
    if path.suffix.lower() not in endings:
        kind = endings[0].removeprefix(".")
        raise ConfigError(f"{path}: {kind.upper()} is what is written there; name a file that ends in .{kind}")
    read = (p for data in inputs if data for p in (data, *(_listed(data) if endings == SHEET else ())))
    if path.exists() and any(p.exists() and path.samefile(p) for p in read):
        raise ConfigError(f"{path} would replace what is read there; name another file")
    if endings == SHEET:
        not_among("--sheet", path, *inputs)
    why = unwritable(path)
    if why is not None:
        raise ConfigError(f"{path} cannot be written: {why}; name a file elsewhere")
    return path


def _listed(data: Path) -> list[Path]:
    """The files that a list of pictures or of pairs names; none where `data` is no list."""
    from gantools.data.sources import PATH_COLUMN, is_table_file, read_table

    if not data.is_file() or not is_table_file(data):
        return []
    columns = (PATH_COLUMN, "source", "target")
    table = read_table(data, texts=columns)
    return [data.parent / str(name) for column in columns if column in table for name in table[column].dropna()]
