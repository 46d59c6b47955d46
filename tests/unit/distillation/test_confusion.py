"""Estimated confusion against liars and weak clients, and against Bayes's rule where the truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax

from qkd_qiskit.distillation import ClientOutputs, KnownLabels, aggregate, build_teacher, lift
from qkd_qiskit.distillation.rules import Census, confusion
from qkd_qiskit.distillation.rules.confusion import fitted_weights

N, G = 900, 5
HELD = [np.array(h) for h in ((0, 1, 2), (1, 2), (2, 3, 4), (0, 3), (1, 4), (0, 2, 4), (3, 4), (0, 1, 3))]
TRUTH = np.random.default_rng(0).integers(0, G, N)
LABELS = np.where(np.arange(N) % 9 == 0, TRUTH, -1)
UNSEEN = LABELS < 0


def _votes(held, skill, seed):
    """Answers of an honest client: right with this chance, otherwise any."""
    rng = np.random.default_rng(seed)
    outcome = np.full(N, len(held))
    for place, label in enumerate(held):
        outcome[label == TRUTH] = place
    guess = rng.random(N) >= skill
    outcome[guess] = rng.integers(0, len(held) + 1, guess.sum())
    logits = 3.0 * np.eye(len(held) + 1)[outcome] + rng.standard_normal((N, len(held) + 1))
    return softmax(logits, axis=1)


def _own(skill=0.7, seed=99):
    rng = np.random.default_rng(seed)
    guess = np.where(rng.random(N) < skill, TRUTH, rng.integers(0, G, N))
    return softmax(2.5 * np.eye(G)[guess] + 0.5 * rng.standard_normal((N, G)), axis=1)


def _right(outputs, rule="confusion", **known):
    known = {"own": _own(), "labels": LABELS} | known
    lifted = [lift(p, h, G) for p, h in zip(outputs, HELD, strict=True)]
    p = aggregate(lifted, HELD, [True] * len(HELD), rule, **known)
    np.testing.assert_allclose(p.sum(axis=1), 1.0)
    return float((p.argmax(axis=1) == TRUTH)[UNSEEN].mean())


HONEST = [_votes(held, 0.8, seed) for seed, held in enumerate(HELD)]


def _invert(p, rng):
    q = (1 - p) ** 4
    return q / q.sum(axis=1, keepdims=True)


def _swap(p, rng):
    return np.concatenate([np.roll(p[:, :-1], 1, axis=1), p[:, -1:]], axis=1)


def _claim(p, rng):
    sure = np.eye(p.shape[1])[np.zeros(len(p), dtype=int)]
    return np.where((p.argmax(axis=1) == p.shape[1] - 1)[:, None], sure, p)


LIES = {
    "swap": _swap,
    "invert": _invert,
    "claim": _claim,
    "random": lambda p, rng: rng.dirichlet(np.full(p.shape[1], 0.3), len(p)),
    "constant": lambda p, rng: np.eye(p.shape[1])[np.zeros(len(p), dtype=int)],
}


@pytest.mark.parametrize("every", [1, 2])
@pytest.mark.parametrize("lie", LIES)
def test_three_liars_of_eight_cost_about_what_their_silence_does(lie, every):
    rng, liars = np.random.default_rng(1), (0, 2, 5)
    lying = np.arange(N) % every == 0
    outputs = list(HONEST)
    for number in liars:
        outputs[number] = np.where(lying[:, None], LIES[lie](HONEST[number], rng), HONEST[number])
    silent = [np.full_like(p, 1 / p.shape[1]) if number in liars else p for number, p in enumerate(HONEST)]
    assert _right(outputs) > _right(silent) - 0.02


def test_copying_a_weak_client_does_not_outvote_the_others():
    outputs, held = list(HONEST), list(HELD)
    weak = _votes(HELD[1], 0.3, 7)
    lifted = [lift(p, h, G) for p, h in zip([*outputs, *[weak] * 6], [*held, *[HELD[1]] * 6], strict=True)]
    crowd = [*held, *[HELD[1]] * 6]
    p = aggregate(lifted, crowd, [True] * len(crowd), "confusion", own=_own(), labels=LABELS)
    assert (p.argmax(axis=1) == TRUTH)[UNSEEN].mean() > _right(HONEST) - 0.02


@pytest.mark.parametrize("rule", ["mean", "coverage", "confidence", "product"])
def test_honest_rounds_cost_nothing_against_the_other_rules(rule):
    assert _right(HONEST) >= _right(HONEST, rule) - 0.003


def test_everybody_lies_and_the_servers_own_model_is_left():
    rng = np.random.default_rng(3)
    noise = [rng.dirichlet(np.full(p.shape[1], 0.3), N) for p in HONEST]
    own = float((_own().argmax(axis=1) == TRUTH)[UNSEEN].mean())
    assert _right(noise) > own - 0.04


@pytest.mark.parametrize("known", [{"own": None}, {"labels": None}, {"own": None, "labels": None}])
def test_it_does_without_a_model_of_its_own_and_without_labels(known):
    assert _right(HONEST, **known) > 0.9


def test_with_all_labels_known_the_posterior_is_that_of_bayes_rule():
    """Matrices are then plain counts, and with independent annotators all weights are near one."""
    outputs = [np.eye(p.shape[1])[p.argmax(axis=1)] for p in HONEST]
    lifted = [lift(p, h, G) for p, h in zip(outputs, HELD, strict=True)]
    found = aggregate(lifted, HELD, [True] * len(HELD), "confusion", labels=TRUTH)
    logs = np.log(np.bincount(TRUTH, minlength=G) / N) * np.ones((N, 1))
    for p in outputs:
        counts = np.array([p[k == TRUTH].sum(axis=0) for k in range(G)]) + 1
        logs += np.log(counts / counts.sum(axis=1, keepdims=True))[:, p.argmax(axis=1)].T
    bayes = softmax(logs, axis=1)
    assert (found.argmax(axis=1) == bayes.argmax(axis=1)).mean() > 0.99
    assert np.abs(found - bayes).mean() < 0.01


def test_other_samples_are_answered_as_these():
    clients = [ClientOutputs(str(k), h, p) for k, (h, p) in enumerate(zip(HELD, HONEST, strict=True))]
    rows = np.flatnonzero(LABELS >= 0)
    teacher, soft = build_teacher(
        clients,
        n_classes=G,
        known=KnownLabels((rows[::2], TRUTH[rows[::2]]), (rows[1::2], TRUTH[rows[1::2]])),
        own=_own(),
        aggregations=("confusion",),
    )
    assert teacher.aggregation == "confusion"
    assert [score.calibration for score in teacher.scores] == ["none"]
    np.testing.assert_allclose(teacher.class_probabilities(HONEST, _own()), soft, atol=1e-9)
    few = [p[:7] for p in HONEST]
    np.testing.assert_allclose(teacher.class_probabilities(few, _own()[:7]), soft[:7], atol=1e-9)
    blind = teacher.class_probabilities(HONEST)
    assert (blind.argmax(axis=1) == TRUTH).mean() > 0.9


def test_labels_judge_by_weights_that_have_not_learnt_them():
    """Few labels, many annotators: what the rule says of the labels that it has learnt flatters it."""
    gaps = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        rows = rng.permutation(N)[:25]
        census = Census(N, G, own=_own(seed=seed), labels=np.where(np.isin(np.arange(N), rows), TRUTH, -1))
        weak = [_votes(held, 0.5, 10 * seed + place) for place, held in enumerate(HELD)]
        lifted = [lift(p, h, G) for p, h in zip(weak, HELD, strict=True)]
        for p, held in zip(lifted, HELD, strict=True):
            census.count(p, held)
        rule, more = confusion.Confusion(census), True
        while more:
            for p, held in zip(lifted, HELD, strict=True):
                rule.add(p, held, True)
            more = rule.again()
        rest = np.setdiff1d(np.arange(N), rows)
        truth = [
            -np.log(p[np.arange(len(p)), TRUTH[k]]).mean()
            for p, k in (
                (rule.combined()[rows], rows),
                (rule.unseen(rows), rows),
                (rule.combined()[rest], rest),
            )
        ]
        gaps.append((truth[0] - truth[2], truth[1] - truth[2]))
    learnt, unseen = np.mean(gaps, axis=0)
    assert abs(unseen) < 0.5 * abs(learnt)


def test_copies_of_a_labelled_sample_are_judged_together():
    labels = np.where(np.arange(12) % 6 < 4, 1, -1)
    census = Census(12, 2, labels=labels, copies=1)
    rule = confusion.Confusion(census)
    folds = dict(zip(np.flatnonzero(labels >= 0), rule._folds, strict=True))
    assert all(folds[k] == folds[k + 6] for k in range(4))
    assert len(set(folds.values())) == 4


def test_a_crowd_shares_weights(monkeypatch):
    monkeypatch.setattr(confusion, "_GROUPS", 3)
    assert _right(HONEST) > 0.9


def test_weights_believe_who_is_right():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 200)
    votes = np.where(rng.random(200) < 0.7, labels, rng.integers(0, 3, 200))
    good = np.log(0.7 * np.eye(3)[votes] + 0.1)
    wrong = np.log(0.7 * np.eye(3)[rng.integers(0, 3, 200)] + 0.1)
    weights, loss = fitted_weights(np.stack([good, wrong]), labels, np.zeros(3))
    assert weights[0] > 4 * weights[1] > 0
    p = softmax(np.tensordot(weights, np.stack([good, wrong]), 1), axis=1)
    assert loss == pytest.approx(-np.log(p[np.arange(200), labels]).mean())


def test_of_two_equal_annotators_each_has_half_the_weight():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 5000)
    votes = np.where(rng.random(5000) < 0.7, labels, rng.integers(0, 3, 5000))
    # Right with 0.8, each of the others with 0.1: calibrated, so that one alone has weight one.
    evidence = np.log(0.7 * np.eye(3)[votes] + 0.1)
    alone, _ = fitted_weights(evidence[None], labels, np.zeros(3))
    twice, _ = fitted_weights(np.stack([evidence, evidence]), labels, np.zeros(3))
    np.testing.assert_allclose(alone, 1.0, atol=0.06)
    np.testing.assert_allclose(twice, alone[0] / 2, atol=0.03)


def test_without_labels_all_weights_are_one():
    weights, loss = fitted_weights(np.zeros((3, 0, 2)), np.zeros(0, int), np.zeros(2))
    assert (weights.tolist(), loss) == ([1.0, 1.0, 1.0], 0.0)
