"""FedAvg (McMahan et al., AISTATS 2017), the baseline that shares parameters instead of outputs.

With a proximal term in the local loss it is FedProx (Li et al., MLSys 2020).

One common spec stands on every client, each under its own device's noise. The server averages all
parameters by sample count, angles like any other number: FedAvg knows nothing of circles, and neither does
this baseline.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.baselines.base import BaselineData, FittedCircuit
from qkd_qiskit.errors import DistillationError
from qkd_qiskit.evaluation.results import Traffic
from qkd_qiskit.progress import NullProgress, Progress
from qkd_qiskit.run.stages import FEDAVG, FEDPROX, Stage
from qkd_qiskit.simulation import Evaluator
from qkd_qiskit.training import Objective, Targets, minimize_lbfgs, outcome_probabilities

BYTES_PER_PARAMETER = 4
"""Parameters travel as float32."""


@dataclass(frozen=True, eq=False)
class FedAvgClient:
    """One participant.

    Attributes:
        evaluator: The common circuit on this client's device, with gradients.
        inputs: Own encoded inputs [N, F], N at least 1.
        labels: Their global class indices [N].
    """

    evaluator: Evaluator
    inputs: FloatArray
    labels: IntArray


@dataclass(frozen=True, eq=False)
class FedAvgResult:
    """The averaged model.

    Attributes:
        params: Weights and log of the logit scale [W + 1].
        n_outcomes: Number of classes.
        history: Before each round and after the last, the clients' mean loss under the averaged parameters,
            weighted by sample count.
        rounds: Rounds run.
        bytes_up: Bytes that all clients sent.
        bytes_down: Bytes that all clients received.
        evaluations: Parameter vectors evaluated by all clients.
    """

    params: FloatArray
    n_outcomes: int
    history: tuple[float, ...]
    rounds: int
    bytes_up: int
    bytes_down: int
    evaluations: int

    def class_probabilities(self, evaluator: Evaluator, inputs: FloatArray) -> FloatArray:
        """Return probabilities [N, n_outcomes]; rows sum to one."""
        return outcome_probabilities(self.params, evaluator, inputs, self.n_outcomes)

    def predict(self, evaluator: Evaluator, inputs: FloatArray) -> IntArray:
        """Return the index [N] of the most probable class."""
        return np.asarray(self.class_probabilities(evaluator, inputs).argmax(axis=1), dtype=np.int64)


@dataclass(frozen=True, eq=False)
class FedAvgTask:
    """What is averaged, and how.

    Attributes:
        clients: At least one participant; all circuits have the same spec.
        initial: The server's first parameter vector [W + 1].
        n_classes: Number of all classes.
        rounds: Rounds, 0 or more.
        local_steps: L-BFGS iterations of each client in each round.
        l2: Weight of the squared log of the logit scale in the local loss.
        proximal: Half of this times the squared distance from the server's parameters joins the local loss.
    """

    clients: Sequence[FedAvgClient]
    initial: FloatArray
    n_classes: int
    rounds: int
    local_steps: int
    l2: float = 0.0
    proximal: float = 0.0


def federated_average(
    task: FedAvgTask, *, progress: Progress | None = None, label: str = "FedAvg"
) -> FedAvgResult:
    """Run FedAvg with L-BFGS steps as local training.

    Args:
        task: What is averaged, and how.
        progress: Shows every client's local training.
        label: Name of this training in `progress`.

    Raises:
        DistillationError: If there is no client, or specs or the initial vector do not fit.
    """
    clients, initial, rounds = task.clients, task.initial, task.rounds
    if not clients:
        raise DistillationError("FedAvg: expected at least one client, found none")
    first = clients[0].evaluator
    if any(client.evaluator.spec != first.spec for client in clients):
        raise DistillationError("FedAvg: expected one common spec, found different ones")
    if initial.shape != (first.spec.n_weights + 1,):
        raise DistillationError(
            f"FedAvg: expected {first.spec.n_weights + 1} initial parameters, found {initial.shape}"
        )
    objectives = [
        Objective(c.evaluator, c.inputs, Targets(task.n_classes, labels=c.labels), l2=task.l2)
        for c in clients
    ]
    share = np.array([len(c.labels) for c in clients], dtype=np.float64)
    share /= share.sum()
    progress = NullProgress() if progress is None else progress
    progress.start(label, rounds * len(clients))
    params, history = _as_sent(initial), []
    for _ in range(rounds):
        local, losses = [], []
        for objective in objectives:
            local_loss = _pulled(objective, params, task.proximal)
            result = minimize_lbfgs(local_loss, params, iterations=task.local_steps)
            local.append(_as_sent(result.params))
            losses.append(result.history[0])
            progress.advance(label)
        history.append(float(share @ losses))
        params = _as_sent(share @ np.stack(local))
    history.append(float(share @ [objective.values(params[None])[0] for objective in objectives]))
    progress.done(label)
    traffic = rounds * len(clients) * len(params) * BYTES_PER_PARAMETER
    return FedAvgResult(
        params=params,
        n_outcomes=task.n_classes,
        history=tuple(history),
        rounds=rounds,
        bytes_up=traffic,
        # The final model goes down once more, or no client would have it.
        bytes_down=traffic + len(clients) * len(params) * BYTES_PER_PARAMETER,
        evaluations=sum(objective.evaluations for objective in objectives),
    )


def _pulled(
    objective: Objective, centre: FloatArray, proximal: float
) -> Callable[[FloatArray], tuple[float, FloatArray]]:
    def loss(params: FloatArray) -> tuple[float, FloatArray]:
        value, gradient = objective.value_and_gradient(params)
        away = params - centre
        return value + 0.5 * proximal * float(away @ away), gradient + proximal * away

    return loss


def _as_sent(params: FloatArray) -> FloatArray:
    return params.astype(np.float32).astype(np.float64)


class FedAvg:
    """Averages the global structure's parameters over the clients, from the public-only model on."""

    name = "fedavg"
    runs_circuits = True

    def fit(self, data: BaselineData) -> FittedCircuit | None:
        """Train the model; None where the clients' samples are elsewhere."""
        return _federated(data, FEDAVG, 0.0)


class FedProx:
    """Does the same with a proximal term, where the settings give it a weight."""

    name = "fedprox"
    runs_circuits = True

    def fit(self, data: BaselineData) -> FittedCircuit | None:
        """Train the model; None without a weight, or where the clients' samples are elsewhere."""
        proximal = data.run.settings.fedavg.proximal
        return _federated(data, FEDPROX, proximal) if proximal > 0 else None


def _federated(data: BaselineData, stage: Stage, proximal: float) -> FittedCircuit | None:
    run, settings = data.training_run, data.run.settings
    if not run.data.clients:
        return None
    start, spec = data.public_only, data.compiled.spec

    def average() -> FedAvgResult:
        clients = [
            FedAvgClient(
                data.compiler.model(spec, client.backend).descending(settings.training.dtype),
                held.inputs,
                held.labels,
            )
            for client, held in zip(settings.clients, run.data.clients, strict=True)
        ]
        task = FedAvgTask(
            clients,
            start.params,
            n_classes=len(run.data.classes),
            rounds=settings.fedavg.rounds,
            local_steps=settings.fedavg.local_steps,
            l2=settings.training.l2,
            proximal=proximal,
        )
        return federated_average(task, progress=run.progress, label=stage.label)

    model = run.stage(stage, FedAvgResult, average)
    traffic = Traffic(up=model.bytes_up, down=model.bytes_down, rounds=model.rounds)
    return FittedCircuit.at_server(run, data.compiled, model, traffic)
