"""The translator on real pictures: it beats the source and the mean colour, and keeps what came in."""

from __future__ import annotations

import signal
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from skimage import data
from sklearn.base import clone

from gantools import GanTranslator, load
from gantools.core.initialise import initialised
from gantools.data.planes import from_signed, to_signed
from gantools.data.resize import luma
from gantools.data.sources import open_pictures
from gantools.errors import ConfigError, DataError, GantoolsError, Interrupted
from gantools.metrics.pictures import chroma, psnr
from gantools.networks.backbone import load_backbone
from gantools.networks.translator import Translator
from gantools.pipelines.containers import pictures
from gantools.pipelines.tiling import Grid
from gantools.pipelines.translate.apply import Translation
from gantools.pipelines.translate.examples import examples_of
from gantools.pipelines.translate.figures import baselines
from gantools.pipelines.translate.games import UnpairedGame, UnpairedTranslator, contrastive
from gantools.pipelines.translate.pairs import Windows, unrelated

Pictures = list[np.ndarray]
CPU = torch.device("cpu")


def gray_of(picture: np.ndarray) -> np.ndarray:
    return from_signed(luma(to_signed(picture)), picture.dtype)


def by_night(picture: np.ndarray) -> np.ndarray:
    """Darker, and bluer the darker: what a translator can learn and a constant cannot be."""
    unit = picture / 255
    return np.rint(255 * unit**1.5 * np.array([0.4, 0.5, 0.7])).astype(np.uint8)


@pytest.fixture(scope="module")
def photographs() -> Pictures:
    found = [data.astronaut(), data.coffee(), data.stereo_motorcycle()[0]]
    return [p[i : i + 96, j : j + 96] for p in found for i in (0, 100, 200) for j in (50, 150, 250)]


@pytest.fixture(scope="module")
def quick(photographs: Pictures) -> GanTranslator:
    """Day to night, trained for seconds."""
    settings = {"size": 48, "batch_size": 8, "max_images": 1200, "random_state": 0}
    return GanTranslator(**settings).fit(photographs, [by_night(p) for p in photographs])


@pytest.mark.parametrize("seed", [0, 1])
def test_beats_the_source_and_the_mean_colour_on_another_photograph(
    quick: GanTranslator, photographs: Pictures, seed: int
) -> None:
    translator = quick
    if seed != quick.random_state:
        translator = clone(quick).set_params(random_state=seed).fit(photographs, [by_night(p) for p in photographs])
    cat = data.chelsea()
    table, frechet = translator.evaluate([cat], [by_night(cat)])
    figures = table.set_index("method")
    assert figures.loc["ours", "psnr"] > figures.loc["identity", "psnr"] + 8
    assert figures.loc["ours", "psnr"] > figures.loc["mean colour", "psnr"] + 3
    assert figures.loc["ours", "perceptual"] < 0.7 * figures.loc["identity", "perceptual"]
    assert frechet == {}
    assert translator.score([cat], [by_night(cat)]) == pytest.approx(figures.loc["ours", "psnr"])


def as_unit(picture: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(picture / 255).permute(2, 0, 1)[None]


def test_colours_come_back(photographs: Pictures, tmp_path: Path) -> None:
    translator = GanTranslator(colour_only=True, size=48, batch_size=8, max_images=800, random_state=0)
    translator.fit(photographs)
    assert translator.channels_ == (1, 3)
    cup = data.coffee()[150:350, 300:500]
    (made,) = translator.transform([gray_of(cup)])
    unit, truth = as_unit(made), as_unit(cup)
    assert chroma(unit) > 0.3 * chroma(truth)
    assert psnr(unit, truth) > psnr(luma(truth).expand_as(truth), truth)
    inside = (made > 0).all(2) & (made < 255).all(2)  # where nothing was clipped
    assert np.abs(gray_of(made)[..., 0].astype(int) - gray_of(cup)[..., 0])[inside].max() <= 1
    assert chroma(as_unit(translator.set_params(vividness=0).transform([gray_of(cup)])[0])) < 0.1
    (vivid,) = translator.set_params(vividness=1.3).transform([gray_of(cup)])
    assert chroma(as_unit(vivid)) == pytest.approx(1.3 * chroma(unit), rel=0.1)
    assert np.abs(gray_of(vivid)[..., 0].astype(int) - gray_of(cup)[..., 0])[inside].mean() < 1
    coloured = np.dstack([gray_of(cup), np.full(cup.shape[:2], 9, np.uint8)])
    assert (translator.transform([coloured])[0][..., 3] == 9).all()
    for i, picture in enumerate(photographs[:3]):
        Image.fromarray(picture).save(tmp_path / f"{i}.png")
    (tmp_path / "list.csv").write_text("path\n0.png\n1.png\n2.png\n")
    quick = GanTranslator(colour_only=True, size=32, batch_size=2, max_images=8, random_state=0)
    assert quick.fit(tmp_path / "list.csv").channels_ == (1, 3)


def test_two_piles_are_learnt_from(photographs: Pictures) -> None:
    night = [by_night(p) for p in photographs[1::2]]
    day = photographs[::2]
    settings = {"size": 32, "width": 8, "batch_size": 8, "max_images": 960, "random_state": 0}
    translator = GanTranslator(paired=False, **settings).fit(day, night)
    made = np.stack(translator.transform(day))
    means = [np.mean(x, axis=(0, 1, 2)) for x in (np.stack(day), made, np.stack(night))]
    assert np.abs(means[1] - means[2]).mean() < 0.6 * np.abs(means[0] - means[2]).mean()
    likeness = np.corrcoef(made.mean(3).ravel(), np.stack(day).mean(3).ravel())[0, 1]
    assert likeness > 0.6  # what was where is still there
    assert translator.validation_.empty
    assert set(translator.history_["stage"]) == {"texture"}
    assert "term_cycle" not in translator.history_


@pytest.mark.parametrize(
    "settings",
    [
        {"generator": "residual"},
        {"scales": 2},
        {"trainer": {"projected": True}},
        {"trainer": {"projected": True}, "paired": False},
        {"scales": 2, "generator": "residual", "paired": False},
    ],
)
def test_other_generators_and_discriminators(photographs: Pictures, settings: dict[str, Any], tmp_path: Path) -> None:
    night = [by_night(p) for p in photographs]
    sizes = {"size": 32, "width": 8, "batch_size": 2, "max_images": 40, "random_state": 0}
    translator = GanTranslator(**sizes, **settings).fit(photographs, night)
    assert translator.history_["d_wins"].notna().any()
    (made,) = translator.transform([data.chelsea()])
    assert np.abs(made - data.chelsea().astype(float)).max() > 1  # something was learnt
    translator.save(tmp_path / "model")
    (again,) = load(tmp_path / "model").transform([data.chelsea()])
    assert np.array_equal(made, again)


def test_a_residual_generator_sees_less_far_than_a_unet() -> None:
    pairs = np.zeros((2, 32, 32), np.uint8), np.ones((2, 32, 32), np.uint8)
    radii = []
    for generator in ("unet", "residual"):
        settings = {"generator": generator, "width": 4, "batch_size": 2, "max_images": 2, "perceptual_weight": 0}
        fitted = GanTranslator(**settings, adversarial_share=0, random_state=0).fit(*pairs)
        radii.append(fitted.generators_["fidelity"].radius)
    assert radii[1] < 0.7 * radii[0]


def test_some_examples_are_taken_from_first_to_last(quick: GanTranslator, photographs: Pictures) -> None:
    night = [by_night(p) for p in photographs]
    names = [e.name for e in quick.examples(photographs, night)]
    assert [e.name for e in quick.examples(photographs, night, 3)] == [names[i] for i in (0, 13, 26)]
    assert [e.name for e in quick.examples(photographs[:2], night[:2], 8)] == names[:2]


def test_a_projected_discriminator_has_its_own_scales() -> None:
    with pytest.raises(ConfigError, match="with projected=True set scales=1"):
        GanTranslator(scales=2, trainer="projected").fit(np.zeros((2, 16, 16)), np.zeros((2, 16, 16)))


def test_what_is_lost_without_pairs_is_counted(rng: torch.Generator) -> None:
    """By hand: generators begin at their sources, so that a shift of .3 is all that the way back misses."""
    generator, back = (initialised(lambda: Translator(3, 3, 4), rng) for _ in range(2))
    players = initialised(lambda: UnpairedTranslator(generator, generator.widths, back), rng)
    assert generator.linear is not None
    with torch.no_grad():
        generator.linear.bias.fill_(0.3)
    source = torch.rand((2, 3, 64, 64), generator=rng) * 2 - 1
    game = UnpairedGame(players, torch.nn.Identity(), contrast=1.0, cycle=2.0)
    batch = {"source": source, "reals": source}
    terms = game.generator_terms(batch, game.fakes(batch, rng))
    assert terms["cycle"].item() == pytest.approx(2 * 0.3, rel=1e-5)
    assert set(terms) == {"contrast", "identity", "cycle"}
    places = players.places(source)
    assert contrastive(places, places) < contrastive(places, [p.flip(1) for p in places])
    uniform = [torch.ones(1, 5, 4) / 2]
    assert contrastive(uniform, uniform).item() == pytest.approx(np.log(5))


def test_both_stages_are_played(quick: GanTranslator) -> None:
    history = quick.history_
    assert set(history["stage"]) == {"fidelity", "texture"}
    texture = history[history["stage"] == "texture"]
    assert texture[["loss_discriminator", "term_pixels", "term_matching", "term_perceptual"]].notna().all().all()
    ends = [quick.set_params(texture=t).transform([data.chelsea()])[0] for t in (0, 1)]
    quick.set_params(texture=GanTranslator().texture)
    assert (ends[0] != ends[1]).any()


def test_containers_dtypes_and_shapes_come_out_as_they_came_in(quick: GanTranslator, tmp_path: Path) -> None:
    colour = data.coffee()[:50, :70]
    stack = np.stack([colour, colour])
    made = quick.transform(stack)
    assert made.shape == stack.shape
    assert made.dtype == np.uint8
    assert quick.transform((stack / 255).astype(np.float32)).dtype == np.float32
    deep = quick.transform(stack.astype(np.uint16) * 257)
    assert deep.dtype == np.uint16
    np.testing.assert_allclose(deep / 257, made, atol=0.51)
    assert [m.shape for m in quick.transform([colour, colour[:7, :9, 0], colour[:33, :65]])] == [
        (50, 70, 3), (7, 9, 3), (33, 65, 3)
    ]  # fmt: skip
    tensors = torch.from_numpy(stack).permute(0, 3, 1, 2)
    translated = quick.transform(tensors)
    assert isinstance(translated, torch.Tensor)
    np.testing.assert_array_equal(translated.permute(0, 2, 3, 1).numpy(), made)
    Image.fromarray(colour).save(tmp_path / "0.png")
    np.testing.assert_array_equal(quick.transform(tmp_path)[0], made[0])


def test_gray_to_colour_colour_to_gray_and_any_channels(photographs: Pictures) -> None:
    stack = np.stack(photographs)[:, :32, :32]
    fast = {"max_images": 32, "batch_size": 8, "random_state": 0}
    gray = GanTranslator(**fast).fit(stack, stack.mean(3).astype(np.uint8))
    assert gray.transform(stack[:2]).shape == (2, 32, 32, 1)
    flat = stack[..., 0]
    assert GanTranslator(**fast).fit(flat, 255 - flat).transform(flat[:2]).shape == (2, 32, 32)
    bands = np.concatenate([stack, stack[..., :2]], 3)
    many = GanTranslator(**fast).fit(bands, stack[..., :2])
    assert many.channels_ == (5, 1)  # two channels are gray with alpha
    many = GanTranslator(**fast).fit(stack, bands)
    assert many.transform(stack[:2]).shape == (2, 32, 32, 5)
    with pytest.raises(
        DataError, match=r"picture 0: has 5 channels, and the model was trained on sources of 3; bring it"
    ):
        many.transform(bands)


def test_truths_in_colour_are_judged_as_their_luma_where_the_model_makes_gray(tmp_path: Path) -> None:
    cup = data.coffee()[:40, :50]
    stored = open_pictures([np.repeat(gray_of(cup), 3, 2)])
    for truths in (stored, open_pictures([cup])):
        (example,) = examples_of(open_pictures([cup]), truths, [0], 1, needed=True)
        np.testing.assert_array_equal(example.target, gray_of(cup))
        np.testing.assert_array_equal(baselines([0.0])["identity"](example.source), example.target)
    Image.fromarray(cup).save(tmp_path / "0.png")
    named = rf"none of the 1 pairs can be judged; the first: {tmp_path}/0\.png: has 3 channels, and .* 5; give targets"
    with pytest.warns(UserWarning, match="left out"), pytest.raises(DataError, match=named):
        list(examples_of(open_pictures([cup]), open_pictures(tmp_path), [0], 5, needed=True))
    with pytest.warns(UserWarning, match="left out"):
        assert not list(examples_of(open_pictures([cup]), open_pictures(tmp_path), [0], 5))


def test_a_picture_in_colour_given_as_many_gray_ones_is_noticed() -> None:
    cup = data.coffee()[:40, :50]
    with pytest.warns(UserWarning, match=r"taken for 40 gray pictures of 3 x 50 pixels.*\[X\]"):
        assert len(pictures(cup, 9)) == 40
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for many in (cup[None], [cup], cup[None, ..., 0], np.zeros((9, 4, 4), np.uint8)):
            pictures(many, 9)


def test_large_pictures_keep_the_lines_of_their_source(quick: GanTranslator) -> None:
    """Translated at 64 pixels, and as sharp as the source for that."""
    cat = data.chelsea()
    (made,) = quick.transform([cat])
    assert made.shape == cat.shape
    edges = [np.abs(np.diff(p.mean(2), axis=0)).ravel() for p in (made, by_night(cat))]
    assert np.corrcoef(*edges)[0, 1] > 0.85


@pytest.mark.parametrize("tile", [16, 150])
def test_tiled_equals_untiled(quick: GanTranslator, tile: int) -> None:
    picture = data.coffee()[: 75 if tile == 16 else 400, :500]
    generator = quick.generators_["texture"]
    at_once = Translation(generator, None, CPU, 2000)(picture).astype(int)
    tiled = Translation(generator, None, CPU, tile)(picture)
    assert (at_once != tiled).mean() < 1e-4
    assert np.abs(at_once - tiled).max() <= 1


def test_oblong_tiles_give_the_same(rng: torch.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = initialised(lambda: Translator(3, 3, 4), rng)
    torch.nn.init.normal_(generator.tail.weight, 0, 0.05, generator=rng)
    picture = data.coffee()[:200, :350]
    at_once = Translation(generator, None, CPU, None)(picture).astype(int)
    monkeypatch.setattr(Grid, "cheapest", lambda grid, most: ((64, 192), 1.0))
    tiled = Translation(generator, None, CPU, None)(picture)
    assert (at_once != tiled).mean() < 1e-4
    assert np.abs(at_once - tiled).max() <= 1


@pytest.mark.parametrize("kind", ["colours", "gray", "alpha", "deep"])
def test_in_bands_of_rows_a_picture_becomes_the_same(
    quick: GanTranslator, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = data.coffee()[:301]
    if kind == "gray":
        picture = picture[..., :1]
    elif kind == "alpha":
        picture = np.concatenate([picture, picture[..., :1]], 2)
    elif kind == "deep":
        picture = picture.astype(np.uint16) * 257
    at_once = quick.transform([picture])[0].astype(int)
    monkeypatch.setattr("gantools.pipelines.translate.apply._BAND", 7 * picture.shape[1])
    in_bands = quick.transform([picture])[0]
    steps = 257 if kind == "deep" else 1
    assert (np.abs(in_bands - at_once) >= steps).mean() < 1e-4
    assert np.abs(in_bands - at_once).max() <= steps


def test_saved_and_loaded_it_is_the_same_whatever_parameters_became(quick: GanTranslator, tmp_path: Path) -> None:
    changed = clone(quick).set_params(max_images=32).fit([data.coffee()] * 5, [by_night(data.coffee())] * 5)
    before = changed.transform([data.coffee()])[0]
    changed.set_params(width=9, colour_only=True, size=32)
    changed.save(tmp_path / "model")
    again = load(tmp_path / "model")
    np.testing.assert_array_equal(again.transform([data.coffee()])[0], before)
    pd.testing.assert_frame_equal(again.history_, changed.history_, check_dtype=False)
    assert again.training_ == changed.training_
    assert again.channels_ == changed.channels_


@pytest.mark.parametrize("settings", [{}, {"paired": False, "cycle_weight": 1.0}, {"variety": 2}])
def test_the_same_seed_gives_the_same_model(photographs: Pictures, settings: dict[str, object]) -> None:
    """Also the first time, when the pretrained network is yet to be read, and wherever torch's own generator is."""
    load_backbone.__globals__["_built"].cache_clear()
    night = [by_night(p) for p in photographs]
    fits = []
    for seed in (0, 0, 1):
        before = torch.random.get_rng_state()
        translator = GanTranslator(size=32, width=8, max_images=32, batch_size=8, random_state=seed, **settings)
        fits.append(translator.fit(photographs, night))
        assert torch.equal(torch.random.get_rng_state(), before)
        torch.rand(1)
    weights = [torch.cat([p.flatten() for p in f.generators_["texture"].parameters()]) for f in fits]
    torch.testing.assert_close(weights[0], weights[1], rtol=0, atol=0)
    assert not torch.equal(weights[0], weights[2])


def test_several_results_where_several_are_plausible(tmp_path: Path) -> None:
    """A disc is red or blue, and nothing says which: one result is purple, several are red and blue."""
    rng = np.random.default_rng(0)
    discs = [np.hypot(*(np.mgrid[:32, :32] - rng.uniform(12, 20, 2)[:, None, None])) < 8 for _ in range(400)]
    sources = np.stack([np.where(d, 0, 255) for d in discs]).astype(np.uint8)
    colours = [(255, 0, 0), (0, 0, 255)]
    targets = np.stack([np.where(d[..., None], colours[i % 2], 255) for i, d in enumerate(discs)]).astype(np.uint8)
    settings = {"width": 8, "batch_size": 8, "max_images": 3200, "holdout": 0, "perceptual_weight": 0.0, "policy": None}
    translator = GanTranslator(variety=3, adversarial_share=0, random_state=0, **settings).fit(sources[4:], targets[4:])
    several = translator.samples(sources[:4], 12, random_state=0)
    redness = np.array([made[0][discs[0]].mean(0) @ [1, 0, -1] for made in several])
    assert redness.max() > 100
    assert redness.min() < -100
    np.testing.assert_array_equal(translator.samples(sources[:4], 2, random_state=0)[1], several[1])
    translator.save(tmp_path / "model")
    np.testing.assert_array_equal(load(tmp_path / "model").samples(sources[:4], 2, random_state=0)[1], several[1])
    with pytest.raises(ConfigError, match="at least one"):
        translator.samples(sources, 0)


def test_one_result_only_says_so(quick: GanTranslator, photographs: Pictures) -> None:
    with pytest.raises(ConfigError, match="variety=4"):
        quick.samples(photographs, 2)
    with pytest.raises(ConfigError, match="variety needs"):
        GanTranslator(paired=False, variety=2).fit(photographs, photographs)


def test_too_many_pictures_for_memory_are_cut_and_it_is_said(photographs: Pictures) -> None:
    from gantools.data.sources import open_pictures
    from gantools.pipelines.translate.pairs import read_pairs

    source = open_pictures(photographs)
    common = {"seed": 0, "max_bad": 0.0, "advance": lambda fraction: None}
    with pytest.warns(UserWarning, match=r"of 27 pictures only a window of about 4\d pixels"):
        pairs, _, _ = read_pairs(source, source, (3, 3), None, budget=27 * 2 * 2 * 3 * 48**2, **common)
    assert {p[0].shape for p in pairs} == {(3, 48, 48)}
    for ours, theirs in pairs:
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


def test_interrupted_in_either_stage_it_resumes_to_the_same_model(
    photographs: Pictures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    night = [by_night(p) for p in photographs]
    settings = {"size": 32, "width": 8, "max_images": 160, "batch_size": 8, "adversarial_share": 0.5, "random_state": 0}
    whole = GanTranslator(**settings).fit(photographs, night)
    original, calls = Windows.__call__, {"n": 0}

    def interrupting(self: Windows, step: int) -> object:
        calls["n"] += 1
        if calls["n"] in (3, 14):
            signal.raise_signal(signal.SIGINT)
        return original(self, step)

    monkeypatch.setattr(Windows, "__call__", interrupting)
    cut = GanTranslator(**settings, checkpoint=tmp_path, resume=True)
    for _ in range(2):
        with pytest.raises(Interrupted, match="resume"):
            cut.fit(photographs, night)
        assert not hasattr(cut, "generators_")
    cut.fit(photographs, night)
    for name in ("fidelity", "texture"):
        for a, b in zip(whole.generators_[name].parameters(), cut.generators_[name].parameters(), strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_pairs_come_from_folders_tables_and_pictures_side_by_side(photographs: Pictures, tmp_path: Path) -> None:
    for folder in ("day", "night", "both"):
        (tmp_path / folder / "sub").mkdir(parents=True)
    rows = []
    for i, picture in enumerate(photographs[:6]):
        Image.fromarray(picture).save(tmp_path / "day/sub" / f"{i}.png")
        Image.fromarray(by_night(picture)).save(tmp_path / "night/sub" / f"{i}.bmp")
        Image.fromarray(np.hstack([picture, by_night(picture)])).save(tmp_path / "both/sub" / f"{i}.png")
        rows.append({"source": f"day/sub/{i}.png", "target": f"night/sub/{i}.bmp"})
    pd.DataFrame(rows).to_csv(tmp_path / "pairs.csv", index=False)
    fast = {"size": 32, "width": 8, "max_images": 32, "batch_size": 8, "random_state": 0}
    fits = [
        GanTranslator(**fast).fit(tmp_path / "day", tmp_path / "night"),
        GanTranslator(**fast).fit(tmp_path / "pairs.csv"),
        GanTranslator(**fast, side_by_side=True).fit(tmp_path / "both"),
        GanTranslator(**fast).fit(photographs[:6], [by_night(p) for p in photographs[:6]]),
    ]
    made = [f.transform(photographs[:1])[0] for f in fits]
    for other in made[1:]:
        np.testing.assert_array_equal(made[0], other)
    table, _ = fits[2].evaluate(tmp_path / "both")
    assert set(table["method"]) == {"ours", "identity", "mean colour", "truth"}


def test_all_pairs_that_cannot_be_judged_are_listed(quick: GanTranslator, photographs: Pictures) -> None:
    day, night = photographs[:4], [by_night(p) for p in photographs[:4]]
    assert np.isfinite(quick.score(day, night))
    with pytest.raises(DataError, match=r"(?s)2 of 4 pairs do not fit.*picture 1.*96 x 96 and 50 x 96.*picture 3"):
        quick.evaluate(day, [n[:, :50] if i % 2 else n for i, n in enumerate(night)])


def test_pairs_that_are_none_are_told(photographs: Pictures, tmp_path: Path) -> None:
    fast = {"size": 32, "max_images": 16, "batch_size": 8, "random_state": 0}
    night = [by_night(p) for p in photographs]
    with pytest.raises(DataError, match=r"(?s)27 of 27 pairs do not fit.*96 x 96 and 50 x 96 pixels have different"):
        GanTranslator(**fast).fit(photographs, [n[:, :50] for n in night])
    with pytest.raises(ConfigError, match="there are no targets"):
        GanTranslator(**fast).fit(photographs)
    with pytest.raises(DataError, match="95 pixels wide"):
        GanTranslator(**fast, side_by_side=True).fit([p[:, :95] for p in photographs])
    with pytest.raises(ConfigError, match="leave y out"):
        GanTranslator(**fast, side_by_side=True).fit(photographs, night)
    with pytest.raises(ConfigError, match="paired=False"):
        GanTranslator(**fast, paired=False, colour_only=True).fit(photographs, night)
    with pytest.raises(ConfigError, match="vividness"):
        GanTranslator(**fast, vividness=1.2).fit(photographs, night)
    with pytest.raises(DataError, match="three are wanted"):
        GanTranslator(**fast, colour_only=True).fit([p[..., 0] for p in photographs])
    with pytest.raises(DataError, match="feature table"):
        GanTranslator(**fast).fit(np.zeros((9, 4)), np.zeros((9, 4)))
    Image.fromarray(photographs[0]).save(tmp_path / "a.png")
    pd.DataFrame({"source": ["a.png"], "target": ["b.png"]}).to_csv(tmp_path / "pairs.csv", index=False)
    with pytest.raises(DataError, match=r"(?s)pairs\.csv: 1 files are missing; .*count from.*line 2: .*b\.png"):
        GanTranslator(**fast).fit(tmp_path / "pairs.csv")
    gaps = pd.DataFrame({"source": ["a.png", None], "target": ["a.png", "a.png"]}, index=["one", "two"])
    (tmp_path / "gap.csv").write_text("source,target\n\na.png,a.png\n,a.png\n")
    with pytest.raises(DataError, match=r"gap\.csv: no source or no target in line 4; fill it in"):
        GanTranslator(**fast).fit(tmp_path / "gap.csv")
    (tmp_path / "codes.csv").write_text("source,target\n001,a.png\n")
    with pytest.raises(DataError, match=r"line 2: .*001: no such file"):
        GanTranslator(**fast).fit(tmp_path / "codes.csv")
    with pytest.raises(DataError, match="the table of pairs: no source or no target in row two"):
        GanTranslator(**fast).fit(gaps)
    (tmp_path / "empty.csv").write_text("source,target\n")
    with pytest.raises(DataError, match=r"empty\.csv: has no rows; write one"):
        GanTranslator(**fast).fit(tmp_path / "empty.csv")
    for both in (tmp_path / "pairs.csv", gaps):
        with pytest.raises(ConfigError, match=r"has both sources and targets: leave y \(TARGET\) out, .*`path`"):
            GanTranslator(**fast).fit(both, photographs)
    with pytest.raises(ConfigError, match="give a second pile"):
        GanTranslator(**fast, paired=False).fit(photographs)
    with pytest.raises(DataError, match=r"27 source and 26 target .* as many .*`source` and `target`.*--unpaired"):
        GanTranslator(**fast).fit(photographs, night[1:])


def test_targets_of_another_size_are_brought_to_the_sources(photographs: Pictures) -> None:
    halves = [by_night(p)[::2, ::2] for p in photographs]
    translator = GanTranslator(size=32, max_images=16, batch_size=8, random_state=0).fit(photographs, halves)
    assert translator.score(photographs[:2], halves[:2]) > 5
    nearly = [np.pad(by_night(p), ((0, 0), (0, 1), (0, 0)), mode="edge") for p in photographs]
    one_off = GanTranslator(size=32, max_images=16, batch_size=8, random_state=0).fit(photographs, nearly)
    assert len(one_off.validation_) > 0


def test_one_pair_is_enough_to_begin_with(photographs: Pictures) -> None:
    one = GanTranslator(max_images=16, batch_size=8, random_state=0).fit(photographs[:1], [by_night(photographs[0])])
    assert one.validation_.empty
    assert one.transform(photographs[:1])[0].shape == (96, 96, 3)


def test_piles_given_as_pairs_are_noticed(photographs: Pictures) -> None:
    def halves(pictures: Pictures) -> list[torch.Tensor]:
        return [to_signed(p).half() for p in pictures]

    ours, theirs = halves(photographs), halves([255 - by_night(p) for p in photographs])
    assert not unrelated(list(zip(ours, theirs, strict=True)), 0)
    assert unrelated(list(zip(ours, theirs[5:] + theirs[:5], strict=True)), 0)
    mixed = photographs[5:] + photographs[:5]
    with pytest.warns(UserWarning, match="two piles"):
        GanTranslator(size=32, max_images=16, batch_size=8, random_state=0).fit(photographs, mixed)


def test_policies_move_both_pictures_alike(photographs: Pictures, tmp_path: Path) -> None:
    """A flip of one only would leave nothing to learn: the targets here are the sources."""
    import albumentations

    same = [to_signed(p).half() for p in photographs]
    from gantools.pipelines.translate.translator import _read_policy

    windows = Windows(same, same, paired=True, side=64, batch_size=8, seed=0, device=CPU, policy=_read_policy("policy"))
    batch = windows(3)
    torch.testing.assert_close(batch["reals"], batch["source"], rtol=0, atol=0)
    torch.testing.assert_close(windows(3)["reals"], batch["reals"], rtol=0, atol=0)
    crop = albumentations.Compose([albumentations.Resize(48, 40)], additional_targets={"partner": "image"})
    cut = Windows(same, same, paired=True, side=64, batch_size=8, seed=0, device=CPU, policy=crop, named="mine.yaml")
    with pytest.raises(ConfigError, match=r"mine\.yaml: makes windows of 64 x 64 pixels into 40 x 48; take out"):
        cut(0)
    (tmp_path / "none.yaml").write_text("nothing: 1\n")
    with pytest.raises(ConfigError, match="transform"):
        GanTranslator(policy=str(tmp_path / "none.yaml"), max_images=16).fit(photographs, photographs)


def test_a_fit_that_fails_leaves_no_half_fitted_estimator(photographs: Pictures) -> None:
    translator = GanTranslator(size=32, max_images=16, batch_size=8, random_state=0).fit(photographs, photographs)
    with pytest.raises(GantoolsError):
        translator.fit(photographs, [np.full((96, 96, 3), np.nan)] * len(photographs))
    with pytest.raises(Exception, match="not fitted"):
        translator.transform(photographs)
