"""Probes: a few short trainings that settle how many gates a client needs."""

from qkd_qiskit.estimator.probes.result import ProbedSize, ProbeResult
from qkd_qiskit.estimator.probes.run import ProbeTask, probe_sizes
from qkd_qiskit.estimator.probes.settings import ProbeModel, load_probe_model

__all__ = ["ProbeModel", "ProbeResult", "ProbeTask", "ProbedSize", "load_probe_model", "probe_sizes"]
