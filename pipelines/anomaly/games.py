"""The anomaly detector's games: a generator's fakes and synthetic anomalies against one discriminator."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gantools.core import Batch, LatentGame, Negatives
from gantools.data.anomalies import CORRUPTIONS, corrupt, corrupt_vectors
from gantools.data.transformations import N_TRANSFORMATIONS, all_transformed
from gantools.networks.whole import WholeDiscriminator


class _DetectorGame(LatentGame):
    """The discriminator's average is kept, because its logits are the product."""

    average_discriminator = True

    def __init__(self, generator: nn.Module, discriminator: nn.Module, fake_weight: float) -> None:
        super().__init__(generator, discriminator)
        self.fake_weight = fake_weight


class PictureGame(_DetectorGame):
    """Pictures, or tiles of pictures, against fakes and corrupted pictures.

    Parameters
    ----------
    generator, discriminator : nn.Module
        Of pictures in [-1, 1]. Where the discriminator's logits are dense, the corruptions' masks teach it.
    fake_weight : float
        Weight of the generator's fakes.
    synthetic : sequence of str
        Kinds of synthetic anomaly, keys of `gantools.data.anomalies.CORRUPTIONS`; none makes it a plain GAN.
    """

    def __init__(
        self, generator: nn.Module, discriminator: nn.Module, fake_weight: float, synthetic: Sequence[str]
    ) -> None:
        super().__init__(generator, discriminator, fake_weight)
        self.synthetic = tuple(synthetic)
        self.dense = not isinstance(discriminator, WholeDiscriminator)
        self.augmentable = not self.dense  # masks would stay where they are

    def settings(self) -> dict[str, float]:
        places = {name: i for i, name in enumerate(self.synthetic, 1)}
        return super().settings() | {f"synthetic {name}": float(places.get(name, 0)) for name in CORRUPTIONS}

    def negatives(self, batch: Batch, rng: torch.Generator) -> list[Negatives]:
        if not self.synthetic:
            return []
        pictures, masks = corrupt(batch["reals"], self.synthetic, rng)
        return [Negatives(pictures, 1.0, masks if self.dense else None)]


class TransformationGame(PictureGame):
    """Besides, the discriminator has to tell how a real was moved (SSGAN, Chen et al. 2019).

    Only a `share` of a batch is moved: every such picture becomes ten.
    """

    discriminator: WholeDiscriminator

    def __init__(
        self,
        generator: nn.Module,
        discriminator: WholeDiscriminator,
        fake_weight: float,
        synthetic: Sequence[str],
        share: float = 0.5,
    ) -> None:
        super().__init__(generator, discriminator, fake_weight, synthetic)
        self.share = share

    def discriminator_terms(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        reals = batch["reals"]
        moved = all_transformed(reals[: max(1, int(self.share * len(reals)))])
        which = torch.arange(N_TRANSFORMATIONS, device=reals.device)
        logits = self.discriminator.transformation_logits(moved)
        return {"transformation": F.cross_entropy(logits, which.repeat_interleave(len(moved) // len(which)))}


class ProjectedGame(PictureGame):
    """The discriminator is shown a frozen network's feature maps (Projected GAN, Sauer et al. 2021).

    `features` takes pictures in [-1, 1] and gives the maps; the generator learns through it.
    """

    wide = True

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        fake_weight: float,
        synthetic: Sequence[str],
        features: Callable[[Tensor], Tensor],
    ) -> None:
        super().__init__(generator, discriminator, fake_weight, synthetic)
        self.features = features

    def shown(self, samples: Tensor, batch: Batch, rng: torch.Generator) -> tuple[Tensor, ...]:
        return (self.features(samples),)


class VectorGame(_DetectorGame):
    """Standardised feature vectors against fakes and noisy vectors."""

    augmentable = False

    def __init__(self, generator: nn.Module, discriminator: nn.Module, fake_weight: float, synthetic: bool) -> None:
        super().__init__(generator, discriminator, fake_weight)
        self.synthetic = synthetic

    def settings(self) -> dict[str, float]:
        return super().settings() | {"synthetic": float(self.synthetic)}

    def negatives(self, batch: Batch, rng: torch.Generator) -> list[Negatives]:
        return [Negatives(corrupt_vectors(batch["reals"], rng))] if self.synthetic else []
