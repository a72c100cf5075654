"""How good translated pictures are, beside the untouched source and the mean colour of all targets."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from gantools.data.planes import eight_bits, from_signed, middle, unit
from gantools.data.resize import to_size
from gantools.errors import DataError
from gantools.metrics.features import PictureFeatures
from gantools.metrics.generated import frechet_distance
from gantools.metrics.pictures import PerceptualDistance, chroma, psnr, ssim_y
from gantools.pipelines.base import by_method
from gantools.pipelines.translate.examples import Example, gray_of

Method = Callable[[NDArray[Any]], NDArray[Any]]

FIGURES = ("psnr", "ssim", "perceptual", "chroma")
EQUAL = 60.0
"""What PSNR is given as where pictures are equal, in dB: eight bits can tell no more."""
_FEWEST_FOR_FRECHET = 50


def baselines(colour: list[float]) -> dict[str, Method]:
    """What anyone has without a model: the source as it is, and the mean colour of the targets learnt from.

    Parameters
    ----------
    colour : list of float
        In [-1, 1], one for each of a target's channels.
    """
    n = len(colour)

    def identity(source: NDArray[Any]) -> NDArray[Any]:
        if source.shape[2] == n:
            return source
        if source.shape[2] == 3:
            return np.repeat(gray_of(source), n, 2)
        flat = source.mean(2, keepdims=True)
        flat = flat if source.dtype.kind == "f" else flat.round().astype(source.dtype)
        return np.repeat(flat, n, 2)

    def mean_colour(source: NDArray[Any]) -> NDArray[Any]:
        planes = torch.tensor(colour).view(n, 1, 1).expand(n, *source.shape[:2])
        return from_signed(planes, source.dtype)

    return {"identity": identity, "mean colour": mean_colour}


def made(example: Example, methods: dict[str, Method]) -> dict[str, NDArray[Any]]:
    """What each method makes of an example's source.

    Raises
    ------
    DataError
        Naming the picture, when one cannot.
    """
    try:
        return {name: method(example.source) for name, method in methods.items()}
    except DataError as error:
        raise DataError(f"the source in the pair {example.name}: {error}") from None


def pictured(example: Example, methods: dict[str, Method]) -> dict[str, NDArray[Any]]:
    """All there is to see of an example: "source", what each method makes of it, and "truth"."""
    return {"source": example.source, **made(example, methods), "truth": example.target}


def measured(examples: Iterable[Example], methods: dict[str, Method]) -> tuple[pd.DataFrame, dict[str, float]]:
    """Figures of each picture and of all together. Of pictures longer than 2,048 pixels they are the middle's.

    Returns
    -------
    DataFrame
        One row for every picture and method: `path`, `method`, and `FIGURES`; `chroma` is the mean chroma, also of the
        truth, whose method is "truth".
    dict
        Fréchet distance between a method's pictures and the truths, by method; empty for fewer than fifty pictures.
    """
    distance, features = PerceptualDistance(), PictureFeatures()
    rows: list[dict[str, Any]] = []
    seen: dict[str, list[torch.Tensor]] = {name: [] for name in (*methods, "truth")}
    for example in examples:
        truth = unit(middle(example.target))
        pictures = {name: unit(middle(picture)) for name, picture in made(example, methods).items()}
        for name, picture in {**pictures, "truth": truth}.items():
            seen[name].append(features(picture.mul(2).sub(1)))
            row: dict[str, Any] = {"path": example.name, "method": name, "chroma": chroma(picture)}
            if name != "truth":
                row |= {
                    "psnr": min(psnr(picture, truth), EQUAL),
                    "ssim": ssim_y(picture, truth),
                    "perceptual": distance(picture, truth),
                }
            rows.append(row)
    table = pd.DataFrame(rows, columns=["path", "method", *FIGURES])
    if len(seen["truth"]) < _FEWEST_FOR_FRECHET:
        return table, {}
    real = torch.cat(seen["truth"])
    return table, {name: frechet_distance(real, torch.cat(found)) for name, found in seen.items() if name != "truth"}


def means(table: pd.DataFrame, frechet: dict[str, float]) -> dict[str, float]:
    """Means by name: `psnr` of the method "ours", `psnr_identity` and so on of the others."""
    averages = table.groupby("method", sort=False)[list(FIGURES)].mean()
    averages["frechet"] = pd.Series(frechet, dtype=float)
    return by_method(averages)


def sheet(examples: Iterable[Example], methods: dict[str, Method], side: int = 128) -> NDArray[np.uint8]:
    """A picture to look at: a row for each example, with its source, what methods make of it, and the truth."""
    rows = []
    for example in examples:
        shown = pictured(example, methods).values()
        rows.append(np.concatenate([_framed(picture, side) for picture in shown], 1))
    return np.concatenate(rows)


def _framed(picture: NDArray[Any], side: int) -> NDArray[np.uint8]:
    """A picture as large as fits into a square of `side` pixels, on white."""
    planes = torch.from_numpy(eight_bits(picture)).permute(2, 0, 1).float().div(255)
    factor = side / max(planes.shape[1:])
    size = [max(1, round(length * factor)) for length in planes.shape[1:]]
    fitted = to_size(planes, *size).mul(255).round().byte().permute(1, 2, 0).numpy()
    return np.pad(fitted, ((0, side + 4 - size[0]), (0, side + 4 - size[1]), (0, 0)), constant_values=255)
