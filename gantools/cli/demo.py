"""``gantools demo``: the tasks on real data that the installed packages carry."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gantools.cli import shared

if TYPE_CHECKING:
    import numpy as np

_DIGIT = 3


def demo(
    out: Annotated[Path, typer.Option("--out", help="Folder for what is made.")] = Path("gantools-demo"),
    seed: shared.Seed = 0,
    device: shared.Device = "auto",
    json: shared.AsJson = False,
    quiet: shared.Quiet = False,
) -> None:
    """Find anomalies, make more of rare digits, enlarge photographs and give them colour; a few minutes."""
    shared.by_first_alone()
    result = {
        "digits": _digits(out / "digits", seed, device, quiet),
        "bricks": _bricks(out / "bricks", seed, device, quiet),
        "rare": _rare(out / "rare", seed, device, quiet),
        "photographs": _photographs(out / "photographs", seed, device, quiet),
        "colours": _colours(out / "colours", seed, device, quiet),
    }

    def words() -> str:
        lines = [
            f"{name}: AUROC {r['auroc']:.3f} (isolation forest {r['auroc_isolation_forest']:.3f}); {r['what']}"
            for name, r in result.items()
            if "auroc" in r
        ]
        sharp, rare, colours = result["photographs"], result["rare"], result["colours"]
        lines += [
            "rare digits: balanced accuracy of a support vector machine with new samples "
            f"{rare['balanced_accuracy']:.3f} (without {rare['balanced_accuracy_none']:.3f}, random oversampling "
            f"{rare['balanced_accuracy_random_oversampling']:.3f}); {rare['what']}",
            f"photographs: four times larger, PSNR-Y {sharp['psnr']:.2f} dB (bicubic {sharp['psnr_bicubic']:.2f}); "
            f"{sharp['what']}",
            f"colours: PSNR {colours['psnr']:.2f} dB of photographs given colour "
            f"(gray {colours['psnr_identity']:.2f}), chroma {colours['chroma']:.0f} "
            f"(truth {colours['chroma_truth']:.0f}); {colours['what']}",
            "",
            f"Look at {out}/digits/report.html, {out}/bricks/report.html, {out}/rare/sheet.png (reals, new ones over "
            f"the nearest real), {out}/photographs/sheet.png (low, ours for fidelity and for texture, bicubic, "
            f"Lanczos, truth) and {out}/colours/sheet.png (gray, ours, truth). On your own data:",
            "  gantools anomaly fit GOOD_PARTS --model MODEL",
            "  gantools anomaly score NEW_PARTS --model MODEL --out scores.csv --maps heatmaps",
            "  gantools augment CLASSES --per-class 500 --out MORE",
            "  gantools sr fit SHARP_PICTURES --scale 4 --model MODEL",
            "  gantools sr upscale SMALL_PICTURES --model MODEL --out LARGE_PICTURES",
            "  gantools translate fit SOURCES TARGETS --model MODEL",
        ]
        return "\n".join(lines)

    shared.report(result, json, quiet, words)


def _digits(folder: Path, seed: int, device: str, quiet: bool) -> dict[str, Any]:
    """Digit 3 is normal (scikit-learn's 8 x 8 digits); the other nine are not."""
    import numpy as np
    from sklearn.datasets import load_digits

    bunch = load_digits()
    pictures = np.kron(bunch.images / 16, np.ones((2, 2))).astype(np.float32)
    normal = bunch.target == _DIGIT
    half = np.flatnonzero(normal)[::2]
    train, test = pictures[half], np.delete(pictures, half, axis=0)
    abnormal = np.delete(~normal, half)
    return _shown(folder, train, test, abnormal, f"{len(half)} threes to learn from", seed, device, quiet, 6000)


def _bricks(folder: Path, seed: int, device: str, quiet: bool) -> dict[str, Any]:
    """A brick wall (scikit-image's picture), whose lower right is spoilt with painted spots."""
    import numpy as np
    import skimage.data

    wall = skimage.data.brick()
    rng = np.random.default_rng(seed)

    def crop(low: int, high: int) -> np.ndarray:
        top, left = rng.integers(wall.shape[0] - 127), rng.integers(low, high - 127)
        return wall[top : top + 128, left : left + 128].copy()

    train = np.stack([crop(0, 320) for _ in range(40)])
    good = [crop(320, 512) for _ in range(12)]
    spoilt = [_painted(crop(320, 512), rng) for _ in range(12)]
    abnormal = np.repeat([False, True], 12)
    what = "40 pieces of wall to learn from, paint spots to find"
    return _shown(folder, train, np.stack([*good, *spoilt]), abnormal, what, seed, device, quiet, 1200)


def _rare(folder: Path, seed: int, device: str, quiet: bool) -> dict[str, Any]:
    """A hundred of each even digit and ten of each odd one; the others judge a support vector machine."""
    import numpy as np
    from imblearn.over_sampling import RandomOverSampler
    from sklearn.datasets import load_digits
    from sklearn.metrics import balanced_accuracy_score
    from sklearn.svm import SVC

    from gantools import GanAugmenter
    from gantools.data.keep import Kept, write_kept
    from gantools.pipelines.augment.sheet import contact_sheet

    bunch = load_digits()
    pictures = np.round(bunch.images * 15.9375).astype(np.uint8)
    order = np.random.default_rng(seed).permutation(len(pictures))
    train = np.concatenate([order[bunch.target[order] == c][: 10 if c % 2 else 100] for c in range(10)])
    test = np.setdiff1d(order, train)
    what = f"{len(train)} digits to learn from, ten of each odd one"
    if not quiet:
        typer.echo(f"{folder.name}: {what}", err=True)
    augmenter = GanAugmenter(random_state=seed, device=device, max_images=60_000, verbose=int(not quiet))
    X, y = pictures[train], bunch.target[train]
    more = augmenter.fit_resample(X, y)
    augmenter.save(folder / "model")
    shown = {c: [next(augmenter.maker_.made(c, 16, seed))] for c in range(10)}
    write_kept(folder / "sheet.png", Kept(contact_sheet(augmenter.maker_, shown, augmenter.classes_)))

    def accuracy(X: np.ndarray, y: np.ndarray) -> float:
        model = SVC(C=10).fit(X.reshape(len(X), -1) / 255, y)
        said = model.predict(pictures[test].reshape(len(test), -1) / 255)
        return float(balanced_accuracy_score(bunch.target[test], said))

    return {
        "what": what,
        "balanced_accuracy": accuracy(*more),
        "balanced_accuracy_none": accuracy(X, y),
        "balanced_accuracy_random_oversampling": accuracy(
            *RandomOverSampler(random_state=seed).fit_resample(X.reshape(len(X), -1), y)
        ),
        "seconds_training": augmenter.training_["seconds"],
    }


def _photographs(folder: Path, seed: int, device: str, quiet: bool) -> dict[str, Any]:
    """Six photographs of scikit-image's and scikit-learn's to learn from, and a cat to enlarge.

    JPEGs are halved: at their full size a model learns to draw their blocks.
    """
    import numpy as np
    import skimage.data
    from PIL import Image
    from sklearn.datasets import load_sample_images

    from gantools import GanSuperResolver
    from gantools.data.keep import Kept, write_kept
    from gantools.pipelines.superres.figures import means, sheet

    jpegs = [np.asarray(Image.fromarray(p).reduce(2)) for p in (skimage.data.rocket(), *load_sample_images().images)]
    train = [skimage.data.astronaut(), skimage.data.coffee(), skimage.data.stereo_motorcycle()[0], *jpegs]
    what = f"{len(train)} photographs to learn from, a cat to enlarge"
    if not quiet:
        typer.echo(f"{folder.name}: {what}", err=True)
    resolver = GanSuperResolver(
        scale=4, random_state=seed, device=device, max_images=60_000, holdout=0.0, verbose=int(not quiet)
    ).fit(train)
    resolver.save(folder / "model")
    cat = [skimage.data.chelsea()]
    write_kept(
        folder / "sheet.png",
        Kept(sheet(resolver.examples(cat), resolver.methods(both_ends=True), resolver.scale_, side=200)),
    )
    return {"what": what, **means(resolver.evaluate(cat)), "seconds_training": resolver.training_["seconds"]}


def _colours(folder: Path, seed: int, device: str, quiet: bool) -> dict[str, Any]:
    """The left halves of photographs to learn from; their right halves, made gray, to give colour to."""
    import numpy as np
    import skimage.data
    from sklearn.datasets import load_sample_images

    from gantools import GanTranslator
    from gantools.data.keep import Kept, write_kept
    from gantools.pipelines.translate.figures import means, sheet

    names = ("astronaut", "coffee", "chelsea", "rocket")
    pictures = [*(getattr(skimage.data, name)() for name in names), *load_sample_images().images]
    left, right = zip(*(np.array_split(picture, 2, axis=1) for picture in pictures), strict=True)
    what = f"the left halves of {len(pictures)} photographs to learn from, the right ones to give colour to"
    if not quiet:
        typer.echo(f"{folder.name}: {what}", err=True)
    translator = GanTranslator(
        colour_only=True,
        size=160,
        patch=64,
        batch_size=8,
        random_state=seed,
        device=device,
        max_images=4000,
        holdout=0.0,
        verbose=int(not quiet),
    ).fit(list(left))
    translator.save(folder / "model")
    shown = {"ours": translator.translation()}
    write_kept(folder / "sheet.png", Kept(sheet(translator.examples(list(right)), shown, side=200)))
    figures = means(*translator.evaluate(list(right)))
    return {"what": what, **figures, "seconds_training": translator.training_["seconds"]}


def _painted(piece: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    import numpy as np

    rows, columns = np.mgrid[:128, :128]
    y, x = rng.uniform(20, 108, 2)
    radius = rng.uniform(6, 12)
    strength = 0.8 * np.clip(1.5 - np.hypot(rows - y, columns - x) / radius, 0, 1)
    return (piece * (1 - strength) + rng.choice([40, 210]) * strength).astype(np.uint8)


def _shown(
    folder: Path,
    train: np.ndarray,
    test: np.ndarray,
    abnormal: np.ndarray,
    what: str,
    seed: int,
    device: str,
    quiet: bool,
    max_images: int,
) -> dict[str, Any]:
    """Fit, score, compare with an isolation forest on the pixels, and write model, scores and report."""
    from sklearn.ensemble import IsolationForest

    from gantools import GanAnomalyDetector
    from gantools.core.checkpoint import write_atomically
    from gantools.metrics.anomaly import auroc
    from gantools.report import write_scores

    if not quiet:
        typer.echo(f"{folder.name}: {what}", err=True)
    detector = GanAnomalyDetector(random_state=seed, device=device, max_images=max_images, verbose=int(not quiet)).fit(
        train
    )
    table = detector.score_table(test)
    detector.save(folder / "model")
    write_atomically(folder / "scores.csv", table.to_csv(index=False).encode())
    write_scores(folder / "report.html", detector, test, table)
    rows = [pictures.reshape(len(pictures), -1) for pictures in (train, test)]
    forest = IsolationForest(random_state=seed).fit(rows[0])
    return {
        "what": what,
        "auroc": auroc(abnormal, table["anomaly_score"].to_numpy()),
        "auroc_isolation_forest": auroc(abnormal, -forest.score_samples(rows[1])),
        "seconds_training": detector.training_["seconds"],
    }
