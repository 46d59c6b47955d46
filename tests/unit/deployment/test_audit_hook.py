"""The audit hook, tried with bundles as a hostile server would send them, through Flower's own installer."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from qkd_qiskit.deployment.audit_hook import REFUSED, carries_code, install_program
from qkd_qiskit.deployment.bundle import Bundle

_LOAD = """
import sys
from pathlib import Path
from flwr.cli.build import build_fab_from_disk
bundle = build_fab_from_disk(Path(sys.argv[1]))
import flwr.supernode.cli as cli
def run():
    # What Flower's program does with the bundle of a run.
    from flwr.cli.install import install_from_fab
    from flwr.supercore.object_ref import load_app
    place = install_from_fab(bundle, skip_prompt=True)
    print("loaded", load_app("evil:app", ValueError, place))
"""
_UNGUARDED = "run()"
_GUARDED = """
cli.flwr_clientapp = run
from qkd_qiskit.deployment.audit_hook import main
main()
"""


def load(bundle: Path, home: Path, *, guarded: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _LOAD + (_GUARDED if guarded else _UNGUARDED), str(bundle)],
        env={**os.environ, "FLWR_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    bundle = Bundle(client_app="evil:app").write(tmp_path / "bundle")
    (bundle / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\napp = 1\n")
    return bundle


def test_a_bundle_with_code_ends_the_process_before_it_runs(hostile: Path, tmp_path: Path) -> None:
    done = load(hostile, tmp_path / "home")
    assert done.returncode == REFUSED, done.stderr
    assert "refused: the server sent an app bundle with code" in done.stderr
    assert not (tmp_path / "ran").exists()


def test_code_that_is_unpacked_already_is_not_loaded_either(hostile: Path, tmp_path: Path) -> None:
    # The test's own proof: without the audit hook, Flower unpacks and runs the code.
    done = load(hostile, tmp_path / "home", guarded=False)
    assert "loaded 1" in done.stdout, done.stderr
    (tmp_path / "ran").unlink()
    assert load(hostile, tmp_path / "home").returncode == REFUSED
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("event", "arguments", "refused"),
    [
        ("open", ("{apps}/a.b.1/pyproject.toml", "r", 0), False),
        ("open", ("{apps}/a.b.1/evil.py", "r", 0), True),
        ("open", ("{apps}/../apps/a.b.1/evil.so", "r", 0), True),
        ("open", ("{apps}-of-another/x.py", "r", 0), False),
        ("open", (3, "r", 0), False),
        ("shutil.copyfile", ("x", "{apps}/a.b.1/pyproject.toml"), False),
        ("shutil.copyfile", ("x", "{apps}/../../site-packages/evil.pth"), True),
        ("shutil.copytree", ("x", "{apps}/a.b.1/evil"), True),
        ("import", ("os", None, None, None, None), False),
    ],
)
def test_what_carries_code(event: str, arguments: tuple[object, ...], refused: bool, tmp_path: Path) -> None:
    apps = os.path.realpath(tmp_path / "apps")
    told = [part.format(apps=apps) if isinstance(part, str) else part for part in arguments]
    assert carries_code(event, told, apps) == refused


def test_a_link_hides_nothing(tmp_path: Path) -> None:
    apps = tmp_path / "apps"
    apps.mkdir()
    (tmp_path / "short").symlink_to(apps)
    assert carries_code("open", (str(tmp_path / "short" / "evil.py"), "r", 0), os.path.realpath(apps))


def test_the_program_stands_before_flowers(tmp_path: Path) -> None:
    folder = install_program(tmp_path / "programs")
    assert os.access(folder / "flwr-clientapp", os.X_OK)
    assert sys.executable in (folder / "flwr-clientapp").read_text()
