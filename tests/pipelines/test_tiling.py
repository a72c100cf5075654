"""How a picture is cut up: what is computed more than once, and how much of it at a time."""

from __future__ import annotations

from pathlib import Path

import pytest

from gantools.networks.translator import Translator
from gantools.pipelines import tiling
from gantools.pipelines.tiling import Grid, Tile, free_memory
from gantools.pipelines.translate.apply import _TILES, _tile_size


def area(part: tuple[int, int, int, int]) -> int:
    top, bottom, left, right = part
    return (bottom - top) * (right - left)


@pytest.fixture(scope="module")
def reach() -> tuple[int, int]:
    """Radius and stride of a translator."""
    generator = Translator(3, 3, 4)
    return generator.radius, generator.stride


@pytest.mark.parametrize("size", [(1280, 1280), (2048, 2048), (3008, 4000), (4096, 4096), (640, 8192), (8192, 8192)])
def test_of_a_large_picture_little_is_computed_twice_in_bounded_memory(
    size: tuple[int, int], reach: tuple[int, int]
) -> None:
    grid = Grid(*size, *reach)
    tiles = list(grid.tiles(_tile_size(grid, 24)))
    assert sum(area(t.inner) for t in tiles) == size[0] * size[1]
    assert sum(area(t.outer) for t in tiles) <= 1.5 * size[0] * size[1]
    assert max(area(t.outer) for t in tiles) <= _TILES[-1] ** 2
    heights, widths = ({t.inner[i + 1] - t.inner[i] for t in tiles} for i in (0, 2))
    for sides in (heights, widths):
        assert all(side % reach[1] == 0 for side in sides)
        assert max(sides) - min(sides) <= len(tiles) * reach[1]  # equal, to the stride


def test_above_that_tiles_grow_no_more(reach: tuple[int, int]) -> None:
    grid = Grid(16384, 24000, *reach)
    assert max(area(t.outer) for t in grid.tiles(_tile_size(grid, 24))) <= _TILES[-1] ** 2


def test_tiles_by_hand() -> None:
    """Cut in two, the halves of 64 rows each see 24 more; in four, those within see 24 on either side."""
    grid = Grid(128, 32, 20, 8)
    assert grid.cheapest(128 * 32) == ((128, 32), 1.0)
    assert grid.cheapest(88 * 32) == ((64, 32), 2 * 88 / 128)
    assert grid.cheapest(80 * 32) == ((32, 32), (56 + 80 + 80 + 56) / 128)
    assert list(grid.tiles((64, 32))) == [
        Tile((0, 64, 0, 32), (0, 88, 0, 32)), Tile((64, 128, 0, 32), (40, 128, 0, 32))
    ]  # fmt: skip


def test_tiles_of_wide_generators_are_smaller() -> None:
    grid = Grid(8192, 8192, 394, 32)
    usual, wide, wider = (height * width for height, width in (_tile_size(grid, w) for w in (24, 64, 512)))
    assert wide < usual / 2
    assert wider == wide


def test_free_memory_is_what_the_system_and_a_container_leave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_MEMORY", "_LIMIT", "_TAKEN"):
        monkeypatch.setattr(tiling, name, tmp_path / name)
    assert free_memory() == 4 << 30
    (tmp_path / "_MEMORY").write_text("MemTotal:  9000 kB\nMemAvailable:  3000 kB\nHugePages_Total: 0\n")
    assert free_memory() == 3000 * 1024
    (tmp_path / "_TAKEN").write_text("anon 1000000\nfile 1900000\n")
    (tmp_path / "_LIMIT").write_text("max\n")
    assert free_memory() == 3000 * 1024
    (tmp_path / "_LIMIT").write_text("2000000\n")
    assert free_memory() == 1_000_000
    (tmp_path / "_TAKEN").write_text("anon 2000001\n")
    assert free_memory() == 0
    (tmp_path / "_LIMIT").unlink()
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "x")
    monkeypatch.setenv("WORLD_SIZE", "3")
    assert free_memory() == 1000 * 1024
