"""The two moves touch the player whose turn it is, and nobody else."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from gantools.core import Batch, Game, Negatives
from gantools.core.ema import MovingAverage
from gantools.core.losses import get_loss
from gantools.core.step import (
    Rules,
    discriminator_move,
    feature_matching,
    frozen,
    generator_move,
    mask_of,
    share_of_wins,
)


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


def test_without_fakes_there_is_no_penalty_on_them(rng: torch.Generator) -> None:
    game = WithNegatives()
    game.fake_weight = 0.0
    alone, both = (
        discriminator_move(game, Rules(HINGE, r1=1.0, r2=r2, wgan_gp=r2), BATCH, rng).figures["penalty"]
        for r2 in (0.0, 1.0)
    )
    assert torch.equal(alone, both)


def test_discriminator_move_detaches_the_fakes(rng: torch.Generator) -> None:
    game = LineGame()
    discriminator_move(game, Rules(HINGE, r1=1, r2=1, wgan_gp=1), BATCH, rng).loss.backward()
    assert all(p.grad is None for p in game.generator.parameters())
    assert all(p.grad is not None for p in game.discriminator.parameters())


def test_penalties_are_slopes_of_the_logits_that_the_loss_is_made_of(rng: torch.Generator) -> None:
    """The discriminator looks once at reals and once at fakes, which saves a third of its move."""
    game = LineGame()
    first, last = game.discriminator[0], game.discriminator[2]
    seen: list[Tensor] = []
    game.discriminator.register_forward_hook(lambda _, shown, __: seen.append(shown[0].detach()))
    found = discriminator_move(game, Rules(get_loss("relativistic"), r1=2.0, r2=4.0), BATCH, rng)
    reals, fakes = seen

    def slopes(at: Tensor) -> Tensor:
        through = torch.where(first(at) > 0, 1.0, 0.2)
        return (last.weight * through * first.weight.T).sum(1)

    expected = 1.0 * slopes(reals).square().mean() + 2.0 * slopes(fakes).square().mean()
    torch.testing.assert_close(found.figures["penalty"], expected)


def test_generator_move_leaves_the_discriminator(rng: torch.Generator) -> None:
    for name in ("hinge", "relativistic"):
        game = LineGame()
        generator_move(game, Rules(get_loss(name)), BATCH, rng).loss.backward()
        assert all(p.grad is None and p.requires_grad for p in game.discriminator.parameters())
        assert all(p.grad is not None for p in game.generator.parameters())


def test_negatives_are_paid_for(rng: torch.Generator) -> None:
    game = WithNegatives()
    with_, without = (
        discriminator_move(g, Rules(HINGE), BATCH, torch.Generator().manual_seed(0))
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
    assert "d_fake" not in discriminator_move(game, Rules(HINGE), BATCH, rng).figures


def test_what_a_game_asks_of_its_generator_teaches_the_discriminator_nothing(rng: torch.Generator) -> None:
    class Asking(LineGame):
        def generator_terms(self, batch: Batch, fakes: Tensor) -> dict[str, Tensor]:
            return {"asked": self.discriminator(fakes).mean()}

    game = Asking()
    generator_move(game, Rules(HINGE), BATCH, rng).loss.backward()
    assert all(p.grad is None for p in game.discriminator.parameters())
    assert all(p.grad is not None for p in game.generator.parameters())


@pytest.mark.parametrize("penalty", [{"r1": 1.0}, {"r2": 1.0}, {"wgan_gp": 1.0}])
def test_penalties_are_computed_in_float32(penalty: dict[str, float], rng: torch.Generator) -> None:
    """In bfloat16 all else of a discriminator's move is."""
    game, seen = LineGame(), []
    game.discriminator[0].register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    discriminator_move(game, Rules(HINGE, half=True, **penalty), BATCH, rng)
    assert torch.float32 in seen
    with_penalty = len(seen)
    seen.clear()
    discriminator_move(game, Rules(HINGE, half=True), BATCH, rng)
    assert set(seen) == {torch.bfloat16}
    assert len(seen) <= with_penalty


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
    average.update(n_images=100, images_seen=10_000)
    torch.testing.assert_close(average.average.weight, torch.full((2,), 1.5))
    torch.testing.assert_close(average.average.running_mean, player.running_mean)


def test_noise_is_on_all_that_the_discriminator_sees(rng: torch.Generator) -> None:
    game, seen = LineGame(), []
    game.discriminator.register_forward_pre_hook(lambda _, given: seen.append(given[0].detach()))
    still = {"reals": torch.full((1000, 1), 2.0)}
    discriminator_move(game, Rules(HINGE, noise=0.5), still, rng)
    generator_move(game, Rules(HINGE, noise=0.5), still, rng)
    real, fake, generated = seen
    torch.testing.assert_close(real.std(), torch.tensor(0.5), rtol=0.1, atol=0)
    slope = game.generator.weight.abs().item()
    for shown in (fake, generated):
        torch.testing.assert_close(shown.std(), torch.tensor((slope**2 + 0.25) ** 0.5), rtol=0.1, atol=0)


def test_feature_matching_by_hand(rng: torch.Generator) -> None:
    game = LineGame()
    game.discriminator.features = lambda samples: [samples, 3 * samples]  # type: ignore[assignment]
    fakes = torch.tensor([[1.0], [2.0], [3.0], [6.0]])
    cost = feature_matching(game, BATCH, fakes, rng)
    torch.testing.assert_close(cost, torch.tensor((3 * 2.0 - 3 * 3.0) ** 2))


def test_feature_matching_alone_teaches_the_generator(rng: torch.Generator) -> None:
    game = LineGame()
    game.discriminator.features = lambda samples: [samples]  # type: ignore[assignment]
    rules = Rules(HINGE, adversarial_weight=0.0, feature_matching=1.0)
    generator_move(game, rules, BATCH, rng).loss.backward()
    assert all(p.grad is not None for p in game.generator.parameters())
    assert all(p.grad is None for p in game.discriminator.parameters())


def test_share_of_wins() -> None:
    real, fake = torch.tensor([1.0, 3.0]), torch.tensor([0.0, 1.0])
    assert share_of_wins(real, fake) == (1 + 0.5 + 1 + 1) / 4
    dense = torch.tensor([[[[0.0, 2.0]]], [[[3.0, 3.0]]]])
    assert share_of_wins(dense, fake) == (1 + 0.5 + 1 + 1) / 4


def test_a_logit_answers_for_the_worst_pixel_it_stands_for() -> None:
    mask = torch.zeros(1, 1, 8, 8)
    mask[0, 0, 5, 2] = 1.0
    small = mask_of(Negatives(torch.zeros(1, 1, 8, 8), 1.0, mask), torch.zeros(1, 1, 2, 2))
    assert small is not None
    assert small.flatten().tolist() == [0, 0, 1, 0]


def test_spectral_norm_comes_off_an_original_and_its_copy() -> None:
    """A moving average of the discriminator is such a copy."""
    import copy

    from gantools.core.spectral import make_plain, normalise_spectrally

    player = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3), torch.nn.Flatten(), torch.nn.Linear(12, 1))
    normalise_spectrally(player, torch.Generator().manual_seed(0))
    twin = copy.deepcopy(player)
    x = torch.randn(2, 2, 4, 4, generator=torch.Generator().manual_seed(1))
    expected = player.eval()(x)
    for each in (player, twin):
        make_plain(each)
        torch.testing.assert_close(each(x), expected)
        assert set(each.state_dict()) == {"0.weight", "0.bias", "2.weight", "2.bias"}


def test_spectral_norm_of_layers_that_start_at_zero() -> None:
    from gantools.core.spectral import normalise_spectrally
    from gantools.networks.residual import ResidualDiscriminator

    player = ResidualDiscriminator((1, 8, 8), 4)  # its blocks begin as identity, with a convolution of zeros
    normalise_spectrally(player, torch.Generator().manual_seed(0))
    logits = player(torch.rand(3, 1, 8, 8))
    logits.sum().backward()
    assert torch.isfinite(logits).all()
    assert all(torch.isfinite(p.grad).all() for p in player.parameters() if p.grad is not None)
