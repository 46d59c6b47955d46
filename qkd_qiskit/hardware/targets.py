"""Parts of a Target: some qubits, the healthy gates, the noise model."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

from qiskit.circuit import Instruction
from qiskit.providers import BackendV2, Options
from qiskit.transpiler import InstructionProperties, Target
from qiskit_aer.noise import NoiseModel

DEAD_GATE_ERROR = 0.9
"""A gate with at least this error is calibrated as broken."""
DEAD_READOUT_ERROR = 0.45
"""A readout with at least this error says next to nothing about the qubit."""

Place = tuple[int, ...]


def placed_gates(target: Target) -> Iterator[tuple[str, Place, InstructionProperties | None]]:
    """Name, physical qubits and properties of everything that acts on given qubits of a target."""
    for name in sorted(target.operation_names):
        for qubits, properties in (target[name] or {}).items():
            if qubits is not None:
                yield name, tuple(qubits), properties


def error_of(target: Target, name: str, qubits: Place) -> float:
    """Error of a native gate or measurement, 0 to 1, of a device's target: there it is always known."""
    return float(target[name][qubits].error)


def duration_of(target: Target, name: str, qubits: Place) -> float:
    """Duration of a native gate or measurement in seconds, of a device's target: there it is always known."""
    return float(target[name][qubits].duration)


def dead_limit(name: str) -> float:
    """Return the error from which on an operation does not work."""
    return DEAD_READOUT_ERROR if name == "measure" else DEAD_GATE_ERROR


def is_dead(target: Target, name: str, qubits: Place) -> bool:
    """Return whether the calibrated error shows that an operation does not work; none known shows nothing.

    Args:
        target: Any target.
        name: A gate or measurement of it.
        qubits: Where it acts.
    """
    properties = (target[name] or {}).get(qubits)
    error = None if properties is None else properties.error
    return error is not None and error >= dead_limit(name)


def dead_gates(target: Target) -> tuple[tuple[str, Place], ...]:
    """Return the gates and measurements whose calibrated error shows that they do not work."""
    return tuple((name, qubits) for name, qubits, _ in placed_gates(target) if is_dead(target, name, qubits))


def select_qubits(target: Target, qubits: Sequence[int]) -> Target:
    """Return the part of a target on some qubits, renumbered in the order given."""
    position = {physical: i for i, physical in enumerate(qubits)}

    def renumber(_: str, place: Place) -> Place | None:
        return tuple(position[q] for q in place) if set(place) <= set(position) else None

    return _rebuild(target, renumber, list(qubits))


def part_of(target: Target, qubits: Collection[int]) -> Target:
    """Return the target without its dead gates, and without all that acts on other qubits than these."""

    def healthy(name: str, place: Place) -> Place | None:
        return place if set(place) <= set(qubits) and not is_dead(target, name, place) else None

    return _rebuild(target, healthy, list(range(target.num_qubits)))


def noise_model_of(target: Target) -> NoiseModel:
    """Aer's device noise: depolarizing, thermal relaxation, readout errors, and relaxation in delays."""
    return NoiseModel.from_backend(_TargetBackend(target))


def _rebuild(target: Target, move: Callable[[str, Place], Place | None], qubits: list[int]) -> Target:
    """Target with each placed gate moved, or left out where `move` says None."""
    properties = target.qubit_properties
    rebuilt = Target(
        description=target.description,
        num_qubits=len(qubits),
        dt=target.dt,
        granularity=target.granularity,
        min_length=target.min_length,
        pulse_alignment=target.pulse_alignment,
        acquire_alignment=target.acquire_alignment,
        qubit_properties=None if properties is None else [properties[q] for q in qubits],
    )
    places: dict[str, dict[Place, InstructionProperties | None]] = {}
    for name, place, props in placed_gates(target):
        moved = move(name, place)
        if moved is not None:
            places.setdefault(name, {})[moved] = props
    for name, placed in places.items():
        operation = target.operation_from_name(name)
        if isinstance(operation, Instruction):
            rebuilt.add_instruction(operation, placed, name=name)
    return rebuilt


class _TargetBackend(BackendV2):  # type: ignore[misc]
    """The smallest backend that `NoiseModel.from_backend` accepts; it runs nothing."""

    def __init__(self, target: Target) -> None:
        super().__init__(name="target")
        self._target = target

    @property
    def target(self) -> Target:
        return self._target

    @property
    def max_circuits(self) -> None:
        return None

    @classmethod
    def _default_options(cls) -> Options:
        return Options()

    def run(self, run_input: object, **options: object) -> None:
        raise NotImplementedError("a target alone runs nothing: use an evaluator")
