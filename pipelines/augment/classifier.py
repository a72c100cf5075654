"""A classifier that augments what it is fitted on, for the last step of scikit-learn's own Pipeline."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.utils import _safe_indexing, get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from gantools.pipelines.synthesize.labels import UNLABELLED


def _has(method: str) -> Any:
    def check(self: AugmentedClassifier) -> bool:
        return hasattr(self.estimator_ if hasattr(self, "estimator_") else self.estimator, method)

    return available_if(check)


class AugmentedClassifier(MetaEstimatorMixin, ClassifierMixin, BaseEstimator):
    """Fits a classifier on augmented samples, and predicts on samples as they are.

    Parameters
    ----------
    estimator : classifier
        Cloned and fitted on what the augmenter gives.
    augmenter : sampler, "passthrough" or None
        `GanAugmenter`, or any sampler of imbalanced-learn; "passthrough" and None leave samples as they are.

    Attributes
    ----------
    estimator_ : classifier
        The fitted clone.
    augmenter_ : sampler or None
        The fitted clone.
    classes_ : ndarray
        The labels there are.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.linear_model import LogisticRegression
    >>> from gantools import AugmentedClassifier, GanAugmenter
    >>> X, y = load_digits(return_X_y=True)
    >>> augmenter = GanAugmenter(per_class=5, max_images=640, random_state=0)
    >>> AugmentedClassifier(LogisticRegression(max_iter=500), augmenter).fit(X[:200] / 16, y[:200]).predict(X[:3] / 16)
    array([0, 1, 2])
    """

    def __init__(self, estimator: Any = None, augmenter: Any = None) -> None:
        self.estimator = estimator
        self.augmenter = augmenter

    def fit(self, X: Any, y: Any) -> AugmentedClassifier:
        """Augment, then fit the classifier."""
        self.augmenter_: Any = None
        if self.augmenter is not None and self.augmenter != "passthrough":
            self.augmenter_ = clone(self.augmenter)
            X, y = self.augmenter_.fit_resample(X, y)
            X, y = _labelled(X, y, getattr(self.augmenter_, "classes_", None))
        self.estimator_ = clone(self.estimator).fit(X, y)
        self.classes_ = self.estimator_.classes_
        if hasattr(self.estimator_, "n_features_in_"):
            self.n_features_in_ = self.estimator_.n_features_in_
        if hasattr(self.estimator_, "feature_names_in_"):
            self.feature_names_in_ = self.estimator_.feature_names_in_
        return self

    def predict(self, X: Any) -> Any:
        """The classifier's labels."""
        check_is_fitted(self)
        return self.estimator_.predict(X)

    @_has("predict_proba")
    def predict_proba(self, X: Any) -> Any:
        """The classifier's probabilities."""
        check_is_fitted(self)
        return self.estimator_.predict_proba(X)

    @_has("decision_function")
    def decision_function(self, X: Any) -> Any:
        """The classifier's decision function."""
        check_is_fitted(self)
        return self.estimator_.decision_function(X)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "estimator_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        if self.estimator is not None:
            tags.input_tags = get_tags(self.estimator).input_tags
        if hasattr(self.augmenter, "__sklearn_tags__"):
            theirs = get_tags(self.augmenter).input_tags
            tags.input_tags.sparse &= theirs.sparse
            tags.input_tags.string |= theirs.string
        return tags


def _labelled(X: Any, y: Any, classes: Any) -> tuple[Any, Any]:
    """Without the samples that the augmenter took for unlabelled."""
    labels = np.asarray(y)
    if classes is None or labels.dtype.kind not in "if" or UNLABELLED in classes or not (labels == UNLABELLED).any():
        return X, y
    kept = np.flatnonzero(labels != UNLABELLED)
    return _safe_indexing(X, kept), _safe_indexing(y, kept)
