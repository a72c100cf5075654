"""The detector's model of feature tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gantools.core import Batch
from gantools.core.batches import Order
from gantools.core.initialise import fitting, initialised, restored
from gantools.networks.committee import Committee
from gantools.networks.mlp import MlpDiscriminator, MlpGenerator
from gantools.pipelines.anomaly.games import VectorGame
from gantools.pipelines.anomaly.members import Trainings, committee_of, stored_members, train_each
from gantools.pipelines.anomaly.neighbours import neighbour_distances
from gantools.pipelines.anomaly.settings import FitSettings, chosen, hold_out

PARTS = ("discriminator", "features", "neighbours")
WEIGHTS = {"discriminator": 0.3, "features": 0.3, "neighbours": 1.0}
_WIDTH = 128
_ROWS = 65_536  # scored at once


@dataclass
class VectorModel:
    """A discriminator of vectors and a bank of normals, both in float64 so that batches do not matter.

    Attributes
    ----------
    discriminator : Committee
        Of `MlpDiscriminator`.
    bank : Tensor, (M, D)
        Standardised normals.
    banked : ndarray or None, (M,)
        Which of the normals that it was fitted on are the bank's rows, in their order; not stored.
    """

    parts: tuple[str, ...]
    n_neighbors: int
    discriminator: Committee
    bank: Tensor
    banked: NDArray[np.int64] | None = None

    @classmethod
    def fit(
        cls, vectors: NDArray[np.float64], settings: FitSettings
    ) -> tuple[VectorModel, NDArray[np.float64], Trainings]:
        """Learn from normals.

        Returns
        -------
        model, calibration, trainings
            `calibration` is the parts' scores of held-out normals: (M, n_parts).
        """
        fitted, held = hold_out(np.arange(len(vectors)), settings.seed)
        x = torch.from_numpy(vectors).to(settings.device)
        reals = x[fitted].float()
        width = settings.width or _WIDTH

        def prepare(own: FitSettings) -> tuple[VectorGame, Callable[[int], Batch]]:
            order = Order(len(reals), own.batch_size, own.seed)

            def batches(step: int) -> Batch:
                return {"reals": reals[torch.from_numpy(order.indices(step)).to(reals.device)]}

            rng = own.generator()
            generator = initialised(lambda: MlpGenerator(x.shape[1], width=width), rng).to(own.device)
            discriminator = initialised(lambda: MlpDiscriminator(x.shape[1], width=width), rng).to(own.device)
            return VectorGame(generator, discriminator, own.fake_weight, bool(own.synthetic)), batches

        trainings = train_each(settings, prepare)
        banked = chosen(fitted, settings.max_bank, settings.seed)
        discriminator = committee_of(trainings).double()
        model = cls(settings.parts, settings.n_neighbors, discriminator, x[banked], banked)
        few = len(held) == len(fitted)
        at = np.arange(len(banked)) if few else None
        return model, model.scores(vectors[banked if few else held], at), trainings

    def scores(self, vectors: NDArray[np.float64], itself: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
        """The parts' scores, high for abnormal: (N, n_parts); `itself` as of `neighbour_distances`."""
        x = torch.from_numpy(vectors).to(self.bank.device)
        at = None if itself is None else torch.from_numpy(itself)
        chunks = [slice(start, start + _ROWS) for start in range(0, max(1, len(x)), _ROWS)]
        return torch.cat([self.columns(x[c], None if at is None else at[c]) for c in chunks]).cpu().numpy()

    @torch.no_grad()
    def columns(self, x: Tensor, itself: Tensor | None = None) -> Tensor:
        """The parts' scores of vectors (N, D), float64: (N, n_parts); `itself` as of `neighbour_distances`."""
        columns: list[Tensor] = []
        for part in self.parts:
            if part == "discriminator":
                columns.append(-self.discriminator(x))
            elif part == "features":
                features, bank = (self.discriminator.features(v)[-1] for v in (x, self.bank))
                columns.append(neighbour_distances(features, bank, self.n_neighbors, itself))
            else:
                columns.append(neighbour_distances(x, self.bank, self.n_neighbors, itself))
        return torch.stack(columns, 1)

    def state(self) -> dict[str, Any]:
        """What `from_state` needs."""
        return {
            "parts": list(self.parts),
            "n_neighbors": self.n_neighbors,
            "n_features": self.bank.shape[1],
            "width": self.discriminator.first.hidden1.out_features,
            "discriminators": self.discriminator.states(),
            "bank": self.bank,
        }

    @classmethod
    def from_state(cls, state: dict[str, Any], device: torch.device) -> VectorModel:
        """The model that `state` describes, on `device`."""
        build = partial(MlpDiscriminator, state["n_features"], width=state["width"])
        members = [restored(lambda: build().double(), weights).to(device) for weights in stored_members(state)]
        bank = fitting("the bank of normals", state["bank"], torch.float64, None, state["n_features"])
        return cls(tuple(state["parts"]), state["n_neighbors"], Committee(members), bank.to(device))
