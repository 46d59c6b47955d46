"""Methods that share parameters: rounds, early stop, bytes, and what each method does in a round."""

import numpy as np
import pytest

from qkd_qiskit.baselines import (
    Averaging,
    ControlledDescent,
    EnsembleDistillation,
    FederatedClient,
    FederatedMethod,
    FederatedTask,
    PublicJudge,
    federate,
)
from qkd_qiskit.config import AdamSettings, TrainingSettings
from qkd_qiskit.data import Samples
from qkd_qiskit.distillation.judging import Judge
from qkd_qiskit.errors import DistillationError
from qkd_qiskit.simulation import PauliEvaluator
from qkd_qiskit.training import Objective, Targets, outcome_probabilities, random_params, train_model
from qkd_qiskit.vqcnn import VQCNNSpec

SPEC = VQCNNSpec(n_qubits=2, plan="conv", kernels="su4", n_outcomes=2)


@pytest.fixture(scope="module")
def evaluator():
    return PauliEvaluator(SPEC)


def _data(n=40, seed=0):
    """Angles whose first coordinate tells the class."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    inputs = 0.3 * rng.standard_normal((n, 4))
    inputs[:, 0] += np.where(labels == 0, 0.8, -0.8)
    return inputs, labels


def _accuracy(model, evaluator):
    inputs, labels = _data(seed=9)
    return (model.predict(evaluator, inputs) == labels).mean()


def _initial():
    return random_params(1, SPEC.n_weights, rng=np.random.default_rng(0))[0].astype(np.float32).astype(float)


def _participants(evaluator, sizes=(30, 10)):
    inputs, labels = _data(sum(sizes))
    cut = np.cumsum(sizes)[:-1]
    parts = zip(np.split(inputs, cut), np.split(labels, cut), strict=True)
    return [FederatedClient(evaluator, x, y) for x, y in parts]


def _one_class_each(evaluator, n=40):
    inputs, labels = _data(n)
    return [FederatedClient(evaluator, inputs[labels == k], labels[labels == k]) for k in (0, 1)]


def _run(clients, method, rounds=1, **more):
    return federate(FederatedTask(clients, _initial(), n_classes=2, rounds=rounds, **more), method)


def test_fedavg_learns_and_counts_bytes(evaluator):
    result = _run(_participants(evaluator), Averaging(5), rounds=4, l2=1e-3)
    assert _accuracy(result, evaluator) > 0.9
    assert result.history[-1] < result.history[0]
    assert len(result.history) == 5
    numbers = SPEC.n_weights + 1
    assert result.bytes_up == 4 * 2 * numbers * 4
    assert result.bytes_down == 5 * 2 * numbers * 4
    assert (result.kept, result.rounds, result.validation) == (4, 4, ())
    np.testing.assert_allclose(result.class_probabilities(evaluator, _data()[0]).sum(axis=1), 1)


def test_one_fedavg_client_trains_as_if_alone(evaluator):
    (client,) = _participants(evaluator, sizes=(40,))
    fed = _run([client], Averaging(6))
    alone = train_model(
        evaluator,
        client.inputs,
        Targets(2, labels=client.labels),
        TrainingSettings(particles=2, iterations=0, refine=6, l2=0),
        initial=_initial(),
        rng=np.random.default_rng(0),
    )
    assert alone.loss_start <= fed.history[0]
    assert fed.history[1] < fed.history[0]


def test_the_average_is_weighted_by_samples(evaluator):
    """With zero local steps every client returns what it got, and so does the average."""
    result = _run(_participants(evaluator, sizes=(5, 7, 1)), Averaging(0), rounds=3)
    np.testing.assert_allclose(result.params, _initial(), rtol=1e-6)
    separate = [_run([c], Averaging(3)).params for c in _participants(evaluator)]
    together = _run(_participants(evaluator), Averaging(3))
    np.testing.assert_allclose(together.params, 0.75 * separate[0] + 0.25 * separate[1], atol=1e-6)


def test_zero_rounds_leave_the_model_and_send_it_once(evaluator):
    result = _run(_participants(evaluator), Averaging(3), rounds=0)
    assert (result.bytes_up, len(result.history)) == (0, 1)
    np.testing.assert_allclose(result.params, _initial(), rtol=1e-6)


@pytest.mark.parametrize("best", [0, 1, 3])
def test_the_round_that_the_judge_likes_best_is_kept(evaluator, best):
    seen = []

    def judge(params):
        seen.append(params)
        return np.full(5, 0.0 if len(seen) == best + 1 else 1.0)

    result = _run(_participants(evaluator), Averaging(3), rounds=3, judge=judge)
    assert result.kept == best
    assert len(seen) == len(result.validation) == 4
    np.testing.assert_array_equal(result.params, seen[best])
    if best == 0:
        np.testing.assert_array_equal(result.params, _initial())


class _Harmful(FederatedMethod):
    """Sends every client somewhere at random."""

    def local(self, number, objective, params):
        moved = params + np.random.default_rng(number).normal(0, 2, len(params))
        return moved, objective.value_and_gradient(params)[0]


def test_no_method_loses_to_its_start_on_what_judges_it(evaluator):
    inputs, labels = _data(60, seed=4)
    judge = PublicJudge(Samples(inputs, labels), Judge(labels, np.arange(60)))
    start = _run(_participants(evaluator), Averaging(10), rounds=2).params

    def losses(params):
        return judge.losses(outcome_probabilities(params, evaluator, inputs, 2))

    task = FederatedTask(_participants(evaluator), start, n_classes=2, rounds=3, judge=losses)
    spoilt = federate(task, _Harmful())
    assert spoilt.kept == 0
    assert losses(spoilt.params).mean() == spoilt.validation[0] < min(spoilt.validation[1:])


@pytest.mark.parametrize("label", ["FedAvg", "other"])
def test_what_does_not_fit_is_refused(evaluator, label):
    clients = _participants(evaluator)

    def task(clients, initial):
        return FederatedTask(clients, initial, n_classes=2, rounds=1)

    with pytest.raises(DistillationError, match=f"{label}: expected at least one client, found none"):
        federate(task([], _initial()), Averaging(1), label=label)
    with pytest.raises(DistillationError, match=f"{label}: expected 16 initial parameters, found"):
        federate(task(clients, np.zeros(3)), Averaging(1), label=label)
    other = PauliEvaluator(VQCNNSpec(n_qubits=2, plan="conv, conv", kernels="su4", n_outcomes=2))
    strange = FederatedClient(other, clients[0].inputs, clients[0].labels)
    with pytest.raises(DistillationError, match=f"{label}: expected one common spec"):
        federate(task([clients[0], strange], _initial()), Averaging(1), label=label)


def test_a_high_price_keeps_fedprox_clients_at_the_server(evaluator):
    """The longer the leash, the farther the average moves; at zero it is FedAvg."""

    def moved(proximal):
        result = _run(_participants(evaluator), Averaging(8, proximal))
        return np.linalg.norm(result.params - _initial())

    free = _run(_participants(evaluator), Averaging(8))
    assert moved(0.0) == pytest.approx(np.linalg.norm(free.params - _initial()))
    assert moved(1e4) < moved(1.0) < moved(0.0)
    assert moved(1e4) < 1e-3


def _plain_steps(evaluator, clients, rounds, sweeps, rate, corrected):
    """SCAFFOLD's Algorithm 1 written out, with the batches that the same generator draws."""
    rng, numbers = np.random.default_rng(5), SPEC.n_weights + 1
    x, c, own = _initial(), np.zeros(numbers), [np.zeros(numbers) for _ in clients]
    share = np.array([len(client.labels) for client in clients]) / sum(len(k.labels) for k in clients)
    for _ in range(rounds):
        ends, after = [], []
        for client, mine in zip(clients, own, strict=True):
            y, steps = x.copy(), 0
            for _ in range(sweeps):
                for rows in np.array_split(rng.permutation(len(client.labels)), 4):
                    targets = Targets(2, labels=client.labels[rows])
                    _, slope = Objective(evaluator, client.inputs[rows], targets).value_and_gradient(y)
                    y = y - rate * (slope - mine + c if corrected else slope)
                    steps += 1
            y = y.astype(np.float32).astype(float)
            ends.append(y)
            after.append(mine - c + (x - y) / (steps * rate))
        x = (share @ np.stack(ends)).astype(np.float32).astype(float)
        c = c + share @ (np.stack(after) - np.stack(own))
        own = after
    return x


def test_scaffold_follows_the_published_algorithm(evaluator):
    clients = _participants(evaluator, (24, 16))
    found = _run(clients, ControlledDescent(2, 0.1, np.random.default_rng(5)), rounds=3)
    np.testing.assert_allclose(
        found.params, _plain_steps(evaluator, clients, 3, 2, 0.1, corrected=True), atol=2e-5
    )
    assert found.bytes_up == 3 * 2 * 2 * 4 * (SPEC.n_weights + 1)
    assert found.bytes_down == found.bytes_up + 2 * 4 * (SPEC.n_weights + 1)


def test_control_variates_take_out_the_drift_of_one_class_clients(evaluator):
    """Where each client holds one class, its own steps only shout this class."""
    clients = _one_class_each(evaluator)
    inputs, labels = _data()
    joint = Objective(evaluator, inputs, Targets(2, labels=labels))
    drifted = _plain_steps(evaluator, clients, 8, 5, 0.3, corrected=False)
    held = _run(clients, ControlledDescent(5, 0.3, np.random.default_rng(5)), rounds=8).params
    assert joint.value_and_gradient(held)[0] < joint.value_and_gradient(drifted)[0]


def _distilling(evaluator, steps):
    descent = AdamSettings(steps=steps, batch=32, rate=0.03)
    return EnsembleDistillation(4, evaluator, _data(64, seed=3)[0], 2, descent, np.random.default_rng(1))


def test_feddf_without_steps_is_fedavg(evaluator):
    plain = _run(_participants(evaluator), Averaging(4), rounds=2)
    same = _run(_participants(evaluator), _distilling(evaluator, 0), rounds=2)
    np.testing.assert_array_equal(same.params, plain.params)
    assert same.bytes_up == plain.bytes_up


def test_feddf_moves_the_average_towards_what_the_clients_say(evaluator):
    clients, inputs = _one_class_each(evaluator), _data(64, seed=3)[0]
    local = [_run([client], Averaging(4)).params for client in clients]
    logits = np.mean(
        [np.log(outcome_probabilities(one, evaluator, inputs, 2) + 1e-12) for one in local], axis=0
    )
    wanted = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)

    def divergence(params):
        answers = outcome_probabilities(params, evaluator, inputs, 2)
        return float((wanted * np.log(wanted / answers)).sum(axis=1).mean())

    average, distilled = (_run(clients, _distilling(evaluator, steps)).params for steps in (0, 60))
    assert divergence(distilled) < 0.8 * divergence(average)
