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
import pytest

Serving = Callable[..., Any]


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


@pytest.fixture(scope="module")
def resolver(models: dict[str, Path]) -> Iterator[httpx.Client]:
    with serving(models["resolver"], "--max-megapixels", "0.1") as client:
        yield client


@pytest.fixture(scope="module")
def translator(models: dict[str, Path]) -> Iterator[httpx.Client]:
    with serving(models["translator"], "--max-megapixels", "0.1") as client:
        yield client
