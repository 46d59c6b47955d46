"""The centralized circuit without entanglement: two-qubit gates are left out, their rotations stay.

It is the ablation of Bowles et al. (arXiv:2403.07059) to the letter: same engine, encoding, plan, training
and samples. Without two-qubit gates nothing flows from the other qubits to the measured ones, so it sees the
features of these alone; the one-body surrogate (`pauli_surrogate`) sees all qubits, without entanglement.
"""

from __future__ import annotations

from qkd_qiskit.baselines.base import BaselineData, FittedCircuit, train_supervised
from qkd_qiskit.run.stages import UNENTANGLED
from qkd_qiskit.vqcnn import Kernel, VQCNNSpec

_ROTATIONS = Kernel.from_string("RZ0 RY0 RZ0 RZ1 RY1 RZ1")


class Unentangled:
    """Trains the global structure without its two-qubit gates on what the centralized model learns."""

    name = "unentangled"
    runs_circuits = True

    def fit(self, data: BaselineData) -> FittedCircuit | None:
        """Train the model; None where it is not wanted, or the clients' samples are elsewhere."""
        run = data.training_run
        if self.name not in run.settings.baselines or not run.data.clients:
            return None
        compiled = data.compiler.model(without_entanglement(data.compiled.spec), run.settings.server.backend)
        model = train_supervised(run, compiled, UNENTANGLED, data.everything)
        return FittedCircuit.at_server(run, compiled, model)


def without_entanglement(spec: VQCNNSpec) -> VQCNNSpec:
    """Return a structure without its two-qubit gates; a kernel of nothing else becomes free rotations."""
    kernels = []
    for kernel in spec.kernels:
        rest = Kernel(tuple(gene for gene in kernel.genes if not gene.is_two_qubit)).canonical()
        kernels.append(rest if rest.n_parameters else _ROTATIONS)
    fixed = (spec.sharing, spec.n_outcomes, spec.measured)
    return VQCNNSpec(spec.n_qubits, spec.input_encoding, spec.plan, kernels, *fixed)
