"""Which GAN makes the best pictures in a few minutes on a processor? Ours beside others' published recipes.

    python -m benchmarks.synthesis --data fashion digits emoji --seeds 0 1 --minutes 3
    python -m benchmarks.synthesis --sheet fashion          draws results/synthesis-<data>.png

Every method has the same minutes, the same pictures and the same cores, one after the other. Its pictures are compared
with as many never trained on, in the features of EfficientNet-Lite1, which none of the methods was trained with:
Fréchet distance, coverage and precision, and how many fakes are nearer to one of 2,000 pictures trained on than
held-out ones are.
Rows are appended to results/synthesis.jsonl; what is there is not measured again. Peers are read from the
folder that GANTOOLS_PEERS names (`pip install --target` of torchgan, lightweight-gan and their needs).
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_digits
from torch import Tensor

from benchmarks.datasets import emoji_groups, fashion_mnist
from benchmarks.gan_peers import PEERS, Sampler
from benchmarks.judge import Pooled
from benchmarks.records import RESULTS, known, record
from gantools import GanSynthesizer
from gantools.core import AdversarialTrainer, Game, LatentGame, Training
from gantools.core.batches import Order
from gantools.core.initialise import initialised
from gantools.metrics.generated import bootstrap_interval, copies, frechet_distance, neighbourhoods
from gantools.networks.dcgan import DcganDiscriminator, DcganGenerator
from gantools.pipelines.base import resolve_trainer

_JUDGED = 2_000


class Kind(NamedTuple):
    """Pictures (N, C, H, W) in [-1, 1] to learn from, their labels, and pictures to judge by."""

    train: Tensor
    labels: np.ndarray
    test: Tensor


def _planes(pictures: np.ndarray) -> Tensor:
    pictures = pictures[..., None] if pictures.ndim == 3 else pictures
    return torch.from_numpy(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2))).float().div(127.5).sub(1)


def fashion() -> Kind:
    """Fashion-MNIST: 60,000 of 28 pixels to learn from."""
    data = fashion_mnist()
    return Kind(_planes(data.train), data.train_labels, _planes(data.test))


def digits() -> Kind:
    """scikit-learn's digits: 900 of 8 pixels to learn from, 897 to judge by."""
    data = load_digits()
    pictures = _planes(np.round(data.images * 15.9375).astype(np.uint8))
    order = torch.randperm(len(pictures), generator=torch.Generator().manual_seed(0))
    return Kind(pictures[order[:900]], data.target[order[:900].numpy()], pictures[order[900:]])


def emoji() -> Kind:
    """OpenMoji in colour, six groups, 64 pixels, 80 of each to learn from."""
    data = emoji_groups(64, 80, 0)
    return Kind(_planes(data.train), data.train_labels, _planes(data.test))


DATA: dict[str, Callable[[], Kind]] = {"fashion": fashion, "digits": digits, "emoji": emoji}


def ours(kind: Kind, minutes: float, seed: int) -> Sampler:
    """`GanSynthesizer` as it comes, with the classes."""
    arrays = kind.train.add(1).mul(127.5).round().byte().permute(0, 2, 3, 1).numpy()
    fitted = GanSynthesizer(max_minutes=minutes, random_state=seed).fit(arrays, kind.labels)
    return lambda n: _planes(fitted.sample(n, random_state=seed)[0])


def trained_by(recipe: Any, game: Game, kind: Kind, minutes: float, seed: int) -> Training:
    """A game played for so many minutes by a recipe of configs/training, or by one with other settings (a dict)."""
    order, labels = Order(len(kind.train), 64, seed), torch.from_numpy(kind.labels).long()

    def batches(step: int) -> dict[str, Tensor]:
        rows = torch.from_numpy(order.indices(step))
        return {"reals": kind.train[rows], "labels": labels[rows]}

    trainer = resolve_trainer(recipe, AdversarialTrainer())
    return trainer.train(game, batches, max_images=10**6, max_minutes=minutes, seed=seed)


def recipe(name: str) -> Callable[[Kind, float, int], Sampler]:
    """A recipe of configs/training on DCGAN players 32 wide, from noise alone and without classes."""

    def play(kind: Kind, minutes: float, seed: int) -> Sampler:
        rng = torch.Generator().manual_seed(seed)
        channels, height, width = kind.train.shape[1:]
        shape = channels, height, width
        game = LatentGame(
            initialised(lambda: DcganGenerator(shape, 64, 32), rng),
            initialised(lambda: DcganDiscriminator(shape, 32), rng),
        )
        trained = trained_by(name, game, kind, minutes, seed)
        latents = torch.Generator().manual_seed(seed + 1)
        return lambda n: torch.cat(
            [trained.generator(torch.randn((len(some), 64), generator=latents)) for some in torch.empty(n).split(256)]
        )

    return play


METHODS: dict[str, Callable[[Kind, float, int], Sampler]] = {
    "gantools": ours,
    "gantools, relativistic from noise": recipe("relativistic"),
    **PEERS,
}


def judged(kind: Kind, fakes: Tensor, pooled: Pooled, seed: int) -> dict[str, float]:
    """Figures of as many fakes as there are held-out pictures, 2,000 at most, rounded to eight bits."""
    fakes = fakes.clamp(-1, 1).add(1).mul(127.5).round().div(127.5).sub(1)
    rng = torch.Generator().manual_seed(seed)
    train = kind.train[torch.randperm(len(kind.train), generator=rng)[:_JUDGED]]
    real, fake, seen = (pooled(p.add(1).div(2)) for p in (kind.test[: len(fakes)], fakes, train))
    near = neighbourhoods(real, fake)
    frechet, low, high = bootstrap_interval(frechet_distance, real, fake, n=50, seed=seed)
    return {
        "frechet": frechet,
        "frechet_low": low,
        "frechet_high": high,
        "coverage": near.coverage,
        "precision": near.precision,
        "copies": float(copies(seen, real, fake).float().mean()),
    }


def sheet(name: str) -> None:
    """Sixteen pictures of each method, a row each, as results/synthesis-<data>.png."""
    files = [RESULTS / "sheets" / f"{name}-{method}.png" for method in METHODS]
    rows = [np.asarray(Image.open(file).convert("RGB")) for file in files if file.exists()]
    Image.fromarray(np.concatenate(rows)).save(RESULTS / f"synthesis-{name}.png", optimize=True)


def row_of(pictures: Tensor, side: int = 64) -> Image.Image:
    """Pictures side by side, each `side` pixels."""
    arrays = pictures.clamp(-1, 1).add(1).mul(127.5).round().byte().permute(0, 2, 3, 1).numpy()
    images = [Image.fromarray(a.squeeze(-1) if a.shape[-1] == 1 else a).convert("RGB") for a in arrays]
    return Image.fromarray(np.concatenate([np.asarray(i.resize((side, side), 0)) for i in images], 1))


def main() -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", default=list(DATA), choices=list(DATA))
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--sheet", choices=list(DATA))
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    if arguments.sheet:
        sheet(arguments.sheet)
        return
    pooled = Pooled()
    for name in arguments.data:
        kind = DATA[name]()
        for seed in arguments.seeds:
            for method in arguments.methods:
                key = {"data": name, "seed": seed, "method": method, "minutes": arguments.minutes}
                if known("synthesis", key):
                    continue
                began = time.monotonic()
                sample = METHODS[method](kind, arguments.minutes, seed)
                took = time.monotonic() - began
                with torch.no_grad():
                    fakes = sample(min(_JUDGED, len(kind.test)))
                record("synthesis", {**key, **judged(kind, fakes, pooled, seed), "fit_seconds": took})
                if seed == 0:
                    (RESULTS / "sheets").mkdir(exist_ok=True)
                    row_of(fakes[:16]).save(RESULTS / "sheets" / f"{name}-{method}.png")


if __name__ == "__main__":
    main()
