"""Small circuits and noise models that every test of the engine uses."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit.circuit.library import XGate
from qiskit.quantum_info import Operator
from qiskit_aer.noise import (
    NoiseModel,
    ReadoutError,
    amplitude_damping_error,
    coherent_unitary_error,
    depolarizing_error,
    kraus_error,
    pauli_error,
    thermal_relaxation_error,
)


@pytest.fixture
def noise_zoo() -> NoiseModel:
    """Every kind of quantum error that Aer knows, on some gate, with readout errors."""
    model = NoiseModel()
    model.add_all_qubit_quantum_error(depolarizing_error(0.01, 1), ["ry"])
    model.add_quantum_error(thermal_relaxation_error(50e-6, 60e-6, 2e-6), ["rz"], [0])
    model.add_quantum_error(amplitude_damping_error(0.03), ["rz"], [1])
    model.add_quantum_error(pauli_error([("X", 0.02), ("Y", 0.01), ("I", 0.97)]), ["ry"], [2])
    model.add_all_qubit_quantum_error(depolarizing_error(0.02, 2), ["cx"])
    tilt = Operator(np.diag([1, np.exp(0.1j), np.exp(-0.05j), 1]))
    model.add_quantum_error(coherent_unitary_error(tilt), ["cx"], [1, 0])
    damp = [np.array([[1, 0], [0, np.sqrt(0.9)]]), np.array([[0, np.sqrt(0.1)], [0, 0]])]
    model.add_quantum_error(kraus_error(damp).tensor(pauli_error([("Z", 0.1), ("I", 0.9)])), ["cx"], [0, 1])
    model.add_quantum_error(coherent_unitary_error(Operator(XGate()).power(0.05)), ["ry"], [1])
    model.add_readout_error(ReadoutError([[0.95, 0.05], [0.1, 0.9]]), [1])
    model.add_all_qubit_readout_error(ReadoutError([[0.97, 0.03], [0.06, 0.94]]))
    return model
