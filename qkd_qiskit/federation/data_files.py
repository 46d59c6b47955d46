"""An experiment's samples as files: one for the server, one for each client.

A round between processes that hold these files ends in the bits of the round in one process: pixels are
written so that reading them gives the very same numbers.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_qiskit.config import ExperimentSettings, Label
from qkd_qiskit.data import (
    UNKNOWN,
    PreparedData,
    PublicOriginals,
    RawData,
    deal_data,
    prepare_server,
    public_order,
)
from qkd_qiskit.errors import DataError, FederationError
from qkd_qiskit.store import guarded, open_npz, write_atomic

_BYTE = 255.0
_KEYS = ("name", "classes", "parts", "image_shape", "public", "labels", "test", "test_labels")


@dataclass(frozen=True)
class DataFiles:
    """The files.

    Attributes:
        public: The server's: public samples with their labels, and the test samples.
        clients: Each client's own samples with their labels.
    """

    public: Path
    clients: tuple[Path, ...]


def write_data_files(settings: ExperimentSettings, folder: str | Path) -> DataFiles:
    """Write the samples of each client and of the server into files of their own.

    Args:
        settings: The experiment.
        folder: Where `public.npz`, `client-1.npz` and so on go.

    Raises:
        DataError: If the dataset cannot be loaded or split in this way.
        FederationError: If a file cannot be written.
    """
    raw, folder = deal_data(settings), Path(folder)
    names = np.array(raw.classes)
    clients = [
        _write(
            folder / f"client-{number}.npz",
            images=_shaped(raw.features[held], raw.image_shape),
            labels=names[raw.codes[held]],
        )
        for number, held in enumerate(raw.split.clients, start=1)
    ]
    return DataFiles(_write(folder / "public.npz", **_server_arrays(raw)), tuple(clients))


@guarded(FederationError, "cannot read the public samples", keep=DataError)
def read_server_data(settings: ExperimentSettings, path: str | Path) -> PreparedData:
    """Read what a server without clients' samples works with.

    Args:
        settings: The experiment.
        path: A file as `write_data_files` makes it; without test samples no model is tested.

    Raises:
        FederationError: If the file cannot be read, or does not hold what it must.
        DataError: If its samples cannot be augmented or encoded as the experiment wants.
    """
    path = Path(path)
    arrays = _read(path)
    classes, parts, shape = arrays["classes"], arrays["parts"], arrays["image_shape"]
    whole = all(arrays[key].dtype.kind in "iu" for key in ("parts", "labels", "test_labels", "image_shape"))
    shapes = parts.shape == (4,) and shape.shape in ((0,), (2,)) and classes.ndim == 1 and len(classes) > 1
    if not (whole and shapes and (parts >= 0).all()):
        raise FederationError(f"{path}: expected public samples as `federation init` writes them")
    names: tuple[Label, ...] = tuple(classes.tolist())
    for key, least in (("labels", UNKNOWN), ("test_labels", 0)):
        codes = arrays[key]
        if codes.size and not least <= codes.min() <= codes.max() < len(names):
            raise FederationError(f"{path}: {key}: expected numbers from {least} to {len(names) - 1}")
    image_shape = (int(shape[0]), int(shape[1])) if shape.size else None
    train, unlabelled, calibration, validation = (int(size) for size in parts)
    sizes = (train, unlabelled, calibration, validation)
    if min(sizes) < 0 or validation == 0:
        raise FederationError(f"{path}: parts: expected sizes, the last at least 1, found {sizes}")
    public, test = (_rows(arrays[key], path, key) for key in ("public", "test"))
    if len(test) != len(arrays["test_labels"]) or (len(test) and test.shape[1] != public.shape[1]):
        raise FederationError(f"{path}: expected test samples like the public ones, each with a label")
    labels = arrays["labels"].astype(np.int64)
    if len(labels) != len(public):
        raise FederationError(f"{path}: expected {len(public)} labels, found {len(labels)}")
    order = public_order(settings, sizes)
    originals = PublicOriginals.mixed(public, labels, image_shape, sizes, order=order)
    kept_back = (test, arrays["test_labels"].astype(np.int64)) if len(test) else None
    return prepare_server(settings, str(arrays["name"]), names, originals, kept_back)


def _server_arrays(raw: RawData) -> dict[str, NDArray[Any]]:
    public, test = raw.split.public, raw.split.test
    labels = raw.codes[public]
    labels[raw.parts[0] : sum(raw.parts[:2])] = UNKNOWN
    return {
        "name": np.array(raw.name),
        "classes": np.array(raw.classes),
        "parts": np.array(raw.parts),
        "image_shape": np.array(raw.image_shape or (), dtype=np.int64),
        "public": _shaped(raw.features[public], raw.image_shape),
        "labels": labels,
        "test": _shaped(raw.features[test], raw.image_shape),
        "test_labels": raw.codes[test],
    }


def _shaped(features: NDArray[np.float64], image_shape: tuple[int, int] | None) -> NDArray[Any]:
    """Return images as bytes where that loses nothing, [N, rows, columns]; plain features as they are."""
    if image_shape is None:
        return features
    images = features.reshape(len(features), *image_shape)
    pixels = np.rint(np.clip(images, 0, 1) * _BYTE).astype(np.uint8)
    return pixels if np.array_equal(pixels / _BYTE, images) else images


def _rows(values: NDArray[Any], path: Path, key: str) -> NDArray[np.float64]:
    """Return features [N, F] of what `_shaped` made."""
    if values.dtype.kind not in "uf" or values.ndim < 2 or not np.isfinite(values).all():
        raise FederationError(f"{path}: {key}: expected finite samples, found {values.dtype} {values.shape}")
    table = values.reshape(len(values), int(np.prod(values.shape[1:])))
    return table / _BYTE if table.dtype == np.uint8 else table.astype(np.float64)


def _write(path: Path, **arrays: NDArray[Any]) -> Path:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return write_atomic(path, buffer.getvalue(), FederationError)


def _read(path: Path) -> dict[str, NDArray[Any]]:
    archive = open_npz(path, FederationError)
    missing = [key for key in _KEYS if key not in archive]
    if missing:
        raise FederationError(f"{path}: expected an array {missing[0]!r}, found none")
    return {key: archive.array(key) for key in _KEYS}
