"""What synthesis learns, and how: players of the right kind for the data, two stages of the shared trainer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gantools.core import AdversarialTrainer, Batch, Game, Tick, Training
from gantools.core.batches import Order, mine
from gantools.core.initialise import initialised, restored
from gantools.networks.autoencoder import Autoencoder, ChoosingGenerator, PictureEncoder, VectorEncoder
from gantools.networks.backbone import load_backbone
from gantools.networks.conditional import ConcatenationDiscriminator, ProjectionDiscriminator
from gantools.networks.dcgan import DcganDiscriminator, DcganGenerator
from gantools.networks.mlp import MlpDiscriminator, MlpGenerator
from gantools.networks.projected import ProjectedDiscriminator
from gantools.pipelines.base import train_shown
from gantools.pipelines.stages import begun, fidelity_trainer, without_earlier
from gantools.pipelines.synthesize.forms import Form, PictureForm
from gantools.pipelines.synthesize.games import AutoencodingGame, SpreadGame
from gantools.pipelines.synthesize.latents import ClassLatents
from gantools.progress import Stages

_PERCEPTUAL_BLOCKS = (0, 2, 4)
_ROWS = 256
_MOST_HELD_OUT, _FEWEST_HELD_OUT = 256, 32


@dataclass(frozen=True)
class Settings:
    """What a synthesizer's parameters come to; see `GanSynthesizer` for their meanings."""

    form: Form
    n_classes: int
    latent: int
    width: int
    divergence: float
    perceptual: float
    anchor: float
    moves: float
    fidelity_share: float
    trainer: AdversarialTrainer
    max_images: int
    max_minutes: float | None
    batch_size: int
    device: torch.device
    seed: int
    checkpoint: Path | None
    resume: bool

    def decoder(self) -> nn.Module:
        """The generator: from latents to samples."""
        if isinstance(self.form, PictureForm):
            generator = DcganGenerator(self.form.shape, self.latent, self.width)
            return generator.to(memory_format=torch.channels_last)  # a sixth faster on CPUs
        body = MlpGenerator(self.form.codec.width, self.latent, self.width)
        return ChoosingGenerator(body, self.form.codec.choices)

    def encoder(self) -> nn.Module:
        """From samples to latents."""
        if isinstance(self.form, PictureForm):
            return PictureEncoder(self.form.shape, self.latent, self.width)
        return VectorEncoder(self.form.codec.width, self.latent, self.width)

    def discriminator(self) -> nn.Module:
        """From samples and classes to logits."""
        if self.trainer.condition == "concatenation":
            return ConcatenationDiscriminator(self._judge(self.n_classes), self.n_classes)
        if self.projected:
            return ProjectionDiscriminator(ProjectedDiscriminator(), ProjectedDiscriminator.width, self.n_classes)
        body = self._judge()
        width = body.maps[-1][0].out_channels if isinstance(body, DcganDiscriminator) else self.width  # type: ignore[index]
        return ProjectionDiscriminator(body, width, self.n_classes)

    def _judge(self, more: int = 0) -> DcganDiscriminator | MlpDiscriminator:
        """A discriminator of samples with so many more channels or features."""
        if isinstance(self.form, PictureForm):
            channels, height, width = self.form.shape
            return DcganDiscriminator((channels + more, height, width), self.width)
        return MlpDiscriminator(self.form.codec.width + more, self.width)

    def describe(self, game: Game, n_reals: int, monitored: bool) -> None:
        """Say of the adversarial game what trainers' settings may want to know."""
        game.augmentable, game.projected = isinstance(self.form, PictureForm), self.projected
        game.conditional, game.n_reals, game.monitored = self.n_classes > 1, n_reals, monitored

    @property
    def projected(self) -> bool:
        """Whether the discriminator judges a frozen network's features."""
        return self.trainer.projected and isinstance(self.form, PictureForm)


@dataclass
class Synthesis:
    """What was learnt.

    Attributes
    ----------
    encoder, decoder, discriminator : nn.Module
        In evaluation mode.
    latents : ClassLatents
    """

    encoder: nn.Module
    decoder: nn.Module
    discriminator: nn.Module
    latents: ClassLatents

    @classmethod
    def fit(
        cls,
        samples: Tensor,
        labels: NDArray[np.int64],
        settings: Settings,
        stages: Stages,
        on_tick: Callable[[Tick], bool],
    ) -> tuple[Synthesis, list[tuple[str, Training]]]:
        """Learn from samples, and labels from 0, -1 for none.

        Returns
        -------
        synthesis, trainings
            The trainings by name, in order.
        """
        device, rng = settings.device, torch.Generator().manual_seed(settings.seed)
        held = held_out(labels, settings.seed) if settings.trainer.needs_monitor else np.empty(0, np.int64)
        judged_by = (samples[torch.from_numpy(held)].to(device), torch.from_numpy(labels[held]).to(device))
        kept = np.setdiff1d(np.arange(len(samples)), held)
        if len(held) > 0:
            samples, labels = samples[torch.from_numpy(kept)], labels[kept]
        autoencoder = initialised(lambda: Autoencoder(settings.encoder(), settings.decoder()), rng).to(device)
        discriminator = initialised(settings.discriminator, rng).to(device)
        pictures = isinstance(settings.form, PictureForm)
        if not settings.resume:
            without_earlier(settings.checkpoint, ("fidelity", "adversarial"))
        perceptual = settings.perceptual
        backbone = None
        if perceptual > 0:
            backbone = load_backbone(_PERCEPTUAL_BLOCKS, device)
        moves = settings.moves if pictures else 0.0

        def play(game: Any, trainer: AdversarialTrainer, batches: Any, share: float, name: str) -> Training:
            return train_shown(
                trainer,
                game,
                batches,
                stages,
                on_tick,
                name,
                max_images=max(1, round(share * settings.max_images)),
                max_minutes=None if settings.max_minutes is None else share * settings.max_minutes,
                seed=settings.seed,
                checkpoint=None if settings.checkpoint is None else settings.checkpoint / f"{name}.safetensors",
                resume=settings.resume,
                reopen=name == "adversarial" or not begun(settings.checkpoint, "adversarial"),
            )

        natural = Order(len(samples), settings.batch_size, settings.seed)

        def any_reals(step: int) -> Batch:
            return {"reals": samples[torch.from_numpy(natural.indices(step))].to(device)}

        what_follows = Game(autoencoder.decoder, discriminator)
        settings.describe(what_follows, len(samples), len(held) > 0)
        settings.trainer.check(what_follows)
        first = play(
            AutoencodingGame(autoencoder, settings.divergence, perceptual, moves, backbone),
            fidelity_trainer(settings.trainer, 3e-3, optimiser="muon", beta2=0.99, max_norm=1.0),
            any_reals,
            settings.fidelity_share,
            "fidelity",
        )
        trained: Autoencoder = first.generator  # type: ignore[assignment]
        found = torch.cat([trained.encoded(some.to(device)) for some in samples.split(_ROWS)])
        classes = torch.from_numpy(labels)
        known = torch.nonzero(classes >= 0)[:, 0]
        latents = ClassLatents.of(found[known.to(device)], classes[known].to(device))
        balanced = BalancedOrder(labels, settings.batch_size, settings.seed)

        def labelled_reals(step: int) -> Batch:
            indices = torch.from_numpy(balanced.indices(step))
            return {
                "reals": samples[indices].to(device),
                "labels": classes[indices].to(device),
                "latents": found[indices.to(device)],
            }

        autoencoder.decoder.load_state_dict(trained.decoder.state_dict())
        game = SpreadGame(
            autoencoder.decoder.requires_grad_(True),
            discriminator,
            latents,
            settings.anchor,
            perceptual,
            moves,
            backbone,
            judged_by if len(held) else None,
        )
        settings.describe(game, len(samples), len(held) > 0)
        second = play(game, settings.trainer, labelled_reals, 1 - settings.fidelity_share, "adversarial")
        synthesis = cls(trained.encoder.eval(), second.generator.eval(), second.discriminator.eval(), latents)
        return synthesis, [("fidelity", first), ("adversarial", second)]

    @torch.no_grad()
    def draw(
        self, labels: NDArray[np.int64], novelty: float, rng: torch.Generator, truncation: float = 1.0
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Samples of `labels`, some at a time, and the discriminator's logits of them."""
        device = self.latents.means.device
        for some in torch.from_numpy(labels).split(_ROWS):
            classes = some.to(device)
            samples = self.decoder(self.latents.draw(classes, novelty, rng, truncation))
            logits = self.discriminator(samples, classes)
            yield samples, logits.flatten(1).mean(1) if logits.ndim > 1 else logits

    @torch.no_grad()
    def encoded(self, samples: Tensor) -> Tensor:
        """Latents of samples: (N, latent)."""
        device = self.latents.means.device
        return torch.cat([self.encoder(some.to(device))[0] for some in samples.split(_ROWS)])

    def state(self) -> dict[str, Any]:
        """What a model folder holds of it."""
        players = ("encoder", "decoder", "discriminator")
        return {**{p: getattr(self, p).state_dict() for p in players}, "latents": self.latents.state()}

    @classmethod
    def restored(cls, state: dict[str, Any], settings: Settings) -> Synthesis:
        """From what `state` gave, with settings of the same sizes."""
        encoder = restored(settings.encoder, state["encoder"]).to(settings.device)
        decoder = restored(settings.decoder, state["decoder"]).to(settings.device)
        discriminator = restored(settings.discriminator, state["discriminator"]).to(settings.device)
        latents = ClassLatents.restored(state["latents"], settings.n_classes, settings.latent, settings.device)
        return cls(encoder, decoder, discriminator, latents)


def held_out(labels: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Numbers of a tenth of each class's samples, 256 at most; none where they are fewer than 32 together."""
    rng = np.random.default_rng((seed, 2))
    of_classes = [np.flatnonzero(labels == c) for c in range(labels.max() + 1)]
    found = np.concatenate([rng.permutation(mine)[: len(mine) // 10] for mine in of_classes])
    return np.sort(rng.permutation(found)[:_MOST_HELD_OUT]) if len(found) >= _FEWEST_HELD_OUT else found[:0]


class BalancedOrder:
    """Batches in which classes are equally frequent; unlabelled samples keep half of their share of the batch.

    Parameters
    ----------
    labels : ndarray of int64
        From 0, -1 for none.
    batch_size : int
    seed : int
    """

    def __init__(self, labels: NDArray[np.int64], batch_size: int, seed: int) -> None:
        self.batch_size = batch_size
        self.seed = seed
        counts = np.bincount(labels[labels >= 0])
        weights = np.where(labels >= 0, (1 / np.maximum(counts, 1))[labels], 0.0)
        unlabelled = (labels < 0).mean() / 2
        weights = weights / weights.sum() * (1 - unlabelled)
        if unlabelled > 0:
            weights[labels < 0] = unlabelled / (labels < 0).sum()
        self._edges = np.cumsum(weights)

    def indices(self, step: int) -> NDArray[np.int64]:
        """The samples of a step: int64, (batch_size,), drawn with replacement; under torchrun, this process's."""
        places = np.random.default_rng((self.seed, step)).random(self.batch_size) * self._edges[-1]
        return mine(np.minimum(np.searchsorted(self._edges, places, side="right"), len(self._edges) - 1))
