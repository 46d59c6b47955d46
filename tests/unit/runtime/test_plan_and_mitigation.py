"""Batches within limits, estimates, and readout errors undone."""

from __future__ import annotations

import builtins
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister

from qkd_qiskit.errors import SubmissionError
from qkd_qiskit.runtime.limits import (
    MAX_EXECUTIONS,
    MAX_INSTRUCTIONS,
    MAX_JOB_SECONDS,
    batch_ranges,
    instructions_per_qubit,
)
from qkd_qiskit.runtime.mitigation import (
    calibration_circuits,
    confusion_matrices,
    measured_qubits,
    mitigated,
)
from qkd_qiskit.runtime.submission_plan import samples_of_run


@given(
    samples=st.integers(1, 50_000),
    shots=st.integers(1, 100_000),
    batch=st.none() | st.integers(1, 500),
    seconds=st.floats(1e-6, 1e-2),
    instructions=st.integers(50, 100_000),
    calibrations=st.sampled_from([0, 2]),
)
def test_batches_cover_the_samples_within_the_limits(
    samples, shots, batch, seconds, instructions, calibrations
):
    ranges = batch_ranges(
        samples,
        shots,
        seconds_each=seconds,
        instructions_each=instructions,
        n_calibrations=calibrations,
        batch=batch,
    )
    assert np.concatenate([np.arange(*limits) for limits in ranges]).tolist() == list(range(samples))
    sizes = [stop - start for start, stop in ranges]
    assert max(sizes) - min(sizes) <= 1
    executions = (max(sizes) + calibrations) * shots
    assert executions <= MAX_EXECUTIONS
    assert executions * seconds <= MAX_JOB_SECONDS
    assert (max(sizes) + calibrations) * instructions <= MAX_INSTRUCTIONS
    assert batch is None or max(sizes) <= batch


def test_a_sample_that_fits_into_no_job_is_refused():
    with pytest.raises(SubmissionError, match="shots: expected at most 3333333 within one job"):
        batch_ranges(1, 4_000_000, seconds_each=1e-6, instructions_each=50, n_calibrations=2)


def test_a_circuit_that_fits_into_no_job_is_refused():
    with pytest.raises(SubmissionError, match="at most 7146666 control instructions a qubit"):
        batch_ranges(1, 1, seconds_each=1e-6, instructions_each=8_000_000, n_calibrations=2)


def test_instructions_are_those_of_the_busiest_qubit():
    circuit = QuantumCircuit(3, 1)
    circuit.rz(0.1, 0)
    circuit.sx(1)
    circuit.cz(0, 1)
    circuit.rzz(0.1, 1, 2)
    circuit.barrier()
    circuit.delay(16, 1)
    circuit.measure(1, 0)
    # Qubit 1: start 50, sx 2, cz 5, rzz like cz 5, delay 1, measure 10.
    assert instructions_per_qubit(circuit) == 73
    assert instructions_per_qubit(circuit, grows=True) == 50 + 3 * 23
    assert instructions_per_qubit(QuantumCircuit()) == 50


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "no such file; expected the folder of a finished run"),
        (b"{", "is not JSON"),
        (b"[" * 100_000, "is not JSON: it is nested too deeply"),
        (b'{"seed": 1' + b"0" * 5000 + b"}", "expected whole numbers of at most 300 digits"),
        (b'{"seed": Infinity}', "expected finite numbers"),
        (b"\xff", "not UTF-8 text"),
        (b'{"name": 3}', "settings.json"),
        (b"3", "settings.json"),
        (b" " * 2**25, "expected at most 16777216 bytes"),
    ],
)
def test_a_folder_without_settings_is_refused(content, expected, tmp_path):
    if content is not None:
        (tmp_path / "settings.json").write_bytes(content)
    with pytest.raises(SubmissionError, match=expected):
        samples_of_run(tmp_path)


def read_through(probabilities, confusions):
    """Probabilities [n, 2^m] after each bit is misread, written out term by term."""
    n, size = probabilities.shape
    m = len(confusions)
    out = np.zeros((n, size))
    for true in range(size):
        for seen in range(size):
            factor = 1.0
            for bit in range(m):
                factor *= confusions[bit][seen >> bit & 1, true >> bit & 1]
            out[:, seen] += probabilities[:, true] * factor
    return out


@pytest.mark.parametrize("m", [1, 2, 3])
def test_mitigation_undoes_known_readout_errors(m):
    rng = np.random.default_rng(m)
    up, down = rng.uniform(0.01, 0.1, (2, m))
    confusions = [np.array([[1 - u, d], [u, 1 - d]]) for u, d in zip(up, down, strict=True)]
    true = rng.dirichlet(np.ones(2**m), size=4)
    corners = np.eye(2**m)[[0, 2**m - 1]]
    scale = 10**8
    calibration = np.rint(read_through(corners, confusions) * scale).astype(np.int64)
    counts = np.rint(read_through(true, confusions) * scale).astype(np.int64)
    found = confusion_matrices(calibration)
    np.testing.assert_allclose(found, confusions, atol=1e-6)
    corrected = mitigated(counts, found)
    np.testing.assert_allclose(corrected, true, atol=1e-4)
    assert np.abs(counts / scale - true).max() > 0.01


@pytest.mark.parametrize("calibration", [[[50, 50], [50, 50]], [[100, 0], [100, 0]], [[99, 1], [98, 2]]])
def test_a_readout_that_tells_nothing_is_not_undone(calibration):
    counts = np.array([[30, 70], [100, 0]])
    found = mitigated(counts, confusion_matrices(np.array(calibration)))
    np.testing.assert_array_equal(found, counts / 100)


def test_calibration_circuits_measure_the_same_qubits_in_the_same_bits():
    circuit = QuantumCircuit(QuantumRegister(5, "q"), ClassicalRegister(2, "meas"))
    circuit.measure([3, 1], [0, 1])
    zeros, ones = calibration_circuits(circuit)
    assert measured_qubits(circuit) == measured_qubits(zeros) == measured_qubits(ones) == (3, 1)
    assert dict(zeros.count_ops()) == {"measure": 2}
    assert dict(ones.count_ops()) == {"x": 2, "measure": 2}


@pytest.mark.parametrize("calibration", [np.zeros((0, 4), int), np.zeros((2, 4), int), np.ones((3, 4), int)])
def test_calibrations_that_are_none_are_refused(calibration):
    with pytest.raises(SubmissionError, match="expected counts of two calibration circuits"):
        confusion_matrices(calibration)


def test_without_the_extra_one_line_says_what_to_install(monkeypatch):
    real = builtins.__import__

    def blocked(name, *rest):
        if name == "mthree":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", blocked)
    with pytest.raises(SubmissionError, match="needs the extra 'mitigation': pip install 'mthree"):
        mitigated(np.ones((1, 2), dtype=np.int64), [np.eye(2)])


@pytest.mark.parametrize(("delay", "expected"), [(1e-4, 1e-4), (None, 250e-6)])
def test_the_repetition_delay_is_the_devices_own_where_it_tells(delay, expected):
    from qkd_qiskit.runtime.ibm import IBMService

    client = SimpleNamespace(backend=lambda name: SimpleNamespace(default_rep_delay=delay))
    assert IBMService("x", client=client).rep_delay == expected
