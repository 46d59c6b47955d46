"""Simulation of the encoding: each sample's gates, with their errors, once, for many samples at a time.

Qubits that no gate joins stay apart. Others grow together into clusters as their gates come; a qubit that
nothing behind the encoding reads is traced out after its last gate.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.simulation.block_matrices import BlockMatrices, FactorTable, used_harmonics
from qkd_qiskit.simulation.compiled_circuit import CompiledCircuit, FusedBlock, MatrixFactors
from qkd_qiskit.simulation.ptm import N_HARMONICS, PAULI, MatrixBasis, harmonics

Vectors = NDArray[Any]

# PERF: clusters of so many bytes go through together.
_CHUNK_BYTES = 16 * 2**20
_MOST_TOGETHER = 256
# PERF: narrower products cost more than to move the axes.
_NARROW = 64


class SampleEncoder:
    """The gates of the encoding for many samples.

    Attributes:
        groups: Qubits that come as one, in rising order, of those that anything behind the encoding reads.
        sizes: Elements of each group.
        dtype: Of the vectors.
    """

    def __init__(
        self, compiled: CompiledCircuit, basis: MatrixBasis = PAULI, dtype: type[np.number[Any]] | None = None
    ) -> None:
        """Prepare the encoding.

        Args:
            compiled: The compiled circuit.
            basis: What it was compiled in: Pauli vectors, or states of a circuit without noise.
            dtype: Of clusters of several qubits; that of the basis when omitted.
        """
        self._compiled, self._basis = compiled, basis
        self.dtype = basis.dtype if dtype is None else dtype
        self._used = used_harmonics(compiled.encoders)
        self._runs = FactorTable(compiled.encoders, basis.levels, self._used)
        self._table = BlockMatrices(compiled.encoding_blocks, self.dtype, basis)
        self._last = {qubit: k for k, block in enumerate(compiled.encoding_blocks) for qubit in block.qubits}
        self._read = set(range(compiled.n_qubits))
        if basis is PAULI:
            blocks = (qubit for block in compiled.blocks for qubit in block.qubits)
            self._read = {*compiled.measured, *blocks}
        inside = (tuple(q for q in group if q in self._read) for group in compiled.input_groups)
        self.groups = tuple(group for group in inside if group)
        self.sizes = tuple(basis.levels ** len(group) for group in self.groups)

    @property
    def joins(self) -> bool:
        """Whether any gate joins two qubits."""
        return bool(self._compiled.encoding_blocks)

    @property
    def together(self) -> int:
        """Samples that go through together; fewer are filled up, so that a sample always has equal bits."""
        widest = max((len(group) for group in self._compiled.input_groups), default=1)
        room = _CHUNK_BYTES // (np.dtype(self.dtype).itemsize * self._basis.levels**widest)
        return int(max(1, min(_MOST_TOGETHER, room)))

    def key(self) -> bytes:
        """Return a digest of all that the vectors depend on, but the inputs."""
        compiled = self._compiled
        found = hashlib.sha256(repr((compiled.input_angles.key, self.groups, self.dtype)).encode())
        for chain in compiled.encoders:
            _digest(found, chain)
        for block in compiled.encoding_blocks:
            found.update(repr(block.qubits).encode())
            for stage in block.stages:
                for chain in (stage.first, stage.second, stage.two_qubit):
                    _digest(found, chain)
        return found.digest()

    def single(self, inputs: FloatArray) -> Vectors:
        """Return every qubit's vector behind the gates on it alone, `[qubits, samples, levels]`."""
        products, _ = self._runs.products(np.ascontiguousarray(self._waves(inputs)[..., self._used]))
        columns = np.asarray(products[self._runs.rows])
        # |0> is the first basis state, and (I + Z) / 2.
        return columns[..., 0] if self._basis is not PAULI else columns[..., 0] + columns[..., 3]

    def encode(self, inputs: FloatArray) -> Vectors:
        """Return vectors `[samples, sum of sizes]` of inputs `[samples, F]`, group after group."""
        out = np.empty((len(inputs), sum(self.sizes)), dtype=self.dtype)
        for start in range(0, len(inputs), self.together):
            rows = inputs[start : start + self.together]
            filled = np.concatenate([rows, np.repeat(rows[:1], self.together - len(rows), axis=0)])
            out[start : start + len(rows)] = self._encode(filled)[: len(rows)]
        return out

    def split(self, vectors: Vectors) -> list[Vectors]:
        """Return the groups' parts `[samples, size]` of what `encode` returned."""
        ends = np.cumsum(self.sizes)
        return [vectors[:, end - size : end] for end, size in zip(ends, self.sizes, strict=True)]

    def _waves(self, inputs: FloatArray) -> FloatArray:
        angles = self._compiled.input_angles.values(inputs)
        waves = np.zeros((angles.shape[1] + 1, len(inputs), N_HARMONICS))
        waves[:-1] = harmonics(angles.T)
        waves[-1, :, 0] = 1.0
        return waves

    def _encode(self, inputs: FloatArray) -> Vectors:
        pairs, _, _ = self._table.build(self._waves(inputs))
        clusters = {
            qubit: _Together((qubit,), vectors.astype(self.dtype), self._basis.levels)
            for qubit, vectors in enumerate(self.single(inputs))
        }
        for k, block in enumerate(self._compiled.encoding_blocks):
            first, second = _pair(block)
            cluster = clusters[first]
            if second not in cluster.qubits:
                cluster = cluster.joined(clusters[second])
            cluster = cluster.after(pairs[self._table.slots[k]], first, second)
            for qubit in (first, second):
                if self._last[qubit] == k and qubit not in self._read:
                    cluster = cluster.traced(qubit)
            clusters.update(dict.fromkeys((first, second, *cluster.qubits), cluster))
        return np.concatenate([clusters[group[0]].ordered(group) for group in self.groups], axis=1)


class _Together:
    """Vectors `[samples, elements]` of some qubits, whose axes stand in some order."""

    def __init__(self, qubits: tuple[int, ...], vectors: Vectors, levels: int) -> None:
        self.qubits, self._vectors, self._levels = qubits, vectors, levels

    def joined(self, other: _Together) -> _Together:
        product = self._vectors[:, :, None] * other._vectors[:, None, :]
        return self._with((*self.qubits, *other.qubits), product.reshape(len(product), -1))

    def after(self, matrices: Vectors, first: int, second: int) -> _Together:
        """Apply a matrix of each sample, `[samples, d, d]`."""
        n, width = len(self._vectors), self._levels**2
        place = self.qubits.index(first)
        neighbours = self.qubits[place : place + 2] == (first, second)
        left = self._levels**place
        right = self._vectors.shape[1] // (left * width)
        if neighbours and right == 1:
            flat = self._vectors.reshape(n, left, width)
            return self._with(self.qubits, np.matmul(flat, np.swapaxes(matrices, 1, 2)).reshape(n, -1))
        if neighbours and (left == 1 or right >= _NARROW):
            apart = self._vectors.reshape(n, left, width, right)
            return self._with(self.qubits, np.matmul(matrices[:, None], apart).reshape(n, -1))
        order = (first, second, *(q for q in self.qubits if q not in (first, second)))
        tensor = self.ordered(order).reshape(n, width, -1)
        return self._with(order, np.matmul(matrices, tensor).reshape(n, -1))

    def traced(self, qubit: int) -> _Together:
        """Leave a qubit out: the component I of Pauli vectors remains."""
        place = self.qubits.index(qubit)
        tensor = self._vectors.reshape(len(self._vectors), self._levels**place, self._levels, -1)
        left = tuple(q for q in self.qubits if q != qubit)
        return self._with(left, np.ascontiguousarray(tensor[:, :, 0]).reshape(len(tensor), -1))

    def ordered(self, qubits: Sequence[int]) -> Vectors:
        """Return the vectors with the axes in another order."""
        if tuple(qubits) == self.qubits:
            return self._vectors
        tensor = self._vectors.reshape(len(self._vectors), *(self._levels,) * len(self.qubits))
        axes = (0, *(1 + self.qubits.index(qubit) for qubit in qubits))
        return np.ascontiguousarray(tensor.transpose(axes)).reshape(len(tensor), -1)

    def _with(self, qubits: tuple[int, ...], vectors: Vectors) -> _Together:
        return _Together(qubits, vectors, self._levels)


def _pair(block: FusedBlock) -> tuple[int, int]:
    assert block.second is not None
    return block.first, block.second


def _digest(found: Any, chain: MatrixFactors) -> None:
    found.update(repr((chain.dimension, chain.angles)).encode())
    for coefficients in chain.coefficients:
        found.update(np.ascontiguousarray(coefficients).tobytes())
