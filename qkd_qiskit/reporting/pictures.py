"""The report's pictures by name, for programs and notebooks."""

from __future__ import annotations

from collections.abc import Callable

from matplotlib.figure import Figure

from qkd_qiskit.errors import ReportingError, did_you_mean
from qkd_qiskit.evaluation.results import Results
from qkd_qiskit.reporting.curves import drawn_curves
from qkd_qiskit.reporting.extras import ReportExtras
from qkd_qiskit.reporting.figures import report_style
from qkd_qiskit.reporting.plots import (
    plot_accuracies,
    plot_bytes,
    plot_class_mix,
    plot_client_confusions,
    plot_confusion,
    plot_gates,
    plot_quantum_seconds,
    plot_reliability,
    plot_rounds,
    plot_training,
)

PICTURES: dict[str, Callable[[Results, ReportExtras], Figure]] = {
    "accuracies": lambda results, _: plot_accuracies(results),
    "gates": lambda results, _: plot_gates(results),
    "bytes": lambda results, _: plot_bytes(results),
    "classes": plot_class_mix,
    "training": lambda _, extras: plot_training(extras),
    "rounds": lambda _, extras: plot_rounds(extras),
    "confusion": lambda _, extras: plot_confusion(extras),
    "client_confusions": lambda _, extras: plot_client_confusions(extras),
    "reliability": lambda _, extras: plot_reliability(extras),
    "quantum_seconds": lambda _, extras: plot_quantum_seconds(extras),
}

_NEEDS: dict[str, Callable[[ReportExtras], bool]] = {
    "classes": lambda extras: bool(extras.class_counts),
    "training": lambda extras: bool(drawn_curves(extras.histories)),
    "rounds": lambda extras: bool(drawn_curves(extras.rounds)),
    "confusion": lambda extras: extras.confusion is not None,
    "client_confusions": lambda extras: bool(extras.client_confusions),
    "reliability": lambda extras: bool(extras.reliability),
    "quantum_seconds": lambda extras: bool(extras.quantum_seconds),
}


def draw_picture(name: str, results: Results, extras: ReportExtras) -> Figure:
    """Draw one of the report's pictures.

    Args:
        name: One of `PICTURES`.
        results: Checked results.
        extras: What results do not hold.

    Raises:
        ReportingError: If there is no such picture, or nothing to draw in it.
    """
    if name not in PICTURES:
        raise ReportingError(
            f"picture: expected one of {', '.join(PICTURES)}, found {name!r}{did_you_mean(name, PICTURES)}"
        )
    if name in _NEEDS and not _NEEDS[name](extras):
        raise ReportingError(f"picture {name}: a loaded result lacks what it shows; the run's report has it")
    with report_style():
        return PICTURES[name](results, extras)
