"""How long a user waits: for help, for the first scores, for the demo; each command in a process of its own.

    python -m benchmarks.startup --rounds 3          --help, and `anomaly score` of 100 pictures
    python -m benchmarks.startup --rounds 1 demo     the whole of `gantools demo`

Rows are appended to results/startup.jsonl: the median of the rounds, in seconds.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from benchmarks.records import record
from gantools import GanAnomalyDetector


def seconds(arguments: list[str], rounds: int) -> float:
    """The median time of a command of gantools'."""
    found = []
    for _ in range(rounds):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "gantools", *arguments], check=True, capture_output=True)
        found.append(time.perf_counter() - began)
    return statistics.median(found)


def main() -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", choices=["first", "demo"], default="first")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        if arguments.what == "demo":
            record("startup", {"data": "demo", "s": seconds(["demo", "--out", str(root / "demo")], arguments.rounds)})
            return
        record("startup", {"data": "--help", "s": seconds(["--help"], arguments.rounds)})
        pictures = np.round(load_digits().images * 15.9375).astype(np.uint8).repeat(4, 1).repeat(4, 2)
        GanAnomalyDetector(max_images=2000, random_state=0).fit(pictures[:300]).save(root / "model")
        (root / "new").mkdir()
        for i, picture in enumerate(pictures[300:400]):
            Image.fromarray(picture).save(root / "new" / f"{i}.png")
        words = ["anomaly", "score", str(root / "new"), "--model", str(root / "model"), "--out", str(root / "s.csv")]
        record("startup", {"data": "anomaly score, 100 pictures of 32 px", "s": seconds(words, arguments.rounds)})


if __name__ == "__main__":
    main()
