"""What a dataset's accuracy costs on several devices: request, table and picture of the Pareto front."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from qkd_qiskit.config import ModelSettings
from qkd_qiskit.data import DataSource
from qkd_qiskit.errors import ConfigError, ReportingError
from qkd_qiskit.estimator import ExecutionCosts, ParetoFront, build_size_ladder, pareto_front
from qkd_qiskit.estimator.probes.run import thinned
from qkd_qiskit.estimator.rule import DEFAULT_SHOTS
from qkd_qiskit.estimator.statistics import check_data
from qkd_qiskit.hardware import load_backend
from qkd_qiskit.progress import Progress
from qkd_qiskit.reporting.figures import (
    CLASS_COLOURS,
    INK,
    log_scale,
    new_figure,
    picture_bytes,
    report_style,
)
from qkd_qiskit.reporting.resources import held_samples
from qkd_qiskit.runtime.limits import DEFAULT_REP_DELAY
from qkd_qiskit.store.files import write_atomic

#: Heading of a column of the table, and where its value lies.
PARETO_COLUMNS = (
    ("device", "backend"),
    ("blocks", "blocks"),
    ("2-qubit\ngates", "two_qubit_gates"),
    ("ESP", "esp"),
    ("accu-\nracy", "accuracy_percent"),
    ("standard\nerror", "error_percent"),
    ("quantum\nseconds", "seconds"),
    ("price", "cost"),
    ("dominated by", "dominated_by"),
)

_KINDS = (".png", ".svg", ".pdf")
_LARGEST = 60.0


@dataclass(frozen=True)
class ParetoRequest:
    """What a Pareto front is asked for.

    Attributes:
        source: The dataset.
        model: Qubits, encoding, kernel and sharing.
        samples: Samples that the client holds; all if None.
        devices: Their names.
        costs: What predictions cost.
        seed: Of all randomness.
    """

    source: DataSource
    model: ModelSettings
    samples: int | None
    devices: tuple[str, ...]
    costs: ExecutionCosts
    seed: int


def execution_costs(predictions: int, shots: int | None, prices: Sequence[str]) -> ExecutionCosts:
    """Read prices as `PRICE`, or `DEVICE=PRICE`.

    Args:
        predictions: Samples to classify.
        shots: Shots of each; the usual number if None.
        prices: What a quantum second costs on one device, or on all that are not named.

    Raises:
        ConfigError: If a price is no number of at least 0.
    """
    general, named = None, {}
    for text in prices:
        device, _, value = text.rpartition("=")
        try:
            price = float(value)
        except ValueError:
            price = -1.0
        if not 0 <= price < float("inf"):
            raise ConfigError(
                f"--price: expected PRICE or DEVICE=PRICE, a number of at least 0, found {text!r}"
            )
        if device:
            named[device] = price
        else:
            general = price
    return ExecutionCosts(
        predictions=predictions,
        shots=DEFAULT_SHOTS if shots is None else shots,
        rep_delay=DEFAULT_REP_DELAY,
        prices=named,
        price=general,
    )


def check_picture(path: Path) -> None:
    """Refuse a picture that cannot be drawn before minutes of work go into it.

    Raises:
        ReportingError: If its ending is unknown, or its folder is missing.
    """
    if path.suffix not in _KINDS:
        raise ReportingError(f"--pareto: expected a file that ends in {', '.join(_KINDS)}, found {path}")
    if not path.parent.is_dir():
        raise ReportingError(f"--pareto: cannot write {path}: there is no folder {path.parent}")


def measure_pareto(request: ParetoRequest, *, progress: Progress | None = None) -> ParetoFront:
    """Train the ladder's sizes of up to 60 blocks under the noise of every device.

    Raises:
        DataError: If the dataset cannot be loaded, or has fewer samples.
        EstimatorError: If no structure fits, or there are too few samples.
        HardwareError: If a device is unknown.
    """
    model = request.model
    held = held_samples(request.source, model, samples=request.samples, seed=request.seed)
    _, classes, _ = check_data(held.inputs, held.labels)
    ladder = build_size_ladder(
        model.n_qubits,
        encoding=model.encoding,
        kernel=model.kernel,
        sharing=model.sharing,
        n_outcomes=max(2, len(classes)),
    )
    sizes = [spec for spec in thinned(ladder, _LARGEST) if len(spec.blocks) <= _LARGEST]
    devices = [load_backend(name) for name in request.devices]
    return pareto_front(
        held.inputs, held.labels, sizes, devices, request.costs, seed=request.seed, progress=progress
    )


def pareto_lines(front: ParetoFront) -> list[str]:
    """Say in words which points make the front, and which devices are dominated."""
    costs = front.costs
    lines = [
        f"for {costs.predictions} predictions of {costs.shots} shots; accuracy on {front.samples} samples, "
        "each held out once, trained under each device's noise; prices in the currency of --price",
        "accuracies that differ by less than two standard errors are not told apart by these samples",
        "front: " + "; ".join(f"{point.backend}, {point.blocks} blocks" for point in front.front),
    ]
    by = {name: _dominators(front, name) for name in front.dominated_devices}
    lines += [f"dominated: {name}, by {others}" for name, others in by.items()]
    return lines + [f"skipped: {name}: {why}" for name, why in front.skipped.items()]


def write_pareto(front: ParetoFront, path: Path) -> None:
    """Write the picture, in the format that its ending names.

    Raises:
        ReportingError: If it cannot be written.
    """
    with report_style():
        content = picture_bytes(draw_pareto(front), kind=path.suffix.removeprefix("."), dpi=130)
    write_atomic(path, content, ReportingError)


def draw_pareto(front: ParetoFront) -> Figure:
    """Left: accuracy against native two-qubit gates. Right: against quantum seconds, or their price."""
    figure = new_figure(10.5, 4.6)
    panels = figure.subplots(1, 2, sharey=True)
    priced = all(point.cost is not None for point in front.points)
    names = list(dict.fromkeys(point.backend for point in front.points))
    for number, name in enumerate(names):
        own = [point for point in front.points if point.backend == name]
        colour = CLASS_COLOURS[number % len(CLASS_COLOURS)]
        height = [100 * point.accuracy for point in own]
        dominated = name in front.dominated_devices
        label = f"{name}, dominated" if dominated else name
        for panel, across in zip(
            panels,
            (
                [float(point.two_qubit_gates) for point in own],
                [point.cost if priced and point.cost is not None else point.seconds for point in own],
            ),
            strict=True,
        ):
            panel.plot(
                across, height, color=colour, linewidth=1, alpha=0.5, linestyle=":" if dominated else "-"
            )
            faces = ["none" if point.dominated_by else colour for point in own]
            panel.scatter(across, height, c=faces, edgecolors=colour, s=36, label=label, zorder=3)
    for panel in panels:
        log_scale(panel, "x")
    panels[0].set_xlabel("native two-qubit gates")
    panels[0].set_ylabel("accuracy, %")
    unit = "price" if priced else "quantum seconds"
    panels[1].set_xlabel(f"{unit} of {front.costs.predictions} predictions of {front.costs.shots} shots")
    panels[1].legend(fontsize=8)
    figure.suptitle("filled: nothing is at least as good in everything", fontsize=10, color=INK)
    return figure


def _dominators(front: ParetoFront, name: str) -> str:
    found = dict.fromkeys(
        point.dominated_by[0] for point in front.points if point.backend == name and point.dominated_by
    )
    others = [other for other in found if other != name]
    return ", ".join(others) or name
