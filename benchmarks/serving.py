"""A served model under load, beside the same model called directly, one picture after another.

    apt install wrk
    python -m benchmarks.serving --seconds 10 --rounds 3

Models are fitted for seconds only. In each round the model is called in a process of its own, and then asked by wrk
over 1, 8 and 64 connections, in turns. Rows are appended to results/serving.jsonl: requests a second that were
answered (200), their ratio to direct calls, the share told to come again later (429), other answers, milliseconds at
the median and the 99th percentile of all answers, and the megabytes that the server's processes hold before and after.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import multiprocessing
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from skimage import data
from sklearn.datasets import load_digits

from benchmarks.records import record
from gantools import GanAnomalyDetector, GanSuperResolver, load
from gantools.serve import answers

DIGITS = np.round(load_digits().images * 15.9375).astype(np.uint8)
COLOUR = [data.astronaut()[i : i + 128, j : j + 128] for i in range(0, 384, 128) for j in range(0, 384, 128)]
BRICK = [data.brick()[i : i + 128, j : j + 128] for i in range(0, 512, 128) for j in range(0, 512, 128)]
CONNECTIONS = (1, 8, 64)

_SCRIPT = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "multipart/form-data; boundary=gantools"
local file = io.open("{picture}", "rb")
wrk.body = "--gantools\\r\\nContent-Disposition: form-data; name=\\"picture\\"; filename=\\"p.png\\"\\r\\n" ..
  "Content-Type: image/png\\r\\n\\r\\n" .. file:read("*a") .. "\\r\\n--gantools--\\r\\n"
local threads = {{}}
function setup(thread) table.insert(threads, thread) end
function init() good, busy, other = 0, 0, 0 end
function response(status)
  if status == 200 then good = good + 1 elseif status == 429 then busy = busy + 1 else other = other + 1 end
end
function done(summary, latency)
  local g, b, o = 0, 0, 0
  for _, t in ipairs(threads) do g = g + t:get("good"); b = b + t:get("busy"); o = o + t:get("other") end
  io.write(string.format("FOUND %d %d %d %f %f %f %d\\n", g, b, o, summary.duration / 1e6,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, summary.errors.timeout))
end
"""

Task = tuple[Callable[[], Any], Callable[[Any, bytes], Any], str, np.ndarray]
TASKS: dict[str, Task] = {
    "anomalies, 8 px": (
        lambda: GanAnomalyDetector(max_images=2000, random_state=0).fit(DIGITS[:600]),
        answers.score,
        "/score",
        DIGITS[700],
    ),
    "anomalies, tiles, 128 px": (
        lambda: GanAnomalyDetector(view="tiles", max_images=64, random_state=0).fit(BRICK),
        answers.score,
        "/score",
        BRICK[3],
    ),
    "super-resolution x2, 128 px": (
        lambda: GanSuperResolver(scale=2, max_images=64, random_state=0).fit(COLOUR),
        partial(answers.upscale, perception=None),
        "/upscale",
        COLOUR[3],
    ),
}


@contextlib.contextmanager
def _serving(model: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    command = [sys.executable, "-m", "gantools", "serve", str(model), "--port", "0", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["url"], process
    finally:
        process.terminate()
        process.wait()


def _megabytes(server: int) -> float:
    """Held by a server's process and by those it began."""
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(server)], capture_output=True, text=True, check=True)
    pages = [Path(f"/proc/{pid}/statm").read_text().split()[1] for pid in (server, *listed.stdout.split())]
    return sum(map(int, pages)) * 4096 / 1e6


def _direct(name: str, model: Path, picture: bytes, seconds: float) -> float:
    """Answers a second of a model that is called directly, in a process that has done nothing else."""
    answer = TASKS[name][1]
    mine = answers.ready(load(model, "cpu"), 16)
    answer(mine, picture)
    began, n = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        answer(mine, picture)
        n += 1
    return n / (time.perf_counter() - began)


def _loaded(url: str, script: Path, connections: int, seconds: float) -> dict[str, float]:
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "--timeout", "60s", "-s", str(script), url]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"FOUND (\d+) (\d+) (\d+) (\S+) (\S+) (\S+) (\d+)", told)
    assert found is not None, told
    good, busy, other, took, median, slowest, late = map(float, found.groups())
    told_later = busy / max(good + busy, 1)
    return {
        "per_s": good / took,
        "told later": told_later,
        "other": other + late,
        "median ms": median,
        "99 % ms": slowest,
    }


def main() -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    for name, (fitted, _, path, pixels) in TASKS.items():
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, "PNG")
        picture = stream.getvalue()
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            fitted().save(place / "model")
            (place / "picture.png").write_bytes(picture)
            (place / "load.lua").write_text(_SCRIPT.format(picture=place / "picture.png"))
            context = multiprocessing.get_context("spawn")
            with _serving(place / "model") as (url, process), ProcessPoolExecutor(1, context) as other:
                _loaded(url + path, place / "load.lua", 1, 1)
                before = _megabytes(process.pid)
                rounds: list[tuple[float, dict[int, dict[str, float]]]] = []
                for _ in range(arguments.rounds):
                    direct = other.submit(_direct, name, place / "model", picture, arguments.seconds).result()
                    served = {c: _loaded(url + path, place / "load.lua", c, arguments.seconds) for c in CONNECTIONS}
                    rounds.append((direct, served))
                with urllib.request.urlopen(url + "/health") as health:
                    restarts = json.load(health)["restarts"]
                after = _megabytes(process.pid)
        for c in CONNECTIONS:
            middle = {key: statistics.median(s[c][key] for _, s in rounds) for key in rounds[0][1][c]}
            ratio = statistics.median(s[c]["per_s"] / d for d, s in rounds)
            row = {"data": name, "connections": c, **middle, "ratio": ratio, "restarts": restarts}
            record("serving", {**row, "MB before": before, "MB after": after})


if __name__ == "__main__":
    main()
