"""What noise costs: strength of the device's noise, shots, and gradients against the number of qubits."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from pydantic import Field

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.baselines.base import train_supervised
from qkd_qiskit.config import ExperimentSettings
from qkd_qiskit.data import joined
from qkd_qiskit.distillation import known_samples
from qkd_qiskit.errors import EstimatorError, SweepError
from qkd_qiskit.federation import distil
from qkd_qiskit.hardware import descriptor_folder
from qkd_qiskit.run import Stage
from qkd_qiskit.run.stages import CENTRALIZED
from qkd_qiskit.simulation import compile_model
from qkd_qiskit.store.files import write_atomic
from qkd_qiskit.store.reading import read_toml
from qkd_qiskit.sweep.cell import Cell, CellRecord, Measurement
from qkd_qiskit.sweep.measurements.federations import (
    open_run,
    public_model,
    right,
    teacher_answers,
    train_clients,
)
from qkd_qiskit.training import class_logits
from qkd_qiskit.vqcnn import VQCNNSpec, default_plan

BASE = "noisy_line"


class NoiseMeasurement(Measurement):
    """Put every client and the server on a line of scaled noise; train, and test with shots too."""

    strength: float = Field(1.0, ge=0, description="factor of all error rates")
    shots: tuple[int, ...] = Field((16, 64, 256, 1024, 4096), description="shots of the global model")

    def measure(self, cell: Cell, folder: Path | None) -> CellRecord:
        """Compare the answers with the test labels, or say why the estimator refuses the device."""
        with TemporaryDirectory() as temporary:
            device = str(scaled_device(self.strength, Path(temporary)))
            clients = tuple(
                client.model_copy(update={"backend": device}) for client in cell.experiment.clients
            )
            server = cell.experiment.server.model_copy(update={"backend": device})
            try:
                return self._run(cell.experiment.model_copy(update={"clients": clients, "server": server}))
            except EstimatorError as error:
                return CellRecord(refused=str(error))

    def _run(self, settings: ExperimentSettings) -> CellRecord:
        run, compiler = open_run(settings)
        own = public_model(run, compiler, None)
        clients, rounds = train_clients(run, compiler, None, own)
        found = distil(run, compiler, rounds, own=own)
        test, compiled, model = run.data.test, found.compiled, found.global_model
        everything = joined(*run.data.clients, known_samples(run, None))
        centralized = train_supervised(run, compiled, CENTRALIZED, everything)
        answers = {
            "global": model.predict(compiled.noisy, test.inputs),
            "teacher_ensemble": teacher_answers(run, rounds.aggregate.teacher, clients, own),
            "centralized": centralized.predict(compiled.noisy, test.inputs),
        }
        exact = compiled.noisy.probabilities(model.weights, test.inputs)
        for shots in self.shots:
            seen = sampled(exact, shots, rng=run.rng(Stage.named(f"{shots} shots")))
            logits = class_logits(seen, model.params[-1], model.n_outcomes)
            answers[f"{shots} shots"] = logits.argmax(axis=1)
        return CellRecord(right={name: right(run, given) for name, given in answers.items()})


class GradientMeasurement(Measurement):
    """Variance of the derivative of one outcome's probability, over uniform weights and all weights."""

    qubits: int = Field(ge=2)
    draws: int = Field(100, ge=1, description="random weight vectors")

    def measure(self, cell: Cell, folder: Path | None) -> CellRecord:
        """Compute the variance with and without noise."""
        n = self.qubits
        spec = VQCNNSpec(n, plan=default_plan(n, 2), kernels="su4", sharing="site", n_outcomes=2)
        compiled = compile_model(spec, BASE)
        rng = np.random.default_rng(n)
        weights = rng.uniform(-np.pi, np.pi, (self.draws, spec.n_weights))
        inputs = rng.uniform(-np.pi / 2, np.pi / 2, (1, spec.n_features))

        def loss(p: FloatArray) -> tuple[FloatArray, FloatArray]:
            slope = np.zeros_like(p)
            slope[..., 0] = 1.0
            return p[:, 0, 0], slope

        evaluators = {"ideal": compiled.ideal, "noisy": compiled.noisy}
        return CellRecord(
            values={"weights": (spec.n_weights,)}
            | {
                name: (float(evaluator.loss_and_gradient(weights, inputs, loss)[1].var(axis=0).mean()),)
                for name, evaluator in evaluators.items()
            }
        )


def scaled_device(strength: float, folder: Path) -> Path:
    """Write a descriptor of `noisy_line` with all error rates times `strength`.

    Relaxation times are divided by it; at strength 0 they last for a second.
    """
    table = read_toml(descriptor_folder() / f"{BASE}.toml", SweepError)
    lines = [
        f'name = "{BASE}_x{strength:g}"',
        f'description = "{BASE} with errors times {strength:g}"',
        'source = "custom"',
        'notes = ["Made for a sweep over the strength of noise."]',
        "[topology]",
        f'kind = "{table["topology"]["kind"]}"',
        f"n_qubits = {table['topology']['n_qubits']}",
        "[timing]",
        f"dt = {table['timing']['dt']}",
        "[qubits]",
        f"t1 = {_lived(table['qubits']['t1'], strength)}",
        f"t2 = {_lived(table['qubits']['t2'], strength)}",
        f"readout_error = {min(table['qubits']['readout_error'] * strength, 0.5)}",
        f"readout_duration = {table['qubits']['readout_duration']}",
    ]
    for gate, values in table["gates"].items():
        lines += [
            f"[gates.{gate}]",
            f"error = {min(values['error'] * strength, 0.5)}",
            f"duration = {values['duration']}",
        ]
    variation = table["variation"]
    lines += ["[variation]", f"spread = {variation['spread']}", f"seed = {variation['seed']}", ""]
    path = folder / f"{BASE}_x{strength:g}.toml"
    write_atomic(path, "\n".join(lines))
    return path


def sampled(probabilities: FloatArray, shots: int, *, rng: np.random.Generator) -> FloatArray:
    """Draw frequencies [N, 2^m] of `shots` measurements from exact probabilities [N, 2^m]."""
    p = np.clip(probabilities, 0.0, None)
    return np.asarray(rng.multinomial(shots, p / p.sum(axis=1, keepdims=True)) / shots)


def _lived(seconds: float, strength: float) -> float:
    return 1.0 if strength == 0 else min(seconds / strength, 1.0)
