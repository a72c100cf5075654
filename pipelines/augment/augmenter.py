"""The augmenter: a sampler in imbalanced-learn's sense whose new samples a GAN makes."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator
from dataclasses import replace
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd
import torch
from imblearn.base import BaseSampler
from imblearn.utils import check_target_type
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, clone
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from gantools import configs
from gantools.core.initialise import fitting
from gantools.data.decode import MAX_MEGAPIXELS
from gantools.data.policy import DEFAULT_POLICY, built_policy
from gantools.data.sources import PATH_COLUMN, is_table
from gantools.data.tables import without_nan
from gantools.errors import ConfigError, DataError, QualityError
from gantools.pipelines.augment.amounts import amounts
from gantools.pipelines.augment.gates import FEWEST_TO_MEASURE, Gates, bytes_of_real
from gantools.pipelines.augment.making import MOST_DRAWN, Made, Maker
from gantools.pipelines.base import SHARED_CONSTRAINTS, agreed_seed, plain_params, resolve_seed, restored_params
from gantools.pipelines.callbacks import CallbackSupportMixin, ticking, with_callbacks
from gantools.pipelines.export import Deployable
from gantools.pipelines.showing import ShowingMixin
from gantools.pipelines.synthesize import GanSynthesizer
from gantools.pipelines.synthesize.forms import Form, PictureForm, TableForm, form_from, form_state, held, joined
from gantools.pipelines.synthesize.labels import as_labels, check_classes
from gantools.pipelines.synthesize.reals import Reals, read_reals
from gantools.progress import Stages
from gantools.storage import LARGEST_WEIGHTS, StoredModel, write_model

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SHARED = (
    "trainer",
    "max_images",
    "max_minutes",
    "batch_size",
    "device",
    "random_state",
    "max_bad",
    "max_megapixels",
    "checkpoint",
    "resume",
    "verbose",
)
_PROBED = (60, 200)
_FIGURES = ("novelty", "passed", "agrees", "copies", "spread", "coverage")
_BETWEEN = "\0"  # names, of which none has one
_WAYS = (
    "a sampler: a step of imblearn.pipeline.Pipeline, or in scikit-learn's own Pipeline "
    "AugmentedClassifier(classifier, GanAugmenter(...)) as the last step"
)


class GanAugmenter(ShowingMixin, CallbackSupportMixin, OneToOneFeatureMixin, BaseEstimator):
    """Makes more samples of classes that have few.

    A `GanSynthesizer` makes candidates; those that a judge of classes puts elsewhere, those nearer to a real than reals
    are to each other, and the discriminator's worst are thrown away. Classes too small to learn from are augmented
    classically. What each class's samples are worth is measured, and what falls short is said.

    Parameters
    ----------
    per_class : int, dict or None
        New samples of every class, or of each class named.
    sampling_strategy : str, float, dict, callable or None
        As imbalanced-learn has it: how large classes shall be. With neither, all become as large as the largest.
    synthesizer : GanSynthesizer or None
        Whose settings are taken. Those that the augmenter has too are set there, and refused here, as is the novelty,
        which is settled class by class.
    min_class_size : int
        Classes of fewer reals are augmented classically, and lend their reals to the others as unlabelled ones.
    worst : float
        Share of the candidates, the lowest of the discriminator's logits, that are thrown away.
    min_spread, min_coverage : float
        What a class has to reach, as shares of what its reals reach among themselves; see `quality_`.
    on_low_quality : "warn", "error" or "fallback"
        What is done about a class that does not: say so, refuse, or augment it classically.
    policy : str
        What classical augmentation of pictures does: a preset or a YAML file in albumentations' form.
    folder : str, Path or None
        Where new pictures are written, as PNG, when X holds paths.
    trainer, max_images, max_minutes, batch_size, device, random_state, max_bad, max_megapixels, checkpoint, resume, \
log, verbose
        As of `GanSynthesizer`.

    Attributes
    ----------
    classes_ : ndarray
        The labels there are.
    sampling_strategy_ : dict
        New samples of each class.
    quality_ : DataFrame
        A row for each class: `n_real`; `method`, "gan" or "classical"; `novelty`, the least at
        which at most half of the candidates are copies; `passed`, `agrees` and `copies`, shares of the
        generator's candidates; `spread` and `coverage` of those that passed, against the reals (of pictures, in a
        pretrained network's features); `good`, whether both are high enough, missing
        where reals are too few to say.
    names_ : list of str
        What to call the samples that were learnt from: files, or rows.
    synthesizer_ : GanSynthesizer or None
        None where no class is large enough.
    history_ : DataFrame
        The synthesizer's.
    snapshots_ : dict
        The synthesizer's. Not saved.
    training_ : dict
        The synthesizer's.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from gantools import GanAugmenter
    >>> X, y = load_digits(return_X_y=True)
    >>> augmenter = GanAugmenter(per_class=2, max_images=640, random_state=0)
    >>> X_more, y_more = augmenter.fit_resample(X[:300].reshape(-1, 8, 8) / 16, y[:300])
    >>> X_more.shape
    (320, 8, 8)
    """

    _estimator_type = "sampler"
    _sampling_type = "over-sampling"
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "per_class": [Interval(Integral, 0, None, closed="left"), dict, None],
        "sampling_strategy": [str, Real, dict, callable, None],
        "synthesizer": [GanSynthesizer, None],
        "min_class_size": [Interval(Integral, 2, None, closed="left")],
        "worst": [Interval(Real, 0, 1, closed="left")],
        "min_spread": [Interval(Real, 0, None, closed="left")],
        "min_coverage": [Interval(Real, 0, None, closed="left")],
        "on_low_quality": [StrOptions({"warn", "error", "fallback"})],
        "policy": [str, Path],
        "folder": [str, Path, None],
        **SHARED_CONSTRAINTS,
    }

    def __init__(
        self,
        per_class: Any = None,
        *,
        sampling_strategy: Any = None,
        synthesizer: Any = None,
        min_class_size: int = 10,
        worst: float = 0.1,
        min_spread: float = 0.75,
        min_coverage: float = 0.6,
        on_low_quality: str = "warn",
        policy: Any = DEFAULT_POLICY,
        folder: Any = None,
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
        self.per_class = per_class
        self.sampling_strategy = sampling_strategy
        self.synthesizer = synthesizer
        self.min_class_size = min_class_size
        self.worst = worst
        self.min_spread = min_spread
        self.min_coverage = min_coverage
        self.on_low_quality = on_low_quality
        self.policy = policy
        self.folder = folder
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
    def fit(self, X: Any, y: Any) -> GanAugmenter:
        """Learn to make samples of each class.

        Parameters
        ----------
        X : pictures or table
            As of `GanSynthesizer.fit`.
        y : array-like
            Labels of any type; -1 among numbers means unlabelled.

        Returns
        -------
        self

        Raises
        ------
        DataError
            When there is nothing that can be used, or there is one class only.
        ConfigError
            When parameters cannot work together.
        QualityError
            When a class falls short and `on_low_quality` is "error".
        """
        self._validate_params()
        self.__dict__.pop("maker_", None)  # fitted again only when all of it is
        y = as_labels(y)
        check_classes(y)
        y, _ = check_target_type(y, indicate_one_vs_all=True)
        template = self.synthesizer or GanSynthesizer()
        _check_template(template)
        seed = agreed_seed(self)
        self.policy_ = configs.read(str(self.policy), "augment")
        policy = None if is_table(X) else built_policy(self.policy_, str(self.policy))
        with Stages(bool(self.verbose)) as stages, ticking(self) as on_tick:
            with stages.stage("reading"):
                reals = read_reals(X, y, template.size, self.max_bad, self.max_megapixels)
            assert reals.classes is not None
            if len(reals.classes) < 2:
                raise DataError(
                    f"there is one class only, {reals.classes.tolist()[0]!r}; an augmenter needs two "
                    "(GanSynthesizer makes samples without classes)"
                )
            _warn_if_too_many(reals)
            self.classes_ = reals.classes
            rows = range(int(reals.rows.max()) + 1)
            self.names_ = [f"row {i}" if reals.source is None else reals.source.name(i) for i in rows]
            wanted = amounts(self.per_class, self.sampling_strategy, reals.classes, reals.labels)
            self.sampling_strategy_ = dict(zip(reals.classes.tolist(), wanted.tolist(), strict=True))
            self.n_features_in_ = _n_features(reals.form)
            self.__dict__.pop("feature_names_in_", None)
            if hasattr(X, "columns") and not _are_paths(X):
                self.feature_names_in_ = np.asarray(X.columns, dtype=object)
            counts = np.bincount(reals.labels[reals.labels >= 0])
            large = np.flatnonzero(counts >= self.min_class_size)
            self.synthesizer_ = None
            if len(large):
                shared = {name: getattr(self, name) for name in _SHARED}
                shared["random_state"] = None if self.random_state is None else seed  # a checkpoint's, where one is
                self.synthesizer_ = clone(template).set_params(**shared)
                self.synthesizer_.learn(_of_classes(reals, large), stages, on_tick)
            with stages.stage("measuring"):
                maker = Maker(
                    reals.form,
                    self.synthesizer_,
                    self._gates(reals),
                    {int(c): i for i, c in enumerate(large)},
                    policy,
                    table=_labelled_rows(reals),
                )
                self.quality_ = self._measured(maker, counts, seed)
        self._act_on(self.quality_, maker)
        self.history_, self.training_, self.snapshots_ = pd.DataFrame(columns=["step", "stage"]), {}, {}
        if self.synthesizer_ is not None:
            made = self.synthesizer_
            self.history_, self.training_, self.snapshots_ = made.history_, made.training_, made.snapshots_
        self.maker_ = maker
        return self

    def _gates(self, reals: Reals) -> Gates:
        """From the reals that have a label."""
        known = torch.from_numpy(reals.labels >= 0)
        samples = reals.samples[known]
        latents = torch.zeros(len(samples), 0) if self.synthesizer_ is None else self.synthesizer_.encoded(samples)
        labels, rows = torch.from_numpy(reals.labels)[known], torch.from_numpy(reals.rows)[known]
        return Gates.of(samples, latents, labels, rows, reals.form, self.worst)

    def _measured(self, maker: Maker, counts: NDArray[np.int64], seed: int) -> pd.DataFrame:
        """`quality_`, from as many candidates as it takes, for each class that the generator makes."""
        rows = []
        for label, n_real in enumerate(counts.tolist()):
            row: dict[str, Any] = {"class": self.classes_[label], "n_real": n_real, "method": "classical"}
            rows.append(row)
            if label not in maker.numbers:
                continue
            maker.settle_novelty(label, seed)
            n = int(np.clip(n_real, *_PROBED))
            parts, verdicts, found = [], [], 0
            for made, verdict in maker.attempts(label, 5 * n, seed + 1):
                parts.append(made.tensors)
                verdicts.append(verdict)
                found += len(made.tensors)
                if found >= n:
                    break
            spread, coverage = maker.gates.variety(torch.cat(parts)[:n], label, maker.form)
            row |= {"method": "gan", "novelty": maker.novelties[label]}
            for name, field in (("passed", "passed"), ("agrees", "agrees"), ("copies", "copied")):
                row[name] = float(torch.cat([getattr(v, field) for v in verdicts]).float().mean())
            row |= {"spread": spread, "coverage": coverage}
            if row["passed"] < 1 / MOST_DRAWN:  # most new samples would be classical
                row["good"] = False
            elif n_real >= FEWEST_TO_MEASURE:
                row["good"] = spread >= self.min_spread and coverage >= self.min_coverage
        columns = ["class", "n_real", "method", *_FIGURES, "good"]
        return pd.DataFrame(rows, columns=columns).set_index("class").astype(dict.fromkeys(_FIGURES, float))

    def _act_on(self, quality: pd.DataFrame, maker: Maker) -> None:
        """Say which classes are made classically or fall short, and do what `on_low_quality` asks."""
        small = quality.index[quality["method"] == "classical"].tolist()
        classically = "classically" if isinstance(maker.form, PictureForm) else "classically, by repeating their rows"
        if small:
            warnings.warn(
                f"augmented {classically}, having fewer than "
                f"min_class_size={self.min_class_size} samples: {', '.join(map(str, small[:10]))}",
                stacklevel=3,
            )
        low = quality[quality["good"].eq(False)]
        if low.empty:
            return
        message = "; ".join(f"class {label}: {self._shortfall(row)}" for label, row in low.iterrows())
        if self.on_low_quality == "error":
            raise QualityError(f"{message}; train longer (max_images), or allow it with on_low_quality='warn'")
        if self.on_low_quality == "fallback":
            fallen = quality["good"].eq(False).to_numpy()
            for number in np.flatnonzero(fallen).tolist():
                maker.numbers.pop(number)
            quality["method"] = np.where(fallen, "classical", quality["method"])
            message += f"; these are augmented {classically}"
        warnings.warn(f"the generator falls short: {message}", stacklevel=3)

    def _shortfall(self, row: Any) -> str:
        """What is wrong with the new samples of a class, from its row of `quality_`."""
        hardly_any = row.passed < 1 / MOST_DRAWN
        if hardly_any or np.isnan(row.spread):
            so = "and the others are made classically" if hardly_any else "too few to tell how varied they are"
            return (
                f"{row.passed:.0%} of them pass the gates ({row.agrees:.0%} are surely of the class, {row.copies:.0%} "
                f"are near-copies of reals), {so}"
            )
        return (
            f"spread {row.spread:.2f} (least {self.min_spread:g}), coverage {row.coverage:.2f} (least "
            f"{self.min_coverage:g})"
        )

    # ------------------------------------------------------------------ use

    def fit_resample(self, X: Any, y: Any) -> tuple[Any, Any]:
        """Learn, and give the samples with new ones after them.

        Parameters
        ----------
        X, y
            As of `fit`.

        Returns
        -------
        X, y
            The reals first, unchanged and in order, in the container and the dtype that came in. Where X holds paths,
            the new ones are paths of PNG files in `folder`; in other columns of a DataFrame they have gaps, so that
            whole numbers and truths come in pandas' nullable dtypes, with the values they had.

        Raises
        ------
        As of `fit`.
        """
        if self.folder is None and _are_paths(X):
            raise ConfigError(
                "X holds paths, and there is no folder for the new pictures: set folder=..., "
                "or load the pictures in a step before (PictureLoader)"
            )
        if isinstance(X, (str, Path)):
            raise ConfigError(f"fit_resample gives samples after samples, and {X} is one path; give the list of files")
        target, one_hot = check_target_type(as_labels(y), indicate_one_vs_all=True)
        self.fit(X, target)
        seed = resolve_seed(self.random_state)
        parts: list[Any] = []
        labels: list[Any] = []
        for made in self.makes(self.sampling_strategy_, seed):
            samples = self.maker_.samples(made)
            parts.append(self._as_files(made, samples) if _are_paths(X) else samples)
            labels += [self.classes_[made.label]] * len(made.critic)
        if not parts:
            return X, y
        new: Any = _together(parts)
        y_new = np.asarray(labels, dtype=self.classes_.dtype)
        if one_hot:
            y_new = np.eye(np.shape(y)[1], dtype=int)[y_new]
        return joined(X, new), _more_labels(y, y_new)

    def sample(self, per_class: Any = None, *, random_state: Any = None) -> tuple[Any, NDArray[Any]]:
        """New samples of the classes, without the reals.

        Parameters
        ----------
        per_class : int, dict or None
            New samples of every class, or of each class named; None for what `fit` settled.
        random_state : int, RandomState or None
            Of the drawing.

        Returns
        -------
        X, y
            In the reals' container, size and dtype; pictures of files are uint8 arrays.
        """
        check_is_fitted(self)
        parts: list[Any] = []
        labels: list[int] = []
        for made in self.makes(self.settled(per_class), resolve_seed(random_state)):
            parts.append(self.maker_.samples(made))
            labels += [made.label] * len(made.critic)
        if not parts:
            raise ConfigError("no samples were asked for")
        return held(self.maker_.form, _together(parts)), self.classes_[labels]

    def plot_samples(self, columns: int = 8, random_state: Any = None, ax: Axes | None = None) -> Axes:
        """New samples of up to eight classes, a class in each row; of pictures only."""
        from gantools.report.plots import plot_pictures

        check_is_fitted(self)
        if not isinstance(self.maker_.form, PictureForm):
            raise ConfigError("plot_samples: this augmenter makes rows of a table")
        classes = self.classes_[:8].tolist()
        X, _ = self.sample(dict.fromkeys(classes, columns), random_state=random_state)
        return plot_pictures([np.asarray(picture) for picture in X], [str(c) for c in classes], columns, ax)

    def settled(self, per_class: Any) -> dict[Any, int]:
        """New samples of each class, by its label, that `per_class` comes to; None is what `fit` settled."""
        if per_class is None:
            return self.sampling_strategy_
        found = amounts(per_class, None, self.classes_, np.empty(0, np.int64))
        return dict(zip(self.classes_.tolist(), found.tolist(), strict=True))

    def makes(self, wanted: dict[Any, int], seed: int) -> Iterator[Made]:
        """So many new samples of each class, by its label, some at a time."""
        check_is_fitted(self)
        for number, label in enumerate(self.classes_.tolist()):
            if wanted.get(label, 0) > 0:
                yield from self.maker_.made(number, wanted[label], seed, label)

    def evaluate(self, X: Any, y: Any, classifiers: dict[str, Any] | None = None, n_splits: int = 5) -> pd.DataFrame:
        """Whether the new samples help, beside what one would have picked instead; see `usefulness.evaluate`.

        The augmenter itself is not fitted: a clone is, anew in every fold.

        Returns
        -------
        DataFrame
            One row for each fold, classifier and method; `usefulness.summary` and `usefulness.verdicts` sum it up.
        """
        from gantools.pipelines.augment.usefulness import evaluate

        with Stages(bool(self.verbose)) as stages, stages.stage("evaluating") as advance:
            quiet = clone(self).set_params(verbose=0)
            return evaluate(quiet, X, y, classifiers, n_splits, resolve_seed(self.random_state), advance)

    def _as_files(self, made: Made, pictures: Any) -> list[str]:
        """The new pictures, written and called by their content; their paths."""
        from gantools.data.keep import Kept, write_kept

        folder = Path(self.folder)
        folder.mkdir(parents=True, exist_ok=True)
        paths = []
        for picture in pictures:
            path = folder / f"{made.method}-{hashlib.sha256(picture.tobytes()).hexdigest()[:24]}.png"
            write_kept(path, Kept(picture))
            paths.append(str(path))
        return paths

    @property
    def transform(self) -> Any:
        """There is none: a step that transforms would silently augment nothing, or the test samples too."""
        raise AttributeError(f"GanAugmenter has no transform; it is {_WAYS}")

    def __str__(self) -> str:
        return f"{self!r} [{_WAYS}]"

    def deployable(self, size: tuple[int, int] | None = None) -> Deployable:
        """For `gantools.pipelines.export.export`: its synthesizer, at each class's novelty, without gates."""
        check_is_fitted(self)
        if self.synthesizer_ is None:
            raise ConfigError("no class was large enough for a generator, so there is none to export")
        settled, numbers = self.maker_.novelties, self.maker_.numbers
        return self.synthesizer_.deployable(size, {numbers[c]: settled[c] for c in numbers if c in settled})

    # ------------------------------------------------------------------ storage

    def save(self, folder: str | Path) -> None:
        """Write the fitted augmenter to a folder, from which `gantools.load` reads it.

        The reals are part of it, pictures as the networks see them and labelled rows as they are: the gates compare
        with them, and rows may have to be repeated.

        Raises
        ------
        ModelError
            When the folder holds something else, or cannot be written; nothing is left half written.
        """
        check_is_fitted(self)
        form, table = self.maker_.form, self.maker_.table
        state = {
            "synthesizer": None if self.synthesizer_ is None else self.synthesizer_.state(),
            "form": form_state(form),
            "table": form.codec.packed(table) if isinstance(form, TableForm) and table is not None else None,
            "names": _packed(self.names_),
            "policy": self.policy_,
            "gates": self.maker_.gates.state(),
            "numbers": [list(pair) for pair in self.maker_.numbers.items()],
            "novelties": list(self.maker_.novelties.items()),
            "wanted": list(self.sampling_strategy_.values()),
            "classes": self.classes_.tolist(),
            "quality": without_nan(self.quality_).to_dict("list"),
        }
        summary = {"training": self.training_, "classes": [str(c) for c in self.classes_]}
        write_model(Path(folder), type(self).__name__, plain_params(self), state, summary, self.history_)

    @classmethod
    def _from_stored(cls, stored: StoredModel, device: str) -> GanAugmenter:
        augmenter = cls(**restored_params(stored.parameters, device))
        state = stored.state
        augmenter.classes_ = np.asarray(state["classes"])
        augmenter.sampling_strategy_ = dict(zip(state["classes"], state["wanted"], strict=True))
        quality = pd.DataFrame(state["quality"], index=pd.Index(state["classes"], name="class"))
        augmenter.quality_ = quality.where(quality.notna(), np.nan).astype(dict.fromkeys(_FIGURES, float))
        augmenter.training_, augmenter.history_ = stored.summary["training"], stored.history
        augmenter.synthesizer_ = None
        if state["synthesizer"] is not None:
            template = augmenter.synthesizer or GanSynthesizer()
            augmenter.synthesizer_ = clone(template).set_params(device=device, trainer=augmenter.trainer)
            augmenter.synthesizer_.take_state(state["synthesizer"])
            augmenter.synthesizer_.history_, augmenter.synthesizer_.training_ = stored.history, augmenter.training_
        form = form_from(state["form"])
        numbers = {int(c): int(i) for c, i in state["numbers"]}
        gates = Gates.restored(state["gates"], form)
        augmenter.names_, augmenter.policy_ = _unpacked(state["names"]), state["policy"]
        policy = built_policy(state["policy"], str(augmenter.policy)) if isinstance(form, PictureForm) else None
        augmenter.maker_ = Maker(form, augmenter.synthesizer_, gates, numbers, policy)
        if isinstance(form, TableForm) and state.get("table") is not None:
            rows = fitting("table", state["table"], torch.int64, len(gates.rows), len(form.codec.columns))
            augmenter.maker_.table = form.codec.unpacked(rows).set_index(gates.rows.numpy())
        augmenter.maker_.novelties = {int(c): float(h) for c, h in state["novelties"]}
        augmenter.n_features_in_ = _n_features(form)
        if isinstance(form, TableForm) and form.names:
            augmenter.feature_names_in_ = np.asarray(form.names, dtype=object)
        return augmenter

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "maker_")

    def __sklearn_tags__(self) -> Any:
        tags = BaseSampler.__sklearn_tags__(self)
        tags.input_tags.three_d_array = True
        tags.input_tags.string = tags.input_tags.categorical = True
        return tags


def _packed(names: list[str]) -> dict[str, Any]:
    """Names as one tensor (bytes,): there may be a million, which a description in JSON does not hold."""
    content = np.frombuffer(_BETWEEN.join(names).encode("utf-8", "surrogatepass"), np.uint8)
    return {"bytes": torch.from_numpy(content.copy()), "n": len(names)}


def _unpacked(packed: dict[str, Any] | list[str]) -> list[str]:
    """The names that `_packed` was given; models saved before have a list of them."""
    if isinstance(packed, list):
        return packed
    content = fitting("names", packed["bytes"], torch.uint8, None).numpy().tobytes()
    names = content.decode("utf-8", "surrogatepass").split(_BETWEEN)
    if len(names) != packed["n"]:
        raise ValueError(f"there should be {packed['n']} names and are {len(names)}")
    return names


def _check_template(template: GanSynthesizer) -> None:
    """Refuse settings of the synthesizer that would do nothing."""
    default = GanSynthesizer().get_params(deep=False)
    for name in (*_SHARED, "log", "novelty"):
        value = getattr(template, name)
        if value is not default[name] and value != default[name]:
            way_out = f"set the augmenter's own, GanAugmenter({name}=...) or, in a command, --set {name}=..."
            if name == "novelty":
                way_out = "the augmenter settles it class by class; leave it out"
            raise ConfigError(f"synthesizer.{name} does nothing here: {way_out}")


def _of_classes(reals: Reals, large: NDArray[np.int64]) -> Reals:
    """The same samples, those of other classes unlabelled."""
    assert reals.classes is not None
    places = np.full(len(reals.classes) + 1, -1)
    places[large] = np.arange(len(large))
    labels = places[reals.labels]  # the last place is that of -1
    return replace(reals, labels=labels, classes=reals.classes[large])


def _are_paths(X: Any) -> bool:
    """Whether X holds paths of pictures: a list, an array or a Series of texts, a DataFrame of paths, or a folder."""
    if isinstance(X, (str, Path)) or (isinstance(X, pd.DataFrame) and PATH_COLUMN in X.columns):
        return True
    first = X.iloc[0] if isinstance(X, pd.Series) and len(X) else None
    if isinstance(X, (list, tuple)) and len(X):
        first = X[0]
    if isinstance(X, np.ndarray) and X.ndim == 1 and len(X):
        first = X[0]
    return isinstance(first, (str, Path))


def _labelled_rows(reals: Reals) -> pd.DataFrame | None:
    """The rows of a table that have a label, by their numbers."""
    return None if reals.table is None else reals.table.reset_index(drop=True)[reals.labels >= 0]


def _warn_if_too_many(reals: Reals) -> None:
    """Before hours of training, where the gates, which keep every labelled real, would be too large to be saved."""
    n, most = int((reals.labels >= 0).sum()), LARGEST_WEIGHTS // bytes_of_real(reals.form)
    if n > most:
        warnings.warn(
            f"a model keeps its reals, and one of {n:,} of this size cannot be saved: take {most:,} at most, "
            "or smaller ones (--set synthesizer.size=32)",
            stacklevel=3,
        )


def _n_features(form: Form) -> int:
    """Columns of a table, values of a picture."""
    return int(np.prod(form.shape)) if isinstance(form, PictureForm) else len(form.codec.columns)


def _together(parts: list[Any]) -> Any:
    """Parts in one container."""
    if isinstance(parts[0], pd.DataFrame):
        return pd.concat(parts, ignore_index=True)
    if sparse.issparse(parts[0]):
        return sparse.vstack(parts, format="csr")
    if isinstance(parts[0], list):
        return [item for part in parts for item in part]
    return np.concatenate(parts)


def _more_labels(y: Any, new: NDArray[Any]) -> Any:
    """Labels with new ones after them, in the container of y."""
    if isinstance(y, pd.DataFrame):
        return pd.concat([y, pd.DataFrame(new, columns=y.columns).astype(y.dtypes)], ignore_index=True)
    if isinstance(y, pd.Series):
        return pd.concat([y, pd.Series(new, name=y.name, dtype=y.dtype)], ignore_index=True)
    if isinstance(y, Tensor):
        return torch.cat([y, torch.from_numpy(new).to(y)])
    if isinstance(y, (list, tuple)):
        return [*y, *new.tolist()]
    array = np.asarray(y)
    return np.concatenate([array, new.astype(array.dtype).reshape(-1, *array.shape[1:])])
