from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from qkd_qiskit.deployment import superlink
from qkd_qiskit.deployment.node_registration import SEPARATOR
from qkd_qiskit.deployment.superlink import SuperLink
from qkd_qiskit.errors import FederationError

KEYS = {"a b": Path("a.pub"), "--help": Path("b.pub")}
WELL = json.dumps({"success": True, "node-id": "1"}, indent=2)
REFUSED = json.dumps({"success": False, "error-message": "Public key\nalready in use."})


@pytest.fixture
def link() -> SuperLink:
    return SuperLink(None, 1, {}, Path())  # type: ignore[arg-type]


def says(monkeypatch: pytest.MonkeyPatch, *answers: str, stderr: str = "") -> list[list[str]]:
    commands = []

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        return subprocess.CompletedProcess(command, 0, "".join(answers), stderr)

    monkeypatch.setattr(superlink.subprocess, "run", run)
    return commands


def test_all_keys_are_registered_in_one_call(link: SuperLink, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = says(monkeypatch, *[f"{WELL}\n{SEPARATOR}\n"] * 2)
    link.register(KEYS)
    (command,) = commands
    assert command[-4:] == [str(Path("a.pub").resolve()), "a b", str(Path("b.pub").resolve()), "--help"]


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        (f"{REFUSED}\n{SEPARATOR}", "key of client --help: Flower refused: Public key already in use."),
        (f"no JSON\n{SEPARATOR}", "key of client --help: Flower refused: no JSON"),
        ("", "key of client --help: Flower refused: out of memory"),
        # What was written before the process ended is no answer.
        (WELL, "key of client --help: Flower refused: out of memory"),
    ],
)
def test_a_refused_key_is_named(
    second: str, reason: str, link: SuperLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    says(monkeypatch, f"{WELL}\n{SEPARATOR}\n", second, stderr="out of memory")
    with pytest.raises(FederationError, match=reason):
        link.register(KEYS)


def test_a_call_that_hangs_is_named(link: SuperLink, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(command: list[str], **_: Any) -> None:
        raise subprocess.TimeoutExpired(command, 1)

    monkeypatch.setattr(superlink.subprocess, "run", run)
    with pytest.raises(FederationError, match="keys of clients: TimeoutExpired when calling Flower"):
        link.register(KEYS)
