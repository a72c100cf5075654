"""Small models behind real servers, each in processes of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
from skimage import data
from sklearn.datasets import load_wine

from gantools import GanAnomalyDetector, GanAugmenter, GanSuperResolver, GanSynthesizer, GanTranslator

Serving = Callable[..., Any]
PIECES = [data.astronaut()[i : i + 64, i : i + 64] for i in range(0, 384, 48)]


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
        "resolver": GanSuperResolver(scale=2, max_images=64, random_state=0).fit(PIECES),
        "translator": GanTranslator(size=32, max_images=64, random_state=0).fit([p[..., :1] for p in PIECES], PIECES),
        "augmenter": GanAugmenter(per_class=2, **small).fit(pictures, labels),
        "synthesizer": GanSynthesizer(**small).fit(pictures, labels),
        "rows": GanSynthesizer(**small).fit(rows),
    }
    for name, estimator in fitted.items():
        estimator.save(root / name)
    return {name: root / name for name in fitted}


@contextmanager
def serving(model: Path, *flags: str) -> Iterator[httpx.Client]:
    """A client of `gantools serve`, which ends with it."""
    command = [sys.executable, "-m", "gantools", "serve", str(model), "--port", "0", "--json", *flags]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["url"]
        with httpx.Client(base_url=url, timeout=120) as client:
            client.headers["X-Test-Process"] = str(process.pid)
            yield client
    finally:
        process.terminate()
        process.wait(60)


@pytest.fixture(scope="module")
def detector(models: dict[str, Path]) -> Iterator[httpx.Client]:
    with serving(models["detector"], "--max-mb", "0.2", "--max-megapixels", "0.1") as client:
        yield client


@pytest.fixture(scope="module")
def table(models: dict[str, Path]) -> Iterator[httpx.Client]:
    with serving(models["table"]) as client:
        yield client


@pytest.fixture(scope="module")
def synthesizer(models: dict[str, Path]) -> Iterator[httpx.Client]:
    with serving(models["synthesizer"]) as client:
        yield client
