"""The global model of a run as one file: structure, parameters, fitted encoder."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field, StringConstraints
from scipy.special import softmax

from qkd_qiskit.arguments import takes
from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.config import Label, Settings
from qkd_qiskit.config.loading import parse_settings
from qkd_qiskit.data.table_options import FeatureColumns
from qkd_qiskit.data.unlabelled import load_features
from qkd_qiskit.encoding import Encoder
from qkd_qiskit.errors import ModelError
from qkd_qiskit.simulation import Evaluator
from qkd_qiskit.store import ArrayArchive, guarded, open_npz, parse_json
from qkd_qiskit.training import class_logits
from qkd_qiskit.vqcnn import VQCNNSpec

MODEL_FILE = "global_model.npz"
SETTINGS_FILE = "settings.json"
CLIENTS_FOLDER = "clients"
_SCHEMA = 1
ENCODER_PREFIX = "encoder_"
_COUNT, _MEDIANS = "columns", "medians"
# Signs of the JSON text; the model index alone may have 3000 digits, and there may be a thousand classes.
_MOST_META = 2**18
# Where the scale itself would be no number.
_LARGEST_LOG_SCALE = 700.0


class _Meta(Settings):
    """What the file says in words."""

    model_index: Annotated[str, StringConstraints(pattern="^[0-9]{1,4000}$")]
    classes: tuple[int, ...] | tuple[str, ...]
    encoding: str
    n_qubits: int
    backend: str = Field(max_length=1000)
    noise: bool
    seed: int = Field(ge=0, lt=2**64)
    names: tuple[str, ...] | None = None


@dataclass(frozen=True, eq=False, repr=False)
class SavedModel:
    """A trained model with all that raw features need on their way to class probabilities.

    Attributes:
        spec: The structure.
        params: Circuit weights in radians, then the log of the logit scale [W + 1].
        classes: Sorted class set [K].
        encoder: Fitted on public data.
        backend: Name of the device that it was made for.
        noise: Whether it was trained under that device's noise.
        seed: Seed of the experiment, and of its transpiler.
        columns: Which columns of a table its raw features are; None for what came from no table.
    """

    spec: VQCNNSpec
    params: FloatArray
    classes: tuple[Label, ...]
    encoder: Encoder
    backend: str
    noise: bool
    seed: int
    columns: FeatureColumns | None = None

    def __post_init__(self) -> None:
        """Check the parts against each other.

        Raises:
            ModelError: If they do not fit.
        """
        expected = self.spec.n_weights + 1
        if self.params.shape != (expected,) or not np.isfinite(self.params).all():
            raise ModelError(f"expected {expected} finite parameters, found shape {self.params.shape}")
        if self.params[-1] > _LARGEST_LOG_SCALE:
            raise ModelError(
                f"expected a log of the logit scale up to {_LARGEST_LOG_SCALE}, found {self.params[-1]}"
            )
        if len(set(self.classes)) != len(self.classes):
            raise ModelError("expected different classes, found one twice")
        if not 2 <= len(self.classes) <= self.spec.n_outcomes:
            raise ModelError(
                f"expected 2 to {self.spec.n_outcomes} classes for this structure, found {len(self.classes)}"
            )
        if self.encoder.n_features != self.spec.n_features:
            raise ModelError(
                f"expected an encoder with {self.spec.n_features} columns, found {self.encoder.n_features}"
            )

    def __repr__(self) -> str:
        """Return what it is in a line; `spec.describe()` says more."""
        spec, classes = self.spec, ", ".join(map(repr, self.classes))
        return (
            f"SavedModel({spec.n_qubits} qubits, {len(spec.blocks)} blocks, {spec.encoding} encoding, "
            f"classes ({classes}), backend={self.backend!r})"
        )

    @property
    def weights(self) -> FloatArray:
        """The circuit's weights [W] in radians."""
        return self.params[:-1]

    @cached_property
    def logit_scale(self) -> float:
        """The positive logit scale s."""
        return float(np.exp(self.params[-1]))

    def class_probabilities(self, outcomes: FloatArray) -> FloatArray:
        """Return the probabilities [N, K] of the classes, from probabilities [N, 2^m] of the outcomes."""
        logits = class_logits(outcomes, self.params[-1], len(self.classes))
        return np.asarray(softmax(logits, axis=-1))

    def predict_proba(self, evaluator: Evaluator, features: NDArray[Any] | pd.DataFrame) -> FloatArray:
        """Return class probabilities of raw features.

        Args:
            evaluator: Runs the structure, with the noise that is wanted.
            features: Raw features [N, F], as many columns as the training data had; columns of a DataFrame
                are found by their names where the model knows them.

        Returns:
            Probabilities [N, K], columns in the order of `classes`.

        Raises:
            DataError: If the features do not fit the encoder, or a DataFrame lacks a column.
        """
        if isinstance(features, pd.DataFrame) and self.columns is not None:
            features = load_features(features, model=self.columns).features
        outcomes = evaluator.probabilities(self.weights, self.encoder.transform(features))
        return self.class_probabilities(outcomes)

    def to_bytes(self) -> bytes:
        """Return the model as an npz file that is read without pickle."""
        meta = {
            "schema": _SCHEMA,
            "model_index": str(self.spec.index),
            "classes": list(self.classes),
            "encoding": self.spec.encoding,
            "n_qubits": self.encoder.n_qubits,
            "backend": self.backend,
            "noise": self.noise,
            "seed": self.seed,
        }
        arrays = {f"{ENCODER_PREFIX}{key}": value for key, value in self.encoder.arrays().items()}
        if self.columns is not None:
            # Headings of as many pixels as would not fit are found by their places.
            if sum(map(len, self.columns.names or ())) < _MOST_META // 4:
                meta["names"] = self.columns.names
            arrays[_COUNT] = np.array(self.columns.count)
            if self.columns.medians is not None:
                arrays[_MEDIANS] = self.columns.medians
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, meta=np.array(json.dumps(meta)), params=self.params, **arrays)
        return buffer.getvalue()


@takes(ModelError, path=(str, Path))
def load_model(path: str | Path) -> SavedModel:
    """Return the global model of a run.

    Args:
        path: Folder of a run, or the file itself.

    Raises:
        ModelError: If there is no such file, or it is damaged or of another schema.
    """
    file = Path(path)
    if file.is_dir():
        file = file / MODEL_FILE
    if not file.is_file():
        raise ModelError(f"no model at {file}: expected the folder of a finished run, or its {MODEL_FILE}")
    with guarded(ModelError, f"cannot read the model {file}"):
        archive = open_npz(file, ModelError, "the model ")
        meta = _read_meta(archive, file)
        spec = VQCNNSpec.from_index(int(meta.model_index))
        # What the index says is known before any array is unpacked.
        shape = archive.header("params").shape
        if shape != (spec.n_weights + 1,):
            raise ModelError(f"{file}: expected {spec.n_weights + 1} finite parameters, found shape {shape}")
        if (meta.encoding, meta.n_qubits) != (spec.encoding, spec.n_qubits):
            raise ModelError(
                f"{file}: expected {spec.encoding} encoding of {spec.n_qubits} qubits, "
                f"found {meta.encoding} of {meta.n_qubits}"
            )
        encoding = spec.input_encoding
        names = {
            name.removeprefix(ENCODER_PREFIX): name
            for name in archive.names
            if name.startswith(ENCODER_PREFIX)
        }
        fault = encoding.array_fault(
            spec.n_qubits, {key: archive.header(name).shape for key, name in names.items()}
        )
        if fault is not None:
            raise ModelError(f"{file}: {meta.encoding} encoding, {fault}")
        return SavedModel(
            spec=spec,
            params=np.asarray(archive.array("params"), dtype=np.float64),
            classes=meta.classes,
            encoder=encoding.restore_encoder(
                spec.n_qubits, {key: archive.array(name) for key, name in names.items()}
            ),
            backend=meta.backend,
            noise=meta.noise,
            seed=meta.seed,
            columns=_columns(archive, meta, file),
        )


def _columns(archive: ArrayArchive, meta: _Meta, file: Path) -> FeatureColumns | None:
    if _COUNT not in archive:
        return None
    if archive.header(_COUNT).shape or archive.header(_COUNT).dtype.kind != "i":
        raise ModelError(f"{file}: expected a number of columns, found {archive.header(_COUNT).shape}")
    count, medians = int(archive.array(_COUNT)), None
    if meta.names is not None and len(meta.names) != count:
        raise ModelError(f"{file}: expected {count} names of columns, found {len(meta.names)}")
    if _MEDIANS in archive:
        if archive.header(_MEDIANS).shape != (count,):
            found = archive.header(_MEDIANS).shape
            raise ModelError(f"{file}: expected {count} medians of columns, found shape {found}")
        medians = np.asarray(archive.array(_MEDIANS), dtype=np.float64)
        if not np.isfinite(medians).all():
            raise ModelError(f"{file}: expected finite medians of columns")
    return FeatureColumns(count, meta.names, medians)


def _read_meta(archive: ArrayArchive, file: Path) -> _Meta:
    header = archive.header("meta")
    if header.dtype.kind != "U" or header.shape or header.nbytes > 4 * _MOST_META:
        raise ModelError(
            f"{file}: expected one text of at most {_MOST_META} signs as meta, "
            f"found {header.dtype} {header.shape}"
        )
    table = parse_json(str(archive.array("meta")), ModelError, f"{file}: meta")
    if not isinstance(table, dict):
        raise ModelError(f"{file}: expected a JSON object as meta, found {type(table).__name__}")
    schema = table.pop("schema", None)
    if schema != _SCHEMA:
        raise ModelError(f"{file}: expected schema {_SCHEMA}, found {schema!r}")
    return parse_settings(_Meta, table, f"{file}: meta")
