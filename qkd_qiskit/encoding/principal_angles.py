"""Principal components as angles, for any number of them: fitted on public features alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from qkd_qiskit.arrays import LARGEST_FEATURE, FloatArray, as_features
from qkd_qiskit.encoding.checks import check_width, checked_qubits
from qkd_qiskit.errors import DataError

_NEGLIGIBLE = 1e-9


class PrincipalAngles:
    """The first principal components as angles, clipped to a symmetric range about a shift.

    Component j (variance v_j, v_0 the largest) becomes `shift + scale * z_j / (v_0 * v_j)^(1/4)`, clipped to
    `reach` on either side: halfway between plain PCA and whitening, as in the angle encoding. Components
    come in the order of their variance; `order` puts them on columns.

    Attributes:
        n_qubits: Qubits of the circuit.
        n_features: Columns of the encoded inputs.
        scale: Standard deviation of the leading component's angle, in radians.
    """

    label: ClassVar[str] = "principal angles"

    def __init__(
        self,
        n_qubits: int,
        n_features: int,
        *,
        scale: float,
        shift: float = 0.0,
        reach: float = np.pi / 2,
        order: tuple[int, ...] | None = None,
    ) -> None:
        """Make an encoder that has yet to be fitted.

        Args:
            n_qubits: Qubits of the circuit, at least 1.
            n_features: Angles of a sample, at least 1.
            scale: Standard deviation of the leading component's angle, in radians, positive.
            shift: Angle of the mean, in radians.
            reach: Largest distance from the shift, in radians, positive.
            order: Column of each component, the leading one first; as they come when omitted.

        Raises:
            DataError: If a number is out of range.
        """
        self.n_qubits = checked_qubits(n_qubits)
        for name, value in (("number of angles", n_features), ("scale", scale), ("reach", reach)):
            if not (np.isfinite(value) and value > 0):
                raise DataError(f"{self.label}: expected a positive {name}, found {value}")
        self.n_features, self.scale = n_features, scale
        self._shift, self._reach = shift, reach
        self._order = tuple(range(n_features)) if order is None else order
        self._mean: FloatArray | None = None
        self._directions: FloatArray | None = None

    def fit(self, features: NDArray[Any]) -> Self:
        """Find components and their scales; angles without a component stay at the shift.

        Args:
            features: Public features, [N, F], N at least 2.

        Returns:
            The encoder itself.

        Raises:
            DataError: If the features are no finite table, fewer than two samples, or all alike.
        """
        table = as_features(features, self.label)
        if len(table) < 2:
            raise DataError(f"{self.label}: expected at least 2 samples, found 1")
        # Shifting and scaling first keeps tiny and huge features within the range of the squares.
        spread = float(np.abs(table - table[0]).max())
        if spread < 1 / LARGEST_FEATURE:
            raise DataError(f"{self.label}: expected samples that differ, found {len(table)} alike")
        scaled = (table - table[0]) / spread
        centre = scaled.mean(axis=0)
        _, singular, components = np.linalg.svd(scaled - centre, full_matrices=False)
        deviation = singular[: self.n_features] / np.sqrt(len(table) - 1)
        directions = np.zeros((table.shape[1], self.n_features))
        for component, column in enumerate(self._order[: len(deviation)]):
            if deviation[component] > _NEGLIGIBLE * deviation[0]:
                gain = self.scale / np.sqrt(deviation[0] * deviation[component]) / spread
                directions[:, column] = gain * _with_positive_peak(components[component])
        self._mean, self._directions = table[0] + spread * centre, directions
        return self

    def transform(self, features: NDArray[Any]) -> FloatArray:
        """Return the angles [N, n_features] of features [N, F], in radians.

        Raises:
            DataError: If the encoder is not fitted, or the features do not fit it.
        """
        mean, directions = self._fitted()
        table = as_features(features, self.label)
        check_width(table, len(mean), self.label)
        return self._shift + np.clip((table - mean) @ directions, -self._reach, self._reach)

    @property
    def formula(self) -> str:
        """How raw features become angles, in terms of the arrays that `arrays` gives."""
        moved = "" if self._shift == 0 else f"{self._shift!r} + "
        return f"{moved}clip((raw - mean) @ directions, {-self._reach!r}, {self._reach!r})"

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return everything that `restored` needs.

        Raises:
            DataError: If the encoder is not fitted.
        """
        mean, directions = self._fitted()
        return {"mean": mean, "directions": directions}

    def restored(self, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Take what `arrays()` gave, in place of a fit; return the encoder itself.

        Raises:
            DataError: If arrays are missing or do not fit.
        """
        fault = array_fault(self.n_features, {name: np.shape(value) for name, value in arrays.items()})
        if fault is not None:
            raise DataError(f"{self.label}: cannot be restored, {fault}")
        self._mean = as_features(np.atleast_2d(arrays["mean"]), f"{self.label}, array mean").ravel()
        self._directions = as_features(arrays["directions"], f"{self.label}, array directions")
        return self

    def _fitted(self) -> tuple[FloatArray, FloatArray]:
        if self._mean is None or self._directions is None:
            raise DataError(f"{self.label}: expected a fitted encoder, call fit with public features first")
        return self._mean, self._directions


def array_fault(n_features: int, shapes: Mapping[str, tuple[int, ...]]) -> str | None:
    """Return what is wrong with the shapes of stored arrays of `PrincipalAngles`; None for nothing.

    Args:
        n_features: Angles of a sample.
        shapes: Shapes by name.
    """
    features = shapes.get("mean", ())[:1]
    for name, shape in (("mean", features), ("directions", (*features, n_features))):
        if name not in shapes:
            return f"array {name} is missing"
        if shapes[name] != shape or not features:
            return f"array {name}: expected shape {shape}, found {shapes[name]}"
    return None


def middle_first(n_qubits: int) -> list[int]:
    """Return the qubits of a chain from the middle outwards."""
    middle = (n_qubits - 1) / 2
    return sorted(range(n_qubits), key=lambda qubit: (abs(qubit - middle), qubit))


def _with_positive_peak(component: FloatArray) -> FloatArray:
    """Return the component with its largest entry positive: a singular vector's sign is arbitrary."""
    return component if component[np.argmax(np.abs(component))] > 0 else -component
