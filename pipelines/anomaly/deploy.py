"""The detector as modules of nothing but tensors, to be exported."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gantools.data.tables import CLIP, TableEncoder
from gantools.errors import ConfigError
from gantools.pipelines.anomaly.kinds import KINDS
from gantools.pipelines.anomaly.tiles import SMALLEST, TileModel, top
from gantools.pipelines.anomaly.vectors import VectorModel
from gantools.pipelines.anomaly.whole import WholeModel
from gantools.pipelines.export import Deployable

if TYPE_CHECKING:
    from gantools.pipelines.anomaly.detector import GanAnomalyDetector

_EXAMPLES = 4


class Decision(nn.Module):
    """From the parts' raw scores to the score, whether it is an anomaly, and its p-value."""

    weights: Tensor
    centres: Tensor
    spreads: Tensor
    calibration: Tensor

    def __init__(self, detector: GanAnomalyDetector) -> None:
        super().__init__()
        weights = np.array([KINDS[detector.kind_].weights[p] for p in detector.parts_])
        scales = [detector.scales_[p] for p in detector.parts_]
        self.register_buffer("weights", torch.from_numpy(weights / weights.sum()))
        self.register_buffer("centres", torch.tensor([s.centre for s in scales], dtype=torch.float64))
        self.register_buffer("spreads", torch.tensor([s.spread for s in scales], dtype=torch.float64))
        self.register_buffer("calibration", torch.from_numpy(detector.calibration_))
        self.total = detector.total_
        self.threshold = -float(detector.offset_)

    def forward(self, parts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(N, n_parts) float64 to three of (N,): float32, bool, float32."""
        score = ((parts - self.centres) / self.spreads * self.weights).sum(1)
        score = (score - self.total.centre) / self.total.spread
        score = (score * 1e9).round() / 1e9  # as `rounded` in calibration.py
        at_least = (self.calibration[None] >= score[:, None]).double().sum(1)
        p_value = (1 + at_least) / (len(self.calibration) + 1)
        return score.float(), score > self.threshold, p_value.float()


class TableScores(nn.Module):
    """Rows of numbers (N, F), float32, missing ones NaN, to what `Decision` gives."""

    median: Tensor
    mean: Tensor
    deviation: Tensor

    def __init__(self, detector: GanAnomalyDetector, model: VectorModel, encoder: TableEncoder) -> None:
        super().__init__()
        numbers = torch.tensor([encoder.numbers[c] for c in encoder.columns], dtype=torch.float64)
        self.register_buffer("median", numbers[:, 0])
        self.register_buffer("mean", numbers[:, 1])
        self.register_buffer("deviation", numbers[:, 2])
        self.discriminator, self.model, self.decision = model.discriminator, model, Decision(detector)

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        known = torch.where(features.isnan(), self.median, features.double())
        x = ((known - self.mean) / self.deviation).clamp(-CLIP, CLIP)
        return self.decision(self.model.columns(x))


class WholeScores(nn.Module):
    """Pictures (N, H, W, C), uint8, to what `Decision` gives, and maps (N, H, W)."""

    def __init__(self, detector: GanAnomalyDetector, model: WholeModel) -> None:
        super().__init__()
        self.discriminator, self.backbone, self.model = model.discriminator, model.backbone, model
        self.decision = Decision(detector)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        x = planes(images)
        return *self.decision(self.model.columns(x, x.shape[0])), self.model.map_tensor(x).float()


class TileScores(nn.Module):
    """Pictures (N, H, W, C), uint8, of one size, to what `Decision` gives, and maps (N, H, W)."""

    shares: Tensor

    def __init__(self, detector: GanAnomalyDetector, model: TileModel) -> None:
        super().__init__()
        self.discriminator, self.backbone, self.model = model.discriminator, model.backbone, model
        self.decision = Decision(detector)
        self.register_buffer("shares", torch.tensor([KINDS["tiles"].weights[p] for p in model.parts]).double())

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        maps = self.model.part_maps(planes(images))
        return *self.decision(top(maps)), self.model.fused(maps, self.shares).float()


def planes(images: Tensor) -> Tensor:
    """Pictures (N, H, W, C), uint8, as (N, C, H, W), float32 in [-1, 1], rounded to half precision as in fitting."""
    return images.permute(0, 3, 1, 2).float().div(255).mul(2).sub(1).half().float()


def deployable(detector: GanAnomalyDetector, size: tuple[int, int] | None) -> Deployable:
    """What can be exported of a fitted detector; arguments as of `gantools.pipelines.export.export`.

    Raises
    ------
    ConfigError
        For tables with categories, pictures that are reduced, or a size that does not fit.
    """
    rng = np.random.default_rng(0)
    notes: dict[str, Any] = {"threshold": -float(detector.offset_), "parts": list(detector.parts_)}
    model = detector.model_
    module: nn.Module
    if isinstance(model, VectorModel):
        encoder = detector.encoder_
        if encoder.categories:
            name = next(iter(encoder.categories))
            raise ConfigError(f"an exported table holds numbers only, and column {name!r} holds texts")
        numbers = np.array([encoder.numbers[c] for c in encoder.columns])
        rows = numbers[:, 1] + numbers[:, 2] * rng.standard_normal((_EXAMPLES, len(numbers)))
        module = TableScores(detector, model, encoder)
        return Deployable(
            module,
            {"features": torch.from_numpy(rows).float()},
            ("anomaly_score", "is_anomaly", "p_value"),
            notes={**notes, "columns": encoder.columns},
            reference=lambda features: _said(detector, _named(detector, features)),
        )
    contract = detector.contract_
    wanted = size if contract.height is None or contract.width is None else (contract.height, contract.width)
    if wanted is None:
        raise ConfigError(
            "this model takes pictures of any size, but is exported for one: give it, --size HEIGHTxWIDTH"
        )
    if size is not None and wanted != size:
        raise ConfigError(
            f"this model takes pictures of {wanted[0]}x{wanted[1]} (height x width), not {size[0]}x{size[1]}"
        )
    height, width = wanted
    if detector.kind_ == "tiles":
        longest = contract.longest_short_side
        if min(height, width) < SMALLEST or (longest is not None and min(height, width) > longest):
            most = "" if longest is None else f" to {longest}"
            raise ConfigError(f"size: the shorter side must be from {SMALLEST}{most} pixels")
    images = torch.from_numpy(rng.integers(0, 256, (_EXAMPLES, height, width, contract.channels), dtype=np.uint8))
    module = WholeScores(detector, model) if isinstance(model, WholeModel) else TileScores(detector, model)
    return Deployable(
        module,
        {"images": images},
        ("anomaly_score", "is_anomaly", "p_value", "anomaly_map"),
        notes=notes,
        reference=lambda images: (*_said(detector, images), np.stack(detector.anomaly_map(images))),
    )


def _said(detector: GanAnomalyDetector, X: Any) -> tuple[NDArray[Any], ...]:
    """What the detector itself says: scores, decisions and p-values."""
    table = detector.score_table(X)
    return table["anomaly_score"].to_numpy(), table["is_anomaly"].to_numpy(bool), table["p_value"].to_numpy()


def _named(detector: GanAnomalyDetector, features: NDArray[Any]) -> Any:
    """A table as the detector was fitted on it: with the columns' names, if it had some."""
    names = getattr(detector, "feature_names_in_", None)
    return features if names is None else pd.DataFrame(features, columns=names)
