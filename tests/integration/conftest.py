"""What several commands are tried with."""

from __future__ import annotations

import pytest


@pytest.fixture
def accepted_before_death(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Interrupt a submission when the local service accepts its second job; the accepted jobs' numbers."""
    from qkd_qiskit.runtime import LocalService

    accept = LocalService.submit
    calls: list[str] = []

    def dies(self: LocalService, request) -> str:
        calls.append(accept(self, request))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return calls[-1]

    monkeypatch.setattr(LocalService, "submit", dies)
    return calls
