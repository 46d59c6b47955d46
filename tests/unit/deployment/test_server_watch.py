"""Who waits for a round: a look that fails once is no end of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from qkd_qiskit.deployment import server as module
from qkd_qiskit.deployment.outcome import OUTCOME, read_outcome, write_outcome
from qkd_qiskit.deployment.processes import Tail
from qkd_qiskit.deployment.server import _Watch
from qkd_qiskit.errors import FederationError


class Link:
    """A SuperLink whose answers are written down before; None for one that does not come."""

    child = None

    def __init__(self, answers: list[str | None]) -> None:
        self.answers = answers

    def run_status(self, run: str) -> str:
        answer = self.answers.pop(0)
        if answer is None:
            raise FederationError("status of the round: OSError when calling Flower")
        return answer


@pytest.fixture
def watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(module, "_LOOK_SECONDS", 0.0)

    def watch(answers: list[str | None]) -> _Watch:
        link: Any = Link(answers)
        return _Watch(link, "7", tmp_path, Tail(tmp_path / "log", print))

    return watch


def test_a_status_that_does_not_come_is_asked_for_again(watch: Any, tmp_path: Path) -> None:
    waiting = watch([None, "running", *[None] * 14, "running"])
    assert not any(waiting.ended() for _ in range(17))
    assert waiting.link.answers == []
    write_outcome(tmp_path, None)
    assert waiting.ended()


def test_a_status_that_never_comes_ends_the_waiting(watch: Any) -> None:
    waiting = watch([None] * 15)
    for _ in range(14):
        assert not waiting.ended()
    with pytest.raises(FederationError, match="OSError when calling Flower"):
        waiting.ended()


def test_a_round_without_outcome_is_an_error(watch: Any, tmp_path: Path) -> None:
    waiting = watch(["finished:failed"])
    waiting.link.child = type("Child", (), {"log": "the log"})
    with pytest.raises(FederationError, match="without an outcome .finished:failed.; its log is the log"):
        waiting.ended()


def test_an_outcome_is_one_printable_line(tmp_path: Path) -> None:
    write_outcome(tmp_path, "client \x1b[2J\nrefused \ud800")
    with pytest.raises(FederationError, match=r"^client \\x1b\[2J refused \\ud800$"):
        module.read_outcome(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"other": 1}', b"[" * 100_000, b"\xff"])
def test_a_damaged_outcome_is_an_error_in_one_line(content: bytes, tmp_path: Path) -> None:
    (tmp_path / OUTCOME).write_bytes(content)
    with pytest.raises(
        FederationError, match=r"outcome\.json.*(is not JSON|not UTF-8|found something else)"
    ) as found:
        read_outcome(tmp_path)
    assert len(str(found.value).splitlines()) == 1
