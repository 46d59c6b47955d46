"""What one job of a submission holds: a circuit with inputs, alone or with copies of it side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit

from qkd_qiskit.data import Samples
from qkd_qiskit.hardware import PlacedCopy, TranspiledVQCNN
from qkd_qiskit.interop import export_circuit
from qkd_qiskit.models import SavedModel
from qkd_qiskit.runtime.ibm import for_hardware
from qkd_qiskit.runtime.mitigation import calibration_circuits
from qkd_qiskit.runtime.packed_circuit import alone_circuits, joined_circuit
from qkd_qiskit.runtime.packing import CopyRecord, Packing, PackingOptions


@dataclass(frozen=True, eq=False)
class ModelWorkload:
    """A model, and the samples that it may classify.

    Attributes:
        model: The trained model.
        samples: Encoded samples, with their class indices.
        source: Where the model can be read again, for `load_model`; empty where nobody asks.
    """

    model: SavedModel
    samples: Samples
    source: str = ""


@dataclass(frozen=True, eq=False)
class Draft:
    """Circuits and inputs, before they are cut into jobs.

    Attributes:
        circuit: ISA circuit with bound weights; inputs are free.
        extras: Circuits without parameters that run in every job: readout calibration, then the copies of a
            packed circuit alone, where they are compared.
        inputs: [rows, columns].
        labels: Class indices, [rows], or [rows, copies] of a packed circuit.
        duration: Seconds of one execution.
        two_qubit_gates: Native two-qubit gates, of the worst copy.
        esp: Expected success probability, of the worst copy.
        packing: Which copy measures what; None for a circuit alone.
    """

    circuit: QuantumCircuit
    extras: tuple[QuantumCircuit, ...]
    inputs: NDArray[np.float64]
    labels: NDArray[np.int64]
    duration: float
    two_qubit_gates: int
    esp: float
    packing: Packing | None = None


def draft_alone(
    transpiled: TranspiledVQCNN, work: ModelWorkload, samples: Samples, *, mitigate: bool, local: bool
) -> Draft:
    """Draft the submission of one circuit alone.

    Args:
        transpiled: The model's ISA circuit.
        work: The model.
        samples: The samples that it classifies.
        mitigate: Whether readout is calibrated.
        local: Whether the device is simulated here; then delays stay, for its idle noise.
    """
    circuit = _bound(transpiled, work, local=local)
    counted = transpiled.report.counted
    return Draft(
        circuit=circuit,
        extras=calibration_circuits(circuit) if mitigate else (),
        inputs=samples.inputs,
        labels=samples.labels,
        duration=counted.duration,
        two_qubit_gates=counted.two_qubit,
        esp=counted.esp,
    )


def draft_packed(
    copies: Sequence[PlacedCopy],
    works: Sequence[ModelWorkload],
    samples: Sequence[Samples],
    options: PackingOptions,
    *,
    mitigate: bool,
    local: bool,
) -> Draft:
    """Draft the submission of copies side by side.

    Args:
        copies: Copies of the models' circuits, on disjoint qubits.
        works: The models.
        samples: The samples that each classifies, equally many.
        options: How the device is shared.
        mitigate: Whether each copy's readout is calibrated.
        local: Whether the device is simulated here; then delays stay, and copies are not read together.
    """
    packing = Packing(
        tuple(
            CopyRecord(
                model=copy.number,
                qubits=copy.chain,
                two_qubit_gates=copy.transpiled.report.counted.two_qubit,
                esp=copy.esp,
                bits=copy.transpiled.spec.n_measured,
                inputs=copy.transpiled.spec.n_features,
            )
            for copy in copies
        ),
        len(samples[0]),
    )
    circuit = joined_circuit(
        [_bound(copy.transpiled, works[copy.number], local=local) for copy in copies],
        [copy.inputs for copy in packing.copies],
        align=not local,
    )
    inputs = np.concatenate(packing.spread([of_model.inputs for of_model in samples]), axis=1)
    extras = calibration_circuits(circuit) if mitigate else ()
    worst = min(packing.copies, key=lambda copy: copy.esp)
    return Draft(
        circuit=circuit,
        extras=(*extras, *(alone_circuits(circuit, inputs) if options.check else ())),
        inputs=inputs,
        labels=np.stack(packing.spread([of_model.labels for of_model in samples]), axis=1),
        duration=max(copy.transpiled.report.counted.duration for copy in copies),
        two_qubit_gates=worst.two_qubit_gates,
        esp=worst.esp,
        packing=packing,
    )


def _bound(transpiled: TranspiledVQCNN, work: ModelWorkload, *, local: bool) -> QuantumCircuit:
    circuit = export_circuit(transpiled, work.model.weights)
    return circuit if local else for_hardware(circuit)
