"""The trainer: every knob of adversarial training, once for all tasks, and the one training loop."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import pandas as pd
import torch
from sklearn.base import BaseEstimator
from torch import Tensor, nn

from gantools.core.checkpoint import load_state, save_state
from gantools.core.ema import MovingAverage
from gantools.core.game import Batch, Game
from gantools.core.losses import get_loss
from gantools.core.step import Move, Penalties, discriminator_move, generator_move
from gantools.errors import ConfigError, GantoolsError, Interrupted, ModelError

SCHEDULES = ("constant", "cosine")
_DROPPED_IN_A_ROW = 50


@dataclass
class Tick:
    """How far training has come, for progress bars and callbacks."""

    name: str
    images: int
    max_images: int
    seconds: float
    fraction: float
    figures: dict[str, float]


@dataclass
class Training:
    """What came of one training.

    Attributes
    ----------
    generator, discriminator : nn.Module
        The players to use: averaged where the trainer and the game average them, in evaluation mode.
    history : DataFrame
        One row a step: `step`, `images`, `seconds`, `images_per_second`, `loss_discriminator`,
        `loss_generator`, `d_real`, `d_fake` (mean sigmoid of the logits), `penalty`, `dropped`, and what
        the game adds.
    images : int
        Reals seen by the discriminator.
    seconds : float
        Time in the loop, summed over resumptions.
    stopped : str
        Why it ended: "images", "minutes", "patience" or "callback".
    dropped : int
        Moves not made because a loss or gradient was not finite.
    """

    generator: nn.Module
    discriminator: nn.Module
    history: pd.DataFrame
    images: int
    seconds: float
    stopped: str
    dropped: int


class AdversarialTrainer(BaseEstimator):  # type: ignore[misc]
    """Plays a `Game`, alternating the players' moves.

    Parameters
    ----------
    loss : str
        "non_saturating" (binary cross-entropy, fakes called real for the generator), "minimax",
        "least_squares", "hinge", "wasserstein" or "relativistic".
    lr_generator, lr_discriminator : float
        Adam's learning rates.
    beta1, beta2 : float
        Adam's betas.
    weight_decay : float
        Decoupled weight decay (AdamW) on both players.
    schedule : str
        "constant", or "cosine": both rates rise over the first 5 % of training and fall to 1 % of theirs.
    n_critic : int
        Moves of the discriminator for each move of the generator.
    adversarial_weight : float
        Weight of the adversarial loss in the generator's. At 0 only the game's own terms train the
        generator, and the discriminator does not move.
    r1, r2 : float
        Weights of the zero-centred gradient penalties at reals and at fakes.
    wgan_gp : float
        Weight of the WGAN gradient penalty.
    max_norm : float or None
        Gradients longer than this are shortened to it.
    ema : float
        Half-life of the moving averages, as a share of the images to be seen. 0 turns them off.
    patience : int or None
        Stop early once the game's held-out figure has not improved over this many images.
    """

    def __init__(
        self,
        loss: str = "non_saturating",
        *,
        lr_generator: float = 2e-4,
        lr_discriminator: float = 2e-4,
        beta1: float = 0.5,
        beta2: float = 0.99,
        weight_decay: float = 0.0,
        schedule: str = "constant",
        n_critic: int = 1,
        adversarial_weight: float = 1.0,
        r1: float = 0.0,
        r2: float = 0.0,
        wgan_gp: float = 0.0,
        max_norm: float | None = None,
        ema: float = 0.05,
        patience: int | None = None,
    ) -> None:
        self.loss = loss
        self.lr_generator = lr_generator
        self.lr_discriminator = lr_discriminator
        self.beta1 = beta1
        self.beta2 = beta2
        self.weight_decay = weight_decay
        self.schedule = schedule
        self.n_critic = n_critic
        self.adversarial_weight = adversarial_weight
        self.r1 = r1
        self.r2 = r2
        self.wgan_gp = wgan_gp
        self.max_norm = max_norm
        self.ema = ema
        self.patience = patience

    def check(self) -> None:
        """Refuse settings that cannot work, all of them at once.

        Raises
        ------
        ConfigError
            One line for each setting, naming the parameter and what it may be.
        """
        wrong: list[str] = []
        try:
            get_loss(self.loss)
        except ConfigError as error:
            wrong.append(str(error))
        if self.schedule not in SCHEDULES:
            wrong.append(f"schedule={self.schedule!r} is not known; choose one of {', '.join(SCHEDULES)}")
        if not isinstance(self.n_critic, int) or self.n_critic < 1:
            wrong.append(f"n_critic={self.n_critic!r} must be a whole number of at least 1")
        for name in ("lr_generator", "lr_discriminator"):
            if not _number(getattr(self, name)) or getattr(self, name) <= 0:
                wrong.append(f"{name}={getattr(self, name)!r} must be a number above 0")
        for name in ("beta1", "beta2"):
            if not _number(getattr(self, name)) or not 0 <= getattr(self, name) < 1:
                wrong.append(f"{name}={getattr(self, name)!r} must be in [0, 1)")
        for name in ("weight_decay", "adversarial_weight", "r1", "r2", "wgan_gp", "ema"):
            if not _number(getattr(self, name)) or getattr(self, name) < 0:
                wrong.append(f"{name}={getattr(self, name)!r} must be a number of at least 0")
        for name in ("max_norm", "patience"):
            value = getattr(self, name)
            if value is not None and (not _number(value) or value <= 0):
                wrong.append(f"{name}={value!r} must be a number above 0, or None")
        if wrong:
            raise ConfigError("\n".join(wrong))

    def train(
        self,
        game: Game,
        batches: Callable[[int], Batch],
        *,
        max_images: int,
        seed: int,
        max_minutes: float | None = None,
        checkpoint: Path | None = None,
        checkpoint_seconds: float = 60.0,
        resume: bool = False,
        on_tick: Callable[[Tick], bool | None] | None = None,
        name: str = "training",
    ) -> Training:
        """Play `game` until `max_images` reals were seen, or time or patience is over.

        Parameters
        ----------
        game : Game
            Its players are trained in place.
        batches : Callable
            From a step, counted from 0, to its batch on the players' device. A function of the step alone,
            so that training can be resumed at any step.
        max_images : int
            Reals to be seen by the discriminator.
        seed : int
            Of the latents, the augmentations and all else drawn during training.
        max_minutes : float or None
            Time limit.
        checkpoint : Path or None
            File for the state: written every `checkpoint_seconds`, when training ends and when it is
            interrupted.
        resume : bool
            Go on from `checkpoint` where there is one.
        on_tick : Callable or None
            Called about a hundred times; True ends training.
        name : str
            Of this training, in progress and messages.

        Returns
        -------
        Training

        Raises
        ------
        ConfigError
            When settings cannot work.
        Interrupted
            On Ctrl-C, after the step was finished and the checkpoint written; without a checkpoint,
            KeyboardInterrupt passes through.
        ModelError
            When the checkpoint belongs to other settings, or cannot be read or written.
        """
        self.check()
        run = _Run(self, game, max_images, max_minutes, seed)
        if checkpoint is not None and resume and checkpoint.exists():
            run.restore(load_state(checkpoint), checkpoint)
        next_tick, next_save = 0.0, checkpoint_seconds
        started = time.monotonic() - run.seconds
        with interruptions_noted(checkpoint is not None) as interrupted:
            while run.stopped == "":
                run.step(batches)
                run.seconds = time.monotonic() - started
                fraction = run.fraction()
                if fraction >= 1.0:
                    run.stopped = "images" if run.images >= max_images else "minutes"
                if fraction >= next_tick or run.stopped:
                    next_tick = fraction + 0.01
                    run.look_at_monitor()
                    tick = Tick(name, run.images, max_images, run.seconds, min(fraction, 1.0), run.figures)
                    if on_tick is not None and on_tick(tick):
                        run.stopped = run.stopped or "callback"
                if checkpoint is not None and (run.seconds >= next_save or run.stopped or interrupted):
                    save_state(checkpoint, run.state())
                    next_save = run.seconds + checkpoint_seconds
                if interrupted and not run.stopped:
                    raise Interrupted(
                        f"interrupted after {run.images:,} of {max_images:,} images of {name}; "
                        f"to go on, ask for the same again with resume (checkpoint: {checkpoint})"
                    )
        return run.result()

    def players_move(self, run: _Run, batch: Batch) -> dict[str, Tensor]:
        """Both players' moves on one batch; the figures of the step."""
        loss = get_loss(self.loss)
        penalties = Penalties(self.r1, self.r2, self.wgan_gp)
        figures: dict[str, Tensor] = {}
        if self.adversarial_weight > 0:
            move = discriminator_move(run.game, loss, penalties, batch, run.rng)
            run.apply(move, run.game.discriminator, run.discriminator_optimiser)
            figures |= move.figures
        if run.generator_plays and run.step_number % self.n_critic == 0:
            move = generator_move(run.game, loss, self.adversarial_weight, batch, run.rng)
            run.apply(move, run.game.generator, run.generator_optimiser)
            figures |= move.figures
        return figures


@contextmanager
def interruptions_noted(active: bool) -> Iterator[list[int]]:
    """Inside, the first Ctrl-C is noted in the list instead of raised, so that a step is never cut in two.

    The second one raises KeyboardInterrupt as usual. Only the main thread can do this; elsewhere, and when
    not `active`, nothing changes.
    """
    noted: list[int] = []
    if not active or threading.current_thread() is not threading.main_thread():
        yield noted
        return
    previous = signal.getsignal(signal.SIGINT)

    def note(number: int, frame: FrameType | None) -> None:
        noted.append(number)
        signal.signal(signal.SIGINT, previous)

    signal.signal(signal.SIGINT, note)
    try:
        yield noted
    finally:
        signal.signal(signal.SIGINT, previous)


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _optimiser(trainer: AdversarialTrainer, player: nn.Module, lr: float) -> torch.optim.Optimizer:
    parameters: list[Tensor] = [p for p in player.parameters() if p.requires_grad]
    parameters = parameters or [torch.zeros(0, requires_grad=True)]
    betas = (trainer.beta1, trainer.beta2)
    return torch.optim.AdamW(parameters, lr=lr, betas=betas, weight_decay=trainer.weight_decay, eps=1e-8)


@dataclass
class _Run:
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
    best: float = math.inf
    best_at: int = 0
    rows: list[dict[str, float]] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        trainer, game = self.trainer, self.game
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

    def step(self, batches: Callable[[int], Batch]) -> None:
        """One batch: both moves, the averages, one row of history."""
        batch = batches(self.step_number)
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

    def apply(self, move: Move, player: nn.Module, optimiser: torch.optim.Optimizer) -> None:
        """Step `player` down the gradient of the move's loss; not at all if that is not finite."""
        optimiser.zero_grad(set_to_none=True)
        move.loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(player.parameters(), self.trainer.max_norm or math.inf)
        if bool(torch.isfinite(move.loss.detach()) & torch.isfinite(norm)):
            optimiser.step()
            self._dropped_in_a_row[player] = 0
            return
        self.dropped += 1
        self._dropped_in_a_row[player] += 1
        if self._dropped_in_a_row[player] >= _DROPPED_IN_A_ROW:
            raise GantoolsError(
                f"training diverged: {_DROPPED_IN_A_ROW} moves of a player in a row had a loss that is not finite, "
                f"after {self.images:,} images; lower lr_generator and lr_discriminator "
                f"({self.trainer.lr_generator:g}, {self.trainer.lr_discriminator:g})"
            )

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
            (self.generator_optimiser, self.trainer.lr_generator),
            (self.discriminator_optimiser, self.trainer.lr_discriminator),
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

    def result(self) -> Training:
        """The players to use and the record of how they came to be."""
        players = {
            name: self.averages[name].average if name in self.averages else getattr(self.game, name).eval()
            for name in ("generator", "discriminator")
        }
        history = pd.DataFrame(self.rows)
        return Training(
            **players,
            history=history,
            images=self.images,
            seconds=self.seconds,
            stopped=self.stopped,
            dropped=self.dropped,
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

    def state(self) -> dict[str, Any]:
        """Everything that `restore` needs."""
        columns = list(dict.fromkeys(name for row in self.rows for name in row))
        table = torch.tensor([[row.get(c, math.nan) for c in columns] for row in self.rows], dtype=torch.float64)
        return {
            "identity": self._identity(),
            "counters": [self.step_number, self.images, self.seconds, self.dropped],
            "monitor": [None if math.isinf(self.best) else self.best, self.best_at],
            "stopped": self.stopped,
            "rng": self.rng.get_state(),
            "generator": self.game.generator.state_dict(),
            "discriminator": self.game.discriminator.state_dict(),
            "averages": {name: average.average.state_dict() for name, average in self.averages.items()},
            "generator_optimiser": self.generator_optimiser.state_dict(),
            "discriminator_optimiser": self.discriminator_optimiser.state_dict(),
            "history": {"columns": columns, "table": table},
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
        self.step_number, self.images, self.seconds, self.dropped = state["counters"]
        best, self.best_at = state["monitor"]
        self.best = math.inf if best is None else best
        self.stopped = state["stopped"]
        self.rng.set_state(state["rng"])
        self.game.generator.load_state_dict(state["generator"])
        self.game.discriminator.load_state_dict(state["discriminator"])
        for name, average in self.averages.items():
            average.average.load_state_dict(state["averages"][name])
        self.generator_optimiser.load_state_dict(state["generator_optimiser"])
        self.discriminator_optimiser.load_state_dict(state["discriminator_optimiser"])
        columns = state["history"]["columns"]
        self.rows = [
            {c: v for c, v in zip(columns, row, strict=True) if not math.isnan(v)}
            for row in state["history"]["table"].tolist()
        ]
