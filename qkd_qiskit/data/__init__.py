"""Datasets, and their splitting over clients."""

from qkd_qiskit.data.augmentation import Blends, augment_images, augmentation_for, draw_blends, mixup_images
from qkd_qiskit.data.client_samples import ClientSamples, load_client_samples
from qkd_qiskit.data.dataset import Dataset
from qkd_qiskit.data.digest import public_digest
from qkd_qiskit.data.given import GivenPart, GivenSamples, deal_given, given_part, given_sizes
from qkd_qiskit.data.kept_samples import check_test_digest, keep_digests, keep_test_samples, kept_test_samples
from qkd_qiskit.data.loader import DatasetLoader, DataSource
from qkd_qiskit.data.loading import load_data, load_dataset
from qkd_qiskit.data.partitions import hellinger_distances, partition_named
from qkd_qiskit.data.prepared import (
    PreparedData,
    RawData,
    deal_data,
    originals,
    prepare_client,
    prepare_data,
    prepare_server,
    public_order,
)
from qkd_qiskit.data.public import PublicOriginals, PublicSet, make_public, public_maker
from qkd_qiskit.data.samples import UNKNOWN, Origins, SampleMaker, Samples, joined
from qkd_qiskit.data.splitting import ClientShare, Split, SplitSizes, make_split
from qkd_qiskit.data.table_options import FeatureColumns, TableOptions

__all__ = [
    "UNKNOWN",
    "Blends",
    "ClientSamples",
    "ClientShare",
    "DataSource",
    "Dataset",
    "DatasetLoader",
    "FeatureColumns",
    "GivenPart",
    "GivenSamples",
    "Origins",
    "PreparedData",
    "PublicOriginals",
    "PublicSet",
    "RawData",
    "SampleMaker",
    "Samples",
    "Split",
    "SplitSizes",
    "TableOptions",
    "augment_images",
    "augmentation_for",
    "check_test_digest",
    "deal_data",
    "deal_given",
    "draw_blends",
    "given_part",
    "given_sizes",
    "hellinger_distances",
    "joined",
    "keep_digests",
    "keep_test_samples",
    "kept_test_samples",
    "load_client_samples",
    "load_data",
    "load_dataset",
    "make_public",
    "make_split",
    "mixup_images",
    "originals",
    "partition_named",
    "prepare_client",
    "prepare_data",
    "prepare_server",
    "public_digest",
    "public_maker",
    "public_order",
]
