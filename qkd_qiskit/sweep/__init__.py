"""Sweeps: a grid, or a list, of settings times seeds, each cell measured once and kept."""

from qkd_qiskit.sweep.cell import Cell, CellRecord, Measurement
from qkd_qiskit.sweep.result import SweepResult
from qkd_qiskit.sweep.run import SweepOptions, run_sweep
from qkd_qiskit.sweep.settings import SweepSettings, load_sweep, shipped_sweeps

__all__ = [
    "Cell",
    "CellRecord",
    "Measurement",
    "SweepOptions",
    "SweepResult",
    "SweepSettings",
    "load_sweep",
    "run_sweep",
    "shipped_sweeps",
]
