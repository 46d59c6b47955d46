"""Whole federations over several seeds: every model's accuracy, and the global model's margin over it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from qkd_qiskit.config import ExperimentSettings
from qkd_qiskit.progress import Progress
from qkd_qiskit.studies.federated import federation_cell, percent, pooled_accuracy, pooled_difference
from qkd_qiskit.studies.swarm_data import run_cells

MARGIN_COLUMNS = ("model", "accuracy", "each seed", "global minus this")


def study_margins(
    settings: Sequence[ExperimentSettings], folder: Path, *, progress: Progress | None = None
) -> list[dict[str, str]]:
    """Run one federation a seed, with all baselines.

    Args:
        settings: One experiment a seed.
        folder: Where records lie; an interrupted study goes on there.
        progress: Told of every run.

    Returns:
        Rows with the columns `MARGIN_COLUMNS`: percent, pooled over seeds with bootstrap 95 % intervals;
        margins are paired over the same test samples. The last row tells the minutes of each run.
    """
    cells = [federation_cell(one.name, one) for one in settings]
    records = run_cells("margins", cells, folder, progress=progress)
    rows = [
        {
            "model": name,
            "accuracy": percent(pooled_accuracy(records, name)),
            "each seed": ", ".join(f"{100 * pooled_accuracy([r], name).value:.1f}" for r in records),
            "global minus this": percent(pooled_difference(records, "global", records, name)),
        }
        for name in records[0]["right"]
    ]
    minutes = np.array([record["seconds"] for record in records]) / 60
    rows.append({"model": "minutes", "each seed": ", ".join(f"{m:.1f}" for m in minutes)})
    return rows
