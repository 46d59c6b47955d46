"""How well cheap judgements of structures rank what full trainings reach."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pydantic import Field
from scipy.stats import spearmanr

from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.hardware import load_backend
from qkd_qiskit.run import search_space
from qkd_qiskit.simulation import CompiledModel, ModelCompiler
from qkd_qiskit.sweep.cell import Cell, CellRecord
from qkd_qiskit.sweep.measurements.structures import StructureTask
from qkd_qiskit.training import (
    CandidateFactory,
    Objective,
    Targets,
    best_log_scale,
    device_candidates,
    minimize_lbfgs,
    random_params,
    train_model,
)
from qkd_qiskit.vqcnn import VQCNNSpec

_STARTS = 6
_REPEATS = 400


class _Judge(NamedTuple):
    """Samples to train with, and those that judge."""

    inputs: FloatArray
    targets: Targets
    held: FloatArray
    held_targets: Targets


class FitnessMeasurement(StructureTask):
    """Judge random structures cheaply, train each one in full, and compare the rankings.

    Truth is the accuracy of a full training on many samples that no cheap judgement has seen. A cheap
    judgement is the loss on a part held back after some L-BFGS steps, under noise or without any, with the
    logit scale that was trained or with the best one there (`rescaled`); or, without a training, minus the
    log of the mean squared gradient at random points (`trainability`).
    """

    structures: int = Field(60, ge=3)
    steps: tuple[int, ...] = Field((5, 15, 40), description="lengths of short trainings, rising")
    seconds: float = Field(20.0, gt=0, description="processor seconds for the choice at equal seconds")

    def measure(self, cell: Cell, folder: Path | None) -> CellRecord:
        """Measure Spearman's rank correlation, seconds a structure, and the accuracy of a choice."""
        data = self.drawn(cell.seed)
        targets, cut = Targets(len(self.classes), labels=data.labels), len(data.labels) // 4
        rows = np.arange(len(data.labels))
        judge = _Judge(
            data.inputs[cut:], targets.rows(rows[cut:]), data.inputs[:cut], targets.rows(rows[:cut])
        )
        device, compiler = load_backend(self.device), ModelCompiler(seed=cell.seed)
        scores: dict[str, list[float]] = {}
        seconds: dict[str, list[float]] = {}
        truth = []
        for spec in self._specs(device_candidates(self.base(), device, compiler=compiler), cell.seed):
            rng = np.random.default_rng([cell.seed, spec.index % 2**32])
            compiled = CompiledModel(spec)
            for name, (score, spent) in self._cheap(compiled, judge, rng, noise=False).items():
                scores.setdefault(name, []).append(score)
                seconds.setdefault(name, []).append(spent)
            began = time.process_time()
            compiled = compiler.model(spec, device)
            _ = compiled.noisy
            compiling = time.process_time() - began
            for name, (score, spent) in self._cheap(compiled, judge, rng, noise=True).items():
                scores.setdefault(name, []).append(score)
                seconds.setdefault(name, []).append(spent + compiling)
            model = train_model(compiled.noisy, judge.inputs, judge.targets, self.training, rng=rng)
            truth.append(float(np.mean(model.predict(compiled.noisy, data.test_inputs) == data.test_labels)))
        return self._record(scores, seconds, np.array(truth), cell.seed)

    def _record(
        self, scores: dict[str, list[float]], seconds: dict[str, list[float]], truth: FloatArray, seed: int
    ) -> CellRecord:
        values: dict[str, tuple[float, ...]] = {
            "truth": tuple(truth.tolist()),
            "best": (float(truth.max()),),
            "mean": (float(truth.mean()),),
        }
        for name, found in scores.items():
            score, spent = np.array(found), float(np.mean(seconds[name]))
            values[f"rank correlation, {name}"] = (float(-spearmanr(score, truth).statistic),)
            values[f"seconds, {name}"] = (spent,)
            count = int(np.clip(self.seconds / spent, 1, len(truth)))
            rng = np.random.default_rng(seed)
            values[f"chosen, {name}"] = (expected_choice(truth, partial(_lowest, score), count, rng),)
        return CellRecord(values=values)

    def _specs(self, candidates: CandidateFactory, seed: int) -> list[VQCNNSpec]:
        space = search_space(candidates)
        rng, found = np.random.default_rng(seed), dict.fromkeys(map(space.decode, space.starts()))
        while len(found) < self.structures:
            found |= dict.fromkeys(map(space.decode, space.draw(self.structures, rng)))
        return [spec for spec in found if spec is not None][: self.structures]

    def _cheap(
        self, compiled: CompiledModel, judge: _Judge, rng: np.random.Generator, *, noise: bool
    ) -> dict[str, tuple[float, float]]:
        """Return score and seconds of each cheap judgement, by name."""
        word, evaluator = ("noise", compiled.noisy) if noise else ("no noise", compiled.ideal)
        objective = Objective(evaluator, judge.inputs, judge.targets, l2=self.training.l2)
        began = time.process_time()
        starts = random_params(_STARTS, compiled.spec.n_weights, rng=rng)
        best = starts[objective.values(starts).argmin()]
        found: dict[str, tuple[float, float]] = {}
        if not noise:
            gradients = [objective.value_and_gradient(start)[1][:-1] for start in starts]
            score = -float(np.log(np.mean(np.concatenate(gradients) ** 2) + 1e-12))
            found["trainability"] = score, time.process_time() - began
            began = time.process_time()
        steps = 0
        for length in self.steps:
            best = minimize_lbfgs(objective.value_and_gradient, best, iterations=length - steps).params
            steps = length
            spent = time.process_time() - began
            probabilities = evaluator.probabilities(best[None, :-1], judge.held)
            loss = float(judge.held_targets.values(probabilities, best[None, -1])[0])
            found[f"{length} steps, {word}"] = loss, spent
            scale = np.array([best_log_scale(judge.held_targets, probabilities[0])])
            loss = float(judge.held_targets.values(probabilities, scale)[0])
            found[f"{length} steps, {word}, rescaled"] = loss, spent
        return found


def _lowest(score: FloatArray, rows: IntArray) -> int:
    return int(rows[score[rows].argmin()])


def expected_choice(
    truth: FloatArray, choose: Callable[[IntArray], int], count: int, rng: np.random.Generator
) -> float:
    """Return the mean truth of what is chosen of `count` structures, over random subsets of them all."""
    return float(
        np.mean([truth[choose(rng.choice(len(truth), size=count, replace=False))] for _ in range(_REPEATS)])
    )
