"""What the ways to a size are worth on the same tasks: rule, constant, regression, prior and probes.

Each is fitted to some tasks and asked of others. The regression is of the kind of QARP (arXiv:2502.15129),
which predicts layers from 22 complexity measures; the records hold seven of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.estimator import ProbeModel
from qkd_qiskit.estimator.calibration.curves import POINT, Curve
from qkd_qiskit.estimator.calibration.probed import (
    ProbeAssessment,
    ProbedTask,
    assess_evidence,
    prior_of,
    simulate_probes,
)
from qkd_qiskit.estimator.probes.search import Evidence, granted_size, size_interval

_RIDGE = 1.0
_LEVELS = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95)


class Part(NamedTuple):
    """Tasks that are asked about, those that numbers were chosen by, and these numbers."""

    used: Sequence[ProbedTask]
    asked: Sequence[ProbedTask]
    model: ProbeModel


@dataclass(frozen=True)
class Figures:
    """What a way to a size is worth on some tasks.

    Attributes:
        tasks: Their number.
        median: Median of granted over needed blocks.
        most: Its 90th percentile.
        sufficient: Share of the tasks whose grant is within a point of the plateau.
        lost: Points by which the mean accuracy stays below the plateau.
        covered: Share of the tasks whose interval holds the need; None where there are no intervals.
        seconds: Median time on one core.
        rising: The same where the truth is the rising curve nearest to the mean accuracies; None within that.
    """

    tasks: int
    median: float
    most: float
    sufficient: float
    lost: float
    covered: float | None = None
    seconds: float = 0.0
    rising: Figures | None = None


@dataclass(frozen=True)
class ComparedWays:
    """All ways on the same tasks.

    Attributes:
        assessments: What rule and probes grant for each task.
        figures: What each way is worth.
        trade: What other confidences would give the probes.
    """

    assessments: tuple[ProbeAssessment, ...]
    figures: Mapping[str, Figures]
    trade: Mapping[float, Figures]


def compare_ways(parts: Iterable[Part]) -> ComparedWays:
    """Return what all ways give the asked tasks of all parts."""
    tasks: list[ProbedTask] = []
    searched: list[tuple[Evidence, float]] = []
    sizes: dict[str, list[int]] = {}
    for used, asked, model in parts:
        tasks += asked
        searched += [simulate_probes(task, model) for task in asked]
        of_model = [granted_size(np.cumsum(prior_of(task, model)), model.confidence) for task in asked]
        for name, chosen in (
            ("smallest", [0] * len(asked)),
            ("constant", [constant_size(used)] * len(asked)),
            ("regression", regressed_sizes(used, asked)),
            ("prior", of_model),
        ):
            sizes.setdefault(name, []).extend(chosen)
    found = {"rule": size_figures(tasks, [task.granted[1] for task in tasks], [t.granted[0] for t in tasks])}
    found |= {name: size_figures(tasks, chosen) for name, chosen in sizes.items()}
    granted = [evidence.granted(evidence.model.confidence) for evidence, _ in searched]
    bounds = [size_interval(evidence.smallest()) for evidence, _ in searched]
    seconds = float(np.median([spent for _, spent in searched]))
    found["probes"] = size_figures(tasks, granted, bounds=bounds, seconds=seconds)
    trade = {
        level: size_figures(tasks, [evidence.granted(level) for evidence, _ in searched]) for level in _LEVELS
    }
    return ComparedWays(assess_evidence(tasks, searched), found, trade)


def size_figures(
    tasks: Sequence[ProbedTask],
    sizes: Sequence[int],
    blocks: Sequence[int] | None = None,
    *,
    bounds: Sequence[tuple[int, int]] | None = None,
    seconds: float = 0.0,
) -> Figures:
    """Return what some sizes are worth, by either truth.

    Args:
        tasks: The tasks.
        sizes: Number of the size that each gets.
        blocks: Blocks that were granted, where they are others than those of the sizes.
        bounds: Numbers of the sizes between which the need was said to lie.
        seconds: Median time that it took.
    """
    if blocks is None:
        blocks = [task.curve.blocks[size] for task, size in zip(tasks, sizes, strict=True)]
    granted = list(zip(sizes, blocks, strict=True))
    settled, rising = (
        replace(
            _judged([(task.curve.blocks, task.smooth) for task in judged], granted),
            covered=None if bounds is None else _covered(judged, bounds),
            seconds=seconds,
        )
        for judged in (tasks, [task.rising for task in tasks])
    )
    return replace(settled, rising=rising)


def figures_of_draws(found: Sequence[Curve]) -> Figures:
    """Return what the smallest sufficient size of one draw is worth, judged by the mean of the other draws.

    It knows all that a whole training of every size tells, and it knows the plateau: what it misses is chance
    between draws, which no way to a size can foresee.

    Args:
        found: Curves; those of one draw tell nothing.
    """
    pairs = []
    for curve in found:
        for row in range(len(curve.seeds) if len(curve.seeds) > 1 else 0):
            rest = np.delete(curve.seeds, row, axis=0)
            pairs.append(
                (
                    replace(curve, accuracy=curve.seeds[row], seeds=curve.seeds[[row]]),
                    replace(curve, accuracy=rest.mean(axis=0), seeds=rest),
                )
            )
    if not pairs:
        return Figures(0, 1.0, 1.0, 1.0, 0.0)
    judged = []
    for name in ("saturating", "smooth"):
        own = [getattr(one, name) for one, _ in pairs]
        size = [_smallest(truth) for truth in own]
        granted = [(number, one.blocks[number]) for number, (one, _) in zip(size, pairs, strict=True)]
        judged.append(_judged([(rest.blocks, getattr(rest, name)) for _, rest in pairs], granted))
    return replace(judged[0], rising=judged[1])


def constant_size(used: Sequence[ProbedTask]) -> int:
    """Return the number of the one size that does best on some tasks.

    Best is the smallest size with the fewest tasks that it does not suffice for: blocks beyond the need count
    in the logarithm, and four for a task without enough.
    """
    most = min(len(task.curve.blocks) for task in used)
    return min(range(most), key=lambda size: sum(_loss(task, size) for task in used))


def regressed_sizes(used: Sequence[ProbedTask], asked: Sequence[ProbedTask]) -> list[int]:
    """Return, for every asked task, the size that a ridge regression on measures of its data predicts."""
    x = np.array([_measures(task) for task in used])
    y = np.array([math.log(task.curve.blocks[task.needed]) for task in used])
    centre, spread = x.mean(axis=0), x.std(axis=0) + 1e-9
    z = (x - centre) / spread
    weights = np.linalg.solve(z.T @ z + _RIDGE * np.eye(x.shape[1]), z.T @ (y - y.mean()))
    predicted = [y.mean() + (_measures(task) - centre) / spread @ weights for task in asked]
    return [
        int(np.argmin(np.abs(np.log(task.curve.blocks) - value)))
        for task, value in zip(asked, predicted, strict=True)
    ]


def _smallest(truth: FloatArray) -> int:
    return int(np.argmax(truth >= truth.max() - POINT))


def _judged(
    truths: Sequence[tuple[tuple[int, ...], FloatArray]], granted: Sequence[tuple[int, int]]
) -> Figures:
    """Judge numbers of sizes and their blocks by blocks and true accuracies of each task."""
    ratios = [
        size[1] / blocks[_smallest(truth)] for (blocks, truth), size in zip(truths, granted, strict=True)
    ]
    below = np.array([truth.max() - truth[size[0]] for (_, truth), size in zip(truths, granted, strict=True)])
    return Figures(
        tasks=len(ratios),
        median=float(np.median(ratios)),
        most=float(np.quantile(ratios, 0.9)),
        sufficient=float(np.mean(below <= POINT)),
        lost=100.0 * float(below.mean()),
    )


def _covered(tasks: Sequence[ProbedTask], bounds: Sequence[tuple[int, int]]) -> float:
    return float(
        np.mean([low <= task.needed <= high for task, (low, high) in zip(tasks, bounds, strict=True)])
    )


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
