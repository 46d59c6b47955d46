"""Fractional gates on their way to a device: asked for at the service, and legal in every job."""

from types import SimpleNamespace

import numpy as np
import pytest
from qiskit_ibm_runtime import fake_provider
from qiskit_ibm_runtime.utils.utils import is_isa_circuit

from qkd_qiskit.data import Samples
from qkd_qiskit.encoding import make_encoder
from qkd_qiskit.hardware import load_backend
from qkd_qiskit.models import SavedModel
from qkd_qiskit.runtime import IBMService, PackingOptions, SubmissionOptions, plan_submission
from qkd_qiskit.services.submission import destination
from qkd_qiskit.vqcnn import VQCNNSpec

pytestmark = pytest.mark.needs_device("ibm_kingston")


SPEC = VQCNNSpec(3, plan="conv", kernels="CRX01 RY0 RY1", n_outcomes=2)


@pytest.mark.parametrize(
    ("name", "options"), [("ibm_x", {}), ("ibm_x+fractional", {"use_fractional_gates": True})]
)
def test_the_service_is_asked_for_fractional_gates(name, options):
    asked = []

    def backend(plain, **given):
        asked.append((plain, given))
        return fake_provider.FakeKingston()

    device = IBMService(name, client=SimpleNamespace(backend=backend)).device()
    assert asked == [("ibm_x", options)]
    assert device.fractional == bool(options)
    assert device.name == name.replace("ibm_x", "fake_kingston")
    assert device.two_qubit_gate == ("rzz" if options else "cz")


def test_shipped_devices_with_fractional_gates_are_simulated_here(tmp_path):
    found = destination(tmp_path, "ibm_kingston+fractional")
    assert found.local
    assert found.device.fractional


@pytest.mark.parametrize("local", [True, False])
def test_submitted_circuits_are_legal(local):
    rng = np.random.default_rng(0)
    encoder = make_encoder("angle", 3, image_shape=(4, 4)).fit(rng.random((20, 16)))
    model = SavedModel(
        SPEC, 3 * rng.normal(size=SPEC.n_weights + 1), (0, 1), encoder, "ibm_kingston", True, 7
    )
    samples = Samples(rng.normal(size=(4, SPEC.n_features)), np.zeros(4, dtype=np.int64))
    device = load_backend("ibm_kingston+fractional")
    plan = plan_submission(model, samples, device, SubmissionOptions(4, 100), local=local)
    circuit = plan.submission.circuit
    assert is_isa_circuit(circuit, device.target) == ""
    assert {p.vector.name for p in circuit.parameters} == {"x"}
    assert circuit.count_ops()["rzz"] == plan.estimate.two_qubit_gates == len(SPEC.blocks)
    assert plan.submission.backend == "ibm_kingston+fractional"


def test_packed_circuits_are_legal():
    rng = np.random.default_rng(0)
    encoder = make_encoder("angle", 3, image_shape=(4, 4)).fit(rng.random((20, 16)))
    params = 3 * rng.normal(size=SPEC.n_weights + 1)
    model = SavedModel(SPEC, params, (0, 1), encoder, "ibm_kingston", True, 7)
    samples = Samples(rng.normal(size=(4, SPEC.n_features)), np.zeros(4, dtype=np.int64))
    device = load_backend("ibm_kingston+fractional")
    options = SubmissionOptions(4, 100, packing=PackingOptions(2))
    circuit = plan_submission(model, samples, device, options, local=False).submission.circuit
    assert is_isa_circuit(circuit, device.target) == ""
    assert circuit.count_ops()["rzz"] == 2 * len(SPEC.blocks)
