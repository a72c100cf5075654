"""Super-resolution on real photographs, beside interpolation and the models others ship.

    python -m benchmarks.superres photographs --scale 4 --seeds 0 --peers    ours, bicubic and Lanczos
    python -m benchmarks.superres photographs --scale 4 --seeds 0            and the peers of superres_peers.py
    python -m benchmarks.superres kinds                                      what learning one's own kind brings
    python -m benchmarks.superres spoilt                                     the picture in docs/super-resolution.md

Ours learns from forty photographs and is judged, like every peer, by twelve others. Figures are appended to
results/superres.jsonl, a line for each picture; what is there is not measured again. PSNR and SSIM are of the luma of
rounded pictures without a border of `scale` pixels. Low pictures are antialiased bicubic reductions, in eight bits.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.datasets import clothes, emoji, game_textures, photographs
from benchmarks.records import RESULTS, Row, known, record
from benchmarks.superres_peers import PEERS, available, niqe, upscaled
from gantools import GanSuperResolver, configs
from gantools.data.planes import from_signed, to_signed
from gantools.data.resize import cropped, reduced
from gantools.metrics.pictures import detail_by_place
from gantools.pipelines.superres.examples import Example
from gantools.pipelines.superres.figures import interpolations, measured, sheet


def examples(pictures: dict[str, np.ndarray], scale: int) -> list[Example]:
    """Pictures to judge by, cut to whole multiples of the scale, and reduced."""
    found = []
    for name, picture in pictures.items():
        planes = cropped(to_signed(picture), scale)
        low = from_signed(reduced(planes[None], scale)[0], np.dtype(np.uint8))
        found.append(Example(name, low, from_signed(planes, np.dtype(np.uint8))))
    return found


def judged(key: Row, judges: list[Example], results: dict[str, tuple[np.ndarray, float]], scale: int) -> Iterator[Row]:
    """A row for each picture: distances to the truth, naturalness, and how fast it was made."""
    for example in judges:
        picture, seconds = results[example.name]

        def made(low: np.ndarray, found: np.ndarray = picture) -> np.ndarray:
            return found

        figures = measured([example], {"it": made}, scale).iloc[0]
        row = {**key, "picture": example.name, "psnr": figures["psnr"], "ssim": figures["ssim"]}
        row |= {"perceptual": figures["perceptual"], "niqe": _niqe(picture), "pattern": _pattern(picture, scale)}
        yield row | {"megapixels_per_s": picture.shape[0] * picture.shape[1] / 1e6 / seconds}


def _pattern(picture: np.ndarray, scale: int) -> float:
    """How unevenly detail lies on the pixels that a small one becomes: the deviation of the places from their mean."""
    return float(detail_by_place(to_signed(picture)[None], scale).std(correction=0))


def _niqe(picture: np.ndarray) -> float:
    try:
        return niqe(picture)
    except ValueError:  # smaller than two of its blocks
        return float("nan")


def timed(enlarge: Any, judges: list[Example]) -> dict[str, tuple[np.ndarray, float]]:
    """Every example enlarged, with seconds; the first is done twice, to warm up."""
    enlarge(judges[0].low)
    results = {}
    for example in judges:
        started = time.perf_counter()
        picture = enlarge(example.low)
        results[example.name] = (picture, time.perf_counter() - started)
    return results


def on_photographs(scale: int, seeds: list[int], peers: list[str], preset: str) -> Iterator[Row]:
    """Ours at both ends of `perception`, interpolation, the peers and the truth, on twelve photographs."""
    sets = photographs()
    judges = examples(sets.test, scale)
    for seed in seeds:
        key = {"data": "photographs", "scale": scale, "seed": seed, "preset": preset}
        if known("superres", {**key, "method": "gantools, perception 0"}):
            continue
        settings = {**configs.read(preset, "sr"), "scale": scale}
        started = time.perf_counter()
        resolver = GanSuperResolver(**settings, random_state=seed, holdout=0.0, verbose=1)
        resolver.fit(list(sets.train.values()))
        fitted = {"fit_s": time.perf_counter() - started, "threads": torch.get_num_threads()}
        for perception, flips in ((0.0, False), (0.0, True), (0.5, False), (1.0, False)):
            method = f"gantools, perception {perception:g}{', --tta' if flips else ''}"
            enlarger = resolver.set_params(tta=flips).enlarger(perception)
            results = timed(partial(resolver.enlarge, enlarger=enlarger), judges)
            yield from judged({**key, **fitted, "method": method}, judges, results, scale)
        resolver.set_params(tta=False)
        _write_sheet(resolver, judges, RESULTS / f"superres-x{scale}.jpg")
    fixed = {"data": "photographs", "scale": scale}
    for method in ("bicubic", "lanczos", "truth"):
        if not known("superres", {**fixed, "method": method}):
            if method == "truth":
                results = {e.name: (e.high, float("nan")) for e in judges}
            else:
                results = timed(interpolations(scale)[method], judges)
            yield from judged({**fixed, "method": method}, judges, results, scale)
    for peer in peers:
        if available(peer, scale) and not known("superres", {**fixed, "method": peer}):
            with tempfile.TemporaryDirectory() as folder:
                results = upscaled(peer, scale, {e.name: e.low for e in judges}, Path(folder))
            yield from judged({**fixed, "method": peer}, judges, results, scale)


def on_kinds(scale: int, seeds: list[int]) -> Iterator[Row]:
    """What learning one's own kind brings: each kind of picture by a model of photographs and by one of that kind."""
    for seed in seeds:
        sets: dict[str, list[np.ndarray]] = {"photographs": list(photographs().train.values())}
        judges: dict[str, list[Example]] = {}
        for kind, load in (("emoji", emoji), ("clothes", clothes), ("game textures", game_textures)):
            data = load()
            sets[kind] = data.train
            judges[kind] = examples({f"{kind} {i}": p for i, p in enumerate(data.test)}, scale)
        for learnt, pictures in sets.items():
            method = f"gantools, of {learnt}"
            if known("superres", {"scale": scale, "seed": seed, "method": method}):
                continue
            resolver = GanSuperResolver(
                scale, max_images=60_000, adversarial_share=0.0, random_state=seed, holdout=0.0, verbose=1
            )
            resolver.fit(pictures)
            for kind in [k for k in judges if learnt in (k, "photographs")]:
                key = {"data": kind, "scale": scale, "seed": seed, "method": method}
                yield from judged(key, judges[kind], timed(resolver.enlarge, judges[kind]), scale)
        for kind, some in judges.items():
            key = {"data": kind, "scale": scale, "method": "bicubic"}
            if not known("superres", key):
                yield from judged(key, some, timed(interpolations(scale)["bicubic"], some), scale)


def _write_sheet(resolver: GanSuperResolver, judges: list[Example], path: Path) -> None:
    from gantools.data.keep import Kept, write_kept

    shown = [e for e in judges if e.name in ("astronaut", "chelsea", "coffee", "motorcycle", "friends")]
    write_kept(path, Kept(sheet(shown, resolver.methods(both_ends=True), resolver.scale_)))


def show_spoilt(path: Path) -> None:
    """A piece of a photograph, its clean reduction, and four of the ways `degradation="real"` spoils it."""
    from gantools.data.degrade import Degradation
    from gantools.data.keep import Kept, write_kept

    high = to_signed(photographs().test["coffee"][100:260, 180:340])
    degradation = Degradation(4)
    lows = [reduced(high[None], 4)[0], *(degradation(high, np.random.default_rng(i)) for i in range(4))]
    shown = [high, *(low.repeat_interleave(4, 1).repeat_interleave(4, 2) for low in lows)]
    write_kept(path, Kept(from_signed(torch.cat(shown, 2), np.dtype(np.uint8))))


def main() -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["photographs", "kinds", "spoilt"])
    parser.add_argument("--scale", type=int, default=4)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--preset", default="cpu-thorough")
    parser.add_argument("--peers", nargs="*", default=list(PEERS), choices=list(PEERS))
    arguments = parser.parse_args()
    if arguments.what == "spoilt":
        show_spoilt(RESULTS.parent.parent / "docs/spoilt.jpg")
        return
    if arguments.what == "kinds":
        rows = on_kinds(arguments.scale, arguments.seeds)
    else:
        rows = on_photographs(arguments.scale, arguments.seeds, arguments.peers, arguments.preset)
    for row in rows:
        record("superres", row)


if __name__ == "__main__":
    main()
