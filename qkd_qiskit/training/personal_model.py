"""A personalized model: a gate budget, a device and data become a trained circuit."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.config import TrainingSettings
from qkd_qiskit.hardware import Device, TranspiledVQCNN, predict_counts, transpile_verified
from qkd_qiskit.simulation import PauliEvaluator, compile_model, compile_transpiled
from qkd_qiskit.store.journal import Journal
from qkd_qiskit.training.candidates import CandidateFactory
from qkd_qiskit.training.kernel_space import KernelSpace
from qkd_qiskit.training.objective import Targets
from qkd_qiskit.training.structure_search import StructureSearch, search_structure
from qkd_qiskit.training.trainer import TrainedModel, train_model
from qkd_qiskit.vqcnn import VQCNNSpec, native_two_qubit, resolve_kernel

if TYPE_CHECKING:
    from qkd_qiskit.progress import Progress
    from qkd_qiskit.simulation import Evaluator


@dataclass(frozen=True, eq=False)
class PersonalModel:
    """A client's own model.

    Attributes:
        model: The trained parameters, with the histories of their training.
        transpiled: The circuit on the device, with predicted and counted native gates.
        search: How the kernel was found; None where the budget's own kernel was taken.
        noise: Name of the device whose noise it was trained under; None for none.
        seed: The seed of search, transpiling and training.
    """

    model: TrainedModel
    transpiled: TranspiledVQCNN
    search: StructureSearch | None
    noise: str | None
    seed: int

    @property
    def spec(self) -> VQCNNSpec:
        """The structure."""
        return self.transpiled.spec

    @property
    def index(self) -> int:
        """The model index: what a client sends to name its structure."""
        return self.spec.index

    @property
    def two_qubit_gates(self) -> int:
        """Native two-qubit gates, counted."""
        return self.transpiled.report.counted.two_qubit


def device_candidates(
    base: VQCNNSpec, device: Device, *, noise: bool = True, seed: int = 0
) -> CandidateFactory:
    """Makes circuits on a device: transpiled and under its noise, or logical and ideal.

    Args:
        base: The structure whose kernel is searched.
        device: The device.
        noise: Whether to train under the device's noise, and to pay for its native gates.
        seed: Seed of the transpiler.
    """

    def noisy(spec: VQCNNSpec) -> Evaluator:
        return compile_model(spec, device, seed=seed).noisy

    def log_success(spec: VQCNNSpec) -> float:
        return float(np.log(max(predict_counts(spec, device).esp, np.finfo(float).tiny)))

    if not noise:
        return CandidateFactory(base, PauliEvaluator, lambda spec: 0.0, native_two_qubit)
    return CandidateFactory(base, noisy, log_success, lambda spec: predict_counts(spec, device).two_qubit)


def train_personal(
    budget: Any,
    device: Device,
    inputs: FloatArray,
    targets: Targets,
    settings: TrainingSettings,
    *,
    noise: bool = True,
    reject: bool = False,
    groups: IntArray | None = None,
    seed: int,
    journal: Journal | None = None,
    progress: Progress | None = None,
    label: str = "training",
) -> PersonalModel:
    """Find a client's circuit within its budget, and train it.

    Args:
        budget: What the estimator granted: plan, genes and native gates of a kernel.
        device: The client's device.
        inputs: Encoded inputs [N, F].
        targets: What to answer on them.
        settings: Settings of the training; without `structure.enabled` the budget's own kernel is taken.
        noise: Whether to train under the device's noise.
        reject: Whether the last outcome of `targets` is the reject outcome.
        groups: Which original each sample comes from [N], where there are augmented copies.
        seed: Seeds everything.
        journal: Takes down all finished work, so that an interrupted training can be resumed.
        progress: Told of everything that takes long.
        label: Name of this training in `progress`.

    Raises:
        TrainingError: If data, budget and settings do not fit.
    """
    spec, search = budget.spec, None
    if settings.structure.enabled:
        search = search_structure(
            device_candidates(spec, device, noise=noise, seed=seed),
            KernelSpace.of_budget(budget),
            inputs,
            targets,
            settings,
            groups=groups,
            seed=seed,
            journal=journal,
            progress=progress,
            label=f"{label}: structure",
        )
        spec = searched_spec(spec, search)
    transpiled = transpile_verified(spec, device, seed=seed)
    evaluator = compile_transpiled(transpiled, device).noisy if noise else PauliEvaluator(spec)
    model = train_model(
        evaluator,
        inputs,
        targets,
        settings,
        reject=reject,
        rng=np.random.default_rng([seed, zlib.crc32(b"final training")]),
        journal=journal,
        progress=progress,
        label=label,
    )
    return PersonalModel(model, transpiled, search, device.name if noise else None, seed)


def searched_spec(base: VQCNNSpec, search: StructureSearch) -> VQCNNSpec:
    """The base with the kernel that a search chose, in every layer."""
    kernel = resolve_kernel(search.winner)
    return VQCNNSpec(base.n_qubits, base.encoding, base.plan, kernel, base.sharing, base.n_outcomes)
