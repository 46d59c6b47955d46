"""The saved model comes back whole, or is refused in one line."""

from __future__ import annotations

import io
import json
import tracemalloc

import numpy as np
import pytest

from qkd_qiskit.encoding import make_encoder
from qkd_qiskit.errors import ModelError
from qkd_qiskit.evaluation import REQUIRED_MODELS
from qkd_qiskit.models import MODEL_FILE, SavedModel, card_markdown, load_model, model_card
from qkd_qiskit.reporting import check_results
from qkd_qiskit.simulation import PauliEvaluator
from qkd_qiskit.vqcnn import VQCNNSpec


def make_model(encoding="angle", classes=(3, 5, 8)):
    rng = np.random.default_rng(0)
    spec = VQCNNSpec(3, encoding, "conv, conv", "one_cx", n_outcomes=3)
    encoder = make_encoder(encoding, 3, image_shape=(4, 4)).fit(rng.random((20, 16)))
    params = rng.normal(size=spec.n_weights + 1)
    return SavedModel(spec, params, classes, encoder, "ibm_torino", True, 7)


@pytest.mark.parametrize("encoding", ["angle", "amplitude"])
@pytest.mark.parametrize("classes", [(3, 5, 8), ("ant", "bee", "wasp")])
def test_round_trip(encoding, classes, tmp_path):
    model = make_model(encoding, classes)
    (tmp_path / MODEL_FILE).write_bytes(model.to_bytes())
    features = np.random.default_rng(1).random((4, 16))
    for place in (tmp_path, tmp_path / MODEL_FILE):
        back = load_model(place)
        assert (back.spec, back.classes, back.backend, back.noise, back.seed) == (
            model.spec, model.classes, "ibm_torino", True, 7,
        )  # fmt: skip
        evaluator = PauliEvaluator(model.spec)
        np.testing.assert_array_equal(
            back.predict_proba(evaluator, features), model.predict_proba(evaluator, features)
        )


def test_probabilities_are_powers_of_the_outcomes():
    model = make_model()
    outcomes = np.array([[0.1, 0.2, 0.3, 0.4], [0.0, 0.0, 0.0, 1.0]])
    powers = np.maximum(outcomes[:, :3], 1e-9) ** model.logit_scale
    np.testing.assert_allclose(
        model.class_probabilities(outcomes), powers / powers.sum(axis=1, keepdims=True), atol=1e-12
    )


def rewritten(**changes):
    model = make_model()
    with np.load(io.BytesIO(model.to_bytes())) as stored:
        arrays = {name: stored[name] for name in stored.files}
    meta = json.loads(str(arrays["meta"])) | changes.pop("meta", {})
    arrays = arrays | changes | {"meta": np.array(json.dumps(meta))}
    buffer = io.BytesIO()
    np.savez(buffer, **{name: array for name, array in arrays.items() if array is not None})
    return buffer.getvalue()


def _saved(**arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def _arrays():
    with np.load(io.BytesIO(make_model().to_bytes())) as stored:
        return {name: stored[name] for name in stored.files}


def without(name):
    return _saved(**{key: array for key, array in _arrays().items() if key != name})


def with_meta(meta):
    return _saved(**_arrays() | {"meta": np.array(meta)})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cannot read the model"),
        (b"PK\x03\x04 no archive", "cannot read the model"),
        (make_model().to_bytes()[:-200], "cannot read the model"),
        (rewritten(meta={"schema": 2}), "expected schema 1, found 2"),
        (rewritten(meta={"model_index": "-1"}), "cannot read the model"),
        (rewritten(meta={"model_index": "1"}), "expected 1 finite parameters"),
        (rewritten(meta={"classes": [1]}), "expected 2 to 3 classes"),
        (rewritten(meta={"n_qubits": 4}), "expected angle encoding of 3 qubits, found angle of 4"),
        (rewritten(meta={"encoding": "amplitude"}), "expected angle encoding of 3 qubits, found amplitude"),
        (rewritten(meta={"model_index": "9" * 5000}), "meta: model_index: "),
        (rewritten(meta={"classes": [3, 3]}), "expected different classes"),
        (rewritten(meta={"classes": [[3], [4]]}), "meta: classes"),
        (rewritten(meta={"seed": 10**30}), "meta: seed: .*less than"),
        (rewritten(meta={"seed": float("inf")}), "finite numbers, found Infinity"),
        (rewritten(meta={"more": 1}), "meta: unknown key more"),
        (rewritten(meta={"backend": "x" * 2000}), "meta: backend: "),
        (without("params"), "params: params is missing"),
        (without("encoder_mean"), "array mean is missing"),
        (rewritten(encoder_directions=np.zeros((10**6, 6))), "array directions: expected shape .16, 6."),
        (rewritten(params=np.full(make_model().params.shape, 800.0)), "log of the logit scale up to 700"),
        (with_meta("[" * 5000), "meta is not JSON: it is nested too deeply"),
        (with_meta("[1, 2]"), "expected a JSON object as meta, found list"),
        (with_meta('{"schema": 1'), "meta is not JSON"),
        (with_meta(np.array(["a", "b"])), "expected one text of at most .* as meta"),
        (with_meta(np.zeros(3)), "expected one text of at most .* as meta"),
        (with_meta("x" * 2**19), "expected one text of at most .* as meta"),
        (without("meta"), "meta: meta is missing"),
        (rewritten(params=np.zeros(2)), "finite parameters, found shape"),
        (rewritten(encoder_mean=np.full(16, np.nan)), "cannot read the model"),
    ],
)
def test_damaged_files_are_refused(content, message, tmp_path):
    (tmp_path / MODEL_FILE).write_bytes(content)
    with pytest.raises(ModelError, match=message):
        load_model(tmp_path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ModelError, match="expected the folder of a finished run"):
        load_model(tmp_path)


def results(absent=()):
    entry = {"accuracy": 0.9, "accuracy_ideal": 0.91, "interval": [0.85, 0.94], "noise": "ibm_torino"}
    entry |= {"weights": 9, "two_qubit_gates": 3}
    models = dict.fromkeys(REQUIRED_MODELS, entry) | {"rbf_svm": entry | {"accuracy": 0.97}}
    traffic = {"up": 1, "down": 1, "rounds": 1}
    unknown = ("backend", "samples", "budget", "model_index", "gates", "accuracy", "seconds")
    client = dict.fromkeys(unknown) | {"name": "a", "classes": [0], "bytes_sent": 1}
    return check_results(
        {
            "schema": 1,
            "experiment": "quickstart",
            "seed": 1,
            "versions": {"qiskit": "2.3.0"},
            "data": {"dataset": "mnist5000", "classes": [0, 1], "public": 9, "test": 200},
            "clients": [client],
            "models": models | dict.fromkeys(absent),
            "absent": dict.fromkeys(absent, "not measured"),
            "communication": {"distillation": traffic, "fedavg": traffic},
            "timings": {"total": 1.0},
        }
    )


@pytest.mark.parametrize("with_results", [True, False])
def test_the_card_says_what_the_model_is(with_results):
    model = make_model()
    card = model_card(model, results() if with_results else None)
    assert VQCNNSpec.from_index(int(card["model_index"])) == model.spec
    assert json.loads(json.dumps(card)) == card
    text = card_markdown(card)
    assert card["model_index"] in text
    assert "ibm_torino" in text
    assert ("90.0% on 200 test samples" in text) == with_results
    assert ("| rbf svm | 97.0% |" in text) == with_results
    assert f"- seed: {model.seed}" in text
    assert f"- noise: {model.backend}" in text
    assert ("| qiskit | 2.3.0 |" in text) == with_results
    assert str(model.spec.n_qubits) in text


def test_the_card_leaves_out_what_was_not_measured():
    card = model_card(make_model(), results(absent=["fedavg"]))
    assert "fedavg" not in card["compared"]
    assert "centralized" in card["compared"]
    card = model_card(make_model(), results(absent=["global"]))
    assert "accuracy" not in card
    text = card_markdown(card)
    assert "## Accuracy" not in text
    assert "| qiskit | 2.3.0 |" in text


@pytest.mark.parametrize("name", ["params", "meta", "encoder_mean", "encoder_directions", "more"])
def test_a_packed_bomb_is_refused_before_it_takes_memory(name, tmp_path):
    # 240 MB of zeros in 240 kB.
    arrays = _arrays() | {name: np.zeros(3 * 10**7)}
    np.savez_compressed(tmp_path / MODEL_FILE, **arrays)
    assert (tmp_path / MODEL_FILE).stat().st_size < 10**6
    tracemalloc.start()
    try:
        with pytest.raises(ModelError, match="cannot read the model .*limits.ratio"):
            load_model(tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 20e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", ["params", "encoder_mean", "encoder_directions"])
def test_shapes_are_held_against_the_index_before_an_array_is_unpacked(name, tmp_path):
    # 12 MB within all general limits.
    np.savez_compressed(tmp_path / MODEL_FILE, **_arrays() | {name: np.zeros((10**5, 15))})
    tracemalloc.start()
    try:
        with pytest.raises(ModelError, match="expected .*shape"):
            load_model(tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 5e6
    finally:
        tracemalloc.stop()
