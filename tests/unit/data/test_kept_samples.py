"""Test samples that lie beside a run's results."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from qkd_qiskit.config import load_experiment
from qkd_qiskit.data import (
    Samples,
    check_test_digest,
    keep_digests,
    keep_test_samples,
    kept_test_samples,
    prepare_data,
)
from qkd_qiskit.data.kept_samples import DIGESTS_FILE, TEST_FILE
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


def test_samples_that_have_changed_since_the_run_are_refused(tmp_path):
    settings = load_experiment("quickstart", overrides=["data.dataset=iris", "data.augment.copies=0", *SMALL])
    data = prepare_data(settings)
    check_test_digest(data.test, tmp_path)
    keep_digests(data, ["a", "b"], "t.csv", tmp_path)
    check_test_digest(data.test, tmp_path)
    kept = json.loads((tmp_path / DIGESTS_FILE).read_text())
    assert Path(kept["path"]).is_absolute()
    assert len({kept["public"], kept["test"], *kept["clients"].values()}) == 4
    moved = Samples(data.test.inputs + 1e-4, data.test.labels)
    with pytest.raises(DataError, match="found that they have changed since"):
        check_test_digest(moved, tmp_path)
    (tmp_path / DIGESTS_FILE).write_text("[]")
    with pytest.raises(DataError, match="expected digests of samples"):
        check_test_digest(data.test, tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot write"):
        keep_digests(data, ["a"], None, tmp_path / "file")


SMALL = [
    "data.classes=[0, 1]",
    "data.public_train=10",
    "data.public_unlabelled=0",
    "data.public_calibration=4",
    "data.public_validation=4",
    "data.test=20",
    "model.n_qubits=2",
    'clients=[{name="a", backend="noisy_line", samples=20}, {name="b", backend="noisy_line", samples=20}]',
]
