"""What the service and its client say, in one line that may be stored and printed."""

from __future__ import annotations

import re

_MOST = 300
# Keys of IBM Cloud have 44 characters and older tokens 128; job ids have 20, UUIDs 36.
_LONG = re.compile(r"[A-Za-z0-9_=-]{40,}")
_NAMED = re.compile(
    r"((?:token|api[ _-]?key|authorization|password|secret)[\"']?\s*[:=]\s*[\"']?(?:bearer\s+|apikey\s+)?"
    r"|\bbearer\s+)[^\s\"',;&)]+",
    re.IGNORECASE,
)
_HIDDEN = "..."


def safe_line(said: Exception | str) -> str:
    """Return an error or a message as one printable line, with whatever may be a token left out.

    Args:
        said: An error, which is named by its type, or a text.
    """
    text = " ".join("".join(sign if sign.isprintable() else " " for sign in str(said)).split())
    # Before the cut: half a token is still one, and would not be known for it.
    text = _LONG.sub(_HIDDEN, _NAMED.sub(rf"\1{_HIDDEN}", text))[:_MOST]
    if isinstance(said, str):
        return text
    name = type(said).__name__
    return f"{name}: {text}" if text else name
