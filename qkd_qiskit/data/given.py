"""Samples that a program passes as arrays or tables: the server's, and those that clients bring."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qkd_qiskit.arguments import found
from qkd_qiskit.arrays import FloatArray, IntArray, as_features
from qkd_qiskit.config import ExperimentSettings, Label
from qkd_qiskit.data.dataset import ARRAYS, as_labels, as_pixels, describe_classes
from qkd_qiskit.data.partitions import partition_named
from qkd_qiskit.data.prepared import RawData, class_codes, with_client_noise
from qkd_qiskit.data.samples import UNKNOWN
from qkd_qiskit.data.splitting import ClientShare, Split, SplitSizes, deal
from qkd_qiskit.data.table_options import FeatureColumns
from qkd_qiskit.errors import DataError, did_you_mean

_DIGITS = 12
# Of what the server has: a share for clients that bring nothing, of the rest one for the test, and so on.
_CLIENTS, _TEST, _CALIBRATION, _VALIDATION = 0.6, 0.4, 0.15, 0.25


@dataclass(frozen=True, eq=False)
class GivenPart:
    """Samples of one party, as they were passed.

    Attributes:
        values: [N, F], or images [N, rows, columns].
        labels: [N]; None where nobody knows them.
        where: Whose they are, for messages.
        names: Names of the columns; None for what is no table with headings.
    """

    values: NDArray[Any]
    labels: NDArray[Any] | None
    where: str
    names: tuple[str, ...] | None = None

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.values)


def given_part(samples: Any, labels: Any, where: str) -> GivenPart:
    """Return samples of one party from arrays or tables.

    Args:
        samples: Array [N, F], images [N, rows, columns], or a DataFrame.
        labels: [N]; the name of a column of the DataFrame, which is then none of its features; None where
            nobody knows them.
        where: Whose they are, for messages.

    Raises:
        DataError: If the shapes do not fit, a feature is no finite number, or there is no such column.
    """
    if isinstance(labels, str):
        columns = list(samples.columns) if isinstance(samples, pd.DataFrame) else []
        if labels not in columns:
            among = f"a column among {', '.join(map(str, columns))}" if columns else "labels, or a table"
            raise DataError(f"{where}: expected {among}, found the name {labels!r}")
        samples, labels = samples.drop(columns=labels), samples[labels]
    names = None
    if isinstance(samples, pd.DataFrame) and not isinstance(samples.columns, pd.RangeIndex):
        names = tuple(map(str, samples.columns))
        if len(set(names)) != len(names):
            raise DataError(f"{where}: expected columns of different names, found {', '.join(names)}")
    values = np.asarray(samples)
    if values.ndim not in (2, 3) or not len(values):
        raise DataError(
            f"{where}: expected samples [N, F] or images [N, rows, columns], found shape {values.shape}"
        )
    as_features(values.reshape(len(values), -1), where)
    if labels is None:
        return GivenPart(values, None, where, names)
    known = np.asarray(labels)
    if known.ndim != 1 or len(known) != len(values):
        raise DataError(
            f"{where}: expected one label for each of {len(values)} samples, found "
            f"{found(labels) if known.ndim == 0 else f'shape {known.shape}'}"
        )
    return GivenPart(values, as_labels(known, where), where, names)


@dataclass(frozen=True, eq=False)
class GivenSamples:
    """All samples that a program passes for one experiment.

    Attributes:
        server: What public samples are drawn from, test samples where there are none of their own, and
            samples of clients that bring none.
        unlabelled: Public samples without labels; None for none.
        test: Samples kept back until the end; None to draw them from the server's.
        clients: What each client brings; None for one that gets samples of the server's.
    """

    server: GivenPart
    unlabelled: GivenPart | None
    test: GivenPart | None
    clients: tuple[GivenPart | None, ...]

    @property
    def parts(self) -> tuple[GivenPart, ...]:
        """Return what there is, in the order in which it is numbered."""
        return tuple(
            part for part in (self.server, self.unlabelled, self.test, *self.clients) if part is not None
        )

    @property
    def labels(self) -> NDArray[Any]:
        """Return all labels that are known, as numbers where all of them are."""
        return as_labels(
            np.concatenate([part.labels for part in self.parts if part.labels is not None]), "labels"
        )

    def classes(self, wanted: Sequence[Label] | None) -> tuple[Label, ...]:
        """Return the sorted class set.

        Args:
            wanted: Classes that take part; None for all.

        Raises:
            DataError: If one of these does not occur, or there are fewer than two.
        """
        there = tuple(np.unique(self.labels).tolist())
        for label in wanted or ():
            if label not in there:
                raise DataError(f"data.classes: class {label!r} does not occur; {describe_classes(there)}")
        chosen = there if wanted is None else tuple(label for label in there if label in wanted)
        if len(chosen) < 2:
            raise DataError(f"expected at least two classes in the experiment, found {list(chosen)}")
        return chosen

    @property
    def known_tests(self) -> int:
        """How many of the test samples that were given are samples of the server or of a client as well."""
        if self.test is None:
            return 0
        known = {row.tobytes() for part in (self.server, *self.clients) if part for row in self._rows(part)}
        return sum(row.tobytes() in known for row in self._rows(self.test))

    def _rows(self, part: GivenPart) -> FloatArray:
        return np.ascontiguousarray(self._ordered(part).reshape(len(part), -1), dtype=np.float64)

    @property
    def name(self) -> str:
        """Return a name that stands for these very samples."""
        digest = hashlib.sha256()
        for part in self.parts:
            digest.update(f"{part.where} {part.values.shape} {part.values.dtype} {part.names}\n".encode())
            digest.update(np.ascontiguousarray(part.values).tobytes())
            digest.update(repr(None if part.labels is None else part.labels.tolist()).encode())
        return f"{ARRAYS}{digest.hexdigest()[:_DIGITS]}"

    def table(self) -> tuple[FloatArray, tuple[int, int] | None]:
        """Return all samples [N, F] one after the other, and the shape of images.

        Columns with names are in the order of the server's.

        Raises:
            DataError: If the parts have different shapes or columns, or hold something not a finite number.
        """
        shape = self.server.values.shape[1:]
        for part in self.parts:
            if part.values.shape[1:] != shape:
                raise DataError(
                    f"{part.where}: expected samples of shape {shape}, as the server's have, found "
                    f"{part.values.shape[1:]}"
                )
        rows = []
        for part in self.parts:
            values = self._ordered(part).reshape(len(part), -1)
            rows.append(values if values.dtype.kind in "bu" else as_features(values, part.where))
        joined = np.concatenate(rows)
        if len(shape) == 1:
            return as_features(joined, "samples"), None
        # All together: one bright image tells what the pixels of the others mean.
        return as_features(as_pixels(joined, "images"), "images"), (int(shape[0]), int(shape[1]))

    @property
    def columns(self) -> FeatureColumns | None:
        """Which columns of a table the features are; None for what is no table."""
        names = self.server.names
        return None if names is None else FeatureColumns(len(names), names)

    def _ordered(self, part: GivenPart) -> NDArray[Any]:
        wanted = self.server.names
        if wanted is None or part.names is None or part.names == wanted:
            return part.values
        missing = [name for name in wanted if name not in part.names]
        if missing:
            raise DataError(
                f"{part.where}: expected a column {missing[0]!r}, as the server's samples have, found "
                f"{', '.join(part.names)}{did_you_mean(missing[0], part.names)}"
            )
        return part.values[:, [part.names.index(name) for name in wanted]]


@dataclass(frozen=True)
class GivenSizes:
    """How many samples go where.

    Attributes:
        parts: Sizes of the public parts and of the test set, by their keys in the settings.
        clients: Samples of each client.
    """

    parts: dict[str, int]
    clients: tuple[int, ...]


def given_sizes(
    given: GivenSamples,
    classes: Sequence[Label],
    wanted: Mapping[str, int],
    samples: Sequence[int | None],
) -> GivenSizes:
    """Share the server's samples among all who need some.

    Clients that bring nothing and name no number get 60 % of them together; of the rest 40 % are the test
    set, unless there is one; of what is left 60 % are for training, 15 % for calibration, 25 % for
    validation.

    Args:
        given: What there is.
        classes: Classes that take part.
        wanted: Sizes that are fixed, by their keys in the settings.
        samples: What each client that brings nothing wants; None for a share.

    Raises:
        DataError: If there is too little.
    """
    of_classes = {part: _rows_of(part, classes) for part in given.parts if part.labels is not None}
    own = [None if part is None else len(of_classes[part]) for part in given.clients]
    left = len(of_classes[given.server]) - sum(n or 0 for n in samples)
    left -= sum(n for key, n in wanted.items() if key != "test" or given.test is None)
    sharing = [k for k, n in enumerate(own) if n is None and samples[k] is None]
    pot = int(_CLIENTS * max(left, 0)) if sharing else 0
    shares = {k: (i + 1) * pot // len(sharing) - i * pot // len(sharing) for i, k in enumerate(sharing)}
    left -= pot
    parts = {"public_unlabelled": 0, **wanted}
    if given.test is not None:
        parts["test"] = len(of_classes[given.test])
    elif "test" not in parts:
        parts["test"] = int(_TEST * left)
        left -= parts["test"]
    rest = left
    for key, share in (("public_calibration", _CALIBRATION), ("public_validation", _VALIDATION)):
        if key not in parts:
            parts[key] = int(share * rest)
            left -= parts[key]
    parts.setdefault("public_train", left)
    counts = [n if n is not None else shares.get(k, samples[k] or 0) for k, n in enumerate(own)]
    short = [key for key in ("public_train", "public_validation", "test") if parts[key] < 1]
    if left < 0 or short or min(counts) < 1:
        needs = short[0] if short else "the public parts" if left < 0 else "the clients"
        raise DataError(
            f"server: expected enough samples of the classes for public parts, test and clients without "
            f"own ones, found {len(of_classes[given.server])}: too few for {needs}"
        )
    return GivenSizes(parts, tuple(counts))


def deal_given(settings: ExperimentSettings, given: GivenSamples) -> RawData:
    """Deal out what a program has passed; samples of clients that bring their own stay theirs.

    Raises:
        DataError: If the samples do not fit together, or there are too few for the settings.
    """
    data = settings.data
    features, image_shape = given.table()
    classes = given.classes(data.classes)
    codes = np.concatenate(
        [
            np.full(len(part), UNKNOWN)
            if part.labels is None
            else class_codes(_as_classes(part.labels, classes), classes)
            for part in given.parts
        ]
    ).astype(np.int64)
    starts = dict(zip(given.parts, np.cumsum([0, *(len(part) for part in given.parts)]), strict=False))

    def rows(part: GivenPart) -> IntArray:
        every = np.arange(starts[part], starts[part] + len(part))
        return every if part.labels is None else every[codes[every] != UNKNOWN]

    dealt = [k for k, part in enumerate(given.clients) if part is None]
    if data.partition is not None and not dealt:
        raise DataError("data.partition: expected clients that get samples, found that all bring their own")
    if data.partition is not None and data.dirichlet is not None:
        raise DataError("expected data.partition or data.dirichlet, found both")
    pool, rng = rows(given.server), np.random.default_rng(settings.server_seed)
    sizes = SplitSizes(
        public_train=data.public_train,
        public_unlabelled=data.public_unlabelled,
        public_calibration=data.public_calibration,
        public_validation=data.public_validation,
        test=data.test if given.test is None else 0,
    )
    shares = [ClientShare(c.samples, c.classes, c.name) for c in (settings.clients[k] for k in dealt)]
    partition = None if data.partition is None else partition_named(data.partition, data.beta)
    drawn = deal(
        np.array(classes)[codes[pool]], sizes, shares, dirichlet=data.dirichlet, partition=partition, rng=rng
    )
    theirs = iter(drawn.clients)
    unlabelled = pool[drawn.public_unlabelled]
    if given.unlabelled is not None:
        unlabelled = np.concatenate([unlabelled, rows(given.unlabelled)])
    split = Split(
        pool[drawn.public_train],
        unlabelled,
        pool[drawn.public_calibration],
        pool[drawn.public_validation],
        pool[drawn.test] if given.test is None else rows(given.test),
        tuple(pool[next(theirs)] if part is None else rows(part) for part in given.clients),
    )
    if data.noise:
        features = with_client_noise(features, image_shape, split, settings)
    return RawData(data.dataset, classes, features, codes, split, image_shape, given.columns)


def _as_classes(labels: NDArray[Any], classes: Sequence[Label]) -> NDArray[Any]:
    """Return labels as text where one of another party's is text."""
    return labels.astype(str) if isinstance(classes[0], str) else labels


def _rows_of(part: GivenPart, classes: Sequence[Label]) -> IntArray:
    """Return which samples of a part are of the classes.

    Raises:
        DataError: If none is.
    """
    assert part.labels is not None
    chosen = np.flatnonzero(np.isin(_as_classes(part.labels, classes), np.asarray(classes)))
    if not len(chosen):
        raise DataError(
            f"{part.where}: expected samples of the classes {', '.join(map(str, classes))}, found none"
        )
    return chosen
