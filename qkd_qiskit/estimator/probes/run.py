"""Probes of one client: from its samples and the rule's proposal to a size."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.config import ProbeSettings
from qkd_qiskit.errors import EstimatorError
from qkd_qiskit.estimator.probes.headroom import kernel_headroom
from qkd_qiskit.estimator.probes.heldout import (
    PROBE_TRAINING,
    HeldOutTask,
    held_out_answers,
    probe_evaluator,
    probed_rows,
    stratified_folds,
)
from qkd_qiskit.estimator.probes.posterior import POINT, prior_centre, size_prior
from qkd_qiskit.estimator.probes.result import ProbedSize, ProbeLimit, ProbeResult
from qkd_qiskit.estimator.probes.search import Evidence, search_sizes, size_interval
from qkd_qiskit.estimator.probes.settings import ProbeModel, load_probe_model
from qkd_qiskit.estimator.statistics import DataStatistics
from qkd_qiskit.hardware import Device, predict_counts
from qkd_qiskit.simulation import Evaluator, one_blas_thread
from qkd_qiskit.vqcnn import VQCNNSpec

LEAST_SAMPLES = 8
"""Samples below which nothing can be held out."""

_SPACING = 1.25
_LEAST_TOP = 10.0
_SIZES_ABOVE = 3.0
_FEWEST = 100


@dataclass(frozen=True, eq=False)
class ProbeTask:
    """What is probed.

    Attributes:
        ladder: Structures that may be granted, ascending.
        inputs: Encoded inputs [N, F].
        labels: Class numbers [N].
        statistics: What the rule read from them.
        proposal: The rule's need in blocks.
        device: The client's device.
        bounded: Whether the device's bound cut the ladder.
    """

    ladder: tuple[VQCNNSpec, ...]
    inputs: FloatArray
    labels: IntArray
    statistics: DataStatistics
    proposal: float
    device: Device
    bounded: bool


@one_blas_thread()
def probe_sizes(
    task: ProbeTask, settings: ProbeSettings, model: ProbeModel | None = None
) -> tuple[VQCNNSpec, ProbeResult]:
    """Train a few sizes around the rule's proposal, and grant the smallest that seems sufficient.

    Args:
        task: What is probed.
        settings: How much is trained.
        model: Numbers of the calibration; the shipped ones when omitted.

    Returns:
        The granted structure, and what the probes found.

    Raises:
        EstimatorError: If there are too few samples to hold any out.
    """
    begun = time.perf_counter()
    model = load_probe_model() if model is None else model
    if len(task.labels) < max(LEAST_SAMPLES, settings.folds):
        raise EstimatorError(
            f"probes: expected at least {max(LEAST_SAMPLES, settings.folds)} samples to hold some out, "
            f"found {len(task.labels)}"
        )
    smallest = task.ladder[0]
    headroom = kernel_headroom(smallest.input_encoding.feature_space(task.inputs), task.labels)
    centre = prior_centre(len(smallest.blocks), task.proposal, headroom, model)
    rungs = thinned(task.ladder, len(smallest.blocks) * max(_LEAST_TOP, _SIZES_ABOVE * math.exp(centre)))
    blocks = tuple(len(rung.blocks) for rung in rungs)
    rng = np.random.default_rng([settings.seed, 1])
    none, all_of_them = (
        sum(round_seconds(rung, samples, settings.folds, model) for rung in rungs)
        for samples in (0, settings.samples)
    )
    # More samples tell more than more rounds do, as long as there is time for a round of all sizes.
    share = max(settings.seconds - none, 0.0) / (all_of_them - none)
    most = max(min(settings.samples, _FEWEST), min(settings.samples, int(settings.samples * share)))
    rows = probed_rows(task.labels, most, rng=rng)
    inputs, labels = task.inputs[rows], task.labels[rows]
    folds = [stratified_folds(labels, settings.folds, rng=rng) for _ in range(settings.rounds)]
    evidence = Evidence(blocks, size_prior(blocks, centre, model), model, len(labels))
    evaluators: dict[int, Evaluator] = {}

    def trial(size: int, number: int) -> FloatArray:
        if size not in evaluators:
            evaluators[size] = probe_evaluator(rungs[size], task.device if settings.noise else None)
        return held_out_answers(
            evaluators[size],
            HeldOutTask(inputs, labels, folds[number], rungs[size].n_outcomes),
            rng=np.random.default_rng([settings.seed, 2, number, blocks[size]]),
        ).correct

    costs = [round_seconds(rung, len(labels), settings.folds, model) for rung in rungs]
    search_sizes(evidence, trial, costs, budget=settings.seconds, most_rounds=settings.rounds)
    confidence = model.confidence if settings.confidence is None else settings.confidence
    chosen = evidence.granted(confidence)
    found = _result(task, settings, evidence, rungs, chosen, confidence, headroom)
    return rungs[chosen], replace(found, seconds=round(time.perf_counter() - begun, 2))


def thinned(ladder: Sequence[VQCNNSpec], most: float) -> tuple[VQCNNSpec, ...]:
    """Return rungs that are a quarter apart or more, up to the first beyond `most` blocks.

    Finer steps change the accuracy by less than held-out samples can tell.
    """
    chosen = [ladder[0]]
    for rung in ladder[1:]:
        if len(chosen[-1].blocks) >= most:
            break
        if len(rung.blocks) >= _SPACING * len(chosen[-1].blocks):
            chosen.append(rung)
    if chosen[-1] is not ladder[-1] and len(chosen[-1].blocks) < most:
        # The ladder's top, or the bound of a device, may itself be what is needed.
        chosen.append(ladder[-1])
    return tuple(chosen)


def round_seconds(spec: VQCNNSpec, samples: int, folds: int, model: ProbeModel) -> float:
    """Return about how long one round of a size takes on one core, in closed form."""
    qubits = max(spec.n_outcomes - 1, 1).bit_length()
    each = model.seconds_each * model.seconds_qubit ** (qubits - 1) * samples * (folds - 1) / folds
    steps = PROBE_TRAINING.refine * len(spec.blocks)
    return folds * (model.seconds_fixed + steps * (model.seconds_block + each))


def _result(
    task: ProbeTask,
    settings: ProbeSettings,
    evidence: Evidence,
    rungs: Sequence[VQCNNSpec],
    chosen: int,
    confidence: float,
    headroom: float,
) -> ProbeResult:
    smallest, sufficient = evidence.smallest(), evidence.sufficient()
    low, high = size_interval(smallest)
    sizes = tuple(
        ProbedSize(
            blocks=evidence.blocks[r],
            two_qubit_gates=predict_counts(rungs[r], task.device).two_qubit,
            prior=float(evidence.prior[r]),
            probability=float(smallest[r]),
            sufficient=float(sufficient[r]),
            accuracy=float(evidence.accuracy[r]) if evidence.rounds[r] else None,
            rounds=int(evidence.rounds[r]),
        )
        for r in range(len(rungs))
    )
    limit = _limit(task, settings, evidence, chosen)
    at_90 = np.flatnonzero(sufficient >= 0.9)
    return ProbeResult(
        blocks=evidence.blocks[chosen],
        interval=(evidence.blocks[low], evidence.blocks[high]),
        at_90=evidence.blocks[int(at_90[0])] if len(at_90) else None,
        confidence=confidence,
        limited_by=limit,
        sizes=sizes,
        samples=evidence.samples,
        noise=settings.noise,
        trainings=int(evidence.rounds.sum()) * settings.folds,
        seconds=0.0,
        headroom=headroom,
        explanation=_explanation(task, headroom, sizes, chosen, (low, high), limit),
    )


def _limit(task: ProbeTask, settings: ProbeSettings, evidence: Evidence, chosen: int) -> ProbeLimit:
    if task.bounded and chosen == len(evidence.blocks) - 1:
        return "device"
    if evidence.fall() > POINT:
        return "device" if settings.noise else "data"
    return "minimum" if chosen == 0 else "need"


_CAUSES = {
    "need": "more gates bring less than a point",
    "data": "so few samples make more gates worse",
    "device": "the device's noise bears no more gates",
    "minimum": "the smallest structure does it",
}


def _explanation(
    task: ProbeTask,
    headroom: float,
    sizes: Sequence[ProbedSize],
    chosen: int,
    interval: tuple[int, int],
    limit: ProbeLimit,
) -> str:
    """Say in words what was granted and why; data scale and class diversity come first."""
    s, granted = task.statistics, sizes[chosen]
    low, high = (sizes[number].blocks for number in interval)
    return (
        f"{s.distinct} different samples of {s.classes} classes "
        f"({s.entropy:.2f} bits, overlap {s.overlap:.2f}) made the rule propose {task.proposal:.3g} blocks; "
        f"a nonlinear rule gains {100 * headroom:.1f} points over a linear one; "
        f"held-out samples grant {granted.blocks} ({granted.two_qubit_gates} two-qubit gates), "
        f"sufficient with {100 * granted.sufficient:.0f} %; the need lies between {low} and {high} "
        f"with 90 %; {_CAUSES[limit]}"
    )
