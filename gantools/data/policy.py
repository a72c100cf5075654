"""albumentations' transforms from a YAML file."""

from __future__ import annotations

import logging
import os
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gantools.errors import ConfigError

DEFAULT_POLICY = "policy"


def built_policy(described: dict[str, Any], name_or_file: str) -> Any:
    """The albumentations pipeline that a policy describes, in albumentations' own serialised form.

    Parameters
    ----------
    described : dict
        What configs/augment/policy.yaml, or an edited copy, holds.
    name_or_file : str
        To name in messages.

    Raises
    ------
    ConfigError
        When it describes what albumentations does not know.
    """
    if "transform" not in described:
        raise ConfigError(f"{name_or_file}: has no `transform:`; copy the preset `policy` of the task and edit it")
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
