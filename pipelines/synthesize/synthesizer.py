"""The synthesizer: fit on samples, sample more of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from gantools.core import AdversarialTrainer, Tick
from gantools.data.decode import MAX_MEGAPIXELS
from gantools.errors import ConfigError
from gantools.pipelines.base import (
    SHARED_CONSTRAINTS,
    agreed_seed,
    plain_params,
    record_of,
    resolve_device,
    resolve_seed,
    resolve_trainer,
    restored_params,
)
from gantools.pipelines.callbacks import CallbackSupportMixin, ticking, with_callbacks
from gantools.pipelines.export import Deployable
from gantools.pipelines.showing import ShowingMixin
from gantools.pipelines.synthesize.forms import Form, PictureForm, TableForm, form_from, form_state, held
from gantools.pipelines.synthesize.labels import as_labels, place_of
from gantools.pipelines.synthesize.model import Settings, Synthesis
from gantools.pipelines.synthesize.reals import Reals, read_reals
from gantools.progress import Stages
from gantools.storage import StoredModel, write_model

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_RECIPE = "spread"
_SMALLEST_DETAILED = 24
_LARGE = 32
_BATCH = 64
_DIVERGENCE = {True: 0.002, False: 0.02}
_IMAGES = {"pictures": 150_000, "table": 200_000}
_WIDTH = {"large": 24, "pictures": 48, "table": 128}
_LATENT = {"pictures": 128, "table": 32}


def _paced(batch_size: int) -> AdversarialTrainer:
    """The recipe `spread`, made for batches of 64; its rates go with a batch's square root (Malladi et al. 2022)."""
    recipe = resolve_trainer(_RECIPE, _RECIPE)
    share = math.sqrt(batch_size / _BATCH)
    settings = {name: share * getattr(recipe, name) for name in ("lr_generator", "lr_discriminator")}
    return resolve_trainer(settings, recipe)


class GanSynthesizer(ShowingMixin, CallbackSupportMixin, BaseEstimator):
    """Learns to make more samples of the kind it is shown: pictures or rows of a table, of classes or without.

    An autoencoder learns how samples differ; each class is given its place among the latents; then its decoder, as
    the generator, plays against a discriminator that knows the classes, while it must go on decoding the reals. So it
    keeps the spread that a generator without that anchor loses.

    Parameters
    ----------
    novelty : float
        How far samples go from single reals: at 0 they are reals decoded, at 1 drawn from a Gaussian of their class.
    size : int or None
        Longest side of what the networks see, in pixels: larger pictures are reduced and what comes out enlarged.
        None is 64.
    latent : int or None
        Length of a latent; None for 128 (pictures) or 32 (tables).
    width : int or None
        Channels of the networks' largest map, or units of a layer; None for 48 (pictures), 24 (pictures
        with a side over 32 pixels, whose map of half their size then has 48) or 128 (tables).
    divergence : float or None
        Weight of the latents' divergence from the standard normal distribution, in the first stage; None for 0.002, or
        0.02 for tables and pictures with a side under 24 pixels.
    perceptual : float
        Weight of a pretrained network's features when reals are decoded; pictures with a side under 24 pixels do
        without.
    anchor : float
        Weight, in the adversarial stage, of decoding the reals.
    moves : float
        Strength of the small shifts, turns and scalings of pictures that the networks see; 0 for none.
    fidelity_share : float
        Share of training that goes to the first stage.
    trainer : AdversarialTrainer, str, dict or None
        The adversarial knobs; the name of a recipe; a dict of the settings that shall
        not be the default's; None for the tested default, `spread`, at rates that suit the batch.
    max_images : int or None
        Samples seen in training, at most; None for 150,000 pictures or 200,000 rows.
    max_minutes : float or None
        Limit on the time in training.
    batch_size : int or None
        Samples of a step; None for 64, or 32 of pictures with a side over 32 pixels.
    device : str
        "auto", "cpu", "cuda" or "cuda:N".
    random_state : int, RandomState or None
        Of everything random.
    max_bad : float
        Unreadable pictures that are skipped, with a warning, when fitting: a share below 1, else a count.
    max_megapixels : float
        Larger picture files are refused.
    checkpoint : str, Path or None
        Folder for the training's checkpoints.
    resume : bool
        Go on from the checkpoints where there are some.
    log : str, Path or None
        Where training tells how it goes, about a hundred times: a file ending in .jsonl for lines of JSON, else a
        folder for TensorBoard.
    verbose : int
        0 is silent; 1 shows progress on stderr.

    Attributes
    ----------
    classes_ : ndarray or None
        The labels there are; None when fitted without.
    class_counts_ : ndarray of int64
        Reals of each class.
    n_features_in_ : int
        Columns, of a table.
    trainer_ : AdversarialTrainer
        What `trainer` came to.
    width_ : int
        What `width` came to.
    history_ : DataFrame
        One row a training step, with its `stage`; see `gantools.core.Training`.
    snapshots_ : dict
        By stage, what the generator made of the same latents or sources as training went on; see
        `gantools.core.snapshots`. Not saved.
    training_ : dict
        Summary: samples seen, seconds, why training stopped.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from gantools import GanSynthesizer
    >>> X, y = load_digits(return_X_y=True)
    >>> synthesizer = GanSynthesizer(max_images=640, random_state=0).fit(X.reshape(-1, 8, 8) / 16, y)
    >>> pictures, labels = synthesizer.sample(12, random_state=0)
    >>> pictures.shape, labels.shape
    ((12, 8, 8), (12,))
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "novelty": [Interval(Real, 0, 1, closed="both")],
        "size": [Interval(Integral, 8, 256, closed="both"), None],
        "latent": [Interval(Integral, 1, None, closed="left"), None],
        "width": [Interval(Integral, 4, None, closed="left"), None],
        "divergence": [Interval(Real, 0, None, closed="left"), None],
        "perceptual": [Interval(Real, 0, None, closed="left")],
        "anchor": [Interval(Real, 0, None, closed="left")],
        "moves": [Interval(Real, 0, None, closed="left")],
        "fidelity_share": [Interval(Real, 0, 1, closed="neither")],
        **SHARED_CONSTRAINTS,
    }

    def __init__(
        self,
        *,
        novelty: float = 0.5,
        size: int | None = None,
        latent: int | None = None,
        width: int | None = None,
        divergence: float | None = None,
        perceptual: float = 1.0,
        anchor: float = 10.0,
        moves: float = 1.0,
        fidelity_share: float = 0.4,
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
        self.novelty = novelty
        self.size = size
        self.latent = latent
        self.width = width
        self.divergence = divergence
        self.perceptual = perceptual
        self.anchor = anchor
        self.moves = moves
        self.fidelity_share = fidelity_share
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
    def fit(self, X: Any, y: Any = None) -> GanSynthesizer:
        """Learn.

        Parameters
        ----------
        X : pictures or table
            Pictures as arrays (N, H, W) or (N, H, W, C), tensors, lists of arrays or paths, a DataFrame or CSV with a
            `path` column, or a folder; sizes that differ are all brought to the commonest. Or a table: an array (N, F)
            of finite numbers, or a DataFrame of numbers and categories, with or without missing values.
        y : array-like or None
            Labels of any type; -1 among numbers means unlabelled.

        Returns
        -------
        self

        Raises
        ------
        DataError
            When there is nothing that can be used, or labels do not fit.
        """
        self._validate_params()
        self.__dict__.pop("synthesis_", None)  # fitted again only when all of it is
        with Stages(bool(self.verbose)) as stages, ticking(self) as on_tick:
            with stages.stage("reading"):
                reals = read_reals(X, y, self.size, self.max_bad, self.max_megapixels)
            if isinstance(reals.form, TableForm):
                self.n_features_in_ = len(reals.form.codec.columns)
            self.learn(reals, stages, on_tick)
        return self

    def learn(self, reals: Reals, stages: Stages, on_tick: Callable[[Tick], bool]) -> None:
        """Become fitted to reals that were read."""
        self.form_: Form = reals.form
        self.classes_ = reals.classes
        self.class_counts_ = np.bincount(reals.labels[reals.labels >= 0])
        self.trainer_ = resolve_trainer(self.trainer, _paced(self._batch()))
        settings = self._settings(agreed_seed(self))
        self.width_ = settings.width
        self.synthesis_, trainings = Synthesis.fit(reals.samples, reals.labels, settings, stages, on_tick)
        self.history_, self.training_, self.snapshots_ = record_of(trainings)
        self.training_ |= {"samples": len(reals.samples), "skipped": len(reals.skipped)}

    def _batch(self) -> int:
        return self.batch_size or (_BATCH // 2 if self._large() else _BATCH)

    def _large(self) -> bool:
        return isinstance(self.form_, PictureForm) and max(self.form_.shape[1:]) > _LARGE

    def _settings(self, seed: int = 0) -> Settings:
        """What the parameters come to for the form at hand."""
        pictures = isinstance(self.form_, PictureForm)
        kind = "pictures" if pictures else "table"
        detailed = pictures and min(self.form_.shape[1:]) >= _SMALLEST_DETAILED
        return Settings(
            form=self.form_,
            n_classes=len(self.class_counts_),
            latent=self.latent or _LATENT[kind],
            width=self.width or _WIDTH["large" if self._large() else kind],
            divergence=self.divergence if self.divergence is not None else _DIVERGENCE[detailed],
            perceptual=self.perceptual if detailed else 0.0,
            anchor=self.anchor,
            moves=self.moves,
            fidelity_share=self.fidelity_share,
            trainer=self.trainer_,
            max_images=self.max_images or _IMAGES[kind],
            max_minutes=self.max_minutes,
            batch_size=self._batch(),
            device=resolve_device(self.device),
            seed=seed,
            checkpoint=None if self.checkpoint is None else Path(self.checkpoint),
            resume=self.resume,
        )

    # ------------------------------------------------------------------ use

    def sample(self, n: int = 1, *, labels: Any = None, random_state: Any = None, truncation: float = 1.0) -> Any:
        """New samples.

        Parameters
        ----------
        n : int
            How many, of classes drawn as often as the reals have them.
        labels : array-like or None
            Instead of `n`, the label of every sample.
        random_state : int, RandomState or None
            Of the drawing; the same gives the same samples.
        truncation : float
            Below 1, samples come nearer to their class's middle: less variety, fewer failures.

        Returns
        -------
        X, or (X, y) when fitted with labels
            In the container, size and dtype of the reals; pictures of files are uint8 arrays.
        """
        numbers, seed = self._asked(n, labels, random_state)
        parts = [part for part, _ in self.drawn(numbers, seed, truncation)]
        samples = held(self.form_, self.form_.samples(torch.cat(parts)))
        return samples if self.classes_ is None else (samples, self.classes_[numbers])

    def in_parts(
        self, n: int = 64, *, labels: Any = None, random_state: Any = None, truncation: float = 1.0
    ) -> Iterator[tuple[Any, Any]]:
        """What `sample` gives at once, as arrays and some at a time, for more than memory holds.

        Yields
        ------
        X, y
            The next samples and their labels; y is None when fitted without labels.
        """
        numbers, seed = self._asked(n, labels, random_state)
        done = 0
        for part, _ in self.drawn(numbers, seed, truncation):
            mine = numbers[done : done + len(part)]
            yield self.form_.samples(part), None if self.classes_ is None else self.classes_[mine]
            done += len(part)

    def _asked(self, n: int, labels: Any, random_state: Any) -> tuple[NDArray[np.int64], int]:
        """The classes' numbers of the samples to make, and the seed that they are drawn with."""
        check_is_fitted(self)
        rng = np.random.default_rng(resolve_seed(random_state))
        if labels is not None:
            return self.numbers_of(labels), int(rng.integers(2**62))
        if not isinstance(n, Integral) or n < 1:
            raise ConfigError(f"n={n!r} must be a whole number of at least 1")
        shares = self.class_counts_ / self.class_counts_.sum()
        return rng.choice(len(shares), size=int(n), p=shares), int(rng.integers(2**62))

    def numbers_of(self, labels: Any) -> NDArray[np.int64]:
        """The classes' numbers of labels.

        Raises
        ------
        ConfigError
            For a label that was not fitted.
        """
        labels = np.atleast_1d(as_labels(labels))
        if self.classes_ is None:
            raise ConfigError("labels were asked for, and this synthesizer was fitted without labels")
        if len(labels) == 0:
            raise ConfigError("labels: there are none; name one for each sample that is wanted")
        places = [place_of(label, self.classes_) for label in labels]
        for label, place in zip(labels, places, strict=True):
            if place is None:
                raise ConfigError(f"label {label} is unknown; there are {', '.join(map(str, self.classes_))}")
        return np.asarray(places, np.int64)

    def drawn(
        self, numbers: NDArray[np.int64], seed: int, truncation: float = 1.0, novelty: float | None = None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Samples, as the networks make them, of classes' numbers, some at a time, with the discriminator's logits.

        `novelty` is the parameter's if None.
        """
        check_is_fitted(self)
        if not (isinstance(truncation, Real) and 0 <= truncation < math.inf):
            raise ConfigError(f"truncation={truncation!r} must be a number of at least 0")
        device = self.synthesis_.latents.means.device
        rng = torch.Generator(device).manual_seed(seed)
        return self.synthesis_.draw(numbers, self.novelty if novelty is None else novelty, rng, truncation)

    def rows(self, most: int, columns: int, random_state: Any = None) -> dict[str, Any]:
        """Samples to look at: so many of each class, of at most `most` classes; without classes, as many rows.

        Returns
        -------
        dict
            A class's label, or the row's number, to its samples, as arrays.
        """
        check_is_fitted(self)
        names = range(1, most + 1) if self.classes_ is None else self.classes_[:most]
        numbers = np.zeros(most, np.int64) if self.classes_ is None else np.arange(len(names))
        parts = [part for part, _ in self.drawn(numbers.repeat(columns), resolve_seed(random_state))]
        samples = self.form_.samples(torch.cat(parts))
        return {str(name): samples[i * columns : (i + 1) * columns] for i, name in enumerate(names)}

    def plot_samples(self, columns: int = 8, random_state: Any = None, ax: Axes | None = None) -> Axes:
        """Samples in rows, of up to eight classes; of pictures only."""
        from gantools.report.plots import plot_pictures

        check_is_fitted(self)
        if not isinstance(self.form_, PictureForm):
            raise ConfigError("plot_samples: this synthesizer makes rows of a table")
        rows = self.rows(8, columns, random_state)
        titles = [] if self.classes_ is None else list(rows)
        return plot_pictures([p for row in rows.values() for p in row], titles, columns, ax)

    def encoded(self, samples: Tensor) -> Tensor:
        """Latents (N, latent) of samples as the networks see them."""
        check_is_fitted(self)
        return self.synthesis_.encoded(samples)

    def interpolate(self, *, n: int = 8, label: Any = None, random_state: Any = None) -> Any:
        """Samples on the way from one to another of its class: `n` of them, both ends included.

        Arguments and container as of `sample`; `label` is the class, one drawn if None.
        """
        check_is_fitted(self)
        if not isinstance(n, Integral) or n < 1:
            raise ConfigError(f"n={n!r} must be a whole number of at least 1")
        rng = np.random.default_rng(resolve_seed(random_state))
        k = int(rng.integers(len(self.class_counts_))) if label is None else int(self.numbers_of([label])[0])
        synthesis = self.synthesis_
        device = synthesis.latents.means.device
        generator = torch.Generator(device).manual_seed(int(rng.integers(2**62)))
        ends = synthesis.latents.draw(torch.tensor([k, k], device=device), self.novelty, generator)
        way = torch.linspace(0, 1, n, device=device)[:, None]
        with torch.no_grad():
            return held(self.form_, self.form_.samples(synthesis.decoder(ends[:1].lerp(ends[1:], way))))

    def deployable(self, size: tuple[int, int] | None = None, novelties: dict[int, float] | None = None) -> Deployable:
        """For `gantools.pipelines.export.export`; `novelties` of classes, by number, for which another is to count."""
        from gantools.pipelines.synthesize.deploy import deployable

        check_is_fitted(self)
        if size is not None:
            raise ConfigError("a size is not to be named: the file makes pictures of the size that was learnt")
        return deployable(self, novelties)

    # ------------------------------------------------------------------ storage

    def save(self, folder: str | Path) -> None:
        """Write the fitted synthesizer to a folder, from which `gantools.load` reads it.

        Raises
        ------
        ModelError
            When the folder holds something else, or cannot be written; nothing is left half written.
        """
        check_is_fitted(self)
        summary = {
            "training": self.training_,
            "classes": None if self.classes_ is None else [str(c) for c in self.classes_],
        }
        write_model(Path(folder), type(self).__name__, plain_params(self), self.state(), summary, self.history_)

    def state(self) -> dict[str, Any]:
        """What a model folder holds of it besides parameters."""
        return {
            "form": form_state(self.form_),
            "classes": None if self.classes_ is None else self.classes_.tolist(),
            "class_counts": self.class_counts_.tolist(),
            "trainer": self.trainer_.get_params(),
            "width": self.width_,
            "synthesis": self.synthesis_.state(),
        }

    @classmethod
    def _from_stored(cls, stored: StoredModel, device: str) -> GanSynthesizer:
        estimator = cls(**restored_params(stored.parameters, device))
        estimator.take_state(stored.state)
        estimator.training_ = stored.summary["training"]
        estimator.history_ = stored.history
        return estimator

    def take_state(self, state: dict[str, Any]) -> None:
        """Become fitted from what `state` gave."""
        self.form_ = form_from(state["form"])
        self.classes_ = None if state["classes"] is None else np.asarray(state["classes"])
        self.class_counts_ = np.asarray(state["class_counts"], np.int64)
        self.trainer_ = AdversarialTrainer(**state["trainer"])
        if isinstance(self.form_, TableForm):
            self.n_features_in_ = len(self.form_.codec.columns)
        earlier = _WIDTH["table" if isinstance(self.form_, TableForm) else "pictures"]  # whatever a picture's side
        self.width_ = state.get("width", self.width or earlier)
        self.synthesis_ = Synthesis.restored(state["synthesis"], replace(self._settings(), width=self.width_))

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "synthesis_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.sparse = True
        tags.input_tags.string = tags.input_tags.categorical = True
        tags.target_tags.required = False
        return tags
