"""Changes of pictures, differentiable, so that a discriminator can be shown both players' pictures changed alike.

A discriminator that has few reals learns them by heart; one that sees them changed at random cannot, and the generator
need not copy the changes as long as most pictures are shown unchanged. Zhao et al. 2020, "Differentiable Augmentation
for Data-Efficient GAN Training"; Karras et al. 2020, "Training Generative Adversarial Networks with Limited Data".
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from gantools.errors import ConfigError

RULES = ("fixed", "ramp", "adaptive")

_SHIFT = 0.06
_DEGREES = 6.0
_SCALE = 0.08
_STRONG = 2.0
_BRIGHTER = 0.4
_CONTRAST = 0.5
_WINS_WANTED = 0.8
_WINS_MEMORY = 0.95
_FULL_AFTER = 0.2


def moved(pictures: Tensor, strength: float | Tensor, rng: torch.Generator) -> Tensor:
    """Every picture shifted, turned and scaled by amounts of its own.

    At strength 1 a picture is shifted by up to 6 % of its sides, turned by up to 6 degrees and scaled by up to 8 %,
    each evenly. Borders are continued.

    Parameters
    ----------
    pictures : Tensor, (N, C, H, W)
    strength : float or Tensor, (N, 1)
        Of all, or of each; 0 moves nothing.
    rng : torch.Generator
        On the pictures' device.
    """
    if not isinstance(strength, Tensor) and strength == 0:
        return pictures
    from kornia.geometry.transform import get_affine_matrix2d, warp_affine  # a third of a second that others save

    n, height, width = len(pictures), pictures.shape[2], pictures.shape[3]
    draws = (torch.rand((n, 5), generator=rng, device=pictures.device) * 2 - 1) * strength
    sides = torch.tensor([width, height], device=pictures.device)
    centre = ((sides - 1) / 2).expand(n, 2)
    with torch.autocast(pictures.device.type, enabled=False):  # bfloat16 would be wrong by up to a pixel
        matrix = get_affine_matrix2d(
            draws[:, :2] * _SHIFT * sides,
            centre,
            (1 + draws[:, 2:3] * _SCALE).expand(n, 2),
            draws[:, 3] * _DEGREES,
        )
        return warp_affine(pictures, matrix[:, :2], (height, width), padding_mode="border", align_corners=True)


def augmented(pictures: Tensor, probability: float, rng: torch.Generator) -> Tensor:
    """Every picture changed in its light, in its contrast and in its place, each with a probability.

    Its light by up to a fifth of the range, its contrast by up to a half, its place by `moved` at strength 2. No
    mirroring, no quarter turns and no holes: these are what generators are known to copy.

    Parameters
    ----------
    pictures : Tensor, (N, C, H, W)
        In [-1, 1]; what comes out may exceed it a little.
    probability : float
        Of each change, for each picture; 0 changes nothing.
    rng : torch.Generator
        On the pictures' device.

    Raises
    ------
    ConfigError
        For samples that are no pictures.
    """
    if probability == 0:
        return pictures
    if pictures.ndim != 4:
        raise ConfigError("augment changes pictures, and these samples are no pictures; set augment=0")
    draws = torch.rand((5, len(pictures), 1, 1, 1), generator=rng, device=pictures.device)
    light, contrast = ((2 * d - 1) * (chance < probability) for d, chance in ((draws[0], draws[1]), draws[2:4]))
    mean = pictures.mean((1, 2, 3), keepdim=True)
    changed = (pictures - mean) * (1 + _CONTRAST * contrast) + mean + _BRIGHTER * light
    return moved(changed, _STRONG * (draws[4] < probability).flatten(1), rng)


def suited(n_reals: int | None) -> tuple[float, str]:
    """The probability and the rule that suit so many reals.

    Under a thousand, all is changed; up to fifty thousand it is as the discriminator needs it; beyond, it rises to 0.3.
    """
    if n_reals is None:
        raise ConfigError("augment='auto' goes by the number of reals, which this game does not tell; give a number")
    if n_reals < 1000:
        return 1.0, "fixed"
    return (1.0, "adaptive") if n_reals < 50_000 else (0.3, "ramp")


@dataclass
class Augmentation:
    """How probable changes are while training goes on.

    Attributes
    ----------
    most : float
        The probability, or what it can rise to.
    rule : str
        "fixed"; "ramp": it rises in a line with the share of training that is over; "adaptive": it rises while
        the discriminator ranks more than four in five reals above the fakes beside them, and falls otherwise.
    share : float
        Of `most`, by the rule "adaptive".
    wins : float
        How often a real was ranked above a fake of late.
    at : float
        The share of training that was over when it was last seen to.
    """

    most: float
    rule: str
    share: float = 0.0
    wins: float = 0.5
    at: float = 0.0

    def probability(self, done: float) -> float:
        """Now, when the share `done` of training is over."""
        return self.most * {"fixed": 1.0, "ramp": min(done, 1.0), "adaptive": self.share}[self.rule]

    def see(self, wins: float, done: float) -> None:
        """Take note of a step's share of wins, when the share `done` of training is over."""
        if self.rule != "adaptive" or self.most == 0 or not math.isfinite(wins):
            return
        self.wins = _WINS_MEMORY * self.wins + (1 - _WINS_MEMORY) * wins
        towards = 1 if self.wins > _WINS_WANTED else -1
        step, self.at = max(0.0, done - self.at), done
        self.share = min(1.0, max(0.0, self.share + towards * step / _FULL_AFTER))


def leak(reals: Tensor, changed: Tensor, fakes: Tensor) -> float:
    """How many more of the fakes than of the reals look like changed reals: the share that the generator has copied.

    A sample looks changed when the nearest to it, among the reals and among the changed reals, is a changed one. Of
    the reals themselves, as many do by chance (each without itself and its changed self).

    Parameters
    ----------
    reals, changed, fakes : Tensor, (N, D)
        Vectors; row i of `changed` is row i of `reals`, changed for certain.

    Returns
    -------
    float
        In [-1, 1]; about 0 where nothing leaks, with a standard deviation of about 1 / sqrt(N).
    """
    mine = torch.eye(len(reals), dtype=torch.bool, device=reals.device)

    def looks_changed(samples: Tensor, without: Tensor | None) -> float:
        nearest = []
        for others in (reals, changed):
            apart = torch.cdist(samples, others)
            nearest.append((apart if without is None else apart.masked_fill(without, torch.inf)).min(1).values)
        return float((nearest[1] < nearest[0]).float().mean())

    return looks_changed(fakes, None) - looks_changed(reals, mine)
