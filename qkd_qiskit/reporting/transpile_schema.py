"""The shape of a transpile report's JSON file, schema 1."""

from __future__ import annotations

import json
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class ReportModel(BaseModel):
    """Base of all parts: frozen, and strict about keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class CountRange(ReportModel):
    """A count that is known within bounds."""

    low: int
    mid: int
    high: int


class GateFigures(ReportModel):
    """Native gates of one circuit, predicted or counted."""

    two_qubit: int
    one_qubit: int | CountRange
    two_qubit_depth: int
    esp: float
    duration: float
    two_qubit_range: CountRange | None = None


class RelativeErrors(ReportModel):
    """(predicted - counted) / counted, for each figure."""

    two_qubit: float
    one_qubit: float
    two_qubit_depth: float
    esp: float
    duration: float


class ReportedStructure(ReportModel):
    """What every row says of its structure."""

    used_by: tuple[str, ...]
    model_index: str
    structure: str
    seeds: tuple[int, ...]


class RefusedStructure(ReportedStructure):
    """A structure that does not fit the device, and why."""

    refused: str


class CountedStructure(ReportedStructure):
    """Predicted and counted gates of one structure on one device."""

    refused: None
    predicted: GateFigures
    counted: GateFigures
    relative_error: RelativeErrors
    exact: bool
    state_preparation: GateFigures | None
    notes: tuple[str, ...]
    proved_equivalent: bool
    two_qubit_by_seed: tuple[int, ...]
    level_3_by_seed: tuple[int, ...] | None = Field(None, description="where Qiskit would route differently")
    chain: tuple[int, ...]

    @property
    def holds(self) -> bool:
        """Whether the two-qubit counts of all seeds are those predicted, or within the predicted range."""
        span, number = self.predicted.two_qubit_range, self.predicted.two_qubit
        low, high = (number, number) if span is None else (span.low, span.high)
        return low <= min(self.two_qubit_by_seed) and max(self.two_qubit_by_seed) <= high


StructureRow = CountedStructure | RefusedStructure


class DeviceReport(ReportModel):
    """All structures on one device."""

    schema_version: Literal[1] = Field(alias="schema")
    device: str
    description: str
    source: str
    calibration_date: str | None
    notes: tuple[str, ...]
    inputs: str = Field(description="digest of what the report depends on")
    versions: dict[str, str]
    rows: tuple[StructureRow, ...]

    @property
    def counted(self) -> tuple[CountedStructure, ...]:
        """The structures that fit the device."""
        return tuple(row for row in self.rows if isinstance(row, CountedStructure))

    def dump(self) -> dict[str, object]:
        """Return what the JSON file holds: keys in the order of the schema, without those never set."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)

    def to_json(self) -> str:
        """Return the text of the JSON file."""
        return json.dumps(self.dump(), indent=1) + "\n"
