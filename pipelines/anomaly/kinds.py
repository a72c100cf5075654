"""The kinds of data, and what each has by default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gantools.core import AdversarialTrainer
from gantools.pipelines.anomaly import tiles, vectors, whole


@dataclass(frozen=True)
class Kind:
    """Defaults of one kind of data.

    Attributes
    ----------
    parts, default_parts : tuple of str
        All parts there are, and those that "auto" stands for.
    weights : mapping
        Of each part in the fused score.
    synthetic : tuple of str
        Kinds of synthetic anomaly.
    max_images, batch_size : int
        Of training and of a step.
    trainer : AdversarialTrainer
    """

    parts: tuple[str, ...]
    default_parts: tuple[str, ...]
    weights: Mapping[str, float]
    synthetic: tuple[str, ...]
    max_images: int
    batch_size: int
    trainer: AdversarialTrainer


def _trainer(lr_discriminator: float, n_critic: int = 1) -> AdversarialTrainer:
    """Binary cross-entropy, high rates that rise and fall, slow averages."""
    return AdversarialTrainer(
        lr_generator=1e-3,
        lr_discriminator=lr_discriminator,
        beta1=0.9,
        beta2=0.99,
        weight_decay=0.01,
        schedule="cosine",
        n_critic=n_critic,
        balance="off",
        ema=0.02,
    )


KINDS = {
    "table": Kind(
        parts=vectors.PARTS,
        default_parts=vectors.PARTS,
        weights=vectors.WEIGHTS,
        synthetic=("noise",),
        max_images=80_000,
        batch_size=128,
        trainer=_trainer(2e-3),
    ),
    "whole": Kind(
        parts=whole.PARTS,
        default_parts=whole.DEFAULT_PARTS,
        weights=whole.WEIGHTS,
        synthetic=whole.SYNTHETIC,
        max_images=16_000,
        batch_size=32,
        trainer=_trainer(4e-3),
    ),
    "tiles": Kind(
        parts=tiles.PARTS,
        default_parts=tiles.DEFAULT_PARTS,
        weights=tiles.WEIGHTS,
        synthetic=tiles.SYNTHETIC,
        max_images=4_000,
        batch_size=8,
        trainer=_trainer(2e-3, n_critic=4),
    ),
}
