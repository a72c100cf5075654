"""Penalties against arithmetic by hand and finite differences."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from gantools.core.penalties import (
    MeasuredPenalty,
    squared_gradient_norms,
    wgan_gradient_penalty,
    zero_centred_penalty,
)


def leaf(samples: Tensor) -> Tensor:
    return samples.requires_grad_(True)


def test_linear_critic_by_hand(rng: torch.Generator) -> None:
    weight = torch.tensor([3.0, 4.0])
    penalty = wgan_gradient_penalty(lambda x: x @ weight, torch.randn(5, 2), torch.randn(5, 2), rng)
    torch.testing.assert_close(penalty, torch.tensor(16.0), rtol=1e-5, atol=1e-4)
    samples = leaf(torch.randn(5, 2))
    torch.testing.assert_close(zero_centred_penalty(samples @ weight, samples), torch.tensor(12.5))


def test_one_norm_for_each_sample(rng: torch.Generator) -> None:
    """A norm over the whole batch, as a known library takes it, would give (5 - 1)^2 = 16 here."""
    slopes = torch.tensor([3.0, 4.0])
    penalty = wgan_gradient_penalty(lambda x: x[:, 0] * slopes, torch.randn(2, 1), torch.randn(2, 1), rng)
    torch.testing.assert_close(penalty, torch.tensor((4.0 + 9.0) / 2), rtol=1e-5, atol=1e-4)


def test_one_epsilon_for_each_sample(rng: torch.Generator) -> None:
    seen: list[torch.Tensor] = []

    def logits_of(x: torch.Tensor) -> torch.Tensor:
        seen.append(x.detach())
        return x.sum(1)

    wgan_gradient_penalty(logits_of, torch.ones(64, 1), torch.zeros(64, 1), rng)
    assert seen[0].unique().numel() == 64
    assert 0 <= seen[0].min() < 0.1
    assert 0.9 < seen[0].max() <= 1
    wgan_gradient_penalty(lambda x: logits_of(x.flatten(1)), torch.ones(64, 3, 2, 2), torch.zeros(64, 3, 2, 2), rng)
    assert seen[1].unique(dim=1).shape == (64, 1)
    assert seen[1].unique().numel() == 64


@pytest.mark.parametrize("every", [1, 10, 16, 64])
def test_the_share_of_penalties_that_are_rarer_and_heavier_is_that_of_their_mean(every: int) -> None:
    measured = MeasuredPenalty(0.2, every)
    for move in range(200):
        measured.see(every * 3.0 if move % every == 0 else 0.0, 1.5)
    assert measured.factor * 3.0 / 1.5 == pytest.approx(0.2)


def test_r1_by_finite_differences() -> None:
    with torch.random.fork_rng():
        torch.default_generator.manual_seed(0)
        network = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1)).double()
        samples = leaf(torch.randn(3, 4).double())
    step, expected = 1e-5, torch.zeros(3).double()
    for i in range(4):
        shift = torch.zeros(4).double()
        shift[i] = step
        slope = (network(samples + shift) - network(samples - shift)).squeeze(1) / (2 * step)
        expected += slope.detach() ** 2
    found = squared_gradient_norms(network(samples), samples)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-8)


def test_penalty_trains_the_discriminator() -> None:
    network = nn.Linear(3, 1)
    samples = leaf(torch.randn(2, 3))
    zero_centred_penalty(network(samples), samples).backward()
    assert network.weight.grad is not None
    torch.testing.assert_close(network.weight.grad, network.weight.detach())


def test_dense_logits_count_as_their_mean() -> None:
    samples = leaf(torch.randn(2, 1, 2, 2))
    norms = squared_gradient_norms(2 * samples, samples)
    torch.testing.assert_close(norms, torch.full((2,), 4 * 0.25))
