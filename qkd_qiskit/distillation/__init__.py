"""Distillation: clients' messages, the teacher made of them, and the targets of the global model."""

from qkd_qiskit.distillation.aggregation import (
    Aggregate,
    aggregate_messages,
    aggregate_outputs,
    wanted_rules,
)
from qkd_qiskit.distillation.calibration import (
    CALIBRATIONS,
    CalibrationKind,
    OutputCalibration,
    fit_calibration,
)
from qkd_qiskit.distillation.copies import pool_copies
from qkd_qiskit.distillation.judging import Judge, difference, simplest
from qkd_qiskit.distillation.label_queries import (
    LabelQueryResult,
    check_label_queries,
    known_samples,
    least_certain,
    query_labels,
)
from qkd_qiskit.distillation.messages import (
    MAX_MESSAGE_BYTES,
    ClientMessage,
    check_message,
    make_message,
    message_fault,
)
from qkd_qiskit.distillation.outputs import ClientOutputs, lift, soften
from qkd_qiskit.distillation.privacy import (
    DELTA,
    blur_epsilon,
    blurred_outputs,
    output_epsilon,
    shots_epsilon,
)
from qkd_qiskit.distillation.recipes import Recipe, recipes
from qkd_qiskit.distillation.rules import OWN_RULES, RULES, AggregationRule, aggregate, own_rule
from qkd_qiskit.distillation.screening import ClientStatus, Screening, audit, screen_message
from qkd_qiskit.distillation.student import student_soft_labels, student_targets
from qkd_qiskit.distillation.teacher import KnownLabels, Teacher, TeacherPart, TeacherScore, build_teacher
from qkd_qiskit.distillation.training_sets import ClientTrainingSet, client_training_set, refined_training_set

__all__ = [
    "CALIBRATIONS",
    "DELTA",
    "MAX_MESSAGE_BYTES",
    "OWN_RULES",
    "RULES",
    "Aggregate",
    "AggregationRule",
    "CalibrationKind",
    "ClientMessage",
    "ClientOutputs",
    "ClientStatus",
    "ClientTrainingSet",
    "Judge",
    "KnownLabels",
    "LabelQueryResult",
    "OutputCalibration",
    "Recipe",
    "Screening",
    "Teacher",
    "TeacherPart",
    "TeacherScore",
    "aggregate",
    "aggregate_messages",
    "aggregate_outputs",
    "audit",
    "blur_epsilon",
    "blurred_outputs",
    "build_teacher",
    "check_label_queries",
    "check_message",
    "client_training_set",
    "difference",
    "fit_calibration",
    "known_samples",
    "least_certain",
    "lift",
    "make_message",
    "message_fault",
    "output_epsilon",
    "own_rule",
    "pool_copies",
    "query_labels",
    "recipes",
    "refined_training_set",
    "screen_message",
    "shots_epsilon",
    "simplest",
    "soften",
    "student_soft_labels",
    "student_targets",
    "wanted_rules",
]
