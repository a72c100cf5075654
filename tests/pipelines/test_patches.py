"""What is learnt from: patches by step, where there is something to learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage import data

from gantools.data.degrade import Degradation, Reduction
from gantools.data.planes import from_signed, to_signed
from gantools.data.resize import reduced
from gantools.data.sources import ArraySource
from gantools.errors import DataError
from gantools.pipelines.superres.pictures import Pair, Patches, _around, misaligned, read_pairs, signed

CPU = torch.device("cpu")


def pairs_of(
    pictures: list[np.ndarray], scale: int, budget: int = 1 << 30, low: list[np.ndarray] | None = None
) -> list[Pair]:
    pairs, _, _ = read_pairs(
        ArraySource(pictures), None if low is None else ArraySource(low), scale, 3, patch=8, seed=0, max_bad=0.0,
        advance=lambda f: None, budget=budget,
    )  # fmt: skip
    return pairs


def low_of(picture: np.ndarray, scale: int) -> np.ndarray:
    return from_signed(reduced(to_signed(picture)[None], scale)[0], picture.dtype)


def patches_of(pictures: list[np.ndarray], scale: int, side: int, batch_size: int) -> Patches:
    pairs = pairs_of(pictures, scale)
    return Patches(pairs, scale, side, batch_size, seed=0, device=CPU, degradation=Reduction(scale))


def test_batches_are_a_function_of_the_step() -> None:
    patches = patches_of([data.coffee(), data.astronaut()], 4, 12, 8)
    later = patches(7)
    patches(0)
    torch.testing.assert_close(patches(7)["reals"], later["reals"], rtol=0, atol=0)
    assert not torch.equal(patches(8)["reals"], later["reals"])
    assert later["reals"].shape == (8, 3, 48, 48)
    assert later["source"].shape == (8, 3, 12, 12)


def test_low_patches_are_reductions_of_the_high_ones() -> None:
    pairs = pairs_of([data.coffee()], 4, low=[low_of(data.coffee(), 4)])
    given, made = Patches(pairs, 4, 24, 8, seed=0, device=CPU)(0), patches_of([data.coffee()], 4, 24, 8)(0)
    inside = (slice(None), slice(None), slice(3, -3), slice(3, -3))
    for batch in (given, made):
        again = reduced(batch["reals"], 4).clamp(-1, 1)
        assert (again - batch["source"])[inside].abs().max() < 0.01  # eight bits of the low picture


def test_what_is_made_low_knows_what_lies_around_a_patch() -> None:
    """As where the whole picture is reduced: what a patch alone would be reduced to differs at its borders."""
    picture = data.coffee()[:128, :128]
    whole = to_signed(low_of(picture, 4))
    patches = patches_of([picture], 4, 8, 64)
    same, alone = [], []
    for batch in map(patches, range(4)):
        for high, low in zip(batch["reals"], batch["source"], strict=True):
            found = [
                (turned[:, top : top + 8, left : left + 8] - low).abs().max()
                for turned in (whole, whole.flip(1), whole.flip(2), whole.flip((1, 2)))
                for turned in (turned, turned.transpose(1, 2))
                for top in range(25)
                for left in range(25)
            ]
            if min(found) < 1e-6:  # one in sixteen begins where a small pixel of the whole picture does
                same.append(low)
                alone.append(float((reduced(high[None], 4)[0].clamp(-1, 1) - low).abs().max()))
    assert 4 < len(same) < 40
    assert max(alone) > 0.02


def test_patches_begin_at_any_pixel_of_the_high_picture() -> None:
    rows = np.repeat(np.arange(0, 256, 2, dtype=np.uint8)[:, None, None], 128, 1).repeat(3, 2)
    highs = patches_of([rows], 4, 8, 64)(0)["reals"].add(1).mul(127.5).round()
    firsts = highs.flatten(1).min(1).values / 2  # the row that a patch begins at
    assert set((firsts % 4).int().tolist()) == {0, 1, 2, 3}
    assert firsts.max() <= 128 - 32


def test_no_patch_goes_beyond_a_picture_and_what_lies_around_is_its_mirror() -> None:
    picture = np.arange(24, dtype=np.uint8).reshape(1, 24, 1).repeat(24, 0).repeat(3, 2)
    around = _around(torch.from_numpy(picture).permute(2, 0, 1), [0, 8], 16, 4)
    assert around[0, 0].tolist() == [*range(4, 24), *range(23, 19, -1)]
    assert around.shape == (3, 24, 24)
    tiny = _around(torch.arange(3, dtype=torch.uint8).expand(1, 3, 3), [0, 0], 4, 2)
    assert tiny[0, 0].tolist() == [1, 0, 0, 1, 2, 2, 1, 0]


def test_detail_is_drawn_more_often_than_smoothness() -> None:
    picture = np.full((200, 400, 3), 128, np.uint8)
    picture[:, 200:] = data.coffee()[100:300, 200:400]
    batch = patches_of([picture], 2, 8, 64)(0)
    assert (batch["reals"].flatten(1).std(1) > 0.02).float().mean() > 0.9


def test_a_picture_without_detail_is_drawn_evenly() -> None:
    ramp = np.repeat(np.full((64, 64, 1), 90, np.uint8), 3, 2)
    assert patches_of([ramp], 2, 8, 4)(0)["reals"].shape == (4, 3, 16, 16)


def test_memory_is_bounded_and_windows_stay_pairs() -> None:
    budget = 2 * 16 * 16 * (3 * 17 + 4)  # 16 x 16 small pixels of each: 17 of three bytes, and an error of four
    pictures = [data.coffee(), data.astronaut()]
    with pytest.warns(UserWarning, match="2% of the pixels of 2 are kept to learn from, of 2 a window only; fewer"):
        pairs = pairs_of(pictures, 4, budget=budget, low=[low_of(p, 4) for p in pictures])
    for pair in pairs:
        assert pair.low is not None
        assert pair.high.shape == (3, 64, 64)
        difference = reduced(signed(pair.high[None]), 4)[0].clamp(-1, 1) - signed(pair.low)
        assert difference[:, 3:-3, 3:-3].abs().max() < 0.02


def test_what_small_pictures_leave_of_their_share_goes_to_large_ones() -> None:
    small = [data.coffee()[:8, :8]] * 9
    budget = 10 * 32 * 32 * (3 * 4 + 4)
    with pytest.warns(UserWarning, match="of 1 a window only"):
        pairs = pairs_of([*small, data.coffee()], 2, budget=budget)
    assert [p.high.shape[1] for p in pairs[:9]] == [8] * 9
    assert pairs[9].high[0].numel() > 64 * 64


def test_eight_bits_are_kept_as_such_and_others_as_half_floats() -> None:
    eight, deep = (data.coffee()[:64, :64], data.coffee()[:64, :64].astype(np.uint16) * 250)
    kept = pairs_of([eight, deep], 2)
    assert [(p.high.dtype, p.low) for p in kept] == [(torch.uint8, None), (torch.float16, None)]
    lows = [p.low for p in pairs_of([eight, deep], 2, low=[low_of(eight, 2), low_of(eight, 2)])]
    assert [low is not None and low.dtype for low in lows] == [torch.uint8] * 2
    for pair, picture, top in zip(kept, (eight, deep), (255, 65535), strict=True):
        wanted = torch.from_numpy(picture.astype(np.float32)).permute(2, 0, 1) / top * 2 - 1
        torch.testing.assert_close(signed(pair.high), wanted, atol=1e-3, rtol=0)


@pytest.mark.parametrize("given", [False, True])
def test_no_window_is_smaller_than_patches_want_and_rather_are_pictures_left_out(given: bool) -> None:
    pictures = [data.coffee()[i : i + 200, i : i + 300] for i in range(40)]
    budget, each = 100_000, 12 * 12 * (3 * (16 + given) + 4)
    low = [low_of(p, 4) for p in pictures] if given else None
    with pytest.warns(UserWarning, match=r"the 40 pictures .* and (2[0-9]) pictures are left out; fewer"):
        pairs = pairs_of(pictures, 4, budget=budget, low=low)
    assert all(min(p.high.shape[1:]) == 12 * 4 for p in pairs)
    assert budget <= len(pairs) * each < budget + each
    again = [p.name for p in pairs]
    assert again == sorted(again, key=lambda name: int(name.split()[1]))


def test_a_collection_within_the_budget_is_kept_whole_without_a_word(recwarn: pytest.WarningsRecorder) -> None:
    assert [p.high.shape[1:] for p in pairs_of([data.coffee(), data.astronaut()], 4)] == [(400, 600), (512, 512)]
    assert not recwarn.list


def as_planes(picture: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(picture.astype(np.float32).transpose(2, 0, 1) / 255)


def test_flat_pairs_with_noise_of_their_own_are_aligned() -> None:
    rng = torch.Generator().manual_seed(0)
    for noise in (0.004, 0.02, 0.1):
        for shading in (0.0, 0.05):
            for side in (32, 64, 200):
                ramp = torch.linspace(-shading, shading, 4 * side) * torch.ones(3, 4 * side, 1)
                high = 0.5 + ramp + 4 * noise * torch.randn((3, 4 * side, 4 * side), generator=rng)
                small = 0.5 + reduced(ramp[None], 4)[0] + noise * torch.randn((3, side, side), generator=rng)
                assert misaligned(small, high, 4) == ""


@pytest.mark.parametrize("noise", [0.0, 0.03])
def test_shifted_and_other_pictures_are_misaligned(noise: float) -> None:
    rng = torch.Generator().manual_seed(0)
    for picture in (data.coffee(), data.astronaut(), data.chelsea()[:, :448]):
        high = as_planes(picture[:256, :256])
        low = reduced(high[None], 4)[0]
        low = low + noise * torch.randn(low.shape, generator=rng)
        assert misaligned(low, high, 4) == ""
        assert misaligned(low.roll((1, -2), (1, 2)), high, 4) == "one is shifted by 2 x -1 small pixels"
    other = reduced(as_planes(data.astronaut()[:256, :256])[None], 4)[0]
    assert misaligned(other, as_planes(data.chelsea()[:256, :256]), 4) == "they show different things"


def test_degraded_patches_differ_at_every_step_and_are_low() -> None:
    pairs = pairs_of([data.coffee()], 2)
    assert pairs[0].low is None
    patches = Patches(pairs, 2, 16, 4, seed=0, device=CPU, degradation=Degradation(2))
    batch = patches(0)
    assert batch["source"].shape == (4, 3, 16, 16)
    assert batch["source"].abs().max() <= 1
    torch.testing.assert_close(patches(0)["source"], batch["source"], rtol=0, atol=0)
    assert (reduced(batch["reals"], 2) - batch["source"]).abs().mean() > 0.01


def test_unreadable_pictures_are_skipped_up_to_a_limit() -> None:
    pictures = [data.coffee(), np.full((40, 40, 3), np.nan)]
    with pytest.raises(DataError, match="1 of 2 pictures cannot be used"):
        pairs_of(pictures, 2)


@pytest.mark.parametrize("shape", [(2, 101), (101, 2), (1, 1), (3, 5)])
def test_slivers_can_be_learnt_from(shape: tuple[int, int]) -> None:
    sliver = np.random.default_rng(0).integers(0, 255, (*shape, 3)).astype(np.uint8)
    assert patches_of([sliver], 4, 8, 2)(0)["reals"].shape == (2, 3, 32, 32)


def test_transparent_parts_are_learnt_as_white() -> None:
    clear = np.zeros((32, 32, 4), np.uint8)
    assert (signed(pairs_of([clear], 2)[0].high) == 1).all()


def test_nothing_left_to_learn_from_is_said() -> None:
    with pytest.raises(DataError, match="1 of 1 pictures cannot be used"):
        read_pairs(
            ArraySource([np.full((9, 9, 3), np.nan)]), None, 2, 3, patch=8, seed=0, max_bad=5,
            advance=lambda f: None,
        )  # fmt: skip
