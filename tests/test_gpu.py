"""What is learnt on a GPU: near to the same on a CPU, saved, exported and gone on from there.

    GANTOOLS_TEST_GPU=1 pytest tests/test_gpu.py

On machines without one, and without the variable, these tests are skipped; all others hide GPUs from torch, because on
GPUs sums are taken in another order every time.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from skimage import data
from sklearn.datasets import load_digits, load_wine

from gantools import GanAnomalyDetector, GanAugmenter, GanSuperResolver, GanSynthesizer, GanTranslator, load
from gantools.core import AdversarialTrainer
from gantools.core.layout import bfloat16_suits, lay_channels_last
from gantools.pipelines.export import export
from tests.core.test_augment import PictureGame
from tests.core.test_trainer import weights_of

pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU, and GANTOOLS_TEST_GPU=1"),
    pytest.mark.filterwarnings("ignore"),
]

DIGITS = np.round(load_digits().images[:300] * 15.9).astype(np.uint8)
LABELS = load_digits().target[:300]
PIECES = [data.astronaut()[i : i + 96, i : i + 96] for i in range(0, 384, 64)]
GRAY = [piece.mean(-1, keepdims=True).astype(np.uint8) for piece in PIECES]
TILES = {"view": "tiles", "max_images": 64}

Use = Callable[[Any], Any]
TASKS: dict[str, tuple[Callable[..., Any], Use]] = {
    "detector": (
        lambda **settings: GanAnomalyDetector(max_images=1280, **settings).fit(DIGITS[:150]),
        lambda detector: detector.anomaly_score(DIGITS),
    ),
    "tiles": (
        lambda **settings: GanAnomalyDetector(**TILES, **settings).fit(GRAY),
        lambda detector: np.stack([m.mean() for m in detector.anomaly_map(GRAY[:3])]),
    ),
    "table": (
        lambda **settings: GanAnomalyDetector(max_images=1280, **settings).fit(load_wine().data[:100]),
        lambda detector: detector.anomaly_score(load_wine().data),
    ),
    "synthesizer": (
        lambda **settings: GanSynthesizer(max_images=1280, **settings).fit(DIGITS, LABELS),
        lambda synthesizer: synthesizer.sample(20, random_state=0)[0] / 1.0,
    ),
    "augmenter": (
        lambda **settings: GanAugmenter(per_class=2, max_images=1280, **settings).fit(DIGITS, LABELS),
        lambda augmenter: np.unique(augmenter.sample(random_state=0)[1], return_counts=True)[1],
    ),
    "resolver": (
        lambda **settings: GanSuperResolver(scale=2, max_images=320, **settings).fit(PIECES),
        lambda resolver: resolver.transform(PIECES[:2])[0] / 1.0,
    ),
    "translator": (
        lambda **settings: GanTranslator(size=32, max_images=320, **settings).fit(GRAY, PIECES),
        lambda translator: translator.transform(GRAY[:2])[0] / 1.0,
    ),
}


@pytest.mark.parametrize("task", TASKS)
def test_what_a_gpu_learnt_is_used_on_a_cpu(task: str, tmp_path: Path) -> None:
    fit, use = TASKS[task]
    fitted = fit(device="cuda", random_state=0)
    assert fitted.history_["dropped"].sum() == 0
    fitted.save(tmp_path / "m")
    here, there = use(load(tmp_path / "m", "cpu")), use(load(tmp_path / "m", "cuda"))
    np.testing.assert_array_equal(there, use(fitted))
    spread = max(1.0, float(np.abs(here).max()))
    assert np.abs(here - there).mean() < 0.01 * spread  # convolutions on GPUs are of ten bits, unless torch is told


@pytest.mark.parametrize("task", ["detector", "table", "synthesizer", "augmenter", "resolver", "translator"])
def test_what_a_gpu_learnt_is_exported(task: str, tmp_path: Path) -> None:
    fitted = TASKS[task][0](device="cuda", random_state=0)
    made = export(fitted, tmp_path / "m.onnx", (96, 96) if task == "translator" else None)
    assert (tmp_path / "m.onnx").exists()
    assert max(made["parity"].values()) < 1e-3


@pytest.mark.parametrize("task", ["resolver", "synthesizer", "detector"])
def test_a_training_is_gone_on_with_on_a_cpu(task: str, tmp_path: Path) -> None:
    fit, use = TASKS[task]
    fit(device="cuda", random_state=0, checkpoint=tmp_path)
    resumed = fit(device="cpu", random_state=0, checkpoint=tmp_path, resume=True)
    assert np.isfinite(use(resumed)).all()


def pictures(step: int) -> dict[str, torch.Tensor]:
    rng = torch.Generator().manual_seed(step)
    return {"reals": (torch.rand(8, 1, 8, 8, generator=rng) * 2 - 1).cuda()}


def played(**settings: Any) -> torch.Tensor:
    game = PictureGame()
    for player in (game.generator, game.discriminator):
        with torch.no_grad():
            for weight in player.parameters():
                weight.normal_(0, 0.1, generator=torch.Generator().manual_seed(weight.numel()))
        player.cuda()
        lay_channels_last(player)
    return weights_of(AdversarialTrainer("relativistic", **settings).train(game, pictures, max_images=400, seed=0))


def test_bfloat16_is_near_and_taken_by_itself_where_it_is_fast() -> None:
    whole, half = played(precision="float32"), played(precision="bfloat16")
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, whole, rtol=0.1, atol=0.05)
    made_for_it = torch.cuda.get_device_capability() >= (8, 0)
    assert bfloat16_suits(torch.zeros(2, 3, 128, 128, device="cuda"), wide=False) == made_for_it
    torch.testing.assert_close(played(precision="auto"), whole, rtol=1e-3, atol=1e-3)  # eight pixels are too few


def test_compiled_players_learn_what_others_do_penalties_and_all() -> None:
    settings = {"precision": "float32", "r1": 0.1, "r2": 0.1}
    torch.testing.assert_close(played(compile=True, **settings), played(**settings), rtol=1e-2, atol=1e-3)


def test_one_process_of_torchrun_has_the_gpu_to_itself(tmp_path: Path) -> None:
    np.savetxt(
        tmp_path / "rows.csv", load_wine().data[:100], delimiter=",", header=",".join("abcdefghijklm"), comments=""
    )
    fit = ["anomaly", "fit", str(tmp_path / "rows.csv"), "--model", str(tmp_path / "m"), "--max-images", "1280"]
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "1", "-m", "gantools", *fit]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert load(tmp_path / "m").training_["images"] == 1280
