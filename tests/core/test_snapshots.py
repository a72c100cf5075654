"""What the generator makes over the course of a training: when it is kept, and that looking changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from gantools.core import AdversarialTrainer, Batch
from gantools.core.snapshots import MOMENTS, Snapshots
from gantools.errors import Interrupted
from tests.core.test_augment import PictureGame
from tests.core.test_trainer import batches, game, pictures_until, weights_of

pytestmark = pytest.mark.filterwarnings("ignore::gantools.core.health.HealthWarning")


def test_taken_at_the_moments_of_the_same_latents() -> None:
    trainer = AdversarialTrainer(ema=0.0)
    training = trainer.train(PictureGame(), pictures_until(None), max_images=1600, seed=3)
    found = training.snapshots
    assert len(found.images) == len(MOMENTS)
    assert found.images[0] == 8
    assert found.images[-1] == 1600
    assert all(picture.dtype == torch.uint8 and len(picture) == 8 for picture in found.pictures)
    last = Snapshots()
    shown = PictureGame()
    last.take(shown, training.generator, pictures_until(None)(0), 1600, 3)
    assert torch.equal(found.pictures[-1], last.pictures[0])
    assert not torch.equal(found.pictures[0], found.pictures[-1])


def test_looking_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = AdversarialTrainer()
    looked = trainer.train(PictureGame(), pictures_until(None), max_images=400, seed=3)
    monkeypatch.setattr("gantools.core.snapshots.MOMENTS", ())
    blind = trainer.train(PictureGame(), pictures_until(None), max_images=400, seed=3)
    assert blind.snapshots.images == []
    assert torch.equal(weights_of(looked), weights_of(blind))


def test_a_resumed_training_has_those_from_before(tmp_path: Path) -> None:
    trainer, file = AdversarialTrainer(), tmp_path / "c.safetensors"
    whole = trainer.train(PictureGame(), pictures_until(None), max_images=400, seed=3)
    with pytest.raises(Interrupted):
        trainer.train(PictureGame(), pictures_until(23), max_images=400, seed=3, checkpoint=file)
    resumed = trainer.train(PictureGame(), pictures_until(None), max_images=400, seed=3, checkpoint=file, resume=True)
    assert resumed.snapshots.images == whole.snapshots.images
    assert all(map(torch.equal, resumed.snapshots.pictures, whole.snapshots.pictures))


def test_a_training_that_has_more_time_goes_on_taking_them(tmp_path: Path) -> None:
    how = {"max_images": 400, "seed": 3, "checkpoint": tmp_path / "c.safetensors"}
    AdversarialTrainer().train(PictureGame(), pictures_until(None), max_minutes=1e-6, **how)
    resumed = AdversarialTrainer().train(PictureGame(), pictures_until(None), max_minutes=10, resume=True, **how)
    assert len(resumed.snapshots.images) > 5


def test_large_pictures_are_shrunk_and_vectors_are_none() -> None:
    assert AdversarialTrainer().train(game(), batches, max_images=80, seed=0).snapshots.images == []

    class LargeGame(PictureGame):
        def fakes(self, batch: Batch, rng: torch.Generator) -> torch.Tensor:
            return torch.nn.functional.interpolate(super().fakes(batch, rng), size=(200, 100))

    found, shown = Snapshots(), LargeGame()
    found.take(shown, shown.generator, pictures_until(None)(0), 1, 0)
    assert found.pictures[0].shape[2:] == (96, 48)
