"""Job files of the local mode: damaged ones are no jobs, and say so in one line."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from qkd_qiskit.hardware import load_backend
from qkd_qiskit.interop import export_circuit
from qkd_qiskit.runtime.local import LocalService
from qkd_qiskit.runtime.service import JobRequest, ServiceUncertain
from qkd_qiskit.vqcnn import VQCNNSpec

SPEC = VQCNNSpec(2, plan="conv", kernels="one_cx")


@pytest.fixture
def job(tmp_path: Path) -> tuple[LocalService, Path]:
    """A service with one job, and the job's file."""
    service = LocalService(tmp_path, load_backend("noisy_line"))
    circuit = export_circuit(SPEC, np.zeros(SPEC.n_weights))
    values = np.zeros((3, SPEC.n_features))
    number = service.submit(JobRequest(circuit, values, (), 10, ("mine", "one"), seed=7))
    assert [found.job_id for found in service.find("mine")] == [number]
    return service, tmp_path / f"{number}.npz"


def rewritten(path: Path, **changed: NDArray[np.generic]) -> None:
    with np.load(path) as stored:
        arrays = dict(stored) | changed
    buffer = io.BytesIO()
    np.savez(buffer, **{name: array for name, array in arrays.items() if array.size})
    path.write_bytes(buffer.getvalue())


def text(meta: object) -> NDArray[np.str_]:
    return np.array(json.dumps(meta) if not isinstance(meta, str) else meta)


@pytest.mark.parametrize(
    "meta",
    [
        "{",
        "[" * 100_000,
        [],
        {"tags": ["mine"], "shots": 10},
        {"tags": "mine", "shots": 10, "seed": 7},
        {"tags": [1], "shots": 10, "seed": 7},
        {"tags": ["mine"], "shots": "10", "seed": 7},
        {"tags": ["mine"], "shots": -1, "seed": 7},
        {"tags": ["mine"], "shots": 10, "seed": 1.5},
    ],
)
def test_a_file_whose_description_is_damaged_is_no_job(meta: object, job: tuple[LocalService, Path]) -> None:
    service, path = job
    rewritten(path, meta=text(meta))
    assert service.find("mine") == ()
    for ask in (service.state, service.counts, service.cancel):
        with pytest.raises(ServiceUncertain, match=f"no job {path.stem} in "):
            ask(path.stem)


@pytest.mark.parametrize("content", [b"", b"PK", b"no archive" * 100])
def test_what_is_no_archive_is_no_job(content: bytes, job: tuple[LocalService, Path]) -> None:
    service, path = job
    path.write_bytes(content)
    assert service.find("mine") == ()
    with pytest.raises(ServiceUncertain, match=f"no job {path.stem} in "):
        service.counts(path.stem)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"values": np.zeros((3, 2), dtype=np.float32)}, "expected values"),
        ({"values": np.zeros(4)}, "expected values"),
        ({"values": np.array(["a"])}, "expected values"),
        ({"circuits": np.zeros(100, dtype=np.uint8)}, "expected a stored circuit"),
        ({"circuits": np.array([])}, "circuits"),
    ],
)
def test_a_job_whose_work_is_damaged_has_no_counts(
    changed: dict[str, NDArray[np.generic]], expected: str, job: tuple[LocalService, Path]
) -> None:
    service, path = job
    rewritten(path, **changed)
    with pytest.raises(ServiceUncertain, match=expected):
        service.counts(path.stem)
