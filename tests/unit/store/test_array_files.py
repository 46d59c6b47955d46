"""Arrays in NumPy's formats: the reader agrees with NumPy's own, and refuses what lies."""

from __future__ import annotations

import io
import warnings
import zipfile
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from qkd_qiskit.errors import DataError
from qkd_qiskit.store import ArrayArchive, open_npz, read_npy, use_limits
from qkd_qiskit.store.array_files import array_at

_TYPES = st.sampled_from(["<f8", ">f8", "<f4", "<f2", "<i8", ">i4", "u1", "?", "<c16", "<U3", "S4"])
_ARRAYS = _TYPES.flatmap(
    lambda kind: hnp.arrays(np.dtype(kind), hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
)


def saved(*arrays: Any, save: Any = np.save, **named: Any) -> bytes:
    buffer = io.BytesIO()
    save(buffer, *arrays, **named)
    return buffer.getvalue()


def same(one: np.ndarray, other: np.ndarray) -> bool:
    return (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())


@given(_ARRAYS, st.booleans(), st.binary(max_size=5))
def test_arrays_come_back_as_numpy_reads_them(array: np.ndarray, by_columns: bool, before: bytes) -> None:
    array = np.asfortranarray(array) if by_columns else array
    content = saved(array)
    found, end = array_at(before + content, len(before))
    assert end == len(before) + len(content)
    assert same(found, np.load(io.BytesIO(content)))
    assert found.flags.writeable


@given(_ARRAYS, _ARRAYS, st.booleans())
def test_archives_come_back_as_numpy_reads_them(one: np.ndarray, other: np.ndarray, packed: bool) -> None:
    content = saved(save=np.savez_compressed if packed else np.savez, one=one, other=other)
    archive = ArrayArchive(content, DataError, "here")
    assert archive.names == ("one", "other")
    assert "one" in archive
    assert "two" not in archive
    for name, array in (("one", one), ("other", other)):
        header = archive.header(name)
        assert (header.dtype, header.shape, header.nbytes) == (array.dtype, array.shape, array.nbytes)
        assert same(archive.array(name), array)


def lying(header: str, body: bytes = bytes(64), version: int = 1) -> bytes:
    data = header.encode("latin-1")
    size = len(data).to_bytes(2 if version == 1 else 4, "little")
    return b"\x93NUMPY" + bytes([version, 0]) + size + data + body


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 4)}",
        "{'shape': (2L, 4L), 'fortran_order': False, 'descr': '<f8', }\n",
        '{ "descr" : "<f8" , "fortran_order" : False , "shape" : ( 2 , 4 , ) }   \n',
    ],
)
@pytest.mark.parametrize("version", [1, 2])
def test_headers_of_other_writers_are_read(header: str, version: int) -> None:
    assert array_at(lying(header, version=version))[0].shape == (2, 4)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected an array with the header 93 NUMPY, found b''"),
        (b"\x93NUMPY\x01\x00", "cut off or too long"),
        (b"\x93NUMPY\x01\x00\xff\xff" + bytes(70_000), "cut off or too long"),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + bytes(70_000), "cut off or too long"),
        (saved(np.zeros(3))[:-1], "truncated: expected 24 bytes for shape .3,., found 23"),
        (saved(np.array([{}], dtype=object), allow_pickle=True), "found Python objects"),
        (saved(np.zeros(2, dtype="<M8[s]")), "expected the header of an array of numbers or text"),
        (saved(np.zeros(2, dtype=[("a", "<f8")])), "expected the header of an array of numbers or text"),
        (lying("{'descr': '<f8', 'fortran_order': False, 'shape': (-1, 4)}"), "expected the header"),
        (lying("{'descr': '<f8', 'fortran_order': False, 'shape': (0, 4611686018427387904)}"), "at most"),
        (lying("{'descr': '<U0', 'fortran_order': False, 'shape': (4611686018427387904,)}"), "at most"),
        (lying("{'descr': '<f8', 'fortran_order': False, 'shape': (1099511627776,)}"), "limits.values"),
        (lying("{'descr': '<f8', 'fortran_order': False, 'shape': (" + "1, " * 40 + ")}"), "at most"),
        (lying("{'descr': '<U100000000', 'fortran_order': False, 'shape': (2,)}"), "truncated"),
        (lying("{'descr': '<f8', 'fortran_order': False, 'shape': (9" + "9" * 1500 + ",)}"), "at most"),
        (lying("{'descr': '<f8', 'fortran_order': False}"), "expected the header"),
        (lying("{'descr': '<f8', 'descr': '<f8', 'fortran_order': False}"), "expected the header"),
        (lying("(" * 2000), "expected the header"),
        (lying("{'descr': 'f3', 'fortran_order': False, 'shape': (1,)}"), "f3"),
    ],
)
def test_lying_arrays_are_refused(content: bytes, message: str, tmp_path: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises((ValueError, TypeError), match=message):
            array_at(content)
        (tmp_path / "a.npy").write_bytes(content)
        with pytest.raises(DataError, match=f"cannot read .*a.npy: .*{message}"):
            read_npy(tmp_path / "a.npy", DataError)


def test_bytes_behind_the_array_are_refused(tmp_path: Any) -> None:
    (tmp_path / "a.npy").write_bytes(saved(np.zeros((2, 3))) + b"xy")
    with pytest.raises(DataError, match=r"oversized: 2 bytes follow the array of shape \(2, 3\)"):
        read_npy(tmp_path / "a.npy", DataError)
    (tmp_path / "a.npy").write_bytes(saved(np.zeros((2, 3))))
    assert read_npy(tmp_path / "a.npy", DataError).shape == (2, 3)


def archive_of(*members: tuple[str, bytes], way: int = zipfile.ZIP_DEFLATED) -> bytearray:
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", way) as archive:
        warnings.simplefilter("ignore")
        for name, data in members:
            archive.writestr(name, data)
    return bytearray(buffer.getvalue())


def many(count: int) -> bytes:
    return bytes(archive_of(*((f"{number}.npy", b"") for number in range(count))))


_ARRAY = saved(np.zeros((20, 20)))


def changed(place: int, value: bytes, content: bytearray | None = None) -> bytes:
    """Return an archive of one array with other bytes in its directory's only entry."""
    data = archive_of(("x.npy", _ARRAY)) if content is None else content
    start = data.index(b"PK\x01\x02") + place
    data[start : start + len(value)] = value
    return bytes(data)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a zip file"),
        (b"PK\x05\x06" + bytes(18), "x: x is missing"),
        (changed(8, b"\x01"), "found x.npy encrypted"),
        (changed(8, b"\x40"), "found x.npy encrypted"),
        (changed(8, b"\x20"), "compressed patched data"),
        (bytes(archive_of(("x.npy", _ARRAY), way=zipfile.ZIP_BZIP2)), "packed otherwise"),
        (bytes(archive_of(("x.npy", _ARRAY), way=zipfile.ZIP_LZMA)), "packed otherwise"),
        (changed(10, b"\x63"), "packed otherwise"),
        (
            changed(24, b"\xff\xff\xff\x7f"),
            "at most 16777216 bytes unpacked .limits.ratio.",
        ),
        (changed(24, b"\xff\xff\x1f\x00"), "x: expected 3328 bytes for shape .20, 20., found 2097151"),
        (changed(20, b"\xff\xff\xff\x7f"), "some that share their bytes"),
        (changed(16, b"\0\0\0\0"), "Bad CRC-32"),
        (changed(42, b"\xff\xff\x00\x00"), "cannot read here"),
        (bytes(archive_of(("x.npy", _ARRAY), ("x.npy", _ARRAY))), "found one twice"),
        (bytes(archive_of(("x.npy", _ARRAY), ("x", b""))), "found one twice"),
        (
            bytes(archive_of(*((f"{k}.npy", b"") for k in range(300)))),
            "at most 256 arrays .limits.members., found 300",
        ),
        (
            bytes(archive_of(*((f"{k}.npy", b"") for k in range(600)))),
            "at most 256 arrays .limits.members., found more",
        ),
        (bytes(archive_of(("x.npy", _ARRAY + b"more"))), "x: expected 3328 bytes for shape"),
        (bytes(archive_of(("x.npy", b"text"))), "x: expected an array with the header"),
        (bytes(archive_of(("x.npy", _ARRAY)))[:-30], "not a zip file"),
    ],
    # Archives hold the time of day, which no name of a test may.
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_lying_archives_are_refused(content: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        ArrayArchive(content, DataError, "here").array("x")
    assert len(str(caught.value).splitlines()) == 1


def test_archives_with_sizes_of_64_bits_are_read() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive, archive.open("x.npy", "w", force_zip64=True) as file:
        file.write(_ARRAY)
    assert ArrayArchive(buffer.getvalue(), DataError, "here").array("x").shape == (20, 20)


def test_archives_are_read_within_the_limits(tmp_path: Any) -> None:
    path = tmp_path / "a.npz"
    np.savez_compressed(path, x=np.zeros(4 * 10**6))
    with pytest.raises(DataError, match="cannot read the set .*a.npz: .*limits.ratio"):
        open_npz(path, DataError, "the set ")
    with use_limits(ratio=2000):
        assert open_npz(path, DataError).array("x").shape == (4 * 10**6,)
        with use_limits(values=1000), pytest.raises(DataError, match="x: expected at most 1000 values"):
            open_npz(path, DataError).header("x")
        with use_limits(unpacked_bytes=1000), pytest.raises(DataError, match="limits.unpacked_bytes"):
            open_npz(path, DataError)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("code", [0x110000, 0x40000073, 0xFFFFFFFF])
def test_numbers_that_are_no_signs_are_no_text(order: str, code: int, tmp_path: Any) -> None:
    codes = np.array([ord("a"), code, ord("b")], f"{order}u4")
    path = tmp_path / "labels.npy"
    path.write_bytes(saved(codes.view(f"{order}U3")))
    with pytest.raises(DataError, match=rf"expected text, found the number {code}, which is no sign"):
        read_npy(path, DataError)


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_last_sign_is_text(order: str, tmp_path: Any) -> None:
    path = tmp_path / "labels.npy"
    path.write_bytes(saved(np.array(["a\U0010ffff"], f"{order}U3")))
    assert read_npy(path, DataError).tolist() == ["a\U0010ffff"]
