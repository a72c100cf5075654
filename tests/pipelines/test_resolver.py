"""The super-resolver on real pictures: it beats interpolation, keeps what came in, and refuses what cannot be."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from skimage import data
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import check_estimator

from gantools import GanSuperResolver, load
from gantools.data.planes import contrast, from_signed, to_signed, unit
from gantools.data.resize import reduced
from gantools.errors import ConfigError, DataError, GantoolsError, Interrupted
from gantools.pipelines.stages import split
from gantools.pipelines.superres.examples import Example
from gantools.pipelines.superres.figures import cropped, measured
from gantools.storage import read_model

Pictures = list[np.ndarray]


def low_of(picture: np.ndarray, scale: int) -> np.ndarray:
    return from_signed(reduced(to_signed(picture)[None], scale)[0], picture.dtype)


@pytest.fixture(scope="module")
def photographs() -> Pictures:
    return [data.astronaut()[:256, :256], data.coffee()[:200, :300], data.stereo_motorcycle()[0][:256, :256]]


@pytest.fixture(scope="module")
def quick(photographs: Pictures) -> GanSuperResolver:
    """Two times larger, trained for seconds."""
    return GanSuperResolver(scale=2, max_images=4000, random_state=0).fit(photographs)


@pytest.mark.parametrize("seed", [0, 1])
def test_beats_interpolation_on_a_picture_of_another_kind(photographs: Pictures, seed: int) -> None:
    resolver = GanSuperResolver(scale=2, max_images=4000, adversarial_share=0, random_state=seed).fit(photographs)
    figures = resolver.evaluate([data.chelsea()]).set_index("method")
    assert figures.loc["ours", "psnr"] > figures.loc["bicubic", "psnr"] + 0.35
    assert figures.loc["ours", "psnr"] > figures.loc["lanczos", "psnr"]
    assert figures.loc["ours", "perceptual"] < figures.loc["bicubic", "perceptual"]
    assert resolver.score([data.chelsea()]) == pytest.approx(figures.loc["ours", "psnr"])


def test_the_second_stage_is_played(quick: GanSuperResolver) -> None:
    history = quick.history_
    assert set(history["stage"]) == {"fidelity", "texture"}
    texture = history[history["stage"] == "texture"]
    assert texture[["loss_discriminator", "loss_generator", "term_pixels", "term_matching"]].notna().all().all()
    assert history.loc[history["stage"] == "fidelity", "d_real"].isna().all()
    images = history.groupby("stage")["images"].max()
    assert images["fidelity"] == pytest.approx(0.8 * 4000, abs=16)
    assert images["texture"] == pytest.approx(0.2 / 4 * 4000, abs=16)
    ends = [quick.set_params(perception=p).transform([data.chelsea()])[0] for p in (0, 1)]
    quick.set_params(perception=0.0)
    assert (ends[0] != ends[1]).any()


def test_containers_dtypes_and_shapes_come_out_as_they_came_in(quick: GanSuperResolver, tmp_path: Path) -> None:
    colour = data.coffee()[:20, :30]
    stack = np.stack([colour, colour])
    assert quick.transform(stack).shape == (2, 40, 60, 3)
    assert quick.transform(stack).dtype == np.uint8
    assert quick.transform(stack[..., 0]).shape == (2, 40, 60)
    assert quick.transform((stack / 255).astype(np.float32)).dtype == np.float32
    mixed = quick.transform([colour, colour[:7, :9, :1], colour[..., 0].astype(np.uint16) * 257])
    assert [m.shape for m in mixed] == [(40, 60, 3), (14, 18, 1), (40, 60)]
    assert mixed[2].dtype == np.uint16
    tensors = torch.from_numpy(stack).permute(0, 3, 1, 2)
    enlarged = quick.transform(tensors)
    assert isinstance(enlarged, torch.Tensor)
    assert enlarged.shape == (2, 3, 40, 60)
    np.testing.assert_array_equal(enlarged.permute(0, 2, 3, 1).numpy(), quick.transform(stack))
    for i in range(2):
        Image.fromarray(colour).save(tmp_path / f"{i}.png")
    np.testing.assert_array_equal(quick.transform(tmp_path), quick.transform(stack))
    frame = pd.DataFrame({"path": [str(tmp_path / "0.png")]})
    np.testing.assert_array_equal(quick.transform(frame)[0], quick.transform(stack)[0])
    assert quick.transform([np.full((1, 1, 3), 7, np.uint8)])[0].shape == (2, 2, 3)


def test_saved_and_loaded_it_is_the_same(quick: GanSuperResolver, tmp_path: Path) -> None:
    quick.save(tmp_path / "model")
    again = load(tmp_path / "model")
    picture = [data.coffee()[:31, :45]]
    for perception in (0.0, 0.4, 1.0):
        for resolver in (quick, again):
            resolver.set_params(perception=perception)
        np.testing.assert_array_equal(again.transform(picture)[0], quick.transform(picture)[0])
    quick.set_params(perception=0.0)
    pd.testing.assert_frame_equal(again.history_, quick.history_, check_dtype=False)
    assert again.training_ == quick.training_


def test_the_same_seed_gives_the_same_model_and_another_another(photographs: Pictures) -> None:
    fits = [GanSuperResolver(scale=2, max_images=320, random_state=s).fit(photographs) for s in (3, 3, 4)]
    outs = [f.transform([data.coffee()[:40, :40]])[0] for f in fits]
    np.testing.assert_array_equal(outs[0], outs[1])
    weights = [f.generators_["texture"].tail.weight for f in fits]
    assert not torch.equal(weights[0], weights[2])


def test_interrupted_in_either_stage_it_resumes_to_the_same_model(
    photographs: Pictures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import signal

    from gantools.pipelines.superres.pictures import Patches

    settings = {"scale": 2, "max_images": 640, "batch_size": 16, "adversarial_share": 0.7, "random_state": 0}
    whole = GanSuperResolver(**settings).fit(photographs)
    original, calls = Patches.__call__, {"n": 0}

    def interrupting(self: Patches, step: int) -> object:
        calls["n"] += 1
        if calls["n"] in (5, 16):
            signal.raise_signal(signal.SIGINT)
        return original(self, step)

    monkeypatch.setattr(Patches, "__call__", interrupting)
    cut = GanSuperResolver(**settings, checkpoint=tmp_path, resume=True)
    for _ in range(2):
        with pytest.raises(Interrupted, match="resume"):
            cut.fit(photographs)
        assert not hasattr(cut, "generators_")
    cut.fit(photographs)
    for name in ("fidelity", "texture"):
        for a, b in zip(whole.generators_[name].parameters(), cut.generators_[name].parameters(), strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=0)
    assert (tmp_path / "texture.safetensors").exists()
    GanSuperResolver(**{**settings, "adversarial_share": 0.0}, checkpoint=tmp_path).fit(photographs)
    assert not (tmp_path / "texture.safetensors").exists()  # it did not begin where this one ends


def test_pairs_are_learnt_from_and_labels_are_not_pairs(photographs: Pictures) -> None:
    lows = [low_of(p, 2) for p in photographs]
    paired = GanSuperResolver(scale=2, max_images=160, degradation="none", random_state=0).fit(lows, photographs)
    alone = GanSuperResolver(scale=2, max_images=160, random_state=0).fit(photographs, np.array([0, 1, 0]))
    named = GanSuperResolver(scale=2, max_images=160, random_state=0).fit(photographs, ["cat", "dog", "cat"])
    picture = [data.coffee()[:32, :32]]
    difference = paired.transform(picture)[0].astype(int) - alone.transform(picture)[0]
    assert (paired.paired_, alone.paired_, named.paired_) == (True, False, False)
    assert 0 < np.abs(difference).mean() < 3  # the low pictures that are made begin at any pixel, those given do not
    np.testing.assert_array_equal(named.transform(picture)[0], alone.transform(picture)[0])


def test_pictures_of_pillow_are_pairs_and_a_table_of_pictures_names_its_column(
    photographs: Pictures, tmp_path: Path
) -> None:
    lows, sharp = (
        [Image.fromarray(p) for p in pictures] for pictures in ([low_of(p, 2) for p in photographs], photographs)
    )
    assert GanSuperResolver(scale=2, max_images=16, random_state=0).fit(lows, sharp).paired_
    for i, picture in enumerate(sharp):
        picture.save(tmp_path / f"{i}.png")
    table = pd.DataFrame({"class": ["cat", "dog", "cat"], "file": [str(tmp_path / f"{i}.png") for i in range(3)]})
    with pytest.raises(DataError, match="y is a DataFrame of pictures without a column 'path'; rename"):
        GanSuperResolver(scale=2, max_images=16).fit(lows, table)
    assert not GanSuperResolver(scale=2, max_images=16, random_state=0).fit(sharp, table[["class"]]).paired_


def test_files_are_paired_by_their_stems(photographs: Pictures, tmp_path: Path) -> None:
    for folder, suffix, pictures in (("hr", ".png", photographs), ("lr", ".tif", [low_of(p, 2) for p in photographs])):
        (tmp_path / folder / "sub").mkdir(parents=True)
        for i, picture in enumerate(pictures):
            Image.fromarray(picture).save(tmp_path / folder / "sub" / f"{i}{suffix}")
    GanSuperResolver(scale=2, max_images=64, degradation="none").fit(tmp_path / "lr", tmp_path / "hr")
    (tmp_path / "lr/sub/0.tif").rename(tmp_path / "lr/sub/9.tif")
    with pytest.raises(DataError, match=r"(?s)2 pictures have no partner.*9\.tif.*0\.png"):
        GanSuperResolver(scale=2, degradation="none").fit(tmp_path / "lr", tmp_path / "hr")


def test_pairs_that_do_not_fit_are_all_listed(photographs: Pictures) -> None:
    lows = [low_of(p, 4) for p in photographs]
    with pytest.raises(DataError, match=r"(?s)3 of 3 pairs do not fit.*64 x 64 and 256 x 256.*picture 2"):
        GanSuperResolver(scale=2, degradation="none").fit(lows, photographs)
    with pytest.raises(DataError, match="2 low and 3 high"):
        GanSuperResolver(scale=4, degradation="none").fit(lows[:2], photographs)
    shifted = [np.roll(low, 2, 1) for low in lows]
    with pytest.raises(DataError, match="shifted by -2 x 0"):
        GanSuperResolver(scale=4, degradation="none").fit(shifted, photographs)


def test_pairs_that_show_other_things_are_counted_as_bad_and_all_listed(photographs: Pictures) -> None:
    highs = [photographs[0][i : i + 160, i : i + 160] for i in range(0, 80, 16)]
    lows = [low_of(p, 4) for p in highs]
    lows[1], lows[3] = np.roll(lows[1], 1, 0), np.roll(lows[3], 2, 1)
    settings = {"scale": 4, "max_images": 32, "degradation": "none", "random_state": 0}
    with pytest.raises(DataError, match=r"(?s)2 of 5 pairs.*--max-bad N.*picture 1 .*by 0 x -1.*picture 3 .*by -2 x 0"):
        GanSuperResolver(**settings).fit(lows, highs)
    with pytest.warns(UserWarning, match=r"2 pictures were skipped: picture 1 .*by 0 x -1 small"):
        resolver = GanSuperResolver(**settings, max_bad=2).fit(lows, highs)
    assert resolver.training_["samples"] == 3


def test_a_model_of_pairs_that_is_judged_by_reductions_says_so(photographs: Pictures, tmp_path: Path) -> None:
    lows = [low_of(p, 2) for p in photographs]
    resolver = GanSuperResolver(scale=2, max_images=32, random_state=0).fit(lows, photographs)
    resolver.save(tmp_path / "model")
    for model in (resolver, load(tmp_path / "model")):
        for judge in (model.evaluate, model.score):
            with pytest.warns(UserWarning, match=r"learnt from low pictures that were given.*--low LRDIR"):
                judge(photographs[:1])
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                judge(lows[:1], photographs[:1])


def test_a_model_of_reductions_is_judged_by_them_without_a_word(
    quick: GanSuperResolver, photographs: Pictures, recwarn: pytest.WarningsRecorder
) -> None:
    quick.score(photographs[:1])
    assert not recwarn.list


def test_what_cannot_work_is_said(photographs: Pictures, quick: GanSuperResolver) -> None:
    with pytest.raises(ConfigError, match="needs pairs"):
        GanSuperResolver(degradation="none").fit(photographs)
    with pytest.raises(ConfigError, match="pairs were given"):
        GanSuperResolver(scale=2, degradation="real").fit([low_of(p, 2) for p in photographs], photographs)
    with pytest.raises(ConfigError, match="strength=2 is of degradation='real'"):
        GanSuperResolver(strength=2).fit(photographs)
    with pytest.raises(ValueError, match="'strength' parameter"):
        GanSuperResolver(degradation="real", strength=5).fit(photographs)
    with pytest.raises(ValueError, match="'scale' parameter"):
        GanSuperResolver(scale=5).fit(photographs)
    with pytest.raises(DataError, match="NaN"):
        GanSuperResolver(max_bad=0).fit([np.full((40, 40, 3), np.nan)])
    with pytest.raises(DataError, match="feature table"):
        GanSuperResolver().fit(np.zeros((10, 4)))
    lows = [low_of(photographs[0], 4), low_of(photographs[1], 2), low_of(photographs[2], 4)]
    with pytest.raises(DataError, match=r"(?s)2 of 3 pairs.*another scale.*\(64 x 64\) and picture 0.*picture 2"):
        quick.evaluate(lows, photographs)


def test_pictures_smaller_than_a_patch_and_of_one_pixel_can_be_learnt_from() -> None:
    small = [np.full((1, 1), 80, np.uint8), data.camera()[:30, :11], data.camera()[:5, :50]]
    resolver = GanSuperResolver(scale=4, max_images=32, random_state=0).fit(small)
    assert resolver.channels_ == 1
    assert resolver.transform([data.coffee()[:9, :9]])[0].shape == (36, 36, 3)


@pytest.mark.parametrize("scale", [3, 8])
def test_other_scales(scale: int, photographs: Pictures) -> None:
    resolver = GanSuperResolver(scale=scale, max_images=64, patch=8, random_state=0).fit(photographs)
    assert resolver.transform([photographs[0][:10, :12]])[0].shape == (10 * scale, 12 * scale, 3)


def test_pictures_are_held_out_and_measured(photographs: Pictures) -> None:
    many = [p[i : i + 64, i : i + 80] for p in photographs for i in (0, 40, 80)]
    resolver = GanSuperResolver(scale=2, max_images=160, random_state=0).fit(many)
    assert resolver.training_["held_out"] == 1
    assert resolver.training_["samples"] == 8
    assert list(resolver.validation_["method"]) == ["ours", "texture", "bicubic", "lanczos"]
    assert {"psnr", "psnr_texture", "psnr_bicubic", "ssim_lanczos"} <= set(resolver.training_)


def test_what_is_shown_of_those_held_out_is_what_was_measured(photographs: Pictures, tmp_path: Path) -> None:
    many = [p[i : i + 64, i : i + 80] for p in photographs for i in (0, 40)]
    resolver = GanSuperResolver(scale=2, max_images=32, adversarial_share=0, degradation="real").fit(many)
    resolver.save(tmp_path / "model")
    for model in (resolver, load(tmp_path / "model")):
        shown = measured(model.held_out_examples(many), model.methods(both_ends=True), 2)
        pd.testing.assert_frame_equal(shown, resolver.validation_)
    older = read_model(tmp_path / "model")
    del older.state["seed"]
    assert len(list(GanSuperResolver._from_stored(older, "cpu").held_out_examples(many))) == 1


@pytest.mark.parametrize(("size", "scale"), [(32, 2), (30, 3), (64, 8)])
def test_the_crop_that_is_shown_is_the_one_with_most_detail(size: int, scale: int) -> None:
    high = data.coffee()[:111, :173]
    change = contrast(unit(high).mean(1)[0])
    sums = torch.nn.functional.avg_pool2d(change[None, None], size, scale)[0, 0]
    top, left = (int(at) * scale for at in np.unravel_index(int(sums.argmax()), sums.shape))
    example = Example("coffee", high[: 111 // scale * scale : scale, : 173 // scale * scale : scale], high)
    shown = cropped(example, {}, scale, size)["truth"]
    np.testing.assert_array_equal(shown, high[top : top + size, left : left + size])
    assert sums.numel() > 50


def test_transparent_edges_are_clean(quick: GanSuperResolver) -> None:
    """White on nothing: no dark rim, whatever lay under the transparent pixels."""
    disc = np.hypot(*(np.mgrid[:24, :24] - 11.5)) < 8
    picture = np.zeros((24, 24, 4), np.uint8)
    picture[disc] = 255
    high = quick.transform([picture])[0]
    assert high[..., 3].min() == 0
    assert high[..., 3].max() == 255
    assert high[..., :3][high[..., 3] > 0].min() > 245


def test_figures_of_pictures_with_alpha_are_on_white(quick: GanSuperResolver) -> None:
    cat = data.chelsea()[:120, :160]
    disc = np.hypot(*(np.mgrid[:120, :160] - 60)) < 50
    cut = np.concatenate([cat, np.where(disc, 255, 0).astype(np.uint8)[..., None]], 2)
    white = np.where(disc[..., None], cat, 255).astype(np.uint8)
    pd.testing.assert_frame_equal(quick.evaluate([cut]), quick.evaluate([white]))


def test_flat_pictures_have_finite_figures(quick: GanSuperResolver) -> None:
    figures = quick.evaluate([np.full((64, 64, 3), 77, np.uint8)])
    assert np.isfinite(figures["psnr"]).all()


def test_bool_depths_and_tensors_in_lists(quick: GanSuperResolver, tmp_path: Path) -> None:
    dots = [np.eye(9, dtype=bool)] * 5
    assert GanSuperResolver(scale=2, max_images=16, random_state=0).fit(dots).transform(dots)[0].dtype == np.uint8
    (one,) = quick.transform([torch.zeros(6, 5, 3)])
    assert isinstance(one, torch.Tensor)
    assert one.shape == (12, 10, 3)
    Image.fromarray(np.full((6, 6), 9, np.uint8)).save(tmp_path / "a.png")
    Image.fromarray(np.full((6, 6), 9 * 257, np.uint16)).save(tmp_path / "b.png")
    eight, sixteen = quick.transform(tmp_path)
    assert (eight.dtype, sixteen.dtype) == (np.uint8, np.uint16)


def test_parameters_of_use_are_checked_and_those_of_the_fit_stay(quick: GanSuperResolver, tmp_path: Path) -> None:
    changed = GanSuperResolver(scale=2, max_images=16, random_state=0).fit([data.coffee()[:64, :64]])
    changed.set_params(size="small", scale=4)
    changed.save(tmp_path / "model")
    assert load(tmp_path / "model").transform([data.coffee()[:6, :6]])[0].shape == (12, 12, 3)
    with pytest.raises(ValueError, match="'tile' parameter"):
        changed.set_params(tile=-5).enlarge(data.coffee()[:6, :6])


def test_pairs_held_out_are_checked_before_training(photographs: Pictures) -> None:
    highs = [photographs[0][i : i + 40, :40] for i in range(0, 200, 20)]
    lows = [low_of(p, 2) for p in highs]
    for wrong in range(10):
        bad = [*lows[:wrong], lows[wrong][:-2], *lows[wrong + 1 :]]
        with pytest.raises(DataError, match="1 of 10 pairs do not fit"):
            GanSuperResolver(scale=2, max_images=10**9, degradation="none", random_state=0).fit(bad, highs)


def test_spoilt_pictures_can_be_learnt_from(photographs: Pictures) -> None:
    """That it helps takes more training than a test has: see benchmarks/RESULTS.md."""
    common = {"scale": 2, "max_images": 160, "adversarial_share": 0, "random_state": 0}
    kinds = ({"degradation": "real"}, {"degradation": "real"}, {"degradation": "real", "strength": 0.4}, {})
    fits = [GanSuperResolver(**kind, **common).fit(photographs) for kind in kinds]
    weights = [f.generators_["fidelity"].tail.weight for f in fits]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert not torch.equal(weights[0], weights[3])
    milder = [f.evaluate(photographs[:1]).set_index("method").loc["bicubic", "psnr"] for f in fits[1:]]
    assert milder == sorted(milder)
    assert len(set(milder)) == 3


def test_in_pipelines(photographs: Pictures) -> None:
    pictures = np.stack([p[:32, :32] for p in photographs] * 2)
    labels = [0, 1, 0, 0, 1, 0]
    flat = FunctionTransformer(lambda X: X.reshape(len(X), -1) / 255)
    pipeline = make_pipeline(GanSuperResolver(scale=2, max_images=32, random_state=0), flat, LogisticRegression())
    assert pipeline.fit(pictures, labels).predict(pictures).shape == (6,)
    assert clone(pipeline).get_params()["gansuperresolver__scale"] == 2


def test_estimator_checks() -> None:
    check_estimator(GanSuperResolver(max_images=16, patch=8))


def test_a_fit_that_fails_leaves_no_half_fitted_estimator(photographs: Pictures) -> None:
    resolver = GanSuperResolver(scale=2, max_images=16, random_state=0).fit(photographs)
    with pytest.raises(GantoolsError):
        resolver.fit([np.full((40, 40, 3), np.nan)])
    with pytest.raises(Exception, match="not fitted"):
        resolver.transform(photographs)


def test_what_is_held_out_was_not_learnt_from_under_another_row() -> None:
    targets, sources = [f"t{i // 2}" for i in range(20)], [f"s{max(i, 1)}" for i in range(20)]
    learnt, held = split(list(zip(targets, sources, strict=True)), 0.2, 0)
    assert len(held) >= 4
    assert sorted([*learnt, *held]) == list(range(20))
    for names in (targets, sources):
        assert not {names[i] for i in learnt} & {names[i] for i in held}
    assert len(split([["the same"]] * 9, 0.2, 0)[1]) == 0


@pytest.mark.parametrize("n", [1, 4, 5, 8])
def test_something_is_always_left_to_learn_from(n: int) -> None:
    learnt, held = split([[str(i)] for i in range(n)], 0.95, 0)
    assert len(learnt) > 0
    assert sorted([*learnt, *held]) == list(range(n))
