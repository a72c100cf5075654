"""Model folders: whole or not there, and never believed when altered."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save

from gantools import GanAnomalyDetector, load, storage
from gantools.errors import GantoolsError, ModelError
from gantools.storage import _canonical, _checksum, check_target, unwritable


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
    (folder / ".DS_Store").write_bytes(b"a file browser's")
    detector.save(folder)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model"]
    assert sorted(p.name for p in folder.iterdir()) == ["history.csv", "model.json", "weights.safetensors"]
    (folder / "thesis.doc").write_text("mine")
    with pytest.raises(ModelError, match=r"thesis.doc"):
        detector.save(folder)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ModelError, match="is a file"):
        detector.save(tmp_path / "file")
    assert (folder / "thesis.doc").read_text() == "mine"


def test_a_history_too_long_for_a_folder_is_thinned_and_costs_no_model(
    detector: GanAnomalyDetector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = copy.copy(detector)
    trained.history_ = pd.concat([detector.history_] * 50).assign(step=lambda rows: range(len(rows)))
    monkeypatch.setitem(storage._LARGEST, "history.csv", len(trained.history_.to_csv(index=False)) // 3)
    with pytest.warns(UserWarning, match=r"too long to be kept whole: 1 in 5 is"):
        trained.save(tmp_path / "long")
    kept = load(tmp_path / "long").history_["step"]
    assert kept.diff().dropna().eq(5).all()
    assert kept.iloc[-1] == len(trained.history_) - 1


def test_a_place_that_cannot_be_replaced_is_told_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "inner").mkdir()
    monkeypatch.chdir(tmp_path / "inner")
    for place in (Path(), tmp_path / "inner"):
        with pytest.raises(ModelError, match="replaced as a whole"):
            check_target(place)
    check_target(Path("new"))


def test_unwritable_place_is_said(detector: GanAnomalyDetector) -> None:
    with pytest.raises(ModelError, match="cannot be written"):
        detector.save("/proc/nowhere/model")
    assert unwritable(Path("/proc/file")) is not None  # of root too, who may do everything and cannot


def test_unknown_folder_and_class(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no model folder"):
        load(tmp_path / "none")


def forged(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """A description changed by someone who mends its checksum too."""
    path = folder / "model.json"
    description = json.loads(path.read_text())
    del description["checksum"]
    change(description)
    description["checksum"] = _checksum(_canonical(description))
    path.write_text(json.dumps(description))


class Boom:
    """Runs code when unpickled."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, ("touch /tmp/gantools-was-here",)


def test_pickles_by_another_name_are_not_opened(folder: Path) -> None:
    trace = Path("/tmp/gantools-was-here")
    trace.unlink(missing_ok=True)
    content = pickle.dumps(Boom())
    (folder / "weights.safetensors").write_bytes(content)
    forged(folder, lambda d: d["checksums"].update({"weights.safetensors": _checksum(content)}))
    with pytest.raises(ModelError, match=r"weights\.safetensors does not fit"):
        load(folder)
    assert not trace.exists()


def test_links_and_pipes_are_not_followed(folder: Path, tmp_path: Path) -> None:
    weights = folder / "weights.safetensors"
    weights.rename(tmp_path / "elsewhere")
    weights.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ModelError, match=r"weights\.safetensors is no plain file"):
        load(folder)
    weights.unlink()
    os.mkfifo(weights)
    with pytest.raises(ModelError, match=r"weights\.safetensors is no plain file"):
        load(folder)


def test_files_too_large_for_a_model_are_not_read(folder: Path) -> None:
    for file, size, said in (("weights.safetensors", 2**34, "17,180"), ("model.json", 2**25, "34")):
        with (folder / file).open("r+b") as opened:
            opened.truncate(size)  # sparse: takes no room on the disk
        with pytest.raises(ModelError, match=rf"{file} has {said} MB, more than the"):
            load(folder)


def test_deep_nesting_is_an_error_and_no_crash(folder: Path) -> None:
    (folder / "model.json").write_text("[" * 200_000)
    with pytest.raises(ModelError, match="truncated or not a model's"):
        load(folder)


def test_a_safetensors_header_that_lies_is_refused(folder: Path) -> None:
    header = json.dumps({"0": {"dtype": "F32", "shape": [2**40, 2**20], "data_offsets": [0, 4]}}).encode()
    content = len(header).to_bytes(8, "little") + header + b"1234"
    (folder / "weights.safetensors").write_bytes(content)
    forged(folder, lambda d: d["checksums"].update({"weights.safetensors": _checksum(content)}))
    with pytest.raises(ModelError, match=r"weights\.safetensors does not fit"):
        load(folder)


def with_tensor(folder: Path, key: str, change: Callable[[torch.Tensor], torch.Tensor]) -> None:
    """One tensor changed by someone who mends the checksums too."""
    tensors = load_file(folder / "weights.safetensors")
    content = save({**tensors, key: change(tensors[key]).contiguous()})
    (folder / "weights.safetensors").write_bytes(content)
    forged(folder, lambda d: d["checksums"].update({"weights.safetensors": _checksum(content)}))


CHANGES: tuple[Callable[[torch.Tensor], torch.Tensor], ...] = (
    lambda t: t.to(torch.int32),
    lambda t: t.to(torch.float16),
    lambda t: t[None],
    lambda t: torch.cat([t, t], -1) if t.ndim else t[None],
)


@pytest.mark.parametrize("name", ["table", "detector", "tiles", "synthesizer", "augmenter", "resolver", "translator"])
def test_every_tensor_has_its_numbers_and_its_shape(models: dict[str, Path], name: str, tmp_path: Path) -> None:
    sound = load_file(models[name] / "weights.safetensors")
    load(models[name], "cpu")  # as it was saved
    few = len(sound) // 8 if name in ("resolver", "translator") else 1  # nothing but two generators
    for place, key in enumerate(list(sound)[::few]):
        folder = tmp_path / key
        shutil.copytree(models[name], folder)
        with_tensor(folder, key, CHANGES[place % len(CHANGES)])
        with contextlib.suppress(ModelError):
            load(folder, "cpu")
            pytest.fail(f"{name}: tensor {key}, {sound[key].dtype} {tuple(sound[key].shape)}, changed, was taken")


def test_numbers_that_are_not_finite_are_refused(models: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(models["detector"], folder)
    with_tensor(folder, "0", lambda t: torch.full_like(t, torch.nan))
    with pytest.raises(ModelError, match=r"weights\.safetensors holds numbers that are not finite"):
        load(folder)


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Ways to every value inside nested lists and dicts."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(place for key, item in inside for place in places(item, (*at, key)))]


STRANGE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**6), 200),
    st.floats(allow_nan=True),
    st.sampled_from(["", "../../etc/passwd", "__class__", "cuda:99", "os.system"]),
    st.sampled_from(
        [[], {}, {"tensor": "0"}, {"tensor": "nowhere"}, {"items": 3}, {"AdversarialTrainer": {"loss": 1}}]
    ),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
@pytest.mark.filterwarnings("ignore")
def test_a_forged_description_is_refused_by_name_or_loads(detector: GanAnomalyDetector, data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as somewhere:
        folder = Path(somewhere) / "model"
        detector.save(folder)

        def change(description: dict[str, Any]) -> None:
            *way, last = data.draw(st.sampled_from([p for p in places(description) if p]))
            inner: Any = description
            for key in way:
                inner = inner[key]
            inner[last] = data.draw(STRANGE)

        forged(folder, change)
        with contextlib.suppress(GantoolsError):  # anything else that is raised fails the test
            load(folder, "cpu")


def test_a_network_larger_than_its_weights_is_refused_before_it_is_built(folder: Path) -> None:
    def grow(description: dict[str, Any]) -> None:
        model = dict(description["state"]["items"])["model"]["items"]
        next(pair for pair in model if pair[0] == "width")[1] = 200_000  # 160 GB

    forged(folder, grow)
    with pytest.raises(
        ModelError, match=r"does not describe a GanAnomalyDetector \(ValueError: .* should be.*fit it again"
    ):
        load(folder)


def test_loading_leaves_the_global_randomness_alone(folder: Path) -> None:
    before = torch.get_rng_state()
    load(folder)
    assert torch.equal(torch.get_rng_state(), before)


def test_numpys_numbers_are_kept(tmp_path: Path) -> None:
    X = np.random.default_rng(0).normal(size=(40, 3))
    detector = GanAnomalyDetector(n_neighbors=np.int64(3), width=np.int64(32), max_images=128, random_state=0).fit(X)
    detector.save(tmp_path / "m")
    np.testing.assert_allclose(load(tmp_path / "m").anomaly_score(X), detector.anomaly_score(X))


def test_an_interruption_while_saving_leaves_the_older_model(
    detector: GanAnomalyDetector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    detector.save(tmp_path / "model")
    before = {p.name: p.read_bytes() for p in (tmp_path / "model").iterdir()}
    moved: list[Path] = []
    rename = Path.rename

    def interrupted(self: Path, target: Path) -> Path:
        moved.append(self)
        if len(moved) == 2:  # the older model has left its place
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        detector.save(tmp_path / "model")
    assert {p.name: p.read_bytes() for p in (tmp_path / "model").iterdir()} == before
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


def test_a_place_inside_a_file_is_told_before_training(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ModelError, match="is a file"):
        check_target(tmp_path / "file" / "model")


def test_a_link_is_followed_and_kept(models: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "disk" / "model")
    for name in ("table", "detector"):
        load(models[name]).save(tmp_path / "link")
        assert (tmp_path / "link").is_symlink()
        assert load(tmp_path / "disk" / "model").kind_ == load(models[name]).kind_


def test_what_the_umask_forbids_is_forbidden(models: dict[str, Path], tmp_path: Path) -> None:
    script = (
        "import os, sys; from pathlib import Path; os.umask(0o077); import gantools;"
        "from gantools.core.checkpoint import write_atomically;"
        "gantools.load(sys.argv[1]).save(sys.argv[2]); write_atomically(Path(sys.argv[3]), b'')"
    )
    made = [tmp_path / "model", tmp_path / "file"]
    subprocess.run([sys.executable, "-c", script, models["table"], *made], check=True)
    assert [oct(path.stat().st_mode & 0o777) for path in made] == ["0o700", "0o600"]
