"""Errors of a noise model are converted once, as long as they live, and never taken for one another."""

from __future__ import annotations

import gc

import numpy as np
from qiskit_aer.noise import NoiseModel, amplitude_damping_error, depolarizing_error

from qkd_qiskit.simulation import noise
from qkd_qiskit.simulation.noise import LocalNoise


def _model(strength):
    model = NoiseModel()
    model.add_quantum_error(depolarizing_error(strength, 1), "sx", [0])
    model.add_quantum_error(amplitude_damping_error(strength), "sx", [1])
    model.add_quantum_error(depolarizing_error(0.0, 1), "sx", [2])
    return model


def test_each_error_keeps_its_own_matrix():
    weak, strong = _model(0.1), _model(0.4)
    for model, strength in ((weak, 0.1), (strong, 0.4), (weak, 0.1)):
        table = LocalNoise(model)
        shrunk = table.error_ptm("sx", None, (0,))
        np.testing.assert_allclose(shrunk, np.diag([1, *[1 - strength] * 3]), atol=1e-12)
        damped = table.error_ptm("sx", None, (1,))
        root = np.sqrt(1 - strength)
        expected = np.diag([1, root, root, 1 - strength])
        expected[3, 0] = strength
        np.testing.assert_allclose(damped, expected, atol=1e-12)
        assert table.error_ptm("sx", None, (2,)) is None
        assert table.error_ptm("x", None, (0,)) is None


def test_circuits_share_the_conversion_of_an_error():
    model = _model(0.2)
    first, second = (LocalNoise(model).error_ptm("sx", None, (0,)) for _ in range(2))
    assert first is second
    assert not first.flags.writeable


def test_what_is_known_of_an_error_ends_with_it():
    gc.collect()
    before = len(noise._PTMS)
    model = _model(0.3)
    table = LocalNoise(model)
    for qubit in range(2):
        table.error_ptm("sx", None, (qubit,))
    assert len(noise._PTMS) == before + 2
    del model, table
    gc.collect()
    assert len(noise._PTMS) == before
