"""What training minimizes: targets, priced on an evaluator's probabilities.

A model's parameters are one vector [W + 1]: the weights in radians, then the log of the logit scale.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol, runtime_checkable

import numpy as np

from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.errors import TrainingError
from qkd_qiskit.simulation import Evaluator
from qkd_qiskit.store.answers import AnswerLog
from qkd_qiskit.training.losses import class_logits, cross_entropy, logits_backward
from qkd_qiskit.training.soft_losses import SOFT_LOSSES

# Parameter vectors between two entries of the answer log: with thousands of samples, a second of work.
_LOGGED = 16

ProbabilityLoss = Callable[[FloatArray], tuple[FloatArray, FloatArray]]


@runtime_checkable
class DifferentiableEvaluator(Protocol):
    """An evaluator that also gives the exact gradient of any loss of its probabilities."""

    def loss_and_gradient(
        self, weights: FloatArray, inputs: FloatArray, loss: ProbabilityLoss
    ) -> tuple[FloatArray, FloatArray]:
        """Return values [P] and gradients [P, W] of `loss` at weights [P, W]."""
        ...


@dataclass(frozen=True, eq=False)
class Targets:
    """What a model should answer on N inputs, and how a miss is priced.

    The loss is `alpha * CE(labels) + (1 - alpha) * soft loss(soft)`.

    Attributes:
        n_outcomes: Number of class outcomes C, with the reject outcome where there is one; at least 2.
        labels: Outcome of each sample [N], 0 to C - 1; -1 for samples without a label. None: no hard labels.
        soft: Soft labels [N, C], at `temperature`; each row sums to one. None: no soft labels.
        alpha: Share of the cross-entropy, in [0, 1]; ignored when only one kind of label is there.
        temperature: Temperature of the soft labels, positive.
        soft_loss: Name among `SOFT_LOSSES`: `mse` (squared distance) or `kl` (Kullback-Leibler divergence).
        weights: Nonnegative weights [N] of the samples in the cross-entropy; None: all equal.
        reject: Whether the last outcome is "none of my classes".
    """

    n_outcomes: int
    labels: IntArray | None = None
    soft: FloatArray | None = None
    alpha: float = 1.0
    temperature: float = 1.0
    soft_loss: str = "mse"
    weights: FloatArray | None = None
    reject: bool = False

    def __post_init__(self) -> None:
        """Check the arrays against each other.

        Raises:
            TrainingError: If there are no labels at all, or shapes, ranges or values do not fit.
        """
        reason = self._reason()
        if reason is not None:
            raise TrainingError(f"targets: {reason}")

    def _reason(self) -> str | None:
        if self.labels is None and self.soft is None:
            return "expected labels or soft labels, found neither"
        if not 0.0 <= self.alpha <= 1.0:
            return f"expected alpha in [0, 1], found {self.alpha}"
        if not self.temperature > 0.0:
            return f"expected a positive temperature, found {self.temperature}"
        if self.soft_loss not in SOFT_LOSSES:
            return f"expected soft_loss {' or '.join(SOFT_LOSSES)}, found {self.soft_loss!r}"
        n = self.n_samples
        if n == 0:
            return "expected at least one sample, found none"
        if self.labels is not None:
            if self.labels.shape != (n,) or not np.issubdtype(self.labels.dtype, np.integer):
                found = f"{self.labels.dtype} {self.labels.shape}"
                return f"expected integer labels of shape ({n},), found {found}"
            if self.labels.max() >= self.n_outcomes or self.labels.min() < -1:
                low, high = self.labels.min(), self.labels.max()
                return f"expected labels from -1 to {self.n_outcomes - 1}, found {low} to {high}"
            if self.soft is None and self.labels.max() < 0:
                return "expected at least one labelled sample, found none"
        if self.soft is not None:
            if self.soft.shape != (n, self.n_outcomes):
                return f"expected soft labels of shape {(n, self.n_outcomes)}, found {self.soft.shape}"
            if not np.isfinite(self.soft).all():
                return "expected finite soft labels"
        if self.weights is not None and (self.weights.shape != (n,) or not (self.weights >= 0).all()):
            return f"expected {n} nonnegative sample weights"
        return None

    @property
    def n_samples(self) -> int:
        """Number of samples N."""
        array = self.soft if self.labels is None else self.labels
        return 0 if array is None else len(array)

    def rows(self, chosen: IntArray) -> Targets:
        """Return the targets of some samples.

        Raises:
            TrainingError: If none of them can be learnt from.
        """
        return replace(
            self,
            labels=None if self.labels is None else self.labels[chosen],
            soft=None if self.soft is None else self.soft[chosen],
            weights=None if self.weights is None else self.weights[chosen],
        )

    def values(self, probabilities: FloatArray, log_scale: FloatArray) -> FloatArray:
        """Return the loss [P] of probabilities [P, N, 2^m] and logs of the logit scale [P]."""
        return self._price(class_logits(probabilities, log_scale, self.n_outcomes))[0]

    def values_and_gradients(
        self, probabilities: FloatArray, log_scale: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return the loss [P] and its gradients, in probabilities [P, N, 2^m] and log scales [P]."""
        logits = class_logits(probabilities, log_scale, self.n_outcomes)
        values, logit_gradient = self._price(logits)
        return values, *logits_backward(logit_gradient, probabilities, logits, log_scale)

    def _price(self, logits: FloatArray) -> tuple[FloatArray, FloatArray]:
        if self.soft is None:
            assert self.labels is not None
            return cross_entropy(logits, self.labels, self.weights)
        soft_value, soft_gradient = SOFT_LOSSES[self.soft_loss](logits, self.soft, self.temperature)
        if self.labels is None:
            return soft_value, soft_gradient
        hard_value, hard_gradient = cross_entropy(logits, self.labels, self.weights)
        a = self.alpha
        return a * hard_value + (1 - a) * soft_value, a * hard_gradient + (1 - a) * soft_gradient


class Objective:
    """The training loss as a function of parameter vectors; it counts what it evaluates.

    Attributes:
        evaluator: Gives the outcome probabilities.
        inputs: Encoded inputs [N, F].
        targets: What to answer on them.
        l2: Weight of the squared log of the logit scale.
        answers: Logs every value.
        evaluations: Parameter vectors evaluated so far, with or without gradient.
        gradients: Those of them with gradient.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        inputs: FloatArray,
        targets: Targets,
        *,
        l2: float = 0.0,
        answers: AnswerLog | None = None,
    ) -> None:
        """Bind inputs and targets to an evaluator.

        Args:
            evaluator: Runs the circuit.
            inputs: Encoded inputs [N, F].
            targets: What to answer on them.
            l2: Weight of the squared log of the logit scale.
            answers: Logs every value, and gives those of an interrupted training again.

        Raises:
            TrainingError: If inputs and targets differ in number, or the circuit has too few outcomes.
        """
        if inputs.ndim != 2 or len(inputs) != targets.n_samples:
            raise TrainingError(
                f"objective: expected inputs of shape ({targets.n_samples}, F), found {inputs.shape}"
            )
        if evaluator.spec.n_outcomes < targets.n_outcomes:
            raise TrainingError(
                f"objective: expected a circuit with at least {targets.n_outcomes} outcomes, "
                f"found {evaluator.spec.n_outcomes}"
            )
        self.evaluator = evaluator
        self.inputs = inputs
        self.targets = targets
        self.l2 = l2
        self.answers = AnswerLog() if answers is None else answers
        self.evaluations = 0
        self.gradients = 0

    @property
    def n_params(self) -> int:
        """Length of a parameter vector, W + 1."""
        return self.evaluator.spec.n_weights + 1

    def values(self, params: FloatArray) -> FloatArray:
        """Return the losses [P] of parameter vectors [P, W + 1], in a few calls of the evaluator."""
        self.evaluations += len(params)
        parts = [params[start : start + _LOGGED] for start in range(0, len(params), _LOGGED)]
        found = [self.answers.answer(part, partial(self._losses, part)) for part in parts]
        return np.concatenate([losses for (losses,) in found])

    def price(self, probabilities: FloatArray, log_scale: FloatArray) -> FloatArray:
        """Return losses [P] of probabilities [P, N, 2^m] found elsewhere, and logs of the logit scale [P]."""
        self.evaluations += len(probabilities)
        return self.targets.values(probabilities, log_scale) + self.l2 * log_scale**2

    def value_and_gradient(self, params: FloatArray) -> tuple[float, FloatArray]:
        """Return the loss and exact gradient [W + 1] of one parameter vector [W + 1].

        Raises:
            TrainingError: If the evaluator gives no gradients.
        """
        evaluator = self.evaluator
        if not isinstance(evaluator, DifferentiableEvaluator):
            found = type(evaluator).__name__
            raise TrainingError(f"refine expects an evaluator with gradients, found {found}")
        self.evaluations += 1
        self.gradients += 1
        value, gradient = self.answers.answer(params, lambda: self._value_and_gradient(evaluator, params))
        return float(value), gradient

    def _losses(self, params: FloatArray) -> tuple[FloatArray]:
        probabilities = self.evaluator.probabilities(params[:, :-1], self.inputs)
        return (self.targets.values(probabilities, params[:, -1]) + self.l2 * params[:, -1] ** 2,)

    def _value_and_gradient(
        self, evaluator: DifferentiableEvaluator, params: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        log_scale = params[-1:]
        scale_gradient = np.zeros(1)

        def loss(probabilities: FloatArray) -> tuple[FloatArray, FloatArray]:
            values, gradient, scale_gradient[:] = self.targets.values_and_gradients(probabilities, log_scale)
            return values, gradient

        values, gradient = evaluator.loss_and_gradient(params[None, :-1], self.inputs, loss)
        value = values[0] + self.l2 * log_scale[0] ** 2
        return np.asarray(value), np.append(gradient[0], scale_gradient + 2.0 * self.l2 * log_scale)
