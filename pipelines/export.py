"""Fitted estimators as ONNX files: preprocessing and decisions inside, for any runtime without torch."""

from __future__ import annotations

import json
import logging
import tempfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gantools import __version__
from gantools.core.checkpoint import write_atomically
from gantools.data.sources import PictureSource
from gantools.errors import ConfigError, GantoolsError
from gantools.pipelines.base import resolve_device
from gantools.storage import load

_OPSET = 20
_SOME = 3
_MOST_FLIPPED = 1e-4
_MOST_ROUNDED, _A_LEVEL = 1e-3, 1
_MOST_APART = {"anomaly_map": 1e-4}
_USUALLY_APART = 1e-5


class Deployable(NamedTuple):
    """What can be exported of an estimator.

    Attributes
    ----------
    module : nn.Module
        From inputs to outputs, nothing but tensors, in evaluation mode.
    inputs : dict of Tensor
        Examples by name, in the order that the module takes them; the first axis is a batch of any length.
    outputs : tuple of str
        Names, in the order that the module gives them.
    any_size : tuple of int
        Further axes of the first input that may have any length.
    notes : dict
        What a user of the file should know, for its metadata.
    reference : Callable or None
        From the inputs, as arrays, to what the estimator itself says of them, which the file is judged by. None where
        the estimator draws at random what the module is given: then by the module.
    """

    module: nn.Module
    inputs: dict[str, Tensor]
    outputs: tuple[str, ...]
    any_size: tuple[int, ...] = ()
    notes: Mapping[str, Any] = {}
    reference: Callable[..., tuple[NDArray[Any], ...]] | None = None


def export(
    estimator: Any, path: Path, size: tuple[int, int] | None = None, int8: PictureSource | None = None
) -> dict[str, Any]:
    """Write an estimator as an ONNX file, run it, and say how far its results are from the estimator's.

    Parameters
    ----------
    estimator : fitted estimator
    path : Path
    size : (int, int) or None
        Height and width of pictures, for models that take any but are exported for one.
    int8 : PictureSource or None
        Pictures such as the file will be given, by which its convolutions are put into whole numbers of eight bits.

    Returns
    -------
    dict
        `inputs` and `outputs` with their types and shapes, `megabytes`, and `parity`: by output, the largest difference
        beside the estimator's own, or of whole numbers the share that differs. With `int8`, `parity` is of the file
        before it was quantised, and `loss` what that costs; see `gantools.pipelines.quantise`.

    Raises
    ------
    ConfigError
        When the estimator cannot be exported, or packages are missing (``pip install gantools[onnx]``).
    GantoolsError
        When the file does not give what the estimator does; nothing is written then.
    """
    try:
        import onnx
        import onnxruntime
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ConfigError(f"{error.name} is not installed; exporting needs: pip install 'gantools[onnx]'") from None
    if not hasattr(estimator, "deployable"):
        raise ConfigError(f"a {type(estimator).__name__} cannot be exported")
    what: Deployable = _on_cpu(estimator).deployable(size)
    model = _traced(what)
    notes = {"gantools": __version__, "class": type(estimator).__name__, **what.notes}
    onnx.helper.set_model_props(model, {k: v if isinstance(v, str) else json.dumps(v) for k, v in notes.items()})
    content = model.SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    parity = _parity(what, session)
    lost: dict[str, Any] = {}
    if int8 is not None:
        from gantools.pipelines.quantise import quantised

        content, lost["loss"] = quantised(content, int8)
    write_atomically(path, content)
    return {
        "out": str(path),
        "inputs": {i.name: [i.type, *map(str, i.shape)] for i in session.get_inputs()},
        "outputs": {o.name: [o.type, *map(str, o.shape)] for o in session.get_outputs()},
        "parity": parity,
        **lost,
        "megabytes": round(len(content) / 1e6, 2),
    }


def _on_cpu(estimator: Any) -> Any:
    """The estimator itself, or what would be loaded of it where there is no GPU: files are traced and judged there."""
    if resolve_device(estimator.device).type == "cpu":
        return estimator
    with tempfile.TemporaryDirectory() as folder:
        estimator.save(f"{folder}/model")
        return load(f"{folder}/model", "cpu")


def _traced(what: Deployable) -> Any:
    """The ONNX model of a module."""
    any_batch = torch.export.Dim("batch", min=1, max=1 << 16)
    shapes: list[dict[int, Any]] = [{0: any_batch} for _ in what.inputs]
    for axis in what.any_size:
        shapes[0][axis] = torch.export.Dim(f"side_{axis}", min=8, max=1 << 15)
    quiet = logging.getLogger("torch.onnx")
    level = quiet.level
    quiet.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                what.module.eval(),
                tuple(what.inputs.values()),
                input_names=list(what.inputs),
                output_names=list(what.outputs),
                dynamic_shapes=tuple(shapes),
                dynamo=True,
                opset_version=_OPSET,
                verbose=False,
            )
    finally:
        quiet.setLevel(level)
    assert program is not None
    return program.model_proto


def _parity(what: Deployable, session: Any) -> dict[str, float]:
    """How far the file's outputs are from the estimator's, by name, on a batch of another length than was traced."""
    found: dict[str, float] = {}
    inputs = {name: _repeated(example).numpy() for name, example in what.inputs.items()}
    given = session.run(list(what.outputs), inputs)
    expected = (what.reference or _of_module(what.module))(*inputs.values())
    for name, ours, theirs in zip(what.outputs, expected, given, strict=True):
        found[name] = _apart(ours, theirs)
        if not (found[name] <= _bound(name, ours) and _by_levels(ours, theirs) <= _A_LEVEL):
            raise GantoolsError(f"the exported {name} differ from the model's by {found[name]:g}; nothing was written")
    return found


def _bound(name: str, ours: NDArray[Any]) -> float:
    """What `_apart` may be: values of eight bits are pictures, of which sums in another order round some elsewhere."""
    if ours.dtype.kind == "f":
        return _MOST_APART.get(name, _USUALLY_APART)
    return max(_MOST_ROUNDED, 1 / ours.size) if ours.dtype == np.uint8 else _MOST_FLIPPED


def _by_levels(ours: NDArray[Any], theirs: NDArray[Any]) -> int:
    """By how many of 256 levels pictures differ at the most; 0 of anything else."""
    return int(np.abs(ours.astype(int) - theirs).max()) if ours.dtype == np.uint8 else 0


def _of_module(module: nn.Module) -> Callable[..., tuple[NDArray[Any], ...]]:
    """A module with one output, from arrays to arrays."""

    @torch.no_grad()
    def outputs(*inputs: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        return (module(*map(torch.from_numpy, inputs)).numpy(),)

    return outputs


def _repeated(example: Tensor) -> Tensor:
    """A batch of another length, of the same samples in another order and once more."""
    return torch.cat([example.flip(0), example])[: len(example) + _SOME]


def _apart(ours: NDArray[Any], theirs: NDArray[Any]) -> float:
    if ours.dtype.kind == "f":
        return float(np.abs(ours - theirs).max() / max(1.0, float(np.abs(ours).max())))
    return float((ours != theirs).mean())
