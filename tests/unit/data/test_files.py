"""Files of one's own: what is read, and how lying files are refused."""

import gzip
import io
import os
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from qkd_qiskit.data import load_dataset
from qkd_qiskit.data.idx import read_idx
from qkd_qiskit.errors import DataError
from qkd_qiskit.store import FileLimits, use_limits

IMAGES = np.arange(6 * 4 * 3, dtype=np.uint8).reshape(6, 4, 3) * 3
LABELS = np.array([0, 1, 2, 0, 1, 2], np.uint8)
CODES = {"u1": 8, "i1": 9, "i2": 11, "i4": 12, "f4": 13, "f8": 14}


def idx_bytes(array):
    array = np.asarray(array)
    head = struct.pack(f">BBBB{array.ndim}I", 0, 0, CODES[array.dtype.str[1:]], array.ndim, *array.shape)
    return head + array.astype(array.dtype.newbyteorder(">")).tobytes()


def write_pair(folder, stem="train", suffix="", images=IMAGES, labels=LABELS):
    pack = gzip.compress if suffix == ".gz" else bytes
    (folder / f"{stem}-images-idx3-ubyte{suffix}").write_bytes(pack(idx_bytes(images)))
    (folder / f"{stem}-labels-idx1-ubyte{suffix}").write_bytes(pack(idx_bytes(labels)))
    return folder / f"{stem}-images-idx3-ubyte{suffix}"


def check_images(dataset):
    np.testing.assert_allclose(dataset.features, IMAGES.reshape(6, 12) / 255, rtol=1e-15)
    np.testing.assert_array_equal(dataset.labels, LABELS)
    assert dataset.image_shape == (4, 3)


@given(
    array=st.sampled_from(sorted(CODES)).flatmap(
        lambda code: hnp.arrays(np.dtype(code), hnp.array_shapes(max_dims=4, max_side=4))
    ),
    packed=st.booleans(),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_idx_round_trip(tmp_path, array, packed):
    path = tmp_path / "array"
    path.write_bytes(gzip.compress(idx_bytes(array), 1, mtime=0) if packed else idx_bytes(array))
    found = read_idx(path)
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)


@given(
    kind=st.sampled_from(["idx", "gz", "npy", "npz", "csv"]),
    cut=st.integers(0, 400),
    changes=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=4),
    tail=st.binary(max_size=5),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
def test_damaged_files_give_a_dataset_or_one_clear_line(tmp_path, kind, cut, changes, tail):
    content = {
        "idx": lambda: idx_bytes(IMAGES),
        "gz": lambda: gzip.compress(idx_bytes(IMAGES), mtime=0),
        "npy": lambda: saved(np.save, IMAGES),
        "npz": lambda: saved(np.savez_compressed, images=IMAGES, labels=LABELS),
        "csv": lambda: b"a,b,label\n" + b"".join(b"%d,2.5,%d\n" % (i, i % 3) for i in range(20)),
    }[kind]()
    damaged = bytearray(content[:cut] if cut < 200 else content)
    for place, value in changes:
        if place < len(damaged):
            damaged[place] = value
    path = tmp_path / f"my-images.{kind}"
    path.write_bytes(bytes(damaged) + tail)
    (tmp_path / "labels.npy").write_bytes(saved(np.save, LABELS))
    try:
        dataset = load_dataset(path=path, labels="labels.npy" if kind in ("idx", "gz", "npy") else None)
    except DataError as error:
        message = str(error)
    else:
        message = ""
        assert np.isfinite(dataset.features).all()
    assert len(message.splitlines()) <= 1


def saved(save, *arrays, **named):
    file = io.BytesIO()
    save(file, *arrays, **named)
    return file.getvalue()


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_idx_pair_by_file_and_by_folder(tmp_path, suffix):
    path = write_pair(tmp_path, suffix=suffix)
    check_images(load_dataset(path=path))
    check_images(load_dataset(path=str(tmp_path)))


def test_folder_prefers_train_and_plain_files(tmp_path):
    write_pair(tmp_path, "t10k", images=IMAGES[:3], labels=LABELS[:3])
    assert len(load_dataset(path=tmp_path)) == 3
    write_pair(tmp_path)
    write_pair(tmp_path, suffix=".gz")
    dataset = load_dataset(path=tmp_path)
    check_images(dataset)
    assert dataset.name == "train-images-idx3-ubyte"


def test_idx_with_dots_and_mixed_packing(tmp_path):
    (tmp_path / "t10k-images.idx3-ubyte").write_bytes(idx_bytes(IMAGES))
    (tmp_path / "t10k-labels.idx1-ubyte.gz").write_bytes(gzip.compress(idx_bytes(LABELS), mtime=0))
    check_images(load_dataset(path=tmp_path))


def test_named_label_files(tmp_path, monkeypatch):
    (tmp_path / "pictures").write_bytes(idx_bytes(IMAGES))
    (tmp_path / "answers").write_bytes(idx_bytes(LABELS))
    (tmp_path / "answers.txt").write_text("label\n0\n1\n2\n0\n1\n2\n")
    (tmp_path / "answers.npy").write_bytes(saved(np.save, LABELS[:, None]))
    for labels in ("answers", "answers.txt", "answers.npy", str(tmp_path / "answers")):
        check_images(load_dataset(path=tmp_path / "pictures", labels=labels))


@pytest.mark.parametrize(
    "names", [("images", "labels"), ("X", "y"), ("x_train", "y_train"), ("data", "target")]
)
def test_npz_names(tmp_path, names):
    np.savez(tmp_path / "set.npz", **{names[0]: IMAGES[..., None], names[1]: LABELS})
    check_images(load_dataset(path=tmp_path / "set.npz"))


def test_npz_with_named_labels_and_text(tmp_path):
    names = np.array(["cat", "dog"] * 3)
    np.savez(tmp_path / "set.npz", X=np.linspace(-1, 1, 12).reshape(6, 2), labels=LABELS, animal=names)
    dataset = load_dataset(path=tmp_path / "set.npz", labels="animal")
    assert (dataset.classes, dataset.image_shape) == (("cat", "dog"), None)
    np.testing.assert_array_equal(dataset.features, np.linspace(-1, 1, 12).reshape(6, 2))


def test_npy_pair_and_channel_first_images(tmp_path):
    np.save(tmp_path / "X.npy", IMAGES[:, None])
    np.save(tmp_path / "y.npy", LABELS)
    check_images(load_dataset(path=tmp_path / "X.npy"))


CSV_ROWS = "1,2.5,{0}\n2,3.5,{1}\n3,1.5,{0}\n4,0.5,{1}\n"


@pytest.mark.parametrize(
    ("text", "labels", "classes"),
    [
        ("a,b,label\n" + CSV_ROWS.format(0, 1), None, (0, 1)),
        ("\ufeffa,b,Class\r\n" + CSV_ROWS.format("x", "y"), None, ("x", "y")),
        ("a,b,what\n" + CSV_ROWS.format("x", "y"), "what", ("x", "y")),
        ("0,1,2\n" + CSV_ROWS.format("x", "y").replace("2.5", "t,"), None, None),
        (CSV_ROWS.format(0, 1), None, (0, 1)),
        (CSV_ROWS.format("x", '"y, z"'), None, ("x", "y, z")),
        (CSV_ROWS.format(0, 1), "-1", (0, 1)),
        (CSV_ROWS.format(0, 1), "0", (1, 2, 3, 4)),
    ],
)
def test_csv(tmp_path, text, labels, classes):
    path = tmp_path / "table.csv"
    path.write_bytes(text.encode())
    if classes is None:
        with pytest.raises(DataError, match=r"table\.csv"):
            load_dataset(path=path, labels=labels)
        return
    dataset = load_dataset(path=path, labels=labels)
    assert dataset.classes == classes
    assert dataset.features.shape == (4, 2)
    (tmp_path / "table.csv.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
    assert load_dataset(path=tmp_path / "table.csv.gz", labels=labels).classes == classes


@pytest.mark.parametrize("label_first", [True, False])
def test_csv_of_mnist_kind_without_headings(tmp_path, label_first):
    rng = np.random.default_rng(1)
    pixels, labels = rng.integers(0, 256, (20, 64)), np.arange(20) % 4
    pixels[:, [0, -1]] = 0
    table = np.hstack([labels[:, None], pixels] if label_first else [pixels, labels[:, None]])
    np.savetxt(tmp_path / "mnist.csv", table, fmt="%d", delimiter=",")
    dataset = load_dataset(path=tmp_path / "mnist.csv")
    np.testing.assert_array_equal(dataset.labels, labels)
    np.testing.assert_allclose(dataset.features, pixels / 255, rtol=1e-15)
    assert dataset.image_shape == (8, 8)


@pytest.mark.parametrize(
    ("text", "labels", "message"),
    [
        ("", None, "at least two rows, found 0"),
        ("a,label\n", None, "at least two rows, found 1"),
        ("1\n2\n", None, "found one column"),
        ("a,b,label\n1,2,0\n1,2\n", None, "table.csv: expected 3 values in row 3, found 2"),
        ("a,b,label\n1,2,0\n1,2,3,4\n", None, "table.csv: expected 3 values in row 3, found 4"),
        ("a,b,label\n1,2,0\n1,cat,1\n", None, r"expected a number in row 3, column 2 \(b\), found 'cat'"),
        (
            "a,b,label\n1,2,0\n1,,1\n",
            None,
            r"expected a value in row 3, column 2 \(b\), found none; data.missing = ",
        ),
        (
            "a,b,label\n1,2,0\n1,nan,1\n",
            None,
            r"expected a value in row 3, column 2 \(b\), found none; data.missing = ",
        ),
        ("a,b,label\n1,2,0\n1,3,\n", None, "a label for every sample, found none in row 3, column 3"),
        ("a,b,c\n1,2,3\n4,5,6\n", None, "cannot tell .*labels=HEADING"),
        ("a,b,c\n1,2,3\n4,5,6\n", "d", "no column 'd' for the labels among the 3 columns"),
        ("a,b,c\n1,2,3\n4,5,6\n", "3", "no column '3' for the labels"),
        ("1,2.5,0\n1,2.5,0\n0,1.5,1\n0,0.5,1\n", None, "cannot tell"),
        ("\x00,1\n2,3\n", None, "table.csv"),
    ],
)
def test_csv_is_refused_in_one_line(tmp_path, text, labels, message):
    (tmp_path / "table.csv").write_text(text)
    with pytest.raises(DataError, match=message) as caught:
        load_dataset(path=tmp_path / "table.csv", labels=labels)
    assert "\n" not in str(caught.value)


def test_csv_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "table.csv").write_bytes(b"a,label\n1,\xff\n2,3\n")
    with pytest.raises(DataError, match=r"cannot read .*not UTF-8 text"):
        load_dataset(path=tmp_path / "table.csv")


BODY = idx_bytes(IMAGES)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an IDX file: .*found nothing"),
        (b"PNG!" * 9, "not an IDX file: expected the header 00 00 TYPE AXES, found 50 4e 47 21"),
        (BODY[:7], "is truncated: it ends inside its IDX header"),
        (BODY[:-1], r"is truncated: its header says 72 bytes for shape \(6, 4, 3\)"),
        (gzip.compress(BODY[:-1], mtime=0), "is truncated: its header says 72 bytes .*found 71"),
        (BODY + b"x", "is oversized: its header says 72 bytes"),
        (gzip.compress(BODY + b"x", mtime=0), "is oversized"),
        (gzip.compress(BODY, mtime=0)[:-9], "cannot read .*: Compressed file ended"),
        (
            struct.pack(">BBBB3I", 0, 0, 8, 3, 2**32 - 1, 2**32 - 1, 1),
            f"is too large: .*at most {FileLimits().values}",
        ),
        (
            gzip.compress(struct.pack(">BBBB2I", 0, 0, 8, 2, 10000, 10000), mtime=0),
            "too large: its header says 100000000 bytes .*limits.ratio allows 16777216",
        ),
        (struct.pack(">BBBB2I", 0, 0, 8, 2, 0, 10), "holds no values"),
        (struct.pack(">BBBB", 0, 0, 8, 0), "not an IDX file"),
    ],
)
def test_lying_idx_headers_are_refused(tmp_path, content, message):
    (tmp_path / "x-images-idx3-ubyte").write_bytes(content)
    (tmp_path / "x-labels-idx1-ubyte").write_bytes(idx_bytes(LABELS))
    with pytest.raises(DataError, match=message):
        load_dataset(path=tmp_path / "x-images-idx3-ubyte")


def npy_claiming(shape):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": shape})
    return file.getvalue() + bytes(16)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (saved(np.save, IMAGES)[:-1], "cannot read"),
        (saved(np.save, IMAGES) + b"xyz", r"oversized: 3 bytes follow the array of shape \(6, 4, 3\)"),
        (npy_claiming((2**40, 2)), "cannot read"),
        (
            saved(np.save, np.array([{}, []], object)),
            "expected numbers or text, found Python objects",
        ),
        (saved(np.savez, x=IMAGES), "expected an array with the header 93 NUMPY"),
        (b"", "expected an array with the header 93 NUMPY, found b''"),
        (saved(np.save, IMAGES[..., None].repeat(3, -1)), "grey images .*found shape"),
        (saved(np.save, np.float64(3)), r"found shape \(\)"),
    ],
)
def test_bad_npy_is_refused(tmp_path, content, message):
    (tmp_path / "X.npy").write_bytes(content)
    np.save(tmp_path / "y.npy", LABELS)
    with pytest.raises(DataError, match=message) as caught:
        load_dataset(path=tmp_path / "X.npy")
    assert "\n" not in str(caught.value)


def npz_with(**members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            # Without a date of now: these bytes are part of a test's name, the same in all workers.
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), content, zipfile.ZIP_DEFLATED)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04 nothing", "cannot read"),
        (saved(np.savez, X=IMAGES), r"expected labels under labels or .*found X"),
        (saved(np.savez, y=LABELS), "expected samples under images or .*found y"),
        (
            saved(np.savez, X=np.array([{}] * 6), y=LABELS),
            ": X: expected .*, found Python objects",
        ),
        (saved(np.savez, X=IMAGES, y=LABELS[:4]), "one label per sample, found 6 samples and 4 labels"),
        (npz_with(X=npy_claiming((2**50, 2)), y=saved(np.save, LABELS)), "cannot read"),
        (npz_with(X=b"hello", y=saved(np.save, LABELS)), r"set\.npz"),
        (saved(np.savez, X=IMAGES, y=LABELS)[:-40], "cannot read"),
    ],
)
def test_bad_npz_is_refused(tmp_path, content, message):
    (tmp_path / "set.npz").write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        load_dataset(path=tmp_path / "set.npz")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("limits", "name", "message"),
    [
        ({"file_bytes": 300}, "set.npz", r"at most 300 bytes \(limits.file_bytes\), found"),
        ({"unpacked_bytes": 80}, "set.npz", r"at most 80 bytes unpacked \(limits.unpacked_bytes\), found"),
        ({"members": 1}, "set.npz", r"at most 1 arrays \(limits.members\), found 2"),
        (
            {"values": 10},
            "set.npz",
            r"X: expected at most 10 values \(limits.values\), found",
        ),
        ({"values": 10}, "X.npy", r"at most 10 values \(limits.values\), found shape \(100, 2\)"),
        ({"file_bytes": 10}, "t.csv", r"at most 10 bytes \(limits.file_bytes\), found"),
        ({"values": 2}, "t.csv", r"at most 2 values \(limits.values\), found 8"),
        ({"text_bytes": 5}, "t.csv", r"lines of at most 5 bytes \(limits.text_bytes\), found"),
        (
            {"unpacked_bytes": 10},
            "t.csv.gz",
            r"at most 10 bytes unpacked \(limits.unpacked_bytes\)",
        ),
        ({"unpacked_bytes": 50}, "x-images", r"limits.unpacked_bytes allows 50"),
        ({"values": 50}, "x-images", r"at most 50 values \(limits.values\), its header says 72"),
    ],
)
def test_what_exceeds_a_limit_is_refused_by_its_name(tmp_path, limits, name, message):
    np.savez_compressed(tmp_path / "set.npz", X=np.zeros((100, 2)), y=np.arange(100) % 2)
    np.save(tmp_path / "X.npy", np.zeros((100, 2)))
    np.save(tmp_path / "y.npy", np.arange(100) % 2)
    (tmp_path / "t.csv").write_text("a,b,label\n1,2,3\n1,2,4")
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress((tmp_path / "t.csv").read_bytes()))
    (tmp_path / "x-images").write_bytes(gzip.compress(idx_bytes(IMAGES)))
    (tmp_path / "x-labels").write_bytes(idx_bytes(LABELS))
    load_dataset(path=tmp_path / name)
    with use_limits(**limits), pytest.raises(DataError, match=message):
        load_dataset(path=tmp_path / name)


@pytest.mark.parametrize("kind", ["npz", "csv.gz", "idx.gz"])
def test_packed_bombs_are_refused_before_they_take_memory(tmp_path, kind):
    # 120 MB of zeros pack to 120 kB: far more than the ratio of 100.
    if kind == "npz":
        np.savez_compressed(tmp_path / "bomb.npz", X=np.zeros((120, 10**6), np.uint8), y=LABELS)
    else:
        body = struct.pack(">BBBB2I", 0, 0, 8, 2, 120, 10**6) if kind == "idx.gz" else b""
        body += bytes(12 * 10**7) if kind == "idx.gz" else b"0,0\n" * (3 * 10**7)
        (tmp_path / f"bomb.{kind}").write_bytes(gzip.compress(body, 1))
        (tmp_path / "labels").write_bytes(idx_bytes(LABELS))
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=r"limits\.ratio"):
            load_dataset(path=tmp_path / f"bomb.{kind}", labels="labels" if kind == "idx.gz" else None)
        assert tracemalloc.get_traced_memory()[1] < 80e6
    finally:
        tracemalloc.stop()


def test_labels_whose_array_would_not_fit_are_refused(tmp_path):
    rows = "".join(f"1.5,{'x' * 5000 if k == 7 else k % 3}\n" for k in range(1000))
    (tmp_path / "t.csv").write_text(f"a,label\n{rows}")
    (tmp_path / "l.txt").write_text("".join(f"{'x' * 5000 if k == 7 else k % 3}\n" for k in range(1000)))
    np.save(tmp_path / "X.npy", np.zeros((1000, 2)))
    for path, labels in (("t.csv", "label"), ("X.npy", "l.txt")):
        assert len(load_dataset(path=tmp_path / path, labels=labels)) == 1000
        with (
            use_limits(unpacked_bytes=10**7),
            pytest.raises(DataError, match="labels of at most 10000000 bytes together .*up to 5000 char"),
        ):
            load_dataset(path=tmp_path / path, labels=labels)


@pytest.mark.parametrize("labels", ["--1", "-", "1" * 5000, "²"])
def test_odd_label_columns_are_refused(tmp_path, labels):
    (tmp_path / "t.csv").write_text("a,b,label\n1,2,3\n1,2,4\n")
    with pytest.raises(DataError, match="no column"):
        load_dataset(path=tmp_path / "t.csv", labels=labels)


def test_labels_that_look_like_numbers_are_text(tmp_path):
    (tmp_path / "t.csv").write_text("a,b,label\n1,2,--5\n1,2,-5\n3,4,--5\n")
    assert load_dataset(path=tmp_path / "t.csv").classes == ("--5", "-5")


@pytest.mark.parametrize("path", ["a\0b.csv", "a" * 300 + ".npz", "x/" * 3000 + "y.csv"])
def test_impossible_paths_are_one_line(path):
    with pytest.raises(DataError, match="no such file|cannot read"):
        load_dataset(path=path)


def test_a_pipe_is_refused(tmp_path):
    os.mkfifo(tmp_path / "t.csv")
    with pytest.raises(DataError, match=r"cannot read .*expected a plain file, found a device or a pipe"):
        load_dataset(path=tmp_path / "t.csv")


def test_missing_files_are_named(tmp_path):
    with pytest.raises(DataError, match=r"no such file or folder: .*nowhere\.npz"):
        load_dataset(path=tmp_path / "nowhere.npz")
    with pytest.raises(DataError, match=r"expected a pair such as train-images-idx3-ubyte"):
        load_dataset(path=tmp_path)
    path = write_pair(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte").unlink()
    with pytest.raises(DataError, match="no label file beside it; name it with labels=PATH"):
        load_dataset(path=path)
    with pytest.raises(DataError, match=r"no such label file: other\.npy"):
        load_dataset(path=path, labels="other.npy")


def test_ambiguous_folder_and_wide_label_file(tmp_path):
    write_pair(tmp_path, "one")
    path = write_pair(tmp_path, "two")
    with pytest.raises(DataError, match=r"one pair of image and label files, found one-.*, two-"):
        load_dataset(path=tmp_path)
    (tmp_path / "wide.txt").write_text("1\n2,3\n")
    with pytest.raises(DataError, match=r"one label per line, found 2 values in row 2"):
        load_dataset(path=path, labels="wide.txt")
