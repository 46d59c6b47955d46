"""Clients that search their structures: what they send and keep stays within their gate budgets."""

from __future__ import annotations

from pathlib import Path

import pytest

from qkd_qiskit.config import load_experiment
from qkd_qiskit.experiment import run_experiment
from qkd_qiskit.vqcnn import VQCNNSpec

TINY = str(Path(__file__).parents[2] / "integration" / "tiny.toml")
SEARCH = [
    "training.structure={enabled=true, particles=4, iterations=1, samples=30, starts=1, steps=2, folds=2}",
    "training.refine=4",
    "distillation={recipe='fixed', way_back=true}",
    "fedavg={rounds=0, local_steps=1}",
]


@pytest.fixture(scope="module")
def finished():
    return run_experiment(load_experiment(TINY, overrides=SEARCH))


def test_each_client_sends_a_structure_within_its_budget(finished):
    for client, record in zip(finished.clients, finished.results["clients"], strict=True):
        spec = VQCNNSpec.from_index(int(record["model_index"]))
        assert spec.index == int(client.search.winner)
        assert spec.n_outcomes == client.budget.spec.n_outcomes
        assert record["gates"]["transpiled"]["two_qubit"] <= client.budget.two_qubit_gates
        assert len(client.search.structures) == 8
        assert client.search.two_qubit.max() <= client.budget.two_qubit_gates


def test_personal_models_stay_within_theirs(finished):
    for client in finished.clients:
        assert client.personal.spec.n_outcomes == 3
        assert client.personal.compiled.two_qubit_gates <= client.personal.budget.two_qubit_gates
