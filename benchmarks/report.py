"""RESULTS.md, from the figures in results/."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pandas as pd

from benchmarks.records import HERE, rows_of
from gantools.pipelines.augment.usefulness import paired, verdicts

_PREAMBLE = """# Results

Measured on 2 shared CPU cores, without a GPU. Every figure of the tables is in `results/*.jsonl`; the
notes tell of single trials besides. The commands are at the top of the modules in `benchmarks/`; this file is made by
`python -m benchmarks.anomaly report`. AUROC, higher is better. The best of a row is bold. Seconds are of a noisy
machine, sometimes with other work beside: compare within a row only.
"""

_NOTES = HERE / "results" / "notes.md"


def _pivot(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    return frame.pivot_table(index="data", columns="method", values=column, aggfunc="mean", sort=False)


def _markdown(table: pd.DataFrame, digits: int = 3, bold: bool = True) -> str:
    lines = ["| | " + " | ".join(map(str, table.columns)) + " |", "|---" * (len(table.columns) + 1) + "|"]
    for name, row in table.iterrows():
        best = row.max()
        cells = ["–" if pd.isna(v) else f"{v:.{digits}f}" for v in row]
        cells = [f"**{c}**" if bold and v == best else c for c, v in zip(cells, row, strict=True)]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _with_mean(table: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([table, table.mean().to_frame("mean").T])


def _section(title: str, what: str, extra: list[str]) -> str:
    frame = pd.DataFrame(rows_of(what))
    if frame.empty:
        return ""
    seeds = ", ".join(map(str, sorted(frame[frame["method"] == "gantools"]["seed"].unique())))
    table = _pivot(frame.dropna(subset=["auroc"]), "auroc")
    text = [f"## {title}", "", f"Seeds of gantools: {seeds}.", "", _markdown(_with_mean(table)), ""]
    if len(table.columns) > 1:
        ranks = table.rank(axis=1, ascending=False).mean().to_frame("mean rank (low is good)").T
        text += [_markdown(ranks, 2, bold=False), ""]
    ours = frame[frame["method"] == "gantools"]
    columns = [c for c in extra if c in ours] + [str(c) for c in ours if str(c).startswith("auroc_")]
    parts = ours.groupby("data", sort=False)[[*columns, "fit_s", "score_s"]].mean()
    text += ["What gantools' figure is made of:", "", _markdown(_with_mean(parts), 3, bold=False), ""]
    return "\n".join(text)


def _health() -> str:
    frame = pd.DataFrame(rows_of("health"))
    if frame.empty:
        return ""
    seeds = ", ".join(map(str, sorted(frame["seed"].unique())))
    counts = frame.groupby("data", sort=False)["seed"].nunique()
    fewer = "".join(f" ({name}: {n} of them)" for name, n in counts.items() if n < counts.max())
    columns = []
    for figure in ("frechet", "coverage"):
        grouped = frame.groupby(["data", "method"], sort=False)[figure]
        columns.append(grouped.agg(["mean", "min", "max"]).round(2).astype(str).agg(_with_range, axis=1).unstack())
    names = {"watch": "watched", "auto": "balanced"}
    table = pd.concat(
        [
            c[list(names)].rename(columns={method: f"{f}, {word}" for method, word in names.items()})
            for c, f in zip(columns, _HEALTH, strict=True)
        ],
        axis=1,
    )
    lines = ["| | " + " | ".join(table.columns) + " |", "|---" * (len(table.columns) + 1) + "|"]
    lines += [f"| {name} | " + " | ".join(row) + " |" for name, row in table.iterrows()]
    return "\n".join(
        [
            *_HEALTH_TEXT,
            f"Seeds: {seeds}{fewer}; mean, and lowest to highest.",
            "",
            *lines,
            "",
            "![wins, spread and rates over training, seed 0](results/health.png)",
            "",
            "Blue is how often the discriminator wins, orange the spread of the fakes beside the reals', gray and",
            "red the factors on the players' rates (`python -m benchmarks.health --plot`).",
            "",
        ]
    )


_HEALTH = ("Fréchet distance", "coverage")
_HEALTH_TEXT = (
    "## Games broken on purpose, watched only and with balance='auto'",
    "",
    "Digits of 8 pixels, a DCGAN, 300,000 images seen (1.2 million of the hundred pictures); Fréchet distance (low is",
    "good) and coverage (high is good) in pixels, against 897 digits never trained on (`python -m benchmarks.health`).",
    "Where both columns are the same the balance found nothing to do, and the games are the same to the bit.",
    "",
)


def _with_range(row: pd.Series) -> str:
    return f"{row['mean']} ({row['min']} to {row['max']})"


def _superres() -> str:
    """A table for each scale: means over the photographs, methods from the nearest to the truth to the farthest."""
    frame = pd.DataFrame(rows_of("superres"))
    if frame.empty:
        return ""
    text = list(_SUPERRES_TEXT)
    photographs = frame[frame["data"] == "photographs"].replace({"psnr": {100.0: float("inf")}})  # equal pictures
    for scale, group in photographs.groupby("scale"):
        table = group.groupby("method", sort=False)[list(_SUPERRES)].mean().sort_values("psnr", ascending=False)
        ours = group[group["method"].str.startswith("gantools")]
        seeds = ", ".join(str(int(s)) for s in sorted(ours["seed"].unique()))
        seconds = ours.groupby("seed")["fit_s"].first().mean()
        text += [f"### x{scale}", "", f"Seeds of gantools: {seeds}; {seconds:.0f} s of training and reading.", ""]
        text += [_figures(table.rename(columns=_SUPERRES)), ""]
        gains = group.pivot_table(index="picture", columns="method", values="psnr", sort=False)
        shown = [m for m in ("bicubic", "gantools, perception 0", "upscalerjs-thick") if m in gains]
        text += ["PSNR-Y of each photograph:", "", _figures(gains[shown]), ""]
        if (HERE / f"results/superres-x{scale}.jpg").exists():
            text += [f"![low, ours at 0 and 1, bicubic, Lanczos, truth](results/superres-x{scale}.jpg)", ""]
    text += _superres_on_a_gpu()
    kinds = frame[frame["data"] != "photographs"]
    if not kinds.empty:
        table = kinds.pivot_table(index=["data", "scale"], columns="method", values="psnr", sort=False)
        table.index = [f"{kind}, x{scale}" for kind, scale in table.index]
        text += ["### What learning one's own kind brings: PSNR-Y at perception 0", "", _figures(table), ""]
    return "\n".join(text)


def _superres_on_a_gpu() -> list[str]:
    frame = pd.DataFrame(rows_of("superres-gpu"))
    if frame.empty:
        return []
    shown = [figure for figure in _SUPERRES if figure in frame]
    table = frame.groupby("method", sort=False)[shown].mean().rename(columns=_SUPERRES)
    return [*_SUPERRES_GPU_TEXT, _figures(table), ""]


_SUPERRES_GPU_TEXT = (
    "### x4, the preset `gpu` for six minutes on an H200",
    "",
    "The same photographs, seed 0: 492,288 patches of 48 small pixels in the first stage and 44,128 in the second",
    "(1,650 and 590 a second, of which patches took half the time; since then they are made while others are",
    "played, 1,950). It is no nearer to the truth than `cpu-thorough` is after ten minutes on two cores: forty",
    "photographs are too few for a network three times larger. Of ten of those that it learnt from it gains 4.49",
    "dB over bicubic, a small network after 80,000 patches 3.52, and of the twelve 1.45 and 1.40. The first stage",
    'by Muon, three minutes, 362,688 patches: 29.28, with --tta 29.50. `size="large"` (ESRGAN\'s generator) plays',
    "125 patches a second in the first stage and has not been trained to an end.",
    "",
)
_SUPERRES = {
    "psnr": "PSNR-Y (high is good)",
    "ssim": "SSIM (high)",
    "perceptual": "perceptual distance (low)",
    "niqe": "NIQE (low)",
    "pattern": "pattern (low)",
    "megapixels_per_s": "megapixels/s",
}
_SUPERRES_TEXT = (
    "## Super-resolution of photographs",
    "",
    "Twelve photographs, of other sources than the forty learnt from; low pictures are antialiased bicubic",
    "reductions in eight bits. Perceptual distance is in EfficientNet-Lite0's features, not LPIPS. Peers run as they",
    "are shipped, on one thread (they use no more), ours on two (`python -m benchmarks.superres photographs`). Pattern",
    "is how unevenly detail lies on the pixels that a small one becomes (dots, a mesh); peers were run before it was.",
    "",
)


def _figures(table: pd.DataFrame) -> str:
    lines = ["| | " + " | ".join(map(str, table.columns)) + " |", "|---" * (len(table.columns) + 1) + "|"]
    for name, row in table.iterrows():
        cells = ["–" if pd.isna(v) or v == float("inf") else f"{v:.4g}" for v in row]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


_AUGMENT_TEXT = (
    "## More samples of rare classes",
    "",
    "Two hundred new pictures a class, against reals never trained on: spread (1 is as varied), coverage relative to",
    "what as many reals reach, copies (1 % of held-out reals would be called so), in EfficientNet-Lite0's features,",
    "agreement of a judge that was shown all the data there is. `python -m benchmarks.augment quality`; albumentations",
    "is the default policy, applied to reals drawn at random. Means over classes.",
    "",
)
_USEFUL_TEXT = (
    "### Do they help? Balanced accuracy on real test pictures",
    "",
    "Every seed draws the data anew, and each method brings classes to the same sizes; GAN + albumentations takes half",
    'of the new pictures from each. Differences are paired over seeds, with 95 % intervals by Student\'s t. "Helps" is',
    'better than every baseline, of which the hardest is shown; "hurts", worse than none; "no evidence", all else,',
    "beside the best. Draws of the 1,797 digits share pictures, which makes their intervals a little narrow.",
    "`python -m benchmarks.augment usefulness`.",
    "",
)


def _augment() -> str:
    frame = pd.DataFrame(rows_of("augment-quality"))
    if frame.empty:
        return ""
    figures = ["spread", "lowest_spread", "coverage", "lowest_coverage", "agreement", "copies", "frechet"]
    shown = [*figures, *(c for c in ("fit_seconds", "sample_seconds") if c in frame)]
    table = frame.groupby(["data", "method"], sort=False)[shown].mean()
    table.index = [f"{data}, {method}" for data, method in table.index.tolist()]
    text = [*_AUGMENT_TEXT, _figures(table), ""]
    for row in rows_of("augment-speed"):
        text += [
            f"Ten classes of 200 pictures of 32 pixels: {row['fit_seconds']:.0f} s of fitting, "
            f"{row['sample_seconds']:.0f} s for {row['n']:,} new ones (`python -m benchmarks.augment speed`).",
            "",
        ]
    useful = pd.DataFrame(rows_of("augment-usefulness")).rename(columns={"seed": "fold"})
    for name, mine in useful.groupby("data", sort=False) if not useful.empty else ():
        means = mine.pivot_table(index="method", columns="classifier", values="balanced_accuracy", sort=False)
        lines = [
            f"- {row.classifier}, {row.method}: **{row.verdict}**, {row.difference:+.4f} beside {row.beside} "
            f"({row.low:+.4f} to {row.high:+.4f})"
            for row in verdicts(mine, overlap=0.0).itertuples()
        ]
        text += [*_USEFUL_TEXT] if name == useful["data"].iloc[0] else []
        text += [f"**{name}**, {mine['fold'].nunique()} seeds:", "", _markdown(means.T), "", *lines, ""]
    return "\n".join([*text, *_tables_of_classes()])


_TABLES_TEXT = (
    "### Tables: do new rows help?",
    "",
    "Balanced accuracy on real test rows, means over tables and seeds; every other class has ten rows to learn from,",
    "the others up to a hundred, and each method brings classes to the same sizes. CTGAN as it comes; of its rows",
    "those of the class that was asked for. `python -m benchmarks.augment tables`.",
    "",
)


def _tables_of_classes() -> list[str]:
    frame = pd.DataFrame(rows_of("augment-tables"))
    if frame.empty:
        return []
    lines = [*_TABLES_TEXT, f"Tables: {', '.join(frame['data'].unique())}. Seeds: {_listed(frame['seed'])}.", ""]
    means = frame.pivot_table(index="method", columns="classifier", values="balanced_accuracy", sort=False)
    seconds = frame.groupby("method", sort=False)["seconds"].mean()
    slow = ", ".join(f"{method} {s:.0f}" for method, s in seconds.items() if s >= 1)
    lines += [_markdown(means.T), "", f"Seconds in the mean, classifiers among them: {slow}.", ""]
    frame["fold"] = frame["data"] + " " + frame["seed"].astype(str)
    for name, mine in frame.groupby("classifier", sort=False):
        table = mine.pivot_table(index="fold", columns="method", values="balanced_accuracy")
        for other in [m for m in table if m not in ("GAN", "synthetic only")]:
            both = paired((table["GAN"] - table[other]).dropna().to_numpy())
            lines.append(f"- {name}: GAN {both.mean:+.4f} beside {other} ({both.low:+.4f} to {both.high:+.4f})")
    return [*lines, ""]


def _listed(values: pd.Series) -> str:
    return ", ".join(map(str, sorted(values.unique())))


_TRANSLATION_TEXT = (
    "## Translation",
    "",
    "Pictures of 64 pixels never learnt from (OpenMoji: whole subgroups; photographs: parts of twelve, of other",
    "sources or makers), methods at equal time on two cores, in turns. Perceptual and Fréchet distance are in",
    "EfficientNet-Lite1's features, which no model here was trained with; chroma should be the truth's. pix2pix is the",
    "published recipe written anew (U-Net with batch norm and dropout, BCE + 100 L1, Adam 2e-4, batches of one).",
    "`python -m benchmarks.translate quality`. Of OpenMoji's lines, pix2pix was run again by itself, after a first run",
    "with tests beside it (746 steps then, perceptual distance .321); ours had tests beside it for some minutes.",
    "Networks, losses and the policy were chosen while looking at the same held-out subgroups, so ours is optimistic.",
    "Where colour alone is wanted, ours is given the luma and pix2pix, as its recipe for any pair has it, is not;",
    '"pix2pix, colour alone" is its authors\' mode for black and white: of CIELAB, lightness in and colour out.',
    "Of other generators and discriminators, the default and the projected one have two seeds, the others the first.",
    "Without pairs, and of edges, one seed; without pairs other work went on beside.",
    "In the picture of the emoji ours learnt for three minutes only. Of the photographs' halves (left ones of 52",
    "learnt from, right ones judged), ours was trained again after pix2pix, with another choice of vividness, made on",
    "the same halves; the picture shows the first time (vividness 1.15 and 1.3 at texture 1).",
    "At use, 31 pictures a second of 128 pixels, .50, .80, 1.01 and 1.00 megapixels a second at sides of 128, 256, 512",
    "and 1024 (`python -m benchmarks.translate speed`).",
    "",
)
_SIDE = 64
_TRANSLATION = {
    "psnr": "PSNR (high is good)",
    "ssim": "SSIM (high)",
    "perceptual": "perceptual distance (low)",
    "frechet": "Fréchet distance (low)",
    "chroma": "chroma",
    "images": "pictures seen",
}


def _at_equal_time(
    frame: pd.DataFrame, figures: dict[str, str], names: dict[str, str]
) -> Iterator[tuple[str, pd.DataFrame, list[str]]]:
    """For each data set and time: its name, its rows, and a heading, the seeds and a table of mean `figures`."""
    frame = frame if "side" not in frame else frame[frame["side"] == _SIDE]
    for (data, minutes), group in frame.groupby(["data", "minutes"], sort=False):
        table = group.groupby("method", sort=False)[list(figures)].mean().rename(columns=figures)
        seeds = ", ".join(map(str, sorted(group["seed"].unique())))
        heading = f"### {names.get(str(data), str(data))}, {minutes:g} minutes of training"
        yield str(data), group, [heading, "", f"Seeds: {seeds}.", "", _figures(table), ""]


def _translation() -> str:
    frame = pd.DataFrame(rows_of("translate"))
    if frame.empty:
        return ""
    text = list(_TRANSLATION_TEXT)
    for data, group, lines in _at_equal_time(frame, _TRANSLATION, TRANSLATIONS):
        text += lines
        if (HERE / f"results/translate-{data}.jpg").exists():
            tops = [m for m in group["method"].unique() if m not in ("mean colour", "truth", "source as it is")]
            rows = f"rows: source, {', '.join(tops)}, truth"
            text += [f"![{rows}](results/translate-{data}.jpg)", "", f"{rows.capitalize()}.", ""]
    speed = pd.DataFrame(rows_of("translate-speed"))
    if not speed.empty:
        table = speed.groupby("side")[["pictures_a_second", "megapixels_a_second"]].last()
        table.index = [f"{side} x {side}" for side in table.index]
        text += ["### Speed of use, two cores", "", _figures(table), ""]
    return "\n".join(text)


_SYNTHESIS_TEXT = (
    "## Pictures from nothing, beside other people's recipes",
    "",
    "Equal minutes on two cores, one method after the other, with hardly anything beside. Fréchet distance,",
    "coverage and precision in EfficientNet-Lite1's features, which none of the methods was trained with, against",
    "pictures never trained on (Fashion-MNIST 2,000, digits 897, OpenMoji 451); copies are fakes nearer to one of",
    "2,000 pictures trained on than chance allows. The interval is a bootstrap's, which takes off most of the",
    "bias of few samples and so may lie below the figure. `gantools` is GanSynthesizer as it comes, with the",
    "classes; `relativistic from noise` is that recipe on DCGAN's players of 32 channels, without. What the peers",
    "are is said at the top of `benchmarks/gan_peers.py`; two of them are run from their own packages. `python -m",
    "benchmarks.synthesis`. On the digits mimicry and lightweight-gan were run with seed 1 only, where all six methods",
    "were run one after the other on slower cores; torchgan, mimicry and lightweight-gan then had other work beside.",
    "One step of lightweight-gan takes more than the minutes it has (255 s on the digits, 219 on Fashion-MNIST, 212 on",
    "the emoji): its rows are of that step. With seed 0 the emoji's peers ran on another day than ours, when the cores",
    "were two to four times slower, and mimicry and lightweight-gan had small tests beside them, as all methods had",
    "with seed 1 on Fashion-MNIST and the emoji, where all six were run in one go on slower cores than with seed 0.",
    "",
)
_SYNTHESIS = {
    "frechet": "Fréchet distance (low is good)",
    "frechet_low": "from",
    "frechet_high": "to",
    "coverage": "coverage (high)",
    "precision": "precision (high)",
    "copies": "copies",
}


def _synthesis() -> str:
    frame = pd.DataFrame(rows_of("synthesis"))
    if frame.empty:
        return ""
    from benchmarks.synthesis import METHODS

    text = list(_SYNTHESIS_TEXT)
    for data, group, lines in _at_equal_time(frame, _SYNTHESIS, {}):
        text += lines
        if (HERE / f"results/synthesis-{data}.png").exists():
            rows = ", ".join(method for method in METHODS if method in set(group["method"]))
            text += [f"![{rows}](results/synthesis-{data}.png)", "", f"Rows: {rows}.", ""]
    return "\n".join(text)


def _latest(
    what: str, text: Sequence[str], shown: Callable[[pd.DataFrame], pd.DataFrame], by: Sequence[str] = ("data",)
) -> str:
    """A section with the last figures of each data set, as `shown` has them; nothing where there are none."""
    rows = pd.DataFrame(rows_of(what))
    return "" if rows.empty else "\n".join([*text, _figures(shown(rows.groupby(list(by), sort=False).last())), ""])


def _overhead() -> str:
    def shown(rows: pd.DataFrame) -> pd.DataFrame:
        return rows[["by hand", "trainer", "ratio"]].set_axis([f"{data}, {device}" for device, data in rows.index])

    return _latest("overhead", _OVERHEAD_TEXT, shown, by=("device", "data"))


_OVERHEAD_TEXT = (
    "## What the trainer costs over a loop by hand",
    "",
    "Images a second of the same players and the same mathematics, in turns in one process, on two cores or on a",
    "GPU: the trainer with its history and its health, the loop with neither (`python -m benchmarks.overhead`). A",
    "GPU does these small networks in 5 to 9 ms a step, most of which Python needs to tell it what to do; the",
    "trainer's figures, norms and looks are 1 to 2 ms more.",
    "",
)


def _presets() -> str:
    def shown(rows: pd.DataFrame) -> pd.DataFrame:
        names = [f"{data}, {preset}" for data, preset in rows.index]
        return rows[["auroc", "ap", "fit_s", "score_s"]].set_axis(names)

    return _latest("presets", _PRESETS_TEXT, shown, by=("data", "method"))


_PRESETS_TEXT = (
    "### The presets `fast` and `thorough`",
    "",
    "Beside the default, on classes of Fashion-MNIST (`score_s` are the seconds that 10,000 pictures of 28",
    "pixels take) and a texture (80 pictures of 128). Shirts were learnt by `thorough` with other work beside",
    "(`python -m benchmarks.anomaly presets`).",
    "",
)


def _precision() -> str:
    def shown(rows: pd.DataFrame) -> pd.DataFrame:
        names = [f"{size} px, {way}, on {device}" for device, size, way in rows.index]
        columns = {"rate": "pictures a second", "first": "seconds to the first step", "matrix_share": "of matrix rate"}
        return rows[["rate", "ratio", "first", "matrix_share"]].rename(columns=columns).set_axis(names)

    return _latest("precision", _PRECISION_TEXT, shown, by=("device", "size", "method"))


_PRECISION_TEXT = (
    "## Precision and compilation",
    "",
    "Pictures a second of a DCGAN's training without penalties, in turns in one process; the ratio is to float32;",
    "the matrix rate is that of products of large matrices in the same precision (`python -m",
    "benchmarks.precision`). tf32 is what torch gives convolutions on GPUs unless it is told otherwise. What",
    'follows from it: `precision="auto"` takes bfloat16 for pictures of 128 pixels or more on GPUs made for it',
    "(and on CPUs with matrix units for the detector's tiles: ARCHITECTURE.md);",
    "kernels are laid channels last from 64 pixels on; nothing is compiled unless asked for. Compiled players",
    "at 64 pixels and more, and 256 pixels, are not measured on a GPU.",
    "",
)


def _export() -> str:
    def shown(rows: pd.DataFrame) -> pd.DataFrame:
        apart = rows[[c for c in rows if str(c).startswith("apart ")]].max(axis=1)
        return rows[["torch", "onnx", "ratio", "megabytes"]].assign(**{"largest difference": apart})

    return _latest("export", _EXPORT_TEXT, shown)


def _int8() -> str:
    refused = {row["data"]: row["refused"] for row in rows_of("int8") if "refused" in row}
    text = _latest("int8", _INT8_TEXT, lambda rows: rows[rows["MB"].notna()].drop(columns="refused", errors="ignore"))
    return "\n".join([text, *(f"Not written, {name}: {words}." for name, words in refused.items()), ""])


_EXPORT_TEXT = (
    "## Exported models beside torch",
    "",
    "Samples a second of the model and of its ONNX file, in turns on two cores, the median of the rounds' ratios, and",
    "how far the file's outputs are from the model's: relative for scores and maps, the share of pixels or decisions",
    "that differ otherwise (`python -m benchmarks.export exact`).",
    "",
)

_INT8_TEXT = (
    "### In eight bits",
    "",
    "Models that learnt for a minute or two from 25 photographs, their files put into eight bits (`--int8`) and judged",
    "by the truth of twelve other photographs, in pieces of 128 pixels; speed beside the exact file, in turns",
    "(`python -m benchmarks.export int8`).",
    "",
)


def _startup() -> str:
    return _latest("startup", _STARTUP_TEXT, lambda rows: rows.rename(columns={"s": "seconds"}))


_STARTUP_TEXT = (
    "## How long one waits",
    "",
    "From the command to its end, in a process of its own (`python -m benchmarks.startup`). The demo learns for 3.3",
    "minutes at most, whatever the machine; the rest is reading, measuring and the report.",
    "",
)


def _serving() -> str:
    columns = ["per_s", "ratio", "told later", "other", "median ms", "99 % ms", "restarts", "MB before", "MB after"]
    names = {"per_s": "answered a second", "ratio": "beside direct calls"}

    def shown(rows: pd.DataFrame) -> pd.DataFrame:
        return rows[columns].rename(columns=names).set_axis([f"{data}, connections: {c}" for data, c in rows.index])

    return _latest("serving", _SERVING_TEXT, shown, by=("data", "connections"))


_SERVING_TEXT = (
    "## A served model under load",
    "",
    "`gantools serve` with its defaults, asked by wrk over so many connections on the same two cores, in turns with",
    "the same model called directly, one picture after another; medians of three rounds. 16 requests may wait, so of",
    "64 connections most are told to come again later (429); wrk does so at once. Times are of all answers.",
    "Nothing else was answered, no process was begun anew (`python -m benchmarks.serving`).",
    "",
)


TRANSLATIONS = {
    "lines": "OpenMoji, lines to colour",
    "colours": "Photographs, gray to colour",
    "colours-own": "Photographs, gray to colour: right halves, after learning from left ones",
    "edges": "Photographs, edges to photographs",
    "lines-unpaired": "OpenMoji, lines to colour without pairs",
    "lines-designs": "OpenMoji, lines to colour, by other generators and discriminators (texture 1)",
    "colours-designs": "Photographs, gray to colour, by another discriminator (texture 1)",
    "colours-own-designs": "Photographs, gray to colour: right halves, by another discriminator (texture 1)",
}


def write_report() -> Path:
    """Write RESULTS.md; its path."""
    sections = [
        _PREAMBLE,
        _NOTES.read_text() if _NOTES.exists() else "",
        _section("Fashion-MNIST, one class normal", "fashion", ["ap"]),
        _presets(),
        _section("Textures with defects of kinds never trained on", "textures", ["ap", "pixel_auroc", "aupro"]),
        _section("Outlier tables", "tables", ["ap"]),
        _synthesis(),
        _health(),
        _overhead(),
        _precision(),
        _augment(),
        _superres(),
        _translation(),
        _export(),
        _int8(),
        _startup(),
        _serving(),
    ]
    path = HERE / "RESULTS.md"
    path.write_text("\n".join(s for s in sections if s))
    return path
