"""How two players are doing: measured at every tick, said in plain words, and acted upon.

No single figure tells a healthy game. The players' strength is how often the discriminator ranks a real above a
fake; the generator's variety is how far apart its fakes lie and how many reals have one near, each against reals.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from gantools.core.augment import augmented, leak
from gantools.core.game import Batch, Game
from gantools.core.step import share_of_wins
from gantools.errors import GantoolsError
from gantools.metrics.generated import neighbourhoods, spread_ratio

if TYPE_CHECKING:
    from gantools.core.trainer import AdversarialTrainer

BALANCED = "balanced"
DISCRIMINATOR_OVERPOWERS = "discriminator overpowers"
GENERATOR_OVERPOWERS = "generator overpowers"
COLLAPSING = "collapsing"
DIVERGED = "diverged"
LEAKING = "copying the augmentation"
MEMORISING = "learning the reals by heart"
STATES = (BALANCED, DISCRIMINATOR_OVERPOWERS, GENERATOR_OVERPOWERS, COLLAPSING, DIVERGED, LEAKING, MEMORISING)

REMEDIES = {
    DISCRIMINATOR_OVERPOWERS: "lower lr_discriminator, raise r1, or add instance_noise",
    GENERATOR_OVERPOWERS: "lower lr_generator, or raise n_critic",
    COLLAPSING: "lower lr_generator, take loss='relativistic' with r1 and r2, or, in a game of your own, let the "
    "discriminator see the batch (DcganDiscriminator(minibatch='deviation'))",
    DIVERGED: "lower lr_generator and lr_discriminator, or raise r1",
    MEMORISING: "set augment ('auto' goes by the number of reals), raise r1, or bring more reals",
    LEAKING: "lower augment, or let it go by need with augment=1 and augment_rule='adaptive'",
}

_MOST = 256
_REALS_TO_JUDGE_BY, _BATCHES_TO_JUDGE_BY = 64, 16
_FEWEST = 32
_NEIGHBOURS = 5
_SMALL = 16
_MEMORY = 0.5
_WARM_UP = 0.1
_ALWAYS_WINS = 0.97
_SELDOM_WINS = 0.35
_LITTLE_SPREAD = 0.5
_LITTLE_COVERAGE = 0.15
_MUCH_LEAK = 0.25
_KNOWN_BY_HEART = 0.75
_LARGEST_LOGIT = 1e3
_SAFE_LOGIT = 1e2
_SLOWER = 0.25
_USUAL_RATE = 1e-2
_LASTING = 5
_GAIN = 0.02
_TOO_LATE = 0.5
_MOST_ROLLBACKS = 12
GO_ON, GO_BACK, BEGIN_ANEW = "go on", "go back", "begin anew"


class HealthWarning(UserWarning):
    """A training that is not healthy, with its remedy."""


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
    leak : float
        How many more of the fakes than of the reals look like reals changed by augmentation; 0 without.
    memory : float
        Share of pairs in which a real trained on has a logit above one held out: 0.5 when the discriminator does not
        know them apart, or nothing is held out.
    """

    wins: float
    gap: float
    spread: float
    coverage: float
    largest: float
    leak: float = 0.0
    memory: float = 0.5


def to_judge_by(last: Batch, batches: Callable[[int], Batch], step: int) -> Batch:
    """The last batches that are finite, as many as it takes to judge variety by, and no real twice.

    Parameters
    ----------
    last : Batch
        The batch of `step`.
    batches : Callable
        From the number of a step to its batch.
    step : int
    """
    found = [last]
    for earlier in range(step - 1, max(-1, step - 1 - _BATCHES_TO_JUDGE_BY), -1):
        if sum(len(batch["reals"]) for batch in found) >= _REALS_TO_JUDGE_BY:
            break
        batch = batches(earlier)
        found += [batch] if bool(torch.isfinite(batch["reals"]).all()) else []
    if len(found) == 1:
        return last
    whole = {name: torch.cat([batch[name] for batch in found]) for name in found[0]}
    same = torch.unique(whole["reals"].flatten(1).cpu(), dim=0, return_inverse=True)[1]  # on GPUs this takes long
    numbers = torch.arange(len(same))
    first = numbers.new_zeros(int(same.max()) + 1).scatter_reduce(0, same, numbers, "amin", include_self=False)
    kept = first.sort().values.to(whole["reals"].device)
    return {name: values[kept] for name, values in whole.items()}


@torch.no_grad()
def vitals(
    game: Game,
    batch: Batch,
    rng: torch.Generator,
    augment: float = 0.0,
    trained_on: Batch | None = None,
    at_once: int = _MOST,
) -> Vitals:
    """Measure `game` on `batch`, at most 256 reals; the players are left as they are.

    Distances are taken between samples themselves, pictures shrunk to 16 pixels a side, so that they do not
    depend on what the discriminator has come to look at. `augment` is the probability with which the discriminator is
    shown pictures changed; `trained_on` are reals trained on, where those of `batch` are held out. At most `at_once`
    samples are played together: as many as in training, so that they fit into memory as these do, and so that layers
    which see a batch see one of the size they know.
    """
    some = {name: values[:_MOST] for name, values in batch.items()}
    reals = some["reals"]
    played = []
    for part in _split(some, at_once):
        made = game.fakes(part, rng)
        played.append((_logits(game, part["reals"], part, rng), _logits(game, made, part, rng), made))
    real, fake, fakes = map(torch.cat, zip(*played, strict=True))
    largest = float(torch.cat([real.flatten(), fake.flatten()]).abs().max())
    a, b = _vectors(reals), _vectors(fakes)
    if len(reals) < _FEWEST or not bool(torch.isfinite(b).all()):
        spread, coverage = math.nan, math.nan
    else:
        spread, coverage = spread_ratio(a, b), neighbourhoods(a, b, _NEIGHBOURS).coverage
    copied = leak(a, _vectors(augmented(reals, 1.0, rng)), b) if augment > 0 and not math.isnan(spread) else 0.0
    wins, gap = float(share_of_wins(real, fake)), float(real.mean() - fake.mean())
    memory = 0.5
    if trained_on is not None and min(len(reals), len(trained_on["reals"])) >= _FEWEST:
        seen = {name: values[:_MOST] for name, values in trained_on.items()}
        known = torch.cat([_logits(game, part["reals"], part, rng) for part in _split(seen, at_once)])
        memory = float(share_of_wins(known, real))
    return Vitals(wins, gap, spread, coverage, largest, copied, memory)


def _logits(game: Game, samples: Tensor, part: Batch, rng: torch.Generator) -> Tensor:
    logits: Tensor = game.discriminator(*game.shown(samples, part, rng))
    return logits.float()


def _split(batch: Batch, most: int) -> list[Batch]:
    """`batch` in parts of about one length, `most` at most."""
    n = -(-len(batch["reals"]) // most)
    parts = zip(*(values.tensor_split(n) for values in batch.values()), strict=True)
    return [dict(zip(batch, part, strict=True)) for part in parts]


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
    if seen.memory > _KNOWN_BY_HEART:
        return MEMORISING
    if seen.wins > _ALWAYS_WINS:
        return DISCRIMINATOR_OVERPOWERS
    if seen.wins < _SELDOM_WINS:
        return GENERATOR_OVERPOWERS if seen.memory < 1 - seen.wins else MEMORISING  # reals trained on are not beaten
    return LEAKING if seen.leak > _MUCH_LEAK else BALANCED


def smoothed_vitals(before: Vitals | None, now: Vitals) -> Vitals:
    """Half of what was seen before and half of now, so that one batch does not change the state."""
    if before is None:
        return now
    half = (n if math.isnan(b + n) else _MEMORY * b + (1 - _MEMORY) * n for b, n in zip(before, now, strict=True))
    return Vitals(*half)._replace(largest=now.largest)


@dataclass
class Balance:
    """What is done to keep the players at similar strength.

    A game whose fakes cover more and more is left alone, however strong a player is: that is how sound games begin. So
    is one whose rates are at most 0.01, unless it diverges: published recipes learn more slowly than that, look ill for
    long, and would only be begun anew with rates lower still.
    Weights that grew under a rate that was too high are not mended by a lower one. So while less than half of
    training is over, a game that has gone wrong for some looks in a row begins anew, with lower rates; later it goes
    back to its last good state, as it does where the last look of all finds it collapsed.

    Attributes
    ----------
    generator, discriminator : float
        Factors on the learning rates, at most 1.
    began : float
        Share of training that was over when the game began anew.
    ill : int
        Looks in a row at which it was not balanced.
    rollbacks : int
        How often training began anew or went back.
    augmented : bool
        Whether the discriminator is shown pictures changed, because it learnt the reals by heart.
    best : float
        The largest coverage since the game began.
    """

    generator: float = 1.0
    discriminator: float = 1.0
    began: float = 0.0
    ill: int = 0
    rollbacks: int = 0
    augmented: bool = False
    best: float = 0.0

    def gains(self, seen: Vitals) -> bool:
        """Whether the fakes cover more of the reals than ever since the game began."""
        if not seen.coverage > self.best + _GAIN:
            return False
        self.best = seen.coverage
        return True

    def can_mend(self, state: str, done: float, lr_generator: float, lr_discriminator: float) -> bool:
        """Whether lower rates are an answer to `state`, when the share `done` of training is over."""
        if state == DIVERGED:
            return True
        late = done > _TOO_LATE
        return self.fast(lr_generator, lr_discriminator) and not late and state not in (BALANCED, LEAKING, MEMORISING)

    def fast(self, lr_generator: float, lr_discriminator: float) -> bool:
        """Whether a player learns at a rate above those of published recipes."""
        return max(lr_generator * self.generator, lr_discriminator * self.discriminator) > _USUAL_RATE

    def act(self, state: str, done: float, lr_generator: float, lr_discriminator: float, gaining: bool = False) -> str:
        """What to do when the share `done` of training is over: "go on", "go back" or "begin anew".

        Who wins does not tell whose rate was too high: a generator that has blown up loses every pair. So the player
        with the higher rate is slowed, or both where neither rate is twice the other.
        """
        self.ill = 0 if gaining or state in (BALANCED, LEAKING, MEMORISING) else self.ill + 1
        lasting = state == DIVERGED or self.ill >= _LASTING
        if not (lasting and self.can_mend(state, done, lr_generator, lr_discriminator)):
            return GO_ON
        ratio = lr_discriminator * self.discriminator / (lr_generator * self.generator)
        self.discriminator *= _SLOWER if ratio > 0.5 else 1.0
        self.generator *= _SLOWER if ratio < 2.0 else 1.0
        self.rollbacks += 1
        self.ill = 0
        if done > _TOO_LATE:
            return GO_BACK
        self.began, self.best = done, 0.0
        return BEGIN_ANEW


@dataclass
class Watch:
    """What has been seen of one training so far, and what was done about it.

    Attributes
    ----------
    balance : Balance
    seen : Vitals or None
        Smoothed.
    state : str
        The last look's.
    lasts : int
        Looks in a row with that state.
    warned : list of str
        States already warned of.
    good : bool
        Whether the last look's state is worth going back to.
    ever_good : bool
        Whether one was since the first tenth of the game, of which nothing is known.
    """

    balance: Balance = field(default_factory=Balance)
    seen: Vitals | None = None
    state: str = BALANCED
    lasts: int = 0
    warned: list[str] = field(default_factory=list)
    good: bool = False
    ever_good: bool = False

    def look(
        self,
        now: Vitals,
        diverged: bool,
        done: float,
        trainer: AdversarialTrainer,
        where: str,
        aloud: bool = True,
        augmentable: bool = False,
    ) -> tuple[str, dict[str, float]]:
        """Judge what is seen `now`, warn once of what lasts, and decide what to do.

        Parameters
        ----------
        now : Vitals
            Of this look.
        diverged : bool
            Whether moves in a row were not finite.
        done : float
            Share of training that is over.
        trainer : AdversarialTrainer
            Whose `balance` and learning rates are obeyed.
        where : str
            Which training, and how far; for the warning.
        aloud : bool
            Whether this process is the one that warns.
        augmentable : bool
            Whether the discriminator is shown pictures unchanged, and can be shown them changed.

        Returns
        -------
        do : str
            "go on", "go back" or "begin anew".
        figures : dict
            For the history.

        Raises
        ------
        GantoolsError
            When training diverged too often to be helped.
        """
        if trainer.loss == "wasserstein":  # a critic's values have no scale of their own
            now = now._replace(largest=now.largest / 1000)
        self.seen = smoothed_vitals(self.seen, now)
        state = DIVERGED if diverged else state_of(self.seen, done - self.balance.began)
        self.lasts = self.lasts + 1 if state == self.state else 1
        self.state = state
        at_once = DIVERGED if diverged else state_of(now, done - self.balance.began)
        self.good = state == at_once == BALANCED and now.largest < _SAFE_LOGIT
        self.ever_good |= self.good and done - self.balance.began >= _WARM_UP
        lasting = state == DIVERGED or self.lasts >= _LASTING
        rates = trainer.lr_generator, trainer.lr_discriminator
        helps = augmentable if state == MEMORISING else self.balance.can_mend(state, done, *rates)
        acts = trainer.balance == "auto" and helps
        if lasting and acts and state == MEMORISING:
            self.balance.augmented = True
        if lasting and state != BALANCED and state not in self.warned:
            self.warned.append(state)
            done_about_it = " (it is being counteracted)" if acts else ""
            if aloud:
                said = f"{where}: {state}{done_about_it}; should it stay so, {REMEDIES[state]}"
                warnings.warn(said, HealthWarning, stacklevel=4)
        do = GO_ON
        if trainer.balance == "auto":
            gaining = self.balance.gains(self.seen)
            do = self.balance.act(state, done, *rates, gaining)
            spoilt = at_once == DIVERGED or (at_once == COLLAPSING and self.balance.fast(*rates))
            if do == GO_ON and done >= 1 and spoilt and self.ever_good:
                do = GO_BACK
                self.balance.rollbacks += 1
        if do != GO_ON:
            self.seen = None
            self.ever_good &= do == GO_BACK
        if self.balance.rollbacks > _MOST_ROLLBACKS:
            raise GantoolsError(
                f"{where}: diverged {self.balance.rollbacks} times, at learning rates down to "
                f"{self.balance.generator:g} of those asked for; {REMEDIES[DIVERGED]}"
            )
        return do, {
            "health": float(STATES.index(state)),
            "health_wins": now.wins,
            "health_gap": now.gap,
            "health_spread": now.spread,
            "health_coverage": now.coverage,
            "health_leak": now.leak,
            "health_memory": now.memory,
            "slowed_generator": self.balance.generator,
            "slowed_discriminator": self.balance.discriminator,
        }

    def saved(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        seen = None if self.seen is None else torch.tensor(self.seen, dtype=torch.float64)
        return {**vars(self), "balance": asdict(self.balance), "seen": seen}

    @classmethod
    def restored(cls, saved: dict[str, Any]) -> Watch:
        """The way back from `saved`."""
        seen = None if saved["seen"] is None else Vitals(*saved["seen"].tolist())
        return cls(**{**saved, "balance": Balance(**saved["balance"]), "seen": seen})
