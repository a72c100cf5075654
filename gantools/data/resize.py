"""Changing the size of pictures by the filters that others measure against."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def reduced(pictures: Tensor, scale: int) -> Tensor:
    """Pictures `scale` times smaller, by antialiased bicubic interpolation.

    The kernel (Keys 1981, a = -0.5, stretched by `scale`) is MATLAB's `imresize` and Pillow's: what the field
    makes its low resolution with. Without antialiasing both the baseline and what a network learns are wrong.

    Parameters
    ----------
    pictures : Tensor, (N, C, H, W), float
        H and W multiples of `scale`: see `cropped`.
    scale : int

    Returns
    -------
    Tensor, (N, C, H / scale, W / scale)
        Unclamped: bicubic overshoots a little.
    """
    size = (pictures.shape[2] // scale, pictures.shape[3] // scale)
    return F.interpolate(pictures, size=size, mode="bicubic", antialias=True, align_corners=False)


def enlarged(pictures: Tensor, scale: int) -> Tensor:
    """Pictures (N, C, H, W) `scale` times larger, by the same bicubic kernel; unclamped.

    What becomes of a pixel does not depend on where in a picture it lies. Where `scale` is no power of two, torch's
    interpolation rounds places otherwise the farther they are from the corner, so that tiles would show.
    """
    if torch.compiler.is_exporting() or scale & (scale - 1):
        return enlarged_by_convolution(pictures, scale)
    size = (pictures.shape[2] * scale, pictures.shape[3] * scale)
    return F.interpolate(pictures, size=size, mode="bicubic", antialias=True, align_corners=False)


def enlarged_by_convolution(pictures: Tensor, scale: int) -> Tensor:
    """As `enlarged`, written as a convolution, which any runtime has, for pictures of any size.

    Each of the `scale` x `scale` pixels that a pixel becomes is a sum of 5 x 5 pixels around it. Beyond the borders
    there is nothing: the kernel is cut off there and its weights sum to 1 again.
    """
    offsets = (torch.arange(scale, dtype=torch.float64) + 0.5) / scale - 0.5
    taps = _keys((offsets[:, None] - torch.arange(-2, 3, dtype=torch.float64)).abs())
    kernel = torch.einsum("ay,bx->abyx", taps, taps).reshape(scale**2, 1, 5, 5).to(pictures)
    n, channels, height, width = pictures.shape
    planes = pictures.reshape(n * channels, 1, height, width)
    inside = F.conv2d(torch.ones_like(planes[:1]), kernel, padding=2)
    found = F.pixel_shuffle(F.conv2d(planes, kernel, padding=2) / inside, scale)
    return found.reshape(n, channels, height * scale, width * scale)


def _keys(distances: Tensor) -> Tensor:
    """Keys' cubic kernel with a = -0.5, of distances in pixels."""
    near = 1.5 * distances**3 - 2.5 * distances**2 + 1
    far = -0.5 * distances**3 + 2.5 * distances**2 - 4 * distances + 2
    return torch.where(distances <= 1, near, torch.where(distances < 2, far, torch.zeros_like(far)))


def enlarged_lanczos(pictures: Tensor, scale: int, lobes: int = 3) -> Tensor:
    """Pictures (N, C, H, W) `scale` times larger, by Lanczos interpolation with three lobes; unclamped."""
    rows = _lanczos_matrix(pictures.shape[2], scale, lobes).to(pictures)
    columns = _lanczos_matrix(pictures.shape[3], scale, lobes).to(pictures)
    return rows @ pictures @ columns.T


def _lanczos_matrix(length: int, scale: int, lobes: int) -> Tensor:
    """Weights (length x scale, length); at the borders the kernel is cut off and its weights sum to 1 again."""
    centres = (torch.arange(length * scale, dtype=torch.float64) + 0.5) / scale - 0.5
    distances = centres[:, None] - torch.arange(length, dtype=torch.float64)
    weights = torch.sinc(distances) * torch.sinc(distances / lobes) * (distances.abs() < lobes)
    return weights / weights.sum(1, keepdim=True)


def cropped(pictures: Tensor, multiple: int) -> Tensor:
    """Pictures (..., H, W) without the last rows and columns that are no whole `multiple`."""
    height, width = pictures.shape[-2] // multiple * multiple, pictures.shape[-1] // multiple * multiple
    return pictures[..., :height, :width]


def to_size(picture: Tensor, height: int, width: int, low: float = 0.0) -> Tensor:
    """A picture (C, H, W) in [low, 1] at another size, by antialiased bicubic interpolation, clamped."""
    if picture.shape[1:] == (height, width):
        return picture
    found = F.interpolate(picture[None], size=(height, width), mode="bicubic", antialias=True, align_corners=False)
    return found[0].clamp(low, 1)


def guided(change: Tensor, small: Tensor, large: Tensor, radius: int = 1, smoothing: float = 0.01) -> Tensor:
    """A change of a small picture, enlarged along the edges of the large one (He & Sun 2015, "Fast Guided Filter").

    Around each pixel the change is taken for a linear function of the small picture's brightness; its two coefficients
    are enlarged, and applied to the large picture's.

    Parameters
    ----------
    change : Tensor, (N, C, h, w)
    small, large : Tensor, (N, D, h, w) and (N, D, H, W)
        The same pictures at both sizes, in [-1, 1].
    radius : int
        Of the neighbourhood, in small pixels.
    smoothing : float
        Variance of brightness below which a neighbourhood counts as flat.

    Returns
    -------
    Tensor, (N, C, H, W)
    """
    return along_edges(guide(change, small, radius, smoothing), large)


def guide(change: Tensor, small: Tensor, radius: int = 1, smoothing: float = 0.01) -> Tensor:
    """The coefficients of `guided`: slopes (N, C, h, w) and, after them, offsets, as one tensor (N, 2 C, h, w)."""
    size = 2 * radius + 1

    def mean(x: Tensor) -> Tensor:
        return F.avg_pool2d(F.pad(x, (radius,) * 4, mode="replicate"), size, 1)

    brightness = small.mean(1, keepdim=True)
    centre, level = mean(brightness), mean(change)
    variance = mean(brightness * brightness) - centre * centre
    slope = (mean(brightness * change) - centre * level) / (variance + smoothing)
    return torch.cat([mean(slope), mean(level - slope * centre)], 1)


def along_edges(coefficients: Tensor, large: Tensor) -> Tensor:
    """What `guide` found, applied to the large picture (N, D, H, W), or to as many rows of it as `rows_of` made."""
    found = F.interpolate(coefficients, size=large.shape[2:], mode="bilinear", align_corners=False)
    slope, offset = found.chunk(2, 1)
    return slope * large.mean(1, keepdim=True) + offset


def rows_of(pictures: Tensor, height: int, top: int, bottom: int) -> Tensor:
    """Rows `top` to `bottom` of the `height` that bilinear interpolation makes of pictures (N, C, h, w)."""
    h = pictures.shape[2]
    place = ((torch.arange(top, bottom, dtype=torch.float64) + 0.5) * h / height - 0.5).clamp(0, h - 1)
    above = place.long()
    below = (above + 1).clamp(max=h - 1)
    share = (place - above).to(pictures.dtype)[:, None]
    return pictures[:, :, above] * (1 - share) + pictures[:, :, below] * share


def luma(picture: Tensor) -> Tensor:
    """Luma of BT.601 in full range: (..., 3, H, W) to (..., 1, H, W)."""
    weights = picture.new_tensor([0.299, 0.587, 0.114]).view(3, 1, 1)
    return (picture * weights).sum(-3, keepdim=True)
