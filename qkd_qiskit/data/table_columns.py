"""The columns of a table, a file's or a DataFrame's: their names, and what their values look like."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from qkd_qiskit.arrays import BoolArray, FloatArray
from qkd_qiskit.data.dialect import is_missing
from qkd_qiskit.data.text_table import TextTable
from qkd_qiskit.text import printable

_LOG = logging.getLogger(__name__)
_MOST_CLASSES = 1000
MOST_NAMED = 12  # columns in a message
_UNNAMED = "unnamed: "
_TRUTH = {"true": 1.0, "false": 0.0}


class TableColumns:
    """A table with columns by number, headings, and the places of cells."""

    def __init__(
        self,
        frame: pd.DataFrame,
        headings: tuple[str, ...] | None,
        where: str,
        place: Callable[[int, int], str],
        texts: Callable[[int], list[str]] | None = None,
    ) -> None:
        """Keep what a table says.

        Args:
            frame: Values; columns are numbered from 0, missing values are NaN.
            headings: Headings of the columns; None where there are none.
            where: Where it comes from, for messages.
            place: Says where a cell stands, from row and column.
            texts: Gives a column as it is written; None where values have types of their own.
        """
        self.frame, self.where, self.place, self.texts = frame, where, place, texts
        self.headings = headings
        self.width: int = frame.shape[1]

    @classmethod
    def of_file(cls, table: TextTable) -> TableColumns:
        """Take the table in a file."""
        return cls(table.frame, table.headings, str(table.path), table.place, table.texts)

    @classmethod
    def of_frame(cls, frame: pd.DataFrame) -> TableColumns:
        """Take a DataFrame; its index is no column, and numbered columns have no headings."""
        numbered = isinstance(frame.columns, pd.RangeIndex)
        names = None if numbered else tuple(map(str, frame.columns))
        plain = frame.set_axis(range(frame.shape[1]), axis=1).reset_index(drop=True)

        def place(row: int, column: int) -> str:
            return f"the row with index {frame.index[row]!r}, column {frame.columns[column]!r}"

        return cls(plain, names, "DataFrame", place)

    def say(self, line: str) -> None:
        """Log a warning about this table."""
        _LOG.warning("%s: %s", self.where, printable(line))

    def title(self, column: int) -> str:
        """Return how messages call a column: its number from 1, and its heading."""
        name = self.headings[column] if self.headings else ""
        return f"column {column + 1} ({printable(name, 40)})" if name else f"column {column + 1}"

    def known(self) -> str:
        """Return what columns there are, for messages."""
        if self.headings is None:
            return f"there are {self.width} columns without headings, numbered from 0"
        shown = ", ".join(printable(name, 40) or "(no heading)" for name in self.headings[:MOST_NAMED])
        more = f" and {self.width - MOST_NAMED} more" if self.width > MOST_NAMED else ""
        return f"there are {shown}{more}"

    def numbers(self, column: int) -> FloatArray:
        """Return a column as numbers [N]; NaN for what is none."""
        return _numbers(self.frame[column])

    def is_text(self, column: int) -> bool:
        """Return whether most values of a column are texts."""
        values = self.frame[column]
        # A wrong cell makes no column of texts.
        return 2 * int(self.not_numbers(column).sum()) > int(values.notna().sum())

    def not_numbers(self, column: int) -> BoolArray:
        """Return which cells hold something that is neither a number nor missing [N]."""
        values = self.frame[column]
        if pd.api.types.is_numeric_dtype(values):
            return np.zeros(len(values), dtype=bool)
        missing = values.map(lambda cell: isinstance(cell, str) and is_missing(cell)).astype(bool)
        return np.asarray(values.notna() & np.isnan(self.numbers(column)) & ~missing)

    def repeats(self, column: int) -> bool:
        """Return whether a column has few enough different values to be one of labels."""
        different = int(self.frame[column].nunique())
        return 2 <= different <= min(len(self.frame) // 2, _MOST_CLASSES)

    def looks_like_labels(self, column: int) -> bool:
        """Return whether a column has whole numbers that repeat."""
        values = _numbers(self.frame[column].dropna())
        return self.repeats(column) and bool((values == np.round(values)).all())

    def is_row_name(self, column: int) -> bool:
        """Return whether a heading, or none above the first column, says that a column names the rows."""
        if self.headings is None:
            return False
        name = self.headings[column].lower()
        return name.startswith(_UNNAMED) or (name == "" and column == 0)


def _numbers(values: pd.Series[Any]) -> FloatArray:
    """Return a column as numbers [N]; NaN for what is none."""
    if values.dtype.kind in "mMc":
        return np.full(len(values), np.nan)
    if values.dtype.kind == "O":
        # pandas before its version 3 reads texts less precisely than Python does, and no infinite ones.
        values = values.map(lambda cell: _number(cell) if isinstance(cell, str) else cell)
    return np.asarray(pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan))


def _number(text: str) -> float:
    """Return a text as a number, a truth value's too; NaN for another one."""
    if text.lower() in _TRUTH:
        return _TRUTH[text.lower()]
    # Python's own literals may have underscores; numbers in tables have none.
    if "_" in text:
        return np.nan
    try:
        return float(text)
    except ValueError:
        return np.nan
