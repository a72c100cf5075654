"""The game of super-resolution: the generator enlarges, the discriminator tells its pictures from real ones."""

from __future__ import annotations

import torch
from torch import Tensor

from gantools.core import Batch
from gantools.data.resize import enlarged
from gantools.pipelines.paired import PairedGame
from gantools.pipelines.superres.pictures import pieces_at


class EnlargingGame(PairedGame):
    """A batch is what `Patches` gives: low pictures, and a piece of what each is to be enlarged to."""

    def fakes(self, batch: Batch, rng: torch.Generator) -> Tensor:
        """Those pieces of what the generator makes of the low pictures."""
        return self._pieces(super().fakes(batch, rng), batch)

    def condition(self, batch: Batch) -> Tensor:
        """Those pieces of the low pictures, enlarged by interpolation."""
        low = batch["source"]
        return self._pieces(enlarged(low, batch["reals"].shape[2] // (low.shape[2] - 1)), batch)

    def _pieces(self, pictures: Tensor, batch: Batch) -> Tensor:
        return pieces_at(batch["begins"], pictures, batch["reals"].shape[2])
