"""What the tasks' games are weighed by: every one of their settings changes what a move costs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from skimage import data
from sklearn.datasets import load_digits

from gantools import AdversarialTrainer, GanAnomalyDetector, GanSuperResolver, GanSynthesizer, GanTranslator
from gantools.core import Batch, Game, Training
from gantools.core.step import discriminator_move, generator_move
from gantools.pipelines.superres.games import EnlargingGame

DIGITS = np.round(load_digits().images[:96] * 15.9).astype(np.uint8)
PICTURES = np.stack([data.chelsea()[y : y + 48, x : x + 48] for y in (0, 60, 120) for x in (0, 90, 180, 270)])
GRAY = PICTURES.mean(3).astype(np.uint8)
QUICK: dict[str, Any] = {"max_images": 96, "random_state": 0}
FITS = {
    "anomaly": lambda: GanAnomalyDetector(**QUICK).fit(DIGITS),
    "anomaly, table": lambda: GanAnomalyDetector(**QUICK).fit(load_digits().data[:96]),
    "synthesis": lambda: GanSynthesizer(**QUICK).fit(DIGITS, load_digits().target[:96]),
    "synthesis, large": lambda: GanSynthesizer(size=64, **QUICK).fit(GRAY),
    "super-resolution": lambda: GanSuperResolver(2, **QUICK).fit(PICTURES),
    "translation": lambda: GanTranslator(size=32, **QUICK).fit(GRAY, PICTURES),
    "translation, unpaired": lambda: GanTranslator(size=32, paired=False, cycle_weight=1.0, **QUICK).fit(
        GRAY, PICTURES
    ),
}


@pytest.fixture(params=list(FITS), scope="module")
def played(request: pytest.FixtureRequest) -> list[tuple[AdversarialTrainer, Game, Batch]]:
    """The trainers and games of an estimator's trainings, after these, and a batch of each."""
    seen: list[tuple[AdversarialTrainer, Game, Batch]] = []
    train = AdversarialTrainer.train

    def noted(self: AdversarialTrainer, game: Game, batches: Any, **kwargs: Any) -> Training:
        training = train(self, game, batches, **kwargs)
        seen.append((self, game, batches(0)))
        return training

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(AdversarialTrainer, "train", noted)
        FITS[request.param]()
    return seen


def costs(trainer: AdversarialTrainer, game: Game, batch: Batch) -> list[float]:
    """Of both moves, or of the generator's alone where the discriminator does not play."""
    rules = trainer.rules(0, 0.5)
    game.generator.train()
    found = []
    for move in (generator_move, discriminator_move):
        rng = torch.Generator().manual_seed(0)
        if move is generator_move or trainer.adversarial_weight > 0:
            found.append(float(move(game, rules, batch, rng).loss.detach()))
    return found


def test_every_setting_of_a_game_changes_what_a_move_costs(
    played: list[tuple[AdversarialTrainer, Game, Batch]],
) -> None:
    assert played
    for trainer, game, batch in played:
        before = costs(trainer, game, batch)
        assert costs(trainer, game, batch) == before, "the same twice"
        for name, value in game.settings().items():
            if name.startswith("synthetic"):  # kinds of anomalies, by their places: no weights
                continue
            if name == "fake_weight" and trainer.adversarial_weight == 0:
                continue
            if name == "perceptual" and vars(game)["backbone"] is None:
                continue
            setattr(game, name, value + 2 if name == "candidates" else value + 0.5)
            assert costs(trainer, game, batch) != before, f"{type(game).__name__}: {name}"
            setattr(game, name, value)


class Dotted(torch.nn.Module):
    """Enlarges by repetition, with a dot on one of the four pixels that each becomes."""

    def __init__(self, height: float) -> None:
        super().__init__()
        self.height = torch.nn.Parameter(torch.tensor(height))

    def forward(self, low: torch.Tensor) -> torch.Tensor:
        high = low.repeat_interleave(2, 2).repeat_interleave(2, 3)
        dots = torch.zeros(2, 2)
        dots[1, 0] = 1.0
        return high + self.height * dots.repeat(low.shape[2], low.shape[3])


def test_dots_on_the_same_pixel_of_every_small_one_cost_their_generator() -> None:
    reals = torch.from_numpy(PICTURES).permute(0, 3, 1, 2).float() / 127.5 - 1
    batch = {"reals": reals, "source": torch.nn.functional.avg_pool2d(reals, 2)}

    def cost(height: float) -> torch.Tensor:
        generator = Dotted(height)
        game = EnlargingGame(generator, torch.nn.Identity(), pattern=1.0)
        return game.generator_terms(batch, generator(batch["source"]))["pattern"]

    assert cost(0.2) > cost(0.1) > 2 * cost(0.0)
    truth = EnlargingGame(Dotted(0.0), torch.nn.Identity(), pattern=1.0).generator_terms(batch, reals)["pattern"]
    assert truth < 0.01
    generator = Dotted(0.2)
    game = EnlargingGame(generator, torch.nn.Identity(), pattern=1.0)
    game.generator_terms(batch, generator(batch["source"]))["pattern"].backward()
    assert generator.height.grad is not None
    assert generator.height.grad > 0
