"""scikit-learn's own checks of estimators, all of them."""

from __future__ import annotations

from typing import Any

from sklearn.utils.estimator_checks import parametrize_with_checks

from gantools import GanAnomalyDetector

QUICK = GanAnomalyDetector(max_images=1280)


def expected_failures(estimator: Any) -> dict[str, str]:
    """Checks that cannot pass, each with the reason."""
    return {"check_fit_score_takes_y": "score is an AUROC: it refuses the three classes that the check gives it"}


@parametrize_with_checks([QUICK], expected_failed_checks=expected_failures, xfail_strict=True)
def test_scikit_learns_checks(estimator: Any, check: Any) -> None:
    check(estimator)
