"""One experiment end to end: data, rounds with the clients, baselines, evaluation, files."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from joblib import cpu_count

from qkd_qiskit.arguments import takes
from qkd_qiskit.baselines import BaselineData, check_baselines, fit_baselines, planned_trainings
from qkd_qiskit.config import ExperimentSettings, load_experiment
from qkd_qiskit.data import PreparedData, keep_digests, prepare_data, public_digest
from qkd_qiskit.errors import ConfigError, HardwareError
from qkd_qiskit.experiment.build import Experiment
from qkd_qiskit.experiment.evaluation import evaluate
from qkd_qiskit.experiment.folder import (
    finished_here,
    leave_jobs_of_other_models,
    plain_settings,
    take_folder,
)
from qkd_qiskit.experiment.record import communication_record, results_record
from qkd_qiskit.experiment.result import RESULTS_FILE, ExperimentResult
from qkd_qiskit.federation import LocalTransport, Transport, run_server
from qkd_qiskit.hardware import load_backend
from qkd_qiskit.progress import Progress, ProgressEvent, as_progress, logged
from qkd_qiskit.run import RunContext, RunParts, model_compiler
from qkd_qiskit.simulation import limit_encoded_memory, one_blas_thread, use_threads
from qkd_qiskit.store import folder_lock, open_store
from qkd_qiskit.versions import installed_versions

_LOG = logging.getLogger(__name__)


@takes(ConfigError, config=(str, Path, ExperimentSettings, Experiment))
def run_experiment(
    config: Experiment | ExperimentSettings | str | Path,
    *,
    output: str | Path | None = None,
    progress: Progress | Callable[[ProgressEvent], object] | None = None,
    resume: bool = False,
    overwrite: bool = False,
    transport: Transport | None = None,
    data: PreparedData | None = None,
) -> ExperimentResult:
    """Run one experiment end to end.

    BLAS has one thread while it runs; `federation.workers` says how many processes train clients.

    Args:
        config: An `Experiment` that a program has built; or settings, the name of a shipped experiment, the
            path of a TOML file.
        output: Folder for `results.json`, `report.html`, `global_model.npz` and finished stages; None writes
            nothing.
        progress: Shows every stage; a function is called with a `ProgressEvent` whenever there is news. The
            logger `qkd_qiskit` tells of every stage too.
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
    own = config if isinstance(config, Experiment) else None
    settings = config.settings if isinstance(config, Experiment) else _settings(config)
    with ExitStack() as stack:
        if own is not None:
            stack.enter_context(own.lent())
        check_baselines(settings)
        _check_devices(settings, here=transport is None)
        start = time.perf_counter()
        folder = None if output is None else Path(output)
        if folder is not None:
            # From here to the end: nobody else writes settings or results meanwhile.
            stack.enter_context(folder_lock(folder))
            take_folder(folder, settings, resume=resume, overwrite=overwrite)
        if data is None:
            data = prepare_data(settings) if own is None else own.prepare()
        fingerprint = _fingerprint(settings, data, own)
        if folder is not None:
            leave_jobs_of_other_models(folder, settings, fingerprint)
            names = [client.name for client in settings.clients]
            keep_digests(data, names, settings.data.path, folder)
        timings = {"data": time.perf_counter() - start}
        _LOG.info("%s: begins, seed %d, %d clients", settings.name, settings.seed, len(settings.clients))
        # More BLAS threads gain little on these sizes, lose much beside other processes, and round otherwise.
        limit_encoded_memory(settings.federation.encoded_memory)
        store = stack.enter_context(open_store(folder, fingerprint, resume=resume, locked=True))
        stack.enter_context(one_blas_thread())
        stack.enter_context(use_threads(settings.training.threads or cpu_count()))
        listener = logged(as_progress(progress))
        parts = _parts(listener, settings, here=transport is None)
        run = RunContext(settings, data, store, listener, resume, timings, parts)
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
                None if server.distilled else server.global_model,
            )
        )
        with run.timed("evaluation"):
            evaluation = evaluate(
                run, server, baselines, transport.clients, None if own is None else own.server.sampling
            )
        communication = communication_record(run, server, baselines, transport)
        run.timings["total"] = time.perf_counter() - start
        finished = ExperimentResult(
            settings,
            results_record(run, server, evaluation, communication, () if own is None else own.own),
            data=run.data,
            server=server,
            clients=transport.clients,
            baselines=baselines,
            predictions=evaluation.predictions,
            confusion=evaluation.confusion,
            client_confusions=evaluation.client_confusions,
            devices={} if own is None else own.devices,
        )
        _LOG.info("%s: done in %.1f s", settings.name, run.timings["total"])
        if folder is not None:
            finished.save(folder)
            _LOG.info("%s: results in %s", settings.name, folder)
    return finished


def _parts(progress: Progress, settings: ExperimentSettings, *, here: bool) -> RunParts:
    """Return what the run is made of: clients of all rounds, and models of the server."""
    clients = settings.distillation.rounds * len(settings.clients)
    # The public data's own model and the global one, then the baselines.
    models = 2 + (planned_trainings(settings) if here else 0)
    at_once = settings.federation.workers or cpu_count()
    planned = {"client": clients, "model": models}
    return RunParts(progress, settings.name, planned, at_once={"client": at_once if here else clients})


def _check_devices(settings: ExperimentSettings, *, here: bool) -> None:
    """Find all devices before hours of training; those of clients elsewhere are theirs to find.

    Raises:
        HardwareError: If there is none of a name, or circuits cannot use it, or it has too few qubits.
    """
    width = settings.model.n_qubits
    named = {"server.backend": settings.server.backend}
    if here:
        named |= {f"client {client.name!r}": client.backend for client in settings.clients}
    for where, name in named.items():
        try:
            device = load_backend(name)
        except HardwareError as error:
            raise HardwareError(f"{where}: {error}") from None
        usable = len(device.usable_qubits)
        if usable < width:
            raise HardwareError(
                f"{where}: expected a device with {width} healthy connected qubits or more, as "
                f"model.n_qubits says, found {device.name} with {usable}"
            )


def _settings(config: ExperimentSettings | str | Path) -> ExperimentSettings:
    return config if isinstance(config, ExperimentSettings) else load_experiment(config)


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
    return finished_here(folder, _fingerprint(settings, prepare_data(settings), None))


def _fingerprint(settings: ExperimentSettings, data: PreparedData, own: Experiment | None) -> str:
    digest = hashlib.sha256(json.dumps(plain_settings(settings)).encode())
    if own is not None:
        # A rule or a baseline may have changed under its name.
        digest.update(own.digest())
    # Stages of two versions would make a result that no version gives.
    digest.update(json.dumps(installed_versions()).encode())
    # A file of samples may have changed under its name.
    digest.update(data.public.digest.encode() + data.public.samples.labels.tobytes())
    if data.pool_labels is not None:
        digest.update(data.pool_labels.tobytes())
    for client in data.clients:
        digest.update(public_digest(client.inputs).encode() + client.labels.tobytes())
    return digest.hexdigest()
