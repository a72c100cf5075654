"""Heatmaps of many pictures."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gantools.data.sources import ArraySource
from gantools.report.heatmaps import mapped


@pytest.mark.parametrize(("kind", "most"), [("tiles", 1), ("whole", 64)])
def test_maps_of_large_pictures_are_in_memory_one_at_a_time(kind: str, most: int) -> None:
    asked: list[int] = []

    def anomaly_map(source: Any) -> list[np.ndarray]:
        asked.append(len(source))
        return [source.read(i)[..., 0] for i in range(len(source))]

    pictures = ArraySource(np.random.default_rng(0).random((70, 4, 5)))
    found = list(mapped(SimpleNamespace(kind_=kind, anomaly_map=anomaly_map), pictures, range(69, -1, -1)))
    assert [index for index, _, _ in found] == list(range(69, -1, -1))
    for _, picture, heat in found:
        np.testing.assert_array_equal(picture[..., 0], heat)
    assert max(asked) == most
