"""AUPRO and pixel AUROC where the answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from gantools.metrics.anomaly import PixelScores, aupro, auroc, pixel_auroc

MASK = np.zeros((20, 20), bool)
MASK[2:5, 2:5] = True
MASK[10:18, 10:18] = True


def test_perfect_and_random_maps() -> None:
    assert aupro([MASK], [MASK.astype(float)]) == pytest.approx(1.0)
    noise = np.random.default_rng(0).random((20, 20, 20))
    assert pixel_auroc([MASK] * 20, list(noise)) == pytest.approx(0.5, abs=0.05)
    assert aupro([MASK] * 20, list(noise)) == pytest.approx(0.15, abs=0.03)


def test_small_regions_weigh_as_much_as_large_ones() -> None:
    only_large = np.where(MASK, 1.0, np.random.default_rng(0).random(MASK.shape) * 0.5)
    only_large[2:5, 2:5] = -1
    assert aupro([MASK], [only_large]) == pytest.approx(0.5, abs=0.01)


def test_against_thresholds_one_by_one() -> None:
    rng = np.random.default_rng(1)
    anomaly_map = MASK + rng.normal(0, 0.7, MASK.shape)
    rates, overlaps = [], []
    for t in np.sort(anomaly_map.ravel())[::-1]:
        found = anomaly_map >= t
        rates.append(found[~MASK].mean())
        overlaps.append((found[2:5, 2:5].mean() + found[10:18, 10:18].mean()) / 2)
    keep = np.array(rates) <= 0.3
    expected = np.trapezoid(np.array(overlaps)[keep], np.array(rates)[keep]) / 0.3
    assert aupro([MASK], [anomaly_map], n_thresholds=2000) == pytest.approx(expected, abs=0.02)


def test_levels_are_fine_enough_and_need_no_maps() -> None:
    rng = np.random.default_rng(2)
    masks = [rng.random((60, 80)) < 0.1 for _ in range(5)]
    maps = [rng.normal(0.3 * mask, 1.0) * 10 ** rng.uniform(-3, 3) for mask in masks]
    maps[0][:9] = np.where(rng.random((9, 80)) < 0.5, 0.0, -0.0)
    pixels = PixelScores()
    for mask, anomaly_map in zip(masks, maps, strict=True):
        pixels.add(mask, anomaly_map)
    exact = auroc(np.concatenate([m.ravel() for m in masks]), np.concatenate([m.ravel() for m in maps]))
    assert pixels.auroc() == pytest.approx(exact, abs=1e-5)
    assert pixel_auroc(masks, maps) == pixels.auroc()
    assert pixels.n_abnormal == sum(m.sum() for m in masks)
    assert sum(r.nbytes for r in pixels._regions) == 4 * pixels.n_abnormal
    assert np.isnan(pixel_auroc([masks[0] & False], maps[:1]))


def test_sign() -> None:
    assert auroc(np.array([True, False]), np.array([2.0, 1.0])) == 1.0


def test_no_region_is_said() -> None:
    with pytest.raises(ValueError, match="no mask"):
        aupro([np.zeros((4, 4), bool)], [np.zeros((4, 4))])
