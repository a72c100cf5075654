"""The augmenter: variety, gates, containers, pipelines, and whether it helps."""

from __future__ import annotations

import contextlib
import functools
import json
import warnings
from pathlib import Path
from typing import Any

import imblearn.utils.estimator_checks as imblearn_checks
import numpy as np
import pandas as pd
import pytest
import torch
from imblearn.pipeline import Pipeline as ResamplingPipeline
from PIL import Image
from scipy import sparse
from skimage import data
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris, load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.utils.estimator_checks import check_estimator

from gantools import AugmentedClassifier, GanAugmenter, GanSynthesizer, PictureFlattener, PictureLoader, load
from gantools.errors import ConfigError, DataError, QualityError
from gantools.pipelines.augment.amounts import amounts
from gantools.pipelines.augment.files import Writer
from gantools.pipelines.augment.gates import Gates, _reaches
from gantools.pipelines.augment.usefulness import paired, summary, verdicts
from gantools.pipelines.synthesize.forms import TableForm, joined
from gantools.pipelines.synthesize.writing import folder_name, folders_of, labelled

Digits = tuple[np.ndarray, np.ndarray]


@pytest.fixture(scope="module")
def digits() -> Digits:
    pictures, labels = load_digits(return_X_y=True)
    return np.round(pictures.reshape(-1, 8, 8) * 15.9375).astype(np.uint8), labels


def few(digits: Digits, n: int, classes: tuple[int, ...] = (1, 3, 5)) -> Digits:
    """The first `n` digits of some classes: judging takes as long as there are classes."""
    mine = np.flatnonzero(np.isin(digits[1], classes))[:n]
    return digits[0][mine], digits[1][mine]


def long_tail(digits: Digits, seed: int = 0) -> tuple[Digits, Digits]:
    """100 of each even digit and 12 of each odd one; the others to test on."""
    order = np.random.default_rng(seed).permutation(len(digits[1]))
    train = np.concatenate([order[digits[1][order] == c][: 12 if c % 2 else 100] for c in range(10)])
    test = np.setdiff1d(order, train)
    return (digits[0][train], digits[1][train]), (digits[0][test], digits[1][test])


@pytest.fixture(scope="module")
def fitted(digits: Digits) -> GanAugmenter:
    return GanAugmenter(40, max_images=40_000, random_state=0).fit(*long_tail(digits)[0])


def test_new_samples_are_varied_of_their_class_and_no_copies(fitted: GanAugmenter, digits: Digits) -> None:
    train, test = long_tail(digits)
    quality = fitted.quality_
    assert quality["good"].all()
    assert quality.loc[[0, 2, 4, 6, 8], "spread"].between(0.8, 1.2).all()
    assert quality.loc[[0, 2, 4, 6, 8], "coverage"].mean() > 0.85
    X, y = fitted.sample(40, random_state=1)
    judge = KNeighborsClassifier().fit(test[0].reshape(len(test[0]), -1), test[1])
    assert judge.score(X.reshape(len(X), -1), y) > 0.95
    for c in range(10):
        real, fake = (torch.from_numpy(a[b == c].reshape(-1, 64) / 255.0) for a, b in ((train[0], train[1]), (X, y)))
        usual = torch.cdist(real, real).fill_diagonal_(9).amin(1).min()
        assert torch.cdist(fake, real).amin(1).min() >= usual - 1e-6


@pytest.mark.parametrize("seed", [0, 1])
def test_it_helps_a_classifier_where_classes_are_rare(digits: Digits, seed: int) -> None:
    (X, y), (X_test, y_test) = long_tail(digits, seed)
    scores = {}
    for name, augmenter in (("none", "passthrough"), ("gan", GanAugmenter(max_images=40_000, random_state=seed))):
        model = make_pipeline(
            AugmentedClassifier(make_pipeline(PictureFlattener(), LogisticRegression(max_iter=300)), augmenter)
        )
        scores[name] = balanced_accuracy_score(y_test, model.fit(X, y).predict(X_test))
    assert scores["gan"] > scores["none"] + 0.02


def test_reals_come_first_unchanged_and_classes_get_what_was_asked(digits: Digits, fitted: GanAugmenter) -> None:
    X, y = few(digits, 90)
    quick = GanAugmenter(per_class={3: 7, 5: 0, 1: 0}, max_images=256, random_state=0)
    more, labels = quick.fit_resample(X, y)
    np.testing.assert_array_equal(more[:90], X)
    np.testing.assert_array_equal(labels[:90], y)
    assert more.dtype == X.dtype
    assert labels[90:].tolist() == [3] * 7
    balanced = clone(quick).set_params(per_class=None).fit_resample(X, y)[1]
    assert len(set(np.bincount(balanced)) - {0}) == 1
    sized = clone(quick).set_params(per_class=None, sampling_strategy={1: 60}).fit_resample(X, y)[1]
    assert (sized == 1).sum() == 60
    texts = clone(quick).set_params(per_class=2).fit_resample(list(X), [f"digit {v}" for v in y])
    assert isinstance(texts[0], list)
    assert isinstance(texts[1], list)
    assert len(texts[0]) == 96
    tensor = clone(quick).set_params(per_class=1).fit_resample(torch.from_numpy(X), torch.from_numpy(y))
    assert tensor[0].shape == (93, 8, 8)
    assert tensor[0].dtype == torch.uint8
    first, second = (fitted.sample(3, random_state=2)[0] for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_rows_that_are_repeated_are_the_very_rows(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=1500).round(2), "n": rng.integers(2**53, 2**60, 1500)})
    frame = frame.assign(gap=np.resize([0.1, np.nan], 1500), kind=np.resize(["a", "b", "c"], 1500))
    y = np.resize([0, 1, -1, 7], 1500)
    augmenter = GanAugmenter(40, min_class_size=2000, random_state=0)
    made, labels = augmenter.fit(frame, y).sample(random_state=1)
    rows = {label: set(frame[y == label].fillna(-1).itertuples(index=False, name=None)) for label in (0, 1, 7)}
    for row, label in zip(made.fillna(-1).itertuples(index=False, name=None), labels, strict=True):
        assert row in rows[label]
    more, _ = augmenter.fit_resample(frame, y)
    assert more.dtypes.tolist() == frame.dtypes.tolist()
    assert len(more.drop_duplicates()) == 1500
    augmenter.save(tmp_path / "m")
    pd.testing.assert_frame_equal(load(tmp_path / "m").sample(random_state=1)[0], made, check_exact=True)
    values = frame[["x", "n"]].to_numpy()
    assert len(np.unique(augmenter.fit_resample(values, y)[0], axis=0)) == 1500


def test_tables_with_categories(tmp_path: Path) -> None:
    frame, y = load_wine(return_X_y=True, as_frame=True)
    frame = frame.assign(cork=np.where(np.arange(178) % 2, "yes", "no"))
    augmenter = GanAugmenter(10, max_images=6000, random_state=0)
    more, labels = augmenter.fit_resample(frame, y)
    pd.testing.assert_frame_equal(more.iloc[:178], frame)
    assert more.dtypes.tolist() == frame.dtypes.tolist()
    assert isinstance(labels, pd.Series)
    assert labels.name == y.name
    assert set(more["cork"]) == {"yes", "no"}
    augmenter.save(tmp_path / "m")
    pd.testing.assert_frame_equal(
        load(tmp_path / "m").sample(4, random_state=1)[0], augmenter.sample(4, random_state=1)[0]
    )


def test_paths_give_paths(digits: Digits, tmp_path: Path) -> None:
    X, y = few(digits, 60)
    paths = []
    for i, picture in enumerate(X):
        paths.append(str(tmp_path / f"{i}.png"))
        Image.fromarray(picture).save(paths[-1])
    quick = GanAugmenter(1, max_images=128, min_class_size=3, random_state=0)
    with pytest.raises(ConfigError, match=r"set folder=.*PictureLoader"):
        quick.fit_resample(paths, y)
    more, _ = quick.set_params(folder=tmp_path / "new").fit_resample(paths, y)
    assert more[:60] == paths
    assert len(more) == 63
    assert np.asarray(Image.open(more[-1])).shape == (8, 8)
    pipeline = ResamplingPipeline(
        [
            ("load", PictureLoader(channels=1)),
            ("augment", clone(quick).set_params(folder=None)),
            ("flat", PictureFlattener()),
            ("classify", LogisticRegression()),
        ]
    )
    assert pipeline.fit(paths, y).score(paths, y) > 0.9


def test_what_lies_beside_paths_keeps_its_values_and_new_pictures_have_none(digits: Digits, tmp_path: Path) -> None:
    X, y = few(digits, 12)
    for i, picture in enumerate(X):
        Image.fromarray(picture).save(tmp_path / f"{i}.png")
    frame = pd.DataFrame({"patient": 2**60 + np.arange(12), "path": [str(tmp_path / f"{i}.png") for i in range(12)]})
    frame = frame.assign(left=np.arange(12) % 2 == 0, dose=np.float32(0.1), site=pd.Categorical(["a", "b"] * 6))
    more, _ = GanAugmenter(1, min_class_size=100, folder=tmp_path / "new", random_state=0).fit_resample(frame, y)
    assert len(more) == 15
    assert more.columns.tolist() == frame.columns.tolist()
    pd.testing.assert_frame_equal(more.head(12).astype(frame.dtypes), frame)
    assert more.dtypes.astype(str).tolist() == ["Int64", str(frame["path"].dtype), "boolean", "float32", "category"]
    assert more.drop(columns="path").tail(3).isna().all(axis=None)


def test_new_paths_join_paths_that_are_categories() -> None:
    frame = pd.DataFrame({"path": pd.Categorical(["a.png", "b.png"]), "site": pd.Categorical(["x", "y"])})
    more = joined(frame, ["new.png"])
    assert more["path"].tolist() == ["a.png", "b.png", "new.png"]
    assert more["site"].isna().tolist() == [False, False, True]


def test_pipelines_grids_and_memory(digits: Digits, tmp_path: Path) -> None:
    X, y = few(digits, 90)
    augmenter = GanAugmenter(2, max_images=128, random_state=0)
    steps = [("augment", augmenter), ("flat", PictureFlattener()), ("classify", LogisticRegression(max_iter=200))]
    inside = ResamplingPipeline(steps, memory=str(tmp_path))
    grid = GridSearchCV(inside, {"augment": ["passthrough", augmenter], "classify__C": [0.1, 1.0]}, cv=2)
    grid.fit(X, y)
    assert grid.cv_results_["mean_test_score"].min() > 0.7
    seen = [m.shape[0] for m in (inside.fit(X, y)[:1].fit_resample(X, y)[0],)]
    assert seen == [96]
    last = Pipeline([("flat", PictureFlattener()), ("classify", AugmentedClassifier(LogisticRegression(), augmenter))])
    assert cross_val_score(last, X, y, cv=2).mean() > 0.7


def test_as_a_step_of_the_wrong_pipeline_it_says_what_to_do(digits: Digits) -> None:
    wrong = Pipeline([("augment", GanAugmenter()), ("classify", LogisticRegression())])
    with pytest.raises(TypeError, match=r"imblearn.pipeline.Pipeline.*AugmentedClassifier\(classifier"):
        wrong.fit(*digits)
    with pytest.raises(AttributeError, match="no transform"):
        GanAugmenter().transform(digits[0])
    assert not hasattr(GanAugmenter(), "transform")
    assert not hasattr(GanAugmenter(), "fit_transform")


def test_small_classes_are_augmented_classically_and_it_is_said(digits: Digits) -> None:
    X, y = (a[:120] for a in digits)
    keep = np.r_[np.flatnonzero(y != 3), np.flatnonzero(y == 3)[:4]]
    with pytest.warns(UserWarning, match="fewer than min_class_size=6 samples: 3"):
        augmenter = GanAugmenter(5, min_class_size=6, max_images=256, random_state=0).fit(X[keep], y[keep])
    assert augmenter.quality_["method"].to_dict() == {c: "classical" if c == 3 else "gan" for c in range(10)}
    made, labels = augmenter.sample(random_state=0)
    assert (labels == 3).sum() == 5
    assert not (made[labels == 3][:, None] == X[y == 3][None]).all((2, 3)).any()


def test_low_quality_is_acted_on(digits: Digits) -> None:
    X, y = few(digits, 90)
    settings: dict[str, Any] = {"max_images": 128, "min_spread": 5.0, "random_state": 0}
    with pytest.raises(QualityError, match=r"class 1: spread .* \(least 5\)"):
        GanAugmenter(1, on_low_quality="error", **settings).fit(X, y)
    with pytest.warns(UserWarning, match="these are augmented classically"):
        fallen = GanAugmenter(1, on_low_quality="fallback", **settings).fit(X, y)
    assert (fallen.quality_["method"] == "classical").all()
    assert fallen.sample()[0].shape == (3, 8, 8)


def test_a_class_of_which_too_few_pass_to_be_measured_is_told_so() -> None:
    row = pd.Series({"passed": 0.06, "agrees": 0.1, "copies": 0.5, "spread": np.nan, "coverage": np.nan})
    words = GanAugmenter()._shortfall(row)
    assert words.startswith("6% of them pass the gates")
    assert words.endswith("too few to tell how varied they are")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"max_images": 500}, r"synthesizer\.max_images does nothing here: set .* GanAugmenter\(max_images="),
        ({"trainer": "spread"}, "synthesizer.trainer"),
        ({"log": "here.jsonl"}, "synthesizer.log"),
        ({"novelty": 0.7}, "synthesizer.novelty .* settles it class by class"),
    ],
)
def test_settings_of_the_synthesizer_that_would_do_nothing_are_refused(
    digits: Digits, settings: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        GanAugmenter(1, synthesizer=GanSynthesizer(**settings)).fit(*few(digits, 90))


def test_saved_and_loaded_makes_the_same(fitted: GanAugmenter, tmp_path: Path) -> None:
    fitted.save(tmp_path / "m")
    loaded = load(tmp_path / "m")
    for ours, theirs in zip(fitted.sample(4, random_state=3), loaded.sample(4, random_state=3), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    pd.testing.assert_frame_equal(loaded.quality_, fitted.quality_, check_dtype=False)
    assert loaded.quality_["spread"].dtype == np.float64
    assert loaded.names_ == fitted.names_
    nested = GanAugmenter({1: 2, 4: 1}, synthesizer=GanSynthesizer(latent=8), max_images=64, random_state=0)
    shown = nested.fit(*(np.repeat(a[:40], 2, 0) for a in load_digits(return_X_y=True)))
    shown.save(tmp_path / "n")
    again = load(tmp_path / "n")
    assert again.per_class == {1: 2, 4: 1}
    assert again.synthesizer.latent == 8


@pytest.mark.parametrize("recipe", ["cgan", "projected"])
def test_models_of_every_kind_of_discriminator_are_loaded_again(digits: Digits, tmp_path: Path, recipe: str) -> None:
    options = {"max_images": 128, "batch_size": 16, "random_state": 0}
    synthesizer = GanSynthesizer(perceptual=0, width=8)
    fitted = GanAugmenter(2, synthesizer=synthesizer, trainer=recipe, **options).fit(*few(digits, 90))
    fitted.save(tmp_path / "m")
    np.testing.assert_array_equal(load(tmp_path / "m").sample(random_state=1)[0], fitted.sample(random_state=1)[0])


def test_a_perfect_generator_of_a_large_class_is_called_good() -> None:
    """Judged by 200 new samples, however many reals there are."""
    X = np.random.default_rng(0).normal(size=(6200, 4))
    labels = torch.from_numpy(np.arange(6000) % 2)
    form = TableForm.of(X)
    reals, fresh = form.tensors(X[:6000]), form.tensors(X[6000:])
    gates = Gates.of(reals, torch.zeros(6000, 1), labels, torch.arange(6000), form, 0.0)
    spread, coverage = gates.variety(fresh, 1, form)
    assert spread == pytest.approx(1, abs=0.1)
    assert coverage == pytest.approx(1, abs=0.1)
    twice = torch.cat([reals[:100], reals[:100]]).repeat(1, 4)
    assert _reaches(twice, torch.zeros(200, dtype=torch.int64), 1).sum() == 0
    copied = gates.judge(reals[1::2][:200], torch.zeros(200, 1), 1, torch.zeros(200), form).copied
    assert copied.all()


def test_rows_of_few_categories_are_no_copies_for_being_equal() -> None:
    rng = np.random.default_rng(0)
    X = rng.integers(0, 5, (700, 3)).astype(float)
    form = TableForm.of(X)
    reals, fresh = form.tensors(X[:500]), form.tensors(X[500:])
    labels = torch.arange(500) % 2
    gates = Gates.of(reals, torch.zeros(500, 1), labels, torch.arange(500), form, 0.0)
    verdict = gates.judge(fresh, torch.zeros(200, 1), 1, torch.zeros(200), form)
    assert verdict.copied.float().mean() < 0.1
    assert verdict.distance.max() < 10


def test_reals_too_many_to_be_saved_are_told_before_training(digits: Digits, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gantools.pipelines.augment.augmenter.LARGEST_WEIGHTS", 100 * 4 * (64 + 304))
    with pytest.warns(UserWarning, match="of 120 of this size cannot be saved: take 100 at most"):
        GanAugmenter(1, max_images=16).fit(digits[0][:120], digits[1][:120])


def test_coverage_does_not_go_by_the_order_of_the_reals() -> None:
    """As of photographs that are sorted by where they were taken."""
    rng = np.random.default_rng(0)
    places = rng.normal(size=(10, 4)) * 20
    X = np.concatenate([place + rng.normal(size=(400, 4)) for place in places])
    form = TableForm.of(X)
    labels = torch.arange(4000) % 2
    gates = Gates.of(form.tensors(X), torch.zeros(4000, 1), labels, torch.arange(4000), form, 0.0)
    fresh = form.tensors(places[np.arange(200) % 10] + rng.normal(size=(200, 4)))
    assert gates.variety(fresh, 0, form)[1] == pytest.approx(1, abs=0.15)


def test_the_policy_is_a_file_that_can_be_edited(digits: Digits, tmp_path: Path) -> None:
    policy = tmp_path / "mine.yaml"
    policy.write_text(
        "transform:\n  __class_fullname__: Compose\n  transforms:\n    - __class_fullname__: InvertImg\n      p: 1.0\n"
    )
    X, y = (a[:40] for a in digits)
    made, _ = GanAugmenter(3, min_class_size=1000, policy=str(policy), random_state=0).fit(X, y).sample()
    assert (made[:, None] == 255 - X[None]).all((2, 3)).any(1).all()
    policy.write_text("transform:\n  __class_fullname__: Compose\n  transforms:\n    - __class_fullname__: Nonsense\n")
    with pytest.raises(ConfigError, match="Nonsense"):
        GanAugmenter(policy=str(policy)).fit(X, y)


def test_unlabelled_samples_are_no_class_of_the_classifiers(digits: Digits) -> None:
    X, y = digits[0][:200].reshape(200, -1) / 255, digits[1][:200].copy()
    y[150:] = -1
    model = AugmentedClassifier(LogisticRegression(max_iter=200), GanAugmenter(1, max_images=128, random_state=0))
    assert -1 not in model.fit(X, y).classes_


def test_paths_in_every_container(digits: Digits, tmp_path: Path) -> None:
    X, y = few(digits, 40)
    paths = []
    for i, picture in enumerate(X):
        paths.append(str(tmp_path / f"{i}.png"))
        Image.fromarray(picture).save(paths[-1])
    quick = GanAugmenter(1, max_images=64, min_class_size=3, folder=tmp_path / "a much longer name", random_state=0)
    containers = (np.asarray(paths), np.asarray(paths, dtype=object), pd.Series(paths), pd.DataFrame({"path": paths}))
    for container in containers:
        more, _ = quick.fit_resample(container, y)
        assert type(more) is type(container)
        last = more["path"].iloc[-1] if isinstance(more, pd.DataFrame) else list(more)[-1]
        assert Path(last).is_file()
    assert len(list((tmp_path / "a much longer name").iterdir())) == 3  # the same samples have the same names
    with pytest.raises(ConfigError, match="give the list of files"):
        quick.fit_resample(str(tmp_path), y)


def test_categorical_columns_and_names_that_are_no_texts() -> None:
    frame, y = load_wine(return_X_y=True, as_frame=True)
    levels = pd.Categorical(np.where(np.arange(178) % 2, "low", "high"), ["low", "high", "never"], ordered=True)
    frame = frame.iloc[:, :3].set_axis([0, 1, 2], axis=1).assign(level=levels)
    made, labels = GanAugmenter(4, max_images=640, random_state=0).fit(frame, y == 1).sample()
    assert made.columns.tolist() == [0, 1, 2, "level"]
    assert made["level"].dtype == frame["level"].dtype
    assert labels.dtype == bool
    with pytest.raises(DataError, match="'when' holds Timestamp"):
        GanAugmenter(1).fit(frame.assign(when=pd.Categorical([pd.Timestamp("2020-01-01")] * 178)), y)


def test_evaluation_takes_the_users_own_labels(digits: Digits) -> None:
    X, y = few(digits, 90)
    y = np.array([f"digit {v}" for v in y])
    quick = GanAugmenter({"digit 3": 4}, max_images=128, random_state=0)
    figures = quick.evaluate(X, y, {"neighbours": KNeighborsClassifier()}, n_splits=2)
    assert "recall digit 3" in figures
    with pytest.raises(ConfigError, match="no new samples are asked for"):
        clone(quick).set_params(per_class={"digit 3": 0}).evaluate(X, y, n_splits=2)


def test_what_is_no_class_and_no_table_is_told_with_a_way_out(tmp_path: Path) -> None:
    X, y = load_iris(return_X_y=True)
    with pytest.raises(DataError, match=r"0\.5 is a fraction; make labels texts"):
        GanAugmenter().fit(X, y + 0.5)
    pd.DataFrame(X).to_csv(tmp_path / "rows.csv", index=False)
    for estimator in (GanAugmenter(), GanSynthesizer()):
        with pytest.raises(DataError, match=r"rows\.csv is a table; give its rows as a DataFrame"):
            estimator.fit(str(tmp_path / "rows.csv"), y)
    dated = pd.DataFrame(X, columns=pd.date_range("2020-01-01", periods=4))
    with pytest.raises(DataError, match="is named by a Timestamp"):
        GanSynthesizer().fit(dated)


def test_folds_in_which_nothing_would_be_made_are_refused_before_any_training() -> None:
    X, y = load_iris(return_X_y=True)
    with pytest.raises(ConfigError, match="in one of the folds"):
        GanAugmenter(max_images=64).evaluate(X[1:], y[1:], n_splits=5)


def test_evaluation_takes_what_fitting_takes(digits: Digits, tmp_path: Path) -> None:
    """One unreadable picture of thirty, which is more than a tenth of a fold, and labels in a frame."""
    X, y = few(digits, 30, (1, 3))
    for i, picture in enumerate(X):
        Image.fromarray(picture).save(tmp_path / f"{i:02d}.png")
    (tmp_path / "07.png").write_text("no picture")
    paths = sorted(map(str, tmp_path.glob("*.png")))
    quick = GanAugmenter(2, max_images=64, random_state=0)
    with pytest.warns(UserWarning, match="07.png"):
        figures = quick.evaluate(paths, pd.DataFrame({"class": y}), {"near": KNeighborsClassifier(1)}, n_splits=5)
    assert figures["fold"].nunique() == 5
    with pytest.raises(DataError, match="30 samples and 29 labels"):
        quick.evaluate(paths, y[:29], n_splits=5)
    with pytest.raises(DataError, match="cannot be used"):
        clone(quick).set_params(max_bad=0).evaluate(paths, y, n_splits=5)


def test_pictures_in_an_object_array_and_labels_of_a_column_a_class(digits: Digits) -> None:
    X, y = few(digits, 60, (1, 3))
    holder = np.empty(60, dtype=object)
    holder[:] = list(X)
    hot = pd.get_dummies(pd.Series(y)).astype("uint8").assign(never=np.uint8(0))
    quick = GanAugmenter(3, max_images=64, random_state=0)
    more, labels = quick.fit_resample(holder, hot)
    assert more.shape == (66,)
    assert more[-1].shape == (8, 8)
    assert labels.shape == (66, 3)
    assert (labels.dtypes == hot.dtypes).all()
    pd.testing.assert_frame_equal(labels.iloc[:60], hot)
    assert labels.iloc[60:].sum().tolist() == [3, 3, 0]
    assert quick.fit_resample(X, hot.to_numpy())[1].shape == (66, 3)


def test_a_model_without_a_generator_is_saved_with_its_policy(digits: Digits, tmp_path: Path) -> None:
    policy = tmp_path / "mine.yaml"
    flip = {"__class_fullname__": "HorizontalFlip", "p": 1.0}
    policy.write_text(json.dumps({"transform": {"__class_fullname__": "Compose", "transforms": [flip]}}))
    plain = GanAugmenter(2, min_class_size=1000, policy=str(policy), random_state=0).fit(digits[0][:40], digits[1][:40])
    plain.save(tmp_path / "m")
    policy.unlink()
    loaded = load(tmp_path / "m")
    np.testing.assert_array_equal(loaded.sample(random_state=1)[0], plain.sample(random_state=1)[0])


def test_amounts_and_mistakes(digits: Digits) -> None:
    classes, numbers = np.array(["a", "b"]), np.array([0, 0, 0, 1, -1])
    assert amounts(None, None, classes, numbers).tolist() == [0, 2]
    assert amounts(5, None, classes, numbers).tolist() == [5, 5]
    assert amounts({"b": 1}, None, classes, numbers).tolist() == [0, 1]
    with pytest.raises(ConfigError, match="give one of them"):
        amounts(5, "auto", classes, numbers)
    with pytest.raises(ConfigError, match="'c', which is no class; there are a, b"):
        amounts({"c": 1}, None, classes, numbers)
    with pytest.raises(ConfigError, match="whole number"):
        amounts({"a": 1.5}, None, classes, numbers)
    with pytest.raises(DataError, match="one class only"):
        GanAugmenter().fit(digits[0][:20], np.zeros(20, int))


def test_usefulness_is_measured_honestly(digits: Digits) -> None:
    X, y = few(long_tail(digits)[0], 250, (2, 3, 4, 6))
    figures = GanAugmenter(5, max_images=640, random_state=0).evaluate(
        X, y, {"neighbours": KNeighborsClassifier(), "linear": LogisticRegression(max_iter=100)}, n_splits=3
    )
    methods = {"none", "class weights", "random oversampling", "SMOTE", "albumentations", "GAN"}
    assert set(figures["method"]) == methods | {"GAN + albumentations", "synthetic only"}
    assert set(figures.loc[figures["classifier"] == "neighbours", "method"]) == set(figures["method"]) - {
        "class weights"
    }
    assert figures.groupby(["classifier", "method"])["fold"].nunique().eq(3).all()
    assert figures["recall 3"].between(0, 1).all()
    assert summary(figures).loc[("linear", "none"), "balanced_accuracy"] > 0.6
    said = verdicts(figures)
    assert set(said["verdict"]) <= {"helps", "no evidence", "hurts"}
    assert said["classical"].between(0, 1).all()
    assert figures.loc[figures["method"] == "SMOTE", "classical"].isna().all()
    with pytest.raises(ConfigError, match="no new samples are asked for"):
        GanAugmenter().evaluate(X[:12], np.arange(12) % 2, n_splits=2)
    with pytest.raises(DataError, match="class 1 has 2 samples, too few for 3 folds"):
        GanAugmenter(5).evaluate(X[:12], np.array([0] * 10 + [1] * 2), n_splits=3)


@pytest.mark.filterwarnings("ignore:augmented classically")
def test_usefulness_says_what_was_made_classically(digits: Digits) -> None:
    X, y = digits[0][:60], digits[1][:60] % 2
    augmenter = GanAugmenter(5, min_class_size=1000, random_state=0)
    figures = augmenter.evaluate(X, y, {"neighbours": KNeighborsClassifier()}, n_splits=2)
    assert verdicts(figures)["classical"].eq(1).all()


def test_intervals_of_paired_differences() -> None:
    from scipy import stats

    differences = np.random.default_rng(0).normal(0.1, 0.05, 8)
    expected = stats.ttest_1samp(differences, 0).confidence_interval()
    assert paired(differences)[1:] == pytest.approx((expected.low, expected.high))
    assert paired(differences).low > 0
    assert paired(differences, overlap=10.0).low < 0


def test_a_small_class_of_which_hardly_any_pass_falls_short(digits: Digits) -> None:
    X, y = few(digits, 36, (1, 8, 9))
    augmenter = GanAugmenter(5, max_images=64, random_state=0)
    with pytest.warns(UserWarning, match="of them pass the gates"):
        augmenter.fit(X, y)
    assert augmenter.quality_["n_real"].max() < 20
    assert augmenter.quality_["good"].eq(False).any()


class Interrupted(Writer):
    """Is interrupted when a file is written and not yet in the manifest, the fourth time."""

    written = 0

    def _list(self, target: Path, lines: list[tuple[Any, ...]]) -> None:
        self.written += 1
        if self.written == 4:
            raise KeyboardInterrupt
        super()._list(target, lines)


@pytest.mark.parametrize("suffix", ["png", "npz"])
def test_an_interrupted_writer_lists_what_is_there(fitted: GanAugmenter, tmp_path: Path, suffix: str) -> None:
    writer = Interrupted(tmp_path, suffix, fitted.names_, {c: f"digit {c}" for c in range(10)})
    if suffix == "npz":
        writer.written = 3
    with contextlib.suppress(KeyboardInterrupt), writer.writing():
        for made in fitted.makes({0: 3, 1: 4}, 0):
            writer.made(made, made.label, fitted.maker_)
    listed = pd.read_csv(tmp_path / "manifest.csv")["path"]
    assert {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.*") if p.is_file()} == {
        *listed,
        "manifest.csv",
    }
    assert len(listed) == (3 if suffix == "png" else 0)


def test_an_interrupted_table_is_listed_row_by_row(tmp_path: Path) -> None:
    writer = Interrupted(tmp_path, "png", [], {})
    rows = pd.DataFrame({"size": [1, 2], "colour": ["red", "blue"]})
    with contextlib.suppress(KeyboardInterrupt), writer.writing():
        for _ in range(9):
            writer.real_rows(rows, ["a", "b"])
    table, listed = (pd.read_csv(tmp_path / name) for name in ("samples.csv", "manifest.csv"))
    assert table["label"].tolist() == listed["label"].tolist() == ["a", "b"] * 3
    assert table["size"].tolist() == [1, 2] * 3


def test_packed_pictures_that_are_interrupted_are_all_there(fitted: GanAugmenter, tmp_path: Path) -> None:
    writer = Writer(tmp_path, "npz", fitted.names_, {})
    with contextlib.suppress(KeyboardInterrupt), writer.writing():
        for made in fitted.makes({0: 3, 1: 4}, 0):
            writer.made(made, made.label, fitted.maker_)
            if made.label == 1:
                raise KeyboardInterrupt
    packed, listed = np.load(tmp_path / "images.npz"), pd.read_csv(tmp_path / "manifest.csv")
    assert packed["images"].shape == (7, 8, 8)
    assert packed["labels"].tolist() == listed["label"].tolist()


def test_real_pictures_are_copied_as_they_are_seen(tmp_path: Path) -> None:
    picture = np.zeros((8, 6, 4), np.uint8)
    picture[:4, :, 0], picture[:4, :, 3] = 255, 255
    Image.fromarray(picture).save(tmp_path / "clear.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(picture[..., :3]).save(tmp_path / "aside.jpg", exif=exif)
    Image.fromarray(picture[..., :3]).save(tmp_path / "plain.jpg")
    (tmp_path / "out").mkdir()
    writer = Writer(tmp_path / "out", "png", [], {"a": "a"})
    with writer.writing():
        for name in ("clear.png", "aside.jpg", "plain.jpg"):
            writer.real(str(tmp_path / name), "a")
    clear, aside, plain = sorted((tmp_path / "out" / "a").iterdir())
    assert np.asarray(Image.open(clear))[[0, -1], 0].tolist() == [[255, 0, 0], [255, 255, 255]]
    assert (aside.suffix, Image.open(aside).size) == (".png", (8, 6))
    assert plain.read_bytes() == (tmp_path / "plain.jpg").read_bytes()
    small = Writer(tmp_path / "out", "png", [], {"a": "a"}, max_megapixels=4e-5)
    for name in ("clear.png", "plain.jpg"):
        with pytest.raises(DataError, match=f"{name}.* limit of 4e-05 megapixels"):
            small.real(str(tmp_path / name), "a")


def test_helping_is_being_better_than_every_baseline() -> None:
    def figures(**methods: list[float]) -> pd.DataFrame:
        rows = [
            {"classifier": "c", "method": m.replace("_", " "), "fold": k, "balanced_accuracy": v}
            for m, values in methods.items()
            for k, v in enumerate(values)
        ]
        return pd.DataFrame(rows)

    clear = verdicts(figures(none=[0.5, 0.51, 0.5], SMOTE=[0.6, 0.61, 0.6], GAN=[0.7, 0.71, 0.7])).iloc[0]
    assert (clear["verdict"], clear["beside"]) == ("helps", "SMOTE")
    unsteady = verdicts(figures(none=[0.2, 0.9, 0.5], SMOTE=[0.6, 0.61, 0.6], GAN=[0.7, 0.71, 0.7])).iloc[0]
    assert (unsteady["verdict"], unsteady["beside"]) == ("no evidence", "SMOTE")
    behind = verdicts(figures(none=[0.5, 0.51, 0.5], SMOTE=[0.8, 0.81, 0.8], GAN=[0.7, 0.71, 0.7])).iloc[0]
    assert (behind["verdict"], behind["beside"]) == ("no evidence", "SMOTE")
    assert behind["high"] < 0
    worse = verdicts(figures(none=[0.8, 0.81, 0.8], SMOTE=[0.6, 0.61, 0.6], GAN=[0.7, 0.71, 0.7])).iloc[0]
    assert (worse["verdict"], worse["beside"]) == ("hurts", "none")


def test_estimator_checks() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check_estimator(GanAugmenter(max_images=128, random_state=0))
        classifier = AugmentedClassifier(LogisticRegression(), GanAugmenter(max_images=128, random_state=0))
        check_estimator(classifier)


def _imblearn_checks() -> list[Any]:
    return list(imblearn_checks._yield_all_checks(GanAugmenter()))


@pytest.mark.parametrize("check", _imblearn_checks(), ids=lambda c: getattr(c, "func", c).__name__)
@pytest.mark.filterwarnings("ignore")
def test_imbalanced_learns_estimator_checks(check: functools.partial[None]) -> None:
    check("GanAugmenter", GanAugmenter(max_images=128, random_state=0))


def test_projected_features_judge_the_augmenter_too() -> None:
    camera = data.camera()
    pictures = np.stack([camera[i : i + 96 : 4, i : i + 96 : 4] for i in range(0, 400, 5)])
    synthesizer = GanSynthesizer(perceptual=0, width=8)
    augmenter = GanAugmenter(
        per_class=3, synthesizer=synthesizer, trainer="projected", max_images=128, batch_size=16, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made, labels = augmenter.fit(pictures, np.arange(80) % 2).sample()
    assert made.shape == (6, 24, 24)
    assert labels.tolist() == [0, 0, 0, 1, 1, 1]


def test_pictures_in_any_container_are_flattened_and_tables_pass_as_they_are() -> None:
    pictures = list(np.arange(24, dtype=np.uint8).reshape(2, 3, 4))
    filled = np.empty(2, dtype=object)
    filled[:] = pictures
    for container in (pictures, filled, pd.Series(pictures), np.stack(pictures)):
        rows = PictureFlattener().fit_transform(container)
        np.testing.assert_allclose(rows, np.arange(24).reshape(2, 12) / 255, rtol=1e-6)
    with pytest.raises(DataError, match="differ in size"):
        PictureFlattener().fit_transform(pd.Series([pictures[0], pictures[1][:2]]))
    for table in (pd.DataFrame({"a": [1, 2]}), sparse.csr_matrix(np.eye(2))):
        assert PictureFlattener().fit_transform(table) is table


def test_strategies_that_cannot_be_are_told_with_those_that_can() -> None:
    classes, numbers = np.array(["a", "b"]), np.array([0, 0, 0, 1])
    with pytest.raises(ConfigError, match="'bad' is not known; choose from auto, not majority, minority"):
        amounts(None, "bad", classes, numbers)
    with pytest.raises(ConfigError, match=r"sampling_strategy=\{'a': 2\}: "):
        amounts(None, {"a": 2}, classes, numbers)


def test_names_of_folders_are_no_longer_than_file_systems_take() -> None:
    name = folder_name("ü" * 300)
    assert name == "ü" * 100
    with pytest.raises(ConfigError, match="would share the folder"):
        folders_of(["x" * 300, "x" * 301])


def test_a_feature_called_label_is_not_lost() -> None:
    rows = pd.DataFrame({"label": [0.5, 1.5], "b": [1, 2]}, index=[4, 7])
    assert labelled(rows, ["x", "y"]).to_dict("list") == {"label": [0.5, 1.5], "b": [1, 2], "class": ["x", "y"]}
    assert labelled(rows[["b"]], ["x", "y"])["label"].tolist() == ["x", "y"]


def test_large_numbers_without_a_sign_are_repeated_to_the_last_digit(tmp_path: Path) -> None:
    rows = pd.DataFrame({"id": np.uint64(2**63 + 5) + np.arange(30, dtype=np.uint64), "x": np.arange(30.0)})
    augmenter = GanAugmenter(per_class=4, min_class_size=100, max_images=64, random_state=0).fit(rows, [0, 1] * 15)
    augmenter.save(tmp_path / "m")
    made = [a.sample(random_state=0)[0]["id"].tolist() for a in (augmenter, load(tmp_path / "m"))]
    assert made[0] == made[1]
    assert set(made[0]) <= set(rows["id"].tolist())
