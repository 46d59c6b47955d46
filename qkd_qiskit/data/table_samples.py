"""Features and labels of a table, a file's or a DataFrame's: for training, or for a trained model."""

from __future__ import annotations

from qkd_qiskit.data.column_choice import column_named, feature_columns, label_column
from qkd_qiskit.data.table_columns import MOST_NAMED, TableColumns
from qkd_qiskit.data.table_options import FeatureColumns, TableOptions
from qkd_qiskit.data.table_values import TableSamples, table_samples
from qkd_qiskit.errors import DataError


def labelled_samples(table: TableColumns, labels: str | None, options: TableOptions) -> TableSamples:
    """Return features and labels.

    Args:
        table: The table.
        labels: Heading or number of the label column; recognized when omitted.
        options: How the table is meant.

    Raises:
        DataError: If it is open which column holds the labels or the features, a feature is no number, or
            a value is missing and nothing says what becomes of it.
    """
    rows = len(table.frame) + (table.headings is not None)
    if rows < 2:
        raise DataError(f"{table.where}: expected at least two rows, found {rows}")
    if table.width < 2:
        raise DataError(f"{table.where}: expected features and a label column, found one column")
    column = label_column(table, labels)
    chosen = feature_columns(table, [k for k in range(table.width) if k != column], options)
    if labels is None:
        table.say(f"the labels are in {table.title(column)}; labels names another column")
    return table_samples(table, chosen, column, options)


def samples_for_model(
    table: TableColumns, labels: str | None, options: TableOptions, model: FeatureColumns | None
) -> TableSamples:
    """Return features for a model.

    Args:
        table: The table.
        labels: Heading or number of the label column, where labels are wanted; None for none.
        options: How the table is meant.
        model: The columns that the model was trained on: found by their names where both have headings,
            else as many as the model takes; None takes all columns.

    Raises:
        DataError: If a column is missing, a feature is no number, or a value is missing and the model
            knows no medians.
    """
    column = None if labels is None else label_column(table, labels)
    every = [k for k in range(table.width) if k != column]
    names = None if model is None else model.names
    if names is not None and table.headings is not None:
        chosen = [column_named(table, name) for name in names]
        others = [table.title(k) for k in every if k not in chosen]
        if others:
            table.say(f"columns that the model does not take are left out: {', '.join(others[:MOST_NAMED])}")
    elif model is not None and model.count == len(every):
        chosen = every
    else:
        chosen = feature_columns(table, every, options)
        if model is not None and len(chosen) != model.count:
            raise DataError(
                f"{table.where}: expected {model.count} columns, as the model was trained on, "
                f"found {len(chosen)}: {table.known()}; labels names a column of labels"
            )
    return table_samples(table, chosen, column, options, model)
