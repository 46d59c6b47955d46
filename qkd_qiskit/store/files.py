"""The one guarded writer: files that are written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from qkd_qiskit.errors import QKDError, StoreError
from qkd_qiskit.store.guard import guarded


def write_atomic(
    path: str | os.PathLike[str],
    content: str | bytes,
    error: type[QKDError] = StoreError,
    what: str = "",
) -> Path:
    """Write a file so that a reader, or a killed process, sees the old content or the new, never a part.

    Args:
        path: The file; missing folders above it are made.
        content: Text (written as UTF-8) or bytes.
        error: Class of the exception when the file cannot be written.
        what: What the file is, for the message, with a blank behind: `"snapshot "`.

    Returns:
        The path of the written file.

    Raises:
        QKDError: As the class `error`, if the folder or the file cannot be written, as on a full disk; the
            old file is then untouched.
    """
    target = Path(path)
    with guarded(error, f"cannot write {what}{path}"):
        data = content.encode("utf-8") if isinstance(content, str) else content
        target.parent.mkdir(parents=True, exist_ok=True)
        # The rename is atomic only within one file system, so the temporary file lies beside its target.
        temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
        try:
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    return target


def append_line(path: Path, line: str, error: type[QKDError] = StoreError, what: str = "") -> None:
    """Add a line to a file; what an interruption has left of a line goes first.

    Args:
        path: The file; it and missing folders above it are made.
        line: The line, without its end.
        error: Class of the exception when the file cannot be written.
        what: What the file is, for the message, with a blank behind.

    Raises:
        QKDError: As the class `error`, if the file cannot be written; its whole lines are then untouched.
    """
    with guarded(error, f"cannot write {what}{path}"):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+b") as file:
            file.seek(0)
            whole = file.read().rfind(b"\n") + 1
            file.truncate(whole)
            try:
                file.write(f"{line}\n".encode())
                file.flush()
            except BaseException:
                file.truncate(whole)
                raise
