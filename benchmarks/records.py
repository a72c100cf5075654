"""Figures measured so far: results/<what>.jsonl, one line each, written as soon as it is known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RESULTS = HERE / "results"
Row = dict[str, Any]


def _file(what: str) -> Path:
    return RESULTS / f"{what}.jsonl"


def rows_of(what: str) -> list[Row]:
    """Every figure measured so far."""
    return [json.loads(line) for line in _file(what).read_text().splitlines()] if _file(what).exists() else []


def known(what: str, key: Row) -> bool:
    """Whether the figure is measured already."""
    return any(all(row.get(k) == v for k, v in key.items()) for row in rows_of(what))


def record(what: str, row: Row) -> None:
    """Print a figure and append it to those of its kind, rounded to six significant digits."""
    line = json.dumps({k: float(f"{v:.6g}") if isinstance(v, float) else v for k, v in row.items()})
    print(line, flush=True)
    RESULTS.mkdir(exist_ok=True)
    with _file(what).open("a") as file:
        file.write(line + "\n")


def name_of(device: str) -> str:
    """ "cpu", or what a GPU is called."""
    import torch

    return torch.cuda.get_device_name() if device.startswith("cuda") else device
