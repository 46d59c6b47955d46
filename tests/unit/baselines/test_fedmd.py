"""FedMD: clients with circuits of their own agree on scores of public samples."""

import numpy as np
import pytest

from qkd_qiskit.baselines import ConsensusTask, FederatedClient, agree
from qkd_qiskit.errors import DistillationError
from qkd_qiskit.simulation import PauliEvaluator
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
        "judge": lambda number, params: 1.0,
    }
    return ConsensusTask(**fields | changes)


def test_scores_travel_and_are_counted():
    found = agree(_task(), rng=np.random.default_rng(0))
    assert found.bytes_up == found.bytes_down == 3 * 2 * 20 * 2 * 2
    assert (found.rounds, len(found.history), len(found.validation)) == (3, 3, 4)


def test_a_client_alone_agrees_with_itself():
    """Its own scores, rounded to float16, are where it stands: only the revisits move it."""
    task = _task(clients=1, rounds=1, judge=lambda number, params: float(np.all(params == task.initial[0])))
    found = agree(task, rng=np.random.default_rng(0))
    client = task.clients[0]
    own = Objective(client.evaluator, client.inputs, Targets(2, labels=client.labels))
    alone = minimize_lbfgs(own.value_and_gradient, task.initial[0], iterations=2).params
    np.testing.assert_allclose(found.params, alone, atol=0.02)
    assert found.kept == 1


def test_clients_that_hold_one_class_each_come_to_agree():
    task = _task(rounds=6, revisit=0)
    seen = {}

    def judge(number, params):
        seen.setdefault(number, []).append(params)
        return 1.0

    agree(_task(rounds=6, revisit=0, judge=judge), rng=np.random.default_rng(0))

    def apart(step):
        first, second = (
            outcome_probabilities(seen[k][step], task.clients[k].evaluator, task.public, 2) for k in (0, 1)
        )
        return float(np.abs(first - second).mean())

    assert apart(-1) < 0.5 * apart(0)


def test_the_best_client_after_the_best_round_is_kept():
    seen = []

    def judge(number, params):
        seen.append((number, params))
        return 0.0 if len(seen) == 6 else 1.0

    found = agree(_task(judge=judge), rng=np.random.default_rng(0))
    assert (found.kept, found.client) == (2, 1)
    np.testing.assert_array_equal(found.params, seen[5][1])


def test_the_start_is_kept_where_every_round_is_worse():
    steps = []
    task = _task(judge=lambda number, params: steps.append(params) or float(len(steps)))
    found = agree(task, rng=np.random.default_rng(0))
    assert found.kept == 0
    np.testing.assert_array_equal(found.params, task.initial[0])


def test_what_does_not_fit_is_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(DistillationError, match="FedMD: expected one parameter vector for each client"):
        agree(_task(clients=2, initial=[np.zeros(16)]), rng=rng)
    with pytest.raises(DistillationError, match="FedMD: expected 1 to 30 public samples a round, found 31"):
        agree(_task(subset=31), rng=rng)
