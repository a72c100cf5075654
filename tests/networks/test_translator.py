"""Generators that translate: they begin at the source, see no further than they say, and keep what they should."""

from __future__ import annotations

import pytest
import torch

from gantools.core.initialise import initialised
from gantools.data.resize import luma
from gantools.networks.translator import Translator


def lively(
    channels_in: int, channels_out: int, colour_only: bool = False, blocks: tuple[int, ...] = (1, 1, 1, 1)
) -> Translator:
    """A small generator none of whose weights is at zero."""
    rng = torch.Generator().manual_seed(5)
    generator = initialised(lambda: Translator(channels_in, channels_out, 4, blocks, colour_only), rng)
    for name, p in generator.named_parameters():
        if not name.startswith("backbone") and not p.any():
            torch.nn.init.normal_(p, 0, 0.1, generator=rng)
    return generator.eval()


@pytest.mark.parametrize(("channels_in", "channels_out"), [(3, 3), (1, 3), (3, 1), (5, 2)])
def test_begins_at_the_source(channels_in: int, channels_out: int, rng: torch.Generator) -> None:
    generator = initialised(lambda: Translator(channels_in, channels_out, 4), rng)
    source = torch.rand((2, channels_in, 64, 32), generator=rng) * 2 - 1
    expected = source if channels_in == channels_out else source.mean(1, keepdim=True).expand(-1, channels_out, -1, -1)
    with torch.no_grad():
        torch.testing.assert_close(generator(source), expected)


def test_only_colour_is_added(rng: torch.Generator) -> None:
    generator = lively(1, 3, colour_only=True)
    source = torch.rand((1, 1, 32, 48), generator=rng) * 2 - 1
    with torch.no_grad():
        made = generator(source)
    assert (made.amax(1) - made.amin(1)).max() > 0.01
    torch.testing.assert_close(luma(made), source, atol=1e-5, rtol=0)


@pytest.mark.parametrize("blocks", [(1, 1, 1, 1), (0, 5, 0, 0)])
def test_an_output_pixel_sees_no_further_than_the_radius(blocks: tuple[int, ...], rng: torch.Generator) -> None:
    generator = lively(1, 1, blocks=blocks)
    reach = -(-generator.radius // generator.stride) * generator.stride
    side = 2 * reach + 2 * generator.stride
    middle = side // 2 // generator.stride * generator.stride
    source = torch.rand((1, 1, side, side), generator=rng) * 2 - 1
    changed = source.clone()
    changed[..., : middle - generator.radius, :] = 1
    changed[..., middle + generator.stride + generator.radius :, :] = -1
    rows = slice(middle, middle + generator.stride)
    with torch.no_grad():
        before, after = generator(source)[..., rows, middle], generator(changed)[..., rows, middle]
    torch.testing.assert_close(before, after, atol=1e-5, rtol=0)


def test_features_halve(rng: torch.Generator) -> None:
    generator = lively(3, 3)
    maps = generator.features(torch.rand((1, 3, 64, 32), generator=rng))
    assert [tuple(m.shape[1:]) for m in maps] == [(4, 32, 16), (8, 16, 8), (16, 8, 4), (32, 4, 2)]
    assert generator.widths == (4, 8, 16, 32)
