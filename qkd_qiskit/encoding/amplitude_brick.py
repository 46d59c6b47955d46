"""Amplitudes by a brick wall of gates."""

from __future__ import annotations

from types import MappingProxyType

from qkd_qiskit.encoding.fitted_amplitudes import FittedAmplitudeEncoding
from qkd_qiskit.encoding.options import Option
from qkd_qiskit.encoding.real_circuits import RealCircuit, brickwall


class BrickAmplitudeEncoding(FittedAmplitudeEncoding):
    """Layers of CZ on even and odd pairs in turn: closer than as many gates in a staircase, and less deep."""

    name = "amplitude_brick"
    code = 18
    options = MappingProxyType({"layers": Option(8, 1, 32, "layers of CZ on even or odd pairs")})

    def structure(self, n_qubits: int) -> RealCircuit:
        """Return the circuit: on average (n - 1) / 2 CZ a layer, all at the same time."""
        return brickwall(n_qubits, self.option("layers"))
