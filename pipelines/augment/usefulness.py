"""Do the new samples help? The honest protocol, beside what a user would have picked instead.

In every fold the GAN is fitted anew, on that fold's training samples alone, and only real samples are tested on.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterator
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
from torch import Tensor

from gantools.data.sources import open_pictures
from gantools.errors import DataError
from gantools.pipelines.synthesize.forms import PictureForm
from gantools.pipelines.synthesize.labels import numbered

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
    """One fold: the training samples as they are and as every method augments them, and the seconds that took."""

    train: Sides
    test: Sides
    augmented: dict[str, Sides]
    seconds: dict[str, float]


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
        (of augmenting and fitting) and `recall <label>` of every class.
    """
    classes, numbers = numbered(y, len(y))
    known = np.flatnonzero(numbers >= 0)
    if np.bincount(numbers[known]).min() < n_splits:
        raise DataError(f"a class has fewer than {n_splits} samples, which are too few for {n_splits} folds")
    rows: list[dict[str, Any]] = []
    folds = StratifiedKFold(n_splits, shuffle=True, random_state=seed)
    for k, (train, test) in enumerate(folds.split(known, numbers[known])):
        train = np.concatenate([known[train], np.flatnonzero(numbers < 0)])  # whoever has no label helps to train
        test = known[test]
        fold = augmented_fold(
            clone(augmenter).set_params(random_state=seed + k),
            (_safe_indexing(X, train), numbers[train]),
            (_safe_indexing(X, test), numbers[test]),
            seed + k,
        )
        for row in judged(fold, classifiers or default_classifiers(), classes):
            rows.append({"fold": k, **row})
        advance((k + 1) / n_splits)
    return pd.DataFrame(rows)


def augmented_fold(augmenter: Any, train: tuple[Any, Any], test: tuple[Any, Any], seed: int) -> Fold:
    """Augment training samples, labelled by numbers from 0 (-1 for none), in every way."""
    seconds: dict[str, float] = dict.fromkeys((*BASELINES, *OURS, SYNTHETIC_ONLY), 0.0)
    started = time.monotonic()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        augmenter.fit(*train)
    maker = augmenter.maker_
    form, labels = maker.form, maker.gates.labels.numpy()
    samples = maker.gates.views[0]
    wanted = {int(label): n for label, n in augmenter.sampling_strategy_.items()}
    new = [(m.tensors, m.label) for m in augmenter.makes(wanted, seed)]
    seconds["GAN"] = seconds["GAN + albumentations"] = time.monotonic() - started

    reals_side = _side(samples, labels)
    ours = _side_of(new)
    counts = np.bincount(labels)
    equal = {c: int(counts.max()) for c in range(len(counts))}
    alone = [(m.tensors, m.label) for m in augmenter.makes(equal, seed + 1)]
    augmented = {
        "none": reals_side,
        "class weights": reals_side,
        **dict(_oversampled(reals_side, counts, wanted, seed)),
        "GAN": _both(reals_side, ours),
        SYNTHETIC_ONLY: _side_of(alone),
    }
    if isinstance(form, PictureForm):
        classical = _side_of([(m.tensors, m.label) for m in maker.classical(wanted, seed)])
        augmented["albumentations"] = _both(reals_side, classical)
        moved = _side_of([(maker.moved(tensors, seed), label) for tensors, label in new])
        augmented["GAN + albumentations"] = _both(reals_side, _both(classical, moved))
        tested = form.tensors(open_pictures(test[0], augmenter.max_megapixels))[0]
    else:
        tested = form.tensors(test[0])
    return Fold(reals_side, _side(tested, np.asarray(test[1])), augmented, seconds)


def _side(samples: Tensor, labels: NDArray[np.int64]) -> Sides:
    return Sides(samples.flatten(1).float().numpy(), labels)


def _side_of(parts: list[tuple[Tensor, int]]) -> Sides:
    labels = np.concatenate([np.full(len(t), label) for t, label in parts])
    return _side(torch.cat([t for t, _ in parts]), labels)


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
                "seconds": round(fold.seconds[method] + time.monotonic() - started, 2),
                **{f"recall {label}": float(r) for label, r in zip(classes, recalls, strict=True)},
            }


class Difference(NamedTuple):
    """A mean of paired differences and its 95 % interval."""

    mean: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """In words."""
        return "helps" if self.low > 0 else "hurts" if self.high < 0 else "no evidence"


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
    columns = [c for c in figures if c.startswith("recall ")]
    table = groups[["balanced_accuracy", "seconds", *columns]].mean()
    table.insert(1, "sd", groups["balanced_accuracy"].std())
    return table


def verdicts(figures: pd.DataFrame, overlap: float = 0.25) -> pd.DataFrame:
    """For each classifier and each of our methods, the paired difference from the best baseline, and what it says.

    Columns: `classifier`, `method`, `beside` (the baseline of the highest mean), `difference`, `low`, `high`,
    `verdict` ("helps", "no evidence" or "hurts").
    """
    rows = []
    for name, mine in figures.groupby("classifier", sort=False):
        table = mine.pivot(index="fold", columns="method", values="balanced_accuracy")
        best = table[[b for b in BASELINES if b in table]].mean().idxmax()
        for method in (m for m in OURS if m in table):
            found = paired((table[method] - table[best]).to_numpy(), overlap)
            rows.append({"classifier": name, "method": method, "beside": best, "difference": found.mean})
            rows[-1] |= {"low": found.low, "high": found.high, "verdict": found.verdict}
    return pd.DataFrame(rows)
