"""The round with clients on machines of their own."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Annotated

import typer

from qkd_qiskit.cli import complete
from qkd_qiskit.cli.options import Json, Overrides, Seed, check_folder, check_json

app = typer.Typer()
federation = typer.Typer(no_args_is_help=True)
app.add_typer(federation, name="federation", help="Set up a federation, or try one on this machine.")

Experiment = Annotated[
    str, typer.Option(help="Shipped experiment, or a .toml file.", autocompletion=complete.experiments)
]


@federation.command()
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="New folder for all that is made.")],
    clients: Annotated[
        int | None, typer.Option(min=1, help="Number of clients; those of the experiment when omitted.")
    ] = None,
    experiment: Experiment = "quickstart",
    hosts: Annotated[
        list[str] | None,
        typer.Option("--host", help="Name or address of the server; repeatable, clients use the first."),
    ] = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the server.")] = 9092,
    seed: Seed = None,
    overrides: Overrides = None,
) -> None:
    """Make certificates, keys, sample configurations and sample data; nothing is overwritten."""
    from qkd_qiskit.config import load_experiment
    from qkd_qiskit.deployment.setup import make_federation, with_clients

    settings = with_clients(load_experiment(experiment, overrides=overrides or (), seed=seed), clients)
    if not settings.secret:
        # Clients may know the dataset and guess the seed.
        settings = settings.model_copy(update={"secret": secrets.token_hex(16)})
    made = make_federation(folder, settings, hosts=hosts or (), port=port)
    typer.echo(f"server: qkd-qiskit server {made.server}")
    for name, path in zip(made.names, made.clients, strict=True):
        typer.echo(f"client {name}: qkd-qiskit client {path}")
    typer.echo(f"the authority's key, {folder / 'ca.key'}, is needed no more: keep it away from the server")


@federation.command()
def demo(
    output: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the results.")] = Path(
        "runs/federation"
    ),
    clients: Annotated[int, typer.Option(min=1, help="Number of clients.")] = 3,
    experiment: Experiment = "quickstart",
    seed: Seed = None,
    overrides: Overrides = None,
    json_path: Json = None,
) -> None:
    """Run a server and its clients as processes of this machine, and clean up behind them."""
    from qkd_qiskit.config import load_experiment

    settings = load_experiment(experiment, overrides=overrides or (), seed=seed)
    check_folder(output)
    check_json(json_path)
    from qkd_qiskit.deployment.demo import run_demo

    run_demo(settings, output, clients=clients, tell=_tell)
    _show(output, json_path)


@app.command()
def server(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="The server's .toml file.")],
    quiet: Annotated[bool, typer.Option("--quiet", help="Print no table.")] = False,
    json_path: Json = None,
) -> None:
    """Run one round as its server; started again, it goes on where it stopped."""
    check_json(json_path)
    from qkd_qiskit.deployment.server import run_server_node

    _show(run_server_node(path, tell=_tell), json_path, table=not quiet)


@app.command()
def client(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="The client's .toml file.")],
) -> None:
    """Take part in rounds as a client, until interrupted."""
    from qkd_qiskit.deployment.client_node import run_client_node

    run_client_node(path, tell=_tell)


def _tell(line: str) -> None:
    typer.echo(line, err=True)


def _show(folder: Path, json_path: Path | None, *, table: bool = True) -> None:
    from qkd_qiskit.reporting import print_results, read_results, write_json

    results = read_results(folder / "results.json")
    if table:
        print_results(results)
        typer.echo(f"results: {folder / 'results.json'}\nreport:  {folder / 'report.html'}")
    if json_path is not None:
        write_json(results.dump(), json_path)
