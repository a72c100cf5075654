"""The pix2pix recipe as published (Isola et al. 2017), written anew, to be measured beside at equal time.

U-Net with batch norm, halved to one pixel, dropout within the innermost layers, also at use; discriminator of 70 x 70
pixels; BCE and 100 times L1; Adam 2e-4 (.5, .999) without decay, batches of one; pictures enlarged by 286 / 256,
cropped back, flipped. `split` and `joined`: its mode for black and white, of CIELAB lightness in and colour out.
"""

from __future__ import annotations

import time
import warnings

import numpy as np
import torch
from numpy.typing import NDArray
from skimage.color import lab2rgb, rgb2lab
from torch import Tensor, nn
from torch.nn import functional as F


def _norm(channels: int, wanted: bool) -> list[nn.Module]:
    return [nn.BatchNorm2d(channels)] if wanted else []


def _widths(halvings: int, width: int) -> list[int]:
    return [min(width * 2**i, width * 8) for i in range(halvings)]


class UNet(nn.Module):
    """Pictures whose side is 2 to the power of `halvings`."""

    def __init__(self, channels_in: int, channels_out: int, halvings: int, width: int = 64) -> None:
        super().__init__()
        widths = _widths(halvings, width)
        self.down = nn.ModuleList()
        self.up = nn.ModuleList()
        before = channels_in
        for i, w in enumerate(widths):
            innermost = i == halvings - 1
            activation = [nn.LeakyReLU(0.2)] if i > 0 else []
            norm = _norm(w, i > 0 and not innermost)
            self.down.append(nn.Sequential(*activation, nn.Conv2d(before, w, 4, 2, 1), *norm))
            after = channels_out if i == 0 else widths[i - 1]
            dropout = [nn.Dropout(0.5)] if 4 <= i < halvings - 1 else []
            last = [nn.Tanh()] if i == 0 else [*_norm(after, True), *dropout]
            both = w if innermost else 2 * w
            self.up.append(nn.Sequential(nn.ReLU(), nn.ConvTranspose2d(both, after, 4, 2, 1), *last))
            before = w
        self.apply(_initialise)

    def forward(self, x: Tensor) -> Tensor:
        maps = []
        for down in self.down:
            x = down(x)
            maps.append(x)
        for i in reversed(range(len(self.up))):
            x = self.up[i](x if i == len(self.up) - 1 else torch.cat([maps[i], x], 1))
        return x


def _discriminator(channels: int, width: int = 64) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2)]
    for i, stride in ((1, 2), (2, 2), (3, 1)):
        a, b = width * 2 ** (i - 1), width * 2**i
        layers += [nn.Conv2d(a, b, 4, stride, 1), nn.BatchNorm2d(b), nn.LeakyReLU(0.2)]
    found = nn.Sequential(*layers, nn.Conv2d(width * 8, 1, 4, 1, 1))
    found.apply(_initialise)
    return found


def _initialise(layer: nn.Module) -> None:
    if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(layer.weight, 0, 0.02)
    elif isinstance(layer, nn.BatchNorm2d):
        nn.init.normal_(layer.weight, 1, 0.02)


def train(sources: Tensor, targets: Tensor, seconds: float, seed: int) -> tuple[UNet, int]:
    """Train on pairs (N, C, S, S) in [-1, 1], S a power of two; the generator and how many steps there were.

    On a GPU where there is one.
    """
    side, device = sources.shape[2], torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        rng = np.random.default_rng(seed)
        generator = UNet(sources.shape[1], targets.shape[1], side.bit_length() - 1).to(device)
        discriminator = _discriminator(sources.shape[1] + targets.shape[1]).to(device)
        optimisers = [torch.optim.Adam(p.parameters(), 2e-4, (0.5, 0.999)) for p in (generator, discriminator)]
        began, steps = time.perf_counter(), 0
        while time.perf_counter() - began < seconds:
            i = int(rng.integers(len(sources)))
            source, target = _jittered(sources[i : i + 1].to(device), targets[i : i + 1].to(device), rng)
            fake = generator(source)
            real_logits = discriminator(torch.cat([source, target], 1))
            fake_logits = discriminator(torch.cat([source, fake.detach()], 1))
            loss = (_bce(real_logits, 1) + _bce(fake_logits, 0)) / 2
            optimisers[1].zero_grad()
            loss.backward()
            optimisers[1].step()
            loss = _bce(discriminator(torch.cat([source, fake], 1)), 1) + 100 * F.l1_loss(fake, target)
            optimisers[0].zero_grad()
            loss.backward()
            optimisers[0].step()
            steps += 1
    return generator, steps


def _jittered(source: Tensor, target: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    side = source.shape[2]
    larger = round(side * 286 / 256)
    top, left = (int(v) for v in rng.integers(larger - side + 1, size=2))
    flip = rng.random() < 0.5

    def moved(x: Tensor) -> Tensor:
        x = F.interpolate(x, size=(larger, larger), mode="bicubic", align_corners=False)
        x = x[..., top : top + side, left : left + side]
        return (x.flip(3) if flip else x).clamp(-1, 1)

    return moved(source), moved(target)


def _bce(logits: Tensor, truth: int) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, truth))


@torch.no_grad()
def apply(generator: UNet, sources: Tensor, seed: int) -> Tensor:
    """As published: one by one, with dropout, and with the batch's own statistics."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        device = next(generator.parameters()).device
        return torch.cat([generator(source[None].to(device)).cpu() for source in sources])


_LIGHTEST, _MOST_COLOUR = 50.0, 110.0


def split(pictures: NDArray[np.uint8]) -> tuple[Tensor, Tensor]:
    """Pictures (N, S, S, 3) as lightness (N, 1, S, S) and colour (N, 2, S, S), both in [-1, 1]."""
    lab = torch.from_numpy(rgb2lab(pictures).astype(np.float32)).permute(0, 3, 1, 2)
    return lab[:, :1] / _LIGHTEST - 1, lab[:, 1:] / _MOST_COLOUR


def joined(lightness: Tensor, colour: Tensor) -> NDArray[np.uint8]:
    """What `split` took apart, put together."""
    lab = torch.cat([(lightness + 1) * _LIGHTEST, colour * _MOST_COLOUR], 1).permute(0, 2, 3, 1)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Conversion from CIE-LAB")  # colours that cannot be shown are cut
        made: NDArray[np.float64] = lab2rgb(lab.numpy())
    return np.rint(made * 255).astype(np.uint8)
