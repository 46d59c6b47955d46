"""Why a client does not answer: a code of a fixed list, and no text of its own making.

An exception's text may name paths or samples, so it stays on the client's disk.
"""

from __future__ import annotations

from enum import StrEnum

from qkd_qiskit.errors import FederationError

_MAGIC = b"QKDR"
_LONGEST = 64


class RefusalCode(StrEnum):
    """All reasons that a client gives."""

    NOT_A_QUERY = "not_a_query"
    TOO_LARGE = "too_large"
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
    RefusalCode.NOT_A_QUERY: "the query was none that it can read",
    RefusalCode.TOO_LARGE: "the query asks for more than it grants",
    RefusalCode.UNKNOWN_PUBLIC_SET: "the public set is not the one that it answers on",
    RefusalCode.NO_PUBLIC_SET: "it lacks the public set that the query refers to",
    RefusalCode.WRONG_DATA: "its own samples do not fit the experiment",
    RefusalCode.CANNOT_TRAIN: "no model of its own can be trained",
    RefusalCode.FAILED: "it failed",
}


class QueryRefused(FederationError):
    """A client does not answer a query.

    Attributes:
        code: What the server is told.
    """

    def __init__(self, code: RefusalCode, reason: str) -> None:
        """Refuse.

        Args:
            code: What the server is told.
            reason: For the client's own log.
        """
        super().__init__(f"query refused: {reason}")
        self.code = code


def refusal(code: RefusalCode) -> bytes:
    """A refusal as it travels in place of an answer."""
    return _MAGIC + code.value.encode()


def refusal_code(raw: bytes) -> RefusalCode | None:
    """The code of a refusal; None if the bytes are none."""
    if not raw.startswith(_MAGIC) or len(raw) > _LONGEST:
        return None
    try:
        return RefusalCode(raw[len(_MAGIC) :].decode("ascii", "replace"))
    except ValueError:
        return None
