"""The game of tasks that know the truth: the generator makes one picture of another, and is told what it should be."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gantools.core import Batch, Game
from gantools.core.step import frozen
from gantools.metrics.pictures import perceptual_difference
from gantools.networks.backbone import EfficientNetLite0


class PairedGame(Game):
    """A batch has `reals` (N, C, H, W), the truths, and a `source` for each, in [-1, 1].

    Parameters
    ----------
    generator : nn.Module
        From sources to pictures like the truths.
    discriminator : nn.Module
        With `features`.
    beside_source : bool
        Whether the discriminator is shown a picture over its source (Isola et al. 2017, pix2pix), or by itself.
    pixels : float
        Weight of the mean absolute difference of pixels.
    matching : float
        Weight of the mean absolute difference of the discriminator's features (Wang et al. 2018, pix2pixHD).
    perceptual : float
        Weight of the difference in a pretrained network's features.
    backbone : EfficientNetLite0 or None
        That network.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        *,
        beside_source: bool = True,
        pixels: float = 1.0,
        matching: float = 0.0,
        perceptual: float = 0.0,
        backbone: EfficientNetLite0 | None = None,
    ) -> None:
        super().__init__(generator, discriminator)
        self.beside_source = beside_source
        self.pixels = pixels
        self.matching = matching
        self.perceptual = perceptual
        self.backbone = backbone

    def fakes(self, batch: Batch, rng: torch.Generator) -> Tensor:
        """What the generator makes of the sources."""
        fakes: Tensor = self.generator(batch["source"])
        return fakes

    def settings(self) -> dict[str, float]:
        weights = {"pixels": self.pixels, "matching": self.matching, "perceptual": self.perceptual}
        return {**super().settings(), **weights}

    def condition(self, batch: Batch) -> Tensor:
        """What the discriminator is shown beside a picture: the source, at the picture's size."""
        return batch["source"]

    def shown(self, samples: Tensor, batch: Batch, rng: torch.Generator) -> tuple[Tensor, ...]:
        """The pictures, and what is known of them."""
        if not self.beside_source:
            return (samples,)
        return (torch.cat([samples, self.condition(batch)], 1),)

    def generator_terms(self, batch: Batch, fakes: Tensor) -> dict[str, Tensor]:
        """How far the fakes are from the truths."""
        terms = {"pixels": self.pixels * F.l1_loss(fakes, batch["reals"])}
        if self.matching > 0:
            terms["matching"] = self.matching * self._unlike(batch, fakes)
        if self.perceptual > 0 and self.backbone is not None:
            unit, truth = fakes.add(1).div(2), batch["reals"].add(1).div(2)
            terms["perceptual"] = self.perceptual * perceptual_difference(self.backbone, unit, truth)
        return terms

    def _unlike(self, batch: Batch, fakes: Tensor) -> Tensor:
        """Mean absolute difference of the discriminator's features, layer by layer."""
        features: Callable[..., list[Tensor]] = self.discriminator.features  # type: ignore[assignment]
        rng = torch.Generator(fakes.device)
        with frozen(self.discriminator):
            with torch.no_grad():
                real = features(*self.shown(batch["reals"], batch, rng))
            fake = features(*self.shown(fakes, batch, rng))
        return torch.stack([F.l1_loss(f, r) for f, r in zip(fake, real, strict=True)]).mean()
