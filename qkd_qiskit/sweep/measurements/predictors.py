"""Judgements of structures without a training of each: from random weights, or from weights they share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from qiskit.quantum_info import Statevector

from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.simulation import Evaluator, PauliEvaluator
from qkd_qiskit.training import Objective, Targets, best_log_scale
from qkd_qiskit.vqcnn import VQCNNSpec, build_circuit, parameter_vectors

_STATES, _BINS = 60, 75
_DRAWS, _PER_CLASS = 32, 16
_RATE, _DECAYS = 0.05, (0.9, 0.99)

_Key = tuple[int, int, str, tuple[int, int] | None]


def expressibility(spec: VQCNNSpec, inputs: FloatArray, rng: np.random.Generator) -> float:
    """Return how far states at random weights are from Haar-random ones; lower is more expressive.

    Sim, Johnson, Aspuru-Guzik, *Advanced Quantum Technologies* 2:1900070, 2019: the Kullback-Leibler
    divergence of the histogram of fidelities, between states at one input [F], from that of random states.
    """
    circuit = build_circuit(spec)
    x, w = parameter_vectors(circuit)
    circuit.remove_final_measurements()
    known, angles = circuit.parameters, {} if x is None else dict(zip(x, inputs, strict=True))

    def state(weights: FloatArray) -> NDArray[np.complex128]:
        values = angles | dict(zip(w, weights, strict=True))
        bound = circuit.assign_parameters({k: v for k, v in values.items() if k in known})
        return np.asarray(Statevector(bound))

    states = np.stack([state(row) for row in rng.uniform(-np.pi, np.pi, (_STATES, spec.n_weights))])
    fidelities = np.abs(states.conj() @ states.T)[np.triu_indices(_STATES, 1)] ** 2
    edges = np.linspace(0, 1, _BINS + 1)
    haar = -np.diff((1 - edges) ** (states.shape[1] - 1))
    seen = np.histogram(fidelities, edges)[0] / len(fidelities)
    some = seen > 0
    return float((seen[some] * np.log(seen[some] / np.maximum(haar[some], 1e-300))).sum())


def representational_capacity(
    evaluator: Evaluator, inputs: FloatArray, labels: IntArray, rng: np.random.Generator
) -> float:
    """Return how well random weights keep classes together and apart: 1 at most, higher is better.

    Elivagar's predictor (Anagolum et al., *ASPLOS* 2024, arXiv:2401.09393): the similarity of answers to
    pairs of samples, averaged over random weights, is compared with one for pairs of a class and zero for
    others. Here the similarity is one minus the total variation distance of outcome distributions.

    Args:
        evaluator: Runs the circuit.
        inputs: Samples [N, F], of which the first of each class count.
        labels: Their classes [N].
        rng: Draws the weights.
    """
    rows = np.concatenate([np.flatnonzero(labels == label)[:_PER_CLASS] for label in np.unique(labels)])
    weights = rng.uniform(-np.pi, np.pi, (_DRAWS, evaluator.spec.n_weights))
    p = evaluator.probabilities(weights, inputs[rows])
    similar = 1 - 0.5 * np.abs(p[:, :, None] - p[:, None]).sum(axis=-1).mean(axis=0)
    wanted = labels[rows][:, None] == labels[rows]
    return 1 - float(((similar - wanted) ** 2).mean())


class SharedWeights:
    """A supernet: blocks that are equal in place and kernel have equal weights, whatever the structure.

    Weight sharing of Pham et al. (*ICML* 2018), for circuits Wang et al. (QuantumNAS, *HPCA* 2022): each step
    trains one structure drawn at random, by Adam, and leaves its weights behind.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        """Begin with no weights: each block begins where it is met first."""
        self._rng = rng
        # Weights, first and second moments of each block that was met.
        self._pool: dict[_Key, FloatArray] = {}

    def train(self, specs: Sequence[VQCNNSpec], inputs: FloatArray, targets: Targets, *, steps: int) -> None:
        """Make steps of structures drawn at random, on inputs [N, F] without noise."""
        objectives = [Objective(PauliEvaluator(spec), inputs, targets) for spec in specs]
        for step in range(1, steps + 1):
            number = int(self._rng.integers(len(specs)))
            params = np.append(self.weights(specs[number]), np.log(3.0))
            gradient = objectives[number].value_and_gradient(params)[1]
            for key, places in self._places(specs[number]):
                block, slope = self._pool[key], gradient[places]
                for row, decay, power in ((1, _DECAYS[0], 1), (2, _DECAYS[1], 2)):
                    block[row] = decay * block[row] + (1 - decay) * slope**power
                first = block[1] / (1 - _DECAYS[0] ** step)
                second = block[2] / (1 - _DECAYS[1] ** step)
                block[0] -= _RATE * first / (np.sqrt(second) + 1e-8)

    def weights(self, spec: VQCNNSpec) -> FloatArray:
        """Return the weights [W] of a structure."""
        found = np.zeros(spec.n_weights)
        for key, places in self._places(spec):
            if key not in self._pool:
                self._pool[key] = np.zeros((3, len(places)))
                self._pool[key][0] = 0.5 * self._rng.standard_normal(len(places))
            found[places] = self._pool[key][0]
        return found

    def loss(self, spec: VQCNNSpec, inputs: FloatArray, targets: Targets) -> float:
        """Return a structure's loss without noise on inputs [N, F], at the best logit scale."""
        probabilities = PauliEvaluator(spec).probabilities(self.weights(spec)[None], inputs)
        scale = np.array([best_log_scale(targets, probabilities[0])])
        return float(targets.values(probabilities, scale)[0])

    def _places(self, spec: VQCNNSpec) -> Iterator[tuple[_Key, list[int]]]:
        """Give each block's key, and where its weights stand in the structure's weight vector."""
        ring = conv = 0
        names: list[tuple[int, int]] = []
        for kind in spec.plan:
            names.append((ring, conv if kind == "conv" else -1))
            ring, conv = (ring, conv + 1) if kind == "conv" else (ring + 1, 0)
        seen: set[tuple[int, ...]] = set()
        for block in spec.blocks:
            if block.weights and block.weights not in seen:
                seen.add(block.weights)
                pair = block.qubits if spec.sharing == "site" else None
                yield (*names[block.layer], str(spec.kernels[block.layer]), pair), list(block.weights)
