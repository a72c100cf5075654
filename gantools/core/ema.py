"""An exponential moving average of a player's weights."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


class MovingAverage:
    """A copy of `player` whose parameters follow it slowly (Karras et al. 2018, "Progressive Growing").

    Buffers are copied, never averaged: the vectors of spectral norm and the counters of batch norm have no
    meaningful mean.

    Parameters
    ----------
    player : nn.Module
        The network that is trained.
    half_life : float
        Images after which an old weight counts half. 0 copies.
    """

    def __init__(self, player: nn.Module, half_life: float) -> None:
        self.half_life = half_life
        self.average = copy.deepcopy(player).eval().requires_grad_(False)
        self._averaged: list[Tensor] = list(self.average.parameters())
        self._trained: list[Tensor] = list(player.parameters())
        self._copied: list[Tensor] = list(self.average.buffers())
        self._buffers: list[Tensor] = list(player.buffers())

    @torch.no_grad()
    def update(self, n_images: int, images_seen: int) -> None:
        """Move towards the player after a step on `n_images`.

        The half-life is at most a fifth of `images_seen`, so that the first steps are soon forgotten.
        """
        half_life = min(self.half_life, 0.2 * images_seen)
        keep = 0.5 ** (n_images / half_life) if half_life > 0 else 0.0
        torch._foreach_lerp_(self._averaged, self._trained, 1.0 - keep)
        if self._buffers:
            torch._foreach_copy_(self._copied, self._buffers)
