import numpy as np
import pytest

from qkd_qiskit.baselines import FedAvgClient, FedAvgTask, federated_average
from qkd_qiskit.config import TrainingSettings
from qkd_qiskit.errors import DistillationError
from qkd_qiskit.simulation import PauliEvaluator
from qkd_qiskit.training import Targets, random_params, train_model
from qkd_qiskit.vqcnn import VQCNNSpec

SETTINGS = TrainingSettings(particles=4, iterations=2, refine=15)
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
    return random_params(1, SPEC.n_weights, rng=np.random.default_rng(0))[0]


def _participants(evaluator, sizes=(30, 10)):
    inputs, labels = _data(sum(sizes))
    cut = np.cumsum(sizes)[:-1]
    parts = zip(np.split(inputs, cut), np.split(labels, cut), strict=True)
    return [FedAvgClient(evaluator, x, y) for x, y in parts]


def test_fedavg_learns_and_counts_bytes(evaluator):
    result = federated_average(
        FedAvgTask(_participants(evaluator), _initial(), n_classes=2, rounds=4, local_steps=5, l2=1e-3)
    )
    assert _accuracy(result, evaluator) > 0.9
    assert result.history[-1] < result.history[0]
    assert len(result.history) == 5
    numbers = SPEC.n_weights + 1
    assert result.bytes_up == 4 * 2 * numbers * 4
    assert result.bytes_down == 5 * 2 * numbers * 4
    np.testing.assert_allclose(result.class_probabilities(evaluator, _data()[0]).sum(axis=1), 1)


def test_one_fedavg_client_trains_as_if_alone(evaluator):
    (client,) = _participants(evaluator, sizes=(40,))
    initial = _initial().astype(np.float32).astype(np.float64)
    fed = federated_average(FedAvgTask([client], initial, n_classes=2, rounds=1, local_steps=6))
    alone = train_model(
        evaluator,
        client.inputs,
        Targets(2, labels=client.labels),
        TrainingSettings(particles=2, iterations=0, refine=6, l2=0),
        initial=initial,
        rng=np.random.default_rng(0),
    )
    assert alone.loss_start <= fed.history[0]
    assert fed.history[1] < fed.history[0]


def test_the_average_is_weighted_by_samples(evaluator):
    """With zero local steps every client returns what it got, and so does the average."""
    initial = _initial()
    result = federated_average(
        FedAvgTask(_participants(evaluator, sizes=(5, 7, 1)), initial, n_classes=2, rounds=3, local_steps=0)
    )
    np.testing.assert_allclose(result.params, initial, rtol=1e-6)
    separate = [
        federated_average(FedAvgTask([c], initial, n_classes=2, rounds=1, local_steps=3)).params
        for c in _participants(evaluator, sizes=(30, 10))
    ]
    together = federated_average(
        FedAvgTask(_participants(evaluator, sizes=(30, 10)), initial, n_classes=2, rounds=1, local_steps=3)
    )
    np.testing.assert_allclose(together.params, 0.75 * separate[0] + 0.25 * separate[1], atol=1e-6)


def test_zero_rounds_leave_the_model_and_send_it_once(evaluator):
    result = federated_average(
        FedAvgTask(_participants(evaluator), _initial(), n_classes=2, rounds=0, local_steps=3)
    )
    assert (result.bytes_up, len(result.history)) == (0, 1)
    np.testing.assert_allclose(result.params, _initial(), rtol=1e-6)


def test_fedavg_refuses_what_does_not_fit(evaluator):
    with pytest.raises(DistillationError, match="at least one client, found none"):
        federated_average(FedAvgTask([], _initial(), n_classes=2, rounds=1, local_steps=1))
    clients = _participants(evaluator)
    with pytest.raises(DistillationError, match="initial parameters, found"):
        federated_average(FedAvgTask(clients, np.zeros(3), n_classes=2, rounds=1, local_steps=1))
    other = PauliEvaluator(VQCNNSpec(n_qubits=2, plan="conv, conv", kernels="su4", n_outcomes=2))
    strange = FedAvgClient(other, clients[0].inputs, clients[0].labels)
    with pytest.raises(DistillationError, match="one common spec"):
        federated_average(FedAvgTask([clients[0], strange], _initial(), n_classes=2, rounds=1, local_steps=1))


def test_a_high_price_keeps_fedprox_clients_at_the_server(evaluator):
    """The longer the leash, the farther the average moves; at zero it is FedAvg."""

    def moved(proximal):
        result = federated_average(
            FedAvgTask(
                _participants(evaluator), _initial(), n_classes=2, rounds=1, local_steps=8, proximal=proximal
            )
        )
        return np.linalg.norm(result.params - _initial())

    free = federated_average(
        FedAvgTask(_participants(evaluator), _initial(), n_classes=2, rounds=1, local_steps=8)
    )
    assert moved(0.0) == pytest.approx(np.linalg.norm(free.params - _initial()))
    assert moved(1e4) < moved(1.0) < moved(0.0)
    assert moved(1e4) < 1e-3
