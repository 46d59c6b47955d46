"""Settings of an experiment, read from TOML, and the experiments that come with the package."""

from qkd_qiskit.config.base import EncodingName, Label, Settings
from qkd_qiskit.config.client_settings import ClientSettings, OutputPrivacySettings, RemoteClientSettings
from qkd_qiskit.config.data_settings import AugmentSettings, DataSettings, LimitSettings
from qkd_qiskit.config.loading import (
    load_experiment,
    load_settings,
    model_settings,
    parse_settings,
    read_settings_json,
    shipped_experiments,
    shipped_text,
)
from qkd_qiskit.config.reference import SettingReference, settings_reference
from qkd_qiskit.config.server_settings import (
    DistillationSettings,
    FedAvgSettings,
    FederationSettings,
    ServerSettings,
)
from qkd_qiskit.config.settings import EstimatorSettings, ExperimentSettings, NoiseSettings, ProbeSettings
from qkd_qiskit.config.training_settings import (
    AdamSettings,
    ModelSettings,
    StructureSettings,
    TrainingSettings,
)

__all__ = [
    "AdamSettings",
    "AugmentSettings",
    "ClientSettings",
    "DataSettings",
    "DistillationSettings",
    "EncodingName",
    "EstimatorSettings",
    "ExperimentSettings",
    "FedAvgSettings",
    "FederationSettings",
    "Label",
    "LimitSettings",
    "ModelSettings",
    "NoiseSettings",
    "OutputPrivacySettings",
    "ProbeSettings",
    "RemoteClientSettings",
    "ServerSettings",
    "SettingReference",
    "Settings",
    "StructureSettings",
    "TrainingSettings",
    "load_experiment",
    "load_settings",
    "model_settings",
    "parse_settings",
    "read_settings_json",
    "settings_reference",
    "shipped_experiments",
    "shipped_text",
]
