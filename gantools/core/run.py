"""The state of one training, and what comes of it: everything that a checkpoint holds."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import torch
from torch import Tensor, nn

from gantools.core.ema import MovingAverage
from gantools.core.game import Batch, Game
from gantools.core.health import BEGIN_ANEW, GO_BACK, STATES, Watch, vitals
from gantools.core.spectral import make_plain, normalise_spectrally
from gantools.core.step import Move
from gantools.errors import ConfigError, GantoolsError, ModelError

if TYPE_CHECKING:
    from gantools.core.trainer import AdversarialTrainer

_DROPPED_IN_A_ROW = 50


@dataclass
class Training:
    """What came of one training.

    Attributes
    ----------
    generator, discriminator : nn.Module
        The players to use: averaged where the trainer and the game average them, in evaluation mode.
    history : DataFrame
        One row a step: `step`, `images`, `seconds`, `images_per_second`, `loss_discriminator`,
        `loss_generator`, `d_real`, `d_fake` (mean sigmoid of the logits), `d_wins` (share of pairs in which the
        real's logit is above the fake's), `gradient_discriminator`, `gradient_generator` (norms), `penalty`,
        `dropped`, and what the game adds. Where health is watched, also `health` (a state in words) and, at every
        tick, `health_wins`, `health_gap`, `health_spread`, `health_coverage`, `slowed_generator` and
        `slowed_discriminator` (factors on the learning rates).
    images : int
        Reals seen by the discriminator.
    seconds : float
        Time in the loop, summed over resumptions.
    stopped : str
        Why it ended: "images", "minutes", "patience" or "callback".
    dropped : int
        Moves not made because a loss or gradient was not finite.
    rollbacks : int
        How often training began anew, or went back to its last good state.
    """

    generator: nn.Module
    discriminator: nn.Module
    history: pd.DataFrame
    images: int
    seconds: float
    stopped: str
    dropped: int
    rollbacks: int = 0


def _optimiser(trainer: AdversarialTrainer, player: nn.Module, lr: float) -> torch.optim.Optimizer:
    parameters: list[Tensor] = [p for p in player.parameters() if p.requires_grad]
    parameters = parameters or [torch.zeros(0, requires_grad=True)]
    betas = (trainer.beta1, trainer.beta2)
    return torch.optim.AdamW(parameters, lr=lr, betas=betas, weight_decay=trainer.weight_decay, eps=1e-8)


def check_players(trainer: AdversarialTrainer, game: Game) -> None:
    """Refuse settings that do not suit the game's discriminator.

    Raises
    ------
    ConfigError
        Naming the setting, and what to choose instead.
    """
    wrong: list[str] = []
    d = game.discriminator
    normed = any(isinstance(layer, nn.modules.batchnorm._BatchNorm) for layer in d.modules())
    penalties = [name for name in ("r1", "r2", "wgan_gp") if getattr(trainer, name) > 0]
    if normed and penalties:
        wrong.append(
            f"{penalties[0]} with batch norm in the discriminator: a sample's gradient would depend on its neighbours; "
            f"take a discriminator without batch norm, or {penalties[0]}=0"
        )
    if trainer.feature_matching > 0 and not hasattr(d, "features"):
        wrong.append(
            f"feature_matching needs a discriminator with features(), and {type(d).__name__} has none; set it to 0"
        )
    if wrong:
        raise ConfigError("\n".join(wrong))


@dataclass
class Run:
    """The state of one training: everything that a checkpoint holds."""

    trainer: AdversarialTrainer
    game: Game
    max_images: int
    max_minutes: float | None
    seed: int
    step_number: int = 0
    images: int = 0
    seconds: float = 0.0
    dropped: int = 0
    stopped: str = ""
    next_tick: float = 0.0
    diverged: bool = False
    best: float = math.inf
    best_at: int = 0
    rows: list[dict[str, float]] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        trainer, game = self.trainer, self.game
        check_players(trainer, game)
        if trainer.spectral_norm:
            normalise_spectrally(game.discriminator, torch.Generator().manual_seed(self.seed))
        game.generator.train()
        game.discriminator.train()
        device = next(game.discriminator.parameters()).device
        self.rng = torch.Generator(device).manual_seed(self.seed)
        self.generator_plays = game.fake_weight > 0 or trainer.adversarial_weight == 0
        self.generator_optimiser = _optimiser(trainer, game.generator, trainer.lr_generator)
        self.discriminator_optimiser = _optimiser(trainer, game.discriminator, trainer.lr_discriminator)
        self.averages: dict[str, MovingAverage] = {}
        if trainer.ema > 0:
            half_life = trainer.ema * self.max_images
            if self.generator_plays:
                self.averages["generator"] = MovingAverage(game.generator, half_life)
            if game.average_discriminator:
                self.averages["discriminator"] = MovingAverage(game.discriminator, half_life)
        self._dropped_in_a_row = {game.generator: 0, game.discriminator: 0}
        self.watch = Watch()
        self.last_batch: Batch = {}
        self.start: dict[str, Any] | None = None
        self.good: dict[str, Any] | None = None

    def step(self, batches: Callable[[int], Batch]) -> None:
        """One batch: both moves, the averages, one row of history."""
        if self.trainer.balance == "auto" and self.good is None:
            self.start = self.good = self._snapshot()
        batch = self.last_batch = batches(self.step_number)
        self._set_learning_rates()
        dropped, before = self.dropped, time.monotonic()
        figures = self.trainer.players_move(self, batch)
        n = len(batch["reals"])
        self.step_number += 1
        self.images += n
        for player, average in self.averages.items():
            average.update(getattr(self.game, player), n, self.images)
        names = list(figures)
        values: list[float] = torch.stack([figures[k].float() for k in names]).tolist() if names else []
        self.figures = dict(zip(names, values, strict=True))
        elapsed = time.monotonic() - before
        self.rows.append(
            {
                "step": self.step_number,
                "images": self.images,
                "seconds": self.seconds + elapsed,
                "images_per_second": n / max(elapsed, 1e-9),
                **self.figures,
                "dropped": self.dropped - dropped,
            }
        )

    def apply(self, move: Move, player: nn.Module, optimiser: torch.optim.Optimizer) -> Tensor:
        """Step `player` down the gradient of the move's loss; not at all if that is not finite.

        Returns
        -------
        Tensor
            The gradient's norm.
        """
        optimiser.zero_grad(set_to_none=True)
        move.loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(player.parameters(), self.trainer.max_norm or math.inf)
        if bool(torch.isfinite(move.loss.detach()) & torch.isfinite(norm)):
            optimiser.step()
            self._dropped_in_a_row[player] = 0
            return norm
        self.dropped += 1
        self._dropped_in_a_row[player] += 1
        if self._dropped_in_a_row[player] >= _DROPPED_IN_A_ROW:
            if self.trainer.balance == "auto" and self._health_can_be_judged():
                self.diverged = True
                return norm
            raise GantoolsError(
                f"training diverged: {_DROPPED_IN_A_ROW} moves of a player in a row had a loss that is not finite, "
                f"after {self.images:,} images; lower lr_generator and lr_discriminator "
                f"({self.trainer.lr_generator:g}, {self.trainer.lr_discriminator:g})"
            )
        return norm

    def fraction(self) -> float:
        """How much of the allowed images, or of the allowed time, is used: 1 is all."""
        spent = self.images / self.max_images
        if self.max_minutes is not None:
            spent = max(spent, self.seconds / 60.0 / self.max_minutes)
        return spent

    def _set_learning_rates(self) -> None:
        factor = 1.0
        if self.trainer.schedule == "cosine":
            done = min(self.fraction(), 1.0)
            factor = min(1.0, (done + 1e-3) / 0.05) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done)))
        rates = (
            (self.generator_optimiser, self.trainer.lr_generator * self.watch.balance.generator),
            (self.discriminator_optimiser, self.trainer.lr_discriminator * self.watch.balance.discriminator),
        )
        for optimiser, rate in rates:
            for group in optimiser.param_groups:
                group["lr"] = rate * factor

    def look_at_monitor(self) -> None:
        """Early stopping: note the game's held-out figure, and stop when it no longer improves."""
        if self.trainer.patience is None:
            return
        figure = self.game.monitor()
        if figure is None:
            return
        self.rows[-1]["monitor"] = figure
        if figure < self.best:
            self.best, self.best_at = figure, self.images
        elif self.images - self.best_at >= self.trainer.patience:
            self.stopped = self.stopped or "patience"

    def look_at_health(self, name: str) -> None:
        """Measure the players, say how they are, and with ``balance="auto"`` act on it.

        The measurement draws from a generator of its own, so that watching alone changes nothing.
        """
        if not self._health_can_be_judged():
            return
        batch = self.game.held_out() or self.last_batch
        rng = torch.Generator(self.rng.device).manual_seed(self.seed + 7919 * self.step_number)
        self.game.generator.eval()
        self.game.discriminator.eval()
        now = vitals(self.game, batch, rng)
        self.game.generator.train()
        self.game.discriminator.train()
        do, figures = self.watch.look(
            now, self.diverged, self.fraction(), self.trainer, f"{name}, {self.images:,} images"
        )
        self.rows[-1] |= figures
        if do == GO_BACK:
            self._roll_back(self.good)
        elif do == BEGIN_ANEW:
            self._roll_back(self.start)
        elif self.trainer.balance == "auto" and self.watch.good:
            self.good = self._snapshot()

    def _health_can_be_judged(self) -> bool:
        """Whether it is watched, both players play, and the last reals, which no player is to blame for, are finite."""
        if self.trainer.balance == "off" or not (self.generator_plays and self.trainer.adversarial_weight > 0):
            return False
        return bool(torch.isfinite(self.last_batch["reals"]).all())

    def _snapshot(self) -> dict[str, Any]:
        """Players, averages, optimisers and randomness as they are now."""
        return copy.deepcopy(self._players())

    def _roll_back(self, there: dict[str, Any] | None) -> None:
        """Back to the last good state, with its optimisers and randomness; images and time go on."""
        self.diverged = False
        self._dropped_in_a_row = dict.fromkeys(self._dropped_in_a_row, 0)
        assert there is not None
        self._take_players(copy.deepcopy(there))

    def result(self) -> Training:
        """The players to use and the record of how they came to be."""
        players = {
            name: self.averages[name].average if name in self.averages else getattr(self.game, name).eval()
            for name in ("generator", "discriminator")
        }
        if self.trainer.spectral_norm:
            make_plain(self.game.discriminator)
            make_plain(players["discriminator"])
        history = pd.DataFrame(self.rows)
        if "health" in history:
            words = dict(enumerate(STATES))
            history["health"] = history["health"].map(words, na_action="ignore").ffill().bfill()
        return Training(
            **players,
            history=history,
            images=self.images,
            seconds=self.seconds,
            stopped=self.stopped,
            dropped=self.dropped,
            rollbacks=self.watch.balance.rollbacks,
        )

    def _identity(self) -> dict[str, Any]:
        """What must agree between a checkpoint and the training that goes on from it."""
        shapes = [list(p.shape) for p in (*self.game.generator.parameters(), *self.game.discriminator.parameters())]
        return {
            "trainer": self.trainer.get_params(),
            "max_images": self.max_images,
            "seed": self.seed,
            "game": type(self.game).__name__,
            "shapes": shapes,
        }

    def _players(self) -> dict[str, Any]:
        """What a step changes, but the counters."""
        return {
            "rng": self.rng.get_state(),
            "generator": self.game.generator.state_dict(),
            "discriminator": self.game.discriminator.state_dict(),
            "averages": {name: average.average.state_dict() for name, average in self.averages.items()},
            "generator_optimiser": self.generator_optimiser.state_dict(),
            "discriminator_optimiser": self.discriminator_optimiser.state_dict(),
        }

    def state(self) -> dict[str, Any]:
        """Everything that `restore` needs."""
        columns = list(dict.fromkeys(name for row in self.rows for name in row))
        table = torch.tensor([[row.get(c, math.nan) for c in columns] for row in self.rows], dtype=torch.float64)
        return {
            **self._players(),
            "counters": [self.step_number, self.images, self.seconds, self.dropped, self.next_tick],
            "monitor": [None if math.isinf(self.best) else self.best, self.best_at],
            "identity": self._identity(),
            "stopped": self.stopped,
            "history": {"columns": columns, "table": table},
            "watch": self.watch.saved(),
            "start": self.start,
            "good": self.good,
        }

    def restore(self, state: dict[str, Any], path: Path) -> None:
        """Go back to `state`.

        Raises
        ------
        ModelError
            When `state` belongs to another training, naming what differs.
        """
        theirs, mine = state["identity"], self._identity()
        differing = [key for key in mine if theirs.get(key) != mine[key]]
        if differing:
            raise ModelError(
                f"{path} is of a training with other settings ({', '.join(differing)}); "
                "resume with the settings it began with, or start anew without --resume"
            )
        self._take_players(state)
        self.step_number, self.images, self.seconds, self.dropped, self.next_tick = state["counters"]
        best, self.best_at = state["monitor"]
        self.best = math.inf if best is None else best
        self.stopped = state["stopped"]
        columns = state["history"]["columns"]
        self.rows = [
            {c: v for c, v in zip(columns, row, strict=True) if not math.isnan(v)}
            for row in state["history"]["table"].tolist()
        ]
        self.watch = Watch.restored(state["watch"])
        self.start, self.good = state["start"], state["good"]

    def _take_players(self, state: dict[str, Any]) -> None:
        self.rng.set_state(state["rng"])
        self.game.generator.load_state_dict(state["generator"])
        self.game.discriminator.load_state_dict(state["discriminator"])
        for name, average in self.averages.items():
            average.average.load_state_dict(state["averages"][name])
        self.generator_optimiser.load_state_dict(state["generator_optimiser"])
        self.discriminator_optimiser.load_state_dict(state["discriminator_optimiser"])
