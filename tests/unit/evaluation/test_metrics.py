import numpy as np
import pytest

from qkd_qiskit.evaluation import Predictions, accuracy, compare, confusion_matrix, score

LABELS = np.array([0, 0, 1, 1, 2, 2, 2, 2])
RIGHT_SIX = np.array([0, 1, 1, 1, 2, 2, 2, 0])
RIGHT_FIVE = np.array([0, 0, 1, 2, 2, 2, 1, 0])


def _predictions(noisy, ideal=None):
    return Predictions(noisy, ideal, None if ideal is None else "ibm_torino", 7, None)


def test_accuracy_is_the_share_of_right_ones():
    assert accuracy(RIGHT_SIX, LABELS) == 6 / 8


def test_a_score_tells_both_accuracies_and_the_size():
    found = score(_predictions(RIGHT_FIVE, RIGHT_SIX), LABELS)
    assert (found.accuracy, found.accuracy_ideal) == (5 / 8, 6 / 8)
    assert found.interval[0] <= 5 / 8 <= found.interval[1]
    assert (found.noise, found.weights, found.two_qubit_gates) == ("ibm_torino", 7, None)


def test_a_classical_score_has_no_ideal_accuracy():
    found = score(_predictions(RIGHT_SIX), LABELS)
    assert found.accuracy_ideal is None
    assert found.noise is None


@pytest.mark.parametrize(
    ("model", "baseline", "difference"),
    [(RIGHT_SIX, RIGHT_FIVE, 1 / 8), (RIGHT_FIVE, RIGHT_SIX, -1 / 8), (RIGHT_SIX, RIGHT_SIX, 0.0)],
)
def test_a_comparison_is_the_difference_of_accuracies(model, baseline, difference):
    found = compare(_predictions(model), _predictions(baseline), LABELS)
    assert found.difference == difference
    assert found.interval[0] <= difference <= found.interval[1]


def test_rows_of_the_confusion_matrix_are_true_classes():
    expected = [[1, 1, 0, 0], [0, 2, 0, 0], [1, 0, 3, 0], [0, 0, 0, 0]]
    assert confusion_matrix(RIGHT_SIX, LABELS, 4).tolist() == expected
