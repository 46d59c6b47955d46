"""VQCNNs in PennyLane, built from the spec itself or converted: the only module that imports PennyLane."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from qiskit import QuantumCircuit
from qiskit_aer.noise import NoiseModel

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.errors import InteropError
from qkd_qiskit.extras import missing_extra
from qkd_qiskit.interop.noise_channels import Channel, Channels, embedded_channel
from qkd_qiskit.simulation import MeasuredCircuit
from qkd_qiskit.simulation.evaluator import as_measured_circuit, check_inputs, check_weights
from qkd_qiskit.simulation.noise import cut_to_active
from qkd_qiskit.vqcnn import VQCNNSpec, encoding_circuit, inputs_again

Route = Literal["native", "converted"]
Simulator = Literal["pennylane", "lightning.qubit", "qiskit.aer"]

_SILENT = ("barrier", "delay", "measure")
#: PennyLane's operation for each Qiskit gate that VQCNNs and devices are made of.
_OPERATIONS = {
    "x": "PauliX",
    "y": "PauliY",
    "z": "PauliZ",
    "id": "Identity",
    "h": "Hadamard",
    "s": "S",
    "t": "T",
    "sx": "SX",
    "p": "PhaseShift",
    "rx": "RX",
    "ry": "RY",
    "rz": "RZ",
    "cx": "CNOT",
    "cy": "CY",
    "cz": "CZ",
    "ecr": "ECR",
    "crx": "CRX",
    "cry": "CRY",
    "crz": "CRZ",
    "swap": "SWAP",
    "cp": "ControlledPhaseShift",
    "rxx": "IsingXX",
    "ryy": "IsingYY",
    "rzz": "IsingZZ",
}


@dataclass(frozen=True)
class _NativeGate:
    name: str
    angles: tuple[float, ...]
    qubits: tuple[int, ...]


class PennyLaneEvaluator:
    """Outcome probabilities from PennyLane; slow, and made to check the other evaluators.

    `native` writes the gates down from the spec's blocks, without any Qiskit circuit (for a transpiled
    circuit: from its instructions, with this module's own table of gates); the encoding's gates alone are
    read from its circuit. `converted` lets `qml.from_qiskit` do that. Noise enters as Kraus channels made
    from the Aer noise model, readout error included.

    Example:
        >>> import numpy as np
        >>> from qkd_qiskit.interop import PennyLaneEvaluator
        >>> from qkd_qiskit.vqcnn import VQCNNSpec, encoding_circuit
        >>> spec = VQCNNSpec(n_qubits=2, plan="conv", kernels="su4")
        >>> PennyLaneEvaluator(spec).probabilities(np.zeros(spec.n_weights), np.zeros((3, 4))).shape
        (3, 2)
    """

    def __init__(
        self,
        transpiled: MeasuredCircuit | VQCNNSpec,
        noise_model: NoiseModel | None = None,
        *,
        route: Route = "native",
        simulator: Simulator = "pennylane",
        shots: int | None = None,
        seed: int | None = None,
    ) -> None:
        """Prepare the circuit.

        Args:
            transpiled: Result of `transpile_verified`, or a spec for its logical circuit.
            noise_model: Aer noise model over the circuit's qubits; None for ideal gates.
            route: `native`, or `converted`, which needs the plugin pennylane-qiskit.
            simulator: `pennylane` is `default.qubit`, or `default.mixed` under noise. `lightning.qubit` is
                the fast state-vector simulator, without noise. `qiskit.aer` is the plugin's device, which
                takes the Aer noise model as it is and knows no idle noise.
            shots: Shots for `qiskit.aer`; None is exact, which it is without noise only.
            seed: Seed of the shots.

        Raises:
            InteropError: If PennyLane or its plugin is missing, the combination is impossible, or a gate has
                no counterpart.
        """
        self._qml = require_pennylane()
        if route == "converted" or simulator == "qiskit.aer":
            require_plugin()
        source = as_measured_circuit(transpiled)
        self._spec = source.spec
        if simulator != "qiskit.aer" and shots is not None:
            raise InteropError("expected no shots for PennyLane's own simulators, which are exact here")
        if simulator == "lightning.qubit" and noise_model is not None:
            raise InteropError("lightning.qubit knows no noise; take simulator='pennylane'")
        if simulator == "qiskit.aer" and noise_model is not None and shots is None:
            raise InteropError("expected shots for noise on qiskit.aer, found none")
        if simulator == "qiskit.aer" and noise_model is not None:
            _check_density_matrix(source)
        if isinstance(transpiled, VQCNNSpec):
            self._circuit, noise = source.circuit, noise_model
            self._input_qubits = source.input_qubits
        else:
            self._circuit, noise, active = cut_to_active(
                source.circuit, noise_model, keep=source.input_qubits
            )
            self._input_qubits = tuple(active.index(qubit) for qubit in source.input_qubits)
        self._names = [vector.name for vector in (source.x, source.w) if vector is not None]
        self._own = route == "native" and isinstance(transpiled, VQCNNSpec)
        self._route, self._shots = route, shots
        measured = {
            self._circuit.find_bit(item.clbits[0]).index: self._circuit.find_bit(item.qubits[0]).index
            for item in self._circuit.data
            if item.operation.name == "measure"
        }
        self._measured = tuple(measured[bit] for bit in sorted(measured))
        channels = Channels(noise) if simulator != "qiskit.aer" else Channels(None)
        self._channels = channels
        self._parts = [self._part(item, channels) for item in self._circuit.data]
        if simulator == "qiskit.aer" and any(channel for _, channel in self._parts):
            raise InteropError("qiskit.aer knows no channels on idle qubits; take simulator='pennylane'")
        self._plain = _gates_only(self._circuit)
        self._simulator, self._noise = simulator, noise
        self._seeds = np.random.SeedSequence(seed)

    @property
    def spec(self) -> VQCNNSpec:
        """The structure that is evaluated."""
        return self._spec

    def probabilities(self, weights: ArrayLike, inputs: ArrayLike) -> FloatArray:
        """Return outcome probabilities, readout errors included; relative frequencies with shots.

        Args:
            weights: Radians, `[..., W]`.
            inputs: Encoded samples `[N, F]`.

        Returns:
            `[..., N, 2^m]`; the index is the integer read from `meas`.

        Raises:
            SimulationError: If a shape is wrong or a value is not finite.
            InteropError: If PennyLane drops an operation.
        """
        array = check_weights(weights, self._spec)
        samples = check_inputs(inputs, self._spec)
        rows = [self._run(w, x) for w in array.reshape(-1, self._spec.n_weights) for x in samples]
        shape = (*array.shape[:-1], len(samples), 2 ** len(self._measured))
        return np.array(rows, dtype=np.float64).reshape(shape)

    def _run(self, weights: FloatArray, sample: FloatArray) -> FloatArray:
        steps = list(self._steps(weights, sample))
        qml = self._qml

        def circuit() -> Any:
            if self._spec.takes_states:
                (state,) = self._spec.input_encoding.states(sample[None])
                state = state / np.linalg.norm(state)
                qml.StatePrep(state, wires=list(reversed(self._input_qubits)))
            for step in steps:
                if isinstance(step, Channel):
                    qml.QubitChannel(step.kraus, wires=list(reversed(step.qubits)))
                elif isinstance(step, _NativeGate):
                    getattr(qml, _OPERATIONS[step.name])(*step.angles, wires=list(step.qubits))
                else:
                    qml.apply(step)
            # PennyLane's first wire is the most significant bit.
            return qml.probs(wires=list(reversed(self._measured)))

        node = qml.QNode(circuit, self._make_device(), diff_method=None)
        if self._shots is not None:
            node = qml.set_shots(node, shots=self._shots)
        return np.asarray(node(), dtype=np.float64)

    def _steps(self, weights: FloatArray, sample: FloatArray) -> Iterable[Any]:
        """Return gates and channels in the order in which they act, readout errors last."""
        if self._own:
            for gate in native_gates(self._spec, weights, sample):
                yield gate
                yield from self._channels.after(gate.name, gate.qubits)
        elif self._route == "converted":
            operations = iter(self._converted(weights, sample))
            for part, channels in self._parts:
                if part is not None:
                    yield next(operations)
                yield from channels
        else:
            values = {"w": weights, "x": sample}
            bound = self._circuit.assign_parameters(
                {p: float(values[p.vector.name][p.index]) for p in self._circuit.parameters}
            )
            for item, (part, channels) in zip(bound.data, self._parts, strict=True):
                if part is not None:
                    yield _NativeGate(part.name, tuple(map(float, item.operation.params)), part.qubits)
                yield from channels
        for qubit in self._measured:
            yield from self._channels.readout(qubit)

    def _part(self, item: Any, channels: Channels) -> tuple[_NativeGate | None, tuple[Channel, ...]]:
        """Return an instruction as a gate (without its angles) and the channels that follow."""
        qubits = tuple(self._circuit.find_bit(qubit).index for qubit in item.qubits)
        embedded = embedded_channel(item, self._circuit)
        if embedded is not None:
            return None, (embedded,)
        name = item.operation.name
        if name in _SILENT:
            return None, ()
        if name not in _OPERATIONS:
            raise InteropError(f"expected gates among {', '.join(_OPERATIONS)}, found {name!r}")
        return _NativeGate(name, (), qubits), channels.after(name, qubits)

    def _converted(self, weights: FloatArray, sample: FloatArray) -> list[Any]:
        qml = self._qml
        values = {"w": weights, "x": sample}
        wanted = {p.vector.name for p in self._plain.parameters}
        arguments = {name: values[name] for name in self._names if name in wanted}
        with warnings.catch_warnings():
            # PennyLane drops what it does not know with a mere warning.
            warnings.simplefilter("error")
            try:
                with qml.queuing.AnnotatedQueue() as queue:
                    qml.from_qiskit(self._plain)(**arguments)
            except UserWarning as warning:
                raise InteropError(f"qml.from_qiskit: {warning}") from None
        operations = list(queue.queue)
        if len(operations) != len(self._plain.data):
            raise InteropError(
                f"qml.from_qiskit: expected {len(self._plain.data)} operations, found {len(operations)}"
            )
        return operations

    def _make_device(self) -> Any:
        """Return a fresh device: one with a fixed seed would draw the same random numbers for every row."""
        wires = self._circuit.num_qubits
        noisy = self._noise is not None or any(channels for _, channels in self._parts)
        if self._simulator == "pennylane":
            return self._qml.device("default.mixed" if noisy else "default.qubit", wires=wires)
        if self._simulator == "lightning.qubit":
            return self._qml.device("lightning.qubit", wires=wires)
        options: dict[str, object] = {"optimization_level": 0, "method": "statevector"}
        if self._shots is not None:
            (child,) = self._seeds.spawn(1)
            options["seed_simulator"] = int(child.generate_state(1)[0]) >> 2
        if self._noise is not None:
            options |= {"noise_model": self._noise, "method": "density_matrix"}
        return self._qml.device("qiskit.aer", wires=wires, **options)


def native_gates(spec: VQCNNSpec, weights: FloatArray, sample: FloatArray) -> Iterable[_NativeGate]:
    """Return the gates of a structure, straight from its definition: encoding, then blocks.

    Args:
        spec: The structure.
        weights: Radians [W].
        sample: One encoded sample [F]; states are no gates and are left to the caller.

    Raises:
        InteropError: If the encoding has a gate that PennyLane lacks.
    """
    yield from _input_gates(encoding_circuit(spec), sample)
    for number, block in enumerate(spec.blocks):
        if number == spec.blocks_before_inputs:
            yield from _input_gates(inputs_again(spec), sample)
        angles = iter(block.weights)
        for gene in spec.kernels[block.layer].genes:
            turn = (float(weights[next(angles)]),) if gene.is_parametrized else ()
            name = "id" if gene.name == "I" else gene.name.lower()
            yield _NativeGate(name, turn, tuple(block.qubits[place] for place in gene.qubits))
    if spec.blocks_before_inputs == len(spec.blocks):
        yield from _input_gates(inputs_again(spec), sample)


def _input_gates(circuit: QuantumCircuit, sample: FloatArray) -> Iterable[_NativeGate]:
    bound = circuit.assign_parameters({p: float(sample[p.index]) for p in circuit.parameters})
    for item in bound.data:
        if item.operation.name not in _OPERATIONS:
            raise InteropError(
                f"expected gates among {', '.join(_OPERATIONS)}, found {item.operation.name!r}"
            )
        qubits = tuple(bound.find_bit(qubit).index for qubit in item.qubits)
        yield _NativeGate(item.operation.name, tuple(map(float, item.operation.params)), qubits)


def _check_density_matrix(source: MeasuredCircuit) -> None:
    """Refuse what Aer's density matrices would have to decompose into gates that bear other noise."""
    if not source.spec.executable:
        raise InteropError(
            f"expected an encoding of gates for noise on qiskit.aer, found {source.spec.encoding}"
        )
    unknown = {"crx", "cry", "crz"} & set(source.circuit.count_ops())
    if unknown:
        raise InteropError(f"expected gates of Aer's density matrices on qiskit.aer, found {min(unknown)!r}")


def _gates_only(circuit: QuantumCircuit) -> QuantumCircuit:
    plain = QuantumCircuit(circuit.num_qubits)
    for item in circuit.data:
        if item.operation.name not in (*_SILENT, "quantum_channel"):
            plain.append(item.operation, [circuit.find_bit(qubit).index for qubit in item.qubits])
    return plain


def require_pennylane() -> Any:
    """Return the package PennyLane.

    Raises:
        InteropError: If it is missing.
    """
    try:
        import pennylane
    except ImportError:
        raise InteropError(missing_extra("PennyLane's evaluator", "pennylane")) from None
    return pennylane


def require_plugin() -> None:
    """Make sure that PennyLane's plugin for Qiskit is there.

    PennyLane finds it through its entry points; it is asked for here, so that its absence has a clear name.

    Raises:
        InteropError: If PennyLane or the plugin is missing.
    """
    try:
        import_module("pennylane_qiskit")
    except ImportError:
        needed = missing_extra("PennyLane with Qiskit's circuits or devices", "pennylane-qiskit")
        raise InteropError(f"{needed} (it holds Qiskit back: keep it in an environment of its own)") from None
