"""How two players are doing: measured at every tick, said in plain words, and acted upon.

No single figure tells a healthy game. The players' strength is how often the discriminator ranks a real above a
fake; the generator's variety is how far apart its fakes lie and how many reals have one near, each against reals.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from gantools.core.game import Batch, Game
from gantools.core.step import share_of_wins
from gantools.metrics.generated import neighbourhoods, spread_ratio

BALANCED = "balanced"
DISCRIMINATOR_OVERPOWERS = "discriminator overpowers"
GENERATOR_OVERPOWERS = "generator overpowers"
COLLAPSING = "collapsing"
DIVERGED = "diverged"
STATES = (BALANCED, DISCRIMINATOR_OVERPOWERS, GENERATOR_OVERPOWERS, COLLAPSING, DIVERGED)

REMEDIES = {
    DISCRIMINATOR_OVERPOWERS: "lower lr_discriminator, raise r1, or add instance_noise",
    GENERATOR_OVERPOWERS: "lower lr_generator, or raise n_critic",
    COLLAPSING: "lower lr_generator, take loss='relativistic' with r1 and r2, or show the discriminator the batch "
    "(minibatch='deviation')",
    DIVERGED: "lower lr_generator and lr_discriminator, or raise r1",
}

SAFE_LOGIT = 100.0
"""A state is worth going back to while no logit is larger."""

_MOST = 256
_FEWEST = 32
_NEIGHBOURS = 5
_SMALL = 16
_MEMORY = 0.5
_WARM_UP = 0.1
_ALWAYS_WINS = 0.97
_SELDOM_WINS = 0.35
_LITTLE_SPREAD = 0.5
_LITTLE_COVERAGE = 0.15
_LARGEST_LOGIT = 1e3
_SLOWEST = 1 / 64


class Vitals(NamedTuple):
    """What is measured.

    Attributes
    ----------
    wins : float
        Share of pairs in which a real's logit is above a fake's: 0.5 when they cannot be told apart.
    gap : float
        Mean logit of reals less that of fakes.
    spread : float
        Mean distance between fakes over that between reals; not a number for fewer than 32 reals.
    coverage : float
        Share of reals that have a fake within the reach of their fifth neighbour; likewise.
    largest : float
        Largest logit without its sign; not finite when a logit is not.
    """

    wins: float
    gap: float
    spread: float
    coverage: float
    largest: float


@torch.no_grad()
def vitals(game: Game, batch: Batch, rng: torch.Generator) -> Vitals:
    """Measure `game` on `batch`, at most 256 reals; the players are left as they are.

    Distances are taken between samples themselves, pictures shrunk to 16 pixels a side, so that they do not
    depend on what the discriminator has come to look at.
    """
    some = {name: values[:_MOST] for name, values in batch.items()}
    reals = some["reals"]
    fakes = game.fakes(some, rng)
    real, fake = (game.discriminator(*game.shown(samples, some, rng)).float() for samples in (reals, fakes))
    largest = float(torch.cat([real.flatten(), fake.flatten()]).abs().max())
    a, b = _vectors(reals), _vectors(fakes)
    if len(reals) < _FEWEST or not bool(torch.isfinite(b).all()):
        spread, coverage = math.nan, math.nan
    else:
        spread, coverage = spread_ratio(a, b), neighbourhoods(a, b, _NEIGHBOURS).coverage
    return Vitals(float(share_of_wins(real, fake)), float(real.mean() - fake.mean()), spread, coverage, largest)


def _vectors(samples: Tensor) -> Tensor:
    if samples.ndim == 4 and max(samples.shape[2:]) > _SMALL:
        samples = F.adaptive_avg_pool2d(samples, (min(_SMALL, samples.shape[2]), min(_SMALL, samples.shape[3])))
    return samples.flatten(1).cpu()


def state_of(seen: Vitals, done: float) -> str:
    """The state in plain words, when the share `done` of training is over.

    In the first tenth only divergence is called: an untrained generator's fakes are all alike.
    """
    if not math.isfinite(seen.largest) or seen.largest > _LARGEST_LOGIT or math.isnan(seen.wins):
        return DIVERGED
    if done < _WARM_UP:
        return BALANCED
    if seen.spread < _LITTLE_SPREAD or seen.coverage < _LITTLE_COVERAGE:
        return COLLAPSING
    if seen.wins > _ALWAYS_WINS:
        return DISCRIMINATOR_OVERPOWERS
    if seen.wins < _SELDOM_WINS:
        return GENERATOR_OVERPOWERS
    return BALANCED


def smoothed_vitals(before: Vitals | None, now: Vitals) -> Vitals:
    """Half of what was seen before and half of now, so that one batch does not change the state."""
    if before is None or any(map(math.isnan, (*before, *now))):
        return now
    half = [_MEMORY * b + (1 - _MEMORY) * n for b, n in zip(before[:-1], now[:-1], strict=True)]
    return Vitals._make([*half, now.largest])


@dataclass
class Balance:
    """What is done to keep the players at similar strength.

    Attributes
    ----------
    generator, discriminator : float
        Factors on the learning rates: at most 1, at least 1/64, after divergence less.
    noise : float
        Deviation of the instance noise added to the trainer's own.
    rollbacks : int
        How often training went back to the last good state.
    """

    generator: float = 1.0
    discriminator: float = 1.0
    noise: float = 0.0
    rollbacks: int = 0

    def act(self, state: str) -> None:
        """Slow the stronger player; noise where fakes are told too easily; ease off while all is well."""
        if state == DISCRIMINATOR_OVERPOWERS:
            self.discriminator = _slower(self.discriminator, 0.75)
            self.noise += 0.01
        elif state == GENERATOR_OVERPOWERS:
            self.generator = _slower(self.generator, 0.75)
        elif state == COLLAPSING:
            self.generator = _slower(self.generator, 0.9)
            self.discriminator = _slower(self.discriminator, 0.9)
            self.noise += 0.02
        elif state == DIVERGED:
            self.generator *= 0.5
            self.discriminator *= 0.5
            self.rollbacks += 1
        else:
            self.noise *= 0.95
        self.noise = min(self.noise, 0.2)

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        return asdict(self)


def _slower(factor: float, by: float) -> float:
    return max(factor * by, min(factor, _SLOWEST))
