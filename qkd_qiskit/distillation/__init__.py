"""Distillation: clients' messages, the teacher made of them, and the targets of the global model."""

from qkd_qiskit.distillation.aggregation import AGGREGATIONS, Aggregation, aggregate, lift
from qkd_qiskit.distillation.calibration import (
    CALIBRATIONS,
    CalibrationKind,
    OutputCalibration,
    fit_calibration,
)
from qkd_qiskit.distillation.copies import pool_copies
from qkd_qiskit.distillation.label_queries import least_certain
from qkd_qiskit.distillation.messages import (
    MAX_MESSAGE_BYTES,
    ClientMessage,
    check_message,
    make_message,
    message_fault,
)
from qkd_qiskit.distillation.screening import Screening, audit
from qkd_qiskit.distillation.student import student_targets
from qkd_qiskit.distillation.teacher import (
    ClientOutputs,
    Teacher,
    TeacherScore,
    build_teacher,
    own_outcomes,
    soften,
)
from qkd_qiskit.distillation.training_sets import ClientTrainingSet, client_training_set, refined_training_set

__all__ = [
    "AGGREGATIONS",
    "CALIBRATIONS",
    "MAX_MESSAGE_BYTES",
    "Aggregation",
    "CalibrationKind",
    "ClientMessage",
    "ClientOutputs",
    "ClientTrainingSet",
    "OutputCalibration",
    "Screening",
    "Teacher",
    "TeacherScore",
    "aggregate",
    "audit",
    "build_teacher",
    "check_message",
    "client_training_set",
    "fit_calibration",
    "least_certain",
    "lift",
    "make_message",
    "message_fault",
    "own_outcomes",
    "pool_copies",
    "refined_training_set",
    "soften",
    "student_targets",
]
