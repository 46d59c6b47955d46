"""Running circuits: the exact Pauli engine, Aer and any sampler behind one protocol."""

from qkd_qiskit.simulation.aer import AerEvaluator
from qkd_qiskit.simulation.agreement import Agreement, count_agreement
from qkd_qiskit.simulation.compiled import CompiledModel, ModelCompiler, compile_model, compile_transpiled
from qkd_qiskit.simulation.encoded_samples import limit_encoded_memory
from qkd_qiskit.simulation.evaluator import ActiveCircuit, Evaluator, MeasuredCircuit
from qkd_qiskit.simulation.pauli import PauliEvaluator
from qkd_qiskit.simulation.sampler import Sampled, SamplerEvaluator, outcome_counts, parameter_pub
from qkd_qiskit.simulation.state_vector import Loss
from qkd_qiskit.simulation.threads import one_blas_thread, use_threads

__all__ = [
    "ActiveCircuit",
    "AerEvaluator",
    "Agreement",
    "CompiledModel",
    "Evaluator",
    "Loss",
    "MeasuredCircuit",
    "ModelCompiler",
    "PauliEvaluator",
    "Sampled",
    "SamplerEvaluator",
    "compile_model",
    "compile_transpiled",
    "count_agreement",
    "limit_encoded_memory",
    "one_blas_thread",
    "outcome_counts",
    "parameter_pub",
    "use_threads",
]
