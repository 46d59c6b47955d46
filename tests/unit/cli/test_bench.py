"""The bench measures what it says: who, on how much, and what was scaled up."""

from __future__ import annotations

import numpy as np
import peers
import pytest
from engine_peers import BenchSettings, bench_rows, bench_spec, run_bench, shortest
from peers_plot import plot_bench

from qkd_qiskit.cli import main
from qkd_qiskit.hardware import load_backend, transpile_verified
from qkd_qiskit.simulation import ActiveCircuit


@pytest.fixture(scope="module")
def result():
    settings = BenchSettings(
        device="noisy_line", qubits=(2, 4), samples=(4, 20), particles=2, threads=1, peers=False
    )
    return run_bench(settings)


def test_every_width_and_number_of_samples_is_there(result):
    keys = {(t["task"], t["qubits"], t["samples"]) for t in result["timings"] if t["method"] == "engine"}
    assert keys == {
        (task, qubits, samples)
        for task in ("swarm", "gradient", "ideal swarm")
        for qubits in (2, 4)
        for samples in (4, 20)
    }
    assert all(t["seconds"] > 0 for t in result["timings"])


def test_what_was_not_run_is_marked_and_ratios_are_quotients(result):
    for timing in result["timings"]:
        slow = timing["method"] != "engine"
        assert timing["measured_samples"] <= timing["samples"]
        expected = slow and (timing["samples"] > 10 or "shift" in timing["method"])
        assert timing["extrapolated"] == expected
    own = {(t["task"], t["qubits"], t["samples"]): t for t in result["timings"] if t["method"] == "engine"}
    assert result["ratios"]
    for ratio in result["ratios"]:
        key = (ratio["task"], ratio["qubits"], ratio["samples"])
        peer = next(
            t
            for t in result["timings"]
            if (t["task"], t["qubits"], t["samples"]) == key and t["method"] == ratio["method"]
        )
        assert ratio["ratio"] == pytest.approx(peer["seconds"] / own[key]["seconds"])
    starred = [row for row in bench_rows(result) if row["seconds"].endswith("*")]
    assert len(starred) == sum(t["extrapolated"] for t in result["timings"])


def test_the_plot_is_a_picture(result):
    assert plot_bench(result, qubits=4, samples=20).startswith(b"\x89PNG")


def test_all_peers_answer():
    device = load_backend("noisy_line")
    transpiled = transpile_verified(bench_spec(2), device)
    noise = device.noise_model_for(transpiled.active_qubits)
    inputs = np.random.default_rng(0).normal(size=(2, 4))
    weights = np.zeros(transpiled.spec.n_weights)
    found = list(peers.seconds_a_sample(ActiveCircuit(transpiled), noise, weights, inputs))
    assert [row[1] for row in found] == [
        "SamplerQNN",
        "SamplerQNN",
        "PennyLane default.mixed",
        "PennyLane lightning.qubit",
    ]
    assert all(row[2] > 0 and 1 <= row[3] <= 2 for row in found)


def test_the_first_run_is_not_counted():
    runs = []
    shortest(lambda: runs.append(1), repeats=2)
    assert len(runs) == 3


def test_widths_must_be_numbers(capsys):
    assert main(["bench", "--qubits", "4x"]) == 2
    assert "--qubits: expected positive whole numbers" in capsys.readouterr().err


def test_an_installed_package_has_no_bench(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("qkd_qiskit.cli.bench.BENCHMARKS", tmp_path)
    assert main(["bench"]) == 2
    assert "bench: needs a checkout of the repository" in capsys.readouterr().err
