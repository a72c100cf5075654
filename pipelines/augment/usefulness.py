"""Do the new samples help? The honest protocol, beside what a user would have picked instead.

In every fold the GAN is fitted anew, on that fold's training samples alone, and only real samples are tested on.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from imblearn.over_sampling import SMOTE, RandomOverSampler
from numpy.typing import NDArray
from scipy import stats
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, recall_score
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _num_samples
from torch import Tensor

from gantools.data.sources import open_pictures
from gantools.data.standard import allowance
from gantools.errors import ConfigError, DataError
from gantools.pipelines.augment.amounts import amounts, check_any
from gantools.pipelines.augment.making import Made, Maker
from gantools.pipelines.synthesize.forms import PictureForm
from gantools.pipelines.synthesize.labels import as_labels, numbered

BASELINES = ("none", "class weights", "random oversampling", "SMOTE", "albumentations")
OURS = ("GAN", "GAN + albumentations")
SYNTHETIC_ONLY = "synthetic only"
_LEVEL = 0.95
_SMOTE_NEIGHBOURS = 5


class Sides(NamedTuple):
    """What a classifier is fitted on, as rows of numbers, and the labels' numbers."""

    X: NDArray[np.float32]
    y: NDArray[np.int64]


class Fold(NamedTuple):
    """One fold: the training samples as they are and as every method augments them, and the seconds that took.

    `classical` is the share of the GAN's new samples that the gates left to classical augmentation.
    """

    train: Sides
    test: Sides
    augmented: dict[str, Sides]
    seconds: dict[str, float]
    classical: float


def default_classifiers() -> dict[str, Any]:
    """What usefulness is judged with where the user names nothing else."""
    return {
        "logistic regression": LogisticRegression(max_iter=300),
        "SVC": make_pipeline(StandardScaler(with_std=False), SVC(C=10)),
    }


def evaluate(
    augmenter: Any,
    X: Any,
    y: Any,
    classifiers: dict[str, Any] | None = None,
    n_splits: int = 5,
    seed: int = 0,
    advance: Callable[[float], None] = lambda fraction: None,
) -> pd.DataFrame:
    """Every method's figures in every fold.

    Parameters
    ----------
    augmenter : GanAugmenter
        Fitted anew, as a clone, in every fold.
    X, y
        As of `GanAugmenter.fit`; not a folder.
    classifiers : dict of str to classifier, or None
        Judged with; None for logistic regression and a support vector machine.
    n_splits : int
        Folds.
    seed : int
        Of the folds.
    advance : Callable
        Told the share that is done.

    Returns
    -------
    DataFrame
        One row for each fold, method and classifier: `fold`, `classifier`, `method`, `balanced_accuracy`, `seconds`
        (of augmenting and fitting), `classical` (the share of the GAN's new samples that are made classically, because
        too few pass the gates or the class is too small; NaN for other methods) and `recall <label>` of every class.

    Raises
    ------
    DataError
        When a class has fewer samples than there are folds.
    ConfigError
        When no new samples are asked for, or none would be made in one of the folds.
    """
    labels = as_labels(y)
    classes, numbers = numbered(labels, _num_samples(X))
    known = np.flatnonzero(numbers >= 0)
    if len(classes) < 2:
        raise DataError(f"there is one class only, {classes[0]}; whether new samples help takes two to be told apart")
    sizes = np.bincount(numbers[known])
    if sizes.min() < n_splits:
        raise DataError(
            f"class {classes[sizes.argmin()]} has {sizes.min()} samples, too few for {n_splits} folds; take fewer "
            "folds, or leave the class out"
        )
    check_any(amounts(augmenter.per_class, augmenter.sampling_strategy, classes, numbers))
    bad = int(allowance(len(labels), augmenter.max_bad))
    augmenter = clone(augmenter).set_params(checkpoint=None, resume=False, log=None, max_bad=bad)  # which know no fold
    rows: list[dict[str, Any]] = []
    unlabelled = np.flatnonzero(numbers < 0)  # which help to train
    folds = [
        (np.concatenate([known[train], unlabelled]), known[test])
        for train, test in StratifiedKFold(n_splits, shuffle=True, random_state=seed).split(known, numbers[known])
    ]
    for train, _ in folds:
        if not any(amounts(augmenter.per_class, augmenter.sampling_strategy, classes, numbers[train])):
            raise ConfigError(
                "in one of the folds all classes are as large as is wanted, so that nothing would be made; say how "
                "many new samples there shall be with per_class (--per-class N)"
            )
    for k, (train, test) in enumerate(folds):
        fold = augmented_fold(
            clone(augmenter).set_params(random_state=seed + k),
            (_safe_indexing(X, train), labels[train]),
            (_safe_indexing(X, test), numbers[test]),
            seed + k,
        )
        for row in judged(fold, classifiers or default_classifiers(), classes):
            rows.append({"fold": k, **row})
        advance((k + 1) / n_splits)
    return pd.DataFrame(rows)


def augmented_fold(augmenter: Any, train: tuple[Any, Any], test: tuple[Any, NDArray[np.int64]], seed: int) -> Fold:
    """Augment training samples in every way, each to the same number.

    Parameters
    ----------
    augmenter : GanAugmenter
        Fitted here.
    train : X, y
        With labels as the augmenter takes them.
    test : X, numbers
        With the classes' numbers.
    seed : int
    """
    started = time.monotonic()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        augmenter.fit(*train)
    maker = augmenter.maker_
    wanted = dict(enumerate(augmenter.sampling_strategy_.values()))
    check_any(wanted.values())
    new = list(augmenter.makes(augmenter.sampling_strategy_, seed))
    classical = sum(len(m.critic) for m in new if m.method == "classical") / sum(wanted.values())
    seconds = dict.fromkeys(OURS, time.monotonic() - started)

    reals = _side(maker.gates.views[0], maker.gates.labels.numpy())
    counts = np.bincount(reals.y)
    augmented = {"none": reals, "class weights": reals}
    for name, side in _oversampled(reals, counts, wanted, seed):
        augmented[name] = side
    augmented["GAN"] = _both(reals, _side_of(new))
    if isinstance(maker.form, PictureForm):
        started = time.monotonic()
        augmented["albumentations"] = _both(reals, _side_of(maker.classical(wanted, seed)))
        seconds["albumentations"] = time.monotonic() - started
        halves = {label: n // 2 for label, n in wanted.items()}
        mixed = [*maker.classical(halves, seed + 1), *_moved_rest(maker, new, halves, seed)]
        augmented["GAN + albumentations"] = _both(reals, _side_of(mixed))
    alone = dict.fromkeys(augmenter.classes_.tolist(), int(counts.max()))
    augmented[SYNTHETIC_ONLY] = _side_of(augmenter.makes(alone, seed + 1))
    seconds[SYNTHETIC_ONLY] = seconds["GAN"]
    return Fold(reals, _tested(augmenter, *test), augmented, seconds, classical)


def _moved_rest(maker: Maker, new: list[Made], taken: dict[int, int], seed: int) -> Iterator[Made]:
    """New samples put through the policy, but for the first so many of each class."""
    left = dict(taken)
    for k, made in enumerate(new):
        skipped = min(left[made.label], len(made.tensors))
        left[made.label] -= skipped
        rest = made.tensors[skipped:]
        if len(rest):
            yield made._replace(tensors=maker.moved(rest, seed + k))


def _tested(augmenter: Any, X: Any, numbers: NDArray[np.int64]) -> Sides:
    """Test samples in the form of the training ones; those that cannot be read are left out, as in fitting."""
    form = augmenter.maker_.form
    if not isinstance(form, PictureForm):
        return _side(form.tensors(X), numbers)
    pictures, rows, _ = form.tensors(open_pictures(X, augmenter.max_megapixels), augmenter.max_bad)
    return _side(pictures, numbers[rows])


def _side(samples: Tensor, labels: NDArray[np.int64]) -> Sides:
    return Sides(samples.flatten(1).float().numpy(), labels)


def _side_of(parts: Iterable[Made]) -> Sides:
    found = list(parts)
    labels = np.concatenate([np.full(len(m.tensors), m.label) for m in found])
    return _side(torch.cat([m.tensors for m in found]), labels)


def _both(one: Sides, other: Sides) -> Sides:
    return Sides(np.concatenate([one.X, other.X]), np.concatenate([one.y, other.y]))


def _oversampled(
    reals: Sides, counts: NDArray[np.int64], wanted: dict[int, int], seed: int
) -> Iterator[tuple[str, Sides]]:
    """By imbalanced-learn, to the same sizes."""
    sizes = {c: int(n + wanted.get(c, 0)) for c, n in enumerate(counts)}
    yield (
        "random oversampling",
        Sides(*RandomOverSampler(sampling_strategy=sizes, random_state=seed).fit_resample(*reals)),
    )
    k = min(_SMOTE_NEIGHBOURS, int(counts.min()) - 1)
    if k >= 1:
        smote = SMOTE(sampling_strategy=sizes, k_neighbors=k, random_state=seed)
        yield "SMOTE", Sides(*smote.fit_resample(*reals))


def judged(fold: Fold, classifiers: dict[str, Any], classes: NDArray[Any]) -> Iterator[dict[str, Any]]:
    """Each classifier's figures on the fold's test samples, for each method."""
    for name, classifier in classifiers.items():
        for method, side in fold.augmented.items():
            model = clone(classifier)
            if method == "class weights":
                weighted = [p for p in model.get_params() if p.split("__")[-1] == "class_weight"]
                if not weighted:
                    continue
                model.set_params(**dict.fromkeys(weighted, "balanced"))
            started = time.monotonic()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                said = model.fit(*side).predict(fold.test.X)
            recalls = recall_score(fold.test.y, said, labels=np.arange(len(classes)), average=None, zero_division=0)
            yield {
                "classifier": name,
                "method": method,
                "balanced_accuracy": float(balanced_accuracy_score(fold.test.y, said)),
                "seconds": round(fold.seconds.get(method, 0.0) + time.monotonic() - started, 2),
                "classical": fold.classical if method in OURS else math.nan,
                **{f"recall {label}": float(r) for label, r in zip(classes, recalls, strict=True)},
            }


class Difference(NamedTuple):
    """A mean of paired differences and its 95 % interval."""

    mean: float
    low: float
    high: float


def paired(differences: NDArray[np.float64], overlap: float = 0.0) -> Difference:
    """Interval by Student's t.

    Parameters
    ----------
    differences : ndarray, (n,)
    overlap : float
        Test samples over training samples, where folds share training samples: widens the interval (Nadeau & Bengio
        2003). 0 for independent draws.
    """
    n = len(differences)
    mean = float(np.mean(differences))
    if n < 2:
        return Difference(mean, -math.inf, math.inf)
    half = stats.t.ppf((1 + _LEVEL) / 2, n - 1) * math.sqrt(np.var(differences, ddof=1) * (1 / n + overlap))
    return Difference(mean, mean - float(half), mean + float(half))


def summary(figures: pd.DataFrame) -> pd.DataFrame:
    """Mean and deviation over folds of balanced accuracy, and mean recalls and seconds: by classifier and method."""
    groups = figures.groupby(["classifier", "method"], sort=False)
    columns = [str(c) for c in figures if str(c).startswith("recall ")]
    table = groups[["balanced_accuracy", "seconds", *columns]].mean()
    table.insert(1, "sd", groups["balanced_accuracy"].std())
    return table


def verdicts(figures: pd.DataFrame, overlap: float | None = None) -> pd.DataFrame:
    """For each classifier and each of our methods, the paired difference from every baseline, and what they say.

    "helps" means better than every baseline, and the one whose interval reaches lowest is shown; "hurts", worse than
    doing nothing, which is shown then; all else is "no evidence", shown beside the best baseline, which may be better.
    `overlap` is as of `paired`; None for what `evaluate`'s folds have.

    Columns: `classifier`, `method`, `beside` (a baseline), `difference`, `low`, `high`, `verdict`, and `classical`, as
    of `evaluate`, NaN where it is not known.
    """
    overlap = 1 / max(1, figures["fold"].nunique() - 1) if overlap is None else overlap
    rows = []
    for name, mine in figures.groupby("classifier", sort=False):
        table = mine.pivot(index="fold", columns="method", values="balanced_accuracy")
        for method in (m for m in OURS if m in table):
            found = {b: paired((table[method] - table[b]).to_numpy(), overlap) for b in BASELINES if b in table}
            verdict, beside = _said(found)
            mean, low, high = found[beside]
            row = {"classifier": name, "method": method, "beside": beside, "difference": mean, "low": low, "high": high}
            rows.append({**row, "verdict": verdict, "classical": _share_classical(mine, method)})
    return pd.DataFrame(rows)


def _said(found: dict[str, Difference]) -> tuple[str, str]:
    """The verdict of differences from baselines, and the baseline that it rests on."""
    hardest = min(found, key=lambda b: found[b].low)
    if found[hardest].low > 0:
        return "helps", hardest
    if found["none"].high < 0:
        return "hurts", "none"
    return "no evidence", min(found, key=lambda b: found[b].mean)


def _share_classical(figures: pd.DataFrame, method: str) -> float:
    if "classical" not in figures:
        return math.nan
    return float(figures.loc[figures["method"] == method, "classical"].mean())
