"""The state of one training while it goes on: everything that a checkpoint holds."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from gantools.core.augment import Augmentation, suited
from gantools.core.batches import parts_of
from gantools.core.checkpoint import copied
from gantools.core.ema import MovingAverage
from gantools.core.game import Batch, Game
from gantools.core.health import BEGIN_ANEW, GO_BACK, STATES, Vitals, Watch, to_judge_by, vitals
from gantools.core.history import History
from gantools.core.layout import bfloat16_suits, channels_last_suits, lay_channels_last
from gantools.core.optimisers import optimiser_of, take_state, total_norm
from gantools.core.penalties import MeasuredPenalty
from gantools.core.snapshots import Snapshots, moments_over
from gantools.core.spectral import make_plain, normalise_spectrally
from gantools.core.step import Move
from gantools.core.training import Training
from gantools.core.world import world
from gantools.errors import GantoolsError, ModelError

if TYPE_CHECKING:
    from gantools.core.trainer import AdversarialTrainer

_DROPPED_IN_A_ROW = 50
TICK = 0.01
"""The share of training from one tick to the next."""
_FORMAT = 2
"""Of checkpoints; one more whenever their names or their meaning change."""


def forget_spoilt_statistics(player: nn.Module) -> None:
    """Begin the running means of batch norms anew that a pass through the player has left not finite."""
    for layer in (m for m in player.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)):
        if not all(bool(torch.isfinite(b).all()) for b in layer.buffers()):
            layer.reset_running_stats()


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
    communicated: int = 0
    stopped: str = ""
    next_tick: float = 0.0
    diverged: bool = False
    best: float = math.inf
    best_at: int = 0
    history: History = field(default_factory=History)
    figures: dict[str, float] = field(default_factory=dict)
    began_with: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        trainer, game = self.trainer, self.game
        trainer.check(game)
        self.world = world()
        self.seed = int(self.world.of_first([self.seed])[0])
        self.n_parts = self.world.size * trainer.accumulate
        if trainer.spectral_norm:
            normalise_spectrally(game.discriminator, torch.Generator().manual_seed(self.seed))
        game.generator.train()
        game.discriminator.train()
        for player in (game.generator, game.discriminator):
            self.world.copy_first([*player.parameters(), *player.buffers()])
        self.device = next(game.discriminator.parameters()).device
        self.half = trainer.precision == "bfloat16"
        if trainer.compile:
            for player in (game.generator, game.discriminator):
                player.compile()
        self._parts = range(self.world.rank, self.n_parts, self.world.size)
        self.rngs = [self._rng_of(part) for part in self._parts]
        self.generator_plays = game.fake_weight > 0 or trainer.adversarial_weight == 0
        self.generator_optimiser = optimiser_of(game.generator, trainer.lr_generator, trainer)
        self.discriminator_optimiser = optimiser_of(game.discriminator, trainer.lr_discriminator, trainer)
        self.averages: dict[str, MovingAverage] = {}
        if trainer.ema > 0:
            half_life = trainer.ema * self.max_images
            if self.generator_plays:
                self.averages["generator"] = MovingAverage(game.generator, half_life)
            if game.average_discriminator:
                self.averages["discriminator"] = MovingAverage(game.discriminator, half_life)
        self.optimisers = {"generator": self.generator_optimiser, "discriminator": self.discriminator_optimiser}
        self._dropped_in_a_row = dict.fromkeys(self.optimisers, 0)
        asked = trainer.augment
        most, rule = suited(game.n_reals) if isinstance(asked, str) else (asked, trainer.augment_rule)
        self.augmentation = Augmentation(most, rule)
        self.penalties = MeasuredPenalty(trainer.penalty_share, trainer.penalty_every)
        self.kept: dict[str, Any] | None = None
        self.watch = Watch()
        self.snapshots = Snapshots()
        self.batches: Callable[[int], Batch]
        self.first_batch: Batch = {}
        self.last_batch: Batch = {}
        self.start: dict[str, Any] | None = None
        self.good: dict[str, Any] | None = None

    def step(self, batches: Callable[[int], Batch]) -> None:
        """One batch: both moves, the averages, one row of history."""
        if self.trainer.balance == "auto" and self.good is None:
            self.start = self.good = self._snapshot()
        self.batches = batches
        batch = self.last_batch = batches(self.step_number)
        if self.step_number == 0:
            self.first_batch, self.began_with = batch, self._gist(batch)
            self._lay_out(batch)
        self._set_learning_rates()
        dropped, before = self.dropped, time.monotonic()
        figures = self.trainer.players_move(self, batch)
        n = len(batch["reals"]) * self.world.size
        self.step_number += 1
        self.images += n
        for average in self.averages.values():
            average.update(n, self.images)
        names = list(figures)
        values: list[float] = torch.stack([figures[k].float() for k in names]).tolist() if names else []
        self.figures = dict(zip(names, values, strict=True))
        self._adapt()
        elapsed = time.monotonic() - before
        self.history.append(
            {
                "step": self.step_number,
                "images": self.images,
                "seconds": self.seconds + elapsed,
                "images_per_second": n / max(elapsed, 1e-9),
                **self.figures,
                "dropped": self.dropped - dropped,
            }
        )

    def _lay_out(self, batch: Batch) -> None:
        """The players and their averages in memory, and the numbers they compute in, as suits what they are shown."""
        self.half = self.half or (self.trainer.precision == "auto" and bfloat16_suits(batch["reals"], self.game.wide))
        if channels_last_suits(batch["reals"]):
            for player in (self.game.generator, self.game.discriminator, *(a.average for a in self.averages.values())):
                lay_channels_last(player)

    def _adapt(self) -> None:
        """Let what goes by the discriminator's figures go by those of this step."""
        if "d_wins" in self.figures:
            self.augmentation.see(self.figures["d_wins"], self.fraction())
        if "penalty" in self.figures:
            self.penalties.see(self.figures["penalty"], self.figures["loss_discriminator"])
        if self.augmentation.most > 0:
            self.figures["augment"] = self.augmentation.probability(self.fraction())

    def move(self, name: str, play: Callable[[Batch, torch.Generator], Move], batch: Batch) -> dict[str, Tensor]:
        """Step the player called `name` down the gradient of its cost; not at all if that is not finite.

        The batch is played in parts where there are several, and the gradient is the mean over all processes.

        Parameters
        ----------
        name : str
            "generator" or "discriminator".
        play : Callable
            From a part of the batch, and that part's generator of randomness, to what the move costs.
        batch : Batch

        Returns
        -------
        dict of Tensor
            The move's figures, the gradient's norm among them.
        """
        optimiser = self.optimisers[name]
        weights = optimiser.param_groups[0]["params"]
        optimiser.zero_grad(set_to_none=True)
        moves: list[Move] = []
        for part, rng in zip(parts_of(batch, len(self.rngs)), self.rngs, strict=True):
            move = play(part, rng)
            (move.loss / len(self.rngs) if len(self.rngs) > 1 else move.loss).backward()  # type: ignore[no-untyped-call]
            moves.append(Move(move.loss.detach(), move.figures))
        loss, figures = moves[0]
        if len(moves) > 1:
            loss = torch.stack([m.loss for m in moves]).mean()
            figures = {key: torch.stack([m.figures[key] for m in moves]).mean() for key in figures}
        gradients = [p.grad for p in weights if p.grad is not None]
        if self.world.size > 1:
            self.communicated += self.world.mean([*gradients, loss, *figures.values()])
        norm = total_norm(gradients) if gradients else torch.zeros_like(loss)
        if self.trainer.max_norm is not None:
            nn.utils.clip_grads_with_norm_(weights, self.trainer.max_norm, norm)
        if math.isfinite(float(loss + norm)):  # asked once, as a GPU is waited for
            optimiser.step()
            self._dropped_in_a_row[name] = 0
        else:
            self._drop(name)
        return {**figures, f"gradient_{name}": norm}

    def _drop(self, name: str) -> None:
        """Count a move that was not made; too many in a row are a divergence."""
        self.dropped += 1
        for player in (self.game.generator, self.game.discriminator):
            forget_spoilt_statistics(player)
        self._dropped_in_a_row[name] += 1
        if self._dropped_in_a_row[name] < _DROPPED_IN_A_ROW:
            return
        if self.trainer.balance != "auto" or not self._health_can_be_judged():
            raise GantoolsError(
                f"training diverged: {_DROPPED_IN_A_ROW} moves of a player in a row had a loss that is not finite, "
                f"after {self.images:,} images; lower lr_generator and lr_discriminator "
                f"({self.trainer.lr_generator:g}, {self.trainer.lr_discriminator:g})"
            )
        self.diverged = True

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

    def told(self) -> tuple[dict[str, float], str]:
        """The last row of history for those who watch, and the players' state in words."""
        row = dict(self.history.last)
        health = STATES[int(row.pop("health"))] if "health" in row else ""
        for told_elsewhere in ("images", "seconds"):
            del row[told_elsewhere]
        return row, health

    def take_snapshot(self) -> None:
        """Keep what the generator makes now, where a moment for that has come."""
        if not (self.generator_plays and self.snapshots.due(self.fraction())) or not self.world.first:
            return
        average = self.averages.get("generator")
        generator = self.game.generator.eval() if average is None else average.average
        self.snapshots.take(self.game, generator, self.first_batch, self.images, self.seed)
        self.game.generator.train()

    def look_at_monitor(self) -> None:
        """Note the game's held-out figure: keep the players when it is the lowest, stop when it no longer improves."""
        if not self.trainer.needs_monitor:
            return
        players = {name: getattr(self.game, name).eval() for name in self.optimisers}
        players |= {name: average.average for name, average in self.averages.items()}
        figure = self.game.monitor(**players)
        for name in self.optimisers:
            getattr(self.game, name).train()
        if figure is None:
            return
        (figure,) = self.world.of_first([figure])
        self.history.note({"monitor": figure})
        if figure < self.best:
            self.best, self.best_at = figure, self.images
            if self.trainer.keep == "best":
                self.kept = copied({name: player.state_dict() for name, player in players.items()})
        elif self.trainer.patience is not None and self.images - self.best_at >= self.trainer.patience:
            self.stopped = self.stopped or "patience"

    def look_at_health(self, name: str) -> None:
        """Measure the players, say how they are, and with ``balance="auto"`` act on it.

        The measurement draws from a generator of its own, so that watching alone changes nothing.
        """
        if not self._health_can_be_judged():
            return
        held_out = self.game.held_out()
        batch = held_out or to_judge_by(self.last_batch, self.batches, self.step_number - 1)
        rng = torch.Generator(self.device).manual_seed(self.seed + 7919 * self.step_number)
        self.game.generator.eval()
        self.game.discriminator.eval()
        trained_on = None if held_out is None else to_judge_by(self.last_batch, self.batches, self.step_number - 1)
        augment = self.augmentation.probability(self.fraction())
        at_once = max(1, len(self.last_batch["reals"]) // self.trainer.accumulate)
        now = Vitals(*self.world.of_first(vitals(self.game, batch, rng, augment, trained_on, at_once)))
        self.game.generator.train()
        self.game.discriminator.train()
        can_change = self.game.augmentable and self.augmentation.most == 0
        where = f"{name}, {self.images:,} images"
        do, figures = self.watch.look(
            now, self.diverged, self.fraction(), self.trainer, where, self.world.first, can_change
        )
        self.history.note(figures)
        if can_change:
            self._augment_if_needed()
        if do == GO_BACK:
            self._roll_back(self.good)
        elif do == BEGIN_ANEW:
            self._roll_back(self.start)
            self.penalties = replace(self.penalties, factor=1.0, moves=0, penalty=0.0, loss=0.0)  # as for a new game
            self.augmentation = replace(self.augmentation, share=0.0, wins=0.5)
        elif self.trainer.balance == "auto" and self.watch.good:
            self.good = self._snapshot()

    def _augment_if_needed(self) -> None:
        """Show all changed, where the balance has found that the reals are learnt by heart."""
        if self.watch.balance.augmented:
            self.augmentation = Augmentation(1.0, "fixed")

    def _health_can_be_judged(self) -> bool:
        """Whether it is watched, both players play, and the last reals, which no player is to blame for, are finite."""
        if self.trainer.balance == "off" or not (self.generator_plays and self.trainer.adversarial_weight > 0):
            return False
        spoilt = not bool(torch.isfinite(self.last_batch["reals"]).all())
        return not any(self.world.most([spoilt]))

    def _snapshot(self) -> dict[str, Any]:
        """Players, averages, optimisers and randomness as they are now."""
        snapshot: dict[str, Any] = copied(self._players())
        return snapshot

    def _roll_back(self, there: dict[str, Any] | None) -> None:
        """Back to the last good state, with its optimisers and randomness; images and time go on."""
        self.diverged = False
        self.best_at = self.images
        self._dropped_in_a_row = dict.fromkeys(self._dropped_in_a_row, 0)
        assert there is not None
        self._take_players(copied(there))

    def result(self) -> Training:
        """The players to use and the record of how they came to be."""
        players = {
            name: self.averages[name].average if name in self.averages else getattr(self.game, name).eval()
            for name in ("generator", "discriminator")
        }
        if self.kept is not None:
            for name, player in players.items():
                player.load_state_dict(self.kept[name])
        for player in players.values():
            self.world.copy_first(list(player.buffers()))
        for player in (*players.values(), self.game.generator, self.game.discriminator):
            player._compiled_call_impl = None  # as it was before training
        if self.trainer.spectral_norm:
            make_plain(self.game.discriminator)
            make_plain(players["discriminator"])
        history = self.history.frame()
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
            communicated=self.communicated,
            snapshots=self.snapshots,
        )

    def _identity(self) -> dict[str, Any]:
        """What must agree between a checkpoint and the training that goes on from it."""
        players = {"generator": self.game.generator, "discriminator": self.game.discriminator}
        settings = self.trainer.get_params()
        for free in ("accumulate", "compile"):  # parts are dealt out to the processes there are
            del settings[free]
        return {
            **settings,
            "max_images": self.max_images,
            "seed": self.seed,
            "game": type(self.game).__name__,
            **{
                f"{name}'s layers": [[key, *tensor.shape] for key, tensor in player.state_dict().items()]
                for name, player in players.items()
            },
            **{f"game's {name}": float(value) for name, value in self.game.settings().items()},
        }

    def _players(self) -> dict[str, Any]:
        """What a step changes, but the counters."""
        return {
            "rngs": [rng.get_state() for rng in self.rngs],
            "generator": self.game.generator.state_dict(),
            "discriminator": self.game.discriminator.state_dict(),
            "averages": {name: average.average.state_dict() for name, average in self.averages.items()},
            "generator_optimiser": self.generator_optimiser.state_dict(),
            "discriminator_optimiser": self.discriminator_optimiser.state_dict(),
        }

    def state(self) -> dict[str, Any]:
        """Everything that `restore` needs."""
        return {
            **self._for_all(self._players()),
            "kept": self.kept,
            "augmentation": [self.augmentation.share, self.augmentation.wins, self.augmentation.at],
            "penalties": self.penalties.state(),
            "counters": [
                *(self.step_number, self.images, self.seconds, self.dropped, self.next_tick),
                self.communicated,
            ],
            "monitor": [None if math.isinf(self.best) else self.best, self.best_at],
            "format": _FORMAT,
            "identity": self._identity(),
            "stopped": self.stopped,
            "began_with": self.began_with,
            "history": self.history.state(),
            "watch": self.watch.saved(),
            "dropped_in_a_row": self._dropped_in_a_row,
            "snapshots": self.snapshots.state(),
            "start": self.start and self._for_all(self.start),
            "good": self.good and self._for_all(self.good),
        }

    def _for_all(self, there: dict[str, Any]) -> dict[str, Any]:
        """A state of the players with the randomness of every process's parts, not of this one's alone."""
        rngs = [state for states in zip(*self.world.gather(there["rngs"]), strict=True) for state in states]
        return {**there, "rngs": rngs}

    def restore(self, state: dict[str, Any], path: Path, first: Batch, reopen: bool = True) -> None:
        """Go back to `state`.

        Parameters
        ----------
        state : dict
        path : Path
            Where it comes from, for messages.
        first : Batch
            The first batch of the training that shall go on: the one that this state's began with.
        reopen : bool
            Whether it goes on also where it had ended by its time limit, which now is longer.

        Raises
        ------
        ModelError
            When `state` belongs to another training, naming what differs.
        """
        if state.get("format") != _FORMAT:
            raise ModelError(
                f"{path} was written by another version of gantools, whose trainings this one does not go on with; "
                "start anew without --resume"
            )
        theirs, mine = state["identity"], self._identity()
        differing = [key for key in mine if theirs.get(key) != mine[key]]
        if differing:
            raise ModelError(
                f"{path} is of a training with other settings ({', '.join(differing)}); "
                "resume with the settings it began with, or start anew without --resume"
            )
        self.first_batch, self.began_with = first, state["began_with"]
        if not np.allclose(self.began_with, self._gist(first), rtol=1e-3, atol=1e-5, equal_nan=True):
            raise ModelError(
                f"{path} is of a training on other data, or on the same in another order; resume with the data it "
                "began with, or start anew without --resume"
            )
        self._lay_out(first)
        self.step_number, self.images, self.seconds, self.dropped, self.next_tick, self.communicated = state["counters"]
        best, self.best_at = state["monitor"]
        self.best = math.inf if best is None else best
        more_time = state["stopped"] == "minutes" and self.fraction() < 1
        self.stopped = "" if more_time and reopen else state["stopped"]
        self.history = History.restored(state["history"])
        self.watch = Watch.restored(state["watch"])
        self.snapshots = Snapshots(**state["snapshots"])
        done = self.fraction()  # less than it was, where there is more time now
        self.next_tick = min(self.next_tick, done + TICK)
        self.snapshots.passed = min(self.snapshots.passed, moments_over(done))
        self.start, self.good, self.kept = state["start"], state["good"], state["kept"]
        self._augment_if_needed()
        self.augmentation.share, self.augmentation.wins, self.augmentation.at = state["augmentation"]
        self.penalties.restore(state["penalties"])
        self._dropped_in_a_row = state["dropped_in_a_row"]
        for there in filter(None, (self.start, self.good)):
            there["rngs"] = self._rngs_from(there["rngs"])
        self._take_players({**state, "rngs": self._rngs_from(state["rngs"])})

    def _gist(self, batch: Batch) -> list[float]:
        """A few figures by which a batch is known again, however it is dealt out: the mean of each of its tensors."""
        means = torch.stack([batch[name].double().mean().cpu() for name in sorted(batch)])
        self.world.mean([means])
        found: list[float] = means.tolist()
        return found

    def _rng_of(self, part: int, step: int = 0) -> torch.Generator:
        """The generator of randomness of a part of every batch, from `step` on."""
        return torch.Generator(self.device).manual_seed(self.seed + 1_000_003 * part + 999_983 * step)

    def _rngs_from(self, states: list[Tensor]) -> list[Tensor]:
        """This process's among the states of all parts; new ones where these are of other parts."""
        if self._of_these_parts(states, self.n_parts):
            return [states[part] for part in self._parts]
        return [self._rng_of(part, self.step_number).get_state() for part in self._parts]

    def _of_these_parts(self, states: list[Tensor], n: int) -> bool:
        """Whether there are so many states, and they are of this kind of device."""
        return len(states) == n and all(len(state) == len(self.rngs[0].get_state()) for state in states)

    def _take_players(self, state: dict[str, Any]) -> None:
        for rng, there in zip(self.rngs, state["rngs"], strict=True):
            rng.set_state(there)
        self.game.generator.load_state_dict(state["generator"])
        self.game.discriminator.load_state_dict(state["discriminator"])
        for name, average in self.averages.items():
            average.average.load_state_dict(state["averages"][name])
        take_state(self.generator_optimiser, state["generator_optimiser"])
        take_state(self.discriminator_optimiser, state["discriminator_optimiser"])
