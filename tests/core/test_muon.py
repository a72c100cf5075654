"""Muon against singular value decomposition, and against torch's AdamW where it is Adam."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gantools.core.muon import Muon, orthogonal
from gantools.networks.conditional import ConditionalGenerator


@pytest.mark.parametrize("shape", [(48, 432), (40, 40), (64, 9)])
def test_orthogonal_against_the_decomposition(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0)) * 1e-3
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    found = left.T @ orthogonal(matrix) @ right.T  # the directions stay, and their lengths become about one
    assert (found - torch.diag(found.diag())).abs().max() < 1e-3
    assert found.diag()[values > values.norm() / 500].sub(1).abs().max() < 0.35


def test_no_gradient_is_no_step() -> None:
    assert torch.equal(orthogonal(torch.zeros(3, 5)), torch.zeros(3, 5))


def test_a_matrix_of_one_row_is_no_inner_one() -> None:
    player = nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 8), nn.Linear(8, 1), nn.Linear(1, 4))
    assert Muon(player, 1e-2, (0.9, 0.99), 0.0)._inner == {id(player[1].weight)}


def test_vectors_of_classes_are_neither_inner_nor_the_last_matrix() -> None:
    body = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 3))
    body.latent = 8
    generator = ConditionalGenerator(body, n_classes=5, width=4)
    assert Muon(generator, 1e-2, (0.9, 0.99), 0.0)._inner == {id(body[1].weight)}


def convolutions() -> nn.Sequential:
    torch_rng = torch.Generator().manual_seed(1)
    player = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU(), nn.Conv2d(8, 1, 3))
    with torch.no_grad():
        for weight in player.parameters():
            weight.normal_(0, 0.1, generator=torch_rng)
    return player.to(memory_format=torch.channels_last)


def test_first_and_last_matrices_and_biases_are_adams() -> None:
    ours, usual = convolutions(), convolutions()
    optimisers = (
        Muon(ours, 1e-2, (0.9, 0.99), 0.1),
        torch.optim.AdamW(usual.parameters(), 1e-2, (0.9, 0.99), weight_decay=0.1),
    )
    rng = torch.Generator().manual_seed(2)
    for _ in range(5):
        for mine, its in zip(ours.parameters(), usual.parameters(), strict=True):
            mine.grad = its.grad = torch.randn(mine.shape, generator=rng)
        for optimiser in optimisers:
            optimiser.step()
    for (name, mine), its in zip(ours.named_parameters(), usual.parameters(), strict=True):
        alike = torch.allclose(mine, its, rtol=1e-4, atol=1e-6)
        assert alike == (name != "2.weight"), name


def test_a_step_is_orthogonal_and_twice_as_long_as_one_of_adams() -> None:
    player = convolutions()
    inner = player[2].weight
    before = inner.detach().clone()
    optimiser = Muon(player, 1e-2, (0.9, 0.99), 0.0)
    inner.grad = torch.randn(inner.shape, generator=torch.Generator().manual_seed(3))
    optimiser.step()
    moved = (inner.detach() - before).flatten(1)
    assert (moved @ inner.grad.flatten(1).T).trace() < 0
    values = torch.linalg.svdvals(moved)
    assert values.max() / values.min() < 2
    assert moved.square().mean().sqrt().item() == pytest.approx(0.4 * 1e-2, rel=0.3)


def test_convolutions_resume_in_any_layout() -> None:
    def trained(player: nn.Module, optimiser: Muon, steps: range) -> Tensor:
        for step in steps:
            optimiser.zero_grad()
            pictures = torch.from_numpy(np.random.default_rng(step).normal(size=(2, 3, 12, 12)).astype(np.float32))
            player(pictures).square().mean().backward()
            optimiser.step()
        return torch.cat([p.detach().flatten() for p in player.parameters()])

    options = (1e-2, (0.9, 0.99), 0.0)
    whole, first, second = convolutions(), convolutions(), convolutions()
    expected = trained(whole, Muon(whole, *options), range(6))
    optimiser = Muon(first, *options)
    trained(first, optimiser, range(3))
    again = Muon(second, *options)
    second.load_state_dict(first.state_dict())
    again.load_state_dict(optimiser.state_dict())
    assert torch.equal(trained(second, again, range(3, 6)), expected)
