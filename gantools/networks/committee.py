"""Several discriminators that answer as one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn


class Committee(nn.Module):
    """Discriminators of the same samples, each trained on its own, whose answers are averaged.

    What one training gets wrong by chance others get right: deep ensembles, Lakshminarayanan et al. 2017, "Simple and
    Scalable Predictive Uncertainty Estimation using Deep Ensembles".

    Parameters
    ----------
    members : sequence of nn.Module
        Of one kind and size.
    """

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    @property
    def first(self) -> Any:
        """One member, for what all of them have in common."""
        return self.members[0]

    def forward(self, samples: Tensor) -> Tensor:
        """The mean of the members' logits, of their shape."""
        return torch.stack([member(samples) for member in self.members]).mean(0)

    def features(self, samples: Tensor) -> list[Tensor]:
        """The members' features, layer by layer, side by side as channels."""
        each: list[list[Tensor]] = [member.features(samples) for member in self.members]  # type: ignore[operator]
        return [torch.cat(layer, 1) for layer in zip(*each, strict=True)]

    def states(self) -> list[dict[str, Tensor]]:
        """Each member's weights."""
        return [member.state_dict() for member in self.members]
