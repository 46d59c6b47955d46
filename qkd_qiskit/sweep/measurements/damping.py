"""What a unit of -log(expected success probability) costs: where the default price of a search comes from.

Training on exact probabilities undoes most of a damping by a larger logit scale. Whoever reads an image
out with a finite number of shots pays for that scale: it enlarges the shot noise too. This measures by how
much.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydantic import Field
from scipy.optimize import minimize_scalar

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.config import TrainingSettings
from qkd_qiskit.hardware import load_backend, predict_counts
from qkd_qiskit.simulation import PauliEvaluator, compile_model
from qkd_qiskit.sweep.cell import Cell, CellRecord, Measurement
from qkd_qiskit.sweep.measurements.draws import draw
from qkd_qiskit.training import Targets, train_model
from qkd_qiskit.training.optimizer import LOG_SCALE_BOUNDS
from qkd_qiskit.vqcnn import VQCNNSpec


class DampingMeasurement(Measurement):
    """Put the same trained weights on devices of growing noise, read out with few shots and with many.

    Only the logit scale is fitted again on each device. All images are training images; the ones that judge
    took no part in the training.
    """

    classes: tuple[int, int]
    kernel: str
    devices: tuple[str, ...] = Field(min_length=1)
    shots: tuple[int, ...] = (64, 128, 256, 1024)
    samples: int = Field(300, ge=2, description="images that are trained on")
    judged: int = Field(200, ge=1, description="images that the losses are measured on")
    draws: int = Field(20, ge=1, description="read-outs that a loss is the mean of")
    training: TrainingSettings

    def measure(self, cell: Cell, folder: Path | None) -> CellRecord:
        """Fit the rise of the loss with -log(success probability), through the loss without noise."""
        success, losses = self._losses(cell.seed)
        values: dict[str, tuple[float, ...]] = {"minus_log_success": tuple(success)}
        for place, name in enumerate(("exact", *(f"{n} shots" for n in self.shots))):
            column = [row[place] for row in losses]
            values[f"price, {name}"] = (slope(success, column),)
            values[f"loss without noise, {name}"] = (column[0],)
            values[f"losses, {name}"] = tuple(column)
        return CellRecord(values=values)

    def _losses(self, seed: int) -> tuple[list[float], list[list[float]]]:
        """Return -log(success probability) of each device, none first, and its losses, exact ones first."""
        n = self.samples
        data = draw(self.classes, samples=n + self.judged, seed=seed)
        spec = VQCNNSpec(8, kernels=self.kernel, sharing="site", n_outcomes=2)
        rng = np.random.default_rng(seed)
        known = Targets(2, labels=data.labels[:n])
        model = train_model(PauliEvaluator(spec), data.inputs[:n], known, self.training, rng=rng)
        judged = Targets(2, labels=data.labels[n:])
        success, losses = [], []
        for name in (None, *self.devices):
            evaluator, minus_log = PauliEvaluator(spec), 0.0
            if name is not None:
                evaluator = compile_model(spec, name, seed=seed).noisy
                minus_log = -float(np.log(predict_counts(spec, load_backend(name)).esp))
            scale = self._best_scale(evaluator.probabilities(model.weights[None], data.inputs[:n]), known)
            found = evaluator.probabilities(model.weights[None], data.inputs[n:])
            sampled = [self._sampled(found, judged, scale, shots, rng) for shots in self.shots]
            success.append(round(minus_log, 4))
            losses.append([round(value, 5) for value in (_loss(found, judged, scale), *sampled)])
        return success, losses

    def _best_scale(self, probabilities: FloatArray, targets: Targets) -> float:
        found = minimize_scalar(
            lambda log_scale: _loss(probabilities, targets, log_scale) + self.training.l2 * log_scale**2,
            bounds=LOG_SCALE_BOUNDS,
            method="bounded",
        )
        return float(found.x)

    def _sampled(
        self, found: FloatArray, targets: Targets, log_scale: float, shots: int, rng: np.random.Generator
    ) -> float:
        """Return the mean loss of frequencies drawn from probabilities [1, N, 2^m]."""
        exact = found[0] / found[0].sum(axis=-1, keepdims=True)
        drawn = [rng.multinomial(shots, exact)[None] / shots for _ in range(self.draws)]
        return float(np.mean([_loss(frequencies, targets, log_scale) for frequencies in drawn]))


def slope(success: Sequence[float], losses: Sequence[float]) -> float:
    """Return the least-squares slope of the rise over the first entry, whose success is certain."""
    x, y = np.array(success), np.array(losses) - losses[0]
    return float(x @ y / (x @ x))


def _loss(probabilities: FloatArray, targets: Targets, log_scale: float) -> float:
    return float(targets.values(probabilities, np.array([log_scale]))[0])
