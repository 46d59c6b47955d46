"""How much work a request asks for, and whether a client's own limits grant it, before any of it is done."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass

from qkd_qiskit.config import RemoteClientSettings
from qkd_qiskit.data import PublicOriginals, augmentation_for
from qkd_qiskit.encoding import encoding_named
from qkd_qiskit.federation.rejection import RejectionCode, RequestRejected
from qkd_qiskit.federation.train_request import TaskDescription, TrainRequest
from qkd_qiskit.progress import Progress
from qkd_qiskit.simulation.encoded_samples import DEFAULT_ENCODED_MEMORY
from qkd_qiskit.vqcnn import PRESETS

_NUMBER = 8
# The program and its libraries, and room for what is made and thrown away.
_BASE_BYTES = 512 * 2**20
_COPIES = 4
# More than any structure of the size ladder has, and the arrays that a swarm keeps for each particle.
_MOST_WEIGHTS, _PARTICLE_ARRAYS = 4096, 8


def over_limits(reason: str) -> RequestRejected:
    """Return the refusal of a request that asks for more work than its client grants."""
    return RequestRejected(RejectionCode.OVER_LIMITS, reason)


def check_work(
    limits: RemoteClientSettings, request: TrainRequest, originals: PublicOriginals, n_own: int
) -> None:
    """Refuse a request that asks for more work than a client grants.

    Args:
        limits: The client's settings.
        request: The request.
        originals: The public samples that it is about.
        n_own: Number of the client's own samples.

    Raises:
        RequestRejected: If copies make too many samples, or if steps, particles, rounds or memory are too
            many.
    """
    augment = request.task.augment
    for what, count in (
        ("public inputs", originals.n_inputs(augment)),
        ("own samples", n_own * (1 + augmentation_for(augment, originals.image_shape).copies)),
    ):
        if count > limits.max_samples:
            raise RequestRejected(
                RejectionCode.TOO_LARGE,
                f"expected at most {limits.max_samples} {what}, copies counted, found {count}",
            )
    training, structure = request.task.training, request.task.training.structure
    for what, count, most in (
        ("rounds", request.round, limits.max_rounds),
        ("steps", training_steps(request.task), limits.max_steps),
        ("particles", training.particles, limits.max_particles),
        ("particles of a structure search", structure.particles, limits.max_particles),
        ("starts of a structure search", structure.starts, limits.max_particles),
        ("finalists of a structure search", structure.finalists, limits.max_particles),
        ("bytes of memory", memory_bytes(request.task, originals, n_own), limits.max_memory_bytes),
    ):
        if count > most:
            raise over_limits(f"expected at most {most} {what}, found {count}")


def training_steps(task: TaskDescription) -> int:
    """Return the steps of a client's whole training for one round, at most: of swarms, L-BFGS and Adam."""
    training, descent, structure = task.training, task.descent, task.training.structure
    full = training.iterations * max(training.sweeps, 1) + training.refine + descent.steps
    if not structure.enabled:
        return full
    tried = structure.particles * (structure.iterations + 1) * structure.folds
    short = tried * (structure.moves + structure.steps)
    last = full if structure.full_steps is None else min(structure.full_steps, full)
    # Besides those asked for, the base and several sizes of each preset are finalists.
    finalists = structure.finalists + 1 + len(PRESETS) * (1 + len(structure.rungs))
    judgements = structure.final_folds * structure.final_repeats
    return full + short + finalists * judgements * last


def memory_bytes(task: TaskDescription, originals: PublicOriginals, n_own: int) -> int:
    """Return an upper estimate of the memory that a client's training takes.

    Args:
        task: What is to be trained.
        originals: The public samples.
        n_own: Number of the client's own samples.
    """
    samples = originals.n_inputs(task.augment) + n_own * (
        1 + augmentation_for(task.augment, originals.image_shape).copies
    )
    encoding, training = encoding_named(task.model.encoding), task.training
    width = originals.features.shape[1] + encoding.numbers(task.model.n_qubits)
    joined = bool(encoding.pairs(task.model.n_qubits))
    kept = joined * min(_NUMBER * samples * 4**task.model.n_qubits, DEFAULT_ENCODED_MEMORY)
    seen = min(task.descent.search_samples, samples) if task.descent.steps else samples
    outcomes = 2 ** len(task.classes).bit_length()
    swarm = training.particles * (_MOST_WEIGHTS * _PARTICLE_ARRAYS + _COPIES * seen * outcomes)
    return int(_BASE_BYTES + kept + _NUMBER * (_COPIES * samples * width + swarm))


def public_set(originals: PublicOriginals) -> str:
    """Return the digest of a set of public samples in hexadecimal; their order does not matter."""
    rows = sorted(hashlib.sha256(row.tobytes()).digest() for row in originals.features.astype("<f8"))
    digest = hashlib.sha256(repr((originals.features.shape[1], originals.image_shape)).encode())
    for row in rows:
        digest.update(row)
    return digest.hexdigest()


@dataclass
class Deadline:
    """Progress that ends a training whose time is over; a training tells of each of its steps.

    Attributes:
        progress: Who else is told.
        left: Seconds that the training may take.
        limit: Seconds that an experiment may take in all, for the error.
    """

    progress: Progress
    left: float
    limit: float

    def __post_init__(self) -> None:
        """Start the clock."""
        self._began = time.monotonic()

    @property
    def spent(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._began

    def start(self, label: str, total: int | None = None) -> None:
        """Pass on the announcement, or end the training."""
        self._check()
        self.progress.start(label, total)

    def advance(self, label: str, n: int = 1) -> None:
        """Pass on the steps, or end the training."""
        self._check()
        self.progress.advance(label, n)

    def done(self, label: str) -> None:
        """Pass on the end."""
        self.progress.done(label)

    def _check(self) -> None:
        if self.spent > self.left:
            raise over_limits(f"expected at most {self.limit:g} seconds of training in all")
