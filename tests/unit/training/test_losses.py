import numpy as np
import pytest
from scipy.special import softmax

from qkd_qiskit.config import DistillationSettings
from qkd_qiskit.errors import TrainingError
from qkd_qiskit.training import (
    SOFT_LOSSES,
    Targets,
    class_logits,
    cross_entropy,
    logits_backward,
    soft_kl,
    soft_loss_named,
    soft_mse,
)


def _softmax_rows(rng, *shape):
    return softmax(rng.standard_normal(shape), axis=-1)


def _numeric(function, x, step=1e-6):
    """Central differences of a function that keeps the leading axis: values [P], x [P, ...]."""
    gradient = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[index] += step
        down[index] -= step
        gradient[index] = (function(up)[index[0]] - function(down)[index[0]]) / (2 * step)
    return gradient


def test_scale_one_renormalizes_the_class_outcomes():
    p = np.array([[0.1, 0.3, 0.2, 0.4]])
    expected = np.array([[1, 3, 2]]) / 6
    np.testing.assert_allclose(softmax(class_logits(p, 0.0, 3), axis=-1), expected, rtol=1e-12)


@pytest.mark.parametrize("log_scale", [-1.0, 0.0, 2.0])
def test_scale_never_changes_the_argmax(log_scale):
    p = _softmax_rows(np.random.default_rng(0), 50, 4)
    np.testing.assert_array_equal(class_logits(p, log_scale, 3).argmax(-1), p[:, :3].argmax(-1))


def test_zero_probability_gives_finite_logits():
    assert np.isfinite(class_logits(np.array([[1.0, 0.0]]), 1.0, 2)).all()


def test_cross_entropy_by_hand():
    logits = np.log(np.array([[[0.7, 0.3], [0.2, 0.8], [0.5, 0.5]]]))
    labels = np.array([0, 1, -1])
    values, _ = cross_entropy(logits, labels)
    np.testing.assert_allclose(values, [-(np.log(0.7) + np.log(0.8)) / 2])
    values, _ = cross_entropy(logits, labels, np.array([3.0, 1.0, 9.0]))
    np.testing.assert_allclose(values, [-(3 * np.log(0.7) + np.log(0.8)) / 4])


def test_cross_entropy_without_labels_is_zero():
    values, gradient = cross_entropy(np.ones((2, 3, 2)), np.array([-1, -1, -1]))
    assert not values.any()
    assert not gradient.any()


def test_soft_losses_by_hand():
    logits, soft = np.log(np.array([[[0.6, 0.4]]])), np.array([[0.9, 0.1]])
    np.testing.assert_allclose(soft_mse(logits, soft)[0], [2 * 0.3**2])
    np.testing.assert_allclose(soft_kl(logits, soft)[0], [0.9 * np.log(1.5) + 0.1 * np.log(0.25)])


@pytest.mark.parametrize("loss", [soft_mse, soft_kl])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_soft_losses_vanish_at_their_target(loss, temperature):
    logits = np.random.default_rng(1).standard_normal((1, 5, 3))
    values, gradient = loss(logits, softmax(logits[0] / temperature, axis=-1), temperature)
    np.testing.assert_allclose(values, 0, atol=1e-14)
    np.testing.assert_allclose(gradient, 0, atol=1e-14)


@pytest.mark.parametrize("kind", ["ce", "weighted", "mse", "kl"])
@pytest.mark.parametrize(("particles", "samples", "outcomes"), [(1, 1, 2), (3, 5, 3)])
def test_gradients_against_finite_differences(kind, particles, samples, outcomes):
    rng = np.random.default_rng(3)
    labels = rng.integers(-1, outcomes, samples)
    labels[0] = 1
    soft, weights = _softmax_rows(rng, samples, outcomes), rng.uniform(0.5, 2, samples)
    loss = {
        "ce": lambda z: cross_entropy(z, labels),
        "weighted": lambda z: cross_entropy(z, labels, weights),
        "mse": lambda z: soft_mse(z, soft, 1.7),
        "kl": lambda z: soft_kl(z, soft, 1.7),
    }[kind]
    p = _softmax_rows(rng, particles, samples, 4)
    log_scale = rng.standard_normal(particles)
    logits = class_logits(p, log_scale, outcomes)
    p_gradient, scale_gradient = logits_backward(loss(logits)[1], p, logits, log_scale)
    np.testing.assert_allclose(
        p_gradient, _numeric(lambda q: loss(class_logits(q, log_scale, outcomes))[0], p), rtol=1e-5, atol=1e-8
    )
    np.testing.assert_allclose(
        scale_gradient,
        _numeric(lambda u: loss(class_logits(p, u, outcomes))[0], log_scale),
        rtol=1e-5,
        atol=1e-8,
    )


def test_particles_are_independent():
    rng = np.random.default_rng(4)
    logits, labels = rng.standard_normal((6, 7, 3)), rng.integers(0, 3, 7)
    values, gradient = cross_entropy(logits, labels)
    for i in range(6):
        one_value, one_gradient = cross_entropy(logits[i : i + 1], labels)
        np.testing.assert_allclose(values[i], one_value[0])
        np.testing.assert_allclose(gradient[i], one_gradient[0])


def test_the_soft_loss_of_the_settings_is_registered_and_others_are_refused():
    assert DistillationSettings().soft_loss in SOFT_LOSSES
    with pytest.raises(TrainingError, match="soft_loss: expected mse or kl, found 'hinge'"):
        soft_loss_named("hinge")


def test_another_soft_loss_needs_a_registry_line_alone(monkeypatch):
    def fifth(logits, soft, temperature=1.0):
        return np.full(logits.shape[:-2], temperature), np.zeros(logits.shape)

    monkeypatch.setitem(SOFT_LOSSES, "fifth", fifth)
    soft = np.array([[0.3, 0.7]])
    targets = Targets(2, labels=np.array([1]), soft=soft, alpha=0.25, temperature=4.0, soft_loss="fifth")
    values = targets.values(np.array([[[0.5, 0.5]]]), np.zeros(1))
    np.testing.assert_allclose(values, [0.25 * np.log(2) + 0.75 * 4.0])
