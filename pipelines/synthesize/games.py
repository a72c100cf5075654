"""The two games of synthesis: an autoencoder learns the spread of the reals, then its decoder plays against them."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from gantools.core import Batch, ConditionalGame, Game
from gantools.core.augment import moved
from gantools.core.initialise import initialised
from gantools.metrics.generated import kernel_distance
from gantools.metrics.pictures import perceptual_difference
from gantools.networks.autoencoder import Autoencoder
from gantools.networks.backbone import EfficientNetLite0
from gantools.pipelines.synthesize.latents import ClassLatents

_NOVELTIES = (0.3, 0.8)


def distance(decoded: Tensor, reals: Tensor, backbone: EfficientNetLite0 | None, perceptual: float) -> Tensor:
    """Mean squared difference, and so many times the perceptual one of pictures where there is a backbone.

    The latter is taken of half of the batch: it costs as much as all else.
    """
    apart = (decoded - reals).square().mean()
    if backbone is not None:
        half = (len(reals) + 1) // 2
        apart = apart + perceptual * perceptual_difference(backbone, (decoded[:half] + 1) / 2, (reals[:half] + 1) / 2)
    return apart


class AutoencodingGame(Game):
    """The first stage, in which only the generator plays: reals, moved a little, are encoded and decoded.

    Parameters
    ----------
    autoencoder : Autoencoder
    divergence : float
        Weight of the latents' divergence from the standard normal distribution, beside a squared error, each summed
        over a sample.
    perceptual : float
        Weight of the perceptual difference.
    moves : float
        Strength of the moves; 0 for vectors.
    backbone : EfficientNetLite0 or None
        For the perceptual difference.
    """

    def __init__(
        self,
        autoencoder: Autoencoder,
        divergence: float,
        perceptual: float = 0.0,
        moves: float = 0.0,
        backbone: EfficientNetLite0 | None = None,
    ) -> None:
        idle = initialised(lambda: nn.Linear(1, 1), torch.Generator())
        super().__init__(autoencoder, idle.to(next(autoencoder.parameters()).device))
        self.divergence = divergence
        self.perceptual = perceptual
        self.moves = moves
        self.backbone = backbone

    def settings(self) -> dict[str, float]:
        own = {"divergence": self.divergence, "perceptual": self.perceptual, "moves": self.moves}
        return {**super().settings(), **own}

    def fakes(self, batch: Batch, rng: torch.Generator) -> Tensor:
        """The reals, encoded and decoded. What else the losses need is kept for `generator_terms`."""
        reals = moved(batch["reals"], self.moves, rng)
        noise = torch.randn((len(reals), self.generator.decoder.latent), generator=rng, device=reals.device)  # type: ignore[union-attr,arg-type]
        decoded, divergence = self.generator(reals, noise)
        self._reals, self._divergence = reals, divergence.mean() / reals[0].numel()
        return decoded

    def generator_terms(self, batch: Batch, fakes: Tensor) -> dict[str, Tensor]:
        """What decoding loses, and the divergence."""
        return {
            "decoding": distance(fakes, self._reals, self.backbone, self.perceptual),
            "divergence": self.divergence * self._divergence,
        }


class SpreadGame(ConditionalGame):
    """The second stage: fakes come from where their class lies among the latents, and reals must stay decodable.

    The reals' own latents, drawn from and decoded, hold the generator to the whole of each class: it cannot collapse
    without losing them.

    A batch has `reals`, `labels` (-1 for none) and `latents`, the reals'.

    Parameters
    ----------
    decoder, discriminator : nn.Module
        From latents to samples; from samples and labels to logits.
    latents : ClassLatents
    anchor : float
        Weight of what decoding loses.
    perceptual, backbone
        As of `AutoencodingGame`.
    moves : float
        Strength of the moves of all that the discriminator is shown.
    held : (Tensor, Tensor) or None
        Reals never trained on and their labels, by which the players are judged.
    """

    average_discriminator = True

    def __init__(
        self,
        decoder: nn.Module,
        discriminator: nn.Module,
        latents: ClassLatents,
        anchor: float,
        perceptual: float = 0.0,
        moves: float = 0.0,
        backbone: EfficientNetLite0 | None = None,
        held: tuple[Tensor, Tensor] | None = None,
    ) -> None:
        super().__init__(decoder, discriminator, len(latents.means))
        self.class_latents = latents
        self.anchor = anchor
        self.perceptual = perceptual
        self.moves = moves
        self.backbone = backbone
        self.held = held

    def settings(self) -> dict[str, float]:
        return {**super().settings(), "anchor": self.anchor, "perceptual": self.perceptual, "moves": self.moves}

    def fakes(self, batch: Batch, rng: torch.Generator) -> Tensor:
        """One fake for each real, of its class, of a random novelty; of a random class where it has none."""
        labels = batch["labels"]
        drawn = torch.randint(self.n_classes, labels.shape, generator=rng, device=labels.device)
        labels = torch.where(labels < 0, drawn, labels)
        low, high = _NOVELTIES
        novelty = low + (high - low) * torch.rand(labels.shape, generator=rng, device=labels.device)
        fakes: Tensor = self.generator(self.class_latents.draw(labels, novelty, rng))
        return fakes

    def shown(self, samples: Tensor, batch: Batch, rng: torch.Generator) -> tuple[Tensor, ...]:
        """The samples, moved a little, and their classes."""
        return moved(samples, self.moves, rng), batch["labels"]

    def generator_terms(self, batch: Batch, fakes: Tensor) -> dict[str, Tensor]:
        """What decoding the reals loses."""
        decoded = self.generator(batch["latents"])
        return {"decoding": self.anchor * distance(decoded, batch["reals"], self.backbone, self.perceptual)}

    def held_out(self) -> Batch | None:
        """Reals never trained on, where some are held out."""
        return None if self.held is None else {"reals": self.held[0], "labels": self.held[1]}

    @torch.no_grad()
    def monitor(self, generator: nn.Module, discriminator: nn.Module) -> float | None:
        """Kernel distance between held-out reals and fakes of their classes, the same latents every time."""
        if self.held is None:
            return None
        reals, labels = self.held
        rng = torch.Generator(labels.device).manual_seed(0)
        fakes = generator(self.class_latents.draw(labels, sum(_NOVELTIES) / 2, rng))
        if not fakes.isfinite().all():  # the trainer has a word for a generator that diverged
            return math.inf
        return kernel_distance(self._looks(reals), self._looks(fakes))

    def _looks(self, samples: Tensor) -> Tensor:
        if self.backbone is None:
            return samples.flatten(1)
        return torch.cat([m.mean((2, 3)) for m in self.backbone(samples.add(1).div(2))], 1)
