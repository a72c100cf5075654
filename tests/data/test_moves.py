"""Small moves of pictures: within their bounds, differentiable, from a generator of their own."""

from __future__ import annotations

import pytest
import torch

from gantools.data.moves import moved


def centre_of(pictures: torch.Tensor) -> torch.Tensor:
    grid = torch.stack(torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij"))
    return (pictures[:, 0, None] * grid).sum((2, 3)) / pictures[:, 0].sum((1, 2))[:, None]


def test_shifts_stay_within_their_bounds_and_fill_them() -> None:
    dot = torch.zeros(400, 1, 64, 64)
    dot[:, :, 31:33, 31:33] = 1
    away = centre_of(moved(dot, 1.0, torch.Generator().manual_seed(0))) - 31.5
    assert away.abs().max() <= 0.06 * 64 + 0.1
    assert away.abs().max() > 0.05 * 64
    assert away.mean().abs() < 0.3


def test_gradients_pass_and_the_global_generator_does_not_move() -> None:
    state = torch.random.get_rng_state()
    pictures = torch.rand(4, 3, 20, 24, requires_grad=True)
    expected = torch.random.get_rng_state()
    moved(pictures, 1.0, torch.Generator().manual_seed(1)).sum().backward()
    assert pictures.grad is not None
    assert pictures.grad.abs().sum() > 0
    assert torch.equal(torch.random.get_rng_state(), expected)
    torch.random.set_rng_state(state)


def test_strength_0_is_the_picture_and_seeds_decide() -> None:
    pictures = torch.rand(2, 1, 16, 16)
    assert moved(pictures, 0.0, torch.Generator()) is pictures
    first, again = (moved(pictures, 1.0, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first, again)
    assert moved(torch.full((2, 1, 16, 16), 0.7), 1.0, torch.Generator()).mean() == pytest.approx(0.7)
