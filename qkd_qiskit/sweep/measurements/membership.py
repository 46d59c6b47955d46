"""Membership inference: what a client's outputs tell of its private images, beside FedAvg's parameters.

The attacker holds what the server sees, and a candidate image with its label. It asks: was this image among
the client's? Its score is minus the cross-entropy of a model on the image (Yeom et al., arXiv:1709.01604).
From FedAvg's parameters it has the client's own model. From outputs it must first make one: it trains the
structure of the client's model index on the public images and the client's outputs. Who puts the candidates
among the public images has the outputs on them: that is the attack on the client's own model.

A calibrated attack subtracts what a reference model says of the image, here the server's own, which has seen
none of them: a hard image is not taken for a stranger (Watson et al., arXiv:2111.08440; with one reference in
place of the many of Carlini et al., arXiv:2112.03570). A server that chooses settings asks the same clients
more than once, under other seeds, and takes the mean of the scores.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field
from sklearn.metrics import roc_auc_score

from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.data import Samples
from qkd_qiskit.federation import ClientOutcome, PublicModel, distil
from qkd_qiskit.run import FitTask, RunContext, Stage, fit_model
from qkd_qiskit.simulation import CompiledModel, ModelCompiler
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
_NEXT_SEED = 100_003
"""Between the seeds of queries: no other seed of a sweep is met."""


class MembershipMeasurement(Measurement):
    """Attack every client; the area under the ROC curve is 0.5 for guessing."""

    attack_on: Literal["outputs", "own model", "FedAvg parameters"]
    calibrated: bool = Field(False, description="whether the score of the server's own model is subtracted")
    queries: int = Field(1, ge=1, description="trainings of each client that are attacked together")

    def group(self, cell: Cell) -> str:
        """Return what the clients' training depends on."""
        return client_fingerprint(cell.experiment)

    def measure(self, cell: Cell, folder: Path | None) -> CellRecord:
        """Compute each client's area, its true positives at few false alarms, and the bytes that are seen."""
        run, compiler = open_run(cell.experiment)
        reference: _Attacked | None = None
        totals: list[tuple[FloatArray, FloatArray]] = []
        seen = 0.0
        for query in range(self.queries):
            asked = _asked_again(run, query)
            own = public_model(asked, compiler, folder)
            if self.calibrated and reference is None:
                reference = _Attacked(own.compiled, own.model.params, np.arange(len(run.data.classes)))
            attacked, each = self._all_attacked(asked, compiler, folder, own)
            seen += each
            found = [
                (model.scores(run.data.own(number)), model.scores(_others(run, model.held)))
                for number, model in enumerate(attacked)
            ]
            pairs = zip(totals, found, strict=True)
            totals = [(a + c, b + d) for (a, b), (c, d) in pairs] if totals else found
        scores = [(a / self.queries, b / self.queries) for a, b in totals]
        if reference is not None:
            scores = [
                (
                    members - reference.scores(run.data.own(number)),
                    others - reference.scores(_others(run, attacked[number].held)),
                )
                for number, (members, others) in enumerate(scores)
            ]
        return CellRecord(
            values={
                "area": tuple(membership_area(*pair) for pair in scores),
                "caught_at_1_percent": tuple(true_positives(*pair, 0.01) for pair in scores),
                "caught_at_0.1_percent": tuple(true_positives(*pair, 0.001) for pair in scores),
                "bytes": (seen,),
            }
        )

    def _all_attacked(
        self, run: RunContext, compiler: ModelCompiler, folder: Path | None, own: PublicModel
    ) -> tuple[list[_Attacked], float]:
        """Return a model of each client in the attacker's hands, and the bytes that it sees of a client."""
        clients, rounds = train_clients(run, compiler, folder, own)
        if self.attack_on != "FedAvg parameters":
            seen = float(np.mean([client.bytes_sent for client in clients]))
            return [self._attacked(run, client) for client in clients], seen * (self.attack_on == "outputs")
        start = distil(run, compiler, rounds, own=own)
        params, classes = start.global_model.params, np.arange(len(run.data.classes))
        found = []
        for number, client in enumerate(clients):
            compiled = compiler.model(start.compiled.spec, client.settings.backend)
            local = _local_params(run, compiled, params, run.data.clients[number])
            # What is asked is whether an image is one of the client's among others of its classes.
            found.append(_Attacked(compiled, local, classes, client.held))
        return found, 4.0 * len(params) * run.settings.fedavg.rounds

    def _attacked(self, run: RunContext, client: ClientOutcome) -> _Attacked:
        """Return the client's own model, or its structure trained on its outputs on the public images."""
        model = client.model
        if self.attack_on == "outputs":
            soft = client.message.probabilities
            shares = soft / soft.sum(axis=1, keepdims=True)
            targets = Targets(soft.shape[1], soft=shares, soft_loss="kl", reject=model.reject)
            stage = Stage.named(f"attack on {client.settings.name}")
            model = fit_model(run, client.compiled, FitTask(stage, run.data.public.answered.inputs, targets))
        return _Attacked(client.compiled, model.params, client.held, client.held, client.model.n_outcomes)


class _Attacked:
    """A model in the attacker's hands: its outcomes are `classes`; the client that it is of holds `held`."""

    def __init__(
        self,
        compiled: CompiledModel,
        params: FloatArray,
        classes: IntArray,
        held: IntArray | None = None,
        n_outcomes: int | None = None,
    ) -> None:
        self._compiled, self._params, self._classes = compiled, params, classes
        self.held = classes if held is None else held
        self._n_outcomes = len(classes) if n_outcomes is None else n_outcomes

    def scores(self, samples: Samples) -> FloatArray:
        """Return minus the cross-entropy of each sample."""
        p = outcome_probabilities(self._params, self._compiled.noisy, samples.inputs, self._n_outcomes)
        right = p[np.arange(len(samples)), np.searchsorted(self._classes, samples.labels)]
        return np.asarray(np.log(np.maximum(right, _FLOOR)))


def membership_area(members: FloatArray, others: FloatArray) -> float:
    """Return the chance that a member has the higher score than another image; ties count half."""
    truth = np.concatenate([np.ones(len(members)), np.zeros(len(others))])
    return float(roc_auc_score(truth, np.concatenate([members, others])))


def true_positives(members: FloatArray, others: FloatArray, false_alarms: float) -> float:
    """Return the share of members above a threshold that at most a share of the others is above.

    Args:
        members: Scores of members.
        others: Scores of others; with fewer than `1 / false_alarms` of them none may be above.
        false_alarms: Largest share of the others.
    """
    allowed = int(false_alarms * len(others))
    threshold = np.sort(others)[::-1][allowed]
    return float((members > threshold).mean())


def _others(run: RunContext, held: IntArray) -> Samples:
    """Return the test images of a client's classes."""
    test = run.data.test
    return test.rows(np.isin(test.labels, held))


def _asked_again(run: RunContext, query: int) -> RunContext:
    """Return the same federation with other random numbers in its trainings."""
    if query == 0:
        return run
    settings = run.settings.model_copy(update={"seed": run.settings.seed + _NEXT_SEED * query})
    return replace(run, settings=settings)


def _local_params(run: RunContext, compiled: CompiledModel, start: FloatArray, own: Samples) -> FloatArray:
    """Return a FedAvg client's parameters: from the common start, fitted to its own samples."""
    targets = Targets(len(run.data.classes), labels=own.labels)
    objective = Objective(compiled.noisy, own.inputs, targets, l2=run.settings.training.l2)
    return minimize_lbfgs(objective.value_and_gradient, start, iterations=LOCAL_STEPS).params
