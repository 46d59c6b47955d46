"""Transpiling a spec to a device, and verifying the prediction on the result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from numbers import Integral

import numpy as np
from numpy.typing import ArrayLike
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterExpression, ParameterVector
from qiskit.circuit.library import StatePreparation
from qiskit_ibm_runtime.utils.utils import is_isa_circuit

from qkd_qiskit.arguments import NOTHING, found, items, plain, takes
from qkd_qiskit.errors import HardwareError
from qkd_qiskit.hardware.counts import NativeCounts, count_native
from qkd_qiskit.hardware.device import Device
from qkd_qiskit.hardware.equivalence import TOLERANCE, outcome_deviation, random_point
from qkd_qiskit.hardware.passes import folded, level_3, without_idle_ends
from qkd_qiskit.hardware.prediction import predict
from qkd_qiskit.hardware.registry import DEVICE_KINDS, DeviceLike, load_backend
from qkd_qiskit.hardware.report import GateReport
from qkd_qiskit.hardware.routed import route_circuit
from qkd_qiskit.vqcnn import VQCNNSpec, build_circuit, parameter_vectors, without_idle_qubits


@dataclass(frozen=True, eq=False)
class TranspiledVQCNN:
    """A VQCNN in a device's native gates, scheduled.

    Attributes:
        circuit: ISA circuit on all physical qubits; idle times that matter are `Delay` instructions.
        spec: The structure.
        x: Input parameters; None where inputs are states.
        w: All weight parameters of the spec, removed ones included.
        removed_weights: Positions in `w` that the circuit has lost, because they cannot change an outcome.
        input_qubits: Physical qubit of each virtual qubit at the start of the circuit.
        device_name: Name of the device.
        seed: Seed of the transpiler.
        report: Predicted and counted gates.
    """

    circuit: QuantumCircuit
    spec: VQCNNSpec
    x: ParameterVector | None
    w: ParameterVector
    removed_weights: tuple[int, ...]
    input_qubits: tuple[int, ...]
    device_name: str
    seed: int
    report: GateReport

    @cached_property
    def active_qubits(self) -> tuple[int, ...]:
        """Physical qubits that the circuit or its input uses, sorted."""
        return without_idle_qubits(self.circuit, self.input_qubits)[1]


@takes(
    HardwareError,
    spec=VQCNNSpec,
    backend=DEVICE_KINDS,
    seed=Integral,
    chain=(tuple, list, np.ndarray, NOTHING),
)
def transpile_verified(
    spec: VQCNNSpec, backend: DeviceLike, *, seed: int = 0, chain: Sequence[int] | None = None
) -> TranspiledVQCNN:
    """Transpile a spec to a device and count what was predicted.

    Level 3 preset passes on the device's healthy gates. Chain-native specs are put on the best chain, so
    that they need no routing; trees of `su4` blocks are put there along `line_route`; others get level 3's
    layout. Then everything is scheduled as late as possible
    within the device's timing constraints, and idle times become delays. Delays that cannot matter are left
    out: before a qubit's first gate, where it rests in its ground state, and after the last two-qubit gate
    of a qubit that is not measured.

    Up to 14 qubits the result is simulated beside the spec's own circuit: it must give the same outcomes.

    Args:
        spec: The structure.
        backend: A device, or what `load_backend` takes.
        seed: Seed of the transpiler, at least 0; equal seeds give equal circuits.
        chain: Physical qubits, in chain order, for a spec that runs on a chain; the best ones when omitted.

    Returns:
        The circuit with the full parameter vectors, the layout and the report.

    Raises:
        HardwareError: If the spec does not fit the device or the chain, the seed is negative, or the
            transpiler has changed what the circuit means.
    """
    if seed < 0:
        raise HardwareError(f"seed: expected 0 or more, found {seed}")
    places = None
    if chain is not None:
        places = tuple(map(plain, items(HardwareError, "chain", chain, "physical qubits")))
    for qubit in places or ():
        if not isinstance(qubit, Integral):
            raise HardwareError(f"chain: expected physical qubits, found {found(qubit)}")
    device = load_backend(backend)
    prediction = predict(spec, device, chain=places)
    logical = build_circuit(spec)
    routed = logical if prediction.route is None else route_circuit(spec, logical, prediction.route)
    isa, inputs = level_3(routed, device, seed=seed, chain=prediction.chain)
    circuit = without_idle_ends(isa, () if spec.executable else inputs)
    x, w = parameter_vectors(logical)
    present = {p.index for p in circuit.parameters if p.vector.name == "w"}
    counted = count_native(circuit, device.target)
    exact = prediction.exact and prediction.counts.two_qubit == counted.two_qubit
    notes = prediction.notes
    if exact != prediction.exact:
        notes += ("The transpiler made another number of two-qubit gates than was predicted as exact.",)
    if device.fractional and _has_free_rzz(circuit, "w"):
        notes += ("Angles of rzz are folded into [0, pi/2] when weights are bound.",)
    done = TranspiledVQCNN(
        circuit=circuit,
        spec=spec,
        x=x,
        w=w,
        removed_weights=tuple(i for i in range(spec.n_weights) if i not in present),
        input_qubits=inputs,
        device_name=device.name,
        seed=seed,
        report=GateReport(
            predicted=prediction.counts,
            counted=counted,
            exact=exact,
            state_preparation=(
                None if spec.executable else state_preparation_counts(spec.n_qubits, device, seed=seed)
            ),
            notes=(*notes, *device.caveats),
        ),
    )
    deviation = _deviation(done, logical)
    if device.fractional and not _has_free_rzz(circuit, "x"):
        bound = fold_angles(done, random_point(spec, 0)[1], device)
        deviation = _larger(deviation, _deviation(bound, logical))
    if deviation is not None and deviation > TOLERANCE:
        raise HardwareError(
            f"device {device.name}: expected a circuit with the outcomes of its spec, found probabilities "
            f"that differ by {deviation:.2g}"
        )
    return replace(done, report=replace(done.report, deviation=deviation))


def fold_angles(transpiled: TranspiledVQCNN, weights: ArrayLike, device: Device) -> TranspiledVQCNN:
    """Bind the weights of a circuit with fractional gates, so that it is legal on the device.

    `rzz` is calibrated for angles in [0, pi/2]. No angle that hangs on weights stays there for all of them,
    so it is folded when they are known. The circuit then differs from the one that was trained in one-qubit
    gates alone; ideal outcomes are the same.

    Args:
        transpiled: From `transpile_verified`.
        weights: Radians [W].
        device: The device that it was transpiled to.

    Returns:
        The same with inputs alone free, all weights among those removed, and what is counted counted anew.

    Raises:
        HardwareError: If there are not W finite weights, or the Runtime's check finds a gate that the device
            does not take.
    """
    values = np.asarray(weights, dtype=np.float64)
    n_weights = transpiled.spec.n_weights
    if values.shape != (n_weights,) or not np.isfinite(values).all():
        raise HardwareError(f"expected {n_weights} finite weights, found shape {values.shape}")
    present = [p for p in transpiled.circuit.parameters if p.vector.name == "w"]
    if _has_free_rzz(transpiled.circuit, "x"):
        raise HardwareError(
            f"device {device.name}: expected an encoding without inputs in fractional rzz, which takes "
            f"angles in [0, pi/2] alone, found {transpiled.spec.encoding}; take the plain device"
        )
    bound = transpiled.circuit.assign_parameters({p: float(values[p.index]) for p in present})
    inputs = () if transpiled.spec.executable else transpiled.input_qubits
    circuit = without_idle_ends(folded(bound, device), inputs)
    reason = is_isa_circuit(circuit, device.target)
    if reason:
        raise HardwareError(f"device {device.name}: {reason}")
    return replace(
        transpiled,
        circuit=circuit,
        removed_weights=tuple(range(n_weights)),
        report=replace(transpiled.report, counted=count_native(circuit, device.target)),
    )


def _has_free_rzz(circuit: QuantumCircuit, vector: str) -> bool:
    """Return whether the angle of any `rzz` hangs on elements of a parameter vector."""
    angles = (inst.operation.params[0] for inst in circuit.data if inst.operation.name == "rzz")
    free = (angle.parameters for angle in angles if isinstance(angle, ParameterExpression))
    return any(p.vector.name == vector for parameters in free for p in parameters)


def _deviation(done: TranspiledVQCNN, logical: QuantumCircuit) -> float | None:
    circuit, active = without_idle_qubits(done.circuit, done.input_qubits)
    return outcome_deviation(done.spec, logical, circuit, tuple(map(active.index, done.input_qubits)))


def _larger(first: float | None, second: float | None) -> float | None:
    return None if first is None or second is None else max(first, second)


def plain_two_qubit_count(spec: VQCNNSpec, device: Device, *, seed: int = 0) -> int:
    """Count the two-qubit gates where level 3 alone finds layout and routing, for comparison with our routes.

    Args:
        spec: The structure.
        device: The device.
        seed: Seed of the transpiler.
    """
    plain, _ = level_3(build_circuit(spec), device, seed=seed, scheduled=False)
    return count_native(plain, device.target).two_qubit


@lru_cache(maxsize=128)
def state_preparation_counts(n_qubits: int, device: Device, *, seed: int = 0) -> NativeCounts:
    """Count the native gates of preparing a generic real state, which a simulation gets for free.

    Args:
        n_qubits: Width of the state.
        device: The device.
        seed: Seed of the state and of the transpiler.

    Raises:
        HardwareError: If the device has fewer usable qubits.
    """
    if n_qubits > len(device.usable_qubits):
        raise HardwareError(
            f"device {device.name}: expected at most {len(device.usable_qubits)} qubits, found {n_qubits}"
        )
    state = np.random.default_rng(seed).normal(size=2**n_qubits)
    circuit = QuantumCircuit(n_qubits)
    circuit.append(StatePreparation(state / np.linalg.norm(state)), range(n_qubits))
    isa, _ = level_3(circuit, device, seed=seed, scheduled=False)
    return count_native(isa, device.target)
