"""The two moves touch the player whose turn it is, and nobody else."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gantools.core import Batch, Game, Negatives
from gantools.core.ema import MovingAverage
from gantools.core.losses import get_loss
from gantools.core.step import Penalties, discriminator_move, frozen, generator_move


class LineGame(Game):
    """Numbers near 2 are real."""

    def __init__(self) -> None:
        super().__init__(nn.Linear(1, 1), nn.Sequential(nn.Linear(1, 8), nn.LeakyReLU(0.2), nn.Linear(8, 1)))

    def fakes(self, batch: Batch, rng: torch.Generator) -> Tensor:
        fakes: Tensor = self.generator(torch.randn((len(batch["reals"]), 1), generator=rng))
        return fakes


class WithNegatives(LineGame):
    def negatives(self, batch: Batch, rng: torch.Generator) -> list[Negatives]:
        return [Negatives(batch["reals"] + 5, weight=2.0)]


BATCH = {"reals": torch.full((4, 1), 2.0)}
HINGE = get_loss("hinge")


def test_discriminator_move_detaches_the_fakes(rng: torch.Generator) -> None:
    game = LineGame()
    discriminator_move(game, HINGE, Penalties(r1=1, r2=1, wgan_gp=1), BATCH, rng).loss.backward()
    assert all(p.grad is None for p in game.generator.parameters())
    assert all(p.grad is not None for p in game.discriminator.parameters())


def test_generator_move_leaves_the_discriminator(rng: torch.Generator) -> None:
    for name in ("hinge", "relativistic"):
        game = LineGame()
        generator_move(game, get_loss(name), 1.0, BATCH, rng).loss.backward()
        assert all(p.grad is None and p.requires_grad for p in game.discriminator.parameters())
        assert all(p.grad is not None for p in game.generator.parameters())


def test_negatives_are_paid_for(rng: torch.Generator) -> None:
    game = WithNegatives()
    with_, without = (
        discriminator_move(g, HINGE, Penalties(), BATCH, torch.Generator().manual_seed(0))
        for g in (game, _same_players(game))
    )
    logits = game.discriminator(BATCH["reals"] + 5)
    torch.testing.assert_close(with_.loss - without.loss, 2 * (1 + logits).clamp(min=0).mean())
    assert "d_negative" in with_.figures


def _same_players(game: Game) -> Game:
    plain = LineGame()
    plain.generator, plain.discriminator = game.generator, game.discriminator
    return plain


def test_no_fakes_no_figures_of_fakes(rng: torch.Generator) -> None:
    game = WithNegatives()
    game.fake_weight = 0.0
    assert "d_fake" not in discriminator_move(game, HINGE, Penalties(), BATCH, rng).figures


def test_frozen_gives_back() -> None:
    player = nn.Linear(1, 1)
    player.bias.requires_grad_(False)
    with frozen(player):
        assert not player.weight.requires_grad
    assert player.weight.requires_grad
    assert not player.bias.requires_grad


def test_average_copies_buffers_and_follows_parameters() -> None:
    player = nn.BatchNorm1d(2)
    average = MovingAverage(player, half_life=100)
    with torch.no_grad():
        player.weight.add_(1)
        player.running_mean.add_(3)
    average.update(player, n_images=100, images_seen=10_000)
    torch.testing.assert_close(average.average.weight, torch.full((2,), 1.5))
    torch.testing.assert_close(average.average.running_mean, player.running_mean)
