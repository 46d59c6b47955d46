"""Samples without labels, from every kind of file, and what is refused."""

from __future__ import annotations

import gzip
import struct

import numpy as np
import pytest

from qkd_qiskit.data.unlabelled import load_features
from qkd_qiskit.errors import DataError

IMAGES = np.arange(2 * 3 * 3, dtype=np.uint8)[::-1].reshape(2, 3, 3)
EXPECTED = IMAGES.reshape(2, 9) / 17


def idx(array):
    header = struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.tobytes()


def write(path, kind):
    if kind == "npy":
        np.save(path, IMAGES)
    elif kind == "npz, a known name":
        np.savez(path, other=np.zeros(5), images=IMAGES)
    elif kind == "npz, one array":
        np.savez(path, whatever=IMAGES)
    elif kind.startswith("csv"):
        head = "" if kind == "csv" else ",".join(f"f{k}" for k in range(9)) + "\n"
        path.write_text(head + "\n".join(",".join(map(str, row)) for row in IMAGES.reshape(2, 9).tolist()))
    else:
        path.write_bytes(gzip.compress(idx(IMAGES)) if kind == "idx.gz" else idx(IMAGES))


@pytest.mark.parametrize(
    "kind", ["npy", "npz, a known name", "npz, one array", "csv", "csv with headings", "idx", "idx.gz"]
)
def test_all_kinds_of_files_give_the_same_samples(kind, tmp_path):
    path = tmp_path / f"set.{kind.split(',')[0].split()[0]}"
    write(path, kind)
    found = load_features(path).features
    assert found.shape == (2, 9)
    # Images of bytes come in [0, 1]; the numbers themselves are in order in any case.
    np.testing.assert_allclose(found / found.max(), EXPECTED)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.npy", b"junk", "expected an array with the header 93 NUMPY"),
        ("a.npz", b"junk", "cannot read .*not a zip file"),
        ("a.npz", {"a": IMAGES, "b": IMAGES}, "expected samples under images or .*, found a, b"),
        (
            "a.npz",
            {"a": np.array([{}], dtype=object)},
            "a: expected .*, found Python objects",
        ),
        ("a.idx", b"junk", "is not an IDX file"),
        ("a.csv", b"", "expected columns of features, found none"),
        ("a.csv", b"a,b\n", "expected at least one row of values"),
        ("a.csv", b"1.5,2\n3\n", "expected 2 values in row 2, found 1"),
        ("a.csv", b"1.5,2\n3,x\n", "expected a number in row 2, column 2, found 'x'"),
        ("a.csv", b"1,nan\n3,4\n", "expected a value in row 1, column 2, found none"),
        ("a.csv", b"\xff\xfe1", "cannot read"),
    ],
)
def test_bad_files_are_refused(name, content, message, tmp_path):
    path = tmp_path / name
    if isinstance(content, dict):
        np.savez(path, **content)
    else:
        path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        load_features(path)
    assert "allow_pickle" not in str(caught.value)


def test_no_file_is_refused(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        load_features(tmp_path / "a.npy")


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.array(3.0), r"found shape \(\)"),
        (np.zeros((0, 4)), r"found shape \(0, 4\)"),
        (np.array([["a"]]), "expected real numbers"),
        (np.zeros((1, 2), complex), "expected real numbers"),
        (np.array([[np.inf, 1.0]]), "expected finite features"),
    ],
)
def test_arrays_that_are_no_samples_are_refused(array, message, tmp_path):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(DataError, match=message):
        load_features(tmp_path / "a.npy")
