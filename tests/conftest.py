"""Data and detectors that many tests share."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from gantools import GanAnomalyDetector


@pytest.fixture(scope="session")
def digits() -> tuple[np.ndarray, np.ndarray]:
    """scikit-learn's digits, enlarged to 16 x 16, float32 in [0, 1], and their labels."""
    bunch = load_digits()
    return np.kron(bunch.images / 16, np.ones((2, 2))).astype(np.float32), bunch.target


@pytest.fixture(scope="session")
def threes(digits: tuple[np.ndarray, np.ndarray]) -> GanAnomalyDetector:
    """A quickly fitted detector to which threes are normal."""
    pictures, labels = digits
    return GanAnomalyDetector(random_state=0, max_images=1600).fit(pictures[labels == 3][:120])


@pytest.fixture
def rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium; tests that need it are skipped where there is none."""
    if CHROMIUM is None:
        pytest.skip("needs a Chromium on the path (Debian: apt install chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        found = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()
