"""Amplitudes as matrix product states."""

from __future__ import annotations

from types import MappingProxyType

from qkd_qiskit.encoding.fitted_amplitudes import FittedAmplitudeEncoding
from qkd_qiskit.encoding.options import Option
from qkd_qiskit.encoding.real_circuits import RealCircuit, staircase


class MpsAmplitudeEncoding(FittedAmplitudeEncoding):
    """Layers of matrix product states of bond dimension 2, one gate after the other along the chain."""

    name = "amplitude_mps"
    code = 17
    options = MappingProxyType({"layers": Option(1, 1, 8, "matrix product states on top of each other")})

    def structure(self, n_qubits: int) -> RealCircuit:
        """Return the circuit: 2n - 3 CZ in the first layer, 2n - 2 in each other."""
        return staircase(n_qubits, self.option("layers"))
