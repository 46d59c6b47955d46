"""Budgets from data and device: what limits them, and what they refuse."""

import json
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qkd_qiskit.data import load_dataset
from qkd_qiskit.errors import EstimatorError, HardwareError
from qkd_qiskit.estimator import Coefficients, build_size_ladder, estimate_gate_budget, load_coefficients
from qkd_qiskit.hardware import load_backend, predict_counts, read_descriptor
from qkd_qiskit.hardware.descriptor import descriptor_folder
from qkd_qiskit.hardware.registry import device_from_descriptor
from qkd_qiskit.vqcnn import VQCNNSpec


@cache
def line(factor=1.0):
    """The custom noisy line with its gate errors multiplied."""
    descriptor = read_descriptor(descriptor_folder() / "noisy_line.toml")
    gates = {
        name: gate.model_copy(update={"error": factor * gate.error})
        for name, gate in descriptor.gates.items()
    }
    return device_from_descriptor(descriptor.model_copy(update={"gates": gates}))


def rule(**changes):
    """The shipped rule, with some coefficients replaced: `need={...}`."""
    table = load_coefficients().model_dump(by_alias=True)
    for section, values in changes.items():
        table[section].update(values)
    return Coefficients.model_validate(table)


def task(n=200, k=3, width=8, distance=0.4, seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % k
    return np.clip(rng.normal(0, 0.4, (n, width)) + distance * rng.normal(size=(k, width))[y], -1.5, 1.5), y


def estimate(x, y, **arguments):
    return estimate_gate_budget(x, y, **{"backend": line(0.1), "n_qubits": x.shape[1] // 2, **arguments})


GENEROUS = {"data": {"epsilon": 1.0, "constant": 1e-3}, "device": {"esp_floor": 0.0}}


@pytest.mark.parametrize(
    ("coefficients", "limited_by", "blocks"),
    [
        (rule(**GENEROUS, need={"scale": 1e-9}), "minimum", 3),
        (rule(**GENEROUS, need={"scale": 8.0, "diversity": 0, "overlap": 0, "dimension": 0}), "need", 9),
        (rule(**GENEROUS, need={"scale": 1e9}), "need", 27),
        (
            rule(device=GENEROUS["device"], need={"scale": 1e9}, data={"epsilon": 0.1, "constant": 0.35}),
            "data",
            6,
        ),
        (rule(data=GENEROUS["data"], need={"scale": 1e9}, device={"esp_floor": 0.9}), "device", None),
    ],
)
def test_the_limit_and_the_structure_belong_together(coefficients, limited_by, blocks):
    x, y = task()
    budget = estimate(x, y, coefficients=coefficients)
    assert budget.limited_by == limited_by
    assert budget.blocks == len(budget.spec.blocks) <= min(budget.terms.data, budget.terms.device)
    assert budget.weights == budget.spec.n_weights
    assert budget.two_qubit_gates == 3 * budget.blocks
    assert budget.predicted == predict_counts(budget.spec, line(0.1))
    assert budget.spec in build_size_ladder(4, n_outcomes=3)
    assert budget.terms.minimum == 3
    if blocks is None:
        larger = next(rung for rung in build_size_ladder(4, n_outcomes=3) if len(rung.blocks) > budget.blocks)
        assert predict_counts(larger, line(0.1)).esp < 0.9 <= budget.predicted.esp
        assert budget.terms.device == budget.blocks
    else:
        assert budget.blocks == blocks


def test_a_budget_is_json():
    x, y = task()
    budget = estimate(x, y)
    table = json.loads(json.dumps(budget.to_dict()))
    assert VQCNNSpec.from_index(int(table["model_index"])) == budget.spec
    assert table["terms"]["need"] == budget.terms.need
    assert table["statistics"]["samples"] == 200
    assert table["backend"] == "noisy_line"
    assert table["provisional"] is False
    assert table["notes"] == [
        "the coefficients were fitted to 8 qubits, 7 to 72 blocks and 2 to 6 classes; "
        "for 4 qubits they extrapolate"
    ]


@pytest.mark.parametrize(
    ("k", "scale", "fitted", "beyond"),
    [
        (3, 1e9, (7, 72), "127 blocks"),
        (3, 1e-9, (7, 72), None),
        (7, 1e-9, (7, 72), "7 classes"),
        (8, 1e9, (7, 80), "124 blocks and 8 classes"),
        (3, 1e9, None, None),
    ],
)
def test_a_budget_says_where_its_rule_extrapolates(k, scale, fitted, beyond):
    x, y = task(k=k, width=16)
    table = rule(**GENEROUS, need={"scale": scale}).model_dump(by_alias=True)
    table["fitted"] = fitted and {"n_qubits": 8, "blocks": fitted, "classes": (2, 6)}
    notes = estimate(x, y, coefficients=Coefficients.model_validate(table)).notes
    if beyond is None:
        assert notes == ()
    else:
        assert [note.split("; for ")[1] for note in notes] == [f"{beyond} they extrapolate"]


@given(st.floats(0.2, 2.0), st.floats(1.0, 3.0))
@settings(max_examples=15)
def test_a_worse_device_never_raises_the_device_bound(factor, worse):
    x, y = task()
    loose = rule(device={"esp_floor": 0.3})
    better = estimate(x, y, backend=line(round(factor, 2)), coefficients=loose)
    other = estimate(x, y, backend=line(round(factor * worse, 2)), coefficients=loose)
    assert other.terms.device <= better.terms.device
    assert other.blocks <= better.blocks


@pytest.mark.parametrize("sharing", ["site", "layer"])
def test_fewer_samples_never_raise_the_data_bound(sharing):
    x, y = task(n=400)
    bounds = [estimate(x[:n], y[:n], sharing=sharing).terms.data for n in (12, 30, 100, 400)]
    assert bounds == sorted(bounds)
    assert bounds[0] < bounds[-1]


def test_duplicates_do_not_count_as_samples():
    x, y = task(n=100)
    assert vars(estimate(np.tile(x, (5, 1)), np.tile(y, 5)).terms) == pytest.approx(
        vars(estimate(x, y).terms)
    )


def test_shared_weights_count_once_in_the_data_bound():
    x, y = task(n=100)
    shared, own = (estimate(x, y, sharing=sharing) for sharing in ("layer", "site"))
    assert shared.weights < own.weights
    assert shared.terms.data in [float(len(rung.blocks)) for rung in build_size_ladder(4, n_outcomes=3)]


@pytest.mark.parametrize("kernel", ["su4", "two_cx", "one_cx"])
def test_smaller_kernels_need_more_blocks(kernel):
    x, y = task()
    assert estimate(x, y, kernel=kernel).terms.need >= estimate(x, y).terms.need


def test_raw_features_are_encoded_and_the_notes_say_so():
    digits = load_dataset("digits", classes=(0, 1, 2))
    budget = estimate_gate_budget(digits.features, digits.labels, backend=line(0.1))
    assert "64 raw features were encoded as 16 angles" in budget.notes[0]
    assert budget.spec.n_qubits == 8
    assert budget.statistics.classes == 3


def test_amplitudes():
    x = np.abs(task(width=16)[0])
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    budget = estimate(x, task()[1], n_qubits=4, encoding="amplitude")
    assert budget.spec.encoding == "amplitude"


def test_one_class_trains_with_the_reject_outcome():
    x, _ = task()
    budget = estimate(x, np.zeros(len(x)), n_outcomes=2)
    assert budget.statistics.classes == 1
    assert budget.spec.n_outcomes == 2


def test_constant_features_get_an_answer_or_a_line():
    x, y = task()
    with pytest.raises(EstimatorError, match="smallest structure has 3 two-qubit blocks, but the data bound"):
        estimate(np.zeros_like(x), y)
    with pytest.raises(EstimatorError, match="cannot encode the raw features: "):
        estimate(np.zeros((50, 5)), y[:50], n_qubits=4)


def test_device_by_name():
    x, y = task()
    assert estimate(x, y, backend="noisy_line").backend == "noisy_line"


@pytest.mark.parametrize(
    ("x", "y", "arguments", "message"),
    [
        (np.zeros((1, 16)), [3], {}, "the data bound allows"),
        (np.zeros((0, 16)), [], {}, "at least one sample"),
        (np.full((9, 16), np.nan), np.arange(9), {}, "NaN or infinity in 9 of 9 rows"),
        (np.zeros((1000, 16)), np.arange(1000), {}, "1000 outcomes need 10 measured qubits, found"),
        (np.zeros((9, 16)), np.arange(9) % 3, {"n_outcomes": 2}, "at least 3 for 3 classes, found 2"),
        (np.zeros((9, 16)), np.zeros(9), {"n_outcomes": 1}, "n_outcomes of at least 2"),
        (np.zeros((9, 7)), np.zeros(9), {"encoding": "amplitude"}, "256 amplitudes for 8 qubits, found 7"),
        (np.zeros((9, 16)), np.zeros(9), {"kernel": "CX01"}, "at least one trainable gate"),
        (np.zeros((9, 34)), np.zeros(9), {"n_qubits": 17}, "the device bound: .*at most 16 qubits"),
    ],
)
def test_what_cannot_be_estimated_gets_one_clear_line(x, y, arguments, message):
    with pytest.raises(EstimatorError, match=message) as caught:
        estimate(x, y, **{"n_qubits": 8, **arguments})
    assert "\n" not in str(caught.value)


def test_an_unknown_device_is_named():
    with pytest.raises(HardwareError, match="nowhere"):
        estimate(*task(), backend="nowhere")


def test_a_hopeless_device_is_named():
    x, y = task()
    with pytest.raises(EstimatorError, match="3 two-qubit blocks, but the device bound allows 0"):
        estimate(x, y, backend=line(20.0))


def test_ten_classes_and_a_thousand():
    x, y = task(n=4000, k=1000, width=20)
    budget = estimate(x, y, coefficients=rule(device={"esp_floor": 0.0}))
    assert budget.spec.n_measured == 10


def test_clients_of_the_quickstart_get_different_budgets():
    images = load_dataset("mnist5000", classes=(0, 1, 2, 3))
    rng = np.random.default_rng(0)
    blocks = {}
    for backend, samples, classes in (("ibm_marrakesh", 300, (0, 1, 2)), ("ibm_guadalupe", 150, (2, 3))):
        rows = rng.permutation(np.flatnonzero(np.isin(images.labels, classes)))[:samples]
        budget = estimate_gate_budget(
            images.features[rows],
            images.labels[rows],
            backend=load_backend(backend),
            n_outcomes=len(classes) + 1,
            coefficients=load_coefficients().with_floor(0.5),
        )
        blocks[backend] = budget.blocks
        assert 7 <= budget.blocks <= 60
    assert blocks["ibm_marrakesh"] > blocks["ibm_guadalupe"]
