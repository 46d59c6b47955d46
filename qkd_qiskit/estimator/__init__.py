"""Data statistics to gate budget, by a stated rule whose coefficients are shipped as data."""

from qkd_qiskit.estimator.budget import BudgetTerms, GateBudget, estimate_gate_budget
from qkd_qiskit.estimator.ladder import build_ladder, trainable_blocks
from qkd_qiskit.estimator.rule import (
    Coefficients,
    class_diversity,
    combine,
    data_bound,
    device_bound,
    load_coefficients,
    need_bound,
)
from qkd_qiskit.estimator.statistics import DataStatistics, data_statistics

__all__ = [
    "BudgetTerms",
    "Coefficients",
    "DataStatistics",
    "GateBudget",
    "build_ladder",
    "class_diversity",
    "combine",
    "data_bound",
    "data_statistics",
    "device_bound",
    "estimate_gate_budget",
    "load_coefficients",
    "need_bound",
    "trainable_blocks",
]
