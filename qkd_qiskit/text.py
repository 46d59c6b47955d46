"""Text from outside, made fit for one line of a terminal, a log, a file or a page."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

SHORT = 300
"""Most characters of a name, a reason or a line that somebody else has written."""


def printable(text: object, limit: int = SHORT) -> str:
    """Return a text as one line of printable characters.

    Whatever separates words or lines becomes a blank. Control signs, signs that turn the direction of
    writing, lone surrogates and all else that no terminal shows become escapes, as Python writes them. The
    result can always be encoded as UTF-8, and is its own result.

    Args:
        text: Anything that has a text.
        limit: Most characters of the result; what is longer ends in three dots.
    """
    # A sign becomes ten characters at most, and what is cut off needs no look.
    whole = str(text)
    line = "".join(map(_shown, whole[: limit + 1]))
    return line if len(line) <= limit else line[: max(limit - 3, 0)] + "..."[:limit]


def facts_html(title: str, facts: Mapping[str, object]) -> str:
    """Return facts as a table for a notebook, whatever texts they hold; those that are None are left out.

    Args:
        title: Heading.
        facts: By what they are of.
    """
    rows = "".join(
        f'<tr><th style="text-align:left">{escape(printable(name))}</th>'
        f'<td style="text-align:left">{escape(printable(value))}</td></tr>'
        for name, value in facts.items()
        if value is not None
    )
    return f"<table><caption><b>{escape(printable(title))}</b></caption>{rows}</table>"


def printable_text(value: Any) -> Any:
    """Return a text as `printable` does, of at most 4000 characters, and anything else as it is."""
    # The longest text that a result holds is a model index of some 3000 digits.
    return printable(value, 4000) if isinstance(value, str) else value


def _shown(sign: str) -> str:
    if sign.isprintable():
        return sign
    return " " if sign.isspace() else sign.encode("unicode_escape").decode("ascii")
