"""gantools: GANs for people who are not GAN researchers.

Public names are loaded when first used, so that ``import gantools`` imports no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gantools.core import AdversarialTrainer
    from gantools.pipelines.anomaly import GanAnomalyDetector
    from gantools.pipelines.augment import AugmentedClassifier, GanAugmenter, PictureFlattener, PictureLoader
    from gantools.pipelines.superres import GanSuperResolver
    from gantools.pipelines.synthesize import GanSynthesizer
    from gantools.pipelines.translate import GanTranslator
    from gantools.storage import load

__version__ = "0.1.0"
__all__ = [
    "AdversarialTrainer",
    "AugmentedClassifier",
    "GanAnomalyDetector",
    "GanAugmenter",
    "GanSuperResolver",
    "GanSynthesizer",
    "GanTranslator",
    "PictureFlattener",
    "PictureLoader",
    "__version__",
    "load",
]

_HOMES = {
    "AdversarialTrainer": "gantools.core",
    "AugmentedClassifier": "gantools.pipelines.augment",
    "GanAnomalyDetector": "gantools.pipelines.anomaly",
    "GanAugmenter": "gantools.pipelines.augment",
    "GanSuperResolver": "gantools.pipelines.superres",
    "GanSynthesizer": "gantools.pipelines.synthesize",
    "GanTranslator": "gantools.pipelines.translate",
    "PictureFlattener": "gantools.pipelines.augment",
    "PictureLoader": "gantools.pipelines.augment",
    "load": "gantools.storage",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'gantools' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
