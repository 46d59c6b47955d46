"""Searched kernels beside presets at equal native gates, and what noise does to the search's choice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from pydantic import Field

from qkd_qiskit.arrays import BoolArray
from qkd_qiskit.config import TrainingSettings
from qkd_qiskit.hardware import load_backend
from qkd_qiskit.reporting.figures import ORANGE, new_figure
from qkd_qiskit.simulation import PauliEvaluator
from qkd_qiskit.sweep.cell import Cell, CellRecord, Measurement, pack
from qkd_qiskit.sweep.measurements.draws import Draw, draw
from qkd_qiskit.sweep.result import SweepResult
from qkd_qiskit.training import (
    CandidateFactory,
    KernelSpace,
    SearchTask,
    Targets,
    device_candidates,
    search_structure,
    searched_spec,
    train_model,
)
from qkd_qiskit.vqcnn import PRESETS, VQCNNSpec, native_two_qubit


class KernelMeasurement(Measurement):
    """Search a kernel with exactly as many native two-qubit gates as a preset, and train both alike.

    The search chooses on a part of the training images; then both kernels are trained on all of them.
    """

    classes: tuple[int, int]
    samples: int = Field(700, ge=2, description="training images")
    preset: str = "two_cx"
    training: TrainingSettings

    def measure(self, cell: Cell, folder: Path | None) -> CellRecord:
        """Compare both kernels' answers on the test images."""
        data = draw(self.classes, samples=self.samples, seed=cell.seed)
        targets = Targets(2, labels=data.labels)
        preset = VQCNNSpec(8, kernels=self.preset, sharing="site", n_outcomes=2)
        kernel = PRESETS[self.preset]
        search = search_structure(
            CandidateFactory(preset, PauliEvaluator, lambda spec: 0.0, native_two_qubit),
            KernelSpace(len(kernel.genes), kernel.n_two_qubit, kernel.n_two_qubit),
            SearchTask(data.inputs, targets, cell.seed),
            self.training,
        )
        spec = searched_spec(preset, search)
        return CellRecord(
            right={
                "searched": pack(self._hits(spec, data, targets, cell.seed)),
                "preset": pack(self._hits(preset, data, targets, cell.seed)),
            },
            values={
                "two_qubit_gates": (native_two_qubit(spec),),
                "preset_two_qubit_gates": (native_two_qubit(preset),),
                "weights": (spec.n_weights,),
                "tried": (len(search.kernels),),
                "history": tuple(search.history),
            },
            notes={"kernels": (search.winner,)},
        )

    def _hits(self, spec: VQCNNSpec, data: Draw, targets: Targets, seed: int) -> BoolArray:
        evaluator = PauliEvaluator(spec)
        rng = np.random.default_rng(seed)
        model = train_model(evaluator, data.inputs, targets, self.training, rng=rng)
        return np.asarray(model.predict(evaluator, data.test_inputs) == data.test_labels)


class SearchMeasurement(Measurement):
    """Search a kernel with or without a device's noise, and a price for its native gates."""

    classes: tuple[int, int]
    device: str = Field("", description="device under whose noise to search; empty for none")
    price: float = Field(0.0, ge=0, description="loss that a unit of -log(success probability) costs")
    samples: int = Field(400, ge=2, description="training images")
    training: TrainingSettings

    def measure(self, cell: Cell, folder: Path | None) -> CellRecord:
        """Count the native gates of the best kernel, of the best five, and of all that were tried."""
        data = draw(self.classes, samples=self.samples, seed=cell.seed)
        base = VQCNNSpec(8, kernels="su4", sharing="site", n_outcomes=2)
        candidates = CandidateFactory(base, PauliEvaluator, lambda spec: 0.0, native_two_qubit)
        if self.device:
            candidates = device_candidates(base, load_backend(self.device), seed=cell.seed)
        structure = self.training.structure.model_copy(update={"price": self.price})
        kernel = PRESETS["su4"]
        search = search_structure(
            candidates,
            KernelSpace(len(kernel.genes), kernel.n_two_qubit),
            SearchTask(data.inputs, Targets(2, labels=data.labels), cell.seed),
            self.training.model_copy(update={"structure": structure}),
        )
        order = np.argsort(search.fitness, kind="stable")
        return CellRecord(
            values={
                "best": (int(search.two_qubit[order[0]]),),
                "best_five": (float(search.two_qubit[order[:5]].mean()),),
                "tried": (float(search.two_qubit.mean()),),
                "fitness": tuple(round(float(value), 5) for value in search.fitness),
                "two_qubit": tuple(int(value) for value in search.two_qubit),
            },
            notes={"kernels": (search.winner,)},
        )

    @classmethod
    def draw(cls, result: SweepResult) -> Figure:
        """Draw the last search: fitness of every kernel that was tried, and the best so far."""
        fitness = np.array(result.records[-1].values["fitness"])
        gates = np.array(result.records[-1].values["two_qubit"])
        figure = new_figure(6, 3.4)
        axes = figure.subplots()
        tried = np.arange(1, len(fitness) + 1)
        points = axes.scatter(tried, fitness, c=gates, cmap="viridis", s=18)
        axes.step(tried, np.minimum.accumulate(fitness), color=ORANGE, where="post")
        axes.set_xlabel("kernels tried")
        axes.set_ylabel("fitness")
        axes.grid(axis="y")
        figure.colorbar(points, ax=axes, label="native two-qubit gates")
        return figure
