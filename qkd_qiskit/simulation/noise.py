"""What an Aer `NoiseModel` does to one circuit: local errors, idle relaxation, readout confusion.

Qiskit Aer offers no public reader of a noise model's tables (`to_dict` converts every error of a 133-qubit
device, which takes a second), so this module is the only one that reads them.
"""

from __future__ import annotations

from collections.abc import Sequence
from weakref import ref

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit_aer.noise import NoiseModel, QuantumError

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.errors import SimulationError
from qkd_qiskit.simulation.ptm import channel_ptm
from qkd_qiskit.vqcnn import without_idle_qubits

_SILENT = ("barrier", "delay")

# PERF: PTMs of errors by identity, as long as the errors live: that of an error is found again without a look
# at its content.
_PTMS: dict[int, tuple[ref[QuantumError], FloatArray | None]] = {}


class LocalNoise:
    """Look-up of the errors that a noise model attaches to instructions; empty when there is none."""

    def __init__(self, noise_model: NoiseModel | None) -> None:
        self._model = noise_model
        self._ptms: dict[tuple[str, tuple[int, ...]], FloatArray | None] = {}

    def error_ptm(self, name: str, label: str | None, qubits: tuple[int, ...]) -> FloatArray | None:
        """Return the PTM of the error after an instruction, in its order of qubits; None if there is none."""
        key = (label or name, qubits)
        if key not in self._ptms:
            error = find_error(self._model, name, label, qubits)
            self._ptms[key] = None if error is None else _ptm_of(error)
        return self._ptms[key]

    def readout(self, qubit: int) -> FloatArray:
        """Return the confusion matrix `[true, measured]` of one qubit."""
        model = self._model
        if model is None:
            return np.eye(2)
        if find_error(model, "measure", None, (qubit,)) is not None:
            raise SimulationError(
                "expected only readout errors on measurements, found a quantum error on measure "
                f"of qubit {qubit}; "
                "move it to the gate before, or use AerEvaluator"
            )
        joint = [qubits for qubits in model._local_readout_errors if len(qubits) > 1 and qubit in qubits]
        if joint:
            raise SimulationError(
                "expected readout errors of single qubits, found a joint one on qubits "
                f"{list(joint[0])}; use AerEvaluator"
            )
        error = model._local_readout_errors.get((qubit,), model._default_readout_error)
        return np.eye(2) if error is None else np.asarray(error.probabilities, dtype=np.float64)


def _ptm_of(error: QuantumError) -> FloatArray | None:
    """Return the PTM of an error, found once in its life; None if it does nothing."""
    key = id(error)
    if key not in _PTMS:
        found = None if error.ideal() else channel_ptm(error)
        _PTMS[key] = ref(error, lambda _: _PTMS.pop(key, None)), found
    return _PTMS[key][1]


def find_error(
    model: NoiseModel | None, name: str, label: str | None, qubits: tuple[int, ...]
) -> QuantumError | None:
    """Find the error that Aer would sample after an instruction: by label first, local first."""
    if model is None:
        return None
    for key in (label, name):
        if key is None:
            continue
        local = model._local_quantum_errors.get(key, {}).get(qubits)
        if local is not None:
            return local
        if key in model._default_quantum_errors:
            return model._default_quantum_errors[key]
    return None


def active_qubits(circuit: QuantumCircuit) -> tuple[int, ...]:
    """Return indices of the qubits that anything but delays and barriers touches, in rising order."""
    return tuple(
        sorted(
            {
                circuit.find_bit(qubit).index
                for item in circuit.data
                if item.operation.name not in _SILENT
                for qubit in item.qubits
            }
        )
    )


def with_idle_noise(circuit: QuantumCircuit, noise_model: NoiseModel | None) -> QuantumCircuit:
    """Return the circuit without untouched qubits' delays, after the noise model's passes.

    A model made by `NoiseModel.from_backend` holds a `RelaxationNoisePass`, which puts a channel after each
    delay; Aer runs it before every simulation, and so does the exact engine.
    """
    active = {circuit.qubits[index] for index in active_qubits(circuit)}
    trimmed = circuit.copy_empty_like()
    for item in circuit.data:
        if item.operation.name != "barrier" and active.issuperset(item.qubits):
            trimmed.append(item)
    passes = None if noise_model is None else noise_model._pass_manager()
    return trimmed if passes is None else passes.run(trimmed)


def cut_to_active(
    circuit: QuantumCircuit, noise_model: NoiseModel | None, *, keep: Sequence[int] = ()
) -> tuple[QuantumCircuit, NoiseModel | None, tuple[int, ...]]:
    """Cut circuit and noise model to the active qubits, renumbered from 0.

    Idle noise becomes part of the circuit. The result is equal to the original and spares Aer the untouched
    qubits of a large device.

    Args:
        circuit: Circuit over all qubits of a device.
        noise_model: Noise model over the same qubits.
        keep: Qubits that stay even if nothing touches them.

    Returns:
        The circuit, the noise model (None stays None), and the original index of each remaining qubit.
    """
    noisy = with_idle_noise(circuit, noise_model)
    small, active = without_idle_qubits(noisy, keep)
    position = {qubit: k for k, qubit in enumerate(active)}
    return small, _renumbered(noise_model, position, set(small.count_ops())), active


def _renumbered(model: NoiseModel | None, position: dict[int, int], names: set[str]) -> NoiseModel | None:
    if model is None:
        return None
    cut = NoiseModel(basis_gates=model.basis_gates)
    for name, error in model._default_quantum_errors.items():
        cut.add_all_qubit_quantum_error(error, name)
    for name, table in model._local_quantum_errors.items():
        if name not in names:
            continue
        for qubits, error in table.items():
            if all(qubit in position for qubit in qubits):
                cut.add_quantum_error(error, name, [position[q] for q in qubits], warnings=False)
    if model._default_readout_error is not None:
        cut.add_all_qubit_readout_error(model._default_readout_error)
    for qubits, readout in model._local_readout_errors.items():
        if all(qubit in position for qubit in qubits):
            cut.add_readout_error(readout, [position[q] for q in qubits], warnings=False)
    return cut


def apply_readout(
    probabilities: NDArray[np.float64], confusions: Sequence[FloatArray]
) -> NDArray[np.float64]:
    """Apply the confusion matrices of the m bits, least significant bit first, to `[..., 2^m]`."""
    m = len(confusions)
    tensor = probabilities.reshape(*probabilities.shape[:-1], *(2,) * m)
    for bit, confusion in enumerate(confusions):
        axis = tensor.ndim - 1 - bit
        tensor = np.moveaxis(np.tensordot(tensor, confusion, axes=(axis, 0)), -1, axis)
    return np.ascontiguousarray(tensor).reshape(probabilities.shape)
