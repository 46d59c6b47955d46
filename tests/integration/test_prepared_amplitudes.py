"""Prepared amplitudes from data to predictions: a run under noise, its files, all routes of simulation."""

import csv
from pathlib import Path

import numpy as np
import pytest

from qkd_qiskit import VQCNNSpec, run_experiment
from qkd_qiskit.cli import main
from qkd_qiskit.config import load_experiment
from qkd_qiskit.interop import CrosscheckCase, crosscheck, random_noise, random_points
from qkd_qiskit.models import load_model
from qkd_qiskit.simulation import PauliEvaluator

TINY = str(Path(__file__).parent / "tiny.toml")
NAME = "amplitude_brick(layers=2)"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    changed = [f'model.encoding="{NAME}"', "training.refine=8", "fedavg.rounds=1"]
    return folder, run_experiment(load_experiment(TINY, overrides=changed), output=folder)


def test_a_run_counts_the_preparation_and_tells_its_fidelity(run):
    folder, finished = run
    spec = load_model(folder).spec
    assert spec.encoding == NAME
    # Two layers on four qubits: three CZ; each block of the ansatz has three native gates.
    assert finished.results["models"]["global"]["two_qubit_gates"] == 3 + 3 * len(spec.blocks)
    fidelity = finished.results["data"]["fidelity"]
    assert 0 < fidelity["worst"] <= fidelity["mean"] <= 1
    assert fidelity["samples"] == 80
    assert "mean fidelity" in (folder / "report.html").read_text("utf-8")


def test_a_saved_model_predicts_from_pixels(run, tmp_path):
    folder, _ = run
    model, pixels = load_model(folder), np.random.default_rng(0).random((4, 64))
    expected = model.predict_proba(PauliEvaluator(model.spec), pixels)
    np.save(tmp_path / "pixels.npy", pixels)
    source, output = str(tmp_path / "pixels.npy"), tmp_path / "answers.csv"
    assert (
        main(["predict", str(folder), "--input", source, "--output", str(output), "--backend", "ideal"]) == 0
    )
    rows = list(csv.DictReader(output.read_text("utf-8").splitlines()))
    given = np.array([[float(row[f"p_{label}"]) for label in model.classes] for row in rows])
    np.testing.assert_allclose(given, expected, atol=1e-6)


@pytest.mark.parametrize("encoding", [NAME, "amplitude_mps", "amplitude_exact"])
def test_all_routes_agree_on_prepared_amplitudes(encoding):
    spec = VQCNNSpec(4, encoding, plan="conv, edge, conv", sharing="site", n_outcomes=3)
    rng = np.random.default_rng(1)
    weights, inputs = random_points(spec, 2, rng=rng)
    cases = [CrosscheckCase(spec, weights, inputs, noise) for noise in (None, random_noise(4, rng=rng))]
    rows = crosscheck(cases, shots=500)
    assert {row.route for row in rows if row.passed} >= {"Aer", "SamplerV2", "SamplerQNN"}
    assert all(row.passed for row in rows if row.missing is None)
