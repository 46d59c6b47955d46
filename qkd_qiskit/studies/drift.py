"""Drift: a model is trained for one calibration of a device, and run under another.

Three answers to drift are compared: none (same circuit, same weights), a new place (same weights, the
circuit transpiled anew for the new calibration), and training on from the old weights under the new noise.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from qkd_qiskit.config import TrainingSettings
from qkd_qiskit.errors import HardwareError
from qkd_qiskit.estimator import build_size_ladder
from qkd_qiskit.estimator.calibration.plan import CalibrationPlan, CalibrationTask
from qkd_qiskit.estimator.calibration.records import draw_task
from qkd_qiskit.hardware import Device, TranspiledVQCNN, drifted_device, transpile_verified
from qkd_qiskit.hardware.counts import count_native
from qkd_qiskit.progress import NullProgress, Progress
from qkd_qiskit.reporting.figures import BLUE, GREEN, GREY, ORANGE, new_figure
from qkd_qiskit.simulation import PauliEvaluator, compile_transpiled
from qkd_qiskit.store.files import write_atomic
from qkd_qiskit.training import Targets, TrainedModel, train_model

#: Heading of a column of the command line's table, and where its value lies.
DRIFT_COLUMNS = (
    ("calibration", "day"),
    ("seed", "seed"),
    ("ESP\nthen", "esp_before"),
    ("\nnow", "esp_after"),
    ("\nnew place", "esp_moved"),
    ("accuracy\nthen", "before"),
    ("\nnow", "kept"),
    ("\nnew place", "moved"),
    ("\ntrained on", "retrained"),
)


@dataclass(frozen=True)
class DriftRow:
    """One model under one later calibration.

    Attributes:
        day: Name of the later calibration.
        seed: Of the data, the training and, where it is made up, the drift.
        esp_before: Expected success probability of the circuit under the calibration it was made for.
        esp_after: The same circuit under the later one; None if that device cannot run it.
        esp_moved: The circuit transpiled for the later one.
        before: Accuracy under the old noise.
        kept: Accuracy of the same circuit under the new noise; None if the device cannot run it.
        moved: Accuracy of the same weights in the circuit made for the new calibration.
        retrained: Accuracy after training on under the new noise.
    """

    day: str
    seed: int
    esp_before: float
    esp_after: float | None
    esp_moved: float
    before: float
    kept: float | None
    moved: float
    retrained: float

    def to_dict(self) -> dict[str, Any]:
        """All figures, ready for JSON."""
        return asdict(self)


def study_drift(
    device: Device,
    others: Sequence[Device] = (),
    *,
    spreads: Sequence[float] = (0.1, 0.3),
    classes: Sequence[int] = (0, 1, 2, 3),
    samples: int = 300,
    blocks: int = 22,
    n_qubits: int = 8,
    seeds: int = 3,
    progress: Progress | None = None,
) -> tuple[DriftRow, ...]:
    """Train for one calibration, and run under others: given ones, and made-up ones of some spreads.

    Args:
        device: The calibration that models are trained for.
        others: Later calibrations, snapshots of the same device for example.
        spreads: Spreads of made-up calibrations, as in `drifted_device`.
        classes: Digits of MNIST that are told apart.
        samples: Training samples.
        blocks: Least two-qubit blocks of the structure.
        n_qubits: Width of the model.
        seeds: Draws of data, start and drift.
        progress: Told of every later calibration.

    Returns:
        One row for each seed and later calibration.

    Raises:
        HardwareError: If the structure does not fit a device, or a spread is negative.
        DataError: If there are too few samples.
    """
    progress = NullProgress() if progress is None else progress
    training = TrainingSettings(particles=4, iterations=0, refine=50, l2=0.02)
    task = CalibrationTask(name="drift", use="fit", classes=tuple(classes), samples=samples)
    plan = CalibrationPlan(n_qubits=n_qubits, rungs=(blocks, blocks + 1), training=training, tasks=(task,))
    ladder = build_size_ladder(n_qubits, n_outcomes=len(classes))
    spec = next((rung for rung in ladder if len(rung.blocks) >= blocks), ladder[-1])
    then = transpile_verified(spec, device)
    old = compile_transpiled(then, device).noisy
    progress.start("drift", seeds * (len(others) + len(spreads)))
    rows = []
    for seed in range(seeds):
        data = draw_task(plan, task, seed)
        targets = Targets(n_outcomes=len(classes), labels=data.labels)
        model = train_model(old, data.inputs, targets, training, rng=np.random.default_rng(seed))

        def accuracy(found: TrainedModel, evaluator: PauliEvaluator, data: Any = data) -> float:
            hits = found.predict(evaluator, data.evaluation_inputs) == data.evaluation_labels
            return float(np.mean(hits))

        days = [(other.name, other) for other in others]
        for spread in spreads:
            drawn = drifted_device(
                device, spread=spread, rng=np.random.default_rng([seed, int(1e6 * spread)])
            )
            days.append((f"spread {spread:g}", drawn))
        for label, today in days:
            again = transpile_verified(spec, today)
            new = compile_transpiled(again, today).noisy
            kept = esp_after = None
            if _can_run(then, today):
                esp_after = count_native(then.circuit, today.target).esp
                kept = accuracy(model, compile_transpiled(then, today).noisy)
            further = train_model(
                new,
                data.inputs,
                targets,
                training.model_copy(update={"refine": 15}),
                rng=np.random.default_rng(seed),
                initial=model.params,
            )
            rows.append(
                DriftRow(
                    day=label,
                    seed=seed,
                    esp_before=then.report.counted.esp,
                    esp_after=esp_after,
                    esp_moved=again.report.counted.esp,
                    before=accuracy(model, old),
                    kept=kept,
                    moved=accuracy(model, new),
                    retrained=accuracy(further, new),
                )
            )
            progress.advance("drift")
    progress.done("drift")
    return tuple(rows)


def draw_drift(rows: Sequence[DriftRow]) -> Figure:
    """Bars: mean accuracy then, now, at a new place, and trained on, for each later calibration."""
    days = list(dict.fromkeys(row.day for row in rows))
    figure = new_figure(2.5 + 1.6 * len(days), 3.6)
    axes = figure.subplots()
    kinds = (("before", "then", GREY), ("kept", "now", ORANGE), ("moved", "new place", BLUE))
    lowest = 1.0
    for number, (key, label, colour) in enumerate((*kinds, ("retrained", "trained on", GREEN))):
        for place, day in enumerate(days):
            values = [getattr(row, key) for row in rows if row.day == day and getattr(row, key) is not None]
            if values:
                lowest = min(lowest, *values)
                x = place + 0.2 * (number - 1.5)
                axes.bar(x, np.mean(values), 0.18, color=colour, label=label if place == 0 else None)
                axes.plot([x] * len(values), values, ".", color="black", markersize=3)
    axes.set_ylim(max(0.0, lowest - 0.05), 1.0)
    axes.set_xticks(range(len(days)), days)
    axes.set_ylabel("accuracy")
    figure.legend(loc="outside upper center", ncols=4, frameon=False)
    return figure


def write_drift(rows: Sequence[DriftRow], folder: Path) -> None:
    """Write `drift.json` and `drift.png`.

    Raises:
        HardwareError: If a file cannot be written.
    """
    try:
        text = json.dumps([row.to_dict() for row in rows], indent=1)
        write_atomic(folder / "drift.json", text + "\n")
        draw_drift(rows).savefig(folder / "drift.png", dpi=130)
    except OSError as error:
        raise HardwareError(f"cannot write into {folder}: {error.strerror or error}") from None


def _can_run(done: TranspiledVQCNN, device: Device) -> bool:
    """Whether a device has all gates of a circuit on the same qubits, and none of them broken."""
    target = device.usable_target
    if done.circuit.num_qubits != device.n_qubits:
        return False
    return all(
        inst.operation.name in target.operation_names
        and tuple(done.circuit.find_bit(q).index for q in inst.qubits) in target[inst.operation.name]
        for inst in done.circuit.data
        if inst.operation.name not in ("barrier", "delay")
    )
