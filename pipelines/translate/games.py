"""The games of translation besides the plain one with pairs (`pipelines.paired`): several results, and no pairs."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gantools.core import Batch, Game
from gantools.networks.translator import Translator
from gantools.pipelines.paired import PairedGame

_TEMPERATURE = 0.07
_MOST_PLACES = 256


class VariedGame(PairedGame):
    """As `PairedGame`, of a generator with latents that learns several plausible results for a source.

    Of some candidates, each with latents of its own, only the one nearest to the truth is the fake: the others need not
    become like this truth, and so keep to other plausible ones (implicit maximum likelihood: Li et al. 2020). One of
    the candidates has latents of zero, the others random ones.

    Parameters
    ----------
    candidates : int
        At least two.
    **options
        Of `PairedGame`.
    """

    generator: Translator

    def __init__(self, generator: Translator, discriminator: nn.Module, *, candidates: int, **options: Any) -> None:
        super().__init__(generator, discriminator, **options)
        self.candidates = candidates

    def settings(self) -> dict[str, float]:
        return {**super().settings(), "candidates": self.candidates}

    def fakes(self, batch: Batch, rng: torch.Generator) -> Tensor:
        """Of each source's candidates, the one nearest to its truth."""
        source, reals = batch["source"], batch["reals"]
        n, k = len(source), self.candidates
        latents = torch.randn((k, n, self.generator.n_latents), generator=rng, device=source.device)
        latents[0] = 0
        with torch.no_grad():
            errors = [_coarse(self.generator(source, z) - reals).abs().mean((1, 2, 3)) for z in latents]
        best = torch.stack(errors).argmin(0)
        fakes: Tensor = self.generator(source, latents[best, torch.arange(n, device=best.device)])
        return fakes


def _coarse(pictures: Tensor) -> Tensor:
    """At a quarter of the size: which colours are where, not how edges lie."""
    return F.avg_pool2d(pictures, 4)


class UnpairedTranslator(nn.Module):
    """A generator, and what only its unpaired training needs.

    Parameters
    ----------
    generator : Translator
        With `features`.
    widths : sequence of int
        Channels of those features, map by map.
    back : nn.Module or None
        From targets back to sources, for cycle consistency.
    """

    def __init__(self, generator: Translator, widths: tuple[int, ...], back: nn.Module | None, width: int = 64) -> None:
        super().__init__()
        self.generator = generator
        self.back = back
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Conv2d(c, width, 1), nn.ReLU(), nn.Conv2d(width, width, 1)) for c in widths
        )

    def forward(self, source: Tensor) -> Tensor:
        """As the generator."""
        made: Tensor = self.generator(source)
        return made

    def places(self, pictures: Tensor) -> list[Tensor]:
        """What the generator's first half finds at places of `pictures`, map by map: (N, places, width)."""
        found = []
        for head, features in zip(self.heads, self.generator.features(pictures), strict=True):
            every = max(1, round((features.shape[2] * features.shape[3] / _MOST_PLACES) ** 0.5))
            described = head(features[:, :, ::every, ::every]).flatten(2).transpose(1, 2)
            found.append(F.normalize(described, dim=2))
        return found


class UnpairedGame(Game):
    """A batch has `reals` (N, C, H, W), pictures of the target kind, and `source`, others of the source kind.

    What is at a place of a fake should be like what is at the same place of its source, among all its places
    (contrastive: Park et al. 2020, CUT, with the generator's own features); the same for reals, which the generator
    should leave as they are. Cycle consistency (Zhu et al. 2017, CycleGAN; one way) is an option.

    Parameters
    ----------
    generator : UnpairedTranslator
    discriminator : nn.Module
    contrast, cycle : float
        Weights.
    """

    def __init__(
        self, generator: UnpairedTranslator, discriminator: nn.Module, *, contrast: float = 1.0, cycle: float = 0.0
    ) -> None:
        super().__init__(generator, discriminator)
        self.contrast = contrast
        self.cycle = cycle

    def settings(self) -> dict[str, float]:
        return {**super().settings(), "contrast": self.contrast, "cycle": self.cycle}

    def fakes(self, batch: Batch, rng: torch.Generator) -> Tensor:
        """What the generator makes of the sources."""
        fakes: Tensor = self.generator(batch["source"])
        return fakes

    def generator_terms(self, batch: Batch, fakes: Tensor) -> dict[str, Tensor]:
        """How much is lost of what was where."""
        players, source, reals = self.generator, batch["source"], batch["reals"]
        assert isinstance(players, UnpairedTranslator)
        terms = {}
        if self.contrast > 0:
            kept = contrastive(players.places(source), players.places(as_source(fakes, source)))
            terms["contrast"] = self.contrast * kept
            if source.shape[1] == reals.shape[1]:
                same = contrastive(players.places(reals), players.places(players(reals)))
                terms["identity"] = self.contrast * same
        if players.back is not None and self.cycle > 0:
            terms["cycle"] = self.cycle * F.l1_loss(players.back(fakes), source)
        return terms


def as_source(pictures: Tensor, source: Tensor) -> Tensor:
    """Pictures with as many channels as their sources: their mean, repeated, where these differ."""
    if pictures.shape[1] == source.shape[1]:
        return pictures
    return pictures.mean(1, keepdim=True).expand(-1, source.shape[1], -1, -1)


def contrastive(wanted: list[Tensor], found: list[Tensor]) -> Tensor:
    """Cross-entropy of telling, for each place found, which place it belongs to, averaged over maps: a scalar.

    Parameters
    ----------
    wanted, found : list of Tensor, (N, places, D), of length one
        `wanted` takes no gradient (van den Oord et al. 2018, InfoNCE; temperature .07).
    """
    losses = []
    for w, f in zip(wanted, found, strict=True):
        logits = f @ w.detach().transpose(1, 2) / _TEMPERATURE
        truth = torch.arange(w.shape[1], device=w.device).expand(len(w), -1)
        losses.append(F.cross_entropy(logits.flatten(0, 1), truth.flatten()))
    return torch.stack(losses).mean()
