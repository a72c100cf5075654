"""Pictures of any kind as eight-bit RGB, thumbnails, and grids of them."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gantools.data.planes import eight_bits, on_white

_GAP = 2
_QUALITY = 80
_SMALL = 64


def rgb(picture: NDArray[Any]) -> NDArray[np.uint8]:
    """A picture (H, W) or (H, W, C), of any depth, as (H, W, 3) uint8, on white where it has alpha."""
    return eight_bits(on_white(picture[..., None] if picture.ndim == 2 else picture))


def fitted(picture: NDArray[np.uint8], side: int) -> Image.Image:
    """A picture (H, W, 3) no longer than `side`; smaller ones stay as they are."""
    found = Image.fromarray(picture)
    found.thumbnail((side, side), Image.Resampling.LANCZOS)
    return found


def grid(pictures: Sequence[NDArray[Any]], columns: int) -> NDArray[np.uint8]:
    """Pictures row by row on white, each in a cell as large as the largest: (rows, columns, 3)."""
    shown = [rgb(picture) for picture in pictures]
    height, width = (max(p.shape[axis] for p in shown) + _GAP for axis in (0, 1))
    rows = -(-len(shown) // columns)
    whole = np.full((rows * height, columns * width, 3), 255, np.uint8)
    for i, picture in enumerate(shown):
        top, left = i // columns * height, i % columns * width
        whole[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return whole


def data_uri(picture: NDArray[np.uint8] | Image.Image, quality: int | None = _QUALITY) -> str:
    """A picture as a data URI: PNG for small ones and where `quality` is None, else JPEG."""
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    stream = io.BytesIO()
    lossless = quality is None or max(image.size) <= _SMALL or image.mode == "RGBA"
    if lossless:
        image.save(stream, "PNG")
    else:
        image.save(stream, "JPEG", quality=quality)
    kind = "png" if lossless else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(stream.getvalue()).decode()}"
