"""Settings of a client, in the experiment and on a machine of its own."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from qkd_qiskit.config.base import Label, LabelColumn, Settings
from qkd_qiskit.config.data_settings import LimitSettings


class OutputPrivacySettings(Settings):
    """How a client blurs its outputs before they leave it; results tell what that guarantees."""

    output_noise: float = Field(0.0, ge=0, description="deviation of Gaussian noise on its outputs")
    output_shots: int = Field(
        0, ge=0, description="shots that each of its outputs is drawn with; 0 answers with the probabilities"
    )
    output_floor: float = Field(
        0.0, ge=0, lt=1, description="chance that a shot's outcome is replaced by a uniform one"
    )

    @model_validator(mode="after")
    def _floor_is_of_shots(self) -> OutputPrivacySettings:
        if self.output_floor and not self.output_shots:
            raise ValueError("output_floor replaces outcomes of shots: it needs output_shots")
        return self


class ClientSettings(OutputPrivacySettings):
    """One client: its device and its share of the data."""

    name: str = Field(min_length=1, examples=["client 1"], description="name in tables and messages")
    backend: str = Field(
        description="its device; NAME+fractional uses native rzz and rx", examples=["ibm_torino"]
    )
    samples: int = Field(gt=0, examples=[200], description="private training samples")
    classes: tuple[Label, ...] | None = Field(
        None, description="classes of its samples; all when omitted", examples=[[0, 1]]
    )


class RemoteClientSettings(OutputPrivacySettings):
    """A client on a machine of its own: what it has, and what it answers."""

    name: str = Field(min_length=1, examples=["client 1"])
    backend: str = Field(description="its device", examples=["ibm_torino"])
    limits: LimitSettings = LimitSettings()
    path: str = Field(description="file or folder of its samples", examples=["data.csv"])
    labels: LabelColumn | None = Field(
        None, description="label file, or the label column of a table", examples=["species"]
    )
    public_digest: str | None = Field(
        None,
        pattern="^[0-9a-f]{64}$",
        examples=["0123456789abcdef" * 4],
        description="the only public set that it answers on; the first ones that come when omitted",
    )
    max_public_sets: int = Field(
        1, ge=1, description="public sets that it answers on where public_digest names none, the first ones"
    )
    missing: Literal["drop", "median"] | None = Field(
        None, description="rows of a table with missing values; refused when omitted", examples=["drop"]
    )
    max_query_bytes: int = Field(64 * 2**20, ge=1, description="longest query that it reads")
    max_samples: int = Field(
        200_000, ge=1, description="most public inputs, or own ones, that copies may make of a query"
    )
    max_steps: int = Field(100_000, ge=1, description="most steps of its training in a round, of all kinds")
    max_particles: int = Field(1000, ge=2, description="most particles or starts of a swarm")
    max_seconds: float = Field(
        86_400.0, gt=0, description="seconds that it trains for one experiment, in all"
    )
    max_memory_bytes: int = Field(8 * 2**30, ge=2**20, description="memory that its training may take")
    max_queries: int = Field(200, ge=1, description="queries that it trains for within 24 hours")
    max_rounds: int = Field(100, ge=1, description="most rounds of an experiment")
    max_experiments: int = Field(
        100, ge=1, description="different experiments that it trains for in all; another seed is another one"
    )
    max_answers: int = Field(
        10_000_000,
        ge=1,
        description="public inputs that it answers in all, copies and rounds counted; beside output_noise it "
        "bounds epsilon",
    )
    max_disk_bytes: int = Field(
        4 * 2**30, ge=2**20, description="most bytes of its folder; beyond, old experiments are deleted"
    )
