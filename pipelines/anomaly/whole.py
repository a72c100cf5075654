"""The detector's model of whole small pictures: one score a picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from gantools.core import Batch
from gantools.core.batches import Order
from gantools.core.initialise import fitting, initialised, restored
from gantools.data.standard import StandardPictures
from gantools.data.transformations import N_TRANSFORMATIONS, all_transformed
from gantools.networks.backbone import EfficientNetLite0, load_backbone
from gantools.networks.committee import Committee
from gantools.networks.dcgan import DcganGenerator
from gantools.networks.whole import WholeDiscriminator
from gantools.pipelines.anomaly.games import PictureGame, TransformationGame
from gantools.pipelines.anomaly.members import Trainings, committee_of, stored_members, train_each
from gantools.pipelines.anomaly.neighbours import neighbour_distances
from gantools.pipelines.anomaly.settings import FitSettings, chosen, hold_out

PARTS = ("discriminator", "transformations", "features", "pretrained")
DEFAULT_PARTS = ("discriminator", "transformations", "pretrained")
WEIGHTS = {"discriminator": 0.2, "transformations": 1.0, "features": 0.3, "pretrained": 1.0}
SYNTHETIC = ("affine", "scale", "warp", "erase")

_WIDTH = 24
_BATCH = 64
_BACKBONE_BLOCKS = (4, 10, 14)
_BACKBONE_SIZE = 64
_PLACES_FROM = 1000
_PIXEL_TAIL = 0.99
_LEAST_DEVIATION = 1e-6


@dataclass
class WholeModel:
    """A discriminator with a transformation head, banks of normals' features, and what is usual where.

    Attributes
    ----------
    discriminator : Committee
        Of `WholeDiscriminator`.
    backbone : EfficientNetLite0 or None
        Frozen; there if a part needs it.
    banks : dict
        "features" and "pretrained": normals' feature vectors, (M, D).
    places : Tensor, (2, C, h, w)
        Mean and deviation of a feature map over normals, place by place: what `maps` compares with
        (a diagonal PaDiM, Defard et al. 2021).
    pixel_scale : (float, float)
        Median of held-out normals' maps, and what has to be added to reach their 99 % quantile.
    banked : ndarray or None, (M,)
        Numbers of the normals that are the banks' rows, in their order; not stored.
    """

    parts: tuple[str, ...]
    n_neighbors: int
    discriminator: Committee
    backbone: EfficientNetLite0 | None
    banks: dict[str, Tensor]
    places: Tensor
    pixel_scale: tuple[float, float] = (0.0, 1.0)
    banked: NDArray[np.int64] | None = None

    @classmethod
    def fit(
        cls, pictures: StandardPictures, good: NDArray[np.int64], settings: FitSettings
    ) -> tuple[WholeModel, NDArray[np.float64], Trainings]:
        """Learn from the normals numbered `good`.

        Returns
        -------
        model, calibration, trainings
            `calibration` is the parts' scores of held-out normals: (M, n_parts).
        """
        fitted, held = hold_out(good, settings.seed)
        shape = tuple(pictures[int(good[0])].shape)
        width = settings.width or _WIDTH
        game_of = TransformationGame if "transformations" in settings.parts else PictureGame

        def prepare(own: FitSettings) -> tuple[PictureGame, Callable[[int], Batch]]:
            order = Order(len(fitted), own.batch_size, own.seed)

            def batches(step: int) -> Batch:
                return {"reals": _to(pictures.batch(fitted[order.indices(step)]), own.device)}

            rng = own.generator()
            discriminator = initialised(lambda: WholeDiscriminator(shape[0], N_TRANSFORMATIONS, width), rng)
            discriminator.to(own.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
            generator = initialised(lambda: DcganGenerator((shape[0], shape[1], shape[2])), rng).to(own.device)
            return game_of(generator, discriminator, own.fake_weight, own.synthetic), batches

        trainings = train_each(settings, prepare)
        model = cls(
            settings.parts,
            settings.n_neighbors,
            committee_of(trainings),
            _backbone(settings.parts, settings.device),
            {},
            torch.zeros(0, device=settings.device),
        )
        few = len(held) == len(fitted)
        in_bank = chosen(fitted, settings.max_bank, settings.seed)
        with settings.stages.stage("remembering normals") as advance:
            model._remember(pictures, in_bank, settings.seed, advance)
        model.banked = in_bank
        with settings.stages.stage("calibrating") as advance:
            indices = in_bank if few else held
            calibration = [
                model.scores(pictures.batch(part), np.arange(start, start + len(part)) if few else None)
                for start, part in _in_batches(indices, advance)
            ]
        pixels = model.maps(pictures.batch(chosen(indices, _BATCH, settings.seed)))
        centre, high = float(np.median(pixels)), float(np.quantile(pixels, _PIXEL_TAIL))
        model.pixel_scale = (centre, max(high - centre, 1e-6))
        return model, np.concatenate(calibration), trainings

    @torch.no_grad()
    def _remember(
        self,
        pictures: StandardPictures,
        indices: NDArray[np.int64],
        seed: int,
        advance: Callable[[float], None],
    ) -> None:
        names = [part for part in ("features", "pretrained") if part in self.parts]
        collected: dict[str, list[Tensor]] = {name: [] for name in names}
        near: list[Tensor] = []
        looked_at = chosen(indices, _PLACES_FROM, seed)
        for _, part in _in_batches(indices, advance):
            x = _padded(_to(pictures.batch(part), self._device))
            vectors, place = self._vectors(x)
            for name in names:
                collected[name].append(vectors[name][: len(part)])
            near.append(place[: len(part)][torch.from_numpy(np.isin(part, looked_at)).to(place.device)])
        self.banks = {name: torch.cat(found) for name, found in collected.items()}
        maps = torch.cat(near)
        self.places = torch.stack([maps.mean(0), maps.std(0, correction=0)])

    def _vectors(self, x: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """The feature vectors that parts compare, and the map that `maps` looks at."""
        vectors: dict[str, Tensor] = {}
        place: Tensor | None = None
        if "features" in self.parts or self.backbone is None:
            maps = self.discriminator.features(x)
            vectors["features"] = maps[-1].mean((2, 3))
            place = maps[2]
        if self.backbone is not None:
            size = [max(_BACKBONE_SIZE, s) for s in x.shape[2:]]
            larger = F.interpolate(x, size=size, mode="bilinear", align_corners=False)
            place, middle, last = self.backbone(larger.add(1).div(2))
            quarters = F.adaptive_avg_pool2d(middle, 2).flatten(1) / 2
            vectors["pretrained"] = torch.cat([middle.mean((2, 3)), quarters, last.mean((2, 3))], 1)
        assert place is not None
        return vectors, place

    @property
    def _device(self) -> torch.device:
        return next(self.discriminator.parameters()).device

    @torch.no_grad()
    def scores(self, pictures: Tensor, itself: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
        """The parts' scores of at most 64 pictures, high for abnormal: (N, n_parts) float64.

        Networks always see 64 pictures, so that a score does not depend on its batch. `itself` as of
        `neighbour_distances`.
        """
        x = _padded(_to(pictures, self._device))
        return self.columns(x, len(pictures), None if itself is None else torch.from_numpy(itself)).cpu().numpy()

    @torch.no_grad()
    def columns(self, x: Tensor, n: int, itself: Tensor | None = None) -> Tensor:
        """The parts' scores of the first `n` of the pictures `x`: (n, n_parts) float64.

        `itself` as of `neighbour_distances`.
        """
        needs_vectors = "features" in self.parts or "pretrained" in self.parts
        vectors = self._vectors(x)[0] if needs_vectors else {}
        columns: list[Tensor] = []
        for part in self.parts:
            if part == "discriminator":
                columns.append(-self.discriminator(x)[:n])
            elif part == "transformations":
                columns.append(self._transformation_scores(x)[:n])
            else:
                columns.append(neighbour_distances(vectors[part][:n], self.banks[part], self.n_neighbors, itself))
        return torch.stack([c.double() for c in columns], 1)

    def _transformation_scores(self, x: Tensor) -> Tensor:
        """Minus the log-probability of the right answer, summed over ten ways to move a picture: the members' mean."""
        moved, n = _channels_last(all_transformed(x)), x.shape[0]
        found: list[Tensor] = []
        for member in self.discriminator.members:
            logits = member.transformation_logits(moved)  # type: ignore[operator]
            right = F.log_softmax(logits, 1).view(N_TRANSFORMATIONS, n, N_TRANSFORMATIONS)
            found.append(-torch.diagonal(right, dim1=0, dim2=2).sum(1))
        return torch.stack(found).mean(0)

    @torch.no_grad()
    def maps(self, pictures: Tensor) -> NDArray[np.float64]:
        """How unusual each place looks, for at most 64 pictures: (N, H, W).

        0 is the median of held-out normals, 1 their 99 % quantile.
        """
        return self.map_tensor(_padded(_to(pictures, self._device)))[: len(pictures)].cpu().numpy()

    @torch.no_grad()
    def map_tensor(self, x: Tensor) -> Tensor:
        """`maps` of pictures on the device of the model: (N, H, W) float64."""
        mean, deviation = self.places
        floor = (0.1 * deviation.mean()).clamp_min(_LEAST_DEVIATION)
        far = ((self._vectors(x)[1] - mean) / (deviation + floor)).square().mean(1, keepdim=True).sqrt()
        large = F.interpolate(far, size=x.shape[2:], mode="bicubic", align_corners=False)[:, 0]
        centre, spread = self.pixel_scale
        return (large.double() - centre) / spread

    def state(self) -> dict[str, Any]:
        """What `from_state` needs."""
        first = self.discriminator.first.maps[0]
        return {
            "parts": list(self.parts),
            "n_neighbors": self.n_neighbors,
            "channels": first.conv.in_channels,
            "width": first.conv.out_channels,
            "discriminators": self.discriminator.states(),
            "banks": self.banks,
            "places": self.places,
            "pixel_scale": list(self.pixel_scale),
        }

    @classmethod
    def from_state(cls, state: dict[str, Any], device: torch.device) -> WholeModel:
        """The model that `state` describes, on `device`."""
        build = partial(WholeDiscriminator, state["channels"], N_TRANSFORMATIONS, state["width"])
        discriminator = Committee([restored(build, weights) for weights in stored_members(state)])
        discriminator.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        parts = tuple(state["parts"])
        backbone = _backbone(parts, device)
        widths = [len(discriminator.members) * block.conv.out_channels for block in discriminator.first.maps]
        lengths = {"features": widths[-1]}
        if backbone is not None:
            _, middle, last = backbone.channels
            lengths["pretrained"] = 5 * middle + last
        banks = {
            name: fitting(f"the bank {name}", bank, torch.float32, None, lengths[name]).to(device)
            for name, bank in state["banks"].items()
        }
        looked_at = widths[2] if backbone is None else backbone.channels[0]
        places = fitting("places", state["places"], torch.float32, 2, looked_at, None, None).to(device)
        centre, spread = state["pixel_scale"]
        pixel_scale = (float(centre), float(spread))
        return cls(parts, state["n_neighbors"], discriminator, backbone, banks, places, pixel_scale)


def _backbone(parts: tuple[str, ...], device: torch.device) -> EfficientNetLite0 | None:
    if "pretrained" not in parts:
        return None
    return load_backbone(_BACKBONE_BLOCKS, device)


def _in_batches(indices: NDArray[np.int64], advance: Callable[[float], None]) -> Any:
    for start in range(0, len(indices), _BATCH):
        yield start, indices[start : start + _BATCH]
        advance((start + _BATCH) / len(indices))


def _padded(x: Tensor) -> Tensor:
    """`x` with empty pictures added, up to the batch that networks always see."""
    if len(x) == _BATCH:
        return x
    return _channels_last(torch.cat([x, x.new_zeros((_BATCH - len(x), *x.shape[1:]))]))


def _channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)


def _to(x: Tensor, device: torch.device) -> Tensor:
    return x.to(device, memory_format=torch.channels_last)
