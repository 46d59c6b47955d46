"""Random structures and random noise for the cross-check."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit.library import RXXGate
from qiskit.quantum_info import Operator
from qiskit_aer.noise import (
    NoiseModel,
    QuantumError,
    ReadoutError,
    amplitude_damping_error,
    coherent_unitary_error,
    depolarizing_error,
    thermal_relaxation_error,
)

from qkd_qiskit.arguments import NOTHING, takes
from qkd_qiskit.encoding import ENCODINGS
from qkd_qiskit.errors import InteropError, VQCNNError
from qkd_qiskit.simulation import MeasuredCircuit, PauliEvaluator, compile_model
from qkd_qiskit.vqcnn import PRESETS, Gene, Kernel, VQCNNSpec

# Outputs nearer to one-hot than this would tell little in a test of counts.
_MOST = 0.97
_ONE_QUBIT = ("x", "y", "z", "id", "rx", "ry", "rz")
_TWO_QUBIT = ("cx", "cy", "cz")
_MOST_CASES = 10_000
_MOST_QUBITS = 6
_NOISELESS = ("crx", "cry", "crz", "sx")


@dataclass(frozen=True, eq=False)
class CrosscheckCase:
    """What all routes compute.

    Attributes:
        source: A spec, or its transpiled circuit.
        weights: Radians [W].
        inputs: Encoded samples [N, F].
        noise_model: Noise over the circuit's qubits; None for none.
    """

    source: MeasuredCircuit | VQCNNSpec
    weights: NDArray[np.float64]
    inputs: NDArray[np.float64]
    noise_model: NoiseModel | None = None

    @property
    def spec(self) -> VQCNNSpec:
        """The structure."""
        return self.source if isinstance(self.source, VQCNNSpec) else self.source.spec


def random_points(
    spec: VQCNNSpec, samples: int, *, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Draw weights [W] and encoded inputs [samples, F]."""
    weights = rng.uniform(-np.pi, np.pi, spec.n_weights)
    return weights, spec.input_encoding.random_inputs(spec.n_qubits, samples, rng=rng)


def random_cases(
    count: int, *, max_qubits: int = 4, samples: int = 3, rng: np.random.Generator
) -> tuple[tuple[CrosscheckCase, CrosscheckCase], ...]:
    """Draw structures, each without noise and under random noise.

    Structures whose ideal outputs are nearly one-hot are drawn again: a test of counts would pass there for
    almost anything.

    Args:
        count: Number of structures.
        max_qubits: Largest width, at least 2.
        samples: Inputs of each.
        rng: Draws everything.
    """
    pairs: list[tuple[CrosscheckCase, CrosscheckCase]] = []
    while len(pairs) < count:
        spec = _random_spec(max_qubits, rng)
        if spec is None:
            continue
        weights, inputs = random_points(spec, samples, rng=rng)
        if PauliEvaluator(spec).probabilities(weights, inputs).max() > _MOST:
            continue
        noise = random_noise(spec.n_qubits, rng=rng)
        pairs.append((CrosscheckCase(spec, weights, inputs), CrosscheckCase(spec, weights, inputs, noise)))
    return tuple(pairs)


@takes(InteropError, count=Integral, qubits=Integral, seed=Integral, index=(Integral, NOTHING))
def make_cases(
    count: int, *, qubits: int, index: int | None = None, backend: str | None = None, seed: int = 0
) -> tuple[CrosscheckCase, ...]:
    """Return the cases of the command line: random structures, or one structure, on a device or not.

    Args:
        count: Number of random structures; without meaning for a given one.
        qubits: Widest random structure.
        index: Model index of a structure; None draws them.
        backend: Device whose noise and transpiled circuit the given structure takes; random noise when
            omitted.
        seed: Draws everything.

    Raises:
        InteropError: If a number is out of range.
        VQCNNError: If no structure has the index.
        HardwareError: If the device is unknown or too small.
    """
    for name, value, least, most in (("count", count, 1, _MOST_CASES), ("qubits", qubits, 2, _MOST_QUBITS)):
        if not least <= value <= most:
            raise InteropError(f"{name}: expected {least} to {most}, found {value}")
    if seed < 0:
        raise InteropError(f"seed: expected at least 0, found {seed}")
    rng = np.random.default_rng(seed)
    if index is None:
        return tuple(case for pair in random_cases(count, max_qubits=qubits, rng=rng) for case in pair)
    spec = VQCNNSpec.from_index(index)
    weights, inputs = random_points(spec, 3, rng=rng)
    ideal = CrosscheckCase(spec, weights, inputs)
    if backend is None:
        return ideal, CrosscheckCase(spec, weights, inputs, random_noise(spec.n_qubits, rng=rng))
    compiled = compile_model(spec, backend)
    return ideal, CrosscheckCase(compiled.circuit or spec, weights, inputs, compiled.noise)


def _random_spec(max_qubits: int, rng: np.random.Generator) -> VQCNNSpec | None:
    """Draw a structure; None where the draw gave none, or one without weights."""
    n = int(rng.integers(2, max_qubits + 1))
    plan = ["conv", *rng.choice(["conv", "edge", "tree"], size=int(rng.integers(0, 4))).tolist()]
    genes = tuple(
        Gene(int(rng.integers(1, 14)), int(rng.integers(2))) for _ in range(int(rng.integers(2, 9)))
    )
    # Three of four cases have the encoding that devices run by default.
    shares = [0.75, *[0.25 / (len(ENCODINGS) - 1)] * (len(ENCODINGS) - 1)]
    kernel = Kernel(genes) if rng.random() < 0.7 else PRESETS[str(rng.choice(sorted(PRESETS)))]
    try:
        spec = VQCNNSpec(
            n,
            str(rng.choice(list(ENCODINGS), p=shares)),
            plan,
            kernel,
            str(rng.choice(["layer", "site"])),
            int(rng.integers(2, 5)),
        )
    except VQCNNError:
        return None
    return spec if spec.n_weights else None


def random_noise(n_qubits: int, *, rng: np.random.Generator) -> NoiseModel:
    """Draw a noise model with another error on every gate and qubit, and asymmetric readout errors.

    Controlled rotations are free of errors: Aer cannot bind their parameters.
    """
    model = NoiseModel(basis_gates=[*_ONE_QUBIT, *_TWO_QUBIT, *_NOISELESS])
    for qubit in range(n_qubits):
        for name in _ONE_QUBIT:
            model.add_quantum_error(_one_qubit_error(rng), name, [qubit])
        up, down = rng.uniform(0.01, 0.1, size=2)
        model.add_readout_error(ReadoutError([[1 - up, up], [down, 1 - down]]), [qubit])
    for first in range(n_qubits):
        for second in range(n_qubits):
            for name in _TWO_QUBIT if first != second else ():
                tilt = coherent_unitary_error(Operator(RXXGate(float(rng.uniform(-0.1, 0.1)))))
                mixed = depolarizing_error(float(rng.uniform(0, 0.05)), 2)
                local = _one_qubit_error(rng).tensor(_one_qubit_error(rng))
                model.add_quantum_error(mixed.compose(tilt).compose(local), name, [first, second])
    return model


def _one_qubit_error(rng: np.random.Generator) -> QuantumError:
    kind = int(rng.integers(3))
    if kind == 0:
        return depolarizing_error(float(rng.uniform(0, 0.02)), 1)
    if kind == 1:
        return amplitude_damping_error(float(rng.uniform(0, 0.03)))
    t1 = float(rng.uniform(50, 150))
    return thermal_relaxation_error(t1, float(rng.uniform(0.2, 1.9)) * t1, float(rng.uniform(0.1, 2)))
