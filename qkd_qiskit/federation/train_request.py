"""The server's request: the experiment as far as clients must know it, public samples, soft labels.

On the wire a request is a magic word, the length of a JSON header, the header, then raw arrays: features,
labels of the examples, soft labels. Every size is checked before anything is allocated, and nothing is ever
unpickled. Copies of public samples do not travel: everybody makes them again from the seed. Behind the
examples stands one list in random order; nothing tells of which of it the server knows the labels.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, StrictInt, StrictStr, ValidationError, field_validator

from qkd_qiskit.config import (
    AdamSettings,
    AugmentSettings,
    ExperimentSettings,
    Label,
    ModelSettings,
    NoiseSettings,
    Settings,
    TrainingSettings,
)
from qkd_qiskit.data import UNKNOWN, PublicOriginals
from qkd_qiskit.encoding import encoding_named
from qkd_qiskit.errors import DataError
from qkd_qiskit.faults import first_fault
from qkd_qiskit.federation.rejection import RejectionCode, RequestRejected

SCHEMA = 1
MAX_QUERY_BYTES = 64 * 2**20
_MAX_HEADER_BYTES = 2**20

_PREFIX = struct.Struct("<4sI")
_MAGIC = b"QKDA"
_LABEL_TYPE = np.dtype("<u2")
_SOFT_TYPE = np.dtype("<f2")
_EXACT_TYPE = np.dtype("<f8")
_LEVELS = (255, 16)
"""Features that are whole multiples of one over one of these travel in a byte each."""

# Sizes whose products can still be told: Python refuses to print integers of more than 4300 digits.
Size = Annotated[StrictInt, Field(lt=2**63)]


class TaskDescription(Settings):
    """What a client must know of an experiment; devices and data of others are not among it."""

    experiment: StrictStr
    seed: StrictInt = Field(ge=0)
    classes: tuple[StrictInt | StrictStr, ...] = Field(min_length=2)
    model: ModelSettings
    augment: AugmentSettings
    training: TrainingSettings
    descent: AdamSettings
    noise: NoiseSettings
    precision: Literal["float16", "uint8"]

    @field_validator("model")
    @classmethod
    def _encoding_is_known(cls, model: ModelSettings) -> ModelSettings:
        try:
            encoding_named(model.encoding)
        except DataError as error:
            raise ValueError(str(error)) from None
        return model

    @classmethod
    def of(cls, settings: ExperimentSettings, classes: Sequence[Label]) -> TaskDescription:
        """Return the task of an experiment."""
        return cls(
            experiment=settings.name,
            seed=settings.shared_seed,
            classes=tuple(classes),
            model=settings.model,
            augment=settings.data.augment,
            training=settings.training,
            descent=settings.descent,
            noise=settings.noise,
            precision=settings.distillation.precision,
        )


class _Public(Settings):
    """Shape and number format of the public originals."""

    features: Size = Field(ge=1)
    examples: Size = Field(ge=0)
    listed: Size = Field(ge=0)
    image_shape: tuple[Size, Size] | None
    levels: Size | None = Field(ge=1, le=255)


class _Header(Settings):
    schema_version: Literal[1]
    round: Size = Field(ge=1, alias="turn")
    task: TaskDescription
    public_digest: str = Field(pattern="^[0-9a-f]{64}$")
    public: _Public | None
    soft_rows: Size | None = Field(ge=1)
    personal: bool = False


@dataclass(frozen=True, eq=False)
class TrainRequest:
    """A request of the server.

    Attributes:
        task: What a client must know of the experiment.
        round: Number of the round, from 1.
        public_digest: Digest of the encoded public inputs that answers must belong to.
        originals: The public samples, of which the labels of the examples alone travel; None for clients
            that have got them in an earlier round.
        soft: The server's class probabilities on all public inputs that clients answer [M, G], as float16;
            None in the first round.
        personal: Whether a personal model is to be trained, and no outputs are wanted.
    """

    task: TaskDescription
    round: int
    public_digest: str
    originals: PublicOriginals | None
    soft: NDArray[np.float16] | None = None
    personal: bool = False

    def to_bytes(self) -> bytes:
        """Return the request as it travels; equal requests give equal bytes."""
        body, public = b"", None
        if self.originals is not None:
            levels, values = _packed(self.originals.features)
            public = _Public(
                features=values.shape[1],
                examples=self.originals.n_examples,
                listed=len(self.originals.labels) - self.originals.n_examples,
                image_shape=self.originals.image_shape,
                levels=levels,
            )
            known = self.originals.labels[: self.originals.n_examples]
            body = values.tobytes() + known.astype(_LABEL_TYPE).tobytes()
        if self.soft is not None:
            body += self.soft.astype(_SOFT_TYPE).tobytes()
        header = _Header(
            schema_version=SCHEMA,
            turn=self.round,
            task=self.task,
            public_digest=self.public_digest,
            public=public,
            soft_rows=None if self.soft is None else len(self.soft),
            personal=self.personal,
        )
        # A client of an earlier version knows no such key, and reads all other requests.
        left_out = None if self.personal else {"personal"}
        text = header.model_dump_json(by_alias=True, exclude=left_out).encode()
        return _PREFIX.pack(_MAGIC, len(text)) + text + body

    @classmethod
    def from_bytes(cls, raw: bytes, *, limit: int = MAX_QUERY_BYTES) -> TrainRequest:
        """Decode a request.

        Args:
            raw: What arrived.
            limit: Most bytes that are read.

        Raises:
            RequestRejected: If the bytes are no request of this schema, or too many.
        """
        if len(raw) > limit:
            raise RequestRejected(
                RejectionCode.TOO_LARGE, f"expected at most {limit} bytes, found {len(raw)}"
            )
        if len(raw) < _PREFIX.size:
            raise _unreadable(f"expected at least {_PREFIX.size} bytes, found {len(raw)}")
        magic, length = _PREFIX.unpack_from(raw)
        start = _PREFIX.size + length
        if magic != _MAGIC:
            raise _unreadable(f"expected the magic word {_MAGIC!r}, found {magic!r}")
        if length > _MAX_HEADER_BYTES or start > len(raw):
            raise _unreadable(f"header: expected at most {len(raw) - _PREFIX.size} bytes, found {length}")
        header = _parsed(raw[_PREFIX.size : start])
        sizes = _sizes(header)
        if sum(sizes) != len(raw) - start:
            raise _unreadable(f"arrays: expected {sum(sizes)} bytes, found {len(raw) - start}")
        originals, soft = None, None
        if header.public is not None:
            originals = _originals(header.public, len(header.task.classes), raw, start)
        if header.soft_rows is not None:
            soft = _soft(raw, start + sizes[0], header.soft_rows, len(header.task.classes))
        return cls(header.task, header.round, header.public_digest, originals, soft, header.personal)


def _parsed(text: bytes) -> _Header:
    try:
        header = _Header.model_validate_json(text)
    except (ValidationError, RecursionError) as error:
        if isinstance(error, RecursionError):
            raise _unreadable("header: too deep") from None
        first = first_fault(error)
        raise _unreadable(f"header {first.key}: {first.expected}") from None
    if (header.round == 1) != (header.soft_rows is None):
        raise _unreadable("expected soft labels from the second round on, and none in the first")
    return header


def _sizes(header: _Header) -> tuple[int, int]:
    """Return the bytes of the public originals, and of the soft labels."""
    public, first, second = header.public, 0, 0
    if public is not None:
        width = _EXACT_TYPE.itemsize if public.levels is None else 1
        rows = public.examples + public.listed
        first = rows * public.features * width + public.examples * _LABEL_TYPE.itemsize
    if header.soft_rows is not None:
        second = header.soft_rows * len(header.task.classes) * _SOFT_TYPE.itemsize
    return first, second


def _originals(public: _Public, n_classes: int, raw: bytes, start: int) -> PublicOriginals:
    count, kind = public.examples + public.listed, _EXACT_TYPE if public.levels is None else np.dtype("u1")
    values: NDArray[Any] = np.frombuffer(raw, kind, count * public.features, start)
    features = values.astype(np.float64) if public.levels is None else values / float(public.levels)
    known = np.frombuffer(raw, _LABEL_TYPE, public.examples, start + values.nbytes)
    if not np.isfinite(features).all():
        raise _unreadable("public samples: expected finite numbers")
    if known.size and int(known.max()) >= n_classes:
        raise _unreadable(f"public labels: expected numbers below {n_classes}, found {known.max()}")
    labels = np.full(count, UNKNOWN, dtype=np.int64)
    labels[: len(known)] = known
    try:
        return PublicOriginals(
            features.reshape(count, public.features), labels, public.image_shape, public.examples
        )
    except DataError as error:
        raise _unreadable(str(error)) from None


def _soft(raw: bytes, start: int, rows: int, n_classes: int) -> NDArray[np.float16]:
    soft = np.frombuffer(raw, _SOFT_TYPE, rows * n_classes, start).reshape(rows, n_classes)
    if not (np.isfinite(soft).all() and (soft >= 0).all() and (soft <= 1).all()):
        raise _unreadable("soft labels: expected probabilities")
    return soft.astype(np.float16)


def _packed(features: NDArray[np.float64]) -> tuple[int | None, NDArray[Any]]:
    """Return features in a byte each where no bit is lost by it, otherwise as they are."""
    for levels in _LEVELS:
        if features.min(initial=0.0) >= 0 and features.max(initial=0.0) * levels <= 255:
            values = np.rint(features * levels).astype(np.uint8)
            if np.array_equal(values / float(levels), features):
                return levels, values
    return None, features.astype(_EXACT_TYPE)


def _unreadable(reason: str) -> RequestRejected:
    return RequestRejected(RejectionCode.NOT_A_QUERY, reason)
