"""A folder of pictures enlarged into another: names, subfolders and formats stay."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from gantools.data.keep import write_kept
from gantools.data.sources import FileSource
from gantools.errors import ConfigError, DataError, ModelError
from gantools.progress import Stages


class Target(NamedTuple):
    """A picture file, and where its enlarged copy goes."""

    source: Path
    destination: Path


def targets(source: FileSource, folder: Path) -> list[Target]:
    """Where each picture of `source` goes in `folder`: under the name the source gives it.

    Raises
    ------
    ConfigError
        When a copy would replace its own original, or two would have one name.
    """
    found: list[Target] = []
    taken: dict[Path, Path] = {}
    for path, name in zip(source.paths, source.names, strict=True):
        relative = Path(name)
        inside = Path(relative.name) if relative.is_absolute() or ".." in relative.parts else relative
        destination = folder / inside
        if destination.resolve() == path.resolve():
            raise ConfigError(f"--out {folder}: {destination} would replace its own original; name another folder")
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
    there = [t.destination for t in work if _written(t.destination)]
    if there and not (overwrite or resume):
        raise ConfigError(
            f"{there[0]} exists ({len(there)} of {len(work)} do); --resume skips and --overwrite replaces what exists"
        )
    notes: list[str] = []
    errors: list[str] = []
    n = skipped = 0
    enlarger = resolver.enlarger()
    with Stages(shown) as stages, stages.stage("enlarging") as advance:
        for number, target in enumerate(work):
            if resume and _written(target.destination):
                skipped += 1
                continue
            try:
                frames = resolver.enlarge_file(
                    target.source, enlarger, every_frame, lambda f, i=number: advance((i + f) / len(work))
                )
            except DataError as error:
                errors.append(str(error))
                continue
            for index, kept in enumerate(frames):
                place = target.destination
                if len(frames) > 1:
                    place = place.with_name(f"{place.stem}-{index + 1:03d}{place.suffix}")
                try:
                    written = write_kept(place, kept)
                except ModelError as error:
                    errors.append(str(error))
                    break
                notes += [f"{target.source}: {note}" for note in kept.notes]
                if written != place and index == 0:
                    notes.append(f"{target.source}: written as {written.name}, which can hold it")
            else:
                n += 1
            advance((number + 1) / len(work))
    return {"n": n, "n_skipped": skipped, "n_errors": len(errors), "notes": notes, "errors": errors}


def _written(destination: Path) -> bool:
    """Whether an enlarged copy is there: under its name, as PNG, or as numbered frames."""
    first = destination.with_name(f"{destination.stem}-001")
    places = (destination, destination.with_suffix(".png"), first.with_suffix(destination.suffix))
    return any(p.exists() for p in (*places, first.with_suffix(".png")))
