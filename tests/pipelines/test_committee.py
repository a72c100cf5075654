"""A committee of discriminators: it averages its members, and trains, resumes, stops and is stored with all of them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_wine

from gantools import GanAnomalyDetector, load
from gantools.core import Tick
from gantools.errors import ConfigError
from gantools.networks.committee import Committee
from gantools.networks.mlp import MlpDiscriminator
from gantools.pipelines.anomaly.kinds import KINDS
from gantools.pipelines.anomaly.members import settings_of_each, stored_members
from gantools.pipelines.anomaly.settings import FitSettings
from gantools.pipelines.anomaly.vectors import VectorModel
from gantools.progress import Stages

WINE = load_wine().data
LARGER = np.random.default_rng(0).integers(0, 256, (6, 72, 80, 3)).astype(np.uint8)
QUICK: dict[str, dict[str, Any]] = {
    "table": {"max_images": 640, "parts": ["discriminator"]},
    "whole": {"max_images": 320, "parts": ["discriminator", "transformations"]},
    "tiles": {"max_images": 32, "parts": ["pretrained_discriminator"]},
    "tiles of pixels": {"max_images": 32, "parts": ["discriminator"]},
}


def test_a_committee_answers_with_its_members_mean_and_all_their_features() -> None:
    members = [MlpDiscriminator(3, 8), MlpDiscriminator(3, 8)]
    x = torch.randn(5, 3)
    committee = Committee(members)
    torch.testing.assert_close(committee(x), (members[0](x) + members[1](x)) / 2)
    first, last = committee.features(x)
    assert first.shape == last.shape == (5, 16)
    torch.testing.assert_close(last[:, 8:], members[1].features(x)[-1])


@pytest.mark.parametrize("kind", QUICK)
def test_every_kind_of_data_is_judged_by_all_members(
    digits: tuple[np.ndarray, np.ndarray], kind: str, tmp_path: Path
) -> None:
    X = {"table": WINE, "whole": digits[0][digits[1] == 3][:60]}.get(kind, LARGER)
    one = GanAnomalyDetector(**QUICK[kind], random_state=0).fit(X)
    three = GanAnomalyDetector(**QUICK[kind], random_state=0, n_discriminators=3).fit(X)
    members = three.model_.discriminator.members
    assert _same(one.model_.discriminator.members[0], members[0])
    assert not _same(members[0], members[1])
    assert not _same(members[1], members[2])
    assert list(three.history_["stage"].unique()) == ["training", "training 2", "training 3"]
    assert three.training_["images"] == 3 * one.training_["images"]

    three.save(tmp_path / "model")
    again = load(tmp_path / "model")
    np.testing.assert_array_equal(again.score_samples(X), three.score_samples(X))
    together = _answers(three, X)
    apart = []
    for member in members:
        three.model_.discriminator = Committee([member])
        apart.append(_answers(three, X))
    assert np.std(apart, 0).max() > 1e-3
    np.testing.assert_allclose(np.mean(apart, 0), together, rtol=1e-4, atol=1e-4)


def test_their_features_side_by_side_are_a_part(digits: tuple[np.ndarray, np.ndarray], tmp_path: Path) -> None:
    X = digits[0][digits[1] == 3][:60]
    for kind, data in (("table", WINE), ("whole", X)):
        settings = {**QUICK[kind], "parts": ["features"]}
        detector = GanAnomalyDetector(**settings, random_state=0, n_discriminators=2).fit(data)
        detector.save(tmp_path / kind)
        again = load(tmp_path / kind)
        np.testing.assert_array_equal(again.score_samples(data), detector.score_samples(data))


@pytest.mark.parametrize("seed", [0, None])
def test_what_is_left_of_a_committee_is_trained_and_the_rest_as_it_was(seed: int | None, tmp_path: Path) -> None:
    settings = {**QUICK["table"], "random_state": seed, "checkpoint": tmp_path / "checkpoint", "n_discriminators": 3}
    whole = GanAnomalyDetector(**settings).fit(WINE)
    shutil.rmtree(tmp_path / "checkpoint" / "member-3")  # as if it had been killed while the second was trained
    os.utime(tmp_path / "checkpoint" / "member-2" / "training.safetensors")
    resumed = GanAnomalyDetector(**settings, resume=True).fit(WINE)
    np.testing.assert_array_equal(whole.score_samples(WINE), resumed.score_samples(WINE))
    larger = GanAnomalyDetector(**{**settings, "n_discriminators": 4}, resume=True).fit(WINE)
    for p, q in zip(whole.model_.discriminator.members, larger.model_.discriminator.members, strict=False):
        assert _same(p, q)


def test_a_trimmed_committee_is_trained_twice_and_resumes_with_as_many(tmp_path: Path) -> None:
    settings = {**QUICK["table"], "random_state": 0, "checkpoint": tmp_path / "checkpoint", "trim": 0.1}
    whole = GanAnomalyDetector(**settings, n_discriminators=2).fit(WINE)
    assert list(whole.history_["stage"].unique()) == ["training", "training 2", "trimmed", "trimmed 2"]
    (tmp_path / "checkpoint" / "member-2" / "training-trimmed.safetensors").unlink()
    resumed = GanAnomalyDetector(**settings, n_discriminators=2, resume=True).fit(WINE)
    np.testing.assert_array_equal(whole.score_samples(WINE), resumed.score_samples(WINE))
    with pytest.raises(
        ConfigError, match=r"n_discriminators=3: what was trimmed was chosen by 2, as the checkpoints in"
    ):
        GanAnomalyDetector(**settings, n_discriminators=3, resume=True).fit(WINE)


def test_a_fit_anew_forgets_the_checkpoints_of_all_members(tmp_path: Path) -> None:
    settings = {**QUICK["table"], "checkpoint": tmp_path / "checkpoint"}
    GanAnomalyDetector(**settings, random_state=0, n_discriminators=2, trim=0.1).fit(WINE)
    (tmp_path / "checkpoint" / "member-mine.txt").write_text("a file of somebody's")
    GanAnomalyDetector(**settings, random_state=1).fit(WINE)
    found = {str(p.relative_to(tmp_path / "checkpoint")) for p in (tmp_path / "checkpoint").rglob("*")}
    assert found == {"training.safetensors", "member-mine.txt"}


def test_members_share_the_time_and_not_the_samples() -> None:
    detector = GanAnomalyDetector(max_minutes=6, max_images=640, n_discriminators=3, random_state=0)
    settings = list(settings_of_each(_settings_of_table(detector, lambda tick: False)))
    assert [(s.max_minutes, s.max_images) for s in settings] == [(2.0, 640)] * 3
    assert len({s.seed for s in settings}) == 3


@pytest.mark.parametrize(("at", "members", "stopped"), [(0.0, 1, "callback"), (1.0, 2, "images")])
def test_a_callback_that_ends_training_ends_the_committees(at: float, members: int, stopped: str) -> None:
    """A discriminator that is cut short is left out, and one that was at its end is not; no third is begun."""
    detector = GanAnomalyDetector(max_images=6400, n_discriminators=3, random_state=0)
    settings = _settings_of_table(detector, lambda tick: tick.name == "training 2" and tick.fraction >= at)
    model, _, trainings = VectorModel.fit((WINE - WINE.mean(0)) / WINE.std(0), settings)
    assert [name for name, _ in trainings] == ["training", "training 2"]
    assert trainings[-1][1].stopped == stopped
    assert len(model.discriminator.members) == members


def test_a_detector_saved_with_one_discriminator_alone_is_read_and_one_without_is_refused() -> None:
    weights = {"logit": torch.ones(1)}
    assert stored_members({"discriminator": weights}) == stored_members({"discriminators": [weights]}) == [weights]
    with pytest.raises(ValueError, match="a discriminator or more"):
        stored_members({"discriminators": []})


def test_tiles_are_learnt_in_half_of_the_bits_where_asked_and_the_cpu_has_units_for_them() -> None:
    settings = {**QUICK["tiles"], "random_state": 0}
    itself = GanAnomalyDetector(**settings).fit(LARGER)
    other = GanAnomalyDetector(**settings, trainer={"precision": "auto"}).fit(LARGER)
    units = bool(torch.cpu.get_capabilities().get("amx_bf16"))
    assert _same(itself.model_.discriminator, other.model_.discriminator) != units


def _settings_of_table(detector: GanAnomalyDetector, on_tick: Callable[[Tick], bool]) -> FitSettings:
    detector.kind_, detector.parts_ = "table", ("discriminator",)
    return detector._settings(KINDS["table"], Stages(False), on_tick)


def _same(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    return all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))


def _answers(detector: GanAnomalyDetector, X: np.ndarray) -> np.ndarray:
    """What is linear in the discriminators' answers: the parts' scores, or of tiles the maps."""
    if detector.kind_ != "tiles":
        return detector.part_scores(X)[0]
    pictures = torch.from_numpy(X).permute(0, 3, 1, 2) / 127.5 - 1
    return detector.model_.part_maps(pictures).numpy()
