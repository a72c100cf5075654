"""A history against a list of dicts."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from gantools.core.history import History

FIGURES = st.dictionaries(st.sampled_from("abcde"), st.floats(width=32), max_size=4)


@given(st.lists(st.tuples(FIGURES, FIGURES), max_size=150), st.integers(0, 150))
def test_a_history_is_the_frame_of_its_rows_also_when_it_went_through_a_checkpoint(
    rows: list[tuple[dict[str, float], dict[str, float]]], at: int
) -> None:
    history = History()
    for number, (first, more) in enumerate(rows):
        if number == at:
            history = History.restored(history.state())
        history.append({"step": number + 1, **first})
        history.note(more)
    expected = pd.DataFrame([{"step": n + 1, **first, **more} for n, (first, more) in enumerate(rows)])
    found = history.frame()
    assert len(history) == len(rows)
    if rows:
        assert found["step"].dtype == np.int64
        pd.testing.assert_frame_equal(found, expected, check_like=True, check_dtype=False)
        again = History.restored(history.state()).last
        assert again == {name: value for name, value in history.last.items() if value == value}


def test_what_was_taken_stays_as_it_is() -> None:
    history = History()
    history.append({"step": 1, "loss": 2.0})
    taken = history.frame()
    history.note({"loss": 3.0})
    assert taken["loss"].tolist() == [2.0]
