"""What happens to pictures before people want them larger: a reduction; or blur, noise, resizing and JPEG, twice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from gantools.data.resize import reduced

_FILTERS = ("bilinear", "bicubic", "area")
_DIRECTLY = 0.2  # share of pictures that are resized once
_FURTHEST = 0.4  # share of the low size that a picture may lose on its way, to be enlarged again


class Reduction:
    """Low pictures as papers make them: by antialiased bicubic interpolation, in eight bits.

    Parameters
    ----------
    scale : int
        How many times smaller the low pictures are.
    """

    def __init__(self, scale: int) -> None:
        self.scale = scale

    def batch(self, highs: Tensor, rngs: Sequence[np.random.Generator]) -> Tensor:
        """Pictures (N, C, sH, sW) in [-1, 1] to low ones (N, C, H, W) in [-1, 1]; nothing is drawn."""
        return reduced(highs, self.scale).add(1).mul(127.5).round().clamp(0, 255).div(127.5).sub(1)


class Degradation:
    """Low pictures as they are found in the wild: a second-order degradation (Wang et al. 2021, "Real-ESRGAN").

    At the large size blur, noise and JPEG, each by chance and of random strength; then, of four in five, a size at
    random, by a filter at random, that may lie below the low one; then the low size; then the same once more, milder.
    By albumentations, drawn from the generator of random numbers that is given.

    Parameters
    ----------
    scale : int
        How many times smaller the low pictures are.
    strength : float
        Multiplies blur and noise, how far JPEG's quality falls below 95, and how far below the low one a size may lie
        (at 1, .6 of it; never below .3). At 1 a low picture looks like one that was sent through a messenger twice.
    """

    def __init__(self, scale: int, strength: float = 1.0) -> None:
        self.scale = scale
        self.smallest = max(1 - _FURTHEST * strength, 0.3) / scale
        self.before = _spoiling(blur=0.6 * scale * strength, noise=0.03 * strength, worst=round(95 - 45 * strength))
        self.after = _spoiling(blur=0.8 * strength, noise=0.02 * strength, worst=round(95 - 35 * strength))

    def __call__(self, high: Tensor, rng: np.random.Generator) -> Tensor:
        """A picture (C, sH, sW) in [-1, 1] to a low one (C, H, W) in [-1, 1]."""
        height, width = high.shape[1] // self.scale, high.shape[2] // self.scale
        between = self._resized(self._spoilt(self.before, high, rng), rng)
        return self._spoilt(self.after, _to_size(between, height, width, "bicubic"), rng)

    def batch(self, highs: Tensor, rngs: Sequence[np.random.Generator]) -> Tensor:
        """Pictures (N, C, sH, sW) to low ones (N, C, H, W), each by its own generator; spoilt on the CPU."""
        lows = [self(high, rng) for high, rng in zip(highs.cpu(), rngs, strict=True)]
        return torch.stack(lows).to(highs.device)

    def _resized(self, picture: Tensor, rng: np.random.Generator) -> Tensor:
        """A picture (C, H, W) at a size at random, from `smallest` of its own to its own; or as it is."""
        factor = self.smallest ** rng.random()
        mode = _FILTERS[int(rng.integers(len(_FILTERS)))]
        if rng.random() < _DIRECTLY:
            return picture
        height, width = (max(1, round(side * factor)) for side in picture.shape[1:])
        return _to_size(picture, height, width, mode)

    def _spoilt(self, spoiling: Any, picture: Tensor, rng: np.random.Generator) -> Tensor:
        spoiling.set_random_seed(int(rng.integers(2**31)))
        array = np.ascontiguousarray(picture.add(1).div(2).clamp(0, 1).permute(1, 2, 0).numpy())
        found = spoiling(image=array)["image"].reshape(array.shape)
        return torch.from_numpy(np.ascontiguousarray(found.transpose(2, 0, 1))).mul(2).sub(1)


def _to_size(picture: Tensor, height: int, width: int, mode: str) -> Tensor:
    """A picture (C, H, W) at another size, by a filter that does not alias; unclamped."""
    if mode == "area":
        return F.interpolate(picture[None], size=(height, width), mode=mode)[0]
    return F.interpolate(picture[None], size=(height, width), mode=mode, antialias=True, align_corners=False)[0]


def _spoiling(blur: float, noise: float, worst: int) -> Any:
    """Blur of a deviation up to `blur` pixels, noise of up to `noise` of the range, JPEG down to quality `worst`."""
    import albumentations as A

    quality = (max(5, min(worst, 95)), 95)
    return A.Compose(
        [
            A.AdvancedBlur((3, 9), (0.1, max(blur, 0.11)), (0.1, max(blur, 0.11)), noise_limit=(0.95, 1.05), p=0.8),
            A.OneOf([A.GaussNoise((0.0, noise)), A.GaussNoise((0.0, noise), per_channel=False)], p=0.6),
            A.ImageCompression("jpeg", quality, p=0.7),
        ],
        seed=0,
    )
