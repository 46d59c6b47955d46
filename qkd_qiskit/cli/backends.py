"""The devices: listed, shown, stored."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from qkd_qiskit import hardware, reporting
from qkd_qiskit.cli import complete
from qkd_qiskit.cli.options import Fractional, Json, Kernel, Qubits, check_json
from qkd_qiskit.cli.tables import show
from qkd_qiskit.reporting.devices import device_rows, store_summaries

app = typer.Typer()
backends_app = typer.Typer(help="Show the devices that come with the package, or store a calibration.")
app.add_typer(backends_app, name="backends")

COLUMNS = (
    ("device", "name"),
    ("qubits", "qubits"),
    ("2-qubit\ngate", "two_qubit_gate"),
    ("median\nerror", "two_qubit_error"),
    ("dead\nedges", "dead_edges"),
    ("readout\nerror", "readout_error"),
    ("date", "date"),
)


@backends_app.command("list")
def backends_list(
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Read all calibrations anew, and store what the list shows.")
    ] = False,
    json_path: Json = None,
) -> None:
    """List the devices."""
    check_json(json_path)
    if refresh:
        typer.echo(f"stored: {store_summaries()}")
    show("Devices", COLUMNS, device_rows(), json_path)


@backends_app.command("show")
def backends_show(
    name: Annotated[
        str, typer.Argument(help="Device name, or a .toml descriptor.", autocompletion=complete.devices)
    ],
    picture: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Draw couplings, errors and the chain: .png, .svg, .pdf."),
    ] = None,
    qubits: Qubits = 8,
    kernel: Kernel = "su4",
    fractional: Fractional = False,
    json_path: Json = None,
) -> None:
    """Show one device, and the chain that a model of --qubits would run on."""
    # PERF: the list needs neither circuits nor pictures.
    from qkd_qiskit.reporting.device_picture import save_device_picture
    from qkd_qiskit.reporting.resources import summarize_chain, summarize_device
    from qkd_qiskit.vqcnn import VQCNNSpec

    check_json(json_path)
    spec = VQCNNSpec(qubits, kernels=kernel)
    device = hardware.load_backend(hardware.fractional_name(name) if fractional else name)
    found = summarize_chain(device, spec)
    row = {**asdict(summarize_device(device)), **asdict(found)}
    lines = [
        (key.replace("_", " "), " ".join(map(str, value)) if isinstance(value, tuple) else value)
        for key, value in row.items()
    ]
    Console().print(reporting.rows_table(device.name, ("property", "value"), lines))
    if picture is not None:
        save_device_picture(device, picture, spec if found.chain else None)
        typer.echo(f"picture: {picture}")
    if json_path is not None:
        reporting.write_json(row, json_path)


@backends_app.command("snapshot")
def backends_snapshot(
    name: Annotated[
        str,
        typer.Argument(
            help="Shipped device, .toml, fake backend such as FakeTorino, or live one of IBM Quantum."
        ),
    ],
    output: Annotated[
        Path | None, typer.Option(metavar="PATH", help="The .toml to write; NAME-DATE.toml when omitted.")
    ] = None,
    date: Annotated[
        str | None, typer.Option(help="ISO date of the calibration, where the device has none.")
    ] = None,
) -> None:
    """Store a device's calibration with its date, to be loaded again without the device."""
    # PERF: nor the service of IBM Quantum.
    from qkd_qiskit.runtime import IBMService

    if name.startswith("Fake"):
        device = hardware.load_fake_backend(name)
    elif hardware.split_name(name)[0] in hardware.list_backends() or hardware.split_name(name)[0].endswith(
        ".toml"
    ):
        device = hardware.load_backend(name)
    else:
        device = IBMService(name).device()
    found = date or device.calibration_date or ""
    path = hardware.write_snapshot(device, output or Path(f"{device.name}-{found[:10]}.toml"), date=date)
    typer.echo(f"snapshot: {path}\ncalibration: {found}")
