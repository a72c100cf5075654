"""What a new sample has to pass: to be of its class, no copy, and not the discriminator's worst."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from torch import Tensor

from gantools.core.initialise import fitting
from gantools.errors import DataError
from gantools.metrics.features import PictureFeatures
from gantools.metrics.generated import neighbourhoods, spread_ratio
from gantools.pipelines.synthesize.forms import Form, PictureForm

_ROWS = 512
_MOST_MEASURED = 4096
_COPY_CHANCE = 0.02
_EQUAL = 0.1  # more of a class's reals than this equal another
_SURE = 0.9
_NEIGHBOURS = 5
FEWEST_TO_MEASURE = 20


class Verdict(NamedTuple):
    """What the gates say of samples, each (N,).

    Attributes
    ----------
    passed : Tensor of bool
    agrees : Tensor of bool
        Whether the judge of classes is sure, to 90 %, of the sample's.
    copied : Tensor of bool
        Whether it is nearer to a real than reals of the class are to each other.
    nearest : Tensor of int64
        The nearest real of its class, by its number among the reals.
    distance : Tensor
        To that real, in units of the usual one: 1 is the median distance of a real to its nearest other.
    """

    passed: Tensor
    agrees: Tensor
    copied: Tensor
    nearest: Tensor
    distance: Tensor


@dataclass
class Gates:
    """What the reals of each class are like, in two views: as they are, and in features.

    Attributes
    ----------
    views : list of Tensor, (N, D)
        The reals as the networks see them, flattened, and, of pictures, what a pretrained network sees.
    labels : Tensor of int64, (N,)
        From 0.
    rows : Tensor of int64, (N,)
        The reals' numbers in the input.
    reaches : Tensor, (views, classes, 2)
        For each class, the distance below which a sample is a copy, and the usual one, of a real to its nearest other.
    scale : Tensor, (E,)
        Deviation of each column that the judge of classes looks at: the last view's, and the latents'.
    coefficients, intercepts : Tensor, (classes, E) and (classes,)
        Of the judge: linear discriminant analysis with Ledoit and Wolf's shrinkage.
    worst : float
        Share of samples, the lowest of the discriminator's logits in each class, that do not pass.
    """

    views: list[Tensor]
    labels: Tensor
    rows: Tensor
    reaches: Tensor
    scale: Tensor
    coefficients: Tensor
    intercepts: Tensor
    worst: float

    @classmethod
    def of(cls, samples: Tensor, latents: Tensor, labels: Tensor, rows: Tensor, form: Form, worst: float) -> Gates:
        """From labelled reals (N, ...) and their latents (N, d)."""
        views = _views(samples, form)
        n_classes = int(labels.max()) + 1
        if len(labels) <= n_classes:
            raise DataError("every class has one sample only; a class needs two to be varied")
        reaches = torch.stack([_reaches(view, labels, n_classes) for view in views])
        judge = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto", priors=[1 / n_classes] * n_classes)
        seen = torch.cat([views[-1], latents.cpu()], 1).double()
        scale = seen.std(0).clamp_min(1e-9)
        with warnings.catch_warnings():  # a class of one sample is no mistake: it is told as one augmented classically
            warnings.filterwarnings("ignore", "Only one sample available")
            judge.fit((seen / scale).numpy(), labels.numpy())
        coefficients, intercepts = torch.from_numpy(judge.coef_), torch.from_numpy(judge.intercept_)
        if n_classes == 2:  # scikit-learn keeps one row for two classes
            coefficients = torch.cat([torch.zeros_like(coefficients), coefficients])
            intercepts = torch.cat([torch.zeros_like(intercepts), intercepts])
        return cls(views, labels, rows, reaches, scale, coefficients, intercepts, worst)

    def judge(self, samples: Tensor, latents: Tensor, label: int, logits: Tensor, form: Form) -> Verdict:
        """Judge samples (N, ...) of one class by its number, with their latents and the discriminator's logits (N,)."""
        mine = torch.nonzero(self.labels == label)[:, 0]
        views = _views(samples, form)
        copied = torch.zeros(len(samples), dtype=torch.bool)
        for view, real, reach in zip(views, self.views, self.reaches[:, label], strict=True):
            distance, nearest = _nearest(view, real, mine)
            copied |= distance < reach[0]
            relative = distance / reach[1].clamp_min(1e-12)
        seen = torch.cat([views[-1], latents.cpu()], 1).double() / self.scale
        agrees = (seen @ self.coefficients.T + self.intercepts).softmax(1)[:, label] >= _SURE
        good = logits >= torch.quantile(logits, self.worst) if self.worst > 0 else torch.ones_like(agrees)
        return Verdict(agrees & ~copied & good, agrees, copied, self.rows[mine[nearest]], relative)

    def variety(self, samples: Tensor, label: int, form: Form) -> tuple[float, float]:
        """Spread and coverage of samples of a class against its reals; NaN where there are too few.

        Spread is the mean distance between two samples over that between two reals. Coverage is the share of some
        reals that as many samples cover, over the share that as many other reals cover.
        """
        real, fake = self.views[-1][self.labels == label], _views(samples, form)[-1]
        if len(real) < FEWEST_TO_MEASURE or len(fake) < FEWEST_TO_MEASURE:
            return float("nan"), float("nan")
        n = min(len(real) // 2, len(fake))
        order = torch.randperm(len(real), generator=torch.Generator().manual_seed(0))  # neighbours may be of one scene
        seen, others = real[order[:n]], real[order[n : 2 * n]]
        usual = neighbourhoods(seen, others, _NEIGHBOURS).coverage
        covered = neighbourhoods(seen, fake[:n], min(_NEIGHBOURS, n - 1)).coverage
        return spread_ratio(_some(real), fake), covered / max(usual, 1e-12)

    def state(self) -> dict[str, Any]:
        """What a model folder holds of it; `restored` is the way back."""
        return dict(vars(self))

    @classmethod
    def restored(cls, state: dict[str, Any], form: Form) -> Gates:
        """From what `state` gave, for samples of this form.

        Raises
        ------
        ValueError
            When its parts do not fit together.
        """
        n, n_classes, seen = len(state["labels"]), len(state["intercepts"]), len(state["scale"])
        for view, length in zip(state["views"], _lengths(form), strict=True):
            fitting("what the gates see", view, torch.float32, n, length)
        fitting("labels", state["labels"], torch.int64, None)
        fitting("rows", state["rows"], torch.int64, n)
        fitting("reaches", state["reaches"], torch.float32, len(state["views"]), n_classes, 2)
        fitting("scale", state["scale"], torch.float64, seen)
        fitting("coefficients", state["coefficients"], torch.float64, n_classes, seen)
        fitting("intercepts", state["intercepts"], torch.float64, n_classes)
        return cls(**{**state, "worst": float(state["worst"])})


def bytes_of_real(form: Form) -> int:
    """What a model folder holds of each labelled real."""
    table = 0 if isinstance(form, PictureForm) else 8 * len(form.codec.columns)
    return 4 * sum(_lengths(form)) + table


def _lengths(form: Form) -> list[int]:
    """Of a sample in each view."""
    return [math.prod(form.shape), *([PictureFeatures.length] if isinstance(form, PictureForm) else [])]


def _views(samples: Tensor, form: Form) -> list[Tensor]:
    flat = samples.flatten(1).cpu()
    if not isinstance(form, PictureForm):
        return [flat]
    return [flat, _features_on(str(samples.device))(samples)]


@lru_cache(maxsize=2)
def _features_on(device: str) -> PictureFeatures:
    return PictureFeatures(device)


def _some(samples: Tensor) -> Tensor:
    """All of them, or so many that are spread evenly over them: figures do not get truer with more, but slower."""
    n = min(len(samples), _MOST_MEASURED)
    return samples[torch.arange(n) * len(samples) // n]


def _nearest(samples: Tensor, reals: Tensor, mine: Tensor) -> tuple[Tensor, Tensor]:
    """Of each sample the distance to the nearest of the reals numbered `mine`, and its place among them."""
    distances: list[Tensor] = []
    places: list[Tensor] = []
    for numbers in mine.split(_ROWS):  # so that memory does not grow with the reals
        found = torch.cdist(samples.double(), reals[numbers].double()).min(1)
        distances.append(found.values)
        places.append(found.indices + _ROWS * len(places))
    block = torch.stack(distances).min(0)
    return block.values, torch.stack(places).gather(0, block.indices[None])[0]


def _apart(a: Tensor, b: Tensor) -> Tensor:
    """Distances that are 0 between equal rows, as those by way of a matrix product are not."""
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")


def _reaches(view: Tensor, labels: Tensor, n_classes: int) -> Tensor:
    """Of each class, a low quantile and the median of the distances of reals to their nearest others.

    A few equal reals say nothing about what is a copy. Where many are equal, as rows of few categories are, new samples
    that equal a real are no copies either.
    """
    reaches = torch.zeros(n_classes, 2)
    for c in range(n_classes):
        mine = view[labels == c].double()
        if len(mine) < 2:
            continue
        measured = _some(mine).split(_ROWS)
        apart = torch.cat([_apart(rows, mine).kthvalue(2, dim=1).values for rows in measured])
        unequal = apart[apart > 0]
        if len(unequal):
            few_equal = len(unequal) > (1 - _EQUAL) * len(apart)
            low = torch.quantile(unequal if few_equal else apart, _COPY_CHANCE)
            reaches[c] = torch.stack([low, unequal.median()]).float()
    return reaches
