"""Muon: every inner matrix of weights steps in an orthogonal direction."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_QUINTIC = 3.4445, -4.775, 2.0315
_TIMES = 5
_MOMENTUM = 0.95
_LENGTH = 0.4


def trained(player: nn.Module) -> list[Tensor]:
    """The weights of `player` that learn; one of no size where there are none, as optimisers want some."""
    return [p for p in player.parameters() if p.requires_grad] or [torch.zeros(0, requires_grad=True)]


def orthogonal(matrix: Tensor) -> Tensor:
    """The nearest matrix whose singular values are about one, (rows, columns) as it is.

    By five rounds of Newton and Schulz's iteration, with the coefficients of Jordan et al. 2024, which bring singular
    values between .002 and 1 of the largest to between .7 and 1.2. Every round multiplies by a polynomial of the Gram
    matrix, so that only this one, square and small, goes through the rounds.
    """
    a, b, c = _QUINTIC
    tall = len(matrix) > matrix.shape[1]
    x: Tensor = matrix.T if tall else matrix
    x = x / x.norm().clamp_min(1e-12)
    gram = x @ x.T
    one = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    product = one
    for _ in range(_TIMES):
        factor = a * one + b * gram + c * gram @ gram
        product = factor @ product
        gram = factor @ gram @ factor
    x = product @ x
    return x.T if tall else x


class Muon(torch.optim.Optimizer):
    """Moves inner matrices of weights along their momentum made orthogonal, and everything else as AdamW does.

    All directions of a matrix are learnt equally fast, also those that gradients seldom point to (Jordan et al. 2024,
    "Muon: An optimizer for hidden layers in neural networks"). The kernel of a convolution is a matrix with a row for
    each channel that comes out (of a transposed one, that goes in). The first and the last matrix, vectors of classes
    (embeddings), biases and gains are Adam's. Steps are twice as long as Adam's usually are, whatever the matrix's
    sides, so that learning rates are of one size (Liu et al. 2025, "Muon is Scalable for LLM Training", have them once
    as long; super-resolution learnt less by half and by twice of it).
    torch.optim.Muon has none of it for convolutions, and computes in bfloat16, which is slow on CPUs.

    Parameters
    ----------
    player : nn.Module
        Its weights that learn are moved; they come in the order of its layers.
    lr : float
    betas : (float, float)
        Adam's.
    weight_decay : float
        Decoupled, of all weights.
    """

    def __init__(self, player: nn.Module, lr: float, betas: tuple[float, float], weight_decay: float) -> None:
        weights = trained(player)
        super().__init__(weights, {"lr": lr, "betas": betas, "weight_decay": weight_decay})
        looked_up = {id(m.weight) for m in player.modules() if isinstance(m, nn.Embedding)}
        matrices = [w for w in weights if w.ndim >= 2 and id(w) not in looked_up]
        self._inner = {id(w) for w in matrices[1:-1] if len(w) > 1}

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One move of all weights that have a gradient."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    weight.mul_(1 - group["lr"] * group["weight_decay"])
                    move = self._orthogonal if id(weight) in self._inner else self._adam
                    weight.sub_(move(weight, weight.grad, group["betas"]), alpha=group["lr"])

    def _orthogonal(self, weight: Tensor, gradient: Tensor, betas: tuple[float, float]) -> Tensor:
        state = self.state[weight]
        if not state:
            state["momentum"] = torch.zeros_like(weight)
        momentum = state["momentum"].mul_(_MOMENTUM).add_(gradient)
        ahead: Tensor = gradient.add(momentum, alpha=_MOMENTUM).flatten(1)
        length: float = _LENGTH * max(ahead.shape) ** 0.5
        return orthogonal(ahead).view(weight.shape) * length

    def _adam(self, weight: Tensor, gradient: Tensor, betas: tuple[float, float]) -> Tensor:
        state = self.state[weight]
        if not state:
            state |= {"mean": torch.zeros_like(weight), "square": torch.zeros_like(weight), "step": torch.zeros(())}
        state["step"] += 1
        step = int(state["step"])
        mean: Tensor = state["mean"].lerp_(gradient, 1 - betas[0]) / (1 - betas[0] ** step)
        square: Tensor = state["square"].mul_(betas[1]).addcmul_(gradient, gradient, value=1 - betas[1])
        return mean / (square / (1 - betas[1] ** step)).sqrt().add_(1e-8)
