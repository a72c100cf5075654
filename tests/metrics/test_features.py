"""Features from the user's own Inception and from any function, and what the document shows of them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import inception_v3

from gantools.errors import DataError, ModelError
from gantools.metrics.features import InceptionFeatures, NamedFeatures

TRUST = Path(__file__).parents[2] / "docs" / "trust.md"


def inception(n_classes: int = 5, aux_logits: bool = False) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return inception_v3(weights=None, num_classes=n_classes, aux_logits=aux_logits, init_weights=False).eval()


def pictures(n: int, channels: int, side: int = 12) -> Tensor:
    return torch.rand(n, channels, side, side, generator=torch.Generator().manual_seed(0)) * 2 - 1


@torch.no_grad()
def test_inception_sees_what_torchvisions_own_path_does(tmp_path: Path) -> None:
    network = inception(aux_logits=True)
    torch.save(network.state_dict(), tmp_path / "mine.pth")
    state = torch.get_rng_state()
    features = InceptionFeatures(tmp_path / "mine.pth")
    assert torch.equal(state, torch.get_rng_state())
    assert features.name == "inception-v3, mine.pth"
    network.transform_input, network.fc = True, nn.Identity()  # as torchvision sets it with its own weights
    colour, gray = pictures(2, 3), pictures(2, 1)
    for some in (colour, gray):
        large = F.interpolate(some, size=(299, 299), mode="bilinear", antialias=True).expand(-1, 3, -1, -1)
        mean, deviation = (torch.tensor(v).view(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
        wanted = network((large / 2 + 0.5 - mean) / deviation)
        found = features(some)
        assert found.shape == (2, features.length)
        assert wanted.std() > 0
        torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-3 * float(wanted.abs().max()))


def test_inceptions_weights_may_be_safetensors_without_what_is_not_used(tmp_path: Path) -> None:
    whole = inception().state_dict()
    kept = {k: v.half() for k, v in whole.items() if not k.startswith("fc.") and "num_batches" not in k}
    save_file(kept, tmp_path / "mine.safetensors")
    state = InceptionFeatures(tmp_path / "mine.safetensors").network.state_dict()
    assert all(torch.equal(state[name], value.float()) for name, value in kept.items())


def test_weights_that_cannot_be_used_are_refused_by_name(tmp_path: Path) -> None:
    fits = inception(n_classes=1).state_dict()
    other = {**fits, "Conv2d_1a_3x3.conv.weight": torch.zeros(1)}
    files: dict[str, tuple[object, str]] = {
        "other.pth": (other, "1 of 470 arrays are missing or of another shape, Conv2d_1a_3x3.conv.weight first"),
        "empty.pth": ({}, "470 of 470 arrays are missing"),
        "wrapped.pth": ({"epoch": 3, "state_dict": {}}, "holds more than a state dict"),
        "module.pth": (nn.Linear(1, 1), "cannot be read as a state dict"),
        "tensorflow.pth": ({"fc.weight": torch.zeros(1008, 2048)}, "TensorFlow's weights"),
    }
    for name, (content, _) in files.items():
        torch.save(content, tmp_path / name)
    for name in ("text.pth", "text.safetensors"):
        (tmp_path / name).write_text("no weights")
        files[name] = ("", "cannot be read as a state dict")
    files["missing.pth"] = ("", "no such file")
    for name, (_, said) in files.items():
        with pytest.raises(ModelError, match=f"{re.escape(str(tmp_path / name))}: .*{said}"):
            InceptionFeatures(tmp_path / name)


def test_any_function_makes_features_in_batches() -> None:
    seen: list[int] = []

    def means(some: Tensor) -> Tensor:
        seen.append(len(some))
        return (some * torch.ones(1, requires_grad=True)).mean((2, 3))

    features = NamedFeatures("means", means)
    found = features(pictures(70, 3))
    torch.testing.assert_close(found, pictures(70, 3).mean((2, 3)))
    assert not found.requires_grad
    assert (features.name, seen) == ("means", [64, 6])


def test_a_function_without_a_row_for_each_sample_is_refused() -> None:
    with pytest.raises(DataError, match=r"features 'maps': 2 samples gave the shape \(2, 3, 12, 12\), not \(2, D\)"):
        NamedFeatures("maps", lambda some: some)(pictures(2, 3))
    with pytest.raises(DataError, match=r"shape \(1, 12\)"):
        NamedFeatures("one row", lambda some: some.mean((0, 1))[:1])(pictures(2, 3))


def test_what_the_document_shows_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save(inception().state_dict(), "inception_v3.pth")
    every = InceptionFeatures.__call__  # of whose 2,048 features each Fréchet distance would take seconds
    monkeypatch.setattr(InceptionFeatures, "__call__", lambda self, some: every(self, some)[:, :16])
    rng = np.random.default_rng(0)
    names = {who: rng.integers(0, 256, (12, 3, 8, 8)).astype(np.uint8) for who in ("reals", "fakes")}
    (code,) = re.findall(r"```python\n(.*?)```", TRUST.read_text(encoding="utf-8"), re.DOTALL)
    exec(code, names)
    said = capsys.readouterr().out.splitlines()
    assert said[::3] == [
        "efficientnet-lite0, blocks 10 and 14",
        "inception-v3, inception_v3.pth",
        "mean and deviation of each channel",
    ]
    assert all("Interval(value=" in line for i, line in enumerate(said) if i % 3)
