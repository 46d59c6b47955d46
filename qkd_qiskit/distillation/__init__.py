"""Distillation: clients' messages, the teacher made of them, the global model, baselines, and intervals."""

from qkd_qiskit.distillation.aggregation import AGGREGATIONS, Aggregation, aggregate, lift
from qkd_qiskit.distillation.calibration import (
    CALIBRATIONS,
    Calibration,
    CalibrationKind,
    fit_calibration,
)
from qkd_qiskit.distillation.classical import (
    CLASSICAL_MODELS,
    ClassicalModel,
    ClassicalName,
    fit_classical,
    hidden_units,
)
from qkd_qiskit.distillation.classical_round import classical_distillation
from qkd_qiskit.distillation.clients import ClientTrainingSet, client_training_set, refined_training_set
from qkd_qiskit.distillation.descent import DescentResult, descend, target_rows
from qkd_qiskit.distillation.fedavg import FedAvgClient, FedAvgResult, federated_average
from qkd_qiskit.distillation.messages import (
    MAX_MESSAGE_BYTES,
    ClientMessage,
    check_message,
    make_message,
    message_fault,
)
from qkd_qiskit.distillation.pooling import pool_copies
from qkd_qiskit.distillation.queries import least_certain
from qkd_qiskit.distillation.statistics import Interval, accuracy_interval, difference_interval
from qkd_qiskit.distillation.student import student_targets
from qkd_qiskit.distillation.teacher import (
    ClientOutputs,
    Teacher,
    TeacherScore,
    build_teacher,
    own_outcomes,
    soften,
)
from qkd_qiskit.distillation.trust import Verdict, audit

__all__ = [
    "AGGREGATIONS",
    "CALIBRATIONS",
    "CLASSICAL_MODELS",
    "MAX_MESSAGE_BYTES",
    "Aggregation",
    "Calibration",
    "CalibrationKind",
    "ClassicalModel",
    "ClassicalName",
    "ClientMessage",
    "ClientOutputs",
    "ClientTrainingSet",
    "DescentResult",
    "FedAvgClient",
    "FedAvgResult",
    "Interval",
    "Teacher",
    "TeacherScore",
    "Verdict",
    "accuracy_interval",
    "aggregate",
    "audit",
    "build_teacher",
    "check_message",
    "classical_distillation",
    "client_training_set",
    "descend",
    "difference_interval",
    "federated_average",
    "fit_calibration",
    "fit_classical",
    "hidden_units",
    "least_certain",
    "lift",
    "make_message",
    "message_fault",
    "own_outcomes",
    "pool_copies",
    "refined_training_set",
    "soften",
    "student_targets",
    "target_rows",
]
