"""Average ranks of models over variants, and their paired differences from the global model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import rankdata

from qkd_qiskit.arrays import FloatArray

if TYPE_CHECKING:
    from qkd_qiskit.sweep.result import SweepRow

_DRAWS, _SEED = 10_000, 0


def rank_rows(groups: Sequence[SweepRow], models: Sequence[str] | None) -> list[dict[str, str]]:
    """Return one row a model, the best average rank first.

    Ranks are those of the accuracies within a variant, seeds together, 1 for the best; equal ones share their
    mean (Demsar, JMLR 7:1-30, 2006). Differences are those of the variants' accuracies. Their 95 % intervals
    come from a bootstrap over variants: what they are uncertain of is which tasks were chosen.

    Args:
        groups: The variants; runs that were refused do not count, nor do variants of nothing else.
        models: Models to rank; None for all that every variant has.
    """
    used = [found for found in map(_measured, groups) if found.records]
    if not used:
        return [group.labels | {"refused": group.refused or ""} for group in groups]
    common = [
        name for name in used[0].records[0].right if all(name in r.right for g in used for r in g.records)
    ]
    names = [name for name in common if models is None or name in models]
    accuracies = np.array([[group.accuracy(name).value for name in names] for group in used])
    ranks = rankdata(-accuracies, axis=1)
    rows = []
    for place in np.argsort(ranks.mean(axis=0), kind="stable"):
        name = names[place]
        row = {
            "model": name,
            "average rank": f"{ranks[:, place].mean():.2f}",
            "accuracy": f"{100 * accuracies[:, place].mean():.1f}",
        }
        if "global" in names and name != "global":
            row["global minus this"] = _interval(accuracies[:, names.index("global")] - accuracies[:, place])
        sent = [value for group in used for values in group.each(f"bytes_{name}") for value in values]
        if sent:
            row["kilobytes"] = f"{np.mean(sent) / 1000:.1f}"
        rows.append(row)
    refused = sum(len(group.records) for group in groups) - sum(len(group.records) for group in used)
    return [*rows, {"model": f"{len(used)} variants, {refused} runs refused"}]


def _measured(group: SweepRow) -> SweepRow:
    """Return a variant without the runs that were refused."""
    pairs = [
        (cell, record)
        for cell, record in zip(group.cells, group.records, strict=True)
        if record.refused is None
    ]
    cells, records = tuple(cell for cell, _ in pairs), tuple(record for _, record in pairs)
    return replace(group, cells=cells, records=records)


def _interval(differences: FloatArray) -> str:
    drawn = np.random.default_rng(_SEED).integers(len(differences), size=(_DRAWS, len(differences)))
    low, high = np.quantile(differences[drawn].mean(axis=1), [0.025, 0.975])
    return f"{100 * differences.mean():+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"
