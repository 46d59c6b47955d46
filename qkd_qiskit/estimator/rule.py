"""The terms of the gate budget, in two-qubit blocks, and how they are combined.

    T = clip(T_need, T_min, min(T_cap, T_device))

The paper's own formula is not public in full; this rule is stated openly and does not claim to be that one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import Field, ValidationError
from scipy.special import lambertw

from qkd_qiskit.config import Settings
from qkd_qiskit.errors import EstimatorError
from qkd_qiskit.faults import first_fault
from qkd_qiskit.store import guarded, parse_json, read_text

Limit = Literal["need", "data", "device", "minimum"]
_DATA: Limit = "data"
_DEVICE: Limit = "device"
_T = TypeVar("_T")

DEFAULT_SHOTS = 1024
"""Shots of a circuit unless told otherwise, those of `submit`."""

DEFAULT_RESOLUTION = 10.0
"""ESP times the root of the shots below which more gates cost accuracy; measured by the sweep `esp`."""

_HIGHEST_FLOOR = 0.95

FULL_BLOCK = 9
"""Trainable directions that one SU(4) block adds inside a circuit: 15, less 3 for each merging qubit."""


class NeedCoefficients(Settings):
    """`T_need = scale * D^diversity * (1 + overlap * O) * max(d, 1)^dimension * (9 / p)^kernel`.

    D is the class diversity, O the overlap, d the effective dimension, p the kernel's trainable gates, at
    most 9. No coefficient is negative, so that more classes, less separable data, more dimensions, or
    a smaller kernel never lower the need.
    """

    scale: float = Field(gt=0, allow_inf_nan=False, description="blocks")
    diversity: float = Field(ge=0, allow_inf_nan=False)
    overlap: float = Field(ge=0, allow_inf_nan=False)
    dimension: float = Field(ge=0, allow_inf_nan=False)
    kernel: float = Field(ge=0, allow_inf_nan=False)


class DataCoefficients(Settings):
    """`T_cap` solves `constant * sqrt(T log(M T) / N) = epsilon`."""

    constant: float = Field(gt=0, allow_inf_nan=False)
    epsilon: float = Field(gt=0, le=1, description="generalization gap that is put up with")


class DeviceCoefficients(Settings):
    """`T_device` is the largest structure with an ESP of `resolution / sqrt(shots)` or more.

    Noise shrinks the differences between outcomes in proportion to the ESP, and S shots resolve them to
    `1 / sqrt(S)`. A fixed `esp_floor` takes the place of the quotient.
    """

    resolution: float = Field(DEFAULT_RESOLUTION, ge=0, allow_inf_nan=False)
    shots: int = Field(DEFAULT_SHOTS, ge=1)
    esp_floor: float | None = Field(None, ge=0, lt=1)

    @property
    def floor(self) -> float:
        """Least ESP of a granted structure."""
        if self.esp_floor is not None:
            return self.esp_floor
        return min(self.resolution / math.sqrt(self.shots), _HIGHEST_FLOOR)


class FittedRange(Settings):
    """Structures and tasks that the coefficients were fitted to; beyond them the rule extrapolates."""

    n_qubits: int = Field(ge=2, description="width of all fitted structures")
    blocks: tuple[int, int] = Field(description="blocks of the smallest and the largest structure")
    classes: tuple[int, int] = Field(description="fewest and most classes of a task")

    def beyond(self, n_qubits: int, blocks: int, classes: int) -> tuple[str, ...]:
        """Return what lies outside of the range, in words; nothing where all is inside."""
        found = []
        if n_qubits != self.n_qubits:
            found.append(f"{n_qubits} qubits")
        for count, (least, most), what in (
            (blocks, self.blocks, "blocks"),
            (classes, self.classes, "classes"),
        ):
            if not least <= count <= most:
                found.append(f"{count} {what}")
        return tuple(found)


class Coefficients(Settings):
    """Coefficients of the rule, with where they come from."""

    schema_version: Literal[1] = Field(alias="schema")
    provisional: bool = Field(description="true until a calibration sweep with left-out tasks has set them")
    method: str = Field(min_length=1, description="how the values were chosen")
    encoding: str = Field("angle", description="encoding of the tasks that set them")
    fitted: FittedRange | None = Field(None, description="what they were fitted to; unknown when omitted")
    need: NeedCoefficients
    data: DataCoefficients
    device: DeviceCoefficients

    def with_shots(self, shots: int) -> Coefficients:
        """Return the same for circuits that are run with so many shots; a fixed ESP floor stays.

        Raises:
            EstimatorError: If there is no shot.
        """
        if shots < 1:
            raise EstimatorError(f"shots: expected at least 1, found {shots}")
        return self.model_copy(update={"device": self.device.model_copy(update={"shots": shots})})

    def with_floor(self, esp_floor: float | None) -> Coefficients:
        """Return the same with a fixed ESP floor; None leaves it as it is."""
        if esp_floor is None:
            return self
        device = self.device.model_copy(update={"esp_floor": esp_floor})
        return self.model_copy(update={"device": device})


def load_coefficients(path: Path | None = None) -> Coefficients:
    """Load the shipped coefficients, or those of a JSON file of the same form.

    Raises:
        EstimatorError: If the file cannot be read, or a key or value is wrong.
    """
    return _shipped() if path is None else _parse(read_text(path, EstimatorError, "coefficients "), str(path))


def class_diversity(classes: int, entropy: float, outcomes: int) -> float:
    """Return the mean of the number of outcomes and its effective number, at least 1.

    The effective number of classes is `2^entropy`, the Hill number of order 1 (Hill, Ecology 54:427, 1973): K
    equally frequent classes count as K, a rare one counts for less. Outcomes without data of their own,
    such as the reject outcome, count as one class each.

    Args:
        classes: Number K of classes in the data.
        entropy: Shannon entropy of their shares in bits.
        outcomes: Number of outcomes of the model, at least K.
    """
    return (outcomes + math.exp2(entropy) + (outcomes - classes)) / 2.0


def need_bound(
    diversity: float, overlap: float, dimension: float, parameters: int, coefficients: NeedCoefficients
) -> float:
    """Return blocks that the task needs; it never falls when one of the first three arguments grows.

    Args:
        diversity: As of `class_diversity`.
        overlap: 0 (centroids separate the classes) to 1 (no better than chance).
        dimension: Effective dimension of the encoded data.
        parameters: Trainable gates of one kernel.
        coefficients: The fitted values.

    Raises:
        EstimatorError: If the kernel has no trainable gate.
    """
    if parameters < 1:
        raise EstimatorError("expected a kernel with at least one trainable gate, found none")
    c = coefficients
    log_need = (
        math.log(c.scale)
        + c.diversity * math.log(max(diversity, 1.0))
        + math.log1p(c.overlap * overlap)
        + c.dimension * math.log(max(dimension, 1.0))
        + c.kernel * math.log(FULL_BLOCK / min(parameters, FULL_BLOCK))
    )
    return math.exp(min(log_need, 700.0))


def data_bound(samples: int, reuse: int, coefficients: DataCoefficients) -> float:
    """Trainable blocks that N samples support; it never falls when N grows.

    The form is the generalization bound of Caro et al., Nature Communications 13:4919 (2022): with T
    trainable gates, each used at most M times, the gap between training and test is in
    O(sqrt(T log(MT) / N)). The bound has no constant; ours is in the coefficients. Solved for T it reads
    `T = A / W(M A)` with `A = N (epsilon / constant)^2` and Lambert's W.

    Args:
        samples: Number N of different samples.
        reuse: Number M of uses of one trainable block, at least 1.
        coefficients: Constant and gap.
    """
    a = samples * (coefficients.epsilon / coefficients.constant) ** 2
    return a / float(lambertw(reuse * a).real) if a > 0 else 0.0


def device_bound(rungs: Sequence[_T], esp: Callable[[_T], float], floor: float) -> int:
    """Count rungs from the bottom, without a gap, whose expected success probability reaches the floor.

    The walk stops at the first rung that fails, so a device that is worse on every rung never gets more.

    Args:
        rungs: Structures, the smallest first.
        esp: Predicted expected success probability of one, in [0, 1].
        floor: The least that is accepted.
    """
    for number, rung in enumerate(rungs):
        if esp(rung) < floor:
            return number
    return len(rungs)


def combine(need: float, minimum: float, data: float, device: float) -> tuple[float, Limit]:
    """Return the granted number of blocks, and the term that set it.

    Bounds go before the need, and the data bound before an equal device bound.

    Raises:
        EstimatorError: If the smallest structure exceeds a bound.
    """
    bound, limit = (data, _DATA) if data <= device else (device, _DEVICE)
    if minimum > bound:
        raise EstimatorError(
            f"no gate budget: the smallest structure has {minimum:g} two-qubit blocks, "
            f"but the {limit} bound allows {bound:.3g}"
        )
    if need > bound:
        return bound, limit
    return (need, "need") if need > minimum else (minimum, "minimum")


@cache
def _shipped() -> Coefficients:
    text = (resources.files("qkd_qiskit.estimator") / "coefficients.json").read_text("utf-8")
    return _parse(text, "the shipped coefficients.json")


def _parse(text: str, where: str) -> Coefficients:
    with guarded(EstimatorError, where):
        table = parse_json(text, EstimatorError, where)
        try:
            return Coefficients.model_validate(table)
        except ValidationError as error:
            raise EstimatorError(f"{where}: {first_fault(error).told('the file')}") from None
