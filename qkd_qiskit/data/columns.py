"""Features and labels of a table, a file's or a DataFrame's: which column is what, and what is missing."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qkd_qiskit.arrays import BoolArray, FloatArray
from qkd_qiskit.data.dialect import LABEL_NAMES, is_missing
from qkd_qiskit.data.text_table import TextTable, text_array
from qkd_qiskit.errors import DataError, did_you_mean
from qkd_qiskit.text import printable

_LOG = logging.getLogger(__name__)
_MOST_CLASSES = 1000
_MOST_NAMED = 12
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
_UNNAMED = "unnamed: "


@dataclass(frozen=True)
class TableOptions:
    """How a table is meant; what is None is recognized, or refused where it is open.

    Attributes:
        headings: Whether the first row of a file holds headings.
        missing: What becomes of rows with missing values: `drop` leaves them out, `median` fills in the
            median of the column; None refuses them.
        row_numbers: `keep` takes columns that number the rows as features, `drop` leaves them out.
    """

    headings: bool | None = None
    missing: str | None = None
    row_numbers: str | None = None

    def __post_init__(self) -> None:
        """Check the words.

        Raises:
            DataError: If there is no such choice.
        """
        for name, given, words in (
            ("headings", self.headings, (True, False)),
            ("missing", self.missing, ("drop", "median")),
            ("row_numbers", self.row_numbers, ("drop", "keep")),
        ):
            if given is not None and given not in words:
                raise DataError(f"{name}: expected {words[0]!r} or {words[1]!r}, found {given!r}")


@dataclass(frozen=True, eq=False)
class FeatureColumns:
    """The columns that a model's features are.

    Attributes:
        count: How many.
        names: Their headings; None where there were none.
        medians: What stands for a missing value [F]; None where missing values are refused.
    """

    count: int
    names: tuple[str, ...] | None = None
    medians: FloatArray | None = None


@dataclass(frozen=True, eq=False)
class TableSamples:
    """What a table holds.

    Attributes:
        features: [N, F].
        labels: [N]; None where no column of labels was wanted.
        columns: Which columns the features are.
    """

    features: FloatArray
    labels: NDArray[Any] | None
    columns: FeatureColumns


class Columns:
    """A table whose columns are chosen: a frame with columns by number, headings, and the places of cells."""

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
        self._frame, self._where, self._place, self._texts = frame, where, place, texts
        self._headings = headings
        self._width: int = frame.shape[1]

    @classmethod
    def of_file(cls, table: TextTable) -> Columns:
        """Take the table in a file."""
        return cls(table.frame, table.headings, str(table.path), table.place, table.texts)

    @classmethod
    def of_frame(cls, frame: pd.DataFrame) -> Columns:
        """Take a DataFrame; its index is no column, and numbered columns have no headings."""
        numbered = isinstance(frame.columns, pd.RangeIndex)
        names = None if numbered else tuple(map(str, frame.columns))
        plain = frame.set_axis(range(frame.shape[1]), axis=1).reset_index(drop=True)

        def place(row: int, column: int) -> str:
            return f"the row with index {frame.index[row]!r}, column {frame.columns[column]!r}"

        return cls(plain, names, "DataFrame", place)

    def labelled(self, labels: str | None, options: TableOptions) -> TableSamples:
        """Return features and labels.

        Args:
            labels: Heading or number of the label column; recognized when omitted.
            options: How the table is meant.

        Raises:
            DataError: If it is open which column holds the labels or the features, a feature is no number, or
                a value is missing and nothing says what becomes of it.
        """
        rows = len(self._frame) + (self._headings is not None)
        if rows < 2:
            raise DataError(f"{self._where}: expected at least two rows, found {rows}")
        if self._width < 2:
            raise DataError(f"{self._where}: expected features and a label column, found one column")
        column = self._label_column(labels)
        chosen = self._features([k for k in range(self._width) if k != column], options)
        if labels is None:
            self._say(f"the labels are in {self._title(column)}; labels names another column")
        return self._samples(chosen, column, options)

    def for_model(
        self, labels: str | None, options: TableOptions, model: FeatureColumns | None
    ) -> TableSamples:
        """Return features for a model.

        Args:
            labels: Heading or number of the label column, where labels are wanted; None for none.
            options: How the table is meant.
            model: The columns that the model was trained on: found by their names where both have headings,
                else as many as the model takes; None takes all columns.

        Raises:
            DataError: If a column is missing, a feature is no number, or a value is missing and the model
                knows no medians.
        """
        column = None if labels is None else self._label_column(labels)
        every = [k for k in range(self._width) if k != column]
        names = None if model is None else model.names
        if names is not None and self._headings is not None:
            chosen = [self._found(name) for name in names]
            others = [self._title(k) for k in every if k not in chosen]
            if others:
                self._say(
                    f"columns that the model does not take are left out: {', '.join(others[:_MOST_NAMED])}"
                )
        elif model is not None and model.count == len(every):
            chosen = every
        else:
            chosen = self._features(every, options)
            if model is not None and len(chosen) != model.count:
                raise DataError(
                    f"{self._where}: expected {model.count} columns, as the model was trained on, "
                    f"found {len(chosen)}: {self._known()}; labels names a column of labels"
                )
        return self._samples(chosen, column, options, model)

    def _say(self, line: str) -> None:
        _LOG.warning("%s: %s", self._where, printable(line))

    def _title(self, column: int) -> str:
        name = self._headings[column] if self._headings else ""
        return f"column {column + 1} ({printable(name, 40)})" if name else f"column {column + 1}"

    def _known(self) -> str:
        if self._headings is None:
            return f"there are {self._width} columns without headings, numbered from 0"
        shown = ", ".join(printable(name, 40) or "(no heading)" for name in self._headings[:_MOST_NAMED])
        more = f" and {self._width - _MOST_NAMED} more" if self._width > _MOST_NAMED else ""
        return f"there are {shown}{more}"

    def _found(self, name: str) -> int:
        """Return the number of the column of a heading."""
        headings = self._headings or ()
        if headings.count(name) != 1:
            hint = did_you_mean(name, headings) if name not in headings else ""
            raise DataError(
                f"{self._where}: expected one column {printable(name, 40)!r}, as the model was trained on, "
                f"found {headings.count(name) or 'none'}: {self._known()}{hint}"
            )
        return headings.index(name)

    def _label_column(self, wanted: str | None) -> int:
        headings: tuple[str, ...] = self._headings or ()
        if wanted is not None:
            if headings.count(wanted) == 1:
                return headings.index(wanted)
            whole = wanted.removeprefix("-")
            if len(wanted) < 10 and whole.isdecimal() and -self._width <= int(wanted) < self._width:
                return int(wanted) % self._width
            twice = "two columns" if wanted in headings else "no column"
            raise DataError(
                f"{self._where}: {twice} {printable(wanted, 40)!r} for the labels among the {self._width} "
                f"columns: {self._known()}{did_you_mean(wanted, headings) if wanted not in headings else ''}"
            )
        named = [k for k, name in enumerate(headings) if name.lower() in LABEL_NAMES]
        texts = [k for k in range(self._width) if self._is_text(k) and not self._is_row_name(k)]
        likely = [k for k in named if self._repeats(k)] or [k for k in texts if self._repeats(k)] or named
        if len(likely) > 1:
            # Beside other labels, y is a coordinate.
            likely = [k for k in likely if headings[k : k + 1] not in (("y",), ("Y",))] or likely
        if not likely and not texts:
            likely = [k for k in (0, self._width - 1) if self._looks_like_labels(k)]
        if len(likely) != 1:
            raise DataError(
                f"{self._where}: cannot tell which column holds the labels; name it with labels=HEADING or "
                f"its number: {self._known()}"
            )
        return likely[0]

    def _is_text(self, column: int) -> bool:
        values = self._frame[column]
        # A wrong cell makes no column of texts.
        return 2 * int(self._not_numbers(column).sum()) > int(values.notna().sum())

    def _not_numbers(self, column: int) -> BoolArray:
        """Return which cells hold something that is neither a number nor missing [N]."""
        values = self._frame[column]
        if pd.api.types.is_numeric_dtype(values):
            return np.zeros(len(values), dtype=bool)
        missing = values.map(lambda cell: isinstance(cell, str) and is_missing(cell)).astype(bool)
        return np.asarray(values.notna() & np.isnan(_numbers(values)) & ~missing)

    def _repeats(self, column: int) -> bool:
        different = int(self._frame[column].nunique())
        return 2 <= different <= min(len(self._frame) // 2, _MOST_CLASSES)

    def _looks_like_labels(self, column: int) -> bool:
        values = _numbers(self._frame[column].dropna())
        return self._repeats(column) and bool((values == np.round(values)).all())

    def _is_row_name(self, column: int) -> bool:
        """Return whether a heading, or none above the first column, says that a column names the rows."""
        if self._headings is None:
            return False
        name = self._headings[column].lower()
        return name.startswith(_UNNAMED) or (name == "" and column == 0)

    def _features(self, columns: list[int], options: TableOptions) -> list[int]:
        """Return the columns that are features: without those that are empty or number the rows."""
        chosen, numbering = [], []
        for column in columns:
            values = self._frame[column]
            nameless = self._headings is None or not self._headings[column]
            if nameless and len(values) and values.isna().all():
                # Lines that end with a separator.
                continue
            if options.row_numbers != "keep" and self._numbers_rows(column, options):
                numbering.append(column)
            else:
                chosen.append(column)
        if not chosen:
            raise DataError(f"{self._where}: expected columns of features, found none")
        if numbering:
            said = ", ".join(map(self._title, numbering))
            self._say(f'row numbers are left out: {said}; data.row_numbers = "keep" takes them as features')
        return chosen

    def _numbers_rows(self, column: int, options: TableOptions) -> bool:
        values, count = self._frame[column], len(self._frame)
        if count < 2 or values.isna().any():
            return False
        numbers = _numbers(values)
        fractions = bool((numbers[np.isfinite(numbers)] % 1 != 0).any())
        if self._is_row_name(column):
            # pandas and R write the names of rows so, repeated ones too.
            if fractions and options.row_numbers != "drop":
                raise DataError(
                    f"{self._where}: expected a heading above {self._title(column)}, found none: "
                    'data.row_numbers = "drop" leaves the column out, "keep" takes it as a feature'
                )
            return True
        if values.nunique() != count or not np.isfinite(numbers).all() or fractions:
            return False
        if self._headings is not None and self._headings[column].lower() in _ROW_NAMES:
            return True
        counts = any(np.array_equal(numbers, np.arange(count) + start) for start in (0, 1))
        if not counts or count < _SURELY_COUNTED:
            return False
        if options.row_numbers == "drop" or (self._headings is None and column == 0):
            return True
        raise DataError(
            f'{self._where}: {self._title(column)} counts the rows: data.row_numbers = "drop" leaves it out, '
            '"keep" takes it as a feature'
        )

    def _samples(
        self,
        chosen: Sequence[int],
        label: int | None,
        options: TableOptions,
        model: FeatureColumns | None = None,
    ) -> TableSamples:
        for column in chosen:
            self._check_numbers(column)
        table = np.column_stack([_numbers(self._frame[column]) for column in chosen])
        infinite = np.argwhere(np.isinf(table))
        if len(infinite):
            row, at = (int(k) for k in infinite[0])
            raise DataError(
                f"{self._where}: expected a finite number in {self._place(row, chosen[at])}, "
                f"found {table[row, at]}"
            )
        labels, unlabelled = (None, np.zeros(len(table), bool)) if label is None else self._labels(label)
        empty = np.isnan(table).all(axis=1) & (unlabelled | (label is None))
        kept = ~empty
        if not kept.any():
            raise DataError(f"{self._where}: expected at least one row of values, found none")
        absent = np.isnan(table)
        medians = None if model is None else model.medians
        if options.missing == "drop" and model is None:
            kept &= ~(absent.any(axis=1) | unlabelled)
            left = int((~empty).sum() - kept.sum())
            if left:
                self._say(f"{left} of {int((~empty).sum())} rows lack a value and are left out")
            if not kept.any():
                raise DataError(f"{self._where}: expected a row without missing values, found none")
        elif (unlabelled & kept).any():
            row = int(np.argmax(unlabelled & kept))
            raise DataError(
                f"{self._where}: expected a label for every sample, found none in "
                f"{self._place(row, label or 0)}; "
                'data.missing = "drop" leaves such rows out'
            )
        elif absent[kept].any():
            if model is None and options.missing == "median":
                medians = self._medians(table[kept], chosen)
                self._say(
                    f"missing values filled in by the medians of their columns: {int(absent[kept].sum())}"
                )
            if medians is None:
                self._refuse_missing(absent & kept[:, None], chosen, model)
            table = np.where(absent, np.asarray(medians), table)
        elif options.missing == "median" and model is None:
            medians = self._medians(table[kept], chosen)
        names = None if self._headings is None else tuple(self._headings[k] for k in chosen)
        return TableSamples(
            features=np.ascontiguousarray(table[kept]),
            labels=None if labels is None else labels[kept],
            columns=FeatureColumns(len(chosen), names, medians),
        )

    def _labels(self, column: int) -> tuple[NDArray[Any], BoolArray]:
        """Return the labels [N], and which are missing."""
        if self._texts is None:
            values = self._frame[column]
            if isinstance(values.dtype, pd.CategoricalDtype):
                values = values.astype(values.cat.categories.dtype)
            missing = np.asarray(values.isna())
            if pd.api.types.is_numeric_dtype(values):
                return np.asarray(
                    values.fillna(0).to_numpy(dtype=float if values.dtype.kind == "f" else int)
                ), missing
            return text_array([str(value) for value in values]), missing
        texts = self._texts(column)
        return text_array(texts), np.array([text.lower() in ("", "nan") for text in texts], dtype=bool)

    def _check_numbers(self, column: int) -> None:
        wrong = self._not_numbers(column)
        if wrong.any():
            row, values = int(np.argmax(wrong)), self._frame[column]
            every = not np.asarray(values.notna() & ~wrong).any()
            more = "; leave this column of texts out of the file, or write it as numbers" if every else ""
            raise DataError(
                f"{self._where}: expected a number in {self._place(row, column)}, "
                f"found {printable(values.iloc[row], 60)!r}{more}"
            )

    def _medians(self, table: FloatArray, chosen: Sequence[int]) -> FloatArray:
        empty = np.isnan(table).all(axis=0)
        if empty.any():
            title = self._title(chosen[int(np.argmax(empty))])
            raise DataError(f"{self._where}: expected values in {title}, found none: leave the column out")
        return np.asarray(np.nanmedian(table, axis=0))

    def _refuse_missing(self, absent: BoolArray, chosen: Sequence[int], model: FeatureColumns | None) -> None:
        row, at = (int(k) for k in np.argwhere(absent)[0])
        others = int(absent.sum()) - 1
        more = f" and in {others} other cells" if others else ""
        remedy = 'data.missing = "drop" leaves such rows out, "median" fills in the median of the column'
        if model is not None:
            remedy = (
                'a model trained with data.missing = "median" fills in its medians; or leave such rows out'
            )
        raise DataError(
            f"{self._where}: expected a value in {self._place(row, chosen[at])}, found none{more}; {remedy}"
        )


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


_TRUTH = {"true": 1.0, "false": 0.0}
