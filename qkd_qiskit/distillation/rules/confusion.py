"""Estimated confusion (Dawid and Skene, Applied Statistics 28:20, 1979), with soft votes and weights.

Each client has a matrix from a sample's true class to its own outcomes, the reject outcome included. These
matrices and the posterior of every sample's class are estimated together by expectation and maximization:
what a client says counts for as much as its matrix says, whether it is weak or lies, and a consistent lie is
read as what it means. The server's own model is one more annotator, and starts the posterior.

Annotators are not independent, as the estimate supposes: clients that hold the same classes err alike, and
liars agree with each other. So each annotator's evidence has a weight, which is fitted to the labels that the
server knows. No client knows which samples bear these, so nobody can be honest on them alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import softmax

from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.distillation.outputs import OUTPUT_FLOOR, normalized
from qkd_qiskit.distillation.rules.base import AggregationRule, Census
from qkd_qiskit.training.losses import cross_entropy

ITERATIONS = 12
_PRIOR = 1.0
# Pulls the logarithms of the weights together: as strong as a few labelled samples.
_RIDGE = 3.0
_LEAST_WEIGHT, _LARGEST_WEIGHT = np.exp(-6.0), np.exp(2.0)


@dataclass(frozen=True, eq=False)
class _Evidence:
    """What has been estimated of one annotator.

    Attributes:
        matrix: Logarithms of the probabilities of its outcomes for each true class [G, K (+ 1)].
    """

    matrix: FloatArray

    @classmethod
    def estimated(cls, posterior: FloatArray, outcomes: FloatArray) -> _Evidence:
        """Estimate from posteriors [N, G] and soft votes [N, K (+ 1)], with Laplace's prior."""
        counts = posterior.T @ outcomes + _PRIOR
        return cls(np.log(counts / counts.sum(axis=1, keepdims=True)))

    def of(self, outcomes: FloatArray) -> FloatArray:
        """Return the logarithms of the likelihoods of soft votes [N, K (+ 1)] for each class [N, G]."""
        return np.asarray(outcomes @ self.matrix.T)


class Confusion(AggregationRule):
    """Posterior of the class, given all that is said and how far each client is right."""

    name = "confusion"
    wants_calibrated = False

    def __init__(self, census: Census) -> None:
        """Start with the server's own model, or with what the clients say on average.

        Args:
            census: Has counted the very clients that will be added.
        """
        super().__init__(census)
        self._passes = 0
        self._known = np.flatnonzero(census.labels >= 0)
        self._truth = np.eye(self.total.shape[1])[census.labels[self._known]]
        self._posterior: FloatArray | None = None if census.own is None else census.own.copy()
        self._prior: FloatArray = np.zeros(self.total.shape[1])
        self._own: _Evidence | None = None
        self._evidence: list[_Evidence] = []
        self._at_known: list[FloatArray] = []
        self._weights: FloatArray | None = None
        self._start_pass()

    def term(self, lifted: FloatArray, held: IntArray, reject: bool) -> FloatArray:
        """Return the client's evidence on each sample, or its plain outputs as long as nothing starts."""
        if self._posterior is None:
            return lifted
        outcomes = _outcomes(lifted, held, reject)
        if self._weights is not None:
            place = len(self._at_known)
            self._at_known.append(self.total[:0])
            return np.asarray(self._weights[1 + place] * self._evidence[place].of(outcomes))
        evidence = _Evidence.estimated(self._posterior, outcomes)
        found = evidence.of(outcomes)
        self._evidence.append(evidence)
        self._at_known.append(found[self._known])
        return found

    def again(self) -> bool:
        """Close one iteration; the last pass weighs the evidence."""
        if self._weights is not None:
            return False
        self._passes += 1
        if self._posterior is None:
            self._posterior = normalized(self.total)
        elif self._passes > ITERATIONS:
            self._weights = self._fitted_weights()
        else:
            self._posterior = softmax(self.total + self._prior, axis=1)
        self._start_pass()
        return True

    def combined(self) -> FloatArray:
        """Return the posterior [N, G]."""
        return np.asarray(softmax(self.total + self._prior, axis=1))

    def answer(
        self,
        lifted: Sequence[FloatArray],
        held: Sequence[IntArray],
        rejects: Sequence[bool],
        own: FloatArray | None = None,
    ) -> FloatArray:
        """Return the posterior [M, G] on other samples, by the estimated matrices and weights."""
        assert self._weights is not None
        total = np.tile(self._prior, (len(lifted[0]), 1))
        if own is not None and self._own is not None:
            total += self._weights[0] * self._own.of(own)
        for weight, evidence, p, classes, reject in zip(
            self._weights[1:], self._evidence, lifted, held, rejects, strict=True
        ):
            total += weight * evidence.of(_outcomes(p, classes, reject))
        return np.asarray(softmax(total, axis=1))

    def _start_pass(self) -> None:
        """Begin with the server's own evidence and nothing else."""
        self.total = np.zeros_like(self.total)
        own = self.census.own
        if self._posterior is None:
            return
        if self._weights is not None:
            self._at_known = []
            if own is not None and self._own is not None:
                self.total += self._weights[0] * self._own.of(own)
            return
        self._posterior[self._known] = self._truth
        self._prior = (
            np.log(np.maximum(self._posterior.mean(axis=0), OUTPUT_FLOOR))
            if len(self.total)
            else (np.zeros(self.total.shape[1]))
        )
        self._evidence, self._at_known = [], []
        if own is not None:
            self._own = _Evidence.estimated(self._posterior, own)
            self.total += self._own.of(own)

    def _fitted_weights(self) -> FloatArray:
        """Return the weights of all annotators [1 + clients], the server's own model first."""
        own = self.census.own
        first = np.zeros((len(self._known), self.total.shape[1]))
        if own is not None and self._own is not None:
            first = self._own.of(own[self._known])
        labels = self.census.labels[self._known]
        return fitted_weights(np.stack([first, *self._at_known]), labels, self._prior)


def fitted_weights(evidence: FloatArray, labels: IntArray, prior: FloatArray) -> FloatArray:
    """Fit one weight an annotator to labelled samples, by cross-entropy.

    A light pull towards their common mean decides where the labels do not.

    Args:
        evidence: Logarithms of likelihoods [annotators, N, G].
        labels: Class of each sample [N]; of none all weights are 1.
        prior: Logarithms of the classes' shares [G].

    Returns:
        Positive weights [annotators].
    """
    n = len(labels)
    if n == 0:
        return np.ones(len(evidence))
    shifted = evidence - evidence.max(axis=2, keepdims=True)

    def price(logs: FloatArray) -> tuple[float, FloatArray]:
        weights, apart = np.exp(logs), logs - logs.mean()
        value, gradient = cross_entropy(np.tensordot(weights, shifted, 1) + prior, labels)
        slope = weights * np.einsum("ang,ng->a", shifted, gradient)
        return float(value) + 0.5 * _RIDGE / n * float(apart @ apart), slope + _RIDGE / n * apart

    bounds = [(np.log(_LEAST_WEIGHT), np.log(_LARGEST_WEIGHT))] * len(evidence)
    found = minimize(price, np.zeros(len(evidence)), jac=True, method="L-BFGS-B", bounds=bounds).x
    return np.asarray(np.exp(found))


def _outcomes(lifted: FloatArray, held: IntArray, reject: bool) -> FloatArray:
    """Return soft votes [N, K (+ 1)]: what was lifted, with the reject outcome last where there is one."""
    own = lifted[:, held]
    missing = np.setdiff1d(np.arange(lifted.shape[1]), held)
    if not reject or not len(missing):
        return own
    return np.concatenate([own, lifted[:, missing].sum(axis=1, keepdims=True)], axis=1)
