"""No sample in two places, skews as asked, and clear words when it cannot be done."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qkd_qiskit.data import ClientShare, SplitSizes, make_split
from qkd_qiskit.data.splitting import round_to_total
from qkd_qiskit.errors import DataError

SIZES = {"public_train": 10, "public_calibration": 0, "public_validation": 5, "test": 10}


def split(labels, clients, *, seed=0, dirichlet=None, **sizes):
    rng = np.random.default_rng(seed)
    return make_split(
        np.asarray(labels), SplitSizes(**{**SIZES, **sizes}), clients, dirichlet=dirichlet, rng=rng
    )


SKEWS = st.none() | st.sampled_from([1e-6, 0.1, 1.0, 100.0])


@st.composite
def requests(draw):
    n_classes = draw(st.integers(2, 5))
    labels = draw(st.lists(st.integers(0, n_classes - 1), min_size=8, max_size=80))
    labels = np.array([*range(n_classes), *labels])
    subset = st.sets(st.integers(0, n_classes - 1), min_size=1).map(lambda s: tuple(sorted(s)))
    clients = draw(
        st.lists(st.builds(ClientShare, st.integers(1, 20), st.none() | subset), min_size=1, max_size=4)
    )
    sizes = [draw(st.integers(low, 12)) for low in (1, 0, 1, 1)]
    return (
        labels,
        clients,
        sizes,
        draw(st.none() | st.sampled_from([1e-6, 0.1, 1.0, 100.0])),
        draw(st.integers(0, 9)),
    )


def can_be_dealt(left, clients):
    """Hall's condition: every set of clients finds enough samples among the classes it may hold."""
    for members in product([False, True], repeat=len(clients)):
        chosen = [c for c, inside in zip(clients, members, strict=True) if inside]
        classes = set().union(
            *(set(range(len(left))) if c.classes is None else set(c.classes) for c in chosen)
        )
        if sum(c.samples for c in chosen) > sum(left[k] for k in classes):
            return False
    return True


@given(requests())
@settings(max_examples=300)
def test_no_sample_goes_twice_and_a_possible_dealing_is_found(request_):
    labels, clients, sizes, dirichlet, seed = request_
    parts = dict(zip(SIZES, sizes, strict=True))
    try:
        result = split(labels, clients, seed=seed, dirichlet=dirichlet, **parts)
    except DataError:
        if sum(sizes) <= len(labels):
            # The common parts alone, with one client that takes a single sample, tell what was left.
            if sum(sizes) == len(labels):
                return
            common = split(labels, [ClientShare(1)], seed=seed, **parts)
            used = np.concatenate([common.public, common.test])
            left = np.bincount(np.delete(labels, used), minlength=labels.max() + 1)
            assert not can_be_dealt(left, clients)
        return
    arrays = [
        result.public_train, result.public_calibration, result.public_validation, result.test, *result.clients
    ]  # fmt: skip
    assert [len(a) for a in arrays] == sizes + [c.samples for c in clients]
    together = np.concatenate(arrays)
    assert len(np.unique(together)) == len(together)
    assert together.min() >= 0
    assert together.max() < len(labels)
    assert all(a.dtype == np.int64 for a in arrays)
    for client, held in zip(clients, result.clients, strict=True):
        assert client.classes is None or set(labels[held]) <= set(client.classes)


def test_common_parts_are_stratified_to_within_one_sample():
    labels = np.repeat([0, 1, 2], [500, 300, 200])
    result = split(labels, [ClientShare(10)], public_train=95, public_validation=33, test=101)
    for part in (result.public_train, result.public_validation, result.test):
        counts = np.bincount(labels[part], minlength=3)
        assert np.abs(counts - len(part) * np.array([0.5, 0.3, 0.2])).max() < 1


def test_explicit_classes_are_shared_evenly_and_scarce_ones_are_filled_up():
    labels = np.repeat(["a", "b", "c"], [100, 100, 30])
    result = split(labels, [ClientShare(50, ("a", "b")), ClientShare(7, ("b",)), ClientShare(90, ("a", "c"))])
    held = [dict(zip(*np.unique(labels[c], return_counts=True), strict=True)) for c in result.clients]
    assert held[0] == {"a": 25, "b": 25}
    assert held[1] == {"b": 7}
    # 25 common samples took 3 or 4 of the 30 c; c runs out and a fills up.
    assert held[2]["a"] + held[2]["c"] == 90
    assert held[2]["c"] in (26, 27)


def test_clients_pass_on_what_others_need():
    labels = np.repeat([0, 1], [60, 60])
    sizes = {"public_train": 2, "public_validation": 2, "test": 16}
    result = split(labels, [ClientShare(50, (0, 1)), ClientShare(50, (0,))], **sizes)
    assert np.bincount(labels[result.clients[0]], minlength=2).tolist() == [0, 50]


def test_same_generator_same_split_other_generator_other_split():
    labels = np.arange(200) % 4
    clients = [ClientShare(40), ClientShare(20, (1,))]
    first, again, other = (split(labels, clients, seed=seed, dirichlet=0.5) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.clients[0], again.clients[0])
    np.testing.assert_array_equal(first.public, again.public)
    assert not np.array_equal(first.public, other.public)


def test_dirichlet_concentration_sets_the_skew():
    labels = np.arange(4000) % 10
    spread = []
    for concentration in (0.05, 1.0, 1000.0):
        result = split(labels, [ClientShare(100)] * 12, dirichlet=concentration)
        spread.append(np.mean([np.bincount(labels[c], minlength=10).max() for c in result.clients]))
    assert spread[0] > 60
    assert spread[0] > spread[1] > spread[2]
    assert spread[2] < 15


def test_clients_without_skew_follow_the_natural_proportions():
    labels = np.repeat([0, 1], [900, 100])
    result = split(labels, [ClientShare(100)])
    assert np.bincount(labels[result.clients[0]]).tolist() == [90, 10]


@pytest.mark.parametrize(
    ("clients", "arguments", "message"),
    [
        ([], {}, "at least one client, found none"),
        ([ClientShare(0)], {}, "client number 0: expected at least 1 sample, found 0"),
        (
            [ClientShare(5), ClientShare(-1, name="b")],
            {},
            r"client b \(number 1\): expected at least 1 sample",
        ),
        ([ClientShare(5, ())], {}, r"client number 0: expected different classes, found \[\]"),
        ([ClientShare(5, (1, 1))], {}, r"expected different classes, found \[1, 1\]"),
        (
            [ClientShare(5, (1, 9), "b")],
            {},
            "client b .*class 9 does not occur; the 4 classes there are 0, 1, 2, 3",
        ),
        (
            [ClientShare(80)],
            {},
            "client number 0: expected 80 samples of any class, only 75 can be had: 75 are",
        ),
        (
            [ClientShare(10), ClientShare(20, (2,), "b")],
            {},
            r"client b \(number 1\): expected 20 samples of classes 2, only 1\d can be had: 1\d are left",
        ),
        ([ClientShare(5)], {"public_train": 0}, "public_train: expected at least 1 samples, found 0"),
        (
            [ClientShare(5)],
            {"public_validation": 0},
            "public_validation: expected at least 1 samples, found 0",
        ),
        (
            [ClientShare(5)],
            {"public_calibration": -1},
            "public_calibration: expected at least 0 samples, found -1",
        ),
        ([ClientShare(5)], {"test": 0}, "test: expected at least 1 samples, found 0"),
        ([ClientShare(5)], {"test": 86}, "test: expected 86 samples, only 85 of 100 are left for it"),
        (
            [ClientShare(5)],
            {"public_train": 101},
            "public_train: expected 101 samples, only 100 of 100 are left",
        ),
        ([ClientShare(5)], {"dirichlet": 0.0}, "positive Dirichlet concentration, found 0.0"),
        ([ClientShare(5)], {"dirichlet": float("nan")}, "positive Dirichlet concentration, found nan"),
    ],
)
def test_impossible_splits_say_what_is_short(clients, arguments, message):
    with pytest.raises(DataError, match=message):
        split(np.arange(100) % 4, clients, **arguments)


def test_one_class_in_the_whole_experiment_is_refused():
    with pytest.raises(DataError, match="at least two classes in the experiment, found only 3"):
        split(np.full(100, 3), [ClientShare(5)])


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 30)), min_size=1, max_size=6),
    st.integers(0, 150),
)
def test_rounding_keeps_bounds_and_total(cells, total):
    shares, most = np.array([c[0] for c in cells]), np.array([c[1] for c in cells])
    total = min(total, most.sum())
    if shares.sum() > 0:
        shares = shares * (total / shares.sum())
    counts = round_to_total(shares, int(total), most, rng=np.random.default_rng(0))
    assert counts.sum() == total
    assert (counts <= most).all()
    assert (counts >= np.minimum(np.floor(shares - 1e-9), most)).all()
