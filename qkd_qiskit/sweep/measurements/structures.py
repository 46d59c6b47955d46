"""Ways to search structures beside the presets, at equal trainings and equal native gates."""

from __future__ import annotations

import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pydantic import Field

from qkd_qiskit.arrays import BoolArray
from qkd_qiskit.config import StructureSettings, TrainingSettings
from qkd_qiskit.data import load_dataset
from qkd_qiskit.hardware import load_backend
from qkd_qiskit.run import search_space
from qkd_qiskit.simulation import CompiledModel, ModelCompiler
from qkd_qiskit.sweep.cell import Cell, CellRecord, Measurement, pack
from qkd_qiskit.sweep.measurements.draws import Draw, draw
from qkd_qiskit.training import (
    CandidateFactory,
    SearchTask,
    StructureSearch,
    StructureSpace,
    Targets,
    device_candidates,
    search_structure,
    train_model,
)
from qkd_qiskit.vqcnn import VQCNNSpec


class StructureTask(Measurement):
    """Classes of a dataset, and the circuit whose native gates are the budget."""

    dataset: str = "mnist5000"
    classes: tuple[int, ...] = Field(min_length=2)
    device: str = Field("ibm_sherbrooke", description="device under whose noise to search, train and test")
    n_qubits: int = Field(8, ge=2, le=12)
    kernel: str = Field("two_cx", description="preset kernel whose default plan is the gate budget")
    samples: int = Field(300, ge=8, description="training samples, those held back among them")
    tests: int = Field(300, ge=1, description="test samples, at most")
    training: TrainingSettings

    def drawn(self, seed: int) -> Draw:
        """Draw training and test samples."""
        return draw(
            self.classes,
            samples=self.samples,
            n_qubits=self.n_qubits,
            seed=seed,
            dataset=load_dataset(self.dataset),
            tests=self.tests,
        )

    def base(self) -> VQCNNSpec:
        """Return the structure whose native gates are the budget."""
        return VQCNNSpec(self.n_qubits, kernels=self.kernel, sharing="site", n_outcomes=len(self.classes))


class _Work(NamedTuple):
    data: Draw
    candidates: CandidateFactory
    space: StructureSpace
    compiler: ModelCompiler
    seed: int


class StructureMeasurement(StructureTask):
    """Let each way to search spend as many trainings, and train what it chose on all training samples.

    The presets are each trained in full, as deep as the budget allows, and chosen on the same samples held
    back. The `ladder` is a search among all sizes of the presets. Of each search two structures are tested:
    the chosen one, which is the cheapest that the samples held back cannot tell from the best (`NAME`), and
    the one with the lowest loss there (`NAME, lowest`).
    """

    methods: tuple[str, ...] = ("ladder", "front", "swarm", "random", "genetic", "tpe")

    def measure(self, cell: Cell, folder: Path | None) -> CellRecord:
        """Compare the answers on the test samples."""
        device, compiler = load_backend(self.device), ModelCompiler(seed=cell.seed)
        candidates = device_candidates(
            self.base(),
            device,
            short_noise=self.training.structure.noise,
            seed=cell.seed,
            compiler=compiler,
        )
        work = _Work(self.drawn(cell.seed), candidates, search_space(candidates), compiler, cell.seed)
        right: dict[str, str] = {}
        values: dict[str, tuple[float, ...]] = {}
        notes: dict[str, tuple[str, ...]] = {}
        for name in ("presets", *self.methods):
            began = time.process_time()
            search = self._search(work, name)
            spent = time.process_time() - began
            lowest = search.structures[search.finalists[int(np.argmin(search.final_fitness))]]
            for title, index in ((name, search.winner), (f"{name}, lowest", lowest)):
                compiled = compiler.model(VQCNNSpec.from_index(int(index)), device)
                right[title] = pack(self._hits(compiled, work))
                values[f"gates of {title}"] = (float(compiled.two_qubit_gates or 0),)
                notes[title] = (compiled.spec.describe(),)
            values[f"cpu seconds of {name}"] = (round(spent, 1),)
            values[f"tried by {name}"] = (float(len(search.structures)),)
            values[f"history of {name}"] = tuple(round(value, 4) for value in search.history)
        return CellRecord(right=right, values=values, notes=notes)

    def _search(self, work: _Work, name: str) -> StructureSearch:
        structure, space = self.training.structure, work.space
        update: dict[str, object] = {"method": name}
        if name in ("presets", "ladder"):
            smaller = len(space.smaller) if name == "ladder" else 0
            known = len(space.starts(smaller))
            update = {"method": "random", "particles": known, "iterations": 0, "smaller": smaller}
            update |= {"finalists": known} if name == "presets" else {}
        chosen = StructureSettings.model_validate(structure.model_dump() | update)
        return search_structure(
            work.candidates,
            space,
            SearchTask(work.data.inputs, Targets(len(self.classes), labels=work.data.labels), work.seed),
            self.training.model_copy(update={"structure": chosen}),
        )

    def _hits(self, compiled: CompiledModel, work: _Work) -> BoolArray:
        data, targets = work.data, Targets(len(self.classes), labels=work.data.labels)
        rng = np.random.default_rng([work.seed, 1])
        model = train_model(compiled.noisy, data.inputs, targets, self.training, rng=rng)
        return np.asarray(model.predict(compiled.noisy, data.test_inputs) == data.test_labels)
