"""A device: its Target, its noise model, and where both come from."""

from __future__ import annotations

import statistics
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, lru_cache

from qiskit.providers import BackendV2
from qiskit.transpiler import Target
from qiskit_aer.noise import NoiseModel

from qkd_qiskit.errors import HardwareError
from qkd_qiskit.hardware.summary import DeviceSummary
from qkd_qiskit.hardware.targets import (
    DEAD_GATE_ERROR,
    noise_model_of,
    select_qubits,
    two_qubit_gates,
    usable_target,
)


@dataclass(frozen=True, eq=False)
class Device:
    """A device that circuits are transpiled to and simulated for.

    Attributes:
        name: Name of the descriptor or backend.
        description: One line for people.
        target: Gates, couplings, errors, durations (seconds) and lifetimes (seconds), dead edges included.
        source: Where the calibration comes from, for example `FakeTorino`, `custom` or `snapshot`.
        calibration_date: ISO date and time of the calibration, or None where there is none.
        notes: Caveats that belong into reports.
    """

    name: str
    description: str
    target: Target
    source: str
    calibration_date: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def n_qubits(self) -> int:
        """Number of physical qubits."""
        return int(self.target.num_qubits or 0)

    @cached_property
    def noise_model(self) -> NoiseModel:
        """Aer noise of the whole device, built at first use (2 to 6 s for 150 qubits).

        Depolarizing errors and thermal relaxation on gates, readout errors, and relaxation in delays.
        """
        return noise_model_of(self.target)

    def noise_model_for(self, qubits: Sequence[int]) -> NoiseModel:
        """Noise of some qubits only, renumbered: qubit i of the model is physical qubit `qubits[i]`.

        Built from the calibration of these qubits alone, in a fraction of a second. All who ask for the same
        qubits share it: change a copy.

        Args:
            qubits: Distinct physical qubits.

        Raises:
            HardwareError: If a qubit occurs twice or does not exist.
        """
        if len(set(qubits)) != len(qubits):
            raise HardwareError(f"device {self.name}: expected distinct qubits, found {list(qubits)}")
        beyond = [q for q in qubits if not 0 <= q < self.n_qubits]
        if beyond:
            raise HardwareError(
                f"device {self.name}: expected qubits below {self.n_qubits}, found {beyond[0]}"
            )
        return _noise_of(self, tuple(qubits))

    @cached_property
    def two_qubit_gate(self) -> str:
        """Name of the native two-qubit gate that circuits are built from."""
        return two_qubit_gates(self.usable_target)[0]

    @cached_property
    def usable_target(self) -> Target:
        """The target without dead gates and qubits: what circuits are transpiled to."""
        return usable_target(self.target)

    @cached_property
    def usable_qubits(self) -> tuple[int, ...]:
        """Qubits of the largest connected healthy part, sorted."""
        return tuple(sorted(qubit for (qubit,) in self.usable_target.qargs_for_operation_name("measure")))

    @cached_property
    def is_fully_connected(self) -> bool:
        """Whether every two usable qubits share the two-qubit gate, so that nothing is ever routed."""
        joined = {frozenset(place) for place in self.usable_target[self.two_qubit_gate]}
        n = len(self.usable_qubits)
        return 2 * len(joined) == n * (n - 1)

    @property
    def summary(self) -> DeviceSummary:
        """Size, calibration and typical errors."""
        two_qubit, readout = self._errors(self.two_qubit_gate), self._errors("measure")
        return DeviceSummary(
            name=self.name,
            description=self.description,
            qubits=self.n_qubits,
            gates=tuple(sorted(self.target.operation_names)),
            two_qubit_gate=self.two_qubit_gate,
            edges=len(two_qubit),
            dead_edges=sum(error >= DEAD_GATE_ERROR for error in two_qubit),
            two_qubit_error=statistics.median(two_qubit) if two_qubit else None,
            readout_error=statistics.median(readout) if readout else None,
            source=self.source,
            date=self.calibration_date and self.calibration_date[:10],
            calibration_date=self.calibration_date,
            notes=self.notes,
        )

    def _errors(self, gate: str) -> list[float]:
        """Return the calibrated errors of one gate, over all places where the device has it."""
        return [props.error for props in self.target[gate].values() if props and props.error is not None]


@lru_cache(maxsize=64)
def _noise_of(device: Device, qubits: tuple[int, ...]) -> NoiseModel:
    return noise_model_of(select_qubits(device.target, qubits))


def device_from_backend(
    backend: BackendV2 | Callable[[], BackendV2],
    *,
    name: str | None = None,
    description: str = "",
    source: str = "backend",
    notes: Sequence[str] = (),
) -> Device:
    """Return the device with the Target of any Qiskit backend, live ones too.

    Args:
        backend: The backend, or a callable that makes it; warnings while it is made and read become notes.
        name: Name of the device; the backend's own when omitted.
        description: One line for people.
        source: Where the calibration comes from.
        notes: Caveats known beforehand.

    Raises:
        HardwareError: If the backend has no two-qubit gate, or no measurement, on given qubits.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        made = backend if isinstance(backend, BackendV2) else backend()
        target = made.target
        date = _calibration_date(made)
    label = name or made.name
    if target.num_qubits is None or not two_qubit_gates(target):
        raise HardwareError(f"device {label}: expected two-qubit gates on given qubits, found none")
    if "measure" not in target.operation_names:
        raise HardwareError(f"device {label}: expected a measurement, found none")
    said = dict.fromkeys((*notes, *(str(warning.message) for warning in caught)))
    return Device(label, description, target, source, date, tuple(said))


def _calibration_date(backend: BackendV2) -> str | None:
    """Date of the backend's properties: IBM backends have them, generic ones do not."""
    properties = getattr(backend, "properties", None)
    found = properties() if callable(properties) else None
    date = getattr(found, "last_update_date", None)
    return date.isoformat() if isinstance(date, datetime) else None
