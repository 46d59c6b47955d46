"""The examples of CONTRIBUTING.md do what it says; that of the baseline is tested beside the baselines."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from qkd_qiskit import AerEvaluator, PauliEvaluator, VQCNNSpec, load_backend, transpile_verified
from qkd_qiskit.distillation import RULES, aggregate
from qkd_qiskit.encoding import ENCODINGS, make_encoder

GUIDE = Path(__file__).parents[2] / "CONTRIBUTING.md"


def example(section: str, language: str) -> str:
    """The one block of a section."""
    text = GUIDE.read_text("utf-8").split(f"### {section}\n")[1].split("\n### ")[0]
    (block,) = text.split(f"```{language}\n")[1:]
    return block.split("```")[0]


def defined(section: str, name: str):
    """A class that the block of a section defines."""
    names: dict[str, object] = {}
    exec(compile(example(section, "python"), str(GUIDE), "exec"), names)
    return names[name]


def test_the_encoding_is_simulated_transpiled_and_restored(monkeypatch):
    encoding = defined("An encoding", "RxRyEncoding")()
    assert encoding.code not in {other.code for other in ENCODINGS.values()}
    monkeypatch.setitem(ENCODINGS, encoding.name, encoding)
    spec, rng = VQCNNSpec(4, encoding="rx_ry"), np.random.default_rng(0)
    assert VQCNNSpec.from_index(spec.index) == spec

    pixels = rng.random((20, 64))
    encoder = make_encoder("rx_ry", 4).fit(pixels)
    inputs = encoder.transform(pixels[:3])
    restored = encoding.restore_encoder(4, encoder.arrays())
    np.testing.assert_array_equal(restored.transform(pixels[:3]), inputs)

    device = load_backend("ibm_guadalupe")
    transpiled = transpile_verified(spec, device)
    assert transpiled.report.exact
    assert transpiled.report.counted.two_qubit == transpiled.report.predicted.two_qubit
    weights = rng.uniform(-3, 3, (1, spec.n_weights))
    for circuit in (spec, transpiled):
        found = PauliEvaluator(circuit).probabilities(weights, inputs)
        expected = AerEvaluator(circuit).probabilities(weights, inputs)
        np.testing.assert_allclose(found, expected, atol=1e-9)


def test_the_rule_combines_clients(monkeypatch):
    rule = defined("An aggregation rule", "Squares")
    monkeypatch.setitem(RULES, rule.name, rule)
    lifted = [np.array([[0.8, 0.1, 0.1]]), np.array([[0.6, 0.2, 0.2]])]
    held = [np.array([0, 1]), np.array([1, 2])]
    found = aggregate(lifted, held, [True, True], "squares")
    np.testing.assert_allclose(found, np.array([[1.0, 0.05, 0.05]]) / 1.1)


def test_the_device_runs_a_model(tmp_path):
    path = tmp_path / "small_ring.toml"
    path.write_text(example("A device", "toml"), "utf-8")
    device = load_backend(path)
    assert (device.name, device.n_qubits, device.two_qubit_gate) == ("small_ring", 6, "cz")
    report = transpile_verified(VQCNNSpec(4), device).report
    assert report.counted.two_qubit == report.predicted.two_qubit
    assert 0.5 < report.counted.esp < 1
