"""Pairs of MNIST digits: the circuit with and without a device's noise, beside classical models."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from qkd_qiskit.config import AugmentSettings, TrainingSettings
from qkd_qiskit.progress import Progress
from qkd_qiskit.simulation import compile_model
from qkd_qiskit.studies.swarm_data import Cell, classical_accuracies, draw, run_cells
from qkd_qiskit.training import Targets, train_model
from qkd_qiskit.vqcnn import VQCNNSpec

HARD_PAIRS = ((3, 5), (4, 9), (7, 9), (5, 8))
ALL_PAIRS = tuple(combinations(range(10), 2))
DEVICE = "ibm_torino"
SAMPLES = 700
# Both were chosen on MNIST training images outside of the 5000 that the study draws from.
AUGMENT = AugmentSettings(copies=5, rotation=10.0, shift=1.0)
TRAINING = TrainingSettings(particles=10, iterations=5, refine=250, l2=0.015)
SPEC = VQCNNSpec(8, kernels="su4", sharing="site", n_outcomes=2)


def run_pairs(
    pairs: Sequence[tuple[int, int]],
    *,
    seeds: Sequence[int],
    noises: Sequence[str | None],
    folder: Path,
    progress: Progress | None = None,
) -> list[dict[str, Any]]:
    """Train one circuit for each pair, seed and noise, and count its hits on the test images.

    Args:
        pairs: Pairs of digits, the smaller first.
        seeds: Each seed draws its own images and starts.
        noises: Devices under whose noise to train and to test; None for none.
        folder: Where records are kept.
        progress: Told of every training.

    Returns:
        Records with `pair`, `seed`, `noise`, `accuracy`, `training_accuracy`, `loss`, `tests`, and the
        classical models' accuracies.
    """
    cells = [
        Cell(
            name=f"{pair[0]}-{pair[1]} seed {seed} {noise or 'ideal'}",
            settings={
                "pair": list(pair),
                "seed": seed,
                "noise": noise,
                "samples": SAMPLES,
                "augment": AUGMENT.model_dump(),
                "spec": str(SPEC.index),
                "training": TRAINING.model_dump(exclude_unset=True),
            },
            work=partial(_train, pair, seed, noise),
        )
        for seed in seeds
        for noise in noises
        for pair in pairs
    ]
    return run_cells("pairs", cells, folder, progress=progress)


def summarize_pairs(records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row for each pair and noise, and one for the mean over pairs: mean and spread over seeds."""
    rows = []
    for noise in dict.fromkeys(record["noise"] for record in records):
        mine = [record for record in records if record["noise"] == noise]
        pairs = list(dict.fromkeys(tuple(record["pair"]) for record in mine))
        for pair in pairs:
            rows.append(_row(f"{pair[0]}/{pair[1]}", noise, [r for r in mine if tuple(r["pair"]) == pair]))
        seeds = dict.fromkeys(record["seed"] for record in mine)
        by_seed = [[r for r in mine if r["seed"] == seed] for seed in seeds]
        means = [{key: float(np.mean([r[key] for r in group])) for key in _MEASURED} for group in by_seed]
        rows.append(_row("mean", noise, means))
    return rows


_MEASURED = ("accuracy", "training_accuracy", "logistic_regression", "rbf_svm")


def _row(name: str, noise: str | None, records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    row: dict[str, Any] = {"pair": name, "noise": noise or "none", "seeds": len(records)}
    for key in _MEASURED:
        values = np.array([record[key] for record in records])
        row[key] = round(float(values.mean()), 4)
        row[f"{key}_spread"] = round(float(values.std(ddof=1)), 4) if len(values) > 1 else None
    return row


def _train(pair: tuple[int, int], seed: int, noise: str | None) -> dict[str, Any]:
    data = draw(pair, samples=SAMPLES, augment=AUGMENT, seed=seed)
    evaluator = compile_model(SPEC, noise, seed=seed).noisy
    model = train_model(
        evaluator,
        data.inputs,
        Targets(2, labels=data.labels),
        TRAINING,
        rng=np.random.default_rng(seed),
    )
    own = slice(0, data.n_own)
    return {
        "pair": list(pair),
        "seed": seed,
        "noise": noise,
        "accuracy": float((model.predict(evaluator, data.test_inputs) == data.test_labels).mean()),
        "training_accuracy": float((model.predict(evaluator, data.inputs[own]) == data.labels[own]).mean()),
        "loss": model.loss,
        "logit_scale": model.logit_scale,
        "tests": len(data.test_labels),
        **classical_accuracies(data, seed=seed),
    }
