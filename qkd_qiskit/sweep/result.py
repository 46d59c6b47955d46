"""What a sweep found: its table, and the files that hold it."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from qkd_qiskit.errors import ReportingError
from qkd_qiskit.reporting import write_json
from qkd_qiskit.store.files import write_atomic
from qkd_qiskit.sweep.cell import (
    Cell,
    CellRecord,
    cell_difference,
    percent,
    pooled_accuracy,
    pooled_difference,
)
from qkd_qiskit.sweep.ranks import rank_rows
from qkd_qiskit.sweep.settings import Difference, SweepSettings, ValueColumn

if TYPE_CHECKING:
    from qkd_qiskit.evaluation import Interval


@dataclass(frozen=True)
class SweepRow:
    """The cells behind one row of the table.

    Attributes:
        labels: First columns of the row.
        name: Name of the variant; None for a row over several.
        cells: Its cells.
        records: Their records.
    """

    labels: dict[str, str]
    name: str | None
    cells: tuple[Cell, ...]
    records: tuple[CellRecord, ...]

    @property
    def refused(self) -> str | None:
        """Why the row has no figures; None if it has."""
        return next((record.refused for record in self.records if record.refused is not None), None)

    @property
    def right(self) -> list[dict[str, str]]:
        """Right answers of every cell."""
        return [record.right for record in self.records]

    def accuracy(self, model: str) -> Interval:
        """Compute a model's accuracy, pooled over the cells."""
        return pooled_accuracy(self.right, model)

    def each(self, name: str) -> list[tuple[float, ...]]:
        """Return a measured number, cell by cell."""
        return [record.values[name] for record in self.records if name in record.values]

    def by_seed(self, name: str) -> list[float]:
        """Return the mean of a measured number for each seed."""
        seeds = dict.fromkeys(cell.seed for cell in self.cells)
        pairs = list(zip(self.cells, self.records, strict=True))
        found = [[v for c, r in pairs if c.seed == seed for v in r.values.get(name, ())] for seed in seeds]
        return [float(np.mean(values)) for values in found if values]


@dataclass(frozen=True)
class SweepResult:
    """All that a sweep found.

    Attributes:
        settings: The sweep.
        cells: Its cells, seeds of a variant together.
        records: Their records.
    """

    settings: SweepSettings
    cells: tuple[Cell, ...]
    records: tuple[CellRecord, ...]

    def groups(self) -> list[SweepRow]:
        """Return the rows before they are put into words: one a variant, then those over several."""
        pairs = list(zip(self.cells, self.records, strict=True))
        variants = {cell.variant.name: cell.variant for cell in self.cells}
        rows = [
            _row(dict(variant.labels), name, [p for p in pairs if p[0].variant.name == name])
            for name, variant in variants.items()
        ]
        total = self.settings.total
        if total is None:
            return rows
        wider: dict[tuple[tuple[str, str], ...], list[tuple[Cell, CellRecord]]] = {}
        for pair in pairs:
            labels = pair[0].variant.labels
            key = tuple((k, total.name if k in total.over else text) for k, text in labels.items())
            wider.setdefault(key, []).append(pair)
        return rows + [_row(dict(key), None, found) for key, found in wider.items()]

    def rows(self) -> list[dict[str, str]]:
        """Return the table: the text of each column of each row."""
        groups = self.groups()
        if self.settings.rows == "ranks":
            return rank_rows(groups, self.settings.models)
        if self.settings.rows == "models":
            return [row for group in groups for row in self._by_model(group)]
        return [self._by_variant(group, groups) for group in groups]

    @property
    def columns(self) -> list[str]:
        """Headings of the table."""
        return list(dict.fromkeys(key for row in self.rows() for key in row if key != "refused"))

    def to_csv(self) -> str:
        """Return the table as CSV."""
        rows, text = self.rows(), io.StringIO()
        writer = csv.DictWriter(
            text, list(dict.fromkeys(k for row in rows for k in row)), lineterminator="\n"
        )
        writer.writeheader()
        writer.writerows(rows)
        return text.getvalue()

    def to_dict(self) -> dict[str, Any]:
        """Return table and cells, ready for JSON; of the answers their share of right ones."""
        cells = [
            {
                "variant": cell.variant.name,
                **cell.variant.labels,
                "seed": cell.seed,
                "seconds": record.seconds,
                "accuracy": {name: text.count("1") / len(text) for name, text in record.right.items()},
                "accuracy_ideal": {name: text.count("1") / len(text) for name, text in record.ideal.items()},
                "values": {k: v[0] if len(v) == 1 else list(v) for k, v in record.values.items()},
                "notes": {key: list(words) for key, words in record.notes.items()},
                "refused": record.refused,
            }
            for cell, record in zip(self.cells, self.records, strict=True)
        ]
        return {"sweep": self.settings.model_dump(mode="json"), "rows": self.rows(), "cells": cells}

    def save(self, *, json: Path | None = None, csv: Path | None = None) -> None:
        """Write the table and the cells as JSON, the table as CSV.

        Raises:
            ReportingError: If a file cannot be written.
        """
        if json is not None:
            write_json(self.to_dict(), json)
        if csv is not None:
            write_atomic(csv, self.to_csv(), ReportingError)

    def _by_model(self, group: SweepRow) -> list[dict[str, str]]:
        """Return one row a model, and one for the time."""
        if group.refused is not None:
            return [group.labels | {"refused": group.refused}]
        rows = []
        for model in self.settings.models or tuple(group.records[0].right):
            row = group.labels | {
                "model": model,
                "accuracy": percent(group.accuracy(model)),
                "each seed": ", ".join(f"{100 * pooled_accuracy([r], model).value:.1f}" for r in group.right),
            }
            ideal = [record.ideal for record in group.records]
            if all(model in answers for answers in ideal):
                row["without noise"] = f"{100 * pooled_accuracy(ideal, model).value:.1f}"
            for one in self.settings.differences:
                differ = cell_difference if one.over == "cells" else pooled_difference
                found = differ(group.right, one.model or model, group.right, one.minus or model)
                row[one.heading] = percent(found)
            rows.append(row)
        minutes = ", ".join(f"{record.seconds / 60:.1f}" for record in group.records)
        return [*rows, group.labels | {"model": "minutes", "each seed": minutes}]

    def _by_variant(self, group: SweepRow, groups: Sequence[SweepRow]) -> dict[str, str]:
        row = dict(group.labels)
        if group.refused is not None:
            return row | {"refused": group.refused}
        models = self.settings.models
        for model in tuple(group.records[0].right) if models is None else models:
            if model in group.records[0].right:
                row[model] = percent(group.accuracy(model))
        for one in self.settings.differences:
            found = difference(one, group, groups)
            if found is not None:
                row[one.heading] = percent(found)
        for column in self.settings.values:
            if group.each(column.name):
                row[column.title] = _shown(column, group)
        for key in self.settings.notes:
            words = sorted({word for record in group.records for word in record.notes.get(key, ())})
            row[key] = ", ".join(words) or "-"
        return row


def difference(one: Difference, group: SweepRow, groups: Sequence[SweepRow]) -> Interval | None:
    """Compute a paired difference of one row; None where the row it is taken to has no figures."""
    other = group if one.variant is None else next((g for g in groups if g.name == one.variant), None)
    if other is None or other.refused is not None or one.model is None or group.refused is not None:
        return None
    if len(other.records) != len(group.records):
        return None
    found = pooled_difference(group.right, one.model, other.right, one.minus or one.model)
    if other is group and one.minus in (None, one.model):
        # A row taken from itself: nothing was drawn, so nothing is uncertain.
        return replace(found, low=0.0, high=0.0)
    return found


def _row(labels: dict[str, str], name: str | None, pairs: Sequence[tuple[Cell, CellRecord]]) -> SweepRow:
    return SweepRow(labels, name, tuple(cell for cell, _ in pairs), tuple(record for _, record in pairs))


def _shown(column: ValueColumn, group: SweepRow) -> str:
    each = group.each(column.name)
    every = [value for values in each for value in values]
    factor = 100 if column.percent else 1

    def text(value: float) -> str:
        return f"{factor * value:.{column.digits}f}"

    if column.show == "each":
        return ", ".join(text(float(np.mean(values))) for values in each)
    if column.show in ("spread", "scatter"):
        kept = group.by_seed(column.name) if column.show == "spread" else every
        return text(float(np.std(kept, ddof=1))) if len(kept) > 1 else "-"
    reduce: dict[str, Callable[[list[float]], Any]] = {"mean": np.mean, "lowest": min, "highest": max}
    return text(float(reduce[column.show](every)))
