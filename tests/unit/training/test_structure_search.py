from types import SimpleNamespace

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from qkd_qiskit.config import StructureSettings, TrainingSettings
from qkd_qiskit.errors import TrainingError
from qkd_qiskit.estimator import preset_sizes
from qkd_qiskit.hardware import load_backend, transpile_verified
from qkd_qiskit.simulation import PauliEvaluator
from qkd_qiskit.store import AnswerLog
from qkd_qiskit.training import (
    LOG_SCALE_BOUNDS,
    STRUCTURE_METHODS,
    CandidateFactory,
    SearchTask,
    StructureSpace,
    Targets,
    Tracking,
    best_log_scale,
    device_candidates,
    search_structure,
    searched_spec,
)
from qkd_qiskit.training.candidates import CandidateEvaluation, _made_folds, _paired_error, _parts
from qkd_qiskit.training.structure_search import _split
from qkd_qiskit.vqcnn import VQCNNSpec, native_two_qubit

BASE = VQCNNSpec(4, plan="conv, edge, conv", kernels="one_cx", sharing="site")
CHEAP = VQCNNSpec(4, plan="edge, conv", kernels="one_cx", sharing="site")


def _settings(**structure):
    sizes = {"enabled": True, "particles": 5, "iterations": 2, "samples": 20, "starts": 2, "steps": 2}
    return TrainingSettings(
        particles=2, iterations=0, refine=3, structure=StructureSettings(**{**sizes, **structure})
    )


class _Counter:
    """Evaluators of structures, and which were made."""

    def __init__(self):
        self.made = []

    def __call__(self, spec):
        self.made.append(str(spec.index))
        return PauliEvaluator(spec)


def _space(**known):
    return StructureSpace(BASE, own_kernels=1, max_two_qubit=8, **known)


def _search(blobs, structure=None, *, seed=0, price=lambda spec: 0.0, answers=None, groups=None, n=40):
    inputs, labels = blobs(2, n=n, n_features=8)
    counter = _Counter()
    found = search_structure(
        CandidateFactory(BASE, counter, price, native_two_qubit),
        _space(known=(CHEAP,)),
        SearchTask(0.5 * inputs, Targets(2, labels=labels), seed, groups),
        _settings(**(structure or {})),
        tracking=None if answers is None else Tracking(answers=answers),
    )
    return found, counter.made


@pytest.mark.parametrize("method", STRUCTURE_METHODS)
def test_every_way_trains_no_structure_twice_and_no_more_than_it_may(method, blobs):
    sizes = {"finalists": 1, "iterations": 2, "patience": 9, "method": method}
    found, made = _search(blobs, sizes)
    assert len(made) == len(set(made)) == len(found.structures) <= 5 * 3
    assert list(found.structures) == made
    assert found.method == method
    # What is known is tried first.
    assert made[:2] == [str(BASE.index), str(CHEAP.index)]
    assert all(2 * found.spec(k).n_weights >= found.weights[k] > 0 for k in range(len(made)))
    assert found.two_qubit.max() <= 8


def test_an_unknown_way_is_refused(blobs):
    with pytest.raises(TrainingError, match="method: expected front or swarm or .*, found 'guess'"):
        _search(blobs, {"method": "guess"})


def test_a_space_of_nothing_is_refused(blobs):
    inputs, labels = blobs(2, n=40, n_features=8)
    with pytest.raises(TrainingError, match="expected a structure within the gate budget, found none"):
        search_structure(
            CandidateFactory(BASE, PauliEvaluator, lambda spec: 0.0, native_two_qubit),
            StructureSpace(BASE, max_two_qubit=0),
            SearchTask(inputs, Targets(2, labels=labels), 0),
            _settings(),
        )


def test_the_front_is_what_nothing_beats(blobs):
    found, _ = _search(blobs, {"iterations": 4})
    pairs = list(zip(found.fitness, found.two_qubit, strict=True))
    for k, (loss, gates) in enumerate(pairs):
        beaten = any(a <= loss and b <= gates and (a, b) != (loss, gates) for a, b in pairs)
        assert (k in found.front) == (not beaten)
    assert list(found.two_qubit[found.front]) == sorted(found.two_qubit[found.front])


def test_what_is_reported_belongs_together(blobs):
    found, _ = _search(blobs, {"finalists": 2, "resolution": 0.0})
    assert found.history[0] == found.fitness[found.trail[0][found.trail[0] >= 0]].min()
    assert len(found.history) == len(found.trail)
    assert found.history[-1] == found.fitness.min()
    assert list(found.history) == sorted(found.history, reverse=True)
    assert found.finalists[0] == int(np.argmin(found.fitness))
    winner = [found.structures[k] for k in found.finalists].index(found.winner)
    assert found.final_fitness[winner] == min(found.final_fitness)
    for k, (count, weights) in enumerate(zip(found.two_qubit, found.weights, strict=True)):
        spec = found.spec(k)
        assert (count, weights) == (native_two_qubit(spec), spec.n_weights)


def test_a_high_price_makes_the_cheapest_structure_win(blobs):
    price = {"price": 1e3, "particles": 8, "finalists": 2}
    found, _ = _search(blobs, price, price=lambda spec: -float(native_two_qubit(spec)))
    assert native_two_qubit(searched_spec(BASE, found)) == found.two_qubit.min()
    np.testing.assert_allclose(found.prices, 1e3 * found.two_qubit)


def test_the_base_may_be_a_finalist_in_any_case(blobs):
    own = {"own": True, "presets": False, "iterations": 0, "finalists": 1}
    found, _ = _search(blobs, own)
    base = str(BASE.index)
    assert [found.structures[k] for k in found.finalists[1:]] in ([base], [])
    assert base in found.structures
    assert len(found.final_fitness) == len(found.finalists)
    without, _ = _search(blobs, {**own, "own": False})
    assert base not in without.structures


def test_more_known_structures_than_a_batch_are_all_tried_and_the_best_begin(blobs):
    largest, smaller = preset_sizes(BASE, lambda spec: native_two_qubit(spec) <= 8)
    others = tuple(spec for spec in (*largest, *smaller) if spec not in (BASE, CHEAP))[:2]
    inputs, labels = blobs(2, n=40, n_features=8)
    searches = [
        search_structure(
            CandidateFactory(BASE, PauliEvaluator, lambda spec: 0.0, native_two_qubit),
            _space(known=(CHEAP,), smaller=others),
            SearchTask(0.5 * inputs, Targets(2, labels=labels), 0),
            _settings(particles=3, iterations=iterations, finalists=1),
        )
        for iterations in (0, 3)
    ]
    known = [str(spec.index) for spec in (BASE, CHEAP, *others)]
    assert len(others) == 2
    short, longer = searches
    # Without further batches the first one holds what it can.
    assert list(short.structures) == known[:3]
    assert list(longer.structures[:4]) == known
    assert longer.trail[0][0] == np.argmin(longer.fitness[:4])


def test_finalists_go_down_the_front_and_known_structures_are_among_them(blobs):
    found, _ = _search(blobs, {"iterations": 4, "finalists": 3})
    steps = found.front[::-1][:3]
    assert list(found.finalists[: len(steps)]) == list(steps)
    assert {str(BASE.index), str(CHEAP.index)} <= {found.structures[k] for k in found.finalists}
    everyone, _ = _search(blobs, {"iterations": 4, "finalists": 99})
    assert sorted(everyone.finalists) == list(range(len(everyone.structures)))
    alone, _ = _search(blobs, {"iterations": 4, "finalists": 1})
    assert len(alone.finalists) == 1
    unknown, _ = _search(blobs, {"iterations": 0, "finalists": 2, "presets": False})
    assert len(unknown.finalists) == 2


def test_finalists_may_be_judged_by_more_parts_than_the_others(blobs):
    sizes = {"iterations": 1, "finalists": 2}
    one, all_parts = (_search(blobs, {**sizes, "final_folds": parts})[0] for parts in (1, 4))
    assert all_parts.finalists == one.finalists
    np.testing.assert_array_equal(all_parts.losses, one.losses)
    assert all_parts.final_fitness != one.final_fitness
    whole = _search(blobs, {**sizes, "folds": 4, "final_folds": 4, "iterations": 0, "particles": 2})[0]
    parts = _search(blobs, {**sizes, "final_folds": 4, "iterations": 0, "particles": 2})[0]
    # Both judge the two known structures; each is trained in full on the same parts from the same starts.
    by_number = [dict(zip(f.finalists, f.final_fitness, strict=True)) for f in (whole, parts)]
    assert by_number[0] == by_number[1]


def test_where_nothing_can_be_told_apart_the_cheapest_structure_or_the_base_wins(blobs):
    everything = {"resolution": 1e9, "particles": 8, "finalists": 2}
    found, _ = _search(blobs, everything)
    assert found.two_qubit[found.structures.index(found.winner)] == found.two_qubit.min()
    own, _ = _search(blobs, {**everything, "own": True}, price=lambda spec: -float(native_two_qubit(spec)))
    assert own.winner == str(BASE.index)


def _candidates(targets=None, *, held=4, resolution=1.0, **lists):
    targets = targets or Targets(2, labels=np.arange(held) % 2)
    inputs = np.random.default_rng(0).normal(size=(targets.n_samples, 8))
    rows = np.arange(targets.n_samples)
    factory = CandidateFactory(BASE, PauliEvaluator, lambda spec: 0.0, native_two_qubit)
    candidates = CandidateEvaluation(
        factory, SearchTask(inputs, targets, 0), [(rows, rows)], _settings(resolution=resolution), AnswerLog()
    )
    for name, values in lists.items():
        setattr(candidates, name, values)
    return candidates


# Two parts: the standard error of a difference is half of what it differs between them.
LOSSES = np.array([0.30, 0.31, 0.33, 0.50])
LEFT_OUT = np.array([[0.30, 0.30], [0.33, 0.29], [0.37, 0.29], [0.50, 0.50]])
COSTS = {
    "prices": [0.0] * 4,
    "two_qubit": [9, 3, 1, 0],
    "specs": [SimpleNamespace(index=k) for k in (1, 2, 3, 4)],
}
OTHERS = [SimpleNamespace(index=k) for k in (3, 1, 2, 0)]


@pytest.mark.parametrize(
    ("resolution", "costs", "incumbent", "order"),
    [
        (1.0, {}, None, [2, 1, 0, 3]),
        (0.6, {}, None, [1, 0, 2, 3]),
        (0.0, {}, None, [0, 1, 2, 3]),
        (1.0, {"two_qubit": [3, 3, 3, 0], "prices": [0.0, -0.001, 0.001, 0.0]}, None, [1, 0, 2, 3]),
        (1.0, {"two_qubit": [3, 3, 3, 0], "specs": OTHERS}, None, [1, 2, 0, 3]),
        (1.0, {}, 0, [0, 2, 1, 3]),
        (1.0, {}, 3, [2, 1, 0, 3]),
    ],
)
def test_of_structures_within_the_error_the_incumbent_then_the_cheapest_comes_first(
    resolution, costs, incumbent, order
):
    candidates = _candidates(resolution=resolution, **{**COSTS, **costs})
    assert candidates.preference(LOSSES, LEFT_OUT, range(4), incumbent) == order


def test_without_parts_to_leave_out_the_fitness_decides():
    candidates = _candidates(held=1, **COSTS)
    assert candidates.preference(LOSSES, np.empty((4, 0)), range(4)) == [0, 1, 2, 3]


def test_preferences_are_positions_among_the_given_structures():
    candidates = _candidates(**COSTS)
    assert candidates.preference(LOSSES[[3, 1]], LEFT_OUT[[3, 1]], [3, 1]) == [1, 0]


def test_the_error_of_a_difference_is_that_of_its_mean():
    first, second = np.random.default_rng(0).normal(size=(2, 30))
    left_out = np.array([[np.delete(values, i).mean() for i in range(30)] for values in (first, second)])
    error = (second - first).std(ddof=1) / np.sqrt(30)
    np.testing.assert_allclose(_paired_error(left_out, 0), [0.0, error])


def test_losses_with_one_sample_left_out_average_to_the_loss():
    candidates = _candidates(held=7)
    candidates.number(CHEAP)
    assert candidates.left_out[0].shape == (7,)
    assert candidates.left_out[0].std() > 0
    np.testing.assert_allclose(candidates.left_out[0].mean(), candidates.losses[0])


@pytest.mark.parametrize(("n", "parts"), [(1, 0), (2, 2), (50, 50), (51, 50), (120, 50)])
def test_every_sample_is_in_one_of_the_parts(n, parts):
    found = _parts(Targets(2, labels=np.zeros(n, dtype=np.int64)))
    assert len(found) == n
    sizes = np.bincount(found[found >= 0])
    assert len(sizes) == parts
    assert sizes.sum() == (n if parts else 0)
    assert not parts or sizes.max() - sizes.min() <= 1


def test_samples_without_labels_are_in_no_part():
    labels = np.array([-1, 0, -1, 1])
    assert list(_parts(Targets(2, labels=labels))) == [-1, 0, -1, 1]
    soft = np.full((4, 2), 0.5)
    assert list(_parts(Targets(2, labels=labels, soft=soft))) == [0, 1, 2, 3]


def test_finalists_are_trained_by_the_factorys_own_training(blobs, tmp_path):
    inputs, labels = blobs(2, n=40, n_features=8)
    trained = []

    def train(spec, inputs, targets, rng):
        trained.append(str(spec.index))
        assert len(inputs) == targets.n_samples == 30
        return np.append(rng.normal(size=spec.n_weights), 1.0)

    def search(answers):
        return search_structure(
            CandidateFactory(BASE, PauliEvaluator, lambda spec: 0.0, native_two_qubit, train),
            _space(known=(CHEAP,)),
            SearchTask(0.5 * inputs, Targets(2, labels=labels), 0),
            _settings(finalists=2),
            tracking=Tracking(answers=answers),
        )

    with AnswerLog(tmp_path / "j") as answers:
        found = search(answers)
    assert trained == [found.structures[k] for k in found.finalists]
    with AnswerLog(tmp_path / "j", resume=True) as answers:
        again = search(answers)
    assert again.final_fitness == found.final_fitness
    assert len(trained) == len(found.finalists)


def test_short_trainings_may_have_an_evaluator_of_their_own(blobs):
    inputs, labels = blobs(2, n=40, n_features=8)
    short, full = _Counter(), _Counter()
    found = search_structure(
        CandidateFactory(BASE, full, lambda spec: 0.0, native_two_qubit, short=short),
        _space(),
        SearchTask(0.5 * inputs, Targets(2, labels=labels), 0),
        _settings(finalists=2),
    )
    assert short.made == list(found.structures)
    assert full.made == [found.structures[k] for k in found.finalists]


@pytest.mark.parametrize("short_noise", [True, False])
def test_short_trainings_on_a_device_are_noisy_or_not(short_noise):
    candidates = device_candidates(BASE, load_backend("ibm_guadalupe"), short_noise=short_noise)
    weights, inputs = np.full(BASE.n_weights, 0.3), np.zeros((1, BASE.n_features))
    noisy = candidates.evaluator(BASE).probabilities(weights, inputs)
    short = (candidates.short or candidates.evaluator)(BASE).probabilities(weights, inputs)
    assert np.allclose(noisy, short, atol=1e-6) == short_noise


def test_finalists_may_have_steps_of_their_own(blobs):
    sizes = {"finalists": 2, "iterations": 0}
    same, longer = (_search(blobs, {**sizes, "full_steps": steps})[0] for steps in (3, 30))
    assert _search(blobs, sizes)[0].final_fitness == same.final_fitness
    assert longer.finalists == same.finalists
    assert longer.final_fitness != same.final_fitness


class _WithoutGradient:
    """An evaluator that gives probabilities and nothing else."""

    def __init__(self, spec):
        self.spec, self.probabilities = spec, PauliEvaluator(spec).probabilities


def test_short_trainings_by_a_swarm_need_no_gradient(blobs):
    inputs, labels = blobs(2, n=40, n_features=8)
    found = search_structure(
        CandidateFactory(BASE, _WithoutGradient, lambda spec: 0.0, native_two_qubit),
        _space(known=(CHEAP,)),
        SearchTask(0.5 * inputs, Targets(2, labels=labels), 0),
        _settings(starts=3, moves=2, steps=0, finalists=1),
    )
    assert found.evaluations == len(found.structures) * 3 * (1 + 2)


def test_one_seed_gives_one_search(blobs):
    first, again, other = (_search(blobs, seed=seed)[0] for seed in (1, 1, 2))
    assert first.structures == again.structures
    np.testing.assert_array_equal(first.losses, again.losses)
    assert first.structures != other.structures


def test_resumes_to_the_identical_search(blobs, tmp_path, keep_answers):
    path = tmp_path / "j"
    with AnswerLog(path) as answers:
        whole, _ = _search(blobs, answers=answers)
    keep_answers(path, 0.5)
    with AnswerLog(path, resume=True) as answers:
        again, made = _search(blobs, answers=answers)
    assert answers.replayed > 0 < answers.computed
    assert again.winner == whole.winner
    assert again.final_fitness == whole.final_fitness
    np.testing.assert_array_equal(again.losses, whole.losses)
    assert set(made) < set(whole.structures) or len(made) < len(whole.structures) + 2


def test_copies_are_held_back_with_their_original(blobs):
    groups = np.tile(np.arange(10), 3)
    task = SearchTask(np.zeros((30, 1)), Targets(2, labels=groups % 2), 0, groups)
    ((train, held),) = _split(task, 0.3, 1)
    assert len(held) == 3
    assert (held < 10).all()
    assert not set(groups[train]) & set(groups[held])
    assert len(train) == 21
    found, _ = _search(blobs, groups=np.tile(np.arange(20), 2))
    assert len(found.structures)


@pytest.mark.parametrize("folds", [2, 3, 20])
def test_each_original_is_held_back_once(folds):
    groups = np.tile(np.arange(10), 3)
    task = SearchTask(np.zeros((30, 1)), Targets(2, labels=groups % 2), 0, groups)
    pairs = _split(task, 0.3, folds)
    assert len(pairs) == min(folds, 10)
    assert sorted(np.concatenate([held for _, held in pairs])) == list(range(10))
    for train, held in pairs:
        assert not set(groups[train]) & set(groups[held])
        assert len(train) == 3 * (10 - len(held))


def test_the_best_logit_scale_is_where_the_loss_is_lowest():
    rng = np.random.default_rng(0)
    labels = rng.integers(2, size=60)
    probabilities = 0.5 + 0.1 * (np.eye(2)[labels] - 0.5) + 0.05 * rng.normal(size=(60, 2))
    targets = Targets(2, labels=labels)
    found = minimize_scalar(
        lambda scale: targets.values(probabilities[None], np.array([scale]))[0],
        bounds=LOG_SCALE_BOUNDS,
        method="bounded",
    )
    assert best_log_scale(targets, probabilities) == pytest.approx(found.x, abs=0.06)


def test_structures_are_judged_at_the_best_logit_scale_not_at_the_trained_one():
    targets, rows = Targets(2, labels=np.arange(8) % 2), np.arange(8)
    rng = np.random.default_rng(0)
    inputs, weights = rng.normal(size=(8, 8)), rng.normal(size=CHEAP.n_weights)
    (fold,), evaluator = _made_folds(inputs, targets, [(rows, rows)], 8), PauliEvaluator(CHEAP)
    losses = [fold.judge(evaluator, np.append(weights, scale))[0] for scale in (0.0, 3.0)]
    assert losses[0] == losses[1]
    probabilities = evaluator.probabilities(weights, inputs)
    scales = np.linspace(*LOG_SCALE_BOUNDS, 500)
    lowest = targets.values(np.repeat(probabilities[None], 500, axis=0), scales).min()
    assert losses[0] == pytest.approx(lowest, abs=2e-3)


def test_losses_of_folds_are_averaged():
    targets, rows = Targets(2, labels=np.arange(8) % 2), np.arange(8)
    inputs = np.random.default_rng(0).normal(size=(8, 8))
    factory = CandidateFactory(BASE, PauliEvaluator, lambda spec: 0.0, native_two_qubit)
    halves = [(rows[:4], rows[4:]), (rows[4:], rows[:4])]
    both, *single = (
        CandidateEvaluation(factory, SearchTask(inputs, targets, 0), folds, _settings(), AnswerLog())
        for folds in (halves, halves[:1], halves[1:])
    )
    for candidates in (both, *single):
        candidates.number(CHEAP)
    assert both.losses[0] == pytest.approx(np.mean([one.losses[0] for one in single]))
    # A sample stands in one fold: leaving it out moves the mean by half of what it moves that fold.
    second, first = (one.left_out[0] for one in single)
    expected = [(first + single[0].losses[0]) / 2, (second + single[1].losses[0]) / 2]
    np.testing.assert_allclose(both.left_out[0], np.concatenate(expected))
    assert both.evaluations == sum(one.evaluations for one in single)
    full = both.full(0, Tracking())[0]
    assert full < both.losses[0] + 1


def test_a_sample_that_judges_twice_is_left_out_of_both_folds():
    """Judged twice by the same samples, a difference is no surer than judged once."""
    targets, rows = Targets(2, labels=np.arange(12) % 2), np.arange(12)
    inputs = np.random.default_rng(0).normal(size=(12, 8))
    factory = CandidateFactory(BASE, PauliEvaluator, lambda spec: 0.0, native_two_qubit)
    once, twice = (
        CandidateEvaluation(factory, SearchTask(inputs, targets, 0), folds, _settings(), AnswerLog())
        for folds in ([(rows, rows)], [(rows, rows), (rows, rows[::-1])])
    )
    errors = []
    for candidates in (once, twice):
        # No step is made, so that every training ends where the best start stands.
        candidates._settings = _settings(steps=0, starts=1)
        for spec in (BASE, CHEAP):
            candidates.number(spec)
        errors.append(_paired_error(np.stack(candidates.left_out), 0)[1])
    assert errors[0] > 0
    assert errors[1] == pytest.approx(errors[0])


def test_finalists_are_judged_again_by_other_parts(blobs):
    sizes = {"iterations": 0, "finalists": 2, "final_folds": 2}
    once, twice = (_search(blobs, {**sizes, "final_repeats": n})[0] for n in (1, 2))
    assert once.finalists == twice.finalists
    assert once.final_fitness != twice.final_fitness
    alone = _search(blobs, {"iterations": 0, "finalists": 2, "final_repeats": 2})[0]
    assert alone.final_fitness != twice.final_fitness
    task = SearchTask(np.zeros((9, 1)), Targets(2, labels=np.arange(9) % 2), 0)
    splits = _split(task, 0.25, 3, repeats=2)
    assert [sorted(np.concatenate([held for _, held in part])) for part in (splits[:3], splits[3:])] == [
        list(range(9))
    ] * 2
    assert [list(held) for _, held in splits[:3]] != [list(held) for _, held in splits[3:]]
    assert [tuple(map(list, pair)) for pair in splits[:3]] == [
        tuple(map(list, pair)) for pair in _split(task, 0.25, 3)
    ]


def test_finalists_are_judged_in_every_fold(blobs):
    found, made = _search(blobs, {"folds": 3, "final_folds": 3, "finalists": 2, "presets": False})
    assert len(found.final_fitness) == 2
    # One evaluator serves all folds.
    assert len(made) == len(found.structures) + 2


def test_too_few_samples_and_wrong_groups(blobs):
    with pytest.raises(TrainingError, match="at least 2 different samples, found 1"):
        _search(blobs, groups=np.zeros(40, dtype=np.int64))
    with pytest.raises(TrainingError, match="expected 40 groups"):
        _search(blobs, groups=np.zeros(3, dtype=np.int64))


@pytest.mark.parametrize("noise", [True, False])
def test_a_search_on_a_device_stays_within_the_native_gates_of_its_base(blobs, noise):
    inputs, labels = blobs(2, n=40, n_features=8)
    device = load_backend("ibm_guadalupe")
    base = VQCNNSpec(4, plan="conv, edge, conv", kernels="two_cx", sharing="site")
    candidates = device_candidates(base, device, noise=noise)
    found = search_structure(
        candidates,
        StructureSpace(base, candidates.two_qubit),
        SearchTask(0.5 * inputs, Targets(2, labels=labels), 4),
        _settings(particles=3, iterations=1, samples=20, starts=2, steps=2),
    )
    spec = searched_spec(base, found)
    assert VQCNNSpec.from_index(spec.index) == spec
    counted = transpile_verified(spec, device).circuit.count_ops()[device.two_qubit_gate]
    position = found.structures.index(found.winner)
    assert counted <= found.two_qubit[position] <= 12
    assert transpile_verified(base, device).circuit.count_ops()[device.two_qubit_gate] == 12
    assert (found.prices[position] > 0) == noise


@pytest.mark.parametrize(("outcomes", "same"), [(2, True), (3, False), (9, False)])
def test_what_was_found_serves_other_outcomes_where_enough_qubits_survive(outcomes, same):
    found = VQCNNSpec(4, plan="conv, edge, conv", kernels=("one_cx", "su4", "two_cx"), measured=[2])
    base = VQCNNSpec(4, plan="3*conv", n_outcomes=outcomes)
    spec = searched_spec(base, SimpleNamespace(winner=str(found.index)))
    assert spec.n_outcomes == outcomes
    assert (spec == found) == same
    assert (spec.kernels == found.kernels) == (outcomes < 9)
    assert (spec == base) == (outcomes == 9)


def test_what_was_found_serves_other_outcomes_only_within_their_gates():
    found = VQCNNSpec(4, plan="2*conv", kernels="su4")
    small = VQCNNSpec(4, plan="conv", kernels="su4", n_outcomes=3)
    assert searched_spec(small, SimpleNamespace(winner=str(found.index))) == small


def test_noise_makes_circuits_noisy_and_costs():
    device = load_backend("ibm_guadalupe")
    spec = VQCNNSpec(4, plan="conv, edge, conv", kernels="two_cx", sharing="site")
    noisy, ideal = (device_candidates(spec, device, noise=noise) for noise in (True, False))
    assert ideal.log_success(spec) == 0.0
    cheap = VQCNNSpec(4, plan="conv, edge, conv", kernels="RY0 CX01", sharing="site")
    assert noisy.log_success(spec) < noisy.log_success(cheap) < 0
    assert noisy.two_qubit(cheap) < noisy.two_qubit(spec)
    assert ideal.two_qubit(cheap) == noisy.two_qubit(cheap)
    weights, inputs = np.full(spec.n_weights, 0.3), np.zeros((2, spec.n_features))
    truth = PauliEvaluator(spec).probabilities(weights, inputs)
    np.testing.assert_allclose(ideal.evaluator(spec).probabilities(weights, inputs), truth)
    assert np.abs(noisy.evaluator(spec).probabilities(weights, inputs) - truth).max() > 1e-3
