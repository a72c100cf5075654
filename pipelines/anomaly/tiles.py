"""The detector's model of larger pictures: dense scores from tiles, a map and a score for each picture."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from gantools.core import Batch
from gantools.core.batches import Order, mine
from gantools.core.initialise import fitting, initialised, restored
from gantools.data.standard import StandardPictures
from gantools.errors import ConfigError
from gantools.networks.backbone import EfficientNetLite0, load_backbone
from gantools.networks.committee import Committee
from gantools.networks.dcgan import DcganGenerator
from gantools.networks.patch import PatchDiscriminator
from gantools.networks.projected import FeatureDiscriminator
from gantools.pipelines.anomaly.games import PictureGame, ProjectedGame
from gantools.pipelines.anomaly.members import Trainings, committee_of, stored_members, train_each
from gantools.pipelines.anomaly.neighbours import neighbour_distances
from gantools.pipelines.anomaly.settings import FitSettings, chosen, hold_out

PARTS = ("discriminator", "pretrained_discriminator", "pretrained")
DEFAULT_PARTS = ("pretrained_discriminator", "pretrained")
WEIGHTS = {"discriminator": 1.0, "pretrained_discriminator": 1.0, "pretrained": 0.3}
SYNTHETIC = ("cutpaste", "blobs", "strokes", "swirl")

TILE = 96
_FEATURE_WIDTH = 256
_PIXEL_WIDTH = 24
SMALLEST = 32
_WINDOW = 512
_OVERLAP = 64
_BACKBONE_BLOCKS = (0, 2, 4)
_FEATURES = 4 * 16 + 24 + 40
_PATCH = 16 + 24 + 40
_STRIDE = 8
_STANDARDISED_ON = 4
_SHIFTS = (-4, -2, 0, 2)
_REACH = 4
_SMOOTHING = 2.5
_TOP = 0.01
_PIXEL_TAIL = 0.99
_PIXELS = 4096  # of each held-out map, by which maps are put on their scale


Discriminator = PatchDiscriminator | FeatureDiscriminator


@dataclass
class TileModel:
    """A dense discriminator, of pixels or of frozen features, and a bank of normals' patch features.

    Attributes
    ----------
    discriminator : Committee
        Of `PatchDiscriminator` or `FeatureDiscriminator`.
    backbone : EfficientNetLite0 or None
        Frozen; there if a part needs it.
    bank : Tensor, (M, D)
        Normals' patch features.
    pixel_scales : ndarray, (n_parts, 2)
        Median of each part's map over held-out normals, and what has to be added to reach its 99 % quantile.
    banked : ndarray or None, (M,)
        Number of the picture that each of the bank's rows is of; not stored.
    """

    parts: tuple[str, ...]
    n_neighbors: int
    discriminator: Committee
    backbone: EfficientNetLite0 | None
    bank: Tensor
    pixel_scales: NDArray[np.float64]
    banked: NDArray[np.int64] | None = None

    @classmethod
    def fit(
        cls, pictures: StandardPictures, good: NDArray[np.int64], settings: FitSettings
    ) -> tuple[TileModel, NDArray[np.float64], Trainings]:
        """Learn from the normals numbered `good`.

        Returns
        -------
        model, calibration, trainings
            `calibration` is the parts' scores of held-out normals: (M, n_parts).
        """
        fitted, held = hold_out(good, settings.seed, few=2)
        tile = min(TILE, _smallest_side(pictures, good) // _STRIDE * _STRIDE)
        channels = pictures.contract.channels
        model = cls(
            settings.parts,
            settings.n_neighbors,
            Committee([]),
            _backbone(settings.parts, settings.device),
            torch.zeros(0, device=settings.device),
            np.tile([0.0, 1.0], (len(settings.parts), 1)),
        )

        def prepare(own: FitSettings) -> tuple[PictureGame, Callable[[int], Batch]]:
            order = Order(len(fitted), own.batch_size, own.seed)

            def batches(step: int) -> Batch:
                tiles = [
                    _crop(pictures[int(i)], tile, np.random.default_rng((own.seed, 3, step, int(place))))
                    for i, place in zip(fitted[order.indices(step)], mine(np.arange(own.batch_size)), strict=True)
                ]
                return {"reals": torch.stack(tiles).to(own.device, memory_format=torch.channels_last)}

            return model._game(own, channels, tile, batches), batches

        trainings = train_each(settings, prepare)
        model.discriminator = committee_of(trainings)
        if "pretrained" in settings.parts:
            with settings.stages.stage("remembering normals") as advance:
                model._remember(pictures, fitted, settings, advance)
        with settings.stages.stage("calibrating") as advance:
            calibration, maps = [], []
            anywhere = np.random.default_rng((settings.seed, 5))
            for done, index in enumerate(held):
                part_maps = model.part_maps(pictures[int(index)][None])
                calibration.append(top(part_maps)[0].numpy())
                flat = part_maps[0].flatten(1)
                maps.append(flat[:, torch.from_numpy(anywhere.integers(flat.shape[1], size=_PIXELS))])
                advance((done + 1) / len(held))
        pixels = torch.cat(maps, 1).double().cpu().numpy()
        centre = np.median(pixels, 1)
        spread = np.maximum(np.quantile(pixels, _PIXEL_TAIL, axis=1) - centre, 1e-6)
        model.pixel_scales = np.stack([centre, spread], 1)
        return model, np.stack(calibration), trainings

    def _game(self, settings: FitSettings, channels: int, tile: int, batches: Callable[[int], Batch]) -> PictureGame:
        discriminator = _discriminator(settings, channels)
        generator = initialised(lambda: DcganGenerator((channels, tile, tile), width=16), settings.generator())
        players = (generator.to(settings.device), discriminator, settings.fake_weight, settings.synthetic)
        if not isinstance(discriminator, FeatureDiscriminator):
            return PictureGame(*players)
        with torch.no_grad():
            first = [self.features(batches(step)["reals"]) for step in range(_STANDARDISED_ON)]
        discriminator.standardise(torch.cat(first))
        return ProjectedGame(*players, self.features)

    def _remember(
        self, pictures: StandardPictures, indices: NDArray[np.int64], settings: FitSettings, advance: Any
    ) -> None:
        share = np.random.default_rng((settings.seed, 4))
        each = math.ceil(settings.max_bank / len(indices))
        found: list[Tensor] = []
        numbers: list[NDArray[np.int64]] = []
        for done, index in enumerate(indices):
            patches = self._patches(_padded(pictures[int(index)][None].to(settings.device)))[0].flatten(1).T
            keep = share.permutation(len(patches))[:each]
            found.append(patches[torch.from_numpy(keep).to(patches.device)])
            numbers.append(np.full(len(keep), index))
            advance((done + 1) / len(indices))
        bank = torch.cat(found)
        keep = chosen(np.arange(len(bank)), settings.max_bank, settings.seed)
        self.bank = bank[torch.from_numpy(keep).to(bank.device)]
        self.banked = np.concatenate(numbers)[keep]

    def features(self, x: Tensor) -> Tensor:
        """Frozen feature maps of pictures (N, C, H, W) in [-1, 1], their sides multiples of 8: (N, 128, H/4, W/4).

        The finest map's pixels are dealt out to channels, so that thin lines are kept.
        """
        fine, middle, coarse = self._maps(x)
        coarse = F.interpolate(coarse, scale_factor=2, mode="bilinear", align_corners=False)
        return torch.cat([F.pixel_unshuffle(fine, 2), middle, coarse], 1)

    def _maps(self, x: Tensor) -> list[Tensor]:
        assert self.backbone is not None
        maps: list[Tensor] = self.backbone(x.add(1).div(2))
        return maps

    @torch.no_grad()
    def _patches(self, x: Tensor) -> Tensor:
        """Patch features of pictures (N, C, H, W), each averaged with its neighbours: (N, 80, H/8, W/8)."""
        maps = self._maps(x)
        height, width = maps[-1].shape[2:]
        pooled = torch.cat([F.adaptive_avg_pool2d(m, (height, width)) for m in maps], 1)
        return F.avg_pool2d(pooled, 3, 1, 1, count_include_pad=False)

    @torch.no_grad()
    def part_maps(self, pictures: Tensor, itself: int | None = None) -> Tensor:
        """One map for each part of pictures (N, C, H, W), high for abnormal: (N, n_parts, H, W), on the CPU.

        Large pictures are looked at through overlapping windows, so that memory does not grow with them. `itself` is
        the number of a picture that was learnt: its own patches in the bank are then left out.
        """
        bank = self._bank_without(itself)
        device = self.bank.device
        height, width = pictures.shape[2:]
        total = torch.zeros(pictures.shape[0], len(self.parts), height, width)
        weight = torch.zeros(height, width)
        for rows, columns in windows(height, width):
            window = pictures[:, :, rows, columns].to(device)
            maps = [self._part_map(part, window, bank) for part in self.parts]
            ramp = _ramp(rows, height)[:, None] * _ramp(columns, width)[None]
            total[:, :, rows, columns] += torch.cat(maps, 1).cpu() * ramp
            weight[rows, columns] += ramp
        return total / weight

    def _bank_without(self, number: int | None) -> Tensor:
        """The bank but for the patches of one picture, unless it has none of others."""
        if number is None or self.banked is None:
            return self.bank
        others = self.banked != number
        return self.bank[torch.from_numpy(others).to(self.bank.device)] if others.any() else self.bank

    def _part_map(self, part: str, x: Tensor, bank: Tensor) -> Tensor:
        height, width = x.shape[2:]
        x = _padded(x)
        large = self._far_from_normals(x, bank) if part == "pretrained" else self._judged(part, x)
        return gaussian_blur(large, _SMOOTHING)[:, :, :height, :width]

    def _far_from_normals(self, x: Tensor, bank: Tensor) -> Tensor:
        """Distances of patches to the nearest in `bank`: (N, 1, H, W)."""
        patches = self._patches(x)
        queries = patches.permute(0, 2, 3, 1).reshape(-1, patches.shape[1])
        far = neighbour_distances(queries, bank, self.n_neighbors)
        return _at_size_of(x, far.view(x.shape[0], 1, *patches.shape[2:]))

    def _judged(self, part: str, x: Tensor) -> Tensor:
        """How surely the discriminator takes places for fake, the mean over `x` moved by some pixels: (N, 1, H, W).

        Networks with strides see a picture anew from each pixel on and answer otherwise (Zhang 2019, "Making
        Convolutional Networks Shift-Invariant Again"); their mean answers better.
        """
        found = torch.zeros_like(x[:, :1])
        for shift in _SHIFTS:
            moved = _moved(x, shift, "reflect")
            shown = self.features(moved) if part == "pretrained_discriminator" else moved
            logits = self.discriminator(shown.contiguous(memory_format=torch.channels_last))
            found = found - _moved(_at_size_of(x, logits), -shift, "replicate")
        return found / len(_SHIFTS)

    def scores(self, picture: Tensor, itself: int | None = None) -> NDArray[np.float64]:
        """The parts' scores of one picture: the mean of each map's highest hundredth: (n_parts,).

        `itself` as of `part_maps`.
        """
        return top(self.part_maps(picture[None], itself))[0].numpy()

    def map(self, picture: Tensor, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """The parts' maps on a common scale, summed with `weights`: (H, W)."""
        return self.fused(self.part_maps(picture[None]), torch.from_numpy(weights))[0].numpy()

    def fused(self, maps: Tensor, weights: Tensor) -> Tensor:
        """The parts' maps (N, n_parts, H, W) on a common scale, summed with `weights`: (N, H, W) float64."""
        centre, spread = torch.from_numpy(self.pixel_scales.T[:, :, None, None])
        return (weights[:, None, None] * (maps.double() - centre) / spread).sum(1) / weights.sum()

    def state(self) -> dict[str, Any]:
        """What `from_state` needs."""
        one = self.discriminator.first
        first = one.mix if isinstance(one, FeatureDiscriminator) else one.fine.convs[0]
        return {
            "parts": list(self.parts),
            "n_neighbors": self.n_neighbors,
            "channels": first.in_channels,
            "width": first.out_channels,
            "discriminators": self.discriminator.states(),
            "bank": self.bank,
            "pixel_scales": self.pixel_scales.tolist(),
        }

    @classmethod
    def from_state(cls, state: dict[str, Any], device: torch.device) -> TileModel:
        """The model that `state` describes, on `device`."""
        parts = tuple(state["parts"])
        kind: type[Discriminator] = FeatureDiscriminator if "pretrained_discriminator" in parts else PatchDiscriminator
        build: Callable[[], Discriminator] = partial(kind, state["channels"], state["width"])
        discriminator = Committee([restored(build, weights) for weights in stored_members(state)])
        discriminator.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        sides = (None, _PATCH) if "pretrained" in parts else (0,)
        bank = fitting("the bank of normals", state["bank"], torch.float32, *sides).to(device)
        scales = np.asarray(state["pixel_scales"], np.float64).reshape(len(parts), 2)
        return cls(parts, state["n_neighbors"], discriminator, _backbone(parts, device), bank, scales)


def _discriminator(settings: FitSettings, channels: int) -> Discriminator:
    """A fresh discriminator of the kind that the parts ask for."""
    if "discriminator" in settings.parts and "pretrained_discriminator" in settings.parts:
        raise ConfigError("parts: choose one of 'discriminator' and 'pretrained_discriminator', not both")
    rng = settings.generator()
    discriminator: Discriminator
    if "pretrained_discriminator" in settings.parts:
        discriminator = initialised(lambda: FeatureDiscriminator(_FEATURES, settings.width or _FEATURE_WIDTH), rng)
    else:
        discriminator = initialised(lambda: PatchDiscriminator(channels, settings.width or _PIXEL_WIDTH), rng)
    discriminator.to(settings.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return discriminator


def _backbone(parts: tuple[str, ...], device: torch.device) -> EfficientNetLite0 | None:
    if not any(part.startswith("pretrained") for part in parts):
        return None
    return load_backbone(_BACKBONE_BLOCKS, device)


def _smallest_side(pictures: StandardPictures, good: NDArray[np.int64]) -> int:
    return min(min(pictures[int(i)].shape[1:]) for i in good)


def windows(height: int, width: int) -> Iterator[tuple[slice, slice]]:
    """Windows of at most 512 x 512 that cover a picture, overlapping by 64 or more."""
    for rows in _spans(height):
        for columns in _spans(width):
            yield rows, columns


def _spans(length: int) -> list[slice]:
    if length <= _WINDOW:
        return [slice(0, length)]
    n = math.ceil((length - _OVERLAP) / (_WINDOW - _OVERLAP))
    starts = np.linspace(0, length - _WINDOW, n).round().astype(int)
    return [slice(int(s), int(s) + _WINDOW) for s in starts]


def _ramp(span: slice, length: int) -> Tensor:
    """Weights that rise from a window's inner edges, so that windows fade into each other."""
    places = torch.arange(span.start, span.stop, dtype=torch.float32)
    left = (places - span.start + 1) / _OVERLAP if span.start > 0 else torch.ones_like(places)
    right = (span.stop - places) / _OVERLAP if span.stop < length else torch.ones_like(places)
    return torch.minimum(left, right).clamp(max=1.0)


def gaussian_blur(maps: Tensor, deviation: float) -> Tensor:
    """Maps (N, C, H, W) blurred by a Gaussian of `deviation` pixels, reflected at the borders."""
    radius = min(int(3 * deviation), maps.shape[2] - 1, maps.shape[3] - 1)
    places = torch.arange(-radius, radius + 1, device=maps.device, dtype=maps.dtype)
    kernel = torch.exp(-0.5 * (places / deviation).square())
    kernel = (kernel / kernel.sum()).expand(maps.shape[1], 1, -1)
    padded = F.pad(maps, (radius,) * 4, mode="reflect")
    across = F.conv2d(padded, kernel[:, :, None, :], groups=maps.shape[1])
    return F.conv2d(across, kernel[:, :, :, None], groups=maps.shape[1])


def _padded(x: Tensor) -> Tensor:
    """Pictures (N, C, H, W) mirrored beyond their lower and right borders to sides that are multiples of 8."""
    return F.pad(x, (0, -x.shape[3] % _STRIDE, 0, -x.shape[2] % _STRIDE), mode="reflect")


def _at_size_of(x: Tensor, coarse: Tensor) -> Tensor:
    return F.interpolate(coarse, size=x.shape[2:], mode="bilinear", align_corners=False)


def _moved(maps: Tensor, by: int, border: str) -> Tensor:
    """Maps (N, C, H, W) moved down and to the right by at most 4 pixels; what comes in at the `border` is made so."""
    height, width = maps.shape[2:]
    start = _REACH - by
    return F.pad(maps, (_REACH,) * 4, mode=border)[:, :, start : start + height, start : start + width]


def _crop(picture: Tensor, tile: int, places: np.random.Generator) -> Tensor:
    top = int(places.integers(picture.shape[1] - tile + 1))
    left = int(places.integers(picture.shape[2] - tile + 1))
    return picture[:, top : top + tile, left : left + tile]


def top(maps: Tensor) -> Tensor:
    """Mean of the highest hundredth of each map (N, n_parts, H, W): (N, n_parts) float64."""
    flat = maps.flatten(2)
    highest = flat.topk(max(1, int(_TOP * flat.shape[2])), dim=2).values
    return highest.double().mean(2)
