"""How pictures of any size are halved and doubled."""

from __future__ import annotations

from gantools.errors import ConfigError

SMALLEST_PICTURE = 8
_SMALLEST_MAP = 4


def halvings(size: tuple[int, int], smallest: int = _SMALLEST_MAP) -> list[tuple[int, int]]:
    """`size` and its halves, rounded up, while the shorter side stays at least `smallest`.

    28 x 28 gives [(28, 28), (14, 14), (7, 7), (4, 4)]; a generator doubles from the last and crops to each
    before it, so that no size has to be a power of two.

    Raises
    ------
    ConfigError
        When a side is shorter than 8 pixels.
    """
    height, width = size
    if min(height, width) < SMALLEST_PICTURE:
        raise ConfigError(
            f"pictures of {height} x {width} pixels are too small for the networks; "
            f"both sides must be at least {SMALLEST_PICTURE}"
        )
    sizes = [(height, width)]
    while (min(sizes[-1]) + 1) // 2 >= smallest:
        sizes.append(((sizes[-1][0] + 1) // 2, (sizes[-1][1] + 1) // 2))
    return sizes
