"""Parts of a Target: some qubits, the healthy gates, the noise model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import isnan

import rustworkx
from qiskit.circuit import Instruction, Measure
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


def two_qubit_gates(target: Target) -> tuple[str, ...]:
    """Return the names of the native two-qubit gates, sorted."""
    return tuple(sorted({name for name, qubits, _ in placed_gates(target) if len(qubits) == 2}))


def error_of(target: Target, name: str, qubits: Place) -> float:
    """Error of a native gate or measurement; 0 where the calibration says nothing, 1 where it says NaN."""
    properties = target[name].get(qubits)
    if properties is None or properties.error is None:
        return 0.0
    return 1.0 if isnan(properties.error) else float(properties.error)


def duration_of(target: Target, name: str, qubits: Place) -> float:
    """Duration of a native gate or measurement in seconds; 0 where the calibration says nothing."""
    properties = target[name].get(qubits)
    return 0.0 if properties is None or properties.duration is None else float(properties.duration)


def dead_gates(target: Target) -> tuple[tuple[str, Place], ...]:
    """Return the gates and measurements whose calibrated error shows that they do not work."""
    return tuple((name, qubits) for name, qubits, _ in placed_gates(target) if _is_dead(target, name, qubits))


def select_qubits(target: Target, qubits: Sequence[int]) -> Target:
    """Return the part of a target on some qubits, renumbered in the order given."""
    position = {physical: i for i, physical in enumerate(qubits)}

    def renumber(_: str, place: Place) -> Place | None:
        return tuple(position[q] for q in place) if set(place) <= set(position) else None

    return _rebuild(target, renumber, list(qubits))


def usable_target(target: Target) -> Target:
    """Return the target without dead gates and dead qubits, cut to its largest connected part.

    A qubit is dead if one of its one-qubit gates or its readout is. Level 3 avoids dead edges where it finds
    another layout, but nothing forbids it to use them; a target without them does.
    """
    dead = set(dead_gates(target))
    dead_qubits = {qubits[0] for _, qubits in dead if len(qubits) == 1}
    graph = rustworkx.PyGraph(multigraph=False)
    graph.add_nodes_from(range(target.num_qubits))
    for name, place, _ in placed_gates(target):
        if len(place) == 2 and (name, place) not in dead and not dead_qubits & set(place):
            graph.add_edge(*place, None)
    kept: set[int] = max(rustworkx.connected_components(graph), key=lambda part: (len(part), -min(part)))

    def healthy(name: str, place: Place) -> Place | None:
        return place if set(place) <= kept and (name, place) not in dead else None

    return _rebuild(target, healthy, list(range(target.num_qubits)))


def noise_model_of(target: Target) -> NoiseModel:
    """Aer's device noise: depolarizing, thermal relaxation, readout errors, and relaxation in delays."""
    return NoiseModel.from_backend(_TargetBackend(target))


def _is_dead(target: Target, name: str, qubits: Place) -> bool:
    limit = DEAD_READOUT_ERROR if isinstance(target.operation_from_name(name), Measure) else DEAD_GATE_ERROR
    return error_of(target, name, qubits) >= limit


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
