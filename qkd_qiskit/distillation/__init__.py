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
from qkd_qiskit.distillation.clients import ClientTrainingSet, client_training_set
from qkd_qiskit.distillation.fedavg import FedAvgClient, FedAvgResult, federated_average
from qkd_qiskit.distillation.messages import ClientMessage, check_message, make_message, message_fault
from qkd_qiskit.distillation.statistics import Interval, accuracy_interval, difference_interval
from qkd_qiskit.distillation.student import train_student
from qkd_qiskit.distillation.teacher import (
    ClientOutputs,
    Teacher,
    TeacherScore,
    build_teacher,
    own_outcomes,
    soften,
)

__all__ = [
    "AGGREGATIONS",
    "CALIBRATIONS",
    "CLASSICAL_MODELS",
    "Aggregation",
    "Calibration",
    "CalibrationKind",
    "ClassicalModel",
    "ClassicalName",
    "ClientMessage",
    "ClientOutputs",
    "ClientTrainingSet",
    "FedAvgClient",
    "FedAvgResult",
    "Interval",
    "Teacher",
    "TeacherScore",
    "accuracy_interval",
    "aggregate",
    "build_teacher",
    "check_message",
    "client_training_set",
    "difference_interval",
    "federated_average",
    "fit_calibration",
    "fit_classical",
    "hidden_units",
    "lift",
    "make_message",
    "message_fault",
    "own_outcomes",
    "soften",
    "train_student",
]
