"""Data and detectors that many tests share."""

from __future__ import annotations

import os

if "PYTEST_XDIST_WORKER_COUNT" in os.environ:  # before torch starts its threads: each process has a share of the cores
    share = (os.cpu_count() or 1) // int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, share)))
if "GANTOOLS_TEST_GPU" not in os.environ:  # to the last bit, as many tests want it, only CPUs compute
    os.environ["CUDA_VISIBLE_DEVICES"] = ""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from skimage import data
from sklearn.datasets import load_digits, load_wine

from gantools import GanAnomalyDetector, GanAugmenter, GanSuperResolver, GanSynthesizer, GanTranslator

PIECES = [data.astronaut()[i : i + 64, i : i + 64] for i in range(0, 384, 48)]


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


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory, digits: tuple[np.ndarray, np.ndarray]) -> dict[str, Path]:
    """A folder with a barely trained model of each task, by name."""
    root = tmp_path_factory.mktemp("models")
    pictures, labels = digits[0][:300], digits[1][:300]
    rows = pd.DataFrame(load_wine().data[:100, :4], columns=list("abcd")).assign(kind=["x", "y"] * 50)
    small = {"max_images": 640, "random_state": 0}
    fitted = {
        "detector": GanAnomalyDetector(**small).fit(pictures[:120]),
        "table": GanAnomalyDetector(**small).fit(rows),
        "tiles": GanAnomalyDetector(
            view="tiles", parts=["pretrained", "pretrained_discriminator"], max_images=32, random_state=0
        ).fit(PIECES),
        "resolver": GanSuperResolver(scale=2, max_images=64, random_state=0).fit(PIECES),
        "translator": GanTranslator(size=32, max_images=64, random_state=0).fit([p[..., :1] for p in PIECES], PIECES),
        "augmenter": GanAugmenter(per_class=2, **small).fit(pictures, labels),
        "synthesizer": GanSynthesizer(**small).fit(pictures, labels),
        "rows": GanSynthesizer(**small).fit(rows),
    }
    for name, estimator in fitted.items():
        estimator.save(root / name)
    return {name: root / name for name in fitted}


@pytest.fixture(autouse=True)
def whatever_ran_before() -> Iterator[None]:
    """Weights that a test draws from torch's own generator are the same in any order and beside any other tests."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


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
