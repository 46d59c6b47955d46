"""Data statistics to gate budget, by a stated rule whose coefficients are shipped as data."""

from qkd_qiskit.estimator.budget import (
    BudgetTerms,
    GateBudget,
    budget_terms,
    estimate_gate_budget,
    estimator_arguments,
    grant,
)
from qkd_qiskit.estimator.pareto import ExecutionCosts, ParetoFront, ParetoPoint, pareto_front
from qkd_qiskit.estimator.probes import ProbedSize, ProbeModel, ProbeResult, load_probe_model
from qkd_qiskit.estimator.rule import (
    FULL_BLOCK,
    Coefficients,
    DataCoefficients,
    DeviceCoefficients,
    FittedRange,
    NeedCoefficients,
    class_diversity,
    combine,
    data_bound,
    device_bound,
    load_coefficients,
    need_bound,
)
from qkd_qiskit.estimator.size_ladder import build_size_ladder, preset_sizes, trainable_blocks
from qkd_qiskit.estimator.statistics import DataStatistics, data_statistics

__all__ = [
    "FULL_BLOCK",
    "BudgetTerms",
    "Coefficients",
    "DataCoefficients",
    "DataStatistics",
    "DeviceCoefficients",
    "ExecutionCosts",
    "FittedRange",
    "GateBudget",
    "NeedCoefficients",
    "ParetoFront",
    "ParetoPoint",
    "ProbeModel",
    "ProbeResult",
    "ProbedSize",
    "budget_terms",
    "build_size_ladder",
    "class_diversity",
    "combine",
    "data_bound",
    "data_statistics",
    "device_bound",
    "estimate_gate_budget",
    "estimator_arguments",
    "grant",
    "load_coefficients",
    "load_probe_model",
    "need_bound",
    "pareto_front",
    "preset_sizes",
    "trainable_blocks",
]
