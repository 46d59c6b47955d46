"""A device: its Target, its noise model, and where both come from."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, lru_cache
from statistics import median

from qiskit.providers import BackendV2
from qiskit.transpiler import Target
from qiskit_aer.noise import NoiseModel

from qkd_qiskit.arguments import found
from qkd_qiskit.errors import HardwareError
from qkd_qiskit.hardware.calibration import checked_target
from qkd_qiskit.hardware.fractional import with_fractional_gates
from qkd_qiskit.hardware.gate_set import GateSet, choose_gates, healthy_part
from qkd_qiskit.hardware.targets import dead_gates, error_of, noise_model_of, part_of, select_qubits
from qkd_qiskit.store.guard import guarded
from qkd_qiskit.text import facts_html


@dataclass(frozen=True, eq=False)
class Device:
    """A device that circuits are transpiled to and simulated for.

    However it is made, its calibration is checked: what is impossible is refused, what is unknown is taken
    for worse than what is known, and what circuits do not use is left out of the target.

    Attributes:
        name: Name of the descriptor or backend.
        description: One line for people.
        target: Gates, couplings, errors, durations (seconds) and lifetimes (seconds) of what circuits use,
            dead edges included.
        source: Where the calibration comes from, for example `FakeTorino`, `custom` or `snapshot`.
        calibration_date: ISO date and time of the calibration, or None where there is none.
        notes: Caveats that belong into reports.
        fractional: Whether circuits are built from `rzz` and `rx` with angles.
        assumptions: What the calibration does not say, and was assumed: one sentence each.
    """

    name: str
    description: str
    target: Target
    source: str
    calibration_date: str | None = None
    notes: tuple[str, ...] = ()
    fractional: bool = False
    assumptions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check the calibration.

        Raises:
            HardwareError: If the target lacks gates that circuits need, has impossible values, or no two
                coupled qubits of it work.
        """
        try:
            gates = choose_gates(self.target, fractional=self.fractional)
            target, found = checked_target(self.target, gates)
            object.__setattr__(self, "target", target)
            if len(self.usable_qubits) < 2:
                raise HardwareError(f"expected two coupled qubits that work, found none: {_broken(target)}")
        except HardwareError as error:
            raise HardwareError(f"device {self.name}: {error}") from None
        if gates.unused and not self.fractional:
            others = " and ".join(gates.unused)
            found += (f"Circuits use {gates.two_qubit}, and leave the native two-qubit gate {others} aside.",)
        object.__setattr__(self, "assumptions", tuple(dict.fromkeys((*self.assumptions, *found))))

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

    @property
    def two_qubit_gate(self) -> str:
        """Name of the native two-qubit gate that circuits are built from."""
        return self._gates.two_qubit

    @cached_property
    def usable_target(self) -> Target:
        """The target without dead gates and qubits: what circuits are transpiled to."""
        return part_of(self.target, self.usable_qubits)

    @cached_property
    def _gates(self) -> GateSet:
        return choose_gates(self.target, fractional=self.fractional)

    @cached_property
    def usable_qubits(self) -> tuple[int, ...]:
        """Qubits of the largest connected healthy part, sorted."""
        return healthy_part(self.target, self._gates)

    @property
    def caveats(self) -> tuple[str, ...]:
        """Notes, and assumptions under the device's name: what belongs into every report."""
        return (*self.notes, *(f"{self.name}: {each}" for each in self.assumptions))

    @cached_property
    def is_fully_connected(self) -> bool:
        """Whether every two usable qubits share the two-qubit gate, so that nothing is ever routed."""
        joined = {frozenset(place) for place in self.usable_target[self.two_qubit_gate]}
        n = len(self.usable_qubits)
        return 2 * len(joined) == n * (n - 1)

    def _repr_html_(self) -> str:
        """Return size, gates, typical errors and caveats for a notebook."""
        places = list(self.target[self.two_qubit_gate])
        two_qubit = [error_of(self.target, self.two_qubit_gate, place) for place in places]
        readout = [error_of(self.target, "measure", place) for place in self.target["measure"]]
        facts = {
            "description": self.description or None,
            "qubits": f"{self.n_qubits}, {len(self.usable_qubits)} of them usable",
            "couplings": len({frozenset(place) for place in places}),
            "gates": ", ".join(sorted(self.target.operation_names)),
            f"median error of {self.two_qubit_gate}": f"{100 * median(two_qubit):.2g} %",
            "median readout error": f"{100 * median(readout):.2g} %",
            "calibration": f"{self.source}, {self.calibration_date or 'no date'}",
            "notes": " ".join((*self.notes, *self.assumptions)) or None,
        }
        return facts_html(f"Device {self.name}", facts)


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
    fractional: bool = False,
) -> Device:
    """Return the device with the Target of any Qiskit backend, live ones too.

    Args:
        backend: The backend, or a callable that makes it; warnings while it is made and read become notes.
        name: Name of the device; the backend's own when omitted.
        description: One line for people.
        source: Where the calibration comes from.
        notes: Caveats known beforehand.
        fractional: Whether circuits are built from `rzz` and `rx` with angles.

    Raises:
        HardwareError: If there is no backend, or it lacks gates that circuits need, has impossible values, or
            no two coupled qubits of it work.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        made = backend if isinstance(backend, BackendV2) else _made(backend)
        target = with_fractional_gates(made) if fractional else made.target
        date = _calibration_date(made)
    said = dict.fromkeys((*notes, *(str(warning.message) for warning in caught)))
    return Device(name or made.name, description, target, source, date, tuple(said), fractional)


def _made(backend: object) -> BackendV2:
    if not callable(backend):
        raise HardwareError(f"backend: expected a BackendV2, or what makes one, found {found(backend)}")
    with guarded(HardwareError, "backend: cannot make it"):
        made = backend()
    if not isinstance(made, BackendV2):
        raise HardwareError(f"backend: expected a BackendV2, found {found(made)}")
    return made


def _calibration_date(backend: BackendV2) -> str | None:
    """Date of the backend's properties: IBM backends have them, generic ones do not."""
    properties = getattr(backend, "properties", None)
    found = properties() if callable(properties) else None
    date = getattr(found, "last_update_date", None)
    return date.isoformat() if isinstance(date, datetime) else None


def _broken(target: Target) -> str:
    """Say how much of each operation is broken; a coupling of two directions counts once."""
    dead: dict[str, set[frozenset[int]]] = {}
    for name, place in dead_gates(target):
        dead.setdefault(name, set()).add(frozenset(place))
    parts = [
        f"{len(places)} of {len({frozenset(place) for place in target[name]})} {name}"
        for name, places in dead.items()
    ]
    if parts:
        return f"broken are {', '.join(parts)}"
    held = {name: {place for place in target[name] if len(place) == 1} for name in target.operation_names}
    missing = [
        f"{name} on {target.num_qubits - len(places)} of {target.num_qubits} qubits"
        for name, places in held.items()
        if 0 < len(places) < target.num_qubits
    ]
    return f"missing are {', '.join(missing)}" if missing else "none are coupled"
