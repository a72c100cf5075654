"""What the generator makes, again and again of the same latents, while it learns: for people to look at."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gantools.core.game import Batch, Game

MOMENTS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0)
"""Shares of training at which they are taken."""

_N = 8
_LARGEST = 96


def moments_over(done: float) -> int:
    """How many of the moments are over when the share `done` of training is."""
    return sum(done >= moment for moment in MOMENTS)


@dataclass
class Snapshots:
    """The generator's pictures of one small batch over the course of a training.

    Attributes
    ----------
    images : list of int
        Reals that had been seen at each moment.
    pictures : list of Tensor
        (n, C, h, w), uint8, at most eight pictures of at most 96 pixels a side, the same ones at every moment.
    passed : int
        How many of the moments are over.
    """

    images: list[int] = field(default_factory=list)
    pictures: list[Tensor] = field(default_factory=list)
    passed: int = 0

    def due(self, done: float) -> bool:
        """Whether a moment has come when the share `done` of training is over."""
        passed = moments_over(done)
        due, self.passed = passed > self.passed, max(passed, self.passed)
        return due

    @torch.no_grad()
    def take(self, game: Game, generator: nn.Module, batch: Batch, images: int, seed: int) -> None:
        """Add what `generator`, in evaluation mode, makes of the first of `batch`; nothing where these are no pictures.

        The latents are drawn from a generator of randomness of their own, so that looking changes nothing.
        """
        shown = copy.copy(game)
        shown.generator = generator
        some = {name: values[:_N] for name, values in batch.items()}
        fakes = shown.fakes(some, torch.Generator(batch["reals"].device).manual_seed(seed))
        if fakes.ndim == 4:
            self.images.append(images)
            self.pictures.append(_eight_bits(fakes))

    def state(self) -> dict[str, Any]:
        """For a checkpoint; `Snapshots(**state)` is the way back."""
        return {"images": list(self.images), "pictures": list(self.pictures), "passed": self.passed}


def _eight_bits(pictures: Tensor) -> Tensor:
    """Of pictures in [-1, 1], shrunk to the largest size that is kept."""
    longest = max(pictures.shape[2:])
    if longest > _LARGEST:
        height, width = (max(1, round(side * _LARGEST / longest)) for side in pictures.shape[2:])
        pictures = F.adaptive_avg_pool2d(pictures.float(), (height, width))
    return pictures.float().nan_to_num().add(1).mul(127.5).round().clamp(0, 255).byte().cpu()
