"""The page of a served model in a real browser: a picture goes in, an answer comes out, and nothing goes elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image


def opened(browser: Any, url: str, width: int) -> tuple[Any, list[str]]:
    """A page, and what it complained of or asked of others."""
    page = browser.new_page(viewport={"width": width, "height": 800})
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda r: None if r.url.startswith((url, "blob:", "data:")) else complaints.append(r.url))
    return page, complaints


@pytest.mark.parametrize("width", [1000, 360])
def test_a_picture_is_scored(browser: Any, detector: httpx.Client, width: int, tmp_path: Path) -> None:
    Image.fromarray(np.full((16, 16), 200, np.uint8)).save(tmp_path / "<b>odd.png")
    url = str(detector.base_url)
    page, complaints = opened(browser, url, width)
    page.goto(url)
    page.set_input_files("input[type=file]", tmp_path / "<b>odd.png")
    page.click("button")
    page.wait_for_selector("text=heatmap, 128 × 128")
    assert page.inner_text("#shown p").split(":")[0] in ("Abnormal", "Normal")
    assert "curl -F picture=@FILE" in page.inner_text("#shell")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    (tmp_path / "bad.png").write_bytes(b"no picture")
    page.set_input_files("input[type=file]", tmp_path / "bad.png")
    with page.expect_response("**/score*") as told:
        page.click("button")
    assert told.value.status == 422
    page.wait_for_selector("button:not([disabled])")
    assert "the picture: is text" in page.inner_text("#said")
    assert [c for c in complaints if "422" not in c] == []


def test_samples_and_rows(browser: Any, synthesizer: httpx.Client, table: httpx.Client) -> None:
    page, complaints = opened(browser, str(synthesizer.base_url), 1000)
    page.goto(str(synthesizer.base_url))
    page.fill("input[name=n]", "4")
    page.click("button:has-text('Ask')")
    page.wait_for_selector("text=grid, 32 × 32")
    page.click("button:has-text('ZIP')")
    page.wait_for_selector("a[download='samples.zip']")
    page.goto(str(table.base_url))
    page.fill("textarea", '[{"a": 1, "b": 2, "c": 3, "d": 4, "kind": "x"}]')
    page.click("button:has-text('Ask')")
    page.wait_for_selector("#shown pre")
    assert "anomaly_score" in page.inner_text("#shown")
    assert [c for c in complaints if str(table.base_url) not in c] == []


def test_the_description_asks_nothing_of_others(browser: Any, detector: httpx.Client) -> None:
    page, complaints = opened(browser, str(detector.base_url), 1000)
    page.goto(f"{detector.base_url}/docs")
    page.wait_for_selector("text=/heatmap")
    assert complaints == []
