"""Every recipe on the same pictures for the same time: its fakes, its curves and its states, as docs/gallery.md.

    python -m benchmarks.gallery

Fashion-MNIST at 28 pixels, DCGAN's players at a width of 32 (for `projected`, that recipe's discriminator), fakes from
noise alone; only `cgan` is told the classes. Figures as in `benchmarks.synthesis`.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from benchmarks.judge import Pooled
from benchmarks.records import known, record, rows_of
from benchmarks.synthesis import Kind, fashion, judged, row_of, trained_by
from gantools import configs
from gantools.core import ConditionalGame, Game, LatentGame, Training
from gantools.core.initialise import initialised
from gantools.networks.conditional import ConcatenationDiscriminator, ConditionalGenerator
from gantools.networks.dcgan import DcganDiscriminator, DcganGenerator
from gantools.networks.projected import ProjectedDiscriminator

DOCS = Path(__file__).parents[1] / "docs"
RECIPES = {
    "vanilla": "the first GAN: cross-entropy, fakes called real",
    "dcgan": "the same, by another name: what differs is chance",
    "lsgan": "least squares instead of cross-entropy",
    "wgan": "Wasserstein, weights clipped, five moves of the critic for one",
    "wgan-gp": "Wasserstein, with a gradient penalty",
    "sngan": "hinge, spectral norm",
    "two-rates": "1e-4 and 4e-4, labels smoothed to .9",
    "cgan": "both players are told the class",
    "projected": "the discriminator judges a frozen network's features",
    "relativistic": "pairs of real and fake, R1 and R2: for those who will not tune",
}
ADDITIONS = {
    "minibatch-discrimination": "`dcgan`, and the discriminator sees how near each sample is to others of its batch",
    "minibatch-deviation": "`dcgan`, and the discriminator sees how much a batch varies",
    "feature-matching": "`dcgan`, and the generator matches the discriminator's mean features, at weight 10",
}
_WORDS = {**RECIPES, **ADDITIONS}
_TRAINERS: dict[str, Any] = {
    "minibatch-discrimination": "dcgan",
    "minibatch-deviation": "dcgan",
    "feature-matching": {"recipe": "dcgan", "feature_matching": 10.0},
}
_LATENT, _CLASSES, _SHAPE = 64, 10, (1, 28, 28)
_SMOOTHED = 50  # moves
_COLOURS = {
    "balanced": "#7fc97f",
    "discriminator overpowers": "#fdc086",
    "generator overpowers": "#beaed4",
    "collapsing": "#f0027f",
    "diverged": "#000000",
    "copying the augmentation": "#386cb0",
    "learning the reals by heart": "#bf5b17",
}


def game_of(recipe: str, seed: int) -> Game:
    """The players, new."""
    rng = torch.Generator().manual_seed(seed)
    if recipe == "cgan":
        body = initialised(lambda: DcganGenerator(_SHAPE, _LATENT + 16, 32), rng)
        conditional = initialised(lambda: ConditionalGenerator(body, _CLASSES), rng)
        judge = initialised(lambda: DcganDiscriminator((1 + _CLASSES, 28, 28), 32), rng)
        return ConditionalGame(conditional, ConcatenationDiscriminator(judge, _CLASSES), _CLASSES)
    generator = initialised(lambda: DcganGenerator(_SHAPE, _LATENT, 32), rng)

    def discriminator() -> nn.Module:
        if recipe == "projected":
            return ProjectedDiscriminator()
        layer = recipe.removeprefix("minibatch-") if recipe.startswith("minibatch-") else "none"
        return DcganDiscriminator(_SHAPE, 32, minibatch=layer)

    game = LatentGame(generator, initialised(discriminator, rng))
    game.projected = recipe == "projected"
    return game


def play(recipe: str, kind: Kind, minutes: float, seed: int = 0) -> tuple[Training, Tensor]:
    """One training, and 2,000 of its fakes."""
    training = trained_by(_TRAINERS.get(recipe, recipe), game_of(recipe, seed), kind, minutes, seed)
    rng = torch.Generator().manual_seed(seed + 1)
    latents, classes = torch.randn((2000, _LATENT), generator=rng), torch.arange(2000) % _CLASSES
    with torch.no_grad():
        parts = zip(latents.split(100), classes.split(100), strict=True)
        made = [training.generator(*((z, c) if recipe == "cgan" else (z,))) for z, c in parts]
    return training, torch.cat(made)


def drawn(training: Training, fakes: Tensor, path: Path) -> None:
    """Sixty fakes; both players' losses; the share of wins and the coverage, with the states as a band of colour."""
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    rows = np.concatenate([np.asarray(row_of(some, 28)) for some in fakes[:60].split(20)])
    history = training.history.dropna(subset=["health_wins"])
    figure, (top, middle, bottom) = plt.subplots(3, 1, figsize=(6.2, 3.3), height_ratios=(3, 2, 2))
    top.imshow(rows, interpolation="nearest")
    top.axis("off")
    for player in ("discriminator", "generator"):
        loss = training.history[f"loss_{player}"].rolling(_SMOOTHED, min_periods=1).mean()
        middle.plot(training.history["seconds"], loss, label=f"{player}'s loss", linewidth=1)
    seconds = history["seconds"].to_numpy()
    for state, begins, ends in zip(history["health"], seconds, [*seconds[1:], seconds[-1]], strict=True):
        bottom.axvspan(begins, ends, color=_COLOURS.get(state, "white"), alpha=0.35, linewidth=0)
    for column, word in (("health_wins", "wins"), ("health_coverage", "coverage")):
        bottom.plot(seconds, history[column], label=word, linewidth=1)
    bottom.set_ylim(0, 1.02)
    for axes in (middle, bottom):
        axes.tick_params(labelsize=6)
        axes.legend(fontsize=6, loc="center right")
        axes.set_xlim(0, seconds[-1])
    figure.tight_layout(pad=0.6)
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=100)
    plt.close(figure)
    Image.open(path).convert("RGB").quantize(32).save(path, optimize=True)


def page(minutes: float) -> str:
    """The gallery as Markdown."""
    figures = {row["recipe"]: row for row in rows_of("gallery") if row["minutes"] == minutes}
    reals = figures["reals"]
    states = ", ".join(f"{colour} {state}" for state, colour in _NAMES.items())
    lines = [
        "# Every recipe on the same pictures",
        "",
        f"Fashion-MNIST at 28 pixels, DCGAN's players at a width of 32, {60 * minutes:g} seconds each on two cores of",
        'a processor, one seed; made by `python -m benchmarks.gallery`. A recipe is a name: `trainer="wgan-gp"` in any',
        "estimator, `--set trainer=wgan-gp` in any command, where it replaces the adversarial part and not the first",
        "stage: these pictures are made from noise alone. What the tasks use by default is not among these:",
        "it begins from an autoencoder or from frozen features (see ARCHITECTURE.md). The last three are no recipes:",
        "`DcganDiscriminator(minibatch=...)` of `gantools.networks.dcgan`, for games of your own, and",
        '`trainer={"recipe": "dcgan", "feature_matching": 10.0}`.',
        "",
        "Under the fakes: both players' losses, means of fifty moves; how often the discriminator ranks a real above a",
        "fake (wins; .5 is a tie), and what share of reals has a fake near it (coverage). The band says the state:",
        f"{states}.",
        "Fréchet distance, coverage and precision are taken in EfficientNet-Lite1's features against 2,000 test",
        f"pictures; 2,000 pictures of the training set have {reals['frechet']:.0f}, {reals['coverage']:.2f} and "
        f"{reals['precision']:.2f}.",
        "",
        "| recipe | what it is | Fréchet distance | coverage | precision | images seen |",
        "|---|---|---|---|---|---|",
    ]
    found = [name for name in _WORDS if name in figures]
    for name in found:
        r = figures[name]
        lines.append(
            f"| [{name}](#{name}) | {_WORDS[name]} | {r['frechet']:.0f} | {r['coverage']:.2f} | {r['precision']:.2f} "
            f"| {r['images']:,} |"
        )
    for name in found:
        lines += ["", f"## {name}", "", f"![{name}](gallery/{name}.png)"]
    return "\n".join(lines) + "\n"


_NAMES = {
    "balanced": "green",
    "discriminator overpowers": "orange",
    "generator overpowers": "violet",
    "collapsing": "red",
    "diverged": "gray",
    "copying the augmentation": "blue",
    "learning the reals by heart": "brown",
}


def main() -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipes", nargs="+", default=list(_WORDS), choices=list(_WORDS))
    parser.add_argument("--minutes", type=float, default=1.0)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    assert set(RECIPES) <= {name.split("/")[1] for name in configs.available()}
    kind, pooled, minutes = fashion(), Pooled(), arguments.minutes
    if not known("gallery", {"recipe": "reals", "minutes": minutes}):
        record("gallery", {"recipe": "reals", "minutes": minutes, **judged(kind, kind.train[:2000], pooled, 0)})
    for recipe in arguments.recipes:
        key: dict[str, Any] = {"recipe": recipe, "minutes": minutes}
        if known("gallery", key):
            continue
        training, fakes = play(recipe, kind, minutes)
        drawn(training, fakes, DOCS / "gallery" / f"{recipe}.png")
        record("gallery", {**key, **judged(kind, fakes, pooled, 0), "images": training.images})
    (DOCS / "gallery.md").write_text(page(minutes))


if __name__ == "__main__":
    main()
