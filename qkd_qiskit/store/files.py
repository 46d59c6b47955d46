"""Files that are written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path


def write_atomic(path: str | os.PathLike[str], content: str | bytes) -> Path:
    """Write a file so that a reader, or a killed process, sees the old content or the new, never a part.

    Args:
        path: The file; missing folders above it are made.
        content: Text (written as UTF-8) or bytes.

    Returns:
        The path of the written file.

    Raises:
        OSError: If the folder or the file cannot be written; the old file is then untouched.
    """
    target = Path(path)
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
