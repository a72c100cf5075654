"""The game of super-resolution: the generator enlarges, the discriminator tells its pictures from real ones."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from gantools.core import Batch
from gantools.data.resize import enlarged
from gantools.metrics.pictures import detail_by_place, repetition
from gantools.pipelines.paired import PairedGame

_REPEATED = 0.3


class EnlargingGame(PairedGame):
    """A batch has `reals` (N, C, sH, sW) and, as `source` (N, C, H, W), the low pictures they were reduced to.

    Parameters
    ----------
    pattern : float
        Weight of what the fakes draw in step with the grid of small pixels. Convolutions that stride judge only some
        of the pixels that a small one becomes, and their slopes repeat with it (Odena et al. 2016, "Deconvolution and
        Checkerboard Artifacts"), so that a generator taught by them draws dots.
    **options
        Of `PairedGame`.
    """

    def __init__(self, generator: nn.Module, discriminator: nn.Module, *, pattern: float = 0.0, **options: Any) -> None:
        super().__init__(generator, discriminator, **options)
        self.pattern = pattern

    def settings(self) -> dict[str, float]:
        return {**super().settings(), "pattern": self.pattern}

    def condition(self, batch: Batch) -> Tensor:
        """The low pictures, enlarged by interpolation."""
        return enlarged(batch["source"], _scale(batch))

    def generator_terms(self, batch: Batch, fakes: Tensor) -> dict[str, Tensor]:
        """How far the fakes are from the truths, and how much more than these they repeat themselves."""
        terms = super().generator_terms(batch, fakes)
        if self.pattern > 0:
            scale = _scale(batch)
            uneven = (detail_by_place(fakes, scale).mean(0) - 1).square().mean()
            repeated = (repetition(fakes, scale) - repetition(batch["reals"], scale)).square().mean()
            terms["pattern"] = self.pattern * (uneven + _REPEATED * repeated)
        return terms


def _scale(batch: Batch) -> int:
    return batch["reals"].shape[2] // batch["source"].shape[2]
