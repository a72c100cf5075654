"""Defects for the texture benchmark. None of their kinds is among the detector's synthetic anomalies."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

Picture = np.ndarray
Defect = Callable[[Picture, np.random.Generator], tuple[Picture, np.ndarray]]


def _place(picture: Picture, rng: np.random.Generator, low: float, high: float) -> tuple[np.ndarray, float]:
    """Distance of each pixel from a random place, and a random radius."""
    height, width = picture.shape[:2]
    radius = rng.uniform(low, high) * min(height, width)
    y0, x0 = rng.uniform(radius, height - radius), rng.uniform(radius, width - radius)
    rows, columns = np.mgrid[:height, :width]
    return np.hypot(rows - y0, columns - x0), radius


def stain(picture: Picture, rng: np.random.Generator) -> tuple[Picture, np.ndarray]:
    """A soft-edged darkening or bleaching that leaves the structure visible."""
    distance, radius = _place(picture, rng, 0.06, 0.14)
    strength = np.clip(1.5 - 1.5 * distance / radius, 0, 1)[..., None]
    factor = rng.choice([rng.uniform(0.35, 0.6), rng.uniform(1.5, 1.9)])
    return np.clip(picture * (1 + strength * (factor - 1)), 0, 1), strength[..., 0] > 0.3


def crack(picture: Picture, rng: np.random.Generator) -> tuple[Picture, np.ndarray]:
    """A dark, wandering, branching line."""
    height, width = picture.shape[:2]
    mask = np.zeros((height, width), bool)
    y, x = rng.uniform(0.2, 0.8) * height, rng.uniform(0.2, 0.8) * width
    heading = rng.uniform(0, 2 * np.pi)
    for _ in range(int(rng.uniform(0.4, 0.8) * width)):
        heading += rng.normal(0, 0.35)
        y, x = np.clip(y + np.sin(heading), 1, height - 2), np.clip(x + np.cos(heading), 1, width - 2)
        mask[int(y), int(x)] = mask[int(y), int(x) + 1] = mask[int(y) + 1, int(x)] = True
    depth = gaussian_filter(mask.astype(float), 0.6)[..., None] * 1.2
    return picture * (1 - np.clip(depth, 0, 1) * rng.uniform(0.7, 0.95)), mask


def dent(picture: Picture, rng: np.random.Generator) -> tuple[Picture, np.ndarray]:
    """The surface pushed in: magnified locally, with a shaded side."""
    distance, radius = _place(picture, rng, 0.09, 0.17)
    height, width = picture.shape[:2]
    rows, columns = np.mgrid[:height, :width].astype(float)
    inside = np.clip(1 - distance / radius, 0, 1)
    centre = np.unravel_index(distance.argmin(), distance.shape)
    pull = 0.6 * inside
    at = [rows + (centre[0] - rows) * pull, columns + (centre[1] - columns) * pull]
    bent = np.stack([map_coordinates(picture[..., c], at, order=1, mode="reflect") for c in range(picture.shape[2])], 2)
    slope = np.gradient(gaussian_filter(inside, 2))[1][..., None]
    return np.clip(bent + 2.5 * slope, 0, 1), inside > 0.1


def misweave(picture: Picture, rng: np.random.Generator) -> tuple[Picture, np.ndarray]:
    """A disc of the material turned by about a quarter."""
    distance, radius = _place(picture, rng, 0.1, 0.17)
    centre = np.unravel_index(distance.argmin(), distance.shape)
    angle = rng.uniform(np.pi / 4, 3 * np.pi / 4)
    rows, columns = np.mgrid[: picture.shape[0], : picture.shape[1]].astype(float)
    dy, dx = rows - centre[0], columns - centre[1]
    at = [
        centre[0] + dy * np.cos(angle) + dx * np.sin(angle),
        centre[1] - dy * np.sin(angle) + dx * np.cos(angle),
    ]
    turned = np.stack(
        [map_coordinates(picture[..., c], at, order=1, mode="reflect") for c in range(picture.shape[2])], 2
    )
    inside = gaussian_filter((distance < radius).astype(float), 1)[..., None]
    return picture * (1 - inside) + turned * inside, distance < radius


def smear(picture: Picture, rng: np.random.Generator) -> tuple[Picture, np.ndarray]:
    """The fine structure wiped away."""
    distance, radius = _place(picture, rng, 0.09, 0.16)
    inside = gaussian_filter((distance < radius).astype(float), 1.5)[..., None]
    wiped = gaussian_filter(picture, (rng.uniform(2, 4), rng.uniform(2, 4), 0))
    return picture * (1 - inside) + wiped * inside, distance < radius


DEFECTS: dict[str, Defect] = {
    "stain": stain,
    "crack": crack,
    "dent": dent,
    "misweave": misweave,
    "smear": smear,
}


def texture_set(
    material: np.ndarray, seed: int, n_train: int = 60, n_good: int = 40, n_each: int = 8, size: int = 128
) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[str]]:
    """Crops of one material: training from its left three fifths, testing from the rest.

    Returns
    -------
    train, test, masks, kinds
        uint8 (N, size, size[, 3]), the same, bool (N, size, size), and "good" or the defect's kind.
    """
    rng = np.random.default_rng(seed)
    edge = int(0.6 * material.shape[1])

    def crop(low: int, high: int) -> np.ndarray:
        top, left = rng.integers(material.shape[0] - size + 1), rng.integers(low, high - size + 1)
        return material[top : top + size, left : left + size]

    train = np.stack([crop(0, edge) for _ in range(n_train)])
    test = [crop(edge, material.shape[1]) for _ in range(n_good)]
    masks = [np.zeros((size, size), bool)] * n_good
    kinds = ["good"] * n_good
    for kind, make in DEFECTS.items():
        for _ in range(n_each):
            normal = crop(edge, material.shape[1])
            picture = normal.reshape(size, size, -1).astype(float) / 255
            spoilt, mask = make(picture, rng)
            test.append((spoilt * 255).round().astype(np.uint8).reshape(normal.shape))
            masks.append(mask)
            kinds.append(kind)
    return train, np.stack(test), np.stack(masks), kinds
