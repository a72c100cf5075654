"""What comes of one training."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd
from torch import nn

from gantools.core.snapshots import Snapshots


@dataclass
class Training:
    """What came of one training.

    Attributes
    ----------
    generator, discriminator : nn.Module
        The players to use: averaged where the trainer and the game average them, in evaluation mode.
    history : DataFrame
        One row a step: `step`, `images`, `seconds`, `images_per_second`, `loss_discriminator`,
        `loss_generator`, `d_real`, `d_fake` (mean sigmoid of the logits), `d_wins` (share of pairs in which the
        real's logit is above the fake's), `gradient_discriminator`, `gradient_generator` (norms), `penalty`,
        `dropped`, and what the game adds. Where health is watched, also `health` (a state in words) and, at every
        tick, `health_wins`, `health_gap`, `health_spread`, `health_coverage`, `health_leak`, `health_memory`,
        `slowed_generator` and `slowed_discriminator` (factors on the learning rates).
    images : int
        Reals seen by the discriminator.
    seconds : float
        Time in the loop, summed over resumptions.
    stopped : str
        Why it ended: "images", "minutes", "patience" or "callback".
    dropped : int
        Moves not made because a loss or gradient was not finite.
    rollbacks : int
        How often training began anew, or went back to its last good state.
    communicated : int
        Bytes of gradients that each process of a distributed training gave into sums.
    snapshots : Snapshots
        What the generator made of the same latents as training went on; empty where it makes no pictures.
    """

    generator: nn.Module
    discriminator: nn.Module
    history: pd.DataFrame
    images: int
    seconds: float
    stopped: str
    dropped: int
    rollbacks: int = 0
    communicated: int = 0
    snapshots: Snapshots = field(default_factory=Snapshots)
