"""Fractional gates: predicted, counted, legal for every weight once it is bound, and simulated exactly."""

from math import pi

import numpy as np
import pytest
from qiskit.circuit import ParameterExpression
from qiskit.primitives.containers.sampler_pub import SamplerPub
from qiskit_ibm_runtime import fake_provider
from qiskit_ibm_runtime.utils.utils import is_isa_circuit, is_valid_rzz_pub

from qkd_qiskit import AerEvaluator, PauliEvaluator
from qkd_qiskit.errors import HardwareError
from qkd_qiskit.hardware import (
    device_from_backend,
    fold_angles,
    fractional_name,
    load_backend,
    load_fake_backend,
    split_name,
    transpile,
    transpile_verified,
)
from qkd_qiskit.hardware.targets import duration_of, error_of
from qkd_qiskit.simulation.compiled import compile_transpiled
from qkd_qiskit.vqcnn import VQCNNSpec

pytestmark = pytest.mark.needs_device("ibm_kingston")


TURNS = VQCNNSpec(4, plan="conv, edge, conv", kernels="CRX01 RY0 CRZ10 RY1", n_outcomes=2)
SPECS = {
    "turns": TURNS,
    "mixed": VQCNNSpec(5, plan="conv, edge, conv", kernels="RZ0 CRY01 RY1 CX10 RX0", sharing="site"),
    "su4": VQCNNSpec(4, plan="conv, edge, conv", kernels="su4", n_outcomes=2),
    "tree": VQCNNSpec(4, plan="conv, tree, conv", kernels="su4", n_outcomes=2),
    "amplitude": VQCNNSpec(4, encoding="amplitude", plan="conv, edge, conv", kernels="CRX01 RY0 RY1"),
}
TOML = """name = "mine"
source = "custom"
topology = { kind = "ring", n_qubits = 6 }
qubits = { t1 = 1e-4, t2 = 1e-4, readout_error = 0.01, readout_duration = 1e-6 }
[gates]
rz = { error = 0.0, duration = 0.0 }
sx = { error = 3e-4, duration = 36e-9 }
rx = { error = 4e-4, duration = 36e-9 }
cz = { error = 5e-3, duration = 68e-9 }
rzz = { error = 6e-3, duration = 80e-9 }
"""


@pytest.fixture(scope="module")
def device():
    return load_backend("ibm_kingston+fractional")


def angles_of(circuit):
    return [inst.operation.params[0] for inst in circuit.data if inst.operation.name == "rzz"]


def test_names():
    assert split_name("ibm_fez+fractional") == ("ibm_fez", True)
    assert split_name("a/b.toml") == ("a/b.toml", False)
    assert fractional_name("ibm_fez") == fractional_name("ibm_fez+fractional") == "ibm_fez+fractional"


def test_the_gates_are_those_that_the_backend_is_calibrated_for(device):
    assert (device.name, device.fractional, device.two_qubit_gate) == ("ibm_kingston+fractional", True, "rzz")
    assert set(device.target.operation_names) == {"rx", "rz", "rzz", "measure", "delay"}
    properties = fake_provider.FakeKingston().properties()
    for place in [(0, 1), (72, 73)]:
        assert error_of(device.target, "rzz", place) == properties.gate_error("rzz", place)
        assert duration_of(device.target, "rzz", place) == pytest.approx(properties.gate_length("rzz", place))
    assert error_of(device.target, "rx", (0,)) == properties.gate_error("rx", 0)
    plain = load_backend("ibm_kingston")
    assert plain.two_qubit_gate == "cz"
    assert not plain.fractional


@pytest.mark.parametrize("name", ["ibm_fez", "ibm_kingston", "ibm_pittsburgh"])
@pytest.mark.parametrize("kind", SPECS)
def test_counts_are_those_predicted(name, kind):
    spec = SPECS[kind]
    report = (found := transpile_verified(spec, fractional_name(name), seed=1)).report
    assert report.exact
    assert found.circuit.count_ops()["rzz"] == report.counted.two_qubit == report.predicted.two_qubit
    assert report.predicted.one_qubit.low <= report.counted.one_qubit.mid <= report.predicted.one_qubit.high
    assert report.relative_errors["esp"] == pytest.approx(0, abs=0.1)
    assert report.deviation < 1e-9
    plain = transpile_verified(spec, name, seed=1).report.counted
    assert report.counted.one_qubit.mid < plain.one_qubit.mid
    rotations = sum(gene.name.startswith("CR") for gene in spec.kernels[0].genes)
    assert plain.two_qubit - report.counted.two_qubit == rotations * len(spec.blocks)
    folded = "Angles of rzz are folded into [0, pi/2] when weights are bound."
    assert (folded in report.notes) == (rotations > 0)


@pytest.mark.parametrize("kind", SPECS)
@pytest.mark.parametrize("seed", [1])
def test_bound_circuits_are_legal_and_mean_the_same(kind, seed, device):
    spec, rng = SPECS[kind], np.random.default_rng(seed)
    found = transpile_verified(spec, device, seed=seed)
    weights = rng.uniform(-4 * pi, 4 * pi, spec.n_weights)
    inputs = rng.normal(size=(3, spec.n_features))
    inputs /= np.linalg.norm(inputs, axis=1, keepdims=True)
    bound = fold_angles(found, weights, device)
    assert all(0 <= angle <= pi / 2 + 1e-10 for angle in angles_of(bound.circuit))
    assert is_isa_circuit(bound.circuit, device.target) == ""
    assert {p.vector.name for p in bound.circuit.parameters} <= {"x"}
    if spec.executable:
        values = np.zeros((2, len(bound.circuit.parameters)))
        assert is_valid_rzz_pub(SamplerPub.coerce((bound.circuit, values))) == ""
    assert bound.report.counted.two_qubit <= found.report.counted.two_qubit
    assert bound.report.counted.esp >= found.report.counted.esp - 1e-3
    ideal = PauliEvaluator(spec).probabilities(weights, inputs)
    for circuit in (found, bound):
        np.testing.assert_allclose(PauliEvaluator(circuit).probabilities(weights, inputs), ideal, atol=1e-9)
    for circuit in (found, bound):
        compiled = compile_transpiled(circuit, device)
        noisy = compiled.noisy.probabilities(weights, inputs)
        reference = AerEvaluator(compiled.circuit, compiled.noise).probabilities(weights, inputs)
        np.testing.assert_allclose(noisy, reference, atol=1e-7)
        assert np.abs(noisy - ideal).max() > 1e-4


def test_unbound_angles_would_be_illegal(device):
    """What folding is for: with weights put into the free circuit, the Runtime's own check refuses."""
    found = transpile_verified(TURNS, device, seed=1)
    free = [angle for angle in angles_of(found.circuit) if isinstance(angle, ParameterExpression)]
    assert len(free) == 2 * len(TURNS.blocks)
    values = np.linspace(1, 2, len(found.circuit.parameters))
    for sign in (1, -1):
        pub = SamplerPub.coerce((found.circuit, sign * values * pi))
        assert "only for angles in the range [0, pi/2]" in is_valid_rzz_pub(pub)


@pytest.mark.parametrize("turn", [0.0, pi, -pi, 2 * pi, pi / 2, -pi / 2])
def test_angles_at_the_ends_of_the_range(turn, device):
    found = transpile_verified(TURNS, device, seed=1)
    weights = np.full(TURNS.n_weights, turn)
    bound = fold_angles(found, weights, device)
    inputs = np.random.default_rng(0).normal(size=(2, TURNS.n_features))
    ideal = PauliEvaluator(TURNS).probabilities(weights, inputs)
    np.testing.assert_allclose(PauliEvaluator(bound).probabilities(weights, inputs), ideal, atol=1e-9)
    assert all(0 <= angle <= pi / 2 + 1e-10 for angle in angles_of(bound.circuit))


@pytest.mark.parametrize("weights", [np.zeros(3), np.full(TURNS.n_weights, np.nan)])
def test_wrong_weights_are_refused(weights, device):
    with pytest.raises(HardwareError, match=f"expected {TURNS.n_weights} finite weights, found shape"):
        fold_angles(transpile_verified(TURNS, device, seed=1), weights, device)


def test_what_the_runtime_refuses_is_refused(device, monkeypatch):
    found = transpile_verified(TURNS, device, seed=1)
    monkeypatch.setattr(transpile, "folded", lambda circuit, _: circuit)
    message = (
        "^device .*: The instruction rzz on qubits .* only for angles in the range .* has been requested"
    )
    with pytest.raises(HardwareError, match=message):
        fold_angles(found, np.full(TURNS.n_weights, 2.0), device)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("noisy_line", "expected the fractional gates rx and rzz, and rz, found no rx and no rzz"),
        ("ibm_berlin", "expected the fractional gates rx and rzz, and rz, found no rzz"),
        ("ibm_torino", "expected two coupled qubits that work, found none: .*, 150 of 150 rzz"),
    ],
)
def test_devices_without_fractional_gates(name, message):
    with pytest.raises(HardwareError, match=rf"^device {name}\+fractional: {message}$"):
        load_backend(fractional_name(name))
    assert not load_backend(name).fractional


def test_a_descriptor_may_hold_both_two_qubit_gates(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(TOML)
    counted = {}
    for name in (str(path), fractional_name(str(path))):
        report = transpile_verified(TURNS, name, seed=1).report
        assert report.exact
        counted[split_name(name)[1]] = report.counted.two_qubit
    assert counted == {False: 4 * len(TURNS.blocks), True: 2 * len(TURNS.blocks)}
    assert load_backend(fractional_name(str(path))).name == "mine+fractional"


def test_backends_that_list_the_gates_need_no_calibration_of_their_own():
    """As live devices do where fractional gates are asked for: the target itself has them."""
    backend = fake_provider.FakeKingston()
    listed = load_fake_backend("FakeKingston", fractional=True)
    backend._target = listed.target
    again = device_from_backend(backend, fractional=True)
    assert again.usable_qubits == listed.usable_qubits
    assert again.assumptions == ()
