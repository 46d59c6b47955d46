"""Tables as text, plain or gzip-compressed: read by pandas, behind the guarded reader."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qkd_qiskit.data.dialect import (
    BLANKS,
    LABEL_NAMES,
    MISSING,
    SAMPLE,
    Dialect,
    Row,
    has_comma,
    lines_of,
    recognize,
    split_rows,
)
from qkd_qiskit.errors import DataError
from qkd_qiskit.store import Unpacked, current_limits, guarded, read_bytes

ENDINGS = ("csv", "tsv", "tab", "txt", "dat", "data")
"""Endings of files that are read as tables."""

_PIECE = 2**24
_MOST_COLUMNS = 2**17
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# Since 3.1 the last digit is right in any case.
_OLD = tuple(map(int, pd.__version__.split(".")[:2])) < (3, 1)
_EXACT: dict[str, Any] = {"float_precision": "round_trip"} if _OLD else {}
_MISSING = sorted({*MISSING, *(text.upper() for text in MISSING), "NaN", "Null", "None", "Nan"})


@dataclass(frozen=True, eq=False)
class TextTable:
    """A table as it stands in a file.

    Attributes:
        frame: Its values; columns are numbered from 0. Columns of numbers alone are numbers, with NaN for
            missing values; others are texts.
        dialect: How it is written.
        path: The file.
        content: Its text, UTF-8.
    """

    frame: pd.DataFrame
    dialect: Dialect
    path: Path
    content: bytearray

    @property
    def headings(self) -> tuple[str, ...] | None:
        """The headings, or None."""
        return self.dialect.headings

    def texts(self, column: int) -> list[str]:
        """Return a column as it is written, without blanks around its cells."""
        found = _parsed(self.content, self.dialect, usecols=[column], dtype=str, na_filter=False)
        return [str(cell).strip() for cell in found[column]]

    def row(self, number: int) -> Row:
        """Return a row of values, counted from 0, as an editor shows it."""
        return next(row for at, row in enumerate(self._rows()) if at == number)

    def place(self, row: int, column: int) -> str:
        """Return where a cell stands, as an editor shows it: `row 5, column 3 (petal width)`."""
        name = f" ({self.headings[column]})" if self.headings and self.headings[column] else ""
        return f"row {self.row(row).line}, column {column + 1}{name}"

    def _rows(self) -> Iterable[Row]:
        return self.dialect.rows(io.TextIOWrapper(io.BytesIO(self.content), encoding="utf-8", newline=""))


def read_table(
    path: Path,
    *,
    headings: bool | None = None,
    labels: str | None = None,
    unsure: Callable[[Sequence[str]], bool] | None = None,
) -> TextTable:
    """Read a table.

    Commas, semicolons, tabs, bars and blanks are recognized as separators, decimal commas where no point
    stands in a number, and headings also where they are numbers that count.

    Args:
        path: The file: UTF-8, or UTF-16 with its mark; optional double quotes. Lines above the table that
            begin with `#` are left out.
        headings: Whether the first row holds headings; recognized when omitted.
        labels: The label column that was named; one that is a heading shows that there are headings.
        unsure: Tells from the first row whether it holds headings, where that is open.

    Raises:
        DataError: If the file is unreadable or ragged, has one column alone, or leaves open whether the first
            row holds headings.
    """
    with guarded(DataError, f"cannot read {path}"):
        content = _utf8(table_bytes(path))
        sample = codecs.getincrementaldecoder("utf-8")().decode(content[:SAMPLE], len(content) <= SAMPLE)
        dialect = recognize(sample, str(path), headings=headings, labels=labels, unsure=unsure)
        _check_size(content, dialect, path)
        frame = _parsed(content, dialect)
        table = TextTable(frame, dialect, path, content)
        _check_rows(table)
        late = _late_commas(table)
        if late:
            commas = Dialect(dialect.separator, ",", dialect.headings, dialect.skipped, dialect.width)
            table = TextTable(_parsed(content, commas), commas, path, content)
        return table


def read_label_column(path: Path) -> NDArray[Any]:
    """Read labels from a text file, one a line; a heading among `LABEL_NAMES` is left out.

    Raises:
        DataError: If the file is unreadable or has more than one column.
    """
    labels: list[str] = []
    with guarded(DataError, f"cannot read {path}"):
        text = io.TextIOWrapper(io.BytesIO(_utf8(table_bytes(path))), encoding="utf-8", newline="")
        for row in split_rows(text, ","):
            if len(row.cells) > 1:
                raise DataError(
                    f"{path}: expected one label per line, found {len(row.cells)} values in row {row.line}"
                )
            labels += row.cells
        if labels and labels[0].lower() in LABEL_NAMES:
            labels = labels[1:]
        return text_array(labels)


def text_array(texts: list[str]) -> NDArray[Any]:
    """Return texts as an array; an array takes the width of the longest for each.

    Raises:
        ValueError: If they take more than `limits.unpacked_bytes` so.
    """
    width = max(map(len, texts), default=0)
    needed, most = 4 * width * len(texts), current_limits().unpacked_bytes
    if needed > most:
        raise ValueError(
            f"expected labels of at most {most} bytes together (limits.unpacked_bytes), "
            f"found {len(texts)} of up to {width} characters"
        )
    return np.asarray(texts, dtype=np.str_)


def table_bytes(path: Path) -> bytearray:
    """Return the bytes of a table, unpacked where it is packed, and not too large to be taken apart.

    Raises:
        DataError: If the file cannot be read, or its bytes or the length of a line exceed the limits.
    """
    content = Unpacked(read_bytes(path, DataError), DataError, str(path)).read()
    longest, most = _longest_line(content), current_limits().text_bytes
    if longest > most:
        raise DataError(
            f"{path}: expected lines of at most {most} bytes (limits.text_bytes), found {longest}"
        )
    return content


def _utf8(content: bytearray) -> bytearray:
    """Return a text without its mark, and what spreadsheets write as UTF-16 as UTF-8."""
    if content.startswith(codecs.BOM_UTF8):
        return content[len(codecs.BOM_UTF8) :]
    if content.startswith(_UTF16):
        return bytearray(content.decode("utf-16").encode("utf-8"))
    return content


def _check_size(content: bytearray, dialect: Dialect, path: Path) -> None:
    most, lines = current_limits().values, content.count(b"\n") + content.count(b"\r")
    signs = b"\t " if dialect.separator == BLANKS else dialect.separator.encode()
    values = lines + sum(content.count(bytes([sign])) for sign in signs)
    if values > most:
        raise DataError(f"{path}: expected at most {most} values (limits.values), found {values}")
    if dialect.width > _MOST_COLUMNS:
        raise DataError(f"{path}: expected at most {_MOST_COLUMNS} columns, found {dialect.width}")


def _parsed(content: bytearray, dialect: Dialect, **options: Any) -> pd.DataFrame:
    lines = lines_of(codecs.getincrementaldecoder("utf-8")().decode(content[:SAMPLE]))[: dialect.skipped]
    source = io.BytesIO(memoryview(content)[len("".join(lines).encode()) :])
    if dialect.width == 0 or not source.getbuffer().nbytes:
        return pd.DataFrame(columns=range(dialect.width))
    missing = {} if "na_filter" in options else {"na_values": _MISSING}
    try:
        return pd.read_csv(
            source,
            sep=r"\s+" if dialect.separator == BLANKS else dialect.separator,
            decimal=dialect.decimal,
            header=None,
            names=list(range(dialect.width)),
            skipinitialspace=True,
            keep_default_na=False,
            low_memory=False,
            **_EXACT,
            **missing,
            **options,
        )
    except pd.errors.EmptyDataError:
        return pd.DataFrame(columns=range(dialect.width))
    except pd.errors.ParserError:
        # The slow way tells the row.
        return pd.DataFrame(columns=range(dialect.width), index=["ragged"])


def _check_rows(table: TextTable) -> None:
    """Refuse rows of different lengths: pandas fills short ones, and takes long ones apart."""
    frame, width = table.frame, table.dialect.width
    longer = not isinstance(frame.index, pd.RangeIndex)
    shorter = width and len(frame) and frame[width - 1].isna().any()
    if not longer and not shorter:
        return
    try:
        for row in table._rows():
            if len(row.cells) != width:
                raise DataError(
                    f"{table.path}: expected {width} values in row {row.line}, found {len(row.cells)}; each "
                    "row needs a value or an empty cell for each column"
                )
    except csv.Error as error:
        raise DataError(f"{table.path}: expected a table, found {error}") from None
    if longer:
        raise DataError(f"{table.path}: expected quotes in pairs, found one that is never closed")


def _late_commas(table: TextTable) -> bool:
    """Return whether decimal commas begin behind the rows that have shown how the table is written."""
    frame, dialect = table.frame, table.dialect
    if dialect.decimal == "," or dialect.separator == "," or any(frame.dtypes == np.float64):
        return False
    texts = (frame[column].dropna().astype(str) for column in frame if not _is_number(frame[column]))
    return any(column.map(has_comma).any() for column in texts)


def _is_number(column: pd.Series[Any]) -> bool:
    return bool(pd.api.types.is_numeric_dtype(column))


def _longest_line(content: bytearray) -> int:
    # PERF: a piece at a time, as the places of line breaks may take more memory than the text.
    longest, begin = 0, 0
    for start in range(0, len(content), _PIECE):
        piece = np.frombuffer(content, np.uint8, min(_PIECE, len(content) - start), start)
        ends = start + np.flatnonzero((piece == ord("\n")) | (piece == ord("\r")))
        if ends.size:
            longest = max(longest, int(np.diff(ends, prepend=begin).max()))
            begin = int(ends[-1])
    return max(longest, len(content) - begin)
