"""A device as a picture: its couplings, their errors, and the chain that a structure would run on."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.sparse.csgraph import shortest_path
from sklearn.manifold import smacof

from qkd_qiskit.errors import ReportingError
from qkd_qiskit.hardware import Device, predict
from qkd_qiskit.hardware.targets import DEAD_GATE_ERROR, DEAD_READOUT_ERROR, error_of
from qkd_qiskit.reporting.figures import GREY, INK, ORANGE, new_figure
from qkd_qiskit.vqcnn import VQCNNSpec

_FLOOR = 1e-5


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
    edges = edge_errors(device)
    places = _layout(device.n_qubits, list(edges))
    readout = np.array([_readout_error(device, q) for q in range(device.n_qubits)])
    chain = None if spec is None else chosen_chain(device, spec)
    small = device.n_qubits <= 30
    width, height = np.ptp(places, axis=0)
    inches = 7.0 if small else 10.0
    figure = new_figure(inches, min(max(0.8 * inches * height / width, 0.0), inches) + 1.4)
    axes = figure.subplots()

    alive = {edge: error for edge, error in edges.items() if error < DEAD_GATE_ERROR}
    lines = LineCollection(
        [places[list(edge)] for edge in alive],
        array=np.maximum(list(alive.values()), _FLOOR),
        norm=LogNorm(),
        cmap="viridis_r",
        linewidths=2.2 if small else 1.8,
        alpha=0.5 if len(alive) > 3 * device.n_qubits else 1.0,
    )
    axes.add_collection(lines)
    dead = [places[list(edge)] for edge in edges if edge not in alive]
    axes.add_collection(
        LineCollection(dead, colors=GREY, linestyles=":", linewidths=1.5, label="broken gate")
    )
    if chain is not None:
        path = places[list(chain)]
        axes.plot(
            *path.T, color=ORANGE, linewidth=8, alpha=0.45, solid_capstyle="round", label="chosen chain"
        )
    broken = readout >= DEAD_READOUT_ERROR
    dots = axes.scatter(
        places[~broken, 0],
        places[~broken, 1],
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
            places[broken, 0], places[broken, 1], c=GREY, marker="x", s=50, zorder=3, label="broken readout"
        )
    for qubit in range(device.n_qubits) if small else chain or ():
        axes.annotate(
            str(qubit), places[qubit], xytext=(6, 6), textcoords="offset points", fontsize=8, color=INK
        )
    figure.colorbar(lines, ax=axes, label=f"error of {device.two_qubit_gate}", shrink=0.8)
    figure.colorbar(dots, ax=axes, label="readout error", shrink=0.8)
    axes.set_title(f"{device.name}, calibration {(device.calibration_date or 'made up')[:10]}")
    axes.set_aspect("equal")
    axes.set_axis_off()
    axes.autoscale_view()
    if chain is not None or dead or broken.any():
        figure.legend(loc="outside lower center", ncols=3, frameon=False)
    return figure


def save_device_picture(device: Device, path: Path, spec: VQCNNSpec | None = None) -> None:
    """Write the picture of a device; the suffix (`.png`, `.svg`, `.pdf`) sets the format.

    Raises:
        HardwareError: If the structure does not fit the device.
        ReportingError: If the suffix is unknown or the file cannot be written.
    """
    if path.suffix not in (".png", ".svg", ".pdf"):
        raise ReportingError(f"picture: expected a .png, .svg or .pdf file, found {path}")
    figure = draw_device(device, spec)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=140)
    except OSError as error:
        raise ReportingError(f"cannot write picture {path}: {error.strerror or error}") from None


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


def _layout(n_qubits: int, edges: list[tuple[int, int]]) -> NDArray[np.float64]:
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
