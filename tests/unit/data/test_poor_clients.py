"""A client with hardly any samples, or one class, is warned of."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from qkd_qiskit.config import load_experiment
from qkd_qiskit.data import prepare_data
from qkd_qiskit.data.prepared import warn_of_poor_client


@pytest.mark.parametrize(
    ("codes", "told"),
    [
        ([0, 1], "client a: 2 own samples"),
        ([0], "client a: 1 own samples"),
        ([1] * 40, "client a: its 40 samples are of one class alone"),
        ([0, 1] * 20, ""),
    ],
)
def test_a_poor_client_is_warned_of(codes, told, caplog):
    with caplog.at_level(logging.WARNING):
        warn_of_poor_client("a", np.array(codes))
    assert told in caplog.text
    assert bool(told) == bool(caplog.text)


def test_an_experiment_warns_of_its_clients(caplog):
    overrides = [
        "data.dataset=digits",
        "clients.0.samples=2",
        "data.public_train=40",
        "data.augment.copies=0",
    ]
    sizes = ["data.test=60", "data.public_unlabelled=0", "clients.1.samples=30", "clients.2.samples=30"]
    with caplog.at_level(logging.WARNING):
        prepare_data(load_experiment("quickstart", overrides=[*overrides, *sizes]))
    assert "2 own samples" in caplog.text
