"""Test samples that lie beside a run's results."""

from __future__ import annotations

import numpy as np
import pytest

from qkd_qiskit.data import Samples, keep_test_samples, kept_test_samples
from qkd_qiskit.data.kept_samples import TEST_FILE
from qkd_qiskit.errors import DataError


def test_samples_come_back(tmp_path):
    assert kept_test_samples(tmp_path) is None
    samples = Samples(np.random.default_rng(0).normal(size=(4, 3)), np.array([0, 1, 1, 0]))
    keep_test_samples(samples, tmp_path)
    found = kept_test_samples(tmp_path)
    np.testing.assert_array_equal(found.inputs, samples.inputs)
    np.testing.assert_array_equal(found.labels, samples.labels)


@pytest.mark.parametrize(
    ("arrays", "told"),
    [
        ({"inputs": np.zeros((2, 2))}, "labels"),
        ({"inputs": np.zeros(2), "labels": np.zeros(2, int)}, r"expected a table \[samples, features\]"),
        ({"inputs": np.zeros((2, 2)), "labels": np.zeros(3, int)}, "class index for each of 2 samples"),
        ({"inputs": np.zeros((2, 2)), "labels": np.zeros(2)}, "class index for each of 2 samples"),
    ],
)
def test_a_file_with_something_else_is_told(tmp_path, arrays, told):
    np.savez(tmp_path / TEST_FILE, **arrays)
    with pytest.raises(DataError, match=told):
        kept_test_samples(tmp_path)


def test_a_damaged_file_and_a_place_that_cannot_be_written_are_told(tmp_path):
    (tmp_path / TEST_FILE).write_bytes(b"PK nothing")
    with pytest.raises(DataError, match=TEST_FILE):
        kept_test_samples(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="file"):
        keep_test_samples(Samples(np.zeros((1, 1)), np.zeros(1, int)), tmp_path / "file")
