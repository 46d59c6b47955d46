"""Features for a trained model to predict, with labels or without."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from numpy.typing import NDArray

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.data.dataset import as_labels
from qkd_qiskit.data.files import FEATURE_KEYS, flatten, kind_of, member, read_array, read_samples
from qkd_qiskit.data.table_columns import TableColumns
from qkd_qiskit.data.table_options import FeatureColumns, TableOptions
from qkd_qiskit.data.table_samples import samples_for_model
from qkd_qiskit.data.text_table import ENDINGS, read_table
from qkd_qiskit.errors import DataError
from qkd_qiskit.store import guarded, open_npz


@dataclass(frozen=True, eq=False)
class ModelInputs:
    """What a model is to predict.

    Attributes:
        features: Raw features [N, F]; images are flattened row by row and scaled to [0, 1].
        labels: [N], where they were asked for.
    """

    features: FloatArray
    labels: NDArray[Any] | None = None


def load_features(
    source: str | Path | pd.DataFrame,
    labels: str | None = None,
    *,
    model: FeatureColumns | None = None,
    options: TableOptions | None = None,
) -> ModelInputs:
    """Load samples for a model, by the code and the rules that read what it was trained on.

    Args:
        source: `.npy`; `.npz` with an array named as in `FEATURE_KEYS` (or one array only); a table as for
            `load_file`, with or without a column of labels; anything else is read as IDX, also
            gzip-compressed. Or a DataFrame.
        labels: Label file, or label column of a table, where labels are wanted too.
        model: The columns that the model was trained on; those of a table with headings are found by name.
        options: How a table is meant.

    Raises:
        DataError: If the file cannot be read, lacks a column, or holds something else than finite numbers.
    """
    wanted = options or TableOptions()
    if isinstance(source, pd.DataFrame):
        return _of_table(TableColumns.of_frame(source), labels, model, wanted, "DataFrame")
    with guarded(DataError, f"cannot read {source}"):
        path = Path(source)
        if not (path.is_file() or (labels is not None and path.is_dir())):
            raise DataError(f"no such file: {path}")
        kind = kind_of(path)
        if kind in ENDINGS:
            names = None if model is None else set(model.names or ())
            unsure = None if names is None else lambda first: bool(names) and names <= set(first)
            table = read_table(path, headings=wanted.headings, labels=labels, unsure=unsure)
            return _of_table(TableColumns.of_file(table), labels, model, wanted, str(path))
        if labels is not None:
            read = read_samples(path, labels)
            return ModelInputs(flatten(read.values, str(path))[0], as_labels(read.labels, str(path)))
        samples = _samples_of_npz(path) if kind == "npz" else read_array(path, kind)
        return ModelInputs(flatten(samples, str(path))[0])


def _of_table(
    table: TableColumns, labels: str | None, model: FeatureColumns | None, options: TableOptions, where: str
) -> ModelInputs:
    found = samples_for_model(table, labels, options, model)
    known = None if found.labels is None else as_labels(found.labels, where)
    return ModelInputs(flatten(found.features, where)[0], known)


def _samples_of_npz(path: Path) -> NDArray[Any]:
    archive = open_npz(path, DataError)
    named = tuple(key for key in FEATURE_KEYS if key in archive)
    only = archive.names if len(archive.names) == 1 else FEATURE_KEYS
    return member(archive, named or only, "samples", path)
