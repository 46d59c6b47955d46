"""The values of a table's chosen columns: features are finite numbers, and what is missing is settled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qkd_qiskit.arrays import BoolArray, FloatArray
from qkd_qiskit.data.table_columns import TableColumns
from qkd_qiskit.data.table_options import FeatureColumns, TableOptions
from qkd_qiskit.data.text_table import text_array
from qkd_qiskit.errors import DataError
from qkd_qiskit.text import printable


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


def table_samples(
    table: TableColumns,
    chosen: Sequence[int],
    label: int | None,
    options: TableOptions,
    model: FeatureColumns | None = None,
) -> TableSamples:
    """Return the samples of a table; rows without any value are left out.

    Args:
        table: The table.
        chosen: Columns of the features.
        label: Column of the labels; None for none.
        options: What becomes of missing values, where there is no model.
        model: What a model knows of its columns; its medians fill in what is missing.

    Raises:
        DataError: If a feature is no finite number, a value is missing and nothing says what becomes of it,
            or no row is left.
    """
    values = _features(table, chosen)
    labels, unlabelled = (None, np.zeros(len(values), bool)) if label is None else _labels(table, label)
    absent = np.isnan(values)
    kept = ~(absent.all(axis=1) & (unlabelled | (label is None)))
    if not kept.any():
        raise DataError(f"{table.where}: expected at least one row of values, found none")
    medians = None if model is None else model.medians
    if options.missing == "drop" and model is None:
        kept = _whole_rows(table, kept, absent.any(axis=1) | unlabelled)
    elif (unlabelled & kept).any():
        row = int(np.argmax(unlabelled & kept))
        raise DataError(
            f"{table.where}: expected a label for every sample, found none in "
            f'{table.place(row, label or 0)}; data.missing = "drop" leaves such rows out'
        )
    else:
        if options.missing == "median" and model is None:
            medians = _medians(table, values[kept], chosen)
            filled = int(absent[kept].sum())
            if filled:
                table.say(f"missing values filled in by the medians of their columns: {filled}")
        if absent[kept].any():
            if medians is None:
                _refuse_missing(table, absent & kept[:, None], chosen, model)
            values = np.where(absent, np.asarray(medians), values)
    names = None if table.headings is None else tuple(table.headings[k] for k in chosen)
    return TableSamples(
        features=np.ascontiguousarray(values[kept]),
        labels=None if labels is None else labels[kept],
        columns=FeatureColumns(len(chosen), names, medians),
    )


def _features(table: TableColumns, chosen: Sequence[int]) -> FloatArray:
    """Return the features [N, F]; NaN where one is missing."""
    for column in chosen:
        _check_numbers(table, column)
    values = np.column_stack([table.numbers(column) for column in chosen])
    infinite = np.argwhere(np.isinf(values))
    if len(infinite):
        row, at = (int(k) for k in infinite[0])
        raise DataError(
            f"{table.where}: expected a finite number in {table.place(row, chosen[at])}, "
            f"found {values[row, at]}"
        )
    return values


def _check_numbers(table: TableColumns, column: int) -> None:
    wrong = table.not_numbers(column)
    if wrong.any():
        row, values = int(np.argmax(wrong)), table.frame[column]
        every = not np.asarray(values.notna() & ~wrong).any()
        more = "; leave this column of texts out of the file, or write it as numbers" if every else ""
        raise DataError(
            f"{table.where}: expected a number in {table.place(row, column)}, "
            f"found {printable(values.iloc[row], 60)!r}{more}"
        )


def _labels(table: TableColumns, column: int) -> tuple[NDArray[Any], BoolArray]:
    """Return the labels [N], and which are missing."""
    if table.texts is not None:
        texts = table.texts(column)
        return text_array(texts), np.array([text.lower() in ("", "nan") for text in texts], dtype=bool)
    values = table.frame[column]
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = values.astype(values.cat.categories.dtype)
    missing = np.asarray(values.isna())
    if not pd.api.types.is_numeric_dtype(values):
        return text_array([str(value) for value in values]), missing
    kind = float if values.dtype.kind == "f" else int
    return np.asarray(values.fillna(0).to_numpy(dtype=kind)), missing


def _whole_rows(table: TableColumns, kept: BoolArray, lacking: BoolArray) -> BoolArray:
    """Return which of the kept rows lack nothing [N]; say how many do."""
    whole = kept & ~lacking
    left = int(kept.sum() - whole.sum())
    if left:
        table.say(f"{left} of {int(kept.sum())} rows lack a value and are left out")
    if not whole.any():
        raise DataError(f"{table.where}: expected a row without missing values, found none")
    return whole


def _medians(table: TableColumns, values: FloatArray, chosen: Sequence[int]) -> FloatArray:
    empty = np.isnan(values).all(axis=0)
    if empty.any():
        title = table.title(chosen[int(np.argmax(empty))])
        raise DataError(f"{table.where}: expected values in {title}, found none: leave the column out")
    return np.asarray(np.nanmedian(values, axis=0))


def _refuse_missing(
    table: TableColumns, absent: BoolArray, chosen: Sequence[int], model: FeatureColumns | None
) -> None:
    row, at = (int(k) for k in np.argwhere(absent)[0])
    others = int(absent.sum()) - 1
    more = f" and in {others} other cells" if others else ""
    remedy = 'data.missing = "drop" leaves such rows out, "median" fills in the median of the column'
    if model is not None:
        remedy = 'a model trained with data.missing = "median" fills in its medians; or leave such rows out'
    raise DataError(
        f"{table.where}: expected a value in {table.place(row, chosen[at])}, found none{more}; {remedy}"
    )
