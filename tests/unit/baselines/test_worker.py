"""Classical baselines in a worker process: the same bits, the same errors, and no run lost with a worker."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from qkd_qiskit.baselines import BASELINES, BaselineData, registry
from qkd_qiskit.baselines.classical_distillation import ClassicalDistillation
from qkd_qiskit.baselines.logistic_regression import LogisticBaseline
from qkd_qiskit.baselines.rbf_svm import SupportVectorBaseline
from qkd_qiskit.baselines.worker import fit_aside, worker_count
from qkd_qiskit.config import load_experiment
from qkd_qiskit.data import prepare_data
from qkd_qiskit.distillation import Aggregate
from qkd_qiskit.errors import DistillationError
from qkd_qiskit.progress import NullProgress
from qkd_qiskit.run import RunContext
from qkd_qiskit.simulation import CompiledModel, ModelCompiler
from qkd_qiskit.store import StageStore
from qkd_qiskit.vqcnn import VQCNNSpec

TINY = str(Path(__file__).parents[2] / "integration" / "tiny.toml")


class Unpicklable(LogisticBaseline):
    """Cannot be sent."""

    def __reduce__(self):
        raise TypeError("stays here")


class Fatal(LogisticBaseline):
    """Ends the process that fits it, unless that is the one that made it."""

    def __init__(self):
        self.home = os.getpid()

    def fit(self, data):
        if os.getpid() != self.home:
            os._exit(1)
        return super().fit(data)


@pytest.fixture(scope="module")
def data():
    settings = load_experiment(TINY, overrides=["federation.workers=2"])
    run = RunContext(settings, prepare_data(settings), StageStore(None, ""), NullProgress())
    compiled = CompiledModel(VQCNNSpec(4, plan="conv", n_outcomes=3))
    return BaselineData(run, ModelCompiler(), compiled, Aggregate(None, np.zeros((1, 3))), None, None)


def _with(base, **changes):
    return replace(base, run=replace(base.run, **changes))


def test_what_needs_no_circuit_is_known():
    without = {baseline.name for baseline in BASELINES if not baseline.runs_circuits}
    assert without == {
        "logistic_regression",
        "rbf_svm",
        "mlp",
        "classical_distillation",
        "one_body",
        "two_body",
    }


def test_a_worker_gives_the_bits_of_this_process(data):
    classical = (LogisticBaseline(), SupportVectorBaseline())
    here = {baseline.name: baseline.fit(data) for baseline in classical}
    there = fit_aside(classical, data, 2)()
    assert list(there) == list(here)
    inputs = data.run.data.test.inputs
    for name, model in here.items():
        np.testing.assert_array_equal(
            model.model.decision_function(inputs), there[name].model.decision_function(inputs)
        )


def test_fitted_models_keep_the_order_of_the_registry(data, monkeypatch):
    class Here(LogisticBaseline):
        name = "here"
        runs_circuits = True

    registered = (LogisticBaseline(), Here(), ClassicalDistillation())
    monkeypatch.setattr(registry, "BASELINES", registered)
    assert list(registry.fit_baselines(data)) == [baseline.name for baseline in registered]


@pytest.mark.parametrize("baseline", [Unpicklable(), Fatal()], ids=["unpicklable", "fatal"])
def test_a_lost_worker_loses_no_run(data, baseline):
    found = fit_aside([baseline], data, 2)()
    expected = LogisticBaseline().fit(data)
    np.testing.assert_array_equal(found[baseline.name].model[-1].coef_, expected.model[-1].coef_)


def test_what_cannot_be_fitted_is_said(data):
    one = data.run.data.clients[0]
    alone = replace(one, labels=np.zeros_like(one.labels))
    public = data.run.data.public
    samples = replace(public.samples, labels=np.where(public.samples.labels >= 0, 0, -1))
    prepared = replace(
        data.run.data,
        clients=(alone,),
        sizes=data.run.data.sizes[:1],
        public=replace(public, samples=samples),
    )
    finish = fit_aside([LogisticBaseline()], _with(data, data=prepared), 2)
    with pytest.raises(DistillationError, match="expected at least 2 classes, found 1"):
        finish()


def test_as_many_processes_work_as_trained_clients(data):
    assert worker_count(data) == 2
    nobody = replace(data.run.data, clients=(), sizes=())
    assert worker_count(_with(data, data=nobody)) == 1
    one = data.run.settings.model_copy(
        update={"federation": data.run.settings.federation.model_copy(update={"workers": 1})}
    )
    assert worker_count(_with(data, settings=one)) == 1
