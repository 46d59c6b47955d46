"""Transpiling a spec to a device, and verifying the prediction on the result."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
from qiskit import QuantumCircuit, generate_preset_pass_manager
from qiskit.circuit import ParameterVector
from qiskit.circuit.library import StatePreparation
from qiskit.transpiler import PassManager, StagedPassManager
from qiskit.transpiler.passes import RemoveBarriers

from qkd_qiskit.errors import HardwareError
from qkd_qiskit.hardware.counts import NativeCounts, count_native
from qkd_qiskit.hardware.device import Device
from qkd_qiskit.hardware.equivalence import TOLERANCE, outcome_deviation
from qkd_qiskit.hardware.prediction import predict
from qkd_qiskit.hardware.registry import load_backend
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


def transpile_verified(spec: VQCNNSpec, backend: Device | str, *, seed: int = 0) -> TranspiledVQCNN:
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

    Returns:
        The circuit with the full parameter vectors, the layout and the report.

    Raises:
        HardwareError: If the spec does not fit the device, the seed is negative, or the transpiler has
            changed what the circuit means.
    """
    if seed < 0:
        raise HardwareError(f"seed: expected 0 or more, found {seed}")
    device = backend if isinstance(backend, Device) else load_backend(backend)
    prediction = predict(spec, device)
    logical = build_circuit(spec)
    routed = logical if prediction.route is None else route_circuit(spec, logical, prediction.route)
    isa = _passes(device, seed, prediction.chain).run(routed)
    inputs = tuple(isa.layout.initial_index_layout(filter_ancillas=True))
    circuit = _without_idle_ends(isa, inputs if spec.takes_states else ())
    x, w = parameter_vectors(logical)
    present = {p.index for p in circuit.parameters if p.vector.name == "w"}
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
            counted=count_native(circuit, device.target),
            exact=prediction.exact,
            state_preparation=(
                state_preparation_counts(spec.n_qubits, device, seed=seed) if spec.takes_states else None
            ),
            notes=(*prediction.notes, *device.notes),
        ),
    )
    deviation = _deviation(done, logical)
    if deviation is not None and deviation > TOLERANCE:
        raise HardwareError(
            f"device {device.name}: expected a circuit with the outcomes of its spec, found probabilities "
            f"that differ by {deviation:.2g}"
        )
    return replace(done, report=replace(done.report, deviation=deviation))


def _deviation(done: TranspiledVQCNN, logical: QuantumCircuit) -> float | None:
    circuit, active = without_idle_qubits(done.circuit, done.input_qubits)
    return outcome_deviation(done.spec, logical, circuit, tuple(map(active.index, done.input_qubits)))


def plain_two_qubit_count(spec: VQCNNSpec, device: Device, *, seed: int = 0) -> int:
    """Count the two-qubit gates where level 3 alone finds layout and routing, for comparison with our routes.

    Args:
        spec: The structure.
        device: The device.
        seed: Seed of the transpiler.
    """
    passes = generate_preset_pass_manager(3, target=device.usable_target, seed_transpiler=seed)
    return count_native(passes.run(build_circuit(spec)), device.target).two_qubit


def _passes(device: Device, seed: int, chain: tuple[int, ...] | None) -> StagedPassManager:
    passes = generate_preset_pass_manager(
        optimization_level=3,
        target=device.usable_target,
        initial_layout=None if chain is None else list(chain),
        scheduling_method="alap",
        seed_transpiler=seed,
    )
    # A barrier has done its work once gates are optimized; left in, it would make early qubits wait for late
    # ones.
    passes.pre_scheduling = PassManager([RemoveBarriers()])
    return passes


def _without_idle_ends(circuit: QuantumCircuit, inputs: tuple[int, ...]) -> QuantumCircuit:
    """Leave out delays that cannot change an outcome.

    Args:
        circuit: A scheduled circuit.
        inputs: Physical qubits that do not start in their ground state, so that their first delay matters.
    """
    kept = []
    started = set(inputs)
    for inst in circuit.data:
        places = {circuit.find_bit(q).index for q in inst.qubits}
        if inst.operation.name != "delay":
            started |= places
        kept.append(inst.operation.name != "delay" or places <= started)
    needed: set[int] = set()
    for i, inst in reversed(list(enumerate(circuit.data))):
        places = {circuit.find_bit(q).index for q in inst.qubits}
        if inst.operation.name == "measure" or len(places) == 2:
            needed |= places
        kept[i] &= inst.operation.name != "delay" or places <= needed
    trimmed = circuit.copy_empty_like()
    for inst, keep in zip(circuit.data, kept, strict=True):
        if keep:
            trimmed.append(inst)
    return trimmed


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
    isa = generate_preset_pass_manager(3, target=device.usable_target, seed_transpiler=seed).run(circuit)
    return count_native(isa, device.target)
