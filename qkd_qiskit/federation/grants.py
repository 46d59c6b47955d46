"""What a client has granted so far: public sets, experiments, queries, seconds, and room on the disk.

One file in the client's folder remembers it, also when the folders of old experiments are gone.
"""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pydantic import Field

from qkd_qiskit.config import RemoteClientSettings, Settings
from qkd_qiskit.config.loading import read_settings_json
from qkd_qiskit.errors import StoreError
from qkd_qiskit.federation.rejection import RejectionCode, RequestRejected
from qkd_qiskit.federation.work_limits import Deadline, over_limits
from qkd_qiskit.progress import Progress
from qkd_qiskit.store import folder_lock
from qkd_qiskit.store.database import LOCK_FILE
from qkd_qiskit.store.files import write_atomic

GRANTS_FILE = "grants.json"
_DAY = 86_400.0
# Public sets whose folders are kept, where the settings do not grant more at once.
_KEPT_SETS = 4


class _Experiment(Settings):
    """One experiment: the digest of its public set, when it was last worked on, seconds spent on it."""

    public_set: str
    used: float
    seconds: float = 0.0


class _Granted(Settings):
    """The content of the file."""

    public_sets: tuple[str, ...] = ()
    experiments: dict[str, _Experiment] = Field({}, description="by name of the folder")
    queries: tuple[float, ...] = Field((), description="when queries of the last day came")
    answers: int = Field(0, ge=0, description="public inputs that were answered, copies counted")
    secret: str = Field("", description="what the noise on outputs follows from")


class Grants:
    """Counts what a client does for its server, and refuses what is beyond the client's limits."""

    def __init__(self, settings: RemoteClientSettings, folder: Path) -> None:
        """Open the account of a client.

        Args:
            settings: The client's settings, with its limits.
            folder: The client's folder.
        """
        self._limits = settings
        self._folder = folder
        self._path = folder / GRANTS_FILE

    @contextmanager
    def training(
        self, name: str, public_set: str, progress: Progress, answers: int = 0
    ) -> Iterator[Deadline]:
        """Grant one training, and count the time that it takes.

        Args:
            name: Name of the experiment's folder.
            public_set: Digest of its public samples.
            progress: Told of the training's steps.
            answers: Public inputs, copies counted, that the training is to answer.

        Yields:
            The progress to give to the training; it ends the training when the experiment's time is over.

        Raises:
            RequestRejected: If the client answers on other public sets only, or there are too many queries,
                experiments, answers, seconds or bytes on the disk.
            StoreError: If the file cannot be read or written.
        """
        with self._account() as granted:
            self._check_set(granted, public_set)
            now = time.time()
            recent = tuple(when for when in granted.queries if 0 <= now - when < _DAY)
            before = granted.experiments.get(name, _Experiment(public_set=public_set, used=now))
            for what, count, most in (
                ("queries in 24 hours", len(recent) + 1, self._limits.max_queries),
                ("experiments", len({*granted.experiments, name}), self._limits.max_experiments),
                ("public inputs answered in all", granted.answers + answers, self._limits.max_answers),
            ):
                if count > most:
                    raise over_limits(f"expected at most {most} {what}, found {count}")
            left = self._limits.max_seconds - before.seconds
            if left <= 0:
                raise over_limits(f"expected at most {self._limits.max_seconds:g} seconds of training in all")
            experiments = granted.experiments | {name: before.model_copy(update={"used": now})}
            self._make_room(experiments, name)
            changes = {
                "experiments": experiments,
                "queries": (*recent, now),
                # A training that fails may have been told of: its answers count.
                "answers": granted.answers + answers,
            }
            self._write(granted.model_copy(update=changes))
        deadline = Deadline(progress, left, self._limits.max_seconds)
        try:
            yield deadline
        finally:
            with self._account() as granted:
                found = granted.experiments.get(name, before)
                spent = found.model_copy(update={"seconds": found.seconds + deadline.spent})
                self._write(granted.model_copy(update={"experiments": granted.experiments | {name: spent}}))

    def secret(self) -> str:
        """Return what the noise on this client's outputs follows from: drawn once, and never sent.

        Raises:
            StoreError: If the file cannot be read or written.
        """
        with self._account() as granted:
            if granted.secret:
                return granted.secret
            drawn = secrets.token_hex(32)
            self._write(granted.model_copy(update={"secret": drawn}))
            return drawn

    def pin(self, public_set: str) -> None:
        """Remember a public set as one of those that the client answers on.

        Args:
            public_set: Digest of its samples.

        Raises:
            RequestRejected: If the client answers on others only.
            StoreError: If the file cannot be read or written.
        """
        with self._account() as granted:
            self._check_set(granted, public_set)
            if public_set not in granted.public_sets:
                sets = (*granted.public_sets, public_set)
                self._write(granted.model_copy(update={"public_sets": sets}))

    def _check_set(self, granted: _Granted, public_set: str) -> None:
        """Refuse a further public set, unless the client's file names the one that it answers on."""
        known, most = granted.public_sets, self._limits.max_public_sets
        if self._limits.public_digest is None and public_set not in known and len(known) >= most:
            raise RequestRejected(
                RejectionCode.UNKNOWN_PUBLIC_SET,
                f"expected one of the {len(known)} public sets that it has answered on, found another one; "
                "public_digest in its file allows that one, max_public_sets more of them",
            )

    def _make_room(self, experiments: dict[str, _Experiment], name: str) -> None:
        """Delete folders of the oldest experiments where there are too many sets or bytes."""
        folders = {child.name: child for child in self._folder.iterdir() if child.name in experiments}
        others = sorted(folders.keys() - {name}, key=lambda other: experiments[other].used)
        most_sets = max(self._limits.max_public_sets, _KEPT_SETS)
        for other in others:
            sets = {experiments[held].public_set for held in {*folders, name}}
            if len(sets) > most_sets or self._bytes() > self._limits.max_disk_bytes:
                self._delete(folders.pop(other))
        size = self._bytes()
        if size > self._limits.max_disk_bytes:
            raise over_limits(f"expected at most {self._limits.max_disk_bytes} bytes on disk, found {size}")

    def _delete(self, folder: Path) -> None:
        # One that is being worked in stays.
        with suppress(StoreError), folder_lock(folder):
            shutil.rmtree(folder, ignore_errors=True)

    def _bytes(self) -> int:
        total = 0
        for path in self._folder.rglob("*"):
            with suppress(OSError):
                total += path.lstat().st_size
        return total

    @contextmanager
    def _account(self) -> Iterator[_Granted]:
        if self._folder.exists() and not self._folder.is_dir():
            raise StoreError(f"cannot open {self._folder / LOCK_FILE}: Not a directory")
        with folder_lock(self._folder, wait=True):
            yield self._read()

    def _read(self) -> _Granted:
        # Whoever deletes it begins to count anew; of a damaged one that is not for the program to decide.
        if not self._path.exists():
            return _Granted()
        return read_settings_json(_Granted, self._path, StoreError)

    def _write(self, granted: _Granted) -> None:
        write_atomic(self._path, granted.model_dump_json(indent=1))
