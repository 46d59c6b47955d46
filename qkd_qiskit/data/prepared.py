"""The data of one experiment: loaded, dealt out, augmented and encoded, for all clients or for one."""

from __future__ import annotations

import logging
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.config import ExperimentSettings, Label
from qkd_qiskit.data.loading import load_data
from qkd_qiskit.data.partitions import noisy_features, partition_named
from qkd_qiskit.data.public import PublicOriginals, PublicSet, make_public, public_maker
from qkd_qiskit.data.samples import UNKNOWN, SampleMaker, Samples
from qkd_qiskit.data.splitting import ClientShare, Split, SplitSizes, make_split
from qkd_qiskit.data.table_options import FeatureColumns
from qkd_qiskit.encoding import Encoder
from qkd_qiskit.errors import DataError
from qkd_qiskit.store import use_limits

_NOBODY = np.empty(0, dtype=np.int64)
_ORDER = zlib.crc32(b"public order")
_NOISE = zlib.crc32(b"client noise")
# Fewer samples than this are hardly any.
_FEW = 10
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class PreparedData:
    """Encoded samples of an experiment and who holds them.

    Attributes:
        name: Name of the dataset.
        classes: Sorted class set.
        encoder: Fitted on the public samples alone.
        public: What everybody has.
        originals: What `public` is made of; None where nobody asks for it again.
        clients: What each client trains on, own samples first, their augmented copies behind; empty where
            no client's samples are known.
        sizes: Own samples of each client, copies not counted.
        test: Kept back until the end; empty for those who have none.
        split: Indices of the samples in the dataset, or in a client's or server's own numbering.
        pool_labels: Class index of each unlabelled public original in the order of the list, without copies;
            only for those who may ask for some of them. None where they are unknown.
        columns: Which columns of a table the features are; None for what is no table.
    """

    name: str
    classes: tuple[Label, ...]
    encoder: Encoder
    public: PublicSet
    originals: PublicOriginals | None
    clients: tuple[Samples, ...]
    sizes: tuple[int, ...]
    test: Samples
    split: Split
    pool_labels: IntArray | None = None
    columns: FeatureColumns | None = None

    def own(self, client: int) -> Samples:
        """Return a client's own samples, without copies."""
        return self.clients[client].rows(slice(0, self.sizes[client]))

    @property
    def known(self) -> Samples:
        """The labelled public training samples, without copies."""
        return self.public.samples.rows(slice(0, len(self.split.public_train)))

    def task(self, client: int) -> Samples:
        """Return what a client has to tell apart: its own samples, and public ones of classes that it misses.

        The latter bear the index behind the last class: to the client they are one class, "none of mine".
        """
        own, known = self.own(client), self.known
        other = known.inputs[~np.isin(known.labels, own.labels)]
        return Samples(
            np.concatenate([own.inputs, other]),
            np.concatenate([own.labels, np.full(len(other), len(self.classes))]),
        )

    def of_client(self, client: int) -> PreparedData:
        """Return what one client works with: its own samples, and the public set without the answers."""
        held = self.split
        listed = np.concatenate([held.public_unlabelled, held.public_calibration, held.public_validation])
        return replace(
            self,
            public=self.public.without_answers(),
            originals=None,
            clients=(self.clients[client],),
            sizes=(self.sizes[client],),
            test=self.test.rows(slice(0, 0)),
            split=Split(
                held.public_train, np.sort(listed), _NOBODY, _NOBODY, _NOBODY, (held.clients[client],)
            ),
            pool_labels=None,
        )


def originals(parts: Sequence[Samples], sizes: Sequence[int]) -> IntArray:
    """Return which original each sample of some parts comes from: an original and its copies share a number.

    Args:
        parts: Samples with their copies behind.
        sizes: Number of originals of each part.
    """
    starts = np.cumsum([0, *sizes[:-1]])
    numbers = [
        start + np.arange(len(part)) % size for part, start, size in zip(parts, starts, sizes, strict=True)
    ]
    return np.concatenate(numbers)


@dataclass(frozen=True)
class RawData:
    """The samples of an experiment before encoding, dealt out.

    Attributes:
        name: Name of the dataset.
        classes: Sorted class set.
        features: All samples [N, F].
        codes: Index of each sample's class [N].
        split: Who holds which.
        image_shape: Rows and columns of the images; None for features that are no pixels.
        columns: Which columns of a table the features are; None for what is no table.
    """

    name: str
    classes: tuple[Label, ...]
    features: FloatArray
    codes: IntArray
    split: Split
    image_shape: tuple[int, int] | None
    columns: FeatureColumns | None = None

    @property
    def parts(self) -> tuple[int, int, int, int]:
        """Sizes of the public parts: training, unlabelled, calibration, validation."""
        split = self.split
        return (
            len(split.public_train),
            len(split.public_unlabelled),
            len(split.public_calibration),
            len(split.public_validation),
        )


def deal_data(settings: ExperimentSettings) -> RawData:
    """Load and split what an experiment runs on.

    Raises:
        DataError: If the dataset cannot be loaded or split in this way.
    """
    data = settings.data
    with use_limits(**settings.limits.model_dump()):
        dataset = load_data(data)
    split = make_split(
        dataset.labels,
        SplitSizes(
            public_train=data.public_train,
            public_unlabelled=data.public_unlabelled,
            public_calibration=data.public_calibration,
            public_validation=data.public_validation,
            test=data.test,
        ),
        [ClientShare(client.samples, client.classes, client.name) for client in settings.clients],
        dirichlet=data.dirichlet,
        partition=None if data.partition is None else partition_named(data.partition, data.beta),
        rng=np.random.default_rng(settings.server_seed),
    )
    codes = np.searchsorted(np.array(dataset.classes), dataset.labels).astype(np.int64)
    for client, held in zip(settings.clients, split.clients, strict=True):
        warn_of_poor_client(client.name, codes[held])
    features = dataset.features
    if data.noise:
        features = with_client_noise(features, dataset.image_shape, split, settings)
    return RawData(
        dataset.name, dataset.classes, features, codes, split, dataset.image_shape, dataset.columns
    )


def with_client_noise(
    features: FloatArray, image_shape: tuple[int, int] | None, split: Split, settings: ExperimentSettings
) -> FloatArray:
    """Return all features [N, F], those of each client with its own amount of noise.

    Args:
        features: Of all samples, without it.
        image_shape: Rows and columns of the images; None for features that are no pixels.
        split: Who holds which.
        settings: The experiment.
    """
    features, n = features.copy(), len(split.clients)
    rng = np.random.default_rng((*settings.server_seed, _NOISE))
    unit = 1.0 if image_shape is not None else features[split.public].std(axis=0)
    for number, held in enumerate(split.clients, start=1):
        features[held] = noisy_features(features[held], unit, settings.data.noise * number / n, rng)
    return features


def public_order(settings: ExperimentSettings, parts: tuple[int, int, int, int]) -> IntArray:
    """Return the order in which the public samples are sent: the training part, then all others mixed.

    It follows from the seed and the secret alone.

    Args:
        settings: The experiment.
        parts: Sizes of the parts: training, unlabelled, calibration, validation.
    """
    rng = np.random.default_rng((*settings.server_seed, _ORDER))
    return np.concatenate([np.arange(parts[0]), parts[0] + rng.permutation(sum(parts[1:]))])


def prepare_data(settings: ExperimentSettings, raw: RawData | None = None) -> PreparedData:
    """Load, split, augment and encode what an experiment runs on.

    Args:
        settings: The experiment.
        raw: The samples, dealt out; None deals out those that the settings name.

    Raises:
        DataError: If the dataset cannot be loaded, split, augmented or encoded in this way.
    """
    raw = deal_data(settings) if raw is None else raw
    public, order = raw.split.public, public_order(settings, raw.parts)
    listed = PublicOriginals.mixed(
        raw.features[public], raw.codes[public], raw.image_shape, raw.parts, order=order
    )
    pool = public[order][listed.unlabelled]
    maker = public_maker(settings.shared_seed, settings.data.augment, settings.model, listed)
    return PreparedData(
        name=raw.name,
        classes=raw.classes,
        encoder=maker.encoder,
        public=make_public(maker, listed),
        originals=listed,
        clients=tuple(
            maker.augmented(
                raw.features[held], raw.codes[held], client_stage(client.name), maker.augment.copies
            )
            for client, held in zip(settings.clients, raw.split.clients, strict=True)
        ),
        sizes=tuple(len(held) for held in raw.split.clients),
        test=maker.plain(raw.features[raw.split.test], raw.codes[raw.split.test]),
        split=replace(raw.split, public_unlabelled=pool),
        pool_labels=None if (raw.codes[pool] == UNKNOWN).any() else raw.codes[pool],
        columns=raw.columns,
    )


def warn_of_poor_client(name: str, codes: IntArray) -> None:
    """Warn of a client whose samples teach hardly anything.

    Args:
        name: Its name.
        codes: Class index of each of its own samples.
    """
    if len(codes) < _FEW:
        _LOG.warning("client %s: %d own samples: its model will hardly learn from them", name, len(codes))
    elif len(np.unique(codes)) < 2:
        _LOG.warning(
            "client %s: its %d samples are of one class alone: it learns to tell them from public ones",
            name,
            len(codes),
        )


def client_stage(name: str) -> str:
    """Return the text that seeds the augmentation of a client's samples."""
    return f"client {name}"


def prepare_client(
    name: str,
    classes: tuple[Label, ...],
    features: FloatArray,
    labels: NDArray[np.int64] | NDArray[np.str_],
    maker: SampleMaker,
    public: PublicSet,
    originals: PublicOriginals,
) -> PreparedData:
    """Prepare what one client knows: the public set and its own samples, encoded and augmented.

    Args:
        name: The client's name; it seeds the augmentation.
        classes: The experiment's sorted class set; own samples of other classes are left out.
        features: Own samples [N, F], as many features as the public ones.
        labels: Their labels [N].
        maker: Makes the experiment's samples.
        public: The public set.
        originals: What it is made of, without the answers.

    Raises:
        DataError: If no sample is of the classes, or the features differ from the public ones.
    """
    width = originals.features.shape[1]
    if features.shape[1] != width:
        raise DataError(
            f"client {name}: expected samples of {width} features, as the public ones have, "
            f"found {features.shape[1]}"
        )
    codes = class_codes(labels, classes)
    kept = codes != UNKNOWN
    if not kept.any():
        wanted = ", ".join(map(str, classes))
        raise DataError(f"client {name}: expected samples of the classes {wanted}, found none")
    warn_of_poor_client(name, codes[kept])
    own = maker.augmented(features[kept], codes[kept], client_stage(name), maker.augment.copies)
    return PreparedData(
        name="own samples",
        classes=classes,
        encoder=maker.encoder,
        public=public,
        originals=originals,
        clients=(own,),
        sizes=(int(kept.sum()),),
        test=own.rows(slice(0, 0)),
        split=_own_numbering(originals, client=int(kept.sum())),
    )


def prepare_server(
    settings: ExperimentSettings,
    name: str,
    classes: tuple[Label, ...],
    originals: PublicOriginals,
    test: tuple[FloatArray, IntArray] | None,
) -> PreparedData:
    """Prepare what a server without clients' data knows.

    Args:
        settings: The experiment.
        name: Name of the data.
        classes: Sorted class set.
        originals: The public samples with the answers of the calibration and the validation part.
        test: Features [N, F] and class indices [N] of test samples; None for none.

    Raises:
        DataError: If the samples cannot be augmented or encoded in this way.
    """
    maker = public_maker(settings.shared_seed, settings.data.augment, settings.model, originals)
    public = make_public(maker, originals)
    kept_back = public.samples.rows(slice(0, 0)) if test is None else maker.plain(*test)
    return PreparedData(
        name=name,
        classes=classes,
        encoder=maker.encoder,
        public=public,
        originals=originals,
        clients=(),
        sizes=(),
        test=kept_back,
        split=_own_numbering(originals, test=len(kept_back)),
    )


def class_codes(labels: NDArray[np.int64] | NDArray[np.str_], classes: tuple[Label, ...]) -> IntArray:
    """Return the index of each label in the sorted class set, `UNKNOWN` for labels that are not in it."""
    codes = np.full(len(labels), UNKNOWN, dtype=np.int64)
    for code, label in enumerate(classes):
        codes[labels == label] = code
    return codes


def _own_numbering(originals: PublicOriginals, *, client: int | None = None, test: int = 0) -> Split:
    """Return a split that numbers the samples of a client or server in the order in which it holds them.

    Args:
        originals: The public samples.
        client: Own samples of the one client; None for no client.
        test: Test samples.
    """
    held = () if client is None else (np.arange(client),)
    train = np.arange(originals.n_examples)
    public = (train, originals.unlabelled, originals.calibration, originals.validation)
    return Split(*public, np.arange(test), held)
