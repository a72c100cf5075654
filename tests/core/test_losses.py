"""Losses against formulas written another way."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from gantools.core.losses import LOSSES, discriminator_loss, generator_loss, get_loss, negative_loss, smoothed
from gantools.errors import ConfigError

REAL = torch.tensor([-2.0, 0.3, 5.0])
FAKE = torch.tensor([1.5, -0.2, -4.0])
ONES, ZEROS = torch.ones(3), torch.zeros(3)
bce = F.binary_cross_entropy_with_logits

EXPECTED = {
    "non_saturating": (bce(REAL, ONES) + bce(FAKE, ZEROS), bce(FAKE, ONES)),
    "minimax": (bce(REAL, ONES) + bce(FAKE, ZEROS), torch.log(1 - FAKE.sigmoid()).mean()),
    "least_squares": (F.mse_loss(REAL, ONES) / 2 + F.mse_loss(FAKE, ZEROS) / 2, F.mse_loss(FAKE, ONES) / 2),
    "hinge": ((1 - REAL).clamp(min=0).mean() + (1 + FAKE).clamp(min=0).mean(), -FAKE.mean()),
    "wasserstein": (FAKE.mean() - REAL.mean(), -FAKE.mean()),
    "relativistic": (-torch.log((REAL - FAKE).sigmoid()).mean(), -torch.log((FAKE - REAL).sigmoid()).mean()),
}


@pytest.mark.parametrize("name", LOSSES)
def test_loss_is_the_papers(name: str) -> None:
    discriminator, generator = EXPECTED[name]
    torch.testing.assert_close(discriminator_loss(get_loss(name), REAL, FAKE), discriminator)
    torch.testing.assert_close(generator_loss(get_loss(name), REAL, FAKE), generator)


def test_fake_weight_scales_the_fakes_only() -> None:
    half = discriminator_loss(get_loss("non_saturating"), REAL, FAKE, 0.5)
    torch.testing.assert_close(half, bce(REAL, ONES) + 0.5 * bce(FAKE, ZEROS))


@pytest.mark.parametrize("name", LOSSES)
def test_generator_is_pulled_towards_real(name: str) -> None:
    fake = torch.tensor([0.9, -0.2, -4.0], requires_grad=True)  # below 1, where least squares is content
    generator_loss(get_loss(name), REAL, fake).backward()
    assert fake.grad is not None
    assert (fake.grad < 0).all()


def test_mask_says_where_a_negative_is_abnormal() -> None:
    logits = torch.zeros(1, 1, 2, 2, requires_grad=True)
    mask = torch.tensor([[[[1.0, 0.0], [0.0, 0.0]]]])
    negative_loss(get_loss("non_saturating"), torch.zeros(1, 1, 2, 2), logits, mask).backward()
    assert logits.grad is not None
    assert logits.grad[0, 0, 0, 0] > 0
    assert (logits.grad[0, 0].flatten()[1:] < 0).all()
    torch.testing.assert_close(logits.grad.sum(), torch.tensor(0.0))


def test_unknown_loss_names_those_there_are() -> None:
    with pytest.raises(ConfigError, match="hinge"):
        get_loss("hing")


def test_smoothed_cross_entropy_is_that_of_the_soft_label() -> None:
    logits = torch.linspace(-4, 4, 9)
    soft = smoothed(get_loss("non_saturating"), 0.9, 0.1)
    for cost, label in ((soft.real, 0.9), (soft.fake, 0.1)):
        wanted = F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, label), reduction="none")
        torch.testing.assert_close(cost(logits), wanted)
    torch.testing.assert_close(soft.generator(logits), get_loss("non_saturating").generator(logits))


def test_smoothed_least_squares_pull_towards_the_target() -> None:
    logits = torch.linspace(-2, 2, 9, requires_grad=True)
    (pull,) = torch.autograd.grad(smoothed(get_loss("least_squares"), 0.9, 0.0).real(logits).sum(), logits)
    torch.testing.assert_close(pull, logits.detach() - 0.9)
