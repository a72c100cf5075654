"""The game of super-resolution: the generator enlarges, the discriminator tells its pictures from real ones."""

from __future__ import annotations

from torch import Tensor

from gantools.core import Batch
from gantools.data.resize import enlarged
from gantools.pipelines.paired import PairedGame


class EnlargingGame(PairedGame):
    """A batch has `reals` (N, C, sH, sW) and, as `source` (N, C, H, W), the low pictures they were reduced to."""

    def condition(self, batch: Batch) -> Tensor:
        """The low pictures, enlarged by interpolation."""
        low = batch["source"]
        return enlarged(low, batch["reals"].shape[2] // low.shape[2])
