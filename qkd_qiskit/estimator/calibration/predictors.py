"""What other ways to a size are worth on the same tasks: a constant, and a regression on data measures.

Both are fitted to the tasks of use `fit` alone, from what the records hold. The regression is of the kind of
QARP (arXiv:2502.15129), which predicts layers from 22 complexity measures; the records hold seven of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.estimator.calibration.probed import ProbedTask

_RIDGE = 1.0


def constant_sizes(tasks: Sequence[ProbedTask]) -> tuple[int, ...]:
    """Return, for every task, the number of the one size that does best on the tasks of use `fit`.

    Best is the smallest size with the fewest tasks that it does not suffice for, weighed as in the choice of
    the probes' confidence: blocks beyond the need in the logarithm, and four for a task without enough.
    """
    used = [task for task in tasks if task.curve.task.use == "fit"]
    most = min(len(task.curve.blocks) for task in tasks)
    best = min(range(most), key=lambda size: sum(_loss(task, size) for task in used))
    return (best,) * len(tasks)


def regressed_sizes(tasks: Sequence[ProbedTask]) -> tuple[int, ...]:
    """Return, for every task, the size that a ridge regression on measures of its data predicts."""
    x = np.array([_measures(task) for task in tasks])
    y = np.array([math.log(task.curve.blocks[task.needed]) for task in tasks])
    used = np.array([task.curve.task.use == "fit" for task in tasks])
    centre, spread = x[used].mean(axis=0), x[used].std(axis=0) + 1e-9
    z = (x - centre) / spread
    weights = np.linalg.solve(
        z[used].T @ z[used] + _RIDGE * np.eye(x.shape[1]), z[used].T @ (y[used] - y[used].mean())
    )
    predicted = y[used].mean() + z @ weights
    return tuple(
        int(np.argmin(np.abs(np.log(task.curve.blocks) - value)))
        for task, value in zip(tasks, predicted, strict=True)
    )


def predictor_figures(tasks: Sequence[ProbedTask], sizes: Sequence[int], use: str) -> dict[str, float]:
    """Return median and 90th percentile of chosen over needed, and the share within a point, of one use."""
    chosen = [(task, size) for task, size in zip(tasks, sizes, strict=True) if task.curve.task.use == use]
    ratios = [task.curve.blocks[size] / task.curve.blocks[task.needed] for task, size in chosen]
    return {
        "median": float(np.median(ratios)),
        "90": float(np.quantile(ratios, 0.9)),
        "sufficient": float(np.mean([task.is_sufficient(size) for task, size in chosen])),
    }


def _loss(task: ProbedTask, size: int) -> float:
    beyond = max(math.log(task.curve.blocks[size] / task.curve.blocks[task.needed]), 0.0)
    return beyond + 4.0 * (not task.is_sufficient(size))


def _measures(task: ProbedTask) -> FloatArray:
    s = task.curve.records[0].statistics
    return np.array(
        [
            math.log(s.samples),
            math.log(s.classes),
            s.entropy,
            math.log(s.imbalance),
            s.overlap,
            math.log(max(s.dimension, 1.0)),
            math.log(max(s.dimension, 1.0) / s.samples),
        ]
    )
