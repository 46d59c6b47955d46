"""Training of VQCNNs: losses, particle swarms over structure and weights, refinement by L-BFGS."""

from qkd_qiskit.training.checkpoints import CheckpointStore
from qkd_qiskit.training.cooperative import (
    CooperativeResult,
    CooperativeSettings,
    EnvironmentEvaluator,
    run_cooperative,
)
from qkd_qiskit.training.journal import Journal
from qkd_qiskit.training.losses import class_logits, cross_entropy, logits_backward, soft_kl, soft_mse
from qkd_qiskit.training.objective import DifferentiableEvaluator, Objective, Targets
from qkd_qiskit.training.personal import PersonalModel, device_workshop, searched_spec, train_personal
from qkd_qiskit.training.refine import RefineResult, refine
from qkd_qiskit.training.space import KernelSpace, native_cost
from qkd_qiskit.training.structure import StructureSearch, search_structure
from qkd_qiskit.training.swarm import ParticleSwarm, SwarmResult, run_swarm, weight_period
from qkd_qiskit.training.trainer import (
    TrainedModel,
    outcome_probabilities,
    random_params,
    train_model,
)
from qkd_qiskit.training.trials import FullTraining, Workshop

__all__ = [
    "CheckpointStore",
    "CooperativeResult",
    "CooperativeSettings",
    "DifferentiableEvaluator",
    "EnvironmentEvaluator",
    "FullTraining",
    "Journal",
    "KernelSpace",
    "Objective",
    "ParticleSwarm",
    "PersonalModel",
    "RefineResult",
    "StructureSearch",
    "SwarmResult",
    "Targets",
    "TrainedModel",
    "Workshop",
    "class_logits",
    "cross_entropy",
    "device_workshop",
    "logits_backward",
    "native_cost",
    "outcome_probabilities",
    "random_params",
    "refine",
    "run_cooperative",
    "run_swarm",
    "search_structure",
    "searched_spec",
    "soft_kl",
    "soft_mse",
    "train_model",
    "train_personal",
    "weight_period",
]
