"""ONNX files give what their models give, in a process without torch, for batches of any length."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from skimage import data
from sklearn.datasets import load_digits, load_wine
from torch import nn
from typer.testing import CliRunner

from gantools import (
    GanAnomalyDetector,
    GanAugmenter,
    GanSuperResolver,
    GanSynthesizer,
    GanTranslator,
    load,
)
from gantools.cli import app
from gantools.data.sources import open_pictures
from gantools.errors import ConfigError, DataError, GantoolsError
from gantools.pipelines.export import Deployable, export

pytestmark = pytest.mark.filterwarnings("ignore")

DIGITS = np.round(load_digits().images * 15.9).astype(np.uint8)
BRICK = data.brick()


def session_of(path: Path) -> Any:
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def test_a_detector_of_tables(tmp_path: Path) -> None:
    rows = load_wine().data
    detector = GanAnomalyDetector(n_discriminators=2, max_images=1280, random_state=0).fit(rows[:100])
    made = export(detector, tmp_path / "m.onnx")
    assert set(made["parity"]) == {"anomaly_score", "is_anomaly", "p_value"}
    given = rows[90:].astype(np.float32)
    given[0, 3] = np.nan
    score, flagged, p = session_of(tmp_path / "m.onnx").run(None, {"features": given})
    np.testing.assert_allclose(score, detector.anomaly_score(given), rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(flagged, detector.predict(given) == -1)
    np.testing.assert_allclose(p, detector.p_value(given), atol=1e-6)
    notes = {p.key: p.value for p in onnx.load(tmp_path / "m.onnx").metadata_props}
    assert notes["class"] == "GanAnomalyDetector"
    assert float(notes["threshold"]) == pytest.approx(-detector.offset_)


def test_a_table_with_categories_is_refused(tmp_path: Path) -> None:
    frame = load_wine(as_frame=True).data.assign(kind=lambda f: np.where(f["hue"] > 1, "a", "b"))
    detector = GanAnomalyDetector(max_images=640, random_state=0).fit(frame)
    with pytest.raises(ConfigError, match="column 'kind' holds texts"):
        export(detector, tmp_path / "m.onnx")
    assert not (tmp_path / "m.onnx").exists()


def test_a_detector_of_small_pictures(tmp_path: Path) -> None:
    detector = GanAnomalyDetector(n_discriminators=2, max_images=1280, random_state=0).fit(DIGITS[:150])
    export(detector, tmp_path / "m.onnx")
    score, flagged, _, maps = session_of(tmp_path / "m.onnx").run(None, {"images": DIGITS[:70, ..., None]})
    np.testing.assert_allclose(score, detector.anomaly_score(DIGITS[:70]), rtol=1e-5, atol=1e-5)
    assert (flagged == (detector.predict(DIGITS[:70]) == -1)).mean() > 0.98
    np.testing.assert_allclose(maps[:5], detector.anomaly_map(DIGITS[:5]), rtol=1e-3, atol=1e-3)


def test_a_detector_of_large_pictures_at_one_size(tmp_path: Path) -> None:
    pictures = [BRICK[i : i + 100, j : j + 120] for i in range(0, 400, 100) for j in range(0, 360, 120)]
    detector = GanAnomalyDetector(view="tiles", n_discriminators=2, max_images=64, random_state=0).fit(pictures)
    with pytest.raises(ConfigError, match="--size HEIGHTxWIDTH"):
        export(detector, tmp_path / "m.onnx")
    export(detector, tmp_path / "m.onnx", (100, 120))
    score, _, _, maps = session_of(tmp_path / "m.onnx").run(None, {"images": np.stack(pictures[:2])[..., None]})
    np.testing.assert_allclose(score, detector.anomaly_score(pictures[:2]), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(maps[0], detector.anomaly_map(pictures[:1])[0], rtol=1e-3, atol=1e-3)


def test_a_super_resolver_for_pictures_of_any_size(tmp_path: Path) -> None:
    pictures = [data.astronaut()[i : i + 96, i : i + 96] for i in range(0, 384, 64)]
    resolver = GanSuperResolver(scale=2, size="tiny", max_images=64, random_state=0).fit(pictures)
    resolver.save(tmp_path / "model")
    out = ["--out", str(tmp_path / "m.onnx")]
    done = CliRunner().invoke(app, ["export", str(tmp_path / "model"), *out, "--perception", "0.5"])
    assert done.exit_code == 0, done.output
    resolver.set_params(perception=0.5)
    for low in (data.coffee()[:201, :150], pictures[1][:17, :20]):
        (large,) = session_of(tmp_path / "m.onnx").run(None, {"images": np.ascontiguousarray(low)[None]})
        expected = resolver.transform([low])[0]
        assert large.shape[1:] == expected.shape
        assert (large[0] != expected).mean() < 1e-4
        assert np.abs(large[0].astype(int) - expected).max() <= 1


class Slanted(nn.Module):
    """Of few operations, as in the file there are eight of it; what it makes of a turned picture is another."""

    scale, radius = 2, 1

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1, bias=False)
        nn.init.normal_(self.conv.weight, 0, 0.2, generator=torch.Generator().manual_seed(0))

    def forward(self, low: torch.Tensor) -> torch.Tensor:
        return nn.functional.interpolate(self.conv(low), scale_factor=2.0, mode="nearest")


def test_a_super_resolver_that_flips_and_puts_colours_right(tmp_path: Path) -> None:
    resolver = GanSuperResolver(
        scale=2, max_images=16, adversarial_share=0, tta=True, true_colours=True, random_state=0
    ).fit([data.astronaut()[:40, :40]])
    resolver.generators_ = dict.fromkeys(("fidelity", "texture"), Slanted())
    export(resolver, tmp_path / "m.onnx")
    for low in (data.coffee()[:33, :50], data.coffee()[:9, :8]):
        (large,) = session_of(tmp_path / "m.onnx").run(None, {"images": np.ascontiguousarray(low)[None]})
        expected = resolver.transform([low])[0]
        assert (large[0] != expected).mean() < 1e-2
        assert np.abs(large[0].astype(int) - expected).max() <= 1


class Negative(nn.Module):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return 255 - images


class Claimed:
    """An estimator of negatives that says of `share` of the values that they are `levels` brighter."""

    device = "cpu"

    def __init__(self, share: float, levels: int) -> None:
        self.share, self.levels = share, levels

    def deployable(self, size: tuple[int, int] | None) -> Deployable:
        images = torch.full((2, 50, 50, 1), 9, dtype=torch.uint8)
        return Deployable(Negative(), {"images": images}, ("negative",), reference=self.said)

    def said(self, images: np.ndarray) -> tuple[np.ndarray]:
        negative = (255 - images).ravel()
        negative[: round(self.share * negative.size)] += np.uint8(self.levels)
        return (negative.reshape(images.shape),)


@pytest.mark.parametrize(
    ("share", "levels", "sound"), [(0, 0, True), (8e-4, 1, True), (8e-4, 2, False), (2e-3, 1, False)]
)
def test_a_picture_may_round_otherwise_now_and_then_and_no_more(
    tmp_path: Path, share: float, levels: int, sound: bool
) -> None:
    with nullcontext() if sound else pytest.raises(GantoolsError, match="nothing was written"):
        assert export(Claimed(share, levels), tmp_path / "m.onnx")["parity"] == {"negative": pytest.approx(share)}
    assert (tmp_path / "m.onnx").exists() == sound


@pytest.mark.parametrize("size", [(32, 32), (50, 61)])
def test_a_translator_at_one_size(tmp_path: Path, size: tuple[int, int]) -> None:
    pictures = [data.astronaut()[i : i + 64, i : i + 64] for i in range(0, 384, 48)]
    gray = [np.round(p.mean(2)).astype(np.uint8) for p in pictures]
    translator = GanTranslator(size=32, max_images=64, random_state=0).fit(gray, pictures)
    export(translator, tmp_path / "m.onnx", size)
    source = gray[0][: size[0], : size[1]]
    (made,) = session_of(tmp_path / "m.onnx").run(None, {"images": np.ascontiguousarray(source)[None, ..., None]})
    expected = translator.transform([source])[0]
    assert (made[0] != expected).mean() < 1e-4
    assert np.abs(made[0].astype(int) - expected).max() <= 1


def test_a_synthesizer_and_an_augmenter(tmp_path: Path) -> None:
    labels = load_digits().target[:300]
    synthesizer = GanSynthesizer(max_images=6400, random_state=0).fit(DIGITS[:300], labels)
    export(synthesizer, tmp_path / "m.onnx")
    rng = np.random.default_rng(0)
    inputs = {
        "labels": np.repeat(np.arange(10), 2),
        "places": rng.random(20, dtype=np.float32),
        "noise": rng.standard_normal((20, 128), dtype=np.float32),
    }
    (made,) = session_of(tmp_path / "m.onnx").run(None, inputs)
    assert made.shape == (20, 8, 8, 1)
    assert made.dtype == np.uint8
    assert made.std() > 20
    augmenter = GanAugmenter(per_class=2, max_images=6400, random_state=0).fit(DIGITS[:300], labels)
    augmenter.maker_.novelties[3] = 0.0  # its own reals, decoded
    assert export(augmenter, tmp_path / "a.onnx")["outputs"]["samples"][0] == "tensor(uint8)"
    run, noise = session_of(tmp_path / "a.onnx"), inputs["noise"][:2]
    for label, counts in ((3, False), (4, True)):
        given = {"labels": np.full(2, label), "places": inputs["places"][:2]}
        plain, other = (run.run(None, {**given, "noise": n})[0] for n in (noise, -noise))
        assert (plain != other).any() == counts
    with pytest.raises(ConfigError, match="tables"):
        export(GanSynthesizer(max_images=640, random_state=0).fit(load_wine().data), tmp_path / "t.onnx")


CONSUMER = (Path(__file__).parents[2] / "docs" / "deployment.md").read_text(encoding="utf-8")


def test_the_command_and_a_consumer_without_torch(tmp_path: Path) -> None:
    detector = GanAnomalyDetector(max_images=640, random_state=0).fit(DIGITS[:100])
    detector.save(tmp_path / "model")
    out = tmp_path / "model.onnx"
    done = CliRunner().invoke(app, ["export", str(tmp_path / "model"), "--out", str(out), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["inputs"]["images"][2:] == ["8", "8", "1"]
    np.save(tmp_path / "pictures.npy", DIGITS[:9, ..., None])
    script = CONSUMER.split("```python\n# consumer.py\n")[1].split("```")[0]
    code = script + "\nimport sys\nassert 'torch' not in sys.modules and 'gantools' not in sys.modules\n"
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    scores = [float(line.split()[1]) for line in ran.stdout.strip().splitlines()]
    np.testing.assert_allclose(scores, load(tmp_path / "model").anomaly_score(DIGITS[:9]), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--size", "big"], "HEIGHTxWIDTH"),
        (["--size", "0x0"], "HEIGHTxWIDTH"),
        (["--size", "9x9"], "8x8"),
        (["--texture", "1"], "no such dial"),
    ],
)
def test_mistakes_are_told(tmp_path: Path, given: list[str], said: str) -> None:
    GanAnomalyDetector(max_images=640, random_state=0).fit(DIGITS[:100]).save(tmp_path / "model")
    done = CliRunner().invoke(app, ["export", str(tmp_path / "model"), "--out", str(tmp_path / "m.onnx"), *given])
    assert isinstance(done.exception, ConfigError)
    assert said in str(done.exception)
    assert not (tmp_path / "m.onnx").exists()


def test_eight_bits_are_smaller_and_the_loss_is_told(tmp_path: Path) -> None:
    pictures = [getattr(data, name)()[:96, :96] for name in ("astronaut", "coffee", "chelsea", "rocket")]
    resolver = GanSuperResolver(scale=2, max_images=320, random_state=0).fit(pictures)
    whole = export(resolver, tmp_path / "whole.onnx")
    half = export(resolver, tmp_path / "half.onnx", int8=open_pictures(pictures, 100))
    assert half["megabytes"] < 0.6 * whole["megabytes"]
    first, second = (
        session_of(tmp_path / f"{name}.onnx").run(None, {"images": pictures[1][None]})[0].astype(float)
        for name in ("whole", "half")
    )
    psnr = 10 * np.log10(255**2 / np.square(first - second).mean())
    assert psnr > 35
    assert psnr == pytest.approx(half["loss"]["transform_psnr"], abs=4)


def test_what_eight_bits_would_spoil_is_not_written(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    table = GanAnomalyDetector(random_state=0, max_images=256).fit(rng.normal(size=(60, 3)))
    pictures = rng.integers(0, 255, (6, 16, 16, 3)).astype(np.uint8)
    with pytest.raises(ConfigError, match="take pictures"):
        export(table, tmp_path / "m.onnx", int8=open_pictures(pictures, 100))
    resolver = GanSuperResolver(scale=2, max_images=32, random_state=0).fit(pictures)
    with pytest.raises(DataError, match="3 pictures are too few"):
        export(resolver, tmp_path / "m.onnx", int8=open_pictures(pictures[:3], 100))
    pieces = [BRICK[y : y + 96, x : x + 96] for y in range(0, 400, 100) for x in range(0, 400, 100)]
    detector = GanAnomalyDetector(random_state=0, max_images=64).fit(pieces)
    detector.offset_ = -float(np.median(detector.anomaly_score(pieces)))
    with pytest.raises(GantoolsError, match="decides otherwise on"):
        export(detector, tmp_path / "m.onnx", (96, 96), open_pictures(pieces, 100))
    assert not (tmp_path / "m.onnx").exists()
