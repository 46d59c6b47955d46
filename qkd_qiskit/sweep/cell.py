"""One cell of a sweep: what is given to a measurement, and the record that it makes."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from qkd_qiskit.arrays import BoolArray
from qkd_qiskit.config import ExperimentSettings, Settings
from qkd_qiskit.errors import SweepError
from qkd_qiskit.evaluation import Interval, accuracy_interval, difference_interval
from qkd_qiskit.sweep.settings import Variant
from qkd_qiskit.versions import installed_versions

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from qkd_qiskit.sweep.result import SweepResult

_DRAWS = 10_000


class CellRecord(Settings):
    """What was measured in one cell.

    Attributes:
        right: By model, ones and zeros: whether it was right on each test sample.
        ideal: The same without noise, where noise has a meaning.
        values: Measured numbers by name; several where one cell measures several.
        notes: Words by name.
        refused: Why there is nothing else; None if there is.
        seconds: How long it took.
    """

    right: dict[str, str] = Field({})
    ideal: dict[str, str] = Field({})
    values: dict[str, tuple[float, ...]] = Field({})
    notes: dict[str, tuple[str, ...]] = Field({})
    refused: str | None = None
    seconds: float = 0.0


class Measurement(Settings, ABC):
    """What is done in each cell; its fields are the settings of the measurement."""

    @abstractmethod
    def measure(self, cell: Cell, folder: Path | None) -> CellRecord:
        """Measure one cell.

        Args:
            cell: Its experiment and seed.
            folder: Where cells of one group may keep what they share; None keeps nothing.
        """

    def group(self, cell: Cell) -> str:
        """Return what cells have in common that must run one after the other, since they share stages."""
        return cell.name

    @classmethod
    def draw(cls, result: SweepResult) -> Figure:
        """Draw a picture of one's own.

        Raises:
            SweepError: If the measurement has none.
        """
        raise SweepError(f"{result.settings.name}: its measurement draws no picture of its own")


@dataclass(frozen=True)
class Cell:
    """One variant with one seed.

    Attributes:
        variant: The variant.
        seed: The seed.
        measurement: What is measured.
        settings: Settings of the experiment; None where the measurement needs none.
    """

    variant: Variant
    seed: int
    measurement: Measurement
    settings: ExperimentSettings | None

    @property
    def name(self) -> str:
        """Name of the cell among those of the sweep."""
        return f"{self.variant.name}, seed {self.seed}"

    @property
    def experiment(self) -> ExperimentSettings:
        """Settings of the experiment.

        Raises:
            SweepError: If the sweep has none.
        """
        if self.settings is None:
            raise SweepError(f"measurement {type(self.measurement).__name__}: needs an experiment")
        return self.settings

    @property
    def fingerprint(self) -> str:
        """Digest of all that the record depends on."""
        experiment = (
            None if self.settings is None else self.settings.model_dump_json(exclude={"federation", "limits"})
        )
        parts = [type(self.measurement).__name__, self.measurement.model_dump_json(), experiment, self.seed]
        return hashlib.sha256(json.dumps([*parts, installed_versions()]).encode()).hexdigest()


def pack(right: BoolArray) -> str:
    """Write right and wrong answers as ones and zeros."""
    return "".join("1" if value else "0" for value in right)


def unpack(text: str) -> BoolArray:
    """Read what `pack` wrote.

    Raises:
        SweepError: If the text holds anything but ones and zeros.
    """
    if set(text) - {"0", "1"}:
        raise SweepError(f"record: expected ones and zeros, found {text[:20]!r}")
    return np.array([char == "1" for char in text], dtype=np.bool_)


def pooled_accuracy(answers: Sequence[Mapping[str, str]], model: str) -> Interval:
    """Compute a model's accuracy over all records with its 95 % interval."""
    return accuracy_interval(_pooled(answers, model))


def pooled_difference(
    first: Sequence[Mapping[str, str]], a: str, second: Sequence[Mapping[str, str]], b: str
) -> Interval:
    """Compute accuracy of `a` in some records minus that of `b` in others of the same test samples."""
    return difference_interval(_pooled(first, a), _pooled(second, b))


def cell_difference(
    first: Sequence[Mapping[str, str]], a: str, second: Sequence[Mapping[str, str]], b: str
) -> Interval:
    """Compute the mean over cells of accuracy of `a` minus that of `b`, with its 95 % bootstrap interval."""
    pairs = zip(first, second, strict=True)
    each = np.array([_pooled([x], a).mean() - _pooled([y], b).mean() for x, y in pairs])
    drawn = np.random.default_rng(0).integers(len(each), size=(_DRAWS, len(each)))
    low, high = np.quantile(each[drawn].mean(axis=1), [0.025, 0.975])
    return Interval(float(each.mean()), float(low), float(high), len(each))


def percent(interval: Interval) -> str:
    """Format an accuracy or a difference in percent, with its interval."""
    return f"{100 * interval.value:.1f} ({100 * interval.low:.1f} to {100 * interval.high:.1f})"


def _pooled(answers: Sequence[Mapping[str, str]], model: str) -> BoolArray:
    missing = [sorted(answer) for answer in answers if model not in answer]
    if missing:
        raise SweepError(f"record: expected answers of {model!r}, found those of {', '.join(missing[0])}")
    return np.concatenate([unpack(answer[model]) for answer in answers])
