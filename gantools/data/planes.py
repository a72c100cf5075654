"""Pictures as arrays (H, W, C) of any depth, and as planes (C, H, W) that networks take; their channels."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gantools.errors import DataError


def to_signed(picture: NDArray[Any]) -> Tensor:
    """(H, W, C) of any depth to a tensor (C, H, W), float32 in [-1, 1]."""
    array = np.ascontiguousarray(picture.transpose(2, 0, 1))
    top = {"u1": 255.0, "u2": 65535.0}.get(array.dtype.str[1:], 1.0)
    return torch.from_numpy(array.astype(np.float32)).mul_(2 / top).sub_(1)


def from_signed(planes: Tensor, dtype: np.dtype[Any]) -> NDArray[Any]:
    """(C, H, W) in [-1, 1] to (H, W, C) of `dtype`: whole numbers are rounded, everything is clamped."""
    unit = planes.add(1).div(2).clamp(0, 1).permute(1, 2, 0)
    if dtype.kind == "f":
        return unit.numpy().astype(dtype)
    top = float(np.iinfo(dtype).max)
    rounded: NDArray[Any] = unit.double().mul(top).round().numpy().astype(dtype)
    return rounded


def unit(picture: NDArray[Any]) -> Tensor:
    """(H, W, C) of any depth to (1, C, H, W) in [0, 1]."""
    return to_signed(picture)[None].add_(1).div_(2)


def eight_bits(picture: NDArray[Any]) -> NDArray[np.uint8]:
    """Any depth and channels as (H, W, 3), uint8; of other channels than one or three, the first is shown."""
    planes = unit(picture)[0].mul(255).round().byte().permute(1, 2, 0).numpy()
    return planes if planes.shape[2] == 3 else np.repeat(planes[..., :1], 3, axis=2)


def on_white(picture: NDArray[Any]) -> NDArray[Any]:
    """A picture (H, W, C) without its alpha: what is transparent is white."""
    if picture.shape[2] not in (2, 4):
        return picture
    planes = to_signed(picture).add_(1).div_(2)
    alpha = planes[-1:]
    return from_signed((planes[:-1] * alpha + 1 - alpha).mul(2).sub(1), picture.dtype)


def with_channels(picture: NDArray[np.float32], channels: int, name: str) -> NDArray[np.float32]:
    """A picture (H, W, C) in [0, 1] with so many channels: what is transparent is laid on white, gray made colour.

    Raises
    ------
    DataError
        Where that cannot be.
    """
    found = picture.shape[2]
    if found == channels:
        return picture
    if found in (2, 4) and channels in (1, 3):
        alpha = picture[..., -1:]
        return with_channels(picture[..., :-1] * alpha + (1 - alpha), channels, name)
    if found == 1 and channels == 3:
        return np.repeat(picture, 3, axis=2)
    raise DataError(
        f"{name}: has {found} channels, where {channels} are needed; convert it, or fit on pictures that are like it"
    )


def middle(picture: Any, first_axis: int = 0, longest: int = 2048) -> Any:
    """The middle of an array or a tensor of pictures, at most so many pixels long: what figures are taken of.

    Rows and columns are `first_axis` and the one after it.
    """
    starts = [max(0, length - longest) // 2 for length in picture.shape[first_axis : first_axis + 2]]
    return picture[(slice(None),) * first_axis + tuple(slice(start, start + longest) for start in starts)]


def contrast(gray: Tensor) -> Tensor:
    """How much each pixel of a picture (H, W) differs from those above it and to its left."""
    change = torch.zeros_like(gray)
    change[1:] += (gray[1:] - gray[:-1]).abs()
    change[:, 1:] += (gray[:, 1:] - gray[:, :-1]).abs()
    return change


def mirrored(picture: Tensor, height: int, width: int) -> Tensor:
    """A picture (C, H, W) continued as in a mirror, below and to the right, to at least so many pixels."""
    grow = [(0, max(0, height - picture.shape[1])), (0, max(0, width - picture.shape[2]))]
    if not any(after for _, after in grow):
        return picture
    return torch.from_numpy(np.pad(picture.numpy(), ((0, 0), *grow), mode="symmetric"))
