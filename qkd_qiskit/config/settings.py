"""An experiment, end to end, with how gates are estimated and whether there is noise."""

from __future__ import annotations

import hashlib

from pydantic import Field, model_validator

from qkd_qiskit.config.base import Settings
from qkd_qiskit.config.client_settings import ClientSettings
from qkd_qiskit.config.data_settings import DataSettings, LimitSettings
from qkd_qiskit.config.server_settings import (
    DistillationSettings,
    FedAvgSettings,
    FederationSettings,
    ServerSettings,
)
from qkd_qiskit.config.training_settings import AdamSettings, ModelSettings, TrainingSettings


class ProbeSettings(Settings):
    """Short trainings that settle a gate budget: how many, on what."""

    seconds: float = Field(
        60.0,
        gt=0,
        description="time that the trainings may take on one core, by a closed form of their cost: "
        "results do not depend on the machine's load",
    )
    samples: int = Field(1500, ge=20, description="samples of a client that are used, at most")
    folds: int = Field(4, ge=2, description="parts of the samples, each held out once in a round")
    rounds: int = Field(6, ge=1, description="rounds of one size, at most")
    noise: bool = Field(
        False, description="train under the device's noise, so that too many gates show as lost accuracy"
    )
    confidence: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="least probability that the grant is within a point of the best; calibrated",
    )
    seed: int = Field(0, ge=0, description="of folds and starts; an experiment takes its own seed")


class EstimatorSettings(Settings):
    """How gate budgets are estimated."""

    probes: bool = Field(False, description="settle each budget by short trainings, not by the rule alone")
    probe: ProbeSettings = ProbeSettings.model_validate({})
    shots: int = Field(
        1024,
        ge=1,
        description="shots that a circuit will be run with: fewer bear less noise, and fewer gates",
    )
    esp_floor: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="least expected success probability of a granted structure; from shots if omitted",
    )


class NoiseSettings(Settings):
    """The experiment's noise."""

    enabled: bool = Field(True, description="whether models are trained and judged under noise")


def _words(text: str) -> tuple[int, ...]:
    """Return eight numbers below 2**32 that stand for a text, one way only."""
    digest = hashlib.sha256(text.encode()).digest()
    return tuple(int.from_bytes(digest[at : at + 4], "big") for at in range(0, len(digest), 4))


class ExperimentSettings(Settings):
    """One experiment, end to end."""

    name: str = Field(min_length=1, examples=["my experiment"], description="name in tables and files")
    title: str = Field("", examples=["Digits on three devices"], description="heading of the report")
    seed: int = Field(0, ge=0, description="of splits, circuits, trainings; equal seeds, equal results")
    secret: str = Field(
        "",
        examples=["a long random text"],
        description="mixed into the split and the order of the public samples, and never sent; without it, "
        "who guesses the seed and has the dataset can tell which public samples bear labels",
    )
    data: DataSettings = DataSettings()
    model: ModelSettings = ModelSettings()
    server: ServerSettings = ServerSettings()
    clients: tuple[ClientSettings, ...] = Field(
        min_length=1, examples=[[{"name": "client 1", "backend": "ibm_torino", "samples": 200}]]
    )
    training: TrainingSettings = TrainingSettings()
    descent: AdamSettings = AdamSettings()
    distillation: DistillationSettings = DistillationSettings()
    fedavg: FedAvgSettings = FedAvgSettings()
    baselines: tuple[str, ...] = Field(
        (),
        examples=[["fedprox"]],
        description="baselines beside those of every run: fedprox, scaffold, feddf, fedmd, unentangled, "
        "one_body, two_body",
    )
    noise: NoiseSettings = NoiseSettings()
    estimator: EstimatorSettings = EstimatorSettings.model_validate({})
    federation: FederationSettings = FederationSettings()
    limits: LimitSettings = LimitSettings()

    @property
    def server_seed(self) -> tuple[int, ...]:
        """Seed of what the server alone may know: the split, and the order of the public samples."""
        if not self.secret:
            return (self.seed,)
        return (self.seed, *_words(f"split {self.secret}"))

    @property
    def shared_seed(self) -> int:
        """Seed of what clients do, below 2**31; where there is a secret, it does not tell `server_seed`."""
        return _words(f"clients {self.seed} {self.secret}")[0] >> 1

    @model_validator(mode="after")
    def _names_differ(self) -> ExperimentSettings:
        names = [client.name for client in self.clients]
        if len(set(names)) != len(names):
            raise ValueError(f"client names must differ, found {names}")
        return self
