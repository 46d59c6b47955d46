"""NumPy's integers stand wherever Python's do, and Qiskit's backends wherever names of devices do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from qiskit.providers.fake_provider import GenericBackendV2
from qiskit_ibm_runtime.fake_provider import FakeGuadalupeV2

from qkd_qiskit import (
    Kernel,
    PauliEvaluator,
    SamplerEvaluator,
    VQCNNClassifier,
    VQCNNSpec,
    build_circuit,
    estimate_gate_budget,
    load_backend,
    transpile_verified,
)
from qkd_qiskit.config import ModelSettings, load_experiment
from qkd_qiskit.encoding import make_encoder
from qkd_qiskit.hardware import predict_counts
from qkd_qiskit.simulation import compile_model
from qkd_qiskit.vqcnn import Gene

SPEC = VQCNNSpec(2, plan="conv", kernels="one_cx")
WEIGHTS, INPUTS = np.zeros(SPEC.n_weights), np.zeros((1, SPEC.n_features))
TABLE, LABELS = np.random.default_rng(0).normal(size=(40, 4)), np.arange(40) % 2


def fitted(**params: Any) -> Any:
    return VQCNNClassifier(**{"n_qubits": 2, "iterations": 0, "refine": 1, "random_state": 0} | params).fit(
        TABLE, LABELS
    )


#: A call, given what makes an integer of its kind; the results are compared.
WITH_INTEGERS: dict[str, Callable[[Callable[[int], Any]], Any]] = {
    "VQCNNSpec": lambda i: VQCNNSpec(i(4), n_outcomes=i(3)).index,
    "VQCNNSpec.from_index": lambda i: VQCNNSpec.from_index(i(SPEC.index)).index,
    "Gene": lambda i: Kernel((Gene(i(8), i(0)),)),
    "build_circuit": lambda i: build_circuit(VQCNNSpec(i(3))).num_parameters,
    "make_encoder": lambda i: make_encoder("angle", i(2)).fit(TABLE).transform(TABLE).tolist(),
    "transpile_verified": lambda i: (
        transpile_verified(SPEC, "noisy_line", seed=i(1), chain=(i(1), i(2))).report.counted
    ),
    "compile_model": lambda i: compile_model(SPEC, "noisy_line", seed=i(1)).two_qubit_gates,
    "PauliEvaluator": lambda i: (
        PauliEvaluator(SPEC, memory_budget=i(100)).probabilities(WEIGHTS, INPUTS).tolist()
    ),
    "SamplerEvaluator": lambda i: (
        SamplerEvaluator(SPEC, shots=i(100), seed=i(3)).probabilities(WEIGHTS, INPUTS).tolist()
    ),
    "estimate_gate_budget": lambda i: (
        estimate_gate_budget(
            TABLE, LABELS, backend="ion_trap", n_qubits=i(2), n_outcomes=i(2), shots=i(200)
        ).blocks
    ),
    "VQCNNClassifier": lambda i: fitted(
        n_qubits=i(2), particles=i(2), iterations=i(1), refine=i(2), budget=i(3), random_state=i(1)
    ).params_.tolist(),
    "load_experiment": lambda i: load_experiment("quickstart", seed=i(3)),
    "settings": lambda i: ModelSettings(n_qubits=i(4)),
}


@pytest.mark.parametrize("kind", [np.uint8, np.int64])
@pytest.mark.parametrize("name", WITH_INTEGERS)
def test_integers_of_numpy_are_integers(name: str, kind: type[np.integer]) -> None:
    call = WITH_INTEGERS[name]
    if kind is np.uint8 and name == "VQCNNSpec.from_index":
        kind = np.uint64
    assert call(kind) == call(int)


@pytest.mark.parametrize("chain", [[1, 2], np.array([1, 2])])
def test_a_chain_is_any_sequence(chain: Any) -> None:
    expected = transpile_verified(SPEC, "noisy_line", chain=(1, 2)).report.counted
    assert transpile_verified(SPEC, "noisy_line", chain=chain).report.counted == expected


@pytest.fixture(scope="module")
def backend() -> FakeGuadalupeV2:
    return FakeGuadalupeV2()


#: A call, given a device; the results are compared with those of the name.
WITH_DEVICES: dict[str, Callable[[Any], Any]] = {
    "load_backend": lambda device: predict_counts(SPEC, load_backend(device)),
    "transpile_verified": lambda device: transpile_verified(SPEC, device).report.counted,
    "compile_model": lambda device: compile_model(SPEC, device).noisy.probabilities(WEIGHTS, INPUTS).tolist(),
    "estimate_gate_budget": lambda device: (
        estimate_gate_budget(TABLE, LABELS, backend=device, n_qubits=2).predicted
    ),
    "VQCNNClassifier": lambda device: fitted(backend=device, budget=3).predict_proba(TABLE).tolist(),
}


@pytest.mark.parametrize("name", WITH_DEVICES)
def test_a_backend_is_a_device(name: str, backend: FakeGuadalupeV2) -> None:
    call = WITH_DEVICES[name]
    assert call(backend) == call("ibm_guadalupe") == call(load_backend("ibm_guadalupe"))


def test_a_backend_is_read_once(backend: FakeGuadalupeV2) -> None:
    assert load_backend(backend) is load_backend(backend)
    assert load_backend(backend).name == backend.name


def test_backends_of_qiskit_itself_are_devices_too() -> None:
    generic = GenericBackendV2(3, basis_gates=["rz", "sx", "x", "cz"], seed=1)
    assert transpile_verified(SPEC, generic).report.counted.two_qubit > 0
