"""The parts of a compiled circuit: steps, runs, stages, blocks, affine angles.

One-qubit gates between two-qubit gates fuse into *runs*, neighbouring two-qubit gates on one pair into
*blocks*:

    block = U_k (A_k x B_k) ... U_2 (A_2 x B_2) U_1 (A_1 x B_1)

with runs A, B and two-qubit gates U, each followed by its error. Runs and gates are products of *steps*,
sums of constant matrices over the harmonics of one angle; angles are affine in the weights, or in the
inputs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import Parameter, ParameterExpression

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.errors import SimulationError
from qkd_qiskit.simulation.input_angles import InputAngles
from qkd_qiskit.simulation.ptm import N_HARMONICS

CONSTANT = -1


@dataclass
class MatrixFactors:
    """A product of steps, first applied first.

    Attributes:
        dimension: Dimension of the matrices.
        coefficients: For each step `[H, d, d]`, summed over the harmonics of its angle.
        angles: For each step its angle; `CONSTANT` means the constant harmonic alone.
    """

    dimension: int
    coefficients: list[FloatArray] = field(default_factory=list)
    angles: list[int] = field(default_factory=list)

    def append_constant(self, matrix: FloatArray) -> None:
        """Multiply by a constant matrix `[d, d]`."""
        if self.coefficients:
            self.coefficients[-1] = matrix @ self.coefficients[-1]
        else:
            first = np.zeros((N_HARMONICS, self.dimension, self.dimension), dtype=matrix.dtype)
            first[0] = matrix
            self.coefficients.append(first)
            self.angles.append(CONSTANT)

    def append_rotation(self, coefficients: FloatArray, angle: int) -> None:
        """Multiply by a function of an angle, `[H, d, d]`."""
        if self.angles == [CONSTANT]:
            self.coefficients[0] = coefficients @ self.coefficients[0][0]
            self.angles[0] = angle
        else:
            self.coefficients.append(coefficients)
            self.angles.append(angle)

    @property
    def is_constant(self) -> bool:
        """Whether no step has an angle."""
        return all(angle == CONSTANT for angle in self.angles)

    def constant(self) -> FloatArray:
        """Return the matrix of constant steps; the identity when there are none."""
        return self.coefficients[0][0] if self.coefficients else np.eye(self.dimension)


@dataclass
class BlockStage:
    """`two_qubit @ (first x second)` of a block."""

    first: MatrixFactors
    second: MatrixFactors
    two_qubit: MatrixFactors


@dataclass
class FusedBlock:
    """Everything between a pair's first and last two-qubit gate in a row, with the runs around it.

    A qubit that never meets another has a block of its own, with `second` None and one stage.
    """

    first: int
    second: int | None
    stages: list[BlockStage]

    @property
    def qubits(self) -> tuple[int, ...]:
        """Its qubits, the first leading in its matrix."""
        return (self.first,) if self.second is None else (self.first, self.second)


class AffineAngles:
    """Affine angle expressions over one parameter vector, without repetitions."""

    def __init__(self, columns: Mapping[Parameter, int]) -> None:
        self._columns = columns
        self._known: dict[tuple[float, tuple[tuple[int, float], ...]], int] = {}

    def add(self, expression: ParameterExpression) -> int:
        """Return the number of an angle; equal expressions have equal numbers.

        Raises:
            SimulationError: If the expression is not affine.
        """
        slopes: dict[int, float] = {}
        for parameter in expression.parameters:
            slope = expression.gradient(parameter)
            if isinstance(slope, ParameterExpression):
                raise SimulationError(f"expected angles affine in the parameters, found {expression}")
            slopes[self._columns[parameter]] = float(np.real(slope))
        offset = float(expression.bind(dict.fromkeys(expression.parameters, 0.0)))
        key = (offset, tuple(sorted(slopes.items())))
        return self._known.setdefault(key, len(self._known))

    def matrices(self, width: int) -> tuple[FloatArray, FloatArray]:
        """Return offsets `[A]` and slopes `[width, A]`: angles are `offsets + parameters @ slopes`."""
        offsets = np.zeros(len(self._known))
        slopes = np.zeros((width, len(self._known)))
        for (offset, terms), row in self._known.items():
            offsets[row] = offset
            for column, slope in terms:
                slopes[column, row] = slope
        return offsets, slopes


class SparseSlopes:
    """Slopes `[W, A]` of angles, few of them not zero."""

    def __init__(self, slopes: FloatArray) -> None:
        self._n_weights, self._n_angles = slopes.shape
        weights, angles = np.nonzero(slopes)
        self._forward = _sums(angles, weights, slopes[weights, angles])
        self._back = _sums(weights, angles, slopes[weights, angles])

    def angles(self, weights: FloatArray) -> FloatArray:
        """Return `[P, A]`, the angles less their offsets, of weights `[P, W]`."""
        return self._forward.apply(weights, self._n_angles)

    def pull_back(self, gradient: FloatArray) -> FloatArray:
        """Return the gradient in the weights `[P, W]`, given that in the angles `[P, A]`."""
        return self._back.apply(gradient, self._n_weights)


@dataclass(frozen=True)
class _Sums:
    """Sums of weighted columns; PERF: scipy's sparse product costs more than such a small product itself."""

    into: NDArray[np.intp]
    starts: NDArray[np.intp]
    columns: NDArray[np.intp]
    factors: FloatArray

    def apply(self, array: FloatArray, width: int) -> FloatArray:
        out = np.zeros((len(array), width))
        if len(self.into):
            terms = array[:, self.columns] * self.factors
            out[:, self.into] = np.add.reduceat(terms, self.starts, axis=1)
        return out


def _sums(into: NDArray[np.intp], columns: NDArray[np.intp], factors: FloatArray) -> _Sums:
    order = np.lexsort((columns, into))
    into, starts = np.unique(into[order], return_index=True)
    return _Sums(into, starts, columns[order], factors[order])


@dataclass(frozen=True)
class CompiledCircuit:
    """What the simulators need to know of one circuit under one noise model.

    Qubits are numbered 0..n-1 in chain order: the spec's qubits first, then others that routing touched.

    Attributes:
        n_qubits: Active qubits.
        n_data: The spec's qubits among them; for ideal input states the first `n_data` hold the state.
        encoders: For each qubit the steps that turn |0> into its input state; none where blocks do.
        encoding_blocks: Blocks of the encoding, whose angles are those of inputs, in circuit order.
        blocks: Blocks behind the encoding, in circuit order.
        measured: Qubit of each bit of `meas`, least significant first.
        confusions: Readout confusion `[true, measured]` of each bit.
        input_angles: The input angles.
        weight_angles: Offsets and slopes of the weight angles.
    """

    n_qubits: int
    n_data: int
    encoders: tuple[MatrixFactors, ...]
    encoding_blocks: tuple[FusedBlock, ...]
    blocks: tuple[FusedBlock, ...]
    measured: tuple[int, ...]
    confusions: tuple[FloatArray, ...]
    input_angles: InputAngles
    weight_angles: tuple[FloatArray, FloatArray]

    @cached_property
    def input_groups(self) -> tuple[tuple[int, ...], ...]:
        """Qubits that the encoding correlates, group by group, in rising order; others stand alone."""
        group = {qubit: {qubit} for qubit in range(self.n_qubits)}
        for block in self.encoding_blocks:
            joined = set().union(*(group[qubit] for qubit in block.qubits))
            group.update(dict.fromkeys(joined, joined))
        return tuple(sorted({tuple(sorted(qubits)) for qubits in group.values()}))

    @cached_property
    def weight_slopes(self) -> SparseSlopes:
        """The slopes of the weight angles: an angle rarely has more than one weight."""
        return SparseSlopes(self.weight_angles[1])
