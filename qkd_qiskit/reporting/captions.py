"""What to see in each picture of a report: one sentence, with what this result shows."""

from __future__ import annotations

import numpy as np

from qkd_qiskit.evaluation import Results, model_title
from qkd_qiskit.reporting.confusions import recalls
from qkd_qiskit.reporting.curves import MOST_PANELS, drawn_curves, has_points
from qkd_qiskit.reporting.extras import Placement, ReportExtras
from qkd_qiskit.reporting.figures import shortened
from qkd_qiskit.reporting.plots import MOST_ROWS


def accuracies_caption(results: Results) -> str:
    """Say which model is best, and how the global one does."""
    best = max(results.measured, key=lambda name: results.measured[name].accuracy)
    told = f"{model_title(best)} is highest with {100 * results.measured[best].accuracy:.1f} %"
    return (
        "Filled points are accuracies under each model's noise with their 95 % intervals, rings are the same "
        f"weights without noise, and grey models are classical: {told}, and where intervals overlap much, "
        "the order may be chance."
    )


def class_mix_caption(results: Results, extras: ReportExtras) -> str:
    """Say how differently the classes lie with the clients."""
    del results
    counts = np.array(list(extras.class_counts.values()))
    most = int((counts > 0).sum(axis=1).max())
    form = "row, darker for more samples," if len(counts) > MOST_ROWS else "bar"
    return (
        f"Each {form} is one client's private data by class: no client holds more than {most} of the "
        f"{len(extras.classes)} classes, and they hold {counts.sum(axis=1).min()} to "
        f"{counts.sum(axis=1).max()} samples."
    )


def gates_caption(results: Results) -> str:
    """Say how far predictions and counts are apart."""
    found = [c.gates for c in results.clients if c.gates is not None]
    exact = sum(gates.relative_error.two_qubit == 0 for gates in found)
    return (
        "For every client the native gates predicted in closed form beside those counted in the transpiled "
        f"circuit, thin lines spanning predicted ranges: the two-qubit gates of {exact} of {len(found)} "
        "clients were predicted exactly."
    )


def confusion_caption(extras: ReportExtras) -> str:
    """Say which class is found least often."""
    said = (
        "Rows are true classes, columns are predictions of the global model under noise, numbers are test "
        "samples, and the bars are the share of each class that was found"
    )
    if extras.confusion is None or not extras.confusion.any():
        return f"{said}."
    found = recalls(extras.confusion)
    worst = int(np.nanargmin(found))
    return f"{said}: class {shortened(extras.classes[worst])} has the lowest, {100 * found[worst]:.1f} %."


def client_confusions_caption(extras: ReportExtras) -> str:
    """Say what hatched rows are, and how many clients are drawn."""
    return (
        "Each client's model alone on the test samples of all classes: rows that are hatched are classes of "
        f"which it has no sample (its recall of own and of other classes stands above){_drawn(extras)}."
    )


def training_caption(extras: ReportExtras) -> str:
    """Say what a good curve looks like."""
    drawn = len(drawn_curves(extras.histories))
    known = sum(map(has_points, extras.histories.values()))
    part = "" if drawn == known else f" ({drawn} of {known} models are drawn)"
    return (
        "Each panel shows one model's training loss, dashed for the best of a particle swarm where there was "
        "one, then solid for the gradient refinement, by iterations of L-BFGS or by at most twenty equal "
        f"stretches of Adam's steps: a curve that is flat at its end has converged{part}."
    )


def rounds_caption(extras: ReportExtras) -> str:
    """Say which round was kept."""
    kept = ", ".join(
        f"{model_title(name)} after round {curve.kept}" for name, curve in drawn_curves(extras.rounds).items()
    )
    return (
        "Models whose parameters the clients share, before the first round and after each: the dotted line "
        f"is where the server's own labels were answered best ({kept}), and rounds behind it made things "
        "worse."
    )


def reliability_caption(extras: ReportExtras) -> str:
    """Say whether calibration helped."""
    del extras
    return (
        "Answers on public samples whose labels the server keeps to itself, by how probable the model called "
        "them, larger points for more answers: on the dotted line they are right as often as they say, below "
        "it they are too sure, and calibration should move them towards it."
    )


def seconds_caption(extras: ReportExtras) -> str:
    """Say that nothing ran there, and what the times stand for."""
    total = f"{sum(extras.quantum_seconds.values()):,.0f}".replace(",", "\u2009")
    return (
        "Nothing here ran on a quantum computer: bars are the seconds that the answers would take there by a "
        "closed form, with the shots that the gate budgets assume, one job each and 250 microseconds between "
        f"shots, {total} s in all."
    )


def device_caption(names: list[str], placement: Placement) -> str:
    """Say who runs where, and what to look for."""
    return (
        f"Circuits of {', '.join(map(shortened, names))} use the orange qubits of {placement.device.name}: "
        "couplings are coloured by the error of their two-qubit gate and qubits by their readout error, "
        "darker for more, and on the right the costliest ones that are used stand beside the device's "
        "medians, dotted."
    )


def _drawn(extras: ReportExtras) -> str:
    known = len(extras.client_confusions)
    return "" if known <= MOST_PANELS else f" ({MOST_PANELS} of {known} clients are drawn)"
