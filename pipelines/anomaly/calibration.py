"""From scores to decisions, with normals alone: robust scales, fusion, thresholds and conformal p-values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FALSE_ALARMS = 0.05
_TAIL = 0.95
_LEAST = 1e-9  # of a spread, relative to the centre: what is less is rounding
_DIGITS = 9
_UNKNOWN = 0.1  # the spread, relative to the centre, where normals' scores do not differ or there is but one


@dataclass(frozen=True)
class Scale:
    """Puts one part's scores on a common scale: 0 at the median of held-out normals, 1 at their 95 % quantile.

    The distance to an upper quantile, unlike the interquartile range, keeps a part whose normal scores have a
    long tail from drowning the others.
    """

    centre: float
    spread: float

    @classmethod
    def of(cls, normals: Floats) -> Scale:
        """The scale of held-out normals' scores."""
        centre = float(np.median(normals))
        spread = float(np.quantile(normals, _TAIL)) - centre
        size = max(abs(centre), 1.0)
        if spread <= _LEAST * size:
            spread = float(np.std(normals))
        return cls(centre, spread if spread > _LEAST * size else _UNKNOWN * size)

    def __call__(self, scores: Floats) -> Floats:
        return (scores - self.centre) / self.spread


def rounded(scores: Floats) -> Floats:
    """Scores to nine digits after the point: those of alike samples are equal, in whichever batch they were computed.

    Else a sample that is as its kind is in training would lie a last digit above all of them, or below.
    """
    return np.round(scores, _DIGITS) + 0.0


def threshold(normals: Floats, false_alarms: float = FALSE_ALARMS) -> float:
    """The score above which a sample counts as abnormal, as at most `false_alarms` of fresh normals would.

    Conformal: of n normals and a fresh one, each is as likely as the others to be the k-th highest. Where n are too few
    to tell, it is the highest of them, above which a fresh one lies with a chance of 1 / (n + 1). The parts' scales are
    of the same normals, so that of few of them a little more lies above (simulated: 20 normals and three parts, .053 to
    .064 for .048; 100 normals, .055 for .050).
    """
    n_above = max(0, int(false_alarms * (len(normals) + 1)) - 1)
    return float(np.sort(normals)[-n_above - 1])


def p_values(scores: Floats, normals: Floats) -> Floats:
    """Conformal p-values: how often a fresh normal would score as high (Bates et al. 2023).

    Parameters
    ----------
    scores : ndarray, (N,)
        High means abnormal.
    normals : ndarray, (M,)
        Scores of held-out normals.

    Returns
    -------
    ndarray, (N,)
        (1 + number of held-out normals that score at least as high) / (M + 1).
    """
    at_least = len(normals) - np.searchsorted(np.sort(normals), scores, side="left")
    return np.asarray((1.0 + at_least) / (len(normals) + 1.0), np.float64)
