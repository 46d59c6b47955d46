"""Ways to search structures beside the presets, at equal trainings and equal native gates."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pydantic import Field

from qkd_qiskit.arrays import BoolArray, FloatArray
from qkd_qiskit.config import StructureSettings, TrainingSettings
from qkd_qiskit.data import load_dataset
from qkd_qiskit.hardware import load_backend
from qkd_qiskit.progress import NullProgress
from qkd_qiskit.run import search_space
from qkd_qiskit.simulation import ModelCompiler
from qkd_qiskit.store.answers import AnswerLog, Arrays
from qkd_qiskit.sweep.cell import Cell, CellRecord, Measurement, pack
from qkd_qiskit.sweep.measurements.draws import Draw, draw
from qkd_qiskit.training import (
    CandidateFactory,
    SearchTask,
    StructureSearch,
    StructureSpace,
    Targets,
    Tracking,
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


class _SharedWork:
    """Work that several searches ask for: done once, and charged to each of them in full."""

    def __init__(self) -> None:
        self._known: dict[Hashable, tuple[Any, float]] = {}
        self._charged = 0.0

    def clock(self) -> float:
        """Return processor seconds, with those of work that was not done again."""
        return time.process_time() + self._charged

    def do(self, key: Hashable, compute: Callable[[], Any]) -> Any:
        """Return what `compute` finds, or found before."""
        if key in self._known:
            self._charged += self._known[key][1]
        else:
            began = self.clock()
            self._known[key] = compute(), self.clock() - began
        return self._known[key][0]


class _SharedAnswers(AnswerLog):
    """Answers of one search that another one gets as well."""

    def __init__(self, work: _SharedWork) -> None:
        super().__init__()
        self._work = work

    def answer(self, question: FloatArray, compute: Callable[[], Arrays]) -> Arrays:
        """Return the answer to a question, computed once."""
        found: Arrays = self._work.do(question.tobytes(), compute)
        return found


class _BatchClock(NullProgress):
    """Processor seconds after each batch of a search."""

    def __init__(self, work: _SharedWork) -> None:
        self._work, self._began = work, work.clock()
        self.batches: list[float] = []

    def advance(self, label: str, n: int = 1) -> None:
        """Read the clock after a batch; full trainings have other labels."""
        if label == "structure":
            self.batches.append(self._work.clock() - self._began)


class _Found(NamedTuple):
    """A search, the seconds until the end of each batch, and those of all."""

    search: StructureSearch
    batches: list[float]
    seconds: float


class _Work(NamedTuple):
    data: Draw
    candidates: CandidateFactory
    space: StructureSpace
    shared: _SharedWork
    seed: int


class StructureMeasurement(StructureTask):
    """Let each way to search spend as many trainings, and train what it chose on all training samples.

    The presets are each trained in full, as deep as the budget allows, and chosen on the same samples held
    back. The `ladder` is a search among all sizes of the presets. Of each search two structures are tested:
    the chosen one, which is the cheapest that the samples held back cannot tell from the best (`NAME`), and
    the one with the lowest loss there (`NAME, lowest`). A search that took longer than the quickest of those
    that are compared is made once more with as many batches as the quickest one's seconds allow (`NAME, equal
    seconds`).

    Each chosen structure is trained and tested `trainings` times, and the answers of all stand behind one
    another. They share their test samples, so an interval over all answers is too narrow; one over cells is
    not.
    """

    methods: tuple[str, ...] = ("ladder", "front", "swarm", "random", "genetic", "tpe")
    trainings: int = Field(3, ge=1, description="trainings of each chosen structure on all training samples")

    def measure(self, cell: Cell, folder: Path | None) -> CellRecord:
        """Compare the answers on the test samples."""
        device, compiler, shared = load_backend(self.device), ModelCompiler(seed=cell.seed), _SharedWork()
        candidates = device_candidates(
            self.base(),
            device,
            short_noise=self.training.structure.noise,
            seed=cell.seed,
            compiler=compiler,
        )
        make = candidates.evaluator
        candidates = replace(
            candidates, evaluator=lambda spec: shared.do(("circuit", spec), partial(make, spec))
        )
        space = search_space(candidates, rungs=self.training.structure.rungs)
        work = _Work(self.drawn(cell.seed), candidates, space, shared, cell.seed)
        found = {name: self._search(work, name) for name in ("presets", *self.methods)}
        found |= self._at_equal_seconds(work, found)
        right: dict[str, str] = {}
        values: dict[str, tuple[float, ...]] = {}
        notes: dict[str, tuple[str, ...]] = {}
        for name, (search, _, seconds) in found.items():
            lowest = search.structures[search.finalists[int(np.argmin(search.final_fitness))]]
            for title, index in ((name, search.winner), (f"{name}, lowest", lowest)):
                spec = VQCNNSpec.from_index(int(index))
                hits = shared.do(("test", spec), partial(self._hits, spec, work))
                right[title] = pack(hits)
                values[f"gates of {title}"] = (float(compiler.model(spec, device).two_qubit_gates or 0),)
                notes[title] = (spec.describe(),)
            values[f"cpu seconds of {name}"] = (round(seconds, 1),)
            values[f"tried by {name}"] = (float(len(search.structures)),)
            values[f"history of {name}"] = tuple(round(value, 4) for value in search.history)
        return CellRecord(right=right, values=values, notes=notes)

    def _search(self, work: _Work, name: str, batches: int | None = None) -> _Found:
        structure = self.training.structure
        space = search_space(work.candidates) if name == "presets" else work.space
        update: dict[str, object] = {"method": name}
        if batches is not None:
            update["iterations"] = batches - 1
        if name in ("presets", "ladder"):
            smaller = len(space.smaller) if name == "ladder" else 0
            known = len(space.starts(smaller))
            update = {"method": "random", "particles": known, "iterations": 0, "smaller": smaller}
            update |= {"finalists": known} if name == "presets" else {}
        chosen = StructureSettings.model_validate(structure.model_dump() | update)
        clock, began = _BatchClock(work.shared), work.shared.clock()
        search = search_structure(
            work.candidates,
            space,
            SearchTask(work.data.inputs, Targets(len(self.classes), labels=work.data.labels), work.seed),
            self.training.model_copy(update={"structure": chosen}),
            tracking=Tracking("structure", clock, _SharedAnswers(work.shared)),
        )
        return _Found(search, clock.batches, work.shared.clock() - began)

    def _at_equal_seconds(self, work: _Work, found: dict[str, _Found]) -> dict[str, _Found]:
        """Return searches cut to the seconds of the quickest one, before full trainings."""
        compared = {name: one.batches for name, one in found.items() if name not in ("presets", "ladder")}
        most = min((batches[-1] for batches in compared.values()), default=0.0)
        cut = {}
        for name, batches in compared.items():
            fitting = max(1, sum(seconds <= most for seconds in batches))
            whole = fitting == len(batches)
            cut[f"{name}, equal seconds"] = found[name] if whole else self._search(work, name, fitting)
        return cut

    def _hits(self, spec: VQCNNSpec, work: _Work) -> BoolArray:
        data, targets = work.data, Targets(len(self.classes), labels=work.data.labels)
        evaluator, hits = work.candidates.evaluator(spec), []
        for number in range(1, self.trainings + 1):
            rng = np.random.default_rng([work.seed, number])
            model = train_model(evaluator, data.inputs, targets, self.training, rng=rng)
            hits.append(model.predict(evaluator, data.test_inputs) == data.test_labels)
        return np.concatenate(hits)
