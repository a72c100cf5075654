"""Augmentation: more labelled samples of rare classes, and whether they help."""

from gantools.pipelines.augment.augmenter import GanAugmenter
from gantools.pipelines.augment.classifier import AugmentedClassifier
from gantools.pipelines.augment.steps import PictureFlattener, PictureLoader

__all__ = ["AugmentedClassifier", "GanAugmenter", "PictureFlattener", "PictureLoader"]
