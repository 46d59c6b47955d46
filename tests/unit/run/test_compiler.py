"""The compiler of a run computes as the settings say."""

from pathlib import Path

import pytest

from qkd_qiskit.config import load_experiment
from qkd_qiskit.errors import SimulationError
from qkd_qiskit.run import model_compiler
from qkd_qiskit.vqcnn import VQCNNSpec

TINY = str(Path(__file__).parents[2] / "integration" / "tiny.toml")
SPEC = VQCNNSpec(2, plan="conv", kernels="one_cx", n_outcomes=2)


def test_the_device_of_arrays_is_that_of_the_settings():
    settings = load_experiment(TINY, overrides=["training.device=tpu", "seed=3"])
    model = model_compiler(settings).model(SPEC, "ibm_torino")
    assert model.transpiled.seed == 3
    with pytest.raises(SimulationError, match="found 'tpu'"):
        model.noisy.probabilities([0.0] * SPEC.n_weights, [[0.0] * 4])


def test_the_processor_is_the_default_and_noise_can_be_off():
    settings = load_experiment(TINY, overrides=["noise.enabled=false"])
    model = model_compiler(settings).model(SPEC, "ibm_torino")
    assert model.arrays_on is None
    assert model.noise is None
