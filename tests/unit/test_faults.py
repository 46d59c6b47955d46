"""What is wrong with a table is told in words of ours, with a value that fits and the key that was meant."""

from __future__ import annotations

import re
import tomllib
from types import SimpleNamespace
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from qkd_qiskit.config import (
    ExperimentSettings,
    RemoteClientSettings,
    Settings,
    load_experiment,
    settings_reference,
)
from qkd_qiskit.config.examples import example_of, meant_key, toml_value
from qkd_qiskit.config.loading import parse_settings
from qkd_qiskit.config.reference import setting_keys
from qkd_qiskit.errors import ConfigError
from qkd_qiskit.faults import first_fault
from qkd_qiskit.sweep.settings import SweepSettings

FOREIGN = re.compile(
    r"pydantic|Input should|validation error|Field required|http|permitted|type=", re.IGNORECASE
)
ODD: tuple[Any, ...] = (
    None, True, -1, 0, 10**30, 1.5, float("nan"), float("inf"), "", "x", "0,1", "9" * 5000, [], [None], [[1]],
    [1.5], ["a", 1], {}, {"a": 1}, (1, 2), b"x", object(),
)  # fmt: skip


class Inner(BaseModel):
    way: Literal["north", "south"] = "north"


class Table(BaseModel):
    one: int = Field(3, ge=2, le=9)
    share: float = Field(0.5, gt=0, lt=1)
    either: tuple[int | str, ...] = ()
    spread: float | tuple[float, ...] = 1.0
    inner: Inner = Inner()
    word: str = Field("a", pattern="^[a-z]$", max_length=3)


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({"one": 1}, "one: expected at least 2, found 1"),
        ({"one": 10}, "one: expected at most 9, found 10"),
        ({"one": "many"}, "one: expected a whole number, found 'many'"),
        ({"one": 2.5}, "one: expected a whole number, found 2.5"),
        ({"share": 0}, "share: expected more than 0, found 0"),
        ({"share": 1}, "share: expected less than 1, found 1"),
        ({"share": [1]}, r"share: expected a number, found \[1\]"),
        ({"either": 3}, "either: expected a list, found 3"),
        ({"either": [1.5]}, "either.0: expected a whole number or a text, found 1.5"),
        ({"spread": "wide"}, "spread: expected a number or a list, found 'wide'"),
        ({"spread": [1, "wide"]}, "spread.1: expected a number, found 'wide'"),
        ({"inner": 3}, "inner: expected a table, found 3"),
        (
            {"inner": {"way": "nort"}},
            "inner.way: expected 'north' or 'south', found 'nort'; did you mean 'north'",
        ),
        ({"inner": {"way": 3}}, "inner.way: expected 'north' or 'south', found 3"),
        ({"word": "A"}, r"word: expected a text like \^\[a-z\]\$, found 'A'"),
        ([], "the table: expected a table, found "),
    ],
)
def test_faults_are_told_in_our_words(table: Any, told: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Table.model_validate(table)
    assert re.match(told, first_fault(caught.value).told("the table"))


def test_a_fault_that_pydantic_cannot_tell_is_told() -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(int).validate_python("many")
    assert first_fault(caught.value).told() == "expected a whole number, found 'many'"
    # pydantic fails to tell values that it has cut inside a sign.
    broken: Any = SimpleNamespace(errors=lambda **_: b"\xf0".decode())
    assert first_fault(broken).expected == "expected text that can be shown"


def nested(key: str, value: Any) -> dict[str, Any]:
    """Return the tables that lead to a value."""
    for part in reversed(key.split(".")):
        value = [value] if part == "N" else {part: value}
    return value


def known_keys() -> list[tuple[type[Settings], str]]:
    keys: list[tuple[type[Settings], str]] = []
    for kind in (ExperimentSettings, RemoteClientSettings, SweepSettings):
        for key in setting_keys(kind):
            parts = key.split(".")
            # The tables above a setting are values too.
            keys += [(kind, ".".join(parts[:n])) for n in range(1, len(parts) + 1)]
    return list(dict.fromkeys(keys))


@pytest.mark.parametrize(("kind", "key"), known_keys(), ids=lambda value: getattr(value, "__name__", value))
def test_odd_values_are_taken_or_refused_in_one_line_of_ours(kind: type[Settings], key: str) -> None:
    for odd in ODD:
        try:
            parse_settings(kind, nested(key, odd), "here")
        except ConfigError as error:
            told = str(error)
            assert told.startswith("here: ")
            assert "\n" not in told
            assert len(told) < 700
            assert not FOREIGN.search(told), told


@pytest.mark.parametrize("key", [setting.key for setting in settings_reference()])
def test_the_example_of_every_setting_is_taken(key: str) -> None:
    example = example_of(ExperimentSettings, key.replace("N", "0"))
    assert example.startswith(key.replace("N", "0")), "no example"
    name, _, value = example.partition(" = ")
    overrides = [f"{name}={value}"]
    if name.endswith("output_floor"):
        overrides.append("clients.0.output_shots=100")
    load_experiment("quickstart", overrides=overrides)


def test_toml_values_are_read_back() -> None:
    value = {"a": [1, 2.5, 'x"y'], "b": True}
    assert tomllib.loads(f"v = {toml_value(value)}")["v"] == value


@pytest.mark.parametrize(
    ("found", "meant"),
    [
        ("n_qubits", "model.n_qubits"),
        ("refine", "training.refine"),
        ("training.refin", "training.refine"),
        ("clients.0.nam", "clients.N.name"),
        ("modell.n_qubits", "model.n_qubits"),
        ("sead", "seed"),
        ("distilation.alfa", "distillation.alpha"),
    ],
)
def test_the_key_that_was_meant(found: str, meant: str) -> None:
    assert meant_key(found, setting_keys(ExperimentSettings)) == f"; did you mean {meant!r}?"


def test_no_key_was_meant() -> None:
    assert meant_key("zzzzzzzz", setting_keys(ExperimentSettings)) == ""
