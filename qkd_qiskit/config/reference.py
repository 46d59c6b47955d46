"""The reference of all settings, from the models that check them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from qkd_qiskit.config.base import Settings
from qkd_qiskit.config.settings import ExperimentSettings
from qkd_qiskit.errors import ConfigError, did_you_mean

_WORDS = {str: "text", int: "whole number", float: "number", bool: "true or false"}
_BOUNDS = (("ge", "at least"), ("gt", "above"), ("le", "at most"), ("lt", "below"))


@dataclass(frozen=True)
class SettingReference:
    """One setting.

    Attributes:
        key: Its key, tables and lists before it: `training.refine`, `clients.N.samples`.
        kind: What it takes, bounds included.
        default: As TOML or JSON would write it; empty where a value is required or left out.
        description: What it means.
        required: Whether it must be given.
    """

    key: str
    kind: str
    default: str
    description: str
    required: bool


def settings_reference(prefix: str = "") -> tuple[SettingReference, ...]:
    """Return the settings of an experiment.

    Args:
        prefix: Only this key and those inside it: `training`, `training.structure`, `data.test`.

    Raises:
        ConfigError: If there is no such key.

    Example:
        >>> from qkd_qiskit.config import settings_reference
        >>> [setting.key for setting in settings_reference("server")]
        ['server.backend']
    """
    every = tuple(_walk(ExperimentSettings, ""))
    # `clients.0.samples` means what `clients.N.samples` does.
    wanted = ".".join("N" if part.isdecimal() else part for part in prefix.split("."))
    found = tuple(
        setting
        for setting in every
        if not wanted or setting.key == wanted or setting.key.startswith(f"{wanted}.")
    )
    if not found:
        tables = {setting.key.rpartition(".")[0] for setting in every} - {""}
        known = [*(setting.key for setting in every), *sorted(tables)]
        raise ConfigError(f"unknown setting {prefix!r}{did_you_mean(prefix, known)}")
    return found


def setting_keys(kind: type[Settings]) -> list[str]:
    """Return the keys of all settings of a kind."""
    return [setting.key for setting in _walk(kind, "")]


def _walk(kind: type[Settings], before: str) -> Iterator[SettingReference]:
    for name, info in kind.model_fields.items():
        key = f"{before}{name}"
        inner = inner_settings(info.annotation)
        if inner is None:
            yield SettingReference(
                key, _kind(info), _default(info), info.description or "", info.is_required()
            )
        else:
            listed = "N." if "tuple" in str(info.annotation) else ""
            yield from _walk(inner, f"{key}.{listed}")


def inner_settings(annotation: Any) -> type[Settings] | None:
    """Return the class of the table that an annotation stands for, alone or in a list, or None."""
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        return annotation
    return next((found for part in get_args(annotation) if (found := inner_settings(part))), None)


def _kind(info: FieldInfo) -> str:
    said = [
        f"{word} {getattr(rule, name):g}"
        for rule in info.metadata
        for name, word in _BOUNDS
        if hasattr(rule, name)
    ]
    return ", ".join([_in_words(info.annotation), *said])


def _in_words(annotation: Any) -> str:
    """Return what values an annotation allows; that a setting may be left out, its default says."""
    if annotation in _WORDS:
        return _WORDS[annotation]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _in_words(arguments[0])
    if origin is Literal:
        return " or ".join(json.dumps(value) for value in arguments)
    members = [_in_words(part) for part in arguments if part not in (type(None), Ellipsis)]
    if origin is tuple:
        return f"list of {members[0]}"
    return " or ".join(dict.fromkeys(members))


def _default(info: FieldInfo) -> str:
    if info.is_required() or info.default is None:
        return ""
    return json.dumps(info.default, default=str)
