"""Structures compiled for a device: the one place where circuits are cut to their active qubits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from numbers import Integral

import numpy as np
from qiskit_aer.noise import NoiseModel

from qkd_qiskit.arguments import NOTHING, takes
from qkd_qiskit.errors import SimulationError
from qkd_qiskit.hardware import Device, TranspiledVQCNN, load_backend, transpile_verified
from qkd_qiskit.hardware.registry import DEVICE_KINDS, DeviceLike
from qkd_qiskit.recent import Recent
from qkd_qiskit.simulation.evaluator import ActiveCircuit
from qkd_qiskit.simulation.pauli import PauliEvaluator
from qkd_qiskit.simulation.sampler import SamplerEvaluator
from qkd_qiskit.vqcnn import VQCNNSpec

_MODELS = 64
"""Most models that a compiler keeps: with their evaluators, some megabytes each."""


@dataclass(frozen=True, eq=False)
class CompiledModel:
    """A structure on a device, or as its own logical circuit without one.

    Attributes:
        spec: The structure.
        transpiled: Its ISA circuit, with predicted and counted gates; None without a device.
        circuit: The same circuit, cut to the qubits that it uses; None without a device.
        noise: Noise of these qubits; None for none.
        arrays_on: Where the evaluators' arrays live, as for `PauliEvaluator`; None for NumPy.
    """

    spec: VQCNNSpec
    transpiled: TranspiledVQCNN | None = None
    circuit: ActiveCircuit | None = None
    noise: NoiseModel | None = None
    arrays_on: str | None = None

    @cached_property
    def noisy(self) -> PauliEvaluator:
        """Exact evaluator of the circuit under `noise`."""
        return self._made(noise=True, dtype=np.float64)

    @cached_property
    def fast(self) -> PauliEvaluator:
        """`noisy` in single precision: noise of small batches is far above its errors."""
        return self._made(noise=True, dtype=np.float32)

    def searching(self, dtype: str, *, noise: bool = True) -> PauliEvaluator:
        """Return the evaluator of swarms and L-BFGS: single precision only for `"float32"`."""
        return self._evaluator(noise=noise, single=dtype == "float32")

    def descending(self, dtype: str, *, noise: bool = True) -> PauliEvaluator:
        """Return the evaluator of steps on batches: double precision only for `"float64"`."""
        return self._evaluator(noise=noise, single=dtype != "float64")

    def _evaluator(self, *, noise: bool, single: bool) -> PauliEvaluator:
        if noise:
            return self.fast if single else self.noisy
        return self.fast_ideal if single else self.ideal

    @cached_property
    def ideal(self) -> PauliEvaluator:
        """Exact evaluator of the logical circuit, without noise."""
        return self._made(noise=False, dtype=np.float64)

    @cached_property
    def fast_ideal(self) -> PauliEvaluator:
        """`ideal` in single precision."""
        return self._made(noise=False, dtype=np.float32)

    def _made(self, *, noise: bool, dtype: type[np.floating]) -> PauliEvaluator:
        if noise:
            source = self.circuit or self.spec
            return PauliEvaluator(source, self.noise, dtype=dtype, device=self.arrays_on)
        return PauliEvaluator(self.spec, dtype=dtype, device=self.arrays_on)

    def sampler(self, *, shots: int, seed: int | None = None) -> SamplerEvaluator:
        """Make an evaluator that draws shots of the circuit under `noise` with Aer's sampler.

        Args:
            shots: Shots of each circuit, at least 1.
            seed: Seed of the shots, at least 0; None draws a fresh one.
        """
        return SamplerEvaluator(self.circuit or self.spec, self.noise, shots=shots, seed=seed)

    @property
    def two_qubit_gates(self) -> int | None:
        """Native two-qubit gates, counted; None without a device."""
        return None if self.transpiled is None else self.transpiled.report.counted.two_qubit


@takes(SimulationError, spec=VQCNNSpec, device=(*DEVICE_KINDS, NOTHING), seed=Integral)
def compile_model(
    spec: VQCNNSpec,
    device: DeviceLike | None,
    *,
    noise: bool = True,
    seed: int = 0,
    arrays_on: str | None = None,
) -> CompiledModel:
    """Transpile a structure to a device, and compile it for the qubits that it uses.

    Args:
        spec: The structure.
        device: The device, or what `load_backend` takes; None for the logical circuit without noise.
        noise: Whether `noisy` has the device's noise.
        seed: Seed of the transpiler.
        arrays_on: Where the evaluators' arrays live, as for `PauliEvaluator`; None for NumPy.

    Raises:
        HardwareError: If the device is unknown, or the structure does not fit it.
    """
    if device is None:
        return CompiledModel(spec, arrays_on=arrays_on)
    found = load_backend(device)
    transpiled = transpile_verified(spec, found, seed=seed)
    return replace(compile_transpiled(transpiled, found, noise=noise), arrays_on=arrays_on)


def compile_transpiled(transpiled: TranspiledVQCNN, device: Device, *, noise: bool = True) -> CompiledModel:
    """Cut a transpiled structure, with a device's noise, to the qubits that it uses.

    Args:
        transpiled: The ISA circuit, with its spec.
        device: The device whose noise is taken: the circuit's own, or one with another calibration.
        noise: Whether `noisy` has the device's noise.
    """
    circuit = ActiveCircuit(transpiled)
    # PERF: the noise of a whole device takes seconds, that of the active qubits a fraction of one.
    model = device.noise_model_for(circuit.active_qubits) if noise else None
    return CompiledModel(transpiled.spec, transpiled, circuit, model)


class ModelCompiler:
    """Compiles each structure once a device, under one choice of noise, seed and arrays.

    A search tries more structures than memory should hold: those that were not asked for the longest are
    compiled again.
    """

    def __init__(self, *, noise: bool = True, seed: int = 0, arrays_on: str | None = None) -> None:
        """Set what all models have in common.

        Args:
            noise: Whether the models have their devices' noise.
            seed: Seed of the transpiler.
            arrays_on: Where the evaluators' arrays live, as for `PauliEvaluator`; None for NumPy.
        """
        self._noise, self._seed, self._arrays_on = noise, seed, arrays_on
        self._models: Recent[tuple[int, Device], CompiledModel] = Recent(_MODELS)

    def seeded(self, seed: int) -> ModelCompiler:
        """Return a compiler that differs in the transpiler's seed alone."""
        return ModelCompiler(noise=self._noise, seed=seed, arrays_on=self._arrays_on)

    def model(self, spec: VQCNNSpec, backend: DeviceLike) -> CompiledModel:
        """Return the structure on a device, or on that which `load_backend` finds under a name.

        Raises:
            HardwareError: If the device is unknown, or the structure does not fit it.
        """
        device = load_backend(backend)
        return self._models.find(
            (spec.index, device),
            lambda: compile_model(
                spec, device, noise=self._noise, seed=self._seed, arrays_on=self._arrays_on
            ),
        )
