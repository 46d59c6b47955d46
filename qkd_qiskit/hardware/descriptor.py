"""The descriptor of a device: a TOML file, read into frozen settings that refuse unknown keys."""

from __future__ import annotations

from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from qkd_qiskit.errors import HardwareError
from qkd_qiskit.faults import first_fault
from qkd_qiskit.store import guarded, read_toml
from qkd_qiskit.text import printable

Probability = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0)]
Lifetime = Annotated[float, Field(gt=0)]

ONE_QUBIT_GATES = frozenset({"rz", "rx", "ry", "sx", "x"})
TWO_QUBIT_GATES = frozenset({"cz", "cx", "ecr", "rzz", "rxx"})


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Topology(_Table):
    """Which pairs of qubits share a two-qubit gate.

    `edges` holds pairs `[a, b]` and is for `kind = "edges"` only. Gates work in both directions unless
    `directed` is true; then only from the first qubit of a pair to the second.
    """

    kind: Literal["line", "ring", "grid", "all_to_all", "edges"]
    n_qubits: int = Field(ge=2, le=1024)
    rows: int | None = Field(None, ge=1)
    edges: tuple[tuple[int, int], ...] | None = None
    directed: bool = False

    @model_validator(mode="after")
    def _consistent(self) -> Topology:
        if (self.kind == "edges") != (self.edges is not None):
            raise ValueError("'edges' and kind = \"edges\" belong together")
        if (self.kind == "grid") != (self.rows is not None):
            raise ValueError("'rows' and kind = \"grid\" belong together")
        if self.rows is not None and self.n_qubits % self.rows:
            raise ValueError(f"{self.n_qubits} qubits do not fill {self.rows} rows")
        for a, b in self.edges or ():
            if a == b or not (0 <= a < self.n_qubits and 0 <= b < self.n_qubits):
                raise ValueError(f"edge [{a}, {b}] does not join two of {self.n_qubits} qubits")
        if len(set(self.edges or ())) != len(self.edges or ()):
            raise ValueError("an edge occurs twice")
        return self

    def pairs(self) -> tuple[tuple[int, int], ...]:
        """Return the pairs of joined qubits, each once, in the order of per-edge values."""
        n = self.n_qubits
        if self.kind == "line":
            return tuple(pairwise(range(n)))
        if self.kind == "ring":
            return tuple(pairwise(range(n))) + (((n - 1, 0),) if n > 2 else ())
        if self.kind == "all_to_all":
            return tuple((a, b) for a in range(n) for b in range(a + 1, n))
        if self.edges is not None:
            return self.edges
        columns = n // (self.rows or 1)
        right = ((q, q + 1) for q in range(n) if (q + 1) % columns)
        down = ((q, q + columns) for q in range(n - columns))
        return tuple(sorted((*right, *down)))


class Timing(_Table):
    """Clock of the control electronics: `dt` in seconds, the rest in multiples of `dt`."""

    dt: float = Field(1e-9, gt=0)
    granularity: int = Field(1, ge=1)
    min_length: int = Field(1, ge=1)
    pulse_alignment: int = Field(1, ge=1)
    acquire_alignment: int = Field(1, ge=1)


class Qubits(_Table):
    """Lifetimes and readout: one value for all qubits, or a list with one value a qubit.

    `readout_error` is the mean assignment error; `[a, b]` pairs in a list give P(1|0) and P(0|1) apart.
    """

    t1: Lifetime | tuple[Lifetime, ...]
    t2: Lifetime | tuple[Lifetime, ...]
    readout_error: Probability | tuple[Probability | tuple[Probability, Probability], ...]
    readout_duration: Seconds


class Gate(_Table):
    """Average gate error (1 - fidelity) and duration in seconds: one value, or one a qubit or edge."""

    error: Probability | tuple[Probability, ...]
    duration: Seconds | tuple[Seconds, ...]


class Variation(_Table):
    """Log-normal spread of errors and lifetimes between qubits, drawn from a seed."""

    spread: float = Field(gt=0, le=1)
    seed: int = Field(ge=0)


class Descriptor(_Table):
    """One device as data; `backends/README.md` explains every key."""

    name: str = Field(pattern=r"^[A-Za-z0-9_.@-]+$")
    description: str = ""
    source: Literal["fake", "custom", "snapshot"]
    fake: str | None = Field(None, pattern=r"^Fake[A-Za-z0-9]+$")
    runtime: str | None = Field(None, pattern=r"^[0-9]+([.][0-9]+)*$")
    calibration_date: str | None = None
    notes: tuple[str, ...] = ()
    topology: Topology | None = None
    timing: Timing = Timing.model_validate({})
    qubits: Qubits | None = None
    gates: dict[str, Gate] = {}
    variation: Variation | None = None

    @model_validator(mode="after")
    def _complete(self) -> Descriptor:
        if self.source == "fake":
            own = {"topology", "timing", "qubits", "gates", "variation", "calibration_date"}
            if self.fake is None or own & self.model_fields_set:
                raise ValueError("source = \"fake\" takes the key 'fake' and no calibration of its own")
            return self
        if self.topology is None or self.qubits is None or {"fake", "runtime"} & self.model_fields_set:
            raise ValueError(
                f"source = {self.source!r} needs [topology] and [qubits], and neither 'fake' nor 'runtime'"
            )
        if self.source == "snapshot" and self.calibration_date is None:
            raise ValueError('source = "snapshot" needs a calibration_date')
        unknown = set(self.gates) - ONE_QUBIT_GATES - TWO_QUBIT_GATES
        if unknown:
            raise ValueError(f"unknown gates {sorted(unknown)}")
        two = TWO_QUBIT_GATES & set(self.gates)
        if len(two) != 1 and not (len(two) == 2 and "rzz" in two):
            raise ValueError(
                f"exactly one two-qubit gate is needed, of {sorted(TWO_QUBIT_GATES)}, or one beside rzz"
            )
        one = set(self.gates)
        if not ({"rz", "sx"} <= one or ("rx" in one and one & {"ry", "rz"})):
            raise ValueError("one-qubit gates must hold rz and sx, or rx with ry or rz")
        return self


def descriptor_folder() -> Path:
    """Folder of the shipped descriptors: inside an installed package, or the root of a checkout."""
    package = Path(str(resources.files("qkd_qiskit")))
    installed = package / "backends"
    return installed if installed.is_dir() else package.parent / "backends"


def list_backends() -> tuple[str, ...]:
    """Return the names of the shipped devices, sorted."""
    return tuple(sorted(path.stem for path in descriptor_folder().glob("*.toml")))


def read_descriptor(path: Path) -> Descriptor:
    """Return the descriptor in a TOML file.

    Args:
        path: The file; its stem must be the name that it declares.

    Raises:
        HardwareError: If the file is unreadable, is not TOML, or has a missing, unknown or wrong key.
    """
    where = f"device descriptor {path}"
    table = read_toml(path, HardwareError, "device descriptor ")
    with guarded(HardwareError, where):
        try:
            descriptor = Descriptor.model_validate(table)
        except ValidationError as error:
            raise HardwareError(f"{where}: {first_fault(error).told('the descriptor')}") from None
    if descriptor.name != path.stem:
        raise HardwareError(f"{where}: expected name {path.stem!r}, found {printable(descriptor.name)!r}")
    return descriptor
