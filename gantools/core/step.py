"""One step of the two-player game: the discriminator's move, then the generator's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gantools.core.game import Batch, Game
from gantools.core.losses import Loss, discriminator_loss, generator_loss, negative_loss
from gantools.core.penalties import wgan_gradient_penalty, zero_centred_penalty


class Penalties(NamedTuple):
    """Weights of the gradient penalties (Mescheder's gamma for R1 and R2, Gulrajani's lambda)."""

    r1: float = 0.0
    r2: float = 0.0
    wgan_gp: float = 0.0


class Move(NamedTuple):
    """What a move costs its player, and figures worth recording."""

    loss: Tensor
    figures: dict[str, Tensor]


def discriminator_move(game: Game, loss: Loss, penalties: Penalties, batch: Batch, rng: torch.Generator) -> Move:
    """The discriminator's cost: reals towards real, detached fakes and negatives towards fake."""
    reals = batch["reals"]

    def logits_of(samples: Tensor) -> Tensor:
        logits: Tensor = game.discriminator(*game.shown(samples, batch, rng))
        return logits

    real = logits_of(reals)
    figures = {"d_real": real.detach().sigmoid().mean()}
    if game.fake_weight > 0:
        with torch.no_grad():
            fakes = game.fakes(batch, rng)
        fake = logits_of(fakes)
        total = discriminator_loss(loss, real, fake, game.fake_weight)
        figures["d_fake"] = fake.detach().sigmoid().mean()
    else:
        fakes = reals
        total = real.new_zeros(()) if loss.relativistic else loss.real(real).mean()
    for negatives in game.negatives(batch, rng):
        logits = logits_of(negatives.samples)
        mask = (
            None
            if negatives.mask is None
            else F.adaptive_max_pool2d(negatives.mask, (logits.shape[-2], logits.shape[-1]))
        )
        total = total + negatives.weight * negative_loss(loss, real, logits, mask)
        figures["d_negative"] = logits.detach().sigmoid().mean()
    for name, term in game.discriminator_terms(batch, rng).items():
        total = total + term
        figures[f"term_{name}"] = term.detach()
    figures["loss_discriminator"] = total.detach()

    penalty = real.new_zeros(())
    if penalties.r1 > 0:
        penalty = penalty + penalties.r1 * zero_centred_penalty(logits_of, reals)
    if penalties.r2 > 0:
        penalty = penalty + penalties.r2 * zero_centred_penalty(logits_of, fakes)
    if penalties.wgan_gp > 0:
        penalty = penalty + penalties.wgan_gp * wgan_gradient_penalty(logits_of, reals, fakes, rng)
    figures["penalty"] = penalty.detach()
    return Move(total + penalty, figures)


def generator_move(game: Game, loss: Loss, adversarial_weight: float, batch: Batch, rng: torch.Generator) -> Move:
    """The generator's cost: its fakes called real, and whatever else its game asks of it."""
    fakes = game.fakes(batch, rng)
    figures: dict[str, Tensor] = {}
    total = fakes.new_zeros(())
    if adversarial_weight > 0:
        with frozen(game.discriminator):
            fake = game.discriminator(*game.shown(fakes, batch, rng))
            real = None
            if loss.relativistic:
                with torch.no_grad():
                    real = game.discriminator(*game.shown(batch["reals"], batch, rng))
            adversarial = generator_loss(loss, real, fake)
        total = total + adversarial_weight * adversarial
        figures["loss_generator"] = adversarial.detach()
    for name, term in game.generator_terms(batch, fakes).items():
        total = total + term
        figures[f"term_{name}"] = term.detach()
    return Move(total, figures)


@contextmanager
def frozen(player: nn.Module) -> Iterator[None]:
    """`player`'s parameters take no gradient inside, and are as they were after."""
    parameters = [p for p in player.parameters() if p.requires_grad]
    for p in parameters:
        p.requires_grad_(False)
    try:
        yield
    finally:
        for p in parameters:
            p.requires_grad_(True)
