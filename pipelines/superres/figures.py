"""How good enlarged pictures are, beside what interpolation makes of the same ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from gantools.data.planes import contrast, eight_bits, from_signed, middle, to_signed, unit
from gantools.data.resize import enlarged, enlarged_lanczos
from gantools.metrics.pictures import PerceptualDistance, psnr_y, ssim_y
from gantools.pipelines.base import by_method
from gantools.pipelines.superres.examples import Example

_EQUAL = 100.0

Method = Callable[[NDArray[Any]], NDArray[Any]]


def interpolations(scale: int) -> dict[str, Method]:
    """What anyone has without a model: bicubic and Lanczos interpolation."""

    def by(filtered: Callable[[torch.Tensor, int], torch.Tensor]) -> Method:
        return lambda low: from_signed(filtered(to_signed(low)[None], scale)[0], low.dtype)

    return {"bicubic": by(enlarged), "lanczos": by(enlarged_lanczos)}


def measured(examples: Iterable[Example], methods: dict[str, Method], scale: int) -> pd.DataFrame:
    """One row for every picture and method: `path`, `method`, `psnr`, `ssim`, `perceptual`.

    PSNR and SSIM are of the luma, in pictures rounded to their depth, without a border of `scale` pixels; equal
    pictures count as 100 dB. Of pictures longer than 2,048 pixels, SSIM and perceptual distance are the middle's.
    """
    distance = PerceptualDistance()
    rows = []
    for example in examples:
        truth = unit(example.high)
        for method, enlarge in methods.items():
            found = unit(enlarge(example.low))
            middles = middle(found, 2), middle(truth, 2)
            rows.append(
                {
                    "path": example.name,
                    "method": method,
                    "psnr": capped_psnr(found, truth, scale),
                    "ssim": ssim_y(*middles, _border(truth, scale)),
                    "perceptual": distance(*middles),
                }
            )
    return pd.DataFrame(rows, columns=["path", "method", "psnr", "ssim", "perceptual"])


def capped_psnr(picture: torch.Tensor, truth: torch.Tensor, scale: int) -> float:
    """PSNR-Y of pictures (1, C, H, W) in [0, 1], without a border unless they are tiny; equal ones count as 100 dB."""
    return min(psnr_y(picture, truth, _border(truth, scale)), _EQUAL)


def _border(truth: torch.Tensor, scale: int) -> int:
    return scale if min(truth.shape[2:]) > 4 * scale else 0


def means(table: pd.DataFrame) -> dict[str, float]:
    """The means of `measured` by name: `psnr` of the method "ours", `psnr_bicubic` and so on of the others."""
    return by_method(table.groupby("method", sort=False)[["psnr", "ssim", "perceptual"]].mean())


def cropped(example: Example, methods: dict[str, Method], scale: int, side: int) -> dict[str, NDArray[Any]]:
    """The crop of an example with the most detail: the low picture's own pixels, the methods in order, the truth.

    Returns
    -------
    dict
        "low", the methods' names and "truth" to pictures of at most `side` pixels of the large picture.
    """
    size = min(side, *example.high.shape[:2]) // scale * scale
    top, left = _busiest(example.high, size, scale)
    window = (slice(top, top + size), slice(left, left + size))
    low = example.low.repeat(scale, 0).repeat(scale, 1)
    made = {name: enlarge(example.low) for name, enlarge in methods.items()}
    return {name: picture[window] for name, picture in {"low": low, **made, "truth": example.high}.items()}


def sheet(
    examples: Iterator[Example] | list[Example], methods: dict[str, Method], scale: int, side: int = 128
) -> NDArray[np.uint8]:
    """A picture to look at: for each example, the crop with the most detail as each method and the truth show it.

    Parameters
    ----------
    side : int
        Of a crop, in pixels of the large picture.

    Returns
    -------
    ndarray, (rows, columns, 3), uint8
        A row for each example: the low picture's own pixels, the methods in order, the truth.
    """
    rows = []
    for example in examples:
        crops = cropped(example, methods, scale, side).values()
        padded = [np.pad(eight_bits(p), ((0, 4), (0, 4), (0, 0)), constant_values=255) for p in crops]
        rows.append(np.concatenate(padded, 1))
    width = max(row.shape[1] for row in rows)
    return np.concatenate(
        [np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0)), constant_values=255) for row in rows]
    )


def _busiest(picture: NDArray[Any], size: int, multiple: int) -> tuple[int, int]:
    """Where the window of `size` pixels, a multiple of `multiple`, with the most local contrast begins on its grid."""
    change = contrast(unit(picture).mean(1)[0])
    cells, n = F.avg_pool2d(change[None, None], multiple)[0, 0].double(), size // multiple
    above = F.pad(cells.cumsum(0).cumsum(1), (1, 0, 1, 0))  # sums of all cells above and to the left
    sums = above[n:, n:] - above[:-n, n:] - above[n:, :-n] + above[:-n, :-n]
    at = int(sums.argmax())
    return at // sums.shape[1] * multiple, at % sums.shape[1] * multiple
