"""Anomaly maps as pictures."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gantools.core.checkpoint import write_atomically
from gantools.data.planes import on_white
from gantools.data.sources import PictureSource, Selected

# Map values where the colours begin and where they are full; 1 is what 1 % of normal pixels exceed.
_FROM, _TO = 1.0, 4.0
_SMALLEST_SIDE, _LONGEST_SIDE = 128, 2048
_AT_ONCE = 64


def mapped(
    detector: Any, source: PictureSource, indices: Sequence[int]
) -> Iterator[tuple[int, NDArray[np.float32], NDArray[np.float64]]]:
    """Pictures and their anomaly maps: some at a time, one at a time where they are large.

    Parameters
    ----------
    detector : GanAnomalyDetector
        Fitted on pictures.
    source : PictureSource
    indices : sequence of int
        Which of its pictures; all must be readable.

    Yields
    ------
    index, picture, map
        (H, W, C) in [0, 1] and (h, w).
    """
    at_once = 1 if detector.kind_ == "tiles" else _AT_ONCE
    for start in range(0, len(indices), at_once):
        some = indices[start : start + at_once]
        maps = detector.anomaly_map(Selected(source, some))
        for index, anomaly_map in zip(some, maps, strict=True):
            yield index, source.read(index), anomaly_map


def overlay(picture: NDArray[np.float32], anomaly_map: NDArray[np.float64]) -> NDArray[np.uint8]:
    """A picture in gray with its anomaly map over it, from yellow to red.

    Parameters
    ----------
    picture : ndarray, (H, W, C), in [0, 1]
    anomaly_map : ndarray, (h, w)
        On the scale of `GanAnomalyDetector.anomaly_map`: below 1 nothing is shown, from 4 on full red.

    Returns
    -------
    ndarray, (H', W', 3), uint8
        Pictures smaller than 128 pixels are enlarged by a whole factor, to at most 2,048.
    """
    height, width = picture.shape[:2]
    factor = max(1, min(-(-_SMALLEST_SIDE // min(height, width)), _LONGEST_SIDE // max(height, width)))
    gray = np.repeat(np.repeat(on_white(picture).mean(2), factor, 0), factor, 1)
    colour, cover = _heat(anomaly_map, gray.shape[::-1])
    shown = gray[..., None] * (1 - cover) + colour * cover
    return (shown * 255).round().astype(np.uint8)


def heat_layer(anomaly_map: NDArray[np.float64], size: tuple[int, int]) -> Image.Image:
    """An anomaly map in the colours of `overlay`, to lie over a picture: RGBA, of so many pixels (width, height)."""
    colour, cover = _heat(anomaly_map, size)
    return Image.fromarray((np.concatenate([colour, cover], 2) * 255).round().astype(np.uint8))


def _heat(anomaly_map: NDArray[np.float64], size: tuple[int, ...]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The colours of a map, (H, W, 3), and how much they cover, (H, W, 1), for (width, height) pixels."""
    heat = np.clip((anomaly_map - _FROM) / (_TO - _FROM), 0, 1).astype(np.float32)
    resized = Image.fromarray(heat).resize((size[0], size[1]), Image.Resampling.BILINEAR)
    strength = np.asarray(resized)[..., None]
    colour = np.concatenate([np.ones_like(strength), 0.9 * (1 - strength), np.zeros_like(strength)], 2)
    return colour, np.clip(strength * 1.5, 0, 0.75)


def png_bytes(picture: NDArray[np.uint8]) -> bytes:
    """A picture (H, W, 3) as the bytes of a PNG file."""
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "PNG")
    return stream.getvalue()


def save_png(path: Path, picture: NDArray[np.uint8]) -> None:
    """Write a PNG file, whole or not at all."""
    write_atomically(path, png_bytes(picture))
