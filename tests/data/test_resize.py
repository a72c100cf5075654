"""Resampling against independent references."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from gantools.data.resize import (
    cropped,
    enlarged,
    enlarged_by_convolution,
    enlarged_lanczos,
    guided,
    reduced,
    rows_of,
)


def keys(x: np.ndarray) -> np.ndarray:
    """Keys' cubic kernel with a = -0.5, as MATLAB's imresize has it."""
    x = np.abs(x)
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))


def resampled(signal: np.ndarray, n_out: int) -> np.ndarray:
    """One axis by the kernel, stretched when reducing; weights of pixels that are there sum to one."""
    ratio = len(signal) / n_out
    stretch = max(ratio, 1.0)
    centres = (np.arange(n_out) + 0.5) * ratio - 0.5
    weights = keys((centres[:, None] - np.arange(len(signal))) / stretch)
    return (weights / weights.sum(1, keepdims=True)) @ signal


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_bicubic_equals_the_kernel_applied_by_hand(scale: int, rng: torch.Generator) -> None:
    x = torch.rand((1, 2, 6 * scale, 8 * scale), generator=rng)
    by_hand = np.stack([resampled(resampled(p.T, 8).T, 6) for p in x[0].double().numpy()])
    np.testing.assert_allclose(reduced(x, scale)[0], by_hand, atol=2e-6)
    small = x[:, :, :5, :7]
    by_hand = np.stack([resampled(resampled(p.T, 7 * scale).T, 5 * scale) for p in small[0].double().numpy()])
    np.testing.assert_allclose(enlarged(small, scale)[0], by_hand, atol=2e-6)


def test_reduction_is_antialiased() -> None:
    stripes = torch.zeros(1, 1, 16, 16)
    stripes[..., ::2] = 1
    assert reduced(stripes, 4).sub(0.5).abs().max() < 0.1


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_lanczos_equals_pillows(scale: int, rng: torch.Generator) -> None:
    x = torch.rand((1, 1, 9, 11), generator=rng)
    image = Image.fromarray(x[0, 0].numpy())
    theirs = np.asarray(image.resize((11 * scale, 9 * scale), Image.Resampling.LANCZOS))
    np.testing.assert_allclose(enlarged_lanczos(x, scale)[0, 0], theirs, atol=1e-5)


def test_one_pixel_and_constants_stay_as_they_are() -> None:
    dot = torch.full((1, 3, 1, 1), 0.3)
    for enlarge in (enlarged, enlarged_lanczos):
        torch.testing.assert_close(enlarge(dot, 4), torch.full((1, 3, 4, 4), 0.3))


def test_cropped_to_a_multiple() -> None:
    assert cropped(torch.zeros(3, 13, 8), 4).shape == (3, 12, 8)


def test_a_change_that_follows_brightness_is_enlarged_along_the_edges() -> None:
    """A black line on white, whose white becomes red and whose line stays: the line is as sharp as before."""
    large = torch.ones(1, 64, 64)
    large[:, :, 31:34] = -1
    small = F.interpolate(large[None], size=(32, 32), mode="bicubic", antialias=True, align_corners=False)[0]
    change = torch.cat([torch.zeros_like(small), -(small + 1), -(small + 1)])
    made = large.expand(3, -1, -1) + guided(change[None], small[None], large[None])[0]
    expected = torch.cat([large, large - (large + 1), large - (large + 1)])
    assert (made - expected).abs().max() < 0.15
    plain = F.interpolate(change[None], size=(64, 64), mode="bicubic", align_corners=False)[0]
    assert (large.expand(3, -1, -1) + plain - expected).abs().max() > 0.3
    flat = guided(torch.full((1, 3, 5, 7), 0.3), torch.zeros(1, 1, 5, 7), torch.zeros(1, 1, 11, 20))[0]
    torch.testing.assert_close(flat, torch.full((3, 11, 20), 0.3))


@pytest.mark.parametrize("height", [7, 9, 31])
def test_some_rows_are_those_that_interpolation_of_the_whole_makes(height: int) -> None:
    small = torch.rand(1, 2, 7, 5, generator=torch.Generator().manual_seed(0))
    whole = F.interpolate(small, size=(height, 5), mode="bilinear", align_corners=False)
    for top, bottom in ((0, 3), (3, height), (0, height)):
        torch.testing.assert_close(rows_of(small, height, top, bottom), whole[:, :, top:bottom])


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_enlarging_by_convolution_is_the_same(scale: int) -> None:
    pictures = torch.rand(2, 3, 7, 10, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(enlarged_by_convolution(pictures, scale), enlarged(pictures, scale), rtol=0, atol=2e-6)
