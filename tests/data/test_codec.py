"""Tables to vectors and back: nothing leaves its range, its kind or its column."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gantools.data.codec import TableCodec
from gantools.errors import DataError

numbers = st.floats(-1e6, 1e6, allow_nan=False)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(numbers | st.just(float("nan")), st.integers(-50, 50), st.sampled_from(["red", "green", None])),
        min_size=2,
        max_size=40,
    )
)
def test_there_and_back(rows: list[tuple[float, int, str | None]]) -> None:
    frame = pd.DataFrame(rows, columns=["x", "n", "colour"]).astype({"x": float, "n": "int64", "colour": object})
    codec = TableCodec().fit(frame)
    back = codec.inverse(codec.transform(frame))
    assert list(back.columns) == list(frame.columns)
    assert back["n"].dtype == frame["n"].dtype
    assert (back["x"].isna() == frame["x"].isna()).all()
    assert (back["colour"].isna() == frame["colour"].isna()).all()
    assert (back["colour"].dropna() == frame["colour"].dropna()).all()
    spread = frame["x"].max() - frame["x"].min()
    if len(frame) <= 1000 and not np.isnan(spread):
        np.testing.assert_allclose(back["x"].dropna(), frame["x"].dropna(), atol=1e-6 + 1e-6 * abs(spread))
    assert (back["n"] == frame["n"]).all()


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000))
def test_any_vector_becomes_a_row_within_the_ranges(seed: int) -> None:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"a": rng.exponential(size=30), "k": rng.integers(0, 5, 30), "c": rng.choice(["u", "v"], 30)})
    codec = TableCodec().fit(frame)
    wild = codec.inverse(rng.normal(size=(50, codec.width)) * 10)
    assert wild["a"].between(frame["a"].min(), frame["a"].max()).all()
    assert set(wild["k"]) <= set(range(frame["k"].min(), frame["k"].max() + 1))
    assert set(wild["c"]) <= {"u", "v"}


def test_scores_are_normal() -> None:
    frame = pd.DataFrame({"x": np.random.default_rng(0).exponential(size=5000)})
    scores = TableCodec().fit(frame).transform(frame)
    assert scores.mean() == pytest.approx(0, abs=0.01)
    assert scores.std() == pytest.approx(1, abs=0.02)


def test_dtypes_come_back() -> None:
    frame = pd.DataFrame(
        {
            "b": [True, False, True, False],
            "f": np.float32([1, 2, 3, 4]),
            "i": np.int8([1, 1, 2, 3]),
            "cat": pd.Categorical(["x", "y", "x", "y"]),
        }
    )
    codec = TableCodec().fit(frame)
    back = codec.inverse(codec.transform(frame))
    assert back.dtypes.astype(str).tolist() == frame.dtypes.astype(str).tolist()
    pd.testing.assert_frame_equal(TableCodec.from_dict(codec.to_dict()).inverse(codec.transform(frame)), back)
    assert codec.choices == [(0, 2), (4, 6)]


def test_packed_rows_come_back_to_the_last_digit() -> None:
    frame = pd.DataFrame(
        {
            "x": np.random.default_rng(0).normal(size=2000).round(2),
            "n": np.arange(2000) + 2**60,
            "gap": np.resize([0.1, np.nan, 7e300], 2000),
            "f": np.resize(np.float32([0.1, 3]), 2000),
            "yes": np.resize([True, False], 2000),
            "code": pd.Series(np.resize(["007", None], 2000), dtype="str"),
            "level": pd.Categorical(np.resize([3, 1], 2000), [3, 2, 1], ordered=True),
            "whole": pd.array(np.resize([1, None], 2000), dtype="Int64"),
        }
    )
    codec = TableCodec().fit(frame)
    packed = codec.packed(frame)
    assert packed.isfinite().all()
    again = TableCodec.from_dict(codec.to_dict())
    pd.testing.assert_frame_equal(again.unpacked(packed), frame, check_exact=True)


def test_whole_numbers_at_the_ends_of_64_bits_do_not_wrap() -> None:
    frame = pd.DataFrame(
        {
            "sentinel": np.array([1, 2, 3, np.iinfo(np.int64).max, np.iinfo(np.int64).min]),
            "hash": np.array([0, 5, 7, 2**63, 2**64 - 1], np.uint64),
            "small": np.array([-128, 127, 0, 1, 2], np.int8),
        }
    )
    codec = TableCodec().fit(frame)
    back = codec.inverse(codec.transform(frame))
    assert back.dtypes.equals(frame.dtypes)
    for name in frame:
        np.testing.assert_allclose(back[name].astype(float), frame[name].astype(float), rtol=1e-9, atol=1e-6)


@pytest.mark.parametrize("values", [["None", None], [1, "1"], [True, 1], ["a", "nan", np.nan], [2, 2.5, np.float32(2)]])
def test_categories_that_print_alike_are_not_mixed_up(values: list[object]) -> None:
    frame = pd.DataFrame({"c": pd.Series(values * 10, dtype=object)})
    codec = TableCodec().fit(frame)
    vectors = codec.transform(frame)
    assert (vectors.sum(1) == 1).all(), "each row is of one category"
    expected = [None if pd.isna(v) else v for v in frame["c"]]
    for back in (codec.inverse(vectors), codec.unpacked(codec.packed(frame))):
        found = [None if pd.isna(v) else v for v in back["c"]]
        assert found == expected
        assert [isinstance(v, bool) for v in found] == [isinstance(v, bool) for v in expected]


def test_a_column_of_names_is_refused() -> None:
    with pytest.raises(DataError, match="'who' is text with 30 different values"):
        TableCodec().fit(pd.DataFrame({"who": [f"n{i}" for i in range(30)]}))


def test_whole_numbers_with_a_gap_among_them_stay_whole() -> None:
    frame = pd.DataFrame({"n": [1.0, 5.0, np.nan, 40.0, 7.0] * 10, "x": np.linspace(0, 1, 50)})
    codec = TableCodec().fit(frame)
    made = codec.inverse(np.random.default_rng(0).normal(size=(200, codec.width)))
    known = made["n"].dropna()
    assert (known == known.round()).all()
    assert (made["x"] != made["x"].round()).any()


@pytest.mark.parametrize("held", [[1], np.zeros(2), {"a": 1}])
def test_a_column_of_lists_is_refused_by_name(held: object) -> None:
    with pytest.raises(DataError, match=r"column 'a' holds .*; turn it into numbers or texts"):
        TableCodec().fit(pd.DataFrame({"a": pd.Series([held] * 5, dtype=object)}))
