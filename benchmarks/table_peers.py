"""CTGAN (Xu et al. 2019) as it comes, the generator of tables that a user would have picked instead.

It is source-available, so that it is run and not looked into: `pip install --no-deps --target DIR ctgan rdt Faker`, and
GANTOOLS_PEERS=DIR.
"""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from benchmarks.gan_peers import from_peers

_LABEL = "class of the row"
_MOST_DRAWN = 40


def available() -> bool:
    """Whether it is where GANTOOLS_PEERS says, which is then on the path."""
    from_peers()
    try:
        import ctgan  # noqa: F401
    except ImportError:
        return False
    return True


def sampled(features: pd.DataFrame, labels: NDArray[np.int64], wanted: dict[int, int], seed: int) -> pd.DataFrame:
    """Rows of the classes, so many of each, in the order of the classes, which are the index.

    CTGAN learns the class as one more column and is asked for rows of each class; of what it gives, rows of other
    classes are left out. A class of which hardly any come, in forty times as many rows, gets fewer.
    """
    from ctgan import CTGAN

    table = features.assign(**{_LABEL: [f"class {c}" for c in labels]})
    categories = [c for c in table if not pd.api.types.is_numeric_dtype(table[c])]
    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(seed)
        model = CTGAN()
        model.set_random_state(seed)
        model.fit(table, categories)
        parts = [_of_class(model, c, n) for c, n in wanted.items() if n > 0]
    return pd.concat(parts)


def _of_class(model: object, c: int, n: int) -> pd.DataFrame:
    found: list[pd.DataFrame] = []
    for _ in range(_MOST_DRAWN):
        drawn = model.sample(max(n, 100), _LABEL, f"class {c}")  # type: ignore[attr-defined]
        found.append(drawn[drawn[_LABEL] == f"class {c}"].drop(columns=_LABEL))
        if sum(len(f) for f in found) >= n:
            break
    rows = pd.concat(found).head(n)
    return rows.set_index(np.full(len(rows), c))
