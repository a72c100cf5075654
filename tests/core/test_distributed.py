"""Several processes under torchrun: the weights of one, one that dies, and commands that share their work out."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from gantools.core import AdversarialTrainer
from gantools.core.checkpoint import load_state
from tests.core.test_trainer import GivenLatents, game, weights_of

SCRIPT = """
import signal
import sys
from pathlib import Path

import torch

from gantools.core import AdversarialTrainer
from gantools.core.checkpoint import save_state
from gantools.core.world import world
from tests.core.test_distributed import played, with_latents

out, dies_at = Path(sys.argv[1]), int(sys.argv[2])
signal.signal(signal.SIGTERM, signal.SIG_IGN)  # torchrun's, so that there is time to say what happened


def batches(step):
    if step == dies_at and world().rank == 1:
        import os
        os.kill(os.getpid(), signal.SIGKILL)
    return with_latents(step)


training = AdversarialTrainer("relativistic", r1=0.1, r2=0.1).train(
    played(), batches, max_images=320, seed=0, checkpoint=out / "c.safetensors", checkpoint_seconds=0.0, resume=True
)
if world().first:
    save_state(out / "weights", {"communicated": training.communicated, "images": training.images,
        "weights": torch.cat([p.flatten() for n in ("generator", "discriminator")
                              for p in getattr(training, n).parameters()])})
"""


def played() -> GivenLatents:
    made = GivenLatents()
    made.generator.load_state_dict(game().generator.state_dict())
    made.discriminator.load_state_dict(game().discriminator.state_dict())
    return made


def with_latents(step: int) -> dict[str, torch.Tensor]:
    """A batch of 16 whose latents are given, or this process's part of it."""
    from gantools.core.batches import mine

    rng = torch.Generator().manual_seed(step)
    whole = {"reals": 2 + 0.1 * torch.randn(16, 1, generator=rng), "latents": torch.randn(16, 1, generator=rng)}
    part = torch.from_numpy(mine(np.arange(16)))
    return {name: values[part] for name, values in whole.items()}


def torchrun(processes: int, *arguments: object, check: bool = True) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, *map(str, arguments)], capture_output=True, text=True, env=environment, check=False, timeout=300
    )
    assert not check or done.returncode == 0, done.stderr[-3000:]
    return done


def test_two_processes_and_parts_in_one_give_the_weights_of_a_whole_batch(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(SCRIPT)
    torchrun(2, script, tmp_path, -1)
    found = load_state(tmp_path / "weights")
    assert found["images"] == 320
    parameters = sum(p.numel() for player in vars(played()).values() for p in player.parameters())
    figures_and_losses = found["communicated"] / 4 / 20 - parameters
    assert 0 < figures_and_losses < 20, "one sum of all gradients, and a few figures, for each move of a player"
    for parts in (1, 2, 4):
        trainer = AdversarialTrainer("relativistic", r1=0.1, r2=0.1, accumulate=parts)
        alone = weights_of(trainer.train(played(), with_latents, max_images=320, seed=0))
        torch.testing.assert_close(found["weights"], alone, rtol=0, atol=1e-5)


def test_when_one_process_dies_the_job_ends_and_its_checkpoint_goes_on_in_two_or_in_one(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(SCRIPT)
    done = torchrun(2, script, tmp_path, 11, check=False)
    assert done.returncode != 0
    assert "another process of this training has ended" in done.stderr
    assert not (tmp_path / "weights").exists()
    goes_on = tmp_path / "two"
    shutil.copytree(tmp_path, goes_on, ignore=lambda *_: ["two"])
    torchrun(2, script, goes_on, -1)
    assert load_state(goes_on / "weights")["images"] == 320
    trainer = AdversarialTrainer("relativistic", r1=0.1, r2=0.1)
    resumed = trainer.train(
        played(), with_latents, max_images=320, seed=0, checkpoint=tmp_path / "c.safetensors", resume=True
    )
    assert resumed.images == 320
    assert len(resumed.history) == 20


TROUBLE = """
import sys
from pathlib import Path

import torch

from gantools.core import AdversarialTrainer
from gantools.core.checkpoint import save_state
from gantools.core.world import world
from tests.core.test_augment import PictureGame


def batches(step):
    reals = torch.rand(8, 1, 8, 8, generator=torch.Generator().manual_seed(2 * step + world().rank)) * 2 - 1
    return {"reals": reals * (float("nan") if step == 3 and world().rank == 1 else 1.0)}


training = AdversarialTrainer().train(PictureGame(), batches, max_images=320, seed=0)
state = {f"{n} {k}": v for n in ("generator", "discriminator") for k, v in getattr(training, n).state_dict().items()}
save_state(Path(sys.argv[1]) / f"of {world().rank}", {"images": training.images, "dropped": training.dropped, **state})
"""


def test_what_is_not_finite_in_one_process_is_dropped_by_all_and_they_end_alike(tmp_path: Path) -> None:
    """Batch norm's means too, which each process takes of its own part, come out the same."""
    script = tmp_path / "trouble.py"
    script.write_text(TROUBLE)
    torchrun(2, script, tmp_path)
    first, second = (load_state(tmp_path / f"of {rank}") for rank in (0, 1))
    assert (first["images"], first["dropped"]) == (second["images"], second["dropped"]) == (320, 1)
    assert "generator first_norm.running_mean" in first
    for name, value in first.items():
        assert torch.equal(torch.as_tensor(value), torch.as_tensor(second[name])), name
        assert torch.isfinite(torch.as_tensor(value)).all(), name


def test_commands_share_their_work_out_and_give_one_answer(tmp_path: Path) -> None:
    for i, picture in enumerate(load_digits().images[:60]):
        path = tmp_path / "pictures" / f"{i}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(np.round(picture * 15.9).astype(np.uint8)).resize((16, 16)).save(path)
    (tmp_path / "pictures" / "7.png").write_bytes(b"no picture")
    data, model = tmp_path / "pictures", tmp_path / "model"
    fitted = torchrun(2, "-m", "gantools", "anomaly", "fit", data, "--model", model, "--max-images", 640, "--json")
    assert fitted.stdout.count('"samples"') == 1, "one answer, not one of each process"
    torchrun(2, "-m", "gantools", "anomaly", "score", data, "--model", model, "--out", tmp_path / "two.csv")
    subprocess.run(
        [
            *(sys.executable, "-m", "gantools", "anomaly", "score", data, "--model", model),
            *("--out", tmp_path / "one.csv", "--quiet"),
        ],
        check=True,
    )
    two, one = (pd.read_csv(tmp_path / f"{n}.csv") for n in ("two", "one"))
    assert list(two["path"]) == list(one["path"])
    np.testing.assert_allclose(two["anomaly_score"], one["anomaly_score"], rtol=1e-4)
    assert one["error"].notna().sum() == two["error"].notna().sum() == 1


@pytest.mark.parametrize("processes", [2])
def test_pictures_are_enlarged_by_all_and_each_once(tmp_path: Path, processes: int) -> None:
    rng = np.random.default_rng(0)
    for i in range(5):
        path = tmp_path / "sharp" / f"{i}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (48, 48), dtype=np.uint8)).save(path)
    model, out = tmp_path / "model", tmp_path / "out"
    fit = ("-m", "gantools", "sr", "fit", tmp_path / "sharp", "--model", model, "--max-images", 64, "--scale", 2)
    torchrun(processes, *fit, "--set", "size=tiny", "--quiet")
    (tmp_path / "sharp" / "bad.png").write_bytes(b"no picture")
    done = torchrun(
        processes,
        *("-m", "gantools", "sr", "upscale", tmp_path / "sharp", "--model", model, "--out", out, "--json"),
        check=False,
    )
    assert done.returncode != 0, "a picture that cannot be read is told"
    assert done.stderr.count("bad.png") == 1
    assert '"n": 5' in done.stdout
    assert sorted(p.name for p in out.iterdir()) == [f"{i}.png" for i in range(5)]
