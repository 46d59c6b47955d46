"""The committed transpile reports: every shipped device against every structure of the experiments.

One JSON file a device for machines, one Markdown file a device for people, and an overview.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from qkd_qiskit.config import AugmentSettings, load_experiment, shipped_experiments
from qkd_qiskit.data import prepare_data
from qkd_qiskit.errors import HardwareError, ReportingError
from qkd_qiskit.estimator import estimate_gate_budget, load_coefficients
from qkd_qiskit.hardware import (
    descriptor_folder,
    list_backends,
    load_backend,
    plain_two_qubit_count,
    predict,
    transpile_verified,
)
from qkd_qiskit.hardware.equivalence import TOLERANCE
from qkd_qiskit.progress import NullProgress, Progress
from qkd_qiskit.reporting.resources import experiment_budgets
from qkd_qiskit.reporting.transpile_pages import device_page, overview_page
from qkd_qiskit.store.files import write_atomic
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
    """The structures that the shipped experiments' clients and servers are granted, and some for reference.

    Raises:
        EstimatorError: If a server of a shipped experiment is granted nothing.
    """
    found: dict[VQCNNSpec, list[str]] = {}
    for use, spec in (*_experiment_specs(), *_reference_specs()):
        found.setdefault(spec, []).append(use)
    return tuple(Structure(spec, tuple(uses)) for spec, uses in found.items())


def report_row(structure: Structure, backend: str, *, seeds: Sequence[int] = SEEDS) -> dict[str, Any]:
    """Predicted and counted gates of one structure on one device, over seeds of the transpiler.

    Args:
        structure: What is transpiled.
        backend: A device's name.
        seeds: At least one; figures other than two-qubit counts come from the first.

    Returns:
        A row ready for JSON; `refused` says why where the structure does not fit the device.
    """
    spec = structure.spec
    row: dict[str, Any] = {
        "used_by": list(structure.used_by),
        "model_index": str(spec.index),
        "structure": spec.describe(),
        "seeds": list(seeds),
    }
    device = load_backend(backend)
    try:
        done = [transpile_verified(spec, device, seed=seed) for seed in seeds]
    except HardwareError as error:
        return {**row, "refused": str(error)}
    reports = [each.report for each in done]
    row |= {"refused": None, **_plain(reports[0].to_dict())}
    # The deviation itself is rounding, and differs between machines.
    deviation = row.pop("deviation")
    row["proved_equivalent"] = deviation is not None and deviation <= TOLERANCE
    row["two_qubit_by_seed"] = [report.counted.two_qubit for report in reports]
    if not spec.is_chain_native and not device.is_fully_connected:
        row["level_3_by_seed"] = [plain_two_qubit_count(spec, device, seed=seed) for seed in seeds]
    row["chain"] = list(done[0].input_qubits)
    return row


def predicted_figures(spec: VQCNNSpec, backend: str) -> dict[str, Any] | None:
    """What a row's `predicted` must hold, without the transpiler; None where the structure does not fit."""
    try:
        counts = predict(spec, load_backend(backend)).counts
    except HardwareError:
        return None
    figures: dict[str, Any] = _plain(counts.to_dict())
    return figures


def report_inputs() -> str:
    """Digest of what the reports depend on: devices, experiments, coefficients.

    The code itself is not in it; tests compare its predictions with the stored ones. Versions of the packages
    stand in the reports for themselves: two-qubit counts must not depend on them.
    """
    digest = hashlib.sha256()
    for name in list_backends():
        digest.update((descriptor_folder() / f"{name}.toml").read_bytes())
    for name in shipped_experiments():
        settings = load_experiment(name)
        # How a model is trained does not change its structure.
        shaping = {"seed": True, "data": True, "model": True, "server": True, "clients": True}
        digest.update(settings.model_dump_json(include=shaping, exclude_unset=True).encode())
    digest.update(load_coefficients().model_dump_json(exclude={"method", "encoding"}).encode())
    return digest.hexdigest()


def write_transpile_reports(folder: Path, *, progress: Progress | None = None) -> list[dict[str, Any]]:
    """Transpile everything, and write all reports into a folder.

    Args:
        folder: Where they go; a device's files are replaced, and those of unknown devices deleted.
        progress: Told of every device and structure.

    Returns:
        One report a device, as in its JSON file.

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
            {
                "schema": 1,
                "device": name,
                "description": device.description,
                "source": device.source,
                "calibration_date": device.calibration_date,
                "notes": list(device.notes),
                "inputs": inputs,
                "versions": installed_versions(),
                "rows": rows,
            }
        )
    progress.done("transpile reports")
    try:
        for report in reports:
            write_atomic(folder / f"{report['device']}.json", json.dumps(report, indent=1) + "\n")
            write_atomic(folder / f"{report['device']}.md", device_page(report))
        write_atomic(folder / "README.md", overview_page(reports))
        known = {f"{name}.{kind}" for name in list_backends() for kind in ("json", "md")} | {"README.md"}
        for path in (*folder.glob("*.json"), *folder.glob("*.md")):
            if path.name not in known:
                path.unlink()
    except OSError as error:
        raise ReportingError(f"cannot write into {folder}: {error.strerror or error}") from None
    return reports


def read_transpile_report(path: Path) -> dict[str, Any]:
    """One device's report.

    Raises:
        ReportingError: If the file is missing or is no report of this program.
    """
    try:
        report = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        raise ReportingError(f"cannot read transpile report {path}") from None
    if not isinstance(report, dict) or report.get("schema") != 1 or not isinstance(report.get("rows"), list):
        raise ReportingError(f"transpile report {path}: expected schema 1 with rows")
    return report


def _experiment_specs() -> Iterator[tuple[str, VQCNNSpec]]:
    for name in shipped_experiments():
        settings = load_experiment(name)
        # PERF: budgets count distinct samples, so that augmented copies need not be made.
        data = settings.data.model_copy(update={"augment": AugmentSettings.model_validate({})})
        settings = settings.model_copy(update={"data": data})
        for client, _, budget in experiment_budgets(settings):
            if not isinstance(budget, str):
                yield f"{name}: client {client}", budget.spec
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
        )
        yield f"{name}: global model", budget.spec


def _reference_specs() -> Iterator[tuple[str, VQCNNSpec]]:
    for kernel in ("su4", "two_cx", "one_cx"):
        yield f"reference: {kernel}", VQCNNSpec(8, kernels=kernel, sharing="site", n_outcomes=4)
    tree = "conv, tree, conv, tree, conv"
    yield "reference: tree pooling", VQCNNSpec(8, plan=tree, sharing="site", n_outcomes=4)
    yield "reference: ten classes", VQCNNSpec(10, sharing="site", n_outcomes=10)
    yield "reference: amplitude", VQCNNSpec(8, encoding="amplitude", sharing="site", n_outcomes=4)


def installed_versions() -> dict[str, str]:
    """Return the installed versions of the packages that counts and calibrations come from."""
    return {name: version(name) for name in PACKAGES}


def _plain(value: Any) -> Any:
    """Plain data with six significant digits, so that files do not differ by the last bit of a machine."""
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value
