"""FedMD (Li and Wang, arXiv:1910.03581): clients with models of their own agree on scores of public samples.

Every client has a circuit of the size that its gate budget grants on its own device, with an outcome for each
class. It learns the labelled public samples, then its own. In each round the clients send their class
probabilities on a random part of the public samples, and get the mean back; each approaches the mean
(digest), then trains on its own samples (revisit). There is no global model: the client that is best on the
server's labels, after the round that is best, stands for the method.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.baselines.base import BaselineData, FittedCircuit
from qkd_qiskit.baselines.federated import FederatedClient, FederatedResult, PulledDescent
from qkd_qiskit.baselines.validation import PublicJudge
from qkd_qiskit.data import Samples
from qkd_qiskit.errors import DistillationError
from qkd_qiskit.evaluation.results import Traffic
from qkd_qiskit.progress import NullProgress, Progress
from qkd_qiskit.run import FitTask, RunContext, Stage, fit_model, gate_budget
from qkd_qiskit.run.stages import FEDMD
from qkd_qiskit.simulation import CompiledModel
from qkd_qiskit.training import Objective, Targets, TrainedModel, outcome_probabilities

BYTES_PER_SCORE = 2
"""Scores travel as float16."""


@dataclass(frozen=True, eq=False)
class ConsensusTask:
    """What clients with models of their own agree on.

    Attributes:
        clients: At least one participant, each with a circuit of its own.
        initial: The parameters of each [W_k + 1].
        public: Encoded public samples [M, F].
        subset: Public samples of a round, 1 to M.
        n_classes: Number of all classes.
        rounds: Rounds, 0 or more.
        digest: L-BFGS iterations towards the mean in a round.
        revisit: L-BFGS iterations on own samples in a round.
        judge: Loss of a client's parameters, by its position, on labels that the server has.
        l2: Weight of the squared log of the logit scale in the local loss.
    """

    clients: Sequence[FederatedClient]
    initial: Sequence[FloatArray]
    public: FloatArray
    subset: int
    n_classes: int
    rounds: int
    digest: int
    revisit: int
    judge: Callable[[int, FloatArray], float]
    l2: float = 0.0


@dataclass(frozen=True, eq=False)
class ConsensusResult(FederatedResult):
    """The model that stands for the method.

    Attributes:
        client: Position of its client.
    """

    client: int


def agree(
    task: ConsensusTask, *, rng: np.random.Generator, progress: Progress | None = None, label: str = "FedMD"
) -> ConsensusResult:
    """Run the rounds.

    Args:
        task: What the clients agree on.
        rng: Draws the public samples of each round.
        progress: Shows every client's training.
        label: Name of this training in `progress` and in errors.

    Raises:
        DistillationError: If there is no client, not one vector for each, or too few public samples.
    """
    n = len(task.clients)
    if n == 0 or len(task.initial) != n:
        raise DistillationError(
            f"{label}: expected one parameter vector for each client, at least one, "
            f"found {len(task.initial)} for {n} clients"
        )
    if not 1 <= task.subset <= len(task.public):
        raise DistillationError(
            f"{label}: expected 1 to {len(task.public)} public samples a round, found {task.subset}"
        )
    progress = NullProgress() if progress is None else progress
    progress.start(label, task.rounds * n)
    own = [
        Objective(c.evaluator, c.inputs, Targets(task.n_classes, labels=c.labels), l2=task.l2)
        for c in task.clients
    ]
    share = np.array([len(client.labels) for client in task.clients], dtype=np.float64)
    share /= share.sum()
    params, history, evaluations = list(task.initial), [], 0
    path = [list(params)]
    for _ in range(task.rounds):
        inputs = task.public[rng.permutation(len(task.public))[: task.subset]]
        scores = [
            outcome_probabilities(one, client.evaluator, inputs, task.n_classes).astype(np.float16)
            for one, client in zip(params, task.clients, strict=True)
        ]
        mean = np.mean(scores, axis=0, dtype=np.float64)
        mean /= mean.sum(axis=1, keepdims=True)
        losses = []
        for number, (client, private) in enumerate(zip(task.clients, own, strict=True)):
            wanted = Targets(task.n_classes, soft=mean, soft_loss="kl")
            public = Objective(client.evaluator, inputs, wanted, l2=task.l2)
            near, _ = PulledDescent(task.digest).run(public, params[number])
            params[number], loss = PulledDescent(task.revisit).run(private, near)
            losses.append(loss)
            evaluations += public.evaluations
            progress.advance(label)
        history.append(float(share @ losses))
        path.append(list(params))
    judged = np.array([[task.judge(k, one) for k, one in enumerate(step)] for step in path])
    kept, chosen = (int(place) for place in np.unravel_index(judged.argmin(), judged.shape))
    progress.done(label)
    traffic = task.rounds * n * task.subset * task.n_classes * BYTES_PER_SCORE
    return ConsensusResult(
        params=path[kept][chosen],
        n_outcomes=task.n_classes,
        history=tuple(history),
        validation=tuple(judged.min(axis=1).tolist()),
        kept=kept,
        rounds=task.rounds,
        bytes_up=traffic,
        bytes_down=traffic,
        evaluations=evaluations + sum(objective.evaluations for objective in own),
        client=chosen,
    )


class FedMD:
    """Lets clients with circuits of their own agree on the public samples."""

    name = "fedmd"
    runs_circuits = True

    def fit(self, data: BaselineData) -> FittedCircuit | None:
        """Train all clients; None where it is not wanted, or the clients' samples are elsewhere."""
        run, settings = data.training_run, data.run.settings
        if self.name not in settings.baselines or not run.data.clients:
            return None
        compiled = [_structure(data, number) for number in range(len(settings.clients))]

        def work() -> ConsensusResult:
            task = _task(data, compiled)
            steps = settings.fedavg.local_steps
            wanted = (steps, max(1, steps // 2), 2 * steps) if settings.fedavg.tune else (steps,)
            found = [
                agree(replace(task, digest=digest), rng=run.rng(FEDMD), progress=run.progress)
                for digest in wanted
            ]
            best = min(found, key=lambda result: result.validation[result.kept])
            return replace(best, evaluations=sum(result.evaluations for result in found))

        model = run.stage(FEDMD, ConsensusResult, work)
        traffic = Traffic(up=model.bytes_up, down=model.bytes_down, rounds=model.rounds)
        noise = settings.clients[model.client].backend if settings.noise.enabled else None
        return FittedCircuit(model, compiled[model.client], noise, traffic)


def _structure(data: BaselineData, number: int) -> CompiledModel:
    """Return the circuit that a client's budget grants for all classes, on its own device."""
    run, client = data.run, data.run.settings.clients[number]
    budget = gate_budget(run, run.data.task(number), client.backend, len(run.data.classes))
    return data.compiler.model(budget.spec, client.backend)


def _task(data: BaselineData, compiled: Sequence[CompiledModel]) -> ConsensusTask:
    """Train every client on the public labels, then on its own samples, and return what is left to do."""
    run, settings, prepared = data.training_run, data.run.settings, data.run.data
    n_classes, federated, l2 = len(prepared.classes), settings.fedavg, settings.training.l2
    judge, public = PublicJudge.of(prepared), prepared.public
    inputs = public.samples.rows(public.unlabelled_rows).inputs
    inputs = inputs if len(inputs) else public.labelled.inputs
    clients, initial = [], []
    for client, held, one in zip(settings.clients, prepared.clients, compiled, strict=True):
        stage = FEDMD.part(client.name)
        first = _learn(run, one, stage.part("public"), data.known, None)
        initial.append(_learn(run, one, stage.part("own"), held, first.params).params)
        evaluator = one.descending(settings.training.dtype)
        clients.append(FederatedClient(evaluator, held.inputs, held.labels))

    def loss(number: int, params: FloatArray) -> float:
        noisy = compiled[number].noisy
        return float(
            judge.losses(outcome_probabilities(params, noisy, judge.samples.inputs, n_classes)).mean()
        )

    return ConsensusTask(
        clients,
        initial,
        inputs,
        # As many public samples as clients have of their own: what the others spend a round, twice.
        min(len(inputs), max(len(held) for held in prepared.clients)),
        n_classes,
        federated.rounds,
        federated.local_steps,
        federated.local_steps,
        loss,
        l2,
    )


def _learn(
    run: RunContext, compiled: CompiledModel, stage: Stage, samples: Samples, initial: FloatArray | None
) -> TrainedModel:
    targets = Targets(len(run.data.classes), labels=samples.labels)
    return fit_model(run, compiled, FitTask(stage, samples.inputs, targets, initial))
