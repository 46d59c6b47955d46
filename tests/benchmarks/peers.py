"""Other libraries on the engine's tasks: seconds a sample, for the bench."""

from __future__ import annotations

from collections.abc import Iterator

import clock
from qiskit_aer.noise import NoiseModel
from qiskit_aer.primitives import SamplerV2
from qiskit_machine_learning.neural_networks import SamplerQNN

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.errors import InteropError
from qkd_qiskit.interop import PennyLaneEvaluator
from qkd_qiskit.simulation import ActiveCircuit

SHOTS = 1024
_WIDEST = 8


def seconds_a_sample(
    active: ActiveCircuit, noise: NoiseModel, weights: FloatArray, inputs: FloatArray
) -> Iterator[tuple[str, str, float, int, str]]:
    """Time the peers that are installed, on circuits of at most 8 qubits.

    Args:
        active: ISA circuit on its active qubits.
        noise: Noise model of these.
        weights: Radians, `[W]`.
        inputs: At most 10 encoded samples `[N, F]`.

    Yields:
        Task (as in the bench), method, seconds a sample, samples run, and the method's settings.
    """
    if active.spec.n_qubits > _WIDEST:
        return
    yield from _sampler_qnn(active, noise, weights, inputs)
    yield from _pennylane(active, noise, weights, inputs)


def _sampler_qnn(
    active: ActiveCircuit, noise: NoiseModel, weights: FloatArray, inputs: FloatArray
) -> Iterator[tuple[str, str, float, int, str]]:
    """qiskit-machine-learning's SamplerQNN on Aer's noisy sampler."""
    present = set(active.circuit.parameters)
    kept = [k for k, parameter in enumerate(active.w) if parameter in present]
    sampler = SamplerV2(
        default_shots=SHOTS,
        seed=1,
        options={"backend_options": {"noise_model": noise, "method": "density_matrix"}},
    )
    network = SamplerQNN(
        circuit=active.circuit,
        sampler=sampler,
        input_params=list(active.x or ()),
        weight_params=[active.w[k] for k in kept],
        interpret=lambda outcome: outcome,
        output_shape=2**active.spec.n_measured,
    )
    note = f"Aer density matrix, {SHOTS} shots"
    start = clock.seconds()
    network.forward(inputs, weights[kept])
    yield "swarm", "SamplerQNN", (clock.seconds() - start) / len(inputs), len(inputs), note
    start = clock.seconds()
    network.backward(inputs[:1], weights[kept])
    yield "gradient", "SamplerQNN", clock.seconds() - start, 1, f"{note}, parameter shift"


def _pennylane(
    active: ActiveCircuit, noise: NoiseModel, weights: FloatArray, inputs: FloatArray
) -> Iterator[tuple[str, str, float, int, str]]:
    """PennyLane's density matrices and its fast state vectors; nothing where it is not installed."""
    try:
        mixed = PennyLaneEvaluator(active, noise)
        fast = PennyLaneEvaluator(active.spec, simulator="lightning.qubit")
    except InteropError:
        return
    # A density matrix of 8 qubits takes PennyLane about a second a sample.
    count = len(inputs) if active.spec.n_qubits <= 6 else 1
    start = clock.seconds()
    mixed.probabilities(weights, inputs[:count])
    each = (clock.seconds() - start) / count
    yield "swarm", "PennyLane default.mixed", each, count, "Kraus channels of the Aer noise model"
    fast.probabilities(weights, inputs[:1])
    start = clock.seconds()
    fast.probabilities(weights, inputs)
    each = (clock.seconds() - start) / len(inputs)
    yield "ideal swarm", "PennyLane lightning.qubit", each, len(inputs), "one QNode a sample"
