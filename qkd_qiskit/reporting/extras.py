"""What the report shows and `results.json` does not hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import QuantumCircuit

from qkd_qiskit.errors import ReportingError
from qkd_qiskit.text import printable
from qkd_qiskit.training import StructureSearch
from qkd_qiskit.vqcnn import VQCNNSpec


@dataclass(frozen=True)
class TrainingCurve:
    """Losses of one model's training, in the order in which they were found."""

    #: Best loss of the swarm, at its start and after each iteration.
    swarm: Sequence[float] = ()
    #: Loss of the gradient refinement, at its start and after each iteration.
    refine: Sequence[float] = ()
    #: Leading entries of both that were found without noise, before the training under noise.
    noiseless: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class ReportExtras:
    """Material for the pictures of a report; what is left out is left out of the report.

    Raises:
        ReportingError: If the class counts or the confusion matrix do not fit the class names.
    """

    #: Names of the K classes of the experiment, sorted.
    classes: tuple[str, ...]
    #: Client name to the numbers of its samples of each class, K entries.
    class_counts: Mapping[str, Sequence[int]]
    #: Confusion matrix of the global model, int [K, K]: rows are true classes, columns predictions.
    #: None where the global model was not tested.
    confusion: NDArray[np.int64] | None
    #: Client name to its structure, drawn block by block.
    specs: Mapping[str, VQCNNSpec] = field(default_factory=dict)
    #: Client name to its circuit, drawn gate by gate.
    circuits: Mapping[str, QuantumCircuit] = field(default_factory=dict)
    #: Model or client name to its losses.
    histories: Mapping[str, TrainingCurve] = field(default_factory=dict)
    #: Name of each client that searched its structure to its search.
    searches: Mapping[str, StructureSearch] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the shapes, and make names printable."""
        object.__setattr__(self, "classes", tuple(map(printable, self.classes)))
        for name in ("class_counts", "specs", "circuits", "histories", "searches"):
            plain = {printable(key): value for key, value in getattr(self, name).items()}
            object.__setattr__(self, name, plain)
        size = len(self.classes)
        for name, counts in self.class_counts.items():
            if len(counts) != size:
                raise ReportingError(
                    f"class_counts of {name!r}: expected {size} numbers, one a class, found {len(counts)}"
                )
        shape = (size, size) if self.confusion is None else np.shape(self.confusion)
        if shape != (size, size):
            raise ReportingError(f"confusion: expected shape {(size, size)}, found {shape}")
