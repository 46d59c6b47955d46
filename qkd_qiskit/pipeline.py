"""One experiment end to end: data, clients, server, evaluation, files."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_qiskit.config import ExperimentSettings, load_experiment
from qkd_qiskit.data import PreparedData, prepare_data
from qkd_qiskit.errors import ReportingError
from qkd_qiskit.federation import ClientRun, Context, ServerRun, evaluate, run_rounds
from qkd_qiskit.files import write_atomic
from qkd_qiskit.models import MODEL_FILE, SavedModel
from qkd_qiskit.progress import NullProgress, Progress
from qkd_qiskit.reporting import ReportExtras, TrainingCurve, write_report, write_results
from qkd_qiskit.training import CheckpointStore, TrainedModel


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

    Args:
        config: Settings, or the name of a shipped experiment, or the path of a TOML file.
        output: Folder for `results.json`, `report.html`, `global_model.npz` and the checkpoints; None writes
            nothing.
        progress: Told of every stage.
        resume: Whether to take finished stages of the same settings from `output`.

    Returns:
        All that was found. Equal settings give equal results, timings aside.

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
    context = Context(
        settings=settings,
        data=prepare_data(settings),
        store=CheckpointStore(None if folder is None else folder / "checkpoints", _fingerprint(settings)),
        progress=progress or NullProgress(),
        resume=resume,
    )
    context.timings["data"] = time.perf_counter() - start
    clients, server = run_rounds(context)
    with context.timed("evaluation"):
        results, confusion = evaluate(context, clients, server)
    context.timings["total"] = time.perf_counter() - start
    results["timings"] = {key: round(value, 3) for key, value in context.timings.items()}
    finished = FinishedExperiment(settings, context.data, clients, server, results, confusion)
    if folder is not None:
        _write(finished, folder)
    return finished


def _fingerprint(settings: ExperimentSettings) -> str:
    # How many processes work and how long they wait changes no stage.
    return hashlib.sha256(settings.model_dump_json(exclude={"federation"}).encode()).hexdigest()


def _write(finished: FinishedExperiment, folder: Path) -> None:
    write_report(finished.results, _extras(finished), folder / "report.html")
    try:
        write_atomic(folder / "settings.json", finished.settings.model_dump_json(indent=2) + "\n")
        write_atomic(folder / MODEL_FILE, _model_file(finished))
    except OSError as error:
        raise ReportingError(f"cannot write into {folder}: {error.strerror or error}") from None
    # Last, so that a folder with results is complete.
    write_results(finished.results, folder / "results.json")


def _model_file(finished: FinishedExperiment) -> bytes:
    server, settings = finished.server, finished.settings
    return SavedModel(
        spec=server.machine.spec,
        params=server.global_model.params,
        classes=finished.data.classes,
        encoder=finished.data.encoder,
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
