"""Circuits side by side in one, with a classical register a copy: joined, taken apart, and their counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit import ClassicalRegister, QuantumCircuit
from qiskit.circuit import ParameterVector

from qkd_qiskit.runtime.service import Counts, JobRequest
from qkd_qiskit.simulation.sampler import REGISTER

_INPUTS, _REGISTER = "inputs", "copy"


def joined_circuit(
    circuits: Sequence[QuantumCircuit], inputs: Sequence[int], *, align: bool
) -> QuantumCircuit:
    """Put ISA circuits of one device side by side.

    Args:
        circuits: On the same physical qubits, of which no two use the same; measured into `meas`, with the
            inputs `x` as their only parameters.
        inputs: Columns of each circuit's inputs.
        align: Whether all copies are read at the same time, as a device should: then no readout meets the
            gates of another copy.

    Returns:
        A circuit with the registers `copy0`, `copy1` and so on, and one vector of all inputs, copy by copy.
    """
    vector = ParameterVector(_INPUTS, sum(inputs))
    registers = [ClassicalRegister(c.num_clbits, f"{_REGISTER}{k}") for k, c in enumerate(circuits)]
    joined = QuantumCircuit(*circuits[0].qregs, *registers, name="packed")
    measurements = []
    first = 0
    for circuit, register, width in zip(circuits, registers, inputs, strict=True):
        renamed = circuit.assign_parameters({p: vector[first + p.index] for p in circuit.parameters})
        first += width
        for item in renamed.data:
            qubits = [renamed.find_bit(qubit).index for qubit in item.qubits]
            clbits = [register[renamed.find_bit(bit).index] for bit in item.clbits]
            if item.operation.name == "measure":
                measurements.append((qubits[0], clbits[0]))
            else:
                joined.append(item.operation, qubits, clbits)
    if align:
        joined.barrier([qubit for qubit, _ in measurements])
    for qubit, bit in measurements:
        joined.measure(qubit, bit)
    return joined


def alone_circuits(circuit: QuantumCircuit, inputs: NDArray[np.float64]) -> tuple[QuantumCircuit, ...]:
    """Return each copy of a packed circuit without the others, with its inputs bound.

    Args:
        circuit: From `joined_circuit`.
        inputs: Inputs of all copies, [rows, columns].

    Returns:
        One circuit a row and copy, row by row.
    """
    copies = _separate(circuit)
    return tuple(
        copy.assign_parameters({p: float(row[p.index]) for p in copy.parameters})
        for row in inputs
        for copy in copies
    )


def separated(request: JobRequest) -> dict[str, list[JobRequest]]:
    """Return requests for each copy alone: circuits on disjoint qubits have nothing to do with each other.

    Args:
        request: Of a packed circuit.

    Returns:
        By the name of each register: the request for the samples, then one for each calibration circuit that
        measures it. All measure into `meas`, and have seeds of their own: Aer gives the circuits of one run
        the same random numbers.
    """
    parameters = {parameter: k for k, parameter in enumerate(request.circuit.parameters)}
    found = {
        part.cregs[0].name: [(part, request.values[:, [parameters[p] for p in part.parameters]])]
        for part in _separate(request.circuit)
    }
    for calibration in request.calibrations:
        for part in _separate(calibration):
            found[part.cregs[0].name].append((part, np.empty((1, 0))))
    seeds = iter(np.random.SeedSequence(request.seed).spawn(sum(map(len, found.values()))))
    return {
        name: [
            replace(
                request,
                circuit=_measured_into(part, REGISTER),
                values=values,
                calibrations=(),
                # Simulators take seeds up to 2^31, and add to them.
                seed=int(next(seeds).generate_state(1)[0]) >> 2,
            )
            for part, values in parts
        ]
        for name, parts in found.items()
    }


def packed_counts(
    rows: Mapping[str, Counts], calibrations: Sequence[Mapping[str, Counts]]
) -> tuple[Counts, Counts]:
    """Put the counts of all registers together.

    Args:
        rows: Counts [rows, 2^m] of each copy's register, by its name; m may differ.
        calibrations: Counts [2^m] of the registers that each calibration circuit measures, by name.

    Returns:
        Counts [rows, copies, 2^m] and [calibrations, copies, 2^m], m the most bits of a copy. What a
        calibration circuit does not measure has no counts.
    """
    names = sorted(rows, key=lambda name: int(name.removeprefix(_REGISTER)))
    size = max(found.shape[1] for found in rows.values())
    counts = np.zeros((len(rows[names[0]]), len(names), size), dtype=np.int64)
    calibration = np.zeros((len(calibrations), len(names), size), dtype=np.int64)
    for c, name in enumerate(names):
        own = rows[name].shape[1]
        counts[:, c, :own] = rows[name]
        for k, found in enumerate(calibrations):
            if name in found:
                calibration[k, c, :own] = found[name]
    return counts, calibration


def _separate(circuit: QuantumCircuit) -> tuple[QuantumCircuit, ...]:
    """Cut a circuit into what each of its registers depends on, in the order of the registers."""
    group = {qubit: {qubit} for qubit in circuit.qubits}
    for item in circuit.data:
        if item.operation.name != "barrier" and len(item.qubits) > 1:
            merged = set().union(*(group[qubit] for qubit in item.qubits))
            group |= dict.fromkeys(merged, merged)
    register_of = {bit: register for register in circuit.cregs for bit in register}
    needed: dict[str, set[Any]] = {register.name: set() for register in circuit.cregs}
    for item in circuit.data:
        if item.clbits:
            needed[register_of[item.clbits[0]].name] |= group[item.qubits[0]]
    parts = []
    for register in circuit.cregs:
        part = QuantumCircuit(*circuit.qregs, register)
        for item in circuit.data:
            others = {register_of[bit] for bit in item.clbits} - {register}
            if (
                item.operation.name != "barrier"
                and needed[register.name].issuperset(item.qubits)
                and not others
            ):
                part.append(item)
        parts.append(part)
    return tuple(parts)


def _measured_into(circuit: QuantumCircuit, name: str) -> QuantumCircuit:
    """Return a circuit of one register with that register named otherwise."""
    register = ClassicalRegister(circuit.num_clbits, name)
    renamed = QuantumCircuit(*circuit.qregs, register)
    for item in circuit.data:
        bits = [register[circuit.find_bit(bit).index] for bit in item.clbits]
        renamed.append(item.operation, item.qubits, bits)
    return renamed
