"""Queries on the wire: exact round trips, and refusal of everything else before anything is allocated."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from qkd_qiskit.config import load_experiment
from qkd_qiskit.data import UNKNOWN, PublicOriginals, prepare_data, public_order
from qkd_qiskit.federation import RejectionCode, RequestRejected, TaskDescription, TrainRequest

TINY = str(Path(__file__).parents[2] / "integration" / "tiny.toml")
DIGEST = "5a" * 32


@pytest.fixture(scope="module")
def query():
    experiment = load_experiment(TINY)
    data = prepare_data(experiment)
    task = TaskDescription.of(experiment, data.classes)
    return TrainRequest(task, 1, data.public.digest, data.originals.without_answers())


def _originals(features, image_shape=None, examples=None):
    known = len(features) if examples is None else examples
    labels = np.full(len(features), UNKNOWN)
    labels[:known] = np.arange(known) % 3
    return PublicOriginals(features, labels, image_shape, known)


def test_a_query_comes_back_as_it_was(query):
    raw = query.to_bytes()
    back = TrainRequest.from_bytes(raw)
    assert back.task == query.task
    assert (back.round, back.public_digest, back.soft) == (1, query.public_digest, None)
    np.testing.assert_array_equal(back.originals.features, query.originals.features)
    np.testing.assert_array_equal(back.originals.labels, query.originals.labels)
    assert back.originals.n_examples == query.originals.n_examples == 30
    assert back.to_bytes() == raw


def test_a_query_tells_no_answers_and_nothing_of_other_clients(query):
    header = query.to_bytes()[8:].split(b"}}", 1)[0]
    for word in (b"noisy_line", b"guadalupe", b"two classes", b"samples", b"path"):
        assert word not in header.replace(b"search_samples", b"").replace(b'"samples":160', b"")
    back = TrainRequest.from_bytes(query.to_bytes()).originals
    assert (back.labels[: back.n_examples] >= 0).all()
    assert (back.labels[back.n_examples :] == UNKNOWN).all()


def test_a_task_with_an_encoding_that_nobody_here_has_is_refused(query):
    """Settings may name it, for those who read them; a client must not begin."""
    raw = query.to_bytes().replace(b'"encoding":"angle"', b'"encoding":"mine@0123456789abcdef0123"')
    (length,) = struct.unpack_from("<I", raw, 4)
    more = len(b"mine@0123456789abcdef0123") - len(b"angle")
    raw = raw[:4] + struct.pack("<I", length + more) + raw[8:]
    with pytest.raises(
        RequestRejected, match="header task.model: .*unknown encoding 'mine@0123456789abcdef0123'"
    ):
        TrainRequest.from_bytes(raw)


@pytest.mark.parametrize("number", [1, 2])
def test_a_request_is_the_same_whatever_the_listed_samples_serve_for(number):
    """The parts trade places, and not a byte changes: so no byte tells which samples are labelled."""
    experiment = load_experiment(TINY)
    data = prepare_data(experiment)
    own, task = data.originals, TaskDescription.of(experiment, data.classes)
    rng = np.random.default_rng(number)
    soft = None if number == 1 else rng.dirichlet(np.ones(3), data.public.n_answered).astype(np.float16)
    sent = set()
    for _ in range(5):
        listed = own.n_examples + rng.permutation(len(own.labels) - own.n_examples)
        calibration, validation, pool = np.split(listed, [rng.integers(1, 20), rng.integers(20, 40)])
        labels = rng.integers(0, 3, len(own.labels))
        labels[: own.n_examples] = own.labels[: own.n_examples]
        labels[pool] = UNKNOWN
        other = dataclasses.replace(
            own, labels=labels, calibration=np.sort(calibration), validation=np.sort(validation)
        )
        request = TrainRequest(task, number, data.public.digest, other, soft)
        assert (
            request.to_bytes() == dataclasses.replace(request, originals=other.without_answers()).to_bytes()
        )
        sent.add(request.to_bytes())
    assert len(sent) == 1


def test_the_seed_that_travels_deals_another_list_than_the_servers():
    """Whoever has the dataset and the request's seed makes other parts than the server."""
    experiment = load_experiment(TINY)
    data = prepare_data(experiment)
    seed = TaskDescription.of(experiment, data.classes).seed
    assert seed not in (experiment.seed, 0)
    stolen = prepare_data(experiment.model_copy(update={"seed": seed})).originals
    own = data.originals
    assert not np.array_equal(stolen.features, own.features)
    secret = experiment.model_copy(update={"secret": "9f3c"})
    apart = prepare_data(secret).originals
    assert not np.array_equal(apart.features, own.features)
    assert TaskDescription.of(secret, data.classes).seed != seed
    assert secret.secret not in TaskDescription.of(secret, data.classes).model_dump_json()


def test_labelled_samples_stand_anywhere_in_the_list():
    places = []
    for seed in range(30):
        settings = load_experiment(TINY).model_copy(update={"seed": seed})
        order = public_order(settings, (4, 20, 5, 5))
        places.append(np.flatnonzero(order >= 24) - 4)
    counts = np.bincount(np.concatenate(places), minlength=30)
    # 300 places in 30 bins: a bin that no labelled sample ever meets has a chance of 1e-5.
    assert counts.min() > 0
    assert stats.chisquare(counts).pvalue > 1e-3


@pytest.mark.parametrize(
    ("features", "width"),
    [
        (np.arange(256).reshape(4, 64) / 255.0, 1),
        (np.arange(16).reshape(4, 4) / 16.0, 1),
        (np.linspace(0, 1, 12).reshape(4, 3), 8),
        (np.array([[-1.0, 0.5], [3.0, 1e300]]), 8),
        (np.zeros((2, 5)), 1),
    ],
)
def test_features_keep_every_bit_in_as_few_bytes_as_that_takes(query, features, width):
    sent = dataclasses.replace(query, originals=_originals(features))
    bare = dataclasses.replace(query, originals=None)
    raw = sent.to_bytes()
    body = len(raw) - 8 - struct.unpack_from("<4sI", raw)[1]
    assert body == features.size * width + 2 * len(features)
    np.testing.assert_array_equal(TrainRequest.from_bytes(raw).originals.features, features)
    assert TrainRequest.from_bytes(bare.to_bytes()).originals is None


@given(
    seed=st.integers(0, 2**32 - 1),
    examples=st.integers(0, 4),
    listed=st.integers(0, 12),
    n_features=st.integers(1, 5),
    number=st.integers(1, 3),
)
@settings(max_examples=50)
def test_any_query_makes_the_round_trip(query, seed, examples, listed, n_features, number):
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((examples + listed, n_features))
    soft = None if number == 1 else rng.dirichlet(np.ones(3), 7).astype(np.float16)
    sent = TrainRequest(query.task, number, DIGEST, _originals(features, examples=examples), soft)
    back = TrainRequest.from_bytes(sent.to_bytes())
    np.testing.assert_array_equal(back.originals.features, features)
    assert back.round == number
    if soft is not None:
        np.testing.assert_array_equal(back.soft, soft)


def _with(query, body=None, **changes):
    """A query whose header is changed; `__` leads into tables."""
    raw = query.to_bytes()
    length = struct.unpack_from("<4sI", raw)[1]
    header = json.loads(raw[8 : 8 + length])
    for key, value in changes.items():
        *parents, last = key.split("__")
        node = header
        for parent in parents:
            node = node[parent]
        node[last] = value
    text = json.dumps(header).encode()
    return struct.pack("<4sI", b"QKDA", len(text)) + text + (raw[8 + length :] if body is None else body)


LIES = [
    (lambda q: b"", "at least 8 bytes, found 0"),
    (lambda q: b"QKDM" + q.to_bytes()[4:], "magic word"),
    (lambda q: struct.pack("<4sI", b"QKDA", 2**32 - 1), "header: expected at most"),
    (lambda q: struct.pack("<4sI", b"QKDA", 4) + b"null", "header"),
    (lambda q: struct.pack("<4sI", b"QKDA", 60000) + b"[" * 60000, "header"),
    (lambda q: q.to_bytes()[:-1], "arrays: expected"),
    (lambda q: q.to_bytes() + b"\0", "arrays: expected"),
    (lambda q: _with(q, public__examples=10**15), "arrays: expected"),
    (lambda q: _with(q, public__listed=10**15), "arrays: expected"),
    (lambda q: _with(q, public__examples=-1, public__listed=81), "header public.examples"),
    (lambda q: _with(q, public__listed=-1), "header public.listed"),
    (lambda q: _with(q, public__features=10**15), "arrays: expected"),
    (lambda q: _with(q, public__features=-64), "header public.features"),
    (lambda q: _with(q, public__levels=0), "header public.levels"),
    (lambda q: _with(q, public__image_shape=[8, 9]), "expected 8 x 9 pixels"),
    (lambda q: _with(q, turn=0), "header turn"),
    (lambda q: _with(q, turn=2), "soft labels from the second round"),
    (lambda q: _with(q, turn="1"), "header turn"),
    (lambda q: _with(q, schema_version=2), "header schema_version"),
    (lambda q: _with(q, public_digest="short"), "header public_digest"),
    (lambda q: _with(q, secret=1), "header secret"),
    (lambda q: _with(q, task__seed=-1), "header task.seed"),
    (lambda q: _with(q, task__classes=[0]), "header task.classes"),
    (lambda q: _with(q, task__model__n_qubits=4000), "header task.model.n_qubits"),
    (lambda q: _with(q, task__model__kernel="RX0 " * 300), "header task.model.kernel"),
    (lambda q: _with(q, public__features=10**4000), "header public.features"),
    (lambda q: _with(q, task__classes=[0, 1]), "public labels: expected numbers below 2, found 2"),
]


@pytest.mark.parametrize(("lie", "message"), LIES)
def test_a_lying_query_is_refused_without_allocating_what_it_claims(query, lie, message):
    raw = lie(query)
    tracemalloc.start()
    with pytest.raises(RequestRejected, match=message) as found:
        TrainRequest.from_bytes(raw)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5 * 2**20
    assert found.value.code is RejectionCode.NOT_A_QUERY
    assert "\n" not in str(found.value)


def test_numbers_that_are_none_are_refused(query):
    nan = dataclasses.replace(query, originals=_originals(np.full((3, 2), np.nan)))
    with pytest.raises(RequestRejected, match="public samples: expected finite numbers"):
        TrainRequest.from_bytes(nan.to_bytes())
    for bad in (np.nan, -0.5, 1.5):
        soft = np.full((4, 3), bad, dtype=np.float16)
        with pytest.raises(RequestRejected, match="soft labels: expected probabilities"):
            TrainRequest.from_bytes(dataclasses.replace(query, round=2, soft=soft).to_bytes())


def test_a_query_over_the_limit_is_not_read(query):
    with pytest.raises(RequestRejected, match="expected at most 10 bytes") as found:
        TrainRequest.from_bytes(query.to_bytes(), limit=10)
    assert found.value.code is RejectionCode.TOO_LARGE


@given(st.data())
@settings(max_examples=200)
def test_changed_bytes_are_a_query_or_refused(query, data):
    raw = bytearray(query.to_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, min(len(raw), 3000) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(RequestRejected):
        assert TrainRequest.from_bytes(bytes(raw)).round >= 1
