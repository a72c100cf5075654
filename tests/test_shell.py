"""Every `gantools` command that the documents show runs as it stands, on small data of the names it has there."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from skimage import data
from typer.testing import CliRunner

from gantools.cli import app

ROOT = Path(__file__).parent.parent
# What makes a command short, and changes nothing else.
SHORTER = {"anomaly fit": 64, "augment": 128, "sr fit": 64, "translate fit": 32, "synth fit": 128}
NEEDS = {
    "anomaly score": "GanAnomalyDetector",
    "export MODEL": "GanAnomalyDetector",
    "sr upscale": "GanSuperResolver",
    "translate apply": "GanTranslator",
}
FITTED = {
    "GanAnomalyDetector": ("anomaly", "GOOD_PARTS --set view=whole"),
    "GanSuperResolver": ("sr", "PICTURES"),
    "GanTranslator": ("translate", "LINES COLOURS"),
}
COLOUR = [
    "SHARP_PICTURES",
    "OTHER_SHARP_PICTURES",
    "COLOURS",
    "OTHER_COLOURS",
    "NEW_COLOURS",
    "COLOUR_PHOTOGRAPHS",
    "PHOTOGRAPHS",
    "PICTURES",
    "PILE_B",
]
GRAY = ["LINES", "OTHER_LINES", "NEW_DRAWINGS", "OLD_PHOTOGRAPHS", "PILE_A"]


def commands(document: Path) -> list[list[str]]:
    """The arguments of each `gantools` command in a document's blocks for the shell."""
    found, fence = [], None
    for line in document.read_text(encoding="utf-8").splitlines():
        if line.startswith("```"):
            fence = line if fence is None else None
        elif fence == "```":
            for part in re.sub(r"\s#.*", "", line).split("&&"):
                words = part.removeprefix("torchrun --nproc-per-node 2 -m ").split()
                if words[:1] == ["gantools"] and words[1] not in ("serve", "demo"):  # these have tests of their own
                    found.append(words[1:])
    return found


DOCUMENTS = [d for d in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))) if commands(d)]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of the names that the documents use, with a few small pictures each."""
    root = tmp_path_factory.mktemp("world")
    pictures = [data.astronaut()[y : y + 48, x : x + 48] for y in range(0, 336, 96) for x in range(0, 288, 96)]
    bricks = [data.brick()[y : y + 96, x : x + 96] for y in range(0, 400, 100) for x in range(0, 400, 100)]

    def write(folder: str, some: list[np.ndarray]) -> None:
        (root / folder).mkdir(parents=True, exist_ok=True)
        for i, picture in enumerate(some):
            Image.fromarray(picture).save(root / folder / f"{i:02d}.png")

    for name in COLOUR:
        write(name, pictures)
    for name in GRAY:
        write(name, [p.mean(2).astype(np.uint8) for p in pictures])
    for name in ("SMALL_PICTURES", "SMALL"):
        write(name, [p[:20, :20] for p in pictures[:3]])
    for name in ("GOOD_PARTS", "GOOD", "LABELLED/good"):
        write(name, bricks)
    for name in ("NEW_PARTS", "NEW", "LABELLED/broken"):
        write(name, [255 - b for b in bricks[:4]])
    for number, name in enumerate(("rose", "tulip")):
        write(f"FLOWERS/{name}", [np.roll(p, 9 * number, 2)[::2, ::2] for p in pictures])
    write("BOTH", [np.concatenate([p, 255 - p], 1) for p in pictures])
    names = [f"{i:02d}.png" for i in range(len(pictures))]
    pairs = {"source": [f"LINES/{n}" for n in names], "target": [f"COLOURS/{n}" for n in names]}
    pd.DataFrame(pairs).to_csv(root / "pairs.csv", index=False)
    return root


def _provide(kind: str | None) -> None:
    """A model of a kind in the folder MODEL, where the document takes it for granted."""
    there = json.loads(Path("MODEL/model.json").read_text())["class"] if Path("MODEL").exists() else None
    if kind not in (None, there):
        task, pictures = FITTED[kind]
        begin = [task, "fit", *pictures.split(), "--model", "MODEL", "--max-images", "64", "--quiet"]
        assert CliRunner().invoke(app, begin).exit_code == 0


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: d.name)
@pytest.mark.filterwarnings("ignore")
def test_commands_run(document: Path, world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(world)
    shutil.rmtree("MODEL", ignore_errors=True)
    for words in commands(document):
        task = " ".join(words[:2]) if words[0] != "augment" else "augment"
        _provide(NEEDS.get(task))
        more = ["--max-images", str(SHORTER[task])] if task in SHORTER else []
        for place in [words[i + 1] for i, word in enumerate(words[:-1]) if word == "--out"]:
            shutil.rmtree(place, ignore_errors=True)
        given = ["4" if word == "500" else word for word in words]
        done = CliRunner().invoke(app, [*given, *more, "--quiet"])
        fine = (0, 3) if task == "augment" else (0,)  # so short a training does not satisfy the gates
        assert done.exit_code in fine, f"{' '.join(given)}: {done.exception} {done.output}"


def test_there_are_commands() -> None:
    assert {d.name for d in DOCUMENTS} >= {"README.md", "augmentation.md", "super-resolution.md", "translation.md"}
    assert sum(len(commands(d)) for d in DOCUMENTS) > 25
