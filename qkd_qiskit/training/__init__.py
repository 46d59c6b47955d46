"""Training of VQCNNs: losses, particle swarms over structure and weights, L-BFGS and Adam."""

from qkd_qiskit.training.adam import AdamResult, minimize_adam, target_rows
from qkd_qiskit.training.candidates import CandidateFactory, FullTraining
from qkd_qiskit.training.cooperative import (
    CooperativeResult,
    CooperativeSettings,
    EnvironmentEvaluator,
    run_cooperative,
)
from qkd_qiskit.training.kernel_space import KernelSpace, native_cost
from qkd_qiskit.training.lbfgs import LBFGSResult, minimize_lbfgs
from qkd_qiskit.training.losses import class_logits, cross_entropy, logits_backward, soft_kl, soft_mse
from qkd_qiskit.training.objective import DifferentiableEvaluator, Objective, Targets
from qkd_qiskit.training.personal_model import PersonalModel, device_candidates, searched_spec, train_personal
from qkd_qiskit.training.structure_search import StructureSearch, search_structure
from qkd_qiskit.training.swarm import ParticleSwarm, SwarmResult, run_swarm, weight_period
from qkd_qiskit.training.trainer import TrainedModel, outcome_probabilities, random_params, train_model

__all__ = [
    "AdamResult",
    "CandidateFactory",
    "CooperativeResult",
    "CooperativeSettings",
    "DifferentiableEvaluator",
    "EnvironmentEvaluator",
    "FullTraining",
    "KernelSpace",
    "LBFGSResult",
    "Objective",
    "ParticleSwarm",
    "PersonalModel",
    "StructureSearch",
    "SwarmResult",
    "Targets",
    "TrainedModel",
    "class_logits",
    "cross_entropy",
    "device_candidates",
    "logits_backward",
    "minimize_adam",
    "minimize_lbfgs",
    "native_cost",
    "outcome_probabilities",
    "random_params",
    "run_cooperative",
    "run_swarm",
    "search_structure",
    "searched_spec",
    "soft_kl",
    "soft_mse",
    "target_rows",
    "train_model",
    "train_personal",
    "weight_period",
]
