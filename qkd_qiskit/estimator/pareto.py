"""Accuracy against two-qubit gates, quantum seconds and price: sizes for one dataset on several devices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from qkd_qiskit.errors import EstimatorError
from qkd_qiskit.estimator.probes.heldout import (
    HeldOutTask,
    held_out_answers,
    probe_evaluator,
    probed_rows,
    stratified_folds,
)
from qkd_qiskit.estimator.statistics import check_data
from qkd_qiskit.hardware import Device, predict_counts
from qkd_qiskit.progress import NullProgress, Progress
from qkd_qiskit.vqcnn import VQCNNSpec

_FOLDS = 4


@dataclass(frozen=True)
class ExecutionCosts:
    """What predictions cost on a device.

    Attributes:
        predictions: Samples that are to be classified.
        shots: Shots of each.
        rep_delay: Seconds between two executions.
        overhead: Seconds of a job beside its executions.
        prices: Price of a quantum second by name of the device, in a currency of the user's own.
        price: Price on all other devices; None if there is none.
    """

    predictions: int = 1000
    shots: int = 1024
    rep_delay: float = 250e-6
    overhead: float = 2.0
    prices: Mapping[str, float] | None = None
    price: float | None = None

    def seconds(self, duration: float) -> float:
        """Return quantum seconds of all predictions with a circuit of some duration in seconds."""
        return self.overhead + self.predictions * self.shots * (duration + self.rep_delay)

    def price_of(self, device: str) -> float | None:
        """Return the price of a quantum second on a device; None if none was given."""
        return (self.prices or {}).get(device, self.price)


@dataclass(frozen=True)
class ParetoPoint:
    """One size on one device.

    Attributes:
        backend: Name of the device.
        blocks: Two-qubit blocks.
        two_qubit_gates: Predicted native two-qubit gates.
        accuracy: On held-out samples, trained under the device's noise, read out with the wanted shots.
        error: Standard error of the accuracy, as a draw of samples.
        esp: Predicted expected success probability.
        seconds: Quantum seconds of the wanted predictions.
        cost: Their price; None where no price was given.
        dominated_by: Device and blocks of a point that is no worse in anything and better in something.
    """

    backend: str
    blocks: int
    two_qubit_gates: int
    accuracy: float
    error: float
    esp: float
    seconds: float
    cost: float | None
    dominated_by: tuple[str, int] | None = None

    @property
    def merits(self) -> tuple[float, ...]:
        """Figures of which more is better; a missing price counts as none."""
        return self.accuracy, -float(self.two_qubit_gates), -self.seconds, -(self.cost or 0.0)


@dataclass(frozen=True)
class ParetoFront:
    """All points, and which of them nothing dominates.

    Attributes:
        points: By device, then size.
        costs: What the seconds and prices are for.
        samples: Held-out samples behind each accuracy.
        skipped: Why a device has no points, by its name.
    """

    points: tuple[ParetoPoint, ...]
    costs: ExecutionCosts
    samples: int
    skipped: Mapping[str, str]

    @property
    def front(self) -> tuple[ParetoPoint, ...]:
        """Points that nothing dominates."""
        return tuple(point for point in self.points if point.dominated_by is None)

    @property
    def dominated_devices(self) -> tuple[str, ...]:
        """Devices none of whose points is on the front."""
        names = dict.fromkeys(point.backend for point in self.points)
        kept = {point.backend for point in self.front}
        return tuple(name for name in names if name not in kept)

    def to_dict(self) -> dict[str, Any]:
        """Return all figures, ready for JSON."""
        return {
            "schema": 1,
            "predictions": self.costs.predictions,
            "shots": self.costs.shots,
            "rep_delay": self.costs.rep_delay,
            "samples": self.samples,
            "points": [
                {**asdict(point), "front": point.dominated_by is None, "dominated_by": _named(point)}
                for point in self.points
            ],
            "dominated_devices": list(self.dominated_devices),
            "skipped": dict(self.skipped),
        }


def pareto_front(
    inputs: ArrayLike,
    labels: ArrayLike,
    sizes: Sequence[VQCNNSpec],
    devices: Sequence[Device],
    costs: ExecutionCosts,
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> ParetoFront:
    """Train every size under the noise of every device, and tell which points dominate which.

    Args:
        inputs: Encoded inputs [N, F] for the sizes' encoding.
        labels: Class labels [N].
        sizes: Structures.
        devices: Devices; those too small are skipped, with the reason.
        costs: What predictions cost.
        seed: Of folds, starts and shots.
        progress: Notified of every point.

    Raises:
        EstimatorError: If the data cannot be measured, or has fewer than 8 samples.
    """
    progress = NullProgress() if progress is None else progress
    x, _, numbers = check_data(inputs, labels)
    if len(x) < 2 * _FOLDS:
        raise EstimatorError(f"expected at least {2 * _FOLDS} samples to hold some out, found {len(x)}")
    rng = np.random.default_rng([seed, 1])
    rows = probed_rows(numbers, 600, rng=rng)
    fold_of = stratified_folds(numbers[rows], _FOLDS, rng=rng)
    points, skipped = [], {}
    progress.start("Pareto front", len(sizes) * len(devices))
    for device in devices:
        small = len(device.usable_qubits)
        if small < sizes[0].n_qubits:
            skipped[device.name] = f"{small} usable qubits, {sizes[0].n_qubits} are needed"
            progress.advance("Pareto front", len(sizes))
            continue
        for spec in sizes:
            found = held_out_answers(
                probe_evaluator(spec, device),
                HeldOutTask(x[rows], numbers[rows], fold_of, spec.n_outcomes),
                rng=np.random.default_rng([seed, 2, len(spec.blocks)]),
                shots=costs.shots,
            )
            counts, price = predict_counts(spec, device), costs.price_of(device.name)
            seconds = costs.seconds(counts.duration)
            points.append(
                ParetoPoint(
                    backend=device.name,
                    blocks=len(spec.blocks),
                    two_qubit_gates=counts.two_qubit,
                    accuracy=float(found.correct.mean()),
                    error=float(found.correct.std() / np.sqrt(len(rows))),
                    esp=counts.esp,
                    seconds=seconds,
                    cost=None if price is None else price * seconds,
                )
            )
            progress.advance("Pareto front")
    progress.done("Pareto front")
    return ParetoFront(dominance(points), costs, len(rows), skipped)


def dominance(points: Sequence[ParetoPoint]) -> tuple[ParetoPoint, ...]:
    """Return the points with the strongest of those that dominate each, if any does."""
    return tuple(
        ParetoPoint(**{**vars(point), "dominated_by": _dominator(point, points)}) for point in points
    )


def _dominator(point: ParetoPoint, points: Sequence[ParetoPoint]) -> tuple[str, int] | None:
    better = [
        other
        for other in points
        if other.merits != point.merits
        and all(a >= b for a, b in zip(other.merits, point.merits, strict=True))
    ]
    if not better:
        return None
    strongest = max(better, key=lambda other: other.merits)
    return strongest.backend, strongest.blocks


def _named(point: ParetoPoint) -> str | None:
    return point.dominated_by and f"{point.dominated_by[0]}, {point.dominated_by[1]} blocks"
