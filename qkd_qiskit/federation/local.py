"""Clients of one machine: trained in parallel worker processes, or one after the other in this one.

Both ways end in the same bits: every stage has random numbers of its own, and BLAS has one thread in both.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from joblib import Parallel, cpu_count, delayed, parallel_config
from threadpoolctl import threadpool_limits

from qkd_qiskit.config import ExperimentSettings
from qkd_qiskit.data import PreparedData
from qkd_qiskit.errors import FederationError
from qkd_qiskit.federation.client import ClientRun, ClientWork, answer_request
from qkd_qiskit.federation.train_request import TrainRequest
from qkd_qiskit.federation.transport import Arrival
from qkd_qiskit.federation.worker_progress import FileProgress, WorkerProgress
from qkd_qiskit.run.context import RunContext
from qkd_qiskit.store import StageStore

_WATCH_SECONDS = 0.2


class LocalTransport:
    """Asks the clients of an experiment whose samples all lie in this process.

    Attributes:
        runs: What each client has done last, by its position; they stay at hand for the evaluation.
    """

    def __init__(self, context: RunContext) -> None:
        """Take the clients of an experiment.

        Args:
            context: Shared by all stages.
        """
        self.runs: dict[int, ClientRun] = {}
        self._context = context

    def exchange(self, queries: Mapping[int, bytes], *, timeout: float) -> Iterator[Arrival]:
        """Train clients, and let them answer; they are waited for, whatever the timeout.

        Args:
            queries: Position of each client that is asked, and what it is asked.
            timeout: Without meaning here.

        Yields:
            One arrival a client.

        Raises:
            QKDError: If a client cannot train; the message names it.
            FederationError: If a worker process is ended from outside.
        """
        wanted = self._context.settings.federation.workers or cpu_count()
        # The clients here have the public samples already.
        asked = {
            raw: replace(TrainRequest.from_bytes(raw, limit=len(raw)), originals=None)
            for raw in set(queries.values())
        }
        errands = [self._errand(position, asked[raw]) for position, raw in queries.items()]
        work = self._here if min(wanted, len(errands)) <= 1 else self._there
        for position, run in work(errands, min(wanted, len(errands))):
            self.runs[position] = run
            yield Arrival(position, run.message.to_bytes())

    def _errand(self, position: int, asked: TrainRequest) -> _WorkerTask:
        context, before = self._context, self.runs.get(position)
        own = context.settings.model_copy(update={"clients": (context.settings.clients[position],)})
        return _WorkerTask(
            position=position,
            settings=own,
            data=context.data.of_client(position),
            store=context.store,
            resume=context.resume,
            asked=asked,
            before=None if before is None else before.without_machine(),
        )

    def _here(self, errands: list[_WorkerTask], workers: int) -> Iterator[tuple[int, ClientRun]]:
        for errand in errands:
            context = errand.context(replace(self._context, timings={}))
            with threadpool_limits(1, user_api="blas"):
                run = errand.run(context)
            yield errand.position, run

    def _there(self, errands: list[_WorkerTask], workers: int) -> Iterator[tuple[int, ClientRun]]:
        with (
            WorkerProgress(self._context.progress) as relay,
            parallel_config(backend="loky", n_jobs=workers, inner_max_num_threads=1),
        ):
            calls: Any = (
                delayed(_work)(errand, relay.path(errand.position), os.getpid()) for errand in errands
            )
            try:
                for position, work in Parallel(return_as="generator_unordered", batch_size=1)(calls):
                    client = self._context.settings.clients[position]
                    yield position, work.on(self._context.machine(work.spec, client.backend))
            except BrokenProcessPool:
                raise FederationError(
                    f"a worker process was ended from outside, perhaps for want of memory: {workers} trained "
                    "clients at once; federation.workers sets how many may"
                ) from None


@dataclass(frozen=True)
class _WorkerTask:
    """What a worker needs to let one client take one turn; `settings` and `data` know this client alone."""

    position: int
    settings: ExperimentSettings
    data: PreparedData
    store: StageStore
    resume: bool
    asked: TrainRequest
    before: ClientWork | None

    def context(self, shared: RunContext) -> RunContext:
        """The client's context; circuits on devices and progress are those of `shared`."""
        return replace(shared, settings=self.settings, data=self.data, store=self.store, resume=self.resume)

    def run(self, context: RunContext) -> ClientRun:
        """Let the client take its turn."""
        before = None
        if self.before is not None:
            backend = self.settings.clients[0].backend
            before = self.before.on(context.machine(self.before.spec, backend))
        return answer_request(context, self.asked, before)


def _work(errand: _WorkerTask, report: Path, parent: int) -> tuple[int, ClientWork]:
    """One client's turn, in a worker process."""
    _end_with(parent)
    progress = FileProgress(report)
    context = RunContext(errand.settings, errand.data, errand.store, progress, errand.resume)
    return errand.position, errand.run(context).without_machine()


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
