"""Samples of single clients: own files, public originals, and what one client works with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qkd_qiskit.config import AugmentSettings, ModelSettings, load_experiment
from qkd_qiskit.data import (
    UNKNOWN,
    PublicOriginals,
    load_client_samples,
    load_dataset,
    make_public,
    prepare_client,
    prepare_data,
    public_maker,
    public_order,
)
from qkd_qiskit.data.prepared import class_codes
from qkd_qiskit.errors import DataError

TINY = str(Path(__file__).parents[2] / "integration" / "tiny.toml")


def test_one_class_alone_and_small_pixels_are_read_as_announced(tmp_path):
    dark = np.array([[[0, 1], [1, 0]]], dtype=np.uint8)
    np.savez(tmp_path / "own.npz", images=dark, labels=[7])
    own = load_client_samples(tmp_path / "own.npz")
    np.testing.assert_array_equal(own.features((2, 2)), [[0, 1 / 255, 1 / 255, 0]])
    np.testing.assert_array_equal(own.features(None), [[0, 1, 1, 0]])
    assert own.labels.tolist() == [7]


def test_plain_features_are_never_taken_for_pixels(tmp_path):
    whole = np.arange(128.0).reshape(2, 64)
    np.savez(tmp_path / "own.npz", X=whole, y=[0, 1])
    np.testing.assert_array_equal(load_client_samples(tmp_path / "own.npz").features(None), whole)
    np.testing.assert_array_equal(load_client_samples(tmp_path / "own.npz").features((8, 8)), whole / 255)


def test_the_digest_tells_samples_and_labels_apart(tmp_path):
    digests = set()
    for name, images, labels in (
        ("a", np.zeros((2, 4, 4), np.uint8), [0, 1]),
        ("b", np.ones((2, 4, 4), np.uint8), [0, 1]),
        ("c", np.zeros((2, 4, 4), np.uint8), [1, 1]),
        ("d", np.zeros((2, 2, 8), np.uint8), [0, 1]),
    ):
        np.savez(tmp_path / f"{name}.npz", images=images, labels=labels)
        digests.add(load_client_samples(tmp_path / f"{name}.npz").digest)
        assert load_client_samples(tmp_path / f"{name}.npz").digest in digests
    assert len(digests) == 4


@pytest.mark.parametrize(
    ("arrays", "shape", "message"),
    [
        ({"X": np.zeros((2, 9)), "y": [0, 1]}, (2, 2), "expected images of 2 x 2 pixels, found 9 values"),
        ({"X": np.full((2, 4), np.nan), "y": [0, 1]}, (2, 2), "expected finite features"),
        ({"X": np.full((2, 4), np.inf), "y": [0, 1]}, None, "expected finite features"),
        ({"X": np.full((2, 4), -5.0), "y": [0, 1]}, (2, 2), "expected pixels in"),
    ],
)
def test_samples_unlike_the_announced_ones_are_refused(arrays, shape, message, tmp_path):
    np.savez(tmp_path / "own.npz", **arrays)
    with pytest.raises(DataError, match=message):
        load_client_samples(tmp_path / "own.npz").features(shape)


def test_a_file_without_a_label_a_sample_is_refused(tmp_path):
    np.savez(tmp_path / "own.npz", X=np.zeros((3, 4)), y=[0, 1])
    with pytest.raises(DataError, match="expected samples .* with N labels"):
        load_client_samples(tmp_path / "own.npz")
    with pytest.raises(DataError, match="no such file or folder"):
        load_client_samples(tmp_path / "nothing.npz")


def test_public_originals_must_fit_each_other():
    labels = np.zeros(2, dtype=np.int64)
    with pytest.raises(DataError, match="as many labels as samples, 3 or more, found 2 samples and 2 labels"):
        PublicOriginals(np.zeros((2, 4)), labels, None, 3)
    with pytest.raises(DataError, match="found 3 samples and 2 labels"):
        PublicOriginals(np.zeros((3, 4)), labels, None, 1)
    with pytest.raises(DataError, match="expected 3 x 2 pixels, found 4 features"):
        PublicOriginals(np.zeros((2, 4)), labels, (3, 2), 1)
    with pytest.raises(DataError, match="public samples: expected 3 of them, found 2"):
        PublicOriginals.mixed(np.zeros((2, 4)), labels, None, (1, 1, 1, 0), order=np.arange(2))
    with pytest.raises(DataError, match="public samples: expected sizes, found"):
        PublicOriginals.mixed(np.zeros((2, 4)), labels, None, (3, -1, 0, 0), order=np.arange(2))


@given(parts=st.tuples(*[st.integers(0, 5)] * 4), seed=st.integers(0, 9), secret=st.text(max_size=5))
def test_mixed_originals_keep_every_sample_its_label_and_its_part(parts, seed, secret):
    settings = load_experiment(TINY).model_copy(update={"seed": seed, "secret": secret})
    n = sum(parts)
    order = public_order(settings, parts)
    labels = np.arange(n) % 3
    mixed = PublicOriginals.mixed(np.arange(n)[:, None] * 1.0, labels, None, parts, order=order)
    numbers = mixed.features[:, 0].astype(int)
    np.testing.assert_array_equal(numbers[: mixed.n_examples], np.arange(parts[0]))
    ends = np.cumsum(parts)
    assert (mixed.labels[mixed.unlabelled] == UNKNOWN).all()
    for rows, start, stop in (
        (mixed.unlabelled, ends[0], ends[1]),
        (mixed.calibration, ends[1], ends[2]),
        (mixed.validation, ends[2], ends[3]),
    ):
        assert set(numbers[rows]) == set(range(start, stop))
    for rows in (mixed.calibration, mixed.validation):
        np.testing.assert_array_equal(mixed.labels[rows], labels[numbers[rows]])
    assert (mixed.without_answers().labels[mixed.n_examples :] == UNKNOWN).all()


def test_the_number_of_public_inputs_is_known_before_they_are_made():
    rng = np.random.default_rng(0)
    originals = PublicOriginals(rng.random((20, 64)), np.arange(20) % 3, (8, 8), 5)
    for augment in (
        AugmentSettings(),
        AugmentSettings(copies=2, mixup=1),
        AugmentSettings(copies=2, public_copies=0),
        AugmentSettings(public_copies=3, mixup=2),
    ):
        maker = public_maker(1, augment, ModelSettings(n_qubits=2), originals)
        assert len(make_public(maker, originals).samples) == originals.n_inputs(augment)


def test_a_client_prepares_for_itself_what_the_experiment_prepares_for_it():
    settings = load_experiment(TINY)
    whole = prepare_data(settings)
    dataset = load_dataset("digits", classes=(0, 1, 2))
    maker = public_maker(settings.shared_seed, settings.data.augment, settings.model, whole.originals)
    public = make_public(maker, whole.originals.without_answers())
    held = whole.split.clients[1]
    # A sample of a class that the experiment does not have is left out.
    features = np.concatenate([dataset.features[held], dataset.features[:1]])
    labels = np.append(dataset.labels[held], 9)
    name = settings.clients[1].name
    alone = prepare_client(name, (0, 1, 2), features, labels, maker, public, whole.originals)
    one = whole.of_client(1)
    np.testing.assert_array_equal(alone.clients[0].inputs, one.clients[0].inputs)
    np.testing.assert_array_equal(alone.clients[0].labels, one.clients[0].labels)
    np.testing.assert_array_equal(alone.public.samples.inputs, one.public.samples.inputs)
    assert alone.sizes == one.sizes == (len(held),)
    assert len(alone.test) == len(one.test) == 0
    for known in (alone.public, one.public):
        assert (known.answered.labels == UNKNOWN).all()
        assert len(known.calibration_rows) == len(known.validation_rows) == len(known.blends) == 0
    with pytest.raises(DataError, match="expected samples of 64 features, .* found 3"):
        prepare_client(name, (0, 1), np.zeros((2, 3)), labels[:2], maker, public, whole.originals)
    strange = np.array(["a", "b"])
    with pytest.raises(DataError, match="expected samples of the classes 0, 1, found none"):
        prepare_client(name, (0, 1), features[:2], strange, maker, public, whole.originals)


def test_codes_of_labels():
    assert class_codes(np.array([4, 2, 9]), (2, 4)).tolist() == [1, 0, UNKNOWN]
    assert class_codes(np.array(["b", "a"]), ("a", "c")).tolist() == [UNKNOWN, 0]
