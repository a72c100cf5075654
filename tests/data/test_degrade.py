"""Pictures spoilt as they are found."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage import data

from gantools.data import degrade
from gantools.data.degrade import Degradation
from gantools.data.planes import to_signed
from gantools.data.resize import reduced


def spoilt(scale: int, strength: float, seed: int, height: int = 96, width: int = 120) -> torch.Tensor:
    high = to_signed(data.coffee()[:height, :width])
    return Degradation(scale, strength)(high, np.random.default_rng(seed))


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
@pytest.mark.parametrize("strength", [0.01, 1.0, 4.0])
def test_low_pictures_are_small_in_range_and_a_function_of_the_seed(scale: int, strength: float) -> None:
    for seed in range(4):
        low = spoilt(scale, strength, seed)
        assert low.shape == (3, 96 // scale, 120 // scale)
        assert low.min() >= -1
        assert low.max() <= 1
        torch.testing.assert_close(spoilt(scale, strength, seed), low, rtol=0, atol=0)
    assert not torch.equal(spoilt(scale, strength, 5), low)


def test_the_smallest_pictures_can_be_spoilt() -> None:
    for seed in range(8):
        assert spoilt(8, 1.0, seed, 8, 8).shape == (3, 1, 1)


def test_sizes_between_are_at_random_and_may_lie_below_the_low_one(monkeypatch: pytest.MonkeyPatch) -> None:
    resize, seen = degrade._to_size, []

    def noting(picture: torch.Tensor, height: int, width: int, mode: str) -> torch.Tensor:
        seen.append((height, width, mode))
        return resize(picture, height, width, mode)

    monkeypatch.setattr(degrade, "_to_size", noting)
    for seed in range(60):
        spoilt(4, 1.0, seed)
    between = [s for s in seen if s[:2] != (24, 30)]
    assert len(seen) - len(between) >= 60
    assert 0.6 * 60 < len(between) < 0.95 * 60
    assert {mode for *_, mode in between} == {"bilinear", "bicubic", "area"}
    heights = [height for height, *_ in between]
    assert 0.6 * 24 - 1 <= min(heights) < 24
    assert 48 < max(heights) <= 96


def test_strength_is_how_much_is_spoilt() -> None:
    clean = reduced(to_signed(data.coffee()[:96, :120])[None], 4)[0]
    errors = [
        np.mean([float((spoilt(4, strength, seed) - clean).abs().mean()) for seed in range(20)])
        for strength in (0.1, 0.5, 1.0, 2.0)
    ]
    assert errors == sorted(errors)
    assert errors[3] > 2 * errors[0]
