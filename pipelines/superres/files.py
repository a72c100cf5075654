"""A folder of pictures enlarged into another: names, subfolders and formats stay."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from gantools.data.keep import as_png, read_kept, write_kept
from gantools.data.sources import FileSource
from gantools.errors import ConfigError, GantoolsError
from gantools.progress import Stages


class Target(NamedTuple):
    """A picture file, and where its enlarged copy goes."""

    source: Path
    destination: Path


def targets(source: FileSource, folder: Path) -> list[Target]:
    """Where each picture of `source` goes in `folder`: under the name the source gives it.

    What lies in `folder` already, as results of an earlier run do where it is inside the source's, is no source.

    Raises
    ------
    ConfigError
        When `folder` is a file, a copy would replace its own original, or two would have one name.
    """
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"--out {folder}: is a file; name a folder")
    root = folder.resolve()
    found: list[Target] = []
    taken: dict[Path, Path] = {}
    for path, name in zip(source.paths, source.names, strict=True):
        relative = Path(name)
        inside = Path(relative.name) if relative.is_absolute() or ".." in relative.parts else relative
        destination = folder / inside
        if destination.resolve() == path.resolve():
            raise ConfigError(f"--out {folder}: {destination} would replace its own original; name another folder")
        if path.resolve().is_relative_to(root):
            continue
        if destination in taken:
            raise ConfigError(f"{path} and {taken[destination]} would both become {destination}; rename one")
        taken[destination] = path
        found.append(Target(path, destination))
    return found


def upscale_files(
    resolver: Any, work: list[Target], overwrite: bool, resume: bool, every_frame: bool, shown: bool
) -> dict[str, Any]:
    """Enlarge files one by one; what cannot be read is told at the end, and nothing is left half written.

    Returns
    -------
    dict
        `n`, `n_skipped` and `n_errors`; `notes` on what could not be kept, and `errors`, each naming its file.

    Raises
    ------
    ConfigError
        When copies exist and neither `overwrite` nor `resume` is set.
    """
    there = {t.destination for t in work if _written(t.destination)}
    if there and not (overwrite or resume):
        raise ConfigError(
            f"{min(there)} exists ({len(there)} of {len(work)} do); --resume skips and --overwrite replaces what exists"
        )
    left = [t for t in work if not (resume and t.destination in there)]
    notes: list[str] = []
    errors: list[str] = []
    enlarger = resolver.enlarger()
    with Stages(shown) as stages, stages.stage("enlarging") as advance:
        for number, target in enumerate(left):
            try:
                notes += _upscale_file(
                    resolver, target, enlarger, every_frame, lambda f, i=number: advance((i + f) / len(left))
                )
            except GantoolsError as error:
                errors.append(str(error))
            advance((number + 1) / len(left))
    counts = {"n": len(left) - len(errors), "n_skipped": len(work) - len(left), "n_errors": len(errors)}
    return {**counts, "notes": notes, "errors": errors}


def _upscale_file(
    resolver: Any, target: Target, enlarger: Any, every_frame: bool, advance: Callable[[float], None]
) -> list[str]:
    """Enlarge one file, each frame into one of its own; what is to be said of it.

    The first frame is written last: where it is, the others are.
    """
    notes: list[str] = []
    frames = read_kept(target.source, resolver.max_megapixels, every_frame)
    n = len(frames)
    while frames:
        index = len(frames) - 1
        kept = frames.pop()
        kept.pixels = resolver.enlarge(kept.pixels, enlarger, lambda f, i=index: advance((n - 1 - i + f) / n))
        place = target.destination if n == 1 else _of_frame(target.destination, index)
        written = write_kept(place, kept)
        if index == 0:
            notes += kept.notes + ([f"written as {written.name}, which can hold it"] if written != place else [])
    return [f"{target.source}: {note}" for note in notes]


def _of_frame(destination: Path, index: int) -> Path:
    return destination.with_name(f"{destination.stem}.frame-{index + 1:03d}{destination.suffix}")


def _written(destination: Path) -> bool:
    """Whether an enlarged copy is there: under its name, as PNG, or as frames, of which the first is written last."""
    return any(p.exists() or as_png(p).exists() for p in (destination, _of_frame(destination, 0)))
