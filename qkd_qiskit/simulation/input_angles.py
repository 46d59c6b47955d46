"""Angles of the encoding's gates as functions of the inputs, for many samples at once."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from qiskit.circuit import Parameter, ParameterExpression

from qkd_qiskit.arrays import FloatArray

_FUNCTIONS: dict[str, Callable[[FloatArray], FloatArray]] = {
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "exp": np.exp,
    "log": np.log,
    "abs": np.abs,
    "sign": np.sign,
    "conj": np.asarray,
}
_OPERATIONS: dict[type[ast.operator], Callable[[FloatArray, FloatArray], FloatArray]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
    ast.Pow: np.power,
}
_TRIED = (0.3, 0.71, 0.13)
_EXACT = 1e-12


class InputAngles:
    """Expressions of the input parameters, without repetitions.

    Sums of inputs, each with a factor, are one matrix product. Other expressions are read from their text
    and computed by NumPy, after a comparison with what Qiskit computes; what cannot be read so is left to
    Qiskit, sample by sample.
    """

    def __init__(self, columns: Mapping[Parameter, int]) -> None:
        """Start with none.

        Args:
            columns: Column of each input parameter.
        """
        self._columns = dict(columns)
        self._numbers: dict[tuple[object, ...], int] = {}
        self._affine: list[tuple[int, float, dict[int, float]]] = []
        self._others: list[tuple[int, list[int], Formula]] = []

    @property
    def n_inputs(self) -> int:
        """Number of input parameters."""
        return len(self._columns)

    @property
    def key(self) -> tuple[object, ...]:
        """What the angles are, for comparisons."""
        return (self.n_inputs, *self._numbers)

    def add(self, expression: ParameterExpression) -> int:
        """Return the number of an angle; equal expressions have equal numbers."""
        slopes: dict[int, float] = {}
        for parameter in expression.parameters:
            slope = expression.gradient(parameter)
            if isinstance(slope, ParameterExpression) and slope.parameters:
                return self._add_other(expression)
            slopes[self._columns[parameter]] = float(np.real(complex(slope)))
        offset = float(expression.bind(dict.fromkeys(expression.parameters, 0.0)))
        key = (offset, *sorted(slopes.items()))
        if key not in self._numbers:
            self._affine.append((len(self._numbers), offset, slopes))
        return self._numbers.setdefault(key, len(self._numbers))

    def values(self, inputs: FloatArray) -> FloatArray:
        """Return angles `[N, angles]` in radians of inputs `[N, F]`."""
        offsets = np.zeros(len(self._numbers))
        slopes = np.zeros((self.n_inputs, len(self._numbers)))
        for number, offset, terms in self._affine:
            offsets[number] = offset
            for column, slope in terms.items():
                slopes[column, number] = slope
        angles: FloatArray = offsets + inputs @ slopes
        for number, columns, formula in self._others:
            angles[:, number] = formula(inputs[:, columns])
        return angles

    def _add_other(self, expression: ParameterExpression) -> int:
        named = sorted((self._columns[p], p) for p in expression.parameters)
        key = (str(expression), *(column for column, _ in named))
        if key not in self._numbers:
            formula = Formula(expression, [p for _, p in named])
            self._others.append((len(self._numbers), [column for column, _ in named], formula))
        return self._numbers.setdefault(key, len(self._numbers))


class Formula:
    """An expression as a function of many values of its parameters."""

    def __init__(self, expression: ParameterExpression, parameters: Sequence[Parameter]) -> None:
        """Read the expression.

        Args:
            expression: Any expression.
            parameters: Its parameters, in the order of the columns of values.
        """
        self._expression, self._parameters = expression, tuple(parameters)
        self._places = {_plain(p.name): k for k, p in enumerate(parameters)}
        self._tree: ast.expr | None = None
        try:
            tree = ast.parse(str(expression), mode="eval").body
            tried = np.array([[(k + 1) * start for k in range(len(parameters))] for start in _TRIED])
            found, expected = self._computed(tree, tried), self._bound(tried)
        except (SyntaxError, KeyError, ValueError, TypeError, RuntimeError):
            return
        if np.allclose(found * np.ones(len(tried)), expected, rtol=_EXACT, atol=_EXACT):
            self._tree = tree

    def __call__(self, values: FloatArray) -> FloatArray:
        """Return the values `[N]` of rows `[N, parameters]`."""
        if self._tree is None:
            return self._bound(values)
        return np.asarray(self._computed(self._tree, values) * np.ones(len(values)))

    def _bound(self, values: FloatArray) -> FloatArray:
        rows = (dict(zip(self._parameters, row, strict=True)) for row in values.tolist())
        return np.array([float(self._expression.bind(row)) for row in rows], dtype=np.float64)

    def _computed(self, node: ast.expr, values: FloatArray) -> FloatArray:
        """Return the value of a formula for every row; a KeyError where it holds something unknown."""
        match node:
            case ast.Constant(value=int() | float() as number):
                return np.asarray(number, dtype=np.float64)
            case ast.Name() | ast.Subscript():
                return values[:, self._places[ast.unparse(node)]]
            case ast.UnaryOp(op=ast.USub()):
                return -self._computed(node.operand, values)
            case ast.BinOp():
                first, second = (self._computed(part, values) for part in (node.left, node.right))
                return _OPERATIONS[type(node.op)](first, second)
            case ast.Call(func=ast.Name(id=name), args=[argument]):
                return _FUNCTIONS[name](self._computed(argument, values))
        raise KeyError(ast.unparse(node))


def _plain(name: str) -> str:
    """Return a parameter's name as Python would write it; names that are none stay as they are."""
    try:
        return ast.unparse(ast.parse(name, mode="eval"))
    except SyntaxError:
        return name
