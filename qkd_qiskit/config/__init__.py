"""Settings of an experiment, read from TOML, and the experiments that come with the package."""

from qkd_qiskit.config.loading import load_experiment, load_settings, model_settings, shipped_experiments
from qkd_qiskit.config.settings import (
    AdamSettings,
    AugmentSettings,
    ClientSettings,
    DataSettings,
    DistillationSettings,
    ExperimentSettings,
    FedAvgSettings,
    FederationSettings,
    Label,
    ModelSettings,
    NoiseSettings,
    RemoteClientSettings,
    ServerSettings,
    Settings,
    StructureSettings,
    TrainingSettings,
)

__all__ = [
    "AdamSettings",
    "AugmentSettings",
    "ClientSettings",
    "DataSettings",
    "DistillationSettings",
    "ExperimentSettings",
    "FedAvgSettings",
    "FederationSettings",
    "Label",
    "ModelSettings",
    "NoiseSettings",
    "RemoteClientSettings",
    "ServerSettings",
    "Settings",
    "StructureSettings",
    "TrainingSettings",
    "load_experiment",
    "load_settings",
    "model_settings",
    "shipped_experiments",
]
