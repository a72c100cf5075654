"""Killed at twenty random moments and resumed, training ends in the very same weights."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file

SCRIPT = """
import os, random, signal, sys, time
from pathlib import Path
import torch
from safetensors.torch import save_file
from gantools.core import AdversarialTrainer
from tests.core.test_trainer import batches, game

torch.set_num_threads(1)
folder = Path(sys.argv[1])
trainer = AdversarialTrainer(schedule="cosine", r1=0.1, ema=0.1, spectral_norm=True, instance_noise=0.1, n_critic=2)

def play(name, seconds):
    training = trainer.train(game(), batches, max_images=8 * 2500, seed=3, checkpoint=folder / name / "c.safetensors",
                             checkpoint_seconds=seconds, resume=True)
    players = {p: getattr(training, p) for p in ("generator", "discriminator")}
    save_file({f"{p}.{k}": v.contiguous() for p, d in players.items() for k, v in d.state_dict().items()},
              folder / f"{name}.safetensors")

def written():
    file = folder / "killed" / "c.safetensors"
    return file.stat().st_mtime_ns if file.exists() else 0

trainer.train(game(), batches, max_images=8, seed=0)  # what torch imports late is imported once, before the forks
moments = random.Random(0)
kills = 0
while kills < 20:
    before, child = written(), os.fork()
    if child == 0:
        play("killed", 0.0)
        os._exit(0)
    while written() == before:  # until it trains and saves
        time.sleep(0.001)
    time.sleep(moments.uniform(0.0, 0.1))
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status):
        break
    kills += 1
play("killed", 1e9)
play("whole", 1e9)
print(kills)
"""


def test_killed_at_twenty_moments_and_resumed_ends_in_the_very_same_weights(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path)], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == 20
    assert {p.name for p in (tmp_path / "killed").iterdir()} == {"c.safetensors", "c.previous.safetensors"}
    killed, whole = load_file(tmp_path / "killed.safetensors"), load_file(tmp_path / "whole.safetensors")
    assert killed.keys() == whole.keys()
    for name in whole:
        assert torch.equal(killed[name], whole[name]), name
