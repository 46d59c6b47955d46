"""A client on a machine of its own: from its configuration, its file and a query to its answer.

Samples, models and checkpoints stay in the client's folder. What it sends is a message or a code of a fixed
list, never a text of its own.
"""

from __future__ import annotations

import hashlib
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from threadpoolctl import threadpool_limits

from qkd_qiskit.config import (
    ClientSettings,
    DataSettings,
    DistillationSettings,
    ExperimentSettings,
    RemoteClientSettings,
)
from qkd_qiskit.data import (
    ClientSamples,
    PublicOriginals,
    load_client_samples,
    make_public,
    prepare_client,
    public_maker,
)
from qkd_qiskit.errors import DataError, FederationError, QKDError
from qkd_qiskit.federation.client import ClientOutcome, answer_request
from qkd_qiskit.federation.rejection import RejectionCode, RequestRejected, encode_rejection
from qkd_qiskit.federation.train_request import TaskDescription, TrainRequest
from qkd_qiskit.progress import NullProgress, Progress
from qkd_qiskit.run.context import RunContext
from qkd_qiskit.simulation import ModelCompiler
from qkd_qiskit.store import StageStore
from qkd_qiskit.store.files import write_atomic

if sys.platform != "win32":
    import fcntl

_LOG = logging.getLogger("qkd_qiskit.federation")


class RemoteClient:
    """A client that answers queries.

    Each experiment has a folder of its own within the client's: the public samples, the queries and answers
    of all turns, and the checkpoints of the training. Restarted, the client goes on from there.
    """

    def __init__(
        self, settings: RemoteClientSettings, folder: str | Path, *, progress: Progress | None = None
    ) -> None:
        """Open a client.

        Args:
            settings: Its configuration.
            folder: Where it keeps everything; made when missing.
            progress: Told of every stage of a training.
        """
        self._settings = settings
        self._folder = Path(folder)
        self._progress = NullProgress() if progress is None else progress

    def reply(self, raw: bytes) -> bytes:
        """The answer to a query, or a refusal; whatever goes wrong is told to the client's own log alone.

        Args:
            raw: What arrived.
        """
        name = self._settings.name
        try:
            answer = self.answer(raw)
        except RequestRejected as error:
            code, reason = error.code, str(error)
        except DataError as error:
            code, reason = RejectionCode.WRONG_DATA, str(error)
        except QKDError as error:
            code, reason = RejectionCode.CANNOT_TRAIN, str(error)
        except Exception as error:
            # Nothing may leave the client that was not meant to, whatever has failed.
            code, reason = RejectionCode.FAILED, f"{type(error).__name__}: {error}"
            _LOG.debug("client %s: trace of the failure", name, exc_info=True)
        else:
            _LOG.info("client %s: answered a query of %d bytes with %d", name, len(raw), len(answer))
            return answer
        _LOG.error("client %s: refused with code %s: %s", name, code.value, reason)
        return encode_rejection(code)

    def answer(self, raw: bytes) -> bytes:
        """The message to a query as bytes, trained for, or taken from the folder.

        Args:
            raw: What arrived.

        Raises:
            QueryRefused: If the query cannot be read, asks for too much, or is about another public set.
            DataError: If the client's samples cannot be read, or do not fit the experiment.
            FederationError: If the client's folder cannot be written.
            QKDError: If no model can be trained.
        """
        settings = self._settings
        asked = self._read(raw)
        if settings.public_digest not in (None, asked.public_digest):
            raise RequestRejected(
                RejectionCode.UNKNOWN_PUBLIC_SET,
                f"expected the public set {settings.public_digest}, found {asked.public_digest}",
            )
        own = load_client_samples(settings.path, settings.labels)
        key = self._key(asked, own)
        room = _ClientFolder(self._folder / key[:16])
        try:
            with room.alone():
                found = room.answer(asked.round, raw)
                if found is None:
                    with threadpool_limits(1, user_api="blas"):
                        found = self._trained(asked, raw, own, room, key).message.to_bytes()
                    room.keep(asked.round, raw, found)
        except OSError as error:
            raise FederationError(f"folder {self._folder}: {error.strerror or error}") from None
        return found

    def _read(self, raw: bytes) -> TrainRequest:
        return TrainRequest.from_bytes(raw, limit=self._settings.max_query_bytes)

    def _trained(
        self, asked: TrainRequest, raw: bytes, own: ClientSamples, room: _ClientFolder, key: str
    ) -> ClientOutcome:
        originals = self._originals(asked, own, raw, room)
        task = asked.task
        maker = public_maker(task.seed, task.augment, task.model, originals)
        public = make_public(maker, originals)
        if public.digest != asked.public_digest:
            raise RequestRejected(
                RejectionCode.UNKNOWN_PUBLIC_SET,
                f"expected public inputs with digest {asked.public_digest}, found {public.digest}",
            )
        if asked.originals is not None:
            room.keep_public(raw)
        features = own.features(originals.image_shape)
        data = prepare_client(
            self._settings.name, task.classes, features, own.labels, maker, public, originals
        )
        settings = self._experiment(task, data.sizes[0])
        store = StageStore(room.folder, key)
        context = RunContext(settings, data, store, self._progress, resume=True)
        compiler = ModelCompiler(noise=settings.noise.enabled, seed=settings.seed)
        outcome: ClientOutcome | None = None
        for turn in room.turns():
            if 1 < turn < asked.round:
                outcome = answer_request(context, compiler, self._read(room.query(turn)), outcome)
        return answer_request(context, compiler, asked, outcome)

    def _originals(
        self, asked: TrainRequest, own: ClientSamples, raw: bytes, room: _ClientFolder
    ) -> PublicOriginals:
        """The public samples of a query, or those of an earlier one, within what the client grants."""
        originals, most = asked.originals, self._settings.max_samples
        if originals is None:
            kept = room.public()
            originals = None if kept is None else self._read(kept).originals
        if originals is None:
            raise RequestRejected(
                RejectionCode.NO_PUBLIC_SET, "expected public samples in the first query, found none"
            )
        augment = asked.task.augment
        for what, count in (
            ("public inputs", originals.n_inputs(augment)),
            ("own samples", len(own.labels) * (1 + augment.copies)),
        ):
            if count > most:
                raise RequestRejected(
                    RejectionCode.TOO_LARGE, f"expected at most {most} {what}, copies counted, found {count}"
                )
        return originals

    def _experiment(self, task: TaskDescription, samples: int) -> ExperimentSettings:
        """The experiment as far as this client knows it."""
        own = ClientSettings(name=self._settings.name, backend=self._settings.backend, samples=samples)
        return ExperimentSettings(
            name=task.experiment,
            seed=task.seed,
            data=DataSettings(augment=task.augment),
            model=task.model,
            clients=(own,),
            training=task.training,
            descent=task.descent,
            distillation=DistillationSettings(precision=task.precision),
            noise=task.noise,
        )

    def _key(self, asked: TrainRequest, own: ClientSamples) -> str:
        """Digest of all that the client's first model depends on."""
        digest = hashlib.sha256(asked.task.model_dump_json().encode())
        digest.update(asked.public_digest.encode())
        digest.update(f"{self._settings.name}\n{self._settings.backend}\n".encode())
        digest.update(own.digest)
        return digest.hexdigest()


class _ClientFolder:
    """The folder of one experiment within a client's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Wait until no other process of this client works here: a server may ask again while one trains."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as file:
            if sys.platform != "win32":
                # The system lets go of it when the process ends, however it ends.
                fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def public(self) -> bytes | None:
        """The query that brought the public samples."""
        path = self.folder / "public.query"
        return path.read_bytes() if path.exists() else None

    def keep_public(self, raw: bytes) -> None:
        write_atomic(self.folder / "public.query", raw)

    def turns(self) -> list[int]:
        """Turns that were answered, in order."""
        return sorted(int(path.stem.removeprefix("turn-")) for path in self.folder.glob("turn-*.answer"))

    def query(self, turn: int) -> bytes:
        """The query of an answered turn."""
        return (self.folder / f"turn-{turn}.query").read_bytes()

    def answer(self, turn: int, raw: bytes) -> bytes | None:
        """What was answered to a query, if it was."""
        if turn not in self.turns() or self.query(turn) != raw:
            return None
        return (self.folder / f"turn-{turn}.answer").read_bytes()

    def keep(self, turn: int, raw: bytes, answer: bytes) -> None:
        """Keep a query and its answer, the answer last: without it the turn counts as not taken."""
        (self.folder / f"turn-{turn}.answer").unlink(missing_ok=True)
        write_atomic(self.folder / f"turn-{turn}.query", raw)
        write_atomic(self.folder / f"turn-{turn}.answer", answer)
