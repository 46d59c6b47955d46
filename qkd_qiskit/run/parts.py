"""What is left of a whole run, told by what its finished parts took."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from qkd_qiskit.progress import Progress, ProgressEvent, tell


class RunParts:
    """The parts of a run by kind, such as clients and models of the server.

    Parts of a kind take about the same time, of two kinds they do not: what is left of a kind is known once
    as many parts of it are finished as are worked on at once, and before that only that it comes.
    """

    def __init__(
        self,
        progress: Progress,
        label: str,
        planned: Mapping[str, int],
        *,
        at_once: Mapping[str, int] | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin to measure.

        Args:
            progress: Is told after each part.
            label: Name of the run.
            planned: Number of parts of each kind.
            at_once: How many parts of a kind are worked on at once; one where it is left out.
            now: Tells the time in seconds.
        """
        self._progress, self._label, self._now = progress, label, now
        self._planned, self._at_once = dict(planned), dict(at_once or {})
        self._done = dict.fromkeys(self._planned, 0)
        self._took = dict.fromkeys(self._planned, 0.0)
        self._begun = self._last = now()

    def finish(self, kind: str) -> None:
        """Tell that one more part of a kind is finished."""
        moment = self._now()
        self._took[kind] += moment - self._last
        self._last = moment
        self._done[kind] += 1
        # A kind may have more parts than were planned, as where labels are asked for.
        self._planned[kind] = max(self._planned[kind], self._done[kind])
        left = {name: self._planned[name] - self._done[name] for name in self._planned}
        unknown = [name for name in left if left[name] and not self._is_known(name)]
        known = sum(self._took[n] / self._done[n] * left[n] for n in left if left[n] and n not in unknown)
        event = ProgressEvent(
            self._label,
            sum(self._done.values()),
            sum(self._planned.values()),
            moment - self._begun,
            finished=not any(left.values()),
            left=known if known or not unknown else None,
            at_least=bool(unknown),
        )
        tell(self._progress, event)

    def leave_out(self, kind: str) -> None:
        """Tell that one part of a kind needs no work, as it was done in an earlier run."""
        self._planned[kind] = max(self._planned[kind] - 1, self._done[kind])

    def _is_known(self, kind: str) -> bool:
        return self._done[kind] >= max(min(self._at_once.get(kind, 1), self._planned[kind]), 1)
