"""Federations as cells of a study: right answers, kept test image by test image and pooled over seeds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from qkd_qiskit.arrays import BoolArray
from qkd_qiskit.config import ExperimentSettings
from qkd_qiskit.data import prepare_data
from qkd_qiskit.errors import DistillationError
from qkd_qiskit.evaluation import BootstrapInterval, accuracy_interval, difference_interval
from qkd_qiskit.experiment import run_experiment
from qkd_qiskit.progress import NullProgress
from qkd_qiskit.run import RunContext
from qkd_qiskit.store import StageStore
from qkd_qiskit.studies.swarm_data import Cell

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Record = Mapping[str, Any]


def open_context(settings: ExperimentSettings) -> RunContext:
    """The context of a federation that keeps no checkpoints of its own."""
    return RunContext(settings, prepare_data(settings), StageStore(None, ""), NullProgress())


def federation_cell(name: str, settings: ExperimentSettings) -> Cell:
    """A whole federation with all baselines; its record holds the right answers of every model."""

    def work() -> dict[str, Any]:
        finished = run_experiment(settings)
        assert finished.data is not None
        labels, predictions = finished.data.test.labels, finished.predictions
        return {
            "right": {model: pack(given.noisy == labels) for model, given in predictions.items()},
            "ideal": {
                model: pack(given.ideal == labels)
                for model, given in predictions.items()
                if given.ideal is not None
            },
            "bytes_up": finished.record.communication.distillation.up,
        }

    return Cell(f"{name}-seed{settings.seed}", settings.model_dump(mode="json"), work)


def pack(right: BoolArray) -> str:
    """Right and wrong answers as text of ones and zeros."""
    return "".join("1" if value else "0" for value in right)


def unpack(text: str) -> BoolArray:
    """What `pack` was given.

    Raises:
        DistillationError: If the text holds anything but ones and zeros.
    """
    if set(text) - {"0", "1"}:
        raise DistillationError(f"study: expected ones and zeros, found {text[:20]!r}")
    return np.array([char == "1" for char in text], dtype=np.bool_)


def pooled(records: Iterable[Record], model: str, kind: str = "right") -> BoolArray:
    """A model's right answers, one record after the other."""
    return np.concatenate([unpack(record[kind][model]) for record in records])


def pooled_accuracy(records: Sequence[Record], model: str) -> BootstrapInterval:
    """Accuracy over all records with its bootstrap 95 % interval."""
    return accuracy_interval(pooled(records, model), rng=np.random.default_rng(0))


def pooled_difference(first: Sequence[Record], a: str, second: Sequence[Record], b: str) -> BootstrapInterval:
    """Accuracy of `a` in some records minus that of `b` in others of the same test samples, with interval."""
    return difference_interval(pooled(first, a), pooled(second, b), rng=np.random.default_rng(0))


def percent(interval: BootstrapInterval) -> str:
    """An accuracy or a difference in percent, with its interval."""
    return f"{100 * interval.value:.1f} ({100 * interval.low:.1f} to {100 * interval.high:.1f})"


def draw_accuracy(axes: Axes, x: Sequence[float], accuracies: Sequence[BootstrapInterval], name: str) -> None:
    """Draw a model's accuracies in percent, with bars for their intervals.

    Args:
        axes: Where.
        x: Where along the axis, [N].
        accuracies: Shares in [0, 1] with their intervals, [N].
        name: Name of the model, as records have it.
    """
    values = [100 * one.value for one in accuracies]
    below = [100 * (one.value - one.low) for one in accuracies]
    above = [100 * (one.high - one.value) for one in accuracies]
    axes.errorbar(x, values, [below, above], marker="o", capsize=3, label=name.replace("_", " "))
