"""How well scores and maps separate abnormal from normal."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

Array = NDArray[np.generic]

_DROPPED = np.uint32(10)
_LEVELS = 1 << (32 - 10)
_SIGN = np.uint32(1 << 31)


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


class PixelScores:
    """Pixels of any number of anomaly maps, in bounded memory: 64 MB of counts, and 4 bytes for each abnormal pixel.

    Values are kept as levels: as 32-bit floats, of which the last ten bits are dropped, so that values of which one
    is less than 1/8,192 larger than the other may count as equal. Of a pair of an abnormal and a normal pixel on one
    level, half counts for the AUROC, as of ties; so the AUROC is off by half the share of such pairs at most.
    """

    def __init__(self) -> None:
        self._normal = np.zeros(_LEVELS, np.int64)
        self._abnormal = np.zeros(_LEVELS, np.int64)
        self._regions: list[NDArray[np.uint32]] = []

    @property
    def n_abnormal(self) -> int:
        """Pixels that are abnormal."""
        return int(self._abnormal.sum())

    def add(self, mask: Array, anomaly_map: Array) -> None:
        """Count a picture's pixels.

        Parameters
        ----------
        mask : ndarray of bool, (H, W)
            True where abnormal.
        anomaly_map : ndarray, (H, W)
            Finite; high means abnormal.
        """
        from scipy.ndimage import find_objects, label

        abnormal, levels = np.asarray(mask, bool), _levels(anomaly_map)
        np.add.at(self._normal, levels[~abnormal], 1)
        np.add.at(self._abnormal, levels[abnormal], 1)
        labelled, _ = label(abnormal, structure=np.ones((3, 3)))
        for number, around in enumerate(find_objects(labelled), 1):
            self._regions.append(np.sort(levels[around][labelled[around] == number]))

    def auroc(self) -> float:
        """AUROC over all pixels of all pictures; NaN unless there are pixels of both kinds."""
        n_normal, n_abnormal = float(self._normal.sum()), float(self._abnormal.sum())
        if not n_normal or not n_abnormal:
            return float("nan")
        outscored = np.cumsum(self._normal) - self._normal / 2
        return float(self._abnormal @ outscored / n_abnormal / n_normal)

    def aupro(self, limit: float = 0.3, n_thresholds: int = 200) -> float:
        """Area under the per-region overlap curve up to a false positive rate, divided by that rate.

        Bergmann et al. 2020, "Uninformed Students": at each threshold, the mean over connected abnormal regions
        of the share of the region that is found, so that small defects weigh as much as large ones.

        Parameters
        ----------
        limit : float
            Highest false positive rate, in (0, 1].
        n_thresholds : int
            Points of the curve, spread evenly over the normal pixels' false positive rate.

        Raises
        ------
        ValueError
            When no pixel is abnormal, or none is normal.
        """
        if not self._regions:
            raise ValueError("no mask has an abnormal region")
        up_to = np.cumsum(self._normal)
        n_normal = int(up_to[-1])
        if not n_normal:
            raise ValueError("the masks leave no normal pixel")
        rates = np.linspace(0.0, limit, n_thresholds)
        at = np.clip((n_normal * (1.0 - rates)).astype(int), 0, n_normal - 1)
        thresholds = np.searchsorted(up_to, at, side="right")
        overlap = np.zeros(n_thresholds)
        for region in self._regions:
            overlap += 1.0 - np.searchsorted(region, thresholds, side="right") / len(region)
        return float(np.trapezoid(overlap / len(self._regions), rates) / limit)


def _levels(values: Array) -> NDArray[np.uint32]:
    """The level of each value, in the order of the values, from 0 to `_LEVELS` - 1."""
    bits = (np.asarray(values, np.float32) + np.float32(0)).view(np.uint32)  # there is but one zero
    return np.where(bits & _SIGN, ~bits, bits | _SIGN) >> _DROPPED


def pixel_auroc(masks: list[Array], maps: list[Array]) -> float:
    """AUROC over all pixels of all pictures, as of `PixelScores`.

    Parameters
    ----------
    masks : list of ndarray of bool, (H, W)
        True where abnormal.
    maps : list of ndarray, (H, W)
        Anomaly maps, high means abnormal.
    """
    return _counted(masks, maps).auroc()


def aupro(masks: list[Array], maps: list[Array], limit: float = 0.3, n_thresholds: int = 200) -> float:
    """Area under the per-region overlap curve: masks and maps as of `pixel_auroc`, the rest of `PixelScores.aupro`."""
    return _counted(masks, maps).aupro(limit, n_thresholds)


def _counted(masks: list[Array], maps: list[Array]) -> PixelScores:
    pixels = PixelScores()
    for mask, anomaly_map in zip(masks, maps, strict=True):
        pixels.add(mask, anomaly_map)
    return pixels
