"""Estimated confusion (Dawid and Skene, Applied Statistics 28:20, 1979), with soft votes and weights.

Each client has a matrix from a sample's true class to its own outcomes, the reject outcome included. These
matrices and the posterior of every sample's class are estimated together by expectation and maximization:
what a client says counts for as much as its matrix says, whether it is weak or lies, and a consistent lie is
read as what it means. The server's own model is one more annotator, and starts the posterior.

Annotators are not independent, as the estimate supposes: clients that hold the same classes err alike, and
liars agree with each other. So each annotator's evidence has a weight, which is fitted to the labels that the
server knows, and of all iterations the one counts that explains these best: where nobody is right, the first,
which still follows the server's own model. No client knows which samples bear these labels, so nobody can be
honest on them alone. Few labels and many annotators make the estimate look far better than it is, so it is
compared with other rules by weights that were fitted to other labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.optimize import minimize
from scipy.special import softmax

from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.distillation.outputs import normalized
from qkd_qiskit.distillation.rules.base import AggregationRule, Census
from qkd_qiskit.training.losses import cross_entropy

ITERATIONS = 12
_FOLDS = 5
# Laplace's: one answer of each kind was seen before all others.
_PRIOR = 1.0
# Pulls the logarithms of the weights together: as strong as a few labelled samples.
_RIDGE = 3.0
# Of a larger crowd several clients share a weight, so that memory does not grow with their number.
_GROUPS = 64
_LEAST_WEIGHT, _LARGEST_WEIGHT = np.exp(-6.0), np.exp(2.0)


@dataclass(frozen=True, eq=False)
class _Estimate:
    """What one iteration has found.

    Attributes:
        prior: Logarithms of the classes' shares [G].
        weights: Of the server's own model and of each group of clients [1 + groups].
        own: Matrix of the server's own model; None where it has none. Each matrix holds the logarithms of the
            probabilities of an annotator's outcomes for each true class [G, K (+ 1)].
        clients: The clients' matrices, in their order.
        loss: Cross-entropy on the samples whose labels the server knows.
        unseen: Posterior of these samples [labels, G], each by weights that were fitted to others.
    """

    prior: FloatArray
    weights: FloatArray
    own: FloatArray | None = None
    clients: list[FloatArray] = field(default_factory=list)
    loss: float = np.inf
    unseen: FloatArray | None = None


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
        n_classes = self.total.shape[1]
        self._known = np.flatnonzero(census.labels >= 0)
        self._labels = census.labels[self._known]
        # Copies of one original stay together; all parties know the list's order, which is random.
        self._folds = np.unique(self._known % census.n_originals, return_inverse=True)[1] % _FOLDS
        self._at_known = np.zeros((1 + min(census.clients, _GROUPS), len(self._known), n_classes))
        self._posterior: FloatArray | None = census.own
        self._estimate = _Estimate(np.zeros(n_classes), np.ones(len(self._at_known)))
        self._best: _Estimate | None = None
        self._iteration = 0
        self._place = 0
        self._start_pass()

    def term(self, lifted: FloatArray, held: IntArray, reject: bool) -> FloatArray:
        """Return the client's evidence on each sample, or its plain outputs as long as nothing starts."""
        if self._posterior is None:
            return lifted
        outcomes, place = _outcomes(lifted, held, reject), self._place
        self._place += 1
        if self._best is None or not self._last:
            self._estimate.clients.append(_matrix(self._posterior, outcomes))
        found, group = outcomes @ self._estimate.clients[place].T, 1 + place % _GROUPS
        if not self._last:
            self._at_known[group] += self._unseen(found, outcomes)
        return np.asarray(self._estimate.weights[group] * found)

    def again(self) -> bool:
        """Close one iteration; the pass behind the last one adds up what the best of them has estimated."""
        if self._last:
            return False
        if self._posterior is None:
            self._posterior = normalized(self.total)
        else:
            self._iteration += 1
            self._posterior = self.combined()
            weights, loss = fitted_weights(self._at_known, self._labels, self._estimate.prior)
            # Without labels there is nothing to choose by: the last one counts.
            if self._best is None or loss < self._best.loss or not len(self._labels):
                unseen = _cross_fitted(self._at_known, self._labels, self._estimate.prior, self._folds)
                self._best = replace(self._estimate, weights=weights, loss=loss, unseen=unseen)
        self._start_pass()
        return True

    def combined(self) -> FloatArray:
        """Return the posterior [N, G]."""
        return np.asarray(softmax(self.total + self._estimate.prior, axis=1))

    def unseen(self, rows: IntArray) -> FloatArray:
        """Return the posterior [R, G] of labelled samples, by weights that were fitted to others."""
        if self._best is None or self._best.unseen is None:
            return super().unseen(rows)
        return self._best.unseen[np.searchsorted(self._known, rows)]

    def answer(
        self,
        lifted: Sequence[FloatArray],
        held: Sequence[IntArray],
        rejects: Sequence[bool],
        own: FloatArray | None = None,
    ) -> FloatArray:
        """Return the posterior [M, G] on other samples, by the estimated matrices and weights."""
        known, total = self._estimate, np.zeros_like(lifted[0])
        if own is not None and known.own is not None:
            total += known.weights[0] * (own @ known.own.T)
        for place, (p, classes, reject) in enumerate(zip(lifted, held, rejects, strict=True)):
            evidence = _outcomes(p, classes, reject) @ known.clients[place].T
            total += known.weights[1 + place % _GROUPS] * evidence
        return np.asarray(softmax(total + known.prior, axis=1))

    @property
    def _last(self) -> bool:
        """Whether this pass estimates nothing more."""
        return self._iteration == ITERATIONS

    def _start_pass(self) -> None:
        """Begin with the server's own evidence, estimated anew like all else, or with the best estimate."""
        own, self._place = self.census.own, 0
        self.total = np.zeros_like(self.total)
        if self._posterior is None:
            return
        if self._last and self._best is not None:
            self._estimate = self._best
        else:
            known = self._posterior.copy()
            known[self._known] = np.eye(known.shape[1])[self._labels]
            prior = np.log((known.sum(axis=0) + _PRIOR) / (len(known) + _PRIOR * known.shape[1]))
            matrix = None if own is None else _matrix(known, own)
            self._posterior, self._at_known[:] = known, 0.0
            self._estimate = _Estimate(prior, np.ones(len(self._at_known)), own=matrix)
        if own is not None and self._estimate.own is not None:
            found = own @ self._estimate.own.T
            if not self._last:
                self._at_known[0] = self._unseen(found, own)
            self.total += self._estimate.weights[0] * found

    def _unseen(self, found: FloatArray, outcomes: FloatArray) -> FloatArray:
        """Return an annotator's evidence on the labelled samples, each as if it had not been counted.

        A sample's own vote is among the counts of its true class, and would speak for this class.
        """
        assert self._posterior is not None
        votes, rows = outcomes[self._known], np.arange(len(self._known))
        counts = (self._posterior.T @ outcomes + _PRIOR)[self._labels] - votes
        evidence = found[self._known]
        evidence[rows, self._labels] = (votes * np.log(counts / counts.sum(axis=1, keepdims=True))).sum(
            axis=1
        )
        return evidence


def fitted_weights(evidence: FloatArray, labels: IntArray, prior: FloatArray) -> tuple[FloatArray, float]:
    """Fit one weight an annotator to labelled samples, by cross-entropy.

    A light pull towards their common mean decides where the labels do not.

    Args:
        evidence: Logarithms of likelihoods [annotators, N, G].
        labels: Class of each sample [N]; of none all weights are 1.
        prior: Logarithms of the classes' shares [G].

    Returns:
        Positive weights [annotators], and the cross-entropy with them, in nats.
    """
    n = len(labels)
    if n == 0:
        return np.ones(len(evidence)), 0.0
    shifted = evidence - evidence.max(axis=2, keepdims=True)

    def price(logs: FloatArray) -> tuple[float, FloatArray]:
        weights, apart = np.exp(logs), logs - logs.mean()
        value, gradient = cross_entropy(np.tensordot(weights, shifted, 1) + prior, labels)
        slope = weights * np.einsum("ang,ng->a", shifted, gradient)
        return float(value) + 0.5 * _RIDGE / n * float(apart @ apart), slope + _RIDGE / n * apart

    bounds = [(np.log(_LEAST_WEIGHT), np.log(_LARGEST_WEIGHT))] * len(evidence)
    found = minimize(price, np.zeros(len(evidence)), jac=True, method="L-BFGS-B", bounds=bounds).x
    weights = np.exp(found)
    loss, _ = cross_entropy(np.tensordot(weights, shifted, 1) + prior, labels)
    return np.asarray(weights), float(loss)


def _cross_fitted(evidence: FloatArray, labels: IntArray, prior: FloatArray, folds: IntArray) -> FloatArray:
    """Return posteriors [N, G], those of each fold by weights that were fitted to the others."""
    found = np.zeros(evidence.shape[1:])
    for fold in np.unique(folds):
        out = folds == fold
        weights, _ = fitted_weights(evidence[:, ~out], labels[~out], prior)
        found[out] = softmax(np.tensordot(weights, evidence[:, out], 1) + prior, axis=1)
    return found


def _matrix(posterior: FloatArray, outcomes: FloatArray) -> FloatArray:
    """Return logarithms of an annotator's confusion [G, K (+ 1)], from posteriors [N, G] and its votes."""
    counts = posterior.T @ outcomes + _PRIOR
    return np.asarray(np.log(counts / counts.sum(axis=1, keepdims=True)))


def _outcomes(lifted: FloatArray, held: IntArray, reject: bool) -> FloatArray:
    """Return soft votes [N, K (+ 1)]: what was lifted, with the reject outcome last where there is one."""
    own = lifted[:, held]
    missing = np.setdiff1d(np.arange(lifted.shape[1]), held)
    if not reject or not len(missing):
        return own
    return np.concatenate([own, lifted[:, missing].sum(axis=1, keepdims=True)], axis=1)
