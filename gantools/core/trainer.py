"""The trainer: every knob of adversarial training, once for all tasks, and the one training loop."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import torch
from sklearn.base import BaseEstimator
from torch import Tensor, nn

from gantools.core.batches import made_ahead
from gantools.core.checkpoint import load_newest_state, save_state
from gantools.core.checks import refused
from gantools.core.game import Batch, Game
from gantools.core.losses import get_loss, smoothed
from gantools.core.run import TICK, Run
from gantools.core.step import Rules, discriminator_move, generator_move
from gantools.core.training import Training
from gantools.errors import ConfigError, Interrupted


@dataclass
class Tick:
    """How far training has come, for progress bars, logs and callbacks.

    Attributes
    ----------
    name : str
        Of the stage.
    images, max_images : int
        Reals seen, and to be seen.
    seconds : float
        In training.
    fraction : float
        Of the training that is over.
    figures : dict
        The last step's row of history, but for what is above.
    health : str
        The players' state in words; empty where it is not watched.
    """

    name: str
    images: int
    max_images: int
    seconds: float
    fraction: float
    figures: dict[str, float]
    health: str = ""


class AdversarialTrainer(BaseEstimator):  # type: ignore[misc]
    """Plays a `Game`, alternating the players' moves.

    Parameters
    ----------
    loss : str
        "non_saturating" (binary cross-entropy, fakes called real for the generator), "minimax",
        "least_squares", "hinge", "wasserstein" or "relativistic".
    lr_generator, lr_discriminator : float
        The optimisers' learning rates.
    beta1, beta2 : float
        Adam's betas.
    weight_decay : float
        Decoupled weight decay (AdamW) on both players.
    optimiser : str
        "adam" (AdamW), or "muon": inner matrices of weights move in orthogonal directions, twice as far as Adam
        would go (`gantools.core.muon`).
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
    penalty_share : float
        How large the penalties shall be beside the discriminator's adversarial loss. Both are measured over the first
        32 of its moves (or the next whole multiple of `penalty_every`), and the weights above multiplied by what brings
        them there: which weight suits depends on the discriminator. 0 leaves the weights as they are.
    clip : float
        The discriminator's weights are clipped to [-clip, clip] after each of its moves (Arjovsky et al. 2017,
        "Wasserstein GAN"). 0 clips nothing.
    spectral_norm : bool
        The weights of the discriminator's linear and convolutional layers (not its vectors of classes) are divided by
        their largest singular value while it is trained (Miyato et al. 2018); what comes out has plain weights.
    real_target, fake_target : float
        Labels that the discriminator is taught: 0.9 and 0 is one-sided label smoothing, 0.9 and 0.1 two-sided. For
        "non_saturating", "minimax" and "least_squares".
    instance_noise : float
        Deviation of Gaussian noise on all that the discriminator sees, in units of the data, when training begins.
    noise_share : float
        Share of training over which that noise falls to nothing, in a line.
    augment : float or str
        Probability with which each picture that the discriminator sees is changed in its light, in its contrast and in
        its place, reals and fakes alike (`gantools.core.augment`). "auto": what suits the number of reals.
    augment_rule : str
        Of an `augment` that is a number: "fixed"; "ramp": the probability rises to `augment` in a line; "adaptive": it
        rises while the discriminator wins more than four times in five, at most to `augment`, and falls otherwise.
    projected : bool
        The discriminator judges features of a frozen EfficientNet-Lite0, mixed at random across scales, instead of
        pixels (Sauer et al. 2021, "Projected GANs Converge Faster"). For synthesis, augmentation and translation of
        pictures.
    condition : str
        How the discriminator is told the class: "projection" (Miyato & Koyama 2018), "concatenation" (Mirza &
        Osindero 2014); both need labels. "auto" is projection where there are labels.
    feature_matching : float
        Weight of matching the mean features of reals, for the generator (Salimans et al. 2016).
    max_norm : float or None
        Gradients longer than this are shortened to it.
    balance : str
        "off"; "watch": at every tick the players' health is measured, recorded in the history and warned of once
        (`gantools.core.health`); "auto": besides, a game whose rates are above 0.01, that stays unhealthy and gains
        nothing, begins anew with lower ones while less than half of it is over, as does one that diverges at any rate;
        one that diverges later goes back to its last good state, as does one at such rates that has collapsed at the
        very end; and a discriminator that learns the reals by heart (which those held out tell) is shown pictures
        changed.
    ema : float
        Half-life of the moving averages, as a share of the images to be seen. 0 turns them off.
    keep : str
        "last": the players as they are at the end; "best": as they were when the game's held-out figure was lowest.
    patience : int or None
        Stop early once the game's held-out figure has not improved over this many images.
    accumulate : int
        A batch is played in so many parts, one after the other, whose gradients are added before a player moves: for
        batches that do not fit into memory. Under torchrun each process has as many parts.
    precision : str
        "float32"; "bfloat16": the players and the generator's further losses compute in it, while the adversarial loss,
        penalties and weights stay as they are; "auto":
        bfloat16 where it was measured to be faster (GPUs made for it, pictures of 128 pixels or more; CPUs with matrix
        units, a `wide` game), else float32. CPUs without such units are many times slower in it.
    compile : bool
        Compile the players (torch.compile) but for penalties, which need gradients of gradients. Takes a minute or more
        before the first step, and a C++ compiler: for long trainings on GPUs.
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
        optimiser: str = "adam",
        schedule: str = "constant",
        n_critic: int = 1,
        adversarial_weight: float = 1.0,
        r1: float = 0.0,
        r2: float = 0.0,
        wgan_gp: float = 0.0,
        penalty_every: int = 1,
        penalty_share: float = 0.0,
        clip: float = 0.0,
        spectral_norm: bool = False,
        real_target: float = 1.0,
        fake_target: float = 0.0,
        instance_noise: float = 0.0,
        noise_share: float = 0.5,
        augment: float | str = 0.0,
        augment_rule: str = "fixed",
        projected: bool = False,
        condition: str = "auto",
        feature_matching: float = 0.0,
        max_norm: float | None = None,
        balance: str = "auto",
        ema: float = 0.05,
        keep: str = "last",
        patience: int | None = None,
        accumulate: int = 1,
        precision: str = "float32",
        compile: bool = False,
    ) -> None:
        self.loss = loss
        self.lr_generator = lr_generator
        self.lr_discriminator = lr_discriminator
        self.beta1 = beta1
        self.beta2 = beta2
        self.weight_decay = weight_decay
        self.optimiser = optimiser
        self.schedule = schedule
        self.n_critic = n_critic
        self.adversarial_weight = adversarial_weight
        self.r1 = r1
        self.r2 = r2
        self.wgan_gp = wgan_gp
        self.penalty_every = penalty_every
        self.penalty_share = penalty_share
        self.clip = clip
        self.spectral_norm = spectral_norm
        self.real_target = real_target
        self.fake_target = fake_target
        self.instance_noise = instance_noise
        self.noise_share = noise_share
        self.augment = augment
        self.augment_rule = augment_rule
        self.projected = projected
        self.condition = condition
        self.feature_matching = feature_matching
        self.max_norm = max_norm
        self.balance = balance
        self.ema = ema
        self.keep = keep
        self.patience = patience
        self.accumulate = accumulate
        self.precision = precision
        self.compile = compile

    def check(self, game: Game | None = None) -> None:
        """Refuse settings that cannot work, or that do not suit what is played, all of them at once.

        Raises
        ------
        ConfigError
            One line for each setting, naming the parameter and what it may be.
        """
        wrong = refused(self, AdversarialTrainer(), game)
        if wrong:
            raise ConfigError("\n".join(wrong))

    @property
    def needs_monitor(self) -> bool:
        """Whether a game's held-out figure is asked for."""
        return self.patience is not None or self.keep == "best"

    def rules(self, step: int, done: float, augment: float = 0.0, penalties: float = 1.0, half: bool = False) -> Rules:
        """What the players pay at `step`, when the share `done` of training is over.

        `augment` is the probability of changes, `penalties` a factor on the penalties' weights, both of this step;
        `half` says whether players compute in bfloat16.
        """
        every = penalties * self.penalty_every if step % self.penalty_every == 0 else 0.0
        left = max(0.0, 1 - done / self.noise_share)
        return Rules(
            smoothed(get_loss(self.loss), self.real_target, self.fake_target),
            self.adversarial_weight,
            every * self.r1,
            every * self.r2,
            every * self.wgan_gp,
            self.feature_matching,
            left * self.instance_noise,
            augment,
            half,
        )

    def train(
        self,
        game: Game,
        batches: Callable[[int], Batch],
        *,
        max_images: int,
        seed: int,
        max_minutes: float | None = None,
        checkpoint: str | Path | None = None,
        checkpoint_seconds: float = 60.0,
        resume: bool = False,
        reopen: bool = True,
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
        checkpoint : str, Path or None
            File for the state: written every `checkpoint_seconds`, when training ends and when it is
            interrupted.
        resume : bool
            Go on from `checkpoint` where there is one.
        reopen : bool
            Whether to go on also where the training had ended by its time limit, which now is longer. False for one
            from whose end another has begun.
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
            When settings cannot work, or a limit is not above 0.
        Interrupted
            On Ctrl-C, after the step was finished and the checkpoint written; without a checkpoint,
            KeyboardInterrupt passes through.
        ModelError
            When the checkpoint belongs to other settings or other data (known by the first batch), or cannot be read
            or written.
        """
        if max_images <= 0 or (max_minutes is not None and max_minutes <= 0):
            raise ConfigError(f"max_images={max_images} and max_minutes={max_minutes} must be above 0")
        checkpoint = None if checkpoint is None else Path(checkpoint)
        run = Run(self, game, max_images, max_minutes, seed)
        others = run.world
        if checkpoint is not None and resume and others.of_first([checkpoint.exists()])[0]:
            run.restore(load_newest_state(checkpoint), checkpoint, batches(0), reopen)
        next_save = run.seconds + checkpoint_seconds
        started = time.monotonic() - run.seconds
        with interruptions_noted(checkpoint is not None) as interrupted, made_ahead(batches, run.device) as of_step:
            while run.stopped == "":
                run.step(of_step)
                run.seconds, asked_to_stop = others.most([time.monotonic() - started, len(interrupted)])
                if run.diverged or run.fraction() >= min(run.next_tick, 1.0):
                    run.look_at_health(name)
                    fraction = run.fraction()
                    run.next_tick = fraction + TICK
                    if fraction >= 1.0:
                        run.stopped = "images" if run.images >= max_images else "minutes"
                    run.look_at_monitor()
                    run.take_snapshot()
                    tick = Tick(name, run.images, max_images, run.seconds, min(fraction, 1.0), *run.told())
                    if any(others.most([on_tick is not None and bool(on_tick(tick))])):
                        run.stopped = run.stopped or "callback"
                if checkpoint is not None and (run.seconds >= next_save or run.stopped or asked_to_stop):
                    state = run.state()
                    if others.first:
                        save_state(checkpoint, state)
                    next_save = run.seconds + checkpoint_seconds
                if asked_to_stop:
                    raise Interrupted(
                        f"interrupted after {run.images:,} of {max_images:,} images of {name}; "
                        f"to go on, ask for the same again with resume (checkpoint: {checkpoint})"
                    )
        return run.result()

    def players_move(self, run: Run, batch: Batch) -> dict[str, Tensor]:
        """Both players' moves on one batch; the figures of the step."""
        done = run.fraction()
        rules = self.rules(run.step_number, done, run.augmentation.probability(done), run.penalties.factor, run.half)
        figures: dict[str, Tensor] = {}
        if self.adversarial_weight > 0:
            figures |= run.move(
                "discriminator", lambda part, rng: discriminator_move(run.game, rules, part, rng), batch
            )
            if self.clip > 0:
                clip_weights(run.game.discriminator, self.clip)
        alone = self.adversarial_weight == 0
        if run.generator_plays and (alone or run.step_number % self.n_critic == 0):
            figures |= run.move("generator", lambda part, rng: generator_move(run.game, rules, part, rng), batch)
        return figures


@torch.no_grad()
def clip_weights(player: nn.Module, bound: float) -> None:
    """Every parameter of `player` that is trained to [-bound, bound]."""
    for p in player.parameters():
        if p.requires_grad:
            p.clamp_(-bound, bound)


@contextmanager
def interruptions_noted(active: bool) -> Iterator[list[int]]:
    """Inside, the first Ctrl-C is noted in the list instead of raised, so that a step is never cut in two.

    The second one raises KeyboardInterrupt as usual. Where Ctrl-C is ignored, as in a shell's background, it stays so,
    and SIGTERM is noted if it is handled. Only the main thread can do this; elsewhere, and when not `active`, nothing
    changes.
    """
    noted: list[int] = []
    if not active or threading.current_thread() is not threading.main_thread():
        yield noted
        return
    asked_by = signal.SIGTERM if signal.getsignal(signal.SIGINT) == signal.SIG_IGN else signal.SIGINT
    previous = signal.getsignal(asked_by)
    if not callable(previous):
        yield noted
        return

    def note(number: int, frame: FrameType | None) -> None:
        noted.append(number)
        signal.signal(asked_by, previous)

    signal.signal(asked_by, note)
    try:
        yield noted
    finally:
        signal.signal(asked_by, previous)
