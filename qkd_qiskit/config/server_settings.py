"""Settings of the server: its device, the distillation, the federated baselines, how the round runs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from qkd_qiskit.config.base import Settings


class ServerSettings(Settings):
    """The device that the global model is meant for."""

    backend: str = Field("ibm_torino", description="NAME+fractional uses native rzz and rx")


class DistillationSettings(Settings):
    """How the server learns from the clients' outputs."""

    recipe: Literal["auto", "fixed"] = Field(
        "auto",
        description="auto tries the recipe of these settings (alpha, loss, pooling) beside others in short "
        "trainings, keeps what is better on the labels that the server keeps to itself, and stops early "
        "where these want it; fixed takes these settings",
    )
    alpha: float = Field(0.1, ge=0, le=1, description="share of the hard-label cross-entropy")
    alpha_end: float | None = Field(
        None,
        ge=0,
        le=1,
        description="alpha at Adam's last step; constant when omitted",
    )
    temperature: float = Field(1.0, gt=0, description="of the soft labels; above 1 evens them out")
    soft_loss: str = Field("kl", description="a registered loss: squared distance, or divergence")
    audit: bool = Field(
        True,
        description="whether clients are left out whose answers point away from the truth, on public samples "
        "of which the server alone knows the labels",
    )
    rounds: int = Field(
        1, ge=1, description="rounds; from the second on, clients learn the server's soft labels too"
    )
    precision: Literal["float16", "uint8"] = Field("float16", description="how outputs travel")
    pool_copies: bool = Field(
        False,
        description="whether an original and its copies share the mean of their soft labels, "
        "and blends the blend of these",
    )
    student_blocks: int | None = Field(
        None, ge=1, description="most two-qubit blocks of the global model; its own gate budget when omitted"
    )
    label_queries: int = Field(
        0,
        ge=0,
        description="unlabelled public samples whose labels the server asks for: those on which the teacher "
        "is least certain; all baselines get them too",
    )
    refit: bool = Field(
        False,
        description="whether the global model and all baselines learn the labels that the server keeps to "
        "itself too, once these have judged all that they are to judge",
    )
    way_back: bool = Field(
        False,
        description="whether each client gets the server's soft labels once more after the last round, and "
        "trains a personal model of all classes within its own gate budget, as long as before",
    )
    aggregation: str = Field(
        "auto",
        description="the rule that combines clients; auto averages the answers of all rules, weighted by "
        "what they make of the labels that the server keeps to itself",
    )


class FedAvgSettings(Settings):
    """The federated baselines; those that share parameters start from the model of the public data."""

    rounds: int = Field(10, ge=0, description="rounds; 1 is the one-shot form of each")
    local_steps: int = Field(
        5,
        ge=1,
        description="L-BFGS iterations of a client in a round; of SCAFFOLD sweeps through its samples",
    )
    proximal: float = Field(
        0.0, ge=0, description="price of the squared distance from the server's parameters; adds FedProx"
    )
    server_steps: int = Field(
        50, ge=0, description="Adam steps in which FedDF's server distils the clients' ensemble in a round"
    )
    tune: bool = Field(
        False,
        description="whether each federated baseline is trained in three settings, of which the server's own "
        "labels choose; otherwise in the first one",
    )


class FederationSettings(Settings):
    """How the round runs; no result depends on it, except on who answers in time."""

    workers: int | None = Field(
        None, ge=1, description="processes that train clients in one machine; one a core when omitted"
    )
    minimum: int = Field(1, ge=1, description="clients whose answers must be of use in each round")
    timeout: float = Field(3600.0, gt=0, description="seconds that clients on other machines have to answer")
    encoded_memory: float = Field(
        2.0,
        ge=0,
        description="GiB of samples that each process keeps encoded, where the encoding entangles qubits; "
        "others are simulated again",
    )
    late: Literal["ignore", "use"] = Field(
        "ignore",
        description="an answer to an earlier round: ignored, or used where none to the present one arrives",
    )
