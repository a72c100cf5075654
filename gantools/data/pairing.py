"""Two sources of pictures, of which each one belongs to one of the other."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from gantools.data.decode import Header
from gantools.data.sources import FileSource, PictureSource
from gantools.errors import DataError

_Pair = TypeVar("_Pair")


class Misfit(DataError):
    """The two of a pair do not belong together; says which they are."""


class HalfSource(PictureSource):
    """One half of pictures that hold a source on the left and its target on the right.

    Parameters
    ----------
    pictures : PictureSource
    right : bool
    """

    def __init__(self, pictures: PictureSource, right: bool) -> None:
        self.pictures = pictures
        self.right = right

    def __len__(self) -> int:
        return len(self.pictures)

    def name(self, index: int) -> str:
        """The whole picture's name."""
        return self.pictures.name(index)

    def read(self, index: int) -> NDArray[np.float32]:
        """Half of picture `index`: (H, W / 2, C).

        Raises
        ------
        DataError
            When it cannot be read, or its width is odd.
        """
        return self.half(self.pictures.read(index), index)

    def header(self, index: int) -> Header | None:
        """Of half of picture `index`."""
        whole = self.pictures.header(index)
        return whole and whole._replace(width=whole.width // 2)

    def half(self, whole: NDArray[Any], index: int) -> NDArray[Any]:
        """Half of a picture (H, W, C) that was read already; errors as of `read`."""
        half, odd = divmod(whole.shape[1], 2)
        if odd:
            raise DataError(
                f"{self.name(index)}: is {whole.shape[1]} pixels wide; two pictures side by side have an even width"
            )
        return whole[:, half:] if self.right else whole[:, :half]


def matched(
    first: PictureSource, second: PictureSource, words: tuple[str, str], otherwise: str = ""
) -> tuple[PictureSource, PictureSource]:
    """Two sources in the first one's order: files by their stems, arrays by their number; one and one are a pair.

    Parameters
    ----------
    words : tuple of str
        What to call a picture of either, in messages.
    otherwise : str
        What else can be done about those without a partner than to rename them.

    Raises
    ------
    DataError
        When counts differ, or stems have no counterpart: all of them are listed.
    """
    if len(first) == len(second) == 1:
        return first, second
    if isinstance(first, FileSource) and isinstance(second, FileSource):
        ones, others = _by_stem(first), _by_stem(second)
        lonely = [f"{first.name(i)}: no {words[1]} picture of this name" for k, i in ones.items() if k not in others]
        lonely += [f"{second.name(i)}: no {words[0]} picture of this name" for k, i in others.items() if k not in ones]
        if lonely:
            way = f"rename them so that stems agree{otherwise}"
            raise DataError(
                f"{len(lonely)} pictures have no partner (pairs share a file stem); {way}:\n" + listed(lonely)
            )
        return first, _subset(second, [others[k] for k in ones])
    if len(first) != len(second):
        raise DataError(
            f"there are {len(first)} {words[0]} and {len(second)} {words[1]} pictures, and pairs are wanted; give as "
            f"many of each, in the same order{otherwise}"
        )
    return first, second


def _by_stem(source: FileSource) -> dict[str, int]:
    found: dict[str, int] = {}
    root = os.path.commonpath([path.absolute().parent for path in source.paths])
    for index, path in enumerate(source.paths):
        stem = str(path.absolute().relative_to(root).with_suffix(""))
        if stem in found:
            raise DataError(f"{source.name(index)} and {source.name(found[stem])} share their stem; rename one")
        found[stem] = index
    return found


def _subset(source: FileSource, order: list[int]) -> FileSource:
    return FileSource([source.paths[i] for i in order], [source.names[i] for i in order], source.max_megapixels)


def listed(lines: list[str], most: int = 1000) -> str:
    """Lines of a message, one below the other, with a count of those left out."""
    more = [f"  and {len(lines) - most} more"] if len(lines) > most else []
    return "\n".join([*(f"  {line}" for line in lines[:most]), *more])


def pairs_that_fit(
    indices: Iterable[Any],
    of: PictureSource,
    read: Callable[[int], _Pair],
    advice: str = "",
    needed: bool = False,
) -> Iterator[_Pair]:
    """Pairs, one at a time; those that cannot be read are left out, with a warning.

    Parameters
    ----------
    indices : iterable of int
    of : PictureSource
        Whose names they are called by.
    read : Callable
        From an index to the pair.
    advice : str
        For the message, should some not fit.
    needed : bool
        Whether it is an error when all are left out.

    Raises
    ------
    DataError
        When `read` found misfits: all of them are named, and no pair is given after the first.
    """
    misfits: list[str] = []
    left_out: list[str] = []
    given = 0
    for index in map(int, indices):
        try:
            pair = read(index)
        except Misfit as wrong:
            misfits.append(str(wrong))
        except DataError as error:
            left_out.append(str(error))
            warnings.warn(f"{of.name(index)} is left out: {error}", stacklevel=2)
        else:
            if not misfits:
                given += 1
                yield pair
    refuse(misfits, len(of), advice)
    if needed and left_out and not given:
        raise DataError(f"none of the {len(left_out)} pairs can be judged; the first: {left_out[0]}")


def refuse(misfits: list[str], n: int, advice: str = "") -> None:
    """Raise a DataError that names all of `n` pairs that do not fit together, where there are any."""
    if misfits:
        raise DataError(f"{len(misfits)} of {n} pairs do not fit together{advice}:\n" + listed(misfits))
