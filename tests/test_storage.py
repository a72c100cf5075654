"""Model folders: whole or not there, and never believed when altered."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gantools import GanAnomalyDetector, load
from gantools.errors import ModelError


@pytest.fixture(scope="module")
def detector() -> GanAnomalyDetector:
    X = np.random.default_rng(0).normal(size=(40, 3))
    return GanAnomalyDetector(random_state=np.random.RandomState(0), max_images=256).fit(X)


@pytest.fixture
def folder(detector: GanAnomalyDetector, tmp_path: Path) -> Path:
    detector.save(tmp_path / "model")
    return tmp_path / "model"


def edited(path: Path) -> None:
    description = json.loads(path.read_text())
    description["state"]["items"][2][1] = 99.0
    path.write_text(json.dumps(description))


def halved(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize(
    ("file", "harm", "words"),
    [
        ("model.json", Path.unlink, "model.json is missing"),
        ("weights.safetensors", Path.unlink, "weights.safetensors is missing"),
        ("history.csv", Path.unlink, "history.csv is missing"),
        ("model.json", halved, "truncated"),
        ("model.json", edited, "altered"),
        ("weights.safetensors", halved, "weights.safetensors was altered or truncated"),
        ("history.csv", halved, "history.csv was altered or truncated"),
    ],
)
def test_harm_is_found_and_the_file_named(folder: Path, file: str, harm: Callable[[Path], None], words: str) -> None:
    harm(folder / file)
    with pytest.raises(ModelError, match=words):
        load(folder)


def test_folder_holds_three_files_and_no_pickle(folder: Path) -> None:
    assert sorted(p.name for p in folder.iterdir()) == ["history.csv", "model.json", "weights.safetensors"]
    description = json.loads((folder / "model.json").read_text())
    assert {"class", "parameters", "versions", "summary", "checksums"} <= set(description)


def test_saving_again_replaces_and_foreign_folders_are_left_alone(
    detector: GanAnomalyDetector, folder: Path, tmp_path: Path
) -> None:
    detector.save(folder)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model"]
    (folder / "thesis.doc").write_text("mine")
    with pytest.raises(ModelError, match=r"thesis.doc"):
        detector.save(folder)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ModelError, match="is a file"):
        detector.save(tmp_path / "file")
    assert (folder / "thesis.doc").read_text() == "mine"


def test_unwritable_place_is_said(detector: GanAnomalyDetector) -> None:
    with pytest.raises(ModelError, match="cannot be written"):
        detector.save("/proc/nowhere/model")


def test_unknown_folder_and_class(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no model folder"):
        load(tmp_path / "none")
