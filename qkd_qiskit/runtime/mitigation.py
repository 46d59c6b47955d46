"""Readout mitigation by mthree, calibrated in the same job: the only module that imports it."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.errors import SubmissionError
from qkd_qiskit.extras import missing_extra

Counts = NDArray[np.int64]
# Below this determinant of a confusion matrix its inverse would blow shot noise up to nonsense.
_TELLS_NOTHING = 0.02


def has_mitigation() -> bool:
    """Return whether the extra is installed."""
    return find_spec("mthree") is not None


def mitigation_missing() -> str:
    """Return how to get the extra, in one line."""
    return missing_extra("readout mitigation", "mitigation")


def measured_qubits(circuit: QuantumCircuit) -> tuple[int, ...]:
    """Physical qubits in the order of the measured bits."""
    found = {
        circuit.find_bit(item.clbits[0]).index: circuit.find_bit(item.qubits[0]).index
        for item in circuit.data
        if item.operation.name == "measure"
    }
    return tuple(found[bit] for bit in sorted(found))


def calibration_circuits(circuit: QuantumCircuit) -> tuple[QuantumCircuit, QuantumCircuit]:
    """Return two circuits that prepare all measured qubits in 0, and in 1, and read them like `circuit`."""
    qubits = measured_qubits(circuit)
    made = []
    for prepared in (0, 1):
        calibration = QuantumCircuit(*circuit.qregs, *circuit.cregs)
        if prepared:
            calibration.x(qubits)
        calibration.measure(qubits, range(len(qubits)))
        made.append(calibration)
    return made[0], made[1]


def confusion_matrices(calibration: Counts) -> list[FloatArray]:
    """Confusion matrices of the measured bits, from the counts of the two calibration circuits.

    Args:
        calibration: [2, 2^m], prepared in 0 and in 1.

    Returns:
        For each bit, `[seen, prepared]`.

    Raises:
        SubmissionError: If there are not two rows with counts.
    """
    if len(calibration) != 2 or not calibration.sum(axis=1).all():
        raise SubmissionError(f"expected counts of two calibration circuits, found shape {calibration.shape}")
    m = int(calibration.shape[1]).bit_length() - 1
    matrices = []
    for bit in range(m):
        is_one = (np.arange(2**m) >> bit) & 1 == 1
        ones = calibration[:, is_one].sum(axis=1) / calibration.sum(axis=1)
        matrices.append(np.array([1 - ones, ones]))
    return matrices


def mitigated(counts: Counts, matrices: Sequence[FloatArray]) -> FloatArray:
    """Undo readout errors: return the probabilities nearest to the quasi-probabilities that mthree finds.

    Args:
        counts: [n, 2^m].
        matrices: Confusion matrix `[seen, prepared]` of each bit.

    Returns:
        Probabilities [n, 2^m]; the frequencies themselves where a bit's readout tells nothing of what was
        prepared, so that nothing can be undone.

    Raises:
        SubmissionError: If the extra is missing.
    """
    try:
        import mthree
    except ImportError:
        raise SubmissionError(mitigation_missing()) from None
    m = len(matrices)
    if min(abs(np.linalg.det(matrix)) for matrix in matrices) < _TELLS_NOTHING:
        return np.asarray(counts / counts.sum(axis=1, keepdims=True))
    corrector = mthree.M3Mitigation()
    corrector.cals_from_matrices([np.asarray(matrix, dtype=np.float32) for matrix in matrices])
    out = np.zeros(counts.shape)
    for row, seen in zip(out, counts, strict=True):
        table = {format(k, f"0{m}b"): int(n) for k, n in enumerate(seen) if n}
        quasi = corrector.apply_correction(table, list(range(m)))
        for bits, probability in quasi.nearest_probability_distribution().items():
            row[int(bits, 2)] = probability
    return out
