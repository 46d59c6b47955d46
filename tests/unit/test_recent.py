"""A bounded mapping forgets what was not asked for the longest."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qkd_qiskit.recent import Recent


@given(st.integers(1, 5), st.lists(st.integers(0, 8), max_size=60))
def test_the_last_keys_are_kept_and_no_others(size, asked):
    recent, made = Recent(size), []
    for position, key in enumerate(asked):
        kept = list(dict.fromkeys(reversed(asked[:position])))[:size]
        before = len(made)
        assert recent.find(key, lambda key=key: made.append(key) or f"value {key}") == f"value {key}"
        assert (len(made) == before) == (key in kept)
        assert len(recent) == min(size, len(set(asked[: position + 1])))


def test_what_could_not_be_made_is_not_kept():
    recent = Recent(2)

    def fail():
        raise RuntimeError("no value")

    with pytest.raises(RuntimeError, match="no value"):
        recent.find(1, fail)
    assert len(recent) == 0
    assert recent.find(1, lambda: "later") == "later"
