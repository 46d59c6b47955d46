"""A client on a machine of its own: from its configuration, its samples and a request to its answer.

Samples, models and stages stay in the client's folder. What it sends is a message or a code of a fixed list,
never a text of its own.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qkd_qiskit.config import (
    ClientSettings,
    DataSettings,
    DistillationSettings,
    ExperimentSettings,
    OutputPrivacySettings,
    RemoteClientSettings,
)
from qkd_qiskit.data import (
    ClientSamples,
    PublicOriginals,
    TableOptions,
    load_client_samples,
    make_public,
    prepare_client,
    public_maker,
)
from qkd_qiskit.errors import DataError, QKDError
from qkd_qiskit.federation.client import ClientOutcome, answer_request
from qkd_qiskit.federation.grants import Grants
from qkd_qiskit.federation.rejection import RejectionCode, RequestRejected, encode_rejection
from qkd_qiskit.federation.train_request import TaskDescription, TrainRequest
from qkd_qiskit.federation.work_limits import check_work, public_set
from qkd_qiskit.progress import NullProgress, Progress
from qkd_qiskit.run.compiler import model_compiler
from qkd_qiskit.run.context import RunContext
from qkd_qiskit.simulation import one_blas_thread
from qkd_qiskit.store import Database, StageStore, folder_lock, mend_database
from qkd_qiskit.store.database import DATABASE_FILE
from qkd_qiskit.store.sealing import seal_bytes, unseal_bytes
from qkd_qiskit.text import printable

_LOG = logging.getLogger(__name__)


class RemoteClient:
    """A client that answers requests.

    Each experiment has a folder of its own within the client's, with one database: the public samples, the
    requests and answers of all rounds, and the stages of the training. Restarted, the client goes on from
    there. What the client's settings limit is checked before anything is trained; see `work_limits` and
    `grants`.
    """

    def __init__(
        self, settings: RemoteClientSettings, folder: str | Path, *, progress: Progress | None = None
    ) -> None:
        """Open a client.

        Args:
            settings: Its configuration.
            folder: Where it keeps everything; made when missing.
            progress: Shows every stage of a training.
        """
        self._settings = settings
        self._folder = Path(folder)
        self._progress = NullProgress() if progress is None else progress
        self._grants = Grants(settings, self._folder)

    def reply(self, raw: bytes) -> bytes:
        """Return the answer to a request, or a rejection; the client's own log alone says what went wrong.

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
        except MemoryError as error:
            code, reason = RejectionCode.OVER_LIMITS, f"memory: {error}"
        except Exception as error:
            # Nothing may leave the client that was not meant to, whatever has failed.
            code, reason = RejectionCode.FAILED, f"{type(error).__name__}: {error}"
            _LOG.debug("client %s: trace of the failure", name, exc_info=True)
        else:
            _LOG.info("client %s: answered a request of %d bytes with %d", name, len(raw), len(answer))
            return answer
        _LOG.error("client %s: refused with code %s: %s", name, code.value, printable(reason, 2000))
        return encode_rejection(code)

    def answer(self, raw: bytes) -> bytes:
        """Return the message to a request as bytes, trained for, or taken from the folder.

        Args:
            raw: What arrived.

        Raises:
            RequestRejected: If the request cannot be read, wants more than the client's limits grant, or is
                about another public set.
            DataError: If the client's samples cannot be read, or do not fit the experiment.
            StoreError: If the client's folder cannot be written.
            QKDError: If no model can be trained.
        """
        settings = self._settings
        request = self._read(raw)
        if settings.public_digest not in (None, request.public_digest):
            raise RequestRejected(
                RejectionCode.UNKNOWN_PUBLIC_SET,
                f"expected the public set {settings.public_digest}, found {request.public_digest}",
            )
        own = load_client_samples(
            settings.path, settings.labels, settings.limits, TableOptions(missing=settings.missing)
        )
        key = self._key(request, own)
        folder = self._folder / key[:16]
        answer = _kept_answer(folder, request.round, raw)
        if answer is not None:
            return answer
        originals = self._originals(request, folder)
        check_work(settings, request, originals, len(own.labels))
        copies = originals.n_inputs(request.task.augment) // len(originals.labels)
        # A server may send its request again while another process of this client trains.
        with (
            self._grants.training(
                folder.name,
                public_set(originals),
                self._progress,
                answers=originals.n_inputs(request.task.augment) - originals.n_examples * copies,
            ) as progress,
            _open_rounds(folder) as kept,
        ):
            answer = kept.answer(request.round, raw)
            if answer is None:
                with one_blas_thread():
                    training = _Training(originals, own, kept, StageStore(folder, key), progress)
                    answer = self._trained(request, raw, training).reply(request)
                kept.keep(request.round, raw, answer)
        return answer

    @property
    def _blur(self) -> dict[str, Any]:
        """Return the client's own settings of what blurs its outputs."""
        return self._settings.model_dump(include=set(OutputPrivacySettings.model_fields))

    def _read(self, raw: bytes) -> TrainRequest:
        return TrainRequest.from_bytes(raw, limit=self._settings.max_query_bytes)

    def _trained(self, request: TrainRequest, raw: bytes, training: _Training) -> ClientOutcome:
        originals, own, kept = training.originals, training.own, training.kept
        task = request.task
        maker = public_maker(task.seed, task.augment, task.model, originals)
        public = make_public(maker, originals)
        if public.digest != request.public_digest:
            raise RequestRejected(
                RejectionCode.UNKNOWN_PUBLIC_SET,
                f"expected public inputs with digest {request.public_digest}, found {public.digest}",
            )
        self._grants.pin(public_set(originals))
        if request.originals is not None:
            kept.keep_public(raw)
        features = own.features(originals.image_shape)
        data = prepare_client(
            self._settings.name, task.classes, features, own.labels, maker, public, originals
        )
        settings = self._experiment(task, data.sizes[0])
        run = RunContext(settings, data, training.store, training.progress, resume=True)
        compiler = model_compiler(settings)
        outcome: ClientOutcome | None = None
        for earlier in kept.requests(1, request.round):
            outcome = answer_request(run, compiler, self._read(earlier), outcome)
        return answer_request(run, compiler, request, outcome)

    def _originals(self, request: TrainRequest, folder: Path) -> PublicOriginals:
        """Return the public samples of a request, or of an earlier one of its experiment."""
        originals = request.originals
        if originals is None and (folder / DATABASE_FILE).exists():
            with _open_rounds(folder) as kept:
                earlier = kept.public()
            originals = None if earlier is None else self._read(earlier).originals
        if originals is None:
            raise RequestRejected(
                RejectionCode.NO_PUBLIC_SET, "expected public samples in the first request, found none"
            )
        return originals

    def _experiment(self, task: TaskDescription, samples: int) -> ExperimentSettings:
        """Return the experiment as far as this client knows it."""
        blur = self._blur
        own = ClientSettings(
            name=self._settings.name, backend=self._settings.backend, samples=samples, **blur
        )
        return ExperimentSettings(
            name=task.experiment,
            seed=task.seed,
            secret=self._grants.secret() if any(blur.values()) else "",
            data=DataSettings(augment=task.augment),
            model=task.model,
            clients=(own,),
            training=task.training,
            descent=task.descent,
            distillation=DistillationSettings(precision=task.precision),
            noise=task.noise,
        )

    def _key(self, request: TrainRequest, own: ClientSamples) -> str:
        """Return a digest of all that the client's first model depends on."""
        digest = hashlib.sha256(request.task.model_dump_json().encode())
        digest.update(request.public_digest.encode())
        digest.update(f"{self._settings.name}\n{self._settings.backend}\n".encode())
        digest.update(own.digest)
        if any(self._blur.values()):
            digest.update(f"{self._blur}\n".encode())
        return digest.hexdigest()


def _kept_answer(folder: Path, number: int, raw: bytes) -> bytes | None:
    """Return the answer that an experiment's folder holds, if the request has come before."""
    if not (folder / DATABASE_FILE).exists():
        return None
    with _open_rounds(folder) as kept:
        return kept.answer(number, raw)


@contextmanager
def _open_rounds(folder: Path) -> Iterator[_KeptRounds]:
    """Open what an experiment's folder keeps, alone; of a damaged database what can be read is kept."""
    with folder_lock(folder, wait=True):
        # Everything in it can be trained for again, and the server waits.
        mend_database(folder, begin_anew=True)
        with Database(folder) as database:
            yield _KeptRounds(database)


@dataclass(frozen=True)
class _Training:
    """What a client trains with: public and own samples, rounds and stages so far, and who is told."""

    originals: PublicOriginals
    own: ClientSamples
    kept: _KeptRounds
    store: StageStore
    progress: Progress


@dataclass(frozen=True)
class _KeptRounds:
    """Requests and answers of one experiment in a client's database."""

    database: Database

    def public(self) -> bytes | None:
        """Return the request that brought the public samples."""
        found = self._whole("SELECT request FROM public_set")
        return found[0] if found else None

    def keep_public(self, raw: bytes) -> None:
        with self.database.transaction():
            self.database.execute("DELETE FROM public_set")
            self.database.execute("INSERT INTO public_set VALUES (?)", seal_bytes(raw))

    def requests(self, after: int, before: int) -> list[bytes]:
        """Return the answered requests of the rounds between two."""
        return self._whole(
            "SELECT request FROM exchange WHERE round > ? AND round < ? ORDER BY round", after, before
        )

    def answer(self, number: int, raw: bytes) -> bytes | None:
        """Return the answer of a round to a request, if it was answered."""
        query = "SELECT answer FROM exchange WHERE round = ? AND request = ?"
        found = self._whole(query, number, seal_bytes(raw))
        return found[0] if found else None

    def keep(self, number: int, raw: bytes, answer: bytes) -> None:
        sealed = seal_bytes(raw), seal_bytes(answer)
        self.database.execute("INSERT OR REPLACE INTO exchange VALUES (?, ?, ?)", number, *sealed)

    def _whole(self, query: str, *values: object) -> list[bytes]:
        """Return the whole values of a query of one column; damaged ones count as none."""
        found = []
        for (sealed,) in self.database.rows(query, *values):
            try:
                found.append(unseal_bytes(sealed))
            except ValueError as error:
                _LOG.warning("a round in %s: %s; it counts as none", self.database.path, error)
        return found
