from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from qkd_qiskit.errors import TrainingError
from qkd_qiskit.hardware import load_backend, transpile_verified
from qkd_qiskit.simulation import PauliEvaluator
from qkd_qiskit.store import AnswerLog
from qkd_qiskit.training import CooperativeSwarm, Objective, Starts, Targets, random_params
from qkd_qiskit.vqcnn import VQCNNSpec

QUICK = CooperativeSwarm(sweeps=2, particles=8, iterations=6)


@pytest.fixture
def circuit(blobs):
    """A small circuit's objective, anew at each call."""

    def make(sharing="site", answers=None, n_classes=2, device=None):
        spec = VQCNNSpec(4, plan="conv, edge, conv", kernels="two_cx", sharing=sharing, n_outcomes=n_classes)
        inputs, labels = blobs(n_classes, n=40, n_features=8)
        evaluator = PauliEvaluator(spec)
        if device is not None:
            backend = load_backend(device)
            evaluator = PauliEvaluator(transpile_verified(spec, backend), backend.noise_model)
        return Objective(evaluator, 0.5 * inputs, Targets(n_classes, labels=labels), l2=0.01, answers=answers)

    return make


def _run(objective, start, search=QUICK, seed=0):
    starts = Starts(start[None], np.zeros(1))
    return search.run(objective, starts, rng=np.random.default_rng(seed))


def _start(objective, seed=0):
    return random_params(1, objective.n_params - 1, rng=np.random.default_rng(seed))[0]


@pytest.mark.parametrize("sharing", ["site", "layer"])
@pytest.mark.parametrize(("n_classes", "device"), [(2, None), (4, None), (2, "ibm_guadalupe")])
def test_lowers_the_loss_and_reports_it_truly(circuit, sharing, n_classes, device):
    objective = circuit(sharing, n_classes=n_classes, device=device)
    start = _start(objective)
    result = _run(objective, start, seed=1)
    assert list(result.history) == sorted(result.history, reverse=True)
    assert result.history[0] == pytest.approx(objective.values(start[None])[0])
    assert result.value < 0.9 * result.history[0]
    assert objective.values(result.params[None])[0] == pytest.approx(result.value, abs=1e-9)
    assert objective.gradients == 0


def test_works_without_environments(make_toy, blobs):
    inputs, labels = blobs(2)
    toy = make_toy(4, 2)
    toy.spec.blocks = tuple(SimpleNamespace(weights=(k, k + 1)) for k in range(0, toy.n_weights, 2))
    objective = Objective(toy, inputs, Targets(2, labels=labels))
    result = _run(objective, np.zeros(9))
    assert result.value < 0.5 * result.history[0]
    assert len(result.history) in (1 + 4, 1 + 2 * 4)


def test_one_seed_gives_one_result(circuit):
    def run(seed):
        objective = circuit()
        return _run(objective, _start(objective), seed=seed).params

    np.testing.assert_array_equal(run(1), run(1))
    assert (run(1) != run(2)).any()


@pytest.mark.parametrize("sharing", ["site", "layer"])
@pytest.mark.parametrize("kept", [0.0, 0.4, 1.0])
def test_resumes_to_the_identical_result(circuit, tmp_path, keep_answers, sharing, kept):
    path = tmp_path / "j"

    def run(resume):
        with AnswerLog(path, resume=resume) as answers:
            objective = circuit(sharing, answers)
            found = _run(objective, _start(objective), seed=3)
        return found, objective.evaluations, answers

    whole, evaluations, _ = run(False)
    keep_answers(path, kept)
    again, repeated, answers = run(True)
    np.testing.assert_array_equal(again.params, whole.params)
    assert again.history == whole.history
    assert repeated == evaluations
    assert (answers.replayed > 0) == (kept > 0)
    assert (answers.computed == 0) == (kept == 1)


def test_zero_sweeps_return_the_start(circuit):
    objective = circuit()
    start = _start(objective)
    result = _run(objective, start, CooperativeSwarm(sweeps=0))
    np.testing.assert_array_equal(result.params, start)
    assert len(result.history) == 1


def test_stops_when_a_sweep_brings_nothing(circuit):
    objective = circuit()
    greedy = CooperativeSwarm(sweeps=9, particles=4, iterations=1, tolerance=1.0)
    result = _run(objective, _start(objective), greedy)
    assert len(result.history) == 1 + len(objective.evaluator.spec.blocks)


def test_a_reason_to_stop_ends_the_search(circuit):
    objective, calls = circuit(), []
    search = replace(QUICK, stop=lambda: len(calls) > 2 or calls.append(1))
    assert len(_run(objective, _start(objective), search).history) == 3


def test_bad_starts_are_errors(circuit):
    objective = circuit()
    with pytest.raises(TrainingError, match="found shape \\(3,\\)"):
        _run(objective, np.zeros(3))
    objective.values = lambda params: np.array([np.nan])
    with pytest.raises(TrainingError, match="finite loss at the start"):
        _run(objective, _start(objective))
