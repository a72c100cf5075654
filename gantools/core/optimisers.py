"""How weights follow their gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from gantools.core.muon import Muon, trained

if TYPE_CHECKING:
    from gantools.core.trainer import AdversarialTrainer


def optimiser_of(player: nn.Module, lr: float, trainer: AdversarialTrainer) -> torch.optim.Optimizer:
    """The optimiser that the trainer's settings ask for, of the player's weights that learn."""
    betas = (trainer.beta1, trainer.beta2)
    if trainer.optimiser == "muon":
        return Muon(player, lr, betas, trainer.weight_decay)
    return torch.optim.AdamW(
        trained(player), lr=lr, betas=betas, weight_decay=trainer.weight_decay, eps=1e-8, fused=True
    )


def take_state(optimiser: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Load an optimiser's state, laid out in memory as its weights are, which its fused kernel takes for granted."""
    optimiser.load_state_dict(state)
    for weight, kept in optimiser.state.items():
        for key, value in kept.items():
            if value.shape == weight.shape:
                kept[key] = torch.empty_like(weight).copy_(value)


def total_norm(gradients: list[Tensor]) -> Tensor:
    """The Euclidean norm of all of them as one vector."""
    norm: Tensor = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
    return norm
