"""IBM Quantum: the Runtime's service behind our interface; accounts are its own saved ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from qiskit import QuantumCircuit
from qiskit_ibm_runtime import QiskitRuntimeService
from qiskit_ibm_runtime.exceptions import IBMInputValueError

from qkd_qiskit.errors import SubmissionError
from qkd_qiskit.hardware import Device
from qkd_qiskit.hardware.device import device_from_backend
from qkd_qiskit.runtime.primitives import read_counts, run_sampler
from qkd_qiskit.runtime.service import (
    FoundJob,
    JobCounts,
    JobRequest,
    JobState,
    ServiceRefused,
    ServiceUncertain,
    Status,
)

DEFAULT_REP_DELAY = 250e-6
_SETTLE_SECONDS = 60.0
_STATUS: dict[str, Status] = {
    "QUEUED": "queued",
    "INITIALIZING": "queued",
    "VALIDATING": "queued",
    "RUNNING": "running",
    "DONE": "done",
    "ERROR": "failed",
    "CANCELLED": "cancelled",
}
# Mistakes that the client finds before it asks the service.
_REFUSALS = (ValueError, TypeError, IBMInputValueError)

Run = Callable[[Any, JobRequest], Any]


class IBMService:
    """Runs jobs on a device of IBM Quantum."""

    settle_seconds = _SETTLE_SECONDS

    def __init__(self, backend: str, *, client: Any = None, run: Run | None = None) -> None:
        """Connect.

        Args:
            backend: Name of the device, as the service knows it.
            client: A `QiskitRuntimeService`; made from the saved account or the environment when omitted.
            run: Hands a request to a primitive on a backend; the Runtime's sampler when omitted.

        Raises:
            SubmissionError: If there is no account, or no such device.
        """
        try:
            self._client = QiskitRuntimeService() if client is None else client
            self._backend = self._client.backend(backend)
        except Exception as error:
            # The message may quote what was configured, and with it a token.
            raise SubmissionError(
                f"cannot reach {backend} on IBM Quantum ({type(error).__name__}): save an account with "
                "QiskitRuntimeService.save_account, or set QISKIT_IBM_TOKEN, and check the device's name; "
                "shipped devices run locally"
            ) from None
        self._run = run or (lambda mode, request: run_sampler(mode, request, local=False))

    def device(self) -> Device:
        """The device with today's calibration."""
        return device_from_backend(self._backend, source="IBM Quantum")

    @property
    def rep_delay(self) -> float:
        """Seconds between two shots, unless a job asks for others."""
        delay = getattr(self._backend, "default_rep_delay", None)
        return float(delay) if delay else DEFAULT_REP_DELAY

    def submit(self, request: JobRequest) -> str:
        """Submit a job; see `JobService`."""
        try:
            return str(self._run(self._backend, request).job_id())
        except _REFUSALS as error:
            raise ServiceRefused(_line(error)) from None
        except Exception as error:
            raise ServiceUncertain(_line(error)) from None

    def find(self, tag: str) -> tuple[FoundJob, ...]:
        """All jobs with a tag; see `JobService`."""
        with _answers():
            jobs = self._client.jobs(limit=None, job_tags=[tag])
            return tuple(FoundJob(str(job.job_id()), tuple(job.tags or ())) for job in jobs)

    def state(self, job_id: str) -> JobState:
        """How far a job is; see `JobService`."""
        with _answers():
            job = self._client.job(job_id)
            answer = job.status()
            found = str(getattr(answer, "name", answer))
            if found not in _STATUS:
                raise ServiceUncertain(f"unknown status {found}")
            status = _STATUS[found]
            return JobState(status, (job.error_message() or "no reason given") if status == "failed" else "")

    def counts(self, job_id: str) -> JobCounts:
        """Counts of a finished job; see `JobService`."""
        with _answers():
            job = self._client.job(job_id)
            rows, calibration = read_counts(job.result())
            return JobCounts(rows, calibration, _quantum_seconds(job))

    def cancel(self, job_id: str) -> None:
        """Ask for a job to be stopped; see `JobService`."""
        with _answers():
            self._client.job(job_id).cancel()


def for_hardware(circuit: QuantumCircuit) -> QuantumCircuit:
    """The circuit without delays: they are for simulators, and the service schedules by itself."""
    bare = circuit.copy_empty_like()
    for item in circuit.data:
        if item.operation.name != "delay":
            bare.append(item)
    return bare


def _quantum_seconds(job: Any) -> float | None:
    usage = job.metrics().get("usage", {}).get("quantum_seconds")
    return None if usage is None else float(usage)


@contextmanager
def _answers() -> Iterator[None]:
    try:
        yield
    except ServiceUncertain:
        raise
    except Exception as error:
        raise ServiceUncertain(_line(error)) from None


def _line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:300]}" if text else type(error).__name__
