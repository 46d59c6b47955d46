"""What noise costs: strength of the device's noise, shots, and gradients against the number of qubits."""

from __future__ import annotations

import io
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from qkd_qiskit.config import ExperimentSettings
from qkd_qiskit.errors import EstimatorError
from qkd_qiskit.federation import distil, run_client, together, train_supervised
from qkd_qiskit.hardware import descriptor_folder
from qkd_qiskit.progress import Progress
from qkd_qiskit.run import RunContext
from qkd_qiskit.simulation import compile_model
from qkd_qiskit.store.files import write_atomic
from qkd_qiskit.studies.federated import draw_accuracy, open_context, pack, percent, pooled_accuracy
from qkd_qiskit.studies.swarm_data import Cell, run_cells
from qkd_qiskit.training import class_logits
from qkd_qiskit.vqcnn import VQCNNSpec, default_plan

STRENGTHS = (0.0, 0.125, 0.25, 0.5, 1.0, 2.0)
SHOTS = (16, 64, 256, 1024, 4096)
QUBITS = (2, 4, 6, 8)
DRAWS = 100
NOISE_COLUMNS = (
    "strength",
    "global",
    "teacher_ensemble",
    "centralized",
    *(f"{n} shots" for n in SHOTS),
    "refused",
)
BASE = "noisy_line"


def scaled_device(strength: float, folder: Path) -> Path:
    """A descriptor of `noisy_line` with all error rates times `strength`, written into the folder.

    Relaxation times are divided by it; at strength 0 they last for a second.
    """
    table = tomllib.loads((descriptor_folder() / f"{BASE}.toml").read_text("utf-8"))
    lines = [
        f'name = "{BASE}_x{strength:g}"',
        f'description = "{BASE} with errors times {strength:g}"',
        'source = "custom"',
        'notes = ["Made for the noise study."]',
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


def study_noise(
    settings: Sequence[ExperimentSettings],
    folder: Path,
    *,
    strengths: Sequence[float] = STRENGTHS,
    progress: Progress | None = None,
) -> list[dict[str, str]]:
    """Put every client and the server on a line of growing noise; train, and test with shots too.

    Draws `noise.png`: accuracy against strength, against shots, and the variance of the loss's gradient
    against qubits, with and without noise.

    Args:
        settings: One experiment a seed; their devices are replaced.
        folder: Where devices, records and the picture lie; an interrupted study goes on there.
        strengths: Factors of the error rates.
        progress: Told of every run.

    Returns:
        Rows with the columns `NOISE_COLUMNS`; percent with bootstrap 95 % intervals. Where the estimator
        refuses, as the device is too noisy for any structure, a row holds its reason instead.
    """
    cells = [
        _cell(one, strength, scaled_device(strength, folder)) for strength in strengths for one in settings
    ]
    records = run_cells("noise", cells, folder, progress=progress)
    of = {s: records[k * len(settings) : (k + 1) * len(settings)] for k, s in enumerate(strengths)}
    gradients = run_cells(
        "gradients",
        [
            Cell(f"{n}-qubits", {"draws": DRAWS, "device": BASE}, lambda n=n: gradient_variance(n))  # type: ignore[misc]
            for n in QUBITS
        ],
        folder,
        progress=progress,
    )
    able = {s: found for s, found in of.items() if not any("refused" in record for record in found)}
    write_atomic(folder / "noise.png", _draw(able, gradients))
    shown = NOISE_COLUMNS[1:-1]
    rows = []
    for s, found in of.items():
        row = {"strength": f"{s:g}"}
        if s in able:
            row |= {name: percent(pooled_accuracy(found, name)) for name in shown}
        else:
            row["refused"] = next(record["refused"] for record in found if "refused" in record)
        rows.append(row)
    return rows


def sampled(
    probabilities: NDArray[np.float64], shots: int, *, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Frequencies [N, 2^m] of `shots` measurements of exact probabilities [N, 2^m]."""
    p = np.clip(probabilities, 0.0, None)
    return np.asarray(rng.multinomial(shots, p / p.sum(axis=1, keepdims=True)) / shots)


def gradient_variance(n_qubits: int, *, draws: int = DRAWS) -> dict[str, Any]:
    """Variance of the derivative of one outcome's probability, over uniform weights and all weights.

    Args:
        n_qubits: Width of the chain.
        draws: Random weight vectors.
    """
    spec = VQCNNSpec(n_qubits, plan=default_plan(n_qubits, 2), kernels="su4", sharing="site", n_outcomes=2)
    compiled = compile_model(spec, BASE)
    rng = np.random.default_rng(n_qubits)
    weights = rng.uniform(-np.pi, np.pi, (draws, spec.n_weights))
    inputs = rng.uniform(-np.pi / 2, np.pi / 2, (1, spec.n_features))

    def loss(p: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        slope = np.zeros_like(p)
        slope[..., 0] = 1.0
        return p[:, 0, 0], slope

    found: dict[str, Any] = {"qubits": n_qubits, "weights": spec.n_weights}
    evaluators = {
        "ideal": compiled.ideal,
        "noisy": compiled.noisy,
    }
    for name, evaluator in evaluators.items():
        gradient = evaluator.loss_and_gradient(weights, inputs, loss)[1]
        found[name] = float(gradient.var(axis=0).mean())
    return found


def _lived(seconds: float, strength: float) -> float:
    return 1.0 if strength == 0 else min(seconds / strength, 1.0)


def _cell(settings: ExperimentSettings, strength: float, device: Path) -> Cell:
    clients = tuple(client.model_copy(update={"backend": str(device)}) for client in settings.clients)
    server = settings.server.model_copy(update={"backend": str(device)})
    moved = settings.model_copy(update={"clients": clients, "server": server})
    kept = {"strength": strength, "device": BASE, **settings.model_dump(mode="json")}
    return Cell(f"x{strength:g}-seed{settings.seed}", kept, lambda: _run(moved))


def _run(settings: ExperimentSettings) -> dict[str, Any]:
    context: RunContext = open_context(settings)
    try:
        clients = [run_client(context, number) for number in range(len(settings.clients))]
        found = distil(context, [client.message.to_bytes() for client in clients])
    except EstimatorError as error:
        return {"refused": str(error)}
    data, test, machine, model = context.data, context.data.test, found.machine, found.global_model
    centralized = train_supervised(context, machine, "centralized", together(data))
    outputs = [client.model.outcome_probabilities(client.machine.noisy, test.inputs) for client in clients]
    taught = dict(zip([client.settings.name for client in clients], outputs, strict=True))
    answers = {
        "global": model.predict(machine.noisy, test.inputs),
        "centralized": centralized.predict(machine.noisy, test.inputs),
        "teacher_ensemble": found.teacher.class_probabilities(
            [taught[name] for name in found.teacher.clients]
        ).argmax(axis=1),
    }
    right = {name: pack(given == test.labels) for name, given in answers.items()}
    exact = machine.noisy.probabilities(model.weights, test.inputs)
    for shots in SHOTS:
        seen = sampled(exact, shots, rng=context.rng(f"{shots} shots"))
        predicted = class_logits(seen, model.params[-1], model.n_outcomes).argmax(axis=1)
        right[f"{shots} shots"] = pack(predicted == test.labels)
    return {"right": right}


def _draw(of: dict[float, list[dict[str, Any]]], gradients: Sequence[dict[str, Any]]) -> bytes:
    figure = Figure(figsize=(11, 3.8), layout="constrained")
    FigureCanvasAgg(figure)
    left, middle, right = figure.subplots(1, 3)
    for name in ("global", "teacher_ensemble", "centralized"):
        draw_accuracy(left, list(of), [pooled_accuracy(found, name) for found in of.values()], name)
    left.set(xlabel=f"errors of {BASE}, times", ylabel="accuracy, %")
    for strength, found in of.items():
        values = [100 * pooled_accuracy(found, f"{shots} shots").value for shots in SHOTS]
        middle.plot(SHOTS, values, "o-", label=f"noise times {strength:g}")
    middle.set(xscale="log", xlabel="shots of the global model", ylabel="accuracy, %")
    for kind in ("ideal", "noisy"):
        right.plot([g["qubits"] for g in gradients], [g[kind] for g in gradients], "o-", label=kind)
    right.set(yscale="log", xlabel="qubits", ylabel="variance of a derivative")
    for axes in (left, middle, right):
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=140)
    return buffer.getvalue()
