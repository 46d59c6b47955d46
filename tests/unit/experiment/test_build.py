"""Experiments that a program builds: what settings they become, and what is refused."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from qiskit.circuit.library import zz_feature_map
from qiskit.primitives import StatevectorSampler
from qiskit.providers.fake_provider import GenericBackendV2
from sklearn.neighbors import KNeighborsClassifier

from qkd_qiskit import CircuitEncoding, Client, Experiment, Server
from qkd_qiskit.config import ExperimentSettings, TrainingSettings
from qkd_qiskit.config.loading import parse_settings
from qkd_qiskit.errors import ConfigError, DataError, DistillationError, HardwareError
from qkd_qiskit.hardware import load_backend

Y = np.arange(100) % 2
X = np.random.default_rng(0).normal(2.0 * Y[:, None], 1.0, (100, 6))


def largest(outputs):
    return outputs.max(axis=0)


def server(**more):
    return Server(X, Y, **more)


def client(name="a", **more):
    return Client(name, X[:20], Y[:20], **more)


def test_settings_are_those_of_a_file():
    experiment = Experiment(
        [client(output_noise=0.1), client("b", backend="noisy_line"), Client("c", samples=12, classes=[1])],
        server(backend="ibm_guadalupe", test=(X[:30], Y[:30])),
        name="mine",
        seed=np.int64(4),
        training=TrainingSettings(refine=7),
        model={"kernel": "su4"},
        distillation={"rounds": 2},
    )
    settings = experiment.settings
    assert settings == parse_settings(ExperimentSettings, json.loads(settings.model_dump_json()), "file")
    assert (settings.name, settings.seed, settings.training.refine) == ("mine", 4, 7)
    assert (settings.server.backend, settings.distillation.rounds) == ("ibm_guadalupe", 2)
    assert [c.samples for c in settings.clients] == [20, 20, 12]
    assert settings.clients[0].output_noise == 0.1
    assert settings.clients[2].classes == (1,)
    # Six features make three qubits; tests and the third client have their own, 88 samples are left.
    assert (settings.model.n_qubits, settings.data.test) == (3, 30)
    parts = settings.data
    assert parts.public_train + parts.public_calibration + parts.public_validation == 88
    assert [record.kind for record in experiment.own] == ["samples"]
    assert repr(experiment) == "Experiment('mine', 3 clients, seed=4)"


def test_objects_go_by_names_that_tell_what_they_are():
    backend = GenericBackendV2(4, ["rz", "sx", "x", "cx"], coupling_map=[[0, 1], [1, 2], [2, 3]], seed=1)
    encoding = CircuitEncoding(zz_feature_map(2, reps=1), "zz2")
    experiment = Experiment(
        [client(backend=backend), client("b", backend=load_backend("noisy_line"))],
        server(sampler=StatevectorSampler(), shots=32),
        aggregation=largest,
        encoding=encoding,
        baselines=[KNeighborsClassifier(), "fedprox"],
    )
    settings, own = experiment.settings, {record.kind: record for record in experiment.own}
    assert settings.clients[0].backend == own["device"].name
    assert settings.clients[0].backend.startswith(f"{backend.name}@")
    assert settings.clients[1].backend == "noisy_line"
    assert settings.model.encoding == encoding.name == own["encoding"].name
    assert settings.model.n_qubits == 2
    assert settings.distillation.aggregation == "largest" == own["aggregation rule"].name
    assert own["aggregation rule"].object == f"{__name__}.largest"
    assert settings.baselines == ("k_neighbors_classifier", "fedprox")
    assert own["baseline"].object.startswith("sklearn.")
    assert own["sampler"].object.endswith("StatevectorSampler, 32 shots")
    with experiment.lent():
        assert load_backend(settings.clients[0].backend).n_qubits == 4


def test_settings_with_an_own_circuit_are_read_in_another_process(tmp_path):
    encoding = CircuitEncoding(zz_feature_map(2, reps=1), "zz2")
    path = tmp_path / "settings.json"
    path.write_text(Experiment([client()], server(), encoding=encoding).settings.model_dump_json())
    code = (
        "import sys, pathlib\n"
        "from qkd_qiskit.config import ExperimentSettings, read_settings_json\n"
        "from qkd_qiskit.errors import ReportingError\n"
        "path = pathlib.Path(sys.argv[1])\n"
        "print(read_settings_json(ExperimentSettings, path, ReportingError).model.encoding)"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == encoding.name


def test_auto_tries_an_own_rule_beside_the_others():
    experiment = Experiment([client()], server(), aggregation=largest, distillation={"aggregation": "auto"})
    assert experiment.settings.distillation.aggregation == "auto"
    assert [record.name for record in experiment.own if record.kind == "aggregation rule"] == ["largest"]


def test_the_digest_tells_rules_apart_that_have_one_name():
    def rule(outputs):
        return outputs.max(axis=0)

    first = Experiment([client()], server(), aggregation=rule).digest()

    def rule(outputs):
        return outputs.min(axis=0)

    assert Experiment([client()], server(), aggregation=rule).digest() != first
    assert Experiment([client()], server(), aggregation=rule).settings.data.dataset.startswith("arrays:")


@pytest.mark.parametrize(
    ("error", "told", "make"),
    [
        (ConfigError, "at least one client", lambda: Experiment([], server())),
        (ConfigError, "clients: expected a sequence of clients, found 3", lambda: Experiment(3, server())),
        (ConfigError, "clients: expected Client objects, found 'a'", lambda: Experiment(["a"], server())),
        (ConfigError, "server: expected a Server, found 'x'", lambda: Experiment([client()], "x")),
        (ConfigError, "unknown key trainning; did you mean 'training", lambda: build(trainning={})),
        (ConfigError, "training: expected a table|training: ", lambda: build(training=3)),
        (ConfigError, "model: expected a table of settings, found 3", lambda: build(model=3)),
        (ConfigError, "unknown key training.refin", lambda: build(training={"refin": 1})),
        (ConfigError, "baselines: expected a sequence of baselines, found 3", lambda: build(baselines=3)),
        (ConfigError, "encoding: expected a name or an Encoding, found 3", lambda: build(encoding=3)),
        (ConfigError, "expected angle or .*found 'phase'", lambda: build(encoding="phase")),
        (ConfigError, "client names must differ", lambda: Experiment([client(), client()], server())),
        (DistillationError, "aggregation: expected the name of a rule", lambda: build(aggregation=3)),
        (DistillationError, "baselines: expected names", lambda: build(baselines=[3])),
        (DistillationError, "another model has", lambda: build(baselines=[KNeighborsClassifier()] * 2)),
        (DataError, "class 7 does not occur", lambda: build(data={"classes": [0, 7]})),
        (DataError, "too few for", lambda: Experiment([client()], Server(X[:3], Y[:3]))),
        (ConfigError, "client a: expected samples and labels, found only", lambda: Client("a", X)),
        (ConfigError, "client a: samples and classes are for clients", lambda: client(samples=3)),
        (ConfigError, "name: expected a text, found 3", lambda: Client(3, X, Y)),
        (DataError, "client a: expected one label for each of 100", lambda: Client("a", X, Y[:3])),
        (
            DataError,
            "client a: expected finite features, found nan in row 0",
            lambda: Client("a", X * np.nan, Y),
        ),
        (HardwareError, "client a: expected the name of a device", lambda: client(backend=3)),
        (ConfigError, "server: expected samples and labels, found no", lambda: Server(X, None)),
        (ConfigError, "test samples and labels as a pair, found", lambda: server(test=X)),
        (ConfigError, "server: expected at least 1 shot, found 0", lambda: server(shots=0)),
        (ConfigError, "sampler: expected a BaseSamplerV2 or None, found 3", lambda: server(sampler=3)),
        (DataError, "server: expected samples", lambda: Server(Y, Y)),
    ],
)
def test_what_makes_no_experiment_is_told_in_one_line(error, told, make):
    with pytest.raises(error, match=told) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_test_samples_that_are_known_are_told(caplog):
    Experiment([client()], server(test=(X[:20], Y[:20])))
    assert "20 of 20 test samples are training samples too" in caplog.text
    caplog.clear()
    Experiment([client()], server(test=(X[:20] + 0.5, Y[:20])))
    assert "training samples too" not in caplog.text


def build(**more):
    return Experiment([client()], server(), **more)
