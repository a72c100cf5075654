"""Anomaly detection side by side with what a user would have picked instead.

    python -m benchmarks.anomaly fashion   --seeds 0 1     one class normal, ten classes
    python -m benchmarks.anomaly textures  --seeds 0       defects of kinds never trained on
    python -m benchmarks.anomaly tables    --seeds 0 1 2   outlier tables
    python -m benchmarks.anomaly presets   --seeds 0       the presets "fast" and "thorough" beside the default
    python -m benchmarks.anomaly report                    writes RESULTS.md

Every figure is appended to results/<what>.jsonl as soon as it is known; what is there is not measured again.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks.datasets import FASHION_CLASSES, OutlierTable, fashion_mnist, outlier_tables, textures
from benchmarks.defects import texture_set
from benchmarks.records import Row, known, record

Detector = Callable[[int], Any]


def peers(names: list[str]) -> dict[str, Detector]:
    """PyOD's detectors with its defaults, by name; each is made from a seed where it takes one."""
    from pyod.models.iforest import IForest
    from pyod.models.knn import KNN
    from pyod.models.lof import LOF
    from pyod.models.ocsvm import OCSVM
    from pyod.models.pca import PCA

    makers: dict[str, Detector] = {
        "IForest": lambda seed: IForest(random_state=seed),
        "PCA": lambda seed: PCA(random_state=seed),
        "KNN": lambda seed: KNN(),
        "LOF": lambda seed: LOF(),
        "OCSVM": lambda seed: OCSVM(),
        "DeepSVDD": _deep_svdd,
        "AutoEncoder": _autoencoder,
        "ALAD": _alad,
    }
    return {name: makers[name] for name in names if name in makers}


def peers_of_pictures(names: list[str], shape: tuple[int, ...], seconds: float) -> dict[str, Detector]:
    """Them, and anomalib's GANomaly, which learns for so many seconds."""
    from benchmarks.ganomaly import Ganomaly

    asked = {GANOMALY: lambda seed: Ganomaly(shape, seconds, seed)} if GANOMALY in names else {}
    return {**peers(names), **asked}


def _deep_svdd(seed: int) -> Any:
    from pyod.models.deep_svdd import DeepSVDD

    return _FedWidth(lambda width: DeepSVDD(n_features=width, random_state=seed, verbose=0))


def _autoencoder(seed: int) -> Any:
    from pyod.models.auto_encoder import AutoEncoder

    return AutoEncoder(random_state=seed, verbose=0)


def _alad(seed: int) -> Any:
    from pyod.models.alad import ALAD

    return ALAD(device="cpu")


class _FedWidth:
    """A detector that wants to know the number of features before it is made."""

    def __init__(self, make: Callable[[int], Any]) -> None:
        self.make = make

    def fit(self, X: np.ndarray) -> Any:
        return self.make(X.shape[1]).fit(X)


GANOMALY = "Ganomaly"
_FASHION_SECONDS, _TEXTURE_SECONDS = 150, 320  # on one thread; 110 and 240 on two: what ours took and may take
ALL_PEERS = ["IForest", "PCA", "KNN", "LOF", "OCSVM", "DeepSVDD", "AutoEncoder", "ALAD", GANOMALY]


def fashion(seeds: list[int], names: list[str], download: bool) -> Iterator[Row]:
    """One class of Fashion-MNIST normal: 6,000 training pictures, all 10,000 test pictures."""
    data = fashion_mnist(download)
    flat = data.test.reshape(len(data.test), -1) / 255.0
    for seed in seeds:
        for label, name in enumerate(FASHION_CLASSES):
            train = data.train[data.train_labels == label]
            abnormal = data.test_labels != label
            key = {"data": name, "seed": seed}
            if not known("fashion", {**key, "method": "gantools"}):
                yield {**key, "method": "gantools", **_of_ours(train, data.test, abnormal, seed)[2]}
            for peer, make in peers_of_pictures(names, train.shape[1:], _FASHION_SECONDS).items():
                if not known("fashion", {**key, "method": peer}):
                    rows = train.reshape(len(train), -1) / 255.0
                    yield {**key, "method": peer, **measured(make(seed), rows, flat, abnormal)}


def presets(seeds: list[int], names: list[str], download: bool) -> Iterator[Row]:
    """The presets `fast` and `thorough` beside the default, in turns: small pictures, hard textures and all tables."""
    from gantools import configs

    for seed in seeds:
        for name, wanted, sets in _for_presets(seed, download):
            for preset in wanted:
                key = {"data": name, "seed": seed, "method": preset}
                if not known("presets", key):
                    settings = configs.read(preset, "anomaly")
                    rows = [_of_ours(*data, seed, **settings)[2] for data in sets]
                    columns = set.intersection(*(set(row) for row in rows))
                    yield {**key, **{c: float(np.mean([row[c] for row in rows])) for c in sorted(columns)}}


def _for_presets(seed: int, download: bool) -> Iterator[tuple[str, list[str], list[tuple[Any, Any, np.ndarray]]]]:
    """A name, the presets that suit, and one or several of what to learn from, what to judge, and what is abnormal."""
    data = fashion_mnist(download)
    for name in ("shirt", "T-shirt"):
        label = FASHION_CLASSES.index(name)
        train, abnormal = data.train[data.train_labels == label], data.test_labels != label
        yield name, ["default", "fast", "thorough"], [(train, data.test, abnormal)]
    for name in ("grass", "mud"):
        train, test, _, kinds = texture_set(textures()[name], seed)
        yield name, ["default", "thorough"], [(train, test, np.array(kinds) != "good")]
    sets = [_halved(table, seed) for table in outlier_tables(download)]
    yield f"{len(sets)} tables, mean", ["default", "thorough"], sets


def _of_ours(train: Any, test: Any, abnormal: np.ndarray, seed: int, **settings: Any) -> tuple[Any, np.ndarray, Row]:
    """Our detector, fitted; its scores of `test`; its figures, and each part's own."""
    from gantools import GanAnomalyDetector
    from gantools.metrics.anomaly import auroc, average_precision

    started = time.perf_counter()
    detector = GanAnomalyDetector(**settings, random_state=seed).fit(train)
    fitted = time.perf_counter()
    parts, _ = detector.part_scores(test)
    row = {"fit_s": fitted - started, "score_s": time.perf_counter() - fitted}
    scores = detector._fused(parts)
    row |= {"auroc": auroc(abnormal, scores), "ap": average_precision(abnormal, scores)}
    row |= {f"auroc_{p}": auroc(abnormal, detector.scales_[p](parts[:, i])) for i, p in enumerate(detector.parts_)}
    return detector, scores, row


def measured(detector: Any, train: np.ndarray, test: np.ndarray, abnormal: np.ndarray) -> Row:
    """A PyOD detector's figures."""
    from gantools.metrics.anomaly import auroc, average_precision

    started = time.perf_counter()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            detector = detector.fit(train)
            fitted = time.perf_counter()
            scores = np.nan_to_num(detector.decision_function(test))
    except Exception as error:  # a peer that fails is a result
        return {"failed": str(error)[:100]}
    seconds = {"fit_s": fitted - started, "score_s": time.perf_counter() - fitted}
    return {"auroc": auroc(abnormal, scores), "ap": average_precision(abnormal, scores), **seconds}


def texture(seeds: list[int], names: list[str], download: bool) -> Iterator[Row]:
    """Materials with defects: 60 good crops of 128 pixels to learn from, 40 good and 40 spoilt to judge."""
    from gantools.metrics.anomaly import aupro, auroc, pixel_auroc

    for seed in seeds:
        for name, material in textures().items():
            train, test, masks, kinds = texture_set(material, seed)
            abnormal = np.array(kinds) != "good"
            key = {"data": name, "seed": seed}
            if not known("textures", {**key, "method": "gantools"}):
                detector, scores, figures = _of_ours(train, test, abnormal, seed)
                maps = detector.anomaly_map(test)
                row = {**key, "method": "gantools", **figures}
                row |= {"pixel_auroc": pixel_auroc(list(masks), maps), "aupro": aupro(list(masks), maps)}
                for kind in sorted(set(kinds) - {"good"}):
                    shown = ~abnormal | (np.array(kinds) == kind)
                    row[f"auroc_{kind}"] = auroc(abnormal[shown], scores[shown])
                yield row
            for peer, make in peers_of_pictures(names, train.shape[1:], _TEXTURE_SECONDS).items():
                if not known("textures", {**key, "method": peer}):
                    rows = [pictures.reshape(len(pictures), -1) / 255.0 for pictures in (train, test)]
                    yield {**key, "method": peer, **measured(make(seed), rows[0], rows[1], abnormal)}


def tables(seeds: list[int], names: list[str], download: bool) -> Iterator[Row]:
    """Half of a table's normals to learn from; the other half and all outliers to judge.

    Peers get what they need: medians for missing numbers, standardised columns, one-hot categories. Ours gets
    the table as it is.
    """
    for table in outlier_tables(download):
        for seed in seeds:
            train, test, abnormal = _halved(table, seed)
            key = {"data": table.name, "seed": seed}
            if not known("tables", {**key, "method": "gantools"}):
                figures = _of_ours(train, test, abnormal, seed)[2]
                yield {**key, "method": "gantools", "rows": len(train), **figures}
            prepared = _preparation().fit(train)
            for peer, make in peers(names).items():
                if not known("tables", {**key, "method": peer}):
                    arrays = [np.asarray(prepared.transform(frame), dtype=float) for frame in (train, test)]
                    yield {**key, "method": peer, **measured(make(seed), arrays[0], arrays[1], abnormal)}


def _halved(table: OutlierTable, seed: int) -> tuple[Any, Any, np.ndarray]:
    """Half of a table's normals to learn from; the rest and all outliers to judge, and which of them are outliers."""
    normal = np.random.default_rng(seed).permutation(np.flatnonzero(~table.outlier))
    half = len(normal) // 2
    rows = [normal[:half], np.concatenate([normal[half:], np.flatnonzero(table.outlier)])]
    train, test = (table.features.iloc[r] for r in rows)
    return train, test, table.outlier[rows[1]]


def _preparation() -> Any:
    from sklearn.compose import make_column_selector, make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    texts = make_pipeline(
        SimpleImputer(strategy="constant", fill_value="missing"),
        OneHotEncoder(handle_unknown="ignore", sparse_output=False),
    )
    return make_column_transformer(
        (numbers, make_column_selector(dtype_include=np.number)),
        (texts, make_column_selector(dtype_exclude=np.number)),
    )


def main() -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["fashion", "textures", "tables", "presets", "report"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--peers", nargs="*", default=ALL_PEERS, choices=ALL_PEERS)
    parser.add_argument("--download", action="store_true", help="fetch data that is not on this machine")
    arguments = parser.parse_args()
    if arguments.what == "report":
        from benchmarks.report import write_report

        print(write_report())
        return
    run = {"fashion": fashion, "textures": texture, "tables": tables, "presets": presets}[arguments.what]
    for row in run(arguments.seeds, arguments.peers, arguments.download):
        record(arguments.what, row)


if __name__ == "__main__":
    main()
