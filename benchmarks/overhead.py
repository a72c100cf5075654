"""What the trainer costs over a loop by hand: the same players, the same mathematics, in turns in one process.

    python -m benchmarks.overhead --rounds 4
    python -m benchmarks.overhead --rounds 4 --device cuda

Rows are appended to results/overhead.jsonl: images a second of both, and the median of the rounds' ratios; above 1 the
trainer is the faster. It keeps its history, its health and its moving average; the loop by hand keeps nothing but
a moving average.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.records import name_of, record
from gantools.core import AdversarialTrainer, LatentGame
from gantools.core.initialise import initialised
from gantools.networks.dcgan import DcganDiscriminator, DcganGenerator

_LATENT, _BATCH, _USUAL = 64, 64, 300_000
Players = tuple[nn.Module, nn.Module]


def _players(kind: type[nn.Module], judge: type[nn.Module], shape: tuple[int, int, int], width: int) -> Players:
    rng = torch.Generator().manual_seed(0)
    return (
        initialised(lambda: kind(shape, _LATENT, width), rng),
        initialised(lambda: judge(shape, width), rng),
    )


def _latents(reals: Tensor) -> Tensor:
    return torch.randn((len(reals), _LATENT), device=reals.device)


def _by_hand(players: Players, reals: Tensor, steps: int, relativistic: bool) -> None:
    """The game as one would write it: cross-entropy, or the relativistic loss with R1 and R2 at .5."""
    generator, discriminator = players
    of_g = torch.optim.AdamW(generator.parameters(), 2e-4, (0.5, 0.99), weight_decay=0.0)
    of_d = torch.optim.AdamW(discriminator.parameters(), 2e-4, (0.5, 0.99), weight_decay=0.0)
    average = [p.detach().clone() for p in generator.parameters()]
    for _ in range(steps):
        with torch.no_grad():
            fakes = generator(_latents(reals))
        if relativistic:
            x, y = reals.detach().requires_grad_(True), fakes.detach().requires_grad_(True)
            real, fake = discriminator(x), discriminator(y)
            loss = F.softplus(fake - real).mean()
            for logits, samples in ((real, x), (fake, y)):
                (slope,) = torch.autograd.grad(logits.sum(), samples, create_graph=True)
                loss = loss + 0.25 * slope.square().flatten(1).sum(1).mean()
        else:
            loss = F.softplus(-discriminator(reals)).mean() + F.softplus(discriminator(fakes)).mean()
        of_d.zero_grad(set_to_none=True)
        loss.backward()
        of_d.step()
        discriminator.requires_grad_(False)
        logits = discriminator(generator(_latents(reals)))
        if relativistic:
            with torch.no_grad():
                real = discriminator(reals)
            loss = F.softplus(real - logits).mean()
        else:
            loss = F.softplus(-logits).mean()
        of_g.zero_grad(set_to_none=True)
        loss.backward()
        of_g.step()
        discriminator.requires_grad_(True)
        with torch.no_grad():
            for a, p in zip(average, generator.parameters(), strict=True):
                a.lerp_(p, 0.01)


def _by_trainer(players: Players, reals: Tensor, steps: int, relativistic: bool) -> None:
    penalties: dict[str, Any] = {"r1": 0.5, "r2": 0.5} if relativistic else {}
    trainer = AdversarialTrainer("relativistic" if relativistic else "non_saturating", **penalties)
    seen = 0

    def batches(step: int) -> dict[str, Tensor]:
        nonlocal seen
        seen += len(reals)
        return {"reals": reals}

    # A tick at every hundredth of a training of usual length; stopped at the first one after so many steps.
    trainer.train(
        LatentGame(*players), batches, max_images=_USUAL, seed=0, on_tick=lambda tick: seen >= steps * len(reals)
    )


CASES: dict[str, tuple[Callable[[], Players], tuple[int, int, int], bool, int]] = {
    "DCGAN, 8 px": (lambda: _players(DcganGenerator, DcganDiscriminator, (1, 8, 8), 32), (1, 8, 8), False, 470),
    "DCGAN, 28 px": (lambda: _players(DcganGenerator, DcganDiscriminator, (1, 28, 28), 32), (1, 28, 28), False, 94),
    "DCGAN, 64 px": (lambda: _players(DcganGenerator, DcganDiscriminator, (3, 64, 64), 32), (3, 64, 64), False, 47),
    "DCGAN, relativistic, 28 px": (
        lambda: _players(DcganGenerator, DcganDiscriminator, (1, 28, 28), 32), (1, 28, 28), True, 94
    ),
}  # fmt: skip


def main() -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    for name, (build, shape, relativistic, steps) in CASES.items():
        reals = torch.randn(_BATCH, *shape, generator=torch.Generator().manual_seed(0)).clamp(-1, 1)
        reals = reals.to(arguments.device)
        speeds: dict[str, list[float]] = {"by hand": [], "trainer": []}
        for number in range(arguments.rounds + 1):
            for way, run in (("by hand", _by_hand), ("trainer", _by_trainer)):
                generator, discriminator = (player.to(arguments.device) for player in build())
                began = time.perf_counter()
                run((generator, discriminator), reals, steps, relativistic)
                float(next(generator.parameters()).detach().flatten()[0])  # GPUs are waited for
                if number > 0:  # the first round warms up
                    speeds[way].append(steps * _BATCH / (time.perf_counter() - began))
        medians: dict[str, Any] = {way: statistics.median(found) for way, found in speeds.items()}
        ratios = [t / h for t, h in zip(speeds["trainer"], speeds["by hand"], strict=True)]
        key = {"device": name_of(arguments.device), "data": name}
        record("overhead", {**key, **medians, "ratio": statistics.median(ratios)})


if __name__ == "__main__":
    main()
