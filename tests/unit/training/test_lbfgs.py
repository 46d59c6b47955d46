import numpy as np
import pytest
from scipy.optimize import rosen, rosen_der

from qkd_qiskit.errors import TrainingError
from qkd_qiskit.training import minimize_lbfgs


def _rosen(x):
    return float(rosen(x)), rosen_der(x)


def test_finds_the_minimum_and_keeps_a_history():
    steps = []
    result = minimize_lbfgs(
        _rosen, np.array([-1.0, 0.5]), iterations=200, progress=lambda *s: steps.append(s)
    )
    np.testing.assert_allclose(result.params, 1, atol=1e-3)
    np.testing.assert_allclose(result.value, rosen(result.params))
    assert result.history[0] == rosen(np.array([-1.0, 0.5]))
    assert [step for step, _ in steps] == list(range(1, len(result.history)))


@pytest.mark.parametrize("iterations", [1, 3])
def test_iterations_are_bounded(iterations):
    assert len(minimize_lbfgs(_rosen, np.array([-1.0, 0.5]), iterations=iterations).history) == iterations + 1


def test_zero_iterations_return_the_start():
    start = np.array([-1.0, 0.5])
    result = minimize_lbfgs(_rosen, start, iterations=0)
    np.testing.assert_array_equal(result.params, start)
    assert result.history == (rosen(start),)


def test_a_start_outside_the_scale_bounds_is_clipped():
    result = minimize_lbfgs(lambda x: (0.0, np.zeros(1)), np.array([99.0]), iterations=0)
    assert result.params[-1] == 5.0


def test_the_best_point_is_kept_when_the_loss_turns_bad():
    calls = []

    def wild(x):
        calls.append(x.copy())
        return (1.0, np.ones(2)) if len(calls) == 1 else (np.nan, np.ones(2) * np.nan)

    result = minimize_lbfgs(wild, np.array([0.3, 0.4]), iterations=5)
    np.testing.assert_array_equal(result.params, [0.3, 0.4])
    assert result.value == 1.0


def test_a_start_without_finite_loss_is_an_error():
    with pytest.raises(TrainingError, match="finite loss and gradient at the start, found loss nan"):
        minimize_lbfgs(lambda x: (np.nan, np.zeros(2)), np.zeros(2), iterations=5)


def test_every_evaluation_is_used_once():
    points = []

    def counted(x):
        points.append(tuple(x))
        return _rosen(x)

    minimize_lbfgs(counted, np.array([-1.0, 0.5]), iterations=5)
    assert len(points) == len(set(points))
