"""Named features in which generated pictures are compared with real ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gantools.errors import DataError, ModelError
from gantools.networks.backbone import load_backbone

_BATCH = 64
_BLOCKS = (10, 14)
_SMALLEST = 64
_INCEPTIONS_SIDE = 299
_TENSORFLOWS_CLASSES = 1008


class PictureFeatures:
    """What a frozen EfficientNet-Lite0 sees, averaged over the picture: blocks 10 and 14 side by side.

    Distances in other features (Inception's, as in published tables) are on another scale: compare figures only
    under one `name`.

    Attributes
    ----------
    name : str
        To print beside every figure.
    length : int
        How many features there are.
    """

    length = 304
    name = "efficientnet-lite0, blocks 10 and 14"

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        self.backbone = load_backbone(_BLOCKS, device)

    @torch.no_grad()
    def __call__(self, pictures: Tensor) -> Tensor:
        """Pictures (N, C, H, W) in [-1, 1] to features (N, 304), on the CPU.

        Pictures with a side under 64 pixels are enlarged until it has as many.
        """
        factor = max(1.0, _SMALLEST / min(pictures.shape[2:]))
        size = [round(side * factor) for side in pictures.shape[2:]]
        found: list[Tensor] = []
        for some in pictures.split(_BATCH):
            large = some.to(self.device)
            if factor > 1:
                large = F.interpolate(large, size=size, mode="bilinear", align_corners=False)
            maps = self.backbone(large.add(1).div(2))
            found.append(torch.cat([m.mean((2, 3)) for m in maps], 1).cpu())
        return torch.cat(found)


class InceptionFeatures:
    """What torchvision's Inception v3 sees, averaged over the picture, with weights from a file that you have.

    Nothing is downloaded. torchvision's own weights are not the port of TensorFlow's that published FIDs are taken
    with: figures in these features are not comparable with published ones.

    Parameters
    ----------
    weights : path
        A state dict of `torchvision.models.inception_v3`, by `torch.save` or, named `.safetensors`, by safetensors.
        Any number of classes, with or without the auxiliary classifier: neither is used.
    device : torch.device or str
        Where the network runs.

    Attributes
    ----------
    name : str
        To print beside every figure: "inception-v3, " and the file's name.
    length : int
        How many features there are.

    Raises
    ------
    ModelError
        When the file is missing, is no state dict, or does not fit.
    """

    length = 2048

    def __init__(self, weights: Path | str, device: torch.device | str = "cpu") -> None:
        self.name = f"inception-v3, {Path(weights).name}"
        self.device = torch.device(device)
        self.network = _inception(Path(weights)).to(self.device)

    @torch.no_grad()
    def __call__(self, pictures: Tensor) -> Tensor:
        """Pictures (N, C, H, W) in [-1, 1] to features (N, 2048), on the CPU.

        They are resized to 299 by 299 pixels. One channel is repeated to three; any other number of channels but
        three is averaged first.
        """
        found: list[Tensor] = []
        for some in pictures.split(_BATCH):
            size = (_INCEPTIONS_SIDE, _INCEPTIONS_SIDE)
            large = F.interpolate(some.to(self.device), size=size, mode="bilinear", antialias=True)
            if large.shape[1] != 3:
                large = large.mean(1, keepdim=True).expand(-1, 3, -1, -1)
            # Left as they are: ImageNet's normalisation is what torchvision's `transform_input` would take back.
            found.append(self.network(large).cpu())
        return torch.cat(found)


@dataclass(frozen=True)
class NamedFeatures:
    """Features by any function of yours, under the name that is to be printed beside every figure.

    Attributes
    ----------
    name : str
        What tells these features from others.
    function : callable
        Takes up to 64 samples (N, ...) and gives their features (N, D), each from its sample alone.
    """

    name: str
    function: Callable[[Tensor], Tensor]

    @torch.no_grad()
    def __call__(self, samples: Tensor) -> Tensor:
        """Samples (N, ...) to features (N, D), on the CPU.

        Raises
        ------
        DataError
            When what the function gives is not one row for each sample.
        """
        found = torch.cat([self.function(some).cpu() for some in samples.split(_BATCH)])
        if found.ndim != 2 or len(found) != len(samples):
            raise DataError(
                f"features {self.name!r}: {len(samples)} samples gave the shape {tuple(found.shape)}, not "
                f"({len(samples)}, D): let the function return one row for each sample"
            )
        return found


def _inception(weights: Path) -> nn.Module:
    """The network up to its 2,048 pooled features, frozen."""
    from torchvision.models import inception_v3

    with torch.device("meta"):  # no weights are drawn only to be overwritten
        network: nn.Module = inception_v3(weights=None, aux_logits=False, init_weights=False)
    network.fc = nn.Identity()
    given = _state_dict(weights)
    if "fc.weight" in given and given["fc.weight"].shape[:1] == (_TENSORFLOWS_CLASSES,):
        raise ModelError(
            f"{weights}: of {_TENSORFLOWS_CLASSES} classes, so these are TensorFlow's weights, whose network pools "
            "otherwise than torchvision's. torchmetrics' FrechetInceptionDistance takes them, with torch-fidelity"
        )
    wanted = {name: t.shape for name, t in network.state_dict().items() if not name.endswith("num_batches_tracked")}
    wrong = [name for name, shape in wanted.items() if name not in given or given[name].shape != shape]
    if wrong:
        raise ModelError(
            f"{weights}: not weights of torchvision's inception_v3: {len(wrong)} of {len(wanted)} arrays are missing "
            f"or of another shape, {wrong[0]} first. Save them with torch.save(model.state_dict(), ...)"
        )
    network.load_state_dict({name: given[name] for name in wanted}, assign=True)
    return network.float().eval().requires_grad_(False)


def _state_dict(weights: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    if not weights.is_file():
        raise ModelError(f"{weights}: no such file. Give the path of weights that you have: none are downloaded")
    try:
        if weights.suffix == ".safetensors":
            return load_file(weights)
        given = torch.load(weights, map_location="cpu", weights_only=True)
    except Exception as error:  # of files that are something else, the readers raise all sorts
        raise ModelError(
            f"{weights}: cannot be read as a state dict ({type(error).__name__}). Save one with "
            "torch.save(model.state_dict(), ...), or with safetensors under a name that ends in .safetensors"
        ) from None
    if not isinstance(given, dict) or not all(isinstance(value, Tensor) for value in given.values()):
        raise ModelError(f"{weights}: holds more than a state dict. Save one with torch.save(model.state_dict(), ...)")
    return given
