"""A folder of pictures made into another: names, subfolders and formats stay."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from gantools.core.world import world
from gantools.data.keep import Kept, as_png, number_of_frames, read_frames, read_kept, write_kept
from gantools.data.sources import FileSource
from gantools.errors import ConfigError
from gantools.progress import Stages
from gantools.storage import unwritable

Convert = Callable[[Kept, Callable[[float], None]], None]
"""What is done to each picture, in place; it says how far it is, from 0 to 1."""


class Target(NamedTuple):
    """A picture file, and where what is made of it goes."""

    source: Path
    destination: Path


def targets(source: FileSource, folder: Path, without: Path | None = None) -> list[Target]:
    """Where each picture of `source` goes in `folder`: under the name the source gives it.

    What lies in `folder`, or in `without`, already, as results of an earlier run do where it is a folder inside the
    source's, is no source.

    Raises
    ------
    ConfigError
        When `folder` is a file, a copy would replace its own original, or two would have one name.
    """
    check_folder(folder, "--out")
    passed = inside(source, without or folder)
    found: list[Target] = []
    taken: dict[Path, Path | str] = {}
    for path, name in zip(source.paths, source.names, strict=True):
        destination = place_in(folder, name)
        if destination.resolve() == path.resolve():
            raise ConfigError(f"--out {folder}: {destination} would replace its own original; name another folder")
        if path.resolve() in passed:
            continue
        for place in _alternatives(destination):
            claim(place, path, taken)
        found.append(Target(path, destination))
    return list(dict.fromkeys(found))  # a list may name a picture twice


def inside(source: FileSource, folder: Path) -> set[Path]:
    """Pictures of `source` that lie in `folder`, where it is a folder inside the source's: resolved paths."""
    root = folder.resolve()
    return {
        path.resolve()
        for path, name in zip(source.paths, source.names, strict=True)
        if path.resolve().is_relative_to(root) and _is_inside(root, path, Path(name))
    }


def spare(work: list[Target], passed: set[Path], every_frame: bool) -> None:
    """Refuse to replace what was found among the sources: it may be the result of an earlier run, or an original.

    Parameters
    ----------
    work : list of Target
    passed : set of Path
        Pictures `inside` the folder for results.
    every_frame : bool
        As of `convert_files`.

    Raises
    ------
    ConfigError
        When results would go where one of these lies.
    """
    found = sorted(p for t in work for p in _places(t.destination, every_frame) if p.resolve() in passed)
    if found:
        raise ConfigError(
            f"--overwrite would replace {found[0]} ({len(found)} in all), which may be an original, as it lies inside "
            "the folder that is read; name a folder elsewhere, remove what is no original, or --resume to skip what "
            "exists"
        )


def check_folder(folder: Path, option: str) -> None:
    """Refuse, before any work, a place for files that is a file itself, or cannot be written to."""
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{option} {folder}: is a file; name a folder")
    why = unwritable(folder / "picture")
    if why is not None:
        raise ConfigError(f"{option} {folder}: cannot be written: {why}")


def place_in(folder: Path, name: str) -> Path:
    """Where what is made of a picture called `name` goes: never outside `folder`."""
    path = Path(name)
    return folder / (path.name if path.is_absolute() or ".." in path.parts else path)


def claim(place: Path, owner: Path | str, taken: dict[Path, Path | str]) -> None:
    """Note in `taken` that `owner` becomes `place`; refused when something else does."""
    if taken.get(place, owner) != owner:
        raise ConfigError(f"{owner} and {taken[place]} would both become {place}; rename one")
    taken[place] = owner


def _is_inside(root: Path, path: Path, name: Path) -> bool:
    """Whether `root` is a folder inside the one in which `path` was found under `name`."""
    if name.is_absolute() or ".." in name.parts:
        return False
    searched = path.absolute().parents[len(name.parts) - 1].resolve()
    return root != searched and root.is_relative_to(searched)


def convert_files(
    convert: Convert,
    work: list[Target],
    *,
    overwrite: bool,
    resume: bool,
    every_frame: bool = False,
    max_megapixels: float,
    doing: str,
    shown: bool,
) -> dict[str, Any]:
    """Convert files one by one; what cannot be read is told at the end, and nothing is left half written.

    Under torchrun each process takes its part of the files.

    Parameters
    ----------
    convert : callable
    every_frame : bool
        Each frame of an animation, each page of a TIFF, into a file of its own, instead of the first only.
    doing : str
        To show beside the progress, which is shown if `shown`.

    Returns
    -------
    dict
        `n`, `n_skipped` and `n_errors`; `notes` on what could not be kept, and `errors`, each naming its file.

    Raises
    ------
    ConfigError
        When copies exist and neither `overwrite` nor `resume` is set, or a file has the name that a frame of another
        may get.
    """
    there = existing(work, overwrite, resume, every_frame)
    left = [t for t in work if not (resume and t.destination in there)]
    others = world()
    n_left, n_skipped = len(left), len(work) - len(left)
    others.most([0.0])  # no process writes before all have seen what is there
    left = list(others.share(left))
    notes: list[str] = []
    errors: list[str] = []
    with Stages(shown) as stages, stages.stage(doing) as advance:
        for number, target in enumerate(left):

            def within(done: float, before: int = number) -> None:
                advance((before + done) / len(left))

            try:
                frames = _read(target.source, max_megapixels, every_frame)
                notes += _convert_file(convert, target, frames, within)
            except Exception as error:  # whatever is wrong with one file, the others are converted
                words = str(error) or type(error).__name__
                errors.append(words if str(target.source) in words else f"{target.source}: {words}")
            advance((number + 1) / len(left))
    told = others.gather((notes, errors))
    notes, errors = ([line for theirs in told for line in theirs[kind]] for kind in (0, 1))
    return {
        "n": n_left - len(errors),
        "n_skipped": n_skipped,
        "n_errors": len(errors),
        "notes": notes,
        "errors": errors,
    }


def existing(work: list[Target], overwrite: bool, resume: bool, every_frame: bool) -> set[Path]:
    """Which results are there already; parameters and errors as of `convert_files`."""
    if overwrite and resume:
        raise ConfigError("--resume skips what exists and --overwrite replaces it; give one of them")
    if every_frame:
        _refuse_names_of_frames(work)
    there = {t.destination for t in work if _written(t, every_frame)}
    if there and not (overwrite or resume):
        raise ConfigError(
            f"{min(there)} exists ({len(there)} of {len(work)} do); --resume skips and --overwrite replaces what exists"
        )
    return there


def _read(path: Path, max_megapixels: float, every_frame: bool) -> Iterator[tuple[int, int, Kept]]:
    if every_frame:
        yield from read_frames(path, max_megapixels)
    else:
        yield 0, 1, read_kept(path, max_megapixels)


def _convert_file(
    convert: Convert, target: Target, frames: Iterator[tuple[int, int, Kept]], advance: Callable[[float], None]
) -> list[str]:
    """Convert the frames of one file, each into one of its own; what is to be said of it."""
    notes: list[str] = []
    for done, (number, n, kept) in enumerate(frames):

        def within(part: float, done: int = done, n: int = n) -> None:
            advance((done + part) / n)

        convert(kept, within)
        place = target.destination if n == 1 else _of_frame(target.destination, number)
        written = write_kept(place, kept)
        if written != place:
            kept.notes.append(f"written as {written.name}, which can hold it")
        notes = [*kept.notes, *notes] if number == 0 else [*notes, *kept.notes]  # the first frame comes last
    return [f"{target.source}: {note}" for note in dict.fromkeys(notes)]


def _of_frame(destination: Path, index: int) -> Path:
    return destination.with_name(f"{destination.stem}.frame-{index + 1:03d}{destination.suffix}")


def _refuse_names_of_frames(work: list[Target]) -> None:
    """Refuse a picture called as a frame of another would be: one would replace the other."""
    whole = {t.destination: t.source for t in work}
    for target in work:
        found = re.fullmatch(r"(.+)\.frame-\d{3,}(\.[^.]+?)(\.png)?", target.destination.name)
        if found and (other := whole.get(target.destination.with_name(found[1] + found[2]))):
            raise ConfigError(
                f"{other} may have a frame that becomes {target.destination.name}, as {target.source} does; rename one"
            )


def _written(target: Target, every_frame: bool) -> bool:
    """Whether a result is there; of a file of several frames, if all are wanted, more than that of one."""
    there = {place for place in _places(target.destination, every_frame) if os.path.exists(place)}  # noqa: PTH110
    if not every_frame or not there or there & _alternatives(_of_frame(target.destination, 0)):
        return bool(there)
    return number_of_frames(target.source) == 1


def _places(destination: Path, every_frame: bool) -> set[Path]:
    """Where a result may be: under its name, as PNG, or as frames, of which the first is written last."""
    places = (destination, _of_frame(destination, 0)) if every_frame else (destination,)
    return {place for p in places for place in _alternatives(p)}


def _alternatives(place: Path) -> set[Path]:
    """The file itself, and the PNG that is written where its format cannot hold the picture; PNG holds all."""
    return {place} if place.suffix.lower() == ".png" else {place, as_png(place)}
