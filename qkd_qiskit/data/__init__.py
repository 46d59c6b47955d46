"""Datasets, their encodings into circuits, and their splitting over clients."""

from qkd_qiskit.data.amplitude import AmplitudeEncoder
from qkd_qiskit.data.angle import AngleEncoder
from qkd_qiskit.data.augmentation import augment_images, mixup_images
from qkd_qiskit.data.dataset import Dataset
from qkd_qiskit.data.datasets import load_dataset
from qkd_qiskit.data.digest import public_digest
from qkd_qiskit.data.encodings import Encoder, encoder_from_arrays, make_encoder
from qkd_qiskit.data.prepared import UNKNOWN, PreparedData, PublicSet, Samples, originals, prepare_data
from qkd_qiskit.data.splitting import ClientShare, Split, make_split

__all__ = [
    "UNKNOWN",
    "AmplitudeEncoder",
    "AngleEncoder",
    "ClientShare",
    "Dataset",
    "Encoder",
    "PreparedData",
    "PublicSet",
    "Samples",
    "Split",
    "augment_images",
    "encoder_from_arrays",
    "load_dataset",
    "make_encoder",
    "make_split",
    "mixup_images",
    "originals",
    "prepare_data",
    "public_digest",
]
