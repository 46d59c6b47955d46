"""What a sweep can measure in each cell: one class a kind, and the registry of their names."""

from qkd_qiskit.sweep.cell import Measurement
from qkd_qiskit.sweep.measurements.attacks import AttackMeasurement
from qkd_qiskit.sweep.measurements.benchmark import BenchmarkMeasurement
from qkd_qiskit.sweep.measurements.damping import DampingMeasurement
from qkd_qiskit.sweep.measurements.distillation import DistillationMeasurement
from qkd_qiskit.sweep.measurements.drift import DriftMeasurement
from qkd_qiskit.sweep.measurements.esp import EspMeasurement
from qkd_qiskit.sweep.measurements.experiment import ExperimentMeasurement
from qkd_qiskit.sweep.measurements.fitness import FitnessMeasurement
from qkd_qiskit.sweep.measurements.inversion import InversionMeasurement
from qkd_qiskit.sweep.measurements.liars import LiarsMeasurement
from qkd_qiskit.sweep.measurements.membership import MembershipMeasurement
from qkd_qiskit.sweep.measurements.noise import GradientMeasurement, NoiseMeasurement
from qkd_qiskit.sweep.measurements.pair import PairMeasurement
from qkd_qiskit.sweep.measurements.single import SingleModelMeasurement
from qkd_qiskit.sweep.measurements.structures import StructureMeasurement
from qkd_qiskit.sweep.measurements.weights import CooperativeMeasurement, WeightsMeasurement

MEASUREMENTS: dict[str, type[Measurement]] = {
    "experiment": ExperimentMeasurement,
    "benchmark": BenchmarkMeasurement,
    "distillation": DistillationMeasurement,
    "attack": AttackMeasurement,
    "liars": LiarsMeasurement,
    "noise": NoiseMeasurement,
    "gradients": GradientMeasurement,
    "inversion": InversionMeasurement,
    "membership": MembershipMeasurement,
    "pair": PairMeasurement,
    "single": SingleModelMeasurement,
    "structures": StructureMeasurement,
    "fitness": FitnessMeasurement,
    "damping": DampingMeasurement,
    "weights": WeightsMeasurement,
    "cooperative": CooperativeMeasurement,
    "drift": DriftMeasurement,
    "esp": EspMeasurement,
}
