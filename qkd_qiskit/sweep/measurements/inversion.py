"""Gradient inversion: what a gradient or a client's outputs tell of the image behind them.

A server of federated learning by gradients sees the gradient of a client's loss on a batch, at parameters
that it knows, and looks for inputs with this gradient (for circuits arXiv:2504.12806). Here it knows the
labels too, and searches by least squares from the mean public image of each label. A server of distillation
sees outputs on public images alone; for a single image it can invert a model for its class (Fredrikson et
al., 2015), here even the client's own model.

The error is the distance of what was found from the encoded image, over that of the class's mean public
image: 0 is the image itself, 1 is no better than the mean.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field
from scipy.optimize import least_squares, minimize

from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.data import Samples
from qkd_qiskit.federation import ClientOutcome
from qkd_qiskit.run import RunContext
from qkd_qiskit.simulation import CompiledModel
from qkd_qiskit.sweep.cell import Cell, CellRecord, Measurement
from qkd_qiskit.sweep.measurements.federations import (
    client_fingerprint,
    open_run,
    public_model,
    train_clients,
)
from qkd_qiskit.training import Objective, Targets, outcome_probabilities

RECOVERED = 0.1
"""Error below which an image counts as recovered."""
_EVALUATIONS = 60
_LARGEST_ANGLE = np.pi / 2


class InversionMeasurement(Measurement):
    """Look for single images of each client; encodings by angles alone."""

    attack_on: Literal["gradients", "outputs"]
    batch: int = Field(1, ge=1, description="images behind one gradient")
    batches: int = Field(2, ge=1, description="batches of each client that are attacked")

    def group(self, cell: Cell) -> str:
        """Return what the clients' training depends on."""
        return client_fingerprint(cell.experiment)

    def measure(self, cell: Cell, folder: Path | None) -> CellRecord:
        """Compute the mean error of each client's images, and the share that was recovered."""
        run, compiler = open_run(cell.experiment)
        own = public_model(run, compiler, folder)
        errors = []
        if self.attack_on == "gradients":
            for number, client in enumerate(run.settings.clients):
                compiled = compiler.model(own.compiled.spec, client.backend)
                errors.append(
                    np.concatenate(
                        [
                            invert_gradient(run, compiled, own.model.params, batch)
                            for batch in self._batches(run, number)
                        ]
                    )
                )
        else:
            outcomes, _ = train_clients(run, compiler, folder, own)
            for number, outcome in enumerate(outcomes):
                batches = self._batches(run, number)
                errors.append(np.concatenate([invert_outputs(run, outcome, batch) for batch in batches]))
        return CellRecord(
            values={
                "error": tuple(float(each.mean()) for each in errors),
                "recovered": tuple(float((each < RECOVERED).mean()) for each in errors),
            }
        )

    def _batches(self, run: RunContext, number: int) -> list[Samples]:
        own = run.data.own(number)
        return [
            own.rows(slice(start, start + self.batch))
            for start in range(0, min(self.batches * self.batch, len(own)), self.batch)
        ]


def invert_gradient(
    run: RunContext, compiled: CompiledModel, params: FloatArray, batch: Samples
) -> FloatArray:
    """Return the error of each image of a batch [B] that is found from the batch's gradient.

    Args:
        run: The federation.
        compiled: The global structure on the client's device.
        params: The server's parameters, at which the gradient is taken.
        batch: The images behind it; the attacker knows their labels.
    """
    n_classes, start = len(run.data.classes), _means(run)[batch.labels]
    shape = batch.inputs.shape

    def gradient(inputs: FloatArray) -> FloatArray:
        targets = Targets(n_classes, labels=batch.labels)
        return Objective(compiled.noisy, inputs, targets).value_and_gradient(params)[1]

    seen = gradient(batch.inputs)
    scale = max(float(np.linalg.norm(seen)), 1e-12)
    found = least_squares(
        lambda flat: (gradient(flat.reshape(shape)) - seen) / scale,
        start.ravel(),
        bounds=(-_LARGEST_ANGLE - 1e-9, _LARGEST_ANGLE + 1e-9),
        max_nfev=_EVALUATIONS,
    ).x.reshape(shape)
    return _errors(found, batch.inputs, start, batch.labels)


def invert_outputs(run: RunContext, client: ClientOutcome, batch: Samples) -> FloatArray:
    """Return the error of each image of a batch [B] if the likeliest image of its class is taken for it.

    Args:
        run: The federation.
        client: The client; its own model is inverted, which is more than its outputs tell.
        batch: The images.
    """
    start, noisy = _means(run), client.compiled.noisy
    found = np.empty_like(batch.inputs)
    model = client.model
    for label in np.unique(batch.labels):

        def probability(
            inputs: FloatArray, outcome: int = int(np.searchsorted(client.held, label))
        ) -> FloatArray:
            return outcome_probabilities(model.params, noisy, inputs, model.n_outcomes)[:, outcome]

        found[batch.labels == label] = _likeliest(probability, start[label])
    return _errors(found, batch.inputs, start[batch.labels], batch.labels)


def _likeliest(probability: Callable[[FloatArray], FloatArray], start: FloatArray) -> FloatArray:
    steps = 1e-4 * np.eye(len(start))

    def price(x: FloatArray) -> tuple[float, FloatArray]:
        logs = -np.log(np.maximum(probability(np.vstack([x, x + steps, x - steps])), 1e-12))
        return float(logs[0]), (logs[1 : len(x) + 1] - logs[len(x) + 1 :]) / 2e-4

    bounds = [(-_LARGEST_ANGLE, _LARGEST_ANGLE)] * len(start)
    return np.asarray(
        minimize(price, start, jac=True, bounds=bounds, method="L-BFGS-B", options={"maxiter": 50}).x
    )


def _means(run: RunContext) -> FloatArray:
    """Return the mean labelled public image of each class [K, F]."""
    known = run.data.known
    return np.stack([known.inputs[known.labels == k].mean(axis=0) for k in range(len(run.data.classes))])


def _errors(found: FloatArray, true: FloatArray, guess: FloatArray, labels: IntArray) -> FloatArray:
    """Return each image's error; images of one label may have been found in any order."""
    errors = np.empty(len(true))
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        apart = np.linalg.norm(found[rows][None] - true[rows][:, None], axis=2)
        guessed = np.linalg.norm(guess[rows] - true[rows], axis=1)
        errors[rows] = apart.min(axis=1) / np.maximum(guessed, 1e-12)
    return errors
