"""Initial weights from a local generator of random numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import torch
from torch import Tensor, nn

Player = TypeVar("Player", bound=nn.Module)


def initialised(build: Callable[[], Player], rng: torch.Generator) -> Player:
    """Build a network whose random initial weights come from `rng`.

    torch's initialisers draw from the global generator; its state is forked here, so that it is the same
    before and after, and what is drawn depends on `rng` alone.
    """
    seed = int(torch.randint(2**62, (1,), generator=rng))
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return build()


def _kind(tensor: Tensor) -> str:
    """Its numbers and its shape, as in "float32 (3, 4)"."""
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"


def fitting(name: str, tensor: Tensor, dtype: torch.dtype, *sides: int | None) -> Tensor:
    """A stored tensor, if it has these numbers and sides; None is a side of any length.

    Raises
    ------
    ValueError
        Naming it, where it has not.
    """
    if tensor.dtype != dtype or tensor.ndim != len(sides):
        raise ValueError(
            f"{name} should be {str(dtype).removeprefix('torch.')} of {len(sides)} sides and is {_kind(tensor)}"
        )
    if any(side not in (None, found) for side, found in zip(sides, tensor.shape, strict=True)):
        raise ValueError(f"{name} should have the sides {sides} and is {_kind(tensor)}")
    return tensor


def restored(build: Callable[[], Player], weights: Mapping[str, Tensor]) -> Player:
    """Build a network and give it `weights`, ready for use.

    Whether they fit is found out on torch's meta device, where a network takes no memory, so that a description that
    asks for more than the weights there are is refused before anything of its size is held.

    Raises
    ------
    ValueError
        Naming the first tensor that does not fit.
    """
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        wanted = {name: _kind(tensor) for name, tensor in build().state_dict().items()}
    found = {name: _kind(tensor) for name, tensor in weights.items()}
    for name in sorted(wanted.keys() | found.keys()):
        if wanted.get(name) != found.get(name):
            raise ValueError(f"{name} should be {wanted.get(name)} and is {found.get(name)}")
    player = initialised(build, torch.Generator())
    player.load_state_dict(weights)
    return player.eval().requires_grad_(False)
