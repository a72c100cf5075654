"""Enlarging tile by tile is enlarging at once."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from gantools.core.initialise import initialised
from gantools.data.planes import from_signed, to_signed
from gantools.data.resize import enlarged, reduced
from gantools.errors import DataError, GantoolsError
from gantools.networks.upscaler import GatedUpscaler, build_upscaler
from gantools.pipelines.stages import blended
from gantools.pipelines.superres.enlarge import Eightfold, Enlarger, TrueColours
from gantools.pipelines.tiling import Grid

CPU = torch.device("cpu")


def lively(scale: int, channels: int = 3, blocks: int = 1) -> GatedUpscaler:
    """A small generator whose weights are all at random, none at zero."""
    rng = torch.Generator().manual_seed(scale)
    generator = initialised(lambda: GatedUpscaler(scale, channels, 8, blocks), rng)
    nn.init.normal_(generator.tail.weight, 0, 0.05, generator=rng)
    return generator.eval()


def picture(height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels)).astype(np.uint8)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 70), st.integers(1, 70), st.integers(1, 40), st.sampled_from([2, 3, 4, 8]), st.integers(0, 2**31))
def test_tiled_equals_untiled(height: int, width: int, tile: int, scale: int, seed: int) -> None:
    generator, low = lively(scale), picture(height, width, seed=seed)
    at_once = Enlarger(generator, 3, CPU, tile=1000)(low)
    tiled = Enlarger(generator, 3, CPU, tile=tile)(low)
    assert at_once.shape == (height * scale, width * scale, 3)
    different = at_once != tiled
    assert np.abs(at_once.astype(int) - tiled).max(initial=0) <= 1
    assert different.sum() <= 5 + different.size / 10_000  # these pictures are small: a few roundings flip


@pytest.mark.parametrize(("scale", "width"), [(2, 307), (3, 307), (3, 1500), (4, 307), (8, 307)])
def test_roundings_that_flip_are_fewer_than_one_in_ten_thousand(scale: int, width: int) -> None:
    generator, low = lively(scale), picture(60 if width > 1000 else 211, width)
    at_once = Enlarger(generator, 3, CPU, tile=2000)(low)
    assert (at_once != Enlarger(generator, 3, CPU, tile=50)(low)).mean() < 1e-4


@pytest.mark.parametrize("wrapped", [Eightfold, TrueColours, lambda g: TrueColours(Eightfold(g))])
def test_tiled_equals_untiled_with_flips_and_true_colours(wrapped: type[nn.Module]) -> None:
    generator, low = wrapped(lively(3)), picture(61, 47)
    at_once = Enlarger(generator, 3, CPU, tile=1000)(low).astype(int)
    tiled = Enlarger(generator, 3, CPU, tile=23)(low)
    assert (at_once != tiled).mean() < 1e-4


def test_one_pixel_less_than_the_radius_shows() -> None:
    generator, low = lively(2), picture(40, 40)
    at_once = Enlarger(generator, 3, CPU, tile=1000)(low)
    short = Enlarger(generator, 3, CPU, tile=16)
    short.radius -= 1
    assert (at_once != short(low)).mean() > 1e-3


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64, np.bool_])
def test_depth_is_kept(dtype: type[np.generic]) -> None:
    top = np.iinfo(dtype).max if np.issubdtype(dtype, np.integer) else 1
    low = (picture(9, 8) / 255 * top).astype(dtype)
    high = Enlarger(lively(2), 3, CPU)(low)
    assert high.dtype == (np.uint8 if dtype == np.bool_ else dtype)
    assert high.max() <= (255 if dtype == np.bool_ else top)


def test_depths_agree() -> None:
    low = picture(12, 12)
    enlarger = Enlarger(lively(2), 3, CPU)
    deep = enlarger(low.astype(np.uint16) * 257)
    assert np.abs(deep / 257 - enlarger(low)).max() <= 0.51


def test_gray_colour_and_alpha_by_generators_of_either() -> None:
    colour, gray = lively(2), lively(2, channels=1)
    flat = picture(10, 11, 1)
    opaque = np.concatenate([picture(10, 11), np.full((10, 11, 1), 255, np.uint8)], 2)
    by_colour = Enlarger(colour, 3, CPU)
    assert by_colour(flat).shape == (20, 22, 1)
    assert by_colour(opaque).shape == (20, 22, 4)
    np.testing.assert_array_equal(by_colour(opaque)[..., :3], by_colour(opaque[..., :3]))
    assert by_colour(np.concatenate([flat, flat], 2)).shape == (20, 22, 2)
    by_gray = Enlarger(gray, 1, CPU)
    planes = by_gray(opaque)
    for channel in range(3):
        np.testing.assert_array_equal(planes[..., channel : channel + 1], by_gray(opaque[..., channel : channel + 1]))
    for clear in (planes, by_gray(opaque[..., [0, 3]])):
        assert (clear[..., -1] == 255).all()
    assert by_gray(np.concatenate([opaque, flat], 2)).shape == (20, 22, 5)


class Hungry(nn.Module):
    """Bicubic interpolation that runs out of memory above so many pixels."""

    scale, radius = 2, 2

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def forward(self, low: Tensor) -> Tensor:
        if low.shape[2] * low.shape[3] > self.most:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return enlarged(low, 2)


def test_too_little_memory_for_a_tile_takes_smaller_ones() -> None:
    low = picture(100, 90)
    plenty = Enlarger(Hungry(10**9), 3, CPU)(low)
    np.testing.assert_array_equal(Enlarger(Hungry(40 * 40), 3, CPU)(low), plenty)
    with pytest.raises(GantoolsError, match="not enough memory"):
        Enlarger(Hungry(10), 3, CPU)(low)


def with_free_memory(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    monkeypatch.setattr("gantools.pipelines.superres.enlarge.free_memory", lambda: free)


@pytest.mark.parametrize(("size", "free"), [("tiny", 1 << 30), ("small", 1 << 30), ("large", 8 << 30)])
@pytest.mark.parametrize("picture", [(900, 1400), (3000, 4000)])
def test_tiles_take_no_more_than_half_of_the_free_memory(
    size: str, free: int, picture: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    enlarger = Enlarger(build_upscaler(size, 4, 3), 3, CPU)
    grid = Grid(*picture, enlarger.radius)

    def most(tiles: tuple[int, int]) -> int:
        sides = [(t.outer[1] - t.outer[0], t.outer[3] - t.outer[2]) for t in grid.tiles(tiles)]
        return max(height * width for height, width in sides) * enlarger.bytes_of_pixel(3)

    with_free_memory(monkeypatch, free)
    assert most(enlarger.tile_size(grid, 3)) <= free / 2
    with_free_memory(monkeypatch, 1 << 40)
    side = max(192, 4 * enlarger.radius)
    assert enlarger.tile_size(grid, 3) == (side, side)
    with_free_memory(monkeypatch, 0)
    assert min(enlarger.tile_size(grid, 3)) >= 1


def test_little_memory_changes_nothing_but_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    low, enlarger = picture(130, 170), Enlarger(lively(2), 3, CPU)
    plenty = enlarger(low)
    with_free_memory(monkeypatch, 2 * 50 * 60 * enlarger.bytes_of_pixel(3))
    grid = Grid(130, 170, enlarger.radius)
    assert len(list(grid.tiles(enlarger.tile_size(grid, 3)))) > 4
    assert (enlarger(low) != plenty).mean() < 1e-4


def test_planes_taken_one_by_one_count_as_often() -> None:
    gray = Enlarger(lively(2, channels=1), 1, CPU)
    assert gray.bytes_of_pixel(4) == 4 * gray.bytes_of_pixel(1)


def test_other_errors_are_not_taken_for_lack_of_memory() -> None:
    with pytest.raises(RuntimeError, match="channels"):
        Enlarger(lively(2, channels=4), 3, CPU)(picture(8, 8))


def test_eightfold_turns_with_the_picture(rng: torch.Generator) -> None:
    low = torch.rand((1, 3, 9, 7), generator=rng)
    eightfold = Eightfold(lively(2))
    with torch.no_grad():
        for way in (lambda x: x.flip(2), lambda x: x.rot90(1, (2, 3)), lambda x: x.transpose(2, 3)):
            torch.testing.assert_close(eightfold(way(low)), way(eightfold(low)), atol=1e-5, rtol=1e-5)


class Tinted(nn.Module):
    """Bicubic interpolation that shifts colours."""

    scale, radius = 4, 2

    def forward(self, low: Tensor) -> Tensor:
        return enlarged(low, 4) + torch.tensor([0.1, -0.05, 0.2]).view(1, 3, 1, 1)


def test_true_colours_takes_a_tint_away(rng: torch.Generator) -> None:
    low = torch.rand((1, 3, 24, 20), generator=rng) - 0.5
    means = [g(low).mean((0, 2, 3)) - low.mean((0, 2, 3)) for g in (Tinted(), TrueColours(Tinted()))]
    assert means[0].abs().max() > 0.15
    assert means[1].abs().max() < 0.005
    corrected = reduced(TrueColours(Tinted())(low), 4)
    assert (corrected - low).abs().max() < (reduced(Tinted()(low), 4) - low).abs().max()


def test_blending_goes_from_one_end_to_the_other() -> None:
    one, other = lively(2), lively(2)
    with torch.no_grad():
        for p in other.parameters():
            p.mul_(1.5)
    low = to_signed(picture(8, 8))[None]
    with torch.no_grad():
        torch.testing.assert_close(blended(one, other, 0.0)(low), one(low))
        torch.testing.assert_close(blended(one, other, 1.0)(low), other(low))
        between = blended(one, other, 0.25)
    for p, a, b in zip(between.parameters(), one.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(p, 0.75 * a + 0.25 * b)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float64])
def test_to_and_from_signed_is_the_identity(dtype: type[np.generic]) -> None:
    top = np.iinfo(dtype).max if np.issubdtype(dtype, np.integer) else 1.0
    original = (np.random.default_rng(0).random((6, 5, 3)) * top).astype(dtype)
    back = from_signed(to_signed(original), np.dtype(dtype))
    np.testing.assert_allclose(back.astype(float), original.astype(float), atol=1e-6 if top == 1 else 0)


@pytest.mark.parametrize("channels", [1, 3])
def test_what_is_opaque_or_transparent_stays_so(channels: int) -> None:
    low = picture(30, 40, 4)
    low[..., 3] = 255
    low[:, 20:, 3] = 0
    enlarger = Enlarger(lively(2, channels), channels, CPU)
    alpha = enlarger(low)[..., 3]
    assert (alpha[:, :36] == 255).all()
    assert (alpha[:, 44:] == 0).all()
    gray = enlarger(low[..., [0, 3]])[..., 1]
    np.testing.assert_array_equal(gray, alpha)


def test_channels_that_were_not_learnt_are_refused() -> None:
    with pytest.raises(DataError, match="5 channels"):
        Enlarger(lively(2), 3, CPU)(picture(9, 9, 5))
