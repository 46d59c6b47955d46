"""The settings of an experiment as rows of a table: what was chosen, and what is as always."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from qkd_qiskit.config import ExperimentSettings, settings_reference
from qkd_qiskit.text import printable

#: Most clients whose settings are listed.
_MOST_CLIENTS = 24
#: What a report that is passed on must not tell.
_HIDDEN = "secret"


@dataclass(frozen=True)
class SettingRow:
    """One setting of an experiment."""

    #: Its key, as `--set` takes it.
    key: str
    #: Its value, as TOML or JSON would write it.
    value: str
    #: Whether it is another one than the default.
    changed: bool
    #: What it means.
    description: str


def setting_rows(settings: ExperimentSettings) -> tuple[SettingRow, ...]:
    """Return all settings, those of at most 24 clients, in the order of the reference; no secret.

    Args:
        settings: Of the experiment.
    """
    known = {setting.key: setting for setting in settings_reference()}
    rows = []
    for key, value in _leaves(settings.model_dump(mode="json"), ""):
        place = ".".join("N" if part.isdecimal() else part for part in key.split("."))
        found = known.get(place)
        default = "" if found is None else found.default
        shown = "" if value is None else json.dumps(value, ensure_ascii=False)
        if key == _HIDDEN:
            shown = '"(not shown)"' if value else '""'
        rows.append(
            SettingRow(
                printable(key),
                printable(shown, 200),
                changed=shown != default,
                description="" if found is None else found.description,
            )
        )
    return tuple(rows)


def _leaves(value: Any, key: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _leaves(inner, f"{key}.{name}" if key else name)
    elif key == "clients":
        for number, client in enumerate(value[:_MOST_CLIENTS]):
            yield from _leaves(client, f"{key}.{number}")
    else:
        yield key, value
