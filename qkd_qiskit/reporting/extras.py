"""What the report shows and `results.json` does not hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import QuantumCircuit

from qkd_qiskit.errors import ReportingError
from qkd_qiskit.hardware import Device
from qkd_qiskit.reporting.settings_rows import SettingRow
from qkd_qiskit.text import printable
from qkd_qiskit.training import StructureSearch
from qkd_qiskit.vqcnn import VQCNNSpec

_NAMED = (
    "class_counts", "specs", "circuits", "histories", "searches", "client_confusions", "rounds", "placements",
    "reliability", "quantum_seconds",
)  # fmt: skip


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
class RoundsCurve:
    """Losses of one model whose parameters clients share, before each round and after the last."""

    #: Mean loss of the clients on their own samples, weighted by their number.
    clients: Sequence[float]
    #: Loss on the labels that the server keeps to itself; empty where it has none.
    server: Sequence[float] = ()
    #: After which round the parameters were kept; 0 is the start.
    kept: int = 0


@dataclass(frozen=True, eq=False)
class Placement:
    """Where a circuit runs."""

    #: The device.
    device: Device
    #: Physical qubits that the circuit uses.
    qubits: tuple[int, ...]
    #: Pairs of them, in rising order, that its two-qubit gates join.
    links: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, eq=False)
class Answers:
    """How sure a model was of its answers, and how often it was right."""

    #: Probability of the answer that was given, [N], in [0, 1].
    sure: NDArray[np.float64]
    #: Whether it was right, [N].
    right: NDArray[np.bool_]

    @property
    def gap(self) -> float:
        """Expected calibration error: the mean gap between how sure and how often right, over ten bins."""
        bins = np.minimum((10 * self.sure).astype(np.int64), 9)
        gaps = [
            abs(self.sure[bins == b].sum() - self.right[bins == b].sum()) for b in np.unique(bins).tolist()
        ]
        return float(sum(gaps) / max(len(self.sure), 1))


@dataclass(frozen=True)
class ReportExtras:
    """Material for the pictures of a report; what is left out is left out of the report.

    Raises:
        ReportingError: If the class counts or a confusion matrix do not fit the class names.
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
    #: Client name to the confusion matrix of its model over all classes, int [K, K].
    client_confusions: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    #: Name of each baseline that shares parameters to its losses by round.
    rounds: Mapping[str, RoundsCurve] = field(default_factory=dict)
    #: Model or client name to the place of its circuit.
    placements: Mapping[str, Placement] = field(default_factory=dict)
    #: What was calibrated, in words, to its answers before and after.
    reliability: Mapping[str, tuple[Answers, Answers]] = field(default_factory=dict)
    #: What would run on quantum computers, in words, to the predicted seconds that it takes there.
    quantum_seconds: Mapping[str, float] = field(default_factory=dict)
    #: The settings of the experiment; empty where nobody knows them.
    settings: Sequence[SettingRow] = ()
    #: Heading of the report; the experiment's name without one.
    title: str = ""

    def __post_init__(self) -> None:
        """Check the shapes, and make names printable."""
        object.__setattr__(self, "classes", tuple(map(printable, self.classes)))
        object.__setattr__(self, "title", printable(self.title))
        for name in _NAMED:
            plain = {printable(key): value for key, value in getattr(self, name).items()}
            object.__setattr__(self, name, plain)
        size = len(self.classes)
        for name, counts in self.class_counts.items():
            if len(counts) != size:
                raise ReportingError(
                    f"class_counts of {name!r}: expected {size} numbers, one a class, found {len(counts)}"
                )
        own = {} if self.confusion is None else {"confusion": self.confusion}
        for name, matrix in (*own.items(), *self.client_confusions.items()):
            if np.shape(matrix) != (size, size):
                raise ReportingError(f"{name}: expected shape {(size, size)}, found {np.shape(matrix)}")
