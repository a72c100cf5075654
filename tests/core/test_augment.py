"""Changes of pictures: within their bounds, as often as asked for, differentiable, and found out when copied."""

from __future__ import annotations

import pytest
import torch
from sklearn.datasets import load_digits

from gantools.core import AdversarialTrainer, LatentGame
from gantools.core.augment import Augmentation, augmented, leak, moved, suited
from gantools.core.initialise import initialised
from gantools.core.losses import get_loss
from gantools.core.step import Rules, discriminator_move
from gantools.errors import ConfigError
from gantools.networks.dcgan import DcganDiscriminator, DcganGenerator
from tests.core.test_step import BATCH, LineGame


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


def test_each_change_comes_as_often_as_it_should() -> None:
    pictures = torch.rand(2000, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    assert augmented(pictures, 0.0, torch.Generator()) is pictures
    untouched = (augmented(pictures, 0.4, torch.Generator().manual_seed(1)) - pictures).abs().amax((1, 2, 3)) < 1e-5
    assert float(untouched.float().mean()) == pytest.approx(0.6**3, abs=0.03)
    everywhere = augmented(pictures, 1.0, torch.Generator().manual_seed(1))
    assert ((everywhere - pictures).abs().amax((1, 2, 3)) > 1e-3).all()
    assert everywhere.mean() == pytest.approx(float(pictures.mean()), abs=0.02)


def test_vectors_are_refused() -> None:
    with pytest.raises(ConfigError, match="augment=0"):
        augmented(torch.zeros(4, 8), 0.5, torch.Generator())


def test_the_adaptive_rule_follows_the_discriminator() -> None:
    rule = Augmentation(0.8, "adaptive")
    for percent in range(60):
        rule.see(1.0, percent / 100)
    assert rule.probability(0.6) == 0.8
    for percent in range(60, 100):
        rule.see(float("nan") if percent == 70 else 0.5, percent / 100)
    assert rule.probability(1.0) == 0.0


def test_the_ramp_rises_in_a_line_and_few_reals_are_always_changed() -> None:
    assert [Augmentation(0.4, "ramp").probability(done) for done in (0.0, 0.5, 1.0)] == [0.0, 0.2, 0.4]
    assert suited(100) == (1.0, "fixed")
    assert suited(5_000) == (1.0, "adaptive")
    assert suited(60_000) == (0.3, "ramp")
    with pytest.raises(ConfigError, match="give a number"):
        suited(None)


def test_a_generator_that_copies_the_changes_is_found_out() -> None:
    data = torch.from_numpy(load_digits().images).float()[:, None] / 8 - 1
    reals, others = data[:256], data[256:512]
    rng = torch.Generator().manual_seed(0)
    changed = augmented(reals, 1.0, rng).flatten(1)
    sound = leak(reals.flatten(1), changed, others.flatten(1))
    copied = leak(reals.flatten(1), changed, augmented(others, 1.0, rng).flatten(1))
    assert abs(sound) < 0.15
    assert copied > 0.35
    assert copied > sound + 0.3


def test_penalties_reach_through_the_augmentation() -> None:
    game = PictureGame()
    rules = Rules(get_loss("relativistic"), r1=1.0, r2=1.0, augment=1.0)
    move = discriminator_move(game, rules, {"reals": torch.rand(8, 1, 8, 8)}, torch.Generator().manual_seed(0))
    move.loss.backward()
    assert move.figures["penalty"] > 0
    assert all(torch.isfinite(p.grad).all() for p in game.discriminator.parameters() if p.grad is not None)


def test_penalties_are_slopes_before_the_augmentation(monkeypatch: pytest.MonkeyPatch) -> None:
    """With changes that triple a sample, a linear critic's slope is three times its weight."""
    monkeypatch.setattr("gantools.core.step.augmented", lambda samples, probability, rng: 3 * samples)
    played = LineGame()
    played.discriminator = torch.nn.Linear(1, 1)
    rules = Rules(get_loss("hinge"), r1=2.0, augment=1.0)
    move = discriminator_move(played, rules, BATCH, torch.Generator().manual_seed(0))
    assert move.figures["penalty"].item() == pytest.approx(9 * played.discriminator.weight.item() ** 2)


def test_augmentation_of_what_is_no_picture_is_refused_before_training() -> None:
    with pytest.raises(ConfigError, match="whole pictures"):
        AdversarialTrainer(augment=0.5).train(LineGame(), lambda step: BATCH, max_images=8, seed=0)
    with pytest.raises(ConfigError, match="give a number"):
        AdversarialTrainer(augment="auto").train(
            PictureGame(), lambda step: {"reals": torch.rand(8, 1, 8, 8)}, max_images=8, seed=0
        )


class PictureGame(LatentGame):
    """DCGAN's players."""

    def __init__(self, side: int = 8) -> None:
        rng = torch.Generator().manual_seed(0)
        super().__init__(
            initialised(lambda: DcganGenerator((1, side, side), 8, 8), rng),
            initialised(lambda: DcganDiscriminator((1, side, side), 8), rng),
        )
