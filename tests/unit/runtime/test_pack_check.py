"""Whether copies together and alone count the same: false alarms are rare, crosstalk is seen."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from qkd_qiskit.runtime.ledger import Ledger, Submission
from qkd_qiskit.runtime.pack_check import check_packing, equality_p_value
from qkd_qiskit.runtime.packing import CopyRecord, Packing
from qkd_qiskit.runtime.service import JobCounts

SAMPLES, SHOTS = 8, 1000


def drawn(seed, *, shift=0.0, rows=SAMPLES, outcomes=4, shots=SHOTS):
    """Counts of the same rows twice; `shift` moves probability from the first outcome to the last."""
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(outcomes), size=rows)
    moved = probabilities.copy()
    moved[:, 0] -= shift * probabilities[:, 0]
    moved[:, -1] += shift * probabilities[:, 0]
    return rng.multinomial(shots, probabilities), rng.multinomial(shots, moved)


def test_p_values_of_equal_probabilities_are_uniform():
    found = [equality_p_value(*drawn(seed)) for seed in range(300)]
    assert stats.kstest(found, "uniform").pvalue > 1e-3


def test_a_single_row_is_tested_as_scipy_does():
    first, second = drawn(1, rows=1)
    expected = stats.chi2_contingency(np.concatenate([first, second]), correction=False)
    assert equality_p_value(first, second) == pytest.approx(expected.pvalue)


@pytest.mark.parametrize("seed", range(5))
def test_a_shift_of_probability_is_seen(seed):
    assert equality_p_value(*drawn(seed, shift=0.3)) < 1e-4


@pytest.mark.parametrize(
    ("first", "second"),
    [([[50, 0]], [[50, 0]]), ([[3, 1]], [[1, 2]]), ([[1, 0, 0, 0]], [[0, 0, 0, 1]])],
)
def test_counts_that_say_nothing_give_no_alarm(first, second):
    assert equality_p_value(np.array(first), np.array(second)) == 1.0


def test_rare_outcomes_are_taken_together():
    """Columns of 2, 3 and 15 expected counts: the two rare ones make one of 5."""
    first, second = np.array([[1, 4, 15, 80]]), np.array([[3, 2, 15, 80]])
    merged = stats.chi2_contingency([[5, 15, 80], [5, 15, 80]], correction=False)
    assert equality_p_value(first, second) == pytest.approx(merged.pvalue)


def checked(folder, disturbed):
    """Check a submission of three copies, two samples each, of which some count otherwise together."""
    copies = tuple(CopyRecord(0, (3 * c, 3 * c + 1), 1, 0.9, 2, 4) for c in range(3))
    packing = Packing(copies, 6)
    alone, together = np.zeros((2, 2, 3, 4), dtype=np.int64)
    for c in range(3):
        alone[:, c], together[:, c] = drawn(c, rows=2, shift=0.5 if c in disturbed else 0.0)
    extras = np.zeros((2 + 6, 3, 4), dtype=np.int64)
    for row in range(2):
        for c in range(3):
            extras[2 + 3 * row + c, c] = alone[row, c]
    from qiskit import QuantumCircuit

    circuit = QuantumCircuit(1)
    settings = {"packing": packing.to_dict() | {"check": True}}
    submission = Submission(
        "qkd-check",
        "2025-01-01",
        "x",
        settings,
        circuit,
        (circuit,) * 8,
        np.zeros((2, 12)),
        np.zeros((2, 3), int),
    )
    with Ledger(folder) as ledger:
        ledger.add(submission, [(0, 2)])
        for step in (
            lambda batch: ledger.intend(batch, 0.0),
            lambda batch: ledger.accepted(batch, "job"),
            lambda batch: ledger.finished(batch, JobCounts(together, extras, None)),
        ):
            step(ledger.batches("qkd-check")[0])
        return check_packing(ledger, submission)


@pytest.mark.parametrize("disturbed", [(), (1,), (0, 2)])
def test_the_copies_that_count_otherwise_are_named(disturbed, tmp_path):
    found = checked(tmp_path, disturbed)
    assert [check.copy for check in found if not check.agrees] == list(disturbed)
    assert [check.qubits for check in found] == [(0, 1), (3, 4), (6, 7)]
    assert {check.samples for check in found} == {2}
    for check in found:
        assert (check.distance > 2 * check.expected_distance) == (check.copy in disturbed)


def test_the_expected_distance_is_that_of_shots_alone():
    from qkd_qiskit.runtime.pack_check import _distances

    found = np.array([_distances(*drawn(seed, rows=50)) for seed in range(20)])
    np.testing.assert_allclose(found[:, 0].mean(), found[:, 1].mean(), rtol=0.03)
