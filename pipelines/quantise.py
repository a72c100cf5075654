"""Exported models in whole numbers of eight bits: smaller and faster, at a loss that is measured."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gantools.data.planes import eight_bits, on_white
from gantools.data.sources import PictureSource
from gantools.errors import ConfigError, DataError, GantoolsError
from gantools.pipelines.containers import raw_picture

_MOST = 64
_FEWEST = 4
_LONGEST = 512
_EQUAL = 100.0
_MOST_OTHERWISE = 0.1
_LEAST_PSNR = 35.0


def quantised(content: bytes, source: PictureSource) -> tuple[bytes, dict[str, float]]:
    """An ONNX file with its convolutions in eight bits, and what that costs.

    Half of the pictures show which values are usual (onnxruntime's static quantisation, a scale for each channel), the
    other half are given to both files.

    Parameters
    ----------
    content : bytes
        The file; its input is `images`, uint8 (N, H, W, C).
    source : PictureSource
        Pictures such as it will be given: at least four, of which up to 64, evenly spread, are looked at.

    Returns
    -------
    bytes
    dict
        `transform_psnr`: how near the pictures are to those of the first file, in dB. Of detectors the mean differences
        of `anomaly_score`, `p_value` and `anomaly_map`, the scores' rank correlation `anomaly_score_rank`, and as
        `is_anomaly` the share that is decided otherwise.

    Raises
    ------
    ConfigError
        When the file takes no pictures or has no convolutions.
    DataError
        When there are too few pictures.
    GantoolsError
        When too much is lost for the file to be of use.
    """
    import onnx
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    asked = session.get_inputs()[0]
    model = onnx.load_from_string(content)
    if asked.name != "images" or not any(node.op_type == "Conv" for node in model.graph.node):
        raise ConfigError("--int8: only models that take pictures and have convolutions can be quantised")
    if len(source) < _FEWEST:
        raise DataError(f"--int8: {len(source)} pictures are too few to quantise by; at least {_FEWEST} are needed")
    spread = np.linspace(0, len(source) - 1, min(len(source), _MOST)).round().astype(int).tolist()
    pictures = [_as_asked(raw_picture(source, i), asked.shape, source.name(i)) for i in spread]
    smaller = _static(model, pictures[::2])
    other = onnxruntime.InferenceSession(smaller, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    pairs = [[s.run(None, {"images": picture}) for s in (session, other)] for picture in pictures[1::2]]
    loss: dict[str, float] = {}
    for i, name in enumerate(names):
        ours, theirs = (np.concatenate([pair[k][i].ravel() for pair in pairs]).astype(float) for k in (0, 1))
        loss |= _lost(name, ours, theirs)
    if loss.get("is_anomaly", 0.0) > _MOST_OTHERWISE:
        raise GantoolsError(
            f"--int8: in eight bits this model decides otherwise on {100 * loss['is_anomaly']:.0f} % of the pictures, "
            "which is no use; nothing was written. Leave --int8 out"
        )
    if loss.get("transform_psnr", _EQUAL) < _LEAST_PSNR:
        raise GantoolsError(
            f"--int8: in eight bits this model's pictures are only {loss['transform_psnr']:.1f} dB near to its own, "
            "which is too far; nothing was written. Leave --int8 out"
        )
    return smaller, loss


def _lost(name: str, ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> dict[str, float]:
    """What the second file gives otherwise than the first, of one output."""
    if name == "transform":
        squared = float(np.square(ours - theirs).mean())
        return {"transform_psnr": _EQUAL if squared == 0 else min(_EQUAL, 10 * float(np.log10(255**2 / squared)))}
    if name == "is_anomaly":
        return {name: float((ours != theirs).mean())}
    found = {name: float(np.abs(ours - theirs).mean())}
    if name == "anomaly_score":
        first, second = (np.argsort(np.argsort(values)) for values in (ours, theirs))
        found["anomaly_score_rank"] = float(np.corrcoef(first, second)[0, 1])
    return found


def _as_asked(picture: NDArray[Any], shape: Sequence[Any], name: str) -> NDArray[np.uint8]:
    """A picture as a batch of one, of the channels and, where the file asks for one, the size; else its middle.

    Raises
    ------
    DataError
        Naming a picture in colour, where gray ones are asked for.
    """
    picture = on_white(picture)
    if picture.shape[2] > shape[3]:
        raise DataError(f"--int8: {name} has {picture.shape[2]} channels, and the model takes {shape[3]}")
    found = eight_bits(picture)
    found = found[..., :1] if shape[3] == 1 else found
    if isinstance(shape[1], int):
        image = Image.fromarray(found[..., 0] if shape[3] == 1 else found)
        resized = np.asarray(image.resize((shape[2], shape[1]), Image.Resampling.BICUBIC))
        found = resized.reshape(shape[1], shape[2], -1)
    top, left = (max(0, side - _LONGEST) // 2 for side in found.shape[:2])
    return np.ascontiguousarray(found[top : top + _LONGEST, left : left + _LONGEST])[None]


def _static(model: Any, pictures: list[NDArray[np.uint8]]) -> bytes:
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.left: Iterator[NDArray[np.uint8]] = iter(pictures)

        def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
            picture = next(self.left, None)
            return None if picture is None else {"images": picture}

    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)  # it recommends preprocessing, which changes nothing here
    try:
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "model.onnx"
            quantize_static(
                model,
                str(out),
                Reader(),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                op_types_to_quantize=["Conv"],
                weight_type=QuantType.QInt8,
                activation_type=QuantType.QUInt8,
                reduce_range=True,  # weights of seven bits: with eight, sums overflow on processors without VNNI
            )
            return out.read_bytes()
    finally:
        root.setLevel(level)
