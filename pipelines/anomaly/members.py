"""The discriminators of one fit, trained one after the other: their seeds, their checkpoints, and their committee."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from gantools.core import Batch, Game, Tick, Training
from gantools.core.world import world
from gantools.errors import ConfigError
from gantools.networks.committee import Committee
from gantools.pipelines.anomaly.settings import FitSettings
from gantools.pipelines.base import train_shown
from gantools.pipelines.stages import begun, without_earlier

Trainings = list[tuple[str, Training]]
"""By the name of their stage: "training", "training 2" for the second discriminator."""

TRAINING, TRIMMED = "training", "trimmed"
_FILES = {TRAINING: "training", TRIMMED: "training-trimmed"}
_FOLDER = "member-"  # beside the first discriminator's checkpoint, for another's


def train_each(
    settings: FitSettings, prepare: Callable[[FitSettings], tuple[Game, Callable[[int], Batch]]]
) -> Trainings:
    """Train the discriminators one after the other, showing progress.

    Parameters
    ----------
    settings : FitSettings
    prepare : Callable
        From one discriminator's settings, whose seed is its own, to its game and batches.

    Returns
    -------
    list of (str, Training)
        One for each discriminator, but no more once a callback has asked to stop.
    """
    asked_to_stop = False

    def on_tick(tick: Tick) -> bool:
        nonlocal asked_to_stop
        asked_to_stop = settings.on_tick(tick) or asked_to_stop
        return asked_to_stop

    trainings: Trainings = []
    for number, own in enumerate(settings_of_each(settings), 1):
        name = settings.stage if number == 1 else f"{settings.stage} {number}"
        training = train_shown(
            own.trainer,
            *prepare(own),
            own.stages,
            on_tick,
            name,
            max_images=own.max_images,
            seed=own.seed,
            max_minutes=own.max_minutes,
            checkpoint=own.checkpoint and own.checkpoint / f"{_FILES[settings.stage]}.safetensors",
            resume=own.resume,
            reopen=own.reopen,
        )
        trainings.append((name, training))
        if asked_to_stop or training.stopped == "callback":
            break
    return trainings


def settings_of_each(settings: FitSettings) -> Iterator[FitSettings]:
    """The settings of each discriminator: the first has the fit's own seed and folder, and all share the time."""
    minutes = None if settings.max_minutes is None else settings.max_minutes / settings.n_discriminators
    yield replace(settings, max_minutes=minutes)
    for number in range(2, settings.n_discriminators + 1):
        seed = int(np.random.default_rng((settings.seed, 6, number - 1)).integers(2**31 - 1))
        folder = settings.checkpoint and settings.checkpoint / f"{_FOLDER}{number}"
        yield replace(settings, max_minutes=minutes, seed=seed, checkpoint=folder)


def committee_of(trainings: Trainings) -> Committee:
    """The discriminators; one that a callback cut short would spoil the others' mean, and is left out."""
    whole = [training for _, training in trainings if training.stopped != "callback"]
    return Committee([training.discriminator for training in whole or [trainings[0][1]]])


def stored_members(state: Mapping[str, Any]) -> list[Mapping[str, Tensor]]:
    """Each discriminator's weights in a model's stored state; those that were saved first had one alone.

    Raises
    ------
    ValueError
        When there is none.
    """
    members = state["discriminators"] if "discriminators" in state else [state["discriminator"]]
    if not members:
        raise ValueError("there should be a discriminator or more")
    return list(members)


def forget_earlier(folder: str | Path | None) -> None:
    """Away with the checkpoints of an earlier fit's discriminators."""
    if folder is None:
        return
    for one in (*Path(folder).glob(f"{_FOLDER}*/"), Path(folder)):
        without_earlier(one, list(_FILES.values()))
        if one != Path(folder) and world().first and not any(one.iterdir()):
            one.rmdir()


def trimming_begun(folder: str | Path | None, n_discriminators: int) -> bool:
    """Whether a folder holds checkpoints of the second fit, whose samples the first fit's discriminators chose.

    Raises
    ------
    ConfigError
        When these were more or fewer than are asked for now.
    """
    if folder is None or not begun(folder, _FILES[TRIMMED]):
        return False
    earlier = 1 + len(list(Path(folder).glob(f"{_FOLDER}*/{_FILES[TRAINING]}.safetensors")))
    if earlier != n_discriminators:
        raise ConfigError(
            f"n_discriminators={n_discriminators}: what was trimmed was chosen by {earlier}, as the checkpoints in "
            f"{folder} say; resume with n_discriminators={earlier}, or start anew without --resume"
        )
    return True
