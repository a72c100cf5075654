"""Does `balance="auto"` rescue games that are broken on purpose? Digits of 8 pixels, a DCGAN, seconds a run.

    python -m benchmarks.health --seeds 0 1 2      measures, appending to results/health.jsonl
    python -m benchmarks.health --plot             draws results/health.png from the last run of each kind

Each set-up is played twice from the same seed: watched only, and balanced. Fréchet distance and coverage are taken
between 897 digits never trained on and as many fakes, in pixels; modes are counted among 10,000 fakes. A game that
the balance left alone is not played again: it is the watched one to the bit (tests/core/test_health.py).
"""

from __future__ import annotations

import argparse
import warnings
from typing import Any

import torch
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.svm import SVC

from benchmarks.records import RESULTS, known, record, rows_of
from gantools.core import AdversarialTrainer, LatentGame, Training
from gantools.core.batches import Order
from gantools.core.initialise import initialised
from gantools.errors import GantoolsError
from gantools.metrics.generated import frechet_distance, neighbourhoods, spread_ratio
from gantools.networks.dcgan import DcganDiscriminator, DcganGenerator

IMAGES = 300_000
LONGER = {"100 pictures": 1_200_000}
SOUND = {"lr_generator": 2e-3, "lr_discriminator": 2e-3, "beta1": 0.5, "ema": 0.02}
SETUPS: dict[str, dict[str, Any]] = {
    "sound": {},
    "discriminator 20 times faster": {"lr_discriminator": 0.04},
    "generator 20 times faster": {"lr_generator": 0.04},
    "discriminator 500 times faster": {"lr_discriminator": 1.0},
    "generator 100 times faster": {"lr_generator": 0.2},
    "both 50 times faster": {"lr_generator": 0.1, "lr_discriminator": 0.1},
    "100 pictures": {},
    "1,000 modes": {},
    "1,000 modes, generator 25 times faster": {"lr_generator": 0.05},
}


def digits() -> tuple[torch.Tensor, torch.Tensor]:
    """900 digits to learn from and 897 to judge by, (N, 1, 8, 8) in [-1, 1]."""
    pictures = torch.from_numpy(load_digits().images).float()[:, None] / 8 - 1
    order = torch.randperm(len(pictures), generator=torch.Generator().manual_seed(0))
    return pictures[order[:900]], pictures[order[900:]]


def stacked(pictures: torch.Tensor, n: int, seed: int) -> torch.Tensor:
    """Three digits drawn at random as the three colours of one picture: a thousand modes (Metz et al. 2017)."""
    drawn = torch.randint(len(pictures), (n, 3), generator=torch.Generator().manual_seed(seed))
    return pictures[drawn, 0]


def modes(fakes: torch.Tensor) -> int:
    """Of the thousand triples of digits, how many are among the fakes, by a support vector machine."""
    data = load_digits()
    judge = SVC().fit(data.data / 8 - 1, data.target)
    triples = judge.predict(fakes.reshape(-1, 64).numpy()).reshape(-1, 3)
    return len({tuple(t) for t in triples.tolist()})


class HeldOut(LatentGame):
    """A game that may have a hundred reals never trained on, by which its health is judged."""

    reals: torch.Tensor | None = None

    def held_out(self) -> dict[str, torch.Tensor] | None:
        """They, if any."""
        return None if self.reals is None else {"reals": self.reals}


def play(setup: str, balance: str, seed: int) -> tuple[Training, dict[str, float]]:
    """One training and its figures."""
    train, held = digits()
    kept = None
    if setup == "100 pictures":
        train, kept = train[:100], train[100:200]
    many = setup.startswith("1,000 modes")
    if many:
        train, held = stacked(train, 20_000, 1), stacked(held, 900, 2)
    shape = (train.shape[1], 8, 8)
    rng = torch.Generator().manual_seed(seed)
    game = HeldOut(
        initialised(lambda: DcganGenerator(shape, 32, 32), rng),
        initialised(lambda: DcganDiscriminator(shape, 32), rng),
    )
    game.reals = kept
    order = Order(len(train), 64, seed)
    trainer = AdversarialTrainer(**{**SOUND, **SETUPS[setup]}, balance=balance)
    training = trainer.train(
        game,
        lambda step: {"reals": train[torch.from_numpy(order.indices(step))]},
        max_images=LONGER.get(setup, IMAGES),
        seed=seed,
    )
    with torch.no_grad():
        latents = torch.randn(10_000 if many else len(held), 32, generator=torch.Generator().manual_seed(seed + 1))
        made = training.generator(latents)
    fakes = made[: len(held)]
    real, fake = held.flatten(1), fakes.flatten(1)
    near = neighbourhoods(real, fake)
    figures = {"frechet": frechet_distance(real, fake), "coverage": near.coverage, "precision": near.precision}
    figures |= {"modes": float(modes(made))} if many else {}
    figures |= {"spread": spread_ratio(real, fake), "rollbacks": float(training.rollbacks)}
    figures |= {f"share {k}": float(v) for k, v in training.history["health"].value_counts(normalize=True).items()}
    return training, figures


def plot(seed: int = 0) -> None:
    """Share of wins and learning-rate factors over training, watched and balanced, for every set-up."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(len(SETUPS), 2, figsize=(9, 2 * len(SETUPS)), sharex=True, sharey=True)
    for row, setup in zip(axes, SETUPS, strict=True):
        for axis, balance in zip(row, ("watch", "auto"), strict=True):
            history = play(setup, balance, seed)[0].history.dropna(subset=["health_wins"])
            for column in ("health_wins", "health_spread", "slowed_discriminator", "slowed_generator"):
                axis.plot(history["images"], history[column].clip(0, 1.5), label=column)
            axis.set_title(f"{setup}, {balance}", fontsize=8)
    axes[0, 0].legend(fontsize=6)
    figure.tight_layout()
    figure.savefig(RESULTS / "health.png", dpi=70)
    Image.open(RESULTS / "health.png").convert("RGB").quantize(16).save(RESULTS / "health.png", optimize=True)


def main() -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--setups", nargs="+", default=list(SETUPS), choices=list(SETUPS))
    parser.add_argument("--plot", action="store_true")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)  # networks this small are ten times faster so
    if arguments.plot:
        plot()
        return
    for seed in arguments.seeds:
        for setup in arguments.setups:
            acted, figures = True, dict[str, Any]()
            for balance in ("auto", "watch"):
                key = {"data": setup, "seed": seed, "method": balance}
                if known("health", key):
                    continue
                if acted:
                    try:
                        training, figures = play(setup, balance, seed)
                        acted = training.rollbacks > 0 or "augment" in training.history
                    except GantoolsError as error:
                        figures = {"failed": str(error)[:80]}
                record("health", {**key, **figures})
    assert rows_of("health")


if __name__ == "__main__":
    main()
