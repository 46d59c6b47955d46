"""Which structures the classifier tries: its width, and its sizes within the gate budget."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any, Literal

import numpy as np

from qkd_qiskit.arguments import found as describe
from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.encoding import Encoder, Encoding, encoding_named, make_encoder
from qkd_qiskit.encoding.principal_angles import PrincipalAngles
from qkd_qiskit.errors import ClassifierError, DataError
from qkd_qiskit.estimator import GateBudget, estimate_gate_budget
from qkd_qiskit.estimator.size_ladder import build_size_ladder
from qkd_qiskit.estimator.statistics import class_overlap
from qkd_qiskit.hardware import Device, predict_counts
from qkd_qiskit.hardware.descriptor import Descriptor
from qkd_qiskit.hardware.registry import device_from_descriptor
from qkd_qiskit.interop.classifier_samples import scaled_features
from qkd_qiskit.simulation import PauliEvaluator
from qkd_qiskit.vqcnn import VQCNNSpec

Budget = Literal["auto"] | int | VQCNNSpec

#: Narrowest and widest model that is chosen. On pairs of MNIST digits with 800 images, validation accuracy
#: was 96.4 % with 6 qubits, 96.8 % with 8 and 96.7 % with 10, at twice the time.
NARROWEST, WIDEST = 4, 8
_NEGLIGIBLE = 1e-9


@dataclass(frozen=True, eq=False)
class Family:
    """What all structures of one model have in common.

    Attributes:
        encoding: Name of the encoding, or the encoding itself.
        kernel: Preset name or gate string of the block.
        sharing: `layer` or `site`.
        n_outcomes: Number of classes.
        device: The device; None for ideal gates.
    """

    encoding: str | Encoding
    kernel: str
    sharing: str
    n_outcomes: int
    device: Device | None

    def arguments(self, n_qubits: int) -> dict[str, Any]:
        """Return what a ladder of structures of this width takes."""
        return {
            "n_qubits": n_qubits,
            "encoding": self.encoding,
            "kernel": self.kernel,
            "sharing": self.sharing,
            "n_outcomes": self.n_outcomes,
        }


def widths(
    n_qubits: Literal["auto"] | int, budget: Budget, features: FloatArray, family: Family
) -> list[int]:
    """Return the widths to try, the first that has a structure being taken.

    Args:
        n_qubits: A width, or `"auto"`.
        budget: A spec sets the width itself.
        features: Raw features [N, F].
        family: What all structures have in common.

    Raises:
        ClassifierError: If `n_qubits` is neither, or the encoding has no width from 4 to 8.
    """
    if isinstance(n_qubits, Integral) and not isinstance(n_qubits, bool):
        # The spec refuses a width or an encoding that no structure has.
        return [VQCNNSpec(int(n_qubits), family.encoding).n_qubits]
    if not isinstance(n_qubits, str) or n_qubits != "auto":
        raise ClassifierError(f'n_qubits: expected "auto" or a number, found {describe(n_qubits)}')
    if isinstance(budget, VQCNNSpec):
        return [budget.n_qubits]
    rank = _rank(features)
    known = dict(_known_widths(family))
    if not known:
        raise ClassifierError(
            f"n_qubits: expected a number, as the encoding has none from {NARROWEST} to {WIDEST}"
        )
    enough = [n for n, inputs in known.items() if inputs >= rank]
    widest = min(enough, default=max(known))
    # A device may not bear what the data want: then the next narrower one is tried.
    return [n for n in sorted(known, reverse=True) if n <= widest]


def _known_widths(family: Family) -> Iterator[tuple[int, int]]:
    """Yield each width that encoding and device allow, with its number of inputs."""
    encoding = encoding_named(family.encoding) if isinstance(family.encoding, str) else family.encoding
    if not hasattr(encoding, "n_features"):
        raise ClassifierError(f"encoding: expected a name or an Encoding, found {describe(encoding)}")
    most = WIDEST if family.device is None else min(WIDEST, len(family.device.usable_qubits))
    for n in range(min(NARROWEST, most), most + 1):
        try:
            yield n, encoding.n_features(n)
        except DataError:
            # A circuit of one's own has one width.
            continue


def _rank(features: FloatArray) -> int:
    """Return the number of directions in which features [N, F] differ."""
    centred = scaled_features(features)
    centred = centred - centred.mean(axis=0)
    if not centred.any():
        return 0
    singular = np.linalg.svd(scaled_features(centred), compute_uv=False)
    return int((singular > _NEGLIGIBLE * singular[0]).sum())


def fit_encoder(encoding: str | Encoding, n_qubits: int, features: FloatArray, labels: IntArray) -> Encoder:
    """Return an encoder fitted on features as they are, or on standardized ones where these tell more.

    Columns in different units hide each other from principal components, pixels do not. Which is which tells
    the overlap of the classes in the encoded space, each sample judged by the centroids of the others.

    Args:
        encoding: Name of the encoding, or the encoding itself.
        n_qubits: Width.
        features: Raw features [N, F].
        labels: Class numbers [N].

    Raises:
        DataError: If the encoding is unknown, or the features do not fit it.
    """
    plain = make_encoder(encoding, n_qubits).fit(features)
    if not isinstance(plain, PrincipalAngles):
        return plain
    largest = float(np.abs(features).max())
    deviation = largest * scaled_features(features).std(axis=0)
    deviation = np.where(deviation > 0, deviation, 1.0)
    scaled = make_encoder(encoding, n_qubits).fit(features / deviation)
    known = encoding_named(encoding) if isinstance(encoding, str) else encoding
    arrays = dict(scaled.arrays())
    # The same encoder, for features as they are.
    arrays["mean"] = arrays["mean"] * deviation
    arrays["directions"] = arrays["directions"] / deviation[:, None]
    scaled = known.restore_encoder(n_qubits, arrays)
    before, after = (
        class_overlap(known.feature_space(encoder.transform(features)), labels) for encoder in (plain, scaled)
    )
    return scaled if after < before else plain


@dataclass(frozen=True, eq=False)
class Candidates:
    """Structures of one width, the cheapest first.

    Attributes:
        specs: The structures.
        budget: What the estimator granted; None where nobody asked it.
    """

    specs: tuple[VQCNNSpec, ...]
    budget: GateBudget | None

    def budget_of(self, spec: VQCNNSpec, family: Family) -> GateBudget | None:
        """Return the budget for the structure that was chosen, which may be smaller than the granted one."""
        granted = self.budget
        if granted is None or spec == granted.spec:
            return granted
        predicted = predict_counts(spec, family.device or ideal_device(spec.n_qubits))
        note = (
            f"of {granted.blocks} granted blocks, {len(spec.blocks)} are used: more did not pay in training"
        )
        return replace(
            granted,
            spec=spec,
            blocks=len(spec.blocks),
            weights=spec.n_weights,
            two_qubit_gates=predicted.two_qubit,
            predicted=predicted,
            notes=(*granted.notes, note),
        )


@dataclass(frozen=True)
class GradientCost:
    """What one gradient may take.

    Attributes:
        samples: Samples that it is of.
        most_seconds: Most seconds that it is predicted to take on one core.
    """

    samples: int
    most_seconds: float

    def bears(self, spec: VQCNNSpec) -> bool:
        """Return whether a structure's gradient takes no longer."""
        # Noise changes numbers in the circuit's matrices, and hardly what they cost.
        return PauliEvaluator(spec).seconds(self.samples, gradient=True) <= self.most_seconds


def candidates(
    n_qubits: int, budget: Budget, inputs: FloatArray, labels: IntArray, family: Family, cost: GradientCost
) -> Candidates:
    """Return the structures to try.

    Of a granted budget these are the smallest structure, the largest one with no more weights than there are
    samples that can be trained in time, and one between them.

    Args:
        n_qubits: Width.
        budget: `"auto"`, a number of blocks, or a structure.
        inputs: Encoded inputs [N, F].
        labels: Class numbers [N].
        family: What all structures have in common.
        cost: What a gradient may take.

    Raises:
        ClassifierError: If the budget is of another kind, or fits no structure.
        EstimatorError: If no structure is granted.
    """
    if isinstance(budget, VQCNNSpec):
        name = VQCNNSpec(n_qubits, family.encoding).encoding
        if (budget.n_qubits, budget.encoding) != (n_qubits, name) or budget.n_outcomes < family.n_outcomes:
            raise ClassifierError(
                f"expected a spec of {n_qubits} qubits, {name} encoding and at least {family.n_outcomes} "
                f"outcomes, found {budget.describe()}"
            )
        return Candidates((budget,), None)
    arguments = family.arguments(n_qubits)
    if isinstance(budget, Integral) and not isinstance(budget, bool):
        ladder = build_size_ladder(**arguments)
        affordable = [spec for spec in ladder if len(spec.blocks) <= budget]
        if not affordable:
            raise ClassifierError(
                f"budget: expected at least {len(ladder[0].blocks)} two-qubit blocks, found {budget}"
            )
        return Candidates((affordable[-1],), None)
    if not isinstance(budget, str) or budget != "auto":
        raise ClassifierError(f'budget: expected "auto", a number or a spec, found {describe(budget)}')
    granted = estimate_gate_budget(
        inputs, labels, backend=family.device or ideal_device(n_qubits), **arguments
    )
    ladder = [spec for spec in build_size_ladder(**arguments) if len(spec.blocks) <= granted.blocks]
    # More weights than samples learn these by heart.
    borne = [spec for spec in ladder[1:] if spec.n_weights <= len(labels) and cost.bears(spec)]
    rungs = ladder[:1] + borne
    middle = (len(rungs[0].blocks) * len(rungs[-1].blocks)) ** 0.5
    between = min(rungs, key=lambda spec: abs(len(spec.blocks) - middle))
    return Candidates(tuple(dict.fromkeys((rungs[0], between, rungs[-1]))), granted)


def ideal_device(n_qubits: int) -> Device:
    """Make a device that never bounds a budget: all qubits joined, no errors, hardly any decay."""
    return device_from_descriptor(
        Descriptor.model_validate(
            {
                "name": "ideal",
                "source": "custom",
                "topology": {"kind": "all_to_all", "n_qubits": n_qubits},
                "qubits": {"t1": 1e6, "t2": 1e6, "readout_error": 0.0, "readout_duration": 0.0},
                "gates": {name: {"error": 0.0, "duration": 0.0} for name in ("rz", "sx", "x", "cz")},
            }
        )
    )
