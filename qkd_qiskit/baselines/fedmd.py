"""FedMD (Li and Wang, arXiv:1910.03581): clients with models of their own agree on scores of public samples.

Every client has a circuit of the size that its gate budget grants on its own device, with an outcome for each
class. It learns the labelled public samples, then its own. In each round the clients send their class
probabilities on a random part of the public samples, and get the mean back; each approaches the mean
(digest), then trains on its own samples (revisit). There is no global model: what is best on the server's
labels stands for the method, a single client or the mean of all, after the round that is best. Clients
that hold few classes forget the others with their first own samples, so what they were before is judged too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.baselines.base import BaselineData, FittedCircuit
from qkd_qiskit.baselines.federated import FederatedClient, FederatedResult, PulledDescent
from qkd_qiskit.baselines.validation import PublicJudge
from qkd_qiskit.data import Samples
from qkd_qiskit.errors import DistillationError
from qkd_qiskit.evaluation import Predictions
from qkd_qiskit.evaluation.results import Traffic
from qkd_qiskit.hardware import device_name
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
        answers: Class probabilities [N, K] of a client's parameters, by its position, on judged samples.
        judge: Loss of class probabilities on these samples.
        l2: Weight of the squared log of the logit scale in the local loss.
        stands: Who stands for the method after the last round, as `ConsensusResult.client` has it; None lets
            the judge choose, and the round too.
        before: The parameters of each before it learnt its own samples, which the judge may keep; none where
            there is no such choice.
    """

    clients: Sequence[FederatedClient]
    initial: Sequence[FloatArray]
    public: FloatArray
    subset: int
    n_classes: int
    rounds: int
    digest: int
    revisit: int
    answers: Callable[[int, FloatArray], FloatArray]
    judge: Callable[[FloatArray], float]
    l2: float = 0.0
    stands: int | None = None
    before: Sequence[FloatArray] = ()


@dataclass(frozen=True, eq=False)
class ConsensusResult(FederatedResult):
    """What stands for the method: its parameters are those of one client, or of all behind each other.

    Attributes:
        client: Position of the client; -1 for the mean of all.
        own: Whether own samples were learnt; without, `kept` is 0.
    """

    client: int
    own: bool


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
    kept, chosen, validation, own_learnt = task.rounds, n, np.empty(0), True
    if task.stands is None:
        judged = np.array([_judged(task, step) for step in path])
        kept, chosen = (int(place) for place in np.unravel_index(judged.argmin(), judged.shape))
        validation = judged.min(axis=1)
        former = np.array(_judged(task, task.before) if task.before else np.inf)
        if former.min() < validation[kept]:
            kept, chosen, own_learnt = 0, int(former.argmin()), False
            path[0], validation[0] = list(task.before), former.min()
    elif task.stands >= 0:
        chosen = task.stands
    progress.done(label)
    traffic = task.rounds * n * task.subset * task.n_classes * BYTES_PER_SCORE
    return ConsensusResult(
        params=np.concatenate(path[kept]) if chosen == n else path[kept][chosen],
        n_outcomes=task.n_classes,
        history=tuple(history),
        validation=tuple(validation.tolist()),
        kept=kept,
        rounds=task.rounds,
        bytes_up=traffic,
        bytes_down=traffic,
        evaluations=evaluations + sum(objective.evaluations for objective in own),
        client=-1 if chosen == n else chosen,
        own=own_learnt,
    )


def _judged(task: ConsensusTask, params: Sequence[FloatArray]) -> list[float]:
    """Return the loss of each client, then that of their mean."""
    answers = [task.answers(number, one) for number, one in enumerate(params)]
    return [task.judge(one) for one in (*answers, np.mean(answers, axis=0))]


@dataclass(frozen=True, eq=False)
class FittedConsensus:
    """The mean of all clients' class probabilities, each on its own device.

    Attributes:
        params: Of each client [W_k + 1].
        compiled: Of each client.
        n_classes: Number of all classes.
        noisy: Whether the devices have noise.
        traffic: Bytes that the training sent.
    """

    params: Sequence[FloatArray]
    compiled: Sequence[CompiledModel]
    n_classes: int
    noisy: bool
    traffic: Traffic

    def predictions(self, inputs: FloatArray) -> Predictions:
        """Predict the classes of encoded inputs [N, F], under noise and without."""

        def classes(kind: str) -> IntArray:
            answers = [
                outcome_probabilities(one, getattr(compiled, kind), inputs, self.n_classes)
                for one, compiled in zip(self.params, self.compiled, strict=True)
            ]
            return np.asarray(np.mean(answers, axis=0).argmax(axis=1), dtype=np.int64)

        return Predictions(
            classes("noisy"),
            classes("ideal"),
            "own devices" if self.noisy else None,
            sum(map(len, self.params)),
            sum(compiled.two_qubit_gates or 0 for compiled in self.compiled),
        )


class FedMD:
    """Lets clients with circuits of their own agree on the public samples."""

    name = "fedmd"
    runs_circuits = True

    def fit(self, data: BaselineData) -> FittedCircuit | FittedConsensus | None:
        """Train all clients; None where it is not wanted, or the clients' samples are elsewhere."""
        run, settings = data.training_run, data.run.settings
        if self.name not in settings.baselines or not run.data.clients:
            return None
        compiled = [_structure(data, number) for number in range(len(settings.clients))]

        def work() -> ConsensusResult:
            task = _task(data, compiled, data.known_before)
            steps = settings.fedavg.local_steps
            wanted = (steps, max(1, steps // 2), 2 * steps) if settings.fedavg.tune else (steps,)
            found = [
                agree(replace(task, digest=digest), rng=run.rng(FEDMD), progress=run.progress)
                for digest in wanted
            ]
            losses = [result.validation[result.kept] for result in found]
            chosen = losses.index(min(losses))
            best, evaluations = found[chosen], sum(result.evaluations for result in found)
            if data.refits:
                known = _task(data, compiled, data.known, refit=True)
                again = replace(
                    known,
                    initial=known.initial if best.own else known.before,
                    digest=wanted[chosen],
                    rounds=best.kept,
                    stands=best.client,
                )
                last = agree(again, rng=run.rng(FEDMD), progress=run.progress, label=FEDMD.refit.label)
                best, evaluations = replace(best, params=last.params), evaluations + last.evaluations
            return replace(best, evaluations=evaluations)

        model = run.stage(FEDMD, ConsensusResult, work)
        traffic = Traffic(up=model.bytes_up, down=model.bytes_down, rounds=model.rounds)
        if model.client < 0:
            ends = np.cumsum([one.spec.n_weights + 1 for one in compiled])[:-1]
            params = np.split(model.params, ends)
            return FittedConsensus(params, compiled, model.n_outcomes, settings.noise.enabled, traffic)
        noise = device_name(settings.clients[model.client].backend) if settings.noise.enabled else None
        return FittedCircuit(model, compiled[model.client], noise, traffic)


def _structure(data: BaselineData, number: int) -> CompiledModel:
    """Return the circuit that a client's budget grants for all classes, on its own device."""
    run, client = data.run, data.run.settings.clients[number]
    budget = gate_budget(run, run.data.task(number), client.backend, len(run.data.classes))
    return data.compiler.model(budget.spec, client.backend)


def _task(
    data: BaselineData, compiled: Sequence[CompiledModel], known: Samples, *, refit: bool = False
) -> ConsensusTask:
    """Train every client on the public labels, then on its own samples, and return what is left to do."""
    run, settings, prepared = data.training_run, data.run.settings, data.run.data
    n_classes, federated, l2 = len(prepared.classes), settings.fedavg, settings.training.l2
    judge, public = PublicJudge.of(prepared), prepared.public
    inputs = public.samples.rows(public.unlabelled_rows).inputs
    inputs = inputs if len(inputs) else public.labelled.inputs
    clients, before, initial = [], [], []
    for client, held, one in zip(settings.clients, prepared.clients, compiled, strict=True):
        stages = [FEDMD.part(client.name).part(name) for name in ("public", "own")]
        public_stage, own_stage = (stage.refit for stage in stages) if refit else stages
        before.append(_learn(run, one, public_stage, known, None).params)
        initial.append(_learn(run, one, own_stage, held, before[-1]).params)
        evaluator = one.descending(settings.training.dtype)
        clients.append(FederatedClient(evaluator, held.inputs, held.labels))

    def answers(number: int, params: FloatArray) -> FloatArray:
        return outcome_probabilities(params, compiled[number].noisy, judge.samples.inputs, n_classes)

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
        answers,
        lambda found: float(judge.losses(found).mean()),
        l2,
        before=before,
    )


def _learn(
    run: RunContext, compiled: CompiledModel, stage: Stage, samples: Samples, initial: FloatArray | None
) -> TrainedModel:
    targets = Targets(len(run.data.classes), labels=samples.labels)
    return fit_model(run, compiled, FitTask(stage, samples.inputs, targets, initial))
