"""One error class per room; every message names what was expected, what was found, and where."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from qkd_qiskit.text import printable

_LONGEST = 2000


class QKDError(Exception):
    """Base of all errors that bad input can cause.

    The command line prints the message as one line and exits with status 2. A message may quote files,
    settings or other machines: what no terminal shows is escaped, and it ends after 2000 characters.
    """

    def __str__(self) -> str:
        """Return the message as one printable line."""
        return printable(super().__str__(), _LONGEST)


class ConfigError(QKDError):
    """An experiment file, a key or a value is not what `config` expects."""


class StoreError(QKDError):
    """The file of a run's folder cannot be read or written, or another run is working there."""


class DataError(QKDError):
    """A dataset, a file, an encoding or a split is impossible."""


class VQCNNError(QKDError):
    """A spec, a kernel or a model index lies outside the family."""


class HardwareError(QKDError):
    """A device is unknown, or a circuit does not fit it."""


class EstimatorError(QKDError):
    """No gate budget can be granted."""


class NoBudgetError(EstimatorError):
    """No structure fits a client's device.

    Attributes:
        lacks: What the device lacks, in few words.
    """

    def __init__(self, message: str, lacks: str = "") -> None:
        super().__init__(message)
        self.lacks = lacks


class SimulationError(QKDError):
    """A circuit or a noise model cannot be simulated exactly."""


class TrainingError(QKDError):
    """Training cannot start or continue."""


class DistillationError(QKDError):
    """A client's message is refused, or distillation cannot start."""


class FederationError(QKDError):
    """A round between clients and server cannot start or go on, or a query is refused."""


class ReportingError(QKDError):
    """Results cannot be read or written."""


class SweepError(QKDError):
    """A cell of a sweep cannot be measured, or its records do not fit together."""


class ModelError(QKDError):
    """A saved model cannot be read, exported or used on these inputs."""


class SubmissionError(QKDError):
    """Jobs cannot be planned, submitted, found again or collected."""


class ServiceError(SubmissionError):
    """The service fails, refuses or does not answer, though the input was good.

    The command line exits with status 1.
    """


class InteropError(QKDError):
    """A circuit or its noise cannot be rebuilt outside Qiskit, or the extra is missing."""


class ClassifierError(QKDError, ValueError):
    """The scikit-learn estimator cannot be fitted; a ValueError too, as scikit-learn expects."""


def did_you_mean(found: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'X'?` for the known name that is most like the one found, or nothing.

    Example:
        >>> from qkd_qiskit.errors import did_you_mean
        >>> did_you_mean("sead", ["seed", "name"])
        "; did you mean 'seed'?"
    """
    close = get_close_matches(found, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
