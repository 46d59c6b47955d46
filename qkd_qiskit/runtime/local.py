"""The local mode: simulated devices behind the same interface as the service."""

from __future__ import annotations

import io
import json
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from qiskit_aer import AerSimulator
from qiskit_aer.noise import NoiseModel

from qkd_qiskit.errors import SubmissionError
from qkd_qiskit.hardware import Device
from qkd_qiskit.progress import NullProgress, Progress
from qkd_qiskit.runtime.circuit_file import read_circuits, write_circuits
from qkd_qiskit.runtime.packed_circuit import packed_counts, separated
from qkd_qiskit.runtime.primitives import prepare_sampler, read_counts
from qkd_qiskit.runtime.service import (
    Counts,
    FoundJob,
    JobCounts,
    JobRequest,
    JobState,
    ServiceUncertain,
    answers,
)
from qkd_qiskit.runtime.service_text import safe_line
from qkd_qiskit.simulation.sampler import REGISTER
from qkd_qiskit.store import ArrayArchive, open_npz, parse_json
from qkd_qiskit.store.files import write_atomic
from qkd_qiskit.vqcnn import without_idle_qubits

_LABEL = "simulate"
# Samples between two steps of the progress.
_PART = 10


class LocalService:
    """Runs jobs on this machine through the Runtime's local mode.

    A job is a file that is there as soon as it is accepted, so that it survives the end of this program like
    a job on the real service does. It is computed when its counts are asked for, under the noise model that
    models are trained with, so that counts agree with the exact engine. Copies of a packed job are simulated
    apart: circuits on disjoint qubits factorize, under any noise that acts on gates and qubits of one copy.

    Attributes:
        progress: Notified of the samples that are simulated.
    """

    settle_seconds = 0.0

    def __init__(self, folder: Path, device: Device) -> None:
        """Open the service.

        Args:
            folder: Where the jobs' files lie.
            device: The device, whose noise model is simulated.
        """
        self._folder = folder
        self._device = device
        self._noise: dict[tuple[int, ...], NoiseModel] = {}
        self.progress: Progress = NullProgress()

    def submit(self, request: JobRequest) -> str:
        """Accept a job."""
        job_id = uuid.uuid4().hex[:20]
        circuits = write_circuits([request.circuit, *request.calibrations])
        meta = {"tags": request.tags, "shots": request.shots, "seed": request.seed}
        packed = io.BytesIO()
        np.savez(
            packed,
            allow_pickle=False,
            meta=np.array(json.dumps(meta)),
            circuits=np.frombuffer(circuits, dtype=np.uint8),
            values=request.values,
        )
        write_atomic(self._folder / f"{job_id}.npz", packed.getvalue())
        return job_id

    def find(self, tag: str) -> tuple[FoundJob, ...]:
        """Return all jobs with a tag; files that cannot be read are no jobs."""
        found = []
        for path in sorted(self._folder.glob("*.npz")):
            try:
                tags = tuple(self._meta(path.stem)["tags"])
            except ServiceUncertain:
                continue
            if tag in tags:
                found.append(FoundJob(path.stem, tags))
        return tuple(found)

    def state(self, job_id: str) -> JobState:
        """Return a job that was accepted counts as done: asking for its counts computes them."""
        self._meta(job_id)
        if (self._folder / f"{job_id}.cancelled").exists():
            return JobState("cancelled")
        return JobState("done")

    def counts(self, job_id: str) -> JobCounts:
        """Run the job; equal seeds give equal counts."""
        meta = self._meta(job_id)
        with answers():
            stored = self._stored(job_id)
            where = f"job {job_id}"
            circuit, *calibrations = read_circuits(stored.array("circuits").tobytes(), where=where)
            values = stored.array("values")
            if values.ndim != 2 or values.dtype != np.float64:
                raise ValueError(f"{where}: expected values [rows, P], found {values.dtype} {values.shape}")
            request = JobRequest(
                circuit, values, tuple(calibrations), meta["shots"], tuple(meta["tags"]), meta["seed"]
            )
            alone = [register.name for register in circuit.cregs] == [REGISTER]
            # PERF: the density matrix of all copies together would not fit into any memory.
            requests = {REGISTER: [request]} if alone else separated(request)
            self.progress.start(_LABEL, sum(len(one.values) for parts in requests.values() for one in parts))
            found = {name: [self._run(one) for one in parts] for name, parts in requests.items()}
            self.progress.done(_LABEL)
        if alone:
            return JobCounts(*found[REGISTER][0], None)
        rows = {name: counts for name, ((counts, _), *_) in found.items()}
        left = {name: iter(others) for name, (_, *others) in found.items()}
        measured = [{one.name: next(left[one.name])[0][0] for one in each.cregs} for each in calibrations]
        return JobCounts(*packed_counts(rows, measured), None)

    def _run(self, wide: JobRequest) -> tuple[Counts, Counts]:
        # PERF: all that is done to a circuit of 156 qubits takes ten times as long as on those it uses.
        circuit, active = without_idle_qubits(wide.circuit)
        calibrations = tuple(without_idle_qubits(one, active)[0] for one in wide.calibrations)
        request = replace(wide, circuit=circuit, calibrations=calibrations)
        # NOTE: a fake backend would bring noise of its own, which is not always that of the device.
        if active not in self._noise:
            self._noise[active] = self._device.noise_model_for(active)
        mode = AerSimulator(method="density_matrix", noise_model=self._noise[active])
        parts = []
        for start in range(0, len(request.values), _PART):
            part = replace(
                request,
                values=request.values[start : start + _PART],
                calibrations=() if start else request.calibrations,
                seed=_seed(request.seed, start),
            )
            parts.append(read_counts(prepare_sampler(mode, part, local=True)().result()))
            self.progress.advance(_LABEL, len(part.values))
        return np.concatenate([rows for rows, _ in parts]), parts[0][1]

    def seconds(self, job_id: str) -> None:
        """Return that nothing is charged."""

    def cancel(self, job_id: str) -> None:
        """Mark a job as cancelled."""
        self._meta(job_id)
        write_atomic(self._folder / f"{job_id}.cancelled", "")

    def _meta(self, job_id: str) -> dict[str, Any]:
        try:
            meta = parse_json(str(self._stored(job_id).array("meta")), SubmissionError, "meta")
            if not _is_meta(meta):
                raise SubmissionError("expected tags, shots and seed")
        except SubmissionError as error:
            raise ServiceUncertain(f"no job {job_id} in {self._folder}: {safe_line(error)}") from None
        found: dict[str, Any] = meta
        return found

    def _stored(self, job_id: str) -> ArrayArchive:
        return open_npz(self._folder / f"{job_id}.npz", SubmissionError)


def _is_meta(meta: object) -> bool:
    """Return whether this is what `submit` has written about a job."""
    if not isinstance(meta, dict) or not {"tags", "shots", "seed"} <= meta.keys():
        return False
    tags = meta["tags"]
    whole = all(type(meta[key]) is int and meta[key] >= 0 for key in ("shots", "seed"))
    return whole and isinstance(tags, list) and all(isinstance(tag, str) for tag in tags)


def _seed(seed: int, start: int) -> int:
    """Return the simulator's seed for the part of a job that begins at a sample.

    Jobs of one submission have neighbouring seeds, and a simulator may count them up within a run: mixed, no
    two samples get the same random numbers. Simulators take seeds up to 2^31, and add to them.
    """
    return int(np.random.SeedSequence([seed, start]).generate_state(1)[0]) >> 2
