"""Augmentation without a GAN: albumentations' transforms from a YAML file; repetition for tables."""

from __future__ import annotations

import logging
import os
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
    return built_policy(configs.read(name_or_file, "augment"), name_or_file)


def built_policy(described: dict[str, Any], name_or_file: str) -> Any:
    """As `read_policy`, from what the file holds."""
    if "transform" not in described:
        raise ConfigError(f"{name_or_file}: has no `transform:`; copy the preset augment/{DEFAULT_POLICY} and edit it")
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # it would ask its index for a newer version
    import albumentations

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # its word for an argument it does not know
            return albumentations.from_dict(described)
    except (KeyError, TypeError, ValueError, UserWarning, AttributeError) as error:
        raise ConfigError(f"{name_or_file}: albumentations cannot read this policy: {error}") from None


def transformed(pictures: list[NDArray[np.float32]], policy: Any, seed: int) -> list[NDArray[np.float32]]:
    """Pictures (H, W, C) in [0, 1], each put once through the policy.

    Raises
    ------
    ConfigError
        When the policy changes their size.
    """
    logging.getLogger("albumentations").setLevel(logging.ERROR)
    policy.set_random_seed(seed)
    found = [policy(image=np.ascontiguousarray(picture))["image"].clip(0, 1) for picture in pictures]
    for before, after in zip(pictures, found, strict=True):
        if before.shape[:2] != after.shape[:2]:
            raise ConfigError(
                f"the policy makes pictures of {before.shape[:2]} into {after.shape[:2]}; keep their size"
            )
    return found
