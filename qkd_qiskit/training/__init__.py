"""Training of VQCNN weights: losses, particle swarm, refinement by L-BFGS."""

from qkd_qiskit.training.checkpoints import CheckpointStore
from qkd_qiskit.training.losses import class_logits, cross_entropy, logits_backward, soft_kl, soft_mse
from qkd_qiskit.training.objective import DifferentiableEvaluator, Objective, Targets
from qkd_qiskit.training.refine import RefineResult, refine
from qkd_qiskit.training.swarm import ParticleSwarm, SwarmResult, run_swarm
from qkd_qiskit.training.trainer import (
    TrainedModel,
    outcome_probabilities,
    random_params,
    train_model,
    weight_period,
)

__all__ = [
    "CheckpointStore",
    "DifferentiableEvaluator",
    "Objective",
    "ParticleSwarm",
    "RefineResult",
    "SwarmResult",
    "Targets",
    "TrainedModel",
    "class_logits",
    "cross_entropy",
    "logits_backward",
    "outcome_probabilities",
    "random_params",
    "refine",
    "run_swarm",
    "soft_kl",
    "soft_mse",
    "train_model",
    "weight_period",
]
