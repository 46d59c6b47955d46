"""The local mode: simulated devices behind the same interface as the service."""

from __future__ import annotations

import io
import json
import uuid
from pathlib import Path
from typing import Any

import numpy as np
from qiskit import qpy
from qiskit_aer import AerSimulator

from qkd_qiskit.hardware import Device
from qkd_qiskit.runtime.packing import packed_counts, separated
from qkd_qiskit.runtime.primitives import prepare_sampler, read_counts
from qkd_qiskit.runtime.service import (
    Counts,
    FoundJob,
    JobCounts,
    JobRequest,
    JobState,
    ServiceUncertain,
)
from qkd_qiskit.simulation.sampler import REGISTER
from qkd_qiskit.store.files import write_atomic


class LocalService:
    """Runs jobs on this machine through the Runtime's local mode.

    A job is a file that is there as soon as it is accepted, so that it survives the end of this program like
    a job on the real service does. It is computed when its counts are asked for, under the noise model that
    models are trained with, so that counts agree with the exact engine. Copies of a packed job are simulated
    apart: circuits on disjoint qubits factorize, under any noise that acts on gates and qubits of one copy.
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

    def submit(self, request: JobRequest) -> str:
        """Accept a job."""
        job_id = uuid.uuid4().hex[:20]
        circuits = io.BytesIO()
        qpy.dump([request.circuit, *request.calibrations], circuits)
        meta = {"tags": request.tags, "shots": request.shots, "seed": request.seed}
        packed = io.BytesIO()
        np.savez(
            packed,
            allow_pickle=False,
            meta=np.array(json.dumps(meta)),
            circuits=np.frombuffer(circuits.getvalue(), dtype=np.uint8),
            values=request.values,
        )
        write_atomic(self._folder / f"{job_id}.npz", packed.getvalue())
        return job_id

    def find(self, tag: str) -> tuple[FoundJob, ...]:
        """Return all jobs with a tag."""
        found = []
        for path in sorted(self._folder.glob("*.npz")):
            tags = tuple(self._meta(path.stem)["tags"])
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
        with np.load(self._folder / f"{job_id}.npz", allow_pickle=False) as stored:
            circuit, *calibrations = qpy.load(io.BytesIO(stored["circuits"].tobytes()))
            values = stored["values"]
        request = JobRequest(
            circuit, values, tuple(calibrations), meta["shots"], tuple(meta["tags"]), meta["seed"]
        )
        if [register.name for register in circuit.cregs] == [REGISTER]:
            return JobCounts(*self._run(request), None)
        # PERF: the density matrix of all copies together would not fit into any memory.
        found = [self._run(alone) for alone in separated(request)]
        names = [register.name for register in circuit.cregs]
        left = {name: iter(calibration) for name, (_, calibration) in zip(names, found, strict=True)}
        measured = [{register.name: next(left[register.name]) for register in c.cregs} for c in calibrations]
        rows = {name: counts for name, (counts, _) in zip(names, found, strict=True)}
        return JobCounts(*packed_counts(rows, measured), None)

    def _run(self, request: JobRequest) -> tuple[Counts, Counts]:
        # NOTE: a fake backend would bring noise of its own, which is not always that of the device.
        mode = AerSimulator(method="density_matrix", noise_model=self._device.noise_model)
        return read_counts(prepare_sampler(mode, request, local=True)().result())

    def cancel(self, job_id: str) -> None:
        """Mark a job as cancelled."""
        self._meta(job_id)
        write_atomic(self._folder / f"{job_id}.cancelled", "")

    def _meta(self, job_id: str) -> dict[str, Any]:
        path = self._folder / f"{job_id}.npz"
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
                meta: dict[str, Any] = json.loads(str(stored["meta"]))
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise ServiceUncertain(f"no job {job_id} in {self._folder}: {error}") from None
        return meta
