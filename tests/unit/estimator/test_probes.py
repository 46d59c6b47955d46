"""Probes: what they conclude from answers whose truth is known, and what they grant real samples."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qkd_qiskit.config import ProbeSettings
from qkd_qiskit.data import load_dataset
from qkd_qiskit.encoding import make_encoder
from qkd_qiskit.errors import EstimatorError
from qkd_qiskit.estimator import build_size_ladder, estimate_gate_budget, load_coefficients, load_probe_model
from qkd_qiskit.estimator.probes.headroom import _left_out_answers, kernel_headroom
from qkd_qiskit.estimator.probes.heldout import HeldOutTask, held_out_answers, probed_rows, stratified_folds
from qkd_qiskit.estimator.probes.posterior import (
    POINT,
    curve_grid,
    paired_covariance,
    prior_centre,
    size_prior,
)
from qkd_qiskit.estimator.probes.run import round_seconds, thinned
from qkd_qiskit.estimator.probes.search import Evidence, granted_size, search_sizes, size_interval
from qkd_qiskit.estimator.probes.settings import ProbeModel
from qkd_qiskit.simulation import compile_model

BLOCKS = (7, 10, 15, 22, 30, 40, 52, 70)
MODEL = ProbeModel(prior_spread=1.0, training_noise=0.01)


def evidence_of(curve, samples, rounds=4, model=MODEL, centre=1.0, seed=0):
    """Answers drawn from a true accuracy curve: hard samples are hard for every size."""
    rng = np.random.default_rng(seed)
    ease = rng.uniform(size=samples)
    found = Evidence(BLOCKS, size_prior(BLOCKS, centre, model), model, samples)
    for size, accuracy in enumerate(curve):
        for _ in range(rounds):
            flipped = rng.uniform(size=samples) < 0.02
            found.add(size, ((ease < accuracy) != flipped).astype(float))
    return found


def smallest_sufficient(curve):
    return int(np.argmax(np.asarray(curve) >= max(curve) - POINT))


FLAT = (0.8,) * 8
RISING = (0.60, 0.70, 0.78, 0.84, 0.88, 0.90, 0.905, 0.905)
EARLY = (0.80, 0.90, 0.90, 0.90, 0.90, 0.90, 0.90, 0.90)
FALLING = (0.85, 0.90, 0.90, 0.89, 0.87, 0.85, 0.83, 0.80)


@pytest.mark.parametrize("curve", [FLAT, RISING, EARLY])
def test_with_many_samples_the_need_is_found(curve):
    found = evidence_of(curve, 20_000)
    true = smallest_sufficient(curve)
    low, high = size_interval(found.smallest())
    assert low <= true <= high <= low + 2
    assert abs(granted_size(found.sufficient(), 0.8) - true) <= 1


def test_without_any_answer_the_prior_stands():
    prior = size_prior(BLOCKS, 1.0, MODEL)
    found = Evidence(BLOCKS, prior, MODEL, 100)
    np.testing.assert_allclose(found.smallest(), prior, atol=1e-9)
    assert np.isnan(found.accuracy).all()


@pytest.mark.parametrize("curve", [RISING, FALLING])
def test_what_answers_say_of_needs_does_not_depend_on_the_prior(curve):
    flat = evidence_of(curve, 300)
    flat.prior = np.full(8, 1 / 8)
    likelihood, enough = flat.needs()
    np.testing.assert_allclose(np.diag(enough), 1.0)
    found = evidence_of(curve, 300)
    smallest = found.prior * likelihood
    smallest /= smallest.sum()
    np.testing.assert_allclose(smallest, found.smallest(), atol=1e-9)
    np.testing.assert_allclose(smallest @ enough, found.sufficient(), atol=1e-9)


def test_the_prior_follows_rule_and_headroom_and_sums_to_one():
    model = MODEL.model_copy(update={"prior_headroom": 0.5})
    for questions in (
        [(7.0, 0.02), (15.0, 0.02), (40.0, 0.02), (120.0, 0.02)],
        [(15.0, 0.0), (15.0, 0.01), (15.0, 0.1), (15.0, 0.5)],
    ):
        means = []
        for proposal, headroom in questions:
            prior = size_prior(BLOCKS, prior_centre(BLOCKS[0], proposal, headroom, model), model)
            assert prior.sum() == pytest.approx(1.0)
            assert (prior > 0).all()
            means.append(prior @ np.log(BLOCKS))
        assert means == sorted(means)
        assert means[0] < means[-1]


@pytest.mark.parametrize(("centre", "size"), [(-2.0, 0), (5.0, -1)])
def test_needs_beyond_the_sizes_belong_to_the_outermost(centre, size):
    assert size_prior(BLOCKS, centre, MODEL)[size] > 0.8


@pytest.mark.parametrize("samples", [30, 100])
def test_equal_answers_of_few_samples_make_the_smallest_size_likelier(samples):
    found = Evidence(BLOCKS, size_prior(BLOCKS, 0.0, MODEL), MODEL, samples)
    before = found.smallest()[0]
    for size in (0, 2, 5):
        found.add(size, (np.arange(samples) % 7 > 0).astype(float))
    assert found.smallest()[0] > before


def test_more_samples_narrow_the_interval():
    widths = []
    for samples in (40, 400, 8000):
        low, high = size_interval(evidence_of(RISING, samples).smallest())
        widths.append(high - low)
    assert widths == sorted(widths, reverse=True)
    assert widths[0] > widths[-1]


def test_a_fall_is_seen():
    assert evidence_of(FALLING, 5000).fall() > POINT
    assert evidence_of(RISING, 5000).fall() < POINT
    assert granted_size(evidence_of(FALLING, 5000).sufficient(), 0.6) <= 2


def test_every_curve_of_the_grid_has_its_smallest_sufficient_size():
    grid = curve_grid(BLOCKS, 0.3)
    best = grid.shape.max(axis=1)
    rows = np.arange(len(best))
    assert (grid.shape[rows, grid.smallest] >= best - POINT).all()
    below = grid.smallest > 0
    assert (grid.shape[rows[below], grid.smallest[below] - 1] < best[below] - POINT).all()
    # The prior speaks of sizes alone: each size's curves share one.
    for size in range(len(BLOCKS)):
        assert np.exp(grid.log_weight[grid.smallest == size]).sum() == pytest.approx(1.0)
    # Those that fall have no more than their share.
    falls = grid.shape[:, -1] < grid.shape.max(axis=1) - 1e-12
    for size in range(1, len(BLOCKS) - 1):
        assert 0.0 < np.exp(grid.log_weight[falls & (grid.smallest == size)]).sum() < 0.3 + 1e-9


def test_the_covariance_is_that_of_numpy():
    correct = np.random.default_rng(1).integers(0, 2, (4, 50)).astype(float)
    np.testing.assert_allclose(paired_covariance(correct), np.cov(correct) / 50, atol=1e-12)


def test_the_grant_is_the_smallest_with_the_confidence_or_else_the_likeliest():
    assert granted_size(np.array([0.2, 0.7, 0.9, 1.0]), 0.65) == 1
    assert granted_size(np.array([0.2, 0.4, 0.3]), 0.65) == 1


@given(st.floats(-2.0, 3.0), st.integers(8, 60), st.floats(0.5, 0.9))
@settings(max_examples=25, deadline=None)
def test_a_grant_lies_within_the_interval_of_no_less_confidence(centre, samples, confidence):
    model = MODEL.model_copy(update={"prior_floor": 0.3})
    found = Evidence(BLOCKS, size_prior(BLOCKS, centre, model), model, samples)
    found.add(0, (np.arange(samples) % 7 > 0).astype(float))
    found.add(2, (np.arange(samples) % 5 > 0).astype(float))
    assert found.granted(confidence) <= size_interval(found.smallest())[1]
    assert found.granted(0.95) == granted_size(found.sufficient(), 0.95)


@given(st.lists(st.floats(0.01, 1.0), min_size=2, max_size=9))
def test_the_interval_is_the_shortest_that_holds_nine_tenths(weights):
    mass = np.array(weights) / sum(weights)
    low, high = size_interval(mass)
    assert mass[low : high + 1].sum() >= 0.9 - 1e-9
    for other in range(len(mass) - (high - low) + 1):
        assert mass[other : other + high - low].sum() < 0.9 + 1e-9


@settings(max_examples=25, deadline=None)
@given(st.floats(1.0, 60.0), st.integers(1, 4), st.floats(5.0, 100.0))
def test_the_search_keeps_to_its_budget(budget, rounds, proposal):
    costs = [0.05 * blocks for blocks in BLOCKS]
    found = Evidence(BLOCKS, size_prior(BLOCKS, np.log(proposal / 7), MODEL), MODEL, 50)
    rng = np.random.default_rng(0)
    spent = search_sizes(
        found,
        lambda size, number: rng.integers(0, 2, 50).astype(float),
        costs,
        budget=budget,
        most_rounds=rounds,
    )
    assert spent == pytest.approx(float(found.rounds @ costs))
    assert found.rounds.max() <= rounds
    first_two = sum(sorted(costs)[-2:])
    assert spent <= max(budget, first_two) + 1e-9
    assert (found.rounds > 0).sum() >= 2


def test_a_round_more_goes_where_the_answer_is_open():
    sure = evidence_of(EARLY, 20_000, rounds=1)
    information = sure.information()
    assert (information >= 0).all()
    # Whether seven blocks are enough is settled by ten points: another round tells most about ten of them.
    assert information[0] < 1e-3 < information[1]
    assert np.argmax(information) == 1


def test_folds_are_stratified_and_rows_keep_the_shares():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], [40, 21, 3])
    folds = stratified_folds(labels, 4, rng=rng)
    for label in range(3):
        counts = np.bincount(folds[labels == label], minlength=4)
        assert counts.max() - counts.min() <= 1
    rows = probed_rows(labels, 32, rng=rng)
    assert len(rows) == len(set(rows)) == 32
    assert np.abs(np.bincount(labels[rows]) - np.array([20, 10.5, 1.5])).max() <= 1
    assert probed_rows(labels, 64, rng=rng).tolist() == list(range(64))


def test_sizes_are_a_quarter_apart():
    ladder = build_size_ladder(8, n_outcomes=4)
    sizes = [len(rung.blocks) for rung in thinned(ladder, 60.0)]
    assert sizes[0] == 7
    assert sizes[-1] >= 60 > sizes[-2]
    assert all(b >= 1.25 * a for a, b in pairwise(sizes))
    top = thinned(ladder[:9], 1000.0)
    assert top[-1] is ladder[8]


def points_of(kind, samples, rng):
    points = rng.normal(size=(samples, 4))
    value = points[:, 0] if kind == "plane" else points[:, 0] * points[:, 1]
    return points, (value > 0).astype(np.int64)


@pytest.mark.parametrize("samples", [60, 700])
def test_headroom_is_what_no_plane_can_tell(samples):
    rng = np.random.default_rng(0)
    assert kernel_headroom(*points_of("plane", samples, rng)) < 0.03
    assert kernel_headroom(*points_of("corners", samples, rng)) > 0.15


def test_the_answers_of_the_headroom_are_those_of_leaving_out():
    # Three points a class: the linear rule by hand, one sample at a time.
    rng = np.random.default_rng(3)
    points, labels = rng.normal(size=(20, 2)), np.arange(20) % 2
    kernel = points @ points.T + 1.0
    wanted = np.eye(2)[labels]
    found = _left_out_answers([kernel], wanted, labels)
    centred = wanted - wanted.mean(axis=0)
    options = []
    for ridge in (1e-3, 1e-2, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0):
        answers = np.zeros((20, 2))
        for left_out in range(20):
            rest = np.arange(20) != left_out
            weights = np.linalg.solve(kernel[np.ix_(rest, rest)] + ridge * np.eye(19), centred[rest])
            answers[left_out] = kernel[left_out, rest] @ weights
        options.append((((answers - centred) ** 2).mean(), answers + wanted.mean(axis=0)))
    best = min(options, key=lambda option: option[0])[1]
    assert found.tolist() == (best.argmax(axis=1) == labels).tolist()


@pytest.mark.parametrize("share", [0.5, 0.15])
def test_labels_that_mean_nothing_leave_hardly_any_headroom(share):
    rng = np.random.default_rng(5)
    found = [
        kernel_headroom(rng.normal(size=(120, 8)), (rng.uniform(size=120) < share).astype(np.int64))
        for _ in range(6)
    ]
    assert np.mean(found) < 0.02


def test_copies_and_equal_rows_leave_no_headroom():
    rng = np.random.default_rng(1)
    points, labels = rng.normal(size=(40, 3)), rng.integers(0, 2, 40)
    once = kernel_headroom(points, labels)
    assert kernel_headroom(np.repeat(points, 3, axis=0), np.repeat(labels, 3)) == pytest.approx(once)
    assert kernel_headroom(np.ones((20, 3)), np.arange(20) % 2) == 0.0
    assert kernel_headroom(points, np.zeros(40, dtype=np.int64)) == 0.0


def digits(classes, samples, qubits=4):
    data = load_dataset("digits", classes=classes)
    rows = np.random.default_rng(0).permutation(len(data.labels))[:samples]
    encoder = make_encoder("angle", qubits).fit(data.features[rows])
    return encoder.transform(data.features[rows]), data.labels[rows]


QUICK = ProbeSettings(seconds=0.8, samples=60, folds=2, rounds=2)


def test_held_out_samples_are_answered_without_having_been_seen():
    # Labels that mean nothing can be learnt by heart, but not answered.
    x, _ = digits((3, 8), 60)
    labels = np.random.default_rng(1).integers(0, 2, 60)
    spec = build_size_ladder(4, n_outcomes=2)[2]
    task = HeldOutTask(x, labels, stratified_folds(labels, 2, rng=np.random.default_rng(0)), 2)
    found = held_out_answers(compile_model(spec, None).fast, task, rng=np.random.default_rng(0))
    assert found.correct.mean() < 0.75
    assert found.log_loss.mean() > np.log(2) * 0.9
    few = held_out_answers(compile_model(spec, None).fast, task, rng=np.random.default_rng(0), shots=3)
    assert not np.array_equal(few.correct, found.correct)


@pytest.mark.parametrize("noise", [False, True])
def test_probes_settle_the_budget_of_real_samples(noise):
    x, y = digits((0, 1), 60)
    how = QUICK.model_copy(update={"noise": noise})
    budget = estimate_gate_budget(x, y, backend="noisy_line", n_qubits=4, probes=how)
    found = budget.probes
    assert found is not None
    assert budget.blocks == found.blocks == len(budget.spec.blocks)
    assert budget.limited_by == found.limited_by
    assert found.interval[0] <= found.interval[1]
    assert sum(size.probability for size in found.sizes) == pytest.approx(1.0)
    assert found.trainings == 2 * sum(size.rounds for size in found.sizes)
    # Two digits are told apart by the smallest circuits: no need for much more.
    assert budget.blocks <= 12
    assert "2 classes" in found.explanation
    assert "60 different samples" in found.explanation
    assert found.explanation in budget.notes
    again = estimate_gate_budget(x, y, backend="noisy_line", n_qubits=4, probes=how)
    assert [size.probability for size in again.probes.sizes] == [size.probability for size in found.sizes]
    table = budget.to_dict()["probes"]
    assert table["low"] == found.interval[0]
    assert table["high"] == found.interval[1]


def test_too_few_samples_are_refused():
    x, y = digits((0, 1), 6)
    with pytest.raises(EstimatorError, match="expected at least 8 samples to hold some out, found 6"):
        estimate_gate_budget(x, y, backend="noisy_line", n_qubits=4, probes=True)


def test_a_device_that_bears_few_gates_limits_the_probes():
    x, y = digits((3, 8, 9), 60)
    strict = load_coefficients().with_floor(0.55)
    free = estimate_gate_budget(x, y, backend="noisy_line", n_qubits=4)
    sure = QUICK.model_copy(update={"confidence": 0.999})
    budget = estimate_gate_budget(x, y, backend="noisy_line", n_qubits=4, coefficients=strict, probes=sure)
    assert budget.blocks <= budget.terms.device < free.terms.device
    assert budget.predicted.esp >= 0.55


def test_fewer_shots_bear_less_noise():
    x, y = digits((3, 8), 60)
    device = [
        estimate_gate_budget(x, y, backend="noisy_line", n_qubits=8, shots=shots).terms.device
        for shots in (300, 1024, 10_000)
    ]
    assert device == sorted(device)
    assert device[0] < device[-1]
    with pytest.raises(EstimatorError, match="shots: expected at least 1, found 0"):
        estimate_gate_budget(x, y, backend="noisy_line", n_qubits=8, shots=0)


def test_costs_grow_with_size_samples_and_outcomes():
    model = load_probe_model()
    small, large = build_size_ladder(8, n_outcomes=2)[0], build_size_ladder(8, n_outcomes=2)[5]
    many = build_size_ladder(8, n_outcomes=10)[0]
    assert round_seconds(small, 100, 4, model) < round_seconds(large, 100, 4, model)
    assert round_seconds(small, 100, 4, model) < round_seconds(small, 400, 4, model)
    assert round_seconds(small, 100, 4, model) < round_seconds(many, 100, 4, model)
