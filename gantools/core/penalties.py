"""Gradient penalties on the discriminator, each sample on its own, computed in float32."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

_MEASURED_MOVES = 32


def squared_gradient_norms(logits: Tensor, samples: Tensor) -> Tensor:
    """Squared Euclidean norm of each sample's gradient of its logit.

    Parameters
    ----------
    logits : Tensor, (N, ...), float32
        Of the samples, from a discriminator that was not compiled; dense logits count as their mean.
    samples : Tensor, (N, ...)
        Where the gradient is taken; they require it, so that conditions and augmentations, which come after, are part
        of what is differentiated.

    Returns
    -------
    Tensor, (N,)
        Differentiable with respect to the discriminator's parameters.
    """
    total = logits.flatten(1).mean(1).sum() if logits.ndim > 1 else logits.sum()
    (gradient,) = torch.autograd.grad(total, samples, create_graph=True)
    return gradient.square().flatten(1).sum(1)


@contextmanager
def not_compiled() -> Iterator[None]:
    """Inside, compiled players compute as they are written: compiled code has no gradients of gradients."""
    if "torch._dynamo" in sys.modules:  # nothing is compiled before it is imported, which takes seconds
        with torch.compiler.set_stance("force_eager"):
            yield
    else:
        yield


def zero_centred_penalty(logits: Tensor, samples: Tensor) -> Tensor:
    """Half the mean squared gradient norm: R1 at reals, R2 at fakes; for parameters, see `squared_gradient_norms`.

    Mescheder et al. 2018, "Which Training Methods for GANs do actually Converge?", equations 9 and 10,
    without the factor gamma.
    """
    return 0.5 * squared_gradient_norms(logits, samples).mean()


def wgan_gradient_penalty(
    logits_of: Callable[[Tensor], Tensor], reals: Tensor, fakes: Tensor, rng: torch.Generator
) -> Tensor:
    """Mean squared distance of gradient norms from 1, at random points between reals and fakes.

    Gulrajani et al. 2017, "Improved Training of Wasserstein GANs", equation 3, without the factor lambda:
    one epsilon and one norm for each sample.
    """
    shape = (len(reals),) + (1,) * (reals.ndim - 1)
    epsilon = torch.rand(shape, generator=rng, device=reals.device)
    between = (epsilon * reals.float() + (1 - epsilon) * fakes.float()).detach().requires_grad_(True)
    norms = (squared_gradient_norms(logits_of(between), between) + 1e-12).sqrt()
    return (norms - 1).square().mean()


@dataclass
class MeasuredPenalty:
    """A factor on the penalties' weights, settled by how large they are beside the loss in the first moves.

    Which weight suits depends on how steep a discriminator begins, so on its width, its depth and its data.

    Attributes
    ----------
    share : float
        Wanted: penalty over loss. 0 measures nothing and leaves the factor at 1.
    every : int
        Moves from one penalty to the next: as many are measured as hold a whole number of them, at least 32.
    factor : float
    moves : int
        Measured so far.
    penalty, loss : float
        Their sums.
    """

    share: float
    every: int = 1
    factor: float = 1.0
    moves: int = 0
    penalty: float = 0.0
    loss: float = 0.0

    def see(self, penalty: float, loss: float) -> None:
        """Take note of one move of the discriminator; after the last that counts, settle the factor."""
        measured = -(-_MEASURED_MOVES // self.every) * self.every
        if self.share == 0 or self.moves >= measured or not math.isfinite(penalty + loss):
            return
        self.moves, self.penalty, self.loss = self.moves + 1, self.penalty + penalty, self.loss + abs(loss)
        if self.moves == measured and self.penalty > 0:
            self.factor = self.share * self.loss / self.penalty

    def state(self) -> list[float]:
        """For a checkpoint."""
        return [self.factor, self.moves, self.penalty, self.loss]

    def restore(self, state: list[float]) -> None:
        """The way back from `state`."""
        self.factor, self.penalty, self.loss = state[0], state[2], state[3]
        self.moves = int(state[1])
