"""The global model on the test samples, through a sampler of the user's own."""

from __future__ import annotations

from dataclasses import dataclass

from qiskit.primitives import BaseSamplerV2
from qiskit.providers import BackendV2

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.errors import HardwareError
from qkd_qiskit.evaluation import Predictions
from qkd_qiskit.hardware import TranspiledVQCNN, device_from_backend, transpile_verified
from qkd_qiskit.simulation import SamplerEvaluator
from qkd_qiskit.training import TrainedModel
from qkd_qiskit.vqcnn import VQCNNSpec


@dataclass(frozen=True, eq=False)
class Sampling:
    """A sampler, and how long it measures.

    Attributes:
        sampler: Any `SamplerV2`. One of a backend with couplings gets circuits transpiled to that backend,
            any other the logical ones.
        shots: Shots of each input.
    """

    sampler: BaseSamplerV2
    shots: int

    def predictions(
        self, spec: VQCNNSpec, model: TrainedModel, inputs: FloatArray, *, seed: int
    ) -> Predictions:
        """Let a trained model predict encoded inputs.

        Args:
            spec: Its structure.
            model: The model.
            inputs: [N, F].
            seed: Seed of the transpiler.

        Raises:
            HardwareError: If the circuit does not fit the sampler's backend.
        """
        source = self._circuit(spec, seed)
        predicted = model.predict(SamplerEvaluator(source, sampler=self.sampler, shots=self.shots), inputs)
        gates = source.report.counted.two_qubit if isinstance(source, TranspiledVQCNN) else None
        return Predictions(predicted, None, "own sampler", len(model.params), gates)

    def _circuit(self, spec: VQCNNSpec, seed: int) -> VQCNNSpec | TranspiledVQCNN:
        backend = getattr(self.sampler, "backend", None)
        if callable(backend):
            backend = backend()
        if not isinstance(backend, BackendV2) or backend.coupling_map is None:
            return spec
        try:
            return transpile_verified(spec, device_from_backend(backend), seed=seed)
        except HardwareError as error:
            raise HardwareError(f"sampler: {error}") from None
