"""Distance to the nearest normals."""

from __future__ import annotations

import torch
from torch import Tensor

_CHUNK_ELEMENTS = 16_000_000


def neighbour_distances(queries: Tensor, bank: Tensor, k: int, itself: Tensor | None = None) -> Tensor:
    """Mean Euclidean distance of each query to its `k` nearest rows of `bank`.

    The nearest are found by one matrix product; their distances are then computed by subtraction, so that a
    query's result does not depend on what else is in the batch.

    Parameters
    ----------
    queries : Tensor, (N, D)
        In the dtype and on the device of `bank`.
    bank : Tensor, (M, D)
        The normals.
    k : int
        Neighbours; at most M are used.
    itself : Tensor or None, (N,)
        For queries that may be the bank's own: the row of each, left out of its neighbours; -1 of others.

    Returns
    -------
    Tensor, (N,)
    """
    k = min(k, len(bank) - (itself is not None))
    centre = bank.mean(0)
    centred, squares = bank - centre, (bank - centre).square().sum(1)
    chunk = max(1, _CHUNK_ELEMENTS // max(len(bank), k * bank.shape[1]))
    if torch.compiler.is_exporting():  # a batch of unknown length, at once
        return _of_nearest(queries, bank, squares - 2.0 * (queries - centre) @ centred.T, k)
    found: list[Tensor] = []
    for start in range(0, len(queries), chunk):
        query = queries[start : start + chunk]
        nearness = squares - 2.0 * (query - centre) @ centred.T
        if itself is not None:
            own = itself[start : start + chunk].to(query.device)
            rows = torch.nonzero(own >= 0)[:, 0]
            nearness[rows, own[rows]] = torch.inf
        found.append(_of_nearest(query, bank, nearness, k))
    return torch.cat(found) if found else queries.new_zeros(0)


def _of_nearest(queries: Tensor, bank: Tensor, nearness: Tensor, k: int) -> Tensor:
    """Mean distance of each query to the `k` rows of `bank` for which `nearness` is lowest."""
    nearest = nearness.topk(k, largest=False).indices
    return (queries[:, None] - bank[nearest]).square().sum(2).sqrt().mean(1)
