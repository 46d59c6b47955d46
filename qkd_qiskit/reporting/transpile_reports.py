"""The committed transpile reports: every shipped device against every structure of the experiments.

One JSON file a device for machines, one Markdown file a device for people, and an overview.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from qkd_qiskit.config import AugmentSettings, load_experiment, shipped_experiments
from qkd_qiskit.data import prepare_data
from qkd_qiskit.errors import HardwareError, ReportingError
from qkd_qiskit.estimator import estimate_gate_budget, estimator_arguments, load_coefficients
from qkd_qiskit.hardware import (
    descriptor_folder,
    list_backends,
    load_backend,
    plain_two_qubit_count,
    transpile_verified,
)
from qkd_qiskit.hardware.counts import NativeCounts
from qkd_qiskit.hardware.equivalence import TOLERANCE
from qkd_qiskit.progress import NullProgress, Progress
from qkd_qiskit.reporting.resources import NoBudget, experiment_budgets
from qkd_qiskit.reporting.transpile_pages import device_page, overview_page
from qkd_qiskit.reporting.transpile_schema import (
    CountedStructure,
    DeviceReport,
    GateFigures,
    RefusedStructure,
    RelativeErrors,
    ReportedStructure,
    StructureRow,
)
from qkd_qiskit.store.files import write_atomic
from qkd_qiskit.store.reading import read_bytes
from qkd_qiskit.vqcnn import VQCNNSpec

SEEDS = (0, 1, 2)
PACKAGES = ("qiskit", "qiskit-aer", "qiskit-ibm-runtime")


@dataclass(frozen=True)
class Structure:
    """One structure that is reported, and who uses it."""

    spec: VQCNNSpec
    used_by: tuple[str, ...]


@cache
def reported_structures() -> tuple[Structure, ...]:
    """Return the structures that the shipped experiments grant clients and servers, and some for reference.

    Raises:
        EstimatorError: If a server of a shipped experiment is granted nothing.
    """
    found: dict[VQCNNSpec, list[str]] = {}
    for use, spec in (*_experiment_specs(), *_reference_specs()):
        found.setdefault(spec, []).append(use)
    return tuple(Structure(spec, tuple(uses)) for spec, uses in found.items())


def report_row(structure: Structure, backend: str, *, seeds: Sequence[int] = SEEDS) -> StructureRow:
    """Return predicted and counted gates of one structure on one device, over seeds of the transpiler.

    Args:
        structure: What is transpiled.
        backend: A device's name.
        seeds: At least one; figures other than two-qubit counts come from the first.

    Returns:
        The counted structure, or why it does not fit the device.
    """
    spec, device = structure.spec, load_backend(backend)
    head = ReportedStructure(
        used_by=structure.used_by, model_index=str(spec.index), structure=spec.describe(), seeds=tuple(seeds)
    )
    try:
        done = [transpile_verified(spec, device, seed=seed) for seed in seeds]
    except HardwareError as error:
        return RefusedStructure(**dict(head), refused=str(error))
    first = done[0].report
    prepared = first.state_preparation
    row = CountedStructure(
        **dict(head),
        refused=None,
        predicted=gate_figures(first.predicted),
        counted=gate_figures(first.counted),
        relative_error=RelativeErrors.model_validate(_rounded(first.relative_errors)),
        exact=first.exact,
        state_preparation=None if prepared is None else gate_figures(prepared),
        notes=first.notes,
        # The deviation itself is rounding, and differs between machines.
        proved_equivalent=first.deviation is not None and first.deviation <= TOLERANCE,
        two_qubit_by_seed=tuple(each.report.counted.two_qubit for each in done),
        chain=done[0].input_qubits,
    )
    if spec.is_chain_native or device.is_fully_connected:
        return row
    level_3 = tuple(plain_two_qubit_count(spec, device, seed=seed) for seed in seeds)
    return row.model_copy(update={"level_3_by_seed": level_3})


def gate_figures(counts: NativeCounts) -> GateFigures:
    """Return the counts as a report holds them, with six significant digits."""
    return GateFigures.model_validate(_rounded(counts.to_dict()))


def report_inputs() -> str:
    """Digest of what the reports depend on: devices, experiments, coefficients.

    The code itself is not in it; tests compare its predictions with the stored ones. Versions of the packages
    stand in the reports for themselves: two-qubit counts must not depend on them.
    """
    digest = hashlib.sha256()
    for name in list_backends():
        digest.update(read_bytes(descriptor_folder() / f"{name}.toml", ReportingError))
    for name in shipped_experiments():
        settings = load_experiment(name)
        # How a model is trained does not change its structure.
        shaping = {"seed": True, "data": True, "model": True, "server": True, "clients": True}
        shaping["estimator"] = True
        digest.update(settings.model_dump_json(include=shaping, exclude_unset=True).encode())
    # How they were fitted, and to what, gives notes and no other structure.
    digest.update(load_coefficients().model_dump_json(exclude={"method", "encoding", "fitted"}).encode())
    return digest.hexdigest()


def write_transpile_reports(folder: Path, *, progress: Progress | None = None) -> list[DeviceReport]:
    """Transpile everything, and write all reports into a folder.

    Args:
        folder: Where they go; a device's files are replaced, and those of unknown devices deleted.
        progress: Notified of every device and structure.

    Returns:
        One report a device.

    Raises:
        ReportingError: If the folder cannot be written.
    """
    progress = NullProgress() if progress is None else progress
    structures, inputs = reported_structures(), report_inputs()
    progress.start("transpile reports", len(list_backends()) * len(structures))
    reports = []
    for name in list_backends():
        device = load_backend(name)
        rows = []
        for structure in structures:
            rows.append(report_row(structure, name))
            progress.advance("transpile reports")
        reports.append(
            DeviceReport(
                schema_version=1,
                device=name,
                description=device.description,
                source=device.source,
                calibration_date=device.calibration_date,
                notes=device.caveats,
                inputs=inputs,
                versions=package_versions(),
                rows=tuple(rows),
            )
        )
    progress.done("transpile reports")
    try:
        for report in reports:
            write_atomic(folder / f"{report.device}.json", report.to_json(), ReportingError)
            write_atomic(folder / f"{report.device}.md", device_page(report), ReportingError)
        write_atomic(folder / "README.md", overview_page(reports), ReportingError)
        known = {f"{name}.{kind}" for name in list_backends() for kind in ("json", "md")} | {"README.md"}
        for path in (*folder.glob("*.json"), *folder.glob("*.md")):
            if path.name not in known:
                path.unlink()
    except OSError as error:
        raise ReportingError(f"cannot write into {folder}: {error.strerror or error}") from None
    return reports


def _experiment_specs() -> Iterator[tuple[str, VQCNNSpec]]:
    for name in shipped_experiments():
        settings = load_experiment(name)
        # PERF: budgets count distinct samples, so that augmented copies need not be made.
        data = settings.data.model_copy(update={"augment": AugmentSettings.model_validate({})})
        settings = settings.model_copy(update={"data": data})
        for found in experiment_budgets(settings):
            if not isinstance(found.budget, NoBudget):
                yield f"{name}: client {found.client}", found.budget.spec
        prepared = prepare_data(settings)
        model, public = settings.model, prepared.known
        budget = estimate_gate_budget(
            public.inputs,
            public.labels,
            backend=settings.server.backend,
            n_qubits=model.n_qubits,
            encoding=model.encoding,
            kernel=model.kernel,
            sharing=model.sharing,
            n_outcomes=len(prepared.classes),
            **estimator_arguments(settings.estimator, settings.shared_seed),
        )
        yield f"{name}: global model", budget.spec


def _reference_specs() -> Iterator[tuple[str, VQCNNSpec]]:
    for kernel in ("su4", "two_cx", "one_cx"):
        yield f"reference: {kernel}", VQCNNSpec(8, kernels=kernel, sharing="site", n_outcomes=4)
    tree = "conv, tree, conv, tree, conv"
    yield "reference: tree pooling", VQCNNSpec(8, plan=tree, sharing="site", n_outcomes=4)
    yield "reference: ten classes", VQCNNSpec(10, sharing="site", n_outcomes=10)
    yield "reference: amplitude", VQCNNSpec(8, encoding="amplitude", sharing="site", n_outcomes=4)


def package_versions() -> dict[str, str]:
    """Return the installed versions of the packages that counts and calibrations come from."""
    return {name: version(name) for name in PACKAGES}


def _rounded(value: Any) -> Any:
    """Plain data with six significant digits, so that files do not differ by the last bit of a machine."""
    if isinstance(value, dict):
        return {key: _rounded(part) for key, part in value.items()}
    return float(f"{value:.6g}") if isinstance(value, float) else value
