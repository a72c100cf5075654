"""anomalib's GANomaly (Akcay et al. 2018), trained on files for so many seconds as a user of anomalib would."""

from __future__ import annotations

import logging
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

_NORMAL, _TO_SCORE = "good", "to score"
_BATCH = 32


class Ganomaly:
    """A detector with its own defaults, in PyOD's words, for flattened pictures in [0, 1].

    Parameters
    ----------
    shape : tuple of int
        Of a picture, (H, W) or (H, W, C).
    seconds : float
        Of training.
    seed : int
    """

    def __init__(self, shape: tuple[int, ...], seconds: float, seed: int) -> None:
        self.shape, self.seconds, self.seed = shape, seconds, seed

    def _written(self, rows: np.ndarray, folder: Path) -> Path:
        folder.mkdir(parents=True)
        for i, picture in enumerate(np.round(rows.reshape(-1, *self.shape) * 255).astype(np.uint8)):
            Image.fromarray(picture).convert("RGB").save(folder / f"{i:06d}.png")
        return folder

    def fit(self, X: np.ndarray) -> Ganomaly:
        """Learn from normals, resized to a power of two of at most 256 pixels, the size of anomalib's default."""
        logging.disable(logging.WARNING)
        warnings.simplefilter("ignore")
        from anomalib.data import Folder
        from anomalib.engine import Engine
        from anomalib.models import Ganomaly as Model
        from lightning import seed_everything

        seed_everything(self.seed, verbose=False)
        self.folder = tempfile.TemporaryDirectory()
        root = Path(self.folder.name)
        self._written(X, root / _NORMAL)
        side = min(256, 2 ** int(np.ceil(np.log2(max(self.shape[:2])))))
        data = Folder(
            name="normals",
            root=root,
            normal_dir=_NORMAL,
            test_split_mode="none",
            val_split_mode="none",
            train_batch_size=_BATCH,
            num_workers=0,
        )
        self.model = Model(
            pre_processor=Model.configure_pre_processor((side, side)),
            post_processor=False,
            evaluator=False,
            visualizer=False,
        )
        self.engine = Engine(
            max_epochs=100_000,
            max_time={"seconds": self.seconds},
            accelerator="cpu",
            devices=1,
            logger=False,
            enable_progress_bar=False,
            limit_val_batches=0,
            num_sanity_val_steps=0,
            default_root_dir=root,
        )
        self.engine.fit(model=self.model, datamodule=data)
        return self

    def decision_function(self, X: np.ndarray) -> np.ndarray:
        """The distance of a picture's latent from its reconstruction's."""
        from anomalib.data import PredictDataset
        from torch.utils.data import DataLoader

        shown = PredictDataset(path=self._written(X, Path(self.folder.name) / _TO_SCORE))
        # anomalib's own loader gives one picture at a time, which takes a quarter of an hour for 10,000
        loader = DataLoader(shown, batch_size=_BATCH, collate_fn=shown.collate_fn)
        batches: Any = self.engine.predict(model=self.model, dataloaders=loader)
        scores = {Path(p).name: float(s) for b in batches for p, s in zip(b.image_path, b.pred_score, strict=True)}
        return np.array([scores[name] for name in sorted(scores)])
