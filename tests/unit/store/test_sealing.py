"""A flipped bit in what is stored is noticed."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qkd_qiskit.store.sealing import pack, seal_bytes, seal_text, unpack, unseal_bytes, unseal_text

PACKED = pack(np.arange(5.0), np.array("text"), about=b"question")


@given(st.integers(0, 8 * len(PACKED) - 1))
def test_any_flipped_bit_of_arrays_is_noticed(bit: int) -> None:
    damaged = bytearray(PACKED)
    damaged[bit // 8] ^= 1 << bit % 8
    with pytest.raises(ValueError, match="expected"):
        unpack(bytes(damaged), about=b"question")


@pytest.mark.parametrize(
    "data", [None, 7, "text", 1.5, PACKED[:-1], PACKED + b"x", PACKED[:20], b"QKD-ARR1", b"x"]
)
def test_what_is_no_sealed_array_is_refused(data: object) -> None:
    with pytest.raises(ValueError, match="expected"):
        unpack(data, about=b"question")


def test_arrays_belong_to_what_they_are_about() -> None:
    assert len(unpack(PACKED, about=b"question")) == 2
    with pytest.raises(ValueError, match="damaged"):
        unpack(PACKED, about=b"another")


def test_arrays_of_an_earlier_version_are_read() -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.arange(3))
    np.save(buffer, np.zeros((2, 2)))
    one, other = unpack(buffer.getvalue())
    assert one.tolist() == [0, 1, 2]
    assert other.shape == (2, 2)


@given(st.text())
def test_texts_come_back(text: str) -> None:
    assert unseal_text(seal_text(text)) == text


SEALED = seal_text('{"loss": 0.25}')


@given(st.integers(0, len(SEALED) - 1), st.characters(categories=["L", "N", "P", "Zs"]))
def test_any_other_sign_in_a_text_is_noticed(place: int, sign: str) -> None:
    damaged = SEALED[:place] + sign + SEALED[place + 1 :]
    if damaged != SEALED:
        with pytest.raises(ValueError, match="damaged"):
            unseal_text(damaged)


@pytest.mark.parametrize("value", [None, 7, b"bytes", "", "text", "{}"])
def test_what_is_no_sealed_text_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="expected a stored text with its checksum"):
        unseal_text(value)


@given(st.binary(max_size=60))
def test_bytes_come_back(data: bytes) -> None:
    assert unseal_bytes(seal_bytes(data)) == data


@given(st.binary(max_size=20), st.data())
def test_any_flipped_bit_of_bytes_is_noticed(data: bytes, draw: st.DataObject) -> None:
    damaged = bytearray(seal_bytes(data))
    bit = draw.draw(st.integers(0, 8 * len(damaged) - 1))
    damaged[bit // 8] ^= 1 << bit % 8
    with pytest.raises(ValueError, match="expected stored bytes with their checksum, found damaged ones"):
        unseal_bytes(bytes(damaged))


@pytest.mark.parametrize("value", [None, 3, "text", b"", b"plain bytes", seal_bytes(b"text")[:-1]])
def test_what_are_no_sealed_bytes_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="expected stored bytes with their checksum"):
        unseal_bytes(value)
