"""One line says which extra is missing and how to get it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from qkd_qiskit import extras
from qkd_qiskit.extras import missing_extra

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


def test_the_command_installs_what_the_extra_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    declared = ["numpy>=2.0", "one>=1,<2; extra == 'a'", 'two; extra == "a"', "three; extra == 'a-b'"]
    monkeypatch.setattr(extras, "requires", lambda _: declared)
    assert missing_extra("flying", "a") == "flying needs the extra 'a': pip install 'one>=1,<2' 'two'"


def test_an_extra_that_the_installation_does_not_know_wants_another_installation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(extras, "requires", lambda _: None)
    assert missing_extra("flying", "a").endswith("unknown to this installation: install qkd-qiskit again")


@pytest.mark.parametrize("extra", ["pennylane", "pennylane-qiskit", "mitigation", "flower", "mlflow"])
def test_every_extra_is_installed_by_its_packages(extra: str) -> None:
    declared = tomllib.loads(PYPROJECT.read_text("utf-8"))["project"]["optional-dependencies"][extra]
    told = re.findall("'([^']+)'", missing_extra("it", extra).partition("pip install ")[2])
    names = [re.split("[<>=!~]", package)[0] for package in declared]
    assert sorted(re.split("[<>=!~]", package)[0] for package in told) == sorted(names)


def test_the_environment_of_all_extras_leaves_out_the_plugin_that_holds_qiskit_back() -> None:
    groups = tomllib.loads(PYPROJECT.read_text("utf-8"))["project"]["optional-dependencies"]
    (everything,) = groups["all"]
    members = re.fullmatch(r"qkd-qiskit\[(.+)\]", everything).group(1).split(",")
    assert not any("qiskit" in package for member in members for package in groups[member])
