"""FedMD: clients with circuits of their own agree on scores of public samples."""

import numpy as np
import pytest

from qkd_qiskit.baselines import ConsensusTask, FederatedClient, agree
from qkd_qiskit.baselines.fedmd import FittedConsensus
from qkd_qiskit.errors import DistillationError
from qkd_qiskit.evaluation.results import Traffic
from qkd_qiskit.simulation import CompiledModel, PauliEvaluator
from qkd_qiskit.training import Objective, Targets, minimize_lbfgs, outcome_probabilities, random_params
from qkd_qiskit.vqcnn import VQCNNSpec

SPECS = (
    VQCNNSpec(n_qubits=2, plan="conv", kernels="su4", n_outcomes=2),
    VQCNNSpec(n_qubits=2, plan="conv, conv", kernels="one_cx", n_outcomes=2),
)


def _data(n=40, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    inputs = 0.3 * rng.standard_normal((n, 4))
    inputs[:, 0] += np.where(labels == 0, 0.8, -0.8)
    return inputs, labels


def _task(clients=2, **changes):
    inputs, labels = _data()
    participants, initial = [], []
    for k, spec in enumerate(SPECS[:clients]):
        held = labels == k if clients == 2 else labels >= 0
        participants.append(FederatedClient(PauliEvaluator(spec), inputs[held], labels[held]))
        initial.append(random_params(1, spec.n_weights, rng=np.random.default_rng(k))[0])
    fields = {
        "clients": participants,
        "initial": initial,
        "public": _data(30, seed=2)[0],
        "subset": 20,
        "n_classes": 2,
        "rounds": 3,
        "digest": 4,
        "revisit": 2,
        "answers": lambda number, params: params[:3],
        "judge": lambda answers: 1.0,
    }
    return ConsensusTask(**fields | changes)


def test_scores_travel_and_are_counted():
    found = agree(_task(), rng=np.random.default_rng(0))
    assert found.bytes_up == found.bytes_down == 3 * 2 * 20 * 2 * 2
    assert (found.rounds, len(found.history), len(found.validation)) == (3, 3, 4)


def test_a_client_alone_agrees_with_itself():
    """Its own scores, rounded to float16, are where it stands: only the revisits move it."""
    task = _task(clients=1, rounds=1, judge=lambda params: float(np.all(params == task.initial[0][:3])))
    found = agree(task, rng=np.random.default_rng(0))
    client = task.clients[0]
    own = Objective(client.evaluator, client.inputs, Targets(2, labels=client.labels))
    alone = minimize_lbfgs(own.value_and_gradient, task.initial[0], iterations=2).params
    np.testing.assert_allclose(found.params, alone, atol=0.02)
    assert found.kept == 1


def test_clients_that_hold_one_class_each_come_to_agree():
    task = _task(rounds=6, revisit=0)
    seen = {}

    def answers(number, params):
        seen.setdefault(number, []).append(params)
        return np.zeros(1)

    agree(_task(rounds=6, revisit=0, answers=answers), rng=np.random.default_rng(0))

    def apart(step):
        first, second = (
            outcome_probabilities(seen[k][step], task.clients[k].evaluator, task.public, 2) for k in (0, 1)
        )
        return float(np.abs(first - second).mean())

    assert apart(-1) < 0.5 * apart(0)


@pytest.mark.parametrize(("best", "kept", "client"), [(7, 2, 1), (0, 0, 0), (11, 3, -1)])
def test_what_is_best_after_the_best_round_is_kept(best, kept, client):
    """Of each round the two clients are judged, then their mean."""
    seen, judged = [], []

    def judge(answers):
        judged.append(answers)
        return 0.0 if len(judged) == best + 1 else 1.0

    def answers(number, params):
        seen.append(params)
        return np.array([float(len(seen))])

    found = agree(_task(judge=judge, answers=answers), rng=np.random.default_rng(0))
    assert (found.kept, found.client) == (kept, client)
    wanted = seen[2 * kept + client] if client >= 0 else np.concatenate(seen[2 * kept : 2 * kept + 2])
    np.testing.assert_array_equal(found.params, wanted)
    assert judged[2] == (judged[0] + judged[1]) / 2
    assert found.validation[kept] == 0.0
    # Who stands after so many rounds is found again without a judge.
    again = agree(_task(rounds=kept, stands=client), rng=np.random.default_rng(0))
    np.testing.assert_array_equal(again.params, found.params)
    assert (again.kept, again.client, again.validation) == (kept, client, ())


@pytest.mark.parametrize("client", [0, 1, -1])
def test_what_clients_were_before_their_own_samples_is_kept_where_it_is_better(client):
    """Else a client of one class, which forgets all others, would stand for the method."""
    before = [np.full_like(params, 0.5 - k) for k, params in enumerate(_task().initial)]
    wanted = np.mean([p[:3] for p in before], axis=0) if client < 0 else before[client][:3]
    found = agree(
        _task(before=before, judge=lambda answers: float(not np.array_equal(answers, wanted))),
        rng=np.random.default_rng(0),
    )
    assert (found.kept, found.client, found.own, found.validation[0]) == (0, client, False, 0.0)
    np.testing.assert_array_equal(found.params, np.concatenate(before) if client < 0 else before[client])
    # As good as what they have learnt since is not better.
    alike = agree(_task(before=before), rng=np.random.default_rng(0))
    assert alike.own
    np.testing.assert_array_equal(alike.params, _task().initial[0])


def test_a_consensus_predicts_the_class_of_the_mean():
    task, inputs = _task(), _data(12, seed=5)[0]
    compiled = [CompiledModel(spec) for spec in SPECS]
    fitted = FittedConsensus(task.initial, compiled, 2, False, Traffic(up=1, down=1, rounds=1))
    found = fitted.predictions(inputs)
    both = [outcome_probabilities(p, c.ideal, inputs, 2) for p, c in zip(task.initial, compiled, strict=True)]
    np.testing.assert_array_equal(found.ideal, (both[0] + both[1]).argmax(axis=1))
    np.testing.assert_array_equal(found.noisy, found.ideal)
    assert (found.noise, found.weights) == (None, sum(map(len, task.initial)))


def test_what_does_not_fit_is_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(DistillationError, match="FedMD: expected one parameter vector for each client"):
        agree(_task(clients=2, initial=[np.zeros(16)]), rng=rng)
    with pytest.raises(DistillationError, match="FedMD: expected 1 to 30 public samples a round, found 31"):
        agree(_task(subset=31), rng=rng)
