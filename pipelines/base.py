"""What every estimator does in the same way: devices, seeds, trainers by name, training with progress, storage."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from numbers import Integral, Real
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval
from torch import Tensor

from gantools import configs, processes
from gantools.core import AdversarialTrainer, Batch, Game, Tick, Training
from gantools.core.checkpoint import load_newest_state, newest
from gantools.core.snapshots import Snapshots
from gantools.core.world import world
from gantools.data.tables import plain_value
from gantools.errors import ConfigError, ModelError
from gantools.progress import Stages

SHARED_CONSTRAINTS: dict[str, Any] = {
    "trainer": [AdversarialTrainer, dict, str, None],
    "max_images": [Interval(Integral, 1, None, closed="left"), None],
    "max_minutes": [Interval(Real, 0, None, closed="neither"), None],
    "batch_size": [Interval(Integral, 2, None, closed="left"), None],
    "device": [str],
    "random_state": ["random_state"],
    "max_bad": [Interval(Real, 0, None, closed="left")],
    "max_megapixels": [Interval(Real, 0, None, closed="neither")],
    "checkpoint": [str, Path, None],
    "resume": ["boolean"],
    "log": [str, Path, None],
    "verbose": ["verbose"],
}
"""What the parameters that every estimator has may be."""


def resolve_device(device: str) -> torch.device:
    """The torch device that "auto", "cpu", "cuda" or "cuda:N" stands for; under torchrun "cuda" is each process's own.

    Raises
    ------
    ConfigError
        When it is another word, or CUDA is asked for and there is none.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, number = str(device).partition(":")
    if kind not in ("cpu", "cuda") or (number and not number.isdigit()) or (kind == "cpu" and number):
        raise ConfigError(f"device={device!r} is not known; choose auto, cpu, cuda or cuda:N")
    if kind == "cuda" and processes.count() > 1:
        if number:
            raise ConfigError(f"device={device!r}: under torchrun each process has a GPU of its own; use auto or cuda")
        number = str(processes.local_rank())
    if kind == "cuda" and int(number or 0) >= torch.cuda.device_count():
        way_out = "use auto" if processes.count() == 1 else "start no more processes than that, or use device='cpu'"
        raise ConfigError(f"device={device!r}: this machine has {torch.cuda.device_count()} CUDA devices; {way_out}")
    return torch.device(f"cuda:{number}" if number else device)


def resolve_seed(random_state: Any) -> int:
    """One integer to derive everything random from, without touching a global generator but when told to."""
    return int(check_random_state(random_state).randint(2**31 - 1))


def agreed_seed(estimator: Any) -> int:
    """`resolve_seed` of an estimator that is fitted: under torchrun the first process's, so all of them must call it.

    Where nobody chose one, a training that is gone on with keeps the seed that its checkpoint holds.
    """
    seed = resolve_seed(estimator.random_state)
    if estimator.random_state is None and estimator.resume and estimator.checkpoint is not None:
        file = newest(Path(estimator.checkpoint))
        if file is not None:
            seed = load_newest_state(file).get("identity", {}).get("seed", seed)
    return int(world().of_first([seed])[0])


def resolve_trainer(
    trainer: AdversarialTrainer | Mapping[str, Any] | str | None, default: AdversarialTrainer | str
) -> AdversarialTrainer:
    """The trainer that a `trainer=` parameter stands for.

    Parameters
    ----------
    trainer : AdversarialTrainer, dict, str or None
        Itself; the name of a recipe of configs/training, where, unless the recipe has them, the discriminator weighs as
        much beside the task's other losses as in the default, and the balance is kept as there; or some settings by
        name, others being the default's, or those of the recipe that "recipe" names. None is the default.
    default : AdversarialTrainer or str

    Raises
    ------
    ConfigError
        For an unknown recipe or setting, or a trainer whose settings cannot work.
    """
    trainer = default if trainer is None else trainer
    if isinstance(trainer, str):
        trainer = _with_settings(_of_the_task(default), configs.read(trainer, "training"))
    elif isinstance(trainer, Mapping):
        settings = dict(trainer)
        trainer = _with_settings(resolve_trainer(settings.pop("recipe", None), default), settings)
    elif not isinstance(trainer, AdversarialTrainer):
        raise ConfigError(
            f"trainer={trainer!r} must be an AdversarialTrainer, a recipe's name, a dict of settings, or None"
        )
    trainer.check()
    return trainer


def _of_the_task(default: AdversarialTrainer | str) -> AdversarialTrainer:
    """A trainer with nothing of `default` but what a recipe leaves to the task."""
    if isinstance(default, str):
        default = _with_settings(AdversarialTrainer(), configs.read(default, "training"))
    return AdversarialTrainer(adversarial_weight=default.adversarial_weight, balance=default.balance)


def _with_settings(trainer: AdversarialTrainer, settings: Mapping[str, Any]) -> AdversarialTrainer:
    known = trainer.get_params()
    unknown = [name for name in settings if name not in known]
    if unknown:
        names = ", ".join(f"'trainer.{name}'" for name in unknown)
        raise ConfigError(f"there is no setting {names}; there are {', '.join(known)}")
    return AdversarialTrainer(**{**known, **settings})


def train_shown(
    trainer: AdversarialTrainer,
    game: Game,
    batches: Callable[[int], Batch],
    stages: Stages,
    on_tick: Callable[[Tick], bool],
    name: str = "training",
    **limits: Any,
) -> Training:
    """`AdversarialTrainer.train`, showing progress as a stage called `name`; its other arguments are `limits`."""
    with stages.stage(name) as advance:

        def tick(tick: Tick) -> bool:
            advance(tick.fraction)
            return on_tick(tick)

        return trainer.train(game, batches, on_tick=tick, name=name, **limits)


class Record(NamedTuple):
    """What came of the trainings of one fit, stage by stage.

    Attributes
    ----------
    history : DataFrame
        One row a training step, with its `stage`.
    training : dict
        Summary: images, seconds, why the last one stopped, moves dropped, how often one began anew or went back.
    snapshots : dict
        By stage, what the generator made as training went on; without stages in which it makes no pictures.
    """

    history: pd.DataFrame
    training: dict[str, Any]
    snapshots: dict[str, Snapshots]


def record_of(parts: list[tuple[str, Training]]) -> Record:
    """The record of trainings that came one after the other, by name."""
    trainings = [t for _, t in parts]
    return Record(
        pd.concat([t.history.assign(stage=name) for name, t in parts], ignore_index=True),
        {
            "images": sum(t.images for t in trainings),
            "seconds": round(sum(t.seconds for t in trainings), 2),
            "stopped": trainings[-1].stopped,
            "dropped": sum(t.dropped for t in trainings),
            "rollbacks": sum(t.rollbacks for t in trainings),
        },
        {name: t.snapshots for name, t in parts if t.snapshots.images},
    )


def as_measured(columns: dict[str, list[Any]]) -> pd.DataFrame:
    """A table of figures, `path` and `method`, as a model folder holds it: None for what could not be measured."""
    table = pd.DataFrame(columns)
    return table.astype({name: float for name in table.columns if name not in ("path", "method")})


def by_method(averages: pd.DataFrame) -> dict[str, float]:
    """Figures by name, of a table with a row for each method: `psnr` of "ours", `psnr_bicubic` and so on of others."""
    found: dict[str, float] = {}
    for method, row in averages.iterrows():
        ending = "" if method == "ours" else f"_{str(method).replace(' ', '_')}"
        found |= {f"{figure}{ending}": float(value) for figure, value in row.items()}
    return {name: value for name, value in found.items() if not math.isnan(value)}


def plain_params(estimator: Any) -> dict[str, Any]:
    """An estimator's parameters as JSON can hold them; `restored_params` is the way back."""
    params: dict[str, Any] = {}
    for name, value in estimator.get_params(deep=False).items():
        if isinstance(value, AdversarialTrainer):
            value = {"AdversarialTrainer": value.get_params()}
        elif hasattr(value, "get_params"):
            value = {type(value).__name__: plain_params(value)}
        elif isinstance(value, dict):
            pairs = [(plain_value(k), plain_value(v)) for k, v in value.items()]
            value = {"dict": dict(pairs) if all(isinstance(k, str) for k in value) else pairs}
        elif isinstance(value, Path):
            value = str(value)
        elif isinstance(value, np.generic):
            value = plain_value(value)
        elif isinstance(value, (tuple, np.ndarray)):
            value = [str(v) for v in value]
        elif isinstance(value, np.random.RandomState) or callable(value):
            value = None
        params[name] = value
    return params


def restored_params(stored: dict[str, Any], device: str) -> dict[str, Any]:
    """A constructor's parameters from what `plain_params` gave, on another device."""
    params = {**stored, "device": device}
    for name, value in params.items():
        if isinstance(value, dict):
            params[name] = _restored(*next(iter(value.items())), device)
    return params


def _restored(kind: str, content: Any, device: str) -> Any:
    """A parameter that is no plain value: the trainer, a synthesizer, or a dict."""
    if kind == "AdversarialTrainer":
        return AdversarialTrainer(**content)
    if kind == "dict":
        return dict(content)
    from gantools.pipelines.synthesize import GanSynthesizer

    if kind != GanSynthesizer.__name__:
        raise ModelError(f"a parameter is a {kind!r}, which this version of gantools does not know")
    return GanSynthesizer(**restored_params(content, device))


def like(X: Any, values: Any) -> Any:
    """An array in the container of `X`: a tensor on its device for a tensor."""
    return torch.from_numpy(values).to(X.device) if isinstance(X, Tensor) else values
