import json
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from qkd_qiskit.distillation import ClientMessage, check_message, make_message, message_fault
from qkd_qiskit.errors import DistillationError
from qkd_qiskit.vqcnn import VQCNNSpec

DIGEST = "ab" * 32
CLASSES = (0, 1, 2, 3)


def _spec(n_outcomes):
    return VQCNNSpec(n_qubits=4, plan="conv, edge, conv", kernels="su4", n_outcomes=n_outcomes)


def _message(classes=(1, 2), columns=3, rows=5, **change):
    p = np.random.default_rng(0).dirichlet(np.ones(columns), rows)
    message = make_message("ada", _spec(max(columns, 2)).index, classes, p, DIGEST)
    return ClientMessage(**{**vars(message), **change})


def _fault(message, n_public=5):
    return message_fault(message, n_public=n_public, public_digest=DIGEST, classes=CLASSES)


@settings(max_examples=50)
@given(
    st.text(max_size=20),
    st.integers(0, 10**300),
    st.one_of(st.lists(st.integers(-(2**70), 2**70)), st.lists(st.text())),
    arrays(
        np.float16,
        st.tuples(st.integers(0, 5), st.integers(0, 4)),
        elements=st.floats(width=16, allow_nan=False),
    ),
    st.text(max_size=64),
)
def test_round_trip(client, index, classes, outputs, digest):
    sent = ClientMessage(client, index, tuple(classes), outputs, digest)
    got = ClientMessage.from_bytes(sent.to_bytes())
    assert (got.client, got.model_index, got.classes, got.public_digest) == (
        client,
        index,
        tuple(classes),
        digest,
    )
    np.testing.assert_array_equal(got.outputs, outputs)
    assert got.outputs.dtype == np.float16
    assert got.outputs.shape == outputs.shape


def test_size_is_header_plus_two_bytes_a_number():
    small, large = _message(rows=5), _message(rows=50)
    assert large.n_bytes - small.n_bytes == 45 * 3 * 2 + 1  # one more digit in the header's shape
    assert large.n_bytes == len(large.to_bytes())


@pytest.mark.parametrize(("classes", "columns"), [((1, 2), 2), ((1, 2), 3), ((3,), 2), (CLASSES, 4)])
def test_a_sound_message_passes(classes, columns):
    message = _message(classes, columns)
    assert _fault(message) is None
    check_message(message, n_public=5, public_digest=DIGEST, classes=CLASSES)
    assert message.reject == (columns > len(classes))


def test_numpy_labels_become_plain():
    message = make_message("a", 1, np.array([3, 4]), np.ones((1, 2)), DIGEST)
    assert [type(c) for c in message.classes] == [int, int]
    assert make_message("a", 1, np.array(["x"]), np.ones((1, 1)), DIGEST).classes == ("x",)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (_message(schema=2), "schema: expected 1, found 2"),
        (_message(public_digest="cd" * 32), "public set: expected digest abab"),
        (_message(classes=(1, 7)), "expected some of .*, found 7"),
        (_message(classes=("1", "2")), "found '1'"),
        (_message(classes=(2, 1)), "sorted order"),
        (_message(classes=(1, 1)), "sorted order"),
        (_message(classes=(), columns=2), "sorted order"),
        (_message(model_index=-1), "model index: "),
        (_message(model_index=10**90 + 7), "model index: "),
        (_message(model_index=_spec(4).index), "expected a spec with 3 outcomes, found 4"),
        (_message(rows=4), r"expected shape \(5, 2 or 3\), found \(4, 3\)"),
        (_message(columns=4), r"found \(5, 4\)"),
        (_message(outputs=np.ones(5, np.float16)), r"found \(5,\)"),
        (_message(outputs=np.full((5, 3), np.nan, np.float16)), "finite numbers, found 15 others"),
        (_message(outputs=np.tile(np.float16([1.5, -0.5, 0]), (5, 1))), r"\[0, 1\], found -0.5 to 1.5"),
        (_message(outputs=np.full((5, 3), 0.5, np.float16)), "off by 0.5"),
    ],
)
def test_an_unsound_message_is_refused_by_name_and_reason(message, reason):
    with pytest.raises(DistillationError, match=f"client 'ada' refused: .*{reason}"):
        check_message(message, n_public=5, public_digest=DIGEST, classes=CLASSES)


def _with_header(**change):
    raw = _message().to_bytes()
    (length,) = struct.unpack_from("<I", raw, 4)
    header = json.loads(raw[8 : 8 + length])
    header.update(change)
    header = {key: value for key, value in header.items() if value is not ...}
    coded = json.dumps(header).encode()
    return b"QKDM" + struct.pack("<I", len(coded)) + coded + raw[8 + length :]


def _raw(header: bytes):
    return b"QKDM" + struct.pack("<I", len(header)) + header


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "expected 8 to .* bytes, found 0"),
        (b"\x80\x04K\x01." + bytes(20), "magic word"),
        (b"QKDM" + struct.pack("<I", 2**32 - 1), "header: at most 8 bytes"),
        (b"QKDM" + struct.pack("<I", 2**17) + bytes(2**17), "header: at most 65536 bytes"),
        (_raw(b"{"), "header: Invalid JSON"),
        (_raw(b"\xff\xfe"), "header: Invalid JSON"),
        (_raw(b"[" * 60_000), "header: Invalid JSON"),
        (_raw(b"[]"), "header: expected a table"),
        (_with_header(extra=1), "header.extra: unknown key"),
        (_with_header(client=...), "header.client: expected a value, found none"),
        (_with_header(client=3), "header.client: expected a text"),
        (_with_header(schema=9), "header.schema: expected at most 1"),
        (_with_header(schema=True), "header.schema: expected a whole number"),
        (_with_header(model_index=12), "header.model_index: expected a text"),
        (_with_header(model_index="1e9"), "header.model_index: expected a text like"),
        (_with_header(model_index="²"), "header.model_index: expected a text like"),
        (_with_header(model_index="9" * 5000), "header.model_index: expected a text of at most 4000"),
        (_with_header(classes="12"), "header.classes"),
        (_with_header(classes=[[1]]), "header.classes"),
        (_with_header(shape=[5]), "header.shape"),
        (_with_header(shape=[-5, -3]), "header.shape"),
        (_with_header(shape=[10**18, 10**18]), "'ada' refused: outputs: expected 2000"),
        (_with_header(shape=[5, 4]), r"expected 40 bytes for shape \(5, 4\), found 30"),
        (_message().to_bytes()[:-1], "found 29"),
        (_message().to_bytes() + b"x", "found 31"),
    ],
)
def test_bytes_that_are_no_message(data, reason):
    with pytest.raises(DistillationError, match=reason):
        ClientMessage.from_bytes(data)


def test_too_many_bytes_are_refused_before_decoding():
    with pytest.raises(DistillationError, match="client 'bob' refused: expected 8 to 67108864 bytes"):
        ClientMessage.from_bytes(bytes(64 * 2**20 + 1), sender="bob")


def test_a_client_name_cannot_break_the_line():
    with pytest.raises(DistillationError) as caught:
        ClientMessage.from_bytes(_with_header(client="a\nb\x1b[31m" + "c" * 500, shape=[5, 4]))
    assert "\n" not in str(caught.value)
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 250


@settings(max_examples=100)
@given(st.binary(max_size=200))
def test_garbage_never_gets_through(data):
    with pytest.raises(DistillationError, match="refused"):
        ClientMessage.from_bytes(b"QKDM" + data)


@pytest.mark.parametrize("columns", [1, 2, 3, 4])
@pytest.mark.parametrize("rows", [0, 1, 200])
def test_one_byte_a_number(rows, columns):
    """Half a unit is the most that rounding costs before the rows are brought back to one."""
    p = np.random.default_rng(0).dirichlet(np.ones(columns), rows)
    sent = make_message("ada", 0, tuple(range(columns)), p, DIGEST, precision="uint8")
    got = ClientMessage.from_bytes(sent.to_bytes())
    assert got.precision == "uint8"
    assert got.outputs.nbytes == rows * columns
    np.testing.assert_array_equal(got.outputs, sent.outputs)
    np.testing.assert_allclose(got.probabilities.sum(axis=1), np.ones(rows))
    np.testing.assert_allclose(got.probabilities, p, atol=(columns + 1) / 255)


def test_rounded_rows_pass_and_spoilt_ones_do_not():
    p = np.random.default_rng(0).dirichlet(np.ones(3), 5)
    message = make_message("ada", _spec(3).index, (1, 2), p, DIGEST, precision="uint8")
    assert _fault(message) is None
    spoilt = ClientMessage(**{**vars(message), "outputs": np.full((5, 3), 90, np.uint8)})
    assert "rows that sum to 1" in _fault(spoilt)


@pytest.mark.parametrize("precision", ["float32", 8, None, ["uint8"]])
def test_other_precisions_are_refused(precision):
    raw = _message().to_bytes()
    (length,) = struct.unpack_from("<I", raw, 4)
    header = json.loads(raw[8 : 8 + length]) | {"precision": precision}
    text = json.dumps(header).encode()
    with pytest.raises(DistillationError, match="header.precision: expected 'float16' or 'uint8'"):
        ClientMessage.from_bytes(raw[:4] + struct.pack("<I", len(text)) + text + raw[8 + length :])
