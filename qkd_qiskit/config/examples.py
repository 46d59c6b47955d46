"""What messages about settings add: a value that fits, and the key that may have been meant."""

from __future__ import annotations

import json
from difflib import get_close_matches
from typing import Any, get_args

from pydantic.fields import FieldInfo

from qkd_qiskit.config.base import Settings
from qkd_qiskit.config.reference import inner_settings
from qkd_qiskit.errors import did_you_mean

_NUMBERS: dict[type, float | int] = {int: 1, float: 1.0}


def example_of(kind: type[Settings], key: str) -> str:
    """Return a value that a setting takes, as TOML, with its key; nothing where there is none to show.

    Args:
        kind: Class of the settings.
        key: Key of a setting or of something within it: `model.n_qubits`, `clients.0.classes.1`.

    Example:
        >>> from qkd_qiskit.config import ExperimentSettings
        >>> example_of(ExperimentSettings, "clients.0.samples.x")
        'clients.0.samples = 200'
    """
    parts = key.split(".")
    for at, name in enumerate(parts):
        info = kind.model_fields.get(name)
        if info is None:
            return ""
        inner = inner_settings(info.annotation)
        if inner is None or (at == len(parts) - 1 and info.examples):
            value = example_value(info)
            return "" if value is None else f"{'.'.join(parts[: at + 1])} = {toml_value(value)}"
        # A number of a list leads into one of its tables.
        after = at + 2 if parts[at + 1 : at + 2] and parts[at + 1].isdecimal() else at + 1
        within = ".".join(parts[after:]) or next(iter(inner.model_fields))
        found = example_of(inner, within)
        return found and f"{'.'.join(parts[:after])}.{found}"
    return ""


def example_value(info: FieldInfo) -> Any:
    """Return a value that a field takes: its example, its default, or a number within its bounds; or None."""
    if info.examples:
        return info.examples[0]
    if not info.is_required() and info.default is not None:
        return info.default
    bounds = {name: getattr(rule, name) for rule in info.metadata for name in ("ge", "gt", "le", "lt")
              if hasattr(rule, name)}  # fmt: skip
    number = next(
        (_NUMBERS[part] for part in (info.annotation, *get_args(info.annotation)) if part in _NUMBERS), None
    )
    if number is None:
        return None
    if isinstance(number, float) and {"le", "lt"} & bounds.keys():
        # Bounds of a share.
        return 0.5
    return max(number, bounds.get("ge", number), bounds.get("gt", 0))


def toml_value(value: Any) -> str:
    """Return a value as TOML writes it; tables stand in one line."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml_value(item)}" for key, item in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    if isinstance(value, Settings):
        return toml_value(value.model_dump(exclude_none=True))
    return json.dumps(value, ensure_ascii=False)


def meant_key(found: str, known: list[str]) -> str:
    """Return `; did you mean 'X'?` for the key that a wrong one stands for, or nothing.

    A key without its table means the setting of that name: `n_qubits` means `model.n_qubits`.
    """
    plain = ".".join("N" if part.isdecimal() else part for part in found.split("."))
    table, _, last = plain.rpartition(".")
    names = [(*key.rpartition(".")[::2], key) for key in known]
    same = [key for _, name, key in names if name == last]
    beside = {name: key for before, name, key in names if before == table}
    close = get_close_matches(last, beside, n=1)
    if same or close:
        return f"; did you mean {same[0] if same else beside[close[0]]!r}?"
    return did_you_mean(plain, known)
