"""What one task plays: the part of adversarial training that differs from task to task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

Batch = Mapping[str, Tensor]
"""One batch by name. Every game's batch has `reals`; what else there is, is the game's own."""


class Negatives(NamedTuple):
    """Extra samples that the discriminator is taught to call fake.

    Attributes
    ----------
    samples : Tensor, (N, ...)
        Shaped as the reals.
    weight : float
        Their share in the discriminator's loss, where the reals have 1.
    mask : Tensor or None
        In [0, 1], shaped as the reals with one channel: where the samples are abnormal. None: everywhere.
        A logit is taught abnormal by the most abnormal pixel it stands for, so that
        thin lines are not averaged away.
    """

    samples: Tensor
    weight: float = 1.0
    mask: Tensor | None = None


class Game:
    """Two players, and what they are shown. Subclasses override what their task needs.

    Parameters
    ----------
    generator, discriminator : nn.Module
        The players. The discriminator takes what `shown` returns and gives logits: (N,), (N, 1) or dense
        (N, 1, h, w).

    Attributes
    ----------
    fake_weight : float
        Weight of the generator's fakes in the discriminator's loss. At 0 the generator does not play.
    average_discriminator : bool
        Whether the discriminator has a moving average too (it does where its logits are the product).
    augmentable : bool
        Whether samples are pictures (N, C, H, W) that the discriminator may be shown changed.
    conditional : bool
        Whether both players are told a class.
    projected : bool
        Whether the discriminator judges a frozen network's features.
    wide : bool
        Whether most of the work is convolutions of a hundred channels or more, as CPUs' matrix units want them.
    monitored : bool
        Whether `monitor` gives a figure.
    n_reals : int or None
        How many different reals there are, where the game knows.
    """

    fake_weight: float = 1.0
    average_discriminator: bool = False
    augmentable: bool = False
    conditional: bool = False
    projected: bool = False
    wide: bool = False
    monitored: bool = False
    n_reals: int | None = None

    def __init__(self, generator: nn.Module, discriminator: nn.Module) -> None:
        self.generator = generator
        self.discriminator = discriminator

    def fakes(self, batch: Batch, rng: torch.Generator) -> Tensor:
        """One fake for each real of `batch`, with the generator's graph."""
        raise NotImplementedError

    def shown(self, samples: Tensor, batch: Batch, rng: torch.Generator) -> tuple[Tensor, ...]:
        """The discriminator's arguments for `samples`: themselves, and in a conditional game a condition."""
        return (samples,)

    def negatives(self, batch: Batch, rng: torch.Generator) -> list[Negatives]:
        """Synthetic anomalies, fakes of older generators, or none."""
        return []

    def discriminator_terms(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        """Named losses that the discriminator has besides the adversarial one (an auxiliary head's), weighted."""
        return {}

    def generator_terms(self, batch: Batch, fakes: Tensor) -> dict[str, Tensor]:
        """Named losses that the generator has besides the adversarial one, already weighted."""
        return {}

    def settings(self) -> dict[str, float]:
        """Its own settings by name: a training can go on from a checkpoint only if they are what they were."""
        return {"fake_weight": self.fake_weight}

    def held_out(self) -> Batch | None:
        """A batch of reals never trained on, by which the players' health is judged; None: by the last batch."""
        return None

    def monitor(self, generator: nn.Module, discriminator: nn.Module) -> float | None:
        """A held-out figure of players as they would be returned, the lower the better; None where there is none."""
        return None
