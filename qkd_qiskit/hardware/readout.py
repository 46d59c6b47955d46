"""Measurement properties whose two assignment errors differ."""

from __future__ import annotations

from qiskit.transpiler import InstructionProperties

KINDS = ("prob_meas1_prep0", "prob_meas0_prep1")
"""Attributes with P(1 read, 0 prepared) and P(0 read, 1 prepared)."""


class ReadoutProperties(InstructionProperties):  # type: ignore[misc]
    """Measurement properties whose two assignment errors differ.

    `NoiseModel.from_backend` reads the two attributes where it finds them, else the mean error for both.
    """

    prob_meas1_prep0: float
    prob_meas0_prep1: float

    def __getstate__(self) -> tuple[float | None, float | None, float, float]:
        return self.duration, self.error, self.prob_meas1_prep0, self.prob_meas0_prep1

    def __setstate__(self, state: tuple[float | None, float | None, float, float]) -> None:
        self.duration, self.error, self.prob_meas1_prep0, self.prob_meas0_prep1 = state


def readout_properties(duration: float, errors: tuple[float, float]) -> ReadoutProperties:
    """Return the properties of a measurement with two assignment errors; `error` is their mean.

    Args:
        duration: Seconds.
        errors: P(1 read, 0 prepared) and P(0 read, 1 prepared), 0 to 1.
    """
    readout = ReadoutProperties(duration=duration, error=sum(errors) / 2)
    readout.prob_meas1_prep0, readout.prob_meas0_prep1 = errors
    return readout


def assignment_errors(properties: InstructionProperties | None) -> tuple[float, float] | None:
    """Return P(1 read, 0 prepared) and P(0 read, 1 prepared) of a measurement; None unless both are known."""
    first, second = (getattr(properties, kind, None) for kind in KINDS)
    return None if first is None or second is None else (float(first), float(second))
