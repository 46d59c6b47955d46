"""The Pareto front: dominance against its definition, and what real trainings cost."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qkd_qiskit.data import load_dataset
from qkd_qiskit.encoding import make_encoder
from qkd_qiskit.errors import EstimatorError
from qkd_qiskit.estimator import ExecutionCosts, ParetoFront, ParetoPoint, build_size_ladder, pareto_front
from qkd_qiskit.estimator.pareto import dominance
from qkd_qiskit.hardware import load_backend


def point(accuracy, gates, seconds, cost=None, backend="d", blocks=7):
    return ParetoPoint(backend, blocks, gates, accuracy, 0.01, 0.9, seconds, cost)


numbers = st.integers(0, 3)


@given(st.lists(st.tuples(numbers, numbers, numbers, numbers), min_size=1, max_size=8))
def test_a_point_is_dominated_if_another_is_no_worse_and_somewhere_better(rows):
    points = dominance([point(a / 4, g, s, c, blocks=n) for n, (a, g, s, c) in enumerate(rows)])
    for own, (a, g, s, c) in zip(points, rows, strict=True):
        dominated = any(
            other != (a, g, s, c) and other[0] >= a and other[1] <= g and other[2] <= s and other[3] <= c
            for other in rows
        )
        assert (own.dominated_by is not None) == dominated
    assert any(own.dominated_by is None for own in points)


def test_dominated_devices_are_named():
    points = dominance(
        [
            point(0.9, 21, 100.0, backend="good"),
            point(0.95, 40, 120.0, backend="good", blocks=10),
            point(0.85, 21, 110.0, backend="bad"),
            point(0.95, 44, 120.0, backend="bad", blocks=10),
        ]
    )
    front = ParetoFront(points, ExecutionCosts(), 100, {})
    assert front.dominated_devices == ("bad",)
    assert [p.backend for p in front.front] == ["good", "good"]
    table = front.to_dict()
    assert [row["dominated_by"] for row in table["points"]] == [
        None,
        None,
        "good, 7 blocks",
        "good, 10 blocks",
    ]
    assert table["dominated_devices"] == ["bad"]


def test_seconds_and_prices_are_those_of_the_formula():
    costs = ExecutionCosts(100, 1000, 250e-6, 2.0, {"a": 3.0}, 1.5)
    assert costs.seconds(50e-6) == pytest.approx(2.0 + 100 * 1000 * 300e-6)
    assert costs.price_of("a") == 3.0
    assert costs.price_of("b") == 1.5
    assert ExecutionCosts().price_of("a") is None


def test_real_samples_make_a_front():
    data = load_dataset("digits", classes=(0, 1))
    rows = np.random.default_rng(0).permutation(len(data.labels))[:40]
    x = make_encoder("angle", 4).fit(data.features[rows]).transform(data.features[rows])
    sizes = build_size_ladder(4, n_outcomes=2)[:2]
    devices = [load_backend("noisy_line"), load_backend("ibm_torino")]
    costs = ExecutionCosts(predictions=10, shots=200, price=2.0)
    front = pareto_front(x, data.labels[rows], sizes, devices, costs)
    assert [(p.backend, p.blocks) for p in front.points] == [
        (device.name, len(size.blocks)) for device in devices for size in sizes
    ]
    assert front.samples == 40
    for p in front.points:
        assert p.cost == pytest.approx(2.0 * p.seconds)
        assert p.accuracy > 0.6
        assert p.seconds > 2.0 + 10 * 200 * 250e-6
    again = pareto_front(x, data.labels[rows], sizes, devices, costs)
    assert again.to_dict() == front.to_dict()


def test_small_devices_are_skipped_and_few_samples_refused():
    sizes = build_size_ladder(17, n_outcomes=2)[:1]
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(10, 34)), np.arange(10) % 2
    front = pareto_front(x, y, sizes, [load_backend("noisy_line")], ExecutionCosts())
    assert front.points == ()
    assert front.skipped == {"noisy_line": "16 usable qubits, 17 are needed"}
    with pytest.raises(EstimatorError, match="expected at least 8 samples to hold some out, found 4"):
        pareto_front(x[:4], y[:4], sizes, [load_backend("noisy_line")], ExecutionCosts())
