"""Average ranks of models over variants, and their paired differences from the global model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import rankdata

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.evaluation import Interval

if TYPE_CHECKING:
    from qkd_qiskit.sweep.result import SweepRow

_DRAWS, _SEED = 10_000, 0


@dataclass(frozen=True)
class RankedModel:
    """A model over all variants.

    Attributes:
        name: The model.
        rank: Mean of its ranks, 1 for the best of a variant.
        accuracy: Mean of its accuracies, 0 to 1.
        difference: Accuracy of the global model minus this one's; None for itself, or where there is none.
        kilobytes: Sent in a run, in the mean; None where nothing was counted.
    """

    name: str
    rank: float
    accuracy: float
    difference: Interval | None
    kilobytes: float | None


def ranked_models(groups: Sequence[SweepRow], models: Sequence[str] | None) -> list[RankedModel]:
    """Return the models, the best average rank first; none where no variant has figures.

    Ranks are those of the accuracies within a variant, seeds together, 1 for the best; equal ones share their
    mean (Demsar, JMLR 7:1-30, 2006). Differences are those of the variants' accuracies. Their 95 % intervals
    come from a bootstrap over variants: what they are uncertain of is which tasks were chosen.

    Args:
        groups: The variants; runs that were refused do not count, nor do variants of nothing else.
        models: Models to rank; None for all that every variant has.
    """
    used = _with_figures(groups)
    if not used:
        return []
    common = [
        name for name in used[0].records[0].right if all(name in r.right for g in used for r in g.records)
    ]
    names = [name for name in common if models is None or name in models]
    accuracies = np.array([[group.accuracy(name).value for name in names] for group in used])
    ranks = rankdata(-accuracies, axis=1)
    found = []
    for place in np.argsort(ranks.mean(axis=0), kind="stable"):
        name, difference = names[place], None
        if "global" in names and name != "global":
            difference = _interval(accuracies[:, names.index("global")] - accuracies[:, place])
        sent = [value for group in used for values in group.each(f"bytes_{name}") for value in values]
        kilobytes = float(np.mean(sent)) / 1000 if sent else None
        rank, accuracy = float(ranks[:, place].mean()), float(accuracies[:, place].mean())
        found.append(RankedModel(name, rank, accuracy, difference, kilobytes))
    return found


def rank_rows(groups: Sequence[SweepRow], models: Sequence[str] | None) -> list[dict[str, str]]:
    """Return one row a model as text, and one that counts variants and refused runs; see `ranked_models`."""
    used = _with_figures(groups)
    if not used:
        return [group.labels | {"refused": group.refused or ""} for group in groups]
    rows = []
    for model in ranked_models(groups, models):
        row = {
            "model": model.name,
            "average rank": f"{model.rank:.2f}",
            "accuracy": f"{100 * model.accuracy:.1f}",
        }
        if (found := model.difference) is not None:
            ends = f"{100 * found.low:+.1f} to {100 * found.high:+.1f}"
            row["global minus this"] = f"{100 * found.value:+.1f} ({ends})"
        if model.kilobytes is not None:
            row["kilobytes"] = f"{model.kilobytes:.1f}"
        rows.append(row)
    refused = sum(len(group.records) for group in groups) - sum(len(group.records) for group in used)
    return [*rows, {"model": f"{len(used)} variants, {refused} runs refused"}]


def _with_figures(groups: Sequence[SweepRow]) -> list[SweepRow]:
    """Return the variants without the runs that were refused, and without those of nothing else."""
    return [found for found in map(_measured, groups) if found.records]


def _measured(group: SweepRow) -> SweepRow:
    pairs = [
        (cell, record)
        for cell, record in zip(group.cells, group.records, strict=True)
        if record.refused is None
    ]
    cells, records = tuple(cell for cell, _ in pairs), tuple(record for _, record in pairs)
    return replace(group, cells=cells, records=records)


def _interval(differences: FloatArray) -> Interval:
    drawn = np.random.default_rng(_SEED).integers(len(differences), size=(_DRAWS, len(differences)))
    low, high = np.quantile(differences[drawn].mean(axis=1), [0.025, 0.975])
    return Interval(float(differences.mean()), float(low), float(high), len(differences))
