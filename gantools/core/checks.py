"""Settings that cannot work: named before training begins, all of them at once."""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Callable
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import nn

from gantools.core.augment import RULES
from gantools.core.game import Game
from gantools.core.losses import LOSSES, SMOOTHABLE

if TYPE_CHECKING:
    from gantools.core.trainer import AdversarialTrainer

CHOICES = {
    "loss": tuple(LOSSES),
    "optimiser": ("adam", "muon"),
    "schedule": ("constant", "cosine"),
    "augment_rule": RULES,
    "condition": ("auto", "projection", "concatenation"),
    "balance": ("off", "watch", "auto"),
    "keep": ("last", "best"),
    "precision": ("float32", "bfloat16", "auto"),
}
_PENALTIES = ("r1", "r2", "wgan_gp")
_AT_LEAST_0 = (
    *("weight_decay", "adversarial_weight", *_PENALTIES, "penalty_share"),
    *("clip", "instance_noise", "feature_matching", "ema"),
)
_BOUNDS: tuple[tuple[tuple[str, ...], Callable[[Any], bool], str], ...] = (
    (
        ("n_critic", "penalty_every", "accumulate"),
        lambda v: isinstance(v, Integral) and int(v) >= 1,
        "a whole number from 1 up",
    ),
    (("lr_generator", "lr_discriminator"), lambda v: _number(v) and v > 0, "a number above 0"),
    (("beta1", "beta2"), lambda v: _number(v) and 0 <= v < 1, "in [0, 1)"),
    (_AT_LEAST_0, lambda v: _number(v) and v >= 0, "a number of at least 0"),
    (("real_target", "fake_target"), lambda v: _number(v) and 0 <= v <= 1, "in [0, 1]"),
    (("noise_share",), lambda v: _number(v) and 0 < v <= 1, "in (0, 1]"),
    (("max_norm", "patience"), lambda v: v is None or (_number(v) and v > 0), "a number above 0, or None"),
    (("spectral_norm", "projected", "compile"), lambda v: isinstance(v, (bool, np.bool_)), "True or False"),
    (("augment",), lambda v: v == "auto" or (_number(v) and 0 <= v <= 1), "in [0, 1], or 'auto'"),
)


def refused(trainer: AdversarialTrainer, usual: AdversarialTrainer, game: Game | None = None) -> list[str]:
    """A line for each setting that cannot work: by itself, beside another one, or in `game`.

    Lines that name a setting which is wrong by itself are left out but for the one that says so; for all others such
    a setting is as it is in `usual`.
    """
    wrong = _wrong(trainer)
    sound = copy.copy(trainer)
    for name in wrong:
        setattr(sound, name, getattr(usual, name))
    together = [*_contradictions(sound), *([] if game is None else _unsuited(sound, game))]
    return [*wrong.values(), *(line for line in together if not any(re.search(rf"\b{n}\b", line) for n in wrong))]


def _wrong(trainer: AdversarialTrainer) -> dict[str, str]:
    """A line for each setting that is not what it may be, by its name."""
    wrong = {
        name: f"{name}={getattr(trainer, name)!r} is not known; choose one of {', '.join(known)}"
        for name, known in CHOICES.items()
        if getattr(trainer, name) not in known
    }
    for names, fits, what in _BOUNDS:
        wrong |= {n: f"{n}={getattr(trainer, n)!r} must be {what}" for n in names if not fits(getattr(trainer, n))}
    return wrong


def _contradictions(trainer: AdversarialTrainer) -> list[str]:
    """A line for each pair of settings that are fine alone and cannot work together."""
    penalties = _penalties(trainer)
    smooth = (trainer.real_target, trainer.fake_target) != (1.0, 0.0)
    bounded = trainer.clip or trainer.wgan_gp or trainer.spectral_norm
    cases = (
        (
            trainer.clip > 0 and penalties,
            f"clip and {penalties} each bound the discriminator; set clip=0, or {penalties} to 0",
        ),
        (
            trainer.clip > 0 and trainer.spectral_norm,
            "clip and spectral_norm both bound the discriminator's weights; choose one",
        ),
        (
            trainer.penalty_share > 0 and not penalties,
            "penalty_share scales r1, r2 or wgan_gp, and all of them are 0; set one of them",
        ),
        (
            trainer.penalty_share > 0 and trainer.loss == "wasserstein",
            "penalty_share compares with the loss, and loss='wasserstein' has no scale; set penalty_share to 0",
        ),
        (
            trainer.loss == "wasserstein" and not bounded,
            "loss='wasserstein' needs a bounded critic: wgan_gp=10, clip=0.01 or spectral_norm=True",
        ),
        (
            trainer.projected and trainer.condition == "concatenation",
            "projected discriminators see pictures only, without a class beside them; choose condition='projection'",
        ),
        (
            smooth and trainer.loss not in SMOOTHABLE,
            f"real_target and fake_target smooth labels, which loss={trainer.loss!r} has not; "
            f"losses with labels are {', '.join(SMOOTHABLE)}",
        ),
        (
            trainer.augment_rule != "fixed" and trainer.augment in (0, "auto"),
            f"augment_rule={trainer.augment_rule!r} says when augment={trainer.augment!r} is reached: give that a "
            "number, such as augment=1, or set augment_rule='fixed'",
        ),
        (
            trainer.fake_target >= trainer.real_target,
            f"fake_target={trainer.fake_target:g} must be below real_target={trainer.real_target:g}",
        ),
    )
    return [said for wrong, said in cases if wrong]


def _unsuited(trainer: AdversarialTrainer, game: Game) -> list[str]:
    """A line for each setting that does not suit the game."""
    d = game.discriminator
    normed = any(isinstance(layer, nn.modules.batchnorm._BatchNorm) for layer in d.modules())
    looks_up = any(isinstance(layer, nn.Embedding) and layer.weight.requires_grad for layer in d.modules())
    own_terms = type(game).generator_terms is not Game.generator_terms
    penalties = _penalties(trainer)
    cases = (
        (
            normed and penalties,
            f"{penalties} with batch norm in the discriminator: a sample's gradient would depend on its neighbours; "
            f"take a discriminator without batch norm, or set {penalties} to 0",
        ),
        (
            trainer.loss == "wasserstein" and not (trainer.clip or trainer.wgan_gp) and looks_up,
            "loss='wasserstein' needs a bounded critic, and spectral_norm does not bound what a discriminator adds for "
            "a class (an embedding); set wgan_gp=10, or clip=0.01 with spectral_norm=False",
        ),
        (
            trainer.feature_matching > 0 and not hasattr(d, "features"),
            f"feature_matching needs a discriminator with features(), and {type(d).__name__} has none; set it to 0",
        ),
        (
            trainer.augment != 0 and not game.augmentable and trainer.adversarial_weight > 0,
            "augment changes whole pictures, which this task's discriminator is not shown; set it to 0",
        ),
        (
            trainer.condition != "auto" and not game.conditional and trainer.adversarial_weight > 0,
            f"condition={trainer.condition!r} tells the players a class, and there are none: fit with labels (y), in a "
            "task that takes them (synthesis, augmentation), or set condition='auto'",
        ),
        *(
            (
                asked and not game.monitored,
                f"{setting} goes by a held-out figure, which only synthesis takes, where a tenth of each class comes "
                f"to 32 samples or more; set {instead}",
            )
            for asked, setting, instead in (
                (trainer.keep == "best", "keep='best'", "keep='last'"),
                (trainer.patience is not None, f"patience={trainer.patience}", "patience=None"),
            )
        ),
        (
            trainer.adversarial_weight == 0 and trainer.feature_matching == 0 and not own_terms,
            "adversarial_weight=0 and feature_matching=0 leave the generator of this task nothing to learn by; set the "
            "first above 0",
        ),
        (
            trainer.adversarial_weight == 0 and type(game).negatives is not Game.negatives,
            "adversarial_weight=0 leaves the discriminator, whose answers this task is for, untrained; set it above 0",
        ),
        (
            trainer.projected and not game.projected and trainer.adversarial_weight > 0,
            "projected discriminators are for synthesis, augmentation and translation of pictures; set projected=False",
        ),
    )
    return [said for wrong, said in cases if wrong]


def _penalties(trainer: AdversarialTrainer) -> str:
    """The names of the penalties there are."""
    return ", ".join(name for name in _PENALTIES if getattr(trainer, name) > 0)


def _number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, (bool, np.bool_)) and math.isfinite(value)
