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


def orthogonal(matrices: Tensor) -> Tensor:
    """The nearest matrices whose singular values are about one, (..., rows, columns) as they are.

    By five rounds of Newton and Schulz's iteration, with the coefficients of Jordan et al. 2024, which bring singular
    values between .002 and 1 of a matrix's Euclidean norm to between .65 and 1.25, and smaller ones to less. Every
    round multiplies by a polynomial of the Gram matrix, so that only this one, square and small, goes through the
    rounds.
    """
    a, b, c = _QUINTIC
    tall = matrices.shape[-2] > matrices.shape[-1]
    x: Tensor = matrices.mT if tall else matrices
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp_min(1e-12)
    gram = x @ x.mT
    one = torch.eye(gram.shape[-1], dtype=gram.dtype, device=gram.device)
    product = one
    for _ in range(_TIMES):
        factor = a * one + b * gram + c * gram @ gram
        product = factor @ product
        gram = factor @ gram @ factor
    x = product @ x
    return x.mT if tall else x


class Muon(torch.optim.Optimizer):
    """Moves inner matrices of weights along their momentum made orthogonal, and everything else as AdamW does.

    All directions of a matrix are learnt equally fast, also those that gradients seldom point to (Jordan et al. 2024,
    "Muon: An optimizer for hidden layers in neural networks"). The kernel of a convolution is a matrix with a row for
    each channel that comes out (of a transposed one, that goes in). The first and the last matrix in the order of
    the player's layers (a translator's are its hints' and its linear part's), vectors of classes (embeddings), biases
    and gains are Adam's. Steps are twice as long as Adam's usually are, whatever the matrix's
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
        """One move of all weights that have a gradient; matrices of one shape are made orthogonal at once."""
        for group in self.param_groups:
            weights = [w for w in group["params"] if w.grad is not None]
            if not weights:
                continue
            torch._foreach_mul_(weights, 1 - group["lr"] * group["weight_decay"])
            alike: dict[tuple[int, ...], list[Tensor]] = {}
            for weight in weights:
                shape = tuple(weight.flatten(1).shape) if id(weight) in self._inner else ()
                alike.setdefault(shape, []).append(weight)
            for shape, some in alike.items():
                moves = self._orthogonal(some) if shape else self._adam(some, group["betas"])
                torch._foreach_add_(some, moves, alpha=-group["lr"])

    def _orthogonal(self, weights: list[Tensor]) -> list[Tensor]:
        """The moves of matrices of one shape."""
        for weight in weights:
            if not self.state[weight]:
                self.state[weight]["momentum"] = torch.zeros_like(weight)
        gradients, momenta = _gradients(weights), [self.state[w]["momentum"] for w in weights]
        torch._foreach_mul_(momenta, _MOMENTUM)
        torch._foreach_add_(momenta, gradients)
        ahead = torch.stack([m.flatten(1) for m in torch._foreach_add(gradients, momenta, alpha=_MOMENTUM)])
        length: float = _LENGTH * max(ahead.shape[1:]) ** 0.5
        moves = orthogonal(ahead) * length
        return [move.view(weight.shape) for move, weight in zip(moves, weights, strict=True)]

    def _adam(self, weights: list[Tensor], betas: tuple[float, float]) -> list[Tensor]:
        for weight in weights:
            if not self.state[weight]:
                self.state[weight] |= {name: torch.zeros_like(weight) for name in ("mean", "square")}
                self.state[weight]["step"] = torch.zeros(())
            self.state[weight]["step"] += 1
        gradients, steps = _gradients(weights), [int(self.state[w]["step"]) for w in weights]
        means, squares = ([self.state[w][name] for w in weights] for name in ("mean", "square"))
        torch._foreach_lerp_(means, gradients, 1 - betas[0])
        torch._foreach_mul_(squares, betas[1])
        torch._foreach_addcmul_(squares, gradients, gradients, 1 - betas[1])
        roots = torch._foreach_div(squares, [1 - betas[1] ** step for step in steps])
        torch._foreach_sqrt_(roots)
        torch._foreach_add_(roots, 1e-8)
        moves = list(torch._foreach_div(means, [1 - betas[0] ** step for step in steps]))
        torch._foreach_div_(moves, roots)
        return moves


def _gradients(weights: list[Tensor]) -> list[Tensor]:
    return [w.grad for w in weights if w.grad is not None]
