"""Predicted against counted native gates of one transpiled circuit."""

from __future__ import annotations

from dataclasses import dataclass

from qkd_qiskit.hardware.counts import NativeCounts


@dataclass(frozen=True)
class GateReport:
    """Predicted and counted native gates.

    Attributes:
        predicted: From the closed form.
        counted: From the transpiled circuit.
        exact: Whether the two-qubit prediction claims to be exact rather than a range or a bound, and is.
        state_preparation: Native gates of preparing a generic state of this width; only for amplitude
            encoding, which enters the circuit as an ideal state.
        deviation: Largest difference of an outcome probability between the circuit and its spec, both
            simulated without noise on random inputs and weights; None if the circuit is too wide for that.
        notes: Caveats of the prediction and of the device's calibration, and what was assumed for it.
    """

    predicted: NativeCounts
    counted: NativeCounts
    exact: bool
    state_preparation: NativeCounts | None = None
    deviation: float | None = None
    notes: tuple[str, ...] = ()

    @property
    def relative_error(self) -> float:
        """Relative error of the predicted two-qubit gates: (predicted - counted) / counted."""
        return self.relative_errors["two_qubit"]

    @property
    def relative_errors(self) -> dict[str, float]:
        """Relative errors of all predicted figures, by name."""
        return {
            key: _relative(predicted, counted)
            for key, predicted, counted in (
                ("two_qubit", self.predicted.two_qubit, self.counted.two_qubit),
                ("one_qubit", self.predicted.one_qubit.mid, self.counted.one_qubit.mid),
                ("two_qubit_depth", self.predicted.two_qubit_depth, self.counted.two_qubit_depth),
                ("esp", self.predicted.esp, self.counted.esp),
                ("duration", self.predicted.duration, self.counted.duration),
            )
        }

    def to_dict(self) -> dict[str, object]:
        """Return the report as plain data for JSON."""
        return {
            "predicted": self.predicted.to_dict(),
            "counted": self.counted.to_dict(),
            "relative_error": self.relative_errors,
            "exact": self.exact,
            "state_preparation": None if self.state_preparation is None else self.state_preparation.to_dict(),
            "deviation": self.deviation,
            "notes": list(self.notes),
        }


def _relative(predicted: float, counted: float) -> float:
    if counted == 0:
        return 0.0 if predicted == 0 else 1.0
    return (predicted - counted) / counted
