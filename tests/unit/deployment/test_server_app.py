"""What the server's process runs: from which settings, and how it tells the end."""

from __future__ import annotations

import logging
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from qkd_qiskit.config import load_experiment
from qkd_qiskit.deployment import server_app
from qkd_qiskit.deployment.bundle import MANIFEST
from qkd_qiskit.deployment.outcome import read_outcome
from qkd_qiskit.deployment.settings import PROGRESS, SERVER_VARIABLE, round_settings
from qkd_qiskit.deployment.setup import APP_FOLDER, FederationFiles, make_federation
from qkd_qiskit.errors import ConfigError, FederationError
from qkd_qiskit.progress import LoggedProgress, NullProgress

TINY = str(Path(__file__).parents[2] / "integration" / "tiny.toml")


@pytest.fixture
def made(tmp_path: Path) -> FederationFiles:
    return make_federation(tmp_path / "federation", load_experiment(TINY))


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """Stands in for the experiment."""
    found: list[dict[str, Any]] = []
    monkeypatch.setattr(
        server_app, "run_experiment", lambda settings, **more: found.append({"s": settings, **more})
    )
    yield found
    for handler in [each for each in server_app.LOGGER.handlers if isinstance(each, logging.FileHandler)]:
        server_app.LOGGER.removeHandler(handler)
        handler.close()
    server_app.LOGGER.setLevel(logging.NOTSET)


def _config(made: FederationFiles) -> dict[str, Any]:
    manifest = tomllib.loads((made.folder / APP_FOLDER / MANIFEST).read_text())
    return manifest["tool"]["flwr"]["app"]["config"]


def _run(config: dict[str, Any]) -> None:
    server_app.main(SimpleNamespace(), SimpleNamespace(run_config=config))


def test_our_own_server_runs_what_its_file_says(
    made: FederationFiles, calls: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SERVER_VARIABLE, str(made.server))
    _run({})
    (call,) = calls
    assert call["s"] == load_experiment(TINY)
    assert call["output"] == made.folder / "results"
    assert call["resume"]
    assert call["transport"].names == made.names
    assert call["transport"].traffic() is None
    assert len(call["data"].test) == 60
    assert read_outcome(made.folder / "server-state")


def test_another_superlink_runs_what_the_app_of_the_federation_says(
    made: FederationFiles, calls: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(SERVER_VARIABLE, raising=False)
    _run(_config(made) | {"output": str(tmp_path / "elsewhere"), "experiment": TINY})
    (call,) = calls
    assert call["s"] == load_experiment(TINY)
    assert call["output"] == tmp_path / "elsewhere"
    watched = LoggedProgress(NullProgress())
    watched.start("client A")
    watched.done("client A")
    assert "done: client A" in (made.folder / "server-state" / PROGRESS).read_text()


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize(
    ("error", "told"),
    [
        (FederationError("too few clients"), "too few clients"),
        (KeyError("x"), "log tells where"),
    ],
)
def test_an_error_is_the_outcome(
    made: FederationFiles, calls: Any, monkeypatch: pytest.MonkeyPatch, own: bool, error: Exception, told: str
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setenv(SERVER_VARIABLE, str(made.server))
    monkeypatch.setattr(server_app, "run_experiment", fail)
    if own:
        _run({})
    else:
        # Whoever uses a SuperLink of his own sees it in Flower's list of runs.
        with pytest.raises(type(error)):
            _run(_config(made))
    with pytest.raises(FederationError, match=told):
        read_outcome(made.folder / "server-state")


def test_a_process_that_is_told_to_end_has_no_outcome(
    made: FederationFiles, calls: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(*_: Any, **__: Any) -> None:
        raise SystemExit(1)

    monkeypatch.setenv(SERVER_VARIABLE, str(made.server))
    monkeypatch.setattr(server_app, "run_experiment", end)
    with pytest.raises(SystemExit, match="1"):
        _run({})
    assert not read_outcome(made.folder / "server-state")


def test_a_wrong_run_configuration_is_named(made: FederationFiles) -> None:
    with pytest.raises(ConfigError, match="run configuration: unknown key publik"):
        round_settings(_config(made) | {"publik": "x"})
    with pytest.raises(FederationError, match="public: expected a file, found nothing at /nowhere"):
        round_settings(_config(made) | {"public": "/nowhere.npz"})
