"""Clients without stanzas: so many, on these devices, dealt by a partition that is named in a word."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from qkd_qiskit.config import DataSettings, ExperimentSettings, LimitSettings
from qkd_qiskit.config.loading import apply_override, parse_settings, read_table
from qkd_qiskit.data import load_data, partition_named
from qkd_qiskit.errors import ConfigError, DataError
from qkd_qiskit.store import use_limits

EXAMPLES = ("homo", "dirichlet:0.3", "classes:2", "quantity:0.5")
_SHORT = {"dirichlet": "noniid-labeldir", "quantity": "iid-diff-quantity"}
_PARTS = ("public_train", "public_unlabelled", "public_calibration", "public_validation", "test")


def spread_experiment(
    name: str,
    *,
    clients: int | None = None,
    backends: Sequence[str] = (),
    partition: str | None = None,
    overrides: Iterable[str] = (),
    seed: int | None = None,
) -> ExperimentSettings:
    """Load an experiment, and deal its clients anew.

    Args:
        name: A shipped experiment, or the path of a TOML file, which then needs no `[[clients]]`.
        clients: Number of clients; those of the experiment, or one a device, when omitted.
        backends: Devices of the clients, taken in turn; those of the experiment's clients, or the server's,
            when omitted.
        partition: `homo`, `dirichlet:0.3` (label skew), `classes:2` (so many classes a client),
            `quantity:0.5` (unequal sizes), or a name of NIID-Bench, with `data.beta` behind a colon where it
            has one. None deals as the experiment says.
        overrides: `key=value` strings, as for `load_experiment`; those of `clients` reach the new clients.
        seed: Replaces the seed of the file.

    Returns:
        The settings. New clients share in equal parts what those of the experiment have together, or all
        samples that public parts and test leave where it has none.

    Raises:
        ConfigError: If the experiment, a key, a value or the partition is wrong, or there are no clients.
        DataError: If the experiment names no clients and its data cannot be read, or leave too little.
    """
    table = read_table("experiments", name)
    wanted = list(overrides)
    late = [item for item in wanted if item.strip().startswith("clients.")]
    for item in wanted:
        if item not in late:
            apply_override(table, item)
    if seed is not None:
        table["seed"] = seed
    if partition is not None:
        _take_partition(table, partition)
    stanzas = table.get("clients") or []
    if clients is None and stanzas:
        for number, stanza in enumerate(stanzas if backends else ()):
            stanza["backend"] = backends[number % len(backends)]
    else:
        table["clients"] = _clients(table, stanzas, clients, backends, name)
    for item in late:
        apply_override(table, item)
    return parse_settings(ExperimentSettings, table, name)


def _take_partition(table: dict[str, Any], text: str) -> None:
    plain, _, number = text.partition(":")
    data = table.setdefault("data", {})
    try:
        value = float(number) if number else None
    except ValueError:
        raise ConfigError(f"--partition: expected a number behind the colon, found {text!r}") from None
    if plain == "classes" and value is not None and value == int(value):
        named, value = f"noniid-#label{int(value)}", None
    else:
        named = _SHORT.get(plain, plain)
    if value is not None and not (np.isfinite(value) and value > 0):
        raise ConfigError(f"--partition: expected a positive number behind the colon, found {text!r}")
    takes_number = named in _SHORT.values()
    try:
        partition_named(named, 0.5)
    except DataError:
        named = ""
    if not named or (value is not None and not takes_number):
        known = ", ".join((*EXAMPLES, "noniid-labeldir", "noniid-#label2", "iid-diff-quantity"))
        raise ConfigError(f"--partition: expected one such as {known}, found {text!r}")
    # A partition replaces the skew of single clients.
    data.pop("dirichlet", None)
    data["partition"] = named
    if value is not None:
        data["beta"] = value


def _clients(
    table: dict[str, Any],
    stanzas: Sequence[dict[str, Any]],
    count: int | None,
    backends: Sequence[str],
    name: str,
) -> list[dict[str, Any]]:
    """Return the tables of clients that share the samples equally."""
    n = count if count is not None else len(stanzas) or len(backends)
    if n < 1:
        raise ConfigError(f"{name}: expected [[clients]], or --clients with their number, found neither")
    there = [stanza.get("backend", "") for stanza in stanzas]
    server = table.get("server", {}).get("backend", "ibm_torino")
    devices = list(backends) or there or [server]
    total = sum(stanza.get("samples", 0) for stanza in stanzas) or _samples_left(table, name)
    if total < n:
        raise DataError(f"{name}: expected a sample for each of {n} clients at least, found {total}")
    return [
        {
            "name": str(k + 1),
            "backend": devices[k % len(devices)],
            "samples": (k + 1) * total // n - k * total // n,
        }
        for k in range(n)
    ]


def _samples_left(table: dict[str, Any], name: str) -> int:
    """Return how many samples public parts and test leave."""
    data = parse_settings(DataSettings, table.get("data", {}), f"{name}: data")
    limits = parse_settings(LimitSettings, table.get("limits", {}), f"{name}: limits")
    with use_limits(**limits.model_dump()):
        dataset = load_data(data)
    return len(dataset) - sum(int(getattr(data, part)) for part in _PARTS)
