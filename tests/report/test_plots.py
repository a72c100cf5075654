"""Plots and what a notebook shows: what is drawn is what was measured."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gantools import GanAnomalyDetector, GanAugmenter, GanSuperResolver, GanSynthesizer, GanTranslator
from gantools.errors import ConfigError
from gantools.report import plots
from gantools.report.grids import grid, rgb


@pytest.fixture(autouse=True)
def figures() -> Iterator[None]:
    import matplotlib as mpl
    from matplotlib import pyplot

    mpl.use("agg")
    warnings.simplefilter("ignore")
    yield
    pyplot.close("all")


def test_history_is_drawn_stage_by_stage() -> None:
    history = pd.DataFrame(
        {
            "images": [8, 16, 8, 16],
            "stage": ["one", "one", "two", "two"],
            "loss_generator": [np.nan, np.nan, 0.5, 0.4],
            "loss_discriminator": [np.nan, np.nan, 1.0, 0.9],
            "term_pixels": [0.5, 0.25, np.nan, np.nan],
            "gradient_generator": [1.0, 2.0, 3.0, 4.0],
            "health": [None, None, "balanced", "collapsing"],
        }
    )
    axes = plots.plot_history(history)
    assert len(axes) == 6
    assert [ax.get_visible() for ax in axes] == [True, True, False, True, True, True]
    assert axes[0].lines[0].get_ydata().tolist() == [0.5, 0.25]
    assert {line.get_label(): line.get_ydata().tolist() for line in axes[3].lines} == {
        "discriminator": [1.0, 0.9],
        "generator": [0.5, 0.4],
    }
    two = plots.stages_of(history)["two"]
    assert plots.health_of(two) == [("balanced", 0.0, 1.0), ("collapsing", 1.0, 1.0)]


def test_a_training_of_one_step_is_drawn_as_dots() -> None:
    history = pd.DataFrame(
        {"images": [8], "loss_generator": [0.5], "loss_discriminator": [1.0], "gradient_generator": [2.0]}
    )
    for plot in plots.plots_of(history):
        assert {line.get_marker() for line in plot(history).lines} <= {"o"}
    assert plots.plot_losses(pd.concat([history, history])).lines[0].get_marker() == ""


def test_long_histories_are_thinned_to_means() -> None:
    history = pd.DataFrame({"images": np.arange(1000), "loss": np.arange(1000.0), "health": ["a"] * 500 + ["b"] * 500})
    thin = plots.thinned(history, 10)
    assert thin["loss"].tolist() == [49.5 + 100 * i for i in range(10)]
    assert thin["health"].tolist() == ["a"] * 5 + ["b"] * 5


def test_a_detector_draws_its_scores_and_the_most_abnormal(threes: GanAnomalyDetector, digits: Any) -> None:
    X, y = digits
    ax = threes.plot_scores(X[:200], y[:200] != 3)
    heights = sum(patch.get_height() for patch in ax.patches)
    assert heights == 200
    assert any(np.isclose(line.get_xdata()[0], -threes.offset_) for line in ax.lines)
    shown = threes.plot_anomalies(X[:50], n=4, columns=2).images[0].get_array()
    assert shown.shape == (2 * 130, 2 * 130, 3)


def test_every_estimator_tells_in_html_what_it_learnt(digits: Any) -> None:
    X, y = digits
    small = (X[:60] * 255).astype(np.uint8)
    assert "Learnt from" not in GanSynthesizer()._repr_html_()
    for fitted in (
        GanSynthesizer(max_images=400, random_state=0).fit(small, y[:60]),
        GanAugmenter(max_images=400, random_state=0, min_class_size=4).fit(small[y[:60] < 2], y[:60][y[:60] < 2]),
        GanSuperResolver(scale=2, max_images=32, random_state=0).fit(small[:8]),
        GanTranslator(size=16, max_images=32, random_state=0).fit(small[:8], small[:8]),
        GanAnomalyDetector(max_images=64, random_state=0).fit(small),
    ):
        assert f"Learnt from {fitted.training_['samples']} samples" in fitted._repr_html_()
        assert len(fitted.plot_history()) >= 3


def test_samples_are_drawn(digits: Any) -> None:
    X, y = digits
    ax = GanSynthesizer(max_images=400, random_state=0).fit(X[:60], y[:60]).plot_samples(columns=5)
    assert [text.get_text() for text in ax.texts] == [str(k) for k in range(8)]
    assert ax.images[0].get_array().shape == (8 * 18, 5 * 18, 3)
    table = GanSynthesizer(max_images=400, random_state=0).fit(np.random.default_rng(0).normal(size=(60, 3)))
    with pytest.raises(ConfigError, match="rows of a table"):
        table.plot_samples()
    pictures = [(np.kron(x, np.ones((2, 2))) * 255).astype(np.uint8) for x in X[:8]]
    resolver = GanSuperResolver(scale=2, max_images=32, random_state=0).fit(pictures)
    assert resolver.plot_samples(pictures, n=3).images[0].get_array().shape == (3 * 66, 2 * 66, 3)
    translator = GanTranslator(size=32, max_images=32, random_state=0).fit(pictures, pictures)
    assert translator.plot_samples(pictures, n=2).images[0].get_array().shape == (2 * 34, 2 * 34, 3)


def test_pictures_of_any_kind_are_shown() -> None:
    assert rgb(np.zeros((4, 5))).shape == (4, 5, 3)
    assert rgb(np.zeros((4, 5, 4), np.uint16)).tolist() == np.full((4, 5, 3), 255).tolist()
    whole = grid([np.zeros((2, 2), np.uint8), np.zeros((4, 3, 3), np.uint8)], 2)
    assert whole.shape == (6, 10, 3)
    assert (whole[:2, :2] == 0).all()
    assert (whole[2:, :5] == 255).all()


def test_what_cannot_be_drawn_is_said() -> None:
    rng = np.random.default_rng(0)
    rows = GanAnomalyDetector(max_images=64, random_state=0).fit(rng.normal(size=(40, 3)))
    with pytest.raises(ConfigError, match="has no maps"):
        rows.plot_anomalies(rng.normal(size=(4, 3)))
    few = GanAugmenter(min_class_size=50, per_class=1, random_state=0)
    few.fit(rng.integers(0, 255, (12, 8, 8)).astype(np.uint8), np.repeat([0, 1], 6))
    with pytest.raises(ConfigError, match="nothing was trained"):
        few.plot_history()
    assert "Nothing was trained" in few._repr_html_()


def test_charts_of_a_page_do_not_take_the_styles_of_a_notebook() -> None:
    import matplotlib as mpl

    from gantools.report.page import chart

    plain = chart(lambda ax: ax.set_title("one"))
    with mpl.rc_context({"font.size": 33, "axes.facecolor": "black"}):
        assert chart(lambda ax: ax.set_title("one")) == plain
        assert mpl.rcParams["font.size"] == 33
