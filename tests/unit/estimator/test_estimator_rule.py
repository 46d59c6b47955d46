"""The rule's terms: their form, their monotony, and the file that carries their coefficients."""

import json
import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from qkd_qiskit.errors import EstimatorError
from qkd_qiskit.estimator import (
    class_diversity,
    combine,
    data_bound,
    device_bound,
    load_coefficients,
    need_bound,
)
from qkd_qiskit.estimator.rule import DataCoefficients, NeedCoefficients

exponents = st.floats(0, 4)
rules = st.builds(
    NeedCoefficients,
    scale=st.floats(0.01, 100),
    diversity=exponents,
    overlap=exponents,
    dimension=exponents,
    kernel=exponents,
)
tasks = st.tuples(st.floats(1, 2000), st.floats(0, 1), st.floats(0, 1000), st.integers(1, 30))
CLOSE = 1 + 1e-9


@given(rules, tasks, st.floats(0, 1000), st.floats(0, 1), st.floats(0, 1000))
def test_a_harder_task_never_needs_less(rule, task, diversity, overlap, dimension):
    d, o, e, p = task
    need = need_bound(d, o, e, p, rule)
    assert need > 0
    assert need_bound(d + diversity, o, e, p, rule) * CLOSE >= need
    assert need_bound(d, min(1.0, o + overlap), e, p, rule) * CLOSE >= need
    assert need_bound(d, o, e + dimension, p, rule) * CLOSE >= need
    assert need_bound(d, o, e, max(1, p - 1), rule) * CLOSE >= need


@given(rules, st.integers(1, 1000), st.floats(0, 1), st.integers(0, 3))
def test_more_classes_never_need_less(rule, classes, overlap, reject):
    def need(k):
        return need_bound(class_diversity(k, math.log2(k), k + reject), overlap, 8.0, 15, rule)

    assert need(classes + 1) * CLOSE >= need(classes)


@pytest.mark.parametrize("classes", [1, 2, 10])
def test_diversity_of_balanced_classes_is_their_number(classes):
    assert class_diversity(classes, math.log2(classes), classes) == pytest.approx(classes)
    assert class_diversity(classes, math.log2(classes), classes + 1) == pytest.approx(classes + 1)


@given(st.integers(2, 50), st.floats(0, 1))
def test_rare_classes_count_for_less(classes, share):
    entropy = share * math.log2(classes)
    assert (classes + 1) / 2 <= class_diversity(classes, entropy, classes) * CLOSE
    assert class_diversity(classes, entropy, classes) <= classes * CLOSE


def test_the_need_has_the_documented_form():
    rule = NeedCoefficients(scale=2.0, diversity=1.5, overlap=0.7, dimension=0.3, kernel=0.5)
    expected = 2.0 * 4.0**1.5 * (1 + 0.7 * 0.2) * 9.0**0.3 * (9 / 3) ** 0.5
    assert need_bound(4.0, 0.2, 9.0, 3, rule) == pytest.approx(expected)
    assert need_bound(4.0, 0.2, 0.0, 15, rule) == pytest.approx(2.0 * 4.0**1.5 * (1 + 0.7 * 0.2))


def test_a_kernel_without_weights_cannot_learn():
    with pytest.raises(EstimatorError, match="at least one trainable gate, found none"):
        need_bound(2.0, 0.1, 4.0, 0, load_coefficients().need)


caps = st.builds(DataCoefficients, constant=st.floats(0.001, 10), epsilon=st.floats(0.001, 1))


@given(caps, st.integers(0, 10**7), st.integers(1, 64), st.integers(0, 10**6))
def test_fewer_samples_never_raise_the_cap(rule, samples, reuse, more):
    assert data_bound(samples + more, reuse, rule) * CLOSE >= data_bound(samples, reuse, rule)


@given(caps, st.integers(1, 10**7), st.integers(1, 64))
def test_the_cap_solves_the_bound_of_caro_et_al(rule, samples, reuse):
    t = data_bound(samples, reuse, rule)
    assume(t * reuse > 1.001)
    gap = rule.constant * math.sqrt(t * math.log(reuse * t) / samples)
    assert gap == pytest.approx(rule.epsilon, rel=1e-6)


@given(caps, st.integers(1, 10**6), st.integers(1, 63))
def test_reused_gates_are_dearer(rule, samples, reuse):
    assert data_bound(samples, reuse + 1, rule) <= data_bound(samples, reuse, rule) * CLOSE


def test_no_samples_support_nothing():
    assert data_bound(0, 1, load_coefficients().data) == 0.0


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1))), st.floats(0, 1))
def test_a_worse_device_never_raises_the_device_bound(devices, floor):
    better = [max(pair) for pair in devices]
    worse = [min(pair) for pair in devices]
    rungs = range(len(devices))
    allowed = device_bound(rungs, better.__getitem__, floor)
    assert device_bound(rungs, worse.__getitem__, floor) <= allowed
    assert all(better[rung] >= floor for rung in range(allowed))
    assert allowed == len(devices) or better[allowed] < floor


blocks = st.floats(0, 1000)


@given(blocks, blocks, blocks, blocks)
def test_combine_is_the_clip_or_refuses(need, minimum, data, device):
    if minimum > min(data, device):
        limit = "data" if data <= device else "device"
        with pytest.raises(EstimatorError, match=f"the {limit} bound allows"):
            combine(need, minimum, data, device)
        return
    granted, limit = combine(need, minimum, data, device)
    assert granted == min(max(need, minimum), data, device)
    assert granted == {"need": need, "minimum": minimum, "data": data, "device": device}[limit]


@pytest.mark.parametrize(
    ("need", "minimum", "data", "device", "expected"),
    [
        (5, 7, 30, 40, (7, "minimum")),
        (20, 7, 30, 40, (20, "need")),
        (30, 7, 30, 40, (30, "need")),
        (35, 7, 30, 40, (30, "data")),
        (50, 7, 40, 40, (40, "data")),
        (50, 7, 45, 40, (40, "device")),
        (50, 7, 7, 40, (7, "data")),
    ],
)
def test_combine_names_the_limit(need, minimum, data, device, expected):
    assert combine(need, minimum, data, device) == expected


def test_the_shipped_coefficients_are_valid_and_say_how_they_were_chosen():
    shipped = load_coefficients()
    assert not shipped.provisional
    assert "left out" in shipped.method
    assert load_coefficients() is shipped


def table():
    return json.loads(load_coefficients().model_dump_json(by_alias=True))


def test_other_coefficients(tmp_path):
    path = tmp_path / "own.json"
    path.write_text(json.dumps({**table(), "provisional": False}))
    assert not load_coefficients(path).provisional


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 2}, "schema: "),
        ({"extra": 1}, "extra: unknown key"),
        ({"provisional": None}, "provisional: "),
        ({"need": {"scale": 1}}, "need.diversity: expected a value, found none"),
        (
            {"need": {"scale": 1, "diversity": -1, "overlap": 0, "dimension": 0, "kernel": 0}},
            "need.diversity: ",
        ),
        ({"data": {"constant": 0, "epsilon": 0.1}}, "data.constant: "),
        ({"device": {"esp_floor": 1.0}}, "device.esp_floor: "),
    ],
)
def test_wrong_coefficients_are_refused(tmp_path, change, message):
    path = tmp_path / "wrong.json"
    path.write_text(json.dumps({**table(), **change}))
    with pytest.raises(EstimatorError, match=message):
        load_coefficients(path)


@pytest.mark.parametrize(
    ("content", "message"), [(b"{", "is not JSON"), (b"\xff\xfe", "not UTF-8"), (None, "No such file")]
)
def test_unreadable_coefficients_are_refused(tmp_path, content, message):
    path = tmp_path / "broken.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(EstimatorError, match=message) as caught:
        load_coefficients(path)
    assert "\n" not in str(caught.value)
