"""`gantools translate` as a user runs it, on files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from skimage import data

from gantools.cli.pictures import convert
from tests.cli.test_cli import gantools

QUICK = ["--max-images", "64", "--set", "width=8", "--set", "size=32", "--quiet"]


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs and their negatives, in folders of their own, and pictures of other forms to translate."""
    root = tmp_path_factory.mktemp("translate")
    for folder in ("day", "negative", "forms/sub"):
        (root / folder).mkdir(parents=True)
    coffee, cat = data.coffee(), data.chelsea()
    for i in range(6):
        patch = coffee[i * 50 : i * 50 + 90, i * 60 : i * 60 + 120]
        Image.fromarray(patch).save(root / "day" / f"{i}.png")
        Image.fromarray(255 - patch).save(root / "negative" / f"{i}.jpg")
    Image.fromarray(cat[:40, :30]).save(root / "forms/photo.jpg")
    Image.fromarray(cat[:40, :30, 0].astype(np.uint16) * 257).save(root / "forms/sub/deep.png")
    Image.fromarray(np.dstack([cat[:40, :30], np.full((40, 30), 99, np.uint8)])).save(root / "forms/clear.png")
    return root


@pytest.fixture(scope="module")
def model(work: Path) -> Path:
    gantools("translate", "fit", work / "day", work / "negative", "--model", work / "model", *QUICK)
    return work / "model"


def test_fit_holds_out_and_says_how_good_it_is(work: Path) -> None:
    told = gantools("translate", "fit", work / "day", work / "negative", "--model", work / "told", *QUICK[:-1]).stdout
    assert "Learnt from 5 pictures" in told
    for word in ("PSNR", "SSIM", "chroma", "source as it is", "mean colour", "ours, texture 1", "truth"):
        assert word in told
    with Image.open(work / "told-sheet.png") as sheet:
        assert 5 * 128 < sheet.width < 6 * 128  # source, ours, both ends, truth
    info = json.loads(gantools("info", work / "told", "--json").stdout)
    assert (info["channels_in"], info["channels_out"], info["paired"]) == (3, 3, True)


def test_apply_keeps_names_folders_sizes_and_depth(work: Path, model: Path) -> None:
    out = work / "out"
    done = gantools("translate", "apply", work / "forms", "--model", model, "--out", out, "--texture", "1", "--json")
    assert json.loads(done.stdout)["n"] == 3
    assert "taken for white" in done.stderr
    modes = {str(p.relative_to(out)): (Image.open(p).size, Image.open(p).mode) for p in out.rglob("*.*")}
    assert modes["photo.jpg"] == ((30, 40), "RGB")
    assert modes["clear.png"] == ((30, 40), "RGB")
    assert modes["sub/deep.png"][0] == (30, 40)
    again = gantools("translate", "apply", work / "forms", "--model", model, "--out", out, "--resume", "--json")
    assert json.loads(again.stdout)["n_skipped"] == 3


def test_evaluate_gives_figures_beside_the_baselines(work: Path, model: Path) -> None:
    done = gantools(
        "translate", "evaluate", work / "day", work / "negative", "--model", model, "--json", "--quiet",
        "--out", work / "figures.csv", "--sheet", work / "compare.png",
    )  # fmt: skip
    result = json.loads(done.stdout)
    assert {"n", "psnr", "ssim", "perceptual", "chroma", "psnr_identity", "psnr_mean_colour", "chroma_truth"} <= set(
        result
    )
    table = pd.read_csv(work / "figures.csv")
    assert set(table["method"]) == {"ours", "identity", "mean colour", "truth"}
    assert len(table) == 6 * 4
    with Image.open(work / "compare.png") as sheet:
        assert sheet.width < 4 * 128  # source, ours, truth


def test_pairs_that_share_their_target_count_one_by_one(work: Path, model: Path) -> None:
    (work / "shared.csv").write_text("source,target\nday/0.png,negative/0.jpg\nday/1.png,negative/0.jpg\n")
    out = ["--out", work / "shared-figures.csv", "--report", work / "shared.html"]
    done = gantools("translate", "evaluate", work / "shared.csv", "--model", model, *out, "--json", "--quiet")
    assert json.loads(done.stdout)["n"] == 2
    assert set(pd.read_csv(work / "shared-figures.csv")["path"]) == {"day/0.png", "day/1.png"}
    assert "Means over 2 pictures." in (work / "shared.html").read_text(encoding="utf-8")


def test_colours_are_learnt_from_colour_pictures_alone(work: Path) -> None:
    fit = ["translate", "fit", work / "day", "--config", "colorize", "--model", work / "colours", *QUICK, "--json"]
    assert json.loads(gantools(*fit).stdout)["samples"] == 5
    gantools(
        "translate",
        "apply",
        work / "forms",
        "--model",
        work / "colours",
        "--out",
        work / "coloured",
        "--quiet",
        "--vividness",
        "1.2",
    )
    with Image.open(work / "coloured/clear.png") as kept:
        assert kept.mode == "RGBA"


def test_piles_without_pairs(work: Path) -> None:
    (work / "other").mkdir()
    for i in range(4):
        Image.fromarray(255 - data.chelsea()[i * 40 : i * 40 + 64, :64]).save(work / "other" / f"n{i}.png")
    (work / "some").mkdir()
    for path in sorted((work / "day").iterdir()):
        (work / "some" / path.name).write_bytes(path.read_bytes())
    (work / "some" / "0-broken.png").write_bytes(b"no picture")
    fit = ["translate", "fit", work / "some", work / "other", "--unpaired", "--model", work / "piles", *QUICK, "--json"]
    fitted = gantools(*fit, "--max-bad", "1", "--report", work / "piles.html")
    assert json.loads(fitted.stdout)["held_out"] == 0
    page = (work / "piles.html").read_text()
    assert "Nothing was held out to measure on." in page
    assert "0-broken" not in page
    assert not json.loads((work / "piles/model.json").read_text())["parameters"]["paired"]
    evaluated = gantools(
        "translate", "evaluate", work / "day", work / "negative", "--model", work / "piles", "--json", "--quiet"
    )
    assert json.loads(evaluated.stdout)["n"] == 6
    apply = ["translate", "apply", work / "day", "--model", work / "piles", "--out", work / "dialled"]
    told = gantools(*apply, "--texture", "1", code=2).stderr
    assert "--texture: " in told
    assert "in one stage" in told
    exporting = ["export", work / "piles", "--out", work / "piles.onnx", "--size", "32x32", "--texture", "1"]
    assert "--texture: this model was trained in one stage" in gantools(*exporting, code=2).stderr
    assert not (work / "piles.onnx").exists()


def test_what_is_read_is_not_replaced(work: Path, model: Path) -> None:
    drawing, pairs = work / "day/0.png", work / "pairs.csv"
    pairs.write_text("source,target\nday/0.png,negative/0.jpg\n")
    for read, option, place in (
        ([pairs], "--out", pairs),
        ([pairs], "--sheet", work / "negative/0.jpg"),
        ([work / "negative", work / "day"], "--sheet", drawing),
    ):
        before = place.read_bytes()
        told = gantools("translate", "evaluate", *read, "--model", model, option, place, code=2).stderr
        assert f"{place} would " in told
        assert place.read_bytes() == before


def test_two_single_files_are_a_pair(work: Path) -> None:
    (work / "colour.jpg").write_bytes((work / "negative/0.jpg").read_bytes())
    fit = ["translate", "fit", work / "day/0.png", work / "colour.jpg", "--model", work / "one", *QUICK, "--json"]
    assert json.loads(gantools(*fit).stdout)["samples"] == 1


def test_several_results_of_each_picture_are_told_apart(work: Path, capfd: pytest.CaptureFixture[str]) -> None:
    out = work / "several"
    folders = {out / f"sample-{k}": lambda kept, advance: None for k in (1, 2)}
    how = {"json": False, "quiet": False, "overwrite": False, "resume": False, "every_frame": False}
    convert(work / "day/0.png", out, folders, words=("translating", "translated"), max_megapixels=9, **how)
    told = capfd.readouterr()
    assert "1 picture, 2 results of each: 2 translated, 0 failed" in told.out
    assert "translating, sample-1" in told.err
    assert "translating, sample-2" in told.err


def test_a_seed_alone_chooses_among_plausible_results(work: Path, model: Path) -> None:
    varied = ["translate", "apply", work / "day/0.png", "--model", work / "varied"]
    gantools(
        "translate", "fit", work / "day", work / "negative", "--model", work / "varied", "--set", "variety=2", *QUICK
    )
    for name, flags in {"plain": (), "five": ("--seed", 5), "one": ("--n-samples", 1, "--seed", 5)}.items():
        gantools(*varied, "--out", work / name, *flags)
    five = (work / "five/0.png").read_bytes()
    assert five == (work / "one/sample-1/0.png").read_bytes()
    assert five != (work / "plain/0.png").read_bytes()
    told = gantools("translate", "apply", work / "day", "--model", model, "--out", work / "six", "--seed", 5, code=2)
    assert "fit it with variety" in told.stderr


def test_mistakes_are_told_in_plain_words(work: Path, model: Path) -> None:
    def told(*arguments: object, code: int) -> str:
        return gantools("translate", *arguments, code=code).stderr

    lonely = told("fit", work / "day", work / "forms", "--model", work / "x", *QUICK, code=1)
    assert "no partner" in lonely
    assert "0.png" in lonely
    assert "photo.jpg" in lonely
    for way_out in ("rename", "`source` and `target`", "--unpaired"):
        assert way_out in lonely
    assert "no targets" in told("fit", work / "day", "--model", work / "x", *QUICK, code=2)
    assert "from 0 to 1" in told(
        "apply", work / "forms", "--model", model, "--out", work / "y", "--texture", "2", code=2
    )
    assert "original" in told("apply", work / "forms", "--model", model, "--out", work / "forms", code=2)
    both = told("fit", work / "day", work / "negative", "--side-by-side", "--model", work / "x", *QUICK, code=2)
    assert "leave y out" in both
    assert "second pile" in told("fit", work / "day", "--unpaired", "--model", work / "x", *QUICK, code=2)
    vivid = ["apply", work / "forms", "--model", model, "--out", work / "y", "--vividness", "1.2"]
    assert "--vividness: " in told(*vivid, code=2)
    assert "no such file" in told("fit", work / "nowhere", work / "day", "--model", work / "x", *QUICK, code=1)
    assert not (work / "x").exists()
