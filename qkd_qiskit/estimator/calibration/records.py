"""The calibration sweep: many small trainings, each stored once it is done."""

from __future__ import annotations

import json
import logging
import math
import time
import zlib
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from joblib import Parallel, delayed
from pydantic import Field

from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.config import Settings
from qkd_qiskit.data import Dataset, load_dataset
from qkd_qiskit.encoding import encoding_named, make_encoder
from qkd_qiskit.errors import DataError, EstimatorError
from qkd_qiskit.estimator import DataStatistics, build_size_ladder, data_statistics
from qkd_qiskit.estimator.calibration.plan import CalibrationPlan, CalibrationTask, ProbePlan
from qkd_qiskit.estimator.calibration.synthetic import synthetic_dataset
from qkd_qiskit.estimator.probes.headroom import kernel_headroom
from qkd_qiskit.estimator.probes.heldout import (
    HeldOutTask,
    held_out_answers,
    probed_rows,
    stratified_folds,
)
from qkd_qiskit.hardware import TranspiledVQCNN, load_backend, transpile_verified
from qkd_qiskit.progress import NullProgress, Progress
from qkd_qiskit.simulation import PauliEvaluator, compile_model, compile_transpiled
from qkd_qiskit.store import append_line, guarded, parse_json, read_bytes
from qkd_qiskit.training import Targets, train_model
from qkd_qiskit.vqcnn import VQCNNSpec

_LOG = logging.getLogger(__name__)


class RungRecord(Settings):
    """One trained structure.

    `accuracy` is that on the evaluation samples, under the task's noise.
    """

    blocks: int = Field(ge=1)
    weights: int = Field(ge=0)
    accuracy: float = Field(ge=0, le=1)
    training_accuracy: float = Field(ge=0, le=1)
    loss: float


class ProbeRecord(Settings):
    """Probes of one size: what was right on held-out samples.

    Each text is the samples' bits in order, packed to bytes, as hexadecimal digits: one text a repeat.
    """

    blocks: int = Field(ge=1)
    correct: tuple[str, ...]
    log_loss: tuple[float, ...] = Field(description="mean of each repeat, in nats")
    seconds: tuple[float, ...] = Field(description="of each repeat")


class UnitRecord(Settings):
    """One task with one seed, trained on all rungs."""

    task: str
    fingerprint: str
    seed: int = Field(ge=0)
    statistics: DataStatistics
    evaluated: int = Field(ge=1, description="evaluation samples")
    rungs: tuple[RungRecord, ...]
    seconds: float = Field(ge=0)
    probed: int = Field(0, ge=0, description="samples of the draw that were probed")
    headroom: float | None = Field(
        None, ge=0, le=1, description="what a kernel machine gains over a linear rule on it"
    )
    probes: tuple[ProbeRecord, ...] = ()


class TaskData(NamedTuple):
    """Encoded samples of one draw: inputs [N, F] and class numbers [N], to train on and to evaluate."""

    inputs: FloatArray
    labels: IntArray
    evaluation_inputs: FloatArray
    evaluation_labels: IntArray


def task_rungs(plan: CalibrationPlan, task: CalibrationTask) -> tuple[VQCNNSpec, ...]:
    """Return the structures that a task is trained on: for each size, the next rung of the ladder.

    Raises:
        EstimatorError: If the family has no structure for the task.
    """
    ladder = task_ladder(plan, task)
    chosen = {}
    for blocks in plan.rungs:
        spec = next((rung for rung in ladder if len(rung.blocks) >= blocks), ladder[-1])
        chosen[len(spec.blocks)] = spec
    return tuple(chosen.values())


def task_ladder(plan: CalibrationPlan, task: CalibrationTask) -> tuple[VQCNNSpec, ...]:
    """Return all structures that the estimator may grant for a task.

    Raises:
        EstimatorError: If the family has no structure for the task.
    """
    return build_size_ladder(
        plan.n_qubits,
        encoding=plan.encoding_of(task),
        kernel=task.kernel,
        sharing=task.sharing,
        n_outcomes=task.n_outcomes,
    )


def task_dataset(task: CalibrationTask, folder: Path | None = None) -> Dataset:
    """Load or make the dataset of a task.

    Raises:
        DataError: If it cannot be had, or has other classes than the task says.
        EstimatorError: If it lies in the data folder, and there is none.
    """
    if task.synthetic is not None:
        dataset = synthetic_dataset(task.synthetic, task.name)
    elif task.file is None:
        dataset = load_dataset(task.dataset, classes=task.classes)
    elif folder is None:
        raise EstimatorError(f"task {task.name}: {task.file} lies in the data folder: name it with --data")
    else:
        dataset = load_dataset(path=folder / task.file, classes=task.classes)
    if len(dataset.classes) != task.n_outcomes:
        raise DataError(f"task {task.name}: expected {task.n_outcomes} classes, found {len(dataset.classes)}")
    return dataset


def draw_task(
    plan: CalibrationPlan, task: CalibrationTask, seed: int, folder: Path | None = None
) -> TaskData:
    """Draw a task's data; public, training and evaluation samples are disjoint.

    All rungs of a seed see one draw, so that their accuracies differ by structure and start alone.

    Raises:
        DataError: If the dataset has too few samples of a class.
    """
    dataset = task_dataset(task, folder)
    rng = np.random.default_rng([seed, zlib.crc32(task.name.encode())])
    parts: tuple[list[IntArray], list[IntArray], list[IntArray]] = ([], [], [])
    k = task.n_outcomes
    for label in dataset.classes:
        rows = rng.permutation(np.flatnonzero(dataset.labels == label))
        share = 1 / k if task.shares == "equal" else len(rows) / len(dataset.labels)
        public, training, evaluation = (
            math.ceil(round(count * share, 6)) for count in (plan.public, task.samples, plan.evaluation)
        )
        if len(rows) <= public + training:
            raise DataError(
                f"task {task.name}: expected more than {public + training} samples of class {label}, "
                f"found {len(rows)}"
            )
        rest = rows[public + training :][:evaluation]
        for part, chosen in zip(parts, (rows[:public], rows[public : public + training], rest), strict=True):
            part.append(chosen)
    rows_public, rows_training, rows_evaluation = (np.concatenate(part) for part in parts)
    encoder = make_encoder(plan.encoding_of(task), plan.n_qubits, image_shape=dataset.image_shape)
    encoder.fit(dataset.features[rows_public])
    _, numbers = np.unique(dataset.labels, return_inverse=True)
    return TaskData(
        encoder.transform(dataset.features[rows_training]),
        numbers[rows_training].astype(np.int64),
        encoder.transform(dataset.features[rows_evaluation]),
        numbers[rows_evaluation].astype(np.int64),
    )


def train_unit(
    plan: CalibrationPlan,
    task: CalibrationTask,
    seed: int,
    specs: tuple[VQCNNSpec, ...] | None = None,
    *,
    folder: Path | None = None,
) -> UnitRecord:
    """Train one task with one seed on all rungs.

    Args:
        plan: The sweep.
        task: One of its tasks.
        seed: Of the draw and the starts.
        specs: Structures to train; the plan's rungs, with their probes, when omitted.
        folder: Holds the datasets that do not come with the package.

    Raises:
        DataError: If the dataset has too few samples.
        HardwareError: If the task's device is unknown, or too small.
    """
    start = time.perf_counter()
    data = draw_task(plan, task, seed, folder)
    records = []
    for spec in task_rungs(plan, task) if specs is None else specs:
        evaluator = _evaluator(spec, task.backend)
        model = train_model(
            evaluator,
            data.inputs,
            Targets(n_outcomes=task.n_outcomes, labels=data.labels),
            plan.training,
            rng=np.random.default_rng([seed, len(spec.blocks)]),
        )
        records.append(
            RungRecord(
                blocks=len(spec.blocks),
                weights=spec.n_weights,
                accuracy=float(
                    np.mean(model.predict(evaluator, data.evaluation_inputs) == data.evaluation_labels)
                ),
                training_accuracy=float(np.mean(model.predict(evaluator, data.inputs) == data.labels)),
                loss=model.loss,
            )
        )
    probed = specs is None and plan.probes is not None and seed < plan.probes.draws
    probes = _probe(plan, task, seed, data) if probed else (0, ())
    points = encoding_named(plan.encoding_of(task)).feature_space(data.inputs)
    return UnitRecord(
        task=task.name,
        fingerprint=plan.fingerprint(task),
        seed=seed,
        statistics=data_statistics(data.inputs, data.labels, encoding=plan.encoding_of(task)),
        evaluated=len(data.evaluation_labels),
        rungs=tuple(records),
        seconds=round(time.perf_counter() - start, 2),
        probed=probes[0],
        headroom=round(kernel_headroom(points, data.labels), 5) if probed else None,
        probes=probes[1],
    )


def _probe(
    plan: CalibrationPlan, task: CalibrationTask, seed: int, data: TaskData
) -> tuple[int, tuple[ProbeRecord, ...]]:
    """Return the number of samples, and what was right of them at every size."""
    settings = plan.probes or ProbePlan()
    rng = np.random.default_rng([seed, 1])
    chosen = probed_rows(data.labels, task.probed or settings.samples, rng=rng)
    inputs, labels = data.inputs[chosen], data.labels[chosen]
    folds = [stratified_folds(labels, settings.folds, rng=rng) for _ in range(settings.repeats)]
    records = []
    for spec in task_rungs(plan, task):
        evaluator = _evaluator(spec, task.backend)
        found = [
            held_out_answers(
                evaluator,
                HeldOutTask(inputs, labels, fold_of, task.n_outcomes),
                rng=np.random.default_rng([seed, 2, repeat, len(spec.blocks)]),
                training=plan.training,
            )
            for repeat, fold_of in enumerate(folds)
        ]
        records.append(
            ProbeRecord(
                blocks=len(spec.blocks),
                correct=tuple(np.packbits(answers.correct > 0.5).tobytes().hex() for answers in found),
                log_loss=tuple(round(float(answers.log_loss.mean()), 5) for answers in found),
                seconds=tuple(round(answers.seconds, 3) for answers in found),
            )
        )
    return len(labels), tuple(records)


def run_sweep(
    plan: CalibrationPlan,
    path: Path,
    *,
    jobs: int = 1,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> tuple[UnitRecord, ...]:
    """Train what the records do not hold yet, and append each unit as soon as it is done.

    A record of other settings than the plan's is passed over and trained anew.

    Args:
        plan: The sweep.
        path: File of records, one JSON object a line; made if missing.
        jobs: Processes that train at the same time.
        folder: Holds the datasets that do not come with the package.
        progress: Notified of every unit.

    Returns:
        All records of the plan, in the order of its units.

    Raises:
        EstimatorError: If the records cannot be read or written.
        DataError: If a dataset has too few samples.
        HardwareError: If a device is unknown, or too small.
    """
    progress = NullProgress() if progress is None else progress
    label = "calibration sweep"
    found = read_records(path, plan)
    missing = [(task, seed) for task, seed in plan.units() if (task.name, seed) not in found]
    progress.start(label, len(found) + len(missing))
    progress.advance(label, len(found))
    for record in _trained(plan, missing, jobs, folder):
        _append(path, record)
        found[record.task, record.seed] = record
        progress.advance(label)
    progress.done(label)
    return tuple(found[task.name, seed] for task, seed in plan.units())


def read_records(path: Path, plan: CalibrationPlan) -> dict[tuple[str, int], UnitRecord]:
    """Read the records of a plan from a file, by task and seed; none if there is no file.

    The last line of an interrupted sweep may be cut off: it is left out. So is every damaged line, which a
    warning names: its unit counts as not trained.

    Raises:
        EstimatorError: If the file cannot be read.
    """
    return {(record.task, record.seed): record for record in _records(path, plan)}


def _records(path: Path, plan: CalibrationPlan) -> list[UnitRecord]:
    if not path.exists():
        return []
    lines = read_bytes(path, EstimatorError, "calibration records ").split(b"\n")
    wanted = {(task.name, seed): plan.fingerprint(task) for task, seed in plan.units()}
    found = []
    for number, line in enumerate(lines[:-1], 1):
        where = f"calibration records {path}: line {number}"
        try:
            with guarded(EstimatorError, where):
                record = UnitRecord.model_validate(parse_json(line, EstimatorError, where))
        except EstimatorError as error:
            _LOG.warning("%s is damaged and left out: %s", where, error)
            continue
        if wanted.get((record.task, record.seed)) == record.fingerprint:
            found.append(record)
    return found


def train_granted(
    plan: CalibrationPlan,
    wanted: Mapping[tuple[str, int], VQCNNSpec],
    path: Path,
    *,
    progress: Progress | None = None,
) -> dict[tuple[str, int, int], float]:
    """Train structures that were granted but are no rungs; what the file holds is not trained again.

    Args:
        plan: The sweep.
        wanted: The structure for each task and seed.
        path: File of records, one JSON object a line; made if missing.
        progress: Notified of every training.

    Returns:
        Accuracy by task, seed and blocks: all that the file then holds.

    Raises:
        EstimatorError: If the records cannot be read or written.
    """
    progress = NullProgress() if progress is None else progress
    tasks = {task.name: task for task in plan.tasks}
    found = {
        (record.task, record.seed, rung.blocks): rung.accuracy
        for record in _records(path, plan)
        for rung in record.rungs
    }
    missing = [(name, seed, spec) for (name, seed), spec in wanted.items()]
    missing = [unit for unit in missing if (*unit[:2], len(unit[2].blocks)) not in found]
    progress.start("granted structures", len(missing))
    for name, seed, spec in missing:
        record = train_unit(plan, tasks[name], seed, (spec,))
        _append(path, record)
        found[name, seed, len(spec.blocks)] = record.rungs[0].accuracy
        progress.advance("granted structures")
    progress.done("granted structures")
    return found


def _append(path: Path, record: UnitRecord) -> None:
    line = json.dumps(record.model_dump(mode="json"), separators=(",", ":"))
    append_line(path, line, EstimatorError, "calibration records ")


def _trained(
    plan: CalibrationPlan, units: list[tuple[CalibrationTask, int]], jobs: int, folder: Path | None
) -> Iterator[UnitRecord]:
    if jobs == 1:
        yield from (train_unit(plan, task, seed, folder=folder) for task, seed in units)
        return
    work: Any = (delayed(train_unit)(plan, task, seed, folder=folder) for task, seed in units)
    yield from Parallel(n_jobs=jobs, return_as="generator_unordered")(work)


def _evaluator(spec: VQCNNSpec, backend: str | None) -> PauliEvaluator:
    # PERF: single precision halves the time; its error of 1e-6 is far below that of an accuracy.
    if backend is None:
        return compile_model(spec, None).fast
    return compile_transpiled(_transpiled(spec, backend), load_backend(backend)).fast


@lru_cache(maxsize=128)
def _transpiled(spec: VQCNNSpec, backend: str) -> TranspiledVQCNN:
    return transpile_verified(spec, backend)
