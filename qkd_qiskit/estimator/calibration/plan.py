"""What a calibration sweep trains: tasks, structures and seeds, read from TOML."""

from __future__ import annotations

import hashlib
from importlib import resources
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from qkd_qiskit.config import EncodingName, Label, Settings, TrainingSettings
from qkd_qiskit.config.loading import parse_settings
from qkd_qiskit.errors import ConfigError
from qkd_qiskit.estimator.calibration.synthetic import Synthetic
from qkd_qiskit.store import parse_toml, read_toml


class CalibrationTask(Settings):
    """One learning task: its data, and the family of structures that is tried on it.

    Tasks of use `fit` set the coefficients; those of use `validation` are kept out of the fit; those of use
    `confirmation` are of data sets that nothing was chosen by, and confirm what ships.
    """

    name: str = Field(min_length=1)
    use: Literal["fit", "validation", "confirmation"]
    dataset: str = "mnist5000"
    file: str | None = Field(
        None, description="file or folder of the data folder that holds the dataset; overrides `dataset`"
    )
    synthetic: Synthetic | None = Field(None, description="made-up samples; overrides `dataset` and `file`")
    classes: tuple[Label, ...] | None = Field(
        None, min_length=2, description="classes that take part; all when omitted"
    )
    outcomes: int | None = Field(None, ge=2, description="number of classes, where they are not listed")
    shares: Literal["equal", "natural"] = Field(
        "equal", description="samples of each class: equally many, or in the shares of the dataset"
    )
    samples: int = Field(ge=4, description="training samples")
    kernel: str = "su4"
    sharing: Literal["layer", "site"] = "site"
    encoding: EncodingName | None = Field(None, description="encoding of this task; the plan's when omitted")
    backend: str | None = Field(None, description="device under whose noise the task is trained; None: ideal")
    few: bool = Field(False, description="whether its few samples are the point: it then fits the data bound")
    probed: int | None = Field(None, ge=10, description="samples that are probed, at most; None: plan's")
    draws: int | None = Field(None, ge=1, le=1000, description="draws of this task; the plan's when omitted")

    @model_validator(mode="after")
    def _classes_are_known(self) -> CalibrationTask:
        if self.classes is None and self.outcomes is None:
            raise ValueError("expected classes or the number of outcomes, found neither")
        return self

    @property
    def n_outcomes(self) -> int:
        """Number of classes."""
        return self.outcomes or len(self.classes or ())


class ProbePlan(Settings):
    """Probes that are recorded beside the truth: each draw's samples, held out fold by fold."""

    draws: int = Field(1, ge=1, description="draws of a task that are probed, the first ones")
    folds: int = Field(4, ge=2)
    repeats: int = Field(4, ge=1, description="partitions into folds, each with new starts")
    samples: int = Field(1000, ge=10, description="samples of a draw that are used, at most")


class CalibrationPlan(Settings):
    """A sweep: every task is trained on every rung with every seed."""

    n_qubits: int = Field(8, ge=2, le=16)
    encoding: EncodingName = "angle"
    seeds: int = Field(5, ge=1, le=1000, description="draws of data and starts for each task")
    fit_seeds: int | None = Field(
        None, ge=1, le=1000, description="the same for tasks of use `fit`; `seeds` if None"
    )
    rungs: tuple[int, ...] = Field(min_length=2, description="blocks; each means the next rung of the ladder")
    public: int = Field(100, ge=1, description="samples that the encoder is fitted on; nobody trains on them")
    evaluation: int = Field(1200, ge=1, description="samples that accuracy is measured on, at most")
    training: TrainingSettings = TrainingSettings.model_validate({})
    probes: ProbePlan | None = None
    tasks: tuple[CalibrationTask, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_differ(self) -> CalibrationPlan:
        names = [task.name for task in self.tasks]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"task names must differ, found {twice[0]!r} twice")
        return self

    def units(self) -> list[tuple[CalibrationTask, int]]:
        """Return all tasks with their seeds; seeds go first, so that a part of the list holds all tasks."""
        most = max(self._seeds_of(task) for task in self.tasks)
        return [(task, seed) for seed in range(most) for task in self.tasks if seed < self._seeds_of(task)]

    def encoding_of(self, task: CalibrationTask) -> str:
        """Return the name of a task's encoding."""
        return self.encoding if task.encoding is None else task.encoding

    def _seeds_of(self, task: CalibrationTask) -> int:
        if task.draws is not None:
            return task.draws
        return self.seeds if task.use != "fit" or self.fit_seeds is None else self.fit_seeds

    def fingerprint(self, task: CalibrationTask) -> str:
        """Return a digest of what the plan states of a trained unit of a task, its seed and use aside."""
        # Defaults are left out, so that a new key elsewhere does not make old records useless.
        text = self.model_dump_json(exclude={"tasks", "seeds", "fit_seeds"}, exclude_unset=True)
        text += task.model_dump_json(exclude={"use", "few", "draws"}, exclude_unset=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


SHIPPED = ("plan", "kinds")
"""Names of the sweeps that come with the package: that of the rule, and that of the probes."""


def load_plan(path: Path | None = None) -> CalibrationPlan:
    """Load a shipped sweep, or one from a TOML file of the same form.

    Args:
        path: The file, or the name of a shipped sweep; that of the rule when omitted.

    Raises:
        ConfigError: If the file cannot be read, is not TOML, or a key or value is wrong.
    """
    shipped = "plan" if path is None else str(path)
    where = f"the shipped {shipped}.toml" if shipped in SHIPPED else shipped
    if path is None or shipped in SHIPPED:
        text = (resources.files("qkd_qiskit.estimator.calibration") / f"{shipped}.toml").read_text("utf-8")
        table = parse_toml(text, ConfigError, f"calibration plan {where}")
    else:
        table = read_toml(path, ConfigError, "calibration plan ")
    return parse_settings(CalibrationPlan, table, f"calibration plan {where}")
