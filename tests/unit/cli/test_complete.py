"""What a shell offers for words that are begun."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from qkd_qiskit.cli import complete
from qkd_qiskit.config import settings_reference, shipped_experiments
from qkd_qiskit.hardware import list_backends


def offered(words):
    """Ask as bash does."""
    asked = {"_QKD_QISKIT_COMPLETE": "complete_bash", "COMP_WORDS": " ".join(words)}
    asked["COMP_CWORD"] = str(len(words) - 1)
    command = [sys.executable, "-m", "qkd_qiskit"]
    done = subprocess.run(
        command, env=os.environ | asked, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["qkd-qiskit", "se"], {"settings", "server"}),
        (["qkd-qiskit", "run", "quick"], {"quickstart"}),
    ],
)
def test_the_shell_is_told(words, expected):
    assert set(offered(words)) == expected


def test_experiments_devices_and_keys():
    assert complete.experiments("") == list(shipped_experiments()) == complete.shipped("")
    assert complete.devices("ibm_t") == [name for name in list_backends() if name.startswith("ibm_t")]
    keys = complete.setting_keys("")
    assert {setting.key for setting in settings_reference()} < set(keys)
    assert "training.structure" in keys
    assert "clients.0.samples=" in complete.overrides("clients")
    assert "confirmation" in complete.sweeps("con")
    assert complete.partitions("d") == ["dirichlet:0.3"]


def test_files_of_ones_own_are_offered_once_something_is_typed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("mine.toml", "mine.txt", "other.toml"):
        (tmp_path / name).write_text("")
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "deep.toml").write_text("")
    assert complete.experiments("m")[-2:] == ["mine.toml", "more/"]
    assert complete.devices("more/") == ["more/deep.toml"]
    assert complete.devices(f"{tmp_path}/o") == [f"{tmp_path}/other.toml"]
    assert complete.devices("nowhere/x") == []
