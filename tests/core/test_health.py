"""States in plain words, watching that changes nothing, and acting that does."""

from __future__ import annotations

import math
import re
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from sklearn.datasets import load_digits

from gantools import configs
from gantools.core import AdversarialTrainer, LatentGame, Training
from gantools.core.batches import Order
from gantools.core.health import (
    BALANCED,
    BEGIN_ANEW,
    COLLAPSING,
    DISCRIMINATOR_OVERPOWERS,
    DIVERGED,
    GENERATOR_OVERPOWERS,
    GO_BACK,
    GO_ON,
    LEAKING,
    MEMORISING,
    REMEDIES,
    Balance,
    HealthWarning,
    Vitals,
    Watch,
    smoothed_vitals,
    state_of,
    to_judge_by,
    vitals,
)
from gantools.core.initialise import initialised
from gantools.core.penalties import MeasuredPenalty
from gantools.core.run import Run
from gantools.errors import GantoolsError, Interrupted
from gantools.networks.dcgan import DcganDiscriminator, DcganGenerator
from gantools.pipelines.base import resolve_trainer

pytestmark = pytest.mark.filterwarnings("ignore::gantools.core.health.HealthWarning")

DIGITS = torch.from_numpy(load_digits().images).float()[:, None] / 8 - 1
ORDER = Order(len(DIGITS), 32, 0)
WELL = Vitals(wins=0.7, gap=1.0, spread=0.9, coverage=0.8, largest=5.0)


def batches(step: int) -> dict[str, torch.Tensor]:
    return {"reals": DIGITS[torch.from_numpy(ORDER.indices(step))]}


def game() -> LatentGame:
    rng = torch.Generator().manual_seed(1)
    return LatentGame(
        initialised(lambda: DcganGenerator((1, 8, 8), 16, 8), rng),
        initialised(lambda: DcganDiscriminator((1, 8, 8), 8), rng),
    )


def weights_of(training: object) -> torch.Tensor:
    return torch.cat([p.flatten() for n in ("generator", "discriminator") for p in getattr(training, n).parameters()])


@pytest.mark.parametrize(
    ("seen", "state"),
    [
        (WELL, BALANCED),
        (WELL._replace(wins=0.99), DISCRIMINATOR_OVERPOWERS),
        (WELL._replace(wins=0.2), GENERATOR_OVERPOWERS),
        (WELL._replace(spread=0.2), COLLAPSING),
        (WELL._replace(coverage=0.05, wins=0.99), COLLAPSING),
        (WELL._replace(largest=1e5), DIVERGED),
        (WELL._replace(largest=float("nan")), DIVERGED),
        (WELL._replace(spread=float("nan"), coverage=float("nan")), BALANCED),
        (WELL._replace(leak=0.4), LEAKING),
        (WELL._replace(leak=0.4, wins=0.99), DISCRIMINATOR_OVERPOWERS),
        (WELL._replace(memory=0.9), MEMORISING),
        (WELL._replace(memory=0.9, wins=0.1), MEMORISING),
        (WELL._replace(memory=0.6, wins=0.1), GENERATOR_OVERPOWERS),
        (WELL._replace(memory=0.7, wins=0.32), MEMORISING),
    ],
)
def test_states(seen: Vitals, state: str) -> None:
    assert state_of(seen, 0.5) == state
    assert state_of(seen, 0.05) == (DIVERGED if state == DIVERGED else BALANCED)


def test_a_critic_of_wasserstein_may_have_large_values() -> None:
    for loss, state in (("wasserstein", BALANCED), ("hinge", DIVERGED)):
        watch = Watch()
        watch.look(WELL._replace(largest=5e3), False, 0.5, AdversarialTrainer(loss, balance="watch"), "here")
        assert watch.state == state


def test_one_batch_does_not_change_the_state() -> None:
    seen = smoothed_vitals(WELL, WELL._replace(spread=0.2))
    assert seen.spread == pytest.approx(0.55)
    assert smoothed_vitals(None, WELL) == WELL


def test_figures_that_are_there_are_smoothed_where_others_are_not() -> None:
    few = Vitals(0.7, 1.0, math.nan, math.nan, 2.0)
    seen = smoothed_vitals(few, few._replace(wins=0.99))
    assert seen.wins == pytest.approx(0.845)
    assert math.isnan(seen.spread)


def test_vitals_of_a_generator_that_makes_one_picture() -> None:
    played = game()
    torch.nn.init.zeros_(played.generator.first.weight)
    rng = torch.Generator().manual_seed(0)
    seen = vitals(played, batches(0), rng)
    assert seen.spread == pytest.approx(0, abs=1e-4)
    assert state_of(seen, 0.5) == COLLAPSING
    played.fakes = lambda batch, rng: batch["reals"].flip(0)  # type: ignore[method-assign]
    same = vitals(played, batches(0), rng)
    assert (same.wins, same.spread, same.coverage) == pytest.approx((0.5, 1.0, 1.0))


def test_players_are_looked_at_in_parts_as_large_as_those_they_are_trained_in() -> None:
    """So that a look fits into memory where `accumulate` makes training fit."""
    played, sizes = game(), []
    for player in (played.generator, played.discriminator):
        player.register_forward_hook(lambda layer, given, out: sizes.append(len(out)))
    AdversarialTrainer(accumulate=4).train(played, lambda step: {"reals": DIGITS[:64]}, max_images=640, seed=0)
    assert max(sizes) == 16
    rng, held = torch.Generator(), {"reals": DIGITS[:100]}
    played.fakes = lambda batch, rng: batch["reals"].flip(1)  # type: ignore[method-assign]
    seen = [vitals(played, held, rng, trained_on={"reals": DIGITS[100:200]}, at_once=n) for n in (256, 33)]
    assert seen[0] == pytest.approx(seen[1], rel=1e-4)


def test_memory_is_how_often_reals_trained_on_rank_above_those_held_out() -> None:
    played, rng = game(), torch.Generator().manual_seed(0)
    played.discriminator = Brightness()
    known, held = {"reals": DIGITS[:40] + 0.2}, {"reals": DIGITS[40:80]}
    bright = [reals["reals"].flatten(1).mean(1) for reals in (known, held)]
    pairs = [(a > b) + 0.5 * (a == b) for a in bright[0].tolist() for b in bright[1].tolist()]
    assert vitals(played, held, rng, trained_on=known).memory == pytest.approx(sum(pairs) / len(pairs))
    assert vitals(played, held, rng).memory == 0.5
    few = {"reals": DIGITS[:8]}
    assert vitals(played, few, rng, trained_on=known).memory == 0.5


class Brightness(torch.nn.Module):
    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        return samples.flatten(1).mean(1)


class Few(LatentGame):
    """Thirty-two reals to learn from, and as many held out."""

    def held_out(self) -> dict[str, torch.Tensor]:
        return {"reals": DIGITS[32:96]}


def few(balance: str, max_images: int = 22_400, stop_at: int | None = None, **kwargs: Any) -> Training:
    played = game()

    def of_few(step: int) -> dict[str, torch.Tensor]:
        if step == stop_at:
            raise Interrupted("here")
        return {"reals": DIGITS[:32]}

    trainer = AdversarialTrainer(lr_generator=3e-3, lr_discriminator=1.2e-2, beta1=0.0, balance=balance)
    return trainer.train(Few(played.generator, played.discriminator), of_few, max_images=max_images, seed=0, **kwargs)


@pytest.fixture(scope="module")
def helped() -> Training:
    with pytest.warns(HealthWarning, match=f"{MEMORISING}.*counteracted"):
        return few("auto")


def test_reals_learnt_by_heart_are_shown_changed_from_then_on(helped: Training) -> None:
    watched = few("watch").history
    assert "augment" not in watched
    assert watched["health"].iloc[-1] == MEMORISING
    assert (helped.history["health"] == MEMORISING).any()
    assert helped.history["augment"].iloc[-1] == 1
    assert helped.history["health_memory"].iloc[-1] < watched["health_memory"].iloc[-1]


def test_a_training_begun_to_be_shown_changed_resumes_exactly(helped: Training, tmp_path: Path) -> None:
    began = int(helped.history["augment"].first_valid_index())
    there = {"checkpoint": tmp_path / "c.safetensors", "checkpoint_seconds": 0.2, "resume": True}
    with pytest.raises(Interrupted):
        few("auto", stop_at=began + 40, **there)
    assert torch.equal(weights_of(few("auto", **there)), weights_of(helped))


def test_a_game_that_begins_slowly_but_gains_is_left_alone() -> None:
    """A discriminator that wins every pair for a fifth of training, while the fakes become more varied."""
    watched, left = few("watch", 8000), few("auto", 8000)
    assert watched.history["health"].value_counts()[DISCRIMINATOR_OVERPOWERS] > 5
    assert left.rollbacks == 0
    assert torch.equal(weights_of(watched), weights_of(left))


def test_what_collapses_at_the_very_end_goes_back_to_its_last_good_state() -> None:
    collapsed = WELL._replace(spread=0.0, coverage=0.0)
    trainer = AdversarialTrainer(balance="auto", lr_generator=0.02)
    for before, does in ((WELL, GO_BACK), (collapsed, GO_ON)):
        watch = Watch()
        assert watch.look(before, False, 0.99, trainer, "here")[0] == GO_ON
        assert watch.look(collapsed, False, 1.0, trainer, "here")[0] == does
        assert watch.balance.rollbacks == (does == GO_BACK)
    early = Watch()
    early.look(WELL, False, 0.09, trainer, "here")  # nobody knows yet whether that is good
    assert early.look(collapsed, False, 1.0, trainer, "here")[0] == GO_ON
    slow, usual = Watch(), AdversarialTrainer(balance="auto")
    slow.look(WELL, False, 0.99, usual, "here")
    assert slow.look(collapsed, False, 1.0, usual, "here")[0] == GO_ON
    watched, trainer = Watch(), AdversarialTrainer(balance="watch", lr_generator=0.02)
    watched.look(WELL, False, 0.99, trainer, "here")
    assert watched.look(collapsed, False, 1.0, trainer, "here")[0] == GO_ON


def test_only_more_variety_than_ever_is_a_gain() -> None:
    balance = Balance()
    gained = [balance.gains(WELL._replace(coverage=c)) for c in (0.0, 0.2, 0.21, 0.15, 0.3, math.nan)]
    assert gained == [False, True, False, False, True, False]
    for _ in range(20):
        assert balance.act(COLLAPSING, 0.2, 0.1, 0.1, gaining=True) == GO_ON


def test_too_few_reals_to_judge_variety() -> None:
    seen = vitals(game(), {"reals": DIGITS[:8]}, torch.Generator().manual_seed(0))
    assert seen.spread != seen.spread


def test_collapse_is_seen_in_small_batches() -> None:
    played = game()
    torch.nn.init.zeros_(played.generator.first.weight)
    small = Order(len(DIGITS), 16, 0)
    asked: list[int] = []

    def of_sixteen(step: int) -> dict[str, torch.Tensor]:
        asked.append(step)
        return {"reals": DIGITS[torch.from_numpy(small.indices(step))]}

    trainer = AdversarialTrainer(lr_generator=1e-9)
    history = trainer.train(played, of_sixteen, max_images=1600, seed=0).history
    assert history["health_spread"].iloc[4:].max() < 0.1
    assert history["health"].iloc[-1] == COLLAPSING
    assert asked[10:14] != list(range(10, 14))  # earlier batches are asked for again, not kept


def test_a_real_that_is_in_two_batches_counts_once() -> None:
    few, order = DIGITS[:20], Order(20, 16, 0)

    def of_few(step: int) -> dict[str, torch.Tensor]:
        return {"reals": few[torch.from_numpy(order.indices(step))]}

    found = to_judge_by(of_few(5), of_few, 5)["reals"]
    assert len(found) == len(found.flatten(1).unique(dim=0)) == 20


def test_watching_changes_nothing() -> None:
    watched, alone = (
        AdversarialTrainer(balance=balance, r1=0.1).train(game(), batches, max_images=3200, seed=0)
        for balance in ("watch", "off")
    )
    assert torch.equal(weights_of(watched), weights_of(alone))
    assert "health" not in alone.history
    assert watched.history["health"].isin([BALANCED, COLLAPSING, DISCRIMINATOR_OVERPOWERS]).all()
    assert watched.history["health_wins"].notna().sum() >= 50


def acted(state: str, times: int, done: float, lr_generator: float, lr_discriminator: float) -> tuple[Balance, str]:
    balance = Balance()
    does = [balance.act(state, done, lr_generator, lr_discriminator) for _ in range(times)]
    assert does[:-1] == [GO_ON] * (times - 1)
    return balance, does[-1]


def test_the_faster_player_is_slowed_whoever_wins() -> None:
    for state in (COLLAPSING, DISCRIMINATOR_OVERPOWERS, GENERATOR_OVERPOWERS):
        balance, does = acted(state, 5, 0.2, 0.1, 0.001)
        assert does == BEGIN_ANEW
        assert (balance.generator, balance.discriminator, balance.began) == (0.25, 1.0, 0.2)
    balance, _ = acted(COLLAPSING, 5, 0.2, 0.001, 0.1)
    assert (balance.generator, balance.discriminator) == (1.0, 0.25)
    balance, _ = acted(COLLAPSING, 5, 0.2, 0.1, 0.15)
    assert (balance.generator, balance.discriminator) == (0.25, 0.25)


def test_games_at_usual_rates_are_left_alone_unless_they_diverge() -> None:
    for state in (COLLAPSING, DISCRIMINATOR_OVERPOWERS, GENERATOR_OVERPOWERS):
        assert acted(state, 20, 0.2, 1e-2, 1e-4)[1] == GO_ON
        assert acted(state, 5, 0.2, 1.1e-2, 1e-4)[1] == BEGIN_ANEW
    assert acted(DIVERGED, 1, 0.2, 2e-4, 2e-4)[1] == BEGIN_ANEW


@pytest.mark.parametrize(("lr", "words"), [(0.1, " (it is being counteracted); should"), (1e-3, "; should")])
def test_a_warning_says_whether_anything_is_done(lr: float, words: str) -> None:
    watch, trainer = Watch(), AdversarialTrainer(lr_generator=lr)
    collapsed = WELL._replace(spread=0.0, coverage=0.0)
    for _ in range(4):
        watch.look(collapsed, False, 0.2, trainer, "here")
    with pytest.warns(HealthWarning, match=re.escape(f"here: {COLLAPSING}{words}")):
        watch.look(collapsed, False, 0.2, trainer, "here")


def test_published_recipes_learn_at_usual_rates() -> None:
    recipes = [task_and_name.split("/")[1] for task_and_name in configs.available() if "training/" in task_and_name]
    assert len(recipes) > 10
    for recipe in recipes:
        trainer = resolve_trainer(recipe, AdversarialTrainer())
        assert not Balance().can_mend(COLLAPSING, 0.2, trainer.lr_generator, trainer.lr_discriminator), recipe


def test_what_does_not_last_or_comes_late_is_left_alone() -> None:
    assert acted(COLLAPSING, 4, 0.2, 0.1, 0.1)[0] == Balance(ill=4)
    assert acted(COLLAPSING, 20, 0.6, 0.1, 0.1)[1] == GO_ON
    balance, does = acted(DIVERGED, 1, 0.6, 0.1, 0.1)
    assert (does, balance.generator) == (GO_BACK, 0.25)


def test_a_lasting_state_is_warned_of_once_with_its_remedy() -> None:
    played = game()
    played.latents = lambda batch, rng: torch.zeros(len(batch["reals"]), 16)  # type: ignore[method-assign]
    with pytest.warns(HealthWarning, match="training, .* images: collapsing; .* lower lr_generator") as caught:
        AdversarialTrainer(balance="watch").train(played, batches, max_images=6400, seed=0)
    assert sum("collapsing" in str(w.message) for w in caught) == 1


def test_one_process_warns_with_the_remedy() -> None:
    copying, trainer = WELL._replace(leak=0.4), AdversarialTrainer(balance="watch")
    loud = Watch()
    with pytest.warns(HealthWarning, match="copying the augmentation.*" + REMEDIES[LEAKING]):
        figures = [loud.look(copying, False, 0.5, trainer, "here")[1] for _ in range(6)]
    assert figures[-1]["health_leak"] == 0.4
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        quiet = Watch()
        for _ in range(6):
            quiet.look(copying, False, 0.5, trainer, "here", aloud=False)
    assert quiet.warned == loud.warned


def test_what_was_measured_of_a_broken_game_is_forgotten_when_it_begins_anew() -> None:
    """The weight of a penalty that suits a game that has blown up is thousands of times too small for a sound one."""
    trainer = AdversarialTrainer(balance="auto", r1=1.0, penalty_share=0.2, augment=0.5, augment_rule="adaptive")
    run = Run(trainer, game(), 6400, None, 0)
    for _ in range(33):
        run.step(batches)
    assert run.penalties.factor != 1.0
    assert run.augmentation.wins != 0.5
    run.diverged = True
    run.look_at_health("here")
    assert run.watch.balance.rollbacks == 1
    assert run.penalties == MeasuredPenalty(0.2, 1)
    assert (run.augmentation.share, run.augmentation.wins) == (0.0, 0.5)


def test_patience_is_counted_anew_from_where_a_game_begins_anew() -> None:
    played = game()
    played.monitored = True
    run = Run(AdversarialTrainer(balance="auto", patience=64), played, 6400, None, 0)
    run.game.monitor = lambda generator, discriminator: 1.0  # type: ignore[method-assign]
    run.best, run.best_at = 0.5, 0
    for _ in range(10):
        run.step(batches)
    run.diverged = True
    run.look_at_health("here")
    assert run.watch.balance.rollbacks == 1
    run.look_at_monitor()
    assert run.stopped == ""


def test_going_back_restores_all_that_a_step_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(AdversarialTrainer(balance="auto", ema=0.1), game(), 6400, None, 0)
    for _ in range(5):
        run.step(batches)
    run.good = there = run._snapshot()
    before = flat(there)
    for _ in range(5):
        run.step(batches)
    assert not same(flat(run._players()), before)
    monkeypatch.setattr(Watch, "look", lambda *_, **__: (GO_BACK, {}))
    run.look_at_health("here")
    assert same(flat(run._players()), before)
    assert run.images == 320
    run.step(batches)
    assert same(flat(run.good), before)


def flat(tree: object) -> list[torch.Tensor]:
    """All tensors and numbers of nested containers, copied, in order."""
    if isinstance(tree, dict):
        return [leaf for key in tree for leaf in flat(tree[key])]
    if isinstance(tree, (list, tuple)):
        return [leaf for item in tree for leaf in flat(item)]
    return [torch.as_tensor(tree).clone()] if isinstance(tree, (torch.Tensor, int, float)) else []


def same(some: list[torch.Tensor], others: list[torch.Tensor]) -> bool:
    return len(some) == len(others) and all(torch.equal(a, b) for a, b in zip(some, others, strict=True))


def test_a_training_that_diverged_goes_back_and_goes_on() -> None:
    settings = {"lr_generator": 2e-3, "lr_discriminator": 1.0, "beta1": 0.9}
    alone = AdversarialTrainer(balance="watch", **settings).train(game(), batches, max_images=9600, seed=0)
    helped = AdversarialTrainer(balance="auto", **settings).train(game(), batches, max_images=9600, seed=0)
    assert (alone.history["health"] == DIVERGED).mean() > 0.5
    assert helped.rollbacks > 0
    assert helped.history["health"].iloc[-1] != DIVERGED
    assert helped.images >= 9600
    assert helped.history["images"].is_monotonic_increasing


def test_a_training_that_cannot_be_saved_says_so() -> None:
    with pytest.raises(GantoolsError, match="diverged 13 times"):
        AdversarialTrainer(balance="auto").train(
            game(), lambda step: {"reals": 1e20 * batches(step)["reals"]}, max_images=9600, seed=0
        )


def test_data_that_are_not_finite_are_not_the_players_fault() -> None:
    with pytest.raises(GantoolsError, match="a loss that is not finite"):
        AdversarialTrainer(balance="auto").train(
            game(), lambda step: {"reals": torch.full((32, 1, 8, 8), torch.nan)}, max_images=9600, seed=0
        )


def test_resumed_with_its_balance(tmp_path: Path) -> None:
    trainer = AdversarialTrainer(balance="auto", lr_generator=2e-3, lr_discriminator=1.0, beta1=0.9)
    whole = trainer.train(game(), batches, max_images=6400, seed=0)
    file = tmp_path / "c.safetensors"
    sent = []

    def interrupting(step: int) -> dict[str, torch.Tensor]:
        import os
        import signal

        if step == 90 and not sent:
            sent.append(step)
            os.kill(os.getpid(), signal.SIGINT)
        return batches(step)

    with pytest.raises(Interrupted):
        trainer.train(game(), interrupting, max_images=6400, seed=0, checkpoint=file)
    resumed = trainer.train(game(), batches, max_images=6400, seed=0, checkpoint=file, resume=True)
    assert torch.equal(weights_of(whole), weights_of(resumed))
    assert whole.rollbacks == resumed.rollbacks
    assert whole.history["health"].tolist() == resumed.history["health"].tolist()
