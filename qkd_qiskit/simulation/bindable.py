"""Controlled rotations in gates whose parameters Aer can bind, without any noise of their own."""

from __future__ import annotations

from math import pi

from qiskit import QuantumCircuit
from qiskit.circuit import CircuitInstruction
from qiskit_aer.noise import NoiseModel

from qkd_qiskit.errors import SimulationError

# NOTE: with qiskit-aer 0.17 `parameter_binds` gives wrong probabilities for these, and density matrices
# refuse most of them.
_ROTATIONS = ("crx", "cry", "crz")
_OTHERS = ("cp", "cu", "cu1", "cu3")
_USED = ("r", "p", "rzx", "rzz", "s", "sdg")


def bindable(circuit: QuantumCircuit, noise_model: NoiseModel | None) -> QuantumCircuit:
    """Return the circuit with controlled rotations written as a rotation and an Ising interaction.

    `exp(-i t/4 (1 - Z) P) = exp(-i t/4 P) exp(i t/4 Z P)`. Qiskit's own decomposition has CX gates, to
    which a noise model would attach errors that the controlled rotation does not have.

    Args:
        circuit: Any circuit.
        noise_model: The noise that will act on it.

    Raises:
        SimulationError: If controlled rotations, or the gates that replace them, have errors; or another
            controlled gate with a parameter occurs under noise.
    """
    present = set(circuit.count_ops())
    rotations, others = present.intersection(_ROTATIONS), present.intersection(_OTHERS)
    if not rotations and not others:
        return circuit
    noisy = set() if noise_model is None else set(noise_model.noise_instructions)
    refused = sorted((rotations | others) & noisy)
    refused += sorted(noisy.intersection(_USED)) if rotations else []
    refused += sorted(others) if noise_model is not None else []
    if refused:
        raise SimulationError(
            "expected errors on gates whose parameters Aer can bind, found errors on or around "
            f"{refused[0]!r}; transpile to rz, sx, x, cx or cz"
        )
    written = circuit.copy_empty_like()
    for item in circuit.data:
        if item.operation.name in _ROTATIONS:
            _write(written, item)
        else:
            written.append(item)
    return written.decompose(gates_to_decompose=sorted(others)) if others else written


def _write(circuit: QuantumCircuit, item: CircuitInstruction) -> None:
    control, target = item.qubits
    half = item.operation.params[0] / 2
    match item.operation.name:
        case "crz":
            circuit.p(half, target)
            circuit.rzz(-half, control, target)
        case "crx":
            circuit.r(half, 0, target)
            circuit.rzx(-half, control, target)
        case "cry":
            circuit.r(half, pi / 2, target)
            circuit.sdg(target)
            circuit.rzx(-half, control, target)
            circuit.s(target)
