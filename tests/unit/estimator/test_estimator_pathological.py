"""Whatever the data, the answer is a sound budget or one clear line."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from qkd_qiskit.errors import EstimatorError
from qkd_qiskit.estimator import (
    GateBudget,
    budget_terms,
    build_size_ladder,
    data_statistics,
    estimate_gate_budget,
    load_coefficients,
)
from qkd_qiskit.vqcnn import VQCNNSpec

N_QUBITS = 4
ANGLES = st.floats(-np.pi / 2, np.pi / 2, allow_subnormal=False)


def answer(x, y, **arguments):
    """The budget, checked for soundness, or the line that refuses."""
    refused = ""
    try:
        found = estimate_gate_budget(x, y, backend="ion_trap", n_qubits=N_QUBITS, **arguments)
    except EstimatorError as error:
        refused = str(error)
    if refused:
        assert "\n" not in refused
        assert len(refused) > 20
        return refused
    assert isinstance(found, GateBudget)
    assert found.blocks == len(found.spec.blocks) >= N_QUBITS - 1
    assert found.weights == found.spec.n_weights
    assert found.spec.n_outcomes >= max(2, found.statistics.classes)
    assert VQCNNSpec.from_index(found.spec.index) == found.spec
    assert 0 <= found.predicted.esp <= 1
    assert found.two_qubit_gates == found.spec.n_two_qubit
    return found


@settings(max_examples=60)
@given(st.data(), st.integers(1, 40), st.integers(1, 20))
def test_any_small_table_gets_a_sound_answer(data, rows, classes):
    x = data.draw(arrays.arrays(np.float64, (rows, 2 * N_QUBITS), elements=ANGLES))
    y = data.draw(arrays.arrays(np.int64, rows, elements=st.integers(0, classes - 1)))
    answer(x, y)


@settings(max_examples=30)
@given(st.sampled_from([np.nan, np.inf, -np.inf]), st.integers(0, 9), st.integers(0, 2 * N_QUBITS - 1))
def test_one_bad_value_is_named(value, row, column):
    x = np.zeros((10, 2 * N_QUBITS))
    x[row, column] = value
    assert f"NaN or infinity in 1 of 10 rows, first in row {row}" in answer(x, np.arange(10) % 2)


def test_one_sample_is_too_few_for_any_structure():
    assert "the data bound allows" in answer(np.zeros((1, 2 * N_QUBITS)), [3])


def test_a_thousand_classes_are_refused_by_name():
    y = np.repeat(np.arange(1000), 2)
    x = np.random.default_rng(0).uniform(-1, 1, (2000, 2 * N_QUBITS))
    assert answer(x, y) == "1000 outcomes need 10 measured qubits, found n_qubits = 4"


def test_one_class_and_constant_features():
    x = np.random.default_rng(0).uniform(-1, 1, (60, 2 * N_QUBITS))
    assert answer(x, np.zeros(60)).spec.n_outcomes == 2
    assert "the data bound allows" in answer(np.ones((60, 2 * N_QUBITS)), np.arange(60) % 2)


def test_copies_of_a_client_do_not_buy_blocks():
    x = np.random.default_rng(0).normal(0, 0.5, (40, 2 * N_QUBITS)).clip(-1.5, 1.5)
    y = np.arange(40) % 4
    once, often = answer(x, y), answer(np.tile(x, (25, 1)), np.tile(y, 25))
    assert once.blocks == often.blocks
    assert once.terms == often.terms


def test_rare_classes_and_strings():
    x = np.random.default_rng(0).normal(0, 0.5, (101, 2 * N_QUBITS)).clip(-1.5, 1.5)
    y = np.array(["usual"] * 100 + ["rare"])
    assert answer(x, y).statistics.imbalance == 100


@pytest.mark.parametrize("seed", range(5))
def test_closer_classes_never_need_less(seed):
    """Class centres that move together, the scatter around them kept, raise the need step by step."""
    rng = np.random.default_rng(seed)
    y = np.arange(600) % 4
    centres, scatter = rng.normal(size=(4, 2 * N_QUBITS)), rng.normal(0, 0.3, (600, 2 * N_QUBITS))
    ladder, rule = build_size_ladder(N_QUBITS, n_outcomes=4), load_coefficients()
    # Without the dimension, which falls when few directions hold all that tells the classes apart.
    rule = rule.model_copy(update={"need": rule.need.model_copy(update={"dimension": 0.0})})
    needs = [
        budget_terms(ladder, data_statistics((d * centres[y] + scatter).clip(-1.5, 1.5), y), rule, None).need
        for d in (0.6, 0.3, 0.15, 0.05)
    ]
    assert needs == sorted(needs)


@pytest.mark.parametrize("seed", range(5))
def test_more_samples_of_the_same_kind_never_lower_the_data_bound(seed):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(0, 0.4, (400, 2 * N_QUBITS)).clip(-1.5, 1.5), np.arange(400) % 2
    ladder, rule = build_size_ladder(N_QUBITS), load_coefficients()
    bounds = [
        budget_terms(ladder, data_statistics(x[:n], y[:n]), rule, None).data for n in (4, 20, 21, 100, 400)
    ]
    assert bounds == sorted(bounds)
