"""One experiment end to end, or its server's side of it: data, rounds, evaluation, files."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from qkd_qiskit.config import ExperimentSettings, load_experiment
from qkd_qiskit.data import PreparedData, prepare_data
from qkd_qiskit.errors import ReportingError
from qkd_qiskit.experiment.evaluation import evaluate
from qkd_qiskit.experiment.server_evaluation import client_specs, evaluate_server
from qkd_qiskit.federation import (
    ClientRun,
    PublicRun,
    ServerRun,
    Transport,
    read_server_data,
    run_local_federation,
    run_remote_federation,
)
from qkd_qiskit.models import MODEL_FILE, SavedModel
from qkd_qiskit.progress import NullProgress, Progress
from qkd_qiskit.reporting import ReportExtras, TrainingCurve, write_report, write_results
from qkd_qiskit.run import RunContext
from qkd_qiskit.store import open_store
from qkd_qiskit.store.files import write_atomic
from qkd_qiskit.training import TrainedModel
from qkd_qiskit.versions import installed_versions


@dataclass(frozen=True)
class FinishedExperiment:
    """All that a run found.

    Attributes:
        settings: The experiment.
        data: Its samples and who held them.
        clients: The clients' runs.
        server: The server's run.
        results: What `results.json` holds.
        confusion: The global model's confusion matrix on the test samples, [K, K]; rows are true classes.
    """

    settings: ExperimentSettings
    data: PreparedData
    clients: tuple[ClientRun, ...]
    server: ServerRun
    results: dict[str, Any]
    confusion: NDArray[np.int64]


def run_experiment(
    config: ExperimentSettings | str,
    *,
    output: str | Path | None = None,
    progress: Progress | None = None,
    resume: bool = False,
) -> FinishedExperiment:
    """Run one experiment end to end.

    BLAS has one thread while it runs; `federation.workers` says how many processes train clients.

    Args:
        config: Settings, or the name of a shipped experiment, or the path of a TOML file.
        output: Folder for `results.json`, `report.html`, `global_model.npz` and finished stages; None writes
            nothing.
        progress: Told of every stage.
        resume: Whether to take finished stages of the same settings and versions from `output`.

    Returns:
        All that was found. Equal settings and equal versions give equal results, timings aside.

    Raises:
        QKDError: If the settings cannot be met; the subclass tells the room.

    Example:
        >>> from qkd_qiskit import run_experiment
        >>> finished = run_experiment("quickstart")  # doctest: +SKIP
        >>> finished.results["models"]["global"]["accuracy"]  # doctest: +SKIP
    """
    settings = load_experiment(config) if isinstance(config, str) else config
    folder = None if output is None else Path(output)
    start = time.perf_counter()
    data = prepare_data(settings)
    timings = {"data": time.perf_counter() - start}
    # More BLAS threads gain little on these sizes, lose much beside other processes, and round otherwise.
    with (
        open_store(folder, _fingerprint(settings), resume=resume) as store,
        threadpool_limits(1, user_api="blas"),
    ):
        context = RunContext(settings, data, store, progress or NullProgress(), resume, timings)
        clients, server = run_local_federation(context)
        with context.timed("evaluation"):
            results, confusion = evaluate(context, clients, server)
    context.timings["total"] = time.perf_counter() - start
    results["timings"] = {key: round(value, 3) for key, value in context.timings.items()}
    finished = FinishedExperiment(settings, context.data, clients, server, results, confusion)
    if folder is not None:
        model = _model_file(context.data, settings, server)
        _write(folder, settings, results, _extras(finished), model)
    return finished


@dataclass(frozen=True)
class FinishedRound:
    """All that a server found whose clients are elsewhere.

    Attributes:
        settings: The experiment.
        data: The server's samples.
        server: The server's run.
        results: What `results.json` holds.
        confusion: The global model's confusion matrix on the test samples, [K, K]; None without any.
    """

    settings: ExperimentSettings
    data: PreparedData
    server: PublicRun
    results: dict[str, Any]
    confusion: NDArray[np.int64] | None


def run_distributed(
    settings: ExperimentSettings,
    public: str | Path,
    transport: Transport,
    *,
    output: str | Path | None = None,
    progress: Progress | None = None,
    resume: bool = False,
    wire: Callable[[], dict[str, dict[str, int]]] | None = None,
) -> FinishedRound:
    """Run the server's side of an experiment; the clients are wherever the transport reaches them.

    Args:
        settings: The experiment; of its clients only names and order count.
        public: The server's samples, as `write_parts` writes them.
        transport: Asks the clients.
        output: Folder for results, report, model and finished stages; None writes nothing.
        progress: Told of every stage.
        resume: Whether to take finished stages and accepted answers of the same settings and versions from
            `output`.
        wire: Gives the bytes that the transport has counted by client, for the results.

    Returns:
        All that was found. Equal settings and equal answers give an equal global model.

    Raises:
        QKDError: If the settings cannot be met, or too few clients answer; the subclass tells the room.
    """
    folder, start = None if output is None else Path(output), time.perf_counter()
    data = read_server_data(settings, public)
    timings = {"data": time.perf_counter() - start}
    answers = None if folder is None else folder / "checkpoints" / "answers"
    with (
        open_store(folder, _fingerprint(settings), resume=resume) as store,
        threadpool_limits(1, user_api="blas"),
    ):
        context = RunContext(settings, data, store, progress or NullProgress(), resume, timings)
        server = run_remote_federation(context, transport, folder=answers)
        with context.timed("evaluation"):
            results, confusion = evaluate_server(context, server)
    if wire is not None:
        results["communication"]["wire"] = wire()
    context.timings["total"] = time.perf_counter() - start
    results["timings"] = {key: round(value, 3) for key, value in context.timings.items()}
    if folder is not None:
        extras = ReportExtras(
            classes=tuple(str(label) for label in context.data.classes),
            class_counts={},
            confusion=confusion,
            specs=client_specs(server),
            histories={
                "global": _curve(server.global_model),
                "public_only": _curve(server.public_only),
            },
        )
        _write(folder, settings, results, extras, _model_file(context.data, settings, server))
    return FinishedRound(settings, context.data, server, results, confusion)


def _fingerprint(settings: ExperimentSettings) -> str:
    # How many processes work and how long they wait changes no stage.
    digest = hashlib.sha256(settings.model_dump_json(exclude={"federation"}).encode())
    # Stages of two versions would make a result that no version gives.
    digest.update(json.dumps(installed_versions()).encode())
    return digest.hexdigest()


def _write(
    folder: Path, settings: ExperimentSettings, results: dict[str, Any], extras: ReportExtras, model: bytes
) -> None:
    write_report(results, extras, folder / "report.html")
    try:
        write_atomic(folder / "settings.json", settings.model_dump_json(indent=2) + "\n")
        write_atomic(folder / MODEL_FILE, model)
    except OSError as error:
        raise ReportingError(f"cannot write into {folder}: {error.strerror or error}") from None
    # Last, so that a folder with results is complete.
    write_results(results, folder / "results.json")


def _model_file(data: PreparedData, settings: ExperimentSettings, server: PublicRun) -> bytes:
    return SavedModel(
        spec=server.machine.spec,
        params=server.global_model.params,
        classes=data.classes,
        encoder=data.encoder,
        backend=settings.server.backend,
        noise=settings.noise.enabled,
        seed=settings.seed,
    ).to_bytes()


def _extras(finished: FinishedExperiment) -> ReportExtras:
    server = finished.server
    models = {client.settings.name: client.model for client in finished.clients} | {
        "global": server.global_model,
        "public_only": server.public_only,
        "centralized": server.centralized,
    }
    return ReportExtras(
        classes=tuple(str(label) for label in finished.data.classes),
        class_counts={client.settings.name: client.class_counts.tolist() for client in finished.clients},
        confusion=finished.confusion,
        specs={client.settings.name: client.machine.spec for client in finished.clients},
        histories={name: _curve(model) for name, model in models.items()},
        searches={
            client.settings.name: client.search for client in finished.clients if client.search is not None
        },
    )


def _curve(model: TrainedModel) -> TrainingCurve:
    return TrainingCurve(swarm=model.swarm_history, refine=model.refine_history)
