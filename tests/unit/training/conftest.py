"""A small differentiable model that stands in for a circuit: angles in, outcome probabilities out."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from qkd_qiskit.store import Database


class ToyEvaluator:
    """p = softmax of sin(w) applied to inputs; every weight has period 2 pi, as in a circuit."""

    def __init__(self, n_features: int, n_outcomes: int, n_measured: int | None = None) -> None:
        size = 2 ** (n_measured if n_measured is not None else max(1, int(np.ceil(np.log2(n_outcomes)))))
        self.shape = (n_features, size)
        self.n_weights = n_features * size
        gene = SimpleNamespace(gate=5)
        self.spec = SimpleNamespace(
            n_outcomes=n_outcomes, n_weights=self.n_weights, kernels=(SimpleNamespace(genes=(gene,)),)
        )

    def probabilities(self, weights: np.ndarray, inputs: np.ndarray) -> np.ndarray:
        matrix = np.sin(weights).reshape(*weights.shape[:-1], *self.shape)
        z = np.exp(2.0 * inputs @ matrix)
        return z / z.sum(axis=-1, keepdims=True)

    def loss_and_gradient(self, weights, inputs, loss):
        p = self.probabilities(weights, inputs)
        values, dp = loss(p)
        dz = p * (dp - (dp * p).sum(axis=-1, keepdims=True))
        matrix_gradient = 2.0 * np.einsum("nf,pno->pfo", inputs, dz)
        return values, matrix_gradient.reshape(len(weights), -1) * np.cos(weights)


@pytest.fixture
def make_toy():
    return ToyEvaluator


@pytest.fixture
def blobs():
    """Inputs [N, F] and labels [N] of well separated classes."""

    def make(n_classes: int, n: int = 60, n_features: int = 4, seed: int = 0):
        rng = np.random.default_rng(seed)
        labels = np.arange(n) % n_classes
        centres = 2.0 * np.eye(n_features)[:n_classes]
        return centres[labels] + 0.4 * rng.standard_normal((n, n_features)), labels

    return make


@pytest.fixture
def stored_answers():
    """All answers that a folder's database holds, in order."""

    def rows(folder):
        with Database(folder) as database:
            return database.rows("SELECT question, data FROM answer ORDER BY position")

    return rows


@pytest.fixture
def keep_answers(stored_answers):
    """Delete the answers behind the first share of them, as if a training had been killed there."""

    def cut(folder, share):
        with Database(folder) as database:
            first = int(share * len(stored_answers(folder)))
            database.execute("DELETE FROM answer WHERE position >= ?", first)

    return cut
