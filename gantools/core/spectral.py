"""Spectral normalisation put on a discriminator for training, and taken off with its effect kept.

Miyato et al. 2018, "Spectral Normalization for Generative Adversarial Networks": every layer's weight is divided by
an estimate of its largest singular value, one power iteration a forward pass.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm
from torch.nn.utils.parametrize import is_parametrized, remove_parametrizations

from gantools.core.initialise import initialised

_LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d)


def normalise_spectrally(player: nn.Module, rng: torch.Generator) -> None:
    """Put spectral normalisation on every linear and convolutional layer of `player` that is trained.

    Weights that start at zero have no largest singular value to be divided by: they are drawn at random first.
    """

    def normalised() -> nn.Module:
        for layer in player.modules():
            if isinstance(layer, _LAYERS) and layer.weight.requires_grad and not is_parametrized(layer):
                if not layer.weight.any():
                    nn.init.normal_(layer.weight)
                spectral_norm(layer)
        return player

    device = next(player.parameters()).device
    player.cpu()  # where what is drawn at random comes from the generator that is given
    initialised(normalised, rng).to(device)


def make_plain(player: nn.Module) -> None:
    """Take spectral normalisation off: each layer keeps its divided weight as a plain one."""
    player.eval()
    for layer in player.modules():
        if isinstance(layer, _LAYERS) and is_parametrized(layer, "weight"):
            # A copy, such as a moving average, shares its class with the original, and torch takes the class's
            # `weight` away: each gets a class of its own first.
            shared = type(layer)
            layer.__class__ = type(shared.__name__, shared.__bases__, dict(vars(shared)))
            remove_parametrizations(layer, "weight", leave_parametrized=True)
