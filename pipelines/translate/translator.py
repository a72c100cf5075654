"""The translator of pictures, with scikit-learn's transformer interface."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
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
from torch import Tensor, nn

from gantools import configs
from gantools.core import AdversarialTrainer, Tick, Training
from gantools.core.initialise import initialised, restored
from gantools.data.decode import MAX_MEGAPIXELS
from gantools.data.planes import on_white, unit
from gantools.data.policy import built_policy
from gantools.data.sources import PictureSource
from gantools.data.standard import Glance
from gantools.data.tables import without_nan
from gantools.errors import ConfigError, DataError
from gantools.metrics.pictures import psnr
from gantools.networks.backbone import load_backbone
from gantools.networks.patch import PatchDiscriminator, TextureDiscriminator
from gantools.networks.projected import ProjectedDiscriminator
from gantools.networks.translator import Translator
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
    train_shown,
)
from gantools.pipelines.callbacks import CallbackSupportMixin, ticking, with_callbacks
from gantools.pipelines.containers import gathered, is_flat, pictures, raw_picture
from gantools.pipelines.export import Deployable
from gantools.pipelines.paired import PairedGame
from gantools.pipelines.showing import ShowingMixin
from gantools.pipelines.stages import (
    TEXTURE,
    Plan,
    blended,
    both_ends,
    fidelity_trainer,
    names_of,
    split,
    train_two_stages,
)
from gantools.pipelines.translate.apply import Translation
from gantools.pipelines.translate.examples import Example, examples_of
from gantools.pipelines.translate.figures import EQUAL, Method, baselines, made, means, measured
from gantools.pipelines.translate.games import UnpairedGame, UnpairedTranslator, VariedGame
from gantools.pipelines.translate.pairs import Windows, read_alone, read_pairs, unrelated
from gantools.pipelines.translate.reading import sources_and_targets
from gantools.progress import Stages
from gantools.storage import StoredModel, write_model

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BLOCKS = {"unet": (1, 1, 1, 1, 1), "residual": (0, 5, 0, 0)}
"""Residual blocks of a generator on the way down, and as many on the way up, from half of the size on."""
_STRIDE = 2 ** max(map(len, _BLOCKS.values()))
_N_LATENTS = 8
_MAX_IMAGES = 24_000
_BATCH = 16
_PATCH = 128
_LR_FIDELITY = 1e-3
_DISCRIMINATOR_WIDTHS = {1: 32, 2: 16}
_PERCEPTUAL_BLOCKS = (0, 2, 4)
_COST_OF_TEXTURE = 2.0
_RECIPE = "texture"
_UNPAIRED_RECIPE = "unpaired"
_POLICY = "policy"


class GanTranslator(ShowingMixin, CallbackSupportMixin, TransformerMixin, BaseEstimator):
    """Learns from pairs of pictures, or from two piles without pairs, to make one kind of picture into the other.

    With pairs, a generator first learns to be as near to the truth as it can (fidelity); then a discriminator that is
    shown pictures beside their sources teaches it to look like the truth (texture). Both are kept, and `texture` goes
    from one to the other without training anew. At use nothing is random: the same source gives the same picture.

    Parameters
    ----------
    texture : float
        With pairs: from 0, nearest to the truth pixel by pixel, to 1, most like real targets: where between the weights
        of the two stages those in use lie. Used by `transform`, not by `fit`.
    vividness : float
        With `colour_only`: what the colour that is added is multiplied by, 0 to 2. Where a colour is not sure, a pale
        one is nearest to the truth, so pictures come out pale; more than 1 makes up for it and costs nearness. Used by
        `transform`, not by `fit`.
    paired : bool
        Whether each source has its target. If not, X and y are two piles of pictures.
    side_by_side : bool
        Whether pictures of X hold the source in their left half and the target in their right half.
    colour_only : bool
        Whether only colour is added: sources are gray, and the result's luma is the source's. Without `y`, sources are
        made of the pictures of X, which are then the targets.
    size : int or None
        Pictures are learnt from, and translated, with a shorter side of at most so many pixels; what a translation
        changes is then enlarged along the picture's edges and added to it at its own size. None: always at their own.
    patch : int or None
        Side of the windows to learn from; None: `size`, or 128. Rounded up to a multiple of 32; smaller pictures are
        continued as in a mirror.
    generator : str
        "unet": a residual block at each of five sizes, on the way down and up, so that a pixel is made of what is far
        around it. "residual": all blocks, five on either way, at a quarter of the size, where CycleGAN has its nine.
    width : int
        Channels of the generator's first map.
    scales : int
        1: the discriminator looks at patches of the picture. 2: of the picture and of its half. A projected one
        (`trainer="projected"`) has scales of its own, and is shown pictures without their sources.
    variety : int
        Candidates, at least two, of which in training only the one nearest to the truth counts, so that `samples` has
        several plausible results to give. 0: one result for each source, learnt in a fraction of the time.
    adversarial_share : float
        With pairs: share of the time in training that goes to the second stage, one of whose pictures takes as long as
        two of the first. 0 leaves it out.
    pixel_weight, matching_weight, perceptual_weight : float
        With pairs: weights of the mean absolute differences of pixels, of the discriminator's features (second stage
        only) and of a pretrained network's features.
    contrast_weight, cycle_weight : float
        Without pairs: weights of the contrastive loss, and of the difference between a source and what another
        generator makes of its translation.
    policy : str, Path or None
        The albumentations pipeline that pairs are put through, both alike: a preset's name or a YAML file. None: none.
    tile : int or None
        Side of the tiles of `transform`. Results do not depend on it.
    holdout : float
        Share of the pairs to be measured on instead of learnt from: at least one, at most ten, and none of fewer than
        five.
    trainer : AdversarialTrainer, str, dict or None
        The adversarial knobs; the name of a recipe; a dict of the settings that shall
        not be the default's; None for the tested default.
    max_images : int or None
        Windows seen in training, at most, counted in what the first stage takes for one; None: 24,000.
    max_minutes : float or None
        Limit on the time in training.
    batch_size : int or None
        Windows of a step; None: 16.
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
    channels_ : (int, int)
        Of sources and of targets. Alpha does not count.
    size_ : int or None
        `size` as it was in fitting.
    held_out_ : ndarray of int64
        Numbers of the pairs that were measured on, not learnt from.
    mean_colour_ : list of float
        Of the targets learnt from, in [-1, 1].
    generators_ : dict of nn.Module
        "fidelity" and "texture".
    validation_ : DataFrame
        For each pair held out and each method ("ours", as `texture` stands; "fidelity" and "texture", the ends;
        "identity", the source as it is; "mean colour"): `psnr`, `ssim`, `perceptual`, `chroma`. Empty where none was
        held out.
    history_ : DataFrame
        One row a training step, with its `stage`; see `gantools.core.Training`.
    snapshots_ : dict
        By stage, what the generator made of the same latents or sources as training went on; see
        `gantools.core.snapshots`. Not saved.
    training_ : dict
        Summary: pictures seen, seconds, why training stopped, pairs skipped and held out, means of `validation_`.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_digits
    >>> from gantools import GanTranslator
    >>> digits = (load_digits().images[:32] / 16).astype("float32")
    >>> translator = GanTranslator(max_images=64, random_state=0).fit(digits, 1 - digits)
    >>> translator.transform(digits[:3]).shape
    (3, 8, 8)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "texture": [Interval(Real, 0, 1, closed="both")],
        "vividness": [Interval(Real, 0, 2, closed="both")],
        "paired": ["boolean"],
        "side_by_side": ["boolean"],
        "colour_only": ["boolean"],
        "size": [Interval(Integral, 16, None, closed="left"), None],
        "patch": [Interval(Integral, 16, None, closed="left"), None],
        "generator": [StrOptions(set(_BLOCKS))],
        "width": [Interval(Integral, 4, None, closed="left")],
        "scales": [Options(Integral, set(_DISCRIMINATOR_WIDTHS))],
        "variety": [Options(Integral, {0}), Interval(Integral, 2, None, closed="left")],
        "adversarial_share": [Interval(Real, 0, 1, closed="left")],
        "pixel_weight": [Interval(Real, 0, None, closed="left")],
        "matching_weight": [Interval(Real, 0, None, closed="left")],
        "perceptual_weight": [Interval(Real, 0, None, closed="left")],
        "contrast_weight": [Interval(Real, 0, None, closed="left")],
        "cycle_weight": [Interval(Real, 0, None, closed="left")],
        "policy": [str, Path, None],
        "tile": [Interval(Integral, 16, None, closed="left"), None],
        "holdout": [Interval(Real, 0, 1, closed="left")],
        **SHARED_CONSTRAINTS,
    }

    def __init__(
        self,
        *,
        texture: float = 0.5,
        vividness: float = 1.0,
        paired: bool = True,
        side_by_side: bool = False,
        colour_only: bool = False,
        size: int | None = 128,
        patch: int | None = None,
        generator: str = "unet",
        width: int = 24,
        scales: int = 1,
        variety: int = 0,
        adversarial_share: float = 0.3,
        pixel_weight: float = 1.0,
        matching_weight: float = 1.0,
        perceptual_weight: float = 1.0,
        contrast_weight: float = 1.0,
        cycle_weight: float = 0.0,
        policy: Any = _POLICY,
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
        self.texture = texture
        self.vividness = vividness
        self.paired = paired
        self.side_by_side = side_by_side
        self.colour_only = colour_only
        self.size = size
        self.patch = patch
        self.generator = generator
        self.width = width
        self.scales = scales
        self.variety = variety
        self.adversarial_share = adversarial_share
        self.pixel_weight = pixel_weight
        self.matching_weight = matching_weight
        self.perceptual_weight = perceptual_weight
        self.contrast_weight = contrast_weight
        self.cycle_weight = cycle_weight
        self.policy = policy
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
    def fit(self, X: Any, y: Any = None) -> GanTranslator:
        """Learn to translate.

        Parameters
        ----------
        X : pictures
            Sources: an array (N, H, W) or (N, H, W, C), uint8, uint16 or float in [0, 1], of which two channels are
            gray with alpha and four are colour with alpha, laid on white; a tensor; a list of arrays
            of differing sizes, or of paths; a DataFrame or CSV with a `path` column; a folder. Or both at once: a
            table with columns `source` and `target`, or pictures side by side.
        y : pictures or None
            Targets, in the same order; files are paired by their stems. Pairs of different size but the same aspect
            are brought to the source's size.

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
        self._check_together()
        policy = _read_policy(self.policy)
        self.__dict__.pop("generators_", None)  # fitted again only when all of it is
        sources, targets = self._both(X, y, self.paired)
        seed, device = agreed_seed(self), resolve_device(self.device)
        self.size_ = self.size
        out = Glance.at(targets).channels
        self.channels_ = (1 if sources is None or self.colour_only else Glance.at(sources).channels, out)
        if self.colour_only and out != 3:
            raise DataError(f"colour_only=True adds colour, and the targets have {out} channels; three are wanted")
        with Stages(bool(self.verbose)) as stages, ticking(self) as on_tick:
            with stages.stage("reading pictures") as advance:
                windows, skipped = self._windows(sources, targets, seed, device, policy, advance)
            if skipped:
                warnings.warn(f"{len(skipped)} pictures were skipped: {'; '.join(skipped[:5])}", stacklevel=2)
            self.mean_colour_ = _mean_colour(windows.targets)
            play = self._play_pairs if self.paired else self._play_piles
            trainings = play(windows, seed, device, stages, on_tick)
            self.generators_ = both_ends(trainings)
            self.history_, self.training_, self.snapshots_ = record_of(trainings)
            counts = {"samples": len(windows.sources), "skipped": len(skipped), "held_out": len(self.held_out_)}
            self.training_ |= counts
            try:
                self.validation_ = self._validated(sources, targets, stages)
            except BaseException:
                del self.generators_
                raise
        self.training_ |= {name: round(value, 4) for name, value in means(self.validation_, {}).items()}
        return self

    def _trainer(self) -> AdversarialTrainer:
        return resolve_trainer(self.trainer, _RECIPE if self.paired else _UNPAIRED_RECIPE)

    def _check_together(self) -> None:
        self._trainer()
        if not self.paired and (self.colour_only or self.side_by_side):
            raise ConfigError("paired=False goes with neither colour_only=True nor side_by_side=True: these have pairs")
        self._check_vividness()
        if self.scales == 2 and self._trainer().projected:
            raise ConfigError("scales=2 is of discriminators that look at pixels; with projected=True set scales=1")
        if not self.paired and self.variety > 0:
            raise ConfigError("variety needs the truth of each source; with paired=False set variety=0")

    def _check_vividness(self) -> None:
        if self.vividness != 1 and not self.colour_only:
            raise ConfigError("vividness is of the colour that is added to gray, with colour_only=True; set it to 1")

    def _both(self, X: Any, y: Any, paired: bool = True) -> tuple[PictureSource | None, PictureSource]:
        """Sources, None where they are to be made of the targets, and targets."""
        return sources_and_targets(
            X,
            y,
            paired=paired,
            side_by_side=self.side_by_side,
            colour_only=self.colour_only,
            max_megapixels=self.max_megapixels,
        )

    def _windows(
        self,
        sources: PictureSource | None,
        targets: PictureSource,
        seed: int,
        device: torch.device,
        policy: Any,
        advance: Callable[[float], None],
    ) -> tuple[Windows, list[str]]:
        """What is learnt from, and why other pictures were skipped; sets `held_out_`."""
        reading: dict[str, Any] = {"seed": seed, "max_bad": self.max_bad}
        if self.paired:
            pairs, good, skipped = read_pairs(sources, targets, self.channels_, self.size, advance=advance, **reading)
            learnt, held = split(names_of(good, source=sources, target=targets), self.holdout, seed)
            self.held_out_ = good[held]
            if unrelated(pairs, seed):
                warnings.warn(
                    "targets do not look like their sources: edges are elsewhere. Are these pairs? If they are two "
                    "piles of pictures, use paired=False (--unpaired)",
                    stacklevel=2,
                )
            ours, theirs = [pairs[i][0] for i in learnt], [pairs[i][1] for i in learnt]
        else:
            assert sources is not None
            ours, skipped = read_alone(sources, self.channels_[0], self.size, advance=advance, **reading)
            theirs, more = read_alone(targets, self.channels_[1], self.size, advance=advance, **reading)
            skipped += more
            self.held_out_ = np.empty(0, np.int64)
        windows = Windows(
            ours,
            theirs,
            paired=self.paired,
            side=self._side([*ours, *theirs]),
            batch_size=self.batch_size or _BATCH,
            seed=seed,
            device=device,
            policy=policy,
            named=str(self.policy),
        )
        return windows, skipped

    def _side(self, pictures: list[Tensor]) -> int:
        """Of the windows: what is asked for, but not more than the largest picture needs."""
        wanted = self.patch or self.size or _PATCH
        largest = max(min(p.shape[1:]) for p in pictures)
        return -(-min(wanted, largest) // _STRIDE) * _STRIDE

    def _generator(self, rng: torch.Generator, device: torch.device) -> Translator:
        n_latents = _N_LATENTS if self.variety > 0 else 0
        build = partial(Translator, *self.channels_, self.width, _BLOCKS[self.generator], self.colour_only, n_latents)
        return initialised(build, rng).to(device)

    def _discriminator(self, channels: int, rng: torch.Generator, device: torch.device) -> nn.Module:
        """Of `channels`, as many as it is shown; a projected one is shown pictures only, whatever their channels."""
        width = _DISCRIMINATOR_WIDTHS[self.scales]
        if self._trainer().projected:
            return initialised(ProjectedDiscriminator, rng).to(device)
        kind = PatchDiscriminator if self.scales == 2 else TextureDiscriminator
        return initialised(lambda: kind(channels, width), rng).to(device)

    def _plan(self, share: float, cost: float, seed: int) -> Plan:
        total = self.max_images or _MAX_IMAGES
        return Plan(total, share, cost, self.max_minutes, seed, self.checkpoint, self.resume)

    def _play_pairs(
        self, windows: Windows, seed: int, device: torch.device, stages: Stages, on_tick: Callable[[Tick], bool]
    ) -> list[tuple[str, Training]]:
        """Both stages, the second from where the first ended."""
        rng = torch.Generator().manual_seed(seed)
        generator = self._generator(rng, device)
        adversarial = self._trainer()
        discriminator = self._discriminator(sum(self.channels_), rng, device)
        weights: dict[str, Any] = {
            "pixels": self.pixel_weight,
            "perceptual": self.perceptual_weight,
            "backbone": load_backbone(_PERCEPTUAL_BLOCKS, device) if self.perceptual_weight > 0 else None,
        }
        played = partial(VariedGame, candidates=self.variety) if self.variety > 0 else PairedGame
        games = (
            played(generator, discriminator, **weights),
            played(
                generator,
                discriminator,
                matching=self.matching_weight,
                beside_source=not adversarial.projected,
                **weights,
            ),
        )
        games[1].projected = adversarial.projected
        plan = self._plan(self.adversarial_share, _COST_OF_TEXTURE, seed)
        optimiser = "muon" if self.colour_only else "adam"  # to add colour: .67 dB; from lines the two are even
        trainers = fidelity_trainer(adversarial, _LR_FIDELITY, optimiser=optimiser), adversarial
        return train_two_stages(games, trainers, windows, plan, stages, on_tick)

    def _play_piles(
        self, windows: Windows, seed: int, device: torch.device, stages: Stages, on_tick: Callable[[Tick], bool]
    ) -> list[tuple[str, Training]]:
        """The one game there is without pairs."""
        rng = torch.Generator().manual_seed(seed)
        generator = self._generator(rng, device)
        ours, theirs = self.channels_
        build = partial(Translator, theirs, ours, self.width, _BLOCKS[self.generator])
        back = initialised(build, rng) if self.cycle_weight > 0 else None
        players = initialised(lambda: UnpairedTranslator(generator, generator.widths, back), rng).to(device)
        discriminator = self._discriminator(theirs, rng, device)
        game = UnpairedGame(players, discriminator, contrast=self.contrast_weight, cycle=self.cycle_weight)
        game.projected = self._trainer().projected
        plan = self._plan(1.0, 1.0, seed)
        trained = train_shown(self._trainer(), game, windows, stages, on_tick, TEXTURE, **plan.limits(TEXTURE))
        assert isinstance(trained.generator, UnpairedTranslator)
        return [(TEXTURE, replace(trained, generator=trained.generator.generator))]

    def _validated(self, sources: PictureSource | None, targets: PictureSource, stages: Stages) -> pd.DataFrame:
        """The translator and both its ends, beside what needs no model, on the pairs held out."""
        with stages.stage("measuring") as advance:

            def shown() -> Iterator[Example]:
                for done, example in enumerate(examples_of(sources, targets, self.held_out_, self.channels_[1])):
                    yield example
                    advance((done + 1) / len(self.held_out_))

            return measured(shown(), self.methods(ends=True))[0]

    # ------------------------------------------------------------------ use

    def translation(self, texture: float | None = None, latents: Tensor | None = None) -> Translation:
        """The generator at a point of `texture`, the parameter's if None, ready for pictures of any size.

        Latents (8,), where it was trained with `variety`, choose among plausible results.
        """
        check_is_fitted(self)
        self._validate_params()
        at = self.texture if texture is None else texture
        self._check_vividness()
        generator = blended(self.generators_["fidelity"], self.generators_["texture"], float(at))
        assert isinstance(generator, Translator)
        generator.vividness = float(self.vividness)
        return Translation(generator, self.size_, resolve_device(self.device), self.tile, latents)

    def transform(self, X: Any) -> Any:
        """Translate pictures.

        Parameters
        ----------
        X : pictures
            Sources, as for `fit`, of any sizes. Colours become their luma for a model of gray sources; what is
            transparent becomes white, but with `colour_only`, which keeps alpha.

        Returns
        -------
        array, list of arrays, or tensor
            Each of its source's size, with the targets' channels, in the dtype that came in (uint8 for bool), 8 or 16
            bits for files. A list for a list, a tensor on the same device for a tensor; otherwise an array where sizes
            and depths agree, else a list.

        Raises
        ------
        DataError
            When a picture cannot be read, or has other channels than the sources learnt from.
        """
        return self._translated(X, self.translation())

    def samples(self, X: Any, n_samples: int, random_state: Any = None) -> list[Any]:
        """Several plausible translations, where `fit` was told to learn them by `variety`.

        Parameters
        ----------
        X : pictures
            As for `transform`.
        n_samples : int
        random_state : int, RandomState or None
            Of the choice; the parameter's if None.

        Returns
        -------
        list
            `n_samples` times what `transform` gives. The first are the same however many are asked for.

        Raises
        ------
        ConfigError
            When `fit` learnt one result only.
        """
        return [self._translated(X, translate) for translate in self.variations(n_samples, random_state)]

    def variations(self, n_samples: int, random_state: Any = None) -> list[Translation]:
        """So many translations, each of other latents; arguments and errors as of `samples`."""
        check_is_fitted(self)
        generator = self.generators_["texture"]
        assert isinstance(generator, Translator)
        n_latents = generator.n_latents
        if n_latents == 0:
            raise ConfigError("this translator learnt one result for each source; fit it with variety=4 for several")
        if n_samples < 1:
            raise ConfigError(f"n_samples={n_samples}: at least one")
        seed = resolve_seed(self.random_state if random_state is None else random_state)
        rng = torch.Generator().manual_seed(seed)  # drawn one by one: the first are the same, however many are wanted
        one = self.translation()
        return [one.of(torch.randn(n_latents, generator=rng)) for _ in range(n_samples)]

    def _translated(self, X: Any, translate: Translation) -> Any:
        source = pictures(X, self.max_megapixels)
        found = []
        with Stages(bool(self.verbose)) as stages, stages.stage("translating") as advance:
            n = len(source)
            for index in range(n):
                picture = raw_picture(source, index)

                def within(part: float, before: int = index) -> None:
                    advance((before + part) / n)

                try:
                    made = translate(picture, within)
                except DataError as error:
                    raise DataError(f"{source.name(index)}: {error}") from None
                found.append(made[..., 0] if is_flat(source, index) and made.shape[2] == 1 else made)
        return gathered(X, found)

    def methods(self, ends: bool = False) -> dict[str, Method]:
        """Ways to translate a picture (H, W, C): "ours", as parameters stand, and those that need no model.

        With `ends`, "fidelity" and "texture" besides.
        """
        mine: dict[str, Method] = {"ours": self.translation()}
        if ends and self.generators_["fidelity"] is not self.generators_["texture"]:
            mine |= {"fidelity": self.translation(0.0), "texture": self.translation(1.0)}
        return {**mine, **baselines(self.mean_colour_)}

    def examples(self, X: Any, y: Any = None, n: int | None = None) -> Iterator[Example]:
        """Pairs to judge by, given as to `fit`: all, or `n` from first to last. An error where none of all can be."""
        sources, targets = self._both(X, y)
        total = len(targets)
        chosen = range(total) if n is None else np.unique(np.linspace(0, total - 1, n).round().astype(int))
        return examples_of(sources, targets, chosen, self.channels_[1], needed=n is None)

    def held_out_examples(self, X: Any, y: Any = None) -> Iterator[Example]:
        """As `examples`, but only of what was held out, where these are the very pictures of the fit."""
        check_is_fitted(self)
        sources, targets = self._both(X, y)
        return examples_of(sources, targets, self.held_out_, self.channels_[1])

    def translated_sources(self, X: Any, y: Any, n: int) -> Iterator[tuple[str, NDArray[Any], NDArray[Any]]]:
        """The first `n` sources of piles given as to `fit`, with their names and what becomes of them.

        Those that cannot be read are passed over.
        """
        check_is_fitted(self)
        sources, targets = self._both(X, y, paired=False)
        pile, translate = targets if sources is None else sources, self.translation()
        for index in range(len(pile)):
            if n == 0:
                return
            try:
                picture = on_white(raw_picture(pile, index))
                made = translate(picture)
            except DataError:
                continue
            yield pile.name(index), picture, made
            n -= 1

    def evaluate(self, X: Any, y: Any = None) -> tuple[pd.DataFrame, dict[str, float]]:
        """How near translations are to the truth, beside the untouched sources and the targets' mean colour.

        Parameters
        ----------
        X, y : pictures
            Pairs, given as to `fit`.

        Returns
        -------
        DataFrame
            One row for every picture and method ("truth" among them, for its chroma): `path`, `method`, `psnr`,
            `ssim`, `perceptual`, `chroma`.
        dict
            Fréchet distance of each method's pictures from the truths, for fifty pictures or more, in the features
            of `gantools.metrics.features.PictureFeatures`.
        """
        check_is_fitted(self)
        return measured(self.examples(X, y), self.methods())

    def score(self, X: Any, y: Any = None) -> float:
        """Mean PSNR over all channels, in dB, of the translated pictures; arguments as of `evaluate`."""
        translate = self.translation()
        methods: dict[str, Method] = {"ours": translate}
        figures = [min(psnr(unit(made(e, methods)["ours"]), unit(e.target)), EQUAL) for e in self.examples(X, y)]
        return float(np.mean(figures))

    def plot_samples(self, X: Any, n: int = 4, ax: Axes | None = None) -> Axes:
        """The first `n` pictures of X, and as `transform` makes them: a row for each."""
        from gantools.report.plots import plot_pictures

        check_is_fitted(self)
        source = pictures(X, self.max_megapixels)
        shown = []
        for index in range(min(n, len(source))):
            picture = on_white(raw_picture(source, index))
            shown += [picture, self.translation()(picture)]
        return plot_pictures(shown, columns=2, ax=ax)

    def deployable(self, size: tuple[int, int] | None = None) -> Deployable:
        """For `gantools.pipelines.export.export`."""
        from gantools.pipelines.translate.deploy import deployable

        check_is_fitted(self)
        return deployable(self, size)

    # ------------------------------------------------------------------ storage

    def save(self, folder: str | Path) -> None:
        """Write the fitted translator to a folder, from which `gantools.load` reads it.

        Raises
        ------
        ModelError
            When the folder holds something else, or cannot be written; nothing is left half written.
        """
        check_is_fitted(self)
        generator = self.generators_["texture"]
        state = {
            "channels": list(self.channels_),
            "colour_only": generator.colour_only,
            "blocks": generator.blocks,
            "width": generator.width,
            "size": self.size_,
            "n_latents": generator.n_latents,
            "held_out": self.held_out_.tolist(),
            "mean_colour": self.mean_colour_,
            "generators": {name: player.state_dict() for name, player in self.generators_.items()},
            "validation": without_nan(self.validation_).to_dict("list"),
        }
        kind = {"channels_in": self.channels_[0], "channels_out": self.channels_[1], "paired": self.paired}
        summary = {**kind, "training": self.training_}
        write_model(Path(folder), type(self).__name__, plain_params(self), state, summary, self.history_)

    @classmethod
    def _from_stored(cls, stored: StoredModel, device: str) -> GanTranslator:
        translator = cls(**restored_params(stored.parameters, device))
        state = stored.state
        sources, targets = state["channels"]
        blocks = tuple(state.get("blocks", _BLOCKS["unet"]))
        translator.channels_ = (sources, targets)
        translator.size_ = state["size"]
        translator.held_out_ = np.asarray(state["held_out"], np.int64)
        translator.mean_colour_ = list(state["mean_colour"])
        translator.generators_ = {}
        for name, weights in state["generators"].items():
            shape = (sources, targets, state["width"], blocks, state["colour_only"], state["n_latents"])
            player = restored(partial(Translator, *shape), weights)
            translator.generators_[name] = player.to(resolve_device(device))
        translator.validation_ = as_measured(state["validation"])
        translator.training_ = stored.summary["training"]
        translator.history_ = stored.history
        return translator

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "generators_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.target_tags.required = True
        return tags


def _mean_colour(pictures: list[Tensor]) -> list[float]:
    means = torch.stack([p.float().mean((1, 2)) for p in pictures]).mean(0)
    return [float(m) for m in means]


def _read_policy(policy: Any) -> Any:
    """The albumentations pipeline that both pictures of a pair are put through."""
    if policy is None:
        return None
    built = built_policy(configs.read(str(policy), "translate"), str(policy))
    built.add_targets({"partner": "image"})
    return built
