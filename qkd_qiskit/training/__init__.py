"""Training of VQCNNs: losses, particle swarms over structure and weights, L-BFGS and Adam."""

from qkd_qiskit.training.adam import Adam, Beginning
from qkd_qiskit.training.candidates import (
    CandidateFactory,
    FullTraining,
    SearchTask,
    best_log_scale,
    device_candidates,
)
from qkd_qiskit.training.cooperative import CooperativeSwarm, EnvironmentEvaluator
from qkd_qiskit.training.global_swarm import GlobalSwarm
from qkd_qiskit.training.kernel_space import KernelSpace, native_cost
from qkd_qiskit.training.lbfgs import LBFGS, minimize_lbfgs
from qkd_qiskit.training.losses import class_logits, cross_entropy, logits_backward
from qkd_qiskit.training.objective import DifferentiableEvaluator, Objective, Targets
from qkd_qiskit.training.optimizer import (
    LOG_SCALE_BOUNDS,
    Box,
    Optimizer,
    OptimizerResult,
    Starts,
    weight_period,
)
from qkd_qiskit.training.optimizers import make_optimizer
from qkd_qiskit.training.soft_losses import SOFT_LOSSES, SoftLoss, soft_kl, soft_loss_named, soft_mse
from qkd_qiskit.training.structure_methods import STRUCTURE_METHODS, structure_method_named
from qkd_qiskit.training.structure_search import StructureSearch, search_structure, searched_spec
from qkd_qiskit.training.structure_space import StructureSpace, chain_gates
from qkd_qiskit.training.swarm import ParticleSwarm, SwarmCoefficients, run_swarm
from qkd_qiskit.training.tracking import Tracking
from qkd_qiskit.training.trainer import TrainedModel, outcome_probabilities, random_params, train_model
from qkd_qiskit.training.warm_up import noiseless_steps, split_training

__all__ = [
    "LBFGS",
    "LOG_SCALE_BOUNDS",
    "SOFT_LOSSES",
    "STRUCTURE_METHODS",
    "Adam",
    "Beginning",
    "Box",
    "CandidateFactory",
    "CooperativeSwarm",
    "DifferentiableEvaluator",
    "EnvironmentEvaluator",
    "FullTraining",
    "GlobalSwarm",
    "KernelSpace",
    "Objective",
    "Optimizer",
    "OptimizerResult",
    "ParticleSwarm",
    "SearchTask",
    "SoftLoss",
    "Starts",
    "StructureSearch",
    "StructureSpace",
    "SwarmCoefficients",
    "Targets",
    "Tracking",
    "TrainedModel",
    "best_log_scale",
    "chain_gates",
    "class_logits",
    "cross_entropy",
    "device_candidates",
    "logits_backward",
    "make_optimizer",
    "minimize_lbfgs",
    "native_cost",
    "noiseless_steps",
    "outcome_probabilities",
    "random_params",
    "run_swarm",
    "search_structure",
    "searched_spec",
    "soft_kl",
    "soft_loss_named",
    "soft_mse",
    "split_training",
    "structure_method_named",
    "train_model",
    "weight_period",
]
