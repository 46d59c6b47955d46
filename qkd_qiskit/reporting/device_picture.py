"""A device as a picture: its couplings, their errors, and the chain that a structure would run on."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.collections import LineCollection
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator
from numpy.typing import NDArray
from scipy.sparse.csgraph import shortest_path
from sklearn.manifold import smacof

from qkd_qiskit.errors import ReportingError
from qkd_qiskit.hardware import Device, predict
from qkd_qiskit.hardware.targets import DEAD_GATE_ERROR, DEAD_READOUT_ERROR, error_of
from qkd_qiskit.reporting.extras import Placement
from qkd_qiskit.reporting.figures import (
    BLUE,
    GREEN,
    GREY,
    HALO,
    INK,
    ORANGE,
    new_figure,
    picture_bytes,
    shortened,
)
from qkd_qiskit.store.files import write_atomic
from qkd_qiskit.vqcnn import VQCNNSpec

MOST_QUBITS = 200
"""Most qubits that a picture shows."""

_FLOOR = 1e-5
_MOST_COSTS = 24


def chosen_chain(device: Device, spec: VQCNNSpec) -> tuple[int, ...] | None:
    """Physical qubits that a structure is put on; None where the transpiler looks for a layout.

    Raises:
        HardwareError: If the structure does not fit the device.
    """
    return predict(spec, device).chain


def draw_device(device: Device, spec: VQCNNSpec | None = None) -> Figure:
    """Return the qubits and couplings, coloured by readout error and two-qubit error, with the chosen chain.

    Args:
        device: The device.
        spec: The structure whose chain is drawn; none when omitted.

    Raises:
        HardwareError: If the structure does not fit the device.
    """
    chain = None if spec is None else chosen_chain(device, spec)
    chosen = Placement(device, chain or (), tuple(pairwise(chain or ())))
    view = _View(device, chosen.qubits)
    figure = new_figure(view.inches, max(view.height + 2.2, 3.2))
    _draw_map(figure, figure.subplots(), view, chosen)
    return figure


def draw_placement(placement: Placement) -> Figure:
    """Return a device's couplings with the qubits that a circuit uses, and beside them what these cost.

    Args:
        placement: Device, qubits and links. Of a device of more than `MOST_QUBITS` qubits, those around the
            circuit are drawn.
    """
    view = _View(placement.device, placement.qubits)
    width = 0.75 * view.inches
    figure = new_figure(width + 3.2, max(0.75 * view.height + 2.2, 4.2))
    # Each has margins of its own: what stands below one does not squeeze the other.
    left, right = np.asarray(figure.subfigures(1, 2, width_ratios=(width, 3.2)))
    _draw_map(left, left.subplots(), view, placement)
    _draw_costs(right, right.subplots(), placement)
    return figure


class _View:
    """The part of a device that is drawn.

    Attributes:
        device: The device.
        qubits: Its physical qubits that are drawn, rising.
        edges: Error of each coupling between them.
        places: Where each of them is drawn, by number.
        inches: Width of the picture.
        height: Height of the map in inches.
    """

    def __init__(self, device: Device, chosen: Sequence[int]) -> None:
        edges = edge_errors(device)
        self.device = device
        self.qubits = _around(device.n_qubits, list(edges), chosen)
        inside = set(self.qubits)
        self.edges = {edge: error for edge, error in edges.items() if inside.issuperset(edge)}
        number = {qubit: place for place, qubit in enumerate(self.qubits)}
        found = _layout(len(self.qubits), tuple((number[a], number[b]) for a, b in self.edges))
        self.places = dict(zip(self.qubits, found, strict=True))
        self.small = len(self.qubits) <= 30
        width, height = np.ptp(found, axis=0)
        self.inches = 7.0 if self.small else 10.0
        self.height = min(max(0.8 * self.inches * height / max(width, 1e-9), 0.0), self.inches)


def _draw_map(figure: Figure | SubFigure, axes: Axes, view: _View, chosen: Placement) -> None:
    device, edges, places, small = view.device, view.edges, view.places, view.small
    readout = np.array([_readout_error(device, q) for q in view.qubits])
    spots = np.array([places[q] for q in view.qubits])
    alive = {edge: error for edge, error in edges.items() if error < DEAD_GATE_ERROR}
    lines = LineCollection(
        [[places[a], places[b]] for a, b in alive],
        array=np.maximum(list(alive.values()), _FLOOR),
        norm=LogNorm(),
        cmap="viridis_r",
        linewidths=2.2 if small else 1.8,
        alpha=0.5 if len(alive) > 3 * len(spots) else 1.0,
    )
    axes.add_collection(lines)
    dead = [[places[a], places[b]] for a, b in edges if (a, b) not in alive]
    if dead:
        axes.add_collection(
            LineCollection(dead, colors=GREY, linestyles=":", linewidths=1.5, label="broken gate")
        )
    if chosen.qubits:
        _draw_chosen(axes, view, chosen)
    broken = readout >= DEAD_READOUT_ERROR
    dots = axes.scatter(
        spots[~broken, 0],
        spots[~broken, 1],
        c=np.maximum(readout[~broken], _FLOOR),
        norm=LogNorm(),
        cmap="magma_r",
        s=150 if small else 60,
        edgecolors=INK,
        linewidths=0.6,
        zorder=3,
    )
    if broken.any():
        axes.scatter(
            spots[broken, 0], spots[broken, 1], c=GREY, marker="x", s=50, zorder=3, label="broken readout"
        )
    for qubit in view.qubits if small else chosen.qubits:
        axes.annotate(
            str(qubit),
            places[qubit],
            xytext=(6, 6),
            textcoords="offset points",
            fontsize=8,
            color=INK,
            path_effects=[HALO],
            zorder=4,
        )
    for shades, what in ((lines, f"error of {device.two_qubit_gate}"), (dots, "readout error")):
        values = np.asarray(shades.get_array(), dtype=np.float64)
        bar = figure.colorbar(
            shades, ax=axes, label=f"{what}, %", location="bottom", shrink=0.8, aspect=40, pad=0.02
        )
        _label(bar.ax.xaxis, values, 100.0)
    part = "" if len(view.qubits) == device.n_qubits else f", {len(view.qubits)} of {device.n_qubits} qubits"
    axes.set_title(
        f"{shortened(device.name)}, calibration {(device.calibration_date or 'made up')[:10]}{part}"
    )
    axes.set_aspect("equal")
    axes.set_axis_off()
    # A line of qubits has no height of its own.
    for limit, values in ((axes.set_xlim, spots[:, 0]), (axes.set_ylim, spots[:, 1])):
        limit(values.min() - 0.7, values.max() + 0.7)
    if chosen.qubits or dead or broken.any():
        figure.legend(loc="outside lower center", ncols=3, frameon=False)


def _draw_chosen(axes: Axes, view: _View, chosen: Placement) -> None:
    """Mark the qubits, and the couplings between them that are used; a chain in one stroke."""
    places, label = view.places, "chosen chain" if _is_chain(chosen) else "chosen qubits"
    style: dict[str, Any] = {"color": ORANGE, "linewidth": 8, "alpha": 0.45, "solid_capstyle": "round"}
    if _is_chain(chosen):
        axes.plot(*np.array([places[q] for q in chosen.qubits]).T, label=label, **style)
        return
    for a, b in chosen.links:
        axes.plot(*np.array([places[a], places[b]]).T, **style)
    spots = np.array([places[q] for q in chosen.qubits])
    axes.scatter(
        spots[:, 0], spots[:, 1], s=260 if view.small else 140, color=ORANGE, alpha=0.45, label=label
    )


def _is_chain(chosen: Placement) -> bool:
    steps = {(min(pair), max(pair)) for pair in pairwise(chosen.qubits)}
    return bool(steps) and steps == {(min(pair), max(pair)) for pair in chosen.links}


def _draw_costs(figure: SubFigure, axes: Axes, placement: Placement) -> None:
    """Draw the errors of the chosen qubits and couplings, and the medians of the whole device."""
    device = placement.device
    edges = edge_errors(device)
    rows = [(f"{a}-{b}", edges.get((min(a, b), max(a, b)), 1.0), BLUE) for a, b in placement.links]
    rows += [(f"qubit {q}", _readout_error(device, q), GREEN) for q in placement.qubits]
    # What costs most is what a reader wants to see.
    rows = sorted(rows, key=lambda row: -row[1])[:_MOST_COSTS]
    places = np.arange(len(rows))
    percent = 100 * np.maximum([error for _, error, _ in rows], _FLOOR)
    axes.hlines(places, 100 * _FLOOR, percent, color=[colour for *_, colour in rows], alpha=0.5)
    for colour, marker in ((BLUE, "s"), (GREEN, "o")):
        own = np.array([row[2] == colour for row in rows], dtype=np.bool_)
        axes.plot(percent[own], places[own], marker, color=colour, markersize=5)
    axes.set_xscale("log")
    if len(rows):
        axes.set_xlim(percent.min() / 1.6, percent.max() * 1.6)
    _label(axes.xaxis, percent, 1.0)
    axes.set_yticks(places, [name for name, *_ in rows], fontsize=8)
    axes.invert_yaxis()
    readout = [_readout_error(device, qubit) for qubit in range(device.n_qubits)]
    for errors, colour, label in (
        (list(edges.values()), BLUE, device.two_qubit_gate),
        (readout, GREEN, "readout"),
    ):
        middle = 100 * float(np.median(errors))
        axes.axvline(
            middle, color=colour, linestyle=":", linewidth=1.4, label=f"median {label}, {middle:.2g} %"
        )
    axes.set_xlabel("error, %")
    axes.set_title("what the circuit uses")
    figure.legend(loc="outside lower center", fontsize=8)


def _label(axis: Axis, values: NDArray[np.float64], factor: float) -> None:
    """Label the least, the middle and the largest value on a logarithmic axis.

    As plain numbers: powers of ten would be formulas, which a report does not set.
    """
    low, high = (values.min(), values.max()) if values.size else (1.0, 1.0)
    ticks = sorted({low, float(np.sqrt(low * high)), high}) if high > 1.05 * low else [high]
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_major_formatter(FixedFormatter([f"{factor * tick:.2g}" for tick in ticks]))
    axis.set_minor_locator(NullLocator())


def _around(n_qubits: int, edges: list[tuple[int, int]], chosen: Sequence[int]) -> tuple[int, ...]:
    """Return the qubits that are drawn: all, or those nearest to the chosen ones."""
    if n_qubits <= MOST_QUBITS:
        return tuple(range(n_qubits))
    neighbours: dict[int, list[int]] = {qubit: [] for qubit in range(n_qubits)}
    for a, b in edges:
        neighbours[a].append(b)
        neighbours[b].append(a)
    found = dict.fromkeys(chosen or (0,))
    for qubit in (queue := list(found)):
        for other in neighbours[qubit]:
            if other not in found and len(found) < MOST_QUBITS:
                found[other] = None
                queue.append(other)
    return tuple(sorted(found))


def save_device_picture(device: Device, path: Path, spec: VQCNNSpec | None = None) -> None:
    """Write the picture of a device; the suffix (`.png`, `.svg`, `.pdf`) sets the format.

    Raises:
        HardwareError: If the structure does not fit the device.
        ReportingError: If the suffix is unknown or the file cannot be written.
    """
    if path.suffix not in (".png", ".svg", ".pdf"):
        raise ReportingError(f"picture: expected a .png, .svg or .pdf file, found {path}")
    picture = picture_bytes(draw_device(device, spec), kind=path.suffix[1:], dpi=140)
    write_atomic(path, picture, ReportingError, "picture ")


def edge_errors(device: Device) -> dict[tuple[int, int], float]:
    """Error of each coupling: that of its better direction."""
    errors: dict[tuple[int, int], float] = {}
    gate = device.two_qubit_gate
    for place in device.target[gate]:
        edge = (min(place), max(place))
        errors[edge] = min(error_of(device.target, gate, place), errors.get(edge, 1.0))
    return errors


def _readout_error(device: Device, qubit: int) -> float:
    place = (qubit,)
    return error_of(device.target, "measure", place) if place in device.target["measure"] else 1.0


@lru_cache(maxsize=32)
def _layout(n_qubits: int, edges: tuple[tuple[int, int], ...]) -> NDArray[np.float64]:
    """Place qubits [Q, 2] by the numbers of couplings between them; on a circle where all are coupled.

    Metric multidimensional scaling by stress majorization (De Leeuw, 1977), started from the classical one.
    """
    angles = 2 * np.pi * np.arange(n_qubits) / n_qubits
    if len(edges) > 0.6 * n_qubits * (n_qubits - 1) / 2:
        return np.column_stack([np.sin(angles), np.cos(angles)])
    adjacency = np.zeros((n_qubits, n_qubits))
    for a, b in edges:
        adjacency[a, b] = adjacency[b, a] = 1.0
    distances = shortest_path(adjacency, unweighted=True)
    reach = distances[np.isfinite(distances)].max()
    distances[~np.isfinite(distances)] = reach + 1
    centred = distances**2 - (distances**2).mean(axis=0)
    centred = -0.5 * (centred - centred.mean(axis=1, keepdims=True))
    values, vectors = np.linalg.eigh((centred + centred.T) / 2)
    start = vectors[:, -2:] * np.sqrt(np.maximum(values[-2:], 0.0))
    places = np.asarray(smacof(distances, init=start, n_init=1, max_iter=300, random_state=0)[0])
    # A device without branches collapses onto a line; a slight bend keeps labels apart.
    return places[:, ::-1] if np.ptp(places[:, 0]) < np.ptp(places[:, 1]) else places


def chain_errors(device: Device, chain: tuple[int, ...]) -> list[float]:
    """Two-qubit error of each link of a chain."""
    edges = edge_errors(device)
    return [edges[min(pair), max(pair)] for pair in pairwise(chain)]
