"""Every command that takes `--report` writes one that opens without a complaint, wide and narrow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from skimage import data
from typer.testing import CliRunner

from gantools.cli import app
from tests.report.shown import Shown

pytestmark = pytest.mark.filterwarnings("ignore")

MODEL = {
    "detector": ("anomaly", "parts/good"),
    "resolver": ("sr", "colour"),
    "translator": ("translate", "gray colour"),
}
COMMANDS = {
    "anomaly fit parts/good --model new --max-images 64 --set view=whole": "Training",
    "anomaly score parts --model detector --out scores.csv": "flagged as abnormal",
    "anomaly evaluate parts --model detector": "Against the labels",
    "sr fit colour --scale 2 --model new --max-images 64": "Training",
    "sr evaluate colour --model resolver": "psnr",
    "translate fit gray colour --model new --max-images 32": "Training",
    "translate evaluate gray colour --model translator": "psnr",
    "synth fit kinds --classes --model new --max-images 128": "Training",
    "augment kinds --per-class 2 --out more --max-images 128": "spread",
    "augment kinds --evaluate --folds 2 --per-class 2 --max-images 128 --set trainer=vanilla": "Balanced accuracy",
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of small pictures, and a model of each kind that is used more than once."""
    root = tmp_path_factory.mktemp("world")
    pieces = [data.astronaut()[y : y + 48, x : x + 48] for y in range(0, 336, 96) for x in range(0, 288, 96)]
    gray = [p.mean(2).astype(np.uint8) for p in pieces]
    folders = {"colour": pieces, "gray": gray, "parts/good": gray, "parts/broken": [255 - p for p in gray[:4]]}
    folders |= {"kinds/<b>one": pieces, "kinds/zwei 🎨": [np.roll(p, 9, 2) for p in pieces]}
    for folder, pictures in folders.items():
        (root / folder).mkdir(parents=True)
        for i, picture in enumerate(pictures):
            Image.fromarray(picture).save(root / folder / f'it\'s "{i:02d}".png')
    for model, (task, pictures_of) in MODEL.items():
        told(root, f"{task} fit {pictures_of} --model {model} --max-images 32 --quiet")
    return root


def told(root: Path, command: str, *more: str) -> None:
    """Run a command in which names are of files below `root`."""
    words = [str(root / word) if _is_name(word) else word for word in command.split()]
    done = CliRunner().invoke(app, [*words, *more])
    assert done.exit_code in (0, 3), done.output  # 3: so short a training may fail the gates of quality; it reports too


def _is_name(word: str) -> bool:
    return word.split("/")[0] in {"parts", "colour", "gray", "kinds", "new", "more", "scores.csv", *MODEL}


@pytest.mark.parametrize("command", COMMANDS)
def test_its_report_opens(world: Path, browser: Any, tmp_path: Path, command: str) -> None:
    report = tmp_path / "report.html"
    told(world, command, "--report", str(report), "--quiet")
    for width in (1200, 360):
        shown = Shown(browser, report, width)
        assert COMMANDS[command].lower() in shown.page.inner_text("body").lower()
        shown.check(report)
        shown.page.close()
