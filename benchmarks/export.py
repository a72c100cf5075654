"""Exported files beside the models they come from: how far apart, and which is the faster.

    python -m benchmarks.export exact --rounds 10
    python -m benchmarks.export int8 --rounds 10

Models are fitted for seconds only: how far exact files are from them does not depend on how well they learnt. In each
round the model (torch) and its file (onnxruntime) take the same batch in turns. What eight bits cost is measured on
models that learnt from photographs for a minute or two, judged by the truth on photographs of other sources, beside
the exact file. Rows are appended to results/export.jsonl and results/int8.jsonl.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from skimage import data
from skimage.metrics import peak_signal_noise_ratio
from sklearn.datasets import load_digits, load_wine

from benchmarks.datasets import photographs
from benchmarks.records import record
from gantools import GanAnomalyDetector, GanSuperResolver, GanSynthesizer, GanTranslator
from gantools.data.planes import from_signed, to_signed
from gantools.data.resize import reduced
from gantools.data.sources import open_pictures
from gantools.errors import GantoolsError
from gantools.pipelines.export import export

DIGITS = np.round(load_digits().images * 15.9375).astype(np.uint8)
COLOUR = [data.astronaut()[i : i + 128, j : j + 128] for i in range(0, 384, 128) for j in range(0, 384, 128)]
GRAY = [np.round(p.mean(2)).astype(np.uint8) for p in COLOUR]
BRICK = [data.brick()[i : i + 128, j : j + 128] for i in range(0, 512, 128) for j in range(0, 512, 128)]

KINDS: dict[str, tuple[Callable[[], Any], tuple[int, int] | None, int]] = {
    "anomalies, tables": (lambda: GanAnomalyDetector(max_images=2000, random_state=0).fit(load_wine().data), None, 64),
    "anomalies, 8 px": (lambda: GanAnomalyDetector(max_images=2000, random_state=0).fit(DIGITS[:600]), None, 64),
    "anomalies, tiles, 128 px": (
        lambda: GanAnomalyDetector(view="tiles", max_images=64, random_state=0).fit(BRICK),
        (128, 128),
        2,
    ),
    "super-resolution, 128 px": (
        lambda: GanSuperResolver(scale=2, size="tiny", max_images=64, random_state=0).fit(COLOUR),
        None,
        2,
    ),
    "translation, 128 px": (
        lambda: GanTranslator(size=128, max_images=64, random_state=0).fit(GRAY, COLOUR),
        (128, 128),
        4,
    ),
    "synthesis, 8 px": (lambda: GanSynthesizer(max_images=2000, random_state=0).fit(DIGITS), None, 64),
}


def on_exact(rounds: int) -> None:
    """Every kind of model beside its file."""
    for name, (fitted, size, n) in KINDS.items():
        estimator = fitted()
        made, session = exported(estimator, size)
        what = estimator.deployable(size)
        inputs = {key: torch.cat([x] * (n // len(x) + 1))[:n] for key, x in what.inputs.items()}
        arrays = {key: x.numpy() for key, x in inputs.items()}

        @torch.inference_mode()
        def in_torch(module: torch.nn.Module = what.module, given: Any = inputs) -> None:
            module(*given.values())

        ways: dict[str, Callable[[], Any]] = {"torch": in_torch, "onnx": partial(session.run, None, arrays)}
        speeds = {way: [n / s for s in found] for way, found in in_turns(ways, rounds).items()}
        ratio = statistics.median(o / t for o, t in zip(speeds["onnx"], speeds["torch"], strict=True))
        medians = {way: statistics.median(found) for way, found in speeds.items()}
        parity = {f"apart {key}": value for key, value in made["parity"].items()}
        record("export", {"data": name, **medians, "ratio": ratio, "megabytes": made["megabytes"], **parity})


def exported(estimator: Any, size: tuple[int, int] | None, int8: Any = None) -> tuple[dict[str, Any], Any]:
    """What `export` says of the file, and a session that runs it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.onnx"
        made = export(estimator, path, size, None if int8 is None else open_pictures(int8, 100))
        return made, onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def in_turns(ways: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each way in each round, after one that warms up."""
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for number in range(rounds + 1):
        for way, run in ways.items():
            began = time.perf_counter()
            run()
            if number > 0:
                seconds[way].append(time.perf_counter() - began)
    return seconds


def on_int8(rounds: int) -> None:
    """Files in eight bits beside exact ones: size, speed, and nearness to the truth."""
    sets = photographs()
    sharp = {kind: [p for picture in found.values() for p in pieces(picture)] for kind, found in sets._asdict().items()}
    low = {kind: [shrunk(p, 2) for p in found] for kind, found in sharp.items()}
    gray = {kind: [np.round(p.mean(2)).astype(np.uint8) for p in found] for kind, found in sharp.items()}
    kinds: dict[str, tuple[Any, tuple[int, int] | None, dict[str, list[np.ndarray]]]] = {
        "super-resolution x2": (
            GanSuperResolver(2, adversarial_share=0.0, max_images=30_000, random_state=0).fit(sharp["train"]),
            None,
            low,
        ),
        "gray to colour": (
            GanTranslator(size=128, max_images=4_000, random_state=0).fit(gray["train"], sharp["train"]),
            (128, 128),
            gray,
        ),
    }
    for name, (estimator, size, sources) in kinds.items():
        try:
            made, smaller = exported(estimator, size, sources["train"])
        except GantoolsError as error:
            record("int8", {"data": name, "refused": str(error)})
            continue
        whole, exact = exported(estimator, size)
        channels = exact.get_inputs()[0].shape[3]
        batches = [p.reshape(1, *p.shape[:2], channels) for p in sources["test"]]
        ways = {
            way: partial(lambda session, given: [session.run(None, {"images": b}) for b in given], session, batches)
            for way, session in (("exact", exact), ("eight bits", smaller))
        }
        seconds = in_turns(ways, rounds)
        ratio = statistics.median(e / s for e, s in zip(seconds["exact"], seconds["eight bits"], strict=True))
        row = {"data": name, "MB": whole["megabytes"], "MB int8": made["megabytes"], "speed": ratio}
        for way, run in ways.items():
            found = [psnr(truth, out[0][0]) for truth, out in zip(sharp["test"], run(), strict=True)]
            row[f"PSNR {way}"] = statistics.mean(found)
        record("int8", row | {"PSNR between": made["loss"]["transform_psnr"]})


def pieces(picture: np.ndarray, side: int = 128, most: int = 4) -> list[np.ndarray]:
    """Squares out of the middle of a picture, side by side."""
    top = (picture.shape[0] - side) // 2
    return [picture[top : top + side, left : left + side] for left in range(0, picture.shape[1] - side, side)][:most]


def shrunk(picture: np.ndarray, scale: int) -> np.ndarray:
    """A picture's antialiased bicubic reduction, in eight bits."""
    return from_signed(reduced(to_signed(picture)[None], scale)[0], np.dtype(np.uint8))


def psnr(truth: np.ndarray, made: np.ndarray) -> float:
    """In dB, over all channels."""
    return float(peak_signal_noise_ratio(truth, made, data_range=255))


def main() -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["exact", "int8"])
    parser.add_argument("--rounds", type=int, default=10)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    (on_exact if arguments.what == "exact" else on_int8)(arguments.rounds)


if __name__ == "__main__":
    main()
