"""The command `bench`: the benchmarks of a checkout."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Annotated

import typer

from qkd_qiskit.cli.log import shown_progress
from qkd_qiskit.cli.options import Json, check_json, numbers
from qkd_qiskit.cli.tables import show
from qkd_qiskit.errors import ReportingError
from qkd_qiskit.reporting import write_json
from qkd_qiskit.store.files import write_atomic

# The only command of its app, which Typer would give options of its own.
app = typer.Typer(add_completion=False)
BENCHMARKS = Path(__file__).parents[2] / "tests" / "benchmarks"


@app.command()
def bench(
    qubits: Annotated[str, typer.Option(metavar="A,B,...", help="Widths to measure.")] = "4,6,8,10,12",
    samples: Annotated[
        str, typer.Option(metavar="A,B,...", help="Numbers of samples.")
    ] = "10,100,500,1000,5000,10000",
    particles: Annotated[int, typer.Option(min=1, help="Particles of the swarm.")] = 30,
    threads: Annotated[int, typer.Option(min=0, help="Cores and BLAS threads; 0 for all cores.")] = 0,
    peers: Annotated[bool, typer.Option("--peers/--no-peers", help="Also other libraries.")] = True,
    peer_qubits: Annotated[
        str,
        typer.Option(
            metavar="A,B,...",
            help="Widths at which the peers of the extra bench run too: minutes each.",
        ),
    ] = "8",
    plot: Annotated[Path | None, typer.Option(metavar="PATH", help="Also draw the result as PNG.")] = None,
    json_path: Json = None,
) -> None:
    """Measure the exact engine beside its peers, side by side on this machine."""
    check_json(json_path)
    check_json(plot)

    measured = _benchmarks("engine_peers")
    settings = measured.BenchSettings(
        qubits=numbers("--qubits", qubits),
        samples=numbers("--samples", samples),
        particles=particles,
        threads=threads,
        peers=peers,
        peer_qubits=numbers("--peer-qubits", peer_qubits),
    )
    with shown_progress() as progress:
        result = measured.run_bench(settings, progress)
    show(
        "Seconds a particle; * scaled up from fewer samples",
        measured.BENCH_COLUMNS,
        measured.bench_rows(result),
        None,
    )
    for name, value in result["checks"].items():
        typer.echo(f"{name.replace('_', ' ')}: {'not measured' if value is None else f'{value:.3g}'}")
    for line in result["skipped"]:
        typer.echo(line)
    if plot is not None:
        write_atomic(plot, _benchmarks("peers_plot").plot_bench(result))
    if json_path is not None:
        write_json(result, json_path)


def _benchmarks(name: str) -> ModuleType:
    """Import a module of the benchmarks, which are no part of the installed package.

    Raises:
        ReportingError: If there is no checkout.
    """
    if not (BENCHMARKS / f"{name}.py").is_file():
        raise ReportingError("bench: needs a checkout of the repository, found an installed package alone")
    if str(BENCHMARKS) not in sys.path:
        sys.path.append(str(BENCHMARKS))
    return importlib.import_module(name)
