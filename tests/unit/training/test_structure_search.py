import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qkd_qiskit.config import StructureSettings, TrainingSettings
from qkd_qiskit.errors import TrainingError
from qkd_qiskit.hardware import load_backend, transpile_verified
from qkd_qiskit.simulation import PauliEvaluator
from qkd_qiskit.store import AnswerLog
from qkd_qiskit.training import (
    CandidateFactory,
    KernelSpace,
    SearchTask,
    Targets,
    Tracking,
    device_candidates,
    native_cost,
    search_structure,
    searched_spec,
)
from qkd_qiskit.training.candidates import CandidateEvaluation, _all_but_one_part, _paired_error
from qkd_qiskit.vqcnn import PRESETS, Kernel, VQCNNSpec, native_two_qubit

BASE = VQCNNSpec(4, plan="conv, edge, conv", kernels="one_cx", sharing="site")


def _settings(**structure):
    sizes = {"enabled": True, "particles": 5, "iterations": 2, "samples": 20, "starts": 2, "steps": 2}
    return TrainingSettings(
        particles=2, iterations=0, refine=3, structure=StructureSettings(**{**sizes, **structure})
    )


@pytest.mark.parametrize("name", PRESETS)
def test_presets_survive_the_way_through_positions(name):
    kernel = PRESETS[name]
    space = KernelSpace(len(kernel.genes), native_cost(kernel))
    assert space.decode(space.encode(kernel)) == kernel.canonical()


@given(
    position=st.lists(st.floats(0, 1, exclude_max=True), min_size=8, max_size=8),
    limit=st.integers(1, 4),
)
@settings(max_examples=60)
def test_decoded_kernels_are_canonical_and_within_the_limit(position, limit):
    space = KernelSpace(4, limit)
    kernel = space.decode(np.array(position) * space.box.upper)
    if kernel is not None:
        assert kernel.canonical() == kernel
        assert native_cost(kernel) <= limit
        assert space.holds(kernel)
        assert kernel.n_parameters >= 1
        assert kernel.n_two_qubit >= 1
        assert space.decode(space.encode(kernel)) == kernel


def test_the_upper_bound_itself_can_be_decoded():
    space = KernelSpace(2, 2)
    assert space.decode(space.box.upper) == Kernel.from_string("CRZ10")


@pytest.mark.parametrize(
    ("text", "cost"), [("X0 RZ1", 0), ("CX01 CZ10", 2), ("CRX01", 2), ("CRZ10 CY01 RX0", 3)]
)
def test_controlled_rotations_cost_two(text, cost):
    assert native_cost(Kernel.from_string(text)) == cost


def test_strings_that_cannot_be_trained_are_none():
    space = KernelSpace(3, 1)
    for text in ("X0 Y1 I0", "RX0 RY0 RZ1", "CX01 X0 I0"):
        assert space.decode(space.encode(Kernel.from_string(text))) is None


def test_spaces_that_hold_nothing_and_kernels_that_do_not_fit():
    with pytest.raises(TrainingError, match="at least 2 genes and 1 two-qubit gate"):
        KernelSpace(2, 0)
    with pytest.raises(TrainingError, match="at most 4 genes and 2 native two-qubit gates .*found 18"):
        KernelSpace(4, 2).encode(PRESETS["su4"])


@pytest.mark.parametrize("n", [0, 1, 2, 5])
def test_presets_that_fit_come_first(n):
    space = KernelSpace(8, 2)
    starts = space.starts(n, presets=True, rng=np.random.default_rng(0))
    assert starts.shape == (n, 16)
    fitting = [PRESETS["two_cx"].canonical(), PRESETS["one_cx"].canonical()]
    assert [space.decode(row) for row in starts[:2]] == fitting[:n]


class _Counter:
    """Evaluators of structures, and which were made."""

    def __init__(self):
        self.made = []

    def __call__(self, spec):
        self.made.append(str(spec.kernels[0]))
        return PauliEvaluator(spec)


def _search(blobs, structure=None, *, seed=0, price=lambda spec: 0.0, answers=None, groups=None, n=40):
    inputs, labels = blobs(2, n=n, n_features=8)
    counter = _Counter()
    found = search_structure(
        CandidateFactory(BASE, counter, price, native_two_qubit),
        KernelSpace(5, 2),
        SearchTask(0.5 * inputs, Targets(2, labels=labels), seed, groups),
        _settings(**(structure or {})),
        tracking=None if answers is None else Tracking(answers=answers),
    )
    return found, counter.made


def test_no_canonical_kernel_is_trained_twice(blobs):
    found, made = _search(blobs, {"finalists": 1, "iterations": 6, "patience": 6})
    assert len(made) == len(set(made)) == len(found.kernels)
    assert found.reused == (found.trail >= 0).sum() - len(made)
    kernels = [Kernel.from_string(text) for text in found.kernels]
    assert [kernel.canonical() for kernel in kernels] == kernels


def test_what_is_reported_belongs_together(blobs):
    found, _ = _search(blobs, {"finalists": 2, "resolution": 0.0})
    assert found.history[0] == found.fitness[found.trail[0][found.trail[0] >= 0]].min()
    assert found.history[-1] == found.fitness.min()
    assert list(found.history) == sorted(found.history, reverse=True)
    assert [found.fitness[k] for k in found.finalists] == sorted(found.fitness)[: len(found.finalists)]
    assert found.winner == found.kernels[found.finalists[int(np.argmin(found.final_fitness))]]
    for text, count, weights in zip(found.kernels, found.two_qubit, found.weights, strict=True):
        spec = VQCNNSpec(4, plan=BASE.plan, kernels=text, sharing="site")
        assert (count, weights) == (native_two_qubit(spec), spec.n_weights)


def test_a_high_price_makes_the_cheapest_kernel_win(blobs):
    price = {"price": 1e3, "particles": 8, "finalists": 2}
    found, _ = _search(blobs, price, price=lambda spec: -float(native_two_qubit(spec)))
    winner = VQCNNSpec(4, plan=BASE.plan, kernels=found.winner, sharing="site")
    assert native_two_qubit(winner) == found.two_qubit.min()
    np.testing.assert_allclose(found.prices, 1e3 * found.two_qubit)


def test_the_bases_own_kernel_may_be_a_finalist_in_any_case(blobs):
    own = {"own": True, "presets": False, "iterations": 0, "finalists": 1}
    found, _ = _search(blobs, own)
    kernel = str(BASE.kernels[0].canonical())
    assert [found.kernels[k] for k in found.finalists[1:]] in ([kernel], [])
    assert kernel in found.kernels
    assert len(found.final_fitness) == len(found.finalists)
    without, _ = _search(blobs, {**own, "own": False})
    assert kernel not in without.kernels
    assert found.reused == without.reused


def test_where_nothing_can_be_told_apart_the_cheapest_kernel_or_the_bases_own_one_wins(blobs):
    everything = {"resolution": 1e9, "particles": 8, "finalists": 2}
    found, _ = _search(blobs, everything)
    assert found.two_qubit[found.kernels.index(found.winner)] == found.two_qubit.min()
    own, _ = _search(blobs, {**everything, "own": True}, price=lambda spec: -float(native_two_qubit(spec)))
    assert own.winner == str(BASE.kernels[0].canonical())


def _candidates(targets=None, *, held=4, resolution=1.0, **lists):
    targets = targets or Targets(2, labels=np.arange(held) % 2)
    inputs = np.random.default_rng(0).normal(size=(targets.n_samples, 8))
    rows = np.arange(targets.n_samples)
    factory = CandidateFactory(BASE, PauliEvaluator, lambda spec: 0.0, native_two_qubit)
    candidates = CandidateEvaluation(
        factory, SearchTask(inputs, targets, 0), rows, rows, _settings(resolution=resolution), AnswerLog()
    )
    for name, values in lists.items():
        setattr(candidates, name, values)
    return candidates


# Two parts: the standard error of a difference is half of what it differs between them.
LOSSES = np.array([0.30, 0.31, 0.33, 0.50])
LEFT_OUT = np.array([[0.30, 0.30], [0.33, 0.29], [0.37, 0.29], [0.50, 0.50]])
COSTS = {"prices": [0.0] * 4, "two_qubit": [9, 3, 1, 0], "indices": [1, 2, 3, 4]}


@pytest.mark.parametrize(
    ("resolution", "costs", "incumbent", "order"),
    [
        (1.0, {}, None, [2, 1, 0, 3]),
        (0.6, {}, None, [1, 0, 2, 3]),
        (0.0, {}, None, [0, 1, 2, 3]),
        (1.0, {"two_qubit": [3, 3, 3, 0], "prices": [0.0, -0.001, 0.001, 0.0]}, None, [1, 0, 2, 3]),
        (1.0, {"two_qubit": [3, 3, 3, 0], "indices": [3, 1, 2, 0]}, None, [1, 2, 0, 3]),
        (1.0, {}, 0, [0, 2, 1, 3]),
        (1.0, {}, 3, [2, 1, 0, 3]),
    ],
)
def test_of_kernels_within_the_error_the_incumbent_then_the_cheapest_comes_first(
    resolution, costs, incumbent, order
):
    candidates = _candidates(resolution=resolution, **{**COSTS, **costs})
    assert candidates.preference(LOSSES, LEFT_OUT, range(4), incumbent) == order


def test_without_parts_to_leave_out_the_fitness_decides():
    candidates = _candidates(held=1, **COSTS)
    assert candidates.preference(LOSSES, np.empty((4, 0)), range(4)) == [0, 1, 2, 3]


def test_preferences_are_positions_among_the_given_kernels():
    candidates = _candidates(**COSTS)
    assert candidates.preference(LOSSES[[3, 1]], LEFT_OUT[[3, 1]], [3, 1]) == [1, 0]


def test_the_error_of_a_difference_is_that_of_its_mean():
    first, second = np.random.default_rng(0).normal(size=(2, 30))
    left_out = np.array([[np.delete(values, i).mean() for i in range(30)] for values in (first, second)])
    error = (second - first).std(ddof=1) / np.sqrt(30)
    np.testing.assert_allclose(_paired_error(left_out, 0), [0.0, error])


def test_losses_with_one_sample_left_out_average_to_the_loss():
    candidates = _candidates(held=7)
    candidates.number(Kernel.from_string("CX01 RY1"))
    assert candidates.left_out[0].shape == (7,)
    assert candidates.left_out[0].std() > 0
    np.testing.assert_allclose(candidates.left_out[0].mean(), candidates.losses[0])


@pytest.mark.parametrize(("n", "parts"), [(1, 0), (2, 2), (50, 50), (51, 50), (120, 50)])
def test_every_sample_is_left_out_once(n, parts):
    kept = _all_but_one_part(Targets(2, labels=np.zeros(n, dtype=np.int64)))
    assert len(kept) == parts
    out = [np.setdiff1d(np.arange(n), rest) for rest in kept]
    assert sorted(np.concatenate(out)) == list(range(n)) if parts else not out


def test_samples_without_labels_are_not_left_out():
    labels = np.array([-1, 0, -1, 1])
    assert [list(rest) for rest in _all_but_one_part(Targets(2, labels=labels))] == [[3], [1]]
    soft = np.full((4, 2), 0.5)
    assert len(_all_but_one_part(Targets(2, labels=labels, soft=soft))) == 4


def test_finalists_are_trained_by_the_factorys_own_training(blobs, tmp_path):
    inputs, labels = blobs(2, n=40, n_features=8)
    trained = []

    def train(spec, inputs, targets, rng):
        trained.append(str(spec.kernels[0]))
        assert len(inputs) == targets.n_samples == 30
        return np.append(rng.normal(size=spec.n_weights), 1.0)

    def search(answers):
        return search_structure(
            CandidateFactory(BASE, PauliEvaluator, lambda spec: 0.0, native_two_qubit, train),
            KernelSpace(5, 2),
            SearchTask(0.5 * inputs, Targets(2, labels=labels), 0),
            _settings(finalists=2),
            tracking=Tracking(answers=answers),
        )

    with AnswerLog(tmp_path / "j") as answers:
        found = search(answers)
    assert trained == [found.kernels[k] for k in found.finalists]
    with AnswerLog(tmp_path / "j", resume=True) as answers:
        again = search(answers)
    assert again.final_fitness == found.final_fitness
    assert len(trained) == 2


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
        KernelSpace(5, 2),
        SearchTask(0.5 * inputs, Targets(2, labels=labels), 0),
        _settings(starts=3, moves=2, steps=0, finalists=1),
    )
    assert found.evaluations == len(found.kernels) * 3 * (1 + 2)


def test_one_seed_gives_one_search(blobs):
    first, again, other = (_search(blobs, seed=seed)[0] for seed in (1, 1, 2))
    assert first.kernels == again.kernels
    np.testing.assert_array_equal(first.losses, again.losses)
    assert first.kernels != other.kernels


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
    assert set(made) < set(whole.kernels) or len(made) < len(whole.kernels) + 2


def test_copies_are_held_back_with_their_original(blobs):
    from qkd_qiskit.training.structure_search import _split

    groups = np.tile(np.arange(10), 3)
    task = SearchTask(np.zeros((30, 1)), Targets(2, labels=groups % 2), 0, groups)
    train, held = _split(task, 0.3)
    assert len(held) == 3
    assert (held < 10).all()
    assert not set(groups[train]) & set(groups[held])
    assert len(train) == 21
    found, _ = _search(blobs, groups=np.tile(np.arange(20), 2))
    assert len(found.kernels)


def test_too_few_samples_and_wrong_groups(blobs):
    with pytest.raises(TrainingError, match="at least 2 different samples, found 1"):
        _search(blobs, groups=np.zeros(40, dtype=np.int64))
    with pytest.raises(TrainingError, match="expected 40 groups"):
        _search(blobs, groups=np.zeros(3, dtype=np.int64))


def test_a_kernel_grants_its_genes_and_native_gates():
    kernel = PRESETS["two_cx"]
    space = KernelSpace.of_kernel(kernel)
    assert (space.n_genes, space.max_two_qubit) == (len(kernel.genes), native_cost(kernel))


@pytest.mark.parametrize("noise", [True, False])
def test_a_search_on_a_device_stays_within_the_native_gates_of_its_base(blobs, noise):
    inputs, labels = blobs(2, n=40, n_features=8)
    device = load_backend("ibm_guadalupe")
    base = VQCNNSpec(4, plan="conv, edge, conv", kernels="two_cx", sharing="site")
    found = search_structure(
        device_candidates(base, device, noise=noise),
        KernelSpace.of_kernel(base.kernels[0]),
        SearchTask(0.5 * inputs, Targets(2, labels=labels), 4),
        _settings(particles=3, iterations=1, samples=20, starts=2, steps=2),
    )
    spec = searched_spec(base, found)
    assert VQCNNSpec.from_index(spec.index) == spec
    assert spec.plan == base.plan
    assert str(spec.kernels[0]) == found.winner
    counted = transpile_verified(spec, device).circuit.count_ops()[device.two_qubit_gate]
    assert counted <= transpile_verified(base, device).circuit.count_ops()[device.two_qubit_gate]
    position = found.kernels.index(found.winner)
    assert found.two_qubit[position] == counted
    assert (found.prices[position] > 0) == noise


def test_noise_makes_circuits_noisy_and_costs():
    device = load_backend("ibm_guadalupe")
    spec = VQCNNSpec(4, plan="conv, edge, conv", kernels="two_cx", sharing="site")
    noisy, ideal = (device_candidates(spec, device, noise=noise) for noise in (True, False))
    assert ideal.log_success(spec) == 0.0
    cheap = noisy.spec(Kernel.from_string("RY0 CX01"))
    assert noisy.log_success(spec) < noisy.log_success(cheap) < 0
    assert noisy.two_qubit(cheap) < noisy.two_qubit(spec)
    assert ideal.two_qubit(cheap) == noisy.two_qubit(cheap)
    weights, inputs = np.full(spec.n_weights, 0.3), np.zeros((2, spec.n_features))
    truth = PauliEvaluator(spec).probabilities(weights, inputs)
    np.testing.assert_allclose(ideal.evaluator(spec).probabilities(weights, inputs), truth)
    assert np.abs(noisy.evaluator(spec).probabilities(weights, inputs) - truth).max() > 1e-3
