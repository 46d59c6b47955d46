"""Trained models as files: the saved model of a run, and its card."""

from qkd_qiskit.models.card import card_markdown, model_card
from qkd_qiskit.models.run_devices import (
    DEVICES_FOLDER,
    check_device_names,
    device_of_run,
    folder_of_run,
    keep_devices,
)
from qkd_qiskit.models.saved import CLIENTS_FOLDER, MODEL_FILE, SETTINGS_FILE, SavedModel, load_model

__all__ = [
    "CLIENTS_FOLDER",
    "DEVICES_FOLDER",
    "MODEL_FILE",
    "SETTINGS_FILE",
    "SavedModel",
    "card_markdown",
    "check_device_names",
    "device_of_run",
    "folder_of_run",
    "keep_devices",
    "load_model",
    "model_card",
]
