"""Reading, checking and writing `results.json`."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from qkd_qiskit.errors import ReportingError
from qkd_qiskit.evaluation.results import Results
from qkd_qiskit.faults import first_fault
from qkd_qiskit.store.files import write_atomic
from qkd_qiskit.store.reading import read_json
from qkd_qiskit.text import printable_text


def check_results(results: Mapping[str, Any], *, where: str = "results") -> Results:
    """Return a dict of results as checked records.

    Args:
        results: A dict of schema 1; NumPy scalars and arrays and tuples are taken as JSON would write them.
        where: Name for the error message, for example the path of a file.

    Raises:
        ReportingError: If a key is missing, or a value has the wrong type or range or is not finite.
    """
    text = json.dumps(_plain(results, where, printable_text))
    try:
        # Strict only in JSON mode: there an array may become a tuple, but "3" never becomes 3.
        return Results.model_validate_json(text, strict=True)
    except ValidationError as error:
        raise ReportingError(f"{where}: {first_fault(error).told()}") from None


def write_results(results: Results, path: str | Path) -> Path:
    """Write results as one file, whole or not at all.

    Keys come in the order of the schema, floats in the shortest form that reads back equal, so equal
    results give equal files.

    Args:
        results: The checked results.
        path: The file, usually `.../results.json`.

    Returns:
        The path of the written file.

    Raises:
        ReportingError: If a number is not finite, or the file cannot be written.
    """
    return write_json(results.dump(), path)


def read_results(path: str | Path) -> Results:
    """Return the checked content of a `results.json`.

    Raises:
        ReportingError: If the file cannot be read, is not JSON, or is not of schema 1.
    """
    content = read_json(path, ReportingError)
    if not isinstance(content, dict):
        raise ReportingError(f"{path}: expected a JSON object, found {type(content).__name__}")
    return check_results(content, where=str(path))


def write_json(content: Any, path: str | Path) -> Path:
    """Write anything that JSON can hold as one indented file, whole or not at all.

    Args:
        content: Dicts, sequences, strings, numbers, NumPy scalars and arrays; all numbers finite.
        path: The file; missing folders above it are made.

    Returns:
        The path of the written file.

    Raises:
        ReportingError: If a value is not finite or has no JSON form, or the file cannot be written.
    """
    text = json.dumps(_plain(content, Path(path).name), indent=2, ensure_ascii=False) + "\n"
    # JSON has the same escapes for lone surrogates, which UTF-8 cannot hold.
    return write_atomic(path, text.encode("utf-8", "backslashreplace"), ReportingError)


def _plain(value: Any, where: str, text: Callable[[str], str] = str) -> Any:
    """Return the value in JSON's own types, its texts changed, or an error that says where it is not."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {text(str(key)): _plain(item, f"{where}.{key}", text) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, f"{where}.{place}", text) for place, item in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):
        raise ReportingError(f"{where}: expected a finite number, found {value}")
    if isinstance(value, str):
        return text(value)
    if value is None or isinstance(value, int | float):
        return value
    raise ReportingError(f"{where}: expected a value that JSON can hold, found {type(value).__name__}")
