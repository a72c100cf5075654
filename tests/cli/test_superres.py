"""`gantools sr` as a user runs it, on files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from PIL import Image
from skimage import data

from gantools import AdversarialTrainer, load
from gantools.pipelines.base import resolve_trainer
from tests.cli.test_cli import gantools

QUICK = ["--max-images", "160", "--quiet"]


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs to learn from and to judge by, and low ones in every form to enlarge."""
    root = tmp_path_factory.mktemp("sr")
    for folder in ("train", "test", "low/sub"):
        (root / folder).mkdir(parents=True)
    coffee, cat = data.coffee(), data.chelsea()
    for i in range(6):
        Image.fromarray(coffee[i * 50 : i * 50 + 90, i * 60 : i * 60 + 120]).save(root / "train" / f"{i}.png")
    Image.fromarray(cat[50:150, 100:221]).save(root / "test/cat.png")
    Image.fromarray(cat[:20, :30]).save(root / "low/photo.jpg")
    Image.fromarray(cat[:20, :30]).convert("P").save(root / "low/sub/palette.gif")
    Image.fromarray(cat[:20, :30, 0].astype(np.uint16) * 257).save(root / "low/sub/deep.png")
    return root


@pytest.fixture(scope="module")
def model(work: Path) -> Path:
    gantools("sr", "fit", work / "train", "--scale", "2", "--model", work / "model", *QUICK)
    return work / "model"


def test_fit_holds_out_and_says_how_good_it_is(work: Path) -> None:
    done = gantools("sr", "fit", work / "train", "--scale", "2", "--model", work / "told", "--max-images", "64")
    assert "Learnt from 5 pictures" in done.stdout
    for word in ("PSNR-Y", "SSIM", "bicubic", "lanczos", "ours, perception 0", "ours, perception 1"):
        assert word in done.stdout
    with Image.open(work / "told-sheet.png") as sheet:
        assert sheet.width > 5 * 60
    fitted = json.loads(gantools("sr", "fit", work / "train", "--model", work / "j", *QUICK, "--json").stdout)
    assert {"psnr", "psnr_bicubic", "ssim", "psnr_lanczos", "held_out"} <= set(fitted)
    assert json.loads(gantools("info", work / "j", "--json").stdout)["scale"] == 4


def test_upscale_keeps_names_folders_and_depth(work: Path, model: Path) -> None:
    out = work / "out"
    done = gantools("sr", "upscale", work / "low", "--model", model, "--out", out, "--perception", "0.5", "--json")
    result = json.loads(done.stdout)
    assert (result["n"], result["n_errors"]) == (3, 0)
    sizes = {str(p.relative_to(out)): Image.open(p).size for p in out.rglob("*.*")}
    assert sizes == {"photo.jpg": (60, 40), "sub/palette.gif.png": (60, 40), "sub/deep.png": (60, 40)}
    assert Image.open(out / "sub/deep.png").mode.startswith("I;16")
    assert "palette.gif.png" in done.stderr
    assert "exists" in gantools("sr", "upscale", work / "low", "--model", model, "--out", out, code=2).stderr
    before = (out / "photo.jpg").stat().st_mtime_ns
    again = gantools("sr", "upscale", work / "low", "--model", model, "--out", out, "--resume", "--json")
    assert json.loads(again.stdout)["n_skipped"] == 3
    assert (out / "photo.jpg").stat().st_mtime_ns == before


def test_unreadable_files_are_told_at_the_end_and_the_rest_is_done(work: Path, model: Path) -> None:
    folder = work / "mixed"
    folder.mkdir()
    (folder / "a.png").write_text("no picture")
    Image.fromarray(data.chelsea()[:9, :9]).save(folder / "b.png")
    done = gantools("sr", "upscale", folder, "--model", model, "--out", work / "mixed-out", code=1)
    assert "1 enlarged, 1 failed" in done.stdout
    assert "a.png: is text" in done.stderr
    assert [p.name for p in (work / "mixed-out").iterdir()] == ["b.png"]


def test_one_picture_works_where_a_folder_does(work: Path, model: Path) -> None:
    one = work / "low/photo.jpg"
    none = ["sr", "upscale", one, "--model", model, "--out", work / "x", "--max-megapixels", "-1"]
    assert "greater than or equal" in gantools(*none, code=2).stderr
    gantools("sr", "upscale", one, "--model", model, "--out", work / "one", "--tta", "--true-colours", "--quiet")
    assert Image.open(work / "one/photo.jpg").size == (60, 40)


def test_pairs_are_learnt_from(work: Path) -> None:
    low = work / "pairs-low"
    low.mkdir()
    for path in (work / "train").iterdir():
        with Image.open(path) as image:
            image.reduce(2).save(low / path.name)
    done = gantools(
        "sr", "fit", work / "train", "--low", low, "--scale", "2", "--model", work / "paired", *QUICK, "--json"
    )
    assert json.loads(done.stdout)["samples"] == 5
    assert (work / "paired-sheet.png").is_file()
    evaluate = ["sr", "evaluate", work / "train", "--model", work / "paired"]
    assert "--low LRDIR" in gantools(*evaluate).stderr
    assert "--low" not in gantools(*evaluate, "--low", low).stderr


def test_a_picture_that_is_listed_twice_is_enlarged_once(work: Path, model: Path) -> None:
    Image.fromarray(np.full((8, 8), 90, np.uint8)).save(work / "one.png")
    (work / "list.csv").write_text("path\none.png\none.png\n")
    done = gantools("sr", "upscale", work / "list.csv", "--model", model, "--out", work / "listed", "--json")
    assert json.loads(done.stdout)["n"] == 1
    assert (work / "listed" / "one.png").is_file()


def test_frames_of_an_animation(work: Path, model: Path) -> None:
    folder = work / "moving"
    folder.mkdir()
    frames = [Image.fromarray(np.full((8, 8), level, np.uint8)) for level in (0, 120, 255)]
    frames[0].save(folder / "a.tif", save_all=True, append_images=frames[1:])
    done = gantools("sr", "upscale", folder, "--model", model, "--out", work / "first")
    assert "3 frames" in done.stderr
    assert "--frames" in done.stderr
    gantools("sr", "upscale", folder, "--model", model, "--out", work / "all", "--frames")
    assert sorted(p.name for p in (work / "all").iterdir()) == [f"a.frame-00{i}.tif" for i in (1, 2, 3)]
    frames[0].save(folder / "one.tif")
    for n_made in (2, 0):  # where the first frame alone was made, the frames are still to be made
        again = gantools(
            "sr", "upscale", folder, "--model", model, "--out", work / "first", "--frames", "--resume", "--json"
        )
        assert json.loads(again.stdout)["n"] == n_made
    assert {p.name for p in (work / "first").iterdir()} == {
        "a.tif",
        "one.tif",
        *(f"a.frame-00{i}.tif" for i in (1, 2, 3)),
    }


def test_what_later_frames_lose_is_told_once(work: Path, model: Path) -> None:
    with tifffile.TiffWriter(work / "pages.tif") as file:
        for pixels in (np.zeros((8, 8), np.uint8), np.zeros((8, 8), np.float32), np.ones((8, 8), np.float32)):
            file.write(pixels)
    done = gantools("sr", "upscale", work / "pages.tif", "--model", model, "--out", work / "paged", "--frames")
    assert done.stderr.count("was floating point and is now sixteen bits") == 1


def test_a_name_as_long_as_file_systems_take_keeps_no_other_from_being_made(work: Path, model: Path) -> None:
    folder, out = work / "long", work / "long-out"
    for place in (folder, out):
        place.mkdir()
    for name in ("a.png", f"{'n' * 246}.png", f"{'m' * 251}.jpg"):
        Image.fromarray(np.full((8, 8), 90, np.uint8)).save(folder / name)
    done = gantools("sr", "upscale", folder, "--model", model, "--out", out, "--resume", "--json")
    assert json.loads(done.stdout)["n"] == 3
    assert {p.name for p in out.iterdir()} == {p.name for p in folder.iterdir()}


@pytest.mark.parametrize("log", ["log.jsonl", "board", ""])
def test_a_log_within_the_model_is_refused_before_training(work: Path, tmp_path: Path, log: str) -> None:
    model = tmp_path / "model"
    done = gantools("sr", "fit", work / "train", "--model", model, "--log", model / log, code=2)
    assert "which is replaced as a whole; name a place beside it" in done.stderr
    assert not model.exists()


def test_pictures_of_one_stem_stay_two_and_resuming_makes_what_is_missing(work: Path, model: Path) -> None:
    folder = work / "alike"
    folder.mkdir()
    for name in ("a.png", "a.gif", "a.tif", "a.frame-001.png", "a.frame-001.tif"):
        Image.fromarray(np.full((8, 8), 90, np.uint8)).save(folder / name)
    out = folder / "large"  # inside what is read: its own results are no sources
    first = json.loads(gantools("sr", "upscale", folder, "--model", model, "--out", out, "--resume", "--json").stdout)
    assert (first["n"], first["n_skipped"]) == (5, 0)
    made = {"a.png", "a.gif.png", "a.tif", "a.frame-001.png", "a.frame-001.tif"}
    assert {p.name for p in out.iterdir()} == made
    (out / "a.tif").unlink()
    again = json.loads(gantools("sr", "upscale", folder, "--model", model, "--out", out, "--resume", "--json").stdout)
    assert (again["n"], again["n_skipped"]) == (1, 4)
    assert {p.name for p in out.iterdir()} == made
    refused = gantools("sr", "upscale", folder, "--model", model, "--out", work / "frames", "--frames", code=2)
    assert "a.frame-001" in refused.stderr
    assert "rename one" in refused.stderr


def test_results_may_go_above_the_sources_and_never_onto_another_ones(work: Path, model: Path, tmp_path: Path) -> None:
    inner = tmp_path / "pics/low"
    inner.mkdir(parents=True)
    Image.fromarray(data.chelsea()[:20, :30]).save(inner / "a.png")
    done = gantools("sr", "upscale", inner, "--model", model, "--out", tmp_path / "pics", "--json")
    assert json.loads(done.stdout)["n"] == 1
    assert Image.open(tmp_path / "pics/a.png").size == (60, 40)
    Image.fromarray(data.chelsea()[:20, :30]).quantize(8).save(inner / "b.gif")
    Image.fromarray(data.chelsea()[:20, :30]).save(inner / "b.gif.png")
    refused = gantools("sr", "upscale", inner, "--model", model, "--out", tmp_path / "out", code=2)
    assert "would both become" in refused.stderr
    twice = tmp_path / "twice"
    twice.mkdir()
    for name in ("a.png", "a.png.png"):  # PNG holds every picture, so neither can become the other
        Image.fromarray(data.chelsea()[:20, :30]).save(twice / name)
    how = ("sr", "upscale", twice, "--model", model, "--out", tmp_path / "results", "--json")
    assert json.loads(gantools(*how).stdout)["n"] == 2
    assert "give one of them" in gantools(*how, "--overwrite", "--resume", code=2).stderr
    assert not (tmp_path / "out").exists()


def test_no_original_is_taken_for_an_earlier_result_and_replaced(model: Path, tmp_path: Path) -> None:
    folder, out = tmp_path / "d", tmp_path / "d/a"
    out.mkdir(parents=True)
    for place in (folder / "1.png", folder / "2.png", out / "1.png", out / "other.png"):
        Image.fromarray(data.chelsea()[:12, :20]).save(place)
    before = {p: p.read_bytes() for p in out.iterdir()}
    upscale = ["sr", "upscale", folder, "--model", model, "--out", out]
    refused = gantools(*upscale, "--overwrite", code=2).stderr
    assert f"--overwrite would replace {out / '1.png'} (1 in all), which may be an original" in refused
    assert "exists" in gantools(*upscale, code=2).stderr
    done = gantools(*upscale, "--resume")
    assert "1 enlarged, 1 there already" in done.stdout
    assert f"{out} lies inside {folder}: the 2 pictures that were in it are taken for results" in done.stderr
    assert {p: p.read_bytes() for p in before} == before
    assert Image.open(out / "2.png").size == (40, 24)
    one = ["sr", "upscale", folder / "1.png", "--model", model, "--out", out, "--overwrite", "--quiet"]
    gantools(*one)  # no folder is read, and this is what was asked for
    assert Image.open(out / "1.png").size == (40, 24)


def test_the_option_is_named_where_a_sheet_would_lie_among_the_pictures(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(work / "train")
    for command in (["sr", "fit", "."], ["translate", "fit", ".", work / "train"]):
        told = gantools(*command, "--model", "MODEL", *QUICK, code=2).stderr
        assert "MODEL-sheet.png would be among the pictures of .; name a place elsewhere with --sheet" in told
    assert not list(Path().glob("MODEL*"))


def test_a_command_that_fails_leaves_an_older_trainings_checkpoints(work: Path, tmp_path: Path) -> None:
    kept = tmp_path / "m.checkpoint" / "fidelity.safetensors"
    kept.parent.mkdir()
    kept.write_text("hours of work")
    gantools("sr", "fit", tmp_path / "nowhere", "--model", tmp_path / "m", code=1)
    assert kept.read_text() == "hours of work"
    gantools("sr", "fit", work / "train", "--model", tmp_path / "m", *QUICK)
    assert not list(tmp_path.glob("m.checkpoint*"))


def test_evaluate_gives_figures_for_every_picture(work: Path, model: Path) -> None:
    done = gantools(
        "sr", "evaluate", work / "test", "--model", model, "--json", "--quiet",
        "--out", work / "figures.csv", "--sheet", work / "compare.png",
    )  # fmt: skip
    result = json.loads(done.stdout)
    assert {"psnr", "ssim", "perceptual", "psnr_bicubic", "psnr_lanczos"} <= set(result)
    table = pd.read_csv(work / "figures.csv")
    assert list(table["method"]) == ["ours", "bicubic", "lanczos"]
    assert set(table["path"]) == {"cat.png"}
    assert (work / "compare.png").is_file()
    (work / "twice.csv").write_text("path\ntest/cat.png\ntest/cat.png\n")
    twice = gantools("sr", "evaluate", work / "twice.csv", "--model", model, "--json", "--quiet")
    assert json.loads(twice.stdout)["n"] == 2


def test_what_is_read_is_not_replaced(work: Path, model: Path) -> None:
    photo, listed = work / "test/cat.png", work / "photographs.csv"
    listed.write_text("path\ntest/cat.png\n")
    evaluate = ["evaluate", "--model", model]
    for command in (
        [*evaluate, listed, "--out", listed],
        [*evaluate, listed, "--sheet", photo],
        [*evaluate, photo, "--sheet", photo],
        [*evaluate, work / "train", "--low", work / "test", "--sheet", photo],
        ["fit", "--model", work / "none", photo, "--sheet", photo],
    ):
        before = Path(str(command[-1])).read_bytes()
        assert f"{command[-1]} would " in gantools("sr", *command, code=2).stderr
        assert Path(str(command[-1])).read_bytes() == before
    assert not (work / "none").exists()


def test_single_knobs_go_on_top_of_the_tasks_own_recipe(work: Path) -> None:
    model = work / "knobs"
    gantools(
        "sr", "fit", work / "train", "--scale", "2", "--model", model, *QUICK, "--set", "trainer.loss=relativistic"
    )
    assert load(model).trainer == {"loss": "relativistic"}
    trainer = resolve_trainer(load(model).trainer, "texture")
    assert (trainer.loss, trainer.adversarial_weight, trainer.lr_discriminator) == ("relativistic", 0.01, 4e-4)


def test_a_recipe_by_name_weighs_and_balances_as_the_tasks_own_does() -> None:
    for named in ("wgan-gp", {"recipe": "wgan-gp", "n_critic": 2}):
        trainer = resolve_trainer(named, "texture")
        assert (trainer.loss, trainer.adversarial_weight) == ("wasserstein", 0.01)
    assert resolve_trainer({"recipe": "wgan-gp", "adversarial_weight": 0.1}, "texture").adversarial_weight == 0.1
    assert resolve_trainer("wgan-gp", AdversarialTrainer()).adversarial_weight == 1.0
    for balance in ("off", "auto"):
        assert resolve_trainer("wgan-gp", AdversarialTrainer(balance=balance)).balance == balance


def test_mistakes_are_told_in_plain_words(work: Path, model: Path) -> None:
    def told(*arguments: object, code: int) -> str:
        return gantools(*arguments, code=code).stderr

    assert "original" in told("sr", "upscale", work / "low", "--model", model, "--out", work / "low", code=2)
    assert "scale" in told("sr", "fit", work / "train", "--scale", "5", "--model", work / "x", code=2)
    (work / "file").touch()
    one = work / "low/photo.jpg"
    assert "is a file" in told("sr", "upscale", one, "--model", model, "--out", work / "file", code=2)
    (work / "list.csv").write_text("path\nnowhere.png\n")
    listed = ["sr", "upscale", work / "list.csv", "--model", model, "--out", work / "listed", "--quiet"]
    assert "nowhere.png: no such file" in told(*listed, code=1)  # --quiet keeps errors
    assert "from 0 to 1" in told(
        "sr", "upscale", work / "low", "--model", model, "--out", work / "x", "--perception", "2", code=2
    )
    assert "no such file" in told("sr", "fit", work / "nowhere", "--model", work / "x", code=1)
    pairs = told("sr", "fit", work / "train", "--low", work / "low", "--scale", "2", "--model", work / "x", code=1)
    assert "no partner" in pairs
    scale = told("sr", "evaluate", work / "test", "--low", work / "test", "--model", model, code=1)
    assert "another scale" in scale
    assert not (work / "x").exists()


def test_what_a_model_was_fitted_with_holds_in_its_use(work: Path) -> None:
    settings = ["--set", "tta=true", "--set", "true_colours=true"]
    gantools("sr", "fit", work / "train", "--scale", "2", "--model", work / "kept", *QUICK, *settings)
    resolver = load(work / "kept")
    with Image.open(work / "low/photo.jpg") as picture:
        low = np.asarray(picture)

    def upscaled(folder: str, *options: str) -> np.ndarray:
        gantools("sr", "upscale", work / "low", "--model", work / "kept", "--out", work / folder, *options, "--quiet")
        with Image.open(work / folder / "photo.jpg") as found:
            return np.asarray(found).astype(int)

    wanted = resolver.transform([low])[0].astype(int)
    plain = resolver.set_params(tta=False, true_colours=False).transform([low])[0].astype(int)
    assert np.abs(wanted - plain).max() > 0
    kept, off = upscaled("as-fitted"), upscaled("off", "--no-tta", "--no-true-colours")
    assert np.abs(kept - wanted).mean() < np.abs(kept - plain).mean()
    assert np.abs(off - plain).mean() < np.abs(off - wanted).mean()
