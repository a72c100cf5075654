"""Samples as files."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gantools.core.checkpoint import write_atomically
from gantools.data.keep import Kept, write_kept


def write_samples(X: Any, y: Any, seed: int, out: Path) -> None:
    """Pictures as PNG, a folder a class where there are classes, or a table as samples.csv; and manifest.csv."""
    labels = ["" if y is None else str(label) for label in (y if y is not None else range(len(X)))]
    labels = labels if y is not None else [""] * len(X)
    if isinstance(X, pd.DataFrame) or np.ndim(X) == 2:
        table = X if isinstance(X, pd.DataFrame) else pd.DataFrame(X)
        table = table if y is None else table.assign(label=y)
        write_atomically(out / "samples.csv", table.to_csv(index=False).encode())
        paths = ["samples.csv"] * len(X)
    else:
        paths = []
        for i, (picture, label) in enumerate(zip(X, labels, strict=True)):
            target = out / label / f"sample-{i:06d}.png"
            target.parent.mkdir(parents=True, exist_ok=True)
            write_kept(target, Kept(picture[..., None] if picture.ndim == 2 else picture))
            paths.append(str(target.relative_to(out)))
    manifest = pd.DataFrame({"path": paths, "label": labels, "seed": seed})
    write_atomically(out / "manifest.csv", manifest.to_csv(index=False).encode())


def write_grid(pictures: NDArray[Any], path: Path, columns: int | None = None) -> None:
    """Pictures (N, H, W[, C]) side by side, in so many columns; as many as rows if None."""
    pictures = pictures[..., None] if pictures.ndim == 3 else pictures
    n, height, width, channels = pictures.shape
    columns = columns or math.ceil(math.sqrt(n))
    rows = math.ceil(n / columns)
    blank = np.zeros((rows * columns - n, height, width, channels), pictures.dtype)
    grid = np.concatenate([pictures, blank]).reshape(rows, columns, height, width, channels)
    write_kept(path, Kept(grid.transpose(0, 2, 1, 3, 4).reshape(rows * height, columns * width, channels)))
