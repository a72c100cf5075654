"""One step of the two-player game: the discriminator's move, then the generator's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gantools.core.augment import augmented
from gantools.core.game import Batch, Game, Negatives
from gantools.core.losses import Loss, discriminator_loss, generator_loss, negative_loss
from gantools.core.penalties import not_compiled, wgan_gradient_penalty, zero_centred_penalty


class Rules(NamedTuple):
    """What the players pay at one step.

    Attributes
    ----------
    loss : Loss
        The adversarial loss.
    adversarial_weight : float
        Its weight for the generator.
    r1, r2, wgan_gp : float
        Weights of the gradient penalties (Mescheder's gamma for R1 and R2, Gulrajani's lambda).
    feature_matching : float
        Weight of the distance between the mean features of reals and of fakes, for the generator.
    noise : float
        Deviation of the Gaussian noise on all that the discriminator sees.
    augment : float
        Probability of each change of the pictures that it sees.
    half : bool
        Whether the players, and what the game asks of the generator besides, compute in bfloat16; what they are shown,
        the adversarial loss and penalties are in float32.
    """

    loss: Loss
    adversarial_weight: float = 1.0
    r1: float = 0.0
    r2: float = 0.0
    wgan_gp: float = 0.0
    feature_matching: float = 0.0
    noise: float = 0.0
    augment: float = 0.0
    half: bool = False


class Move(NamedTuple):
    """What a move costs its player, and figures worth recording."""

    loss: Tensor
    figures: dict[str, Tensor]


def discriminator_move(game: Game, rules: Rules, batch: Batch, rng: torch.Generator) -> Move:
    """The discriminator's cost: reals towards real, detached fakes and negatives towards fake.

    R1 and R2 are slopes of the very logits that the loss is made of, as in R3GAN (Huang et al. 2024).
    """
    loss, sloping = rules.loss, rules.r1 > 0 or rules.r2 > 0

    def exact_logits_of(samples: Tensor) -> Tensor:
        with not_compiled():
            return judged(game, rules._replace(half=False), samples, batch, rng)

    def logits_of(samples: Tensor) -> Tensor:
        return exact_logits_of(samples) if sloping else judged(game, rules, samples, batch, rng)

    reals = batch["reals"].detach().requires_grad_(sloping)
    real = logits_of(reals)
    figures = {"d_real": real.detach().sigmoid().mean()}
    if game.fake_weight > 0:
        with torch.no_grad(), rules_precision(rules, reals):
            fakes = game.fakes(batch, rng)
        fakes = fakes.detach().to(reals.dtype).requires_grad_(sloping)
        fake = logits_of(fakes)
        total = discriminator_loss(loss, real, fake, game.fake_weight)
        figures["d_fake"] = fake.detach().sigmoid().mean()
        figures["d_wins"] = share_of_wins(real.detach(), fake.detach())
    else:
        fakes, fake = reals, real
        total = real.new_zeros(()) if loss.relativistic else loss.real(real).mean()
    for negatives in game.negatives(batch, rng):
        logits = judged(game, rules, negatives.samples, batch, rng)
        total = total + negatives.weight * negative_loss(loss, real, logits, mask_of(negatives, logits))
        figures["d_negative"] = logits.detach().sigmoid().mean()
    for name, term in game.discriminator_terms(batch, rng).items():
        total = total + term
        figures[f"term_{name}"] = term.detach()
    figures["loss_discriminator"] = total.detach()

    penalty = real.new_zeros(())
    if rules.r1 > 0:
        penalty = penalty + rules.r1 * zero_centred_penalty(real, reals)
    if rules.r2 > 0 and game.fake_weight > 0:
        penalty = penalty + rules.r2 * zero_centred_penalty(fake, fakes)
    if rules.wgan_gp > 0 and game.fake_weight > 0:
        penalty = penalty + rules.wgan_gp * wgan_gradient_penalty(exact_logits_of, reals, fakes, rng)
    figures["penalty"] = penalty.detach()
    return Move(total + penalty, figures)


def generator_move(game: Game, rules: Rules, batch: Batch, rng: torch.Generator) -> Move:
    """The generator's cost: its fakes called real, and whatever else its game asks of it."""
    with rules_precision(rules, batch["reals"]):
        fakes = game.fakes(batch, rng)
    fakes = fakes.to(batch["reals"].dtype)
    figures: dict[str, Tensor] = {}
    total = fakes.new_zeros(())
    with frozen(game.discriminator):
        if rules.adversarial_weight > 0:
            fake = judged(game, rules, fakes, batch, rng)
            real = None
            if rules.loss.relativistic:
                with torch.no_grad():
                    real = judged(game, rules, batch["reals"], batch, rng)
            adversarial = generator_loss(rules.loss, real, fake)
            total = total + rules.adversarial_weight * adversarial
            figures["loss_generator"] = adversarial.detach()
        if rules.feature_matching > 0:
            matching = feature_matching(game, batch, fakes, rng)
            total = total + rules.feature_matching * matching
            figures["feature_matching"] = matching.detach()
        with rules_precision(rules, fakes):
            terms = game.generator_terms(batch, fakes)
    for name, term in terms.items():
        total = total + term
        figures[f"term_{name}"] = term.detach()
    return Move(total, figures)


def feature_matching(game: Game, batch: Batch, fakes: Tensor, rng: torch.Generator) -> Tensor:
    """Mean squared difference of the mean features of reals and of fakes, in the discriminator's last layer.

    Salimans et al. 2016, "Improved Techniques for Training GANs", section 3.1.
    """
    features: Callable[..., list[Tensor]] = game.discriminator.features  # type: ignore[assignment]
    with torch.no_grad():
        real = features(*game.shown(batch["reals"], batch, rng))[-1].mean(0)
    fake = features(*game.shown(fakes, batch, rng))[-1].mean(0)
    return (real - fake).square().mean()


def judged(game: Game, rules: Rules, samples: Tensor, batch: Batch, rng: torch.Generator) -> Tensor:
    """The discriminator's logits of `samples`, changed and noisy as the rules have it; in float32 at least."""
    samples = noisy(augmented(samples, rules.augment, rng), rules.noise, rng)
    shown = game.shown(samples, batch, rng)
    with rules_precision(rules, samples):
        logits: Tensor = game.discriminator(*shown)
    return logits.float() if logits.dtype == torch.bfloat16 else logits


def rules_precision(rules: Rules, like: Tensor) -> AbstractContextManager[None]:
    """Inside, networks compute in bfloat16 where the rules have it, on the device of `like`."""
    return torch.autocast(like.device.type, torch.bfloat16, cache_enabled=False) if rules.half else nullcontext()


def noisy(samples: Tensor, deviation: float, rng: torch.Generator) -> Tensor:
    """`samples` with Gaussian noise: instance noise (Sønderby et al. 2017; Arjovsky & Bottou 2017)."""
    if deviation == 0:
        return samples
    return samples + deviation * torch.randn(samples.shape, generator=rng, device=samples.device)


def share_of_wins(real: Tensor, fake: Tensor) -> Tensor:
    """How often a real's logit is above a fake's, over all pairs of a batch; half a win for a tie."""
    real, fake = real.flatten(1).mean(1) if real.ndim > 1 else real, fake.flatten(1).mean(1) if fake.ndim > 1 else fake
    return (0.5 + 0.5 * (real[:, None] - fake[None]).sign()).mean()


def mask_of(negatives: Negatives, logits: Tensor) -> Tensor | None:
    """The negatives' mask at the size of the logits: a logit answers for the worst pixel that it stands for."""
    if negatives.mask is None:
        return None
    return F.adaptive_max_pool2d(negatives.mask, (logits.shape[-2], logits.shape[-1]))


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
