"""Matrices of kernels, written down apart from the package and from Qiskit."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.linalg import expm

PAULIS = {
    "X": np.array([[0, 1], [1, 0]], dtype=complex),
    "Y": np.array([[0, -1j], [1j, 0]]),
    "Z": np.diag([1.0, -1.0]).astype(complex),
    "I": np.eye(2, dtype=complex),
}


def gene_matrix(word: str, angle: float = 0.0) -> np.ndarray:
    """Unitary [4, 4] of one gene (`CRX10`), the pair's first qubit being the least significant bit."""
    name, places = word.rstrip("01"), word[len(word.rstrip("01")) :]
    pauli = PAULIS[name[-1]]
    gate = expm(-0.5j * angle * pauli) if "R" in name else pauli
    on_target = [np.eye(2), np.eye(2)]
    on_target[int(places[-1])] = gate
    applied = np.kron(on_target[1], on_target[0])
    if not name.startswith("C"):
        return applied
    control = [(index >> int(places[0])) & 1 for index in range(4)]
    return np.diag([1.0 - bit for bit in control]) + np.diag([float(bit) for bit in control]) @ applied


@pytest.fixture(scope="session")
def matrix() -> Callable[..., np.ndarray]:
    """Unitary of a gate string, with one angle for each parametrized gene."""

    def of(text: str, angles: tuple[float, ...] = ()) -> np.ndarray:
        unitary, left = np.eye(4, dtype=complex), list(angles)
        for word in text.split():
            unitary = gene_matrix(word, left.pop(0) if "R" in word else 0.0) @ unitary
        assert not left, "more angles than parametrized genes"
        return unitary

    return of


@pytest.fixture(scope="session")
def equal_up_to_phase() -> Callable[[np.ndarray, np.ndarray], bool]:
    def check(one: np.ndarray, two: np.ndarray) -> bool:
        return bool(abs(abs(np.trace(one.conj().T @ two)) / len(one) - 1) < 1e-9)

    return check
