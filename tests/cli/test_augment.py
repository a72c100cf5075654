"""``gantools augment`` and ``gantools synth`` as a user runs them, on real digits."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.datasets import load_digits, load_wine

from gantools.errors import DataError
from gantools.pipelines.augment.files import read_labelled
from tests.cli.test_cli import gantools

LENIENT = ("--set", "min_spread=0", "--set", "min_coverage=0")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three digits: 30 zeros, 30 ones, 6 twos."""
    root = tmp_path_factory.mktemp("digits")
    data = load_digits()
    for digit, n in ((0, 30), (1, 30), (2, 6)):
        (root / f"digit {digit}").mkdir()
        for i, index in enumerate(np.flatnonzero(data.target == digit)[:n]):
            picture = (data.images[index] * 15.9).astype(np.uint8)
            Image.fromarray(picture).save(root / f"digit {digit}" / f"{i}.png")
    return root


def test_from_folders_to_folders(folders: Path, tmp_path: Path) -> None:
    out, model = tmp_path / "new", tmp_path / "model"
    done = gantools(
        "augment", folders, "--per-class", 12, "--out", out, "--model", model, "--max-images", 3000, "--json", *LENIENT
    )
    result = json.loads(done.stdout)
    assert result["n"] == 36
    assert "augmented classically" in done.stderr
    manifest = pd.read_csv(out / "manifest.csv")
    assert manifest.columns.tolist() == ["path", "label", "seed", "critic_score", "nearest_real", "nearest_distance"]
    assert manifest["label"].value_counts().tolist() == [12, 12, 12]
    assert manifest["critic_score"].isna().sum() == 12
    for path, real in zip(manifest["path"], manifest["nearest_real"], strict=True):
        assert np.asarray(Image.open(out / path)).shape == (8, 8)
        assert Path(real).is_file()
        assert Path(real).parent.name == Path(path).parent.name
    assert Image.open(out / "sheet.png").mode == "RGB"

    from torchvision.datasets import ImageFolder

    assert ImageFolder(str(out)).classes == ["digit 0", "digit 1", "digit 2"]
    again = gantools("augment", folders, "--per-class", 12, "--out", out, "--model", model, code=2)
    assert "already holds" in again.stderr
    assert "--overwrite" in again.stderr
    (tmp_path / "rows.csv").write_text("size,label\n1,digit 0\n2,digit 1\n3,digit 0\n")
    other = ["augment", tmp_path / "rows.csv", "--per-class", 3, "--out", out, "--model", model, "--overwrite"]
    assert "makes pictures, and DATA holds rows" in gantools(*other, code=2).stderr
    assert ImageFolder(str(out)).classes == ["digit 0", "digit 1", "digit 2"]
    more = gantools(
        "augment", folders, "--to", 34, "--out", out, "--model", model, "--overwrite", "--include-real", "--quiet"
    )
    assert more.stdout == ""
    assert pd.read_csv(out / "manifest.csv")["label"].value_counts().tolist() == [34, 34, 34]
    assert len(list((out / "digit 2").glob("real-*.png"))) == 6
    gantools(
        "augment", folders, "--per-class", 3, "--out", tmp_path / "z", "--model", model, "--format", "npz", "--json"
    )
    assert np.load(tmp_path / "z" / "images.npz")["images"].shape == (9, 8, 8, 1)


def test_a_size_is_counted_from_the_reals_at_hand(folders: Path, tmp_path: Path) -> None:
    """Without those that cannot be read; with a model of other reals, from those that are given."""
    spoilt, fewer = tmp_path / "spoilt", tmp_path / "fewer"
    shutil.copytree(folders, spoilt)
    (spoilt / "digit 0" / "0.png").write_bytes(b"no picture")
    how = ("--to", 31, "--include-real", "--model", tmp_path / "model", "--quiet")
    gantools("augment", spoilt, "--out", tmp_path / "a", "--max-bad", 1, "--max-images", 3000, *how, *LENIENT)
    assert pd.read_csv(tmp_path / "a" / "manifest.csv")["label"].value_counts().tolist() == [31, 31, 31]
    shutil.copytree(folders, fewer)
    for i in range(10):
        (fewer / "digit 1" / f"{i}.png").unlink()
    gantools("augment", fewer, "--out", tmp_path / "b", *how, *LENIENT)
    assert pd.read_csv(tmp_path / "b" / "manifest.csv")["label"].value_counts().tolist() == [31, 31, 31]


def test_a_table(tmp_path: Path) -> None:
    frame = load_wine(as_frame=True).frame.rename(columns={"target": "label"})
    frame.to_csv(tmp_path / "wine.csv", index=False)
    gantools(
        "augment", tmp_path / "wine.csv", "--per-class", 5, "--out", tmp_path / "new", "--max-images", 8000, *LENIENT
    )
    made = pd.read_csv(tmp_path / "new" / "samples.csv")
    assert made.columns.tolist() == frame.columns.tolist()
    assert made["label"].tolist() == [0] * 5 + [1] * 5 + [2] * 5


def test_a_table_with_its_real_rows_first(tmp_path: Path) -> None:
    frame = load_wine(as_frame=True).frame.iloc[::4, 8:].rename(columns={"target": "label"})
    frame["label"] = frame["label"].map({0: "a/b", 1: "a_b", 2: "007"})  # no folders, so no clash
    frame.to_csv(tmp_path / "wine.csv", index=False)
    out = tmp_path / "new"
    gantools(
        "augment", tmp_path / "wine.csv", "--per-class", 2, "--out", out, "--max-images", 640, "--include-real",
        "--set", "min_class_size=100",
    )  # fmt: skip
    made = pd.read_csv(out / "samples.csv")
    pd.testing.assert_frame_equal(made.head(len(frame)), frame.reset_index(drop=True))
    assert len(made) == len(frame) + 6
    manifest = pd.read_csv(out / "manifest.csv")
    assert manifest["label"].tolist() == made["label"].tolist()
    assert manifest["seed"].isna().sum() == len(frame)


def test_a_model_of_a_table_takes_its_columns_by_name(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"age": rng.integers(18, 90, 60), "income": rng.normal(4e4, 9e3, 60).round(2)})
    frame = frame.assign(code=rng.choice(["007", "010", "A1"], 60), label=np.resize(["x", "y"], 60))
    frame.to_csv(tmp_path / "learnt.csv", index=False)
    how = ["--per-class", 9, "--model", tmp_path / "m", "--include-real", "--set", "min_class_size=100"]
    gantools("augment", tmp_path / "learnt.csv", "--out", tmp_path / "first", *how)
    turned = frame[frame["code"] != "A1"][["code", "income", "label", "age"]].head(20)
    turned.to_csv(tmp_path / "turned.csv", index=False)
    gantools("augment", tmp_path / "turned.csv", "--out", tmp_path / "second", *how)
    made = pd.read_csv(tmp_path / "second" / "samples.csv", dtype={"code": str})
    assert made.columns.tolist() == frame.columns.tolist()
    pd.testing.assert_frame_equal(made.head(20), turned[made.columns].reset_index(drop=True), check_dtype=False)
    rows = set(frame.itertuples(index=False, name=None))
    assert set(made.itertuples(index=False, name=None)) <= rows
    frame.rename(columns={"age": "years"}).to_csv(tmp_path / "other.csv", index=False)
    other = gantools("augment", tmp_path / "other.csv", "--out", tmp_path / "second", "--overwrite", *how, code=1)
    assert "other.csv: the table lacks 'age' and has 'years', unknown to the model" in other.stderr
    assert len(pd.read_csv(tmp_path / "second" / "samples.csv")) == 38


def test_with_a_model_that_is_there_pictures_that_cannot_be_read_are_told(folders: Path, tmp_path: Path) -> None:
    how = ["--include-real", "--model", tmp_path / "m", "--set", "min_class_size=100"]
    gantools("augment", folders, "--per-class", 1, "--out", tmp_path / "first", *how)
    shutil.copytree(folders, tmp_path / "spoilt")
    (tmp_path / "spoilt" / "digit 2" / "0.png").write_bytes(b"no picture")
    again = ["augment", tmp_path / "spoilt", "--to", 31, "--out", tmp_path / "out", *how]
    assert "more than max_bad=0 allows" in gantools(*again, "--max-bad", 0, code=1).stderr
    told = gantools(*again, "--max-bad", 1).stderr
    assert "1 pictures were skipped" in told
    assert "digit 2/0.png" in told
    assert pd.read_csv(tmp_path / "out" / "manifest.csv")["label"].value_counts().tolist() == [31, 31, 31]
    filling_up = ["--model", tmp_path / "filling up", "--set", "min_class_size=100", "--json"]
    assert json.loads(gantools("augment", folders, "--out", tmp_path / "c", *filling_up).stdout)["n"] == 24
    done = gantools("augment", tmp_path / "spoilt", "--out", tmp_path / "d", "--max-bad", 1, *filling_up)
    assert "1 pictures were skipped" in done.stderr
    assert json.loads(done.stdout)["n"] == 25


def test_categories_are_copied_as_they_are_written(tmp_path: Path) -> None:
    rows = [f"{i % 7},{alley},{i % 2 == 0!s},{'xy'[i % 2]}" for i in range(10) for alley in ("NA", "None", "", "Pave")]
    (tmp_path / "t.csv").write_text("\n".join(["n,alley,paved,label", *rows, ""]).replace("True", "true"))
    how = ["--per-class", 2, "--include-real", "--max-images", 64, "--set", "min_class_size=100"]
    for out in ("first", "second"):  # the second by the model that is there
        gantools("augment", tmp_path / "t.csv", "--out", tmp_path / out, "--model", tmp_path / "m", *how)
        made = (tmp_path / out / "samples.csv").read_text().splitlines()
        assert made[: 1 + len(rows)] == (tmp_path / "t.csv").read_text().splitlines()
        assert {line.split(",")[1] for line in made[1 + len(rows) :]} <= {"NA", "None", "", "Pave"}


def test_a_model_that_is_none_is_told_before_an_evaluation(folders: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "notes.txt").write_text("mine")
    few = ["augment", folders, "--evaluate", "--folds", 1000, "--per-class", 1, "--out", tmp_path / "out"]
    assert "too few for 1000 folds" in gantools(*few, code=1).stderr
    assert "notes.txt" in gantools(*few, "--model", tmp_path / "thesis", code=1).stderr
    where = tmp_path / "model" / "log.jsonl"
    assert "--log" in gantools(*few, "--model", tmp_path / "model", "--log", where, code=2).stderr


def test_a_model_serves_data_of_some_of_its_classes_and_rows_in_any_order(folders: Path, tmp_path: Path) -> None:
    model, out = tmp_path / "m", tmp_path / "out"
    common = ["--per-class", 2, "--max-images", 3000, "--model", model, *LENIENT]
    gantools("augment", folders, "--out", tmp_path / "first", *common)
    names = sorted(p.name for p in folders.iterdir())
    for name in names[:2]:
        shutil.copytree(folders / name, tmp_path / "some" / name)
    gantools("augment", tmp_path / "some", "--out", out, "--include-real", *common)
    made = pd.read_csv(out / "manifest.csv")
    assert made.loc[made["seed"].notna(), "label"].tolist() == [name for name in names for _ in range(2)]
    assert made.loc[made["seed"].isna(), "label"].unique().tolist() == names[:2]
    frame = load_wine(as_frame=True).frame.iloc[::-4, 8:].rename(columns={"target": "label"})
    frame.to_parquet(tmp_path / "wine.parquet")
    gantools(
        "augment", tmp_path / "wine.parquet", "--per-class", 2, "--out", tmp_path / "rows", "--include-real",
        "--max-images", 640, "--set", "min_class_size=100",
    )  # fmt: skip
    lines = pd.read_csv(tmp_path / "rows" / "manifest.csv").head(len(frame))
    assert lines["nearest_real"].tolist() == [f"row {i}" for i in range(len(frame))]


def test_labels_of_a_csv_are_read_letter_by_letter(folders: Path, tmp_path: Path) -> None:
    paths = sorted(str(p) for p in folders.rglob("*.png"))
    for words in (["007", "7"], ["None", "some"]):
        pd.DataFrame({"path": paths, "label": np.resize(words, len(paths))}).to_csv(tmp_path / "t.csv", index=False)
        assert set(read_labelled(tmp_path / "t.csv").y) == set(words)
    pd.DataFrame({"path": paths, "label": np.resize([-1, 0, 7], len(paths))}).to_csv(tmp_path / "t.csv", index=False)
    assert set(read_labelled(tmp_path / "t.csv").y) == {-1, 0, 7}
    (tmp_path / "t.csv").write_text(f"path,label\n{paths[0]},a\n\n{paths[1]},\n")
    with pytest.raises(DataError, match=r"t\.csv, line 4: the label is missing"):
        read_labelled(tmp_path / "t.csv")
    (tmp_path / "t.csv").write_text(f"path,label\n{paths[0]},a\n\n,b\n")
    with pytest.raises(DataError, match=r"t\.csv: line 4 has no path"):
        read_labelled(tmp_path / "t.csv")
    gap = pd.DataFrame({"path": pd.Categorical(["a.png", None]), "label": ["x", "y"]})
    gap.to_parquet(tmp_path / "t.parquet")
    with pytest.raises(DataError, match=r"t\.parquet: row 1 has no path"):
        read_labelled(tmp_path / "t.parquet")


def test_labels_that_would_share_a_folder_are_refused_before_anything_is_learnt(folders: Path, tmp_path: Path) -> None:
    paths = sorted(str(p) for p in folders.rglob("*.png"))
    pd.DataFrame({"path": paths, "label": np.resize(["a/b", "a_b"], len(paths))}).to_csv(
        tmp_path / "t.csv", index=False
    )
    done = gantools("augment", tmp_path / "t.csv", "--per-class", 2, "--out", tmp_path / "new", code=2)
    assert "'a/b' and 'a_b' would share the folder 'a_b'" in done.stderr
    assert not (tmp_path / "new").exists()


def test_whether_it_helps_is_said_in_words(folders: Path) -> None:
    done = gantools(
        "augment",
        folders,
        "--per-class",
        10,
        "--evaluate",
        "--folds",
        2,
        "--set",
        "min_class_size=3",
        "--max-images",
        640,
    )
    for words in (
        "class weights",
        "random oversampling",
        "SMOTE",
        "albumentations",
        "GAN + albumentations",
        "95 % interval",
    ):
        assert words in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["augment", "{data}"], 2, "--out DIR"),
        (["augment", "{data}", "--out", "{out}", "--resume"], 2, "--model DIR"),
        (["augment", "{data}", "--per-class", "0", "--out", "{out}"], 2, "no new samples are asked for"),
        (["augment", "{data}", "--to", "2", "--out", "{out}"], 2, "say how many with per_class (--per-class N"),
        (
            ["augment", "{data}", "--evaluate", "--include-real"],
            2,
            "--include-real: --evaluate alone writes",
        ),
        (["augment", "{data}", "--evaluate", "--log", "{out}.jsonl"], 2, "--log: --evaluate alone writes"),
        (["augment", "{data}", "--evaluate", "--format", "jpg"], 2, "--format jpg: --evaluate alone writes"),
        (["augment", "{data}", "--out", "{out}", "--folds", "3"], 2, "--folds 3 is of --evaluate"),
        (["augment", "{data}", "--out", "{data}/new"], 2, "within each other"),
        (["augment", "{data}", "--out", "{foreign}/thesis.txt/new"], 2, "cannot be made"),
        (["augment", "{data}", "--per-class", "3", "--to", "9", "--out", "{out}"], 2, "give one of them"),
        (["augment", "{data}", "--out", "{out}", "--format", "gif"], 2, "choose one of png, jpg, npz"),
        (["augment", "{rows}", "--out", "{out}", "--format", "jpg"], 2, "new rows go into one CSV"),
        (["augment", "{data}/digit 0", "--out", "{out}"], 1, "has 0 subfolders"),
        (["augment", "{empty}", "--out", "{out}"], 1, "no pictures in this class's folder"),
        (["augment", "{labels}", "--out", "{out}"], 1, "labels.csv: has no columns but its labels"),
        (["augment", "{one}", "--out", "{out}/of/rows"], 1, "one.csv: there is one class only, 'a'"),
        (["augment", "{missing}", "--out", "{out}"], 1, "is no folder"),
        (["augment", "{data}", "--out", "{out}", "--set", "synthesizer.latnt=3"], 2, "synthesizer.latnt"),
        (["augment", "{data}", "--out", "{out}", "--set", "folder=x"], 2, "no setting of a command; there is --out"),
        (["augment", "{data}", "--out", "{foreign}", "--overwrite"], 2, "not from this command"),
        (["synth", "sample", "--model", "{data}", "--out", "{out}"], 1, "model.json is missing"),
    ],
)
def test_mistakes_are_told_in_plain_words(
    folders: Path, tmp_path: Path, arguments: list[str], code: int, words: str
) -> None:
    for name in ("empty/a", "empty/b", "foreign"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "foreign" / "thesis.txt").write_text("dear")
    (tmp_path / "rows.csv").write_text("size,label\n1,a\n2,b\n3,a\n")
    places = {"data": folders, "out": tmp_path / "out", "missing": tmp_path / "none", "rows": tmp_path / "rows.csv"}
    (tmp_path / "labels.csv").write_text("label\na\nb\na\n")
    (tmp_path / "one.csv").write_text("size,label\n1,a\n2,a\n")
    places |= {"labels": tmp_path / "labels.csv", "one": tmp_path / "one.csv"}
    places |= {"empty": tmp_path / "empty", "foreign": tmp_path / "foreign"}
    assert words in gantools(*[a.format(**places) for a in arguments], code=code).stderr
    assert (tmp_path / "foreign" / "thesis.txt").read_text() == "dear"
    assert not (tmp_path / "out").exists()


def test_only_what_an_earlier_run_listed_is_taken_away(tmp_path: Path) -> None:
    from gantools.pipelines.synthesize.writing import clear_out

    out, mine, beside = tmp_path / "out", tmp_path / "mine.png", tmp_path / "out" / "notes.txt"
    (out / "a").mkdir(parents=True)
    for file in (mine, beside, out / "a" / "gan-0.png"):
        file.write_text("x")
    (out / "manifest.csv").write_text(f"path,label,seed\na/gan-0.png,a,1\n../mine.png,a,1\n{mine},a,1\n")
    clear_out(out)
    assert mine.exists()
    assert [p.name for p in out.rglob("*")] == ["notes.txt"]


def test_synthesis_with_classes_and_without(folders: Path, tmp_path: Path) -> None:
    with_classes = gantools(
        "synth", "fit", folders, "--model", tmp_path / "m", "--classes", "--max-images", 640, "--json"
    )
    assert json.loads(with_classes.stdout)["samples"] == 66
    made = gantools(
        "synth", "sample", "--model", tmp_path / "m", "-n", 4, "--label", "digit 1", "--label", "digit 2",
        "--out", tmp_path / "out", "--grid", "--interpolate", "--json",
    )  # fmt: skip
    assert json.loads(made.stdout)["n"] == 8
    assert pd.read_csv(tmp_path / "out" / "manifest.csv")["label"].tolist() == ["digit 1"] * 4 + ["digit 2"] * 4
    assert np.asarray(Image.open(tmp_path / "out" / "grid.png")).shape == (24, 24)
    assert np.asarray(Image.open(tmp_path / "out" / "interpolation.png")).shape == (16, 64)
    to = tmp_path / "other"
    wrong = gantools("synth", "sample", "--model", tmp_path / "m", "--label", "digit 9", "--out", to, code=2)
    assert "digit 9 is unknown; there are digit 0" in wrong.stderr
    gantools("synth", "fit", folders, "--model", tmp_path / "p", "--max-images", 640, "--quiet")
    gantools("synth", "sample", "--model", tmp_path / "p", "-n", 3, "--out", tmp_path / "q")
    assert len(list((tmp_path / "q").glob("sample-*.png"))) == 3
    assert "GanSynthesizer" in gantools("info", tmp_path / "p").stdout


def test_interrupted_what_was_written_is_whole_and_listed(folders: Path, tmp_path: Path) -> None:
    import signal
    import time

    model, out = tmp_path / "m", tmp_path / "out"
    gantools(
        "augment", folders, "--per-class", 1, "--out", tmp_path / "o", "--model", model, "--max-images", 3000, *LENIENT
    )
    command = [
        sys.executable,
        "-m",
        "gantools",
        "augment",
        folders,
        "--per-class",
        "20000",
        "--out",
        out,
        "--model",
        model,
    ]
    running = subprocess.Popen(
        [str(c) for c in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # shells let background jobs ignore it
    )
    manifest = out / "manifest.csv"
    for _ in range(1200):
        if manifest.exists() and manifest.stat().st_size > 5000:
            break
        time.sleep(0.1)
    running.send_signal(signal.SIGINT)
    errors = running.communicate(timeout=60)[1]
    assert running.returncode == 130, errors
    assert "Traceback" not in errors
    listed = pd.read_csv(manifest)["path"]
    written = {str(p.relative_to(out)) for p in out.rglob("*.png")}
    assert set(listed) == written
    for path in listed[-20:]:
        Image.open(out / path).load()


def test_with_a_model_the_smaller_classes_of_the_data_at_hand_are_filled_up(tmp_path: Path) -> None:
    wine = load_wine(as_frame=True)
    for name, rare in (("first", 0), ("second", 1)):
        rows = pd.concat([wine.data.iloc[:, :3], wine.target.rename("label")], axis=1).query("label < 2")
        few = rows[rows["label"] == rare].head(20)
        pd.concat([few, rows[rows["label"] != rare].head(40)]).to_csv(tmp_path / f"{name}.csv", index=False)
    how = ("--model", tmp_path / "m", "--max-images", 640, "--set", "min_class_size=1000", "--json")
    for name, expected in (("first", {"0": 20, "1": 0}), ("second", {"0": 0, "1": 20})):
        done = gantools("augment", tmp_path / f"{name}.csv", "--out", tmp_path / f"of {name}", *how)
        assert json.loads(done.stdout)["per_class"] == expected


def test_labels_are_not_put_through_floats(tmp_path: Path) -> None:
    for given, read in (
        (["1e3", "1000"], ["1e3", "1000"]),
        (["1.0", "1"], ["1.0", "1"]),
        (["100000000000000000001", "100000000000000000002"], None),
        (["-3", "12"], [-3, 12]),
        (["01", "2"], ["01", "2"]),
    ):
        pd.DataFrame({"label": given, "x": [0.5, 1.5]}).to_csv(tmp_path / "t.csv", index=False)
        assert read_labelled(tmp_path / "t.csv").y == (read or given)


def test_hidden_folders_are_left_out_and_told(folders: Path, tmp_path: Path) -> None:
    shutil.copytree(folders, tmp_path / "d")
    for hidden in (tmp_path / "d" / "..dots", tmp_path / "d" / "digit 0" / ".checkpoints"):
        shutil.copytree(folders / "digit 1", hidden)
    with pytest.warns(UserWarning, match=r"60 pictures in hidden folders are left out: .*\.dots"):
        labelled = read_labelled(tmp_path / "d")
    assert [labelled.y.count(f"digit {i}") for i in range(3)] == [30, 30, 6]


@pytest.mark.skipif(sys.platform != "linux", reason="names that are no text")
def test_a_folder_whose_name_is_no_text_is_a_class(folders: Path, tmp_path: Path) -> None:
    shutil.copytree(folders / "digit 0", tmp_path / "plain")
    shutil.copytree(folders / "digit 1", tmp_path / "caf\udce9")
    for label in set(read_labelled(tmp_path).y):
        label.encode()
