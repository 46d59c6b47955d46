"""Tables with one label column, as CSV text, plain or gzip-compressed."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from qkd_qiskit.errors import DataError
from qkd_qiskit.store import Unpacked, current_limits, guarded, read_bytes

LABEL_NAMES = ("label", "labels", "class", "target", "y")
"""Headings that mark the label column when none is named, in any case."""

_MOST_CLASSES = 1000
_PIECE = 2**24


@dataclass(frozen=True)
class _Layout:
    """What the first two rows tell: is the first one a header, and what does it say."""

    header: tuple[str, ...] | None
    width: int


def read_csv(path: Path, label_column: str | None = None) -> tuple[NDArray[np.float64], NDArray[Any]]:
    """Read features and labels of a comma-separated file.

    A first row of headings is recognized. Without `label_column` the label column is the one headed
    label, labels, class, target or y. In a file without headings it is the first or the last column,
    when just one of the two looks like labels (few different values, all text or all whole numbers).

    Args:
        path: The file, UTF-8, commas, optional double quotes; with headings or without.
        label_column: Heading of the label column, or its number (from 0; -1 is the last).

    Returns:
        features [N, F] in the file's column order, and labels [N] as text.

    Raises:
        DataError: If the file is unreadable, ragged, has features that are no numbers, or leaves
            open which column holds the labels.
    """
    with guarded(DataError, f"cannot read {path}"):
        text = table_text(path)
        layout = _layout(text, label_column, path)
        text.seek(0)
        column = _label_column(text, layout, label_column, path)
        text.seek(0)
        return _table(text, layout, column)


def read_label_column(path: Path) -> NDArray[Any]:
    """Read labels from a text file, one a line; a heading among `LABEL_NAMES` is left out.

    Raises:
        DataError: If the file is unreadable or has more than one column.
    """
    labels: list[str] = []
    with guarded(DataError, f"cannot read {path}"):
        for row in csv.reader(table_text(path)):
            if len(row) > 1:
                raise DataError(
                    f"{path}: expected one label per line, found {len(row)} values in row {len(labels)}"
                )
            labels += row
        if labels and labels[0].strip().lower() in LABEL_NAMES:
            labels = labels[1:]
        return _text_array(labels, len(labels))


def table_bytes(path: Path) -> bytearray:
    """Return the text of a table, unpacked where it is packed, and not too large to be taken apart.

    Raises:
        DataError: If the file cannot be read, or its bytes, values or the length of a line exceed the limits.
    """
    content = Unpacked(read_bytes(path, DataError), DataError, str(path)).read()
    limits = current_limits()
    values = content.count(b",") + content.count(b"\n") + content.count(b"\r")
    if values > limits.values:
        raise DataError(f"{path}: expected at most {limits.values} values (limits.values), found {values}")
    longest, most = _longest_line(content), limits.text_bytes
    if longest > most:
        raise DataError(
            f"{path}: expected lines of at most {most} bytes (limits.text_bytes), found {longest}"
        )
    return content


def table_text(path: Path) -> TextIO:
    """Return the text of a table to be read several times; it is decoded on the way.

    Raises:
        DataError: If `table_bytes` refuses the file.
    """
    return io.TextIOWrapper(io.BytesIO(table_bytes(path)), encoding="utf-8-sig", newline=None)


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


def _text_array(texts: Sequence[str], count: int) -> NDArray[Any]:
    """Return texts as an array; an array of so many takes the width of the longest for each."""
    width = max(map(len, texts), default=0)
    needed, most = 4 * width * count, current_limits().unpacked_bytes
    if needed > most:
        raise ValueError(
            f"expected labels of at most {most} bytes together (limits.unpacked_bytes), "
            f"found {count} of up to {width} characters"
        )
    return np.asarray(texts, dtype=np.str_)


def _layout(text: TextIO, label_column: str | None, path: Path) -> _Layout:
    rows = (row for row in csv.reader(text) if row)
    first, second = next(rows, None), next(rows, None)
    if first is None or second is None:
        raise DataError(f"{path}: expected at least two rows, found {0 if first is None else 1}")
    if len(first) < 2:
        raise DataError(f"{path}: expected features and a label column, found one column")
    headings = tuple(cell.strip() for cell in first)
    # Headings may be numbers (pandas counts columns), and labels may be text: no single sign is enough.
    is_header = (
        (label_column in headings and not is_number(str(label_column)))
        or any(cell.lower() in LABEL_NAMES for cell in headings)
        or not any(is_number(cell) for cell in headings)
        or any(not is_number(a) and is_number(b) for a, b in zip(headings, second, strict=False))
    )
    return _Layout(headings if is_header else None, len(first))


def _label_column(text: TextIO, layout: _Layout, wanted: str | None, path: Path) -> int:
    headings = layout.header or ()
    if wanted is not None:
        if wanted in headings:
            return headings.index(wanted)
        if (
            len(wanted) < 10
            and wanted.removeprefix("-").isdecimal()
            and -layout.width <= int(wanted) < layout.width
        ):
            return int(wanted) % layout.width
        raise DataError(f"{path}: no column {wanted!r} for the labels among the {layout.width} columns")
    named = [number for number, cell in enumerate(headings) if cell.lower() in LABEL_NAMES]
    likely = named or [number for number in (0, layout.width - 1) if _looks_like_labels(text, layout, number)]
    if len(likely) != 1:
        raise DataError(
            f"{path}: cannot tell which column holds the labels; name it with labels=HEADING or its number"
        )
    return likely[0]


def _looks_like_labels(text: TextIO, layout: _Layout, column: int) -> bool:
    text.seek(0)
    rows = csv.reader(text)
    if layout.header:
        next(rows)
    different: set[str] = set()
    count = 0
    for row in rows:
        if len(row) == layout.width:
            count += 1
            different.add(row[column])
            if len(different) > _MOST_CLASSES:
                return False
    if not 2 <= len(different) <= count // 2:
        return False
    numbers = [is_number(cell) for cell in different]
    return not any(numbers) or (all(numbers) and all(float(cell).is_integer() for cell in different))


def _table(text: TextIO, layout: _Layout, column: int) -> tuple[NDArray[np.float64], NDArray[Any]]:
    # PERF: numpy reads the numbers about ten times faster than the csv module; labels pass as codes.
    codes: dict[str, int] = {}
    table = np.loadtxt(
        text,
        delimiter=",",
        quotechar='"',
        comments=None,
        skiprows=1 if layout.header else 0,
        converters={column: lambda cell: float(codes.setdefault(cell.strip(), len(codes)))},
        ndmin=2,
    )
    names = _text_array(list(codes), len(table))
    return np.delete(table, column, axis=1), names[table[:, column].astype(np.int64)]


def is_number(cell: str) -> bool:
    """Return whether a cell reads as a number."""
    try:
        float(cell)
    except ValueError:
        return False
    return True
