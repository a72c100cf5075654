"""The synthesizer as a module of nothing but tensors, to be exported."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gantools.errors import ConfigError
from gantools.pipelines.export import Deployable
from gantools.pipelines.synthesize.forms import PictureForm
from gantools.pipelines.synthesize.latents import ClassLatents

if TYPE_CHECKING:
    from gantools.pipelines.synthesize.synthesizer import GanSynthesizer

_EXAMPLES = 4


class Making(nn.Module):
    """Classes' numbers (N,), places in [0, 1) (N,) and normal noise (N, latent) to pictures (N, H, W, C), uint8."""

    def __init__(self, decoder: nn.Module, latents: ClassLatents, novelty: Tensor, size: tuple[int, int]) -> None:
        super().__init__()
        self.decoder, self.latents, self.novelty, self.size = decoder, latents, novelty, size

    def forward(self, labels: Tensor, places: Tensor, noise: Tensor) -> Tensor:
        made = self.decoder(self.latents.placed(labels, self.novelty[labels], places, noise))
        if tuple(made.shape[2:]) != self.size:
            made = F.interpolate(made, size=self.size, mode="bicubic", align_corners=False)
        return made.clamp(-1, 1).add(1).mul(127.5).round().to(torch.uint8).permute(0, 2, 3, 1)


def deployable(synthesizer: GanSynthesizer, novelties: dict[int, float] | None = None) -> Deployable:
    """What can be exported of a fitted synthesizer of pictures.

    Parameters
    ----------
    synthesizer : GanSynthesizer
    novelties : dict or None
        Of classes, by their numbers, that shall not have the parameter's `novelty`.

    Raises
    ------
    ConfigError
        For tables: their columns cannot be told apart in one array.
    """
    form, synthesis = synthesizer.form_, synthesizer.synthesis_
    if not isinstance(form, PictureForm):
        raise ConfigError("a synthesizer of tables cannot be exported: numbers and categories do not fit one array")
    rng = torch.Generator().manual_seed(0)
    latents = ClassLatents(
        *(getattr(synthesis.latents, name).cpu() for name in ("latents", "labels", "means", "factors"))
    )
    inputs = {
        "labels": torch.arange(_EXAMPLES) % len(latents.means),
        "places": torch.rand(_EXAMPLES, generator=rng),
        "noise": torch.randn((_EXAMPLES, latents.latents.shape[1]), generator=rng),
    }
    classes = [] if synthesizer.classes_ is None else [str(c) for c in synthesizer.classes_]
    decoder, size = copy.deepcopy(synthesis.decoder).cpu(), (form.out_height, form.out_width)
    novelty = torch.full((len(latents.means),), float(synthesizer.novelty))
    for number, own in (novelties or {}).items():
        novelty[number] = own
    module = Making(decoder, latents, novelty, size)
    return Deployable(module, inputs, ("samples",), notes={"classes": classes, "holds_training_latents": True})
