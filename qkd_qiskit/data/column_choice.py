"""Which column of a table holds the labels, and which hold the features."""

from __future__ import annotations

import numpy as np

from qkd_qiskit.data.dialect import LABEL_NAMES
from qkd_qiskit.data.table_columns import TableColumns
from qkd_qiskit.data.table_options import TableOptions
from qkd_qiskit.errors import DataError, did_you_mean
from qkd_qiskit.text import printable

# So many rows counted in order are no coincidence.
_SURELY_COUNTED = 10
#: Headings of columns that number the rows, in small letters; pandas and R leave theirs empty.
_ROW_NAMES = (
    "",
    "id",
    "idx",
    "index",
    "row",
    "rows",
    "row_id",
    "rowid",
    "row_number",
    "rownames",
    "nr",
    "no",
    "no.",
    "#",
)


def label_column(table: TableColumns, wanted: str | None) -> int:
    """Return the number of the column of labels.

    Args:
        table: The table.
        wanted: Its heading or number; recognized when omitted.

    Raises:
        DataError: If there is no such column, or it is open which one it is.
    """
    headings: tuple[str, ...] = table.headings or ()
    if wanted is not None:
        if headings.count(wanted) == 1:
            return headings.index(wanted)
        whole = wanted.removeprefix("-")
        if len(wanted) < 10 and whole.isdecimal() and -table.width <= int(wanted) < table.width:
            return int(wanted) % table.width
        twice = "two columns" if wanted in headings else "no column"
        raise DataError(
            f"{table.where}: {twice} {printable(wanted, 40)!r} for the labels among the {table.width} "
            f"columns: {table.known()}{did_you_mean(wanted, headings) if wanted not in headings else ''}"
        )
    named = [k for k, name in enumerate(headings) if name.lower() in LABEL_NAMES]
    texts = [k for k in range(table.width) if table.is_text(k) and not table.is_row_name(k)]
    likely = [k for k in named if table.repeats(k)] or [k for k in texts if table.repeats(k)] or named
    if len(likely) > 1:
        # Beside other labels, y is a coordinate.
        likely = [k for k in likely if headings[k : k + 1] not in (("y",), ("Y",))] or likely
    if not likely and not texts:
        likely = [k for k in (0, table.width - 1) if table.looks_like_labels(k)]
    if len(likely) != 1:
        raise DataError(
            f"{table.where}: cannot tell which column holds the labels; name it with labels=HEADING or "
            f"its number: {table.known()}"
        )
    return likely[0]


def column_named(table: TableColumns, name: str) -> int:
    """Return the number of the column of a heading.

    Raises:
        DataError: If there is none, or more than one.
    """
    headings = table.headings or ()
    if headings.count(name) != 1:
        hint = did_you_mean(name, headings) if name not in headings else ""
        raise DataError(
            f"{table.where}: expected one column {printable(name, 40)!r}, as the model was trained on, "
            f"found {headings.count(name) or 'none'}: {table.known()}{hint}"
        )
    return headings.index(name)


def feature_columns(table: TableColumns, columns: list[int], options: TableOptions) -> list[int]:
    """Return the columns that are features: without those that are empty or number the rows.

    Raises:
        DataError: If none is left, or it is open whether a column numbers the rows.
    """
    chosen, numbering = [], []
    for column in columns:
        values = table.frame[column]
        nameless = table.headings is None or not table.headings[column]
        if nameless and len(values) and values.isna().all():
            # Lines that end with a separator.
            continue
        if options.row_numbers != "keep" and _numbers_rows(table, column, options):
            numbering.append(column)
        else:
            chosen.append(column)
    if not chosen:
        raise DataError(f"{table.where}: expected columns of features, found none")
    if numbering:
        said = ", ".join(map(table.title, numbering))
        table.say(f'row numbers are left out: {said}; data.row_numbers = "keep" takes them as features')
    return chosen


def _numbers_rows(table: TableColumns, column: int, options: TableOptions) -> bool:
    values, count = table.frame[column], len(table.frame)
    if count < 2 or values.isna().any():
        return False
    numbers = table.numbers(column)
    fractions = bool((numbers[np.isfinite(numbers)] % 1 != 0).any())
    if table.is_row_name(column):
        # pandas and R write the names of rows so, repeated ones too.
        if fractions and options.row_numbers != "drop":
            raise DataError(
                f"{table.where}: expected a heading above {table.title(column)}, found none: "
                'data.row_numbers = "drop" leaves the column out, "keep" takes it as a feature'
            )
        return True
    if values.nunique() != count or not np.isfinite(numbers).all() or fractions:
        return False
    if table.headings is not None and table.headings[column].lower() in _ROW_NAMES:
        return True
    counts = any(np.array_equal(numbers, np.arange(count) + start) for start in (0, 1))
    if not counts or count < _SURELY_COUNTED:
        return False
    if options.row_numbers == "drop" or (table.headings is None and column == 0):
        return True
    raise DataError(
        f'{table.where}: {table.title(column)} counts the rows: data.row_numbers = "drop" leaves it out, '
        '"keep" takes it as a feature'
    )
