"""Clients of this process: trained in parallel worker processes, or one after the other in this one.

Both ways end in the same bits: every stage has random numbers of its own, and BLAS has one thread in both.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path
from pickle import PicklingError
from typing import Any

from joblib import Parallel, cpu_count, delayed, parallel_config
from joblib.externals.loky.process_executor import TerminatedWorkerError

from qkd_qiskit.config import ExperimentSettings
from qkd_qiskit.data import PreparedData
from qkd_qiskit.encoding import ENCODINGS, Encoding, encoding_named, introduce
from qkd_qiskit.errors import FederationError
from qkd_qiskit.evaluation.results import Wire
from qkd_qiskit.federation.client import ClientOutcome, answer_request
from qkd_qiskit.federation.train_request import TrainRequest
from qkd_qiskit.federation.transport import Arrival
from qkd_qiskit.federation.worker_progress import FileProgress, WorkerProgress
from qkd_qiskit.hardware import OWN_DEVICES, Device
from qkd_qiskit.progress import Progress
from qkd_qiskit.run import RunContext, model_compiler
from qkd_qiskit.simulation import ModelCompiler, one_blas_thread
from qkd_qiskit.store import StageStore

_LOG = logging.getLogger(__name__)

_WATCH_SECONDS = 0.2


class LocalTransport:
    """Trains the clients of an experiment whose samples all lie in this process."""

    def __init__(self, run: RunContext, compiler: ModelCompiler) -> None:
        """Take the clients of an experiment.

        Args:
            run: Shared by all stages.
            compiler: Compiles like this one, but with the clients' seed.
        """
        # As elsewhere, a client knows the seed that all share, and not the server's.
        seed = run.settings.shared_seed
        self._run = replace(run, settings=run.settings.model_copy(update={"seed": seed, "secret": ""}))
        self._compiler = compiler.seeded(seed)
        self._outcomes: dict[int, ClientOutcome] = {}

    @property
    def clients(self) -> tuple[ClientOutcome, ...]:
        """What each client did so far, in the order of the settings; they must all have answered."""
        return tuple(self._outcomes[position] for position in range(len(self._run.settings.clients)))

    def traffic(self) -> dict[str, Wire] | None:
        """Return None: nothing travels."""
        return None

    def exchange(self, requests: Mapping[int, bytes], *, timeout: float) -> Iterator[Arrival]:
        """Train clients, and let them answer; they are waited for, whatever the timeout.

        Args:
            requests: The request to each client, by its position.
            timeout: Without meaning here.

        Yields:
            One arrival a client.

        Raises:
            QKDError: If a client cannot train; the message names it.
            FederationError: If a worker process is ended from outside.
        """
        wanted = self._run.settings.federation.workers or cpu_count()
        # The clients here have the public samples already.
        decoded = {
            raw: replace(TrainRequest.from_bytes(raw, limit=len(raw)), originals=None)
            for raw in set(requests.values())
        }
        tasks = [self._task(position, decoded[raw]) for position, raw in requests.items()]
        workers = min(wanted, len(tasks))
        for position, outcome in self._here(tasks) if workers <= 1 else self._in_workers(tasks, workers):
            self._outcomes[position] = outcome
            yield Arrival(position, outcome.reply(decoded[requests[position]]))

    def _task(self, position: int, request: TrainRequest) -> _WorkerTask:
        run = self._run
        alone = run.settings.model_copy(update={"clients": (run.settings.clients[position],)})
        return _WorkerTask(
            position=position,
            settings=alone,
            data=run.data.of_client(position),
            store=run.store,
            resume=run.resume,
            request=request,
            before=self._outcomes.get(position),
            devices=_own_devices(alone),
            encoding=_own_encoding(alone),
        )

    def _here(self, tasks: list[_WorkerTask]) -> Iterator[tuple[int, ClientOutcome]]:
        for task in tasks:
            with one_blas_thread():
                outcome = answer_request(
                    task.run(self._run.progress), self._compiler, task.request, task.before
                )
            yield task.position, outcome

    def _in_workers(self, tasks: list[_WorkerTask], workers: int) -> Iterator[tuple[int, ClientOutcome]]:
        done: set[int] = set()
        try:
            with (
                WorkerProgress(self._run.progress) as progress,
                parallel_config(backend="loky", n_jobs=workers, inner_max_num_threads=1),
            ):
                calls: Any = (
                    delayed(_work)(task, progress.path(task.position), os.getpid()) for task in tasks
                )
                for position, outcome in Parallel(return_as="generator_unordered", batch_size=1)(calls):
                    done.add(position)
                    yield position, outcome.compiled_by(self._compiler)
        except (BrokenProcessPool, PicklingError) as error:
            # Loky tells both by one class, and a worker that has died by one below it.
            if isinstance(error, TerminatedWorkerError) or not any(task.has_own for task in tasks):
                raise FederationError(
                    f"a worker process was ended from outside, perhaps for want of memory: {workers} trained "
                    "clients at once; federation.workers sets how many may"
                ) from None
            _LOG.warning(
                "a device or an encoding cannot be sent to worker processes: clients train in this one"
            )
            yield from self._here([task for task in tasks if task.position not in done])


@dataclass(frozen=True)
class _WorkerTask:
    """What a worker needs for one client's part of a round; `settings` and `data` know this client alone.

    `devices` and `encoding` are objects of the user's own, which names in `settings` do not find elsewhere.
    """

    position: int
    settings: ExperimentSettings
    data: PreparedData
    store: StageStore
    resume: bool
    request: TrainRequest
    before: ClientOutcome | None
    devices: Mapping[str, Device]
    encoding: Encoding | None

    @property
    def has_own(self) -> bool:
        """Whether an object of the user's own goes with it, which a worker may be unable to make."""
        return bool(self.devices) or self.encoding is not None

    def run(self, progress: Progress) -> RunContext:
        """Return the run of this client alone."""
        return RunContext(self.settings, self.data, self.store, progress, self.resume)


def _work(task: _WorkerTask, report: Path, parent: int) -> tuple[int, ClientOutcome]:
    """Answer for one client, in a worker process."""
    _end_with(parent)
    settings = task.settings
    # Held for as long as names must find it.
    encoding = None if task.encoding is None else introduce(task.encoding)
    with OWN_DEVICES.lent(task.devices):
        compiler = model_compiler(settings)
        before = None if task.before is None else task.before.compiled_by(compiler)
        run = task.run(FileProgress(report))
        answer = answer_request(run, compiler, task.request, before)
    del encoding
    return task.position, answer


def _own_devices(settings: ExperimentSettings) -> dict[str, Device]:
    """Return the devices of the clients' that names find in this run alone."""
    lent = OWN_DEVICES.all()
    return {client.backend: lent[client.backend] for client in settings.clients if client.backend in lent}


def _own_encoding(settings: ExperimentSettings) -> Encoding | None:
    """Return the encoding of the models where it is known to this process alone."""
    plain, _, _ = settings.model.encoding.partition("(")
    return None if plain in ENCODINGS else encoding_named(settings.model.encoding)


def _end_with(parent: int) -> None:
    """End this worker soon after the process that started it, however that one ends.

    A worker that outlived a killed run would go on writing checkpoints which the resumed run reads.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_WATCH_SECONDS)
        os._exit(1)

    name = f"end with {parent}"
    if all(thread.name != name for thread in threading.enumerate()):
        threading.Thread(target=watch, name=name, daemon=True).start()
