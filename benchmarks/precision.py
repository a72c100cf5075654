"""How fast the trainer plays on this machine: in float32, in tf32 and in bfloat16, and with compiled players.

    python -m benchmarks.precision --sizes 32 64
    python -m benchmarks.precision --sizes 32 64 128 256 --device cuda --width 64 --batch 256

DCGAN's players, non-saturating and without penalties (which are not compiled), in turns in one process. Rows are
appended to results/precision.jsonl: pictures a second (the median step, the first ones of a training left out), the
ratio to float32, the seconds until the first step is over, and the share of the rate at which this machine multiplies
matrices of that precision. tf32 is torch's own setting, which gantools leaves as it finds it; it is tried on GPUs only,
and so are channels that come last, which on CPUs they always do.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from typing import NamedTuple

import pandas as pd
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.records import Row, known, name_of, record
from gantools.core import AdversarialTrainer, LatentGame
from gantools.core.initialise import initialised
from gantools.core.layout import lay_channels_last
from gantools.networks.dcgan import DcganDiscriminator, DcganGenerator

_LATENT, _WARM = 64, 4


class Way(NamedTuple):
    """How the trainer computes."""

    precision: str = "float32"
    compile: bool = False
    tf32: bool = False
    channels_last: bool = False


WAYS = {
    "float32": Way(),
    "float32, compiled": Way(compile=True),
    "bfloat16": Way("bfloat16"),
    "bfloat16, compiled": Way("bfloat16", compile=True),
}
ON_GPUS = {
    "tf32": Way(tf32=True),
    "tf32, channels last": Way(tf32=True, channels_last=True),
    "bfloat16, channels last": Way("bfloat16", channels_last=True),
    "bfloat16, channels last, compiled": Way("bfloat16", compile=True, channels_last=True),
}


class Work(NamedTuple):
    """Pictures of so many pixels a side, in so large batches, by players so wide, on a device."""

    size: int
    batch: int
    width: int
    device: str

    def key(self) -> Row:
        """By which its figures are found."""
        return {**self._asdict(), "device": name_of(self.device)}

    def steps(self, way: Way, n: int) -> pd.DataFrame:
        """The history of so many steps."""
        shape = (3, self.size, self.size)
        rng = torch.Generator().manual_seed(0)
        game = LatentGame(
            initialised(lambda: DcganGenerator(shape, _LATENT, self.width), rng).to(self.device),
            initialised(lambda: DcganDiscriminator(shape, self.width), rng).to(self.device),
        )
        if way.channels_last:
            lay_channels_last(game.generator)
            lay_channels_last(game.discriminator)
        reals = torch.randn((self.batch, *shape), generator=rng).clamp(-1, 1).to(self.device)

        def batches(step: int) -> dict[str, Tensor]:
            return {"reals": reals}

        trainer = AdversarialTrainer(precision=way.precision, compile=way.compile, balance="off")
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = way.tf32
        torch.compiler.reset()  # of a function torch compiles eight kinds, and no more
        training = trainer.train(game, batches, max_images=n * self.batch, seed=0)
        return training.history

    def operations(self) -> float:
        """Floating-point operations of a step, for each real."""
        with FlopCounterMode(display=False) as counter:
            self.steps(Way(), 1)
        return counter.get_total_flops() / self.batch


def matrix_rate(device: str, way: Way) -> float:
    """Floating-point operations a second of products of matrices in the way's precision, the best of ten."""
    side = 8192 if device == "cuda" else 2048
    torch.backends.cuda.matmul.allow_tf32 = way.tf32
    a = torch.randn((side, side), device=device, dtype=getattr(torch, way.precision))
    took = []
    for _ in range(10):
        began = time.perf_counter()
        float((a @ a)[0, 0])
        took.append(time.perf_counter() - began)
    return 2 * side**3 / min(took)


def measure(work: Work, ways: dict[str, Way], rounds: int, steps: int) -> None:
    """All ways in turns, one row each."""
    rates: dict[str, list[float]] = {way: [] for way in ways}
    first: dict[str, float] = {}
    operations = work.operations()
    for _ in range(rounds):
        for way in ways:
            history = work.steps(ways[way], steps)
            first.setdefault(way, float(history["seconds"].iloc[0]))
            rates[way].append(float(history["images_per_second"].iloc[_WARM:].median()))
    for way in ways:
        ratios = [mine / plain for mine, plain in zip(rates[way], rates["float32"], strict=True)]
        rate = statistics.median(rates[way])
        share = rate * operations / matrix_rate(work.device, ways[way])
        figures = {"rate": rate, "ratio": statistics.median(ratios), "first": first[way], "matrix_share": share}
        record("precision", {**work.key(), "method": way, **figures})


def main() -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[32, 64])
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=24)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    ways = WAYS | ON_GPUS if arguments.device == "cuda" else WAYS
    for size in arguments.sizes:
        work = Work(size, arguments.batch, arguments.width, arguments.device)
        if not known("precision", work.key()):
            measure(work, ways, arguments.rounds, arguments.steps)


if __name__ == "__main__":
    main()
