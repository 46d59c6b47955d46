"""The tutorials run as they are, draw pictures, and what they say of their results holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest

FOLDER = Path(__file__).parents[2] / "docs" / "tutorials"


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a tutorial in an empty folder; its names."""
    monkeypatch.chdir(tmp_path)

    def started(number: int) -> dict[str, Any]:
        (source,) = FOLDER.glob(f"{number}_*.py")
        names: dict[str, Any] = {}
        exec(compile(source.read_text("utf-8"), str(source), "exec"), names)
        return names

    yield started
    plt.close("all")


def test_a_vqcnn_on_a_device(run):
    names = run(1)
    images, digits = names["images"][100:], names["digits"][100:]
    assert names["model"].score(images, digits) > 0.95
    assert names["report"].predicted.two_qubit == names["report"].counted.two_qubit == 12
    assert plt.get_fignums()


def test_clients_and_distillation(run):
    results = run(2)["result"].results
    accuracy = {name: model["accuracy"] for name, model in results["models"].items()}
    assert accuracy["global"] > max(accuracy["public_only"], accuracy["best_client"])
    for client in results["clients"]:
        assert client["accuracy"]["all_classes"] < 0.8 < client["accuracy"]["own_classes"]
    assert len({client["budget"]["blocks"] for client in results["clients"]}) > 1


def test_choosing_a_device(run):
    front = run(3)["front"]
    assert len(front.points) == 9
    assert front.front
    assert {point.cost / point.seconds for point in front.points if point.backend == "ibm_torino"} == {1.6}


def test_submit_and_read_back(run):
    names = run(4)
    outcome = names["outcome"]
    assert outcome.counts.sum(axis=1).tolist() == [400] * 30
    assert outcome.noise.to_dict()["explained"]
    rows = outcome.counts[:, :3].argmax(axis=1)
    assert (rows == outcome.labels).mean() == outcome.accuracies["raw"][0] > 0.8
    assert len(plt.get_fignums()) == 1


def test_take_the_model_out(run):
    pytest.importorskip("pennylane")
    names = run(5)
    exact = names["answers"]["exact engine"]
    for name, bound in (
        ("PennyLane", 1e-9),
        ("SamplerQNN", 0.3),
        ("own sampler", 0.3),
        ("QPY, 2000 shots", 0.3),
    ):
        assert np.abs(names["answers"][name][:12] - exact).max() < bound, name
    model = names["model"]
    np.testing.assert_allclose(names["x"], model.encoder.transform(names["raw"]), atol=1e-12)
    found = model.predict_proba(names["PauliEvaluator"](model.spec), names["raw"][:12])
    np.testing.assert_allclose(found, exact, atol=1e-9)
