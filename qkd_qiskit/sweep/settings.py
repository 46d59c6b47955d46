"""Settings of a sweep: which experiments with which seeds, what is measured, and how it is shown."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import product
from math import prod
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from qkd_qiskit.arguments import NOTHING, takes
from qkd_qiskit.config import Settings
from qkd_qiskit.config.loading import parse_settings, read_table, shipped_files
from qkd_qiskit.errors import ConfigError

Scalar = bool | int | float | str

MOST_CELLS = 100_000
"""Cells of a sweep: variants times seeds."""


class SeedRange(Settings):
    """Seeds that follow each other."""

    first: int = Field(0, ge=0)
    count: int = Field(ge=1)


class Variant(Settings):
    """One form of the experiment, or of the measurement.

    Keys of `measurement.` change the measurement, all others the experiment.
    """

    name: str = Field(min_length=1)
    set: tuple[str, ...] = Field((), description="key=value, as --set takes them")
    unset: tuple[str, ...] = Field((), description="keys of the experiment that get their defaults again")
    labels: dict[str, str] = Field({}, exclude=True, description="first columns of its row; made by the grid")


class Difference(Settings):
    """A column of paired differences in accuracy, over the same test samples.

    Where rows are models, the side that is left out is the row's own model. Where rows are variants, `minus`
    is `model` when omitted, and `variant` names the row that is subtracted, the row itself when omitted.
    Over `cells`, in rows that are models, every cell counts alike, and the interval is a bootstrap over
    cells: it covers the draws of samples and the choices made on them, not the test samples alone.
    """

    model: str | None = None
    minus: str | None = None
    variant: str | None = None
    over: Literal["answers", "cells"] = "answers"

    @property
    def heading(self) -> str:
        """The column's heading."""
        if self.variant is not None:
            return f"{self.model} minus {self.variant}"
        cells = ", over cells" if self.over == "cells" else ""
        return f"{self.model or 'this'} minus {self.minus or 'this'}{cells}"


class ValueColumn(Settings):
    """A column of a measured number over the cells of a row.

    `spread` is the standard deviation over seeds of the means of each seed, `scatter` that over all cells.
    """

    name: str
    show: Literal["mean", "each", "spread", "scatter", "lowest", "highest"] = "mean"
    heading: str | None = None
    digits: int = Field(3, ge=0, le=20)
    percent: bool = False

    @property
    def title(self) -> str:
        """The column's heading."""
        own = self.name.replace("_", " ")
        return self.heading or (own if self.show == "mean" else f"{own}, {self.show}")


class Total(Settings):
    """One more row for all variants that differ in these labels alone."""

    over: tuple[str, ...] = Field(min_length=1)
    name: str = "mean"


class Panel(Settings):
    """One panel of the picture.

    `line`: models or values against a label that is a number. `columns`: one line a row, over models whose
    names begin with a number (`16 shots`). `bars`: models or values, one group a row. `differences`: the
    first difference of each row with its interval. `ranks`: the global model's difference from each model
    over all variants, the best average rank first. `own`: what the measurement draws.
    """

    kind: Literal["line", "columns", "bars", "differences", "ranks", "own"] = "line"
    x: str | None = Field(None, description="label of the rows on the horizontal axis")
    names: tuple[str, ...] = Field((), description="models or values that are drawn; all models when omitted")
    x_title: str | None = None
    y_title: str = "accuracy, %"
    x_log: bool = False
    y_log: bool = False
    x_falls: bool = Field(False, description="whether the horizontal axis runs from high to low")

    @model_validator(mode="after")
    def _line_has_x(self) -> Panel:
        if self.kind == "line" and self.x is None:
            raise ValueError("a panel of kind line needs x")
        return self


class SweepSettings(Settings):
    """A sweep: variants, or a grid, times seeds."""

    name: str = Field(min_length=1)
    title: str = ""
    experiment: str | None = Field(None, description="shipped experiment, or .toml file")
    measurement: dict[str, Any] = Field(
        {"kind": "experiment"}, description="kind, and the settings of that measurement"
    )
    seeds: SeedRange
    set: tuple[str, ...] = Field((), description="key=value for all variants")
    variants: tuple[Variant, ...] = ()
    grid: dict[str, tuple[Scalar | tuple[Scalar, ...], ...]] = Field(
        {}, description="values of each key; every combination is a variant"
    )
    rows: Literal["variants", "models", "ranks"] = Field(
        "variants", description="a row a variant, a row a model of each, or a row a model over all"
    )
    models: tuple[str, ...] | None = Field(None, description="models whose accuracy is shown; None for all")
    differences: tuple[Difference, ...] = ()
    values: tuple[ValueColumn, ...] = ()
    notes: tuple[str, ...] = ()
    total: Total | None = None
    panels: tuple[Panel, ...] = ()

    @model_validator(mode="after")
    def _variants_fit(self) -> SweepSettings:
        if self.variants and self.grid:
            raise ValueError("expected variants or a grid, found both")
        # A grid of a few lines can have more combinations than any memory holds.
        cells = prod(map(len, self.grid.values())) * max(len(self.variants), 1) * self.seeds.count
        if cells > MOST_CELLS:
            raise ValueError(f"expected at most {MOST_CELLS} cells, combinations times seeds, found {cells}")
        names = [variant.name for variant in self.all_variants()]
        twice = sorted(name for name, count in Counter(names).items() if count > 1)
        if twice:
            raise ValueError(f"names of variants must differ, found {twice[0]!r} twice")
        for difference in self.differences:
            if difference.variant is not None and difference.variant not in names:
                raise ValueError(
                    f"difference: expected one of {', '.join(names)}, found {difference.variant!r}"
                )
        return self

    def all_variants(self) -> tuple[Variant, ...]:
        """Return the variants, or the combinations of the grid; one without changes where there are none."""
        if self.grid:
            return tuple(self._combinations())
        if not self.variants:
            return (Variant(name="as set"),)
        return tuple(v.model_copy(update={"labels": {"variant": v.name}}) for v in self.variants)

    def _combinations(self) -> Iterator[Variant]:
        for values in product(*self.grid.values()):
            labels = {
                key.rpartition(".")[2].replace("_", " "): _text(value)
                for key, value in zip(self.grid, values, strict=True)
            }
            yield Variant(
                name=", ".join(f"{key} {text}" for key, text in labels.items()),
                # What JSON writes of these kinds of values, TOML reads.
                set=tuple(f"{key}={json.dumps(value)}" for key, value in zip(self.grid, values, strict=True)),
                labels=labels,
            )


def shipped_sweeps() -> tuple[str, ...]:
    """Return the names of the sweeps that come with the package, sorted."""
    return shipped_files("sweeps")


@takes(ConfigError, name_or_path=(str, Path), changes=(Mapping, NOTHING))
def load_sweep(name_or_path: str | Path, changes: Mapping[str, Any] | None = None) -> SweepSettings:
    """Load a shipped sweep, or one from a TOML file.

    Args:
        name_or_path: Name of a shipped sweep (`ablation`), or path of a TOML file.
        changes: Keys of the top level to replace.

    Raises:
        ConfigError: If the sweep is unknown, the file unreadable, or a key or value wrong.
    """
    return parse_settings(
        SweepSettings, read_table("sweeps", str(name_or_path)) | dict(changes or {}), str(name_or_path)
    )


def _text(value: Scalar | tuple[Scalar, ...]) -> str:
    if isinstance(value, tuple):
        return "/".join(_text(item) for item in value)
    if isinstance(value, float):
        return f"{value:g}"
    return str(value) if value != "" else "none"
