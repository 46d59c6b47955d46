"""The self-contained HTML report of one run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from qiskit.circuit import QuantumCircuit

from qkd_qiskit.errors import ReportingError
from qkd_qiskit.evaluation import Results, model_title
from qkd_qiskit.reporting import captions, plots, table
from qkd_qiskit.reporting.circuits import draw_circuit, overview_circuit
from qkd_qiskit.reporting.curves import drawn_curves
from qkd_qiskit.reporting.device_picture import draw_placement
from qkd_qiskit.reporting.extras import ReportExtras
from qkd_qiskit.reporting.figures import ReportPicture, png_source, report_style, shortened, svg_source
from qkd_qiskit.reporting.structure_picture import plot_structure
from qkd_qiskit.store.files import write_atomic
from qkd_qiskit.versions import version_remarks
from qkd_qiskit.vqcnn import VQCNNSpec

#: Columns of gates in one row of a gate-by-gate drawing.
_FOLD = 32
#: Most boxes or gates of a drawing, and most drawings: clients choose structures, and drawing takes time.
_MOST_BOXES, _MOST_GATES, _MOST_OVERVIEWS = 150, 2000, 24
_MOST_VECTOR_CLASSES = 20


def render_report(results: Results, extras: ReportExtras) -> str:
    """Return the report as one HTML text that loads nothing from outside.

    Args:
        results: The checked results.
        extras: Material for the pictures.
    """
    environment = Environment(
        loader=PackageLoader("qkd_qiskit.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        percent=lambda share: table.percent(share).replace(" ", "\u00a0"),
        quantity=table.quantity,
        signed_percent=table.signed_percent,
        interval=table.interval_label,
        model_title=model_title,
        comparison_title=table.comparison_title,
        conclusion=table.comparison_conclusion,
        noise=table.noise_label,
        grouped=lambda number: f"{number:,}".replace(",", "\u2009"),
    )
    with report_style():
        return environment.get_template("report.html.j2").render(
            results=results,
            version_remarks=version_remarks(results.versions),
            model_names=table.model_order(results),
            pictures=_pictures(results, extras),
            overviews=_overviews(results, extras),
            devices=_devices(extras),
            searches=_searches(results, extras),
            settings=extras.settings,
            title=extras.title,
            drawings=_drawings(extras),
        )


def write_report(results: Results, extras: ReportExtras, path: str | Path) -> Path:
    """Write the report as one file, whole or not at all.

    Args:
        results: The checked results.
        extras: Material for the pictures.
        path: The file, usually `.../report.html`.

    Returns:
        The path of the written file.

    Raises:
        ReportingError: If the file cannot be written.
    """
    # A page is written whatever texts it holds.
    text = render_report(results, extras).encode("utf-8", "replace")
    return write_atomic(path, text, ReportingError)


def _pictures(results: Results, extras: ReportExtras) -> dict[str, ReportPicture]:
    """Return the plots by the section that shows them."""
    pictures = {
        "bytes": ReportPicture(
            "What travels",
            "Bytes that all clients together send and receive, distillation beside federated averaging: "
            "shorter bars are cheaper.",
            svg_source(plots.plot_bytes(results)),
        ),
    }
    if results.measured:
        pictures["accuracies"] = ReportPicture(
            "Accuracy with noise and without",
            captions.accuracies_caption(results),
            svg_source(plots.plot_accuracies(results)),
        )
    if extras.class_counts:
        pictures["class_mix"] = ReportPicture(
            "Who holds what",
            captions.class_mix_caption(results, extras),
            svg_source(plots.plot_class_mix(results, extras)),
        )
    if any(client.gates for client in results.clients):
        pictures["gates"] = ReportPicture(
            "Predicted and counted gates",
            captions.gates_caption(results),
            svg_source(plots.plot_gates(results)),
        )
    for name, wanted, title, caption, draw in (
        ("confusion", extras.confusion is not None, "Confusion of the global model",
         captions.confusion_caption, plots.plot_confusion),
        ("client_confusions", bool(extras.client_confusions), "Confusion of each client",
         captions.client_confusions_caption, plots.plot_client_confusions),
        ("training", bool(drawn_curves(extras.histories)), "Training",
         captions.training_caption, plots.plot_training),
        ("rounds", bool(drawn_curves(extras.rounds)), "Rounds",
         captions.rounds_caption, plots.plot_rounds),
        ("reliability", bool(extras.reliability), "Reliability of probabilities",
         captions.reliability_caption, plots.plot_reliability),
        ("quantum_seconds", bool(extras.quantum_seconds), "Time on quantum computers",
         captions.seconds_caption, plots.plot_quantum_seconds),
    ):  # fmt: skip
        if wanted:
            # PERF: as vectors, the thousands of cells of many matrices would fill the page.
            small = name != "client_confusions" and len(extras.classes) <= _MOST_VECTOR_CLASSES
            source = svg_source if small else png_source
            pictures[name] = ReportPicture(title, caption(extras), source(draw(extras)))
    return pictures


def _devices(extras: ReportExtras) -> list[ReportPicture]:
    """Return the map of each device with the qubits that are used; equal places share one."""
    owners: dict[tuple[str, frozenset[int]], list[str]] = {}
    for name, placement in extras.placements.items():
        owners.setdefault((placement.device.name, frozenset(placement.qubits)), []).append(name)
    found = []
    for names in list(owners.values())[:_MOST_OVERVIEWS]:
        placements = [extras.placements[name] for name in names]
        links = sorted({link for placement in placements for link in placement.links})
        placement = replace(placements[0], links=tuple(links))
        found.append(
            ReportPicture(
                f"{placement.device.name} for {', '.join(map(shortened, names))}",
                captions.device_caption(names, placement),
                svg_source(draw_placement(placement)),
            )
        )
    return found


def _overviews(results: Results, extras: ReportExtras) -> list[ReportPicture]:
    """Return block drawings of the clients' structures; clients that share one share the drawing."""
    owners: dict[VQCNNSpec, list[str]] = {}
    for name, spec in extras.specs.items():
        owners.setdefault(spec, []).append(name)
    return [
        _overview(", ".join(_with_device(results, name) for name in names), spec, number)
        for number, (spec, names) in enumerate(owners.items())
    ]


def _overview(title: str, spec: VQCNNSpec, number: int) -> ReportPicture:
    """Return a structure block by block, or in numbers where it is large or the pictures are many."""
    boxes = len(spec.blocks) + spec.n_qubits
    if boxes > _MOST_BOXES or number >= _MOST_OVERVIEWS:
        why = "Too large to draw" if boxes > _MOST_BOXES else "Not drawn, as there are many"
        counts = (
            f"{spec.n_qubits} qubits, {len(spec.plan)} layers, {len(spec.blocks)} blocks, "
            f"{spec.n_weights} weights, {spec.n_two_qubit} two-qubit gates"
        )
        return ReportPicture(title, f"{why}: {counts}.", None)
    return ReportPicture(
        title,
        "Light boxes encode the image, blue boxes are convolution blocks, orange boxes pool a qubit "
        "away, and the qubits that remain are measured.",
        svg_source(draw_circuit(overview_circuit(spec)), tight=True),
    )


def _searches(results: Results, extras: ReportExtras) -> list[ReportPicture]:
    """Return how each client that searched its structure found it."""
    return [
        ReportPicture(
            _with_device(results, name),
            "Each point is one structure that was tried, the lower and the further left the better; the line "
            "is the front, and structures of one preset kernel bear its name. Beside it stands the chosen "
            "structure block by block, with its own kernels gate by gate.",
            svg_source(plot_structure(search)),
        )
        for name, search in list(extras.searches.items())[:_MOST_OVERVIEWS]
    ]


def _with_device(results: Results, name: str) -> str:
    """Return a client's name, with its device where the results know it."""
    devices = {client.name: client.backend for client in results.clients if client.backend}
    return f"{name} ({devices[name]})" if name in devices else name


def _drawings(extras: ReportExtras) -> list[ReportPicture]:
    """Return gate-by-gate drawings; as pixels, since a vector drawing of hundreds of gates is larger."""
    return [_drawing(name, circuit) for name, circuit in list(extras.circuits.items())[:_MOST_OVERVIEWS]]


def _drawing(name: str, circuit: QuantumCircuit) -> ReportPicture:
    gates = len(circuit.data)
    if gates > _MOST_GATES:
        counts = f"{circuit.num_qubits} qubits, {gates} gates, {circuit.num_parameters} parameters"
        return ReportPicture(name, f"The circuit of {name} is too large to draw: {counts}.", None)
    return ReportPicture(
        name,
        f"The circuit of {name}, gate by gate, with inputs x and weights w.",
        png_source(draw_circuit(circuit, fold=_FOLD), tight=True),
    )
