"""Are new samples varied, of their class and no copies, and do they help a classifier? Beside what else there is.

    python -m benchmarks.augment quality --data digits-80 fashion-200 fashion-50 --seeds 0
    python -m benchmarks.augment usefulness --data digits-100-10 fashion-500-20 --seeds 0 1 2 3 4
    python -m benchmarks.augment usefulness --data fashion-500-20 --to 1000 --seeds 0 1 2 3 4
    python -m benchmarks.augment tables --seeds 0 1 2          beside CTGAN, where benchmarks.table_peers finds it
    python -m benchmarks.augment speed

Rows are appended to results/augment-*.jsonl; what is there is not measured again.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F

from benchmarks import table_peers
from benchmarks.datasets import Pictures, class_tables, emoji_groups, fashion_mnist
from benchmarks.records import known, record
from gantools import GanAugmenter
from gantools.core.initialise import initialised
from gantools.metrics.features import PictureFeatures
from gantools.metrics.generated import copies, frechet_distance, neighbourhoods, spread_ratio
from gantools.pipelines.augment.usefulness import Fold, Sides, augmented_fold, default_classifiers, judged
from gantools.pipelines.synthesize.forms import TableForm


class Split(NamedTuple):
    """Pictures to learn from and pictures of the same classes to judge by; uint8 (N, H, W[, C])."""

    train: np.ndarray
    train_labels: np.ndarray
    test: np.ndarray
    test_labels: np.ndarray
    judge: Callable[[np.ndarray], np.ndarray] | None = None


def _taken(pictures: np.ndarray, labels: np.ndarray, counts: list[int], seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.choice(np.flatnonzero(labels == c), n, replace=False) for c, n in enumerate(counts)])


def digits(counts: list[int], seed: int) -> Split:
    """So many of each digit, the others to judge by."""
    data = load_digits()
    pictures = np.round(data.images * 15.9375).astype(np.uint8)
    train = _taken(pictures, data.target, counts, seed)
    test = np.setdiff1d(np.arange(len(pictures)), train)
    return Split(pictures[train], data.target[train], pictures[test], data.target[test], _digit_judge())


def fashion(counts: list[int], seed: int) -> Split:
    """So many of each class of Fashion-MNIST, its 10,000 test pictures to judge by."""
    data = fashion_mnist()
    train = _taken(data.train, data.train_labels, counts, seed)
    return Split(data.train[train], data.train_labels[train], data.test, data.test_labels, None)


def tail(largest: int, smallest: int, n: int, seed: int) -> list[int]:
    """Sizes that fall evenly on a logarithmic scale; which class is rare turns with the seed."""
    sizes = np.geomspace(largest, smallest, n).round().astype(int)
    return np.roll(sizes, seed).tolist()


def emoji(n: int, seed: int) -> Split:
    """So many of each of six groups of OpenMoji, 64 pixels, in colour."""
    data = emoji_groups(64, n, seed)
    return Split(data.train, data.train_labels, data.test, data.test_labels, _feature_judge(data))


def _feature_judge(data: Pictures) -> Callable[[np.ndarray], np.ndarray]:
    """A support vector machine on a pretrained network's features of all pictures there are."""
    from sklearn.svm import SVC

    see = PictureFeatures()
    pictures = np.concatenate([data.train, data.test])
    model = SVC(C=10).fit(see(tensors(pictures)).numpy(), np.concatenate([data.train_labels, data.test_labels]))
    return lambda made: model.predict(see(tensors(made)).numpy())


DATA: dict[str, Callable[[int], Split]] = {
    "digits-80": lambda seed: digits([80] * 10, seed),
    "digits-100-10": lambda seed: digits([10 if (c + seed) % 2 else 100 for c in range(10)], seed),
    "fashion-200": lambda seed: fashion([200] * 10, seed),
    "fashion-50": lambda seed: fashion([50] * 10, seed),
    "emoji-80": lambda seed: emoji(80, seed),
    "fashion-500-20": lambda seed: fashion(tail(500, 20, 10, seed), seed),
}


def _digit_judge() -> Callable[[np.ndarray], np.ndarray]:
    """A support vector machine that was shown every digit."""
    from sklearn.svm import SVC

    data = load_digits()
    model = SVC(C=10).fit(np.round(data.images * 15.9375).reshape(-1, 64) / 255, data.target)
    return lambda pictures: model.predict(pictures.reshape(len(pictures), -1) / 255)


class SmallCnn(ClassifierMixin, BaseEstimator):
    """A small convolutional network on flattened gray pictures, 600 steps of AdamW."""

    def __init__(self, side: int = 28, steps: int = 600, seed: int = 0, class_weight: str | None = None) -> None:
        self.side = side
        self.steps = steps
        self.seed = seed
        self.class_weight = class_weight

    def fit(self, X: np.ndarray, y: np.ndarray) -> SmallCnn:
        self.classes_, numbers = np.unique(y, return_inverse=True)
        pictures = torch.from_numpy(X).float().view(-1, 1, self.side, self.side)
        target = torch.from_numpy(numbers)
        rng = torch.Generator().manual_seed(self.seed)
        k = len(self.classes_)
        weight = None
        if self.class_weight == "balanced":
            weight = len(y) / (k * torch.bincount(target).float())
        self.net_ = initialised(lambda: _cnn(self.side, k), rng)
        optimiser = torch.optim.AdamW(self.net_.parameters(), 2e-3, weight_decay=0.01)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, self.steps)
        for _ in range(self.steps):
            some = torch.randint(len(target), (64,), generator=rng)
            loss = F.cross_entropy(self.net_(pictures[some]), target[some], weight)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
        self.net_.eval()
        return self

    @torch.no_grad()
    def predict(self, X: np.ndarray) -> np.ndarray:
        pictures = torch.from_numpy(X).float().view(-1, 1, self.side, self.side)
        return self.classes_[torch.cat([self.net_(p).argmax(1) for p in pictures.split(512)]).numpy()]


def _cnn(side: int, classes: int) -> nn.Sequential:
    def block(a: int, b: int) -> list[nn.Module]:
        return [nn.Conv2d(a, b, 3, 1, 1), nn.BatchNorm2d(b), nn.ReLU(), nn.MaxPool2d(2)]

    small = side // 4
    return nn.Sequential(*block(1, 32), *block(32, 64), nn.Flatten(), nn.Linear(64 * small * small, classes))


def fashion_judge() -> Callable[[np.ndarray], np.ndarray]:
    """A small network that was shown all 60,000 training pictures."""
    data = fashion_mnist()
    model = SmallCnn(steps=2500).fit(data.train.reshape(len(data.train), -1) / 255, data.train_labels)
    right = (model.predict(data.test.reshape(len(data.test), -1) / 255) == data.test_labels).mean()
    print(f"judge of Fashion-MNIST: {right:.3f} of the test pictures", flush=True)
    return lambda pictures: model.predict(pictures.reshape(len(pictures), -1) / 255)


def tensors(pictures: np.ndarray) -> torch.Tensor:
    """(N, C, H, W) in [-1, 1]."""
    planes = pictures[:, None] if pictures.ndim == 3 else pictures.transpose(0, 3, 1, 2)
    return torch.from_numpy(planes).float() / 127.5 - 1


def measured(split: Split, made: np.ndarray, labels: np.ndarray, n: int) -> dict[str, float]:
    """Figures of new pictures, class by class and averaged, against reals that were never trained on.

    Half of those, `n` at most, stand for the truth; the other half for what as many reals reach.
    """
    see = PictureFeatures()
    spread, coverage, copied = [], [], []
    all_real, all_fake = [], []
    for c in np.unique(labels):
        test = split.test[split.test_labels == c]
        half = min(n, len(test) // 2)
        real, other = see(tensors(test[:half])), see(tensors(test[half : 2 * half]))
        fake = see(tensors(made[labels == c][:half]))
        train = see(tensors(split.train[split.train_labels == c]))
        spread.append(spread_ratio(real, fake))
        coverage.append(neighbourhoods(real, fake).coverage / neighbourhoods(real, other).coverage)
        copied.append(float(copies(train, other, fake).float().mean()))
        all_real.append(real)
        all_fake.append(fake)
    figures: dict[str, Any] = {"spread": np.mean(spread), "lowest_spread": min(spread)}
    figures |= {"coverage": np.mean(coverage), "lowest_coverage": min(coverage), "copies": np.mean(copied)}
    figures["frechet"] = frechet_distance(torch.cat(all_real), torch.cat(all_fake))
    return {name: round(float(value), 4) for name, value in figures.items()}


def quality(names: list[str], seeds: list[int], settings: dict[str, Any]) -> None:
    """Variety, class and copies of what the augmenter makes, and of random oversampling moved by albumentations."""
    for name in names:
        judge = None
        for seed in seeds:
            if known("augment-quality", {"data": name, "seed": seed, **settings}):
                continue
            split = DATA[name](seed)
            judge = judge or split.judge or fashion_judge()
            n = 200
            started = time.monotonic()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                augmenter = GanAugmenter(n, random_state=seed, **settings).fit(split.train, split.train_labels)
            fitted = time.monotonic() - started
            made, labels = augmenter.sample(n, random_state=seed)
            seconds = {"fit_seconds": round(fitted, 1), "sample_seconds": round(time.monotonic() - started - fitted, 1)}
            classical = [
                (augmenter.maker_.form.samples(m.tensors), np.full(len(m.critic), m.label))
                for m in augmenter.maker_.classical(dict.fromkeys(range(len(augmenter.classes_)), n), seed)
            ]
            moved = tuple(np.concatenate(part) for part in zip(*classical, strict=True))
            for method, (X, y) in {"ours": (made, labels), "albumentations": moved}.items():
                agrees = float((judge(X) == y).mean())
                row = {
                    "data": name,
                    "seed": seed,
                    **settings,
                    "method": method,
                    **measured(split, X, y, n),
                    "agreement": agrees,
                }
                record("augment-quality", {**row, **(seconds if method == "ours" else {})})


def usefulness(names: list[str], seeds: list[int], settings: dict[str, Any], to: int | None) -> None:
    """Balanced accuracy of three classifiers on real test pictures, for each way to augment; a draw of data a seed.

    Classes are brought to the size of the largest, or all of them `to` a larger one.
    """
    for name in names:
        name_to = name if to is None else f"{name}, to {to}"
        for seed in seeds:
            if known("augment-usefulness", {"data": name_to, "seed": seed, **settings}):
                continue
            split = DATA[name](seed)
            sizes = np.bincount(split.train_labels).tolist()
            per_class = None if to is None else {c: to - n for c, n in enumerate(sizes)}
            augmenter = GanAugmenter(per_class, random_state=seed, **settings)
            train, test = (split.train, split.train_labels), (split.test, split.test_labels)
            fold: Fold = augmented_fold(augmenter, train, test, seed)
            classifiers = default_classifiers() | {"CNN": SmallCnn(split.train.shape[1])}
            for row in list(judged(fold, classifiers, np.arange(10))):  # all of a seed's rows or none
                record("augment-usefulness", {"data": name_to, "seed": seed, **settings, **row})


def tables(seeds: list[int], settings: dict[str, Any]) -> None:
    """Balanced accuracy on real test rows of tables, where every other class has ten rows and the others up to 100."""
    for name, features, labels in class_tables():
        for seed in seeds:
            if known("augment-tables", {"data": name, "seed": seed, **settings}):
                continue
            sizes = np.bincount(labels)
            counts = [min(10 if (c + seed) % 2 else 100, size // 2) for c, size in enumerate(sizes)]
            train = _taken(labels, labels, counts, seed)
            test = np.setdiff1d(np.arange(len(labels)), train)
            augmenter = GanAugmenter(random_state=seed, **settings)
            known_rows = features.iloc[train].reset_index(drop=True), labels[train]
            fold = augmented_fold(augmenter, known_rows, (features.iloc[test], labels[test]), seed)
            if table_peers.available():
                _add_ctgan(fold, augmenter, known_rows, seed)
            for row in list(judged(fold, default_classifiers(), np.arange(len(sizes)))):
                record("augment-tables", {"data": name, "seed": seed, **settings, **row})


def _add_ctgan(fold: Fold, augmenter: GanAugmenter, train: tuple[pd.DataFrame, np.ndarray], seed: int) -> None:
    """The reals and CTGAN's rows, as many as ours of each class, in the form that classifiers are given."""
    started = time.monotonic()
    made = table_peers.sampled(*train, dict(enumerate(augmenter.sampling_strategy_.values())), seed)
    fold.seconds["CTGAN"] = time.monotonic() - started
    form = augmenter.maker_.form
    assert isinstance(form, TableForm)
    new = form.tensors(made.reset_index(drop=True)).numpy()
    labels = np.concatenate([fold.train.y, made.index.to_numpy()])
    fold.augmented["CTGAN"] = Sides(np.concatenate([fold.train.X, new]), labels)


def speed() -> None:
    """The command's work on ten classes of 200 pictures of 32 pixels: fitting, and 5,000 samples."""
    split = DATA["fashion-200"](0)
    large = np.pad(split.train, ((0, 0), (2, 2), (2, 2)))
    started = time.monotonic()
    augmenter = GanAugmenter(500, random_state=0).fit(large, split.train_labels)
    fitted = time.monotonic()
    n = sum(len(m.critic) for m in augmenter.makes(augmenter.sampling_strategy_, 0))
    ended = time.monotonic()
    record("augment-speed", {"fit_seconds": fitted - started, "n": n, "sample_seconds": ended - fitted})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("quality", "usefulness", "tables", "speed"))
    parser.add_argument("--data", nargs="+", choices=tuple(DATA), default=("digits-80",))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--max-images", type=int)
    parser.add_argument("--to", type=int, help="size of every class, for usefulness")
    given = parser.parse_args()
    settings = {"max_images": given.max_images} if given.max_images else {}
    if given.what == "speed":
        speed()
    elif given.what == "tables":
        tables(given.seeds, settings)
    elif given.what == "usefulness":
        usefulness(list(given.data), given.seeds, settings, given.to)
    else:
        quality(list(given.data), given.seeds, settings)


if __name__ == "__main__":
    main()
