"""Initial weights from a local generator of random numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import nn

Player = TypeVar("Player", bound=nn.Module)


def initialised(build: Callable[[], Player], rng: torch.Generator) -> Player:
    """Build a network whose random initial weights come from `rng`.

    torch's initialisers draw from the global generator; its state is forked here, so that it is the same
    before and after, and what is drawn depends on `rng` alone.
    """
    seed = int(torch.randint(2**62, (1,), generator=rng))
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return build()
