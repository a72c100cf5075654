"""Generators that enlarge: they begin at bicubic, and see no further than they say."""

from __future__ import annotations

import pytest
import torch

from gantools.core.initialise import initialised
from gantools.data.resize import enlarged
from gantools.networks.patch import TextureDiscriminator
from gantools.networks.upscaler import SIZES, DenseUpscaler, GatedUpscaler, build_upscaler

SMALL = {
    "gated": lambda scale, channels: GatedUpscaler(scale, channels, features=8, blocks=2),
    "dense": lambda scale, channels: DenseUpscaler(scale, channels, features=8, groups=1, growth=4),
}


@pytest.mark.parametrize("kind", SMALL)
@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_begins_at_bicubic_interpolation(kind: str, scale: int, rng: torch.Generator) -> None:
    generator = initialised(lambda: SMALL[kind](scale, 3), rng)
    low = torch.rand((2, 3, 7, 9), generator=rng) * 2 - 1
    with torch.no_grad():
        torch.testing.assert_close(generator(low), enlarged(low, scale))


@pytest.mark.parametrize("kind", SMALL)
def test_an_output_pixel_sees_exactly_the_radius(kind: str, rng: torch.Generator) -> None:
    generator = initialised(lambda: SMALL[kind](2, 1), rng).double()
    for p in generator.parameters():  # no weight is zero, so that every path counts
        torch.nn.init.uniform_(p, 0.01, 0.02, generator=rng)
    side = 2 * generator.radius + 7
    low = torch.rand((1, 1, side, side), generator=rng, dtype=torch.float64).requires_grad_()
    middle = side // 2
    generator(low)[0, 0, 2 * middle, 2 * middle].backward()
    assert low.grad is not None
    seen = (low.grad[0, 0] != 0).nonzero()
    assert int((seen - middle).abs().max()) == generator.radius


def test_texture_discriminator_gives_a_logit_for_every_four_pixels(rng: torch.Generator) -> None:
    discriminator = initialised(lambda: TextureDiscriminator(6, 8), rng)
    pictures = torch.rand((2, 6, 40, 24), generator=rng)
    assert discriminator(pictures).shape == (2, 1, 10, 6)
    assert [f.shape[1] for f in discriminator.features(pictures)] == [8, 16, 16, 16]


def test_sizes_grow(rng: torch.Generator) -> None:
    weights = [
        sum(p.numel() for p in initialised(lambda s=s: build_upscaler(s, 4, 3), rng).parameters()) for s in SIZES
    ]
    assert weights == sorted(weights)
    assert weights[0] < 250_000
    assert weights[-1] > 16_000_000
