"""Pairs of MNIST digits: the circuit with or without a device's noise, beside classical models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from pydantic import Field

from qkd_qiskit.config import AugmentSettings, TrainingSettings
from qkd_qiskit.reporting.figures import INK, new_figure
from qkd_qiskit.simulation import compile_model
from qkd_qiskit.sweep.cell import Cell, CellRecord, Measurement, pack
from qkd_qiskit.sweep.measurements.draws import classical_accuracies, draw
from qkd_qiskit.sweep.result import SweepResult
from qkd_qiskit.training import Targets, train_model
from qkd_qiskit.vqcnn import VQCNNSpec


class PairMeasurement(Measurement):
    """Train one circuit of 8 qubits on two digits."""

    classes: tuple[int, int]
    device: str = Field("", description="device under whose noise to train and to test; empty for none")
    samples: int = Field(700, ge=2, description="training images")
    tests: int | None = Field(None, ge=1, description="test images, at most; all others when omitted")
    augment: AugmentSettings = AugmentSettings()
    training: TrainingSettings

    def measure(self, cell: Cell, folder: Path | None) -> CellRecord:
        """Count the circuit's hits on the test images, and those of the classical models."""
        data = draw(
            self.classes, samples=self.samples, augment=self.augment, seed=cell.seed, tests=self.tests
        )
        spec = VQCNNSpec(8, kernels="su4", sharing="site", n_outcomes=2)
        evaluator = compile_model(spec, self.device or None, seed=cell.seed).noisy
        targets, rng = Targets(2, labels=data.labels), np.random.default_rng(cell.seed)
        model = train_model(evaluator, data.inputs, targets, self.training, rng=rng)
        own = slice(0, data.n_own)
        hits = model.predict(evaluator, data.test_inputs) == data.test_labels
        known = model.predict(evaluator, data.inputs[own]) == data.labels[own]
        values = {
            "accuracy": float(hits.mean()),
            "training_accuracy": float(known.mean()),
            "loss": model.loss,
            "logit_scale": model.logit_scale,
            **classical_accuracies(data, seed=cell.seed),
        }
        return CellRecord(right={"circuit": pack(hits)}, values={k: (v,) for k, v in values.items()})

    @classmethod
    def draw(cls, result: SweepResult) -> Figure:
        """Draw the test accuracy of every pair as a triangle of numbers."""
        figure = new_figure(6.4, 5.4)
        axes = figure.subplots()
        grid = np.full((10, 10), np.nan)
        for group in result.groups():
            measurement = group.cells[0].measurement
            if group.name is not None and isinstance(measurement, PairMeasurement):
                low, high = sorted(measurement.classes)
                grid[high, low] = 100 * np.mean(group.by_seed("accuracy"))
        image = axes.imshow(grid, cmap="viridis", vmin=93, vmax=100)
        for high, low in np.argwhere(~np.isnan(grid)):
            colour = "white" if grid[high, low] < 97.5 else INK
            axes.text(low, high, f"{grid[high, low]:.1f}", ha="center", va="center", color=colour, fontsize=8)
        axes.set_xticks(range(9))
        axes.set_yticks(range(1, 10))
        axes.set_xlim(-0.5, 8.5)
        axes.set_ylim(9.5, 0.5)
        axes.set_xlabel("digit")
        axes.set_ylabel("digit")
        figure.colorbar(image, ax=axes, label="test accuracy, %")
        return figure
