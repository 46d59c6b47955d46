"""Ways to find weights at equal evaluations; and the cooperative swarm alone."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from qkd_qiskit.arrays import BoolArray, FloatArray, IntArray
from qkd_qiskit.config import Settings
from qkd_qiskit.simulation import Evaluator, PauliEvaluator
from qkd_qiskit.sweep.cell import Cell, CellRecord, Measurement, pack
from qkd_qiskit.sweep.measurements.draws import draw
from qkd_qiskit.sweep.measurements.minimizers import GRADIENT_COST, minimized
from qkd_qiskit.sweep.measurements.shots import DrawnShots
from qkd_qiskit.training import (
    Box,
    CooperativeSwarm,
    Objective,
    ParticleSwarm,
    Starts,
    Targets,
    class_logits,
    minimize_lbfgs,
    random_params,
    run_swarm,
    weight_period,
)
from qkd_qiskit.vqcnn import VQCNNSpec

CLASSES = (0, 1, 2, 3)
PLAN = "conv, edge, conv, edge, conv, edge, conv"
_NO_LIMIT = 10**9
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
    """Find the weights for four digits in one way, until its budget is spent, then by L-BFGS.

    A loss with its exact gradient counts as `GRADIENT_COST` evaluations. On shots it is that of the
    parameter-shift rule and counts as `2 W + 1`; no L-BFGS follows, and exact probabilities judge what was
    found.
    """

    method: Literal["random search", "global swarm", "cooperative swarm", "SPSA", "COBYLA", "L-BFGS", "Adam"]
    samples: int = Field(300, ge=4, description="training images")
    equal: Literal["evaluations", "seconds", "evaluations on shots"] = "evaluations"
    evaluations: int = Field(6000, ge=1, description="most parameter vectors")
    seconds: float = Field(5.0, gt=0, description="most processor seconds, where these are equal")
    shots: int = Field(100, ge=1, description="shots of each circuit, where there are shots")
    refine: int = Field(100, ge=1, description="L-BFGS iterations afterwards, without shots")
    particles: int = Field(30, ge=2, description="particles of the global swarm; random starts of all others")
    sub_swarms: SubSwarms
    l2: float = Field(0.015, ge=0)

    def measure(self, cell: Cell, folder: Path | None) -> CellRecord:
        """Measure loss, accuracy, evaluations and processor seconds after the search and after L-BFGS."""
        data, rng = draw(CLASSES, samples=self.samples, seed=cell.seed), np.random.default_rng(cell.seed)
        exact = PauliEvaluator(SPEC)
        evaluator: Evaluator = exact
        limit = Limit(self.evaluations)
        if self.equal == "seconds":
            limit = Limit(_NO_LIMIT, self.seconds)
        elif self.equal == "evaluations on shots":
            evaluator = DrawnShots(SPEC, self.shots, rng.spawn(1)[0])
            limit = Limit(self.evaluations, gradient_cost=2 * SPEC.n_weights + 1)
        targets = Targets(len(CLASSES), labels=data.labels)
        objective = Objective(evaluator, data.inputs, targets, l2=self.l2)
        params = self._search(objective, limit, rng)
        searched, spent = limit.elapsed, limit.spent(objective)
        judge = Objective(exact, data.inputs, targets, l2=self.l2)
        hits = {"search": _hits(exact, params, data.test_inputs, data.test_labels)}
        values = {
            "loss": float(judge.values(params[None])[0]),
            "accuracy": float(hits["search"].mean()),
            "evaluations": float(spent),
            "search_cpu_seconds": searched,
            "gradients": float(objective.gradients),
        }
        if evaluator is exact:
            began = limit.elapsed
            polished = minimize_lbfgs(judge.value_and_gradient, params, iterations=self.refine)
            hits["refined"] = _hits(exact, polished.params, data.test_inputs, data.test_labels)
            values |= {
                "loss_refined": polished.value,
                "accuracy_refined": float(hits["refined"].mean()),
                "total_cpu_seconds": searched + limit.elapsed - began,
            }
        return CellRecord(
            right={name: pack(found) for name, found in hits.items()},
            values={name: (value,) for name, value in values.items()},
        )

    def _search(self, objective: Objective, limit: Limit, rng: np.random.Generator) -> FloatArray:
        if self.method == "random search":
            return self._random(objective, limit, rng)
        if self.method == "global swarm":
            return self._swarm(objective, limit, rng)
        starts = _starts(objective, self.particles, rng)
        if self.method == "cooperative swarm":
            search = replace(self.sub_swarms.build(), stop=lambda: limit.reached(objective))
            return search.run(objective, starts, rng=rng).params
        return minimized(self.method, objective, starts.best, lambda: limit.reached(objective), rng)

    def _random(self, objective: Objective, limit: Limit, rng: np.random.Generator) -> FloatArray:
        best, lowest = np.zeros(objective.n_params), np.inf
        while not limit.reached(objective):
            tried = random_params(self.particles, objective.n_params - 1, rng=rng)
            values = objective.values(tried)
            if values.min() < lowest:
                best, lowest = tried[values.argmin()], values.min()
        return best

    def _swarm(self, objective: Objective, limit: Limit, rng: np.random.Generator) -> FloatArray:
        n = objective.n_params - 1
        box = Box.of_params(n, weight_period(SPEC))
        swarm = ParticleSwarm(box.clip(random_params(self.particles, n, rng=rng)), box, rng=rng)
        return run_swarm(
            swarm,
            objective.values,
            iterations=_NO_LIMIT,
            patience=_NO_LIMIT,
            reevaluate=isinstance(objective.evaluator, DrawnShots),
            stop=lambda: limit.reached(objective),
        ).params


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
        targets = Targets(len(CLASSES), labels=data.labels)
        objective = Objective(PauliEvaluator(SPEC), data.inputs, targets, l2=self.l2)
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
    """Ends a search by its evaluations or its processor time.

    Attributes:
        evaluations: Most parameter vectors.
        seconds: Most seconds of processor time.
        gradient_cost: How often one with its gradient counts.
    """

    evaluations: int
    seconds: float = np.inf
    gradient_cost: int = GRADIENT_COST

    def __post_init__(self) -> None:
        """Start the clock."""
        self.start = time.process_time()

    @property
    def elapsed(self) -> float:
        """Seconds of processor time since the start."""
        return time.process_time() - self.start

    def spent(self, objective: Objective) -> int:
        """Return the evaluations so far."""
        return objective.evaluations + (self.gradient_cost - 1) * objective.gradients

    def reached(self, objective: Objective) -> bool:
        """Return whether the search has to end."""
        return self.elapsed >= self.seconds or self.spent(objective) >= self.evaluations


def _starts(objective: Objective, n: int, rng: np.random.Generator) -> Starts:
    tried = random_params(n, objective.n_params - 1, rng=rng)
    return Starts(tried, objective.values(tried))


def _hits(evaluator: Evaluator, params: FloatArray, inputs: FloatArray, labels: IntArray) -> BoolArray:
    logits = class_logits(evaluator.probabilities(params[:-1], inputs), params[-1], len(CLASSES))
    return np.asarray(logits.argmax(axis=-1) == labels)
