"""What a low expected success probability costs: one size under one strength of noise, with few shots too."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from pydantic import Field

from qkd_qiskit.config import TrainingSettings
from qkd_qiskit.estimator import build_size_ladder
from qkd_qiskit.estimator.calibration import CalibrationPlan, CalibrationTask, draw_task
from qkd_qiskit.hardware import load_backend, predict_counts
from qkd_qiskit.simulation import compile_model
from qkd_qiskit.sweep.cell import Cell, CellRecord, Measurement
from qkd_qiskit.sweep.measurements.noise import sampled, scaled_device
from qkd_qiskit.training import Targets, class_logits, train_model


class EspMeasurement(Measurement):
    """Train a size under scaled noise, and read it out exactly and with shots."""

    dataset: str = "mnist5000"
    classes: tuple[int, ...] = (0, 1, 2, 3)
    samples: int = Field(300, ge=8, description="training samples")
    evaluation: int = Field(1000, ge=10, description="samples that accuracy is measured on")
    blocks: int = Field(22, ge=1, description="least two-qubit blocks of the structure")
    strength: float = Field(1.0, ge=0, description="factor of all error rates of noisy_line")
    shots: tuple[int, ...] = Field((64, 256, 1024, 4096), min_length=1)
    n_qubits: int = Field(8, ge=2)
    training: TrainingSettings

    def measure(self, cell: Cell, folder: Path | None) -> CellRecord:
        """Measure the predicted ESP, and the accuracy for each number of shots."""
        seed = cell.seed
        task = CalibrationTask(
            name="esp", use="fit", dataset=self.dataset, classes=self.classes, samples=self.samples
        )
        plan = CalibrationPlan(
            n_qubits=self.n_qubits,
            rungs=(self.blocks, self.blocks + 1),
            evaluation=self.evaluation,
            training=self.training,
            tasks=(task,),
        )
        data = draw_task(plan, task, seed)
        ladder = build_size_ladder(self.n_qubits, n_outcomes=len(self.classes))
        spec = next((rung for rung in ladder if len(rung.blocks) >= self.blocks), ladder[-1])
        with TemporaryDirectory() as temporary:
            device = load_backend(str(scaled_device(self.strength, Path(temporary))))
        evaluator = compile_model(spec, device).fast
        targets = Targets(n_outcomes=len(self.classes), labels=data.labels)
        rng = np.random.default_rng([seed, self.blocks])
        model = train_model(evaluator, data.inputs, targets, self.training, rng=rng)
        exact = evaluator.probabilities(model.weights, data.evaluation_inputs)
        accuracy = {
            name: float(
                np.mean(
                    class_logits(seen, model.params[-1], len(self.classes)).argmax(axis=1)
                    == data.evaluation_labels
                )
            )
            for name, seen in [
                ("exact", exact),
                *((f"{shots} shots", sampled(exact, shots, rng=rng)) for shots in self.shots),
            ]
        }
        return CellRecord(
            values={"esp": (predict_counts(spec, device).esp,)}
            | {name: (value,) for name, value in accuracy.items()}
        )
