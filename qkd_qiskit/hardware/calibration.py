"""The check of a device's calibration: impossible values are refused, unknown ones taken for bad.

None and NaN mean unknown. An unknown value is taken for worse than every known one of its kind, so that
nothing is chosen because nobody measured it. What was assumed is said, in one sentence each.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import ceil, inf, lcm

from qiskit.transpiler import InstructionProperties, QubitProperties, Target

from qkd_qiskit.errors import HardwareError
from qkd_qiskit.hardware.coherence import coherence_limit
from qkd_qiskit.hardware.gate_set import GateSet, used_target
from qkd_qiskit.hardware.lifetimes import WORSE, Values, find_lifetimes, known, listed
from qkd_qiskit.hardware.readout import KINDS, readout_properties
from qkd_qiskit.hardware.targets import Place, dead_limit, placed_gates

ASSUMED_ERROR = {1: 0.01, 2: 0.1}
"""Error of a gate, by its number of qubits, where none of its kind is calibrated."""
ASSUMED_READOUT_ERROR = 0.1
"""Error of a readout where none is calibrated."""
ASSUMED_SECONDS = {1: 1e-7, 2: 1e-6}
"""Duration of a gate, by its number of qubits, where none of its kind is calibrated."""
ASSUMED_READOUT_SECONDS = 5e-6
"""Duration of a readout where none is calibrated."""
_LEAST_ERROR = 1e-4
_NO_PULSES = ("measure", "rz")
_ROUNDING = 1e-9


def checked_target(target: Target, gates: GateSet) -> tuple[Target, tuple[str, ...]]:
    """Return a target of known, possible values, cut to what circuits use, and what was assumed for it.

    Errors below what the lifetimes allow in a gate's duration are raised to that limit: the noise model has
    no less, so the expected success probability must not either.

    Args:
        target: Any target.
        gates: What circuits use of it.

    Returns:
        The target, with a finite error and duration for every gate and measurement, and with lifetimes unless
        nothing tells how long qubits live; and one sentence for each assumption.

    Raises:
        HardwareError: If an error is not from 0 to 1, a duration negative or infinite, a lifetime or the
            clock not positive and finite, or anything is not a number.
    """
    if target.dt is not None and not 0 < (known(target.dt, "dt") or 0.0) < inf:
        raise HardwareError(f"expected a clock dt of more than 0 s, found {target.dt!r}")
    notes: list[str] = []
    used = used_target(target, gates)
    seconds, assumed = _durations(used, notes)
    readouts = _readouts(used)
    errors = _errors(used, seconds, readouts, notes)
    lifetimes = find_lifetimes(used, seconds, errors, notes)
    if lifetimes is not None:
        _raise_to_coherence(errors, seconds, lifetimes, notes)
        for name, place in assumed:
            # A longer gate shortens the wait of its own qubit: what it lasts is charged like a wait, too.
            limit = coherence_limit([lifetimes[q] for q in place], seconds[name, place])
            errors[name, place] += (1 - errors[name, place]) * limit
    if "delay" not in target.operation_names:
        notes.append(
            "There is no delay among the operations: idle times are simulated all the same, as delays that a "
            "circuit for the device must leave out."
        )
    used.qubit_properties = [
        QubitProperties() if lifetimes is None else QubitProperties(t1=lifetimes[q][0], t2=lifetimes[q][1])
        for q in range(used.num_qubits)
    ]
    for (name, place), error in errors.items():
        properties = InstructionProperties(duration=seconds[name, place], error=error)
        if name == "measure" and place in readouts:
            properties = readout_properties(seconds[name, place], readouts[place])
        used.update_instruction_properties(name, place, properties)
    return used, tuple(notes)


def _durations(target: Target, notes: list[str]) -> tuple[Values, list[tuple[str, Place]]]:
    """Read durations; unknown ones are longer than all known ones of their kind, or else of their width.

    Returns:
        All durations, and where they are longer than any known one.
    """
    found: Values = {}
    lost: list[tuple[str, Place]] = []
    late = False
    for name, place, properties in _operations(target):
        value = known(getattr(properties, "duration", None), f"the duration of {_named(name, place)}")
        if value is None:
            lost.append((name, place))
            continue
        if not 0 <= value < inf:
            raise HardwareError(
                f"{_named(name, place)}: expected a duration of at least 0 s, found {value:g}"
            )
        found[name, place] = _on_clock(value, target, 1)
        late |= found[name, place] != value
    if late:
        notes.append(f"Durations are rounded up to the clock of {target.dt:g} s.")
    like = dict(found)
    step = lcm(target.granularity, target.pulse_alignment, target.acquire_alignment)
    for name, places in _by_name(lost).items():
        assumed = _on_clock(_assumed_seconds(name, len(places[0]), like), target, step)
        found |= dict.fromkeys(((name, place) for place in places), assumed)
        notes.append(f"The duration of {name} is unknown on {listed(places)}: {assumed:.3g} s is assumed.")
    own = {name for name, _ in like} - {"x"}
    return found, [(name, place) for name, place in lost if name in own or not _alike(like, len(place))]


def _assumed_seconds(name: str, width: int, like: Values) -> float:
    own = [value for (other, _), value in like.items() if other == name]
    if own or name == "rz":
        return _margin(name) * max(own, default=0.0)
    if name == "measure":
        return ASSUMED_READOUT_SECONDS
    return max(_alike(like, width), default=0.0) or ASSUMED_SECONDS[width]


def _margin(name: str) -> float:
    """How much worse an unknown figure is than the worst known one of its kind.

    Circuits do without an `x` that is worse than `sx`, and they may be the better for it.
    """
    return 1.0 if name == "x" else WORSE


def _on_clock(seconds: float, target: Target, step: int) -> float:
    """Round a duration up to a multiple of `step` ticks, unless it is one already."""
    if target.dt is None or seconds == 0:
        return seconds
    ticks = seconds / target.dt / step
    return seconds if abs(ticks - round(ticks)) < 1e-3 else float(ceil(ticks) * step * target.dt)


def _readouts(target: Target) -> dict[Place, tuple[float, float]]:
    """Read the two assignment errors of each measurement that has both."""
    found = {}
    for place, properties in target["measure"].items():
        where = _named("measure", place)
        both = [known(getattr(properties, kind, None), f"{kind} of {where}") for kind in KINDS]
        values = [_possible(value, where) for value in both if value is not None]
        if len(values) == 2:
            found[place] = (values[0], values[1])
    return found


def _errors(
    target: Target, seconds: Values, readouts: Mapping[Place, tuple[float, float]], notes: list[str]
) -> Values:
    """Read errors; unknown ones are worse than all known ones of their kind that work."""
    found: Values = {}
    lost: list[tuple[str, Place]] = []
    for name, place, properties in _operations(target):
        if name == "measure" and place in readouts:
            found[name, place] = sum(readouts[place]) / 2
            continue
        value = known(getattr(properties, "error", None), f"the error of {_named(name, place)}")
        if value is None:
            lost.append((name, place))
        else:
            found[name, place] = _possible(value, _named(name, place))
    like = dict(found)
    for name, places in _by_name(lost).items():
        virtual = name == "rz" and not any(seconds[name, place] for place in places)
        assumed = 0.0 if virtual else _assumed_error(name, len(places[0]), like)
        found |= dict.fromkeys(((name, place) for place in places), assumed)
        notes.append(f"The error of {name} is unknown on {listed(places)}: {assumed:.3g} is assumed.")
    return found


def _assumed_error(name: str, width: int, like: Values) -> float:
    working = {key: error for key, error in like.items() if error < dead_limit(key[0])}
    own = [error for (other, _), error in working.items() if other == name]
    if own:
        return min(max(_margin(name) * max(own), _LEAST_ERROR), (max(own) + dead_limit(name)) / 2)
    if name == "measure":
        return ASSUMED_READOUT_ERROR
    return max(_alike(working, width), default=ASSUMED_ERROR[width])


def _alike(values: Values, width: int) -> list[float]:
    """Return the figures of other gates on as many qubits: pulses are much alike, an rz is none."""
    return [
        value for (name, place), value in values.items() if len(place) == width and name not in _NO_PULSES
    ]


def _raise_to_coherence(
    errors: Values, seconds: Values, lifetimes: Sequence[tuple[float, float]], notes: list[str]
) -> None:
    """Raise errors to what the lifetimes allow in the duration of each gate."""
    raised: dict[str, list[tuple[float, float, Place]]] = {}
    for (name, place), error in errors.items():
        if name == "measure":
            continue
        # A hair less, so that Aer adds nothing to the relaxation that already is this error.
        limit = coherence_limit([lifetimes[q] for q in place], seconds[name, place]) * (1 - _ROUNDING)
        if error < limit:
            errors[name, place] = limit
            if error < limit * (1 - 1e-6):
                raised.setdefault(name, []).append((limit, error, place))
    for name, places in raised.items():
        limit, error, worst = max(places, key=lambda each: each[0] - each[1])
        notes.append(
            f"The error of {name} is below what T1 and T2 allow in its duration on "
            f"{listed(place for _, _, place in places)}: the coherence limit counts instead, at most "
            f"{limit:.3g} for {error:.3g} on {listed([worst])}."
        )


def _operations(target: Target) -> Iterable[tuple[str, Place, InstructionProperties | None]]:
    return (each for each in placed_gates(target) if each[0] != "delay")


def _possible(value: float, where: str) -> float:
    if not -_ROUNDING <= value <= 1 + _ROUNDING:
        raise HardwareError(f"{where}: expected an error of 0 to 1, found {value:g}")
    return min(max(value, 0.0), 1.0)


def _named(name: str, place: Place) -> str:
    return f"{name} on {listed([place])}"


def _by_name(lost: Iterable[tuple[str, Place]]) -> dict[str, list[Place]]:
    found: dict[str, list[Place]] = {}
    for name, place in lost:
        found.setdefault(name, []).append(place)
    return found
