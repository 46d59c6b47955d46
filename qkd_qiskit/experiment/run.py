"""One experiment end to end: data, rounds with the clients, baselines, evaluation, files."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from joblib import cpu_count
from threadpoolctl import threadpool_limits

from qkd_qiskit.arguments import takes
from qkd_qiskit.baselines import BaselineData, FittedBaseline, check_baselines, fit_baselines
from qkd_qiskit.config import ExperimentSettings, ModelSettings, load_experiment
from qkd_qiskit.data import PreparedData, hellinger_distances, prepare_data, public_digest
from qkd_qiskit.encoding import encoding_named
from qkd_qiskit.errors import ConfigError
from qkd_qiskit.evaluation import Results
from qkd_qiskit.evaluation.results import (
    Communication,
    DataResult,
    FidelityResult,
    LabelQueryRecord,
    PartitionRecord,
    RecipeRecord,
    RecipeTrial,
    TeacherRecord,
    Traffic,
)
from qkd_qiskit.experiment.evaluation import Evaluation, evaluate
from qkd_qiskit.experiment.folder import finished_here, plain_settings, take_folder
from qkd_qiskit.experiment.result import RESULTS_FILE, ExperimentResult
from qkd_qiskit.federation import LocalTransport, ServerResult, Student, Transport, run_server
from qkd_qiskit.progress import NullProgress, Progress
from qkd_qiskit.run import RunContext, model_compiler
from qkd_qiskit.simulation import limit_encoded_memory, use_threads
from qkd_qiskit.store import open_store
from qkd_qiskit.versions import blas_kernel, installed_versions

_FIDELITY_SAMPLES = 200


@takes(ConfigError, config=(str, Path, ExperimentSettings))
def run_experiment(
    config: ExperimentSettings | str | Path,
    *,
    output: str | Path | None = None,
    progress: Progress | None = None,
    resume: bool = False,
    overwrite: bool = False,
    transport: Transport | None = None,
    data: PreparedData | None = None,
) -> ExperimentResult:
    """Run one experiment end to end.

    BLAS has one thread while it runs; `federation.workers` says how many processes train clients.

    Args:
        config: Settings, or the name of a shipped experiment, or the path of a TOML file.
        output: Folder for `results.json`, `report.html`, `global_model.npz` and finished stages; None writes
            nothing.
        progress: Shows every stage.
        resume: Whether to take finished stages and accepted answers of the same settings, samples and
            versions from `output`.
        overwrite: Whether what `output` holds of another run may be replaced.
        transport: Carries requests to clients elsewhere; None trains the clients in this process.
        data: The samples that are here; None prepares those of the settings.

    Returns:
        All that was found; what only clients know is left out where they are elsewhere. Equal settings,
        versions and answers give equal results, timings aside.

    Raises:
        QKDError: If the settings cannot be met, too few clients answer, or `output` holds a run and neither
            `resume` nor `overwrite` is true; the subclass tells the room.

    Example:
        >>> from qkd_qiskit import run_experiment
        >>> finished = run_experiment("quickstart")  # doctest: +SKIP
        >>> finished.results["models"]["global"]["accuracy"]  # doctest: +SKIP
    """
    settings = config if isinstance(config, ExperimentSettings) else load_experiment(config)
    check_baselines(settings)
    start = time.perf_counter()
    folder = None if output is None else Path(output)
    if folder is not None:
        take_folder(folder, settings, resume=resume, overwrite=overwrite)
    samples = prepare_data(settings) if data is None else data
    fingerprint = _fingerprint(settings, samples)
    timings = {"data": time.perf_counter() - start}
    # More BLAS threads gain little on these sizes, lose much beside other processes, and round otherwise.
    limit_encoded_memory(settings.federation.encoded_memory)
    with (
        open_store(folder, fingerprint, resume=resume) as store,
        threadpool_limits(1, user_api="blas"),
        use_threads(settings.training.threads or cpu_count()),
    ):
        run = RunContext(settings, samples, store, progress or NullProgress(), resume, timings)
        compiler = model_compiler(settings)
        # A client of this process is not requested again: its stages are kept.
        messages = None if transport is None else folder
        transport = transport or LocalTransport(run, compiler)
        server = run_server(run, compiler, transport, folder=messages)
        baselines = fit_baselines(
            BaselineData(
                run,
                compiler,
                server.compiled,
                server.rounds.aggregate,
                server.label_queries,
                server.public_only,
            )
        )
        with run.timed("evaluation"):
            evaluation = evaluate(run, server, baselines, transport.clients)
        communication = _communication(run, server, baselines, transport)
        run.timings["total"] = time.perf_counter() - start
        finished = ExperimentResult(
            settings,
            _record(run, server, evaluation, communication),
            data=run.data,
            server=server,
            clients=transport.clients,
            baselines=baselines,
            predictions=evaluation.predictions,
            confusion=evaluation.confusion,
            client_confusions=evaluation.client_confusions,
        )
        if folder is not None:
            finished.save(folder)
    return finished


def load_finished(settings: ExperimentSettings, folder: Path) -> ExperimentResult | None:
    """Return the result of a finished run of the same settings, samples and versions; None without one.

    Args:
        settings: Of the run.
        folder: Its folder.

    Raises:
        QKDError: If the samples cannot be read, or the folder is damaged.
    """
    if not (folder / RESULTS_FILE).exists():
        return None
    return finished_here(folder, _fingerprint(settings, prepare_data(settings)))


def _fingerprint(settings: ExperimentSettings, data: PreparedData) -> str:
    digest = hashlib.sha256(json.dumps(plain_settings(settings)).encode())
    # Stages of two versions would make a result that no version gives.
    digest.update(json.dumps(installed_versions()).encode())
    # A file of samples may have changed under its name.
    digest.update(data.public.digest.encode() + data.public.samples.labels.tobytes())
    if data.pool_labels is not None:
        digest.update(data.pool_labels.tobytes())
    for client in data.clients:
        digest.update(public_digest(client.inputs).encode() + client.labels.tobytes())
    return digest.hexdigest()


def _communication(
    run: RunContext, server: ServerResult, baselines: dict[str, FittedBaseline], transport: Transport
) -> Communication:
    wire = transport.traffic()
    sent = {name: getattr(fitted, "traffic", None) for name, fitted in baselines.items()}
    fedavg = sent.pop("fedavg", None)
    further = {name: traffic for name, traffic in sent.items() if traffic is not None}
    return Communication(
        distillation=Traffic(
            up=sum(record.bytes_received for record in server.rounds.records),
            down=server.rounds.bytes_down,
            rounds=run.settings.distillation.rounds,
        ),
        fedavg=fedavg,
        **({} if server.way_back is None else {"way_back": server.way_back}),
        **({"baselines": further} if further else {}),
        **({} if wire is None else {"wire": wire}),
    )


def _recipe(student: Student) -> RecipeRecord:
    return RecipeRecord(
        taken=student.recipe,
        stopped_at=student.model.stopped_at,
        trials=[
            RecipeTrial(recipe=trial.name, loss=trial.loss, minus_own=trial.minus_own, error=trial.error)
            for trial in student.scores
        ],
    )


def _partition(run: RunContext) -> PartitionRecord:
    data, settings = run.data, run.settings.data
    counts = np.stack(
        [
            np.bincount(data.own(k).labels, minlength=len(data.classes))
            for k in range(len(run.settings.clients))
        ]
    )
    apart = hellinger_distances(counts)[np.triu_indices(len(counts), 1)]
    return PartitionRecord(
        name=settings.partition,
        hellinger_mean=float(apart.mean()) if len(apart) else 0.0,
        hellinger_max=float(apart.max(initial=0.0)),
        smallest=int(counts.sum(axis=1).min()),
        largest=int(counts.sum(axis=1).max()),
        feature_noise=settings.noise,
    )


def _fidelity(model: ModelSettings, data: PreparedData) -> dict[str, FidelityResult]:
    """Return what there is to tell of prepared states: nothing where none is approximated."""
    if data.originals is None:
        return {}
    features = data.originals.features[:_FIDELITY_SAMPLES]
    found = encoding_named(model.encoding).fidelities(data.encoder, features)
    if found is None:
        return {}
    mean, worst = float(found.mean()), float(found.min())
    return {"fidelity": FidelityResult(mean=mean, worst=worst, samples=len(found))}


def _record(
    run: RunContext, server: ServerResult, evaluation: Evaluation, communication: Communication
) -> Results:
    settings, data, queries = run.settings, run.data, server.label_queries
    # What a run does not have is left out of its `results.json`, not null.
    optional: dict[str, Any] = {}
    if data.clients:
        optional["partition"] = _partition(run)
    if evaluation.absent:
        optional["absent"] = evaluation.absent
    if not server.distilled:
        optional["fallback"] = "on public labels the distilled model was worse than public data alone"
    if settings.distillation.recipe == "auto":
        optional["recipe"] = _recipe(server.student)
    if queries is not None:
        optional["asked"] = LabelQueryRecord(labels=queries.n_labels, teacher_right=queries.teacher_right)
    if "teacher_ensemble" in evaluation.absent:
        best = server.rounds.aggregate.teacher.scores[0]
        optional["teacher"] = TeacherRecord(
            aggregation=best.aggregation, calibration=best.calibration, validation_accuracy=best.accuracy
        )
    return Results(
        schema_version=1,
        experiment=settings.name,
        seed=settings.seed,
        versions={**installed_versions(), "blas": blas_kernel()},
        data=DataResult(
            dataset=data.name,
            classes=list(data.classes),
            public=len(data.split.public),
            test=len(data.test),
            public_inputs=len(data.public.samples),
            **_fidelity(settings.model, data),
        ),
        clients=evaluation.clients,
        models=evaluation.models,
        comparisons=evaluation.comparisons,
        communication=communication,
        participation=list(server.rounds.records),
        timings={key: round(value, 3) for key, value in run.timings.items()},
        **optional,
    )
