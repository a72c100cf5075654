"""How many new samples of each class."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from numbers import Integral
from typing import Any

import numpy as np
from imblearn.utils import check_sampling_strategy
from numpy.typing import NDArray

from gantools.errors import ConfigError
from gantools.pipelines.synthesize.labels import place_of

_STRATEGIES = ("auto", "not majority", "minority", "not minority", "all")


def amounts(
    per_class: Any, sampling_strategy: Any, classes: NDArray[Any], numbers: NDArray[np.int64]
) -> NDArray[np.int64]:
    """New samples of each class: (n_classes,).

    Parameters
    ----------
    per_class : int, dict or None
        New samples of every class, or of those named.
    sampling_strategy : str, float, dict, list, callable or None
        As imbalanced-learn has it: what the classes' sizes shall be. None, with no `per_class` either, is "auto": all
        as large as the largest.
    classes : ndarray
    numbers : ndarray of int64
        The reals' classes by number; -1 for none.

    Raises
    ------
    ConfigError
        When both are given, or a class is unknown.
    """
    if per_class is None:
        known = classes[numbers[numbers >= 0]]
        strategy = "auto" if sampling_strategy is None else sampling_strategy
        if isinstance(strategy, str) and strategy not in _STRATEGIES:
            raise ConfigError(f"sampling_strategy={strategy!r} is not known; choose from {', '.join(_STRATEGIES)}")
        try:
            wanted = check_sampling_strategy(strategy, known, "over-sampling")
        except ValueError as error:
            raise ConfigError(f"sampling_strategy={strategy!r}: {error}") from None
    elif sampling_strategy is not None:
        raise ConfigError(
            f"per_class={per_class!r} says how many new samples a class gets, sampling_strategy={sampling_strategy!r} "
            "how many it shall have; give one of them"
        )
    elif isinstance(per_class, Mapping):
        wanted = per_class
    else:
        wanted = dict.fromkeys(classes.tolist(), per_class)
    return _by_number(wanted, classes)


def check_any(wanted: Iterable[int]) -> None:
    """Refuse, before any training, to make no samples at all.

    Raises
    ------
    ConfigError
        Naming the way out.
    """
    if not any(wanted):
        raise ConfigError(
            "no new samples are asked for: by default the smaller classes are filled up, and none is smaller than is "
            "wanted; say how many with per_class (--per-class N, or --to N in all)"
        )


def _by_number(wanted: Mapping[Any, Any], classes: NDArray[Any]) -> NDArray[np.int64]:
    found = np.zeros(len(classes), np.int64)
    for label, n in wanted.items():
        place = place_of(label, classes)
        if place is None:
            there = ", ".join(map(str, classes))
            raise ConfigError(f"per_class names {label!r}, which is no class; there are {there}")
        if not isinstance(n, Integral) or isinstance(n, bool) or n < 0:
            raise ConfigError(f"per_class: {n!r} new samples of {label!r}; a whole number of at least 0 is wanted")
        found[place] = int(n)
    return found
