"""How weights lie in memory: for speed alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from gantools.core import AdversarialTrainer, Training
from gantools.core.layout import bfloat16_suits, channels_last_suits, lay_channels_last
from gantools.networks.dcgan import DcganDiscriminator
from tests.core.test_augment import PictureGame

pytestmark = pytest.mark.filterwarnings("ignore::gantools.core.health.HealthWarning")


def rows_first(network: nn.Module) -> list[bool]:
    """Of every kernel, whether it lies as PyTorch lays it by itself."""
    return [p.stride() == torch.empty(p.shape).stride() for p in network.parameters() if p.ndim == 4]


def trained(side: int, n: int, file: Path | None = None, resume: bool = False, stop: int | None = None) -> Training:
    pictures = torch.rand(16, 1, side, side, generator=torch.Generator().manual_seed(0)) * 2 - 1
    seen = 0

    def batches(step: int) -> dict[str, Tensor]:
        nonlocal seen
        seen = step
        return {"reals": pictures[8 * (step % 2) :][:8]}

    return AdversarialTrainer("relativistic", r1=0.5, r2=0.5).train(
        *(PictureGame(side), batches), max_images=8 * n, seed=1, checkpoint=file, resume=resume,
        on_tick=lambda tick: stop is not None and seen >= stop,
    )  # fmt: skip


def test_players_of_larger_pictures_are_laid_out_and_those_of_smaller_ones_left() -> None:
    for player in ("generator", "discriminator"):
        assert all(rows_first(getattr(trained(8, 2), player)))
        assert not all(rows_first(getattr(trained(16, 2), player)))


def test_vectors_and_pictures_elsewhere_than_on_a_cpu_are_not_asked() -> None:
    assert not channels_last_suits(torch.zeros(8, 64))
    assert not channels_last_suits(torch.zeros(8, 3, 64, 64, device="meta"))
    assert channels_last_suits(torch.zeros(8, 3, 64, 64))


def test_a_network_computes_the_same_however_it_lies() -> None:
    network = DcganDiscriminator((1, 16, 16), 8)
    pictures = torch.rand(4, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    before = network(pictures)
    values = [p.detach().clone() for p in network.parameters()]
    lay_channels_last(network)
    assert all(torch.equal(p, value) for p, value in zip(network.parameters(), values, strict=True))
    torch.testing.assert_close(network(pictures), before)


def test_a_training_that_was_laid_out_resumes_exactly(tmp_path: Path) -> None:
    file = tmp_path / "c.safetensors"
    whole = trained(16, 30)
    # A training that a callback ended does not go on; the same state, cut before its end, is what a kill leaves.
    trained(16, 30, file, stop=11)
    from gantools.core.checkpoint import load_state, save_state

    save_state(file, {**load_state(file), "stopped": ""})
    resumed = trained(16, 30, file, resume=True)
    for a, b in ((whole.generator, resumed.generator), (whole.discriminator, resumed.discriminator)):
        assert all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))


def test_half_of_the_bits_are_for_wide_games_on_cpus_with_units_for_them() -> None:
    assert bfloat16_suits(torch.zeros(2, 3, 96, 96), wide=True) == ("amx_bf16" in _flags_of_this_cpu())
    assert not bfloat16_suits(torch.zeros(2, 3, 256, 256), wide=False)
    assert not bfloat16_suits(torch.zeros(8, 64), wide=True)


def _flags_of_this_cpu() -> set[str]:
    """What Linux says that it can do; other systems run on none that has matrix units."""
    told = Path("/proc/cpuinfo")
    return set(told.read_text().split()) if told.exists() else set()
