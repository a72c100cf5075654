"""Synthetic anomalies: normals made abnormal, in batches, with masks of where.

A discriminator that only ever saw a generator's fakes ranks real anomalies little better than chance; shown
such negatives it learns where normality ends. Ideas from CutPaste (Li et al. 2021), DRAEM (Zavrtanik et al.
2021) and, for vectors, from noise-contrastive one-class methods.

Every function takes a batch in [-1, 1] and a local random generator, and gives a batch and masks (N, 1, H, W):
1 where the picture was changed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from gantools.errors import ConfigError

Corruption = Callable[[Tensor, torch.Generator], tuple[Tensor, Tensor]]


def _uniform(shape: Sequence[int], low: float, high: float, like: Tensor, rng: torch.Generator) -> Tensor:
    return torch.rand(tuple(shape), generator=rng, device=like.device) * (high - low) + low


def _per_picture(pictures: Tensor, low: float, high: float, rng: torch.Generator) -> Tensor:
    return _uniform((len(pictures), 1, 1, 1), low, high, pictures, rng)


def _others(pictures: Tensor, rng: torch.Generator) -> Tensor:
    """Other pictures of the batch, each rolled by its own random amount along with the batch's."""
    height, width = pictures.shape[-2:]
    shift = torch.randint(max(height, width), (2,), generator=rng, device=pictures.device).tolist()
    order = torch.randperm(len(pictures), generator=rng, device=pictures.device)
    return torch.roll(pictures[order], (int(shift[0]), int(shift[1])), (2, 3))


def smooth_noise(like: Tensor, cells: int, rng: torch.Generator, channels: int = 1) -> Tensor:
    """Standard normal noise (N, channels, H, W) that varies over about 1/cells of the picture's side."""
    height, width = like.shape[-2:]
    coarse = torch.randn((len(like), channels, cells, cells), generator=rng, device=like.device)
    return F.interpolate(coarse, size=(height, width), mode="bicubic", align_corners=False)


def _warped(pictures: Tensor, matrices: Tensor, offsets: Tensor | None = None) -> Tensor:
    grid = F.affine_grid(matrices, list(pictures.shape), align_corners=False)
    if offsets is not None:
        grid = grid + offsets.permute(0, 2, 3, 1)
    return F.grid_sample(pictures, grid, padding_mode="border", align_corners=False)


def _everywhere(pictures: Tensor) -> Tensor:
    return torch.ones_like(pictures[:, :1])


def affine(pictures: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """The whole picture turned by up to 70 degrees, scaled, sheared and moved."""
    n = len(pictures)
    angle, shear, across, down = (_uniform((n,), -1, 1, pictures, rng) for _ in range(4))
    scale_x, scale_y = (torch.exp(_uniform((n,), -0.5, 0.5, pictures, rng)) for _ in range(2))
    angle, shear = 1.2 * angle, 0.5 * shear
    first = torch.stack([scale_x * angle.cos(), scale_x * (shear - angle.sin()), 0.2 * across], -1)
    second = torch.stack([scale_y * angle.sin(), scale_y * angle.cos(), 0.2 * down], -1)
    return _warped(pictures, torch.stack([first, second], 1)), _everywhere(pictures)


def scale(pictures: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """The whole picture stretched or squeezed, each axis by its own factor between 1/2 and 2."""
    n = len(pictures)
    zero = torch.zeros(n, device=pictures.device)
    scale_x, scale_y = (torch.exp(_uniform((n,), -0.7, 0.7, pictures, rng)) for _ in range(2))
    first, second = torch.stack([scale_x, zero, zero], -1), torch.stack([zero, scale_y, zero], -1)
    return _warped(pictures, torch.stack([first, second], 1)), _everywhere(pictures)


def warp(pictures: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """The whole picture bent smoothly."""
    identity = torch.eye(2, 3, device=pictures.device).expand(len(pictures), 2, 3)
    return _warped(pictures, identity, 0.25 * smooth_noise(pictures, 4, rng, 2)), _everywhere(pictures)


def _rectangles(pictures: Tensor, smallest: float, largest: float, rng: torch.Generator) -> Tensor:
    """One rectangle a picture, its sides a share of the picture's: masks (N, 1, H, W)."""
    n, _, height, width = pictures.shape
    rows = torch.arange(height, device=pictures.device)[None, :, None]
    columns = torch.arange(width, device=pictures.device)[None, None, :]
    tall = _uniform((n, 1, 1), smallest, largest, pictures, rng) * height
    wide = _uniform((n, 1, 1), smallest, largest, pictures, rng) * width
    top = _uniform((n, 1, 1), 0, 1, pictures, rng) * (height - tall)
    left = _uniform((n, 1, 1), 0, 1, pictures, rng) * (width - wide)
    inside = (rows >= top) & (rows < top + tall) & (columns >= left) & (columns < left + wide)
    return inside[:, None].float()


def erase(pictures: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """A rectangle painted over with the darkest value of the picture."""
    masks = _rectangles(pictures, 0.2, 0.6, rng)
    return torch.lerp(pictures, pictures.amin((1, 2, 3), keepdim=True).expand_as(pictures), masks), masks


def cutpaste(pictures: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """A rectangle from elsewhere in another picture, its brightness and contrast changed a little."""
    masks = _rectangles(pictures, 0.08, 0.4, rng)
    gain, shift = _per_picture(pictures, 0.6, 1.4, rng), _per_picture(pictures, -0.3, 0.3, rng)
    pasted = (_others(pictures, rng) * gain + shift).clamp(-1, 1)
    return torch.lerp(pictures, pasted, masks), masks


def blobs(pictures: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Blots of random shape, filled with noise texture or with another picture, laid over at 30 to 100 %."""
    cells = int(torch.randint(3, 9, (1,), generator=rng, device=pictures.device))
    shape = smooth_noise(pictures, cells, rng)
    threshold = torch.quantile(shape.flatten(1), 0.93, dim=1)[:, None, None, None]
    masks = (shape > threshold).float()
    fine = max(2, pictures.shape[-1] // int(torch.randint(1, 8, (1,), generator=rng, device=pictures.device)))
    level = _uniform((len(pictures), pictures.shape[1], 1, 1), -1, 1, pictures, rng)
    noise = level + _per_picture(pictures, 0.0, 0.4, rng) * smooth_noise(pictures, fine, rng, pictures.shape[1])
    foreign = torch.where(_per_picture(pictures, 0, 1, rng) < 0.3, _others(pictures, rng).flip(2), noise)
    opacity = _per_picture(pictures, 0.3, 1.0, rng)
    return torch.lerp(pictures, foreign.clamp(-1, 1), masks * opacity), masks


def strokes(pictures: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """A straight thin stroke, lighter or darker than what it crosses."""
    n, channels, height, width = pictures.shape
    rows = torch.linspace(-1, 1, height, device=pictures.device)[None, :, None]
    columns = torch.linspace(-1, 1, width, device=pictures.device)[None, None, :]
    angle = _uniform((n, 1, 1), 0, math.pi, pictures, rng)
    x0, y0 = (_uniform((n, 1, 1), -0.7, 0.7, pictures, rng) for _ in range(2))
    along = (columns - x0) * angle.cos() + (rows - y0) * angle.sin()
    across = (rows - y0) * angle.cos() - (columns - x0) * angle.sin()
    long = _uniform((n, 1, 1), 0.15, 0.7, pictures, rng)
    thick = _uniform((n, 1, 1), 1.0, 3.0, pictures, rng) / max(height, width)
    masks = ((along.abs() < long) & (across.abs() < thick))[:, None].float()
    change = _uniform((n, channels, 1, 1), 0.2, 1.0, pictures, rng)
    sign = torch.where(_per_picture(pictures, -1, 1, rng) < 0, -1.0, 1.0)
    return (pictures + masks * change * sign).clamp(-1, 1), masks


def swirl(pictures: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """A round region twisted or bent: right colours, wrong structure."""
    n, _, height, width = pictures.shape
    rows = torch.linspace(-1, 1, height, device=pictures.device)[None, :, None]
    columns = torch.linspace(-1, 1, width, device=pictures.device)[None, None, :]
    x0, y0 = (_uniform((n, 1, 1), -0.7, 0.7, pictures, rng) for _ in range(2))
    radius = _uniform((n, 1, 1), 0.15, 0.5, pictures, rng)
    dx, dy = columns - x0, rows - y0
    near = (1 - (dx.square() + dy.square()) / radius.square()).clamp_min(0)
    angle = near * _uniform((n, 1, 1), 1.0, 3.0, pictures, rng)
    x = x0 + dx * angle.cos() - dy * angle.sin()
    y = y0 + dx * angle.sin() + dy * angle.cos()
    out = F.grid_sample(pictures, torch.stack([x, y], -1), padding_mode="reflection", align_corners=True)
    return out, (near > 0.1)[:, None].float()


CORRUPTIONS: dict[str, Corruption] = {
    "affine": affine,
    "scale": scale,
    "warp": warp,
    "erase": erase,
    "cutpaste": cutpaste,
    "blobs": blobs,
    "strokes": strokes,
    "swirl": swirl,
}


def check_kinds(kinds: Sequence[str]) -> None:
    """Refuse kinds of synthetic anomaly that do not exist.

    Raises
    ------
    ConfigError
        Naming those that do.
    """
    unknown = [kind for kind in kinds if kind not in CORRUPTIONS]
    if unknown:
        raise ConfigError(
            f"synthetic={unknown[0]!r} is not known; choose from {', '.join(CORRUPTIONS)}, or none at all"
        )


def corrupt(pictures: Tensor, kinds: Sequence[str], rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Each picture changed by one of `kinds`, in equal shares.

    Parameters
    ----------
    pictures : Tensor, (N, C, H, W), in [-1, 1]
        Normals.
    kinds : sequence of str
        Keys of `CORRUPTIONS`.
    rng : torch.Generator
        On the pictures' device.

    Returns
    -------
    pictures, masks : Tensor
        (N, C, H, W) in [-1, 1], and (N, 1, H, W): 1 where changed.
    """
    order = torch.randperm(len(kinds), generator=rng, device=pictures.device).tolist()
    shares = pictures.tensor_split(len(kinds))
    changed = [CORRUPTIONS[kinds[k]](share, rng) for k, share in zip(order, shares, strict=True) if len(share)]
    return torch.cat([c for c, _ in changed]), torch.cat([m for _, m in changed])


def corrupt_vectors(vectors: Tensor, rng: torch.Generator) -> Tensor:
    """Standardised feature vectors with Gaussian noise on a random share of their features.

    Between 10 and 100 % of the features (at least one) get noise of one deviation, log-uniform in [0.1, 4].
    """
    n, width = vectors.shape
    chosen = _uniform((n, width), 0, 1, vectors, rng) < _uniform((n, 1), 0.1, 1, vectors, rng)
    one = torch.randint(width, (n, 1), generator=rng, device=vectors.device)
    chosen = chosen.scatter(1, one, True)
    deviation = torch.exp(_uniform((n, 1), math.log(0.1), math.log(4.0), vectors, rng))
    return vectors + chosen * deviation * torch.randn(vectors.shape, generator=rng, device=vectors.device)
