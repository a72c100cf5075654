"""What suits networks on a device: how their weights lie in memory, and the numbers they compute in."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_LEAST_SIDE = {"cpu": 16, "cuda": 64}
_LEAST_SIDE_IN_HALF = 128


def channels_last_suits(reals: Tensor) -> bool:
    """Whether networks compute faster with their channels last: for pictures of 16 pixels or more, on GPUs of 64.

    On CPUs DCGAN's players gain a fifth at 28 and at 64 pixels, and lose a tenth at 8; on an H200 they lose a twentieth
    at 32 pixels and gain as much at 64, and at 128 a fifth in float32 and almost half in bfloat16.
    """
    least = _LEAST_SIDE.get(reals.device.type)
    return least is not None and reals.ndim == 4 and min(reals.shape[2:]) >= least


def lay_channels_last(network: nn.Module) -> None:
    """Lay the kernels of `network` so that their channels come last in memory; their values stay as they are."""
    for weight in network.parameters():
        if weight.ndim == 4:
            weight.data = weight.data.contiguous(memory_format=torch.channels_last)


def bfloat16_suits(reals: Tensor, wide: bool) -> bool:
    """Whether networks compute faster in bfloat16, on devices that have units for it.

    An H200 gains half for pictures of 128 pixels over float32 as torch has it there, whose convolutions are tf32's; at
    64 it loses an eighth, as casting costs more than it saves. CPUs with matrix units (AMX) take half the time for a
    texture, whose discriminator is `wide`; narrower players of 28 to 64 pixels lose up to a third in it. Other CPUs are
    several times slower.
    """
    if reals.ndim != 4:
        return False
    if reals.device.type == "cpu":
        return wide and bool(torch.cpu.get_capabilities().get("amx_bf16"))
    large = reals.device.type == "cuda" and min(reals.shape[2:]) >= _LEAST_SIDE_IN_HALF
    return large and torch.cuda.get_device_capability(reals.device) >= (8, 0)
