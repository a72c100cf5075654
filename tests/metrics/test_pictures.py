"""Picture metrics against scikit-image's and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from skimage import color, data, filters
from skimage.metrics import peak_signal_noise_ratio
from torchmetrics.functional.image import structural_similarity_index_measure

from gantools.metrics.pictures import (
    PerceptualDistance,
    chroma,
    detail_by_place,
    luma,
    psnr,
    psnr_y,
    repetition,
    ssim_y,
)

CHELSEA = data.chelsea()[:96, 100:220]


def tensor(picture: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))[None].float() / 255


def noisy(deviation: float) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, deviation, CHELSEA.shape)
    return np.clip(CHELSEA + noise, 0, 255).round().astype(np.uint8)


def test_luma_is_scikit_images() -> None:
    np.testing.assert_allclose(luma(tensor(CHELSEA))[0, 0], color.rgb2ycbcr(CHELSEA)[..., 0], atol=2e-3)
    gray = torch.linspace(0, 1, 5).view(1, 1, 1, 5)
    torch.testing.assert_close(luma(gray), luma(gray.expand(1, 3, 1, 5)), atol=1e-3, rtol=0)


def test_psnr_is_scikit_images() -> None:
    other = noisy(9)
    a, b = (color.rgb2ycbcr(p)[..., 0][4:-4, 4:-4] for p in (CHELSEA, other))
    assert psnr_y(tensor(other), tensor(CHELSEA), 4) == pytest.approx(
        peak_signal_noise_ratio(a, b, data_range=255), abs=1e-3
    )


def test_ssim_is_torchmetrics_where_windows_are_whole() -> None:
    a, b = (luma(tensor(p))[..., 4:-4, 4:-4] for p in (noisy(9), CHELSEA))
    _, everywhere = structural_similarity_index_measure(a, b, data_range=255.0, sigma=1.5, return_full_image=True)
    theirs = float(everywhere[..., 5:-5, 5:-5].mean())
    assert ssim_y(tensor(noisy(9)), tensor(CHELSEA), 4) == pytest.approx(theirs, abs=1e-4)


def test_equal_pictures() -> None:
    same = tensor(CHELSEA)
    assert psnr_y(same, same) == math.inf
    assert ssim_y(same, same) == pytest.approx(1)
    assert PerceptualDistance()(same, same) == 0


def test_perceptual_distance_grows_with_blur_and_noise() -> None:
    distance = PerceptualDistance()
    blurred = [filters.gaussian(CHELSEA, s, channel_axis=2, preserve_range=True) for s in (0.5, 1, 2)]
    figures = [distance(tensor(b.astype(np.float32)), tensor(CHELSEA)) for b in blurred]
    assert figures == sorted(figures)
    assert distance(tensor(noisy(5)), tensor(CHELSEA)) < distance(tensor(noisy(20)), tensor(CHELSEA))


def test_pictures_too_small_for_a_figure_have_none() -> None:
    tiny = torch.zeros(1, 3, 8, 8)
    assert math.isnan(ssim_y(tiny, tiny))
    assert math.isnan(PerceptualDistance()(tiny, tiny))


def test_psnr_counts_all_channels() -> None:
    truth = torch.zeros(1, 3, 8, 8)
    off = truth.clone()
    off[:, 2] = 0.3
    assert psnr(off, truth) == pytest.approx(-10 * np.log10(0.09 / 3))
    assert psnr(truth, truth) == np.inf


def test_chroma_is_none_for_gray_and_large_for_pure_colours() -> None:
    gray = torch.full((1, 3, 4, 4), 0.4)
    red = torch.tensor([1.0, 0, 0]).view(1, 3, 1, 1).expand(1, 3, 4, 4)
    assert chroma(gray) < 0.01
    assert chroma(red) == pytest.approx(104.55, abs=0.1)  # CIELAB of sRGB's red: a 80.1, b 67.2
    assert chroma(torch.rand(1, 1, 4, 4)) == 0


def test_detail_of_photographs_lies_everywhere_and_a_mesh_in_places() -> None:
    picture = tensor(data.chelsea()) * 2 - 1
    assert (detail_by_place(picture, 4) - 1).abs().max() < 0.05
    dots = picture.clone()
    dots[..., 2::4, 1::4] += 0.1
    by_place = detail_by_place(dots, 4)[0]
    assert by_place.argmax() == 2 * 4 + 1
    assert by_place.max() > 1.5
    assert torch.allclose(detail_by_place(torch.zeros(2, 3, 9, 10), 4), torch.ones(2, 4, 4))


def test_repetition_by_hand_and_of_what_repeats() -> None:
    rng = torch.Generator().manual_seed(0)
    noise = torch.randn((2, 1, 64, 64), generator=rng)
    assert repetition(noise, 4).abs().max() < 0.1
    tiled = torch.randn((1, 1, 4, 4), generator=rng).repeat(1, 1, 16, 16)
    assert repetition(tiled, 4).min() > 0.8  # but for the borders, which are mirrored
    x = filters.laplace(noise[0, 0].double().numpy(), 3)[1:-1, 1:-1]
    right = (x[:, 4:] * x[:, :-4]).mean() / np.square(x).mean()
    assert repetition(noise, 4)[0, 0].item() == pytest.approx(right, abs=0.02)
