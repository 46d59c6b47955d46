"""A commented experiment for data and devices of one's own, as a file to change."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path

from qkd_qiskit.data import Dataset, TableOptions, load_dataset
from qkd_qiskit.errors import ConfigError
from qkd_qiskit.hardware import load_backend

# Shares of the samples; the clients get the rest.
_SHARES = {"test": 0.2, "public_train": 0.1, "public_calibration": 0.03, "public_validation": 0.05}
_MOST_TEST = 2000
_LEAST_OF_A_CLIENT = 20


@dataclass(frozen=True)
class TemplateOptions:
    """What the experiment is for.

    Attributes:
        data: A file or folder of one's own, or the name of a dataset.
        labels: Label file, or label column of a table; None for the loader's choice.
        backends: A device for each client, taken in turn.
        clients: Number of clients; None for one a device.
        dirichlet: Concentration of the label skew between clients; None for none.
        qubits: Width of the models; None for 8, or fewer where the data have few features or a device has
            few qubits.
        missing: What becomes of rows with missing values: `drop` or `median`; None refuses them.
    """

    data: str
    labels: str | None = None
    backends: tuple[str, ...] = ("ibm_torino",)
    clients: int | None = None
    dirichlet: float | None = None
    qubits: int | None = None
    missing: str | None = None


def experiment_template(name: str, options: TemplateOptions) -> str:
    """Return a commented TOML experiment, whose numbers fit the data.

    Args:
        name: Of the experiment.
        options: What it is for.

    Raises:
        ConfigError: If there are no clients, too few samples for so many, or a device has too few qubits.
        DataError: If the data cannot be read.
        HardwareError: If a device is unknown.
    """
    n_clients = len(options.backends) if options.clients is None else options.clients
    if n_clients < 1 or not options.backends:
        raise ConfigError(f"expected a client with a device at least, found {n_clients} clients")
    devices = [load_backend(backend) for backend in options.backends]
    own = Path(options.data).exists()
    dataset = load_dataset(
        options.data,
        path=options.data if own else None,
        labels=options.labels,
        table=TableOptions(missing=options.missing),
    )
    sizes = {key: int(share * len(dataset.labels)) for key, share in _SHARES.items()}
    sizes["test"] = min(sizes["test"], _MOST_TEST)
    left = len(dataset.labels) - sum(sizes.values())
    if left < n_clients * _LEAST_OF_A_CLIENT or min(sizes.values()) < len(dataset.classes):
        for_parts = len(dataset.classes) / min(_SHARES.values())
        for_clients = n_clients * _LEAST_OF_A_CLIENT / (1 - sum(_SHARES.values()))
        raise ConfigError(
            f"{options.data}: expected {ceil(max(for_parts, for_clients)) + 1} samples at least for "
            f"{n_clients} clients and {len(dataset.classes)} classes, found {len(dataset.labels)}"
        )
    shares = [(k + 1) * left // n_clients - k * left // n_clients for k in range(n_clients)]
    widest = min(len(device.usable_qubits) for device in devices)
    if options.qubits is not None and options.qubits > widest:
        raise ConfigError(f"qubits: expected at most {widest}, as the devices have, found {options.qubits}")
    qubits = options.qubits or max(2, min(8, widest, dataset.features.shape[1] // 2))
    names = [devices[k % len(devices)].name for k in range(n_clients)]
    given = [options.backends[k % len(devices)] for k in range(n_clients)]
    return "\n".join(
        [
            *_head(name, options, dataset, own),
            *(f"{key} = {size}{_COMMENTS[key]}" for key, size in sizes.items()),
            "public_unlabelled = 0  # public samples whose labels nobody uses; clients answer on them too",
            *_copies(dataset),
            *_middle(qubits, min(2 * qubits, dataset.features.shape[1]), given[0]),
            *_clients(names, given, shares),
            *_TAIL,
        ]
    )


_COMMENTS = {
    "test": "  # kept back until the end",
    "public_train": "  # labelled, for the server's training",
    "public_calibration": "  # labelled, for calibrating what clients answer",
    "public_validation": "  # labelled, for choosing settings",
}
_TAIL = (
    "",
    "[training]",
    'method = "starts"  # the best random start; or "global" or "cooperative", a swarm before L-BFGS',
    "particles = 20",
    "refine = 80  # L-BFGS iterations on exact gradients under noise",
    "l2 = 0.01",
    "structure = { enabled = false }  # true: each client searches its own structure",
    "",
    "[fedavg]",
    "rounds = 10",
    "",
)


def _head(name: str, options: TemplateOptions, dataset: Dataset, own: bool) -> list[str]:
    source = f"path = {json.dumps(options.data)}" if own else f"dataset = {json.dumps(options.data)}"
    labels = [] if options.labels is None else [f"labels = {json.dumps(options.labels)}"]
    if options.missing is not None:
        labels.append(f'missing = "{options.missing}"  # rows with missing values')
    concentration = options.dirichlet
    skew = [] if concentration is None else [f"dirichlet = {concentration}  # small: unequal clients"]
    return [
        f"# {len(dataset.labels)} samples, {dataset.features.shape[1]} features, "
        f"{len(dataset.classes)} classes. All keys: qkd-qiskit settings",
        f"name = {json.dumps(name)}",
        "seed = 1",
        "",
        "[data]",
        source,
        *labels,
        f"classes = {json.dumps(list(dataset.classes))}  # leave some out, or delete the line for all",
        *skew,
    ]


def _copies(dataset: Dataset) -> list[str]:
    if dataset.image_shape is None:
        return []
    return ["augment = { copies = 2, rotation = 10.0, shift = 1.0 }  # of each training image"]


def _middle(qubits: int, features: int, server: str) -> list[str]:
    return [
        "",
        "[model]",
        f"n_qubits = {qubits}  # {features} features after PCA",
        'kernel = "su4"  # a preset, or a gate string such as "RY0 RX1 CX01"',
        "",
        "[server]",
        f"backend = {json.dumps(server)}  # the device that the global model is meant for",
    ]


def _clients(names: Sequence[str], backends: Sequence[str], shares: Sequence[int]) -> list[str]:
    lines = []
    for k, (device, backend, share) in enumerate(zip(names, backends, shares, strict=True)):
        lines += [
            "",
            "[[clients]]",
            f'name = "client {k + 1}"',
            f"backend = {json.dumps(backend)}" + ("" if device == backend else f"  # {device}"),
            f"samples = {int(share)}",
            "# classes = [...]  # only these; then it learns to say: none of my classes",
        ]
    return lines
