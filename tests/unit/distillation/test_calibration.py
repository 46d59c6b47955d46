import numpy as np
import pytest
from scipy.special import softmax

from qkd_qiskit.distillation import CALIBRATIONS, fit_calibration
from qkd_qiskit.errors import DistillationError


def _drawn(n=4000, scale=1.0, shift=(0.0, 0.0, 0.0), seed=0):
    """Labels drawn from true probabilities, and outputs distorted by scale and shift of their logs."""
    rng = np.random.default_rng(seed)
    truth = rng.dirichlet(np.ones(3), n)
    labels = np.array([rng.choice(3, p=p) for p in truth])
    outputs = softmax((np.log(truth) - np.array(shift)) / scale, axis=1)
    return truth, outputs, labels


def test_affine_undoes_scale_and_shift():
    truth, outputs, labels = _drawn(scale=2.5, shift=(0.7, -0.3, -0.4))
    fitted = fit_calibration(outputs, labels, "affine")
    assert fitted.scale == pytest.approx(2.5, rel=0.15)
    np.testing.assert_allclose(fitted.apply(outputs), truth, atol=0.06)
    assert fitted.samples == 4000


def test_temperature_undoes_scale_and_keeps_the_argmax():
    truth, outputs, labels = _drawn(scale=0.4)
    fitted = fit_calibration(outputs, labels, "temperature")
    np.testing.assert_allclose(fitted.apply(outputs), truth, atol=0.05)
    np.testing.assert_array_equal(fitted.apply(outputs).argmax(1), outputs.argmax(1))
    assert not fitted.shift.any()


@pytest.mark.parametrize("kind", CALIBRATIONS)
@pytest.mark.parametrize("labels", [[], [-1, -1]])
def test_without_labels_nothing_changes(kind, labels):
    outputs = np.array([[0.2, 0.8], [0.6, 0.4]])
    fitted = fit_calibration(outputs[: len(labels)].reshape(-1, 2), np.array(labels, dtype=int), kind)
    np.testing.assert_allclose(fitted.apply(outputs), outputs)
    assert fitted.samples == 0


def test_one_sample_does_not_run_away():
    fitted = fit_calibration(np.array([[0.9, 0.1]]), np.array([0]), "affine")
    assert 0.5 < fitted.scale < 5
    assert np.abs(fitted.shift).max() < 2


@pytest.mark.parametrize("kind", CALIBRATIONS)
def test_hard_zeros_stay_finite(kind):
    outputs = np.eye(3, dtype=np.float16)
    fitted = fit_calibration(outputs, np.array([0, 1, 0]), kind)
    assert np.isfinite(fitted.apply(outputs)).all()
    np.testing.assert_allclose(fitted.apply(outputs).sum(axis=1), 1)


def test_bad_requests():
    with pytest.raises(DistillationError, match=r"expected one of none, .*found 'platt'"):
        fit_calibration(np.ones((1, 2)), np.array([0]), "platt")
    with pytest.raises(DistillationError, match="expected 1 labels, found 2"):
        fit_calibration(np.ones((1, 2)), np.array([0, 1]), "affine")
