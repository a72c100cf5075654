"""The detector: how well it finds, that it says the same whenever asked, and how it fits in with scikit-learn."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from skimage import data
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from gantools import AdversarialTrainer, GanAnomalyDetector, configs, load
from gantools.data.sources import open_pictures
from gantools.data.standard import Glance, StandardPictures
from gantools.errors import ConfigError, DataError
from gantools.metrics.anomaly import auroc, pixel_auroc
from gantools.pipelines.anomaly.calibration import Scale, p_values, threshold
from gantools.pipelines.anomaly.labels import abnormal_from_labels
from gantools.pipelines.anomaly.neighbours import neighbour_distances
from gantools.pipelines.anomaly.tiles import windows

Digits = tuple[np.ndarray, np.ndarray]


# ---------------------------------------------------------------- quality


@pytest.mark.parametrize(("digit", "seed"), [(3, 0), (8, 1)])
def test_finds_other_digits(digits: Digits, digit: int, seed: int) -> None:
    pictures, labels = digits
    detector = GanAnomalyDetector(random_state=seed, max_images=3200).fit(pictures[labels == digit][:120])
    rest = np.r_[np.flatnonzero(labels == digit)[120:], np.flatnonzero(labels != digit)]
    assert detector.score(pictures[rest], labels[rest] != digit) > 0.96
    parts, _ = detector.part_scores(pictures[rest])
    own = {p: auroc(labels[rest] != digit, parts[:, i]) for i, p in enumerate(detector.parts_)}
    assert own["discriminator"] > 0.85
    assert own["transformations"] > 0.88


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(
    ("loader", "normal", "floor"),
    [(load_wine, lambda y: y > 0, 0.94), (load_breast_cancer, lambda y: y == 1, 0.93)],
)
def test_finds_outliers_in_tables(loader: object, normal: object, floor: float, seed: int) -> None:
    X, y = loader(return_X_y=True)  # type: ignore[operator]
    ok = normal(y)  # type: ignore[operator]
    half = np.flatnonzero(ok)[::2]
    detector = GanAnomalyDetector(random_state=seed, max_images=20_000).fit(X[half])
    rest = np.setdiff1d(np.arange(len(X)), half)
    assert detector.score(X[rest], ~ok[rest]) > floor


def painted(picture: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    rows, columns = np.mgrid[: picture.shape[0], : picture.shape[1]]
    y, x = rng.uniform(15, 81, 2)
    mask = np.hypot(rows - y, columns - x) < 8
    return np.where(mask, 30, picture).astype(np.uint8), mask


def test_finds_and_locates_spots_on_a_wall() -> None:
    wall, rng = data.brick(), np.random.default_rng(0)
    crops = [wall[t : t + 96, s : s + 96] for t, s in rng.integers(0, 416, (26, 2))]
    detector = GanAnomalyDetector(random_state=0, max_images=192).fit(np.stack(crops[:16]))
    assert detector.kind_ == "tiles"
    spoilt, masks = zip(*(painted(c, rng) for c in crops[16:]), strict=True)
    pictures = np.stack([*crops[16:], *spoilt])
    assert detector.score(pictures, np.repeat([0, 1], 10)) > 0.95
    assert pixel_auroc(list(masks), detector.anomaly_map(np.stack(spoilt))) > 0.95


def test_textbook_gan_is_available_and_ranks_noise(digits: Digits) -> None:
    pictures, labels = digits
    detector = GanAnomalyDetector(
        parts=["discriminator"], synthetic=None, trainer="dcgan", max_images=3200, random_state=0
    ).fit(pictures[labels == 3][:120])
    assert detector.transform(pictures[:5]).shape == (5, 1)
    assert detector.history_["d_fake"].notna().all()
    assert "d_negative" not in detector.history_


def test_trimming_helps_when_training_data_hold_anomalies() -> None:
    X, y = load_breast_cancer(return_X_y=True)
    dirty = np.r_[np.flatnonzero(y == 1)[:180], np.flatnonzero(y == 0)[:20]]
    rest = np.setdiff1d(np.arange(len(X)), dirty)
    plain, trimmed = (
        GanAnomalyDetector(random_state=0, max_images=20_000, trim=trim).fit(X[dirty]).score(X[rest], y[rest] == 0)
        for trim in (0.0, 0.1)
    )
    assert trimmed > plain


def test_trimming_counts_no_remembered_normal_among_its_own_neighbours() -> None:
    """Else the held-out fifth, which has none at a distance of 0, would be dropped first."""
    X = np.random.default_rng(0).normal(size=(1000, 6))
    detector = GanAnomalyDetector(random_state=0, max_images=640, trim=0.1, parts=["neighbours"]).fit(X)
    assert detector.training_["samples"] == 900
    assert detector.training_["images"] == 1280
    assert set(detector.history_["stage"]) == {"training", "trimmed"}
    encoded = detector.encoder_.transform(pd.DataFrame(X, columns=detector.encoder_.columns))
    everyone = np.arange(len(X))
    detector.model_.bank, detector.model_.banked = torch.from_numpy(encoded[:800]), everyone[:800]
    told = detector._fused(detector._known_scores(encoded, everyone, fair=True))
    assert told[:800].mean() == pytest.approx(told[800:].mean(), abs=0.15)
    untold = detector._fused(detector._known_scores(encoded, everyone))
    assert untold[:800].mean() < untold[800:].mean() - 0.3


def test_trimming_counts_no_patch_of_a_remembered_picture_among_its_neighbours() -> None:
    grass = data.grass()
    crops = np.stack([grass[i : i + 128, j : j + 128] for i in range(0, 512, 128) for j in range(0, 512, 128)])
    detector = GanAnomalyDetector(parts=["pretrained"], max_images=16, batch_size=4, random_state=0).fit(crops)
    assert detector.kind_ == "tiles"
    pictures, everyone = StandardPictures(open_pictures(crops), detector.contract_), np.arange(16)
    fitted = np.unique(detector.model_.banked)
    held = np.setdiff1d(everyone, fitted)
    assert len(held) == 3
    told, untold = (detector._known_scores(pictures, everyone, fair=fair)[:, 0] for fair in (True, False))
    np.testing.assert_array_equal(untold, detector.part_scores(crops)[0][:, 0])
    np.testing.assert_array_equal(told[held], untold[held])
    apart = untold[held].mean() - untold[fitted].mean()
    assert abs(told[held].mean() - told[fitted].mean()) < 0.3 * apart


# ---------------------------------------------------------------- the same whenever asked


def test_scores_do_not_depend_on_order_batch_or_time(threes: GanAnomalyDetector, digits: Digits) -> None:
    pictures = digits[0][:150]
    scores = threes.score_samples(pictures)
    assert scores.dtype == np.float64
    assert len(np.unique(scores)) > 100
    np.testing.assert_allclose(threes.score_samples(pictures), scores, rtol=0, atol=0)
    np.testing.assert_allclose(threes.score_samples(pictures[::-1])[::-1], scores, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(threes.score_samples(pictures[7:9]), scores[7:9], rtol=1e-4, atol=1e-4)


def test_saved_loaded_pickled_and_in_another_process(
    threes: GanAnomalyDetector, digits: Digits, tmp_path: Path
) -> None:
    pictures = digits[0][:20]
    scores = threes.score_samples(pictures)
    threes.save(tmp_path / "model")
    loaded = load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.score_samples(pictures), scores)
    np.testing.assert_array_equal(loaded.predict(pictures), threes.predict(pictures))
    np.testing.assert_array_equal(loaded.p_value(pictures), threes.p_value(pictures))
    np.testing.assert_array_equal(loaded.anomaly_map(pictures[:2])[0], threes.anomaly_map(pictures[:2])[0])
    joblib.dump(threes, tmp_path / "d.joblib")
    np.testing.assert_array_equal(joblib.load(tmp_path / "d.joblib").score_samples(pictures), scores)
    np.save(tmp_path / "p.npy", pictures)
    code = (
        "import sys, numpy, gantools; m, p, o = sys.argv[1:];"
        "numpy.save(o, gantools.load(m).score_samples(numpy.load(p)))"
    )
    files = [str(tmp_path / n) for n in ("model", "p.npy", "o.npy")]
    subprocess.run([sys.executable, "-c", code, *files], check=True)
    np.testing.assert_allclose(np.load(tmp_path / "o.npy"), scores, rtol=1e-5, atol=1e-5)


def test_same_seed_same_detector(digits: Digits) -> None:
    pictures, labels = digits
    normal = pictures[labels == 5][:60]
    a, b, c = (GanAnomalyDetector(random_state=s, max_images=320).fit(normal) for s in (1, 1, 2))
    np.testing.assert_array_equal(a.score_samples(pictures[:9]), b.score_samples(pictures[:9]))
    assert not np.array_equal(a.score_samples(pictures[:9]), c.score_samples(pictures[:9]))


# ---------------------------------------------------------------- scikit-learn's ways


def test_signs_thresholds_and_p_values(threes: GanAnomalyDetector, digits: Digits) -> None:
    pictures = digits[0][:300]
    score, decision = threes.score_samples(pictures), threes.decision_function(pictures)
    np.testing.assert_allclose(decision, score - threes.offset_)
    np.testing.assert_array_equal(threes.predict(pictures), np.where(decision >= 0, 1, -1))
    np.testing.assert_array_equal(threes.anomaly_score(pictures), -score)
    p = threes.p_value(pictures)
    assert (p > 0).all()
    assert (np.diff(p[np.argsort(score)]) >= 0).all()
    assert threes.transform(pictures[:3]).shape == (3, len(threes.get_feature_names_out()))


def test_zero_is_a_typical_normal_and_a_twentieth_of_normals_lies_above_one(threes: GanAnomalyDetector) -> None:
    assert np.median(threes.calibration_) == pytest.approx(0, abs=1e-9)
    assert np.quantile(threes.calibration_, 0.95) == pytest.approx(1)


def test_float_contamination_flags_that_share_of_training() -> None:
    X = load_wine().data
    detector = GanAnomalyDetector(contamination=0.2, random_state=0, max_images=3000).fit(X)
    assert abs((detector.predict(X) == -1).sum() - 0.2 * len(X)) <= 1


def test_float_contamination_flags_that_share_where_all_are_neighbours() -> None:
    X = load_wine().data[:40]
    detector = GanAnomalyDetector(contamination=0.1, n_neighbors=40, random_state=0, max_images=640).fit(X)
    assert (detector.predict(X) == -1).sum() == 4


def test_as_many_fresh_normals_are_flagged_as_was_asked() -> None:
    rng = np.random.default_rng(0)
    X, fresh = rng.normal(size=(1500, 6)), rng.normal(size=(3000, 6))
    flagged = {}
    for share in (0.01, 0.2):
        detector = GanAnomalyDetector(false_alarms=share, random_state=0, max_images=640).fit(X)
        flagged[share] = (detector.predict(fresh) == -1).mean()
    assert flagged[0.01] < 0.03
    assert 0.13 < flagged[0.2] < 0.27


def test_inside_pipeline_and_grid_search() -> None:
    X, y = load_wine(return_X_y=True)
    labels = np.where(y == 0, -1, 1)
    pipeline = make_pipeline(StandardScaler(), GanAnomalyDetector(random_state=0, max_images=2000))
    assert set(pipeline.fit(X[y > 0]).predict(X)) == {-1, 1}
    grid = GridSearchCV(
        GanAnomalyDetector(random_state=0, max_images=1000),
        {"trainer": [{"loss": "non_saturating"}, {"loss": "hinge"}, AdversarialTrainer()], "n_neighbors": [1, 5]},
        cv=KFold(2, shuffle=True, random_state=0),
    ).fit(X, labels)
    assert np.isfinite(grid.cv_results_["mean_test_score"]).all()
    assert set(grid.best_params_) == {"trainer", "n_neighbors"}


def test_as_features_before_a_classifier() -> None:
    from sklearn.linear_model import LogisticRegression

    X, y = load_wine(return_X_y=True)
    detector = GanAnomalyDetector(random_state=0, max_images=1000).set_output(transform="pandas")
    assert list(detector.fit_transform(X).columns) == list(detector.get_feature_names_out())
    assert make_pipeline(clone(detector), LogisticRegression()).fit(X, y).score(X, y) > 0.4


def test_callbacks_stop_training() -> None:
    callback = pytest.importorskip("sklearn.callback")
    assert hasattr(callback, "FitCallback")

    class StopSoon:
        ended = 0

        def setup(self, estimator: object, context: object) -> None: ...
        def teardown(self, estimator: object, context: object) -> None: ...
        def on_fit_task_begin(self, estimator: object, context: object) -> None: ...

        def on_fit_task_end(self, estimator: object, context: object) -> bool:
            self.ended += 1
            return self.ended == 3

    detector = GanAnomalyDetector(random_state=0).set_callbacks(StopSoon())
    detector.fit(load_wine().data)
    assert detector.training_["stopped"] == "callback"


def test_tensors_in_tensors_out(threes: GanAnomalyDetector, digits: Digits) -> None:
    tensor = torch.from_numpy(digits[0][:4])
    assert torch.is_tensor(threes.score_samples(tensor))
    np.testing.assert_array_equal(threes.predict(tensor).numpy(), threes.predict(digits[0][:4]))


def test_frames_with_gaps_and_categories() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=200), "b": rng.choice(["x", "y"], 200)})
    frame.loc[3, "a"] = np.nan
    detector = GanAnomalyDetector(random_state=0, max_images=6000).fit(frame)
    odd = pd.DataFrame({"a": [0.0, 9.0, 0.0], "b": ["x", "x", "never seen"]})
    scores = detector.anomaly_score(odd)
    assert scores[1] > scores[0]
    assert scores[2] > scores[0]


# ---------------------------------------------------------------- folders and what is wrong in them


@pytest.fixture
def folder(digits: Digits, tmp_path: Path) -> Path:
    for i, picture in enumerate(digits[0][digits[1] == 3][:30]):
        Image.fromarray((picture * 255).astype(np.uint8)).save(tmp_path / f"p{i:02}.png")
    return tmp_path


def test_every_input_has_its_row(threes: GanAnomalyDetector, folder: Path) -> None:
    (folder / "a_text.png").write_text("no picture")
    Image.new("L", (1, 1)).save(folder / "b_dot.png")
    Image.new("RGB", (16, 16)).save(folder / "c_colour.png")
    table = threes.score_table(folder)
    assert list(table.columns[:5]) == ["path", "anomaly_score", "p_value", "is_anomaly", "error"]
    assert len(table) == 33
    assert list(table["path"])[:3] == ["a_text.png", "b_dot.png", "c_colour.png"]
    assert [w in e for w, e in zip(("text", "1 x 1", "3 channels"), table["error"], strict=False)] == [True] * 3
    assert table["anomaly_score"][:3].isna().all()
    assert table["anomaly_score"][3:].notna().all()
    with pytest.raises(DataError, match="3 of 33"):
        threes.score_samples(folder)


def test_few_bad_files_are_skipped_and_many_refused(folder: Path) -> None:
    (folder / "broken.png").write_text("no picture")
    with pytest.warns(UserWarning, match="broken.png"):
        detector = GanAnomalyDetector(random_state=0, max_images=64).fit(folder)
    assert detector.training_["skipped"] == 1
    assert "broken.png" in detector.skipped_[0]
    with pytest.raises(DataError, match="max_bad"):
        GanAnomalyDetector(random_state=0, max_images=64, max_bad=0).fit(folder)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"parts": ["discriminater"]}, "discriminater"),
        ({"synthetic": ["swril"]}, "swirl"),
        ({"trainer": "wgan-pg"}, "wgan-gp"),
        ({"device": "tpu"}, "auto, cpu"),
        ({"synthetic": None, "fake_weight": 0.0}, "without negatives"),
        ({"width": 20}, "multiple of 8"),
        ({"view": "whole", "image_size": 5}, "image_size"),
        ({"contamination": 0.7}, "contamination"),
    ],
)
def test_wrong_parameters_are_named(digits: Digits, parameters: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        GanAnomalyDetector(max_images=32, **parameters).fit(digits[0][:20])


def test_interrupted_fit_leaves_no_half_fitted_detector() -> None:
    X = load_wine().data
    detector = GanAnomalyDetector(random_state=0, max_images=640).fit(X)
    with pytest.raises(DataError, match="infinity"):
        detector.fit(pd.DataFrame({"a": [1.0, np.inf], "b": ["x", "y"]}))
    with pytest.raises(NotFittedError):
        detector.predict(X)


def test_wrong_data_is_named(threes: GanAnomalyDetector, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="at least 2"):
        GanAnomalyDetector().fit(np.zeros((1, 16, 16)))
    with pytest.raises(DataError, match="fitted on 16 x 16"):
        threes.score_samples(np.zeros((2, 20, 16)))
    with pytest.raises(DataError, match="feature table"):
        threes.score_samples(np.zeros((2, 20)))
    table = GanAnomalyDetector(max_images=128, random_state=0).fit(np.random.default_rng(0).normal(size=(30, 3)))
    with pytest.raises(ConfigError, match="no maps"):
        table.anomaly_map(np.zeros((2, 3)))
    rows = table.score_table(np.array([[0, 0, 0], [np.inf, 0, 0], [np.nan, 0, 0]]))
    assert list(rows["error"]) == ["", "column 0 is infinity", ""]


def test_pictures_of_many_sizes_go_tile_by_tile() -> None:
    rng = np.random.default_rng(0)
    pictures = [rng.integers(100, 140, (40 + 7 * i, 90 - 5 * i), dtype=np.uint8) for i in range(6)]
    detector = GanAnomalyDetector(random_state=0, max_images=64).fit(pictures)
    assert [m.shape for m in detector.anomaly_map(pictures)] == [p.shape for p in pictures]


@pytest.mark.parametrize("turn", [1, -1])
def test_which_size_is_learnt_does_not_go_by_the_order(turn: int) -> None:
    small, large = np.zeros((48, 48), np.uint8), np.zeros((60, 60), np.uint8)
    detector = GanAnomalyDetector()
    many, few = ([small] * 64 + [large] * n for n in (200, 7))
    assert detector._contract(Glance.at(open_pictures(many[::turn])))[1] == "tiles"
    contract, kind = detector._contract(Glance.at(open_pictures(few[::turn])))
    assert (kind, contract.height, contract.width) == ("whole", 48, 48)
    with pytest.raises(ConfigError, match="set image_size"):
        detector.set_params(view="whole")._contract(Glance.at(open_pictures(many[::turn])))


# ---------------------------------------------------------------- pieces


def test_neighbours_against_brute_force(rng: torch.Generator) -> None:
    bank, queries = torch.randn((50, 6), generator=rng), torch.randn((9, 6), generator=rng)
    expected = torch.cdist(queries, bank).sort(1).values[:, :3].mean(1)
    torch.testing.assert_close(neighbour_distances(queries, bank, 3), expected)
    own = torch.cdist(bank, bank).sort(1).values[:, 1:4].mean(1)
    torch.testing.assert_close(neighbour_distances(bank, bank, 3, torch.arange(50)), own, rtol=1e-4, atol=1e-4)
    both, rows = torch.cat([bank[20:25], queries]), torch.cat([torch.arange(20, 25), -torch.ones(9, dtype=torch.long)])
    told = neighbour_distances(both, bank, 3, rows)
    torch.testing.assert_close(told, torch.cat([own[20:25], expected]), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("n", "share"), [(5, 1 / 6), (19, 1 / 20), (20, 1 / 21), (60, 3 / 61), (1000, 50 / 1001)])
def test_a_twentieth_of_fresh_normals_lies_above_the_threshold(n: int, share: float) -> None:
    """Where the normals are too few to tell, as few as can be had."""
    rng = np.random.default_rng(0)
    draws = rng.exponential(size=(2000, n))
    flagged = np.mean([np.exp(-threshold(normals)) for normals in draws])  # the chance that a fresh one lies above
    assert flagged == pytest.approx(share, rel=0.05)
    assert share <= max(0.05, 1 / (n + 1))


def test_p_values_are_valid() -> None:
    rng = np.random.default_rng(0)
    calibration, fresh = rng.normal(size=500), rng.normal(size=4000)
    for alpha in (0.01, 0.05, 0.2):
        assert (p_values(fresh, calibration) <= alpha).mean() < alpha + 0.03
    assert p_values(np.array([99.0]), calibration)[0] == pytest.approx(1 / 501)


def test_scale_of_constant_scores_is_of_their_size() -> None:
    assert Scale.of(np.full(10, 4.0))(np.array([4.0, 4.4])).tolist() == pytest.approx([0, 1])


def test_equal_pictures_have_finite_maps(tmp_path: Path) -> None:
    """Whose deviation is 0 at every place."""
    picture = np.zeros((1, 16, 16), np.uint8)
    GanAnomalyDetector(max_images=8, batch_size=4, random_state=0).fit(picture.repeat(5, 0)).save(tmp_path / "m")
    assert np.isfinite(load(tmp_path / "m").anomaly_map(picture)[0]).all()


def test_what_is_transparent_lies_on_white() -> None:
    rng = np.random.default_rng(0)
    colours = rng.integers(0, 256, (12, 16, 16, 3), dtype=np.uint8)
    solid = np.concatenate([colours, np.full_like(colours[..., :1], 255)], 3)
    detector = GanAnomalyDetector(max_images=64, random_state=0).fit(solid)
    assert detector.contract_.channels == 3
    scores = detector.score_samples(colours)
    np.testing.assert_allclose(detector.score_samples(solid), scores)
    clear, white = solid.copy(), np.full_like(colours, 255)
    clear[..., 3] = 0
    np.testing.assert_allclose(detector.score_samples(clear), detector.score_samples(white), rtol=1e-5)


def test_one_picture_too_small_for_tiles_is_named_and_the_others_are_learnt() -> None:
    pictures = [data.brick()[i : i + 64, :80] for i in range(0, 320, 64)] + [data.brick()[:20, :90]]
    detector = GanAnomalyDetector(view="tiles", parts="discriminator", width=8, max_images=16, random_state=0)
    with pytest.raises(DataError, match="picture 5: is 90 x 20 pixels; each side needs 32 at least"):
        detector.fit(pictures)
    with pytest.warns(UserWarning, match="1 pictures were skipped: picture 5"):
        detector.set_params(max_bad=1).fit(pictures)
    table = detector.score_table(pictures)
    assert np.flatnonzero(table["error"]).tolist() == [5]


def test_windows_cover_everything_and_stay_small() -> None:
    covered = np.zeros((1300, 700), int)
    for rows, columns in windows(1300, 700):
        covered[rows, columns] += 1
        assert rows.stop - rows.start <= 512
    assert covered.min() >= 1


RECIPES = {name.split("/")[1] for name in configs.available() if name.startswith("training/")}


@pytest.mark.filterwarnings("ignore::gantools.core.health.HealthWarning")
@pytest.mark.parametrize("recipe", sorted(RECIPES - {"cgan", "projected"}))
def test_every_recipe_by_name(recipe: str, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).random((8, 16, 16), dtype=np.float32)
    bars = np.tile((np.arange(16) % 4 < 2).astype(np.float32), (60, 16, 1))
    bars *= np.random.default_rng(1).uniform(0.6, 1.0, (60, 1, 1)).astype(np.float32)
    detector = GanAnomalyDetector(parts=["discriminator"], trainer=recipe, max_images=640, random_state=0).fit(bars)
    scores = detector.anomaly_score(noise)
    assert scores.mean() > detector.anomaly_score(bars).mean()
    detector.save(tmp_path / "model")
    assert np.array_equal(load(tmp_path / "model").anomaly_score(noise), scores)


def test_some_settings_of_the_trainer_leave_the_others_as_they_suit_the_data() -> None:
    """The default's differ from kind to kind of data; a recipe named among them is what the others are taken from."""
    pictures = np.random.default_rng(0).random((60, 16, 16), dtype=np.float32)
    options = {"parts": ["discriminator"], "max_images": 64, "random_state": 0}

    def scores(trainer: object) -> np.ndarray:
        return GanAnomalyDetector(trainer=trainer, **options).fit(pictures).anomaly_score(pictures)

    default = scores(None)
    np.testing.assert_array_equal(scores({"loss": "non_saturating"}), default)
    assert not np.array_equal(scores({"loss": "hinge"}), default)
    np.testing.assert_array_equal(scores({"recipe": "wgan-gp"}), scores("wgan-gp"))
    with pytest.raises(ConfigError, match=r"no setting 'trainer.los'"):
        scores({"los": "hinge"})


def test_recipes_that_do_not_suit_are_refused_before_training() -> None:
    pictures = np.random.default_rng(0).random((60, 16, 16), dtype=np.float32)
    for recipe, said in (("cgan", "fit with labels"), ("projected", "projected=False")):
        with pytest.raises(ConfigError, match=said):
            GanAnomalyDetector(parts=["discriminator"], trainer=recipe, max_images=64, random_state=0).fit(pictures)


def test_tiles_of_odd_sizes_have_maps_of_their_own_size() -> None:
    rng = np.random.default_rng(0)
    pictures = [rng.random((h, w), dtype=np.float32) for h, w in ((97, 131), (105, 100), (100, 121))]
    detector = GanAnomalyDetector(view="tiles", max_images=16, random_state=0).fit(pictures)
    assert [m.shape for m in detector.anomaly_map(pictures)] == [p.shape for p in pictures]


def test_a_table_without_rows_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_text("a,b\n")
    with pytest.raises(DataError, match=r"empty\.csv: has 0 rows under its header"):
        GanAnomalyDetector().fit(tmp_path / "empty.csv")


def test_a_rows_score_does_not_depend_on_the_rows_beside_it() -> None:
    """Rows in which all categories look like numbers, or none is known, are read as the whole table is."""
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"a": rng.normal(size=60), "code": rng.choice(["1", "2", "x"], 60), "t": rng.random(60) > 0.5})
    detector = GanAnomalyDetector(max_images=256, random_state=0).fit(rows)
    whole = detector.anomaly_score(rows)
    for kept in (rows["code"].isin(["1", "2"]), rows["t"]):
        some = pd.read_csv(io.StringIO(rows[kept].to_csv(index=False)))
        np.testing.assert_allclose(detector.anomaly_score(some), whole[kept], atol=1e-9)
    gaps = rows.assign(code=None)
    np.testing.assert_allclose(
        detector.anomaly_score(gaps), detector.anomaly_score(gaps.assign(code=np.nan)), atol=1e-9
    )


def test_codes_of_a_file_are_as_they_are_written_in_every_file(tmp_path: Path) -> None:
    """Short files, in which all codes look like numbers or truths, are read as the long one was."""
    rng = np.random.default_rng(0)
    codes, states = rng.choice(["007", "010", "A1"], 60), rng.choice(["true", "false", "unknown"], 60)
    rows = pd.DataFrame({"a": rng.normal(size=60), "code": codes, "ok": states})
    rows.to_csv(tmp_path / "all.csv", index=False)
    detector = GanAnomalyDetector(max_images=256, random_state=0).fit(tmp_path / "all.csv")
    assert detector.encoder_.categories == {"code": ["007", "010", "A1"], "ok": ["False", "True", "unknown"]}
    whole = detector.anomaly_score(tmp_path / "all.csv")
    for kept in (rows["code"] != "A1", rows["ok"] != "unknown"):
        rows[kept].to_csv(tmp_path / "some.csv", index=False)
        np.testing.assert_allclose(detector.anomaly_score(tmp_path / "some.csv"), whole[kept], atol=1e-9)
    rows.assign(code=np.where(np.arange(60) % 2, "A1", None)).to_csv(tmp_path / "gaps.csv", index=False)
    gaps = GanAnomalyDetector(max_images=256, random_state=0).fit(tmp_path / "gaps.csv")
    assert gaps.encoder_.categories["code"] == ["A1", "missing"]


def test_numbers_in_small_units_count_and_infinite_texts_are_errors_of_their_rows() -> None:
    rng = np.random.default_rng(0)
    farads = pd.DataFrame({"c": rng.normal(4.7e-12, 5e-13, 80), "b": rng.normal(size=80)})
    detector = GanAnomalyDetector(max_images=512, random_state=0).fit(farads)
    strange = farads.assign(c=5e-11)
    assert detector.anomaly_score(strange).min() > detector.anomaly_score(farads).max()
    table = detector.score_table(pd.DataFrame({"c": ["1e-12", "abc", "inf"], "b": [0.0, 1.0, 2.0]}))
    assert [bool(error) for error in table["error"]] == [False, True, True]
    with pytest.raises(DataError, match="two columns are called 'b'"):
        GanAnomalyDetector().fit(pd.DataFrame(rng.normal(size=(9, 3)), columns=["a", "b", "b"]))
    tensor = torch.from_numpy(rng.normal(size=(60, 3))).requires_grad_()
    fitted = GanAnomalyDetector(max_images=np.int64(256), random_state=0).fit(tensor)
    assert len(fitted.score_table(tensor)) == 60
    assert 0 <= fitted.score(tensor, torch.arange(60) % 2) <= 1


def test_labels_that_are_missing_are_not_taken_for_abnormal() -> None:
    with pytest.raises(DataError, match=r"sample 1 has no label \(2 without\)"):
        abnormal_from_labels(["good", None, "bad", np.nan])
    for labels in (
        ["0", "1"],
        np.array([0, 1], object),
        [False, True],
        ["False", "true"],
        [1, -1],
        ["good", "scratch"],
    ):
        assert abnormal_from_labels(labels).tolist() == [False, True]


def test_a_row_without_a_number_has_its_reason_and_the_others_their_scores() -> None:
    rows = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 3)), columns=list("abc"))
    detector = GanAnomalyDetector(max_images=128, random_state=0).fit(rows)
    spoilt = rows.astype(object)
    spoilt.loc[3, "b"], spoilt.loc[5, "a"] = "n.a?", None
    table = detector.score_table(spoilt)
    assert table.loc[3, "error"] == "column 'b': 'n.a?' is not a number"
    assert (table["error"] != "").sum() == 1
    np.testing.assert_allclose(table["anomaly_score"][6:], detector.anomaly_score(rows)[6:], atol=1e-9)


def test_a_wrong_cell_is_an_error_of_its_row_also_where_columns_have_no_names() -> None:
    detector = GanAnomalyDetector(max_images=128, random_state=0).fit(np.random.default_rng(0).normal(size=(30, 2)))
    table = detector.score_table(pd.DataFrame([[1, "abc"], [1, 2], [0.5, None]]))
    assert "'abc' is not a number" in table["error"][0]
    assert table["error"].tolist()[1:] == ["", ""]
    expected = detector.anomaly_score(np.array([[1.0, 2.0], [0.5, np.nan]]))
    np.testing.assert_allclose(table["anomaly_score"][1:].to_numpy(np.float64), expected)


def test_a_row_alone_is_judged_as_among_others() -> None:
    """Rows that are alike have equal scores to the last digit, which ties with normals of the same kind need."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame({c: rng.choice(list("abc"), 600, p=[0.8, 0.15, 0.05]) for c in "xyz"})
    detector = GanAnomalyDetector(max_images=3200, random_state=0).fit(table)
    some = table.head(40)
    together = detector.p_value(some)
    alone = np.concatenate([detector.p_value(some.iloc[[i]]) for i in range(len(some))])
    np.testing.assert_array_equal(alone, together)
    usual = table[(table == "a").all(axis=1)].head(1)
    assert detector.p_value(usual)[0] > 0.5


def test_a_scale_is_not_of_rounding() -> None:
    normals = np.full(50, 0.3)
    normals[::7] += 1e-16
    assert Scale.of(normals).spread == pytest.approx(0.1)
    assert Scale.of(np.r_[np.zeros(30), 1e-3]).spread == pytest.approx(np.std(np.r_[np.zeros(30), 1e-3]))


def test_heatmaps_know_all_normals_in_whatever_order_they_come() -> None:
    rng = np.random.default_rng(0)
    dark, bright = (np.clip(rng.normal(level, 0.02, (n, 12, 12)), 0, 1) for level, n in ((0.2, 1400), (0.8, 700)))
    fast = GanAnomalyDetector(parts=["discriminator"], max_images=128, random_state=0)
    fast.fit(np.concatenate([dark, bright]).astype(np.float32))
    maps = np.stack(fast.anomaly_map(bright[-64:].astype(np.float32)))
    assert np.median(maps) < 2


@pytest.mark.parametrize("words", [["good ", "bad", " good"], ["Normal", " broken", "normal\t"]])
def test_spaces_around_labels_say_nothing(words: list[str]) -> None:
    assert abnormal_from_labels(words).tolist() == [False, True, False]


def test_what_cannot_be_learnt_is_told(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b, label\n1,2,good\n3,4,bad\n5,6,good\n")
    with pytest.raises(DataError, match=r"t\.csv: the column ' label' has a space in its name"):
        GanAnomalyDetector().fit(tmp_path / "t.csv")
    huge = pd.DataFrame({"a": np.arange(9.0), "b": np.resize([1e160, -1e160, 3e160], 9)})
    with pytest.raises(DataError, match="column 'b' holds numbers too large"):
        GanAnomalyDetector().fit(huge)
    with pytest.raises(ConfigError, match="image_size=24 is too small for tiles; 32 at least"):
        GanAnomalyDetector(view="tiles", image_size=24).fit(np.zeros((5, 40, 40), np.uint8))
