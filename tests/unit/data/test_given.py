"""Samples that a program passes: read, shared out, and never given to anybody else."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st

from qkd_qiskit.config import ClientSettings, DataSettings, load_experiment
from qkd_qiskit.data import GivenSamples, deal_given, given_part, given_sizes, load_dataset, prepare_data
from qkd_qiskit.errors import DataError


def part(n, where="server", classes=2, start=0, shape=(4,)):
    """Samples whose first feature is a number that no other sample has."""
    values = np.zeros((n, *shape))
    values.reshape(n, -1)[:, 0] = start + np.arange(n)
    return given_part(values, np.arange(n) % classes, where)


def settings(given, clients, **data):
    names = [f"c{k}" for k in range(len(clients))]
    table = {key: data.pop(key) for key in ("partition", "dirichlet", "noise", "beta") if key in data}
    sizes = given_sizes(given, given.classes(None), data, clients)
    held = tuple(
        ClientSettings(name=n, backend="noisy_line", samples=s)
        for n, s in zip(names, sizes.clients, strict=True)
    )
    own = DataSettings(dataset=given.name, **sizes.parts, **table)
    return load_experiment("quickstart").model_copy(update={"data": own, "clients": held})


def test_a_column_of_a_table_is_the_labels_and_no_feature():
    table = pd.DataFrame({"a": np.arange(4.0), "kind": np.array(["x", "y", "x", "y"]), "b": np.ones(4)})
    found = given_part(table, "kind", "server")
    np.testing.assert_array_equal(found.values, [[0, 1], [1, 1], [2, 1], [3, 1]])
    assert found.labels.tolist() == ["x", "y", "x", "y"]
    assert found.names == ("a", "b")


def test_columns_are_found_by_their_names():
    one = pd.DataFrame({"a": np.arange(6.0), "b": np.ones(6)})
    other = pd.DataFrame({"b": np.ones(2), "more": np.zeros(2), "a": [7.0, 8.0]})
    server, client = given_part(one, np.arange(6) % 2, "server"), given_part(other, [0, 1], "c0")
    with pytest.raises(DataError, match=r"c0: expected samples of shape \(2,\), .*found \(3,\)"):
        GivenSamples(server, None, None, (client,)).table()
    client = given_part(other.drop(columns="more"), [0, 1], "c0")
    given = GivenSamples(server, None, None, (client,))
    np.testing.assert_array_equal(given.table()[0][:, 0], [0, 1, 2, 3, 4, 5, 7, 8])
    assert given.columns.names == ("a", "b")
    wrong = given_part(other.drop(columns="more").rename(columns={"a": "aa"}), [0, 1], "c0")
    with pytest.raises(DataError, match="c0: expected a column 'a', .*found b, aa; did you mean 'aa'"):
        GivenSamples(server, None, None, (wrong,)).table()
    with pytest.raises(DataError, match="c0: expected columns of different names, found a, a"):
        given_part(other[["a", "a"]], [0, 1], "c0")


@pytest.mark.parametrize(
    ("samples", "labels", "told"),
    [
        (np.zeros(3), None, r"server: expected samples \[N, F\] or images .*found shape \(3,\)"),
        (np.zeros((0, 3)), None, r"found shape \(0, 3\)"),
        (np.zeros((3, 2)), [0, 1], r"one label for each of 3 samples, found shape \(2,\)"),
        (np.zeros((3, 2)), 7, "one label for each of 3 samples, found 7"),
        (np.zeros((3, 2)), "kind", "expected labels, or a table, found the name 'kind'"),
        (pd.DataFrame({"a": np.ones(3)}), "kind", "expected a column among a, found the name 'kind'"),
    ],
)
def test_what_are_no_samples_is_refused(samples, labels, told):
    with pytest.raises(DataError, match=told):
        given_part(samples, labels, "server")


@drawn(
    n=st.integers(60, 200),
    own=st.lists(st.one_of(st.none(), st.integers(2, 30)), min_size=1, max_size=4),
    tested=st.booleans(),
    extra=st.integers(0, 5),
)
def test_every_sample_goes_to_one_place_and_own_ones_stay(n, own, tested, extra):
    clients = tuple(None if k is None else part(k, f"c{i}", start=1000 * (i + 1)) for i, k in enumerate(own))
    given = GivenSamples(
        part(n),
        given_part(part(extra, start=9000).values, None, "unlabelled") if extra else None,
        part(10, "test", start=8000) if tested else None,
        clients,
    )
    raw = deal_given(settings(given, [None] * len(own)), given)
    split = raw.split
    places = [split.public_train, split.public_unlabelled, split.public_calibration, split.public_validation]
    places += [split.test, *split.clients]
    every = np.concatenate(places)
    assert len(np.unique(every)) == len(every) == len(raw.features)
    number = raw.features[:, 0]
    for i, k in enumerate(own):
        if k is not None:
            assert sorted(number[split.clients[i]]) == list(1000 * (i + 1) + np.arange(k))
        else:
            assert len(split.clients[i]) > 0
            assert (number[split.clients[i]] < n).all()
    if tested:
        assert sorted(number[split.test]) == list(8000 + np.arange(10))
    assert (raw.codes == -1).sum() == extra
    # Their labels are those that were given.
    known = raw.codes != -1
    np.testing.assert_array_equal(raw.codes[known], number[known] % 2)


def test_named_sizes_are_kept():
    given = GivenSamples(part(100), None, None, (part(10, "c0"), None))
    found = settings(given, [None, 20], public_train=11, public_unlabelled=7, test=30)
    assert (found.data.public_train, found.data.public_unlabelled, found.data.test) == (11, 7, 30)
    assert [client.samples for client in found.clients] == [10, 20]


def test_labels_of_one_text_make_all_texts_and_others_than_the_classes_are_left_out():
    server = given_part(np.zeros((6, 2)), ["0", "1", "b", "0", "1", "b"], "server")
    given = GivenSamples(server, None, None, (given_part(np.zeros((3, 2)), [0, 0, 1], "c0"),))
    assert given.classes(None) == ("0", "1", "b")
    assert given.classes(["b", "0"]) == ("0", "b")
    sizes = given_sizes(given, ("0", "b"), {"public_train": 1, "public_validation": 1, "test": 1}, [None])
    assert sizes.clients == (2,)


def test_names_stand_for_the_samples():
    one, other = part(10), part(10, start=1)
    names = [GivenSamples(server, None, None, ()).name for server in (one, part(10), other)]
    assert names[0] == names[1] != names[2]
    with pytest.raises(DataError, match=f"dataset '{names[0]}' are arrays of a Python program"):
        load_dataset(names[0])


def test_images_are_scaled_together():
    dark = given_part(np.full((4, 2, 2), 3), [0, 1, 0, 1], "server")
    bright = given_part(np.full((2, 2, 2), 255), [0, 1], "c0")
    features, shape = GivenSamples(dark, None, None, (bright,)).table()
    assert shape == (2, 2)
    np.testing.assert_allclose(features, np.repeat([3 / 255, 1.0], [4, 2])[:, None] * np.ones(4))


def test_an_experiment_of_unlabelled_samples_has_no_labels_to_query():
    given = GivenSamples(part(100), given_part(np.ones((5, 4)), None, "unlabelled"), None, (part(20, "c0"),))
    made = settings(given, [None])
    made = made.model_copy(update={"model": made.model.model_copy(update={"n_qubits": 2})})
    made = made.model_copy(update={"data": made.data.model_copy(update={"augment": DataSettings().augment})})
    assert prepare_data(made, deal_given(made, given)).pool_labels is None


@pytest.mark.parametrize(
    ("given", "data", "told"),
    [
        (
            GivenSamples(part(100), None, None, (part(9, "c0", shape=(3,)),)),
            {},
            r"c0: expected samples of shape \(4,\)",
        ),
        (
            GivenSamples(part(100), None, None, (part(9, "c0"),)),
            {"partition": "homo"},
            "data.partition: expected clients that get samples",
        ),
        (
            GivenSamples(part(100), None, None, (None,)),
            {"partition": "homo", "dirichlet": 1.0},
            "expected data.partition or data.dirichlet, found both",
        ),
        (GivenSamples(part(3), None, None, (None,)), {}, "found 3: too few for"),
        (GivenSamples(part(100), None, None, (None,)), {"test": 99}, "found 100: too few"),
        (
            GivenSamples(part(100, classes=1), None, None, ()),
            {},
            r"at least two classes in the experiment, found \[0\]",
        ),
    ],
)
def test_what_cannot_be_dealt_is_told(given, data, told):
    with pytest.raises(DataError, match=told):
        deal_given(settings(given, [None] * len(given.clients), **data), given)


def test_classes_that_do_not_occur_are_told():
    given = GivenSamples(part(20), None, None, (given_part(np.zeros((2, 4)), [1, 1], "c0"),))
    with pytest.raises(DataError, match="data.classes: class 7 does not occur"):
        given.classes([0, 7])
    with pytest.raises(DataError, match="c0: expected samples of the classes 0, found none"):
        given_sizes(given, (0,), {}, [None])


def test_noise_and_partitions_reach_dealt_clients():
    given = GivenSamples(part(300), None, None, (None, None, part(20, "c2", start=1000)))
    noisy = deal_given(settings(given, [None] * 3, noise=1.0, partition="noniid-#label1"), given)
    quiet = deal_given(settings(given, [None] * 3, partition="noniid-#label1"), given)
    for held in quiet.split.clients[:2]:
        assert len(np.unique(quiet.codes[held])) == 1
    changed = np.flatnonzero((noisy.features != quiet.features).any(axis=1))
    assert set(changed) == set(np.concatenate(noisy.split.clients).tolist())
