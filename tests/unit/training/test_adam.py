import numpy as np
import pytest

from qkd_qiskit.config import AdamSettings
from qkd_qiskit.errors import TrainingError
from qkd_qiskit.simulation import PauliEvaluator
from qkd_qiskit.training import Adam, Beginning, Objective, Starts, Targets, random_params
from qkd_qiskit.training.adam import _Batches
from qkd_qiskit.vqcnn import VQCNNSpec

SPEC = VQCNNSpec(n_qubits=2, plan="conv", kernels="su4", n_outcomes=2)


@pytest.fixture(scope="module")
def evaluator():
    return PauliEvaluator(SPEC, dtype=np.float32)


def _data(n=60):
    rng = np.random.default_rng(0)
    labels = np.arange(n) % 2
    inputs = 0.3 * rng.standard_normal((n, 4))
    inputs[:, 0] += np.where(labels == 0, 0.8, -0.8)
    return inputs, labels


def _start():
    return random_params(1, SPEC.n_weights, rng=np.random.default_rng(1))[0]


def _starts():
    return Starts(_start()[None], np.ones(1))


def _descend(evaluator, settings):
    inputs, labels = _data()
    objective = Objective(evaluator, inputs, Targets(2, labels=labels))
    return Adam(settings).run(objective, _starts(), rng=np.random.default_rng(2))


@pytest.mark.parametrize("batch", [1, 7, 60, 1000])
def test_it_lowers_the_loss_of_all_samples(evaluator, batch):
    inputs, labels = _data()
    objective = Objective(evaluator, inputs, Targets(2, labels=labels))
    found = _descend(evaluator, AdamSettings(steps=60, batch=batch))
    before, after = objective.values(np.stack([_start(), found.params]))
    assert after < before / 2
    assert found.value == found.history[-1]
    assert len(found.history) == 20


def test_no_step_stays_where_it_is(evaluator):
    found = _descend(evaluator, AdamSettings(steps=0))
    np.testing.assert_array_equal(found.params, _start())
    assert found.history == ()
    assert found.value == 1.0


def test_the_first_step_is_as_long_as_the_rate_in_every_moving_coordinate(evaluator):
    """Adam divides the first gradient by its own size."""
    inputs, labels = _data()
    _, gradient = Objective(evaluator, inputs, Targets(2, labels=labels)).value_and_gradient(_start())
    found = _descend(evaluator, AdamSettings(steps=1, batch=60, rate=0.01))
    moving = np.abs(gradient) > 1e-4
    assert moving.sum() > 5
    np.testing.assert_allclose(
        (found.params - _start())[moving], -0.01 * np.sign(gradient)[moving], rtol=1e-3
    )


def test_alpha_end_shifts_the_weight_from_soft_to_hard_labels(evaluator):
    inputs, labels = _data()
    wrong = np.where(labels[:, None] == [1, 0], 0.95, 0.05)
    targets = Targets(2, labels=labels, soft=wrong, alpha=0.0)

    def accuracy(alpha_end):
        adam = Adam(AdamSettings(steps=120, rate=0.1), alpha_end)
        objective = Objective(evaluator, inputs, targets)
        found = adam.run(objective, _starts(), rng=np.random.default_rng(0))
        p = evaluator.probabilities(found.params[:-1], inputs)
        return (p.argmax(axis=1) == labels).mean()

    assert accuracy(None) < 0.2
    assert accuracy(1.0) > 0.5


@pytest.mark.parametrize(("n", "size"), [(1, 1), (5, 2), (6, 3), (4, 9)])
def test_every_sample_comes_once_before_any_comes_again(n, size):
    batches = _Batches(n, size, np.random.default_rng(0))
    per_round = n // min(size, n)
    for _ in range(3):
        seen = np.concatenate([batches.next() for _ in range(per_round)])
        assert len(set(seen.tolist())) == len(seen) == per_round * min(size, n)


def test_rows_of_targets_keep_what_belongs_together():
    soft = np.array([[0.1, 0.9], [0.6, 0.4], [0.5, 0.5]])
    targets = Targets(2, labels=np.array([1, 0, -1]), soft=soft, weights=np.array([1.0, 2.0, 3.0]), alpha=0.2)
    some = targets.rows(np.array([2, 0]))
    np.testing.assert_array_equal(some.labels, [-1, 1])
    np.testing.assert_array_equal(some.soft, soft[[2, 0]])
    np.testing.assert_array_equal(some.weights, [3.0, 1.0])
    assert some.alpha == 0.2


def test_a_start_of_the_wrong_size_is_refused(evaluator):
    inputs, labels = _data()
    objective = Objective(evaluator, inputs, Targets(2, labels=labels))
    with pytest.raises(TrainingError, match=r"expected 16 starting parameters, found \(2,\)"):
        Adam(AdamSettings(steps=1)).run(
            objective, Starts(np.zeros((1, 2)), np.zeros(1)), rng=np.random.default_rng(0)
        )


def test_every_step_is_reported(evaluator):
    inputs, labels = _data()
    seen = []
    Adam(AdamSettings(steps=3)).run(
        Objective(evaluator, inputs, Targets(2, labels=labels)),
        _starts(),
        rng=np.random.default_rng(0),
        advance=lambda step, loss: seen.append((step, loss)),
    )
    assert [step for step, _ in seen] == [1, 2, 3]
    assert all(loss > 0 for _, loss in seen)


class _Counted:
    """An evaluator that remembers how often it was asked for a gradient."""

    def __init__(self, evaluator):
        self._evaluator, self.spec, self.asked = evaluator, evaluator.spec, 0

    def probabilities(self, weights, inputs):
        return self._evaluator.probabilities(weights, inputs)

    def loss_and_gradient(self, weights, inputs, loss):
        self.asked += 1
        return self._evaluator.loss_and_gradient(weights, inputs, loss)


@pytest.mark.parametrize(("steps", "first"), [(60, 0), (60, 45), (60, 44), (60, 60), (7, 3), (60, 100)])
def test_the_beginning_is_taken_elsewhere_in_one_fall_of_the_rate(evaluator, steps, first):
    inputs, labels = _data()
    settings = AdamSettings(steps=steps, batch=20)
    before, after = _Counted(evaluator), _Counted(evaluator)
    adam = Adam(settings, beginning=Beginning(before, first))
    objective = Objective(after, inputs, Targets(2, labels=labels))
    found = adam.run(objective, _starts(), rng=np.random.default_rng(2))
    assert (before.asked, after.asked) == (min(first, steps), steps - min(first, steps))
    # Two evaluators that agree make no difference.
    np.testing.assert_array_equal(found.params, _descend(evaluator, settings).params)
    # No entry of the history mixes the two.
    assert adam.begun == (0 if first == 0 else len(found.history) if first >= steps else adam.begun)
    assert len(found.history) <= 21
    lengths = [len(part) for part in adam._stretches()]
    assert sum(lengths[: adam.begun]) == min(first, steps)
    assert sum(lengths) == steps
