"""Aer as an evaluator: one simulation for each particle and sample, the reference of the exact engine."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from qiskit import QuantumCircuit
from qiskit_aer import AerSimulator
from qiskit_aer.library import SetDensityMatrix, SetStatevector
from qiskit_aer.noise import NoiseModel

from qkd_qiskit.arguments import NOTHING, takes
from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.errors import SimulationError
from qkd_qiskit.simulation.bindable import bindable
from qkd_qiskit.simulation.evaluator import (
    MeasuredCircuit,
    as_measured_circuit,
    check_inputs,
    check_weights,
    flat_weights,
    whole_state,
)
from qkd_qiskit.simulation.noise import LocalNoise, apply_readout, cut_to_active
from qkd_qiskit.vqcnn import VQCNNSpec

_BATCH = 256


class AerEvaluator:
    """Outcome probabilities from Aer's density matrices (or state vectors, when there is no noise).

    Circuit and noise model are cut to the active qubits. `save_probabilities` leaves readout errors out, so
    the confusion matrices are applied afterwards.

    Example:
        >>> import numpy as np
        >>> from qkd_qiskit import AerEvaluator, VQCNNSpec
        >>> spec = VQCNNSpec(n_qubits=4, plan="conv, edge, conv", kernels="su4", n_outcomes=2)
        >>> AerEvaluator(spec).probabilities(np.zeros(spec.n_weights), np.zeros((2, 8))).shape
        (2, 2)
    """

    @takes(SimulationError, noise_model=(NoiseModel, NOTHING))
    def __init__(
        self, transpiled: MeasuredCircuit | VQCNNSpec, noise_model: NoiseModel | None = None
    ) -> None:
        """Prepare the circuit.

        Args:
            transpiled: Result of `transpile_verified`, or a spec for its logical circuit.
            noise_model: Aer noise model over the circuit's qubits; None for ideal gates.

        Raises:
            SimulationError: If the noise model has errors that this reference cannot apply.
        """
        source = as_measured_circuit(transpiled)
        self._spec = source.spec
        self._x, self._w = source.x, source.w
        circuit = bindable(source.circuit, noise_model)
        cut, self._noise, active = cut_to_active(circuit, noise_model, keep=source.input_qubits)
        readout = LocalNoise(noise_model)
        measured = {
            cut.find_bit(item.clbits[0]).index: cut.find_bit(item.qubits[0]).index
            for item in cut.data
            if item.operation.name == "measure"
        }
        self._confusions = [readout.readout(active[measured[bit]]) for bit in sorted(measured)]
        cut.remove_final_measurements()
        self._state_qubits = [active.index(qubit) for qubit in source.input_qubits]
        self._circuit = cut
        self._measured = [measured[bit] for bit in sorted(measured)]
        self._simulator = AerSimulator(
            method="density_matrix" if self._noise is not None else "statevector",
            noise_model=self._noise,
            max_parallel_experiments=0,
            fusion_enable=True,
        )

    @property
    def spec(self) -> VQCNNSpec:
        """The structure that is evaluated."""
        return self._spec

    def probabilities(self, weights: ArrayLike, inputs: ArrayLike) -> FloatArray:
        """Return outcome probabilities, readout errors included.

        Args:
            weights: Radians, `[..., W]`.
            inputs: Encoded samples `[N, F]`.

        Returns:
            `[..., N, 2^m]`.

        Raises:
            SimulationError: If a shape is wrong, a value is not finite, or Aer fails.
        """
        array = check_weights(weights, self._spec)
        samples = check_inputs(inputs, self._spec)
        flat = flat_weights(array)
        if self._x is None:
            rows = [
                self._run(self._prepared(state), flat) for state in self._spec.input_encoding.states(samples)
            ]
            result = np.stack(rows, axis=1) if rows else np.empty((len(flat), 0, 2 ** len(self._measured)))
        else:
            columns = np.repeat(flat, len(samples), axis=0)
            repeated = np.tile(samples, (len(flat), 1))
            result = self._run(self._saved(self._circuit), columns, repeated)
        result = apply_readout(result.reshape(len(flat), len(samples), -1), self._confusions)
        return result.reshape(*array.shape[:-1], *result.shape[1:])

    def _saved(self, circuit: QuantumCircuit) -> QuantumCircuit:
        saved = circuit.copy()
        saved.save_probabilities(self._measured)
        return saved

    def _prepared(self, state: FloatArray) -> QuantumCircuit:
        """Return the circuit with an ideal input state in front; qubits outside the spec start in |0>."""
        n = self._circuit.num_qubits
        full = whole_state(state, self._state_qubits, n)
        first = SetStatevector(full) if self._noise is None else SetDensityMatrix(np.outer(full, full.conj()))
        circuit = self._circuit.copy_empty_like()
        circuit.append(first, range(n))
        return self._saved(circuit.compose(self._circuit))

    def _run(
        self, circuit: QuantumCircuit, weights: FloatArray, inputs: FloatArray | None = None
    ) -> FloatArray:
        """Return probabilities `[bindings, 2^m]` of one circuit at many parameter values."""
        present = set(circuit.parameters)
        columns = {p: weights[:, k] for k, p in enumerate(self._w) if p in present}
        if inputs is not None and self._x is not None:
            columns |= {p: inputs[:, k] for k, p in enumerate(self._x) if p in present}
        out = np.empty((len(weights), 2 ** len(self._measured)))
        for start in range(0, len(weights), _BATCH):
            part = slice(start, start + _BATCH)
            if columns:
                binds = [{p: values[part].tolist() for p, values in columns.items()}]
                result = self._simulator.run(circuit, parameter_binds=binds).result()
            else:
                result = self._simulator.run(circuit).result()
            if not result.success:
                raise SimulationError(f"Aer failed: {result.status}")
            rows = [result.data(k)["probabilities"] for k in range(len(result.results))]
            out[part] = rows if columns else np.repeat(rows, len(out[part]), axis=0)
        return out
