"""What `gantools demo` does: each task on real data that the installed packages carry, beside a usual choice."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import typer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gantools.report.page import Section

_DIGIT = 3
_ROWS = 10


@dataclass
class Setting:
    """How a part of the demo is run.

    Attributes
    ----------
    folder : Path
        For the model.
    share : float
        Of the training; less than 1 is for a quick look that shows nothing of worth.
    """

    folder: Path
    seed: int
    device: str
    quiet: bool
    share: float = 1.0

    def options(self, max_images: int, max_minutes: float) -> dict[str, Any]:
        """What every estimator is told; on a slow machine time is over before the images are."""
        return {
            "random_state": self.seed,
            "device": self.device,
            "max_images": max(64, round(self.share * max_images)),
            "max_minutes": max_minutes,
            "verbose": int(not self.quiet),
        }

    def say(self, what: str) -> None:
        """What comes now, on stderr."""
        if not self.quiet:
            typer.echo(f"{self.folder.name}: {what}", err=True)


@dataclass
class Part:
    """What one task came to.

    Attributes
    ----------
    title : str
    what : str
        The data.
    words : str
        The result, in a sentence.
    figures : dict
        The result, by name.
    commands : list of str
        That do the same on one's own folders.
    sections : list of Section
        For the report.
    """

    title: str
    what: str
    words: str
    figures: dict[str, Any]
    commands: list[str]
    sections: list[Section] = field(default_factory=list)


def digits(setting: Setting) -> Part:
    """Digit 3 is normal (scikit-learn's 8 x 8 digits); the other nine are not."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    pictures = np.kron(bunch.images / 16, np.ones((2, 2))).astype(np.float32)
    normal = bunch.target == _DIGIT
    half = np.flatnonzero(normal)[::2]
    train, test = pictures[half], np.delete(pictures, half, axis=0)
    what = f"{len(half)} threes of scikit-learn's digits to learn from; which of the others are no threes?"
    return _found("Strange digits", what, train, test, np.delete(~normal, half), setting, (6000, 0.4))


def bricks(setting: Setting) -> Part:
    """A brick wall (scikit-image's picture): both sides to learn from, its middle to judge, half of it painted on."""
    import skimage.data

    wall = skimage.data.brick()
    rng = np.random.default_rng(setting.seed)

    def crop(low: int, high: int) -> NDArray[Any]:
        top, left = rng.integers(wall.shape[0] - 127), rng.integers(low, high - 127)
        return wall[top : top + 128, left : left + 128].copy()

    train = np.stack([crop(*side) for side in ((0, 180), (332, 512)) for _ in range(20)])
    good = [crop(180, 332) for _ in range(12)]
    spoilt = [_painted(crop(180, 332), rng) for _ in range(12)]
    what = "40 pieces of a brick wall to learn from, left and right; which of 24 of its middle have spots of paint?"
    return _found(
        "Spoilt bricks", what, train, np.stack([*good, *spoilt]), np.repeat([False, True], 12), setting, (1200, 0.8)
    )


def _painted(piece: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
    rows, columns = np.mgrid[:128, :128]
    y, x = rng.uniform(20, 108, 2)
    radius = rng.uniform(6, 12)
    strength = 0.8 * np.clip(1.5 - np.hypot(rows - y, columns - x) / radius, 0, 1)
    return (piece * (1 - strength) + rng.choice([40, 210]) * strength).astype(np.uint8)


def _found(
    title: str,
    what: str,
    train: NDArray[Any],
    test: NDArray[Any],
    abnormal: NDArray[np.bool_],
    setting: Setting,
    limits: tuple[int, float],
) -> Part:
    """Fit, score, and compare with an isolation forest on the pixels."""
    from sklearn.ensemble import IsolationForest

    from gantools import GanAnomalyDetector
    from gantools.core.checkpoint import write_atomically
    from gantools.metrics.anomaly import auroc
    from gantools.report import scores

    setting.say(what)
    detector = GanAnomalyDetector(**setting.options(*limits)).fit(train)
    table = detector.score_table(test)
    detector.save(setting.folder / "model")
    write_atomically(setting.folder / "scores.csv", table.to_csv(index=False).encode())
    rows = [pictures.reshape(len(pictures), -1) for pictures in (train, test)]
    forest = IsolationForest(random_state=setting.seed).fit(rows[0])
    figures = {
        "auroc": auroc(abnormal, table["anomaly_score"].to_numpy()),
        "auroc_isolation_forest": auroc(abnormal, -forest.score_samples(rows[1])),
        "seconds_training": detector.training_["seconds"],
    }
    words = (
        f"AUROC {figures['auroc']:.3f} (1 is perfect, 0.5 is guessing); scikit-learn's isolation forest on the pixels "
        f"{figures['auroc_isolation_forest']:.3f}"
    )
    commands = [
        "gantools anomaly fit GOOD_PARTS --model MODEL",
        "gantools anomaly score NEW_PARTS --model MODEL --out scores.csv --maps heatmaps --report scores.html",
    ]
    shown = scores.sections(detector, test, table, abnormal, title="", page=24)
    return Part(title, what, words, figures, commands, shown)


def rare(setting: Setting) -> Part:
    """A hundred of each even digit and ten of each odd one; the others judge a support vector machine."""
    from imblearn.over_sampling import RandomOverSampler
    from sklearn.datasets import load_digits
    from sklearn.metrics import balanced_accuracy_score
    from sklearn.svm import SVC

    from gantools import GanAugmenter
    from gantools.pipelines.augment.sheet import class_sheet
    from gantools.report import classes

    bunch = load_digits()
    pictures = np.round(bunch.images * 15.9375).astype(np.uint8)
    order = np.random.default_rng(setting.seed).permutation(len(pictures))
    train = np.concatenate([order[bunch.target[order] == c][: 10 if c % 2 else 100] for c in range(10)])
    test = np.setdiff1d(order, train)
    what = f"{len(train)} digits to learn from, only ten of each odd one; do new samples of these help a classifier?"
    setting.say(what)
    augmenter = GanAugmenter(**setting.options(60_000, 0.7))
    X, y = pictures[train], bunch.target[train]
    more = augmenter.fit_resample(X, y)
    augmenter.save(setting.folder / "model")

    def accuracy(X: NDArray[Any], y: NDArray[Any]) -> float:
        model = SVC(C=10).fit(X.reshape(len(X), -1) / 255, y)
        said = model.predict(pictures[test].reshape(len(test), -1) / 255)
        return float(balanced_accuracy_score(bunch.target[test], said))

    oversampled = RandomOverSampler(random_state=setting.seed).fit_resample(X.reshape(len(X), -1), y)
    figures = {
        "balanced_accuracy": accuracy(*more),
        "balanced_accuracy_none": accuracy(X, y),
        "balanced_accuracy_random_oversampling": accuracy(*oversampled),
        "seconds_training": augmenter.training_["seconds"],
    }
    words = (
        f"Balanced accuracy of a support vector machine: {figures['balanced_accuracy']:.3f} with new samples, "
        f"{figures['balanced_accuracy_none']:.3f} without, "
        f"{figures['balanced_accuracy_random_oversampling']:.3f} with random oversampling"
    )
    names = augmenter.classes_
    shown = {c: [next(augmenter.maker_.made(c, 16, setting.seed, names[c]))] for c in range(len(names))}
    sheets = {str(names[c]): class_sheet(augmenter.maker_, c, made) for c, made in shown.items()}
    sections = [classes.quality(augmenter)._replace(title=""), classes.sheets(sheets)._replace(title="")]
    if augmenter.synthesizer_ is not None:
        drawn = augmenter.synthesizer_.rows(_ROWS, _ROWS, setting.seed)
        sections.append(classes.samples(drawn, "", "Drawn from the generator as they come, ten of each class:"))
    commands = [
        "gantools augment CLASSES --per-class 500 --out MORE --report more.html",
        "gantools augment CLASSES --evaluate",
        "gantools synth fit PICTURES --model MODEL",
    ]
    return Part("Rare digits", what, words, figures, commands, sections)


def photographs(setting: Setting) -> Part:
    """Six photographs of scikit-image's and scikit-learn's to learn from, and a cat to enlarge.

    JPEGs are halved: at their full size a model learns to draw their blocks.
    """
    import skimage.data
    from PIL import Image
    from sklearn.datasets import load_sample_images

    from gantools import GanSuperResolver
    from gantools.pipelines.superres.figures import cropped, means
    from gantools.report import comparisons

    jpegs = [np.asarray(Image.fromarray(p).reduce(2)) for p in (skimage.data.rocket(), *load_sample_images().images)]
    train = [skimage.data.astronaut(), skimage.data.coffee(), skimage.data.stereo_motorcycle()[0], *jpegs]
    what = f"{len(train)} photographs to learn from, and a cat to make four times larger"
    setting.say(what)
    resolver = GanSuperResolver(scale=4, holdout=0.0, **setting.options(60_000, 0.8)).fit(train)
    resolver.save(setting.folder / "model")
    cat = [skimage.data.chelsea()]
    figures = {**means(resolver.evaluate(cat)), "seconds_training": resolver.training_["seconds"]}
    names = {"ours": "ours, perception 0", "texture": "ours, perception 1"}
    methods = resolver.methods(both_ends=True)
    items = [("cat", cropped(e, methods, resolver.scale_, 280)) for e in resolver.examples(cat)]
    items = [(name, {names.get(n, n): picture for n, picture in crops.items()}) for name, crops in items]
    return Part(
        "A small photograph enlarged",
        what,
        f"PSNR-Y {figures['psnr']:.2f} dB; bicubic interpolation {figures['psnr_bicubic']:.2f} dB",
        figures,
        [
            "gantools sr fit SHARP_PICTURES --scale 4 --model MODEL --report fit.html",
            "gantools sr upscale SMALL_PICTURES --model MODEL --out LARGE_PICTURES",
        ],
        [comparisons.compared("", items, "bicubic", "ours, perception 0", "Drag over the picture to move the divide.")],
    )


def colours(setting: Setting) -> Part:
    """The left halves of photographs to learn from; their right halves, made gray, to give colour to."""
    import skimage.data
    from sklearn.datasets import load_sample_images

    from gantools import GanTranslator
    from gantools.pipelines.translate.figures import means, pictured
    from gantools.report import comparisons

    names = ("astronaut", "coffee", "chelsea", "rocket")
    pictures = [*(getattr(skimage.data, name)() for name in names), *load_sample_images().images]
    left, right = zip(*(np.array_split(picture, 2, axis=1) for picture in pictures), strict=True)
    what = f"the left halves of {len(pictures)} photographs to learn from, the right ones, in gray, to give colour to"
    setting.say(what)
    translator = GanTranslator(
        colour_only=True, size=160, patch=64, batch_size=8, holdout=0.0, **setting.options(4000, 0.6)
    ).fit(list(left))
    translator.save(setting.folder / "model")
    figures = {**means(*translator.evaluate(list(right))), "seconds_training": translator.training_["seconds"]}
    items = [(e.name, pictured(e, {"ours": translator.translation()})) for e in translator.examples(list(right))]
    return Part(
        "Colour for gray photographs",
        what,
        f"PSNR {figures['psnr']:.2f} dB; left gray {figures['psnr_identity']:.2f} dB. Mean chroma "
        f"{figures['chroma']:.0f}, that of the truth {figures['chroma_truth']:.0f}",
        figures,
        [
            "gantools translate fit COLOUR_PICTURES --config colorize --model MODEL",
            "gantools translate fit SOURCES TARGETS --model MODEL --report fit.html",
            "gantools translate apply MORE_SOURCES --model MODEL --out TRANSLATED",
        ],
        [comparisons.compared("", items, "source", "ours", "Drag over a picture to move the divide.")],
    )


PARTS = {"digits": digits, "bricks": bricks, "rare": rare, "photographs": photographs, "colours": colours}
"""The parts by the name of their folder, in order."""
