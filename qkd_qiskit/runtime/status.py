"""What a service says of a job's state, in our words: its own are free text that it may make up."""

from __future__ import annotations

import re

from qkd_qiskit.runtime.service import Status
from qkd_qiskit.runtime.service_text import safe_line

_WORDS: dict[str, Status] = {
    "CREATED": "queued",
    "INITIALIZING": "queued",
    "PENDING": "queued",
    "QUEUED": "queued",
    "SUBMITTED": "queued",
    "VALIDATING": "queued",
    "RUNNING": "running",
    # These are on their way to an end, and have not reached it.
    "CANCELING": "running",
    "CANCELLING": "running",
    "COMPLETED": "done",
    "DONE": "done",
    "SUCCEEDED": "done",
    "ERROR": "failed",
    "ERRORED": "failed",
    "EXPIRED": "failed",
    "FAILED": "failed",
    "REJECTED": "failed",
    "TIMEOUT": "failed",
    "ABORTED": "cancelled",
    "CANCELED": "cancelled",
    "CANCELLED": "cancelled",
    "TERMINATED": "cancelled",
}
_FILLERS = {"JOB", "JOBSTATUS", "STATUS", "STATE", "IS", "WAS", "HAS", "BEEN"}
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")


def read_status(answer: object) -> tuple[Status, str]:
    """Return our word for a job's status, and the service's own text.

    The first word counts, whatever follows: "CANCELLED - RAN TOO LONG" is cancelled. Case does not matter,
    nor whether the word is a string, an enum's name or its value.

    Args:
        answer: What the service, or its client, gave for a status.

    Returns:
        The status, `unknown` for words that are none of ours, and the text in one line.
    """
    texts = [answer.decode("utf-8", "replace")] if isinstance(answer, bytes) else []
    texts += [text for name in ("name", "value") if isinstance(text := getattr(answer, name, None), str)]
    texts += [str(answer)]
    for text in texts:
        words = [word for word in re.findall("[A-Z]+", _CAMEL.sub(" ", text).upper()) if word not in _FILLERS]
        if words and words[0] in _WORDS:
            return _WORDS[words[0]], safe_line(text)
    return "unknown", safe_line(texts[0])
