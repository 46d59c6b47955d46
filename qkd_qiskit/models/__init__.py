"""Trained models as files: the saved model of a run, its exports, its card."""

from qkd_qiskit.models.card import card_markdown, model_card
from qkd_qiskit.models.exports import export_circuit, plain_copy, sampler_qnn, to_qasm3, to_qpy
from qkd_qiskit.models.saved import MODEL_FILE, SavedModel, load_model

__all__ = [
    "MODEL_FILE",
    "SavedModel",
    "card_markdown",
    "export_circuit",
    "load_model",
    "model_card",
    "plain_copy",
    "sampler_qnn",
    "to_qasm3",
    "to_qpy",
]
