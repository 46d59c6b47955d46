"""Pass managers: level 3 on a device's healthy gates, and angles folded into the range of `rzz`."""

from __future__ import annotations

from qiskit import QuantumCircuit, generate_preset_pass_manager
from qiskit.circuit import QuantumRegister
from qiskit.circuit.library import GlobalPhaseGate
from qiskit.dagcircuit import DAGCircuit
from qiskit.transpiler import PassManager, Target
from qiskit.transpiler.basepasses import TransformationPass
from qiskit.transpiler.passes import Optimize1qGatesDecomposition, RemoveBarriers
from qiskit_ibm_runtime.transpiler.passes import FoldRzzAngle

from qkd_qiskit.hardware.device import Device
from qkd_qiskit.hardware.targets import select_qubits


def level_3(
    circuit: QuantumCircuit,
    device: Device,
    *,
    seed: int,
    chain: tuple[int, ...] | None = None,
    scheduled: bool = True,
) -> tuple[QuantumCircuit, tuple[int, ...]]:
    """Transpile a circuit with level 3 to a device's healthy gates.

    Args:
        circuit: With or without barriers.
        device: The device.
        seed: Seed of the transpiler.
        chain: Physical qubit of each virtual one; level 3 looks for a layout when None.
        scheduled: Whether idle times become delays, as late as possible.

    Returns:
        The circuit on all physical qubits, and the physical qubit that each virtual one starts on.
    """
    target, qubits = device.usable_target, tuple(range(device.n_qubits))
    if chain is None and 2 * len(device.usable_qubits) < device.n_qubits:
        # NOTE: the layout search of Qiskit 2.6 panics ("capacity overflow") where few of many qubits are
        # coupled.
        qubits = device.usable_qubits
        target = select_qubits(target, qubits)
    passes = generate_preset_pass_manager(
        optimization_level=3,
        target=target,
        initial_layout=None if chain is None else list(chain),
        scheduling_method="alap" if scheduled else None,
        seed_transpiler=seed,
    )
    if scheduled:
        # A barrier has done its work once gates are optimized; left in, it would make early qubits wait for
        # late ones.
        passes.pre_scheduling = PassManager(
            [RemoveBarriers(), *(_folding(target) if device.fractional else ())]
        )
    found = passes.run(circuit)
    inputs = tuple(qubits[q] for q in found.layout.initial_index_layout(filter_ancillas=True))
    return (found if len(qubits) == device.n_qubits else _placed(found, qubits, device.n_qubits)), inputs


def _placed(circuit: QuantumCircuit, qubits: tuple[int, ...], width: int) -> QuantumCircuit:
    """Return a circuit on all qubits of a device, whose qubit i is physical qubit `qubits[i]`."""
    wide = QuantumCircuit(
        QuantumRegister(width, "q"),
        *circuit.cregs,
        name=circuit.name,
        global_phase=circuit.global_phase,
        metadata=circuit.metadata,
    )
    for inst in circuit.data:
        places = [wide.qubits[qubits[circuit.find_bit(qubit).index]] for qubit in inst.qubits]
        wide.append(inst.operation, places, inst.clbits)
    return wide


def folded(circuit: QuantumCircuit, device: Device) -> QuantumCircuit:
    """Return an ISA circuit with the angles of all `rzz` in [0, pi/2], scheduled anew.

    What an angle loses, a quarter or half turn, goes into the one-qubit gates beside it.

    Args:
        circuit: On physical qubits; no `rzz` has a free parameter. Its delays are made anew.
        device: A device with fractional gates.
    """
    bare = circuit.copy_empty_like()
    for inst in circuit.data:
        if inst.operation.name != "delay":
            bare.append(inst)
    passes = generate_preset_pass_manager(
        optimization_level=0,
        target=device.usable_target,
        initial_layout=list(range(circuit.num_qubits)),
        scheduling_method="alap",
    )
    passes.optimization = PassManager(_folding(device.usable_target))
    return passes.run(bare)


def without_idle_ends(circuit: QuantumCircuit, inputs: tuple[int, ...]) -> QuantumCircuit:
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


class _PhaseOfTheCircuit(TransformationPass):  # type: ignore[misc]
    """Turn gates of a global phase into the circuit's own: old folding leaves some, without duration."""

    def run(self, dag: DAGCircuit) -> DAGCircuit:
        """Return the circuit without these gates."""
        for node in dag.op_nodes(GlobalPhaseGate):
            dag.global_phase += node.op.params[0]
            dag.remove_op_node(node)
        return dag


def _folding(target: Target) -> tuple[TransformationPass, ...]:
    return FoldRzzAngle(), _PhaseOfTheCircuit(), Optimize1qGatesDecomposition(target=target)
