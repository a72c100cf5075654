"""Order of samples and checkpoints, by property."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gantools.core.batches import Order
from gantools.core.checkpoint import copied, load_state, previous, save_state, write_atomically
from gantools.errors import ModelError


@given(st.integers(1, 50), st.integers(1, 20), st.integers(0, 2**31))
def test_every_pass_sees_every_sample_once(n: int, batch: int, seed: int) -> None:
    order = Order(n, batch, seed)
    seen = np.concatenate([order.indices(step) for step in range(-(-3 * n // batch))])
    for start in (0, n, 2 * n):
        assert sorted(seen[start : start + n]) == list(range(n))


@given(st.integers(1, 50), st.integers(1, 20), st.integers(0, 40))
def test_a_step_is_the_same_wherever_one_comes_from(n: int, batch: int, step: int) -> None:
    walked = Order(n, batch, 7)
    for earlier in range(step):
        walked.indices(earlier)
    assert np.array_equal(walked.indices(step), Order(n, batch, 7).indices(step))


leaves = st.one_of(
    st.integers(-(2**40), 2**40), st.floats(allow_nan=False), st.text(max_size=5), st.none(), st.booleans(),
    st.lists(st.floats(-9, 9, width=32), min_size=1, max_size=4).map(torch.tensor),
)  # fmt: skip
states = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(st.text(max_size=4), st.integers(0, 9)), inner, max_size=3),
    ),
    max_leaves=12,
)


def same(a: Any, b: Any) -> bool:
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and torch.equal(a, b)
    if isinstance(a, dict):
        return isinstance(b, dict) and list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.dictionaries(st.text(max_size=5), states, max_size=4))
def test_state_comes_back_as_it_was(tmp_path: Path, state: dict[str, Any]) -> None:
    save_state(tmp_path / "s", state)
    assert same(load_state(tmp_path / "s"), state)


def test_truncated_checkpoint_is_said_so(tmp_path: Path) -> None:
    file = tmp_path / "s"
    save_state(file, {"a": torch.ones(100)})
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(ModelError, match="not a whole checkpoint"):
        load_state(file)
    with pytest.raises(ModelError, match="missing"):
        load_state(tmp_path / "none")
    with pytest.raises(ModelError, match="cannot be read") as told:
        load_state(tmp_path)
    assert "delete" not in str(told.value)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc")
def test_a_folder_that_cannot_be_made_is_told() -> None:
    with pytest.raises(ModelError, match="cannot be written"):
        write_atomically(Path("/proc/self/nowhere/file"), b"x")


def test_a_full_disk_leaves_the_last_two_states(tmp_path: Path) -> None:
    file = tmp_path / "s"
    for number in (1, 2):
        save_state(file, {"a": torch.full((1000,), number)})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))  # a file cannot grow larger, as on a full disk
    try:
        with pytest.raises(ModelError, match="cannot be written"):
            save_state(file, {"a": torch.full((1000,), 3)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [int(load_state(f)["a"][0]) for f in (previous(file), file)] == [1, 2]
    assert sorted(tmp_path.iterdir()) == sorted([previous(file), file])


def test_what_a_killed_process_left_half_written_is_cleared_away(tmp_path: Path) -> None:
    file, other = tmp_path / "s.safetensors", tmp_path / ".s.safetensors.mine"
    for left in (".s.safetensors.tmp-x1y2", ".s.previous.safetensors.tmp-4711", other.name):
        (tmp_path / left).write_bytes(b"half")
    save_state(file, {"a": 1})
    assert sorted(tmp_path.iterdir()) == sorted([file, other])


def test_a_folder_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "s").write_bytes(b"a file")
    with pytest.raises(ModelError, match="cannot be written"):
        save_state(tmp_path / "s" / "c.safetensors", {"a": 1})


def test_replacing_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "f"
    write_atomically(file, b"old")
    write_atomically(file, b"new")
    assert file.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [file]


def test_a_copy_of_a_state_stays_as_it_is() -> None:
    weight = torch.nn.Parameter(torch.ones(2, 3, 4, 4).to(memory_format=torch.channels_last))
    state = {"a": weight, "b": [1.5, {"c": torch.zeros(2, dtype=torch.uint8)}], "betas": (0.5, 0.9), "none": None}
    kept = copied(state)
    with torch.no_grad():
        weight.zero_()
    state["b"][1]["c"].add_(1)
    assert kept["a"].sum() == 96
    assert kept["a"].is_contiguous(memory_format=torch.channels_last)
    assert not kept["a"].requires_grad
    assert kept["b"][0] == 1.5
    assert kept["b"][1]["c"].tolist() == [0, 0]
    assert kept["betas"] == (0.5, 0.9)
    assert kept["none"] is None
