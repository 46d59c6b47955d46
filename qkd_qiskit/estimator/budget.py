"""The gate budget of one client: its data and its device to a structure, and what limited it."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from numbers import Integral
from typing import Any, TypedDict, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qkd_qiskit.arguments import NOTHING, takes
from qkd_qiskit.config import EstimatorSettings, ProbeSettings
from qkd_qiskit.encoding import Encoding, make_encoder
from qkd_qiskit.errors import DataError, EstimatorError, HardwareError, NoBudgetError
from qkd_qiskit.estimator.probes import ProbeResult, ProbeTask, probe_sizes
from qkd_qiskit.estimator.rule import (
    DEFAULT_SHOTS,
    Coefficients,
    Limit,
    class_diversity,
    combine,
    data_bound,
    device_bound,
    load_coefficients,
    need_bound,
)
from qkd_qiskit.estimator.size_ladder import build_size_ladder, trainable_blocks
from qkd_qiskit.estimator.statistics import DataStatistics, check_data, data_statistics
from qkd_qiskit.hardware import Device, NativeCounts, load_backend, predict_counts
from qkd_qiskit.hardware.registry import DEVICE_KINDS, DeviceLike
from qkd_qiskit.text import facts_html
from qkd_qiskit.vqcnn import Kernel, VQCNNSpec
from qkd_qiskit.vqcnn.drawing import spec_html


@dataclass(frozen=True)
class BudgetTerms:
    """The four terms, in two-qubit blocks.

    Attributes:
        need: What the task needs; never above the ladder's top.
        data: What the number of different samples supports.
        device: The largest structure above the ESP floor; 0 if there is none.
        minimum: The smallest structure in which every qubit reaches the measured ones.
    """

    need: float
    data: float
    device: float
    minimum: float


@dataclass(frozen=True)
class GateBudget:
    """What the estimator grants a client.

    Attributes:
        blocks: Two-qubit blocks of the structure.
        weights: Circuit weights of the structure, without the logit scale.
        two_qubit_gates: Predicted native two-qubit gates on the device.
        limited_by: The term that set `blocks`.
        spec: The structure.
        terms: Each term's value.
        statistics: What was read from the data.
        predicted: Predicted native counts, depth, duration and ESP on the device.
        backend: Name of the device.
        provisional: Whether the coefficients wait for their calibration.
        notes: What the reader should know, one sentence each.
        probes: What short trainings found, where they settled the size; None for the rule alone.
    """

    blocks: int
    weights: int
    two_qubit_gates: int
    limited_by: Limit
    spec: VQCNNSpec
    terms: BudgetTerms
    statistics: DataStatistics
    predicted: NativeCounts
    backend: str
    provisional: bool
    notes: tuple[str, ...] = ()
    probes: ProbeResult | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the budget, ready for JSON; the model index is a decimal string."""
        return {
            "blocks": self.blocks,
            "weights": self.weights,
            "two_qubit_gates": self.two_qubit_gates,
            "limited_by": self.limited_by,
            "model_index": str(self.spec.index),
            "plan": ", ".join(self.spec.plan),
            "terms": asdict(self.terms),
            "statistics": self.statistics.to_dict(),
            "predicted": self.predicted.to_dict(),
            "backend": self.backend,
            "provisional": self.provisional,
            "notes": list(self.notes),
            "probes": None if self.probes is None else self.probes.to_dict(),
        }

    def _repr_html_(self) -> str:
        """Return the budget and its structure for a notebook."""
        terms = asdict(self.terms)
        facts = {
            "blocks": self.blocks,
            "limited by": self.limited_by,
            "weights": self.weights,
            "two-qubit gates, predicted": self.two_qubit_gates,
            "expected success probability, predicted": f"{self.predicted.esp:.3f}",
            "terms, in blocks": ", ".join(f"{name} {value:.3g}" for name, value in terms.items()),
            "samples": f"{self.statistics.samples} of {self.statistics.classes} classes",
            "notes": "; ".join(self.notes) or None,
        }
        return facts_html(f"Gate budget on {self.backend}", facts) + spec_html(self.spec)


class ModelFamily(TypedDict, total=False):
    """What all structures of one model have in common.

    Attributes:
        n_qubits: Width, at least 2; 8 when omitted.
        encoding: Name of the encoding, or the encoding itself; `angle` when omitted.
        kernel: Preset name, gate string or `Kernel`; `su4` when omitted.
        sharing: `layer` or `site`; `site` when omitted.
    """

    n_qubits: int
    encoding: str | Encoding
    kernel: str | Kernel
    sharing: str


class EstimatorArguments(TypedDict):
    """Arguments of `estimate_gate_budget` that settings decide.

    Attributes:
        coefficients: The shipped ones, with another ESP floor where the settings fix one.
        shots: Shots that a circuit will be run with.
        probes: How to probe; False for the rule alone.
    """

    coefficients: Coefficients
    shots: int
    probes: ProbeSettings | bool


def estimator_arguments(settings: EstimatorSettings, seed: int) -> EstimatorArguments:
    """Return what settings mean for `estimate_gate_budget`.

    Args:
        settings: Of the estimator.
        seed: Of the probes, in place of that of the settings.
    """
    return {
        "coefficients": load_coefficients().with_floor(settings.esp_floor),
        "shots": settings.shots,
        "probes": settings.probe.model_copy(update={"seed": seed}) if settings.probes else False,
    }


@takes(
    EstimatorError,
    backend=DEVICE_KINDS,
    n_outcomes=(Integral, NOTHING),
    coefficients=(Coefficients, NOTHING),
    shots=Integral,
    probes=(bool, ProbeSettings),
)
def estimate_gate_budget(
    X: ArrayLike,
    y: ArrayLike,
    *,
    backend: DeviceLike,
    n_outcomes: int | None = None,
    coefficients: Coefficients | None = None,
    shots: int = DEFAULT_SHOTS,
    probes: ProbeSettings | bool = False,
    **family: Unpack[ModelFamily],
) -> GateBudget:
    """Grant a client two-qubit blocks from its data and its device.

    The rule answers at once. With probes its proposal is a prior, and a few short trainings of sizes around
    it, judged on samples that were held out, settle the size.

    Args:
        X: Encoded inputs [N, F], as many as the encoding has. Raw features [N, F] of any other width are
            accepted where inputs are angles: they are encoded by an encoder fitted on X, and the budget's
            notes say so.
        y: Class labels [N], numbers or strings.
        backend: The client's device: what `load_backend` takes, a Qiskit backend too.
        n_outcomes: Outcomes of the model; by default the number of classes, at least 2. One more makes
            room for the reject outcome.
        coefficients: Other coefficients than the shipped ones.
        shots: Shots that the circuit will be run with; fewer bear less noise, and so fewer gates.
        probes: Whether to probe, or how.
        **family: `n_qubits`, `encoding`, `kernel` and `sharing` of the model, as in `ModelFamily`.

    Raises:
        EstimatorError: If the data cannot be measured, no structure fits the arguments, or the smallest
            structure exceeds the data or the device bound; with probes, if there are too few samples to hold
            some out.
        HardwareError: If the device is unknown.
    """
    rule = (load_coefficients() if coefficients is None else coefficients).with_shots(shots)
    features, classes, numbers = check_data(X, y)
    outcomes = max(len(classes), 2) if n_outcomes is None else n_outcomes
    if outcomes < max(len(classes), 2):
        raise EstimatorError(
            f"expected n_outcomes of at least {max(len(classes), 2)} for {len(classes)} classes, "
            f"found {outcomes}"
        )
    model: ModelFamily = {"n_qubits": 8, "encoding": "angle", **family}
    ladder = build_size_ladder(n_outcomes=outcomes, **model)
    encoding = ladder[0].encoding
    inputs, notes = _encoded(features, ladder[0])
    if encoding != rule.encoding:
        notes += (
            f"the coefficients were fitted to {rule.encoding} encoding; for {encoding} they extrapolate",
        )
    statistics = data_statistics(inputs, y, encoding=encoding)
    device = load_backend(backend)
    terms = budget_terms(ladder, statistics, rule, device)
    found = None
    if not probes or terms.device < terms.minimum:
        try:
            spec, limit = grant(ladder, terms)
        except EstimatorError as error:
            if terms.device >= terms.minimum:
                raise
            lacks, told = _excess_gates(ladder[0], device, rule.device.floor)
            raise NoBudgetError(f"{error}: {told}", lacks) from None
    else:
        # Held-out samples tell themselves what they support, better than the bound on the data.
        settings = ProbeSettings() if probes is True else probes
        allowed = tuple(rung for rung in ladder if len(rung.blocks) <= terms.device)
        bounded = len(allowed) < len(ladder)
        task = ProbeTask(allowed, inputs, numbers, statistics, terms.need, device, bounded)
        spec, found = probe_sizes(task, settings)
        limit, notes = found.limited_by, (*notes, found.explanation)
    predicted = predict_counts(spec, device)
    notes += _extrapolation(rule, spec, statistics.classes)
    return GateBudget(
        blocks=len(spec.blocks),
        weights=spec.n_weights,
        two_qubit_gates=predicted.two_qubit,
        limited_by=limit,
        spec=spec,
        terms=terms,
        statistics=statistics,
        predicted=predicted,
        backend=device.name,
        provisional=rule.provisional,
        notes=notes,
        probes=found,
    )


def budget_terms(
    ladder: tuple[VQCNNSpec, ...], statistics: DataStatistics, rule: Coefficients, device: Device | None
) -> BudgetTerms:
    """Return the terms of the rule for one ladder.

    Args:
        ladder: What `build_size_ladder` gives.
        statistics: Of the client's data.
        rule: The coefficients.
        device: The client's device; None for one that bounds nothing.

    Raises:
        EstimatorError: If the ladder's structures do not fit the device, or their kernel trains nothing.
    """
    diversity = class_diversity(statistics.classes, statistics.entropy, ladder[0].n_outcomes)
    need = need_bound(
        diversity, statistics.overlap, statistics.dimension, ladder[0].kernels[0].n_parameters, rule.need
    )
    return BudgetTerms(
        need=min(need, float(len(ladder[-1].blocks))),
        data=_data_blocks(ladder, statistics.distinct, rule),
        device=float(len(ladder[-1].blocks)) if device is None else _device_blocks(ladder, device, rule),
        minimum=float(len(ladder[0].blocks)),
    )


def grant(ladder: tuple[VQCNNSpec, ...], terms: BudgetTerms) -> tuple[VQCNNSpec, Limit]:
    """Return the structure that the terms allow, and the term that set it.

    The need is rounded up to a rung of the ladder, a bound down.

    Raises:
        EstimatorError: If the smallest structure exceeds a bound.
    """
    blocks, limit = combine(
        _round_up(terms.need, ladder), minimum=terms.minimum, data=terms.data, device=terms.device
    )
    spec = max((rung for rung in ladder if len(rung.blocks) <= blocks), key=lambda rung: len(rung.blocks))
    return spec, limit


def _device_blocks(ladder: tuple[VQCNNSpec, ...], device: Device, rule: Coefficients) -> float:
    """Return the device bound in blocks; 0 if no rung keeps the ESP above the floor."""
    try:
        runnable = device_bound(ladder, lambda rung: predict_counts(rung, device).esp, rule.device.floor)
    except HardwareError as error:
        few = ladder[0].n_qubits - len(device.usable_qubits)
        lacks = f"{few} qubit{'s' if few > 1 else ''} too few" if few > 0 else ""
        told = f": {lacks}" if lacks else ""
        raise NoBudgetError(f"no gate budget: the device bound: {error}{told}", lacks) from None
    return float(len(ladder[runnable - 1].blocks)) if runnable else 0.0


def _excess_gates(spec: VQCNNSpec, device: Device, floor: float) -> tuple[str, str]:
    """Return by how many gates a structure is too large for a device's errors, in few words and in more."""
    counts = predict_counts(spec, device)
    gates = counts.two_qubit
    # Errors multiply: gates count in the logarithm.
    allowed = int(gates * math.log(floor) / math.log(counts.esp)) if 0 < counts.esp < 1 else 0
    lacks = f"{gates - allowed} gates too many"
    return lacks, (
        f"its {gates} two-qubit gates on {device.name} leave an expected success probability of "
        f"{counts.esp:.2g} where {floor:.2g} is the least, for which about {allowed} gates would do: {lacks}"
    )


def _data_blocks(ladder: tuple[VQCNNSpec, ...], samples: int, rule: Coefficients) -> float:
    """Return the data bound in blocks.

    With one weight set a block, the bound counts blocks. With shared weights it counts trainable blocks, and
    the largest rung within it tells how many blocks that makes.
    """
    if all(trainable_blocks(rung) == (len(rung.blocks), 1) for rung in ladder):
        return data_bound(samples, 1, rule.data)
    blocks = 0.0
    for rung in ladder:
        trained, reuse = trainable_blocks(rung)
        if trained > data_bound(samples, reuse, rule.data):
            break
        blocks = float(len(rung.blocks))
    return blocks


def _round_up(need: float, ladder: tuple[VQCNNSpec, ...]) -> float:
    """Return blocks of the first rung that covers the need."""
    return float(next(len(rung.blocks) for rung in ladder if len(rung.blocks) >= need))


def _extrapolation(rule: Coefficients, spec: VQCNNSpec, classes: int) -> tuple[str, ...]:
    """Say where a granted structure lies outside of what the coefficients were fitted to."""
    fitted = rule.fitted
    beyond = () if fitted is None else fitted.beyond(spec.n_qubits, len(spec.blocks), classes)
    if fitted is None or not beyond:
        return ()
    return (
        f"the coefficients were fitted to {fitted.n_qubits} qubits, {fitted.blocks[0]} to "
        f"{fitted.blocks[1]} blocks and {fitted.classes[0]} to {fitted.classes[1]} classes; for "
        f"{' and '.join(beyond)} they extrapolate",
    )


def _encoded(features: NDArray[np.float64], spec: VQCNNSpec) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    width = features.shape[1]
    if width == spec.n_features:
        return features, ()
    if not spec.executable:
        raise EstimatorError(
            f"expected {spec.n_features} amplitudes for {spec.n_qubits} qubits, found {width} features"
        )
    try:
        inputs = make_encoder(spec.input_encoding, spec.n_qubits).fit(features).transform(features)
    except DataError as error:
        raise EstimatorError(f"cannot encode the raw features: {error}") from None
    note = f"{width} raw features were encoded as {spec.n_features} angles, fitted on this client's own data"
    return inputs, (note,)
