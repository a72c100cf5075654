"""The data that benchmarks run on: found on this machine, or downloaded the usual way when asked.

Offline, Debian's packages carry what is needed: `dataset-fashion-mnist`, `r-cran-mlbench` (read with rdata)
and `openarena-081-textures`; scikit-learn and scikit-image carry the rest. With `download=True` Fashion-MNIST
comes through torchvision and the tables through OpenML.

    python -m benchmarks.datasets lines DIR          OpenMoji: DIR/LINES and DIR/COLOURS, paired by name, 64 pixels, and
                                                     of other subgroups DIR/NEW_DRAWINGS and DIR/NEW_COLOURS
    python -m benchmarks.datasets photographs DIR    DIR/COLOUR_PHOTOGRAPHS; of others, DIR/OTHER_PHOTOGRAPHS, and the
                                                     same in gray, DIR/OLD_PHOTOGRAPHS
    python -m benchmarks.datasets trousers DIR       Fashion-MNIST's: DIR/TROUSERS to learn from, and DIR/CLOTHES, with
                                                     subfolders good (other trousers) and else (of all other kinds)
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from PIL import Image
from sklearn import datasets as sklearn_datasets

FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")
MLBENCH = Path("/usr/lib/R/site-library/mlbench/data")
OPENARENA = Path("/usr/share/games/openarena/baseoa/pak4-textures.pk3")
FASHION_CLASSES = (
    "T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot",
)  # fmt: skip


class Pictures(NamedTuple):
    """A classification set: pictures uint8 (N, H, W), labels int (N,)."""

    train: np.ndarray
    train_labels: np.ndarray
    test: np.ndarray
    test_labels: np.ndarray


def fashion_mnist(download: bool = False) -> Pictures:
    """60,000 training and 10,000 test pictures of 28 x 28 (Xiao et al. 2017)."""
    if FASHION_MNIST.exists():

        def idx(name: str, header: int) -> np.ndarray:
            return np.frombuffer(gzip.decompress((FASHION_MNIST / name).read_bytes()), np.uint8, offset=header)

        return Pictures(
            idx("train-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28),
            idx("train-labels-idx1-ubyte.gz", 8).astype(int),
            idx("t10k-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28),
            idx("t10k-labels-idx1-ubyte.gz", 8).astype(int),
        )
    if not download:
        raise SystemExit("Fashion-MNIST is not here: install dataset-fashion-mnist, or pass --download")
    from torchvision.datasets import FashionMNIST

    parts = [FashionMNIST("~/.cache/gantools", train=train, download=True) for train in (True, False)]
    return Pictures(*(array for p in parts for array in (p.data.numpy(), p.targets.numpy())))


class OutlierTable(NamedTuple):
    """A feature table and which of its rows are outliers."""

    name: str
    features: pd.DataFrame
    outlier: np.ndarray


def _mlbench(name: str) -> pd.DataFrame:
    import rdata

    if not MLBENCH.exists():
        raise SystemExit("the outlier tables are not here: install r-cran-mlbench, or pass --download")
    return next(iter(rdata.read_rda(str(MLBENCH / f"{name}.rda")).values()))


def _openml(name: str) -> pd.DataFrame:
    names = {"BreastCancer": "breast-w", "Glass": "glass", "Ionosphere": "ionosphere", "Satellite": "satimage",
             "PimaIndiansDiabetes2": "diabetes", "Shuttle": "shuttle", "Sonar": "sonar", "Vehicle": "vehicle",
             "Vowel": "vowel", "LetterRecognition": "letter", "Soybean": "soybean", "HouseVotes84": "vote",
             "Zoo": "zoo", "DNA": "splice"}  # fmt: skip
    return sklearn_datasets.fetch_openml(names[name], version=1, as_frame=True).frame


def _reader(download: bool) -> Callable[[str], pd.DataFrame]:
    return _openml if download and not MLBENCH.exists() else _mlbench


# The target's column, and which of its values are normal; rows of other values are the outliers.
_TABLES: dict[str, tuple[str, tuple[str, ...]]] = {
    "BreastCancer": ("Class", ("benign",)),
    "Glass": ("Type", ("1", "2", "3")),
    "Ionosphere": ("Class", ("good",)),
    "PimaIndiansDiabetes2": ("diabetes", ("neg",)),
    "Satellite": ("classes", ("red soil", "very damp grey soil", "grey soil")),
    "Shuttle": ("Class", ("Rad.Flow",)),
    "Sonar": ("Class", ("M",)),
    "Vehicle": ("Class", ("bus", "saab", "opel")),
    "Vowel": ("Class", ("hid", "hId", "hEd")),
    "LetterRecognition": ("lettr", ("A", "B", "C")),
    "Soybean": ("Class", ("brown-spot", "alternarialeaf-spot", "frog-eye-leaf-spot")),
    "HouseVotes84": ("Class", ("democrat",)),
    "Zoo": ("type", ("mammal",)),
    "DNA": ("Class", ("n",)),
}
_DROPPED_COLUMNS = {"BreastCancer": ["Id"]}
_MOST_ROWS = 6000


def outlier_tables(download: bool = False, seed: int = 0) -> list[OutlierTable]:
    """Seventeen tables: a class, or some, are the normals and the others the outliers.

    Numbers that R calls factors of numbers (Wisconsin's 1 to 10) become numbers; true categories and missing
    values stay. Tables of more than 6,000 rows are cut to so many, at random from `seed`.
    """
    tables = []
    read = _reader(download)
    for name, (target, normal) in _TABLES.items():
        frame = read(name)
        if len(frame) > _MOST_ROWS:
            frame = frame.sample(_MOST_ROWS, random_state=seed)
        outlier = ~frame[target].astype(str).isin(normal).to_numpy()
        features = frame.drop(columns=[target, *_DROPPED_COLUMNS.get(name, [])]).reset_index(drop=True)
        tables.append(OutlierTable(name, features.apply(_numeric_where_possible), outlier))
    for name, load, normal_classes in (
        ("wine", sklearn_datasets.load_wine, (0, 1)),
        ("wdbc", sklearn_datasets.load_breast_cancer, (1,)),
        ("digits", sklearn_datasets.load_digits, (1, 2, 3)),
    ):
        bunch = load(as_frame=True)
        outlier = ~bunch.target.isin(normal_classes).to_numpy()
        tables.append(OutlierTable(name, bunch.data, outlier))
    return tables


_CLASS_TABLES = ("Vehicle", "Satellite", "Vowel", "Glass", "BreastCancer", "Soybean")


def class_tables(download: bool = False) -> list[tuple[str, pd.DataFrame, np.ndarray]]:
    """Tables whose classes have 24 whole rows or more each: name, features, and classes from 0."""
    read = _reader(download)
    found = []
    for name in _CLASS_TABLES:
        frame, target = read(name).dropna(), _TABLES[name][0]
        kept = frame[frame.groupby(target, observed=True)[target].transform("size") >= _FEWEST_OF_CLASS]
        labels = np.unique(kept[target].astype(str), return_inverse=True)[1]
        features = kept.drop(columns=[target, *_DROPPED_COLUMNS.get(name, [])]).reset_index(drop=True)
        found.append((name, features.apply(_numeric_where_possible), labels))
    for name, load in (("wine", sklearn_datasets.load_wine), ("wdbc", sklearn_datasets.load_breast_cancer)):
        bunch = load(as_frame=True)
        found.append((name, bunch.data, bunch.target.to_numpy()))
    return found


_FEWEST_OF_CLASS = 24


def _numeric_where_possible(column: pd.Series) -> pd.Series:
    if column.dtype.kind in "bf" or str(column.dtype) in ("boolean", "Int32"):
        return column.astype(float)
    try:
        return column.astype(object).where(column.notna(), np.nan).astype(float)
    except (ValueError, TypeError):
        return column.astype(object)


def textures() -> dict[str, np.ndarray]:
    """Pictures of one material each, uint8 (H, W) or (H, W, 3), at least 512 pixels a side."""
    import skimage.data

    found = {name: getattr(skimage.data, name)() for name in ("brick", "grass", "gravel")}
    if not OPENARENA.exists():
        return found
    with zipfile.ZipFile(OPENARENA) as archive:
        for name, path in _OPENARENA_TEXTURES.items():
            found[name] = np.asarray(Image.open(io.BytesIO(archive.read(path))).convert("RGB"))
    return found


_OPENARENA_TEXTURES = {
    "floor plate": "textures/base_floor/clang_floor512.jpg",
    "mud": "textures/acc_dm5/mud02b.jpg",
    "scratched": "textures/clown/scratch_base.jpg",
    "steel": "textures/clown/steel_b.jpg",
    "sand": "textures/cosmo_floor/sand02.jpg",
    "wall grid": "textures/base_wall/metalfloor_wall_11.jpg",
    "rust": "textures/gothic_trim/pitted_rust2.jpg",
    "tin floor": "textures/proto2/tin_floor03.jpg",
}


class Photographs(NamedTuple):
    """Photographs by name, uint8 (H, W, 3), of which none is in both."""

    train: dict[str, np.ndarray]
    test: dict[str, np.ndarray]


def photographs() -> Photographs:
    """Forty photographs to learn from and twelve, of other sources or makers, to judge by.

    Those to learn from come with MATE, Lomiri, Plasma and OpenCV; those to judge by with scikit-image, scikit-learn and
    Lomiri. JPEGs are halved, and halved again until their longer side is at most 1,400 pixels, to shed their noise.
    """
    import skimage.data

    for folder in (MATE, LOMIRI, PLASMA, OPENCV):
        if not folder.exists():
            raise SystemExit(
                f"{folder} is not here: install mate-backgrounds, lomiri-wallpapers-16.04, lomiri-wallpapers-20.04, "
                "plasma-workspace-wallpapers and opencv-doc"
            )
    train = {path.stem: halved(Image.open(path)) for path in sorted(MATE.glob("*.jpg"))}
    for name in ("BytheWater", "ColdRipple", "ColorfulCups", "FallenLeaf"):
        train[name] = halved(Image.open(PLASMA / name / "contents/images/2560x1600.jpg"))
    for name in _OPENCV_TRAIN:
        picture = Image.open(OPENCV / name)
        train[name] = np.asarray(picture) if name.endswith(".png") else halved(picture)
    test = {name: getattr(skimage.data, name)() for name in ("astronaut", "chelsea", "coffee")}
    test["motorcycle"] = skimage.data.stereo_motorcycle()[0]
    test["rocket"] = halved(Image.fromarray(skimage.data.rocket()))
    for name, picture in zip(("china", "flower"), sklearn_datasets.load_sample_images().images, strict=True):
        test[name] = halved(Image.fromarray(picture))
    for path in sorted(LOMIRI.glob("*_by_*.jpg")):
        name = path.stem.split("_by_")[0]
        if name in _LOMIRI_TRAIN:
            train[name] = halved(Image.open(path))
        elif name in _LOMIRI_TEST:
            test[name] = halved(Image.open(path))
    return Photographs(train, test)


MATE = Path("/usr/share/backgrounds/mate/nature")
LOMIRI = Path("/usr/share/backgrounds")
PLASMA = Path("/usr/share/wallpapers")
OPENCV = Path("/usr/share/doc/opencv-doc/examples")
_LONGEST = 1400
_LOMIRI_TRAIN = (
    "Dragonfly", "Kleiber", "Picture_0B", "Wine", "aitzgorri", "free", "greentock", "seeding", "sunset",
)  # fmt: skip
_OPENCV_TRAIN = (
    "data/aero1.jpg", "data/aloeL.jpg", "data/baboon.jpg", "data/board.jpg", "data/building.jpg", "data/butterfly.jpg",
    "data/ela_original.jpg", "data/fruits.jpg", "data/graf1.png", "data/leuvenA.jpg", "data/rubberwhale1.png",
    "data/squirrel_cls.jpg", "text/scenetext02.jpg", "text/scenetext04.jpg", "text/scenetext05.jpg",
)  # fmt: skip
_LOMIRI_TEST = ("Bridge", "Picture_1A", "friends", "life", "picosdeeuropa")


def halved(image: Image.Image) -> np.ndarray:
    """A photograph at half its size or less, without the noise and the blocks of its JPEG."""
    factor = 2
    while max(image.size) / factor > _LONGEST:
        factor *= 2
    return np.asarray(image.convert("RGB").reduce(factor))


class Kind(NamedTuple):
    """Pictures of one kind, to learn from and to judge by, uint8 (H, W, 3)."""

    train: list[np.ndarray]
    test: list[np.ndarray]


def emoji(side: int = 144, n_train: int = 200, n_test: int = 40, seed: int = 0) -> Kind:
    """OpenMoji in colour (CC BY-SA 4.0), without variants of skin, on white, drawn from the SVG files by resvg."""
    folder = _openmoji()
    listed = json.loads((folder / "data/openmoji.json").read_text(encoding="utf-8"))
    codes = sorted(e["hexcode"] for e in listed if not e["skintone"])
    paths = [path for path in (folder / f"color/svg/{code}.svg" for code in codes) if path.exists()]
    chosen = np.random.default_rng(seed).choice(len(paths), n_train + n_test, replace=False)
    pictures = [_drawn(paths[i], side) for i in chosen]
    return Kind(pictures[:n_train], pictures[n_train:])


EMOJI_GROUPS = ("flags", "animals-nature", "food-drink", "objects", "smileys-emotion", "travel-places")


def emoji_groups(side: int = 64, n_train: int = 60, seed: int = 0) -> Pictures:
    """Six groups of OpenMoji without variants of skin; so many of each to learn from, the others to judge by."""
    folder = _openmoji()
    listed = json.loads((folder / "data/openmoji.json").read_text(encoding="utf-8"))
    rng = np.random.default_rng(seed)
    train: list[np.ndarray] = []
    test: list[np.ndarray] = []
    labels: tuple[list[int], list[int]] = ([], [])
    for c, group in enumerate(EMOJI_GROUPS):
        codes = sorted(e["hexcode"] for e in listed if e["group"] == group and not e["skintone"])
        paths = [p for p in (folder / f"color/svg/{code}.svg" for code in codes) if p.exists()]
        shuffled = [paths[i] for i in rng.permutation(len(paths))][: 2 * n_train]
        drawn = [_drawn(path, side) for path in shuffled]
        train += drawn[:n_train]
        test += drawn[n_train:]
        labels[0].extend([c] * len(drawn[:n_train]))
        labels[1].extend([c] * len(drawn[n_train:]))
    return Pictures(np.stack(train), np.asarray(labels[0]), np.stack(test), np.asarray(labels[1]))


def _openmoji() -> Path:
    folder = Path(os.environ.get("GANTOOLS_OPENMOJI", "~/.cache/gantools/openmoji/package")).expanduser()
    if not folder.exists():
        raise SystemExit(
            f"{folder} is not here: `npm pack openmoji`, unpack it into ~/.cache/gantools/openmoji, or set "
            "GANTOOLS_OPENMOJI to where it is"
        )
    return folder


def _drawn(path: Path, side: int) -> np.ndarray:
    try:
        import resvg_py
    except ImportError:
        raise SystemExit("OpenMoji is drawn by resvg, which is not installed: pip install -e '.[bench]'") from None
    png = resvg_py.svg_to_bytes(svg_path=str(path), width=side, height=side, background="#ffffff")
    return np.asarray(Image.open(io.BytesIO(bytes(png))).convert("RGB"))


def game_textures(n_test: int = 20, seed: int = 0) -> Kind:
    """OpenArena's wall and floor textures of at least 256 pixels a side."""
    if not OPENARENA.exists():
        raise SystemExit(f"{OPENARENA} is not here: install openarena-081-textures")
    found = []
    with zipfile.ZipFile(OPENARENA) as archive:
        for name in sorted(archive.namelist()):
            if name.lower().endswith(".jpg") and name.split("/")[1] in ("base_wall", "base_floor", "gothic_wall"):
                picture = Image.open(io.BytesIO(archive.read(name)))
                if min(picture.size) >= 256:
                    found.append(np.asarray(picture.convert("RGB")))
    order = np.random.default_rng(seed).permutation(len(found))
    return Kind([found[i] for i in order[n_test:]], [found[i] for i in order[:n_test]])


def clothes(n_train: int = 1000, n_test: int = 100) -> Kind:
    """Fashion-MNIST, 28 pixels, as pictures of one kind."""
    data = fashion_mnist()
    coloured = [np.repeat(p[..., None], 3, 2) for p in (data.train[:n_train], data.test[:n_test])]
    return Kind(list(coloured[0]), list(coloured[1]))


class Pairs(NamedTuple):
    """Sources and their targets to learn from, and to judge by, uint8 (N, H, W) or (N, H, W, 3)."""

    sources: np.ndarray
    targets: np.ndarray
    test_sources: np.ndarray
    test_targets: np.ndarray


def emoji_lines(side: int = 64, n_test: int = 225, seed: int = 0) -> Pairs:
    """OpenMoji's black lines and colour pictures, without variants of skin; whole subgroups are held out."""
    folder = _openmoji()
    listed = json.loads((folder / "data/openmoji.json").read_text(encoding="utf-8"))
    drawn = [
        e
        for e in listed
        if not e["skintone"] and all((folder / kind / "svg" / f"{e['hexcode']}.svg").exists() for kind in _EMOJI_KINDS)
    ]
    subgroups = sorted({e["subgroups"] for e in drawn})
    held: set[str] = set()
    for i in np.random.default_rng(seed).permutation(len(subgroups)):
        if sum(e["subgroups"] in held for e in drawn) >= n_test:
            break
        if sum(e["subgroups"] == subgroups[i] for e in drawn) <= _LARGEST_SUBGROUP:
            held.add(subgroups[i])
    parts = []
    for wanted in (False, True):
        for kind in _EMOJI_KINDS:
            paths = [folder / kind / "svg" / f"{e['hexcode']}.svg" for e in drawn if (e["subgroups"] in held) == wanted]
            pictures = np.stack([_drawn(path, side) for path in paths])
            parts.append(pictures[..., 0] if kind == "black" else pictures)
    return Pairs(*parts)


_EMOJI_KINDS = ("black", "color")
_LARGEST_SUBGROUP = 80


def photograph_crops(
    side: int, per_picture: int = 40, seed: int = 0, halves: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Square parts of the photographs, to learn from and to judge by: uint8 (N, side, side, 3).

    Each is between all of the shorter side and two fifths of it, reduced to `side` pixels. With `halves`, the left
    halves of all photographs are to learn from and their right halves to judge by.
    """
    found = photographs()
    if halves:
        parts = {name: np.array_split(p, 2, axis=1) for name, p in {**found.train, **found.test}.items()}
        found = Photographs(*({name: both[i] for name, both in parts.items()} for i in (0, 1)))
    rng = np.random.default_rng(seed)
    crops = []
    for pictures in (found.train, found.test):
        part = []
        for picture in pictures.values():
            for _ in range(per_picture):
                size = round(min(picture.shape[:2]) * rng.uniform(0.4, 1.0))
                top, left = (int(rng.integers(length - size + 1)) for length in picture.shape[:2])
                crop = Image.fromarray(picture[top : top + size, left : left + size])
                part.append(np.asarray(crop.resize((side, side), Image.Resampling.BICUBIC)))
        crops.append(np.stack(part))
    return crops[0], crops[1]


def trousers(kind: int = 1, n: int = 1000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fashion-MNIST's trousers to learn from, others to judge by, and as many clothes of all other kinds."""
    found = fashion_mnist()
    others = found.test[found.test_labels != kind]
    learnt, good = found.train[found.train_labels == kind], found.test[found.test_labels == kind]
    return learnt, good[:n], others[:: len(others) // n][:n]


def _numbered(pictures: np.ndarray) -> dict[str, np.ndarray]:
    return {f"{i:04}": picture for i, picture in enumerate(pictures)}


def _written(folder: Path, pictures: dict[str, np.ndarray]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, picture in pictures.items():
        Image.fromarray(picture).save(folder / f"{name}.png")


def main() -> None:
    """Write data as folders of PNG files, for use from the shell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["lines", "photographs", "trousers"])
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    if given.what == "photographs":
        found = photographs()
        learnt = {Path(name).stem: picture for name, picture in found.train.items()}
        _written(given.folder / "COLOUR_PHOTOGRAPHS", learnt)
        _written(given.folder / "OTHER_PHOTOGRAPHS", found.test)
        gray = {name: np.asarray(Image.fromarray(picture).convert("L")) for name, picture in found.test.items()}
        _written(given.folder / "OLD_PHOTOGRAPHS", gray)
        return
    if given.what == "trousers":
        parts = dict(zip(("TROUSERS", "CLOTHES/good", "CLOTHES/else"), trousers(), strict=True))
    else:
        parts = dict(zip(("LINES", "COLOURS", "NEW_DRAWINGS", "NEW_COLOURS"), emoji_lines(), strict=True))
    for part, pictures in parts.items():
        _written(given.folder / part, _numbered(pictures))


if __name__ == "__main__":
    main()
