"""What is learnt from: patches by step, where there is something to learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage import data

from gantools.data.degrade import Degradation
from gantools.data.resize import reduced
from gantools.data.sources import ArraySource
from gantools.errors import DataError
from gantools.pipelines.superres.pictures import Pair, Patches, read_pairs

CPU = torch.device("cpu")


def pairs_of(pictures: list[np.ndarray], scale: int, budget: int = 1 << 30, degraded: bool = False) -> list[Pair]:
    pairs, _, _ = read_pairs(
        ArraySource(pictures), None, scale, 3, degraded=degraded, seed=0, max_bad=0.0,
        advance=lambda f: None, budget=budget,
    )  # fmt: skip
    return pairs


def test_batches_are_a_function_of_the_step() -> None:
    patches = Patches(pairs_of([data.coffee(), data.astronaut()], 4), 4, 12, 8, seed=0, device=CPU)
    later = patches(7)
    patches(0)
    torch.testing.assert_close(patches(7)["reals"], later["reals"], rtol=0, atol=0)
    assert not torch.equal(patches(8)["reals"], later["reals"])
    assert later["reals"].shape == (8, 3, 48, 48)
    assert later["source"].shape == (8, 3, 12, 12)


def test_low_patches_are_reductions_of_the_high_ones() -> None:
    batch = Patches(pairs_of([data.coffee()], 4), 4, 24, 8, seed=0, device=CPU)(0)
    again = reduced(batch["reals"], 4).clamp(-1, 1)
    inside = (slice(None), slice(None), slice(3, -3), slice(3, -3))
    assert (again - batch["source"])[inside].abs().max() < 0.02  # half floats, and eight bits of the low picture


def test_detail_is_drawn_more_often_than_smoothness() -> None:
    picture = np.full((200, 400, 3), 128, np.uint8)
    picture[:, 200:] = data.coffee()[100:300, 200:400]
    batch = Patches(pairs_of([picture], 2), 2, 8, 64, seed=0, device=CPU)(0)
    assert (batch["reals"].flatten(1).std(1) > 0.02).float().mean() > 0.9


def test_a_picture_without_detail_is_drawn_evenly() -> None:
    ramp = np.repeat(np.full((64, 64, 1), 90, np.uint8), 3, 2)
    assert Patches(pairs_of([ramp], 2), 2, 8, 4, seed=0, device=CPU)(0)["reals"].shape == (4, 3, 16, 16)


def test_memory_is_bounded_and_windows_stay_pairs() -> None:
    budget = 2 * 3 * 2 * 64 * 64  # two pictures' share: 64 x 64 pixels of three channels and two bytes each
    pairs = pairs_of([data.coffee(), data.astronaut()], 4, budget=budget)
    for pair in pairs:
        assert pair.low is not None
        assert pair.high.shape == (3, 64, 64)
        assert (reduced(pair.high[None].float(), 4)[0].clamp(-1, 1) - pair.low.float())[
            :, 3:-3, 3:-3
        ].abs().max() < 0.02


def test_degraded_patches_differ_at_every_step_and_are_low() -> None:
    pairs = pairs_of([data.coffee()], 2, degraded=True)
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
    assert Patches(pairs_of([sliver], 4), 4, 8, 2, seed=0, device=CPU)(0)["reals"].shape == (2, 3, 32, 32)


def test_transparent_parts_are_learnt_as_white() -> None:
    clear = np.zeros((32, 32, 4), np.uint8)
    assert (pairs_of([clear], 2)[0].high == 1).all()


def test_nothing_left_to_learn_from_is_said() -> None:
    with pytest.raises(DataError, match="1 of 1 pictures cannot be used"):
        read_pairs(
            ArraySource([np.full((9, 9, 3), np.nan)]), None, 2, 3, degraded=False, seed=0, max_bad=5,
            advance=lambda f: None,
        )  # fmt: skip
