"""Gradient penalties on the discriminator, each sample on its own, computed in float32.

All of them take `logits_of`, a function from samples to logits, so that conditions and augmentations are
part of what is differentiated.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

LogitsOf = Callable[[Tensor], Tensor]


def squared_gradient_norms(logits_of: LogitsOf, samples: Tensor) -> Tensor:
    """Squared Euclidean norm of each sample's gradient of its logit.

    Parameters
    ----------
    logits_of : Callable
        From samples (N, ...) to logits (N, ...); dense logits count as their mean.
    samples : Tensor, (N, ...)
        Where the gradient is taken. Cast to float32.

    Returns
    -------
    Tensor, (N,)
        Differentiable with respect to the discriminator's parameters.
    """
    samples = samples.detach().float().requires_grad_(True)
    with torch.autocast(samples.device.type, enabled=False):
        logits = logits_of(samples).float()
        total = logits.flatten(1).mean(1).sum() if logits.ndim > 1 else logits.sum()
        (gradient,) = torch.autograd.grad(total, samples, create_graph=True)
    return gradient.square().flatten(1).sum(1)


def zero_centred_penalty(logits_of: LogitsOf, samples: Tensor) -> Tensor:
    """Half the mean squared gradient norm: R1 at reals, R2 at fakes.

    Mescheder et al. 2018, "Which Training Methods for GANs do actually Converge?", equations 9 and 10,
    without the factor gamma.
    """
    return 0.5 * squared_gradient_norms(logits_of, samples).mean()


def wgan_gradient_penalty(logits_of: LogitsOf, reals: Tensor, fakes: Tensor, rng: torch.Generator) -> Tensor:
    """Mean squared distance of gradient norms from 1, at random points between reals and fakes.

    Gulrajani et al. 2017, "Improved Training of Wasserstein GANs", equation 3, without the factor lambda:
    one epsilon and one norm for each sample.
    """
    shape = (len(reals),) + (1,) * (reals.ndim - 1)
    epsilon = torch.rand(shape, generator=rng, device=reals.device)
    between = epsilon * reals.float() + (1 - epsilon) * fakes.float()
    norms = (squared_gradient_norms(logits_of, between) + 1e-12).sqrt()
    return (norms - 1).square().mean()
