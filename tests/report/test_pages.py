"""Reports in a real browser: what people click on works, and nothing leaves the file."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from gantools import GanAnomalyDetector, GanSuperResolver, GanSynthesizer
from gantools.report import write_detector, write_pictures, write_scores, write_synthesizer, write_usefulness
from gantools.report.heatmaps import overlay
from gantools.report.page import table, write_page
from tests.report.shown import Shown

ODD = 'it\'s "odd" <b>bold</b> & <script>alert(1)</script> 🎨, ünï.png'


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    bunch = load_digits()
    return np.round(bunch.images * 15.9375).astype(np.uint8), bunch.target


@pytest.fixture(scope="module")
def detector(digits: Any) -> GanAnomalyDetector:
    X, y = digits
    return GanAnomalyDetector(random_state=0, max_images=640).fit(X[y == 3][::2])


@pytest.fixture(scope="module")
def scored(detector: Any, digits: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pd.DataFrame]:
    X, _ = digits
    folder = tmp_path_factory.mktemp("scored")
    pictures = folder / "pictures"
    pictures.mkdir()
    for i, picture in enumerate(X[:150]):
        name = {0: ODD.replace("/", "∕"), 1: "=cmd.png"}.get(i, f"{i:03d}.png")
        Image.fromarray(picture).save(pictures / name)
    (pictures / "broken <i>.png").write_bytes(b"no picture")
    table = detector.score_table(pictures)
    report = folder / "report.html"
    write_scores(report, detector, pictures, table)
    return report, table


def test_the_threshold_recounts_and_what_it_flags_is_saved(browser: Any, scored: Any, tmp_path: Path) -> None:
    report, table = scored
    shown = Shown(browser, report)
    page = shown.page
    scores = table["anomaly_score"].dropna().to_numpy()
    flagged = int(table["is_anomaly"].fillna(False).sum())
    assert page.inner_text("h1") == f"{flagged} of 151 flagged as abnormal"
    assert page.inner_text(".count").startswith(f"{flagged} of 150 flagged as abnormal")
    middle = float(np.median(scores))
    page.fill(".exact", str(middle))
    page.dispatch_event(".exact", "change")
    above = table[table["anomaly_score"] > middle].sort_values("anomaly_score", ascending=False)
    assert page.inner_text(".count").startswith(f"{len(above)} of 150 flagged")
    with page.expect_download() as download:
        page.click(".export")
    saved = tmp_path / "flagged.csv"
    download.value.save_as(saved)
    rows = list(csv.reader(saved.open(newline="", encoding="utf-8")))
    assert rows[0] == ["path", "anomaly_score", "p_value"]
    assert [row[0] for row in rows[1:]] == above["path"].tolist()
    assert np.allclose([float(row[1]) for row in rows[1:]], above["anomaly_score"])
    page.evaluate("s => { s.value = 1000; s.dispatchEvent(new Event('input')) }", page.query_selector(".threshold"))
    assert int(page.inner_text(".count").split()[0]) < len(above)
    page.evaluate("s => { s.value = s.max; s.dispatchEvent(new Event('input')) }", page.query_selector(".threshold"))
    assert page.inner_text(".count").startswith("0 of 150 flagged"), "the highest score is within reach"
    page.click(".reset")
    assert page.inner_text(".count").startswith(f"{flagged} of 150 flagged")
    shown.check(report)


def test_gallery_pages_filters_and_sorts_and_names_are_text(browser: Any, scored: Any) -> None:
    report, table = scored
    shown = Shown(browser, report)
    page = shown.page
    assert page.locator(".card").count() == 60
    assert "page 1 of 3" in page.inner_text(".where")
    page.click(".on")
    page.click(".on")
    assert page.locator(".card").count() == 30
    assert page.is_disabled(".on")
    odd = ODD.replace("/", "∕")
    page.fill(".named", "ODD")
    assert page.locator(".card").count() == 1
    assert page.inner_text(".card div:not(.picture):not(.parts)") == odd
    assert page.locator(".card b").count() == 1  # the score; the name makes none
    assert page.locator(".card .heat").is_visible()
    page.uncheck(".heats")
    assert not page.locator(".card .heat").is_visible()
    page.fill(".named", "")
    page.select_option(".kind", "passed")
    passed = int((~table["is_anomaly"].dropna().astype(bool)).sum())
    assert page.inner_text(".where").startswith(f"{passed} in all")
    page.select_option(".kind", "all")
    page.select_option(".view", "table")
    page.click("th:has-text('name')")
    names = page.locator("tbody tr td:first-child").all_inner_texts()
    assert names[0] == "=cmd.png"
    assert names[1:4] == ["002.png", "003.png", "004.png"]
    page.click("th:has-text('score')")
    top = [float(text) for text in page.locator("tbody tr td:nth-child(2)").all_inner_texts()]
    assert top == sorted(top, reverse=True)
    assert "broken <i>.png" in page.inner_text("li")
    shown.check(report)


def test_labels_give_curves_and_counts(browser: Any, detector: Any, digits: Any, tmp_path: Path) -> None:
    X, y = digits
    abnormal = y[:120] != 3
    table = detector.score_table(X[:120])
    report = tmp_path / "evaluated.html"
    write_scores(report, detector, X[:120], table, abnormal, {"auroc": 0.5, "n_normal": 3})
    shown = Shown(browser, report, width=380)
    flagged = table["is_anomaly"].to_numpy(bool)
    assert f"Detected: {int((flagged & abnormal).sum())} of {int(abnormal.sum())}" in shown.page.inner_text(".count")
    assert shown.page.locator("svg:has-text('false alarms')").count() == 1
    shown.page.select_option(".kind", "missed")
    assert shown.page.inner_text(".where").startswith(f"{int((~flagged & abnormal).sum())} in all")
    shown.check(report)


def test_of_many_rows_the_top_is_shown_and_the_figures_are_of_all(
    browser: Any, detector: Any, digits: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    X, y = digits
    abnormal = y[:120] != 3
    table = detector.score_table(X[:120])
    report, whole = tmp_path / "some.html", tmp_path / "all.html"
    write_scores(whole, detector, X[:120], table, abnormal)
    monkeypatch.setattr("gantools.report.scores.MOST_ROWS", 50)
    write_scores(report, detector, X[:120], table, abnormal)
    shown, beside = (Shown(browser, page) for page in (report, whole))
    words = shown.page.inner_text(".count")
    assert "of 120 flagged" in words
    assert f"of {int(abnormal.sum())}; false alarms: " in words
    assert words.endswith(f"of {int((~abnormal).sum())}")
    curve = "svg:has-text('false alarms')"
    assert shown.page.text_content(curve) == beside.page.text_content(curve)  # with the area under it


def test_ten_thousand_pictures_stay_usable(browser: Any, detector: Any, digits: Any, tmp_path: Path) -> None:
    X, _ = digits
    many = np.concatenate([X] * 6)[:10_000]
    few = detector.score_table(X)
    table = pd.concat([few] * 6, ignore_index=True)[:10_000]
    report = tmp_path / "many.html"
    write_scores(report, detector, many, table)
    assert report.stat().st_size < 30e6
    shown = Shown(browser, report)
    assert shown.page.locator(".card").count() == 60
    shown.page.fill(".exact", "0")
    shown.page.dispatch_event(".exact", "change")
    above = int((table["anomaly_score"] > 0).sum())
    assert shown.page.inner_text(".count").startswith(f"{above} of 10000 flagged")
    shown.page.fill(".named", "picture 99")
    assert "in all" in shown.page.inner_text(".where")
    shown.check(report)


def test_the_divide_between_two_pictures_moves(browser: Any, digits: Any, tmp_path: Path) -> None:
    pictures = [np.kron(p, np.ones((4, 4), np.uint8)) for p in digits[0][:10]]
    resolver = GanSuperResolver(scale=2, max_images=64, random_state=0).fit(pictures)
    items = [("<one>", {"bicubic": pictures[0], "ours": pictures[1], "truth": pictures[2]})]
    report = tmp_path / "sr.html"
    write_pictures(
        report,
        "2 times larger",
        items,
        resolver.validation_,
        {"ours": "ours, perception 0", "texture": "ours, perception 1"},
        ("bicubic", "ours"),
        estimator=resolver,
        commands=["gantools sr upscale"],
    )
    shown = Shown(browser, report, width=420)
    page = shown.page
    over = page.locator(".pair .over")
    before = over.evaluate("e => e.style.clipPath")
    box = page.locator(".pair").bounding_box()
    page.mouse.move(box["x"] + 10, box["y"] + 10)
    page.mouse.down()
    page.mouse.move(box["x"] + 60, box["y"] + 10)
    page.mouse.up()
    assert over.evaluate("e => e.style.clipPath") != before
    source = over.get_attribute("src")
    page.select_option(".which-left", "truth")
    assert over.get_attribute("src") != source
    assert page.inner_text(".pair .left") == "truth"
    rows = page.locator("table.sortable").first
    rows.locator("th").nth(1).click()
    top = [float(text) for text in rows.locator("td:nth-child(2)").all_inner_texts()]
    assert top == sorted(top, reverse=True)
    shown.check(report)


@pytest.mark.parametrize("width", [360, 1200])
def test_training_is_told_with_pictures_over_time(
    browser: Any, detector: Any, digits: Any, tmp_path: Path, width: int
) -> None:
    X, y = digits
    synthesizer = GanSynthesizer(random_state=0, max_images=2000).fit(X[:200], [f"<{label}>" for label in y[:200]])
    report = tmp_path / "synth.html"
    write_synthesizer(report, synthesizer, synthesizer.rows(4, 6, 0), "my model")
    shown = Shown(browser, report, width=width)
    text = shown.page.inner_text("body")
    assert "Stage 1: fidelity" in text
    assert "Stage 2: adversarial" in text
    assert "<0>" in text
    assert shown.page.locator(".band i").count() > 0
    shown.page.emulate_media(media="print")
    adjusted = shown.page.eval_on_selector(".band i", "i => getComputedStyle(i).printColorAdjust")
    assert adjusted == "exact", "otherwise browsers print no backgrounds, which the band is made of"
    assert shown.page.locator(".film img").count() == 4 + sum(len(s.images) for s in synthesizer.snapshots_.values())
    shown.check(report)
    report = tmp_path / "detector.html"
    write_detector(report, detector, "m")
    shown = Shown(browser, report, width=width)
    assert "How training went" in shown.page.inner_text("body")
    shown.check(report)


def test_a_table_of_numbers_has_a_report(browser: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 4))
    detector = GanAnomalyDetector(random_state=0, max_images=2000).fit(X)
    strange = np.concatenate([X[:70], X[:5] + 9])
    report = tmp_path / "rows.html"
    write_scores(report, detector, strange, detector.score_table(strange))
    shown = Shown(browser, report)
    assert shown.page.locator("tbody tr").count() == 60
    assert shown.page.inner_text("tbody tr:first-child td:first-child") in {f"row {i}" for i in range(70, 75)}
    with shown.page.expect_download() as download:
        shown.page.click(".export")
    saved = pd.read_csv(download.value.path())
    assert set(saved["row"]) >= set(range(70, 75))  # as in the CSV of scores
    shown.check(report)


def test_verdicts_are_words(browser: Any, tmp_path: Path) -> None:
    said = pd.DataFrame(
        [
            {"classifier": "a & b", "method": "GAN", "beside": "SMOTE", "difference": 0.02, "low": 0.01, "high": 0.03}
            | {"verdict": "helps", "classical": 0.25}
        ]
    )
    index = pd.MultiIndex.from_tuples([("a & b", "GAN"), ("a & b", "SMOTE")], names=["classifier", "method"])
    report = tmp_path / "useful.html"
    write_usefulness(
        report,
        said,
        pd.DataFrame({"balanced_accuracy": [0.9, 0.88], "seconds": 1.0, "recall of a long class": 0.5}, index=index),
    )
    shown = Shown(browser, report, width=360)
    cells = shown.page.locator("table :is(th, td):not(.number)")
    widths = [cells.nth(i).bounding_box()["width"] for i in range(cells.count())]
    assert min(widths) > 80, "a narrow window must not break words letter by letter"
    assert "balanced accuracy" in shown.page.inner_text("thead")
    assert "a & b, GAN: helps; +0.020 balanced accuracy beside SMOTE" in shown.page.inner_text("body")
    assert "25% of its new samples are made classically" in shown.page.inner_text("body")
    shown.check(report)


def test_a_column_with_gaps_sorts(browser: Any, tmp_path: Path) -> None:
    frame = pd.DataFrame({"name": list("abcde"), "value": [3.0, np.nan, 5.0, np.inf, 1.0]})
    report = tmp_path / "gaps.html"
    write_page(report, "gaps", "", [table("Gaps", frame)])
    shown = Shown(browser, report)
    shown.page.click("th:has-text('value')")
    assert shown.page.locator("td:first-child").all_inner_texts() == list("dcaeb")
    shown.page.click("th:has-text('value')")
    assert shown.page.locator("td:first-child").all_inner_texts() == list("beacd")
    shown.check(report)


def test_a_thin_picture_has_a_heatmap_of_bounded_size() -> None:
    assert overlay(np.zeros((1, 5000, 1), np.float32), np.zeros((1, 5000))).shape == (1, 5000, 3)
    assert overlay(np.zeros((2, 100, 1), np.float32), np.zeros((2, 100))).shape == (40, 2000, 3)
