"""Sections on how an estimator was trained."""

from __future__ import annotations

import platform
from typing import Any

import pandas as pd

from gantools.report import plots
from gantools.report.grids import data_uri, grid
from gantools.report.page import Section, chart, facts, table

_LONGEST_SETTING = 200
_SMALL = 64


def sections(estimator: Any) -> list[Section]:
    """How the training of a fitted estimator went, and with what settings: what every report of a fit ends with."""
    done = estimator.training_
    numbers = [
        (name, f"{done[key]:,}")
        for key, name in (
            ("samples", "samples learnt from"),
            ("skipped", "skipped as unreadable"),
            ("held_out", "held out to judge by"),
            ("images", "samples seen in training"),
            ("dropped", "moves dropped, not being finite"),
            ("rollbacks", "times begun anew or gone back"),
        )
        if done.get(key) is not None and (done[key] or key in ("samples", "images"))
    ]
    if "seconds" in done:
        numbers.append(("in training", duration(done["seconds"])))
    found = [facts((_ending(done),) if done else ("Nothing was trained.",), numbers)]
    found[0] = found[0]._replace(title="How training went")
    stages = plots.stages_of(estimator.history_) if len(estimator.history_) else {}
    snapshots = getattr(estimator, "snapshots_", {})
    if stages:
        values = {"stages": [_stage(name, history, snapshots.get(name)) for name, history in stages.items()]}
        found.append(Section("", "training", values))
    return [*found, _settings(estimator)]


def duration(seconds: float) -> str:
    """Seconds in words."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _ending(done: dict[str, Any]) -> str:
    words = {
        "images": "Training saw all the samples it was allowed.",
        "minutes": "Training ended when its time was over (max_minutes).",
        "patience": "Training ended early: its held-out figure no longer improved (patience).",
        "callback": "Training was ended by a callback.",
    }
    return words.get(done.get("stopped", ""), "")


def _stage(name: str, history: pd.DataFrame, snapshots: Any) -> dict[str, Any]:
    health = plots.health_of(history)
    key: dict[str, float] = {}
    for state, begin, end in health:
        key[state] = key.get(state, 0.0) + end - begin
    film = []
    if snapshots is not None:
        for images, pictures in zip(snapshots.images, snapshots.pictures, strict=True):
            row = [picture.permute(1, 2, 0).numpy() for picture in pictures]
            row = [p if p.shape[2] in (1, 3) else p[..., :1] for p in row]
            small = max(row[0].shape) <= _SMALL
            film.append((f"{images:,}", data_uri(grid(row, len(row)), None if small else 85)))
    return {
        "name": name,
        "health": [(state, end - begin, plots.HEALTH.get(state, "#eee")) for state, begin, end in health],
        "key": [(state, share, plots.HEALTH.get(state, "#eee")) for state, share in key.items()],
        "words": _words(history, health),
        "charts": [chart(lambda ax, draw=draw: draw(history, ax)) for draw in plots.plots_of(history)],  # type: ignore[misc]
        "film": film,
    }


def _words(history: pd.DataFrame, health: list[tuple[str, float, float]]) -> list[str]:
    """What the states mean and what was done about them."""
    from gantools.core.health import BALANCED, REMEDIES

    if not health:
        return []
    found = []
    last = health[-1][0]
    if last == BALANCED:
        found.append("At the end the two players were of similar strength, which is what one wants.")
    else:
        found.append(f"At the end: {last}. Should it stay so in longer trainings, {REMEDIES[last]}.")
    slowed = [
        f"the {player} to {history[f'slowed_{player}'].min():.2g} of its learning rate"
        for player in ("generator", "discriminator")
        if f"slowed_{player}" in history and history[f"slowed_{player}"].min() < 1
    ]
    if slowed:
        found.append(f"The balance was kept by slowing {' and '.join(slowed)}.")
    return found


def _settings(estimator: Any) -> Section:
    import numpy
    import sklearn
    import torch

    from gantools import __version__

    parameters = [(name, _short(value)) for name, value in estimator.get_params(deep=False).items()]
    versions = {"gantools": __version__, "torch": torch.__version__, "scikit-learn": sklearn.__version__}
    versions |= {"numpy": numpy.__version__, "Python": platform.python_version()}
    rows = [*parameters, *((f"version of {name}", version) for name, version in versions.items())]
    return table("Settings", pd.DataFrame(rows, columns=["setting", "value"]), folded=True)


def _short(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= _LONGEST_SETTING else text[:_LONGEST_SETTING] + " …"
