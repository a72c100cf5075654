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

import torch
from sklearn.base import BaseEstimator
from torch import Tensor, nn

from gantools.core.checkpoint import load_newest_state, save_state
from gantools.core.game import Batch, Game
from gantools.core.losses import SMOOTHABLE, get_loss, smoothed
from gantools.core.run import Run, Training
from gantools.core.step import Rules, discriminator_move, generator_move
from gantools.errors import ConfigError, Interrupted

SCHEDULES = ("constant", "cosine")
BALANCES = ("off", "watch", "auto")
_AT_LEAST_0 = (
    "weight_decay",
    "adversarial_weight",
    "r1",
    "r2",
    "wgan_gp",
    "clip",
    "instance_noise",
    "feature_matching",
    "ema",
)


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
    penalty_every : int
        The penalties are taken at every so many moves of the discriminator, at so many times their weight
        (Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN").
    clip : float
        The discriminator's weights are clipped to [-clip, clip] after each of its moves (Arjovsky et al. 2017,
        "Wasserstein GAN"). 0 clips nothing.
    spectral_norm : bool
        The discriminator's layers are divided by their largest singular value while it is trained (Miyato et al.
        2018); what comes out has plain weights.
    real_target, fake_target : float
        Labels that the discriminator is taught: 0.9 and 0 is one-sided label smoothing, 0.9 and 0.1 two-sided. For
        "non_saturating", "minimax" and "least_squares".
    instance_noise : float
        Deviation of Gaussian noise on all that the discriminator sees, in units of the data, when training begins.
    noise_share : float
        Share of training over which that noise falls to nothing, in a line.
    feature_matching : float
        Weight of matching the mean features of reals, for the generator (Salimans et al. 2016).
    max_norm : float or None
        Gradients longer than this are shortened to it.
    balance : str
        "off"; "watch": at every tick the players' health is measured, recorded in the history and warned of once
        (`gantools.core.health`); "auto": besides, a game that stays unhealthy begins anew with lower learning rates
        while less than half of it is over, and one that diverges later goes back to its last good state.
        Not the default: a sound game whose discriminator wins for long at first would be begun anew too.
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
        penalty_every: int = 1,
        clip: float = 0.0,
        spectral_norm: bool = False,
        real_target: float = 1.0,
        fake_target: float = 0.0,
        instance_noise: float = 0.0,
        noise_share: float = 0.5,
        feature_matching: float = 0.0,
        max_norm: float | None = None,
        balance: str = "watch",
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
        self.penalty_every = penalty_every
        self.clip = clip
        self.spectral_norm = spectral_norm
        self.real_target = real_target
        self.fake_target = fake_target
        self.instance_noise = instance_noise
        self.noise_share = noise_share
        self.feature_matching = feature_matching
        self.max_norm = max_norm
        self.balance = balance
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
        if self.balance not in BALANCES:
            wrong.append(f"balance={self.balance!r} is not known; choose one of {', '.join(BALANCES)}")
        for name in ("n_critic", "penalty_every"):
            if not isinstance(getattr(self, name), int) or getattr(self, name) < 1:
                wrong.append(f"{name}={getattr(self, name)!r} must be a whole number of at least 1")
        for name in ("lr_generator", "lr_discriminator"):
            if not _number(getattr(self, name)) or getattr(self, name) <= 0:
                wrong.append(f"{name}={getattr(self, name)!r} must be a number above 0")
        for name in ("beta1", "beta2"):
            if not _number(getattr(self, name)) or not 0 <= getattr(self, name) < 1:
                wrong.append(f"{name}={getattr(self, name)!r} must be in [0, 1)")
        for name in _AT_LEAST_0:
            if not _number(getattr(self, name)) or getattr(self, name) < 0:
                wrong.append(f"{name}={getattr(self, name)!r} must be a number of at least 0")
        for name in ("real_target", "fake_target", "noise_share"):
            if not _number(getattr(self, name)) or not 0 <= getattr(self, name) <= 1:
                wrong.append(f"{name}={getattr(self, name)!r} must be in [0, 1]")
        for name in ("max_norm", "patience"):
            value = getattr(self, name)
            if value is not None and (not _number(value) or value <= 0):
                wrong.append(f"{name}={value!r} must be a number above 0, or None")
        wrong += self._contradictions() if not wrong else []
        if wrong:
            raise ConfigError("\n".join(wrong))

    def _contradictions(self) -> list[str]:
        """Settings that are fine alone and cannot work together."""
        wrong: list[str] = []
        penalties = [name for name in ("r1", "r2", "wgan_gp") if getattr(self, name) > 0]
        if self.clip > 0 and penalties:
            wrong.append(f"clip and {penalties[0]} both bound the discriminator; set one of them to 0")
        if self.clip > 0 and self.spectral_norm:
            wrong.append("clip and spectral_norm both bound the discriminator's weights; choose one")
        if self.loss == "wasserstein" and not (self.clip or self.wgan_gp or self.spectral_norm):
            wrong.append("loss='wasserstein' needs a bounded critic: wgan_gp=10, clip=0.01 or spectral_norm=True")
        if (self.real_target, self.fake_target) != (1.0, 0.0) and self.loss not in SMOOTHABLE:
            wrong.append(
                f"real_target and fake_target smooth labels, which loss={self.loss!r} has not; "
                f"losses with labels are {', '.join(SMOOTHABLE)}"
            )
        if self.fake_target >= self.real_target:
            wrong.append(f"fake_target={self.fake_target:g} must be below real_target={self.real_target:g}")
        return wrong

    def rules(self, step: int, done: float) -> Rules:
        """What the players pay at `step`, when the share `done` of training is over."""
        every = self.penalty_every if step % self.penalty_every == 0 else 0
        left = max(0.0, 1 - done / self.noise_share) if self.noise_share > 0 else 0.0
        return Rules(
            smoothed(get_loss(self.loss), self.real_target, self.fake_target),
            self.adversarial_weight,
            every * self.r1,
            every * self.r2,
            every * self.wgan_gp,
            self.feature_matching,
            left * self.instance_noise,
        )

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
            run.restore(load_newest_state(checkpoint), checkpoint)
        next_save = run.seconds + checkpoint_seconds
        started = time.monotonic() - run.seconds
        with interruptions_noted(checkpoint is not None) as interrupted:
            while run.stopped == "":
                run.step(batches)
                run.seconds = time.monotonic() - started
                if run.diverged or run.fraction() >= min(run.next_tick, 1.0):
                    run.look_at_health(name)
                    fraction = run.fraction()
                    run.next_tick = fraction + 0.01
                    if fraction >= 1.0:
                        run.stopped = "images" if run.images >= max_images else "minutes"
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
        rules = self.rules(run.step_number, run.fraction())
        figures: dict[str, Tensor] = {}
        if self.adversarial_weight > 0:
            move = discriminator_move(run.game, rules, batch, run.rng)
            norm = run.apply(move, run.game.discriminator, run.discriminator_optimiser)
            figures |= {**move.figures, "gradient_discriminator": norm}
            if self.clip > 0:
                clip_weights(run.game.discriminator, self.clip)
        if run.generator_plays and run.step_number % self.n_critic == 0:
            move = generator_move(run.game, rules, batch, run.rng)
            norm = run.apply(move, run.game.generator, run.generator_optimiser)
            figures |= {**move.figures, "gradient_generator": norm}
        return figures


@torch.no_grad()
def clip_weights(player: nn.Module, bound: float) -> None:
    """Every parameter of `player` to [-bound, bound]."""
    for p in player.parameters():
        p.clamp_(-bound, bound)


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
