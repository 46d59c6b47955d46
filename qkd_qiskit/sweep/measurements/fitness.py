"""How well cheap judgements of structures rank what full trainings reach."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pydantic import Field
from scipy.stats import spearmanr

from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.hardware import load_backend
from qkd_qiskit.run import search_space
from qkd_qiskit.simulation import CompiledModel, Evaluator, ModelCompiler, PauliEvaluator
from qkd_qiskit.sweep.cell import Cell, CellRecord
from qkd_qiskit.sweep.measurements.predictors import (
    SharedWeights,
    expressibility,
    representational_capacity,
)
from qkd_qiskit.sweep.measurements.structures import StructureTask
from qkd_qiskit.training import (
    CandidateFactory,
    Objective,
    Targets,
    device_candidates,
    minimize_lbfgs,
    random_params,
    train_model,
)
from qkd_qiskit.vqcnn import VQCNNSpec

_STARTS = 6
_REPEATS = 400
_THIRD = 3
_PARTS = 4


class _Judge(NamedTuple):
    """Samples to train with, and those that judge."""

    inputs: FloatArray
    targets: Targets
    held: FloatArray
    held_targets: Targets


class FitnessMeasurement(StructureTask):
    """Judge random structures cheaply, train each one in full, and compare the rankings.

    Truth is the accuracy of a full training on many samples that no cheap judgement has seen. A cheap
    judgement is the loss on a part held back, or on four in turn, after some L-BFGS steps, under noise or
    without any; or, with no
    training of each structure's own, that with the weights of a supernet (`shared weights`), minus the log of
    the mean squared gradient at random points (`trainability`), `expressibility`, or minus the
    `representational capacity`. Successive halving (Jamieson, Talwalkar, *AISTATS* 2016) gives every
    structure the first length of training, the best third of them the next one, and so on.
    """

    structures: int = Field(60, ge=3)
    steps: tuple[int, ...] = Field((5, 15, 40), description="lengths of short trainings, rising")
    shared_steps: int = Field(10, ge=1, description="steps of the supernet for each structure")
    seconds: float = Field(20.0, gt=0, description="processor seconds for the choice at equal seconds")

    def measure(self, cell: Cell, folder: Path | None) -> CellRecord:
        """Measure Spearman's rank correlation, seconds a structure, and the accuracy of a choice."""
        data = self.drawn(cell.seed)
        judges = _judges(data.inputs, Targets(len(self.classes), labels=data.labels))
        judge = judges[0]
        device, compiler = load_backend(self.device), ModelCompiler(seed=cell.seed)
        scores: dict[str, list[float]] = {}
        seconds: dict[str, list[float]] = {}
        truth = []
        specs = self._specs(device_candidates(self.base(), device, compiler=compiler), cell.seed)
        shared = SharedWeights(np.random.default_rng([cell.seed, 2]))
        began = time.process_time()
        shared.train(specs, judge.inputs, judge.targets, steps=self.shared_steps * len(specs))
        each = (time.process_time() - began) / len(specs)
        for spec in specs:
            rng = np.random.default_rng([cell.seed, spec.index % 2**32])
            began = time.process_time()
            found = {"shared weights": (shared.loss(spec, judge.held, judge.held_targets), 0.0)}
            found["shared weights"] = found["shared weights"][0], each + time.process_time() - began
            found |= self._untrained(spec, judge, rng)
            found |= self._short(CompiledModel(spec).ideal, judges, rng, "no noise")
            began = time.process_time()
            compiled = compiler.model(spec, device)
            noisy = compiled.noisy
            compiling = time.process_time() - began
            found |= {
                name: (score, spent + compiling)
                for name, (score, spent) in self._short(noisy, judges, rng, "noise").items()
            }
            for name, (score, spent) in found.items():
                scores.setdefault(name, []).append(score)
                seconds.setdefault(name, []).append(spent)
            model = train_model(noisy, judge.inputs, judge.targets, self.training, rng=rng)
            truth.append(float(np.mean(model.predict(noisy, data.test_inputs) == data.test_labels)))
        return self._record(scores, seconds, np.array(truth), cell.seed)

    def _record(
        self, scores: dict[str, list[float]], seconds: dict[str, list[float]], truth: FloatArray, seed: int
    ) -> CellRecord:
        values: dict[str, tuple[float, ...]] = {
            "truth": tuple(truth.tolist()),
            "best": (float(truth.max()),),
            "mean": (float(truth.mean()),),
        }
        choices: dict[str, tuple[Callable[[IntArray], int], float]] = {}
        for name, found in scores.items():
            score, spent = np.array(found), float(np.mean(seconds[name]))
            values[f"score, {name}"] = tuple(found)
            values[f"rank correlation, {name}"] = (float(-spearmanr(score, truth).statistic),)
            choices[name] = partial(_lowest, score), spent
        for word in ("no noise", "noise"):
            names = [f"{length} steps, {word}" for length in self.steps]
            rungs = [np.array(scores[name]) for name in names]
            more = np.diff([float(np.mean(seconds[name])) for name in names], prepend=0.0)
            mean = float((more / _THIRD ** np.arange(len(more))).sum())
            choices[f"successive halving, {word}"] = partial(halved, rungs), mean
        for name, (choose, each) in choices.items():
            count = int(np.clip(self.seconds / each, 1, len(truth)))
            values[f"seconds, {name}"] = (each,)
            rng = np.random.default_rng(seed)
            values[f"chosen, {name}"] = (expected_choice(truth, choose, count, rng),)
        return CellRecord(values=values)

    def _specs(self, candidates: CandidateFactory, seed: int) -> list[VQCNNSpec]:
        space = search_space(candidates)
        rng, found = np.random.default_rng(seed), dict.fromkeys(map(space.decode, space.starts()))
        while len(found) < self.structures:
            found |= dict.fromkeys(map(space.decode, space.draw(self.structures, rng)))
        return [spec for spec in found if spec is not None][: self.structures]

    def _untrained(
        self, spec: VQCNNSpec, judge: _Judge, rng: np.random.Generator
    ) -> dict[str, tuple[float, float]]:
        """Return score and seconds of each judgement from random weights, by name."""

        def trainability() -> float:
            objective = Objective(PauliEvaluator(spec), judge.inputs, judge.targets, l2=self.training.l2)
            starts = random_params(_STARTS, spec.n_weights, rng=rng)
            gradients = [objective.value_and_gradient(start)[1][:-1] for start in starts]
            return -float(np.log(np.mean(np.concatenate(gradients) ** 2) + 1e-12))

        def capacity() -> float:
            assert judge.targets.labels is not None
            labels = judge.targets.labels
            return -representational_capacity(PauliEvaluator(spec), judge.inputs, labels, rng)

        ways: dict[str, Callable[[], float]] = {
            "trainability": trainability,
            "expressibility": lambda: expressibility(spec, judge.inputs[0], rng),
            "representational capacity": capacity,
        }
        found = {}
        for name, way in ways.items():
            began = time.process_time()
            found[name] = way(), time.process_time() - began
        return found

    def _short(
        self, evaluator: Evaluator, judges: Sequence[_Judge], rng: np.random.Generator, word: str
    ) -> dict[str, tuple[float, float]]:
        """Return score and seconds of short trainings of each length, on one part and on all in turn."""
        found = {}
        for length, score in self._lengths(evaluator, judges[0], rng).items():
            found[f"{length} steps, {word}"] = score
        parts = [self._lengths(evaluator, judge, rng, self.steps[:2]) for judge in judges]
        for length in self.steps[:2]:
            losses, seconds = zip(*(part[length] for part in parts), strict=True)
            found[f"{length} steps, {word}, {_PARTS} parts"] = float(np.mean(losses)), sum(seconds)
        return found

    def _lengths(
        self,
        evaluator: Evaluator,
        judge: _Judge,
        rng: np.random.Generator,
        lengths: tuple[int, ...] | None = None,
    ) -> dict[int, tuple[float, float]]:
        """Return the loss on the part held back after each length of training, and the seconds until then."""
        objective = Objective(evaluator, judge.inputs, judge.targets, l2=self.training.l2)
        began = time.process_time()
        starts = random_params(_STARTS, evaluator.spec.n_weights, rng=rng)
        best = starts[objective.values(starts).argmin()]
        found: dict[int, tuple[float, float]] = {}
        steps = 0
        for length in self.steps if lengths is None else lengths:
            best = minimize_lbfgs(objective.value_and_gradient, best, iterations=length - steps).params
            steps = length
            spent = time.process_time() - began
            probabilities = evaluator.probabilities(best[None, :-1], judge.held)
            loss = float(judge.held_targets.values(probabilities, best[None, -1])[0])
            found[length] = loss, spent
        return found


def _judges(inputs: FloatArray, targets: Targets) -> list[_Judge]:
    """Hold each of some parts back in turn."""
    rows, found = np.arange(len(inputs)), []
    for held in np.array_split(rows, _PARTS):
        rest = np.setdiff1d(rows, held)
        found.append(_Judge(inputs[rest], targets.rows(rest), inputs[held], targets.rows(held)))
    return found


def _lowest(score: FloatArray, rows: IntArray) -> int:
    return int(rows[score[rows].argmin()])


def halved(rungs: Sequence[FloatArray], rows: IntArray) -> int:
    """Return which of some rows is left when each rung's scores keep the best third for the next rung."""
    for number, scores in enumerate(rungs):
        last = number == len(rungs) - 1
        kept = 1 if last else -(-len(rows) // _THIRD)
        rows = rows[np.argsort(scores[rows], kind="stable")[:kept]]
    return int(rows[0])


def expected_choice(
    truth: FloatArray, choose: Callable[[IntArray], int], count: int, rng: np.random.Generator
) -> float:
    """Return the mean truth of what is chosen of `count` structures, over random subsets of them all."""
    return float(
        np.mean([truth[choose(rng.choice(len(truth), size=count, replace=False))] for _ in range(_REPEATS)])
    )
