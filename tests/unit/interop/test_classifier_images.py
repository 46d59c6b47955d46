"""Images among the classifier's samples: recognised by their columns, and learnt in moved copies."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits, make_classification

from qkd_qiskit.errors import ClassifierError
from qkd_qiskit.interop.classifier import VQCNNClassifier
from qkd_qiskit.interop.classifier_images import image_copies, moved_images, square_of_pixels


def blobs_of_light(count: int, side: int) -> np.ndarray:
    """Images of one bright spot each, somewhere about the middle."""
    rng = np.random.default_rng(0)
    middle = rng.normal(side / 2, side / 8, (count, 2, 1, 1))
    rows, columns = np.mgrid[:side, :side]
    distance = (rows - middle[:, 0]) ** 2 + (columns - middle[:, 1]) ** 2
    return np.exp(-distance / side).reshape(count, -1)


def waves(count: int, columns: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    phase, height = rng.uniform(0, 6, (2, count, 5, 1))
    time = np.arange(columns) * np.array([1, 2, 3, 5, 7])[:, None] * 6 / columns
    return (height * np.sin(time + phase)).sum(axis=1)


@pytest.mark.parametrize(
    ("features", "shape"),
    [
        (load_digits().data, (8, 8)),
        (blobs_of_light(40, 20), (20, 20)),
        (1e200 * blobs_of_light(40, 20) - 1e190, (20, 20)),
        (blobs_of_light(40, 20)[:, np.random.default_rng(0).permutation(400)], None),
        (blobs_of_light(40, 20)[:, :399], None),
        (blobs_of_light(19, 20), None),
        (waves(60, 400), None),
        (np.cumsum(np.random.default_rng(0).normal(size=(60, 400)), axis=1), None),
        (
            np.random.default_rng(0).normal(size=(60, 1)) + np.random.default_rng(1).normal(size=(60, 64)),
            None,
        ),
        (make_classification(100, 64, n_informative=20, random_state=0)[0], None),
        (np.zeros((40, 64)), None),
        (np.full((40, 64), 1e308) * np.where(np.arange(40) % 2, 1, -1)[:, None], None),
    ],
    ids=[
        "digits",
        "spots",
        "huge",
        "mixed up",
        "399",
        "few",
        "waves",
        "walks",
        "alike",
        "table",
        "none",
        "inf",
    ],
)
def test_images_are_told_from_tables_and_series(features, shape):
    assert square_of_pixels(features) == shape


def test_copies_are_moved_a_little_and_keep_their_range():
    images = 255 * blobs_of_light(30, 20) - 7
    moved = moved_images(images, (20, 20), rng=np.random.default_rng(1))
    assert moved.shape == images.shape
    assert images.min() - 1e-9 <= moved.min() <= moved.max() <= images.max() + 1e-9
    # The spot of light moves by a pixel or two, never far.
    middle = [np.array(np.unravel_index(x.argmax(axis=1), (20, 20))) for x in (images, moved)]
    assert 0 < np.abs(middle[0] - middle[1]).max() <= 3


@pytest.mark.parametrize(
    ("images", "columns", "message"),
    [
        ("yes", 64, "images: expected \"auto\", true or false, found 'yes'"),
        (1, 64, 'images: expected "auto", true or false, found 1'),
        (True, 63, "images: expected a square number of columns, one a pixel, found 63"),
    ],
)
def test_other_words_and_widths_are_refused(images, columns, message):
    with pytest.raises(ClassifierError, match=message):
        image_copies(images, np.eye(2, columns), 0)


def test_the_choice_is_the_users_and_repeats_itself():
    table, pixels = np.eye(30, 9), blobs_of_light(30, 8)
    assert image_copies("auto", table, 0) is None
    assert image_copies(True, table, 0) is not None
    assert image_copies(False, pixels, 0) is None
    one, same, other = (image_copies("auto", pixels, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one[3], same[3])
    assert (one[3] != one[4]).any()
    assert (one[3] != other[3]).any()
    assert one.with_originals().shape == (90, 64)


def test_a_model_learns_images_and_judges_them_as_they_are(capsys):
    images, labels = load_digits(return_X_y=True)
    chosen = np.flatnonzero((labels == 3) | (labels == 8))
    train, test = chosen[:220], chosen[220:]
    model = VQCNNClassifier(2, budget=4, steps=60, iterations=0, early_stopping=False, random_state=0)
    model.set_params(verbose=1).fit(images[train], labels[train])
    assert "moved copies" in capsys.readouterr().out
    assert model.score(images[test], labels[test]) > 0.85
    plain = clone(model).set_params(images=False, verbose=0).fit(images[train], labels[train])
    assert (plain.params_ != model.params_).any()
