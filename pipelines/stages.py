"""Training in two stages: as near to the truth as can be, then against a discriminator; and what is held out."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from torch import nn

from gantools.core import AdversarialTrainer, Batch, Game, Tick, Training
from gantools.core.checkpoint import previous
from gantools.core.world import world
from gantools.data.sources import PictureSource
from gantools.errors import ConfigError
from gantools.pipelines.base import train_shown
from gantools.progress import Stages

_MOST_HELD_OUT = 10
_FEWEST_TO_SPLIT = 5

FIDELITY, TEXTURE = "fidelity", "texture"


def fidelity_trainer(
    second: AdversarialTrainer, lr: float, *, optimiser: str = "adam", beta2: float = 0.999, max_norm: float = 0.1
) -> AdversarialTrainer:
    """The first stage's trainer, for which the discriminator does not play; it computes as the `second` one does."""
    return AdversarialTrainer(
        adversarial_weight=0.0,
        lr_generator=lr,
        optimiser=optimiser,
        beta1=0.9,
        beta2=beta2,
        schedule="cosine",
        max_norm=max_norm,
        ema=0.02,
        balance="off",
        accumulate=second.accumulate,
        precision=second.precision,
        compile=second.compile,
    )


@dataclass(frozen=True)
class Plan:
    """How long, and how often, training lasts.

    Attributes
    ----------
    max_images : int
        Of both stages, counted in what the first stage takes for one.
    share : float
        Of the time in training that goes to the second stage.
    cost : float
        How many times longer the second stage takes for one picture.
    """

    max_images: int
    share: float
    cost: float
    max_minutes: float | None
    seed: int
    checkpoint: Any
    resume: bool

    def limits(self, stage: str) -> dict[str, Any]:
        """What `AdversarialTrainer.train` is told for one of the stages."""
        share, cost = (self.share, self.cost) if stage == TEXTURE else (1 - self.share, 1.0)
        return {
            "max_images": max(1, round(share / cost * self.max_images)),
            "max_minutes": None if self.max_minutes is None else share * self.max_minutes,
            "seed": self.seed,
            "checkpoint": None if self.checkpoint is None else Path(self.checkpoint) / f"{stage}.safetensors",
            "resume": self.resume,
            "reopen": stage == TEXTURE or not begun(self.checkpoint, TEXTURE),
        }


def train_two_stages(
    games: tuple[Game, Game],
    trainers: tuple[AdversarialTrainer, AdversarialTrainer],
    batches: Callable[[int], Batch],
    plan: Plan,
    stages: Stages,
    on_tick: Callable[[Tick], bool],
) -> list[tuple[str, Training]]:
    """Both stages, the second, where it has a share of the time, from where the first ended.

    Parameters
    ----------
    games : (Game, Game)
        Of the same generator.

    Returns
    -------
    list of (str, Training)
        By the stage's name.
    """
    trainings: list[tuple[str, Training]] = []
    for game, trainer in zip(games, trainers, strict=True):
        trainer.check(game)
    if not plan.resume:
        without_earlier(plan.checkpoint, (FIDELITY, TEXTURE))
    for name, game, trainer in zip((FIDELITY, TEXTURE), games, trainers, strict=True):
        if name == TEXTURE and plan.share == 0:
            continue
        if trainings:
            game.generator.load_state_dict(trainings[-1][1].generator.state_dict())
        trained = train_shown(trainer, game, batches, stages, on_tick, name, **plan.limits(name))
        trainings.append((name, trained))
    return trainings


def begun(checkpoint: str | Path | None, stage: str) -> bool:
    """Whether a folder holds a checkpoint of `stage`, which then went out from how the one before it had ended."""
    return checkpoint is not None and (Path(checkpoint) / f"{stage}.safetensors").exists()


def without_earlier(checkpoint: str | Path | None, stages: Sequence[str]) -> None:
    """Away with an earlier run's checkpoints: its second stage did not begin where this one's first will end."""
    if checkpoint is None or not world().first:
        return
    for stage in stages:
        file = Path(checkpoint) / f"{stage}.safetensors"
        file.unlink(missing_ok=True)
        previous(file).unlink(missing_ok=True)


def both_ends(trainings: list[tuple[str, Training]]) -> dict[str, nn.Module]:
    """The generators by stage; the last one's for a stage that was left out."""
    found: dict[str, nn.Module] = {name: training.generator for name, training in trainings}
    last = trainings[-1][1].generator
    return {name: found.get(name, last) for name in (FIDELITY, TEXTURE)}


def check_dial(dial: str, history: pd.DataFrame) -> None:
    """Refuse the dial of a model that was trained in one stage: both its ends are the same.

    Raises
    ------
    ConfigError
        When it has no other end to turn the dial to.
    """
    if history["stage"].nunique() == 1:
        raise ConfigError(f"{dial}: this model was trained in one stage, and has no such dial; leave it out")


def blended(fidelity: nn.Module, texture: nn.Module, at: float) -> nn.Module:
    """A generator whose weights lie between two others': 0 is `fidelity`, 1 is `texture` (Wang et al. 2018, ESRGAN)."""
    between = copy.deepcopy(fidelity)
    with torch.no_grad():
        for p, end in zip(between.parameters(), texture.parameters(), strict=True):
            p.lerp_(end, at)
    return between.eval().requires_grad_(False)


def split(names: Sequence[Collection[str]], holdout: float, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Numbers of the pictures to learn from, and of those held out: at most ten, none of fewer than five.

    Pictures (or pairs of them) that share one of their `names` are on one side together, as what is learnt from tells
    nothing of how others will do.
    """
    n = len(names)
    if holdout == 0 or n < _FEWEST_TO_SPLIT:
        return np.arange(n), np.empty(0, np.int64)
    k = min(max(1, round(holdout * n)), _MOST_HELD_OUT, n - 1)
    group = _connected(names)
    held: list[int] = []
    for first in np.random.default_rng((seed, 1)).permutation(n):
        together = np.flatnonzero(group == group[first])
        if first not in held and len(held) + len(together) <= min(_MOST_HELD_OUT, n - 1):
            held += together.tolist()
        if len(held) >= k:
            break
    return np.setdiff1d(np.arange(n), held), np.sort(np.asarray(held, np.int64))


def names_of(numbers: NDArray[np.int64], **sides: PictureSource | None) -> list[list[str]]:
    """What the pictures of each pair are called, for `split`; `sides` are sources by what they are to each other."""
    return [[f"{side} {source.name(int(i))}" for side, source in sides.items() if source is not None] for i in numbers]


def _connected(names: Sequence[Collection[str]]) -> NDArray[np.int64]:
    """A number for each picture, which those have in common that share a name, or share one with one that does."""
    numbers: dict[str, int] = {}
    rows = [i for i, mine in enumerate(names) for _ in mine]
    columns = [numbers.setdefault(name, len(names) + len(numbers)) for mine in names for name in mine]
    n = len(names) + len(numbers)
    graph = sparse.coo_matrix((np.ones(len(rows)), (rows, columns)), shape=(n, n))
    found: NDArray[np.int64] = connected_components(graph, directed=False)[1][: len(names)]
    return found
