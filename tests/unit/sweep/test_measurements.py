"""The measurements of sweeps, small; those that train federations stand in the integration tests."""

from __future__ import annotations

import time
from types import SimpleNamespace

import numpy as np
import pytest

from qkd_qiskit.config import AugmentSettings, TrainingSettings, load_experiment
from qkd_qiskit.distillation import ClientMessage, make_message
from qkd_qiskit.errors import DataError, DistillationError, SweepError
from qkd_qiskit.hardware import load_backend, write_snapshot
from qkd_qiskit.simulation import PauliEvaluator
from qkd_qiskit.sweep import Cell, SweepOptions, load_sweep, run_sweep
from qkd_qiskit.sweep.measurements import MEASUREMENTS
from qkd_qiskit.sweep.measurements.attacks import ATTACKS, bad_clients
from qkd_qiskit.sweep.measurements.damping import slope
from qkd_qiskit.sweep.measurements.draws import classical_accuracies, draw
from qkd_qiskit.sweep.measurements.experiment import with_classes
from qkd_qiskit.sweep.measurements.fitness import expected_choice, halved
from qkd_qiskit.sweep.measurements.liars import LIES, Liar, liars_among
from qkd_qiskit.sweep.measurements.membership import membership_area, true_positives
from qkd_qiskit.sweep.measurements.minimizers import MINIMIZERS, minimized
from qkd_qiskit.sweep.measurements.noise import sampled, scaled_device
from qkd_qiskit.sweep.measurements.predictors import (
    SharedWeights,
    expressibility,
    representational_capacity,
)
from qkd_qiskit.sweep.measurements.shots import DrawnShots
from qkd_qiskit.sweep.measurements.structures import _SharedWork
from qkd_qiskit.sweep.measurements.weights import Limit
from qkd_qiskit.sweep.plot import save_picture
from qkd_qiskit.sweep.settings import Variant
from qkd_qiskit.training import LOG_SCALE_BOUNDS, Objective, Targets
from qkd_qiskit.vqcnn import VQCNNSpec

SHORT = TrainingSettings(particles=2, iterations=0, refine=8, l2=0.015)


def measured(kind, seed=0, **settings):
    measurement = MEASUREMENTS[kind].model_validate(settings)
    return measurement.measure(Cell(Variant(name="one"), seed, measurement, None), None)


@pytest.mark.parametrize(("count", "held"), [(4, (0, 1, 2, 3)), (2, (0, 3)), (1, (3,))])
def test_clients_hold_as_many_classes_as_wanted(count, held):
    settings = with_classes(load_experiment("heterogeneity"), (0, 1, 2, 3), count)
    assert settings.clients[3].classes == held
    assert {label for client in settings.clients for label in client.classes} == {0, 1, 2, 3}


def test_clients_cannot_hold_more_classes_than_there_are():
    with pytest.raises(SweepError, match="classes_a_client: expected at most 2, found 3"):
        with_classes(load_experiment("heterogeneity"), (0, 1), 3)


def test_liars_are_the_holders_of_the_rarest_class():
    """In mnist4 every class has two holders; of class 0 these are the first and the last."""
    settings = load_experiment("mnist4")
    assert bad_clients(settings, "liars") == (0, 3)
    assert bad_clients(settings, "silent") == (2, 3)
    assert bad_clients(settings, "honest") == ()


def test_unknown_attacks_and_too_few_clients_are_refused():
    settings = load_experiment("mnist4")
    with pytest.raises(SweepError, match="attack: expected honest or one of silent"):
        bad_clients(settings, "sleep")
    with pytest.raises(SweepError, match="more than 2 clients, found 1"):
        bad_clients(settings.model_copy(update={"clients": settings.clients[:1]}), "silent")


@pytest.mark.parametrize("name", ["mnist10", "mnist4"])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_every_class_keeps_an_honest_holder_where_it_can(name, count):
    settings = load_experiment(name)
    liars = liars_among(settings, "swap", count)
    assert len(set(liars)) == count
    honest = {
        label
        for number, client in enumerate(settings.clients)
        if number not in liars
        for label in client.classes
    }
    everything = {label for client in settings.clients for label in client.classes}
    assert honest == everything or (name, count) == ("mnist4", 3)


def test_liars_hold_the_rarest_class_first():
    settings = load_experiment("mnist10")
    assert liars_among(settings, "swap", 1) == (0,)
    # H is the last honest holder of class 0.
    assert liars_among(settings, "copy", 4) == (0, 3, 8, 9)
    assert liars_among(settings, "copy", 9) == (0, 1, 2, 3, 5, 6, 7, 8, 9)
    assert liars_among(settings, "honest", 2) == ()
    with pytest.raises(SweepError, match="lie: expected one of honest, silent, copy, random"):
        liars_among(settings, "sleep", 2)
    with pytest.raises(SweepError, match="liars: expected fewer than the 10 clients, found 10"):
        liars_among(settings, "swap", 10)


@pytest.mark.parametrize("lie", LIES)
def test_lies_are_probabilities_and_mean_what_they_say(lie):
    rng = np.random.default_rng(0)
    truth, held = rng.integers(0, 5, 200), np.array([1, 3])
    outcome = np.array([0 if k == 1 else 1 if k == 3 else 2 for k in truth])
    p = 0.85 * np.eye(3)[outcome] + 0.05
    guess = 0.9 * np.eye(5)[truth] + 0.02
    guess[::2] = 0.3 * np.eye(5)[truth[::2]] + 0.2 * np.eye(5)[(truth[::2] + 2) % 5] + 0.1
    message = make_message("ada", 5, (1, 3), p, "ab" * 32)
    lies = LIES[lie](Liar(message, held, message, guess, rng))
    assert lies.shape == p.shape
    np.testing.assert_allclose(lies.sum(axis=1), 1.0, atol=2e-3)
    said = lies.argmax(axis=1)
    own = np.isin(truth, held)
    if lie == "swap":
        np.testing.assert_array_equal(said[own], 1 - outcome[own])
    elif lie == "claim":
        np.testing.assert_array_equal(said, np.where(own, outcome, 0))
    elif lie == "invert":
        assert (said != outcome).all()
    elif lie == "constant":
        assert (said == 0).all()
    elif lie == "collude":
        expected = np.select([(truth + 1) % 5 == 1, (truth + 1) % 5 == 3], [0, 1], 2)
        np.testing.assert_array_equal(said, expected)
    elif lie == "mislead":
        np.testing.assert_array_equal(said[1::2], outcome[1::2])
        expected = np.select([(truth + 2) % 5 == 1, (truth + 2) % 5 == 3], [0, 1], 2)
        np.testing.assert_array_equal(said[::2], expected[::2])
    else:
        assert 0.2 < (said == outcome).mean() < 0.5


def test_attacks_do_what_they_say():
    p = np.random.default_rng(0).dirichlet(np.ones(3), 6)
    spec = VQCNNSpec(n_qubits=2, plan="conv", kernels="su4", n_outcomes=3)
    message = make_message("ada", spec.index, (0, 1), p, "ab" * 32)
    honest = message.probabilities
    assert ATTACKS["silent"](message) is None
    with pytest.raises(DistillationError, match="magic word"):
        ClientMessage.from_bytes(ATTACKS["garbage"](message))
    assert np.isnan(ClientMessage.from_bytes(ATTACKS["NaN"](message)).outputs).any()
    assert ClientMessage.from_bytes(ATTACKS["stale digest"](message)).public_digest == "0" * 64
    ridden = ClientMessage.from_bytes(ATTACKS["free riders"](message)).probabilities
    assert np.ptp(ridden) < 1e-3
    lied = ClientMessage.from_bytes(ATTACKS["liars"](message)).probabilities
    np.testing.assert_allclose(lied, honest[:, [1, 0, 2]], atol=1e-3)


@pytest.mark.parametrize("strength", [0.0, 0.5, 2.0])
def test_a_scaled_device_has_scaled_errors(strength, tmp_path):
    device, base = load_backend(scaled_device(strength, tmp_path)), load_backend("noisy_line")
    for pair, old in base.target["cz"].items():
        new = device.target["cz"][pair].error
        # Even lifetimes of seconds leave an error behind, which no gate is better than.
        assert new == pytest.approx(strength * old.error, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("shots", [1, 100])
def test_frequencies_are_whole_numbers_of_shots(shots):
    p = np.array([[0.25, 0.75], [1.0, 0.0]])
    seen = sampled(p, shots, rng=np.random.default_rng(0))
    np.testing.assert_allclose(seen.sum(axis=1), 1.0)
    np.testing.assert_allclose(seen * shots, np.rint(seen * shots))
    assert seen[1, 0] == 1.0


def test_gradients_shrink_with_noise():
    found = measured("gradients", qubits=4, draws=20).values
    assert 0 < found["noisy"][0] < found["ideal"][0]


@pytest.mark.parametrize(
    ("members", "others", "area"),
    [([2.0, 3.0], [0.0, 1.0], 1.0), ([0.0], [1.0], 0.0), ([1.0, 1.0], [1.0], 0.5)],
)
def test_membership_area(members, others, area):
    assert membership_area(np.array(members), np.array(others)) == area


@pytest.mark.parametrize(
    ("false_alarms", "expected"),
    [(0.0, 0.25), (0.1, 0.25), (0.2, 0.5), (0.4, 0.75), (0.9, 1.0)],
)
def test_true_positives_at_a_rate_of_false_alarms(false_alarms, expected):
    members, others = np.array([9.0, 4.5, 3.5, 1.5]), np.array([5.0, 4.0, 3.0, 2.0, 1.0])
    found = true_positives(members, others, false_alarms)
    assert found == expected
    # By hand: the best threshold among all with few enough false alarms.
    best = max(
        (members > cut).mean() for cut in [0.0, *members, *others] if (others > cut).mean() <= false_alarms
    )
    assert found == best


@pytest.mark.parametrize(("samples", "copies"), [(2, 0), (41, 0), (40, 2)])
def test_draws_are_disjoint_seeded_and_balanced(samples, copies):
    augment = AugmentSettings(copies=copies)
    data = draw((3, 5), samples=samples, augment=augment, seed=1, tests=30)
    assert data.inputs.shape == (samples * (copies + 1), 16)
    assert data.test_inputs.shape == (30, 16)
    assert abs(np.bincount(data.labels[:samples])[0] - samples / 2) <= 0.5
    np.testing.assert_array_equal(data.labels, data.labels[:samples][data.groups])
    seen = {row.tobytes() for row in data.inputs}
    assert not any(row.tobytes() in seen for row in data.test_inputs)
    again = draw((3, 5), samples=samples, augment=augment, seed=1, tests=30)
    np.testing.assert_array_equal(again.inputs, data.inputs)
    assert (draw((3, 5), samples=samples, seed=2).inputs != data.inputs[:samples]).any()


def test_too_many_samples_are_an_error():
    with pytest.raises(DataError, match="more than 500 images of class 3, found 500"):
        draw((3, 5), samples=1000, seed=0)


def test_classical_models_learn_an_easy_pair():
    data = draw((0, 1), samples=60, augment=AugmentSettings(copies=1), seed=0, tests=100)
    found = classical_accuracies(data, seed=0)
    assert set(found) == {"logistic_regression", "rbf_svm"}
    assert min(found.values()) > 0.95


def test_a_circuit_learns_an_easy_pair():
    found = measured("pair", classes=(0, 1), samples=40, tests=100, training=SHORT)
    right = found.right["circuit"]
    assert found.values["accuracy"][0] == right.count("1") / len(right) > 0.8


@pytest.mark.parametrize("name", ["all-pairs", "hard-pairs"])
def test_pictures_of_the_swarm_sweeps(name, tmp_path):
    """One cell of each shipped sweep, with small trainings, and its picture."""
    sweep = load_sweep(name, {"seeds": {"count": 1}})
    small = ["samples=40", "training.refine=2", "training.particles=2", "training.iterations=0"]
    small += ["augment.copies=0", "tests=50"]
    options = SweepOptions(
        overrides=tuple(f"measurement.{item}" for item in small), variants=(sweep.all_variants()[0].name,)
    )
    found = run_sweep(sweep, options)
    assert len(found.cells) == 1
    save_picture(found, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 5000


SMALL = {"n_qubits": 4, "device": "ibm_guadalupe", "samples": 40, "tests": 30}
QUICK = {"particles": 2, "iterations": 0, "refine": 3}


def test_ways_to_search_structures_are_measured_beside_presets():
    structure = {"particles": 2, "iterations": 1, "samples": 20, "starts": 1, "steps": 1, "finalists": 2}
    found = measured(
        "structures",
        classes=(0, 1),
        methods=("ladder", "front", "random"),
        training={**QUICK, "structure": structure},
        **SMALL,
    )
    names = ("presets", "ladder", "front", "random", "front, equal seconds", "random, equal seconds")
    names = [title for name in names for title in (name, f"{name}, lowest")]
    assert list(found.right) == names
    assert {len(answers) for answers in found.right.values()} == {3 * 30}
    budget = 2 * 6  # Six blocks of `two_cx` on four qubits.
    assert all(0 < found.values[f"gates of {name}"][0] <= budget for name in names)
    assert found.values["tried by front"] == found.values["tried by random"] == (4.0,)
    assert found.values["tried by ladder"] > found.values["tried by presets"]
    # One of the searches is the quickest, and keeps all of its batches.
    cut = [found.values[f"tried by {name}, equal seconds"] for name in ("front", "random")]
    assert max(cut) == (4.0,)
    assert min(cut) >= (2.0,)


def test_shared_work_is_done_once_and_charged_to_everyone():
    work, done = _SharedWork(), []

    def costly(name):
        done.append(name)
        began = time.process_time()
        while time.process_time() - began < 0.02:
            pass
        return name

    def outer():
        return work.do("inner", lambda: costly("inner")) + costly("outer")

    spent = []
    for key in ("inner", "outer", "outer"):
        began = work.clock()
        found = work.do(key, outer if key == "outer" else lambda: costly("inner"))
        spent.append(work.clock() - began)
    assert found == "innerouter"
    assert done == ["inner", "outer"]
    # The outer work holds the inner one's seconds, whoever did that.
    assert spent[0] >= 0.02
    assert min(spent[1:]) >= 0.04


def test_cheap_judgements_are_ranked_against_full_trainings():
    found = measured("fitness", classes=(0, 1), structures=4, steps=(1, 2), training=QUICK, **SMALL)
    names = {name.partition(", ")[2] for name in found.values if name.startswith("rank correlation")}
    judged = {f"{steps} steps, {noise}" for steps in (1, 2) for noise in ("noise", "no noise")}
    judged |= {f"{name}, 4 parts" for name in judged}
    judged |= {"trainability", "expressibility", "representational capacity", "shared weights"}
    assert names == judged
    names |= {"successive halving, noise", "successive halving, no noise"}
    truth = found.values["truth"]
    assert len(truth) == 4
    assert found.values["best"] == (max(truth),)
    assert all(min(truth) <= found.values[f"chosen, {name}"][0] <= max(truth) for name in names)


def test_the_expected_choice_of_all_is_the_choice_itself():
    truth, rng = np.array([0.1, 0.5, 0.3]), np.random.default_rng(0)
    assert expected_choice(truth, lambda rows: rows[truth[rows].argmax()], 3, rng) == pytest.approx(0.5)
    one = expected_choice(truth, lambda rows: rows[0], 1, rng)
    assert one == pytest.approx(truth.mean(), abs=0.05)


def test_halving_asks_each_rung_about_the_best_third_of_the_last():
    short, longer = np.array([5.0, 1, 2, 3, 0, 9]), np.array([0.0, 3, 2, 0, 7, 0])
    assert halved([short, longer], np.arange(6)) == 1
    assert halved([short, longer], np.array([0, 2, 3])) == 2
    assert halved([short], np.array([0, 2, 3])) == 2


def test_expressibility_tells_fixed_from_random_states():
    rng, deep = np.random.default_rng(0), VQCNNSpec(2, plan="2*conv", kernels="su4")
    fixed = VQCNNSpec(2, plan="conv", kernels="CX01")
    # All fidelities are 1: the divergence is minus the log of what Haar-random states have in the last bin.
    assert expressibility(fixed, np.full(4, 0.3), rng) == pytest.approx(3 * np.log(75))
    assert 0 < expressibility(deep, np.full(4, 0.3), rng) < 0.3


@pytest.mark.parametrize(("apart", "expected"), [(0.5, 1.0), (0.0, 0.5), (0.25, 1 - 0.5 * 0.25)])
def test_capacity_is_what_answers_to_two_classes_differ(apart, expected):
    """Answers are apart by 0.5 at most from even, in opposite directions: a distance of twice as much."""
    labels = np.arange(12) % 2

    def probabilities(weights, inputs):
        one = 0.5 + apart * (2 * inputs[:, 0] - 1)
        return np.repeat(np.stack([1 - one, one], axis=1)[None], len(weights), axis=0)

    evaluator = SimpleNamespace(spec=SimpleNamespace(n_weights=3), probabilities=probabilities)
    found = representational_capacity(evaluator, labels[:, None], labels, np.random.default_rng(0))
    assert found == pytest.approx(expected)


def test_structures_of_a_supernet_share_blocks_of_equal_place_and_kernel():
    shared = SharedWeights(np.random.default_rng(0))
    first, other, tied = (
        VQCNNSpec(4, plan=plan, kernels="one_cx", sharing=sharing)
        for plan, sharing in (("conv, edge", "site"), ("conv, edge, conv", "site"), ("conv, edge", "layer"))
    )
    rng = np.random.default_rng(1)
    inputs, targets = rng.normal(size=(20, first.n_features)), Targets(2, labels=np.arange(20) % 2)
    before = shared.weights(first)
    np.testing.assert_array_equal(shared.weights(other)[: first.n_weights], before)
    assert not np.isin(shared.weights(tied), before).any()
    losses = [shared.loss(first, inputs, targets)]
    shared.train([first], inputs, targets, steps=20)
    losses.append(shared.loss(first, inputs, targets))
    assert losses[1] < losses[0]
    np.testing.assert_array_equal(shared.weights(other)[: first.n_weights], shared.weights(first))


def test_limits_count_gradients_three_times():
    objective = SimpleNamespace(evaluations=5, gradients=2)
    assert Limit(9).spent(objective) == 5 + 2 * 2
    assert Limit(9).reached(objective)
    assert not Limit(10).reached(objective)
    assert Limit(24, gradient_cost=11).spent(objective) == 5 + 2 * 10
    assert Limit(10, seconds=-1.0).reached(objective)


@pytest.mark.parametrize("name", MINIMIZERS)
def test_minimizers_find_a_minimum_and_stop(name):
    """A paraboloid whose minimum lies outside of the bounds in the last coordinate."""
    centre, calls = np.array([0.3, -0.2, 9.0]), []

    class Bowl:
        def values(self, params):
            calls.append(1)
            return ((params - centre) ** 2).sum(axis=1)

        def value_and_gradient(self, params):
            calls.append(1)
            return float(((params - centre) ** 2).sum()), 2 * (params - centre)

    rng = np.random.default_rng(0)
    found = minimized(name, Bowl(), np.array([0.0, 0.0, 3.0]), lambda: len(calls) >= 400, rng)
    assert len(calls) <= 400
    assert found[-1] <= LOG_SCALE_BOUNDS[1]
    np.testing.assert_allclose(found, [0.3, -0.2, LOG_SCALE_BOUNDS[1]], atol=0.05)


SUB_SWARMS = {"sweeps": 10**6, "particles": 6, "iterations": 3, "patience": 3, "tolerance": -1.0}


@pytest.mark.parametrize(
    "method",
    ["random search", "global swarm", "cooperative swarm", "SPSA", "COBYLA", "L-BFGS", "Adam"],
)
def test_every_way_to_find_weights_spends_what_it_may(method):
    found = measured(
        "weights",
        method=method,
        samples=24,
        evaluations=60,
        refine=1,
        particles=4,
        sub_swarms=SUB_SWARMS,
    ).values
    assert found["evaluations"][0] >= 60
    assert found["loss_refined"][0] <= found["loss"][0]


def test_on_shots_gradients_cost_circuits_and_no_refinement_follows():
    settings = {"method": "Adam", "samples": 8, "evaluations": 700, "particles": 2, "sub_swarms": SUB_SWARMS}
    found = measured("weights", equal="evaluations on shots", shots=10, **settings).values
    # Two starts, and two gradients of 330 weights each.
    assert found["gradients"] == (2,)
    assert found["evaluations"] == (2 + 2 * (2 * 330 + 1),)
    assert "loss_refined" not in found


def test_gradients_from_many_shots_are_the_exact_ones():
    spec = VQCNNSpec(3, kernels="su4", sharing="site", n_outcomes=2)
    rng = np.random.default_rng(0)
    inputs, targets = rng.normal(size=(4, spec.n_features)), Targets(2, labels=np.arange(4) % 2)
    point = np.append(rng.normal(size=spec.n_weights), 1.0)
    exact, drawn = (
        Objective(evaluator, inputs, targets).value_and_gradient(point)
        for evaluator in (PauliEvaluator(spec), DrawnShots(spec, 10**7, rng))
    )
    assert drawn[0] == pytest.approx(exact[0], abs=2e-3)
    np.testing.assert_allclose(drawn[1], exact[1], atol=2e-3)
    few = DrawnShots(spec, 10, rng).probabilities(point[None, :-1], inputs)
    np.testing.assert_allclose(10 * few, np.round(10 * few), atol=1e-9)
    np.testing.assert_allclose(few.sum(axis=-1), 1.0)


def test_the_cooperative_swarm_alone():
    sizes = {"sweeps": 1, "particles": 3, "iterations": 2, "patience": 2}
    found = measured("cooperative", samples=24, starts=2, sub_swarms=sizes).values
    assert found["gradients"] == (0,)
    assert list(found["history"]) == sorted(found["history"], reverse=True)
    assert found["evaluations"][0] > 2


@pytest.mark.parametrize("rate", [0.0, 0.25])
def test_a_price_is_the_slope_through_the_loss_without_noise(rate):
    success = [0.0, 0.3, 0.9]
    assert slope(success, [0.2 + rate * x for x in success]) == pytest.approx(rate)


def test_few_shots_cost_more_than_many():
    found = measured(
        "damping",
        classes=(0, 1),
        kernel="one_cx",
        devices=("ibm_guadalupe",),
        shots=(8, 64),
        samples=40,
        judged=60,
        training=SHORT,
    ).values
    success = found["minus_log_success"]
    assert list(success) == sorted(success)
    for exact, many, few in zip(
        *(found[f"losses, {n}"] for n in ("exact", "64 shots", "8 shots")), strict=True
    ):
        assert few > many > exact


DRIFT = {
    "backend": "noisy_line",
    "classes": (0, 1),
    "samples": 40,
    "blocks": 3,
    "n_qubits": 4,
    "training": {"particles": 4, "iterations": 0, "refine": 30, "l2": 0.02},
}


def test_without_drift_nothing_changes():
    found = measured("drift", later=0.0, **DRIFT).values
    assert found["accuracy_then"] == found["accuracy_now"] == found["accuracy_moved"]
    assert found["esp_then"] == pytest.approx(found["esp_now"])
    assert found["esp_then"] == pytest.approx(found["esp_moved"])


def test_a_new_place_is_at_least_as_good_as_the_old_one():
    found = {name: value[0] for name, value in measured("drift", later=0.4, **DRIFT).values.items()}
    assert found["esp_now"] != pytest.approx(found["esp_then"])
    assert found["esp_moved"] >= found["esp_now"] - 1e-3
    assert min(found[f"accuracy_{when}"] for when in ("now", "moved", "trained_on")) > 0.8


def test_another_snapshot_and_a_device_that_cannot_run_the_circuit(tmp_path):
    snapshot = write_snapshot(load_backend("noisy_line"), tmp_path / "monday.toml", date="2025-01-06")
    same = measured("drift", later=str(snapshot), **DRIFT).values
    assert same["accuracy_now"] == same["accuracy_then"]
    other = measured("drift", later="ibm_guadalupe", **DRIFT).values
    assert "accuracy_now" not in other
    assert "esp_now" not in other
    assert other["accuracy_moved"][0] > 0.8
