"""What submission asks of a service that runs jobs, and how answers may fail."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit

from qkd_qiskit.runtime.service_text import safe_line

Status = Literal["queued", "running", "done", "failed", "cancelled", "unknown"]
Counts = NDArray[np.int64]


class ServiceRefused(Exception):
    """The service has surely not accepted the job."""


class ServiceUncertain(Exception):
    """The service may or may not have done what it was asked: its answer is missing or unclear."""


@dataclass(frozen=True, eq=False)
class JobRequest:
    """One sampler job.

    Attributes:
        circuit: ISA circuit with the register `meas`, or a register for each of its copies; only inputs are
            free parameters.
        values: Parameter values [rows, P], columns in the order of `circuit.parameters`.
        calibrations: Circuits without parameters that run in the same job, as many shots each.
        shots: Shots of every circuit.
        tags: Labels that the service stores with the job; the last one is the batch's own.
        seed: Seed for simulators; real devices ignore it.
        max_seconds: Quantum seconds after which the service stops the job; None for its own limit.
        dynamical_decoupling: Whether the service fills idle times with pulses.
        twirling: Whether the service twirls gates and measurements.
    """

    circuit: QuantumCircuit
    values: NDArray[np.float64]
    calibrations: tuple[QuantumCircuit, ...]
    shots: int
    tags: tuple[str, ...]
    seed: int
    max_seconds: int | None = None
    dynamical_decoupling: bool = False
    twirling: bool = False


@dataclass(frozen=True)
class FoundJob:
    """A job that the service lists.

    Attributes:
        job_id: The service's name for it.
        tags: The labels that it was submitted with.
    """

    job_id: str
    tags: tuple[str, ...]


@dataclass(frozen=True)
class JobState:
    """How far a job is.

    Attributes:
        status: One of six words; `unknown` where the service has a word that is none of ours.
        message: Why it ended without counts, or the service's own word; empty otherwise.
    """

    status: Status
    message: str = ""


@dataclass(frozen=True, eq=False)
class JobCounts:
    """What a finished job counted.

    Attributes:
        counts: [rows, 2^m]; of a packed circuit [rows, copies, 2^m].
        calibration: [calibration circuits, 2^m], or [calibration circuits, copies, 2^m].
        seconds: Quantum seconds that the service charged; None where it does not say.
    """

    counts: Counts
    calibration: Counts
    seconds: float | None


class JobService(Protocol):
    """Runs sampler jobs and remembers them by tag."""

    @property
    def settle_seconds(self) -> float:
        """Seconds after which an accepted job is surely listed."""
        ...

    def submit(self, request: JobRequest) -> str:
        """Submit a job.

        Returns:
            The job id.

        Raises:
            ServiceRefused: If the job was surely not accepted.
            ServiceUncertain: If it may have been.
        """
        ...

    def find(self, tag: str) -> tuple[FoundJob, ...]:
        """Return all jobs with a tag, whatever their state.

        Raises:
            ServiceUncertain: If the list may be incomplete.
        """
        ...

    def state(self, job_id: str) -> JobState:
        """Return how far a job is.

        Raises:
            ServiceUncertain: If the service does not answer, or does not know the job.
        """
        ...

    def counts(self, job_id: str) -> JobCounts:
        """Return the counts of a finished job; may be asked for more than once.

        Raises:
            ServiceUncertain: If the answer is missing or damaged.
        """
        ...

    def seconds(self, job_id: str) -> float | None:
        """Return the quantum seconds that a job was charged; None where the service does not say yet.

        Raises:
            ServiceUncertain: If the service does not answer, or does not know the job.
        """
        ...

    def cancel(self, job_id: str) -> None:
        """Ask for a job to be stopped.

        Raises:
            ServiceUncertain: If the service does not answer, or refuses.
        """
        ...


@contextmanager
def answers() -> Iterator[None]:
    """Turn whatever goes wrong inside into `ServiceUncertain`, in one line without tokens."""
    try:
        yield
    except ServiceUncertain:
        raise
    except Exception as error:
        raise ServiceUncertain(safe_line(error)) from None
