"""The trainer: every knob of adversarial training, once for all tasks, and the one training loop."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from sklearn.base import BaseEstimator
from torch import Tensor

from gantools.core.checkpoint import load_state, save_state
from gantools.core.game import Batch, Game
from gantools.core.losses import get_loss
from gantools.core.run import Run, Training
from gantools.core.step import Penalties, discriminator_move, generator_move
from gantools.errors import ConfigError, Interrupted

SCHEDULES = ("constant", "cosine")


@dataclass
class Tick:
    """How far training has come, for progress bars and callbacks."""

    name: str
    images: int
    max_images: int
    seconds: float
    fraction: float
    figures: dict[str, float]


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
        run = Run(self, game, max_images, max_minutes, seed)
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

    def players_move(self, run: Run, batch: Batch) -> dict[str, Tensor]:
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
