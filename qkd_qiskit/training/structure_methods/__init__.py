"""The ways to search that `training.structure.method` names: adding one is its module and a line here."""

from __future__ import annotations

from qkd_qiskit.errors import TrainingError
from qkd_qiskit.training.structure_methods.archive import ParetoArchive, crowding, front
from qkd_qiskit.training.structure_methods.base import SearchStart, StructureMethod
from qkd_qiskit.training.structure_methods.categorical_swarm import CategoricalSwarm, FrontSwarm
from qkd_qiskit.training.structure_methods.genetic import GeneticSearch
from qkd_qiskit.training.structure_methods.random_search import RandomSearch
from qkd_qiskit.training.structure_methods.tpe import ParzenSearch

STRUCTURE_METHODS: dict[str, type[StructureMethod]] = {
    "front": FrontSwarm,
    "swarm": CategoricalSwarm,
    "random": RandomSearch,
    "genetic": GeneticSearch,
    "tpe": ParzenSearch,
}

__all__ = [
    "STRUCTURE_METHODS",
    "CategoricalSwarm",
    "FrontSwarm",
    "GeneticSearch",
    "ParetoArchive",
    "ParzenSearch",
    "RandomSearch",
    "SearchStart",
    "StructureMethod",
    "crowding",
    "front",
    "structure_method_named",
]


def structure_method_named(name: str) -> type[StructureMethod]:
    """Return the way to search of a name.

    Raises:
        TrainingError: If there is none of this name.
    """
    if name not in STRUCTURE_METHODS:
        known = " or ".join(STRUCTURE_METHODS)
        raise TrainingError(f"training.structure.method: expected {known}, found {name!r}")
    return STRUCTURE_METHODS[name]
