"""Drift: a model is trained for one calibration of a device, and run under another.

Three answers to drift are compared: none (same circuit, same weights), a new place (same weights, the
circuit transpiled anew for the new calibration), and training on from the old weights under the new noise.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydantic import Field

from qkd_qiskit.config import TrainingSettings
from qkd_qiskit.estimator import build_size_ladder
from qkd_qiskit.estimator.calibration import CalibrationPlan, CalibrationTask, draw_task
from qkd_qiskit.hardware import Device, TranspiledVQCNN, drifted_device, load_backend, transpile_verified
from qkd_qiskit.hardware.counts import count_native
from qkd_qiskit.simulation import PauliEvaluator, compile_transpiled
from qkd_qiskit.sweep.cell import Cell, CellRecord, Measurement
from qkd_qiskit.training import Targets, TrainedModel, train_model


class DriftMeasurement(Measurement):
    """Train for one calibration, and run under a later one: a given one, or one made up with a spread."""

    backend: str = Field("ibm_torino", description="device, or snapshot, that models are trained for")
    later: float | str = Field(
        union_mode="left_to_right",
        description="later snapshot or other device, or the spread of a made-up one",
    )
    classes: tuple[int, ...] = (0, 1, 2, 3)
    samples: int = Field(300, ge=8, description="training samples")
    blocks: int = Field(22, ge=1, description="least two-qubit blocks of the structure")
    n_qubits: int = Field(8, ge=2)
    steps: int = Field(15, ge=0, description="L-BFGS steps of the training on")
    training: TrainingSettings

    def measure(self, cell: Cell, folder: Path | None) -> CellRecord:
        """Measure accuracy and expected success probability then, now, at a new place, and trained on."""
        seed, device = cell.seed, load_backend(self.backend)
        task = CalibrationTask(name="drift", use="fit", classes=self.classes, samples=self.samples)
        plan = CalibrationPlan(
            n_qubits=self.n_qubits,
            rungs=(self.blocks, self.blocks + 1),
            training=self.training,
            tasks=(task,),
        )
        data = draw_task(plan, task, seed)
        ladder = build_size_ladder(self.n_qubits, n_outcomes=len(self.classes))
        spec = next((rung for rung in ladder if len(rung.blocks) >= self.blocks), ladder[-1])
        then = transpile_verified(spec, device)
        old = compile_transpiled(then, device).noisy
        targets = Targets(n_outcomes=len(self.classes), labels=data.labels)
        model = train_model(old, data.inputs, targets, self.training, rng=np.random.default_rng(seed))

        def accuracy(found: TrainedModel, evaluator: PauliEvaluator) -> float:
            return float(np.mean(found.predict(evaluator, data.evaluation_inputs) == data.evaluation_labels))

        today = self._later(device, seed)
        again = transpile_verified(spec, today)
        new = compile_transpiled(again, today).noisy
        further = train_model(
            new,
            data.inputs,
            targets,
            self.training.model_copy(update={"refine": self.steps}),
            rng=np.random.default_rng(seed),
            initial=model.params,
        )
        values = {
            "esp_then": then.report.counted.esp,
            "esp_moved": again.report.counted.esp,
            "accuracy_then": accuracy(model, old),
            "accuracy_moved": accuracy(model, new),
            "accuracy_trained_on": accuracy(further, new),
        }
        if _can_run(then, today):
            values["esp_now"] = count_native(then.circuit, today.target).esp
            values["accuracy_now"] = accuracy(model, compile_transpiled(then, today).noisy)
        return CellRecord(values={name: (value,) for name, value in values.items()})

    def _later(self, device: Device, seed: int) -> Device:
        if isinstance(self.later, str):
            return load_backend(self.later)
        rng = np.random.default_rng([seed, int(1e6 * self.later)])
        return drifted_device(device, spread=self.later, rng=rng)


def _can_run(done: TranspiledVQCNN, device: Device) -> bool:
    """Return whether a device has all gates of a circuit on the same qubits, and none of them broken."""
    target = device.usable_target
    if done.circuit.num_qubits != device.n_qubits:
        return False
    return all(
        inst.operation.name in target.operation_names
        and tuple(done.circuit.find_bit(q).index for q in inst.qubits) in target[inst.operation.name]
        for inst in done.circuit.data
        if inst.operation.name not in ("barrier", "delay")
    )
