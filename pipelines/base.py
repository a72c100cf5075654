"""What every estimator does in the same way: devices, seeds, trainers by name."""

from __future__ import annotations

from typing import Any

import torch
from sklearn.utils import check_random_state

from gantools import configs
from gantools.core import AdversarialTrainer
from gantools.errors import ConfigError


def resolve_device(device: str) -> torch.device:
    """The torch device that "auto", "cpu", "cuda" or "cuda:N" stands for.

    Raises
    ------
    ConfigError
        When it is another word, or CUDA is asked for and there is none.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind, _, number = str(device).partition(":")
    if kind not in ("cpu", "cuda") or (number and not number.isdigit()) or (kind == "cpu" and number):
        raise ConfigError(f"device={device!r} is not known; choose auto, cpu, cuda or cuda:N")
    if kind == "cuda" and int(number or 0) >= torch.cuda.device_count():
        raise ConfigError(f"device={device!r}: this machine has {torch.cuda.device_count()} CUDA devices; use auto")
    return torch.device(device)


def resolve_seed(random_state: Any) -> int:
    """One integer to derive everything random from, without touching a global generator but when told to."""
    return int(check_random_state(random_state).randint(2**31 - 1))


def resolve_trainer(trainer: AdversarialTrainer | str | None, default: AdversarialTrainer) -> AdversarialTrainer:
    """The trainer that a `trainer=` parameter stands for: itself, a recipe of configs/training, or the default.

    Raises
    ------
    ConfigError
        For an unknown recipe or setting, or a trainer whose settings cannot work.
    """
    if trainer is None:
        trainer = default
    elif isinstance(trainer, str):
        settings = configs.read(trainer, "training")
        known = AdversarialTrainer().get_params()
        unknown = [name for name in settings if name not in known]
        if unknown:
            raise ConfigError(f"recipe {trainer!r}: {unknown[0]!r} is not a setting; there are {', '.join(known)}")
        trainer = AdversarialTrainer(**settings)
    elif not isinstance(trainer, AdversarialTrainer):
        raise ConfigError(f"trainer={trainer!r} must be an AdversarialTrainer, the name of a recipe, or None")
    trainer.check()
    return trainer
