"""The model card is enough to use a model: raw values to `x`, readings to classes, probabilities."""

from __future__ import annotations

import io

import numpy as np
import pytest
from qiskit.quantum_info import Statevector

from qkd_qiskit.encoding import ENCODINGS, make_encoder
from qkd_qiskit.interop import export_circuit
from qkd_qiskit.models import SavedModel, card_markdown, model_card
from qkd_qiskit.simulation import PauliEvaluator
from qkd_qiskit.vqcnn import VQCNNSpec

PRINCIPAL = [name for name in ENCODINGS if hasattr(make_encoder(name, 4), "formula")]


def make_model(encoding: str) -> SavedModel:
    rng = np.random.default_rng(0)
    spec = VQCNNSpec(4, encoding, "conv, edge, conv", "one_cx", n_outcomes=3)
    encoder = make_encoder(encoding, 4, image_shape=(5, 5)).fit(rng.random((30, 25)))
    params = rng.normal(size=spec.n_weights + 1)
    return SavedModel(spec, params, ("ant", "bee", "wasp"), encoder, "ibm_torino", False, 7)


@pytest.mark.parametrize("encoding", PRINCIPAL)
def test_a_program_with_the_card_alone_gives_the_models_probabilities(encoding):
    model = make_model(encoding)
    card = model_card(model)
    use, raw = card["use"], np.random.default_rng(1).random((3, 25))
    with np.load(io.BytesIO(model.to_bytes())) as stored:
        arrays = {name: stored[place.split()[0]] for name, place in use["x"]["arrays"].items()}
    x = eval(use["x"]["formula"], {"clip": np.clip}, {**arrays, "raw": raw})

    logical = export_circuit(model.spec, model.weights)
    measured = [
        logical.find_bit(step.qubits[0]).index for step in logical if step.operation.name == "measure"
    ]
    gates = logical.remove_final_measurements(inplace=False)
    inputs = sorted(gates.parameters, key=lambda parameter: parameter.index)
    found = []
    for row in x:
        bound = gates.assign_parameters(dict(zip(inputs, row, strict=True)))
        told = Statevector(bound).probabilities_dict(measured)
        p = np.array([told.get(bits, 0.0) for bits in use["outcomes"]])
        q = np.maximum(p, 1e-9) ** card["logit_scale"]
        found.append(q / q.sum())
    np.testing.assert_allclose(found, model.predict_proba(PauliEvaluator(model.spec), raw), atol=1e-9)
    assert list(use["outcomes"].values()) == ["ant", "bee", "wasp"]


def test_most_encodings_have_a_formula_and_the_others_name_the_package():
    assert {"angle", "zz", "hardware_efficient", "reupload"} <= set(PRINCIPAL)
    assert "load_model" in model_card(make_model("amplitude"))["use"]["x"]["formula"]


def test_the_page_says_what_the_json_says():
    card = model_card(make_model("angle"))
    page = card_markdown(card)
    assert f"    x = {card['use']['x']['formula']}" in page
    assert "`directions` is encoder_directions of global_model.npz [25, 8]" in page
    for bits, label in card["use"]["outcomes"].items():
        assert f"| `{bits}` | {label} |" in page
    assert repr(card["logit_scale"]) in page
