"""Masks of defects: which belongs to a picture, what it marks, and that at another size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import label
from torch.nn import functional as F

from gantools.data.keep import read_kept

_FAINT = 0.1  # masks whose marks are fainter are of less depth than their files
_KINDS = 8  # masks of no more values hold numbers of kinds, such as 0, 1 and 5
_MARKED = 0.25


def mask_of(masks: Path, name: str) -> Path | None:
    """The mask of a picture: the same relative path or name, with any suffix and with or without "_mask"."""
    relative = Path(name)
    below = relative.parent if not relative.is_absolute() and ".." not in relative.parts else Path()
    for folder in (masks / below, masks):
        for stem in (relative.stem, f"{relative.stem}_mask"):
            for suffix in (".png", relative.suffix, ".bmp", ".tif"):
                if (folder / f"{stem}{suffix}").is_file():
                    return folder / f"{stem}{suffix}"
    return None


def marked(mask: Path, max_megapixels: float) -> NDArray[np.float32]:
    """How much each pixel (H, W) of a mask is marked, in [0, 1]; where it is transparent, it is not.

    In a mask of a few values, all but 0 is marked: they may be numbers of kinds of defect.
    """
    kept = read_kept(mask, max_megapixels)
    pixels = kept.pixels.astype(np.float32) / np.iinfo(kept.pixels.dtype).max
    shares = pixels[..., :-1].max(2) * pixels[..., -1] if kept.has_alpha else pixels.max(2)
    if len(np.unique(shares)) <= _KINDS:
        return (shares > 0).astype(np.float32)
    most = float(shares.max())
    return shares / most if 0 < most < _FAINT else shares


def at_size(shares: NDArray[np.float32], size: tuple[int, ...]) -> NDArray[np.bool_]:
    """Which pixels are marked at another size (H, W): those of which a quarter is, and regions too thin for that."""
    given = torch.from_numpy(shares)[None, None]
    size = (size[0], size[1])
    truth: NDArray[np.bool_] = F.interpolate(given, size=size, mode="area")[0, 0].numpy() > _MARKED
    touched = F.adaptive_max_pool2d(given, size)[0, 0].numpy() > _MARKED
    regions, _ = label(touched, np.ones((3, 3)))
    return truth | (touched & ~np.isin(regions, np.unique(regions[truth])))
