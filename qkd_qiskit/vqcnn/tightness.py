"""Which structures a transpiler cannot shorten, so that their native two-qubit count is known beforehand."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from qkd_qiskit.vqcnn.clifford import cx_cost
from qkd_qiskit.vqcnn.genes import Gene
from qkd_qiskit.vqcnn.spec import VQCNNSpec


@dataclass(frozen=True)
class _Gate:
    """A gene on qubits of the chain: the lower one, the upper one, and the gene as if they were (0, 1)."""

    low: int
    high: int
    gene: Gene

    def axis(self, qubit: int) -> str | None:
        return self.gene.axes.get(0 if qubit == self.low else 1 if qubit == self.high else -1)


def native_two_qubit(spec: VQCNNSpec) -> int:
    """CX (or CZ, or ECR) gates that the blocks of a chain-native spec take at most.

    A controlled Pauli takes one, a controlled rotation two. The count is exact where `is_tight` holds.
    """
    return sum(gate.gene.is_two_qubit for gate in _native_gates(spec))


def is_tight(spec: VQCNNSpec) -> bool:
    """Return whether a transpiler finds no two-qubit gate to take away.

    The circuit is written in controlled Paulis and rotations. It is tight if no two-qubit gate can move,
    past gates that commute with it, into a parameter-free run on the same pair that fewer gates can
    replace, and no diagonal one can move to the measurements of both its qubits. The answer is careful:
    False where a transpiler may, but need not, save a gate; a SWAP counts as one that may.

    Args:
        spec: Any structure; where it is not chain-native, routing adds gates all the same.
    """
    return _ends_off_diagonal(spec) and _has_no_short_run(_native_gates(spec))


def _ends_off_diagonal(spec: VQCNNSpec) -> bool:
    """Return whether no diagonal two-qubit gene can move to the measurements of its qubits, to be dropped."""
    gates = _gates(spec)
    measured = set(spec.measured_qubits)
    return not any(
        gate.gene.is_two_qubit
        and set(gate.gene.axes.values()) == {"Z"}
        and {gate.low, gate.high} <= measured
        and all(_commute(gate, later) for later in gates[place + 1 :])
        for place, gate in enumerate(gates)
    )


def _has_no_short_run(gates: list[_Gate]) -> bool:
    for place, gate in enumerate(gates):
        if not gate.gene.is_two_qubit:
            continue
        # Runs are looked for from each gate to the left and to the right, as wide as commuting allows.
        before = _gather(reversed(gates[:place]), gate)
        after = _gather(gates[place + 1 :], gate)
        run = (*reversed(before), gate.gene, *after)
        cost = cx_cost(run)
        if cost == 3 or cost < sum(gene.is_two_qubit for gene in run):
            return False
    return True


def _gates(spec: VQCNNSpec) -> list[_Gate]:
    gates = []
    for block in spec.blocks:
        low, high = sorted(block.qubits)
        for gene in spec.kernels[block.layer].genes:
            if gene.axes:
                along = (low, high) == block.qubits
                gates.append(_Gate(low, high, gene if along else Gene(gene.gate, 1 - gene.orientation)))
    return gates


def _native_gates(spec: VQCNNSpec) -> list[_Gate]:
    return [_Gate(gate.low, gate.high, part) for gate in _gates(spec) for part in _parts(gate.gene)]


@cache
def _parts(gene: Gene) -> tuple[Gene, ...]:
    """Write a gene in controlled Paulis and one-qubit genes, as Qiskit translates it to native gates."""
    if not (gene.is_two_qubit and gene.is_parametrized):
        return (gene,)
    letter, target = gene.name[-1], str(gene.qubits[1])
    rotation = Gene.from_string(f"R{letter}{target}")
    flip = Gene.from_string(f"C{'Z' if letter == 'X' else 'X'}{gene.orientation}{target}")
    return (rotation, flip, rotation, flip)


def _gather(gates: Iterable[_Gate], anchor: _Gate) -> list[Gene]:
    """Parameter-free genes on the anchor's pair that can move next to it."""
    passed: dict[int, set[str]] = {anchor.low: set(), anchor.high: set()}
    run: list[Gene] = []
    for gate in gates:
        axes = {qubit: axis for qubit in passed if (axis := gate.axis(qubit)) is not None}
        on_pair = len(axes) == len(gate.gene.axes)
        movable = on_pair and not gate.gene.is_parametrized
        if axes and movable and all(passed[qubit] <= {axis} for qubit, axis in axes.items()):
            run.append(_relative(gate, anchor))
            continue
        for qubit, axis in axes.items():
            passed[qubit].add(axis)
        if all(len(found) > 1 for found in passed.values()):
            break
    return run


def _relative(gate: _Gate, anchor: _Gate) -> Gene:
    if gate.gene.is_two_qubit:
        return gate.gene
    qubit = gate.low if gate.gene.orientation == 0 else gate.high
    return Gene(gate.gene.gate, int(qubit == anchor.high))


def _commute(first: _Gate, second: _Gate) -> bool:
    return all(
        one is None or two is None or one == two
        for one, two in ((first.axis(qubit), second.axis(qubit)) for qubit in (first.low, first.high))
    )
