from types import SimpleNamespace

import numpy as np
import pytest

from qkd_qiskit.config import TrainingSettings
from qkd_qiskit.errors import TrainingError
from qkd_qiskit.simulation import PauliEvaluator
from qkd_qiskit.store import AnswerLog
from qkd_qiskit.training import (
    Targets,
    Tracking,
    outcome_probabilities,
    random_params,
    train_model,
    weight_period,
)
from qkd_qiskit.training.optimizer import OptimizerResult
from qkd_qiskit.training.optimizers import OPTIMIZERS, make_optimizer
from qkd_qiskit.vqcnn import VQCNNSpec

SMALL = TrainingSettings(method="global", particles=6, iterations=8, patience=8, refine=25)


class Listener:
    def __init__(self):
        self.steps = {}
        self.finished = []

    def start(self, label, total=None):
        self.steps[label] = [total, 0]

    def advance(self, label, n=1):
        self.steps[label][1] += n

    def done(self, label):
        self.finished.append(label)


@pytest.mark.parametrize("n_classes", [2, 3, 4])
def test_learns_separable_classes(make_toy, blobs, n_classes):
    inputs, labels = blobs(n_classes)
    toy = make_toy(4, n_classes)
    model = train_model(toy, inputs, Targets(n_classes, labels=labels), SMALL, rng=np.random.default_rng(0))
    assert (model.predict(toy, inputs) == labels).mean() > 0.95
    assert model.loss <= model.loss_swarm <= model.loss_start
    assert model.swarm_history[0] == model.loss_start
    assert model.swarm_history[-1] == model.loss_swarm
    assert model.refine_history[0] == pytest.approx(model.loss_swarm)
    assert model.logit_scale > 0
    assert model.weights.shape == (toy.n_weights,)


@pytest.mark.parametrize(("iterations", "refine"), [(0, 0), (3, 0), (0, 4)])
def test_phases_can_be_left_out(make_toy, blobs, iterations, refine):
    inputs, labels = blobs(2)
    settings = TrainingSettings(method="global", particles=2, iterations=iterations, refine=refine)
    model = train_model(
        make_toy(4, 2), inputs, Targets(2, labels=labels), settings, rng=np.random.default_rng(0)
    )
    assert (len(model.refine_history) == 0) == (refine == 0)
    assert model.evaluations == 4 * 2 + 2 * (len(model.swarm_history) - 1) + model.gradients


def test_one_seed_gives_one_model(make_toy, blobs):
    inputs, labels = blobs(2)

    def train(seed):
        rng = np.random.default_rng(seed)
        return train_model(make_toy(4, 2), inputs, Targets(2, labels=labels), SMALL, rng=rng).params

    np.testing.assert_array_equal(train(1), train(1))
    assert (train(1) != train(2)).any()


def test_one_class_with_reject_outcome(make_toy, blobs):
    inputs, labels = blobs(3)
    toy = make_toy(4, 2)
    outcome = np.where(labels == 0, 0, 1)
    model = train_model(
        toy, inputs, Targets(2, labels=outcome, reject=True), SMALL, rng=np.random.default_rng(0)
    )
    assert model.n_classes == 1
    assert (model.predict(toy, inputs) == 0).all()
    np.testing.assert_array_equal(model.class_probabilities(toy, inputs), np.ones((len(inputs), 1)))
    rejected = model.outcome_probabilities(toy, inputs)[:, 1]
    assert rejected[labels != 0].mean() > 0.9 > 0.1 > rejected[labels == 0].mean()


def test_probabilities_renormalize_over_classes(make_toy, blobs):
    inputs, labels = blobs(3)
    toy = make_toy(4, 3)
    model = train_model(
        toy, inputs, Targets(3, labels=labels, reject=True), SMALL, rng=np.random.default_rng(0)
    )
    outcomes, classes = model.outcome_probabilities(toy, inputs), model.class_probabilities(toy, inputs)
    np.testing.assert_allclose(outcomes.sum(axis=1), 1)
    np.testing.assert_allclose(classes, outcomes[:, :2] / outcomes[:, :2].sum(axis=1, keepdims=True))
    p = toy.probabilities(model.weights, inputs)[:, :3]
    np.testing.assert_allclose(outcomes, p**model.logit_scale / (p**model.logit_scale).sum(1, keepdims=True))
    hot = model.outcome_probabilities(toy, inputs, temperature=50.0)
    assert hot.max() < outcomes.max()
    np.testing.assert_array_equal(hot, outcome_probabilities(model.params, toy, inputs, 3, temperature=50.0))


def test_an_initial_vector_joins_the_swarm(make_toy, blobs):
    inputs, labels = blobs(2)
    toy, targets = make_toy(4, 2), Targets(2, labels=labels)
    good = train_model(toy, inputs, targets, SMALL, rng=np.random.default_rng(0))
    turned = good.params.copy()
    turned[0] += 2 * np.pi
    again = train_model(
        toy,
        inputs,
        targets,
        TrainingSettings(particles=2, iterations=0, refine=0),
        initial=turned,
        rng=np.random.default_rng(1),
    )
    assert again.loss == pytest.approx(good.loss)


@pytest.mark.parametrize("initial", [np.zeros(3), np.full(9, np.nan)])
def test_an_initial_vector_that_does_not_fit(make_toy, blobs, initial):
    inputs, labels = blobs(2)
    with pytest.raises(TrainingError, match="expected 9 finite numbers"):
        train_model(
            make_toy(4, 2),
            inputs,
            Targets(2, labels=labels),
            SMALL,
            initial=initial,
            rng=np.random.default_rng(0),
        )


def test_progress_is_reported(make_toy, blobs):
    inputs, labels = blobs(2)
    listener = Listener()
    train_model(
        make_toy(4, 2),
        inputs,
        Targets(2, labels=labels),
        SMALL,
        rng=np.random.default_rng(0),
        tracking=Tracking("client a", listener),
    )
    total, steps = listener.steps["client a"]
    assert total == 8 + 25
    assert 0 < steps <= total
    assert listener.finished == ["client a"]


@pytest.mark.parametrize(("gate", "period"), [(5, 2), (8, 2), (11, 4), (13, 4)])
def test_controlled_rotations_have_twice_the_period(gate, period):
    kernels = (SimpleNamespace(genes=(SimpleNamespace(gate=6), SimpleNamespace(gate=gate))),)
    assert weight_period(SimpleNamespace(kernels=kernels)) == pytest.approx(period * np.pi)


@pytest.mark.parametrize("n", [0, 1, 7])
def test_random_params_are_finite_and_within_a_turn(n):
    params = random_params(n, 5, rng=np.random.default_rng(0))
    assert params.shape == (n, 6)
    assert (np.abs(params[:, :-1]) <= np.pi).all()


def test_by_default_the_best_start_is_refined(make_toy, blobs):
    inputs, labels = blobs(2)
    settings = TrainingSettings(particles=3, iterations=9, refine=0)
    toy, targets = make_toy(4, 2), Targets(2, labels=labels)
    model = train_model(toy, inputs, targets, settings, rng=np.random.default_rng(0))
    assert model.swarm_history == (model.loss_start,) == (model.loss,)
    assert model.evaluations == 4 * 3
    refined = train_model(
        toy, inputs, targets, settings.model_copy(update={"refine": 20}), rng=np.random.default_rng(0)
    )
    assert refined.refine_history[0] == pytest.approx(model.loss)
    assert refined.loss < model.loss


@pytest.mark.parametrize("method", ["global", "cooperative"])
@pytest.mark.parametrize("kept", [0.0, 0.3, 0.8, 1.0])
def test_resumes_to_the_identical_model(tmp_path, blobs, stored_answers, keep_answers, method, kept):
    inputs, labels = blobs(2, n=30, n_features=8)
    spec = VQCNNSpec(4, plan="conv, edge, conv", kernels="one_cx", sharing="site")
    settings = TrainingSettings(method=method, particles=4, iterations=3, sweeps=1, refine=8)
    path = tmp_path / "j"

    def train(resume):
        with AnswerLog(path, resume=resume) as answers:
            targets = Targets(2, labels=labels)
            model = train_model(
                PauliEvaluator(spec),
                inputs,
                targets,
                settings,
                rng=np.random.default_rng(1),
                tracking=Tracking(answers=answers),
            )
        return model, answers

    whole, _ = train(False)
    content = stored_answers(path)
    keep_answers(path, kept)
    again, answers = train(True)
    np.testing.assert_array_equal(again.params, whole.params)
    assert again.swarm_history == whole.swarm_history
    assert again.refine_history == whole.refine_history
    assert (again.evaluations, again.gradients) == (whole.evaluations, whole.gradients)
    assert (answers.computed == 0) == (kept == 1)
    assert stored_answers(path) == content


def test_a_sampled_evaluator_has_its_bests_evaluated_again(make_toy, blobs):
    inputs, labels = blobs(2)
    toy = make_toy(4, 2)
    settings = TrainingSettings(method="global", particles=3, iterations=4, patience=4, refine=0)
    counts = []
    for shots in (None, 100):
        toy.shots = shots
        model = train_model(toy, inputs, Targets(2, labels=labels), settings, rng=np.random.default_rng(0))
        counts.append(model.evaluations)
    assert counts[1] == counts[0] + 4 * 3


def test_every_registered_method_has_an_optimizer_of_its_own():
    kinds = {type(make_optimizer(TrainingSettings(method=method))) for method in OPTIMIZERS}
    assert len(kinds) == len(OPTIMIZERS) >= 2
    assert TrainingSettings().method in OPTIMIZERS


def test_an_unknown_method_is_refused():
    settings = TrainingSettings(method="annealing")
    with pytest.raises(TrainingError, match="method: expected starts or .*, found 'annealing'"):
        make_optimizer(settings)


def test_another_optimizer_needs_a_registry_line_alone(make_toy, blobs, monkeypatch):
    class Best:
        def steps(self, spec):
            return 1

        def run(self, objective, starts, *, rng, advance=None):
            advance(1, starts.losses.min())
            return OptimizerResult(starts.best, float(starts.losses.min()), (float(starts.losses.min()),))

    monkeypatch.setitem(OPTIMIZERS, "best", lambda settings: Best())
    inputs, labels = blobs(2)
    settings = SMALL.model_copy(update={"method": "best", "refine": 0})
    rng = np.random.default_rng(0)
    model = train_model(make_toy(4, 2), inputs, Targets(2, labels=labels), settings, rng=rng)
    assert model.loss == model.loss_swarm == model.loss_start
