"""The anomaly detector, with scikit-learn's outlier detection interface."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import astuple, replace
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, OutlierMixin, TransformerMixin
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor

from gantools.core.world import world
from gantools.data.anomalies import check_kinds
from gantools.data.decode import MAX_MEGAPIXELS
from gantools.data.sources import PictureSource, Selected, as_array, is_table, open_pictures, read_features
from gantools.data.standard import Glance, InputContract, StandardPictures, allowance, read_in_batches
from gantools.data.tables import TableEncoder, infinite_rows, row_name, unusable_rows
from gantools.errors import ConfigError, DataError, about
from gantools.metrics.anomaly import auroc
from gantools.pipelines.anomaly.calibration import FALSE_ALARMS, Scale, p_values, rounded, threshold
from gantools.pipelines.anomaly.kinds import KINDS, Kind
from gantools.pipelines.anomaly.labels import abnormal_from_labels
from gantools.pipelines.anomaly.members import TRAINING, TRIMMED, Trainings, forget_earlier, trimming_begun
from gantools.pipelines.anomaly.settings import FitSettings, wanted
from gantools.pipelines.anomaly.tiles import SMALLEST, TileModel
from gantools.pipelines.anomaly.vectors import VectorModel
from gantools.pipelines.anomaly.whole import WholeModel
from gantools.pipelines.base import (
    SHARED_CONSTRAINTS,
    agreed_seed,
    like,
    plain_params,
    record_of,
    resolve_device,
    resolve_trainer,
    restored_params,
)
from gantools.pipelines.callbacks import CallbackSupportMixin, ticking, with_callbacks
from gantools.pipelines.export import Deployable
from gantools.pipelines.showing import ShowingMixin
from gantools.progress import Stages
from gantools.storage import StoredModel, write_model

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]

_WHOLE_UP_TO = 64
_MOST_REASONS = 1000
_SHORT_SIDE = 256
_BATCH = 64


class GanAnomalyDetector(ShowingMixin, CallbackSupportMixin, OutlierMixin, TransformerMixin, BaseEstimator):
    """Learns what is normal from normal samples alone, and scores how far others are from it.

    A discriminator is trained in a game against a generator's fakes and synthetic anomalies. Its logits, its
    answers to a self-supervised question and distances in its features and in a frozen pretrained network's
    are the parts of the score; each is put on a common scale with held-out normals, and so is their weighted mean.

    Parameters
    ----------
    parts : "auto", str or sequence of str
        Parts of the score. Small pictures have "discriminator", "transformations", "features" and "pretrained";
        larger pictures "pretrained_discriminator" or, of pixels, "discriminator", and "pretrained"; tables
        "discriminator", "features" and "neighbours". "auto" is all of those of tables, all but "features" of small
        pictures, and "pretrained_discriminator" and "pretrained" of larger ones.
        With ``parts=["discriminator"], synthetic=None`` it is the textbook method, a plain GAN's
        discriminator.
    synthetic : "auto", None or sequence of str
        Kinds of synthetic anomaly (keys of `gantools.data.anomalies.CORRUPTIONS`); None for none. Tables know
        one kind, noise.
    fake_weight : float
        Weight of the generator's fakes in the discriminator's loss, where real samples have 1; without synthetic
        anomalies it is 1, whatever is given, but 0 is refused.
    n_discriminators : int
        Discriminators that are trained one after the other, each from other initial weights and on other batches, and
        answer in the mean: each takes its time in training and in scoring. `thorough`, a preset, has three.
    view : "auto", "whole" or "tiles"
        Whether pictures are looked at whole, for pictures of one size that show one thing, or densely. "auto"
        is whole for pictures of one size up to 64 pixels; of others among them, up to `max_bad` are skipped.
    image_size : int or None
        Whole pictures are resized to this many pixels a side; for tiles, the shorter side is reduced to it.
        None: as they are, and at most 256.
    n_neighbors : int
        Normals that the distance parts average over.
    max_bank : int
        Normals (for tiles: patches) that the distance parts remember.
    width : int or None
        Width of the discriminator, a multiple of 8; None for what suits the data.
    contamination : "auto" or float
        "auto": the threshold is set on held-out normals, for `false_alarms`. A float in (0, 0.5]: that share of the
        training data is flagged, and of fresh normals several times as many, as they are not remembered.
    false_alarms : float
        At most this share of fresh normals is flagged; where held-out normals are too few to tell, the threshold is
        the highest of them. With `trim`, up to that share is flagged besides.
    trim : float
        For training data that hold anomalies: fit, drop this share with the highest scores, fit again.
    trainer : AdversarialTrainer, str, dict or None
        The adversarial knobs; the name of a recipe; a dict of the settings that shall
        not be the default's; None for what suits the data.
    max_images : int or None
        Samples that each discriminator sees in training. None: 16,000 small pictures, 4,000 tiles, 80,000 rows.
    max_minutes : float or None
        Limit on the time in training, which the discriminators share.
    batch_size : int or None
        Samples of a step; None for what suits the data.
    device : str
        "auto", "cpu", "cuda" or "cuda:N".
    random_state : int, RandomState or None
        Of everything random.
    max_bad : float
        Pictures that cannot be read, or are not of the one size that is learnt, which are skipped, with a warning,
        when fitting: a share below 1, else a count.
    max_megapixels : float
        Larger picture files are refused.
    checkpoint : str, Path or None
        Folder for the training's checkpoint, and within it one for each further discriminator's.
    resume : bool
        Go on from the checkpoint where there is one.
    log : str, Path or None
        Where training tells how it goes, about a hundred times: a file ending in .jsonl for lines of JSON, else a
        folder for TensorBoard.
    verbose : int
        0 is silent; 1 shows progress on stderr.

    Attributes
    ----------
    kind_ : str
        "table", "whole" or "tiles".
    parts_ : tuple of str
        The parts in use.
    offset_ : float
        `decision_function` is `score_samples` minus this.
    history_ : DataFrame
        One row a training step, see `gantools.core.Training`.
    snapshots_ : dict
        By stage, what the generator made of the same latents as training went on; see
        `gantools.core.snapshots`. Not saved.
    training_ : dict
        Summary: images seen, by all discriminators, seconds, why the last training stopped, moves dropped, pictures
        skipped.
    skipped_ : list of str
        Why pictures were skipped when fitting: of the first 1,000, naming each.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from gantools import GanAnomalyDetector
    >>> X, y = load_wine(return_X_y=True)
    >>> detector = GanAnomalyDetector(random_state=0).fit(X[y > 0])
    >>> bool(detector.score(X, y == 0) > 0.9)
    True
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "parts": [str, "array-like"],
        "synthetic": [StrOptions({"auto"}), "array-like", None],
        "fake_weight": [Interval(Real, 0, None, closed="left")],
        "n_discriminators": [Interval(Integral, 1, None, closed="left")],
        "view": [StrOptions({"auto", "whole", "tiles"})],
        "image_size": [Interval(Integral, 8, 4096, closed="both"), None],
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "max_bank": [Interval(Integral, 2, None, closed="left")],
        "width": [Interval(Integral, 8, None, closed="left"), None],
        "contamination": [StrOptions({"auto"}), Interval(Real, 0, 0.5, closed="right")],
        "false_alarms": [Interval(Real, 0, 1, closed="neither")],
        "trim": [Interval(Real, 0, 0.5, closed="left")],
        **SHARED_CONSTRAINTS,
    }

    def __init__(
        self,
        *,
        parts: Any = "auto",
        synthetic: Any = "auto",
        fake_weight: float = 0.15,
        n_discriminators: int = 1,
        view: str = "auto",
        image_size: int | None = None,
        n_neighbors: int = 5,
        max_bank: int = 5000,
        width: int | None = None,
        contamination: Any = "auto",
        false_alarms: float = FALSE_ALARMS,
        trim: float = 0.0,
        trainer: Any = None,
        max_images: int | None = None,
        max_minutes: float | None = None,
        batch_size: int | None = None,
        device: str = "auto",
        random_state: Any = None,
        max_bad: float = 0.1,
        max_megapixels: float = MAX_MEGAPIXELS,
        checkpoint: Any = None,
        resume: bool = False,
        log: Any = None,
        verbose: int = 0,
    ) -> None:
        self.parts = parts
        self.synthetic = synthetic
        self.fake_weight = fake_weight
        self.n_discriminators = n_discriminators
        self.view = view
        self.image_size = image_size
        self.n_neighbors = n_neighbors
        self.max_bank = max_bank
        self.width = width
        self.contamination = contamination
        self.false_alarms = false_alarms
        self.trim = trim
        self.trainer = trainer
        self.max_images = max_images
        self.max_minutes = max_minutes
        self.batch_size = batch_size
        self.device = device
        self.random_state = random_state
        self.max_bad = max_bad
        self.max_megapixels = max_megapixels
        self.checkpoint = checkpoint
        self.resume = resume
        self.log = log
        self.verbose = verbose

    # ------------------------------------------------------------------ fitting

    @with_callbacks
    def fit(self, X: Any, y: Any = None) -> GanAnomalyDetector:
        """Learn what is normal.

        Parameters
        ----------
        X : pictures or table
            Pictures: an array (N, H, W[, C]), uint8, uint16 or float in [0, 1]; a tensor; a list of arrays or
            of paths; a DataFrame or CSV with a `path` column; a folder. Tables: an array (N, F), a DataFrame,
            a CSV or Parquet file; NaN stands for missing.
        y : None
            Ignored.

        Returns
        -------
        self

        Raises
        ------
        DataError
            When there is nothing, or too little, that can be used.
        ConfigError
            When parameters cannot work together.
        """
        self._validate_params()
        self.__dict__.pop("offset_", None)  # fitted again only when all of it is: see __sklearn_is_fitted__
        if is_table(X):
            self.kind_ = "table"
            data: Any = self._vectors(X, reset=True)
            good = np.arange(len(data))
        else:
            source = open_pictures(X, self.max_megapixels)
            self.contract_, self.kind_ = self._contract(Glance.at(source))
            data = StandardPictures(source, self.contract_)
        kind = KINDS[self.kind_]
        anywhere = [part for other in KINDS.values() for part in other.parts]
        self.parts_ = wanted(self.parts, kind.parts, anywhere, kind.default_parts)
        with Stages(bool(self.verbose)) as stages, ticking(self) as on_tick:
            settings = self._settings(kind, stages, on_tick)
            skipped: list[str] = []
            if self.kind_ != "table":
                with stages.stage("reading pictures") as advance:
                    good, skipped = data.check_all(self.max_bad, advance)
                if skipped:
                    rest = len(skipped[5:_MOST_REASONS])
                    more = f"; `skipped_` and `gantools info` name {rest} more" if rest else ""
                    words = f"{len(skipped)} pictures were skipped: {'; '.join(skipped[:5])}{more}"
                    warnings.warn(words, stacklevel=2)
                if len(good) < 2:
                    raise DataError("there is 1 sample; at least 2 are needed to learn what is normal")
            if not self.resume:
                forget_earlier(self.checkpoint)
            if self.trim > 0:
                trainings, good = self._fit_twice(data, good, settings)
            else:
                trainings = self._fit_model(data, good, settings)
        self.history_, self.training_, self.snapshots_ = record_of(trainings)
        self.training_ |= {"samples": len(good), "skipped": len(skipped)}
        self.skipped_ = skipped[:_MOST_REASONS]
        if self.contamination == "auto":
            self.offset_ = -threshold(self.calibration_, self.false_alarms)
        else:
            fused = self._fused(self._known_scores(data, good))
            self.offset_ = float(rounded(np.percentile(-fused, 100.0 * self.contamination)))
        return self

    def _fit_twice(
        self, data: Any, good: NDArray[np.int64], settings: FitSettings
    ) -> tuple[Trainings, NDArray[np.int64]]:
        """Fit, drop the share `trim` of highest scores, fit again, each in half the time: trainings and those left."""
        half = None if settings.max_minutes is None else settings.max_minutes / 2
        begun = trimming_begun(self.checkpoint, self.n_discriminators)
        settings = replace(settings, max_minutes=half, reopen=not begun)
        first = self._fit_model(data, good, settings)
        fused = self._fused(self._known_scores(data, good, fair=True))
        good = good[np.sort(np.argsort(fused, kind="stable")[: len(good) - int(self.trim * len(good))])]
        settings = replace(settings, stage=TRIMMED, reopen=True)
        return first + self._fit_model(data, good, settings), good

    def _fit_model(self, data: Any, good: NDArray[np.int64], settings: FitSettings) -> Trainings:
        self.model_: VectorModel | WholeModel | TileModel
        if self.kind_ == "table":
            self.model_, calibration, trainings = VectorModel.fit(data[good], settings)
        elif self.kind_ == "whole":
            self.model_, calibration, trainings = WholeModel.fit(data, good, settings)
        else:
            self.model_, calibration, trainings = TileModel.fit(data, good, settings)
        self.scales_ = {p: Scale.of(calibration[:, i]) for i, p in enumerate(self.parts_)}
        self.total_ = Scale(0.0, 1.0)
        self.total_ = Scale.of(self._fused(calibration))
        self.calibration_ = np.sort(self._fused(calibration))
        return trainings

    def _contract(self, glance: Glance) -> tuple[InputContract, str]:
        sizes, size = sorted(glance.sizes), self.image_size
        usual, n = glance.sizes.most_common(1)[0]
        one_size = glance.sizes.total() - n <= allowance(glance.sizes.total(), self.max_bad)
        view = self.view
        if view == "auto":
            small = max(usual) <= _WHOLE_UP_TO and min(usual) >= 8 if size is None else size <= _WHOLE_UP_TO
            view = "whole" if one_size and small else "tiles"
        if view == "tiles" and size is not None and size < SMALLEST:
            raise ConfigError(f"image_size={size} is too small for tiles; {SMALLEST} at least, or view='whole'")
        if view == "tiles":
            return InputContract(glance.channels, longest_short_side=size or _SHORT_SIDE, least_side=SMALLEST), view
        if size is not None:
            return InputContract(glance.channels, size, size, resize=True), view
        if one_size and min(usual) >= 8 and max(usual) <= _SHORT_SIDE:
            return InputContract(glance.channels, *usual), view
        raise ConfigError(
            f"view='whole' needs pictures of one size from 8 to {_SHORT_SIDE} pixels; these have "
            f"{'x'.join(map(str, sizes[0][::-1]))} to {'x'.join(map(str, sizes[-1][::-1]))}: "
            "set image_size, for example image_size=64"
        )

    def _settings(self, kind: Kind, stages: Stages, on_tick: Any) -> FitSettings:
        if self.synthetic is None:
            synthetic: tuple[str, ...] = ()
        elif isinstance(self.synthetic, str):
            synthetic = kind.synthetic
        elif self.kind_ == "table":
            raise ConfigError("synthetic: tables know 'auto' (noise) and None only")
        else:
            synthetic = tuple(self.synthetic)
            check_kinds(synthetic)
        if not synthetic and self.fake_weight == 0:
            raise ConfigError("fake_weight=0 and no synthetic anomalies leave the discriminator without negatives")
        if self.width is not None and self.width % 8:
            raise ConfigError(f"width={self.width} must be a multiple of 8")
        return FitSettings(
            stage=TRAINING,
            parts=self.parts_,
            synthetic=synthetic,
            fake_weight=float(self.fake_weight) if synthetic else 1.0,
            n_discriminators=self.n_discriminators,
            trainer=resolve_trainer(self.trainer, kind.trainer),
            max_images=self.max_images or kind.max_images,
            max_minutes=self.max_minutes,
            batch_size=self.batch_size or kind.batch_size,
            width=self.width,
            n_neighbors=self.n_neighbors,
            max_bank=self.max_bank,
            device=resolve_device(self.device),
            seed=agreed_seed(self),
            checkpoint=None if self.checkpoint is None else Path(self.checkpoint),
            resume=self.resume,
            stages=stages,
            on_tick=on_tick,
        )

    def _vectors(self, X: Any, *, reset: bool) -> Floats:
        """A feature table as standardised vectors, with scikit-learn's checks."""
        least = 2 if reset else 1
        if isinstance(X, pd.DataFrame) and X.columns.has_duplicates:
            raise DataError(f"two columns are called {X.columns[X.columns.duplicated()][0]!r}; rename one")
        if isinstance(X, (str, Path)):
            with about(X):
                return self._vectors(self._rows(Path(X), fitted=not reset), reset=reset)
        if isinstance(X, pd.DataFrame) and (infinite := infinite_rows(X)):
            row, reason = next(iter(infinite.items()))
            way_out = f"leave it empty if it is unknown ({len(infinite)} such rows)"
            raise DataError(f"{row_name(X, row)}: {reason}; {way_out}")
        learnt = [] if reset else self.encoder_.categories  # what a column is does not go by the rows to be scored
        if isinstance(X, pd.DataFrame) and (learnt or not all(map(pd.api.types.is_numeric_dtype, X.dtypes))):
            validate_data(self, X, skip_check_array=True, reset=reset)
            if len(X) < least:
                raise DataError(f"the table has {len(X)} sample(s), while a minimum of 2 is required")
            frame = self._named(X.set_axis([str(c) for c in X.columns], axis=1), reset=reset)
        else:
            values = as_array(X) if isinstance(X, Tensor) else X
            array = validate_data(
                self,
                values,
                dtype=np.float64,
                ensure_all_finite="allow-nan",
                ensure_min_samples=least,
                reset=reset,
            )
            names = getattr(self, "feature_names_in_", None)
            columns = [f"x{i}" for i in range(array.shape[1])] if names is None else [str(n) for n in names]
            frame = pd.DataFrame(array, columns=columns)
        if reset:
            self.encoder_: TableEncoder = TableEncoder().fit(frame)
        return self.encoder_.transform(frame)

    def _named(self, frame: pd.DataFrame, *, reset: bool = False) -> pd.DataFrame:
        """A table whose columns have the encoder's names, where it was fitted on columns without."""
        if reset or hasattr(self, "feature_names_in_") or frame.shape[1] != len(self.encoder_.columns):
            return frame
        return frame.set_axis(self.encoder_.columns, axis=1)

    def _rows(self, path: Path, *, fitted: bool) -> pd.DataFrame:
        """A table file's rows; once fitted on columns with names, these, in their order."""
        frame = read_features(path, self.encoder_.categories if fitted else None, 1 if fitted else 2)
        if not fitted or not hasattr(self, "feature_names_in_"):
            return frame
        self.encoder_.check_columns(frame)
        return frame[self.encoder_.columns]

    # ------------------------------------------------------------------ scoring

    def _known_scores(self, data: Any, good: NDArray[np.int64], *, fair: bool = False) -> Floats:
        """The parts' scores of training data; fair ones do not count a remembered normal among its own neighbours."""
        model = self.model_
        if isinstance(model, TileModel):
            return np.stack([model.scores(data[int(i)], int(i) if fair else None) for i in good])
        itself = None
        if fair and model.banked is not None:
            itself = np.full(len(good), -1)
            banked = model.banked if isinstance(model, VectorModel) else np.searchsorted(good, model.banked)
            itself[banked] = np.arange(len(banked))
        if isinstance(model, VectorModel):
            return model.scores(data[good], itself)
        batches = [slice(i, i + _BATCH) for i in range(0, len(good), _BATCH)]
        return np.concatenate(
            [model.scores(data.batch(good[b]), None if itself is None else itself[b]) for b in batches]
        )

    def _fused(self, part_scores: Floats) -> Floats:
        weights = np.array([KINDS[self.kind_].weights[p] for p in self.parts_])
        scaled = np.stack([self.scales_[p](part_scores[:, i]) for i, p in enumerate(self.parts_)], 1)
        return rounded(self.total_(scaled @ weights / weights.sum()))

    def part_scores(self, X: Any) -> tuple[Floats, dict[int, str]]:
        """The parts' raw scores, and why some samples have none.

        Parameters
        ----------
        X : pictures or table
            As for `fit`.

        Returns
        -------
        scores : ndarray, (N, n_parts)
            High means abnormal; NaN where there is an error.
        errors : dict
            Number of the sample to the reason, for pictures that cannot be read.

        Raises
        ------
        DataError
            For a table of other columns, or with infinite values; `score_table` has a reason for each row.
        """
        check_is_fitted(self)
        if isinstance(self.model_, VectorModel):
            return self.model_.scores(self._vectors(X, reset=False)), {}
        source = self._pictures(X)
        scores = np.full((len(source), len(self.parts_)), np.nan)
        errors: dict[int, str] = {}
        with Stages(bool(self.verbose)) as stages, stages.stage("scoring") as advance:
            for indices, pictures, wrong in read_in_batches(source, self.contract_, self._batch):
                errors |= wrong
                for rows, found in self._scored(indices, pictures):
                    scores[rows] = found
                advance((max([*indices, *wrong]) + 1) / len(source))
        return scores, errors

    @property
    def _batch(self) -> int:
        """Pictures in memory at once: large ones are scored one by one."""
        return 1 if isinstance(self.model_, TileModel) else _BATCH

    def _scored(self, indices: list[int], pictures: list[Tensor]) -> Iterator[tuple[list[int], Floats]]:
        if isinstance(self.model_, WholeModel) and pictures:
            yield indices, self.model_.scores(torch.stack(pictures))
        elif isinstance(self.model_, TileModel):
            for index, picture in zip(indices, pictures, strict=True):
                yield [index], self.model_.scores(picture)

    def _pictures(self, X: Any) -> PictureSource:
        if is_table(X):
            raise DataError("the model was fitted on pictures; this is a feature table")
        return open_pictures(X, self.max_megapixels)

    def _all_part_scores(self, X: Any) -> Floats:
        scores, errors = self.part_scores(X)
        if errors:
            shown = "\n".join(f"  {reason}" for reason in list(errors.values())[:10])
            raise DataError(f"{len(errors)} of {len(scores)} samples cannot be scored:\n{shown}")
        return scores

    def score_samples(self, X: Any) -> Any:
        """How normal samples are: high means normal. The opposite of `anomaly_score`.

        Parameters
        ----------
        X : pictures or table
            As for `fit`.

        Returns
        -------
        ndarray, (N,), float64
            A tensor on the same device for a tensor.

        Raises
        ------
        DataError
            When a sample cannot be scored; `score_table` gives a reason for each instead.
        """
        return like(X, -self._fused(self._all_part_scores(X)))

    def anomaly_score(self, X: Any) -> Any:
        """How abnormal samples are: 0 is a typical normal, and above 1 lies a twentieth of normals; see
        `score_samples`.
        """
        return -self.score_samples(X)

    def decision_function(self, X: Any) -> Any:
        """`score_samples` minus `offset_`: negative for what `predict` calls an anomaly."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> Any:
        """1 for normal, -1 for abnormal: int64 (N,)."""
        decision = np.asarray(_plain(self.decision_function(X)))
        return like(X, np.where(decision >= 0, 1, -1))

    def p_value(self, X: Any) -> Any:
        """The chance that a fresh normal would score as high: conformal p-values, (N,).

        With fewer than 100 small pictures or rows in training, none of which could be held out, and with `trim` they
        are approximate; with few held out they are a little too low (see `threshold` in `calibration`).
        """
        return like(X, p_values(np.asarray(_plain(self.anomaly_score(X))), self.calibration_))

    def transform(self, X: Any) -> Any:
        """Each part's score on the common scale, as columns named by `get_feature_names_out`: (N, n_parts)."""
        scores = self._all_part_scores(X)
        return like(X, np.stack([self.scales_[p](scores[:, i]) for i, p in enumerate(self.parts_)], 1))

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:
        """Names of the columns that `transform` gives."""
        check_is_fitted(self)
        return np.asarray([f"anomaly_{p}" for p in self.parts_], dtype=object)

    def score(self, X: Any, y: Any) -> float:
        """Area under the ROC curve.

        Parameters
        ----------
        X : pictures or table
            As for `fit`.
        y : array-like, (N,)
            Which samples are abnormal: -1 among 1 and -1 (as `predict` says it), True or 1 among booleans or
            1 and 0, or anything but "normal" and "good" among texts.
        """
        scores = np.asarray(_plain(self.anomaly_score(X)))
        return auroc(abnormal_from_labels(y), scores)

    def score_table(self, X: Any) -> pd.DataFrame:
        """One row for every sample, in input order.

        Returns
        -------
        DataFrame
            `path` (or `row`, from 0), `anomaly_score`, `p_value`, `is_anomaly`, `error`, and a column
            `part_<name>` for each part. A sample that cannot be scored has its reason in `error` and no score.
        """
        check_is_fitted(self)
        if self.kind_ == "table":
            if isinstance(X, (str, Path)):
                with about(X):
                    return self.score_table(self._rows(Path(X), fitted=True))
            X = as_array(X) if isinstance(X, Tensor) else X
            frame = X if isinstance(X, pd.DataFrame) else pd.DataFrame(X).infer_objects()
            names: Any = zip(frame, self._named(frame), strict=True)
            errors = unusable_rows(frame, [str(own) for own, name in names if str(name) in self.encoder_.numbers])
            usable = np.setdiff1d(np.arange(len(frame)), list(errors))
            scores = np.full((len(frame), len(self.parts_)), np.nan)
            if len(usable):
                scores[usable] = self.part_scores(frame.iloc[usable])[0]
            names = np.arange(len(frame))
        else:
            source = self._pictures(X)
            scores, errors = self._shared_out(source)
            names = [source.name(i) for i in range(len(source))]
        fused = self._fused(scores)
        valid = np.isfinite(fused)
        errors |= {int(i): "its score is not a finite number" for i in np.flatnonzero(~valid) if int(i) not in errors}
        p = np.full(len(fused), np.nan)
        p[valid] = p_values(fused[valid], self.calibration_)
        flagged = pd.array(-fused - self.offset_ < 0, dtype="boolean")
        flagged[~valid] = pd.NA
        table = {
            "row" if self.kind_ == "table" else "path": names,
            "anomaly_score": fused,
            "p_value": p,
            "is_anomaly": flagged,
            "error": [errors.get(i, "") for i in range(len(fused))],
        }
        parts = {f"part_{q}": self.scales_[q](scores[:, i]) for i, q in enumerate(self.parts_)}
        return pd.DataFrame({**table, **parts})

    def _shared_out(self, source: PictureSource) -> tuple[Floats, dict[int, str]]:
        """`part_scores` of a source; under torchrun each process takes its part of the pictures, and all know all."""
        others = world()
        mine = others.share(range(len(source)))
        found = others.gather((mine, self.part_scores(Selected(source, mine))))
        scores = np.empty((len(source), len(self.parts_)))
        errors: dict[int, str] = {}
        for part, (theirs, wrong) in found:
            scores[list(part)] = theirs
            errors |= {part[i]: reason for i, reason in wrong.items()}
        return scores, dict(sorted(errors.items()))

    def anomaly_map(self, X: Any) -> list[Floats]:
        """Where pictures are abnormal.

        Parameters
        ----------
        X : pictures
            As for `fit`.

        Returns
        -------
        list of ndarray, (H, W), float64
            For each picture, at its size as the model sees it: 0 is the median of normal pixels, 1 their 99 %
            quantile.

        Raises
        ------
        ConfigError
            For a model of tables.
        DataError
            When a picture cannot be read.
        """
        check_is_fitted(self)
        model = self.model_
        if isinstance(model, VectorModel):
            raise ConfigError("anomaly_map: a model of feature tables has no maps")
        maps: list[Floats] = []
        for indices, pictures, errors in read_in_batches(self._pictures(X), self.contract_, self._batch):
            if errors:
                raise DataError(next(iter(errors.values())))
            if isinstance(model, WholeModel):
                maps += list(model.maps(torch.stack(pictures)))
            else:
                weights = np.array([KINDS[self.kind_].weights[p] for p in self.parts_])
                maps += [model.map(pictures[i], weights) for i in range(len(indices))]
        return maps

    def plot_scores(self, X: Any, y: Any = None, ax: Axes | None = None) -> Axes:
        """A histogram of the scores of X and the threshold; with labels as of `score`, the two kinds in two colours."""
        from gantools.report.plots import plot_scores

        scores = np.asarray(_plain(self.anomaly_score(X)))
        return plot_scores(scores, -self.offset_, None if y is None else abnormal_from_labels(y), ax)

    def plot_anomalies(self, X: Any, n: int = 12, columns: int = 4, ax: Axes | None = None) -> Axes:
        """The `n` most abnormal pictures of X under their heatmaps, the most abnormal first."""
        from gantools.report.heatmaps import mapped, overlay
        from gantools.report.plots import plot_pictures

        check_is_fitted(self)
        if self.kind_ == "table":
            raise ConfigError("plot_anomalies: a model of feature tables has no maps")
        order = np.argsort(np.asarray(_plain(self.anomaly_score(X))), kind="stable")[::-1][:n]
        shown = mapped(self, self._pictures(X), order.tolist())
        return plot_pictures([overlay(picture, heat) for _, picture, heat in shown], columns=columns, ax=ax)

    def deployable(self, size: tuple[int, int] | None = None) -> Deployable:
        """For `gantools.pipelines.export.export`."""
        from gantools.pipelines.anomaly.deploy import deployable

        check_is_fitted(self)
        return deployable(self, size)

    # ------------------------------------------------------------------ storage

    def save(self, folder: str | Path) -> None:
        """Write the fitted detector to a folder, from which `gantools.load` reads it.

        Raises
        ------
        ModelError
            When the folder holds something else, or cannot be written; nothing is left half written.
        """
        check_is_fitted(self)
        state: dict[str, Any] = {
            "kind": self.kind_,
            "parts": list(self.parts_),
            "offset": self.offset_,
            "scales": {p: [s.centre, s.spread] for p, s in self.scales_.items()},
            "total": [self.total_.centre, self.total_.spread],
            "calibration": self.calibration_.tolist(),
            "model": self.model_.state(),
            "n_features": getattr(self, "n_features_in_", None),
            "feature_names": [str(n) for n in getattr(self, "feature_names_in_", [])],
            "contract": self.contract_.to_dict() if self.kind_ != "table" else None,
            "encoder": self.encoder_.to_dict() if self.kind_ == "table" else None,
        }
        summary = {
            "kind": self.kind_,
            "parts": list(self.parts_),
            "training": self.training_,
            "skipped_because": self.skipped_,
        }
        write_model(Path(folder), type(self).__name__, plain_params(self), state, summary, self.history_)

    @classmethod
    def _from_stored(cls, stored: StoredModel, device: str) -> GanAnomalyDetector:
        detector = cls(**restored_params(stored.parameters, device))
        state = stored.state
        detector.kind_ = state["kind"]
        detector.parts_ = tuple(state["parts"])
        # rounded as scores are, in models saved before too
        detector.offset_ = float(rounded(np.asarray(state["offset"], np.float64)))
        detector.scales_ = {p: Scale(*numbers) for p, numbers in state["scales"].items()}
        detector.total_ = Scale(*state["total"])
        detector.calibration_ = rounded(np.asarray(state["calibration"], np.float64).reshape(-1))
        numbers = [
            detector.offset_,
            *detector.calibration_,
            *(n for s in (*detector.scales_.values(), detector.total_) for n in astuple(s)),
        ]
        if not np.isfinite(numbers).all():
            raise ValueError("threshold, scales and calibration should be finite numbers")
        if state["n_features"] is not None:
            detector.n_features_in_ = state["n_features"]
        if state["feature_names"]:
            detector.feature_names_in_ = np.asarray(state["feature_names"], dtype=object)
        if state["contract"] is not None:
            detector.contract_ = InputContract(**state["contract"])
        if state["encoder"] is not None:
            detector.encoder_ = TableEncoder(**state["encoder"])
        model_of: dict[str, type[VectorModel | WholeModel | TileModel]]
        model_of = {"table": VectorModel, "whole": WholeModel, "tiles": TileModel}
        detector.model_ = model_of[detector.kind_].from_state(state["model"], resolve_device(device))
        detector.training_ = stored.summary["training"]
        detector.skipped_ = list(stored.summary.get("skipped_because", ()))
        detector.history_ = stored.history
        return detector

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "offset_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = []
        return tags


def _plain(values: Any) -> Any:
    return values.numpy(force=True) if isinstance(values, Tensor) else values
