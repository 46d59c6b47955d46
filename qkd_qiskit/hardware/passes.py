"""Pass managers: level 3 on a device's healthy gates, and angles folded into the range of `rzz`."""

from __future__ import annotations

from qiskit import QuantumCircuit, generate_preset_pass_manager
from qiskit.transpiler import PassManager, StagedPassManager
from qiskit.transpiler.passes import Optimize1qGatesDecomposition, RemoveBarriers
from qiskit_ibm_runtime.transpiler.passes import FoldRzzAngle

from qkd_qiskit.hardware.device import Device


def verified_passes(device: Device, seed: int, chain: tuple[int, ...] | None) -> StagedPassManager:
    """Return level 3's passes, and a schedule as late as possible.

    Args:
        device: Whose healthy gates are used.
        seed: Seed of the transpiler.
        chain: Physical qubit of each virtual one; level 3 looks for a layout when None.
    """
    passes = generate_preset_pass_manager(
        optimization_level=3,
        target=device.usable_target,
        initial_layout=None if chain is None else list(chain),
        scheduling_method="alap",
        seed_transpiler=seed,
    )
    # A barrier has done its work once gates are optimized; left in, it would make early qubits wait for late
    # ones.
    passes.pre_scheduling = PassManager([RemoveBarriers(), *(_folding(device) if device.fractional else ())])
    return passes


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
    passes.optimization = PassManager(_folding(device))
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


def _folding(device: Device) -> tuple[FoldRzzAngle, Optimize1qGatesDecomposition]:
    return FoldRzzAngle(), Optimize1qGatesDecomposition(target=device.usable_target)
