"""What the two players pay for their logits: the adversarial losses by their names in the papers.

A loss is three functions of logits, applied elementwise, so that dense (patch) logits need nothing special:
what the discriminator pays for a real, what it pays for a fake, and what the generator pays for a fake.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor
from torch.nn import functional as F

from gantools.errors import ConfigError

Cost = Callable[[Tensor], Tensor]


class Loss(NamedTuple):
    """One adversarial loss.

    Attributes
    ----------
    real, fake : Callable
        The discriminator's elementwise cost of real and of fake logits.
    generator : Callable
        The generator's elementwise cost of its fakes' logits.
    relativistic : bool
        Whether logits are compared in pairs: `real` is then applied to ``real - fake`` and `generator` to
        ``fake - real``, and `fake` is not used.
    """

    real: Cost
    fake: Cost
    generator: Cost
    relativistic: bool = False


def _called_real(logits: Tensor) -> Tensor:
    """Binary cross-entropy against the label 1: -log sigmoid(logits)."""
    return F.softplus(-logits)


def _called_fake(logits: Tensor) -> Tensor:
    """Binary cross-entropy against the label 0: -log(1 - sigmoid(logits))."""
    return F.softplus(logits)


LOSSES: dict[str, Loss] = {
    # Goodfellow et al. 2014, "Generative Adversarial Nets": equation 1, the generator minimises log(1 - D).
    "minimax": Loss(_called_real, _called_fake, lambda logits: -F.softplus(logits)),
    # The same paper's section 3: the generator's fakes are called real.
    "non_saturating": Loss(_called_real, _called_fake, _called_real),
    # Mao et al. 2017, "Least Squares Generative Adversarial Networks", with targets a=0, b=c=1.
    "least_squares": Loss(
        lambda logits: 0.5 * (logits - 1).square(),
        lambda logits: 0.5 * logits.square(),
        lambda logits: 0.5 * (logits - 1).square(),
    ),
    # Lim & Ye 2017, "Geometric GAN"; Miyato et al. 2018, "Spectral Normalization for GANs".
    "hinge": Loss(lambda logits: F.relu(1 - logits), lambda logits: F.relu(1 + logits), lambda logits: -logits),
    # Arjovsky et al. 2017, "Wasserstein GAN": needs a critic that is kept Lipschitz.
    "wasserstein": Loss(lambda logits: -logits, lambda logits: logits, lambda logits: -logits),
    # Jolicoeur-Martineau 2018, "The relativistic discriminator"; Huang et al. 2024, "R3GAN".
    "relativistic": Loss(_called_real, _called_fake, _called_real, relativistic=True),
}


def get_loss(name: str) -> Loss:
    """The loss called `name`.

    Raises
    ------
    ConfigError
        When there is no such loss; the message lists those there are.
    """
    try:
        return LOSSES[name]
    except KeyError:
        raise ConfigError(f"loss={name!r} is not known; choose one of {', '.join(LOSSES)}") from None


def smoothed(loss: Loss, real_target: float, fake_target: float) -> Loss:
    """`loss` with the discriminator's labels moved from 1 and 0 to other targets.

    Each label is a mixture of both answers: for cross-entropy that is the soft label itself, for least squares it
    is the distance from the target, up to a constant. One-sided smoothing is ``(0.9, 0)`` (Salimans et al. 2016).
    """
    if (real_target, fake_target) == (1.0, 0.0):
        return loss
    return loss._replace(
        real=lambda logits: real_target * loss.real(logits) + (1 - real_target) * loss.fake(logits),
        fake=lambda logits: fake_target * loss.real(logits) + (1 - fake_target) * loss.fake(logits),
    )


SMOOTHABLE = ("minimax", "non_saturating", "least_squares")
"""Losses whose labels can be smoothed."""


def discriminator_loss(loss: Loss, real: Tensor, fake: Tensor, fake_weight: float = 1.0) -> Tensor:
    """The discriminator's mean cost: reals towards real, fakes towards fake (or each real above its fake)."""
    if loss.relativistic:
        return fake_weight * loss.real(real - fake).mean()
    return loss.real(real).mean() + fake_weight * loss.fake(fake).mean()


def generator_loss(loss: Loss, real: Tensor | None, fake: Tensor) -> Tensor:
    """The generator's mean cost. `real` is read by the relativistic loss only."""
    if loss.relativistic:
        if real is None:
            raise ValueError("the relativistic generator loss compares fakes with reals")
        return loss.generator(fake - real).mean()
    return loss.generator(fake).mean()


def negative_loss(loss: Loss, real: Tensor, negative: Tensor, mask: Tensor | None) -> Tensor:
    """The discriminator's mean cost of synthetic negatives.

    Parameters
    ----------
    loss : Loss
        The game's loss.
    real, negative : Tensor
        Logits of reals and of negatives, of one shape.
    mask : Tensor or None
        Of the logits' shape, in [0, 1]: how much of what a logit sees is abnormal. Where it is 0 the
        negative is as good as a real and is paid for as one, but for the relativistic loss, which only asks abnormal
        logits to be below those of reals. None means abnormal everywhere.

    Returns
    -------
    Tensor
        With a mask, abnormal and normal logits (where these are paid for) have equal total weight, however small the
        defects are.
    """
    abnormal = loss.real(real - negative) if loss.relativistic else loss.fake(negative)
    if mask is None:
        return abnormal.mean()
    cost = (mask * abnormal).sum() / mask.sum().clamp_min(1.0)
    if loss.relativistic:
        return cost
    normal = 1.0 - mask
    return cost + (normal * loss.real(negative)).sum() / normal.sum().clamp_min(1.0)
