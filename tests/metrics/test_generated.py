"""Figures of generated samples, against formulas worked out another way."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from gantools.errors import DataError
from gantools.metrics.features import PictureFeatures
from gantools.metrics.generated import (
    Neighbourhoods,
    bootstrap_interval,
    copies,
    frechet_distance,
    half_sample_interval,
    kernel_distance,
    neighbourhoods,
    spread_by_class,
    spread_ratio,
)


def normal(n: int, seed: int, mean: float = 0.0, deviation: float = 1.0, width: int = 4) -> torch.Tensor:
    return mean + deviation * torch.randn(n, width, generator=torch.Generator().manual_seed(seed))


def test_frechet_distance_of_diagonal_gaussians_by_hand() -> None:
    real, fake = normal(20_000, 0), normal(20_000, 1, mean=1.0, deviation=2.0)
    assert frechet_distance(real, fake) == pytest.approx(4 * 1.0 + 4 * (2 - 1) ** 2, rel=0.03)
    assert frechet_distance(real, real) == pytest.approx(0, abs=1e-6)


def test_kernel_distance_by_hand() -> None:
    real, fake = normal(30, 0).double(), normal(30, 1, mean=0.5).double()

    def k(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return (a @ b.T / 4 + 1) ** 3

    def apart(m: torch.Tensor) -> torch.Tensor:
        return (m.sum() - m.diag().sum()) / (30 * 29)

    wanted = apart(k(real, real)) + apart(k(fake, fake)) - 2 * k(real, fake).mean()
    state = torch.get_rng_state()
    assert kernel_distance(real, fake) == pytest.approx(float(wanted), rel=1e-4)
    assert torch.equal(state, torch.get_rng_state())


def test_kernel_distance_is_of_all_samples_in_any_order() -> None:
    rng = torch.Generator().manual_seed(0)
    middles = 10 * torch.randn((4, 6), generator=rng)
    real = middles.repeat_interleave(100, 0) + torch.randn((400, 6), generator=rng)
    fake = middles.repeat(30, 1) + torch.randn((120, 6), generator=rng)
    in_order = kernel_distance(real, fake)
    mixed = kernel_distance(real[torch.randperm(400, generator=rng)], fake)
    assert in_order == pytest.approx(mixed, rel=1e-6)
    assert abs(in_order) < 0.1 * kernel_distance(real[:300], fake)  # one of the four is lacking


def test_a_training_sample_itself_is_a_copy_where_held_out_ones_repeat_some_too() -> None:
    rng = torch.Generator().manual_seed(0)
    train, fresh = torch.randn((200, 304), generator=rng), torch.randn((50, 304), generator=rng)
    held_out = torch.cat([torch.randn((80, 304), generator=rng), train[:20]])
    found = copies(train, held_out, torch.cat([train[40:90], fresh]))
    assert found[:50].all()
    assert not found[50:].any()


def test_neighbourhoods_by_brute_force() -> None:
    real, fake = normal(40, 0, width=2).numpy(), normal(30, 1, mean=0.7, width=2).numpy()
    k = 3

    def reach(x: np.ndarray) -> np.ndarray:
        return np.array([sorted(np.linalg.norm(x - row, axis=1))[k] for row in x])

    far = np.linalg.norm(real[:, None] - fake[None], axis=2)
    near = far < reach(real)[:, None]
    found = neighbourhoods(torch.from_numpy(real), torch.from_numpy(fake), k)
    assert found.precision == pytest.approx(near.any(0).mean())
    assert found.density == pytest.approx(near.sum() / (k * 30), rel=1e-6)
    assert found.coverage == pytest.approx(near.any(1).mean())
    assert found.recall == pytest.approx((far < reach(fake)[None]).any(1).mean())


def test_collapse_is_seen_where_quality_is_perfect() -> None:
    real = normal(400, 0)
    collapsed = real[:1] + 0.01 * normal(400, 1)
    figures = neighbourhoods(real, collapsed)
    assert figures.precision > 0.99
    assert figures.coverage < 0.1
    assert spread_ratio(real, collapsed) < 0.05
    assert spread_ratio(real, normal(400, 2)) == pytest.approx(1, abs=0.05)


def test_collapse_within_classes_is_seen_though_overall_spread_is_whole() -> None:
    labels = torch.arange(2).repeat(200)
    centres = torch.tensor([[-5.0], [5.0]])[labels]
    real, fake = normal(400, 0) + centres, 0.1 * normal(400, 1) + centres
    assert spread_ratio(real, fake) > 0.8
    assert spread_by_class(real, labels, fake, labels)[0] == pytest.approx(0.1, rel=0.1)


def test_copies_are_told_from_new_samples() -> None:
    train, held, new = normal(500, 0), normal(500, 1), normal(200, 2)
    fakes = torch.cat([train[:50] + 1e-3, new])
    called = copies(train, held, fakes)
    assert called[:50].all()
    assert called[50:].float().mean() < 0.05


def test_interval_holds_the_true_distance() -> None:
    held = 0
    for seed in range(10):
        found = bootstrap_interval(frechet_distance, normal(500, seed), normal(500, 100 + seed, mean=0.5), n=40)
        assert found.low < found.high
        held += found.low < 4 * 0.25 < found.high
    assert held >= 7


@pytest.mark.parametrize("figure", [*Neighbourhoods._fields, "kernel distance"])
def test_interval_of_halves_holds_the_expected_figure(figure: str) -> None:
    def metric(real: torch.Tensor, fake: torch.Tensor) -> float:
        if figure == "kernel distance":
            return kernel_distance(real, fake)
        return float(getattr(neighbourhoods(real, fake), figure))

    def pair(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
        return normal(100, 2 * seed), normal(100, 2 * seed + 1, mean=0.4, deviation=0.8)

    expected = np.mean([metric(*pair(seed)) for seed in range(100, 180)])
    held = 0
    for seed in range(15):
        found = half_sample_interval(metric, *pair(seed), n=30)
        assert found.low < found.value < found.high
        held += found.low < expected < found.high
    assert held >= 12


def test_intervals_are_the_same_again_and_wider_the_surer() -> None:
    real, fake = normal(60, 0), normal(60, 1, mean=0.4)
    for interval in (bootstrap_interval, half_sample_interval):
        found = interval(frechet_distance, real, fake, n=20)
        assert found == interval(frechet_distance, real, fake, n=20)
        less = interval(frechet_distance, real, fake, n=20, level=0.5)
        assert found.low < less.low < less.high < found.high


def test_pictures_features_tell_digits_from_noise() -> None:
    digits = torch.from_numpy(load_digits().images[:300]).float()[:, None] / 8 - 1
    noise = torch.rand(150, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    features = PictureFeatures()
    real, other, fake = features(digits[:150]), features(digits[150:]), features(noise)
    assert real.shape == (150, 304)
    assert frechet_distance(real, other) < 0.3 * frechet_distance(real, fake)


@pytest.mark.parametrize(
    ("real", "fake", "said"),
    [
        (torch.zeros(1, 3), torch.zeros(5, 3), "at least 2 rows"),
        (torch.zeros(5, 3), torch.zeros(5, 4), "3 and of 4 columns"),
        (torch.zeros(5, 3), torch.full((5, 3), float("nan")), "not finite"),
    ],
)
def test_features_that_cannot_be_compared_are_refused(real: torch.Tensor, fake: torch.Tensor, said: str) -> None:
    with pytest.raises(DataError, match=said):
        frechet_distance(real, fake)
