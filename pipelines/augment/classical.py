"""Augmentation without a GAN: albumentations' transforms from a YAML file; repetition for tables."""

from __future__ import annotations

import logging
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gantools import configs
from gantools.errors import ConfigError

DEFAULT_POLICY = "policy"


def read_policy(name_or_file: str) -> Any:
    """The albumentations pipeline that a YAML file describes, in albumentations' own serialised form.

    Parameters
    ----------
    name_or_file : str
        "policy" (configs/augment/policy.yaml) or the path of a YAML file, such as an edited copy.

    Raises
    ------
    ConfigError
        When it is not found, is no YAML, or describes what albumentations does not know.
    """
    described = configs.read(name_or_file, "augment")
    if "transform" not in described:
        raise ConfigError(f"{name_or_file}: has no `transform:`; copy the preset augment/{DEFAULT_POLICY} and edit it")
    import albumentations

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # its word for an argument it does not know
            return albumentations.from_dict(described)
    except (KeyError, TypeError, ValueError, UserWarning, AttributeError) as error:
        raise ConfigError(f"{name_or_file}: albumentations cannot read this policy: {error}") from None


def transformed(pictures: list[NDArray[Any]], policy: Any, seed: int) -> list[NDArray[Any]]:
    """Pictures, each put once through the policy, in their dtypes. uint8, or floats in [0, 1]."""
    logging.getLogger("albumentations").setLevel(logging.ERROR)
    policy.set_random_seed(seed)
    found = []
    for picture in pictures:
        kind = picture.dtype
        plain = picture if kind == np.uint8 else _unit(picture)
        moved = policy(image=np.ascontiguousarray(plain))["image"]
        found.append(moved if kind == np.uint8 else _back(moved, kind))
    return found


def _unit(picture: NDArray[Any]) -> NDArray[np.float32]:
    scale = float(np.iinfo(picture.dtype).max) if picture.dtype.kind == "u" else 1.0
    return picture.astype(np.float32) / np.float32(scale)


def _back(picture: NDArray[Any], kind: Any) -> NDArray[Any]:
    if kind.kind == "u":
        return np.round(picture.clip(0, 1) * float(np.iinfo(kind).max)).astype(kind)
    return picture > 0.5 if kind.kind == "b" else picture.clip(0, 1).astype(kind)
