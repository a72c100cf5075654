"""How well scores and maps separate abnormal from normal."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

Array = NDArray[np.generic]


def auroc(abnormal: Array, scores: Array) -> float:
    """Area under the ROC curve: the chance that an abnormal sample outscores a normal one.

    Parameters
    ----------
    abnormal : ndarray of bool, (N,)
    scores : ndarray, (N,)
        High means abnormal.
    """
    return float(roc_auc_score(np.asarray(abnormal, bool), scores))


def average_precision(abnormal: Array, scores: Array) -> float:
    """Average precision with abnormal as the positive class; arguments as of `auroc`."""
    return float(average_precision_score(np.asarray(abnormal, bool), scores))


def pixel_auroc(masks: list[Array], maps: list[Array]) -> float:
    """AUROC over all pixels of all pictures.

    Parameters
    ----------
    masks : list of ndarray of bool, (H, W)
        True where abnormal.
    maps : list of ndarray, (H, W)
        Anomaly maps, high means abnormal.
    """
    return auroc(
        np.concatenate([np.asarray(m, bool).ravel() for m in masks]),
        np.concatenate([m.ravel() for m in maps]),
    )


def aupro(masks: list[Array], maps: list[Array], limit: float = 0.3, n_thresholds: int = 200) -> float:
    """Area under the per-region overlap curve up to a false positive rate, divided by that rate.

    Bergmann et al. 2020, "Uninformed Students": at each threshold, the mean over connected abnormal regions
    of the share of the region that is found, so that small defects weigh as much as large ones.

    Parameters
    ----------
    masks, maps : list of ndarray
        As of `pixel_auroc`; at least one region must be abnormal.
    limit : float
        Highest false positive rate, in (0, 1].
    n_thresholds : int
        Points of the curve, spread evenly over the normal pixels' false positive rate.
    """
    from scipy.ndimage import label

    normal = np.sort(np.concatenate([m[~np.asarray(k, bool)].ravel() for k, m in zip(masks, maps, strict=True)]))
    regions: list[Array] = []
    for mask, anomaly_map in zip(masks, maps, strict=True):
        labelled, n = label(np.asarray(mask, bool), structure=np.ones((3, 3)))
        regions += [np.sort(anomaly_map[labelled == i]) for i in range(1, n + 1)]
    if not regions:
        raise ValueError("no mask has an abnormal region")
    rates = np.linspace(0.0, limit, n_thresholds)
    at = np.clip((len(normal) * (1.0 - rates)).astype(int), 0, len(normal) - 1)
    overlap = np.zeros(n_thresholds)
    for region in regions:
        overlap += 1.0 - np.searchsorted(region, normal[at], side="right") / len(region)
    return float(np.trapezoid(overlap / len(regions), rates) / limit)
