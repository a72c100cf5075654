"""What a training tells while it goes on."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from gantools import GanAnomalyDetector, GanAugmenter, GanSynthesizer
from gantools.errors import ConfigError, DataError

pytestmark = pytest.mark.filterwarnings("ignore")

X, y = load_digits(return_X_y=True)
X = X.reshape(-1, 8, 8) / 16


def test_lines_of_json_say_what_the_history_says(tmp_path: Path) -> None:
    log = tmp_path / "deep" / "log.jsonl"
    made = GanSynthesizer(random_state=0, max_images=2000, log=log).fit(X[:200])
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["stage"] for line in lines] == sorted(
        (line["stage"] for line in lines), key=["fidelity", "adversarial"].index
    )
    for stage, history in made.history_.groupby("stage"):
        mine = [line for line in lines if line["stage"] == stage]
        assert mine[-1]["fraction"] == 1.0
        rows = history.set_index("images")
        figures = "loss_discriminator" if stage == "adversarial" else "term_decoding"
        assert [line[figures] for line in mine] == [rows.loc[line["images"], figures] for line in mine]
    assert {line["health"] for line in lines if line["stage"] == "adversarial"} <= {
        "balanced", "collapsing", "discriminator overpowers", "generator overpowers",
    }  # fmt: skip
    GanSynthesizer(random_state=0, max_images=2000, log=log).fit(X[:200])
    assert len(log.read_text().splitlines()) == len(lines)  # begun anew


def test_a_fit_that_is_refused_leaves_the_log_before_it(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    GanAnomalyDetector(random_state=0, max_images=320, log=log).fit(X[y == 3])
    before = log.read_text()
    with pytest.raises(DataError):
        GanAnomalyDetector(log=log).fit(X[:1])
    assert log.read_text() == before != ""


def test_an_augmenter_logs_its_synthesizer_once(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    GanAugmenter(per_class=1, random_state=0, max_images=600, log=log).fit(X[:200], y[:200])
    images = [(line["stage"], line["images"]) for line in map(json.loads, log.read_text().splitlines())]
    assert len(set(images)) == len(images) > 4


def test_tensorboard_has_every_figure(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    detector = GanAnomalyDetector(random_state=0, max_images=320, log=tmp_path / "board").fit(X[y == 3])
    events = EventAccumulator(str(tmp_path / "board")).Reload()
    found = events.Scalars("training/loss_discriminator")
    rows = detector.history_.set_index("images")["loss_discriminator"]
    assert [event.step for event in found] == [i for i in rows.index if i in {e.step for e in found}]
    assert np.allclose([event.value for event in found], [rows[event.step] for event in found])


def test_places_that_cannot_be_written_are_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for log in (tmp_path / "file", tmp_path / "file" / "log.jsonl"):
        with pytest.raises(ConfigError, match="log="):
            GanSynthesizer(max_images=64, log=log).fit(X[:50])


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is always full")
def test_a_full_disk_ends_the_log_and_not_the_training(tmp_path: Path) -> None:
    (tmp_path / "full.jsonl").symlink_to("/dev/full")
    detector = GanAnomalyDetector(max_images=640, random_state=0, log=tmp_path / "full.jsonl")
    with pytest.warns(UserWarning, match=r"full.jsonl.*No space left on device; no more is logged"):
        detector.fit(load_digits().images[:60] / 16)
    assert len(detector.history_) > 0


_BOARD_ON_A_FULL_DISK = """
import resource, signal, sys, warnings
from sklearn.datasets import load_digits
from gantools import GanAnomalyDetector
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
X = load_digits().images[:60] / 16
detector = GanAnomalyDetector(max_images=1280, random_state=0, log=sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (600, 600))
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    detector.fit(X)
assert any("no more is logged" in str(t.message) for t in told), told
assert detector.training_["images"] == 1280
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits on files")
def test_a_full_disk_ends_tensorboards_log_and_not_the_training(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", _BOARD_ON_A_FULL_DISK, str(tmp_path / "board")], capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
