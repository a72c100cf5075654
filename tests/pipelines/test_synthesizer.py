"""The synthesizer: it keeps the spread of each class, what comes out is what came in, and it survives being stopped."""

from __future__ import annotations

import math
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from skimage import data
from sklearn.datasets import load_digits, load_wine
from sklearn.neighbors import KNeighborsClassifier
from torch import nn

from gantools import AdversarialTrainer, GanAnomalyDetector, GanAugmenter, GanSynthesizer, configs, load
from gantools.data.sources import open_pictures
from gantools.errors import ConfigError, DataError, Interrupted, ModelError
from gantools.metrics.generated import frechet_distance, spread_by_class
from gantools.networks.backbone import load_backbone
from gantools.pipelines.synthesize.forms import PictureForm
from gantools.pipelines.synthesize.games import SpreadGame
from gantools.pipelines.synthesize.labels import numbered, place_of
from gantools.pipelines.synthesize.latents import ClassLatents
from gantools.pipelines.synthesize.model import BalancedOrder


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    pictures, labels = load_digits(return_X_y=True)
    return np.round(pictures.reshape(-1, 8, 8) * 15.9375).astype(np.uint8), labels


@pytest.fixture(scope="module")
def fitted(digits: tuple[np.ndarray, np.ndarray]) -> GanSynthesizer:
    return GanSynthesizer(max_images=40_000, random_state=0).fit(digits[0][:900], digits[1][:900])


def test_classes_keep_their_spread_and_their_looks(
    fitted: GanSynthesizer, digits: tuple[np.ndarray, np.ndarray]
) -> None:
    pictures, labels = (a[900:] for a in digits)
    fakes, said = fitted.sample(labels=labels, random_state=1)
    real, fake = (torch.from_numpy(p.reshape(len(p), -1) / 255.0).float() for p in (pictures, fakes))
    spreads = spread_by_class(real, torch.from_numpy(labels), fake, torch.from_numpy(said))
    assert np.mean(list(spreads.values())) > 0.85
    assert min(spreads.values()) > 0.7
    judge = KNeighborsClassifier().fit(digits[0][:900].reshape(900, -1), digits[1][:900])
    assert judge.score(fakes.reshape(len(fakes), -1), said) > 0.93
    wrong = torch.rand(real.shape, generator=torch.Generator().manual_seed(0))
    assert frechet_distance(real, fake) < 0.1 * frechet_distance(real, wrong)


def test_latents_have_the_mean_and_covariance_of_their_class_at_every_novelty() -> None:
    rng = torch.Generator().manual_seed(0)
    mix = torch.randn(3, 3, generator=rng)
    latents = torch.randn(600, 3, generator=rng) @ mix + torch.tensor([5.0, 0.0, -5.0])
    classes = ClassLatents.of(latents, torch.zeros(600, dtype=torch.int64), prior=0)
    for novelty in (0.0, 0.5, 1.0):
        drawn = classes.draw(torch.zeros(40_000, dtype=torch.int64), novelty, rng)
        torch.testing.assert_close(drawn.mean(0), latents.mean(0), atol=0.05, rtol=0)
        torch.testing.assert_close(drawn.T.cov(), latents.T.cov(), atol=0.1, rtol=0.05)
    copies = classes.draw(torch.zeros(50, dtype=torch.int64), 0.0, rng)
    assert torch.cdist(copies.double(), latents.double()).min(1).values.max() < 1e-4


def test_no_real_has_its_turn_much_more_often_than_another() -> None:
    latents, labels = torch.arange(70.0)[:, None], torch.arange(70) % 2
    drawn = ClassLatents.of(latents, labels).draw(torch.arange(210) % 2, 0.0, torch.Generator().manual_seed(0))
    turns = torch.bincount(drawn.round().long()[:, 0], minlength=70)
    assert len(turns) == 70
    assert turns.min() >= 2
    assert turns.max() <= 4


def test_a_small_class_borrows_the_others_covariance() -> None:
    rng = torch.Generator().manual_seed(0)
    latents = torch.cat([torch.randn(500, 2, generator=rng) * torch.tensor([3.0, 0.1]), torch.zeros(2, 2)])
    labels = torch.tensor([0] * 500 + [1] * 2)
    drawn = ClassLatents.of(latents, labels).draw(torch.ones(5000, dtype=torch.int64), 1.0, rng)
    assert drawn[:, 0].std() > 2
    assert drawn[:, 1].std() < 0.2


def test_containers_and_dtypes(digits: tuple[np.ndarray, np.ndarray]) -> None:
    pictures, labels = digits[0][:80], digits[1][:80]
    quick = GanSynthesizer(max_images=128, random_state=0)
    assert quick.fit(pictures).sample(3).dtype == np.uint8
    assert quick.sample(3).shape == (3, 8, 8)
    colour = np.repeat((pictures / 255.0).astype(np.float32)[..., None], 3, -1)
    made, said = quick.fit(colour, labels.astype(str)).sample(4, random_state=0)
    assert made.shape == (4, 8, 8, 3)
    assert made.dtype == np.float32
    assert made.min() >= 0
    assert made.max() <= 1
    assert said.dtype.kind == "U"
    deep = (pictures.astype(np.uint16) * 257)[..., None]
    assert quick.fit(deep).sample(2).dtype == np.uint16
    assert quick.sample(2).shape == (2, 8, 8, 1)
    large = np.kron(pictures, np.ones((1, 12, 10), np.uint8))
    assert quick.fit(large).sample(2).shape == (2, 96, 80)
    assert quick.form_.shape == (1, 64, 53)
    np.testing.assert_array_equal(quick.sample(5, random_state=3), quick.sample(5, random_state=3))
    assert (quick.sample(5, random_state=3) != quick.sample(5, random_state=4)).any()
    assert quick.interpolate(n=6, random_state=0).shape == (6, 96, 80)


def test_samples_come_in_what_held_the_reals(digits: tuple[np.ndarray, np.ndarray], tmp_path: Path) -> None:
    quick = GanSynthesizer(max_images=128, random_state=0)
    colour = torch.from_numpy(np.repeat(digits[0][:80, None], 3, 1))
    made = quick.fit(colour).sample(2, random_state=0)
    assert isinstance(made, torch.Tensor)
    assert made.shape == (2, 3, 8, 8)
    assert made.dtype == torch.uint8
    quick.save(tmp_path / "m")
    assert torch.equal(load(tmp_path / "m").sample(2, random_state=0), made)
    one_by_one = quick.fit(list(digits[0][:80])).sample(2)
    assert isinstance(one_by_one, list)
    assert one_by_one[0].shape == (8, 8)
    rows = quick.fit(torch.rand(80, 5)).sample(3)
    assert isinstance(rows, torch.Tensor)
    assert rows.shape == (3, 5)


def test_tables_keep_their_columns() -> None:
    frame = load_wine(as_frame=True).data.assign(
        kind=np.where(np.arange(178) % 3, "red", "white"), bottles=np.arange(178)
    )
    made = GanSynthesizer(max_images=2000, random_state=0).fit(frame).sample(30, random_state=0)
    assert made.dtypes.tolist() == frame.dtypes.tolist()
    assert set(made["kind"]) <= {"red", "white"}
    assert made["alcohol"].between(frame["alcohol"].min(), frame["alcohol"].max()).all()


def test_parts_are_together_what_sample_gives(fitted: GanSynthesizer) -> None:
    together, said = fitted.sample(1100, random_state=2)
    parts = list(fitted.in_parts(1100, random_state=2))
    assert len(parts) > 1
    np.testing.assert_array_equal(np.concatenate([X for X, _ in parts]), together)
    np.testing.assert_array_equal(np.concatenate([y for _, y in parts]), said)


def test_truncation_brings_samples_to_the_middle(fitted: GanSynthesizer) -> None:
    labels = np.full(60, 3)
    usual = fitted.sample(labels=labels, random_state=0)[0].reshape(60, -1)
    near = fitted.sample(labels=labels, random_state=0, truncation=0.3)[0].reshape(60, -1)
    assert near.astype(float).std(0).mean() < 0.5 * usual.astype(float).std(0).mean()


def test_saved_and_loaded_makes_the_same(
    fitted: GanSynthesizer, digits: tuple[np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    fitted.save(tmp_path / "m")
    for ours, theirs in zip(
        fitted.sample(20, random_state=5), load(tmp_path / "m").sample(20, random_state=5), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)
    frame = load_wine(as_frame=True).data
    table = GanSynthesizer(max_images=500, random_state=0, trainer=AdversarialTrainer("hinge")).fit(frame)
    table.save(tmp_path / "t")
    pd.testing.assert_frame_equal(load(tmp_path / "t").sample(4, random_state=0), table.sample(4, random_state=0))


def test_a_recipe_of_ones_own_and_a_wide_table_are_in_the_model(tmp_path: Path) -> None:
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("loss: hinge\nspectral_norm: true\n")
    X = np.random.default_rng(0).normal(size=(1000, 600))
    fitted = GanSynthesizer(trainer=str(recipe), max_images=64, width=8, random_state=0).fit(X)
    fitted.save(tmp_path / "m")
    recipe.unlink()
    assert (tmp_path / "m" / "model.json").stat().st_size < 2**20
    np.testing.assert_array_equal(load(tmp_path / "m").sample(3, random_state=1), fitted.sample(3, random_state=1))


def test_unlabelled_samples_help_and_are_no_class(digits: tuple[np.ndarray, np.ndarray]) -> None:
    labels = digits[1][:200].copy()
    labels[100:] = -1
    fitted = GanSynthesizer(max_images=256, random_state=0).fit(digits[0][:200], labels)
    assert fitted.classes_.tolist() == list(range(10))
    assert fitted.class_counts_.sum() == 100
    assert fitted.training_["samples"] == 200


def test_labels_of_every_kind() -> None:
    assert numbered(["b", "a", "b"], 3)[1].tolist() == [1, 0, 1]
    assert numbered([-1, 1, 1], 3)[0].tolist() == [-1, 1]
    assert numbered([-1, 1, 2], 3)[1].tolist() == [-1, 0, 1]
    for wrong, message in (
        (["a", 1, "b"], "mixed types"),
        ([1, None, 2], "label 1 is missing"),
        (["a", float("nan"), "b"], "label 1 is missing"),
        ([1, 2], "3 samples and 2 labels"),
    ):
        for kept in (wrong, np.asarray(wrong, dtype=object)):
            with pytest.raises(DataError, match=message):
                numbered(kept, 3)
    for gaps in (
        pd.Series(["a", pd.NA, "b"], dtype="string"),
        pd.Series([1, pd.NA, 2], dtype="Int64"),
        np.array([1, np.nan, 2]),
    ):
        with pytest.raises(DataError, match="label 1 is missing"):
            numbered(gaps, 3)
    assert place_of(0, np.array([0.0, 1.0])) == 0
    assert place_of("1", np.array([0, 1])) == 1
    assert place_of(2, np.array(["a", "b"])) is None


def test_batches_hold_classes_equally() -> None:
    labels = np.r_[np.zeros(900, int), np.ones(90, int), np.full(10, 2), np.full(200, -1)]
    order = BalancedOrder(labels, 1200, 0)
    drawn = labels[np.concatenate([order.indices(step) for step in range(20)])]
    shares = [np.mean(drawn == c) for c in (0, 1, 2, -1)]
    assert shares[:3] == pytest.approx([shares[0]] * 3, abs=0.02)
    assert shares[3] == pytest.approx(200 / 1200 / 2, abs=0.02)
    np.testing.assert_array_equal(order.indices(7), BalancedOrder(labels, 1200, 0).indices(7))


def test_mistakes_are_told(digits: tuple[np.ndarray, np.ndarray], fitted: GanSynthesizer) -> None:
    with pytest.raises(ConfigError, match="label 12 is unknown; there are 0, 1"):
        fitted.sample(labels=[1, 12])
    with pytest.raises(ConfigError, match="n=0 must be a whole number"):
        fitted.sample(0)
    with pytest.raises(DataError, match="80 samples and 5 labels"):
        GanSynthesizer().fit(digits[0][:80], digits[1][:5])
    with pytest.raises(ValueError, match="novelty"):
        GanSynthesizer(novelty=2).fit(digits[0][:80])
    with pytest.raises(DataError, match=r"none of the 80 pictures can be read; the first: .*divide by 255"):
        GanSynthesizer(max_images=64).fit(digits[0][:80].astype(float))
    assert GanSynthesizer(max_images=64, random_state=0).fit(digits[0][:80, :5]).sample(2).shape == (2, 5, 8)


def test_sizes_and_transparency_that_only_some_have() -> None:
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (100, 96, 3), dtype=np.uint8) for _ in range(3)]
    odd = rng.integers(0, 256, (90, 96, 4), dtype=np.uint8)
    form = PictureForm.of(open_pictures([*pictures, odd]), None)
    assert (form.channels, form.out_height, form.out_width) == (3, 100, 96)
    assert len(form.tensors(open_pictures([*pictures, odd]))[0]) == 4
    only = PictureForm.of(open_pictures([odd, odd]), None)
    assert only.channels == 4


def test_columns_of_several_levels_come_back(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        np.random.default_rng(0).normal(size=(40, 2)),
        columns=pd.MultiIndex.from_product([["a"], ["x", "y"]], names=["kind", None]),
    )
    GanSynthesizer(max_images=64, random_state=0).fit(frame).save(tmp_path / "m")
    loaded = load(tmp_path / "m")
    pd.testing.assert_index_equal(loaded.sample(3, random_state=0).columns, frame.columns)
    assert loaded.n_features_in_ == 2


def test_more_time_leaves_the_first_stage_as_the_second_found_it(
    digits: tuple[np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    pictures, labels = digits[0][:100], digits[1][:100]
    how = {"max_images": 10**6, "random_state": 0, "checkpoint": tmp_path}
    short = GanSynthesizer(**how, max_minutes=0.02).fit(pictures, labels)
    longer = GanSynthesizer(**how, max_minutes=0.06, resume=True).fit(pictures, labels)
    seen = [m.history_.groupby("stage")["images"].max() for m in (short, longer)]
    assert seen[1]["fidelity"] == seen[0]["fidelity"]
    assert seen[1]["adversarial"] > seen[0]["adversarial"]


@pytest.mark.parametrize("stage", ["fidelity", "adversarial"])
def test_interrupted_and_resumed_ends_the_same(
    digits: tuple[np.ndarray, np.ndarray], tmp_path: Path, stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import signal

    from gantools.pipelines.synthesize import model as module

    pictures, labels = digits[0][:100], digits[1][:100]
    settings = {"max_images": 1280, "random_state": 0}
    whole = GanSynthesizer(**settings).fit(pictures, labels)
    shown = module.train_shown

    def stopping(trainer, game, batches, stages, on_tick, name, **limits):  # type: ignore[no-untyped-def]
        def batches_until(step: int):  # type: ignore[no-untyped-def]
            if name == stage and step == 5:
                signal.raise_signal(signal.SIGINT)
            return batches(step)

        return shown(trainer, game, batches_until, stages, on_tick, name, **limits)

    with monkeypatch.context() as patched:
        patched.setattr(module, "train_shown", stopping)
        with pytest.raises(Interrupted):
            GanSynthesizer(**settings, checkpoint=tmp_path).fit(pictures, labels)
    again = GanSynthesizer(**settings, checkpoint=tmp_path, resume=True).fit(pictures, labels)
    np.testing.assert_array_equal(again.sample(9, random_state=0)[0], whole.sample(9, random_state=0)[0])


def test_a_fit_of_nobodys_seed_goes_on_with_the_one_it_began_with(
    digits: tuple[np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    pictures, labels = digits[0][:100], digits[1][:100]
    begun = GanSynthesizer(max_images=640, checkpoint=tmp_path).fit(pictures, labels)
    resumed = GanSynthesizer(max_images=640, checkpoint=tmp_path, resume=True).fit(pictures, labels)
    np.testing.assert_array_equal(begun.sample(9, random_state=0)[0], resumed.sample(9, random_state=0)[0])
    another = GanSynthesizer(max_images=640, checkpoint=tmp_path, resume=True, random_state=7)
    with pytest.raises(ModelError, match="seed"):
        another.fit(pictures, labels)


def test_estimator_checks() -> None:
    from sklearn.utils.estimator_checks import check_estimator

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check_estimator(GanSynthesizer(max_images=128, random_state=0))


def test_both_ways_of_telling_the_class_keep_it(digits: tuple[np.ndarray, np.ndarray]) -> None:
    judge = KNeighborsClassifier().fit(digits[0].reshape(-1, 64), digits[1])
    for recipe in ("cgan", "spread"):
        made = GanSynthesizer(trainer=recipe, max_images=12_000, random_state=0).fit(*digits)
        fakes, said = made.sample(200, random_state=0)
        assert judge.score(fakes.reshape(-1, 64), said) > 0.8, recipe


def test_a_recipe_that_needs_labels_is_refused_without(digits: tuple[np.ndarray, np.ndarray]) -> None:
    with pytest.raises(ConfigError, match="fit with labels"):
        GanSynthesizer(trainer="cgan", max_images=640).fit(digits[0])


def test_projected_features_judge_pictures_and_refuse_tables(tmp_path: Path) -> None:
    camera = data.camera()
    pictures = np.stack([camera[i : i + 96 : 4, i : i + 96 : 4] for i in range(0, 400, 7)])
    made = GanSynthesizer(trainer="projected", perceptual=0, max_images=256, batch_size=16, random_state=0)
    made.fit(pictures)
    assert made.sample(2, random_state=0).shape == (2, 24, 24)
    frozen = made.synthesis_.discriminator.body.backbone.state_dict()
    for name, weight in load_backbone((2, 4, 10, 14)).state_dict().items():
        assert torch.equal(frozen[name], weight), name
    made.save(tmp_path / "m")
    assert np.array_equal(load(tmp_path / "m").sample(3, random_state=1), made.sample(3, random_state=1))
    with pytest.raises(ConfigError, match="projected=False"):
        GanSynthesizer(trainer="projected", max_images=640).fit(load_wine().data)


def test_the_best_by_a_held_out_figure(digits: tuple[np.ndarray, np.ndarray]) -> None:
    best = configs.read("spread", "training") | {"keep": "best"}
    made = GanSynthesizer(trainer=AdversarialTrainer(**best), max_images=20_000, random_state=0).fit(*digits)
    figures = made.history_["monitor"].dropna()
    assert len(figures) > 20
    assert figures.iloc[-1] < figures.iloc[0]
    few = [a[:100] for a in digits]
    with pytest.raises(ConfigError, match="keep='last'"):
        GanSynthesizer(trainer=AdversarialTrainer(**best), max_images=640, random_state=0).fit(*few)


def test_a_generator_whose_fakes_are_no_numbers_is_never_the_best() -> None:
    rows, labels = torch.randn(64, 4), torch.zeros(64, dtype=torch.long)
    latents = ClassLatents.of(rows, labels)
    played = SpreadGame(nn.Identity(), nn.Identity(), latents, anchor=1.0, held=(rows, labels))
    assert math.isfinite(played.monitor(nn.Identity(), nn.Identity()))
    assert played.monitor(lambda z: z / 0, nn.Identity()) == math.inf


def test_samples_in_other_holders(digits: tuple[np.ndarray, np.ndarray]) -> None:
    pictures, labels = [Image.fromarray(p) for p in digits[0][:60]], digits[1][:60] % 2
    assert np.shape(GanSynthesizer(max_images=64, random_state=0).fit(pictures).sample(2)) == (2, 8, 8)
    made, _ = GanAugmenter(per_class=1, max_images=64, random_state=0).fit_resample(pictures, labels)
    assert made[:60] == pictures
    assert [(type(p), p.size, p.mode) for p in made[60:]] == [(Image.Image, (8, 8), "L")] * 2
    rows = torch.from_numpy(load_wine().data[:60]).bfloat16()
    assert GanSynthesizer(max_images=64, random_state=0).fit(rows).sample(2).shape == (2, 13)
    assert np.isfinite(GanAnomalyDetector(max_images=64, random_state=0).fit(rows).score_samples(rows)).all()


@pytest.mark.parametrize("how", [{"labels": []}, {"n": 0}, {"truncation": -1.0}, {"truncation": math.nan}])
def test_what_cannot_be_sampled_is_refused_by_name(fitted: GanSynthesizer, how: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=next(iter(how))):
        fitted.sample(**how)
    if "n" in how:
        with pytest.raises(ConfigError, match="n=0"):
            fitted.interpolate(n=0)


def test_few_reals_are_shown_changed(digits: tuple[np.ndarray, np.ndarray]) -> None:
    trainer = AdversarialTrainer("hinge", spectral_norm=True, augment="auto")
    made = GanSynthesizer(trainer=trainer, max_images=1_280, random_state=0).fit(*(a[:300] for a in digits))
    assert made.history_["augment"].dropna().eq(1.0).all()


def test_larger_pictures_have_narrower_networks_and_models_of_before_still_load() -> None:
    pictures = np.stack([data.astronaut()[y : y + 40, y : y + 40] for y in range(0, 320, 40)])
    short = {"max_images": 32, "random_state": 0}
    assert GanSynthesizer(**short).fit(pictures[:, :32, :32]).width_ == 48
    assert GanSynthesizer(**short).fit(pictures).width_ == 24
    before = GanSynthesizer(width=48, **short).fit(pictures)
    state = before.state()
    del state["width"]  # which they did not say, and 48 was the default
    again = GanSynthesizer(**short)
    again.take_state(state)
    assert np.array_equal(again.sample(3, random_state=0), before.sample(3, random_state=0))
