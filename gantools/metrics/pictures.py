"""How near one picture is to another: PSNR and SSIM of the luma, and distance in a pretrained network's eyes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from gantools.networks.backbone import EfficientNetLite0, load_backbone

_BLOCKS = (0, 2, 4, 7, 10)
_LITTLE_DETAIL, _LITTLE_ENERGY = 1e-3, 1e-4


def luma(pictures: Tensor) -> Tensor:
    """Luma of BT.601 in video range: (N, C, H, W) in [0, 1] to (N, 1, H, W) in [16, 235].

    One channel is taken for luma in full range, and scaled alike; of other numbers of channels but three the mean
    is taken.
    """
    if pictures.shape[1] == 3:
        weights = pictures.new_tensor([65.481, 128.553, 24.966]).view(1, 3, 1, 1)
        return (pictures * weights).sum(1, keepdim=True) + 16
    return pictures.mean(1, keepdim=True) * 219 + 16


def psnr_y(pictures: Tensor, truths: Tensor, border: int = 0) -> float:
    """Peak signal-to-noise ratio of the luma, in dB, as papers on super-resolution give it. Higher is better.

    Parameters
    ----------
    pictures, truths : Tensor, (N, C, H, W), float in [0, 1]
        Already rounded to the depth they are stored with.
    border : int
        Rows and columns left out on each side; the scale, by custom.

    Returns
    -------
    float
        Of 255 over the root mean squared difference; infinite for equal pictures.
    """
    difference = _inside(luma(pictures) - luma(truths), border)
    error = difference.double().square().mean().item()
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


def psnr(pictures: Tensor, truths: Tensor) -> float:
    """Peak signal-to-noise ratio over all channels, in dB: of colours as of brightness. Higher is better.

    Parameters
    ----------
    pictures, truths : Tensor, (N, C, H, W), float in [0, 1]

    Returns
    -------
    float
        Of 1 over the root mean squared difference; infinite for equal pictures.
    """
    error = (pictures - truths).double().square().mean().item()
    return math.inf if error == 0 else -10 * math.log10(error)


def detail_by_place(pictures: Tensor, period: int) -> Tensor:
    """How much detail lies on each pixel of a grid of `period` x `period`, beside the mean over them.

    Of photographs it is about the same everywhere; of pictures that were enlarged by `period` it tells a pattern that
    comes again with every small pixel, which eyes see as dots or a mesh.

    Parameters
    ----------
    pictures : Tensor, (N, C, H, W), in [-1, 1]
        Rows and columns beyond whole multiples of `period` are left out.

    Returns
    -------
    Tensor, (N, period, period)
        The mean of the Laplacian without its sign over the pixels at each place, over the mean of all of them; 1 where
        there is no detail.
    """
    detail = _detail(pictures).abs()[:, 0]
    n, height, width = (len(detail), *(side // period for side in detail.shape[1:]))
    cells = detail[:, : height * period, : width * period].view(n, height, period, width, period).mean((1, 3))
    return (cells + _LITTLE_DETAIL) / (cells.mean((1, 2), keepdim=True) + _LITTLE_DETAIL)


def repetition(pictures: Tensor, lag: int) -> Tensor:
    """How far detail is like that `lag` pixels further on: to the right, below, and both.

    Parameters
    ----------
    pictures : Tensor, (N, C, H, W), in [-1, 1]
        Of more than `lag` rows and columns.

    Returns
    -------
    Tensor, (N, 3)
        The Laplacian's correlation with itself, about -1 to 1; near 0 for photographs.
    """
    x = _detail(pictures)
    energy = x.square().mean((1, 2, 3)) + _LITTLE_ENERGY
    right = (x[..., lag:] * x[..., :-lag]).mean((1, 2, 3))
    below = (x[..., lag:, :] * x[..., :-lag, :]).mean((1, 2, 3))
    both = (x[..., lag:, lag:] * x[..., :-lag, :-lag]).mean((1, 2, 3))
    return torch.stack([right, below, both], 1) / energy[:, None]


def _detail(pictures: Tensor) -> Tensor:
    """The Laplacian of the mean over channels: (N, 1, H, W)."""
    kernel = pictures.new_tensor([[0, -1, 0], [-1, 4, -1], [0, -1, 0]]).view(1, 1, 3, 3)
    return F.conv2d(F.pad(pictures.mean(1, keepdim=True), (1, 1, 1, 1), mode="reflect"), kernel)


def chroma(pictures: Tensor) -> float:
    """Mean chroma in CIELAB (by scikit-image): 0 for gray, some 20 for photographs, 100 for the purest colours.

    Of pictures (N, C, H, W) in [0, 1]; 0 for other numbers of channels than three.
    """
    from skimage.color import rgb2lab

    if pictures.shape[1] != 3:
        return 0.0
    lab = rgb2lab(pictures.permute(0, 2, 3, 1).double().cpu().numpy())
    return float(np.hypot(lab[..., 1], lab[..., 2]).mean())


def ssim_y(pictures: Tensor, truths: Tensor, border: int = 0) -> float:
    """Structural similarity of the luma (Wang et al. 2004), by scikit-image, averaged where its window is whole.

    Arguments as of `psnr_y`. Higher is better; 1 for equal pictures. Pictures of less than 11 pixels inside the border
    have none: NaN.
    """
    from skimage.metrics import structural_similarity

    mine, theirs = (_inside(luma(p), border).double().cpu().numpy() for p in (pictures, truths))
    if min(mine.shape[2:]) < 11:
        return math.nan
    options: dict[str, Any] = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    pairs = zip(mine[:, 0], theirs[:, 0], strict=True)
    return float(np.mean([structural_similarity(a, b, data_range=255.0, **options) for a, b in pairs]))


class PerceptualDistance:
    """How different two pictures look to a frozen EfficientNet-Lite0. Lower is better; 0 for equal pictures.

    The mean over five of its feature maps of the squared difference of features normalised to length one, as
    LPIPS does it (Zhang et al. 2018) but without weights learnt from people's answers. Not comparable with LPIPS
    figures.

    Attributes
    ----------
    name : str
        To print beside every figure.
    """

    name = "efficientnet-lite0, blocks 0, 2, 4, 7 and 10, unit length"

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        self.backbone = load_backbone(_BLOCKS, device)

    @torch.no_grad()
    def __call__(self, picture: Tensor, truth: Tensor) -> float:
        """Of pictures (1, C, H, W) in [0, 1]; each side at least 32 pixels, else NaN."""
        if min(picture.shape[2:]) < 32:
            return math.nan
        return float(perceptual_difference(self.backbone, picture.to(self.device), truth.to(self.device)))


def perceptual_difference(backbone: EfficientNetLite0, pictures: Tensor, truths: Tensor) -> Tensor:
    """Mean over the backbone's maps of the squared difference of features of length one: a scalar.

    Pictures and truths (N, C, H, W) in [0, 1]. Gradients pass to `pictures`.
    """
    with torch.no_grad():
        wanted = backbone(truths)
    distances = [
        (F.normalize(f, dim=1) - F.normalize(t, dim=1)).square().sum(1).mean()
        for f, t in zip(backbone(pictures), wanted, strict=True)
    ]
    return torch.stack(distances).mean()


def _inside(pictures: Tensor, border: int) -> Tensor:
    return pictures[..., border : pictures.shape[-2] - border, border : pictures.shape[-1] - border]
