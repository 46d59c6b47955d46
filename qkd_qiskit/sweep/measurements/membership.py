"""Membership inference: what a client's outputs tell of its private images, beside FedAvg's parameters.

The attacker holds what the server sees, and a candidate image with its label. It asks: was this image among
the client's? Its score is minus the cross-entropy of a model on the image (Yeom et al., arXiv:1709.01604).
From FedAvg's parameters it has the client's own model. From outputs it must first make one: it trains the
structure of the client's model index on the public images and the client's outputs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from sklearn.metrics import roc_auc_score

from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.data import Samples
from qkd_qiskit.federation import ClientOutcome, distil
from qkd_qiskit.run import FitTask, RunContext, Stage, fit_model
from qkd_qiskit.simulation import CompiledModel
from qkd_qiskit.sweep.cell import Cell, CellRecord, Measurement
from qkd_qiskit.sweep.measurements.federations import (
    client_fingerprint,
    open_run,
    public_model,
    train_clients,
)
from qkd_qiskit.training import Objective, Targets, minimize_lbfgs, outcome_probabilities

LOCAL_STEPS = 60
"""L-BFGS steps of the attacked FedAvg client: about as many as it takes over all rounds of a run."""
_FLOOR = 1e-9


class MembershipMeasurement(Measurement):
    """Attack every client; the area under the ROC curve is 0.5 for guessing."""

    attack_on: Literal["outputs", "own model", "FedAvg parameters"]

    def group(self, cell: Cell) -> str:
        """Return what the clients' training depends on."""
        return client_fingerprint(cell.experiment)

    def measure(self, cell: Cell, folder: Path | None) -> CellRecord:
        """Compute the area of each client, and the bytes that the attacker sees of it."""
        run, compiler = open_run(cell.experiment)
        own = public_model(run, compiler, folder)
        clients, rounds = train_clients(run, compiler, folder, own)
        if self.attack_on == "FedAvg parameters":
            found = distil(run, compiler, rounds, own=own)
            start = found.global_model.params
            classes = np.arange(len(run.data.classes))
            areas = []
            for number, client in enumerate(clients):
                compiled = compiler.model(found.compiled.spec, client.settings.backend)
                params = _local_params(run, compiled, start, run.data.clients[number])
                areas.append(_area(run, number, client, _Attacked(compiled, params, classes)))
            seen = 4.0 * len(start) * run.settings.fedavg.rounds
        else:
            areas = [
                _area(run, number, client, self._attacked(run, client))
                for number, client in enumerate(clients)
            ]
            seen = 0.0
            if self.attack_on == "outputs":
                seen = float(np.mean([client.bytes_sent for client in clients]))
        return CellRecord(values={"area": tuple(areas), "bytes": (seen,)})

    def _attacked(self, run: RunContext, client: ClientOutcome) -> _Attacked:
        """Return the client's own model, or its structure trained on its outputs on the public images."""
        model = client.model
        if self.attack_on == "outputs":
            soft = client.message.probabilities
            shares = soft / soft.sum(axis=1, keepdims=True)
            targets = Targets(soft.shape[1], soft=shares, soft_loss="kl", reject=model.reject)
            stage = Stage.named(f"attack on {client.settings.name}")
            model = fit_model(run, client.compiled, FitTask(stage, run.data.public.answered.inputs, targets))
        return _Attacked(client.compiled, model.params, client.held, client.model.n_outcomes)


class _Attacked:
    """A model in the attacker's hands."""

    def __init__(
        self, compiled: CompiledModel, params: FloatArray, held: IntArray, n_outcomes: int | None = None
    ) -> None:
        self._compiled, self._params, self._held = compiled, params, held
        self._n_outcomes = len(held) if n_outcomes is None else n_outcomes

    def scores(self, samples: Samples) -> FloatArray:
        """Return minus the cross-entropy of each sample."""
        p = outcome_probabilities(self._params, self._compiled.noisy, samples.inputs, self._n_outcomes)
        right = p[np.arange(len(samples)), np.searchsorted(self._held, samples.labels)]
        return np.asarray(np.log(np.maximum(right, _FLOOR)))


def membership_area(members: FloatArray, others: FloatArray) -> float:
    """Return the chance that a member has the higher score than another image; ties count half."""
    truth = np.concatenate([np.ones(len(members)), np.zeros(len(others))])
    return float(roc_auc_score(truth, np.concatenate([members, others])))


def _area(run: RunContext, number: int, client: ClientOutcome, attacked: _Attacked) -> float:
    test = run.data.test
    others = test.rows(np.isin(test.labels, client.held))
    return membership_area(attacked.scores(run.data.own(number)), attacked.scores(others))


def _local_params(run: RunContext, compiled: CompiledModel, start: FloatArray, own: Samples) -> FloatArray:
    """Return a FedAvg client's parameters: from the common start, fitted to its own samples."""
    targets = Targets(len(run.data.classes), labels=own.labels)
    objective = Objective(compiled.noisy, own.inputs, targets, l2=run.settings.training.l2)
    return minimize_lbfgs(objective.value_and_gradient, start, iterations=LOCAL_STEPS).params
