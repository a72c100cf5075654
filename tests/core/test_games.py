"""Fakes from latents, with and without a class; unlabelled reals take part."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from gantools.core import AdversarialTrainer, ConditionalGame
from gantools.core.initialise import initialised
from gantools.errors import ConfigError
from gantools.networks.conditional import ConcatenationDiscriminator, ConditionalGenerator, ProjectionDiscriminator
from gantools.networks.mlp import MlpDiscriminator, MlpGenerator

CENTRES = torch.tensor([[-2.0, 0.0], [2.0, 0.0], [0.0, 3.0]])


def conditional_game(kind: str, seed: int = 0) -> ConditionalGame:
    rng = torch.Generator().manual_seed(seed)

    def discriminator() -> torch.nn.Module:
        if kind == "projection":
            return ProjectionDiscriminator(MlpDiscriminator(2, 64), 64, 3)
        return ConcatenationDiscriminator(MlpDiscriminator(2 + 3, 64), 3)

    generator = initialised(lambda: ConditionalGenerator(MlpGenerator(2, latent=12, width=64), 3, width=4), rng)
    return ConditionalGame(generator, initialised(discriminator, rng), 3)


def test_a_projection_is_not_bounded_by_spectral_norm() -> None:
    critic = {"loss": "wasserstein", "spectral_norm": True}
    with pytest.raises(ConfigError, match="an embedding"):
        AdversarialTrainer(**critic).check(conditional_game("projection"))
    AdversarialTrainer(**critic).check(conditional_game("concatenation"))
    AdversarialTrainer(**critic, wgan_gp=10.0).check(conditional_game("projection"))


def points(labels: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    return CENTRES[labels] + 0.2 * torch.randn(len(labels), 2, generator=rng)


def labelled_batch(step: int) -> dict[str, torch.Tensor]:
    rng = torch.Generator().manual_seed(step)
    labels = torch.randint(3, (64,), generator=rng)
    return {"reals": points(labels, rng), "labels": labels}


def half_labelled_batch(step: int) -> dict[str, torch.Tensor]:
    """Half of it from thirty labelled points, half new and without labels."""
    few_labels = torch.arange(3).repeat(10)
    few = points(few_labels, torch.Generator().manual_seed(0))
    rng = torch.Generator().manual_seed(step)
    which = torch.randint(30, (32,), generator=rng)
    many = points(torch.randint(3, (32,), generator=rng), rng)
    labels = torch.cat([few_labels[which], torch.full((32,), -1)])
    return {"reals": torch.cat([few[which], many]), "labels": labels}


def distances_to_own_centre(kind: str, batches: Callable[[int], dict[str, torch.Tensor]]) -> torch.Tensor:
    trainer = AdversarialTrainer(lr_generator=2e-3, lr_discriminator=2e-3, r1=0.05, schedule="cosine")
    training = trainer.train(conditional_game(kind), batches, max_images=64 * 900, seed=0)
    latents = torch.randn(300, 8, generator=torch.Generator().manual_seed(9))
    labels = torch.arange(3).repeat(100)
    with torch.no_grad():
        fakes = training.generator(latents, labels)
    return torch.stack([(fakes[labels == k].mean(0) - CENTRES[k]).norm() for k in range(3)])


def test_every_class_lands_on_its_own_centre() -> None:
    for kind in ("projection", "concatenation"):
        assert distances_to_own_centre(kind, labelled_batch).max() < 0.8, kind


def test_few_labels_and_many_unlabelled() -> None:
    for kind in ("projection", "concatenation"):
        assert distances_to_own_centre(kind, half_labelled_batch).max() < 0.8, kind


def test_without_a_class_the_discriminator_is_told_nothing() -> None:
    game = conditional_game("projection")
    torch.nn.init.normal_(game.discriminator.classes.weight)
    x, none = torch.randn(5, 2), torch.full((5,), -1)
    torch.testing.assert_close(game.discriminator(x, none), game.discriminator.body(x))
    assert not torch.allclose(game.discriminator(x, none + 1), game.discriminator(x, none))


def test_fakes_have_their_reals_classes() -> None:
    game = conditional_game("projection")
    game.generator.classes.weight.data = torch.arange(3.0)[:, None].expand(3, 4).clone()
    seen: list[torch.Tensor] = []
    game.generator.body.register_forward_pre_hook(lambda _, given: seen.append(given[0][:, 0]))
    labels = torch.tensor([2, 0, 1, -1])
    game.fakes({"reals": torch.zeros(4, 2), "labels": labels}, torch.Generator().manual_seed(0))
    assert seen[0][:3].tolist() == [2.0, 0.0, 1.0]
    assert seen[0][3] in (0.0, 1.0, 2.0)
