"""The super-resolver, with scikit-learn's transformer interface."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.validation import check_is_fitted
from torch import nn

from gantools.core import Tick, Training
from gantools.core.initialise import initialised, restored
from gantools.data.decode import MAX_MEGAPIXELS
from gantools.data.degrade import Degradation, Reduction
from gantools.data.keep import opaque_colours
from gantools.data.pairing import matched
from gantools.data.planes import on_white, unit
from gantools.data.sources import PictureSource
from gantools.data.standard import Glance
from gantools.data.tables import without_nan
from gantools.errors import ConfigError, DataError
from gantools.networks.backbone import load_backbone
from gantools.networks.patch import TextureDiscriminator
from gantools.networks.upscaler import SIZES, build_upscaler
from gantools.pipelines.base import (
    SHARED_CONSTRAINTS,
    agreed_seed,
    as_measured,
    plain_params,
    record_of,
    resolve_device,
    resolve_seed,
    resolve_trainer,
    restored_params,
)
from gantools.pipelines.callbacks import CallbackSupportMixin, ticking, with_callbacks
from gantools.pipelines.containers import are_pictures, gathered, is_flat, pictures, raw_picture
from gantools.pipelines.export import Deployable
from gantools.pipelines.showing import ShowingMixin
from gantools.pipelines.stages import Plan, blended, both_ends, fidelity_trainer, names_of, split, train_two_stages
from gantools.pipelines.superres.enlarge import Eightfold, Enlarger, TrueColours
from gantools.pipelines.superres.examples import Example, examples_of
from gantools.pipelines.superres.figures import capped_psnr, interpolations, means, measured
from gantools.pipelines.superres.games import EnlargingGame
from gantools.pipelines.superres.pictures import Patches, read_pairs
from gantools.progress import Stages
from gantools.storage import StoredModel, write_model

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SCALES = (2, 3, 4, 8)
_PERCEPTUAL_BLOCKS = (0, 2, 4)
_COST_OF_TEXTURE = 4.0
_PATTERN = 1.0
_RECIPE = "texture"


@dataclass(frozen=True)
class _Defaults:
    """What suits a size of network."""

    max_images: int
    batch_size: int
    patch: int
    discriminator_width: int
    lr_fidelity: float
    optimiser: str


_DEFAULTS = {
    "tiny": _Defaults(120_000, 16, 16, 16, 2e-3, "muon"),
    "small": _Defaults(1_600_000, 32, 48, 64, 5e-4, "adam"),
    "large": _Defaults(1_600_000, 16, 64, 64, 2e-4, "adam"),
}


class GanSuperResolver(ShowingMixin, CallbackSupportMixin, TransformerMixin, BaseEstimator):
    """Learns from sharp pictures of one kind to enlarge others of that kind.

    A generator first learns to be as near to the truth as it can (fidelity); then a discriminator that tells its
    pictures from real ones teaches it to look like them (texture). Both are kept, and `perception` goes from one to
    the other without training anew.

    Parameters
    ----------
    scale : 2, 3, 4 or 8
        How many times larger.
    perception : float
        From 0, nearest to the truth, to 1, most like real pictures; used by `transform`, not by `fit`.
    degradation : str
        How low pictures are made of high ones when `fit` is given high ones only: "bicubic", antialiased, as in
        papers; "real", blurred, noisy, compressed and resized more than once; "none": pairs must be given.
    strength : float
        How much degradation="real" spoils, up to 4: blur and noise are multiplied by it, and JPEG's quality falls the
        lower. At 1 low pictures look as if they were sent through a messenger twice.
    size : str
        Of the generator: "tiny" for CPUs, "small" and "large" (as ESRGAN's) for GPUs.
    adversarial_share : float
        Share of the time in training that goes to the second stage. As one of its patches takes as long as four of the
        first stage, it sees a quarter of this share of the patches. 0 leaves it out.
    pixel_weight, matching_weight, perceptual_weight : float
        Weights, in the second stage, of the mean absolute differences of pixels, of the discriminator's features and
        of a pretrained network's features.
    patch : int or None
        Side of the patches to learn from, in pixels of the low picture; None for what suits the size. Pictures that
        are smaller are continued as in a mirror.
    true_colours : bool
        Whether `transform` puts right slow drifts of colour.
    tta : bool
        Whether `transform` takes the mean over the eight flips and turns: a little better, eight times slower.
    tile : int or None
        Side of the tiles of `transform`, in pixels of the low picture. Results do not depend on it.
    holdout : float
        Share of the pictures to be measured on instead of learnt from: at least one, at most ten, and none of fewer
        than five.
    trainer : AdversarialTrainer, str, dict or None
        The adversarial knobs of the second stage; the name of a recipe; a dict of the settings that shall
        not be the default's; None for the tested default.
    max_images : int or None
        Patches seen in training, at most; None for what suits the size.
    max_minutes : float or None
        Limit on the time in training.
    batch_size : int or None
        Patches of a step; None for what suits the size.
    device : str
        "auto", "cpu", "cuda" or "cuda:N".
    random_state : int, RandomState or None
        Of everything random.
    max_bad : float
        Unreadable pictures, and pairs that are shifted or show different things, that are skipped, with a warning, when
        fitting: a share below 1, else a count.
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
    scale_ : int
        How many times larger `transform` makes pictures.
    size_ : str
        Of the generators.
    held_out_ : ndarray of int64
        Numbers of the pictures that were measured on, not learnt from.
    paired_ : bool
        Whether it was learnt from pairs.
    seed_ : int
        Of everything random in the fit.
    channels_ : int
        Of the pictures learnt from: 1, 3, or as many as arrays had. Alpha does not count.
    generators_ : dict of nn.Module
        "fidelity" and "texture".
    validation_ : DataFrame
        For each picture held out and each method ("ours" at perception 0, "texture" at 1, "bicubic", "lanczos"):
        `psnr`, `ssim` and `perceptual`. Empty where none was held out.
    history_ : DataFrame
        One row a training step, with its `stage`; see `gantools.core.Training`.
    snapshots_ : dict
        By stage, what the generator made of the same latents or sources as training went on; see
        `gantools.core.snapshots`. Not saved.
    training_ : dict
        Summary: patches seen, seconds, why training stopped, pictures skipped and held out, means of `validation_`.

    Examples
    --------
    >>> from sklearn.datasets import load_sample_images
    >>> from gantools import GanSuperResolver
    >>> china, flower = load_sample_images().images
    >>> resolver = GanSuperResolver(scale=2, max_images=320, random_state=0).fit([china])
    >>> resolver.transform([flower[:50, :60]])[0].shape
    (100, 120, 3)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "scale": [Options(Integral, set(SCALES))],
        "perception": [Interval(Real, 0, 1, closed="both")],
        "degradation": [StrOptions({"bicubic", "real", "none"})],
        "strength": [Interval(Real, 0, 4, closed="right")],
        "size": [StrOptions(set(SIZES))],
        "adversarial_share": [Interval(Real, 0, 1, closed="left")],
        "pixel_weight": [Interval(Real, 0, None, closed="left")],
        "matching_weight": [Interval(Real, 0, None, closed="left")],
        "perceptual_weight": [Interval(Real, 0, None, closed="left")],
        "patch": [Interval(Integral, 8, None, closed="left"), None],
        "true_colours": ["boolean"],
        "tta": ["boolean"],
        "tile": [Interval(Integral, 16, None, closed="left"), None],
        "holdout": [Interval(Real, 0, 1, closed="left")],
        **SHARED_CONSTRAINTS,
    }

    def __init__(
        self,
        scale: int = 4,
        *,
        perception: float = 0.0,
        degradation: str = "bicubic",
        strength: float = 1.0,
        size: str = "tiny",
        adversarial_share: float = 0.2,
        pixel_weight: float = 1.0,
        matching_weight: float = 1.0,
        perceptual_weight: float = 0.2,
        patch: int | None = None,
        true_colours: bool = False,
        tta: bool = False,
        tile: int | None = None,
        holdout: float = 0.1,
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
        self.scale = scale
        self.perception = perception
        self.degradation = degradation
        self.strength = strength
        self.size = size
        self.adversarial_share = adversarial_share
        self.pixel_weight = pixel_weight
        self.matching_weight = matching_weight
        self.perceptual_weight = perceptual_weight
        self.patch = patch
        self.true_colours = true_colours
        self.tta = tta
        self.tile = tile
        self.holdout = holdout
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
    def fit(self, X: Any, y: Any = None) -> GanSuperResolver:
        """Learn to enlarge.

        Pictures are kept in 2 GiB of memory. Of larger collections only windows are learnt from, and some pictures of
        very large ones are left out, both at random; a warning says how much is kept.

        Parameters
        ----------
        X : pictures
            Sharp pictures, of which the low ones are made; or, with pictures as `y`, the low ones. An array (N, H, W)
            or (N, H, W, C), uint8, uint16 or float in [0, 1]; a tensor; a list of arrays of differing sizes, or of
            paths; a DataFrame or CSV with a `path` column; a folder.
        y : pictures or None
            The sharp pictures, `scale` times as large as X, in the same order; files are paired by their stems.
            Anything that is no pictures, such as the labels that a Pipeline hands on, is ignored.

        Returns
        -------
        self

        Raises
        ------
        DataError
            When there is nothing that can be used, or pairs do not fit together.
        ConfigError
            When parameters cannot work together.
        """
        self._validate_params()
        self.__dict__.pop("generators_", None)  # fitted again only when all of it is
        paired = are_pictures(y)
        if paired and self.degradation == "real":
            raise ConfigError("degradation='real' makes low pictures, and pairs were given; use degradation='none'")
        if not paired and self.degradation == "none":
            raise ConfigError(
                "degradation='none' needs pairs: low pictures as X and sharp ones as y (--low, the folder of low ones)"
            )
        if self.strength != 1 and self.degradation != "real":
            raise ConfigError(f"strength={self.strength:g} is of degradation='real'; set that too, or leave it out")
        high, low = self._sources(X, y)
        self.channels_ = Glance.at(high).channels
        seed, device, suited = agreed_seed(self), resolve_device(self.device), _DEFAULTS[self.size]
        spoilt = self.degradation == "real"
        degradation = Degradation(self.scale, self.strength) if spoilt else Reduction(self.scale)
        self.scale_, self.size_, self.paired_, self.seed_ = int(self.scale), self.size, paired, seed
        patch = self.patch or suited.patch
        with Stages(bool(self.verbose)) as stages, ticking(self) as on_tick:
            with stages.stage("reading pictures") as advance:
                pairs, good, skipped = read_pairs(
                    high,
                    low,
                    self.scale_,
                    self.channels_,
                    patch=patch,
                    seed=seed,
                    max_bad=self.max_bad,
                    advance=advance,
                )
            learnt, held = split(names_of(good, sharp=high, low=low), self.holdout, seed)
            self.held_out_ = good[held]
            if skipped:
                warnings.warn(f"{len(skipped)} pictures were skipped: {'; '.join(skipped[:5])}", stacklevel=2)
            patches = Patches(
                [pairs[i] for i in learnt],
                self.scale,
                patch,
                self.batch_size or suited.batch_size,
                seed,
                device,
                degradation,
            )
            trainings = self._train(patches, seed, device, stages, on_tick)
            self.generators_ = both_ends(trainings)
            self.history_, self.training_, self.snapshots_ = record_of(trainings)
            self.training_ |= {"samples": len(learnt), "skipped": len(skipped), "held_out": len(held)}
            try:
                self.validation_ = self._validated(high, low, seed, stages)
            except BaseException:
                del self.generators_  # not fitted by half
                raise
        self.training_ |= {name: round(value, 4) for name, value in means(self.validation_).items()}
        return self

    def _sources(self, X: Any, y: Any) -> tuple[PictureSource, PictureSource | None]:
        """The sharp pictures, and the low ones where both are given, in the same order."""
        if not are_pictures(y):
            return self._source(X), None
        low, high = matched(self._source(X), self._source(y), ("low", "high"))
        return high, low

    def _source(self, X: Any) -> PictureSource:
        return pictures(X, self.max_megapixels)

    def _train(
        self, patches: Patches, seed: int, device: torch.device, stages: Stages, on_tick: Callable[[Tick], bool]
    ) -> list[tuple[str, Training]]:
        """Both stages, the second from where the first ended."""
        suited = _DEFAULTS[self.size]
        rng = torch.Generator().manual_seed(seed)
        generator = initialised(lambda: build_upscaler(self.size, self.scale, self.channels_), rng).to(device)
        discriminator = initialised(
            lambda: TextureDiscriminator(2 * self.channels_, suited.discriminator_width), rng
        ).to(device)
        plays = self.adversarial_share > 0 and self.perceptual_weight > 0
        second = EnlargingGame(
            generator,
            discriminator,
            pixels=self.pixel_weight,
            matching=self.matching_weight,
            perceptual=self.perceptual_weight,
            pattern=_PATTERN,
            backbone=load_backbone(_PERCEPTUAL_BLOCKS, device) if plays else None,
        )
        plan = Plan(
            self.max_images or suited.max_images,
            self.adversarial_share,
            _COST_OF_TEXTURE,
            self.max_minutes,
            seed,
            self.checkpoint,
            self.resume,
        )
        adversarial = resolve_trainer(self.trainer, _RECIPE)
        trainers = fidelity_trainer(adversarial, suited.lr_fidelity, optimiser=suited.optimiser), adversarial
        return train_two_stages(
            (EnlargingGame(generator, discriminator), second), trainers, patches, plan, stages, on_tick
        )

    def _validated(self, high: PictureSource, low: PictureSource | None, seed: int, stages: Stages) -> pd.DataFrame:
        """Both ends of `perception` beside interpolation, on the pictures held out."""
        with stages.stage("measuring") as advance:

            def shown() -> Iterator[Example]:
                for done, example in enumerate(self._pairs(high, low, self.held_out_, seed)):
                    yield example
                    advance((done + 1) / len(self.held_out_))

            return measured(shown(), self.methods(both_ends=True), self.scale_)

    def _pairs(self, high: PictureSource, low: PictureSource | None, indices: Any, seed: int) -> Iterator[Example]:
        return examples_of(high, low, indices, self.scale_, self.strength if self.degradation == "real" else None, seed)

    # ------------------------------------------------------------------ use

    def enlarger(self, perception: float | None = None) -> Enlarger:
        """The generator at a point of `perception`, the parameter's if None, ready for pictures of any size."""
        check_is_fitted(self)
        self._validate_params()
        at = self.perception if perception is None else perception
        generator: nn.Module = blended(self.generators_["fidelity"], self.generators_["texture"], float(at))
        generator = Eightfold(generator) if self.tta else generator
        generator = TrueColours(generator) if self.true_colours else generator
        return Enlarger(generator, self.channels_, resolve_device(self.device), self.tile)

    def transform(self, X: Any) -> Any:
        """Enlarge pictures.

        Parameters
        ----------
        X : pictures
            As for `fit`, of any sizes, gray or in colour, with or without alpha.

        Returns
        -------
        array, list of arrays, or tensor
            In the dtype that came in (uint8 for bool), 8 or 16 bits for files. A list for a list, a tensor on the same
            device for a tensor; otherwise an array where sizes and depths agree, else a list.

        Raises
        ------
        DataError
            When a picture cannot be read.
        """
        enlarger = self.enlarger()
        source = self._source(X)
        found = []
        with Stages(bool(self.verbose)) as stages, stages.stage("enlarging") as advance:
            for index in range(len(source)):
                picture = raw_picture(source, index)

                def within(part: float, before: int = index) -> None:
                    advance((before + part) / len(source))

                large = self.enlarge(picture, enlarger, within)
                found.append(large[..., 0] if is_flat(source, index) else large)
        return gathered(X, found)

    def enlarge(
        self,
        picture: NDArray[Any],
        enlarger: Enlarger | None = None,
        advance: Callable[[float], None] = lambda fraction: None,
    ) -> NDArray[Any]:
        """One picture (H, W, C) enlarged; two or four channels are gray or colour with alpha.

        Under transparent pixels the colours of the nearest others are taken, so that edges are clean on any
        background.
        """
        if picture.shape[2] in (2, 4):
            picture = opaque_colours(picture)
        return (enlarger or self.enlarger())(picture, advance)

    def examples(self, X: Any, y: Any = None) -> Iterator[Example]:
        """Pairs to judge by: of low pictures `X` and sharp ones `y`, or of sharp ones alone, reduced as in fitting."""
        high, low = self._sources(X, y)
        return self._pairs(high, low, range(len(high)), resolve_seed(0))

    def held_out_examples(self, X: Any, y: Any = None) -> Iterator[Example]:
        """The pairs of `validation_`, where these are the very pictures of the fit."""
        check_is_fitted(self)
        high, low = self._sources(X, y)
        return self._pairs(high, low, self.held_out_, self.seed_)

    def methods(self, both_ends: bool = False) -> dict[str, Callable[[NDArray[Any]], NDArray[Any]]]:
        """Ways to enlarge a picture (H, W, C): "ours", as parameters stand, and interpolation.

        With `both_ends`, "ours" is at perception 0 and "texture" at 1.
        """
        at = {"ours": 0.0, "texture": 1.0} if both_ends and self.adversarial_share > 0 else {"ours": None}
        mine = {name: partial(self.enlarge, enlarger=self.enlarger(p)) for name, p in at.items()}
        return {**mine, **interpolations(self.scale_)}

    def evaluate(self, X: Any, y: Any = None) -> pd.DataFrame:
        """PSNR-Y, SSIM and perceptual distance of each picture, beside those of bicubic and Lanczos interpolation.

        Parameters
        ----------
        X, y : pictures
            Low and sharp pictures, or sharp ones alone, which are reduced as in fitting. A model that was learnt from
            pairs knows of no reduction: of sharp pictures alone its figures are those of bicubic reductions, and a
            warning says so.

        Returns
        -------
        DataFrame
            One row for every picture and method: `path`, `method`, `psnr`, `ssim`, `perceptual`.
        """
        check_is_fitted(self)
        self._tell_reduced(y)
        return measured(self.examples(X, y), self.methods(), self.scale_)

    def score(self, X: Any, y: Any = None) -> float:
        """Mean PSNR-Y, in dB, of the enlarged pictures; arguments, and a warning, as of `evaluate`."""
        enlarger = self.enlarger()
        self._tell_reduced(y)
        figures = [
            capped_psnr(unit(self.enlarge(e.low, enlarger)), unit(e.high), self.scale_) for e in self.examples(X, y)
        ]
        if not figures:
            raise DataError("none of the pictures can be judged")
        return float(np.mean(figures))

    def _tell_reduced(self, y: Any) -> None:
        """Warn where a model of pairs is to be judged by bicubic reductions, which it has not learnt from."""
        if self.paired_ and not are_pictures(y):
            warnings.warn(
                "this model was learnt from low pictures that were given, and is judged by bicubic reductions of sharp "
                "ones, which may be unlike them; give low pictures too: evaluate(low, sharp), --low LRDIR",
                stacklevel=3,
            )

    def plot_samples(self, X: Any, n: int = 4, ax: Axes | None = None) -> Axes:
        """The first `n` pictures of X, enlarged by interpolation, and as `transform` makes them: a row for each."""
        from gantools.report.plots import plot_pictures

        check_is_fitted(self)
        source = self._source(X)
        shown = []
        for index in range(min(n, len(source))):
            picture = on_white(raw_picture(source, index))
            shown += [interpolations(self.scale_)["bicubic"](picture), self.enlarge(picture)]
        return plot_pictures(shown, columns=2, ax=ax)

    def deployable(self, size: tuple[int, int] | None = None) -> Deployable:
        """For `gantools.pipelines.export.export`; takes pictures of any size."""
        from gantools.pipelines.superres.deploy import deployable

        check_is_fitted(self)
        if size is not None:
            raise ConfigError("a size is not to be named: the file takes pictures of any size")
        return deployable(self)

    # ------------------------------------------------------------------ storage

    def save(self, folder: str | Path) -> None:
        """Write the fitted resolver to a folder, from which `gantools.load` reads it.

        Raises
        ------
        ModelError
            When the folder holds something else, or cannot be written; nothing is left half written.
        """
        check_is_fitted(self)
        state = {
            "channels": self.channels_,
            "scale": self.scale_,
            "size": self.size_,
            "paired": self.paired_,
            "seed": self.seed_,
            "held_out": self.held_out_.tolist(),
            "generators": {name: player.state_dict() for name, player in self.generators_.items()},
            "validation": without_nan(self.validation_).to_dict("list"),
        }
        kind = {"scale": self.scale_, "size": self.size_, "channels": self.channels_}
        summary = {**kind, "training": self.training_}
        write_model(Path(folder), type(self).__name__, plain_params(self), state, summary, self.history_)

    @classmethod
    def _from_stored(cls, stored: StoredModel, device: str) -> GanSuperResolver:
        resolver = cls(**restored_params(stored.parameters, device))
        state = stored.state
        resolver.channels_, resolver.scale_, resolver.size_ = state["channels"], state["scale"], state["size"]
        resolver.paired_ = state.get("paired", resolver.degradation == "none")
        resolver.seed_ = state.get("seed", resolve_seed(resolver.random_state))
        resolver.held_out_ = np.asarray(state["held_out"], np.int64)
        resolver.generators_ = {}
        for name, weights in state["generators"].items():
            player = restored(lambda: build_upscaler(state["size"], state["scale"], state["channels"]), weights)
            resolver.generators_[name] = player.to(resolve_device(device))
        resolver.validation_ = as_measured(state["validation"])
        resolver.training_ = stored.summary["training"]
        resolver.history_ = stored.history
        return resolver

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "generators_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.target_tags.required = False
        return tags
