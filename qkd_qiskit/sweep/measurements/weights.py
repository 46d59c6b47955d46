"""Ways to find weights, at equal evaluations and at equal time; and the cooperative swarm alone."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from qkd_qiskit.arrays import BoolArray, FloatArray, IntArray
from qkd_qiskit.config import Settings, TrainingSettings
from qkd_qiskit.simulation import Evaluator, PauliEvaluator
from qkd_qiskit.sweep.cell import Cell, CellRecord, Measurement, pack
from qkd_qiskit.sweep.measurements.draws import Draw, draw
from qkd_qiskit.training import (
    Box,
    CandidateFactory,
    CooperativeSwarm,
    Objective,
    ParticleSwarm,
    SearchTask,
    Starts,
    StructureSpace,
    Targets,
    class_logits,
    minimize_lbfgs,
    random_params,
    run_swarm,
    search_structure,
    searched_spec,
    weight_period,
)
from qkd_qiskit.vqcnn import VQCNNSpec, native_two_qubit

CLASSES = (0, 1, 2, 3)
PLAN = "conv, edge, conv, edge, conv, edge, conv"
SPEC = VQCNNSpec(8, plan=PLAN, kernels="su4", sharing="site", n_outcomes=4)


class SubSwarms(Settings):
    """Settings of a cooperative swarm."""

    sweeps: int = Field(ge=1)
    particles: int = Field(ge=2)
    iterations: int = Field(ge=1)
    patience: int = Field(ge=1)
    tolerance: float | None = Field(None, description="that of the cooperative swarm when omitted")

    def build(self) -> CooperativeSwarm:
        """Return the search."""
        return CooperativeSwarm(**self.model_dump(exclude_none=True))


class WeightsMeasurement(Measurement):
    """Find the weights for four digits in one way, until its evaluations or its time are spent."""

    method: Literal[
        "random search",
        "global swarm",
        "cooperative swarm",
        "structure search",
        "structure search, no gradient",
    ]
    equal: Literal["evaluations", "time"]
    samples: int = Field(300, ge=4, description="training images")
    evaluations: int = Field(6000, ge=1, description="most parameter vectors, where they are equal")
    seconds: float = Field(20.0, gt=0, description="most processor seconds, where time is equal")
    refine: int = Field(100, ge=1, description="L-BFGS iterations afterwards")
    particles: int = Field(30, ge=2)
    sub_swarms: SubSwarms
    training: TrainingSettings = Field(description="l2, and the structure search")
    swarm_starts: int = Field(8, ge=1, description="starts of a candidate where the search has no gradient")

    def measure(self, cell: Cell, folder: Path | None) -> CellRecord:
        """Measure loss, accuracy, evaluations and processor seconds after the search and after L-BFGS."""
        data = draw(CLASSES, samples=self.samples, seed=cell.seed)
        limit = Limit(
            self.evaluations if self.equal == "evaluations" else None,
            self.seconds if self.equal == "time" else None,
        )
        objective, params = self._search(data, limit, np.random.default_rng(cell.seed))
        searched, spent = limit.elapsed, limit.spent + objective.evaluations
        loss = float(objective.values(params[None])[0])
        polished = minimize_lbfgs(objective.value_and_gradient, params, iterations=self.refine)
        total = limit.elapsed
        evaluator = objective.evaluator
        hits = {
            "search": _hits(evaluator, params, data.test_inputs, data.test_labels),
            "refined": _hits(evaluator, polished.params, data.test_inputs, data.test_labels),
        }
        values = {
            "loss": loss,
            "accuracy": float(hits["search"].mean()),
            "evaluations": float(spent),
            "search_cpu_seconds": searched,
            "loss_refined": polished.value,
            "accuracy_refined": float(hits["refined"].mean()),
            "gradients": float(objective.gradients),
            "total_cpu_seconds": total,
        }
        return CellRecord(
            right={name: pack(found) for name, found in hits.items()},
            values={name: (value,) for name, value in values.items()},
            notes={"structure": (objective.evaluator.spec.describe(),)},
        )

    def _search(self, data: Draw, limit: Limit, rng: np.random.Generator) -> tuple[Objective, FloatArray]:
        if self.method == "random search":
            return self._random(data, limit, rng)
        if self.method == "global swarm":
            return self._swarm(SPEC, data, limit, rng)
        if self.method == "cooperative swarm":
            objective = _objective(SPEC, data, self.training.l2)
            search = replace(self.sub_swarms.build(), stop=lambda: limit.reached(objective))
            found = search.run(objective, _starts(objective, self.particles, rng), rng=rng)
            return objective, found.params
        return self._structure(data, limit, rng)

    def _random(self, data: Draw, limit: Limit, rng: np.random.Generator) -> tuple[Objective, FloatArray]:
        objective = _objective(SPEC, data, self.training.l2)
        best, lowest = np.zeros(objective.n_params), np.inf
        while not limit.reached(objective):
            tried = random_params(self.particles, objective.n_params - 1, rng=rng)
            values = objective.values(tried)
            if values.min() < lowest:
                best, lowest = tried[values.argmin()], values.min()
        return objective, best

    def _swarm(
        self, spec: VQCNNSpec, data: Draw, limit: Limit, rng: np.random.Generator
    ) -> tuple[Objective, FloatArray]:
        objective = _objective(spec, data, self.training.l2)
        n = objective.n_params - 1
        box = Box.of_params(n, weight_period(spec))
        swarm = ParticleSwarm(box.clip(random_params(self.particles, n, rng=rng)), box, rng=rng)
        found = run_swarm(
            swarm,
            objective.values,
            iterations=10**6,
            patience=10**6,
            stop=lambda: limit.reached(objective),
        )
        return objective, found.params

    def _structure(self, data: Draw, limit: Limit, rng: np.random.Generator) -> tuple[Objective, FloatArray]:
        """Find the structure by search, the weights by a global swarm."""
        settings = self.training
        if self.method == "structure search, no gradient":
            # Short trainings by a swarm alone, with about as many parameter vectors each.
            update = {"starts": self.swarm_starts, "moves": 4, "steps": 0}
            alone = settings.structure.model_copy(update=update)
            settings = settings.model_copy(update={"structure": alone})
        search = search_structure(
            CandidateFactory(SPEC, PauliEvaluator, lambda spec: 0.0, native_two_qubit),
            StructureSpace(SPEC),
            SearchTask(data.inputs, Targets(len(CLASSES), labels=data.labels), int(rng.integers(2**32))),
            settings,
        )
        limit.spent = search.evaluations
        return self._swarm(searched_spec(SPEC, search), data, limit, rng)


class CooperativeMeasurement(Measurement):
    """Train on four digits by the cooperative swarm alone, without any gradient."""

    samples: int = Field(1000, ge=4, description="training images")
    starts: int = Field(40, ge=1, description="random parameter vectors of which the best is the start")
    l2: float = Field(0.015, ge=0)
    sub_swarms: SubSwarms

    def measure(self, cell: Cell, folder: Path | None) -> CellRecord:
        """Measure accuracies, evaluations and seconds."""
        data = draw(CLASSES, samples=self.samples, seed=cell.seed)
        start, worked = time.perf_counter(), time.process_time()
        objective = _objective(SPEC, data, self.l2)
        rng = np.random.default_rng(cell.seed)
        found = self.sub_swarms.build().run(objective, _starts(objective, self.starts, rng), rng=rng)
        seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - worked
        hits = _hits(objective.evaluator, found.params, data.test_inputs, data.test_labels)
        known = _hits(objective.evaluator, found.params, data.inputs, data.labels)
        values = {
            "accuracy": float(hits.mean()),
            "training_accuracy": float(known.mean()),
            "loss": found.value,
            "evaluations": objective.evaluations,
            "gradients": objective.gradients,
            "training_seconds": round(seconds, 1),
            "training_cpu_seconds": round(cpu_seconds, 1),
        }
        return CellRecord(
            right={"cooperative swarm": pack(hits)},
            values={name: (value,) for name, value in values.items()}
            | {"history": tuple(round(value, 5) for value in found.history)},
        )


@dataclass
class Limit:
    """Ends a search by its evaluations or by its time, whichever is given.

    The time is the processor's, for this process: others on the same computer do not shorten the search.

    Attributes:
        evaluations: Most parameter vectors; None for any number.
        seconds: Most seconds of processor time; None for any time.
        spent: Evaluations that were made elsewhere.
    """

    evaluations: int | None
    seconds: float | None
    spent: int = 0

    def __post_init__(self) -> None:
        """Start the clock."""
        self.start = time.process_time()

    @property
    def elapsed(self) -> float:
        """Seconds of processor time since the start."""
        return time.process_time() - self.start

    def reached(self, objective: Objective) -> bool:
        """Return whether the search has to end."""
        if self.evaluations is not None:
            return self.spent + objective.evaluations >= self.evaluations
        assert self.seconds is not None
        return self.elapsed >= self.seconds


def _objective(spec: VQCNNSpec, data: Draw, l2: float) -> Objective:
    return Objective(PauliEvaluator(spec), data.inputs, Targets(len(CLASSES), labels=data.labels), l2=l2)


def _starts(objective: Objective, n: int, rng: np.random.Generator) -> Starts:
    tried = random_params(n, objective.n_params - 1, rng=rng)
    return Starts(tried, objective.values(tried))


def _hits(evaluator: Evaluator, params: FloatArray, inputs: FloatArray, labels: IntArray) -> BoolArray:
    logits = class_logits(evaluator.probabilities(params[:-1], inputs), params[-1], len(CLASSES))
    return np.asarray(logits.argmax(axis=-1) == labels)
