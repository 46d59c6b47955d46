"""All ways to run a circuit against the exact engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from numbers import Integral

import numpy as np
from qiskit_aer.primitives import SamplerV2 as AerSampler

from qkd_qiskit.arguments import found, items, takes
from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.errors import InteropError, ModelError
from qkd_qiskit.interop.cases import CrosscheckCase
from qkd_qiskit.interop.export import sampler_qnn
from qkd_qiskit.interop.pennylane import PennyLaneEvaluator, require_pennylane, require_plugin
from qkd_qiskit.progress import NullProgress, Progress
from qkd_qiskit.simulation import AerEvaluator, PauliEvaluator, SamplerEvaluator, count_agreement
from qkd_qiskit.simulation.agreement import FALSE_ALARMS

IDEAL_TOLERANCE = 1e-9
NOISY_TOLERANCE = 1e-7

#: Heading of a column, and where its value lies in a row.
COLUMNS = (
    ("route", "route"),
    ("noise", "noise"),
    ("cases", "cases"),
    ("largest\ndifference", "difference"),
    ("tolerance", "tolerance"),
    ("chi-square\np-value", "p_value"),
    ("passed", "passed"),
)

_Exact = Callable[[CrosscheckCase], FloatArray]
_Sampled = Callable[[CrosscheckCase, int, int], FloatArray]


@dataclass(frozen=True)
class CheckRow:
    """One route, with or without noise, over all cases.

    Attributes:
        route: Name of the route.
        noise: `ideal` or `noisy`.
        cases: Cases that the route can run.
        difference: Largest difference from the engine's probabilities; None where no case ran, or a route
            gave something else than numbers.
        tolerance: What an exact route may differ by; None for sampled routes.
        p_value: Smallest corrected p-value of the chi-square test; None for exact routes.
        passed: Whether every case agrees; None where no case ran.
        worst_index: Model index of the worst case, as a decimal string; None where no case ran.
        missing: What the route needs and how to get it, where it is not installed; None where it is.
    """

    route: str
    noise: str
    cases: int
    difference: float | None
    tolerance: float | None
    p_value: float | None
    passed: bool | None
    worst_index: str | None
    missing: str | None = None

    def to_dict(self) -> dict[str, object]:
        """Return the row, ready for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class _Group:
    """All cases without noise, or all with noise, and what the engine gives for each.

    Attributes:
        kind: `ideal` or `noisy`.
        cases: The cases.
        references: Outcome probabilities of each.
        tolerance: What an exact route may differ by.
    """

    kind: str
    cases: Sequence[CrosscheckCase]
    references: Sequence[FloatArray]
    tolerance: float

    @classmethod
    def of(cls, kind: str, cases: Sequence[CrosscheckCase], tolerance: float) -> _Group:
        found = [PauliEvaluator(c.source, c.noise_model).probabilities(c.weights, c.inputs) for c in cases]
        return cls(kind, cases, found, tolerance)


@dataclass(frozen=True)
class _Shots:
    """How sampled routes draw: shots of every circuit, their seed, the p-value that raises an alarm."""

    number: int
    seed: int
    alarm: float


def missing_routes() -> dict[str, str]:
    """Return what each route that is not installed needs, and how to get it."""
    missing = {}
    for route, require in _NEEDS.items():
        try:
            require()
        except InteropError as error:
            missing[route] = str(error)
    return missing


def require_routes(names: Sequence[str]) -> None:
    """Make sure that routes are installed.

    Args:
        names: Among `ROUTES`.

    Raises:
        InteropError: If a name is unknown, or its route is not installed.
    """
    for name in names:
        if name not in ROUTES:
            raise InteropError(f"expected a route among {', '.join(ROUTES)}, found {name!r}")
    missing = missing_routes()
    for name in names:
        if name in missing:
            raise InteropError(f"the route {name} is missing: {missing[name]}")


@takes(InteropError, shots=Integral, seed=Integral)
def crosscheck(
    cases: Sequence[CrosscheckCase], *, shots: int = 4000, seed: int = 0, progress: Progress | None = None
) -> tuple[CheckRow, ...]:
    """Compare Aer, a sampler, SamplerQNN and PennyLane with the exact engine.

    Exact routes must agree to 1e-9 without noise and 1e-7 with noise. Sampled routes pass a chi-square test
    whose false-alarm rate, over all cases and routes together, is 1e-3. Routes that cannot run a case leave
    it out (a SamplerQNN takes no amplitudes; the `qiskit.aer` device knows no idle noise, and under noise no
    amplitudes and no controlled rotations). Routes that are not installed run no case.

    Args:
        cases: What to compute; ideal and noisy ones may be mixed.
        shots: Shots of every circuit on sampled routes.
        seed: Seed of the shots, at least 0.
        progress: Notified of every route.

    Returns:
        One row for each route and kind of noise that occurs, missing routes included.

    Raises:
        InteropError: If there is no case.
    """
    cases = items(InteropError, "cases", cases, "cases")
    for case in cases:
        if not isinstance(case, CrosscheckCase):
            raise InteropError(f"cases: expected instances of CrosscheckCase, found {found(case)}")
    if not cases:
        raise InteropError("expected at least one case, found none")
    missing = missing_routes()
    watcher = progress or NullProgress()
    ideal = [case for case in cases if case.noise_model is None]
    noisy = [case for case in cases if case.noise_model is not None]
    draws = _Shots(shots, seed, FALSE_ALARMS / (3 * len(cases)))
    rows: list[CheckRow] = []
    for kind, chosen, tolerance in (("ideal", ideal, IDEAL_TOLERANCE), ("noisy", noisy, NOISY_TOLERANCE)):
        if not chosen:
            continue
        group = _Group.of(kind, chosen, tolerance)
        exact = _EXACT if kind == "noisy" else {**_EXACT, _ON_AER: _on_aer_exactly}
        sampled = {**_SAMPLED, _ON_AER: _on_aer_sampled} if kind == "noisy" else _SAMPLED
        for name, run in exact.items():
            if name in missing:
                rows.append(CheckRow(name, kind, 0, None, tolerance, None, None, None, missing[name]))
                continue
            watcher.start(f"{name}, {kind}", len(chosen))
            rows.append(_exact_row(name, run, group, watcher))
        for name, draw in sampled.items():
            if name in missing:
                rows.append(CheckRow(name, kind, 0, None, None, None, None, None, missing[name]))
                continue
            watcher.start(f"{name}, {kind}", len(chosen))
            rows.append(_sampled_row(name, draw, group, draws, watcher))
    return tuple(rows)


def _exact_row(name: str, run: _Exact, group: _Group, progress: Progress) -> CheckRow:
    differences: list[tuple[float, str]] = []
    for case, reference in zip(group.cases, group.references, strict=True):
        found = _or_none(lambda case=case: run(case))  # type: ignore[misc]
        if found is not None:
            difference = float(np.abs(found - reference).max())
            # Not a number is the worst of all: it would be lost among numbers.
            differences.append((np.inf if np.isnan(difference) else difference, str(case.spec.index)))
        progress.advance(f"{name}, {group.kind}")
    progress.done(f"{name}, {group.kind}")
    largest, worst = max(differences, default=(None, None))
    passed = None if largest is None else largest <= group.tolerance
    shown = None if largest == np.inf else largest
    return CheckRow(name, group.kind, len(differences), shown, group.tolerance, None, passed, worst)


def _sampled_row(name: str, draw: _Sampled, group: _Group, shots: _Shots, progress: Progress) -> CheckRow:
    p_values: list[tuple[float, str]] = []
    largest: float | None = None
    for number, (case, reference) in enumerate(zip(group.cases, group.references, strict=True)):
        found = _or_none(lambda c=case, k=number: draw(c, shots.number, shots.seed + k))  # type: ignore[misc]
        if found is not None:
            p_values.append((_p_value(found, reference, shots.number), str(case.spec.index)))
            difference = float(np.abs(found - reference).max())
            largest = max(largest or 0.0, 0.0 if np.isnan(difference) else difference)
        progress.advance(f"{name}, {group.kind}")
    progress.done(f"{name}, {group.kind}")
    smallest, worst = min(p_values, default=(None, None))
    passed = None if smallest is None else smallest >= shots.alarm
    return CheckRow(name, group.kind, len(p_values), largest, None, smallest, passed, worst)


def _p_value(found: FloatArray, reference: FloatArray, shots: int) -> float:
    """Return the chi-square test's p-value; 0 where a row is not made of all its shots."""
    counts = np.rint(np.nan_to_num(found, nan=-1.0) * shots).astype(np.int64)
    if (counts < 0).any() or (counts.sum(axis=1) != shots).any():
        return 0.0
    return count_agreement(counts, reference).p_value


class _NotApplicable(Exception):
    """A route cannot run a case."""


def _or_none(run: Callable[[], FloatArray]) -> FloatArray | None:
    try:
        return run()
    except _NotApplicable:
        return None


def _aer(case: CrosscheckCase) -> FloatArray:
    return AerEvaluator(case.source, case.noise_model).probabilities(case.weights, case.inputs)


def _native(case: CrosscheckCase) -> FloatArray:
    return PennyLaneEvaluator(case.source, case.noise_model).probabilities(case.weights, case.inputs)


def _converted(case: CrosscheckCase) -> FloatArray:
    evaluator = PennyLaneEvaluator(case.source, case.noise_model, route="converted")
    return evaluator.probabilities(case.weights, case.inputs)


def _on_aer_exactly(case: CrosscheckCase) -> FloatArray:
    evaluator = PennyLaneEvaluator(case.source, simulator="qiskit.aer")
    return evaluator.probabilities(case.weights, case.inputs)


def _on_aer_sampled(case: CrosscheckCase, shots: int, seed: int) -> FloatArray:
    try:
        evaluator = PennyLaneEvaluator(
            case.source, case.noise_model, simulator="qiskit.aer", shots=shots, seed=seed
        )
    except InteropError:
        raise _NotApplicable from None
    return evaluator.probabilities(case.weights, case.inputs)


def _sampler(case: CrosscheckCase, shots: int, seed: int) -> FloatArray:
    evaluator = SamplerEvaluator(case.source, case.noise_model, shots=shots, seed=seed)
    return evaluator.probabilities(case.weights, case.inputs)


def _qnn(case: CrosscheckCase, shots: int, seed: int) -> FloatArray:
    options = {"backend_options": {"noise_model": case.noise_model, "method": "density_matrix"}}
    sampler = AerSampler(default_shots=shots, seed=seed, options=options if case.noise_model else None)
    try:
        network = sampler_qnn(case.source, sampler=sampler)
    except ModelError:
        raise _NotApplicable from None
    return np.asarray(network.forward(case.inputs, case.weights))


_ON_AER = "PennyLane on qiskit.aer"
_EXACT: dict[str, _Exact] = {"Aer": _aer, "PennyLane native": _native, "PennyLane converted": _converted}
_SAMPLED: dict[str, _Sampled] = {"SamplerV2": _sampler, "SamplerQNN": _qnn}
_NEEDS: dict[str, Callable[[], object]] = {
    "PennyLane native": require_pennylane,
    "PennyLane converted": require_plugin,
    _ON_AER: require_plugin,
}

#: Names of all routes.
ROUTES = (*_EXACT, _ON_AER, *_SAMPLED)
