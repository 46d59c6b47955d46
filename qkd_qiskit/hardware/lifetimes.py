"""T1 and T2 of all qubits: read, or assumed where a calibration does not say them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import inf, isnan

from qiskit.transpiler import Target

from qkd_qiskit.errors import HardwareError
from qkd_qiskit.hardware.coherence import Lifetimes, shortest_lifetime
from qkd_qiskit.hardware.targets import Place

WORSE = 1.25
"""An unknown value is this factor worse than the worst known one of its kind."""
_SHOWN = 6

Values = dict[tuple[str, Place], float]
"""A figure of each operation, by its name and qubits."""


def find_lifetimes(
    target: Target, seconds: Values, errors: Values, notes: list[str]
) -> list[Lifetimes] | None:
    """Return T1 and T2 of each qubit, T2 cut at 2 T1 as Aer does: both are measured at different times.

    An unknown lifetime is shorter than all known ones. Where none is known at all, it is the shortest that
    the gate errors allow: that at which relaxation alone makes the error of the best gate.

    Args:
        target: A target whose operations all have an error and a duration.
        seconds: Their durations.
        errors: Their errors.
        notes: Assumptions are added to it.

    Returns:
        Seconds; None where neither lifetimes nor gate errors tell anything.

    Raises:
        HardwareError: If a lifetime is not positive and finite.
    """
    n = int(target.num_qubits)
    t1, t2 = (_read(target, kind) for kind in ("t1", "t2"))
    if not t1 and not t2:
        derived = _derived(n, seconds, errors)
        if derived is None:
            notes.append("T1 and T2 are unknown, and no gate error bounds them: there is no idle noise.")
            return None
        notes.append(
            "T1 and T2 are unknown on all qubits: the shortest that the gate errors allow are assumed."
        )
        return [(time, time) for time in derived]
    if not t1:
        t1 = {qubit: time / 2 for qubit, time in t2.items()}
        notes.append("T1 is unknown on all qubits: the shortest that T2 allows is assumed.")
    if not t2:
        t2 = _shortest_t2(t1, _derived(n, seconds, errors))
        notes.append(
            "T2 is unknown on all qubits: the shortest that T1 and the gate errors allow is assumed."
        )
    for name, times in (("T1", t1), ("T2", t2)):
        lost = [qubit for qubit in range(n) if qubit not in times]
        if lost:
            assumed = min(times.values()) / WORSE
            times |= dict.fromkeys(lost, assumed)
            notes.append(f"{name} is unknown on {listed((q,) for q in lost)}: {assumed:.3g} s is assumed.")
    above = [(q,) for q in range(n) if t2[q] > 2 * t1[q] * (1 + 1e-6)]
    if above:
        notes.append(f"T2 is above 2 T1 on {listed(above)}: it counts as 2 T1.")
    return [(t1[q], min(t2[q], 2 * t1[q])) for q in range(n)]


def known(value: object, what: str) -> float | None:
    """Return a value as a number; None where it is None or NaN.

    Raises:
        HardwareError: If it is no number.
    """
    if value is None:
        return None
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise HardwareError(f"{what}: expected a number, found {value!r}") from None
    return None if isnan(number) else number


def listed(places: Iterable[Place]) -> str:
    """Return qubits or couplings as words: `qubit 3`, `qubits 1-2, 4-3, and 20 more`.

    A coupling whose two directions are both there stands once.
    """
    found = set(places := list(places))
    once = dict.fromkeys(min(place, place[::-1]) if place[::-1] in found else place for place in places)
    names = ["-".join(map(str, place)) for place in once]
    more = f", and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    single = len(names) == 1 and "-" not in names[0]
    return f"qubit{'' if single else 's'} {', '.join(names[:_SHOWN])}{more}"


def _read(target: Target, kind: str) -> dict[int, float]:
    found = {}
    for qubit, properties in enumerate(target.qubit_properties or ()):
        value = known(getattr(properties, kind, None), f"{kind.upper()} of qubit {qubit}")
        if value is None:
            continue
        if not 0 < value < inf:
            raise HardwareError(
                f"qubit {qubit}: expected a {kind.upper()} above 0 s, and finite, found {value:g}"
            )
        found[qubit] = value
    return found


def _derived(n_qubits: int, seconds: Values, errors: Values) -> list[float] | None:
    """Return for each qubit the shortest T1 = T2 that all its gates allow."""
    bounds: dict[int, float] = {}
    for (name, place), error in errors.items():
        bound = None if name == "measure" else shortest_lifetime(error, seconds[name, place], len(place))
        for qubit in place if bound is not None else ():
            bounds[qubit] = max(bound or 0.0, bounds.get(qubit, 0.0))
    if not bounds:
        return None
    return [bounds.get(qubit, min(bounds.values())) for qubit in range(n_qubits)]


def _shortest_t2(t1: Mapping[int, float], derived: list[float] | None) -> dict[int, float]:
    """Return the T2 at which relaxation makes the error that equal lifetimes would; at most T1.

    To first order in t, a gate's error is t / (6 T1) + t / (3 T2) on each qubit.
    """
    found = {}
    for qubit, time in t1.items():
        rate = 2 / time if derived is None else 1.5 / derived[qubit] - 0.5 / time
        found[qubit] = 1 / max(rate, 1 / time)
    return found
