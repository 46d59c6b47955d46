"""The global model of a run as one file: structure, parameters, fitted encoder."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.config import Label
from qkd_qiskit.encoding import Encoder, encoding_named
from qkd_qiskit.errors import ModelError, QKDError
from qkd_qiskit.simulation import Evaluator
from qkd_qiskit.training import class_logits
from qkd_qiskit.vqcnn import VQCNNSpec

MODEL_FILE = "global_model.npz"
CLIENTS_FOLDER = "clients"
_SCHEMA = 1
_ENCODER = "encoder_"
# What numpy and zipfile raise on damaged files.
_UNREADABLE = (OSError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True, eq=False)
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
    """

    spec: VQCNNSpec
    params: FloatArray
    classes: tuple[Label, ...]
    encoder: Encoder
    backend: str
    noise: bool
    seed: int

    def __post_init__(self) -> None:
        """Check the parts against each other.

        Raises:
            ModelError: If they do not fit.
        """
        expected = self.spec.n_weights + 1
        if self.params.shape != (expected,) or not np.isfinite(self.params).all():
            raise ModelError(f"expected {expected} finite parameters, found shape {self.params.shape}")
        if not 2 <= len(self.classes) <= self.spec.n_outcomes:
            raise ModelError(
                f"expected 2 to {self.spec.n_outcomes} classes for this structure, found {len(self.classes)}"
            )
        if self.encoder.n_features != self.spec.n_features:
            raise ModelError(
                f"expected an encoder with {self.spec.n_features} columns, found {self.encoder.n_features}"
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

    def predict_proba(self, evaluator: Evaluator, features: NDArray[Any]) -> FloatArray:
        """Return class probabilities of raw features.

        Args:
            evaluator: Runs the structure, with the noise that is wanted.
            features: Raw features [N, F], as many columns as the training data had.

        Returns:
            Probabilities [N, K], columns in the order of `classes`.

        Raises:
            DataError: If the features do not fit the encoder.
        """
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
        arrays = {f"{_ENCODER}{key}": value for key, value in self.encoder.arrays().items()}
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, meta=np.array(json.dumps(meta)), params=self.params, **arrays)
        return buffer.getvalue()


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
    try:
        # numpy leaves a damaged file open when it opens it itself.
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as stored:
            meta = json.loads(str(stored["meta"]))
            arrays = {name: stored[name] for name in stored.files if name != "meta"}
        if meta["schema"] != _SCHEMA:
            raise ModelError(f"{file}: expected schema {_SCHEMA}, found {meta['schema']}")
        encoder_arrays = {
            name.removeprefix(_ENCODER): array for name, array in arrays.items() if name.startswith(_ENCODER)
        }
        return SavedModel(
            spec=VQCNNSpec.from_index(int(meta["model_index"])),
            params=np.asarray(arrays["params"], dtype=np.float64),
            classes=tuple(meta["classes"]),
            encoder=encoding_named(meta["encoding"]).restore_encoder(int(meta["n_qubits"]), encoder_arrays),
            backend=str(meta["backend"]),
            noise=bool(meta["noise"]),
            seed=int(meta["seed"]),
        )
    except ModelError:
        raise
    except (*_UNREADABLE, QKDError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(f"cannot read the model {file}: {reason}") from None
