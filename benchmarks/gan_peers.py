"""Other people's published recipes for making pictures, run as they are published, on a processor.

- "dcgan example": the players and settings of PyTorch's DCGAN example, written again here: 64 features, batch norm,
  binary cross-entropy, Adam 2e-4 with beta1 .5, batches of 64; pictures at 32 or 64 pixels.
- "torchgan": its `DCGANGenerator` and `DCGANDiscriminator` from the package, 32 wide, least squares, Adam 1e-4 and
  3e-4 with betas (.5, .999), as in its tutorial.
- "mimicry": SNGAN for 32 pixels as torch-mimicry publishes it, written again here (the package wants TensorFlow):
  residual, 256 and 128 wide, spectral norm, hinge, five moves of the discriminator for one, Adam 2e-4, betas (0, .9).
- "lightweight-gan": its players from the package and its own settings: hinge, the discriminator's small decoders,
  augmentation by the number of pictures, a penalty at every fourth step, Adam 2e-4 with betas (.5, .9), batches of
  10, gradients of four added. Its pictures are powers of two, so 32 or 64. Its moving average begins after 20,000
  steps, and is not reached.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

Sampler = Callable[[int], Tensor]
"""From a number to as many pictures (N, C, H, W) in [-1, 1], of the size learnt from."""


def _at_power(pictures: Tensor) -> Tensor:
    """Pictures enlarged to 32 or 64 pixels, which is what these networks are made for."""
    side = 32 if max(pictures.shape[2:]) <= 32 else 64
    return F.interpolate(pictures, size=(side, side), mode="bilinear", align_corners=False)


def _batches(pictures: Tensor, size: int, minutes: float, seed: int) -> Iterator[Tensor]:
    """Random batches until the time is over."""
    rng = torch.Generator().manual_seed(seed)
    until = time.monotonic() + 60 * minutes
    while time.monotonic() < until:
        yield _at_power(pictures[torch.randint(len(pictures), (size,), generator=rng)])


def _sampler(generator: nn.Module, latent: int, like: Tensor, seed: int) -> Sampler:
    """The generator's pictures at the size learnt from; batch norm goes by the batch, as in recipes' own sampling."""
    rng = torch.Generator().manual_seed(seed + 1)

    def sample(n: int) -> Tensor:
        parts = [generator(torch.randn((len(some), latent), generator=rng)) for some in torch.empty(n).split(100)]
        size = tuple(like.shape[2:])
        return F.interpolate(torch.cat(parts), size=size, mode="bilinear", align_corners=False, antialias=True)

    return sample


class _Latents(nn.Module):
    """Latents as 1 x 1 pictures, which the DCGAN example's generator takes."""

    def forward(self, latents: Tensor) -> Tensor:
        return latents[:, :, None, None]


def _dcgan_players(side: int, channels: int, width: int = 64) -> tuple[nn.Module, nn.Module]:
    doublings = {32: 2, 64: 3}[side]
    layers: list[nn.Module] = [_Latents(), nn.ConvTranspose2d(100, width * 2**doublings, 4, 1, 0, bias=False)]
    for i in reversed(range(doublings)):
        layers += [nn.BatchNorm2d(width * 2 ** (i + 1)), nn.ReLU(True)]
        layers += [nn.ConvTranspose2d(width * 2 ** (i + 1), width * 2**i, 4, 2, 1, bias=False)]
    layers += [
        nn.BatchNorm2d(width),
        nn.ReLU(True),
        nn.ConvTranspose2d(width, channels, 4, 2, 1, bias=False),
        nn.Tanh(),
    ]
    looks: list[nn.Module] = [nn.Conv2d(channels, width, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, True)]
    for i in range(doublings):
        looks += [nn.Conv2d(width * 2**i, width * 2 ** (i + 1), 4, 2, 1, bias=False)]
        looks += [nn.BatchNorm2d(width * 2 ** (i + 1)), nn.LeakyReLU(0.2, True)]
    looks += [nn.Conv2d(width * 2**doublings, 1, 4, 1, 0, bias=False), nn.Flatten(0)]
    players = nn.Sequential(*layers), nn.Sequential(*looks)
    for player in players:
        for layer in player.modules():
            if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
                nn.init.normal_(layer.weight, 0, 0.02)
            elif isinstance(layer, nn.BatchNorm2d):
                nn.init.normal_(layer.weight, 1, 0.02)
    return players


def _plain_gan(
    players: tuple[nn.Module, nn.Module],
    pictures: Tensor,
    minutes: float,
    seed: int,
    *,
    latent: int,
    losses: tuple[Callable[[Tensor, Tensor], Tensor], Callable[[Tensor], Tensor]],
    rates: tuple[float, float] = (2e-4, 2e-4),
    betas: tuple[float, float] = (0.5, 0.999),
    n_critic: int = 1,
) -> Sampler:
    """The loop that these recipes have in common, by hand; losses are the discriminator's and the generator's."""
    generator, discriminator = players
    of_g = torch.optim.Adam(generator.parameters(), rates[0], betas)
    of_d = torch.optim.Adam(discriminator.parameters(), rates[1], betas)
    rng = torch.Generator().manual_seed(seed)
    for step, reals in enumerate(_batches(pictures, 64, minutes, seed)):
        fakes = generator(torch.randn((len(reals), latent), generator=rng))
        of_d.zero_grad()
        losses[0](discriminator(reals), discriminator(fakes.detach())).backward()
        of_d.step()
        if step % n_critic == 0:
            of_g.zero_grad()
            losses[1](discriminator(fakes)).backward()
            of_g.step()
    return _sampler(generator, latent, pictures, seed)


def dcgan_example(kind: Any, minutes: float, seed: int) -> Sampler:
    """PyTorch's DCGAN example."""
    torch.manual_seed(seed)
    side, channels = _at_power(kind.train[:1]).shape[-1], kind.train.shape[1]
    losses = (lambda r, f: F.softplus(-r).mean() + F.softplus(f).mean(), lambda f: F.softplus(-f).mean())
    return _plain_gan(_dcgan_players(side, channels), kind.train, minutes, seed, latent=100, losses=losses)


def torchgan(kind: Any, minutes: float, seed: int) -> Sampler:
    """torchgan's DCGAN with least squares."""
    from_peers()
    from torchgan.models import DCGANDiscriminator, DCGANGenerator

    torch.manual_seed(seed)
    side, channels = _at_power(kind.train[:1]).shape[-1], kind.train.shape[1]
    generator = DCGANGenerator(100, side, channels, 32, nonlinearity=nn.LeakyReLU(0.2), last_nonlinearity=nn.Tanh())
    discriminator = DCGANDiscriminator(
        side, channels, 32, nonlinearity=nn.LeakyReLU(0.2), last_nonlinearity=nn.LeakyReLU(0.2)
    )
    losses = (
        lambda r, f: 0.5 * ((r - 1).square().mean() + f.square().mean()),
        lambda f: 0.5 * (f - 1).square().mean(),
    )
    return _plain_gan(
        (generator, discriminator), kind.train, minutes, seed, latent=100, losses=losses, rates=(1e-4, 3e-4)
    )


class _SnBlock(nn.Module):
    """A residual block of SNGAN's players: `resize` is 2 (double), 0.5 (halve) or 1."""

    def __init__(self, wide_in: int, wide_out: int, resize: float, norm: bool, first: bool = False) -> None:
        super().__init__()
        wrap = (lambda layer: layer) if norm else spectral_norm
        self.norms = nn.ModuleList(nn.BatchNorm2d(w) if norm else nn.Identity() for w in (wide_in, wide_out))
        self.convs = nn.ModuleList(wrap(nn.Conv2d(w, wide_out, 3, 1, 1)) for w in (wide_in, wide_out))
        self.shortcut = wrap(nn.Conv2d(wide_in, wide_out, 1)) if wide_in != wide_out or resize != 1 else nn.Identity()
        self.resize, self.first = resize, first

    def _resized(self, x: Tensor) -> Tensor:
        if self.resize == 0.5:
            return F.avg_pool2d(x, 2)
        return x if self.resize == 1 else F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)

    def forward(self, x: Tensor) -> Tensor:
        h = x if self.first else F.relu(self.norms[0](x))
        h = self.convs[0](self._resized(h) if self.resize == 2 else h)
        h = self.convs[1](F.relu(self.norms[1](h)))
        if self.resize == 2:
            return h + self.shortcut(self._resized(x))
        return self._resized(h) + self._resized(self.shortcut(x))


def mimicry(kind: Any, minutes: float, seed: int) -> Sampler:
    """torch-mimicry's SNGAN of 32 pixels. Its own of 64 is 1,024 wide; here that of 32 has one block more."""
    torch.manual_seed(seed)
    side, channels = _at_power(kind.train[:1]).shape[-1], kind.train.shape[1]
    more = [(256, 128)] if side == 64 else []
    blocks = [_SnBlock(a, b, 2, norm=True) for a, b in [(256, 256)] * 3 + more]
    last = 128 if more else 256
    generator = nn.Sequential(
        nn.Linear(128, 256 * 16), nn.Unflatten(1, (256, 4, 4)), *blocks,
        nn.BatchNorm2d(last), nn.ReLU(), nn.Conv2d(last, channels, 3, 1, 1), nn.Tanh(),
    )  # fmt: skip
    looks = [_SnBlock(128, 128, r, norm=False) for r in ([0.5, 0.5] if more else [0.5]) + [1, 1]]
    discriminator = nn.Sequential(
        _SnBlock(channels, 128, 0.5, norm=False, first=True), *looks,
        nn.ReLU(), _Sum(), spectral_norm(nn.Linear(128, 1)), nn.Flatten(0),
    )  # fmt: skip
    for player in (generator, discriminator):
        for name, layer in player.named_modules():
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                changed: Any = getattr(layer, "parametrizations", None)
                weight = layer.weight if changed is None else changed.weight.original
                nn.init.xavier_uniform_(weight, 2**0.5 if "convs" in name else 1.0)
    losses = (lambda r, f: F.relu(1 - r).mean() + F.relu(1 + f).mean(), lambda f: -f.mean())
    return _plain_gan(
        (generator, discriminator), kind.train, minutes, seed, latent=128, losses=losses, betas=(0.0, 0.9), n_critic=5
    )


class _Sum(nn.Module):
    """The sum over all places."""

    def forward(self, x: Tensor) -> Tensor:
        return x.sum((2, 3))


def lightweight(kind: Any, minutes: float, seed: int) -> Sampler:
    """lightweight-gan with its own settings."""
    from_peers()
    there = torch.cuda.is_available
    torch.cuda.is_available = lambda: True  # it refuses to be imported without a GPU, though its players run anywhere
    try:
        from lightweight_gan.lightweight_gan import AugWrapper, Discriminator, Generator
    finally:
        torch.cuda.is_available = there
    torch.manual_seed(seed)
    side = _at_power(kind.train[:1]).shape[-1]
    gray = kind.train.shape[1] == 1
    generator = Generator(image_size=side, latent_dim=256, fmap_max=512, attn_res_layers=[32], greyscale=gray)
    discriminator = Discriminator(
        image_size=side, fmap_max=512, attn_res_layers=[32], disc_output_size=1, greyscale=gray
    )
    for layer in (*generator.modules(), *discriminator.modules()):
        if type(layer) in (nn.Conv2d, nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="leaky_relu")
    shown = AugWrapper(discriminator, side)
    often = {"prob": min(0.5, (1e5 - len(kind.train)) * 3e-6), "types": ["cutout", "translation"]}
    of_g = torch.optim.Adam(generator.parameters(), 2e-4, (0.5, 0.9))
    of_d = torch.optim.Adam(discriminator.parameters(), 2e-4, (0.5, 0.9))
    rng = torch.Generator().manual_seed(seed)
    for step, many in enumerate(_batches(kind.train.add(1).div(2), 40, minutes, seed)):
        of_d.zero_grad()
        for reals in many.split(10):
            reals = reals.requires_grad_(step % 4 == 0)
            with torch.no_grad():
                fakes = generator(torch.randn((10, 256), generator=rng))
            wanted = {"detach": True, "input_requires_grad": step % 4 == 0, "return_discr_input": True}
            fakes, (f, f32, _) = shown(fakes, **wanted, **often)
            r, r32, decoded = shown(reals, calc_aux_loss=True, **often)
            loss = (
                sum((F.relu(1 + b) + F.relu(1 - a)).mean() for a, b in ((f, r), (f32, r32))) + decoded
            )  # reals are low
            if step % 4 == 0:
                slopes = [
                    torch.autograd.grad([o.sum() for o in out], x, create_graph=True)[0].flatten(1)
                    for out, x in (((r, r32), reals), ((f, f32), fakes))
                ]
                loss = loss + 10 * torch.cat(slopes).square().sum(1).mean()
            (loss / 4).backward()
        of_d.step()
        of_g.zero_grad()
        for _ in range(4):
            f, f32, _ = shown(generator(torch.randn((10, 256), generator=rng)), **often)
            ((f.mean() + f32.mean()) / 4).backward()
        of_g.step()
    sample = _sampler(generator, 256, kind.train, seed)
    return lambda n: sample(n).clamp(0, 1).mul(2).sub(1)


def from_peers() -> None:
    """Put the folder that GANTOOLS_PEERS names on the path."""
    folder = os.environ.get("GANTOOLS_PEERS", "")
    sys.path.extend(p for p in (folder, f"{folder}/gan") if folder and p not in sys.path)


PEERS: dict[str, Callable[[Any, float, int], Sampler]] = {
    "dcgan example": dcgan_example,
    "torchgan": torchgan,
    "mimicry": mimicry,
    "lightweight-gan": lightweight,
}
