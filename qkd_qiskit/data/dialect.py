"""How a text table is written: what separates its cells, its decimal sign, its headings."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from qkd_qiskit.errors import DataError
from qkd_qiskit.text import printable

LABEL_NAMES = ("label", "labels", "class", "classes", "target", "targets", "y", "species", "category")
"""Headings that mark the label column when none is named, in any case."""

MISSING = ("", "na", "n/a", "nan", "null", "none", "?", "-", ".", "<na>", "#n/a", "#na")
"""What stands for a missing value, in small letters."""

BLANKS = " "
"""The separator of tables with any number of blanks and tabs between their cells."""

SAMPLE = 2**20
"""Characters of a table that show how it is written."""

_SEPARATORS = ("\t", ";", ",", "|", BLANKS)
_SAMPLE_ROWS = 60
_SEPARATOR_LINE = re.compile(r"sep=(.)\s*", re.IGNORECASE)
_COMMA = re.compile(r"[+-]?\d*,\d+(e[+-]?\d+)?", re.IGNORECASE)
_WHOLE = re.compile(r"[+-]?\d+")
# So many columns counted from 0 or 1 are no coincidence.
_SURELY_COUNTED = 5


@dataclass(frozen=True)
class Row:
    """A row that is not blank.

    Attributes:
        line: Number of its first line, counted from 1.
        cells: Its cells, without blanks around them.
    """

    line: int
    cells: list[str]


@dataclass(frozen=True)
class Dialect:
    """How a text table is written.

    Attributes:
        separator: What stands between cells; a blank for any number of blanks and tabs.
        decimal: Point or comma.
        headings: Text of the headings, one a column; None where there are none.
        skipped: Lines above the first row of values, headings included.
        width: Number of columns.
    """

    separator: str
    decimal: str
    headings: tuple[str, ...] | None
    skipped: int
    width: int

    def rows(self, lines: Iterable[str]) -> Iterator[Row]:
        """Yield the rows of values.

        Args:
            lines: All lines of the text.
        """
        return split_rows(itertools.islice(lines, self.skipped, None), self.separator, self.skipped)


def lines_of(text: str) -> list[str]:
    """Return the lines of a text with their ends; only line breaks end a line."""
    return list(io.StringIO(text, newline=""))


def split_rows(lines: Iterable[str], separator: str, before: int = 0) -> Iterator[Row]:
    """Yield the rows that are not blank.

    Args:
        lines: Lines of a table.
        separator: As in `Dialect`.
        before: Lines before these.

    Raises:
        csv.Error: If the lines are no table.
    """
    if separator == BLANKS:
        for number, line in enumerate(lines, before + 1):
            if line.strip():
                yield Row(number, line.split())
        return
    reader = csv.reader(lines, delimiter=separator, skipinitialspace=True)
    end = 0
    for cells in reader:
        start, end = end + 1, reader.line_num
        if len(cells) > 1 or any(cell.strip() for cell in cells):
            yield Row(before + start, [cell.strip() for cell in cells])


def recognize(
    text: str,
    where: str,
    *,
    headings: bool | None = None,
    labels: str | None = None,
    unsure: Callable[[Sequence[str]], bool] | None = None,
) -> Dialect:
    """Return how a table is written.

    Args:
        text: Its beginning, of at most `SAMPLE` characters.
        where: The file, for messages.
        headings: Whether the first row holds headings; recognized when omitted.
        labels: The label column that was named; one that is a heading shows that there are headings.
        unsure: Tells from the first row whether it holds headings, where that is open.

    Raises:
        DataError: If it is open whether the first row holds headings.
        csv.Error: If the text is no table.
    """
    lines = lines_of(text)
    if len(text) >= SAMPLE and len(lines) > 1:
        # The last line may be cut.
        del lines[-1]
    said = _SEPARATOR_LINE.fullmatch(lines[0].strip()) if lines else None
    above = 1 if said else 0
    while above < len(lines) and (lines[above].startswith("#") or not lines[above].strip()):
        above += 1
    body = lines[above : above + _SAMPLE_ROWS]
    separator = said[1] if said else _separator(body)
    rows = [row.cells for row in split_rows(body, separator)]
    if not rows:
        return Dialect(separator, ".", None, above, 0)
    width = len(rows[0])
    if len(rows) > 1 and all(len(row) == width + 1 for row in rows[1:]):
        # R writes no heading above the names of the rows.
        rows[0], width = ["", *rows[0]], width + 1
    decimal = _decimal(rows)
    if above and lines[above - 1].startswith("#"):
        # NumPy writes headings behind a number sign.
        behind = [row.cells for row in split_rows([lines[above - 1].lstrip("# ")], separator)]
        if behind and len(behind[0]) == width and not all(map(is_number, behind[0])):
            return Dialect(separator, decimal, tuple(behind[0]), above, width)
    first = rows[0]
    known = _are_headings(first, rows[1:], labels, decimal) if headings is None else headings
    if known is None and unsure is not None:
        known = unsure(first)
    if known is None:
        raise DataError(
            f"{where}: expected headings or values in row {above + 1}, "
            f"found {printable(', '.join(first), 60)!r}, which may be either: data.headings = true or "
            "false says which"
        )
    if not known:
        return Dialect(separator, decimal, None, above, width)
    reader = split_rows(lines[above:], separator)
    next(reader)
    second = next(reader, None)
    return Dialect(
        separator, decimal, tuple(first), above + (second.line - 1 if second else len(lines) - above), width
    )


def is_number(cell: str, decimal: str = ".") -> bool:
    """Return whether a cell reads as a number."""
    try:
        float(cell.replace(",", ".") if decimal == "," else cell)
    except ValueError:
        return False
    return True


def is_missing(cell: str) -> bool:
    """Return whether a cell says that its value is missing."""
    return cell.strip().lower() in MISSING


def has_comma(cell: str) -> bool:
    """Return whether a cell is a number with a decimal comma."""
    return _COMMA.fullmatch(cell) is not None


def _separator(lines: list[str]) -> str:
    """Return what splits most lines into equally many cells, most of them numbers."""
    best, chosen = (0.0, 0.0), ","
    for separator in _SEPARATORS:
        try:
            rows = [row.cells for row in split_rows(lines, separator)]
        except csv.Error:
            continue
        width, count = Counter(map(len, rows[1:] or rows)).most_common(1)[0] if rows else (0, 0)
        if width < 2:
            continue
        cells = list(itertools.chain.from_iterable(rows[1:] or rows))
        numbers = sum(is_number(cell) or is_missing(cell) or has_comma(cell) for cell in cells)
        # A line of the headings more or less tells little about what is a table of few rows.
        score = (min(count / len(rows[1:] or rows), 0.9), numbers / len(cells))
        if score > best:
            best, chosen = score, separator
    return chosen


def _decimal(rows: list[list[str]]) -> str:
    cells = list(itertools.chain.from_iterable(rows))
    commas = any(map(has_comma, cells))
    points = any("." in cell and is_number(cell) for cell in cells)
    return "," if commas and not points else "."


def _are_headings(
    first: Sequence[str], rest: Sequence[Sequence[str]], labels: str | None, decimal: str
) -> bool | None:
    """Return whether the first row holds headings; None where it may hold either."""

    def numeric(cell: str) -> bool:
        return is_number(cell, decimal)

    if labels in first and not numeric(str(labels)):
        return True
    if any(cell.lower() in LABEL_NAMES for cell in first):
        return True
    if not any(map(numeric, first)):
        return True
    columns = [[row[k] for row in rest if k < len(row)] for k in range(len(first))]
    over_numbers = sum(
        not numeric(cell) and not is_missing(cell) and 2 * sum(map(numeric, column)) > len(column)
        for cell, column in zip(first, columns, strict=True)
    )
    numbers_above = [cell for cell in first if numeric(cell)]
    if over_numbers:
        # A row of values with one wrong cell is no row of headings.
        if not all(map(_WHOLE.fullmatch, numbers_above)):
            return False
        return True if over_numbers >= len(numbers_above) else None
    named = first[1:] if is_missing(first[0]) else first
    if not rest or len(first) < 2 or not all(map(_WHOLE.fullmatch, named)):
        return False
    numbers = [int(cell) for cell in named]
    rising = all(a < b for a, b in itertools.pairwise(numbers))
    counted = numbers in (list(range(len(numbers))), list(range(1, len(numbers) + 1)))
    if len(named) < len(first) and counted:
        return True
    below = columns[len(first) - len(named) :]
    if rising and any(len(column) > 1 and not any(map(numeric, column)) for column in below):
        # A number above a column of texts.
        return True
    values = [cell for column in below for cell in column if numeric(cell)]
    # Whoever writes some numbers with a decimal sign and others without may write any value so.
    decimals = [[not _WHOLE.fullmatch(cell) for cell in column if numeric(cell)] for column in below]
    if counted:
        sure = any(found and all(found) for found in decimals) or len(named) >= _SURELY_COUNTED
        return True if sure else None
    return None if rising and len(numbers) > 2 and values and all(map(all, decimals)) else False
