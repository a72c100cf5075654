"""The training loop: accounting, limits, what is not finite, interruption and resumption."""

from __future__ import annotations

import os
import resource
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.base import clone

from gantools import configs
from gantools.core import AdversarialTrainer, LatentGame, Tick
from gantools.core.batches import Order
from gantools.core.checkpoint import load_state, save_state
from gantools.core.muon import Muon
from gantools.errors import ConfigError, GantoolsError, Interrupted, ModelError
from gantools.networks.dcgan import DcganDiscriminator, DcganGenerator
from tests.core.test_step import LineGame

pytestmark = pytest.mark.filterwarnings("ignore::gantools.core.health.HealthWarning")

REALS = 2 + 0.1 * torch.randn(100, 1, generator=torch.Generator().manual_seed(0))


def batches(step: int) -> dict[str, torch.Tensor]:
    return {"reals": REALS[torch.from_numpy(Order(100, 8, 0).indices(step))]}


def game() -> LineGame:
    made = LineGame()
    rng = torch.Generator().manual_seed(1)
    for player in (made.generator, made.discriminator):
        for p in player.parameters():
            p.data = torch.randn(p.shape, generator=rng) * 0.5
    # On a line, a gradient penalty keeps a critic that begins with the wrong slope from ever turning round.
    rises = made.discriminator(torch.tensor([[2.0]])) > made.discriminator(torch.tensor([[0.0]]))
    made.discriminator[2].weight.data *= 1.0 if rises else -1.0
    return made


def test_record_and_accounting() -> None:
    training = AdversarialTrainer(r1=0.1).train(game(), batches, max_images=80, seed=0)
    assert training.images == 80
    assert list(training.history["images"]) == list(range(8, 81, 8))
    assert training.stopped == "images"
    wanted = {
        "loss_discriminator",
        "loss_generator",
        "d_real",
        "d_fake",
        "penalty",
        "images_per_second",
        "seconds",
    }
    assert wanted <= set(training.history.columns)
    assert training.history["penalty"].gt(0).all()


def test_lazy_penalties_are_rarer_and_heavier() -> None:
    lazy = AdversarialTrainer(r1=0.1, penalty_every=4)
    assert [lazy.rules(step, 0.0).r1 for step in range(5)] == [0.4, 0, 0, 0, 0.4]
    history = lazy.train(game(), batches, max_images=80, seed=0).history
    assert history["penalty"].gt(0).tolist() == [step % 4 == 0 for step in range(10)]


def test_instance_noise_falls_to_nothing() -> None:
    trainer = AdversarialTrainer(instance_noise=0.2, noise_share=0.5)
    assert [trainer.rules(0, done).noise for done in (0.0, 0.25, 0.5, 1.0)] == pytest.approx([0.2, 0.1, 0.0, 0.0])


def test_clipping_bounds_every_weight_of_the_critic() -> None:
    played = game()
    AdversarialTrainer("wasserstein", clip=0.01, lr_discriminator=1.0).train(played, batches, max_images=80, seed=0)
    assert max(p.abs().max() for p in played.discriminator.parameters()) <= 0.01
    assert max(p.abs().max() for p in played.generator.parameters()) > 0.01


def test_spectral_norm_bounds_the_critic_and_leaves_plain_weights() -> None:
    played = game()
    names = set(played.discriminator.state_dict())
    trainer = AdversarialTrainer("hinge", spectral_norm=True, lr_discriminator=0.5)
    d = trainer.train(played, batches, max_images=800, seed=0).discriminator
    assert set(d.state_dict()) == names
    for layer in (d[0], d[2]):
        assert torch.linalg.matrix_norm(layer.weight, 2).item() == pytest.approx(1.0, rel=0.05)


def test_spectral_norm_bounds_the_average_of_a_critic_too() -> None:
    played = game()
    played.average_discriminator = True
    trainer = AdversarialTrainer("hinge", spectral_norm=True, lr_discriminator=0.05, ema=0.2)
    d = trainer.train(played, batches, max_images=800, seed=0).discriminator
    for layer in (d[0], d[2]):
        assert torch.linalg.matrix_norm(layer.weight, 2).item() == pytest.approx(1.0, rel=0.1)


@pytest.mark.parametrize(
    ("settings", "max_images"),
    [
        ({"loss": "hinge", "spectral_norm": True, "instance_noise": 0.1}, 400),
        ({"n_critic": np.int64(2), "lr_generator": np.float32(1e-3)}, np.int64(400)),
    ],
)
def test_a_training_resumes_exactly(tmp_path: Path, settings: dict[str, object], max_images: int) -> None:
    trainer = AdversarialTrainer(**settings)
    whole = trainer.train(game(), batches, max_images=max_images, seed=3)
    file = tmp_path / "c.safetensors"
    with pytest.raises(Interrupted):
        trainer.train(game(), interrupting_at(17), max_images=max_images, seed=3, checkpoint=file)
    resumed = trainer.train(game(), batches, max_images=max_images, seed=3, checkpoint=file, resume=True)
    assert torch.equal(weights_of(whole), weights_of(resumed))


def test_a_training_by_muon_resumes_exactly(tmp_path: Path) -> None:
    from tests.core.test_augment import PictureGame

    def play(stop: int | None, **more: object) -> object:
        return AdversarialTrainer(optimiser="muon").train(
            PictureGame(16), pictures_until(stop, 2), max_images=400, seed=3, **more
        )

    assert Muon(PictureGame(16).generator, 1e-3, (0.5, 0.99), 0.0)._inner
    whole, file = play(None), tmp_path / "c.safetensors"
    with pytest.raises(Interrupted):
        play(17, checkpoint=file)
    assert torch.equal(weights_of(whole), weights_of(play(None, checkpoint=file, resume=True)))


def test_ctrl_c_that_is_ignored_stays_so_and_an_end_that_is_asked_for_is_noted(tmp_path: Path) -> None:
    """As in a shell's background, where SIGTERM is made to do what Ctrl-C does."""
    sent = [signal.SIGINT, signal.SIGTERM]

    def sending(step: int) -> dict[str, torch.Tensor]:
        if step in (3, 6) and sent:
            os.kill(os.getpid(), sent.pop(0))
        return batches(step)

    def ended(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, signal.SIG_IGN), signal.signal(signal.SIGTERM, ended)
    try:
        with pytest.raises(Interrupted):
            AdversarialTrainer().train(game(), sending, max_images=400, seed=3, checkpoint=tmp_path / "c.safetensors")
        assert not sent
        assert signal.getsignal(signal.SIGTERM) is ended
    finally:
        signal.signal(signal.SIGINT, before[0])
        signal.signal(signal.SIGTERM, before[1])


def test_an_interruption_in_the_last_step_is_told_all_the_same(tmp_path: Path) -> None:
    whole, file = AdversarialTrainer().train(game(), batches, max_images=80, seed=3), tmp_path / "c.safetensors"
    with pytest.raises(Interrupted, match="after 80 of 80 images"):
        AdversarialTrainer().train(game(), interrupting_at(9), max_images=80, seed=3, checkpoint=file)
    resumed = AdversarialTrainer().train(game(), batches, max_images=80, seed=3, checkpoint=file, resume=True)
    assert torch.equal(weights_of(whole), weights_of(resumed))


def test_the_state_before_the_last_is_kept_and_used_when_the_last_is_damaged(tmp_path: Path) -> None:
    whole = AdversarialTrainer().train(game(), batches, max_images=800, seed=3)
    file = tmp_path / "c.safetensors"
    with pytest.raises(Interrupted):
        AdversarialTrainer().train(
            game(), interrupting_at(37), max_images=800, seed=3, checkpoint=file, checkpoint_seconds=0.0
        )
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.warns(UserWarning, match="previous"):
        resumed = AdversarialTrainer().train(game(), batches, max_images=800, seed=3, checkpoint=file, resume=True)
    assert torch.equal(weights_of(whole), weights_of(resumed))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"loss": "wasserstein"}, "bounded critic"),
        ({"loss": "wasserstein", "clip": 0.01, "r1": 1.0}, "clip and r1"),
        ({"loss": "hinge", "real_target": 0.9}, "losses with labels are minimax"),
        ({"real_target": 0.1, "fake_target": 0.4}, "below"),
        ({"clip": 0.01, "spectral_norm": True}, "choose one"),
        ({"penalty_share": 0.2}, "set one of them"),
        ({"loss": "wasserstein", "wgan_gp": 10.0, "penalty_share": 0.2}, "no scale"),
        ({"projected": True, "condition": "concatenation"}, "choose condition='projection'"),
        ({"augment": 2.0}, "or 'auto'"),
        ({"augment": "auto", "augment_rule": "adaptive"}, "such as augment=1"),
        ({"augment_rule": "ramp"}, "such as augment=1"),
        ({"instance_noise": 0.1, "noise_share": 0.0}, r"in \(0, 1\]"),
        ({"patience": 8}, "patience=None"),
        ({"adversarial_weight": 0.0}, "nothing to learn by"),
        ({"keep": "first"}, "last, best"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        AdversarialTrainer(**settings).train(game(), batches, max_images=8, seed=0)


def test_settings_that_do_not_suit_the_discriminator_are_refused_at_once() -> None:
    played = game()
    played.discriminator.insert(1, torch.nn.BatchNorm1d(8))
    with pytest.raises(ConfigError, match=r"(?s)wgan_gp with batch norm.*feature_matching needs"):
        AdversarialTrainer(wgan_gp=10.0, feature_matching=1.0).train(played, batches, max_images=8, seed=0)


def test_a_discriminator_that_is_the_product_cannot_be_left_untrained() -> None:
    played = game()
    played.__class__ = type("Detecting", (LineGame,), {"negatives": lambda self, batch, rng: []})
    with pytest.raises(ConfigError, match="whose answers this task is for"):
        AdversarialTrainer(adversarial_weight=0.0).train(played, batches, max_images=8, seed=0)


RECIPES = {n.split("/")[1] for n in configs.available() if n.startswith("training/")}


@pytest.mark.parametrize("recipe", sorted(RECIPES - {"cgan", "projected"}))  # these need labels, and pictures
def test_every_recipe_teaches_the_generator(recipe: str) -> None:
    trainer = AdversarialTrainer(**configs.read(recipe, "training")).set_params(
        lr_generator=5e-3, lr_discriminator=5e-3
    )
    played = game()
    start = abs(played.generator.bias.item() - 2)
    training = trainer.train(played, batches, max_images=8 * 1500, seed=0)
    latents = torch.randn(1000, 1, generator=torch.Generator().manual_seed(5))
    end = abs(training.generator(latents).mean().item() - 2)
    assert end < 0.6 * start


def test_critic_moves_more_often() -> None:
    training = AdversarialTrainer(n_critic=5).train(game(), batches, max_images=80, seed=0)
    assert training.history["loss_generator"].notna().sum() == 2


class Drawn(LineGame):
    """The generator is told to make threes."""

    def generator_terms(self, batch: dict[str, torch.Tensor], fakes: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"threes": (fakes - 3).square().mean()}


def test_a_generator_that_plays_alone_moves_at_every_batch() -> None:
    trainer = AdversarialTrainer(n_critic=5, adversarial_weight=0.0)
    training = trainer.train(Drawn(), batches, max_images=80, seed=0)
    assert training.history["term_threes"].notna().sum() == 10


def test_more_time_is_used_when_a_training_goes_on(tmp_path: Path) -> None:
    file = tmp_path / "c.safetensors"
    how = {"max_images": 400, "seed": 3, "checkpoint": file}
    first = AdversarialTrainer().train(game(), batches, max_minutes=1e-6, **how)
    assert (first.stopped, first.images) == ("minutes", 8)
    ticks: list[Tick] = []
    resumed = AdversarialTrainer().train(game(), batches, max_minutes=10, resume=True, on_tick=ticks.append, **how)
    assert (resumed.stopped, resumed.images) == ("images", 400)
    assert len(ticks) > 40


def test_time_limit_and_callback_stop() -> None:
    assert AdversarialTrainer().train(game(), batches, max_images=10**9, seed=0, max_minutes=0.003).stopped == "minutes"
    seen: list[Tick] = []
    training = AdversarialTrainer().train(
        game(), batches, max_images=800, seed=0, on_tick=lambda tick: seen.append(tick) or len(seen) == 3
    )
    assert training.stopped == "callback"
    assert training.images < 800


def test_limits_that_are_none_are_refused_and_a_checkpoint_may_be_a_text(tmp_path: Path) -> None:
    for limits in ({"max_images": 0}, {"max_images": 8, "max_minutes": 0}):
        with pytest.raises(ConfigError, match="above 0"):
            AdversarialTrainer().train(game(), batches, seed=0, **limits)
    AdversarialTrainer().train(game(), batches, max_images=8, seed=0, checkpoint=str(tmp_path / "c.safetensors"))
    assert load_state(tmp_path / "c.safetensors")["counters"][1] == 8


def test_patience_stops_when_the_held_out_figure_does_not_improve() -> None:
    played = game()
    played.monitored = True
    figures = iter([3.0, 2.0] + [2.5] * 1000)
    played.monitor = lambda generator, discriminator: next(figures)  # type: ignore[method-assign]
    training = AdversarialTrainer(patience=400).train(played, batches, max_images=8000, seed=0)
    assert training.stopped == "patience"
    assert training.images < 2000


def test_moves_that_are_not_finite_are_dropped_and_counted() -> None:
    def poisoned(step: int) -> dict[str, torch.Tensor]:
        batch = batches(step)
        return {"reals": batch["reals"] * float("nan")} if step == 3 else batch

    played = game()
    training = AdversarialTrainer().train(played, poisoned, max_images=80, seed=0)
    assert training.dropped == 1
    assert training.history["dropped"].tolist() == [0, 0, 0, 1] + [0] * 6
    assert all(torch.isfinite(p).all() for p in played.discriminator.parameters())


def test_a_batch_that_is_not_finite_does_not_stay_in_the_running_means_of_batch_norms() -> None:
    def poisoned(step: int) -> dict[str, torch.Tensor]:
        reals = torch.rand((8, 1, 16, 16), generator=torch.Generator().manual_seed(step))
        return {"reals": reals * float("nan") if step == 3 else reals}

    discriminator = DcganDiscriminator((1, 16, 16), 8, batch_norm=True)
    played = LatentGame(DcganGenerator((1, 16, 16), 8, 8), discriminator)
    training = AdversarialTrainer(balance="off").train(played, poisoned, max_images=80, seed=0)
    assert training.dropped == 1
    for judge in (discriminator, training.discriminator):
        assert torch.isfinite(judge.eval()(poisoned(0)["reals"])).all()


def test_divergence_is_said() -> None:
    with pytest.raises(GantoolsError, match="lower lr_generator"):
        AdversarialTrainer().train(
            game(), lambda step: {"reals": torch.full((4, 1), float("inf"))}, max_images=10**6, seed=0
        )


def test_global_random_state_is_left_alone() -> None:
    played = game()
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()
    AdversarialTrainer(wgan_gp=1.0).train(played, batches, max_images=80, seed=0)
    assert torch.equal(before, torch.get_rng_state())
    assert np.array_equal(numpy_before, np.random.get_state()[1])


def weights_of(training: object) -> torch.Tensor:
    return torch.cat([p.flatten() for n in ("generator", "discriminator") for p in getattr(training, n).parameters()])


def test_resumed_ends_in_the_very_same_weights(tmp_path: Path) -> None:
    trainer = AdversarialTrainer(schedule="cosine", r1=0.1, wgan_gp=0.1, ema=0.1)
    whole = trainer.train(game(), batches, max_images=800, seed=3)
    file = tmp_path / "c.safetensors"
    with pytest.raises(Interrupted, match="resume"):
        trainer.train(game(), interrupting_at(37), max_images=800, seed=3, checkpoint=file)
    resumed = trainer.train(game(), batches, max_images=800, seed=3, checkpoint=file, resume=True)
    assert torch.equal(weights_of(whole), weights_of(resumed))
    assert whole.history["loss_discriminator"].tolist() == resumed.history["loss_discriminator"].tolist()


def interrupting_at(step: int) -> object:
    def interrupting(number: int) -> dict[str, torch.Tensor]:
        if number == step:
            os.kill(os.getpid(), signal.SIGINT)
        return batches(number)

    return interrupting


def test_checkpoint_of_other_settings_is_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "c.safetensors"
    AdversarialTrainer().train(game(), batches, max_images=80, seed=0, checkpoint=file)
    with pytest.raises(ModelError, match=r"other settings \((lr_generator|ema), (lr_generator|ema), seed\)"):
        AdversarialTrainer(lr_generator=1e-5, ema=0.1).train(
            game(), batches, max_images=80, seed=1, checkpoint=file, resume=True
        )


def test_checkpoint_of_other_networks_is_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "c.safetensors"
    AdversarialTrainer().train(game(), batches, max_images=80, seed=0, checkpoint=file)
    other = game()
    other.generator = torch.nn.Sequential(other.generator)  # the same shapes under other names
    with pytest.raises(ModelError, match=r"other settings \(generator's layers\)"):
        AdversarialTrainer().train(other, batches, max_images=80, seed=0, checkpoint=file, resume=True)


def test_checkpoint_of_another_version_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "c.safetensors"
    AdversarialTrainer().train(game(), batches, max_images=80, seed=0, checkpoint=file)
    state = load_state(file)
    del state["format"], state["penalties"]
    save_state(file, state)
    with pytest.raises(ModelError, match=r"another version of gantools.*without --resume"):
        AdversarialTrainer().train(game(), batches, max_images=80, seed=0, checkpoint=file, resume=True)


def test_all_wrong_settings_are_named_at_once() -> None:
    wrong = AdversarialTrainer("hing", n_critic=0, lr_generator=-1, schedule="linear", beta1=1.0)
    with pytest.raises(ConfigError) as caught:
        wrong.check()
    for name in ("loss", "n_critic", "lr_generator", "schedule", "beta1"):
        assert name in str(caught.value)


def test_contradictions_and_what_does_not_suit_the_game_are_named_with_wrong_settings() -> None:
    wrong = AdversarialTrainer("wasserstein", n_critic=0, clip=0.01, r1=1.0, wgan_gp=10.0, feature_matching=1.0)
    with pytest.raises(ConfigError) as caught:
        wrong.train(game(), batches, max_images=8, seed=0)
    lines = str(caught.value).splitlines()
    assert len(lines) == 3
    for line, told in zip(lines, ("n_critic", "clip and r1, wgan_gp", "feature_matching"), strict=True):
        assert told in line


def test_nothing_is_said_of_a_wrong_setting_beside_others() -> None:
    with pytest.raises(ConfigError) as caught:
        AdversarialTrainer("hing", real_target=0.9).check()
    assert len(str(caught.value).splitlines()) == 1


CHANGED: dict[str, object] = {
    "loss": "least_squares", "lr_generator": 1e-3, "lr_discriminator": 1e-3, "beta1": 0.3, "beta2": 0.5,
    "weight_decay": 0.5, "schedule": "constant", "n_critic": 2, "adversarial_weight": 0.5,
    "r1": 0.3, "r2": 0.3, "wgan_gp": 1.0, "penalty_every": 3, "penalty_share": 0.2, "clip": 0.02, "spectral_norm": True,
    "real_target": 0.9, "fake_target": 0.1, "instance_noise": 0.2, "noise_share": 0.9, "feature_matching": 1.0,
    "max_norm": 0.01, "ema": 0.5, "precision": "bfloat16",
}  # fmt: skip
"""A value of each setting that should change how the game goes, beside those of `_playing`."""


def _playing(**settings: object) -> torch.Tensor:
    """The weights after a short game in which every setting of `CHANGED` has something to change."""
    shown = game()
    shown.discriminator.features = lambda samples: [shown.discriminator[:2](samples)]
    usual: dict[str, object] = {"loss": "non_saturating", "instance_noise": 0.05, "schedule": "cosine"}
    usual["feature_matching"] = 0.1
    bounded = {"clip", "spectral_norm"} & set(settings)
    usual |= {} if bounded else {"r1": 0.1}
    training = AdversarialTrainer(**{**usual, **settings}).train(shown, batches, max_images=400, seed=0)
    players = training.generator, training.discriminator, shown.generator
    return torch.cat([p.detach().flatten() for player in players for p in player.parameters()])


@pytest.mark.parametrize("name", CHANGED)
def test_every_setting_changes_the_game(name: str) -> None:
    without: dict[str, object] = {"r1": 0.0} if name in ("clip", "spectral_norm") else {}
    assert not torch.equal(_playing(**without), _playing(**{name: CHANGED[name]}))


def test_no_setting_is_left_out() -> None:
    elsewhere = {
        *("augment", "augment_rule"),  # pictures: test_augment
        *("projected", "condition", "optimiser"),  # of larger players: networks, games, test_muon
        *("balance", "keep", "patience"),  # what is judged: test_health, here
        *("accumulate", "compile"),  # the same game played in another way: test_distributed, here
    }
    assert set(AdversarialTrainer().get_params()) == {*CHANGED, *elsewhere}


def test_is_a_plain_estimator() -> None:
    assert clone(AdversarialTrainer(loss="hinge")).get_params()["loss"] == "hinge"


def test_the_penalty_gets_the_share_that_was_asked_for_whatever_the_scale_of_the_discriminator() -> None:
    for scale in (1.0, 20.0):
        played = game()
        played.discriminator[2].weight.data *= scale
        trainer = AdversarialTrainer("hinge", r1=1.0, penalty_share=0.2, lr_discriminator=1e-6, lr_generator=1e-6)
        history = trainer.train(played, batches, max_images=8 * 64, seed=0).history
        later = history.iloc[32:]
        assert later["penalty"].mean() / later["loss_discriminator"].mean() == pytest.approx(0.2, rel=0.3)


def test_the_measured_penalty_resumes_exactly(tmp_path: Path) -> None:
    trainer = AdversarialTrainer(r1=1.0, penalty_share=0.2)
    whole = trainer.train(game(), batches, max_images=800, seed=3)
    for stop in (17, 60):
        file = tmp_path / f"{stop}.safetensors"
        with pytest.raises(Interrupted):
            trainer.train(game(), interrupting_at(stop), max_images=800, seed=3, checkpoint=file)
        resumed = trainer.train(game(), batches, max_images=800, seed=3, checkpoint=file, resume=True)
        assert torch.equal(weights_of(whole), weights_of(resumed))


def test_the_best_players_are_kept(tmp_path: Path) -> None:
    seen: list[torch.Tensor] = []

    class Judged(LineGame):
        monitored = True

        def monitor(self, generator: torch.nn.Module, discriminator: torch.nn.Module) -> float:
            seen.append(torch.cat([p.detach().flatten() for p in generator.parameters()]))
            return abs(len(seen) - 4)

    best = AdversarialTrainer(keep="best").train(Judged(), batches, max_images=80, seed=0)
    assert len(seen) == 10
    assert torch.equal(torch.cat([p.flatten() for p in best.generator.parameters()]), seen[3])
    with pytest.raises(ConfigError, match="keep='last'"):
        AdversarialTrainer(keep="best").train(game(), batches, max_images=80, seed=0)


def test_the_best_players_outlast_an_interruption(tmp_path: Path) -> None:
    class Judged(LineGame):
        monitored = True

        def monitor(self, generator: torch.nn.Module, discriminator: torch.nn.Module) -> float:
            return -float(generator.weight.detach().abs().sum())  # best before the interruption

    def play(stop: int | None, keep: str = "best", **how: object) -> torch.Tensor:
        made = Judged()
        made.generator.load_state_dict(game().generator.state_dict())
        made.discriminator.load_state_dict(game().discriminator.state_dict())
        source = batches if stop is None else interrupting_at(stop)
        return weights_of(AdversarialTrainer(keep=keep).train(made, source, max_images=800, seed=3, **how))

    whole, file = play(None), tmp_path / "c.safetensors"
    assert not torch.equal(whole, play(None, keep="last"))
    with pytest.raises(Interrupted):
        play(57, checkpoint=file)
    assert load_state(file)["kept"] is not None
    assert torch.equal(whole, play(None, checkpoint=file, resume=True))


def test_a_disk_that_fills_up_is_told_and_the_last_whole_checkpoint_goes_on(tmp_path: Path) -> None:
    trainer, file = AdversarialTrainer(r1=0.1), tmp_path / "c.safetensors"
    whole = trainer.train(game(), batches, max_images=800, seed=3)
    with pytest.raises(Interrupted):
        trainer.train(game(), interrupting_at(20), max_images=800, seed=3, checkpoint=file)
    good = file.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(good) // 2, hard))  # a file cannot grow larger, as on a full disk
    try:
        with pytest.raises(ModelError, match="cannot be written"):
            trainer.train(game(), batches, max_images=800, seed=3, checkpoint=file, checkpoint_seconds=0.0, resume=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert file.read_bytes() == good
    assert {p.name for p in tmp_path.iterdir()} <= {"c.safetensors", "c.previous.safetensors"}
    resumed = trainer.train(game(), batches, max_images=800, seed=3, checkpoint=file, resume=True)
    assert torch.equal(weights_of(whole), weights_of(resumed))


def test_moves_that_were_dropped_before_an_interruption_count_with_those_after_it(tmp_path: Path) -> None:
    def spoilt(stop: int | None) -> object:
        def source(step: int) -> dict[str, torch.Tensor]:
            if step == stop:
                os.kill(os.getpid(), signal.SIGINT)
            return {"reals": batches(step)["reals"] * (float("nan") if step >= 5 else 1.0)}

        return source

    trainer, file = AdversarialTrainer(balance="off"), tmp_path / "c.safetensors"
    with pytest.raises(GantoolsError, match=r"after (\d+) images") as whole:
        trainer.train(game(), spoilt(None), max_images=4000, seed=3)
    with pytest.raises(Interrupted):
        trainer.train(game(), spoilt(30), max_images=4000, seed=3, checkpoint=file)
    with pytest.raises(GantoolsError) as resumed:
        trainer.train(game(), spoilt(None), max_images=4000, seed=3, checkpoint=file, resume=True)
    assert str(resumed.value) == str(whole.value)


def test_a_checkpoint_of_other_data_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "c.safetensors"
    with pytest.raises(Interrupted):
        AdversarialTrainer().train(game(), interrupting_at(17), max_images=400, seed=3, checkpoint=file)
    with pytest.raises(ModelError, match="other data"):
        AdversarialTrainer().train(
            game(),
            lambda step: {"reals": batches(step)["reals"] + 0.2},
            max_images=400,
            seed=3,
            checkpoint=file,
            resume=True,
        )


@pytest.mark.filterwarnings("ignore")
def test_compiled_players_play_the_same_game_penalties_and_all() -> None:
    def play(compiled: bool) -> torch.Tensor:
        trainer = AdversarialTrainer("relativistic", r1=0.1, r2=0.1, compile=compiled)
        training = trainer.train(game(), batches, max_images=80, seed=0)
        assert training.generator._compiled_call_impl is None
        return weights_of(training)

    torch.testing.assert_close(play(True), play(False), rtol=1e-4, atol=1e-5)


def test_bfloat16_is_near_and_leaves_weights_and_penalties_in_float32() -> None:
    def play(precision: str) -> object:
        trainer = AdversarialTrainer("relativistic", r1=0.1, ema=0.0, precision=precision)
        return trainer.train(game(), batches, max_images=400, seed=0)

    whole, half = play("float32"), play("bfloat16")
    assert weights_of(half).dtype == torch.float32
    assert not torch.equal(weights_of(half), weights_of(whole))
    begun = torch.cat([p.flatten() for player in (game().generator, game().discriminator) for p in player.parameters()])
    moves = weights_of(half) - begun, weights_of(whole) - begun
    assert torch.cosine_similarity(*moves, dim=0) > 0.95
    if not torch.cuda.is_available():
        assert torch.equal(weights_of(play("auto")), weights_of(whole))


class GivenLatents(LineGame):
    """Latents come with the batch, so that nothing is drawn while playing."""

    def fakes(self, batch: dict[str, torch.Tensor], rng: torch.Generator) -> torch.Tensor:
        return self.generator(batch["latents"])


def with_latents(step: int) -> dict[str, torch.Tensor]:
    return {**batches(step), "latents": torch.randn(8, 1, generator=torch.Generator().manual_seed(step))}


@pytest.mark.parametrize("loss", ["non_saturating", "hinge", "relativistic"])
def test_a_batch_in_parts_gives_the_weights_of_a_whole_one(loss: str) -> None:
    def weights(parts: int) -> torch.Tensor:
        made = GivenLatents()
        made.generator.load_state_dict(game().generator.state_dict())
        made.discriminator.load_state_dict(game().discriminator.state_dict())
        trainer = AdversarialTrainer(loss, r1=0.1, r2=0.1, accumulate=parts)
        return weights_of(trainer.train(made, with_latents, max_images=320, seed=0))

    torch.testing.assert_close(weights(1), weights(4), rtol=0, atol=1e-5)


def test_a_batch_that_cannot_be_dealt_out_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"a batch of 8 .* multiple of 3"):
        AdversarialTrainer(accumulate=3).train(game(), batches, max_images=80, seed=0)


def test_a_checkpoint_can_be_gone_on_from_in_other_parts(tmp_path: Path) -> None:
    file = tmp_path / "c.safetensors"
    with pytest.raises(Interrupted):
        AdversarialTrainer(accumulate=2).train(game(), interrupting_at(17), max_images=400, seed=3, checkpoint=file)
    resumed = AdversarialTrainer(accumulate=4).train(
        game(), batches, max_images=400, seed=3, checkpoint=file, resume=True
    )
    assert resumed.images == 400


def test_a_checkpoint_can_be_gone_on_from_on_another_kind_of_device(tmp_path: Path) -> None:
    trainer = AdversarialTrainer(balance="auto")
    file = tmp_path / "c.safetensors"
    with pytest.raises(Interrupted):
        trainer.train(game(), interrupting_at(17), max_images=400, seed=3, checkpoint=file)
    state = load_state(file)
    of_cuda = [torch.zeros(16, dtype=torch.uint8)]  # so long are the states of its generators of randomness
    save_state(file, {**state, "rngs": of_cuda, "start": {**state["start"], "rngs": of_cuda}})
    resumed = trainer.train(game(), batches, max_images=400, seed=3, checkpoint=file, resume=True)
    assert resumed.images == 400


PICTURES = torch.rand(64, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1


def pictures_until(stop: int | None, times: int = 1) -> object:
    """Batches of pictures of 8 pixels, repeated `times` a side; Ctrl-C comes at step `stop`."""

    def of_step(step: int) -> dict[str, torch.Tensor]:
        if step == stop:
            os.kill(os.getpid(), signal.SIGINT)
        return {"reals": PICTURES[torch.from_numpy(Order(64, 8, 0).indices(step))].repeat(1, 1, times, times)}

    return of_step


def test_weights_laid_out_channels_last_resume_exactly(tmp_path: Path) -> None:
    from tests.core.test_augment import PictureGame

    def laid_out() -> PictureGame:
        made = PictureGame()
        for player in (made.generator, made.discriminator):
            player.to(memory_format=torch.channels_last)
        return made

    trainer, file = AdversarialTrainer(), tmp_path / "c.safetensors"
    whole = trainer.train(laid_out(), pictures_until(None), max_images=400, seed=3)
    with pytest.raises(Interrupted):
        trainer.train(laid_out(), pictures_until(23), max_images=400, seed=3, checkpoint=file)
    resumed = trainer.train(laid_out(), pictures_until(None), max_images=400, seed=3, checkpoint=file, resume=True)
    assert torch.equal(weights_of(whole), weights_of(resumed))


def test_augmentation_by_need_resumes_exactly(tmp_path: Path) -> None:
    from tests.core.test_augment import PictureGame

    trainer = AdversarialTrainer(augment=0.9, augment_rule="adaptive", lr_discriminator=5e-3)

    whole, file = trainer.train(PictureGame(), pictures_until(None), max_images=400, seed=3), tmp_path / "c.safetensors"
    assert whole.history["augment"].max() > 0.2
    with pytest.raises(Interrupted):
        trainer.train(PictureGame(), pictures_until(23), max_images=400, seed=3, checkpoint=file)
    resumed = trainer.train(PictureGame(), pictures_until(None), max_images=400, seed=3, checkpoint=file, resume=True)
    assert torch.equal(weights_of(whole), weights_of(resumed))


def test_numpys_numbers_are_numbers() -> None:
    """Grids of parameters hold them."""
    AdversarialTrainer(n_critic=np.int64(2), lr_generator=np.float32(1e-3), r1=np.float64(0.5)).check()
    AdversarialTrainer(spectral_norm=np.True_, compile=np.False_).check()
    with pytest.raises(ConfigError, match="r1="):
        AdversarialTrainer(r1=np.True_).check()


def test_a_game_of_other_weights_does_not_go_on_from_this_ones_checkpoint(tmp_path: Path) -> None:
    file = tmp_path / "c.safetensors"
    AdversarialTrainer().train(game(), batches, max_images=40, seed=0, checkpoint=file)
    other = game()
    other.fake_weight = 0.5
    with pytest.raises(ModelError, match=r"other settings \(game's fake_weight\)"):
        AdversarialTrainer().train(other, batches, max_images=40, seed=0, checkpoint=file, resume=True)
