"""Ways to find weights, at equal evaluations and at equal time; and the cooperative swarm on four digits."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.config import StructureSettings, TrainingSettings
from qkd_qiskit.progress import Progress
from qkd_qiskit.simulation import PauliEvaluator
from qkd_qiskit.studies.swarm_data import Cell, Draw, draw, run_cells
from qkd_qiskit.training import (
    Box,
    CandidateFactory,
    CooperativeSwarm,
    KernelSpace,
    Objective,
    ParticleSwarm,
    SearchTask,
    Starts,
    Targets,
    class_logits,
    minimize_lbfgs,
    random_params,
    run_swarm,
    search_structure,
    weight_period,
)
from qkd_qiskit.vqcnn import PRESETS, VQCNNSpec, native_two_qubit

CLASSES = (0, 1, 2, 3)
PLAN = "conv, edge, conv, edge, conv, edge, conv"
SPEC = VQCNNSpec(8, plan=PLAN, kernels="su4", sharing="site", n_outcomes=4)
METHODS = (
    "random search",
    "global swarm",
    "cooperative swarm",
    "structure search",
    "structure search, no gradient",
)
SAMPLES = 300
EVALUATIONS, SECONDS = 6000, 20.0
REFINE = 100
L2 = 0.015
PARTICLES = 30
SUB_SWARMS = CooperativeSwarm(sweeps=10**6, particles=20, iterations=14, patience=14, tolerance=-1.0)
STRUCTURE = TrainingSettings(
    l2=L2,
    structure=StructureSettings(
        enabled=True,
        particles=8,
        iterations=4,
        samples=150,
        starts=6,
        steps=15,
        finalists=1,
        price=0.0,
        resolution=0.0,
    ),
)
# Short trainings by a swarm alone, with about as many parameter vectors each.
STRUCTURE_SWARM = STRUCTURE.model_copy(
    update={"structure": STRUCTURE.structure.model_copy(update={"starts": 8, "moves": 4, "steps": 0})}
)
# The search on its own: enough particles to use a sweep well, and as many sweeps as two minutes allow.
COOPERATIVE = CooperativeSwarm(sweeps=8, particles=30, iterations=50, patience=15)
COOPERATIVE_SAMPLES = 1000


@dataclass
class Limit:
    """Ends a search by its evaluations or by its time, whichever is given.

    The time is the processor's, for this process: others on the machine do not shorten the search.

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
        """Whether the search has to end."""
        if self.evaluations is not None:
            return self.spent + objective.evaluations >= self.evaluations
        assert self.seconds is not None
        return self.elapsed >= self.seconds


def run_methods(
    *, seeds: Sequence[int], folder: Path, progress: Progress | None = None
) -> list[dict[str, Any]]:
    """Every method with as many evaluations as the others, then with as much time.

    Args:
        seeds: Each seed draws its own images and starts.
        folder: Where records are kept.
        progress: Told of every run.

    Returns:
        Records with `method`, `limit`, `seed`, and after the search and after L-BFGS: loss, test accuracy,
        evaluations and seconds of processor time.
    """
    cells = [
        Cell(
            name=f"{method} equal {limit} seed {seed}",
            settings={
                "samples": SAMPLES,
                "evaluations": EVALUATIONS,
                "time": SECONDS,
                "refine": REFINE,
                "particles": PARTICLES,
                "sub_swarms": repr(SUB_SWARMS),
                "structure": STRUCTURE.model_dump(exclude_unset=True),
                "structure_swarm": STRUCTURE_SWARM.structure.model_dump(),
                "clock": "process",
                "spec": str(SPEC.index),
            },
            work=partial(_compare, method, limit, seed),
        )
        for seed in seeds
        for limit in ("evaluations", "time")
        for method in METHODS
    ]
    return run_cells("methods", cells, folder, progress=progress)


def summarize_methods(records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row for each limit and method: means over seeds, and the spread of the accuracies."""
    rows = []
    for limit in ("evaluations", "time"):
        for method in METHODS:
            mine = [r for r in records if (r["method"], r["limit"]) == (method, limit)]
            if mine:
                rows.append({"equal": limit, "method": method, "seeds": len(mine), **_means(mine)})
    return rows


def run_cooperative_study(
    *, seeds: Sequence[int], folder: Path, progress: Progress | None = None
) -> list[dict[str, Any]]:
    """The cooperative swarm alone on four digits, without any gradient.

    Args:
        seeds: Each seed draws its own images and starts.
        folder: Where records are kept.
        progress: Told of every run.
    """
    cells = [
        Cell(
            name=f"seed {seed}",
            settings={"sizes": repr(COOPERATIVE), "samples": COOPERATIVE_SAMPLES, "l2": L2},
            work=partial(_cooperative_alone, seed),
        )
        for seed in seeds
    ]
    return run_cells("cooperative", cells, folder, progress=progress)


def _means(records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    keys = [key for key, value in records[0].items() if isinstance(value, float)]
    found: dict[str, Any] = {key: round(float(np.mean([r[key] for r in records])), 4) for key in keys}
    for key in ("accuracy", "accuracy_refined"):
        values = [r[key] for r in records]
        found[f"{key}_spread"] = round(float(np.std(values, ddof=1)), 4) if len(values) > 1 else None
    return found


def _cooperative_alone(seed: int) -> dict[str, Any]:
    data = draw(CLASSES, samples=COOPERATIVE_SAMPLES, seed=seed)
    evaluator = PauliEvaluator(SPEC)
    start, worked = time.perf_counter(), time.process_time()
    objective = Objective(evaluator, data.inputs, Targets(len(CLASSES), labels=data.labels), l2=L2)
    rng = np.random.default_rng(seed)
    found = COOPERATIVE.run(objective, _best_of(objective, 40, rng), rng=rng)
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - worked
    return {
        "seed": seed,
        "accuracy": _accuracy(evaluator, found.params, data.test_inputs, data.test_labels),
        "training_accuracy": _accuracy(evaluator, found.params, data.inputs, data.labels),
        "loss": found.value,
        "sweeps": (len(found.history) - 1) // len(SPEC.blocks),
        "evaluations": objective.evaluations,
        "gradients": objective.gradients,
        "training_seconds": round(seconds, 1),
        "training_cpu_seconds": round(cpu_seconds, 1),
        "tests": len(data.test_labels),
        "history": [round(value, 5) for value in found.history],
    }


def _compare(method: str, equal: str, seed: int) -> dict[str, Any]:
    data = draw(CLASSES, samples=SAMPLES, seed=seed)
    limit = Limit(EVALUATIONS if equal == "evaluations" else None, SECONDS if equal == "time" else None)
    rng = np.random.default_rng(seed)
    objective, params = _SEARCHES[method](data, limit, rng)
    searched = limit.elapsed
    spent = limit.spent + objective.evaluations
    polished = minimize_lbfgs(objective.value_and_gradient, params, iterations=REFINE)
    total = limit.elapsed

    def accuracy(found: FloatArray) -> float:
        return _accuracy(objective.evaluator, found, data.test_inputs, data.test_labels)

    return {
        "method": method,
        "limit": equal,
        "seed": seed,
        "kernel": str(objective.evaluator.spec.kernels[0]),
        "loss": float(objective.values(params[None])[0]),
        "accuracy": accuracy(params),
        "evaluations": float(spent),
        "search_cpu_seconds": searched,
        "loss_refined": polished.value,
        "accuracy_refined": accuracy(polished.params),
        "gradients": float(objective.gradients),
        "total_cpu_seconds": total,
    }


def _objective(spec: VQCNNSpec, data: Draw) -> Objective:
    return Objective(PauliEvaluator(spec), data.inputs, Targets(len(CLASSES), labels=data.labels), l2=L2)


def _random(data: Draw, limit: Limit, rng: np.random.Generator) -> tuple[Objective, FloatArray]:
    objective = _objective(SPEC, data)
    best, lowest = np.zeros(objective.n_params), np.inf
    while not limit.reached(objective):
        tried = random_params(PARTICLES, objective.n_params - 1, rng=rng)
        values = objective.values(tried)
        if values.min() < lowest:
            best, lowest = tried[values.argmin()], values.min()
    return objective, best


def _global(
    data: Draw, limit: Limit, rng: np.random.Generator, spec: VQCNNSpec = SPEC
) -> tuple[Objective, FloatArray]:
    objective = _objective(spec, data)
    box = Box.of_params(objective.n_params - 1, weight_period(spec))
    swarm = ParticleSwarm(box.clip(random_params(PARTICLES, objective.n_params - 1, rng=rng)), box, rng=rng)
    found = run_swarm(
        swarm,
        objective.values,
        iterations=10**6,
        patience=10**6,
        stop=lambda: limit.reached(objective),
    )
    return objective, found.params


def _cooperative(data: Draw, limit: Limit, rng: np.random.Generator) -> tuple[Objective, FloatArray]:
    objective = _objective(SPEC, data)
    search = replace(SUB_SWARMS, stop=lambda: limit.reached(objective))
    found = search.run(objective, _best_of(objective, PARTICLES, rng), rng=rng)
    return objective, found.params


def _structure(
    data: Draw, limit: Limit, rng: np.random.Generator, settings: TrainingSettings
) -> tuple[Objective, FloatArray]:
    """The kernel by structure search, the weights by a global swarm."""
    workshop = CandidateFactory(SPEC, PauliEvaluator, lambda spec: 0.0, native_two_qubit)
    kernel = PRESETS["su4"]
    search = search_structure(
        workshop,
        KernelSpace(len(kernel.genes), kernel.n_two_qubit),
        SearchTask(data.inputs, Targets(len(CLASSES), labels=data.labels), int(rng.integers(2**32))),
        settings,
    )
    limit.spent = search.evaluations
    spec = VQCNNSpec(8, plan=PLAN, kernels=search.winner, sharing="site", n_outcomes=len(CLASSES))
    return _global(data, limit, rng, spec)


_SEARCHES: dict[str, Callable[[Draw, Limit, np.random.Generator], tuple[Objective, FloatArray]]] = {
    "random search": _random,
    "global swarm": _global,
    "cooperative swarm": _cooperative,
    "structure search": lambda data, limit, rng: _structure(data, limit, rng, STRUCTURE),
    "structure search, no gradient": lambda data, limit, rng: _structure(data, limit, rng, STRUCTURE_SWARM),
}


def _best_of(objective: Objective, n: int, rng: np.random.Generator) -> Starts:
    tried = random_params(n, objective.n_params - 1, rng=rng)
    return Starts(tried, objective.values(tried))


def _accuracy(evaluator: Any, params: FloatArray, inputs: FloatArray, labels: Any) -> float:
    logits = class_logits(evaluator.probabilities(params[:-1], inputs), params[-1], len(CLASSES))
    return float((logits.argmax(axis=-1) == labels).mean())
