"""What methods that share parameters have in common: rounds, early stop, bytes, and choice by validation.

One common spec stands on every client, each under its own device's noise, and starts from the model trained
on the public data. A method says how a client trains and how the server combines what comes back. Angles are
numbers like any other to these methods: they know nothing of circles, and neither do these baselines.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.baselines.base import BaselineData, FittedCircuit
from qkd_qiskit.baselines.validation import PublicJudge, kept_round
from qkd_qiskit.config import ExperimentSettings
from qkd_qiskit.errors import DistillationError
from qkd_qiskit.evaluation.results import Traffic
from qkd_qiskit.progress import NullProgress, Progress
from qkd_qiskit.run import Stage
from qkd_qiskit.simulation import Evaluator
from qkd_qiskit.training import Objective, Targets, minimize_lbfgs, outcome_probabilities

BYTES_PER_PARAMETER = 4
"""Parameters travel as float32."""


@dataclass(frozen=True, eq=False)
class FederatedClient:
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
class FederatedResult:
    """The shared model.

    Attributes:
        params: Weights and log of the logit scale [W + 1].
        n_outcomes: Number of classes.
        history: Before each round and after the last, the clients' mean loss under the shared parameters,
            weighted by sample count.
        validation: Loss on the server's own labels at the start and after each round; empty without a judge.
        kept: After which round the parameters are; 0 is the start.
        rounds: Rounds run; those of a refit, which repeats some of them, count neither here nor in the bytes.
        bytes_up: Bytes that all clients sent.
        bytes_down: Bytes that all clients received.
        evaluations: Parameter vectors evaluated by all clients.
    """

    params: FloatArray
    n_outcomes: int
    history: tuple[float, ...]
    validation: tuple[float, ...]
    kept: int
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
class FederatedTask:
    """What is learnt together.

    Attributes:
        clients: At least one participant; all circuits have the same spec.
        initial: The server's first parameter vector [W + 1].
        n_classes: Number of all classes.
        rounds: Rounds, 0 or more.
        l2: Weight of the squared log of the logit scale in the local loss.
        judge: Losses [N] of a parameter vector on labels that the server has; they choose the round that is
            kept, see `kept_round`. None keeps the last round.
    """

    clients: Sequence[FederatedClient]
    initial: FloatArray
    n_classes: int
    rounds: int
    l2: float = 0.0
    judge: Callable[[FloatArray], FloatArray] | None = None


class FederatedMethod(ABC):
    """What one method does in a round; an instance serves one training, and may remember its rounds.

    Attributes:
        vectors: Parameter vectors that a client sends, and receives, in a round.
    """

    vectors = 1

    @abstractmethod
    def local(self, number: int, objective: Objective, params: FloatArray) -> tuple[FloatArray, float]:
        """Train a client.

        Args:
            number: Position of the client.
            objective: Its loss on its own samples.
            params: The server's parameters [W + 1].

        Returns:
            The client's parameters [W + 1], and its loss before.
        """

    def combined(self, local: FloatArray, share: FloatArray, params: FloatArray) -> FloatArray:
        """Return the server's next parameters [W + 1].

        Args:
            local: The clients' parameters [C, W + 1].
            share: Each client's share of all samples [C].
            params: The server's parameters before [W + 1].
        """
        del params
        return np.asarray(share @ local)


@dataclass(frozen=True)
class PulledDescent:
    """L-BFGS on a client's loss, pulled towards a point.

    Attributes:
        iterations: L-BFGS iterations in a round.
        proximal: Half of this times the squared distance from the server's parameters joins the loss.
    """

    iterations: int
    proximal: float = 0.0

    def run(self, objective: Objective, centre: FloatArray) -> tuple[FloatArray, float]:
        """Return where the descent from the centre [W + 1] ends, and the loss at the centre."""

        def loss(params: FloatArray) -> tuple[float, FloatArray]:
            value, gradient = objective.value_and_gradient(params)
            away = params - centre
            return value + 0.5 * self.proximal * float(away @ away), gradient + self.proximal * away

        found = minimize_lbfgs(loss, centre, iterations=self.iterations)
        return found.params, found.history[0]


def federate(
    task: FederatedTask, method: FederatedMethod, *, progress: Progress | None = None, label: str = "FedAvg"
) -> FederatedResult:
    """Run the rounds of a method that shares parameters.

    Args:
        task: What is learnt.
        method: How clients train, and how the server combines what they send.
        progress: Shows every client's local training.
        label: Name of this training in `progress` and in errors.

    Raises:
        DistillationError: If there is no client, or specs or the initial vector do not fit.
    """
    objectives = _objectives(task, label)
    share = np.array([len(client.labels) for client in task.clients], dtype=np.float64)
    share /= share.sum()
    progress = NullProgress() if progress is None else progress
    progress.start(label, task.rounds * len(objectives))
    params, history = _as_sent(task.initial), []
    path = [params]
    for _ in range(task.rounds):
        local, losses = [], []
        for number, objective in enumerate(objectives):
            found, loss = method.local(number, objective, params)
            local.append(_as_sent(found))
            losses.append(loss)
            progress.advance(label)
        history.append(float(share @ losses))
        params = _as_sent(method.combined(np.stack(local), share, params))
        path.append(params)
    history.append(float(share @ [objective.values(params[None])[0] for objective in objectives]))
    judged = [] if task.judge is None else [task.judge(params) for params in path]
    kept = kept_round(judged) if judged else task.rounds
    progress.done(label)
    vector = len(objectives) * len(params) * BYTES_PER_PARAMETER
    traffic = task.rounds * vector * method.vectors
    return FederatedResult(
        params=path[kept],
        n_outcomes=task.n_classes,
        history=tuple(history),
        validation=tuple(float(losses.mean()) for losses in judged),
        kept=kept,
        rounds=task.rounds,
        bytes_up=traffic,
        # The final model goes down once more, or no client would have it.
        bytes_down=traffic + vector,
        evaluations=sum(objective.evaluations for objective in objectives),
    )


def _objectives(task: FederatedTask, label: str) -> list[Objective]:
    if not task.clients:
        raise DistillationError(f"{label}: expected at least one client, found none")
    spec = task.clients[0].evaluator.spec
    if any(client.evaluator.spec != spec for client in task.clients):
        raise DistillationError(f"{label}: expected one common spec, found different ones")
    if task.initial.shape != (spec.n_weights + 1,):
        raise DistillationError(
            f"{label}: expected {spec.n_weights + 1} initial parameters, found {task.initial.shape}"
        )
    return [
        Objective(c.evaluator, c.inputs, Targets(task.n_classes, labels=c.labels), l2=task.l2)
        for c in task.clients
    ]


def _as_sent(params: FloatArray) -> FloatArray:
    return params.astype(np.float32).astype(np.float64)


class FederatedBaseline(ABC):
    """Shares the global structure's parameters among the clients, from the public-only model on.

    Attributes:
        name: Its key in `results.json`.
        stage: Names of its training.
    """

    name: str
    stage: Stage
    runs_circuits = True

    def wanted(self, settings: ExperimentSettings) -> bool:
        """Return whether a run has it: one that names it."""
        return self.name in settings.baselines

    @abstractmethod
    def candidates(self, data: BaselineData) -> Sequence[Callable[[], FederatedMethod]]:
        """Return makers of the method in each of its settings, the first one being that without tuning."""

    def fit(self, data: BaselineData) -> FittedCircuit | None:
        """Train the model; None where the settings do not want it, or the clients' samples are elsewhere.

        Where the settings want tuning, every candidate runs all rounds, and the server's own labels choose.
        Where they want a refit, the chosen one then runs as many rounds as were kept, from a start that knows
        these labels.
        """
        run, settings = data.training_run, data.run.settings
        if not self.wanted(settings) or not run.data.clients:
            return None
        makers = self.candidates(data)
        wanted = makers if settings.fedavg.tune else makers[:1]

        def work() -> FederatedResult:
            task = _task(data)
            found = [federate(task, make(), progress=run.progress, label=self.stage.label) for make in wanted]
            losses = [result.validation[result.kept] for result in found]
            chosen = losses.index(min(losses))
            best, evaluations = found[chosen], sum(result.evaluations for result in found)
            if data.refits:
                again = replace(task, initial=data.public_only.params, rounds=best.kept, judge=None)
                label = self.stage.refit.label
                last = federate(again, wanted[chosen](), progress=run.progress, label=label)
                best, evaluations = replace(best, params=last.params), evaluations + last.evaluations
            return replace(best, evaluations=evaluations)

        model = run.stage(self.stage, FederatedResult, work)
        traffic = Traffic(up=model.bytes_up, down=model.bytes_down, rounds=model.rounds)
        return FittedCircuit.at_server(run, data.compiled, model, traffic)


def _task(data: BaselineData) -> FederatedTask:
    settings, spec, prepared = data.run.settings, data.compiled.spec, data.run.data
    clients = [
        FederatedClient(
            data.compiler.model(spec, client.backend).descending(settings.training.dtype),
            held.inputs,
            held.labels,
        )
        for client, held in zip(settings.clients, prepared.clients, strict=True)
    ]
    judge, n_classes = PublicJudge.of(prepared), len(prepared.classes)

    def losses(params: FloatArray) -> FloatArray:
        answers = outcome_probabilities(params, data.compiled.noisy, judge.samples.inputs, n_classes)
        return judge.losses(answers)

    return FederatedTask(
        clients, data.public_before.params, n_classes, settings.fedavg.rounds, settings.training.l2, losses
    )
