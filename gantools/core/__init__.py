"""The adversarial game: trainer, step, losses, penalties, averages, checkpoints. Knows no task and no command."""

from gantools.core.game import Batch, Game, Negatives
from gantools.core.games import ConditionalGame, LatentGame
from gantools.core.trainer import AdversarialTrainer, Tick
from gantools.core.training import Training

__all__ = ["AdversarialTrainer", "Batch", "ConditionalGame", "Game", "LatentGame", "Negatives", "Tick", "Training"]
