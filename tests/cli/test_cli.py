"""The command line as a user runs it, on files."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from gantools import GanAnomalyDetector, GanSynthesizer, load
from gantools.cli import demo, main, shared
from gantools.data.masks import at_size, marked, mask_of
from gantools.errors import ConfigError, DataError
from tests.report.shown import Shown

Digits = tuple[np.ndarray, np.ndarray]
QUICK = ["--max-images", "320", "--quiet"]


class Done(NamedTuple):
    """What a command said."""

    stdout: str
    stderr: str


def gantools(*arguments: object, code: int = 0) -> Done:
    """Run a command as the shell does, but in this process: starting one takes seconds, and there are a hundred."""
    stdout, stderr = io.StringIO(), io.StringIO()
    with redirect_stdout(stdout), redirect_stderr(stderr), pytest.raises(SystemExit) as ended:
        main([str(word) for word in arguments])
    done = Done(stdout.getvalue(), stderr.getvalue())
    assert ended.value.code == code, f"exit code {ended.value.code}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done


def test_a_process_of_its_own_says_the_same(tmp_path: Path) -> None:
    wrong = ["anomaly", "fit", str(tmp_path / "nowhere"), "--model", str(tmp_path / "model")]
    process = subprocess.run([sys.executable, "-m", "gantools", *wrong], capture_output=True, text=True)
    assert process.returncode == 1
    assert process.stderr == gantools(*wrong, code=1).stderr


@pytest.fixture(scope="module")
def work(digits: Digits, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Threes to learn from, a few of each kind to judge, and a table, as files."""
    root = tmp_path_factory.mktemp("work")
    pictures, labels = digits

    def put(folder: str, digit: int, numbers: range) -> None:
        (root / folder).mkdir(parents=True)
        for i, picture in zip(numbers, pictures[labels == digit][numbers.start : numbers.stop], strict=True):
            Image.fromarray((picture * 255).astype(np.uint8)).save(root / folder / f"d{digit}_{i}.png")

    put("train", 3, range(60))
    put("test/good", 3, range(60, 70))
    put("test/zeros", 0, range(10))
    (root / "test/zeros/broken.png").write_text("not a picture")
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(80, 3)), columns=["a", "b", "c"])
    table.to_csv(root / "table.csv", index=False)
    odd = pd.concat([table.head(20), table.head(10) + 9]).assign(label=["good"] * 20 + ["bad"] * 10)
    odd.to_csv(root / "odd.csv", index=False)
    return root


@pytest.fixture(scope="module")
def model(work: Path) -> Path:
    gantools("anomaly", "fit", work / "train", "--model", work / "model", *QUICK)
    return work / "model"


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from gantools.cli import main\n"
        "for words in ([], ['anomaly'], ['anomaly', 'fit'], ['demo']):\n"
        "    try: main([*words, '--help'])\n"
        "    except SystemExit as stop: assert stop.code == 0\n"
        "heavy = {'torch', 'pandas', 'sklearn', 'numpy', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    subprocess.run([sys.executable, "-c", "import sys, gantools; assert 'torch' not in sys.modules"], check=True)


def test_score_writes_a_line_for_every_input(work: Path, model: Path) -> None:
    out = work / "scores.csv"
    done = gantools(
        "anomaly", "score", work / "test", "--model", model, "--out", out, "--maps", work / "maps",
        "--report", work / "r.html", "--json", "--quiet",
    )  # fmt: skip
    result = json.loads(done.stdout)
    table = pd.read_csv(out)
    assert result["n"] == len(table) == 21
    assert result["n_errors"] == 1
    assert list(table.columns[:5]) == ["path", "anomaly_score", "p_value", "is_anomaly", "error"]
    broken = table[table["path"] == "zeros/broken.png"].iloc[0]
    assert "text" in broken["error"]
    assert np.isnan(broken["anomaly_score"])
    assert len(list((work / "maps").rglob("*.png"))) == 20
    report = (work / "r.html").read_text()
    assert "zeros/broken.png" in report
    assert 'src="http' not in report


def test_evaluate_by_folders_and_by_csv(work: Path, model: Path) -> None:
    by_folder = json.loads(gantools("anomaly", "evaluate", work / "test", "--model", model, "--json").stdout)
    assert by_folder["auroc"] > 0.9
    assert {"average_precision", "auroc_discriminator", "false_alarms", "n_errors"} <= set(by_folder)
    assert "zeros/broken.png: is text" in by_folder["errors"][0]
    assert "zeros/broken.png: is text" in gantools("anomaly", "evaluate", work / "test", "--model", model).stderr
    paths = [p.relative_to(work / "test").as_posix() for p in (work / "test").rglob("*.png")]
    labels = pd.DataFrame({"path": paths, "label": [int("good" not in p) for p in paths]})
    labels.to_csv(work / "labels.csv", index=False)
    judge = ["anomaly", "evaluate", work / "test", "--model", model, "--labels", work / "labels.csv", "--json"]
    assert json.loads(gantools(*judge).stdout) == by_folder


def test_tables_from_the_shell(work: Path) -> None:
    model = work / "table-model"
    gantools(
        "anomaly",
        "fit",
        work / "table.csv",
        "--model",
        model,
        "--max-images",
        "3000",
        "--quiet",
        "--seed",
        "3",
    )
    result = json.loads(gantools("anomaly", "evaluate", work / "odd.csv", "--model", model, "--json").stdout)
    assert result["auroc"] > 0.95
    gantools("anomaly", "score", work / "table.csv", "--model", model, "--out", work / "t.csv", "--quiet")
    assert list(pd.read_csv(work / "t.csv")["row"]) == list(range(80))
    info = json.loads(gantools("info", model, "--json").stdout)
    assert info["kind"] == "table"
    assert info["parameters"]["random_state"] == 3


def test_a_column_of_labels_is_no_feature(work: Path) -> None:
    """One labelled table serves for all three commands; rows that it calls abnormal are not learnt."""
    model, table = work / "labelled-model", work / "odd.csv"
    said = gantools("anomaly", "fit", table, "--model", model, "--max-images", "640")
    assert "the column 'label' is not learnt" in said.stderr
    assert "10 rows that it calls abnormal are left out" in said.stderr
    assert "Learnt from 20 normals" in said.stdout
    gantools("anomaly", "score", table, "--model", model, "--out", work / "l.csv", "--quiet")
    assert len(pd.read_csv(work / "l.csv")) == 30
    pd.read_csv(table).head(0).to_csv(work / "bare.csv", index=False)
    bare = gantools("anomaly", "score", work / "bare.csv", "--model", model, "--out", work / "b.csv", code=1)
    assert "bare.csv: has 0 rows under its header" in bare.stderr
    gantools("anomaly", "evaluate", table, "--model", model, "--quiet")
    names = sorted(str(p.relative_to(work)) for p in (work / "test").rglob("d*.png"))
    listed = pd.DataFrame({"path": names, "label": ["normal" if "good" in name else "zero" for name in names]})
    listed.to_csv(work / "listed.csv", index=False)
    said = gantools("anomaly", "fit", work / "listed.csv", "--model", work / "of-list", "--max-images", "320")
    assert "10 rows that it calls abnormal are left out" in said.stderr
    assert "Learnt from 10 normals" in said.stdout
    judged = gantools("anomaly", "evaluate", work / "listed.csv", "--model", work / "of-list", "--json")
    assert json.loads(judged.stdout)["n_abnormal"] == 10


def test_a_wrong_row_is_named_by_its_line_in_the_file(tmp_path: Path) -> None:
    rows = pd.DataFrame(np.random.default_rng(0).normal(size=(30, 2)), columns=["a", "b"])
    rows.loc[12, "b"] = np.inf
    rows.assign(label=["bad"] * 10 + ["good"] * 20).to_csv(tmp_path / "t.csv", index=False)
    rows.to_csv(tmp_path / "plain.csv", index=False)
    for name in ("t", "plain"):
        done = gantools("anomaly", "fit", tmp_path / f"{name}.csv", "--model", tmp_path / "m", *QUICK, code=1)
        assert f"{name}.csv: line 14: column 'b' is infinity" in done.stderr
    rows.assign(b=["1.5"] * 20 + ["?"] + ["2"] * 9).to_csv(tmp_path / "texts.csv", index=False)
    rows.drop(12).to_csv(tmp_path / "good.csv", index=False)
    gantools("anomaly", "fit", tmp_path / "good.csv", "--model", tmp_path / "m", *QUICK)
    detector = load(tmp_path / "m")
    with pytest.raises(DataError, match=r"texts.csv: column 'b', line 22: '\?' is not a number"):
        detector.score_samples(tmp_path / "texts.csv")


def test_of_a_folder_with_good_ones_beside_others_these_are_learnt(work: Path, tmp_path: Path) -> None:
    fitted = gantools("anomaly", "fit", work / "test", "--model", tmp_path / "m", "--max-images", 64, "--json")
    names = [p.relative_to(work / "test").as_posix() for p in (work / "test").rglob("*.png")]
    good = sum("good" in name for name in names)
    assert 0 < good < len(names)
    assert json.loads(fitted.stdout)["samples"] == good
    assert json.loads(fitted.stdout)["skipped_because"] == []
    assert f"{good} pictures in subfolders named good or normal are learnt; {len(names) - good} others" in fitted.stderr


def test_columns_in_another_order_are_put_in_order_and_others_are_told_with_the_file(work: Path) -> None:
    model, table = work / "ordered-model", pd.read_csv(work / "table.csv")
    gantools("anomaly", "fit", work / "table.csv", "--model", model, *QUICK)
    scores = []
    for name, frame in (("table", table), ("turned", table[["c", "a", "b"]])):
        frame.to_csv(work / f"{name}.csv", index=False)
        gantools("anomaly", "score", work / f"{name}.csv", "--model", model, "--out", work / "o.csv", "--quiet")
        scores.append(pd.read_csv(work / "o.csv"))
    pd.testing.assert_frame_equal(*scores)
    table.rename(columns={"a": "aa"}).to_csv(work / "renamed.csv", index=False)
    (work / "twice.csv").write_text("a,b,a\n1,2,3\n")
    for name, words in (("renamed", "lacks 'a'"), ("twice", "two columns are called 'a'")):
        command = ["anomaly", "score", work / f"{name}.csv", "--model", model, "--out", work / "o.csv"]
        done = gantools(*command, code=1)
        assert f"{name}.csv: " in done.stderr
        assert words in done.stderr


def test_settings_reach_the_estimator(work: Path) -> None:
    out = work / "set-model"
    gantools(
        "anomaly", "fit", work / "table.csv", "--model", out, "--config", "fast", "--set", "n_neighbors=2",
        "--set", "trainer.loss=hinge", "--set", "trainer.lr_discriminator=1e-3", *QUICK,
    )  # fmt: skip
    parameters = json.loads(gantools("info", out, "--json").stdout)["parameters"]
    assert parameters["n_neighbors"] == 2
    assert parameters["trainer"] == {"dict": {"loss": "hinge", "lr_discriminator": 1e-3}}


def test_flags_that_were_not_given_leave_settings_alone() -> None:
    known = {"random_state": None, "device": "auto", "n_neighbors": 1, "checkpoint": None}
    flags = {"random_state": None, "device": None, "checkpoint": None}
    asked = ["device=cpu", "random_state=7"]
    found = shared.settings_of("anomaly", "fast", asked, flags, GanAnomalyDetector().get_params(deep=False))
    assert (found["device"], found["random_state"]) == ("cpu", 7)
    given = shared.settings_of(
        "anomaly", "fast", asked, {"random_state": 3}, GanAnomalyDetector().get_params(deep=False)
    )
    assert given["random_state"] == 3
    with pytest.raises(ConfigError, match="there is --model"):
        shared.settings_of("anomaly", "fast", ["checkpoint=here"], flags, known)


def test_masks_are_found_and_read_as_they_are_meant(tmp_path: Path) -> None:
    for name in ("masks", "images"):
        (tmp_path / name).mkdir()
        Image.fromarray(np.eye(8, dtype=np.uint8)).save(tmp_path / name / "1.png")  # of 0 and 1
    mask = mask_of(tmp_path / "masks", "../images/1.png")
    assert mask == tmp_path / "masks" / "1.png"
    np.testing.assert_array_equal(marked(mask, 1), np.eye(8))
    transparent = np.zeros((8, 8, 4), np.uint8)
    transparent[2:4, 2:4] = 255
    Image.fromarray(transparent).save(tmp_path / "masks" / "2.png")
    assert marked(tmp_path / "masks" / "2.png", 1).sum() == 4
    for kinds in ([0, 1, 5], [0, 50, 200]):
        numbers = np.repeat(np.uint8(kinds), 8)[None].repeat(8, 0)
        Image.fromarray(numbers).save(tmp_path / "masks" / "3.png")
        np.testing.assert_array_equal(marked(tmp_path / "masks" / "3.png", 1), numbers > 0)
    soft = np.tile(np.arange(256, dtype=np.uint8), (8, 1))
    Image.fromarray(soft).save(tmp_path / "masks" / "4.png")
    np.testing.assert_allclose(marked(tmp_path / "masks" / "4.png", 1), soft / 255, rtol=1e-6)


def test_thin_marks_are_not_lost_in_smaller_maps_and_broad_ones_do_not_grow() -> None:
    shares = np.zeros((64, 64), np.float32)
    shares[:, 5] = 1  # a sixteenth of a pixel's width
    shares[32:48, 32:48] = 1
    small = at_size(shares, (4, 16))
    assert small[:, 1].all()
    assert small[2, 8:12].all()
    assert small.sum() == 8
    np.testing.assert_array_equal(at_size(shares, (64, 64)), shares > 0)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["fit", "{work}/nowhere", "--model", "{work}/m"], 1, "no such file or folder"),
        (["fit", "{work}/train"], 2, "--model"),
        (["fit", "{work}/train", "--model", "{work}/m", "--config", "fats"], 2, "default, fast"),
        (["fit", "{work}/train", "--model", "{work}/m", "--set", "n_neigbors=3"], 2, "n_neighbors"),
        (["fit", "{work}/train", "--model", "{work}/m", "--set", "view=sideways"], 2, "view"),
        (["fit", "{work}/train", "--model", "{work}/m", "--set", "trainer.loss=hing"], 2, "hinge"),
        (["fit", "{work}/train", "--model", "{work}/m", "--device", "cuda:99"], 2, "CUDA devices"),
        (["fit", "{work}/train", "--model", "{work}/table.csv"], 1, "is a file"),
        (["fit", "{work}/train", "--model", "{work}/train"], 1, "no part of a model"),
        (["fit", "{work}/train", "--model", "{work}/m", "--report", "{work}/fit.pdf"], 2, "ends in .html"),
        (["score", "{work}/test", "--model", "{model}", "--out", "{work}/s.xlsx"], 2, "ends in .csv"),
        (
            ["score", "{work}/test", "--model", "{model}", "--out", "{work}/s.csv", "--maps", "{work}/test/m"],
            2,
            "among",
        ),
        (["fit", "{work}/train", "--model", "{work}/m", "--set", "resume=true"], 2, "--resume"),
        (["score", "{work}/test", "--model", "{work}/none", "--out", "{work}/s.csv"], 1, "no model folder"),
        (["score", "{work}/table.csv", "--model", "{model}", "--out", "{work}/s.csv"], 1, "feature table"),
        (["score", "{work}/test", "--model", "{work}/none", "--out", "/proc/s.csv"], 2, "cannot be written"),
        (["evaluate", "{work}/train", "--model", "{model}"], 1, "both kinds"),
    ],
)
def test_errors_are_lines_with_codes(work: Path, model: Path, arguments: list[str], code: int, words: str) -> None:
    done = gantools("anomaly", *(a.format(work=work, model=model) for a in arguments), code=code)
    assert words in done.stderr
    assert not any((work / name).exists() for name in ("m", "fit.pdf", "s.xlsx"))


def test_scores_do_not_replace_what_is_read(work: Path, model: Path) -> None:
    (work / "link.csv").symlink_to(work / "table.csv")
    for place in (work / "table.csv", work / "link.csv", model / "history.csv"):
        before = place.read_bytes()
        done = gantools("anomaly", "score", work / "table.csv", "--model", model, "--out", place, code=2)
        assert f"{place} would replace what is read there; name another file" in done.stderr
        assert place.read_bytes() == before


def test_a_folder_of_which_nothing_can_be_scored_has_failed(work: Path, model: Path) -> None:
    (work / "spoilt").mkdir()
    (work / "spoilt/a.png").write_text("no picture")
    score = ["anomaly", "score", work / "spoilt", "--model", model, "--out", work / "spoilt.csv"]
    assert "nothing could be scored; the first: " in gantools(*score, code=1).stderr
    assert pd.read_csv(work / "spoilt.csv")["error"].str.contains("is text").all()


def test_the_limit_of_megapixels_is_a_flag_of_scoring_too(work: Path, model: Path) -> None:
    limit = ["--model", model, "--max-megapixels", "0.0002"]
    scored = gantools("anomaly", "score", work / "test", *limit, "--out", work / "limited.csv", "--json", code=1)
    assert json.loads(scored.stdout)["n_errors"] == 21
    assert "limit of 0.0002 megapixels" in pd.read_csv(work / "limited.csv")["error"][0]
    assert "limit of 0.0002 megapixels" in gantools("anomaly", "evaluate", work / "test", *limit, code=1).stderr


def test_masks_judge_maps_and_reasons_for_skipping_stay(work: Path, tmp_path: Path) -> None:
    for place in ("data/good", "data/bad", "masks"):
        (tmp_path / place).mkdir(parents=True)
    for i, source in enumerate(sorted((work / "train").iterdir())[:24]):
        (tmp_path / "data" / ("good" if i < 20 else "bad") / f"{i}.png").write_bytes(source.read_bytes())
        Image.fromarray(np.tri(16, dtype=np.uint8) * 255).save(tmp_path / "masks" / f"{i}.png")
    (tmp_path / "data/good/no.png").write_text("no picture")
    fit = ["fit", tmp_path / "data/good", "--model", tmp_path / "m", "--max-bad", "1", *QUICK, "--json"]
    reasons = json.loads(gantools("anomaly", *fit).stdout)["skipped_because"]
    assert "no.png: is text" in reasons[0]
    assert json.loads(gantools("info", tmp_path / "m", "--json").stdout)["skipped_because"] == reasons
    assert load(tmp_path / "m").skipped_ == reasons
    judge = ["evaluate", tmp_path / "data", "--model", tmp_path / "m", "--masks", tmp_path / "masks", "--json"]
    found = json.loads(gantools("anomaly", *judge).stdout)
    assert 0 <= found["pixel_auroc"] <= 1
    assert 0 <= found["aupro"] <= 1


def test_presets_are_listed_and_shown() -> None:
    listed = json.loads(gantools("config", "list", "--json").stdout)
    wanted = {f"anomaly/{n}" for n in ("default", "fast", "thorough", "texture", "tabular")}
    assert wanted <= set(listed)
    assert all(listed.values())
    assert "view: tiles" in gantools("config", "show", "anomaly/texture").stdout


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_fit_resumes_to_the_same_model(work: Path, how: signal.Signals) -> None:
    """Ctrl-C and SIGTERM leave a checkpoint and no model; resumed, it ends where an uninterrupted run ends."""
    common = [str(work / "table.csv"), "--max-images", "60000", "--quiet", "--seed", "1"]
    gantools("anomaly", "fit", *common, "--model", work / f"whole{how}")
    checkpoint = work / f"cut{how}.checkpoint" / "training.safetensors"
    process = _fitting(common, work / f"cut{how}", checkpoint)
    process.send_signal(how)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 130, stderr
    assert "resume" in stderr
    assert not (work / f"cut{how}").exists()
    assert checkpoint.exists()
    gantools("anomaly", "fit", *common, "--model", work / f"cut{how}", "--resume")
    assert not checkpoint.exists()
    weights = [(work / name / "weights.safetensors").read_bytes() for name in (f"whole{how}", f"cut{how}")]
    assert weights[0] == weights[1]


_FIT_WITH_FREQUENT_CHECKPOINTS = """
import inspect, sys
from gantools.core import AdversarialTrainer
AdversarialTrainer.train.__kwdefaults__["checkpoint_seconds"] = 0.05
from gantools.cli import main
main(sys.argv[1:])
"""


def _fitting(common: list[str], model: Path, checkpoint: Path) -> subprocess.Popen[str]:
    """A fit in a process of its own, that has just written its first checkpoint."""
    command = [sys.executable, "-c", _FIT_WITH_FREQUENT_CHECKPOINTS, "anomaly", "fit", *common, "--model", str(model)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not checkpoint.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    return process


def test_killed_fit_leaves_no_model_and_resumes(work: Path) -> None:
    common = [str(work / "table.csv"), "--max-images", "60000", "--quiet", "--seed", "1"]
    model, checkpoint = work / "killed", work / "killed.checkpoint" / "training.safetensors"
    process = _fitting(common, model, checkpoint)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not model.exists()
    gantools("anomaly", "fit", *common, "--model", model, "--resume")
    gantools("anomaly", "fit", *common, "--model", work / "never killed")
    weights = [(folder / "weights.safetensors").read_bytes() for folder in (model, work / "never killed")]
    assert weights[0] == weights[1]


def test_samples_of_a_synthesizer_that_was_fitted_on_tensors(digits: Digits, tmp_path: Path) -> None:
    colour = torch.from_numpy(digits[0][:60])[:, None].expand(-1, 3, -1, -1)
    model, out = tmp_path / "m", tmp_path / "out"
    GanSynthesizer(max_images=128, random_state=0).fit(colour).save(model)
    gantools("synth", "sample", "--model", model, "--out", out, "-n", 3, "--grid", "--interpolate")
    assert len(list(out.glob("*.png"))) >= 4


def test_the_demo_makes_one_report_of_all_its_parts(tmp_path: Path, browser: Any) -> None:
    parts = demo.run(tmp_path, 0, "cpu", quiet=True, share=0.02)
    assert list(parts) == ["digits", "bricks", "rare", "photographs", "colours"]
    report = (tmp_path / demo.REPORT).read_text(encoding="utf-8")
    for name, part in parts.items():
        assert part.title in report
        assert all(command in report for command in part.commands)
        assert (tmp_path / name / "model" / "model.json").is_file()
        assert all(np.isfinite(value) for value in part.figures.values())
    for width in (1200, 360):
        shown = Shown(browser, tmp_path / demo.REPORT, width)
        shown.check(tmp_path / demo.REPORT)


def test_a_table_of_labels_alone_is_named(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("label\ngood\ngood\n")
    done = gantools("anomaly", "fit", tmp_path / "t.csv", "--model", tmp_path / "m", code=1)
    assert "t.csv: has no columns but its labels" in done.stderr
    assert not (tmp_path / "m").exists()
