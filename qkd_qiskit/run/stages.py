"""Stages of a run: where each is stored, what seeds it, and what progress calls it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Stage:
    """Names of one stage.

    Attributes:
        key: Its place in the store.
        seed: Text whose CRC-32 seeds its random numbers, beside the run's seed; changing it changes results.
        label: What progress shows.
    """

    key: str
    seed: str
    label: str

    @classmethod
    def named(cls, name: str) -> Stage:
        """Return a stage with one name for all three."""
        return cls(name, name, name)

    def part(self, name: str) -> Stage:
        """Return a stage within this one."""
        return Stage(f"{self.key}: {name}", f"{self.seed}: {name}", f"{self.label}: {name}")

    @property
    def refit(self) -> Stage:
        """The same training with more labels: from the same random numbers, and stored elsewhere."""
        return Stage(f"{self.key}: refit", self.seed, f"{self.label}: refit")


GLOBAL = Stage.named("global model")
PUBLIC_ONLY = Stage.named("public only")
CENTRALIZED = Stage.named("centralized")
FEDAVG = Stage.named("FedAvg")
FEDPROX = Stage.named("FedProx")
SCAFFOLD = Stage.named("SCAFFOLD")
FEDDF = Stage.named("FedDF")
FEDMD = Stage.named("FedMD")
UNENTANGLED = Stage.named("unentangled")


def client_stage(client: str, number: int = 1) -> Stage:
    """Return the training of a client in a round, from 1."""
    return Stage.named(f"client {client}" if number == 1 else f"client {client}, round {number}")
