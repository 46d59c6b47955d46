"""IBM Quantum: the Runtime's service behind our interface; accounts are its own saved ones."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from qiskit import QuantumCircuit
from qiskit_ibm_runtime import QiskitRuntimeService

from qkd_qiskit.errors import HardwareError, SubmissionError
from qkd_qiskit.hardware import Device, fractional_name, split_name
from qkd_qiskit.hardware.device import device_from_backend
from qkd_qiskit.runtime.limits import DEFAULT_REP_DELAY
from qkd_qiskit.runtime.primitives import HAS_DRY_RUNS, prepare_sampler, read_counts
from qkd_qiskit.runtime.service import (
    FoundJob,
    JobCounts,
    JobRequest,
    JobState,
    ServiceRefused,
    ServiceUncertain,
    answers,
)
from qkd_qiskit.runtime.service_text import safe_line
from qkd_qiskit.runtime.status import read_status

_SETTLE_SECONDS = 60.0
_DRY_RUN_SECONDS = 60.0
_USAGE_TRIES = 10
_DRY_RUN_TAG = "qkd-qiskit-dry-run"

Prepare = Callable[[Any, JobRequest], Callable[[], Any]]


class IBMService:
    """Runs jobs on a device of IBM Quantum."""

    settle_seconds = _SETTLE_SECONDS

    def __init__(self, backend: str, *, client: Any = None, prepare: Prepare | None = None) -> None:
        """Connect.

        Args:
            backend: Name of the device, as the service knows it; `+fractional` behind it asks for native
                `rzz` and `rx`.
            client: A `QiskitRuntimeService`; made from the saved account or the environment when omitted.
            prepare: Makes a request ready for a primitive on a backend, and returns what sends it and gives
                the Runtime's job; the Runtime's sampler when omitted.

        Raises:
            SubmissionError: If there is no account, or no such device.
        """
        try:
            self._client = QiskitRuntimeService() if client is None else client
            name, self._fractional = split_name(backend)
            # Asked for only where it is wanted: the service's own default may change.
            options = {"use_fractional_gates": True} if self._fractional else {}
            self._backend = self._client.backend(name, **options)
        except Exception as error:
            # The message may quote what was configured, and with it a token.
            raise SubmissionError(
                f"cannot reach {backend!r} on IBM Quantum ({type(error).__name__}): save an account with "
                "QiskitRuntimeService.save_account, or set QISKIT_IBM_TOKEN, and check the device's name; "
                "shipped devices run locally"
            ) from None
        self._prepare = prepare or prepare_sampler
        self._prepare_dry_run = partial(prepare_sampler, dry_run=True) if HAS_DRY_RUNS else None

    def device(self) -> Device:
        """Return the device with today's calibration.

        Raises:
            SubmissionError: If the service does not give it.
            HardwareError: If it is no device that circuits can be transpiled to.
        """
        try:
            name = fractional_name(self._backend.name) if self._fractional else None
            return device_from_backend(
                self._backend, name=name, source="IBM Quantum", fractional=self._fractional
            )
        except HardwareError:
            raise
        except Exception as error:
            raise SubmissionError(
                f"cannot read the calibration of {self._backend.name}: {safe_line(error)}"
            ) from None

    @property
    def rep_delay(self) -> float:
        """Seconds between two shots, unless a job asks for others."""
        delay = getattr(self._backend, "default_rep_delay", None)
        return float(delay) if delay else DEFAULT_REP_DELAY

    def estimate(self, request: JobRequest) -> float:
        """Quantum seconds that the service finds for a job in a dry run, which costs nothing.

        Raises:
            ServiceUncertain: If the Runtime, or the plan that the account has, offers no dry run, or it does
                not end with an answer in a minute.
        """
        if self._prepare_dry_run is None:
            raise ServiceUncertain("the installed qiskit-ibm-runtime has none")
        # Its tag must not be a submission's: its job would be taken for one that was paid for.
        alike = replace(request, tags=(_DRY_RUN_TAG,), max_seconds=None)
        with answers():
            job = self._prepare_dry_run(self._backend, alike)()
            job.wait_for_final_state(timeout=_DRY_RUN_SECONDS)
            status, said = read_status(job.status())
            if status != "done":
                raise ServiceUncertain(f"it ended as {said}")
            for _ in range(_USAGE_TRIES):
                seconds = _quantum_seconds(job)
                if seconds is not None:
                    return seconds
                time.sleep(1.0)
        raise ServiceUncertain("it gave no usage")

    def submit(self, request: JobRequest) -> str:
        """Submit a job; see `JobService`."""
        try:
            send = self._prepare(self._backend, request)
        except Exception as error:
            raise ServiceRefused(safe_line(error)) from None
        try:
            return str(send().job_id())
        except Exception as error:
            # NOTE: no kind of error tells that nothing was accepted. An answer that cannot be read, for one,
            # comes as a ValueError, like a circuit that the client itself turns down.
            raise ServiceUncertain(safe_line(error)) from None

    def find(self, tag: str) -> tuple[FoundJob, ...]:
        """Return all jobs with a tag; see `JobService`."""
        with answers():
            jobs = self._client.jobs(limit=None, job_tags=[tag])
            return tuple(FoundJob(str(job.job_id()), _tags(job.tags)) for job in jobs)

    def state(self, job_id: str) -> JobState:
        """Return how far a job is; see `JobService`."""
        with answers():
            job = self._client.job(job_id)
            try:
                answer = job.status()
            except Exception:
                # NOTE: the Runtime's client may stumble over the results of a failed job. Then it knows the
                # status, and gives it when it is asked again.
                answer = job.status()
            status, said = read_status(answer)
            if status == "unknown":
                return JobState(status, f"unknown status {said or '(empty)'}")
            return JobState(status, _reason(job, said, status) if status in ("failed", "cancelled") else "")

    def counts(self, job_id: str) -> JobCounts:
        """Return the counts of a finished job; see `JobService`."""
        with answers():
            job = self._client.job(job_id)
            rows, calibration = read_counts(job.result())
            return JobCounts(rows, calibration, _quantum_seconds(job))

    def seconds(self, job_id: str) -> float | None:
        """Return the quantum seconds that a job was charged; see `JobService`."""
        with answers():
            return _quantum_seconds(self._client.job(job_id))

    def cancel(self, job_id: str) -> None:
        """Ask for a job to be stopped; see `JobService`."""
        with answers():
            self._client.job(job_id).cancel()


def for_hardware(circuit: QuantumCircuit) -> QuantumCircuit:
    """Return the circuit without delays: they are for simulators, and the service schedules by itself."""
    bare = circuit.copy_empty_like()
    for item in circuit.data:
        if item.operation.name != "delay":
            bare.append(item)
    return bare


def _tags(found: Any) -> tuple[str, ...]:
    """Return the tags of a listed job; odd ones do not make the list unreadable."""
    return tuple(map(str, found)) if isinstance(found, list | tuple | set) else ()


def _reason(job: Any, said: str, status: str) -> str:
    """Return why a job ended without counts: the words of its status beyond the first, and the error."""
    try:
        told = job.error_message()
    except Exception:
        # The status is known; what else the service would have said is not worth losing it.
        told = None
    parts = [said if len(said.split()) > 1 else "", safe_line(str(told)) if told else ""]
    reason = "; ".join(part for part in parts if part)
    return reason or ("no reason given" if status == "failed" else "")


def _quantum_seconds(job: Any) -> float | None:
    """Return the charge; whatever is odd about it is no reason to lose the counts that it is for."""
    try:
        usage = job.metrics().get("usage") or {}
        # The charge has a new name and a status from Runtime 0.50 on; a pending one is still growing.
        if usage.get("status") == "pending":
            return None
        found = usage.get("qpu_charge_time_seconds", usage.get("quantum_seconds"))
        seconds = float(job.usage() or "nan") if found is None else float(found)
    except Exception:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None
