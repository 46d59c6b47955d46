"""Rejections: a client that does not answer sends a code of a fixed list, and no text of its own.

An exception's text may name paths or samples, so it stays on the client's disk.
"""

from __future__ import annotations

from enum import StrEnum

from qkd_qiskit.errors import FederationError

_MAGIC = b"QKDR"
_LONGEST = 64


class RejectionCode(StrEnum):
    """All reasons that a client may give."""

    NOT_A_QUERY = "not_a_query"
    TOO_LARGE = "too_large"
    OVER_LIMITS = "over_limits"
    UNKNOWN_PUBLIC_SET = "unknown_public_set"
    NO_PUBLIC_SET = "no_public_set"
    WRONG_DATA = "wrong_data"
    CANNOT_TRAIN = "cannot_train"
    FAILED = "failed"

    @property
    def meaning(self) -> str:
        """One phrase for the server's report."""
        return _MEANINGS[self]


_MEANINGS = {
    RejectionCode.NOT_A_QUERY: "the query was none that it can read",
    RejectionCode.TOO_LARGE: "the query asks for more than it grants",
    RejectionCode.OVER_LIMITS: "the query asks for more work than it grants",
    RejectionCode.UNKNOWN_PUBLIC_SET: "the public set is not the one that it answers on",
    RejectionCode.NO_PUBLIC_SET: "it lacks the public set that the query refers to",
    RejectionCode.WRONG_DATA: "its own samples do not fit the experiment",
    RejectionCode.CANNOT_TRAIN: "no model of its own can be trained",
    RejectionCode.FAILED: "it failed",
}


class RequestRejected(FederationError):
    """A client does not answer a request.

    Attributes:
        code: What the server gets.
    """

    def __init__(self, code: RejectionCode, reason: str) -> None:
        """Reject a request.

        Args:
            code: What the server gets.
            reason: For the client's own log.
        """
        super().__init__(f"query refused: {reason}")
        self.code = code


def encode_rejection(code: RejectionCode) -> bytes:
    """Return a rejection as it travels in place of an answer."""
    return _MAGIC + code.value.encode()


def decode_rejection(raw: bytes) -> RejectionCode | None:
    """Return the code of a rejection; None if the bytes are none."""
    if not raw.startswith(_MAGIC) or len(raw) > _LONGEST:
        return None
    try:
        return RejectionCode(raw[len(_MAGIC) :].decode("ascii", "replace"))
    except ValueError:
        return None
