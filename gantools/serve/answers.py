"""What models answer: bytes of a picture, or rows, to what is made of them. Knows nothing of HTTP."""

from __future__ import annotations

import copy
import io
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gantools.data.decode import FORMATS, decoding_errors, open_checked
from gantools.data.keep import Kept, read_kept, write_kept
from gantools.data.sources import FileSource
from gantools.data.tables import plain_value, without_nan
from gantools.errors import ConfigError, DataError, GantoolsError
from gantools.pipelines.stages import check_dial

_THE_PICTURE = "the picture"
_MOST_MADE = 256_000_000  # pixels
_MEDIA_TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".tif": "image/tiff",
    ".webp": "image/webp",
    ".bmp": "image/bmp",
    ".ppm": "image/x-portable-anymap",
    ".zip": "application/zip",
}


@dataclass
class Made:
    """A file that was made.

    Attributes
    ----------
    content : bytes
    media_type : str
    notes : list of str
        What could not be kept, or was changed on reading.
    """

    content: bytes
    media_type: str
    notes: list[str] = field(default_factory=list)


@contextmanager
def _as_file(picture: bytes, max_megapixels: float) -> Iterator[Path]:
    """The bytes of a picture as a file of a name of ours; errors inside speak of "the picture"."""
    with tempfile.TemporaryDirectory(prefix="gantools-serve-") as folder:
        path = Path(folder) / "picture"
        try:
            path.write_bytes(picture)
            with decoding_errors(path, max_megapixels), open_checked(path, max_megapixels) as image:
                suffix = FORMATS.get(image.format or "", ".jpg")  # a JPEG of several pictures calls itself MPO
            yield path.rename(path.with_suffix(suffix))
        except GantoolsError as error:
            words = str(error)
            for mine in (str(path.with_suffix(s)) for s in (*FORMATS.values(), "")):
                words = words.replace(mine, _THE_PICTURE)
            raise type(error)(words.replace(" (max_megapixels raises it)", "")) from None


def score(detector: Any, picture: bytes) -> dict[str, Any]:
    """How abnormal a picture is, as `GanAnomalyDetector.score_table` says it."""
    with _as_file(picture, detector.max_megapixels) as path:
        row = _rows(detector.score_table([path]))[0]
        if "error" in row:
            raise DataError(row["error"])
    return row


def heatmap(detector: Any, picture: bytes) -> Made:
    """Where a picture is abnormal: it in gray, and colours from yellow to red over it."""
    from gantools.report.heatmaps import mapped, overlay, png_bytes

    with _as_file(picture, detector.max_megapixels) as path:
        ((_, pixels, found),) = mapped(detector, FileSource([path], [_THE_PICTURE], detector.max_megapixels), [0])
    return Made(png_bytes(overlay(pixels, found)), _MEDIA_TYPES[".png"])


def score_rows(detector: Any, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """How abnormal rows of a table are; a row that cannot be scored has `error` alone.

    Raises
    ------
    DataError
        When a column is unknown, or no row has one that the model was fitted on.
    """
    known = list(detector.encoder_.columns)
    given = set().union(*rows)
    if given != set(known):
        word, name = (
            ("unknown", min(given - set(known))) if given - set(known) else ("missing", min(set(known) - given))
        )
        raise DataError(f"column {name!r} is {word}; the model was fitted on {', '.join(known)}")
    return _rows(detector.score_table(pd.DataFrame(list(rows), columns=known).infer_objects()))


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of `GanAnomalyDetector.score_table`, as JSON can hold them."""
    parts = [c for c in table.columns if c.startswith("part_")]
    return [
        {"error": row["error"]}
        if row["error"]
        else {
            "anomaly_score": float(row["anomaly_score"]),
            "p_value": float(row["p_value"]),
            "is_anomaly": bool(row["is_anomaly"]),
            "parts": {part.removeprefix("part_"): float(row[part]) for part in parts},
        }
        for row in table.to_dict("records")
    ]


def upscale(resolver: Any, picture: bytes, perception: float | None) -> Made:
    """A picture enlarged, in its own format where that can hold it; `perception` is the model's if None."""
    with _as_file(picture, resolver.max_megapixels) as path:
        kept = read_kept(path, resolver.max_megapixels)
        if perception is not None:
            check_dial("perception", resolver.history_)
        _check_size(kept.pixels[..., 0].size * resolver.scale_**2)
        kept.pixels = resolver.enlarge(kept.pixels, resolver.enlarger(perception))
        return _written(path, kept)


def translate(
    translator: Any, picture: bytes, texture: float | None, seed: int | None, vividness: float | None
) -> Made:
    """A picture translated, in its own format where that can hold it.

    `texture` and `vividness` are the model's if None; a `seed` chooses one of several plausible results, where the
    model learnt them.
    """
    from gantools.pipelines.translate.apply import translate_kept

    with _as_file(picture, translator.max_megapixels) as path:
        kept = read_kept(path, translator.max_megapixels)
        if texture is not None:
            check_dial("texture", translator.history_)
        asked = {"texture": texture, "vividness": vividness}
        translator = copy.copy(translator).set_params(**{k: v for k, v in asked.items() if v is not None})
        translation = translator.translation() if seed is None else translator.variations(1, seed)[0]
        translate_kept(translation, kept)
        return _written(path, kept)


def _written(path: Path, kept: Kept) -> Made:
    """A picture in the format of its source, or as what can hold it."""
    written = write_kept(path.with_name(f"made{path.suffix}"), kept)
    return Made(written.read_bytes(), _MEDIA_TYPES[written.suffix], kept.notes)


def samples(sampler: Any, n: int, label: str | None, seed: int, truncation: float) -> Made:
    """New pictures of a synthesizer or an augmenter: a ZIP file of PNGs, a folder for each class."""
    from gantools.pipelines.synthesize.writing import write_pictures

    X, y = _drawn(sampler, n, label, seed, truncation)
    stream = io.BytesIO()
    with tempfile.TemporaryDirectory(prefix="gantools-serve-") as folder:
        for _ in write_pictures([(X, y)], seed, Path(folder)):
            pass
        with zipfile.ZipFile(stream, "w") as packed:
            for path in sorted(Path(folder).rglob("*")):
                if path.is_file():  # with no time of its own: the same samples are the same file
                    packed.writestr(zipfile.ZipInfo(str(path.relative_to(folder))), path.read_bytes())
    return Made(stream.getvalue(), _MEDIA_TYPES[".zip"])


def grid(sampler: Any, n: int, label: str | None, seed: int, truncation: float) -> Made:
    """New pictures of a synthesizer or an augmenter, side by side in one PNG."""
    from gantools.pipelines.synthesize.writing import write_grid

    X, _ = _drawn(sampler, n, label, seed, truncation)
    with tempfile.TemporaryDirectory(prefix="gantools-serve-") as folder:
        path = Path(folder) / "grid.png"
        write_grid(X, path)
        return Made(path.read_bytes(), _MEDIA_TYPES[".png"])


def sample_rows(sampler: Any, n: int, label: str | None, seed: int, truncation: float) -> list[dict[str, Any]]:
    """New rows of a synthesizer or an augmenter of tables, with `label` where there are classes."""
    from gantools.pipelines.synthesize.writing import labelled

    X, y = _drawn(sampler, n, label, seed, truncation)
    table = pd.DataFrame(X.toarray() if hasattr(X, "toarray") else X)
    table = table.rename(columns=str) if y is None else labelled(table.rename(columns=str), y)
    rows = without_nan(table).to_dict("records")
    return [{str(name): plain_value(value) for name, value in row.items()} for row in rows]


def _check_size(pixels: int) -> None:
    """Refuse to make more than memory is sure to hold.

    Raises
    ------
    ConfigError
    """
    if pixels > _MOST_MADE:
        raise ConfigError(
            f"this would make {pixels / 1e6:.0f} megapixels, more than the {_MOST_MADE / 1e6:.0f} that may"
        )


def _drawn(sampler: Any, n: int, label: str | None, seed: int, truncation: float) -> tuple[Any, NDArray[Any] | None]:
    """`n` samples of a class, or of all: a synthesizer's as often as the reals have them, an augmenter's evenly."""
    from gantools.pipelines.augment import GanAugmenter
    from gantools.pipelines.synthesize.forms import PictureForm

    form = _form(sampler)
    if isinstance(form, PictureForm):
        _check_size(n * form.out_height * form.out_width)
    if isinstance(sampler, GanAugmenter):
        if truncation != 1:
            raise ConfigError("truncation is for synthesizers; an augmenter's samples pass its gates instead")
        chosen = sampler.classes_.tolist() if label is None else [label]
        each, left = divmod(n, len(chosen))
        return sampler.sample({c: each + (i < left) for i, c in enumerate(chosen)}, random_state=seed)
    labels = None if label is None else np.repeat(sampler.classes_[sampler.numbers_of(label)], n)
    found = sampler.sample(n, labels=labels, random_state=seed, truncation=truncation)
    return (found, None) if sampler.classes_ is None else found


def ready(estimator: Any, max_megapixels: float) -> Any:
    """A loaded estimator, set to answer: no larger pictures than these, no progress, arrays given."""
    from gantools.pipelines.augment import GanAugmenter
    from gantools.pipelines.synthesize import GanSynthesizer

    if isinstance(estimator, GanSynthesizer):
        estimator.form_ = replace(estimator.form_, given="array")
    if isinstance(estimator, GanAugmenter):
        estimator.maker_.form = replace(estimator.maker_.form, given="array")
    return estimator.set_params(max_megapixels=max_megapixels, verbose=0)


def knows_tables(estimator: Any) -> bool:
    """Whether a fitted estimator is one of feature tables, not of pictures."""
    from gantools.pipelines.synthesize.forms import TableForm

    return getattr(estimator, "kind_", None) == "table" or isinstance(_form(estimator), TableForm)


def _form(estimator: Any) -> Any:
    """What a synthesizer or an augmenter makes; None for others."""
    if hasattr(estimator, "maker_"):
        return estimator.maker_.form
    return getattr(estimator, "form_", None)
