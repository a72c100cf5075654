"""The two games that many tasks share: fakes made from latents, with or without a class."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gantools.core.game import Batch, Game


class LatentGame(Game):
    """The generator turns standard normal latents, of its attribute `latent`'s length, into fakes."""

    augmentable = True

    def fakes(self, batch: Batch, rng: torch.Generator) -> Tensor:
        """One fake for each real of `batch`."""
        fakes: Tensor = self.generator(self.latents(batch, rng))
        return fakes

    def latents(self, batch: Batch, rng: torch.Generator) -> Tensor:
        """Latents (N, latent), one for each real of `batch`."""
        reals = batch["reals"]
        width: int = self.generator.latent  # type: ignore[assignment]
        return torch.randn((len(reals), width), generator=rng, device=reals.device)


class ConditionalGame(LatentGame):
    """Both players know the class (Mirza & Osindero 2014), where there is one.

    A batch has `labels` (N,), whole numbers from 0, and -1 where a real has no label. Unlabelled reals take part:
    the discriminator judges them, and the fakes beside them, without a class. Fill about half of a batch with
    labelled reals, however few there are: with one in ten, a generator that has given each class another's place
    is not brought back.

    Parameters
    ----------
    generator : nn.Module
        From latents (N, latent) and labels (N,) to fakes.
    discriminator : nn.Module
        From samples and labels, -1 for none, to logits.
    n_classes : int
        Number of classes.
    """

    conditional = True

    def __init__(self, generator: nn.Module, discriminator: nn.Module, n_classes: int) -> None:
        super().__init__(generator, discriminator)
        self.n_classes = n_classes

    def fakes(self, batch: Batch, rng: torch.Generator) -> Tensor:
        """One fake for each real of `batch`, of its class; of a random class where it has none."""
        labels = batch["labels"]
        drawn = torch.randint(self.n_classes, labels.shape, generator=rng, device=labels.device)
        fakes: Tensor = self.generator(self.latents(batch, rng), torch.where(labels < 0, drawn, labels))
        return fakes

    def shown(self, samples: Tensor, batch: Batch, rng: torch.Generator) -> tuple[Tensor, ...]:
        """The samples and their classes."""
        return samples, batch["labels"]
