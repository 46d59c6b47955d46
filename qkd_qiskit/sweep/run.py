"""Running a sweep: cells by joblib, records kept as they come."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from joblib import Parallel, cpu_count, delayed
from pydantic import ValidationError

from qkd_qiskit.config import ExperimentSettings, load_experiment
from qkd_qiskit.config.loading import apply_override, parse_settings
from qkd_qiskit.errors import ConfigError, StoreError, SweepError
from qkd_qiskit.faults import first_fault
from qkd_qiskit.progress import NullProgress, Progress
from qkd_qiskit.simulation import one_blas_thread, use_threads
from qkd_qiskit.store import RecordStore, folder_lock, mend_database
from qkd_qiskit.sweep.cell import Cell, CellRecord, Measurement
from qkd_qiskit.sweep.measurements import MEASUREMENTS
from qkd_qiskit.sweep.result import SweepResult
from qkd_qiskit.sweep.settings import SweepSettings, Variant

_PREFIX = "measurement."


@dataclass(frozen=True)
class SweepOptions:
    """How a sweep runs, and what of it.

    Attributes:
        folder: Where records lie, and what cells share; a sweep that was interrupted goes on there. Workers
            on other computers must see it too. None keeps nothing.
        jobs: Processes at the same time; None for joblib's own choice: one, or what `joblib.parallel_config`
            says, such as a Dask cluster.
        overrides: `key=value` strings for all variants.
        variants: Names of the variants that run, beside those that differences are taken to; all if empty.
    """

    folder: Path | None = None
    jobs: int | None = None
    overrides: tuple[str, ...] = ()
    variants: tuple[str, ...] = ()


def run_sweep(
    sweep: SweepSettings, options: SweepOptions | None = None, *, progress: Progress | None = None
) -> SweepResult:
    """Run the cells of a sweep that its folder holds no record of.

    Args:
        sweep: The sweep.
        options: How it runs.
        progress: Receives every finished cell.

    Raises:
        ConfigError: If a setting of a variant is wrong, or a variant unknown.
        StoreError: If another sweep is working in the folder, or records cannot be read or written.
        SweepError: If a worker process is ended from outside.
        QKDError: If a cell cannot be measured.
    """
    options, progress = options or SweepOptions(), progress or NullProgress()
    cells = sweep_cells(sweep, options)
    store = RecordStore(options.folder)
    if options.folder is not None:
        with folder_lock(options.folder):
            mend_database(options.folder)
    records = {k: _stored(store, sweep.name, cell) for k, cell in enumerate(cells)}
    groups: dict[str, list[int]] = {}
    for position, cell in enumerate(cells):
        if records[position] is None:
            groups.setdefault(cell.measurement.group(cell), []).append(position)
    progress.start(sweep.name, len(cells))
    progress.advance(sweep.name, len(cells) - sum(len(group) for group in groups.values()))
    parallel = Parallel(n_jobs=options.jobs, return_as="generator_unordered")
    alone = parallel.n_jobs == 1
    work: Any = (
        delayed(_measure_all)(sweep.name, [(k, cells[k]) for k in group], options.folder, alone)
        for group in groups.values()
    )
    with nullcontext() if options.folder is None else folder_lock(options.folder):
        try:
            for measured in parallel(work):
                for position, record in measured:
                    records[position] = record
                    progress.advance(sweep.name)
        except BrokenProcessPool:
            raise SweepError(
                f"sweep {sweep.name}: a worker process was ended from outside, perhaps for want of memory; "
                "fewer jobs need less, and finished cells are kept"
            ) from None
    progress.done(sweep.name)
    return SweepResult(
        sweep, tuple(cells), tuple(record for record in records.values() if record is not None)
    )


def sweep_cells(sweep: SweepSettings, options: SweepOptions) -> list[Cell]:
    """Return all cells of a sweep, seeds of a variant together.

    Raises:
        ConfigError: If a setting of a variant is wrong, or a variant unknown.
    """
    variants = _chosen(sweep, options.variants)
    seeds = range(sweep.seeds.first, sweep.seeds.first + sweep.seeds.count)
    return [_cell(sweep, variant, seed, options.overrides) for variant in variants for seed in seeds]


def _chosen(sweep: SweepSettings, names: Sequence[str]) -> list[Variant]:
    variants = sweep.all_variants()
    known = [variant.name for variant in variants]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ConfigError(f"variant: expected one of {', '.join(known)}, found {unknown[0]!r}")
    needed = {difference.variant for difference in sweep.differences}
    return [v for v in variants if not names or v.name in names or v.name in needed]


def _cell(sweep: SweepSettings, variant: Variant, seed: int, overrides: Sequence[str]) -> Cell:
    where = f"sweep {sweep.name}, {variant.name}"
    table = dict(sweep.measurement)
    changes = [*sweep.set, *overrides, *variant.set]
    for item in changes:
        if item.startswith(_PREFIX):
            apply_override(table, item.removeprefix(_PREFIX))
    kind = table.pop("kind", "experiment")
    if kind not in MEASUREMENTS:
        raise ConfigError(
            f"{where}: measurement.kind: expected one of {', '.join(MEASUREMENTS)}, found {kind!r}"
        )
    measurement: Measurement = parse_settings(MEASUREMENTS[kind], table, where)
    others = [item for item in changes if not item.startswith(_PREFIX)]
    settings: ExperimentSettings | None = None
    if sweep.experiment is not None:
        settings = load_experiment(sweep.experiment, overrides=others, seed=seed, unset=variant.unset)
    elif others or variant.unset:
        key = (*others, *variant.unset)[0]
        raise ConfigError(f"{where}: expected keys of measurement, as there is no experiment, found {key!r}")
    return Cell(variant, seed, measurement, settings)


def _stored(store: RecordStore, sweep: str, cell: Cell) -> CellRecord | None:
    found = store.load(sweep, cell.name, cell.fingerprint)
    if found is None:
        return None
    try:
        return CellRecord.model_validate(found)
    except ValidationError as error:
        raise StoreError(
            f"sweep {sweep}: the record of {cell.name} is damaged: {first_fault(error).told()}"
        ) from None


def _measure_all(
    sweep: str, cells: Sequence[tuple[int, Cell]], folder: Path | None, alone: bool
) -> list[tuple[int, CellRecord]]:
    """Measure cells one after the other, and store each record at once.

    BLAS has one thread meanwhile: the matrices are small, and equal threads give equal bits.
    """
    store, found = RecordStore(folder), []
    for position, cell in cells:
        start = time.perf_counter()
        # Cells that run side by side have a core each.
        with one_blas_thread(), use_threads(cpu_count() if alone else 1):
            record = cell.measurement.measure(cell if alone else _single(cell), folder)
        record = record.model_copy(update={"seconds": round(time.perf_counter() - start, 2)})
        store.save(sweep, cell.name, cell.fingerprint, record.model_dump(mode="json"))
        found.append((position, record))
    return found


def _single(cell: Cell) -> Cell:
    """Return the cell with clients that train one after the other: here cells are what runs side by side."""
    if cell.settings is None:
        return cell
    federation = cell.settings.federation.model_copy(update={"workers": 1})
    settings = cell.settings.model_copy(update={"federation": federation})
    return Cell(cell.variant, cell.seed, cell.measurement, settings)
