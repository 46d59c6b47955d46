"""A client's message: its model index and its outputs on the public set, and nothing else.

On the wire a message is a magic word, the length of a JSON header, the header, and the outputs as raw
float16, or as multiples of 1/255 in one byte each. Every size is checked before anything is allocated, and
nothing is ever unpickled.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, StrictInt, StrictStr, ValidationError

from qkd_qiskit.config import Label, Settings
from qkd_qiskit.distillation.outputs import ClientOutputs
from qkd_qiskit.errors import DistillationError, VQCNNError
from qkd_qiskit.faults import first_fault
from qkd_qiskit.text import printable
from qkd_qiskit.vqcnn import VQCNNSpec

SCHEMA = 1
MAX_HEADER_BYTES = 65_536
MAX_MESSAGE_BYTES = 64 * 2**20

_PREFIX = struct.Struct("<4sI")
_MAGIC = b"QKDM"
# float16 keeps 11 bits: the sum of a row of rounded probabilities is that far from one, and no farther.
_SUM_TOLERANCE = 0.01
_LEVELS = 255
_TYPES: dict[str, np.dtype[Any]] = {"float16": np.dtype("<f2"), "uint8": np.dtype("u1")}
Precision = Literal["float16", "uint8"]
# Sizes whose product can still be told: Python refuses to print integers of more than 4300 digits.
_Size = Annotated[int, Field(ge=0, lt=2**63, strict=True)]


class _MessageHeader(Settings):
    """What precedes the outputs; in the order in which it travels."""

    classes: tuple[StrictInt | StrictStr, ...]
    client: StrictStr
    # Python itself refuses to read longer numbers, and the family ends far below.
    model_index: StrictStr = Field(pattern="^[0-9]+$", max_length=4000)
    precision: Precision
    public_digest: StrictStr
    schema_version: StrictInt = Field(alias="schema", ge=SCHEMA, le=SCHEMA)
    shape: tuple[_Size, _Size]


@dataclass(frozen=True, eq=False)
class ClientMessage:
    """A client's answer to the server.

    Attributes:
        client: Name of the client.
        model_index: Index of its VQCNN in the family of all specs.
        classes: Its class set, sorted.
        outputs: Outcome probabilities on the public inputs, [n_public, K], or [n_public, K + 1] with the
            reject outcome last; float16, or uint8 in units of 1/255.
        public_digest: SHA-256 of the public inputs that the outputs belong to, in hexadecimal.
        schema: Version of the message's layout.
    """

    client: str
    model_index: int
    classes: tuple[Label, ...]
    outputs: NDArray[np.float16] | NDArray[np.uint8]
    public_digest: str
    schema: int = SCHEMA

    @property
    def reject(self) -> bool:
        """Whether the last column is the reject outcome."""
        return bool(self.outputs.shape[1] == len(self.classes) + 1)

    @property
    def precision(self) -> Precision:
        """How the outputs travel."""
        return "uint8" if self.outputs.dtype == np.uint8 else "float16"

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """Outputs as float64; those of one byte are renormalized, as rounding spoils their sums."""
        if self.outputs.dtype != np.uint8:
            return self.outputs.astype(np.float64)
        counts = self.outputs.astype(np.float64)
        return np.asarray(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1.0))

    def outputs_in(self, classes: Sequence[Label]) -> ClientOutputs:
        """Return the probabilities, with the client's classes as positions among all classes."""
        held = np.array([classes.index(label) for label in self.classes], dtype=np.int64)
        return ClientOutputs(self.client, held, self.probabilities)

    def to_bytes(self) -> bytes:
        """Return the message as it travels."""
        header = json.dumps(
            {
                "classes": self.classes,
                "client": self.client,
                "model_index": str(self.model_index),
                "precision": self.precision,
                "public_digest": self.public_digest,
                "schema": self.schema,
                "shape": self.outputs.shape,
            },
            separators=(",", ":"),
        ).encode()
        return (
            _PREFIX.pack(_MAGIC, len(header)) + header + self.outputs.astype(_TYPES[self.precision]).tobytes()
        )

    @property
    def n_bytes(self) -> int:
        """Number of bytes that the message takes on the wire."""
        return len(self.to_bytes())

    @classmethod
    def from_bytes(cls, data: bytes, *, sender: str = "unknown") -> ClientMessage:
        """Decode a message; its content is not checked yet, see `check_message`.

        Args:
            data: What arrived.
            sender: Name for errors, as long as that in the message is not known.

        Raises:
            DistillationError: If the bytes are no message of this schema.
        """
        if not _PREFIX.size <= len(data) <= MAX_MESSAGE_BYTES:
            raise _refused(sender, f"expected {_PREFIX.size} to {MAX_MESSAGE_BYTES} bytes, found {len(data)}")
        magic, length = _PREFIX.unpack_from(data)
        if magic != _MAGIC:
            raise _refused(sender, f"expected the magic word {_MAGIC!r}, found {magic!r}")
        body = _PREFIX.size + length
        if length > MAX_HEADER_BYTES or body > len(data):
            raise _refused(
                sender, f"header: at most {min(MAX_HEADER_BYTES, len(data))} bytes can be, found {length}"
            )
        header = _parse_header(data[_PREFIX.size : body], sender)
        (rows, columns), kind = header.shape, _TYPES[header.precision]
        expected = rows * columns * kind.itemsize
        if expected != len(data) - body:
            raise _refused(
                header.client,
                f"outputs: expected {expected} bytes for shape ({rows}, {columns}), found {len(data) - body}",
            )
        outputs = np.frombuffer(data, dtype=kind, offset=body).reshape(rows, columns)
        return cls(
            client=header.client,
            model_index=int(header.model_index),
            classes=header.classes,
            outputs=outputs.astype(kind.newbyteorder("=")),
            public_digest=header.public_digest,
            schema=header.schema_version,
        )


def make_message(
    client: str,
    model_index: int,
    classes: Sequence[Any],
    probabilities: ArrayLike,
    public_digest: str,
    *,
    precision: Precision = "float16",
) -> ClientMessage:
    """Make the message of a client with the given outcome probabilities.

    Args:
        client: Name of the client.
        model_index: Index of its spec.
        classes: Its sorted class set, as plain or NumPy integers or strings.
        probabilities: [n_public, K], or [n_public, K + 1] with the reject outcome last.
        public_digest: Digest of the public inputs.
        precision: What the probabilities are rounded to.
    """
    plain = tuple(str(label) if isinstance(label, str) else int(label) for label in classes)
    exact = np.asarray(probabilities, dtype=np.float64)
    outputs: NDArray[np.float16] | NDArray[np.uint8] = exact.astype(np.float16)
    if precision == "uint8":
        outputs = np.rint(exact * _LEVELS).astype(np.uint8)
    return ClientMessage(client, model_index, plain, outputs, public_digest)


def message_fault(
    message: ClientMessage, *, n_public: int, public_digest: str, classes: Sequence[Label]
) -> str | None:
    """Return why a message cannot be used in one printable line, or None if it can.

    Args:
        message: The decoded message.
        n_public: Number of public inputs.
        public_digest: Digest of the server's public inputs.
        classes: All classes of the experiment.
    """
    fault: str | None
    if message.schema != SCHEMA:
        fault = f"schema: expected {SCHEMA}, found {message.schema}"
    elif message.public_digest != public_digest:
        fault = f"public set: expected digest {public_digest[:12]}..., found {message.public_digest[:12]}..."
    else:
        fault = _class_fault(message, classes) or _output_fault(message, n_public) or _model_fault(message)
    # The message's own words are in it.
    return None if fault is None else printable(fault)


def check_message(
    message: ClientMessage, *, n_public: int, public_digest: str, classes: Sequence[Label]
) -> None:
    """Refuse a message that cannot be used; the arguments are those of `message_fault`.

    Raises:
        DistillationError: With the client's name and the reason.
    """
    fault = message_fault(message, n_public=n_public, public_digest=public_digest, classes=classes)
    if fault is not None:
        raise _refused(message.client, fault)


def _class_fault(message: ClientMessage, classes: Sequence[Label]) -> str | None:
    known = list(classes)
    unknown = [label for label in message.classes if label not in known]
    if unknown:
        return f"classes: expected some of {known}, found {unknown[0]!r}"
    positions = [known.index(label) for label in message.classes]
    if not positions or positions != sorted(set(positions)):
        return f"classes: expected different classes in sorted order, found {list(message.classes)}"
    return None


def _model_fault(message: ClientMessage) -> str | None:
    try:
        spec = VQCNNSpec.from_index(message.model_index)
    except VQCNNError as error:
        return f"model index: {error}"
    columns = message.outputs.shape[1]
    if spec.n_outcomes != columns:
        return f"model index: expected a spec with {columns} outcomes, found {spec.n_outcomes}"
    return None


def _output_fault(message: ClientMessage, n_public: int) -> str | None:
    outputs: NDArray[Any] = message.outputs
    k = len(message.classes)
    if outputs.shape not in ((n_public, k), (n_public, k + 1)):
        return f"outputs: expected shape ({n_public}, {k} or {k + 1}), found {outputs.shape}"
    tolerance = _SUM_TOLERANCE
    if outputs.dtype == np.uint8:
        # Each number is rounded by half a unit at most.
        outputs, tolerance = outputs / _LEVELS, 0.5 * outputs.shape[1] / _LEVELS + 1e-9
    if not np.isfinite(outputs).all():
        return f"outputs: expected finite numbers, found {int((~np.isfinite(outputs)).sum())} others"
    if outputs.size and (outputs.min() < 0 or outputs.max() > 1):
        return f"outputs: expected values in [0, 1], found {outputs.min()} to {outputs.max()}"
    sums = outputs.astype(np.float64).sum(axis=1)
    worst = float(np.abs(sums - 1).max(initial=0.0))
    if worst > tolerance:
        return f"outputs: expected rows that sum to 1, found a row off by {worst:.3g}"
    return None


def _parse_header(raw: bytes, sender: str) -> _MessageHeader:
    try:
        return _MessageHeader.model_validate_json(raw)
    except ValidationError as error:
        first = first_fault(error)
        where = f"header.{first.key}" if first.key else "header"
        raise _refused(sender, f"{where}: {first.expected}") from None


def _refused(client: str, reason: str) -> DistillationError:
    # A name is input too: it must not spoil the one line of an error.
    return DistillationError(f"message of client {printable(client, 80)!r} refused: {printable(reason)}")
