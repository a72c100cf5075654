"""Exported files beside the models they come from: how far apart, and which is the faster.

    python -m benchmarks.export --rounds 10

Models are fitted for seconds only: what is measured does not depend on how well they learnt. In each round the model
(torch) and its file (onnxruntime) take the same batch in turns. Rows are appended to results/export.jsonl.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from skimage import data
from sklearn.datasets import load_digits, load_wine

from benchmarks.records import record
from gantools import GanAnomalyDetector, GanSuperResolver, GanSynthesizer, GanTranslator
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


def main() -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    for name, (fitted, size, n) in KINDS.items():
        estimator = fitted()
        with tempfile.TemporaryDirectory() as folder:
            made = export(estimator, Path(folder) / "m.onnx", size)
            session = onnxruntime.InferenceSession(str(Path(folder) / "m.onnx"), providers=["CPUExecutionProvider"])
        what = estimator.deployable(size)
        inputs = {key: torch.cat([x] * (n // len(x) + 1))[:n] for key, x in what.inputs.items()}
        speeds: dict[str, list[float]] = {"torch": [], "onnx": []}
        for number in range(arguments.rounds + 1):
            for way in speeds:
                began = time.perf_counter()
                if way == "torch":
                    with torch.inference_mode():
                        what.module(*inputs.values())
                else:
                    session.run(None, {key: x.numpy() for key, x in inputs.items()})
                if number > 0:  # the first round warms up
                    speeds[way].append(n / (time.perf_counter() - began))
        ratio = statistics.median(o / t for o, t in zip(speeds["onnx"], speeds["torch"], strict=True))
        medians = {way: statistics.median(found) for way, found in speeds.items()}
        parity = {f"apart {key}": value for key, value in made["parity"].items()}
        record("export", {"data": name, **medians, "ratio": ratio, "megabytes": made["megabytes"], **parity})


if __name__ == "__main__":
    main()
