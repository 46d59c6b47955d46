"""Text from outside on its way to a terminal, a file or a page."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qkd_qiskit.errors import DataError
from qkd_qiskit.text import SHORT, printable, printable_text

ANY_TEXT = st.text(st.characters(codec=None, categories=None), max_size=400)


@given(ANY_TEXT, st.integers(0, 500))
def test_any_text_becomes_one_printable_line_within_the_limit(text: str, limit: int) -> None:
    shown = printable(text, limit)
    assert shown.isprintable()
    assert len(shown) <= limit
    assert shown.encode("utf-8").decode() == shown
    assert printable(shown, limit) == shown


@given(st.text(st.characters(categories=["L", "N", "P", "S"]), max_size=SHORT))
def test_plain_text_stays_as_it_is(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\r\nb\tc\u2028d\u00a0e", "a  b c d e"),
        ("\x1b[31mred\x1b]0;title\x07", r"\x1b[31mred\x1b]0;title\x07"),
        ("\u202eevil\u2066", r"\u202eevil\u2066"),
        ("\ud800 and \udfff", r"\ud800 and \udfff"),
        ("\x00\x7f\x9b", r"\x00\x7f\x9b"),
        ("Zürich 東京 😀", "Zürich 東京 😀"),
    ],
)
def test_what_no_terminal_shows_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_what_is_too_long_ends_in_dots() -> None:
    assert printable("x" * 10**6) == "x" * (SHORT - 3) + "..."
    assert printable(b"\n", 2) == ".."


def test_other_values_are_left_alone() -> None:
    assert printable_text(3) == 3
    assert printable_text(None) is None
    assert printable_text("9" * 3200) == "9" * 3200


def test_every_error_is_one_printable_line() -> None:
    error = DataError("no file \x1b[2J\nof \ud800" + "x" * 5000)
    assert str(error).isprintable()
    assert len(str(error)) == 2000
    assert str(error).startswith(r"no file \x1b[2J of \ud800xxx")
