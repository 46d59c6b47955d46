"""Experiments: those that come with the package, their settings, and a first one of one's own."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from qkd_qiskit import services
from qkd_qiskit.cli import complete
from qkd_qiskit.cli.options import Json, Missing, check_folder, check_json
from qkd_qiskit.cli.tables import show
from qkd_qiskit.config import load_experiment, settings_reference, shipped_experiments, shipped_text
from qkd_qiskit.errors import ConfigError
from qkd_qiskit.experiment.template import TemplateOptions, experiment_template

app = typer.Typer()
experiments = typer.Typer(help="Show the experiments that come with the package.", no_args_is_help=True)
app.add_typer(experiments, name="experiments")

_LISTED = (
    ("name", "name"),
    ("title", "title"),
    ("dataset", "dataset"),
    ("classes", "classes"),
    ("clients", "clients"),
    ("qubits", "qubits"),
    ("encoding", "encoding"),
)
_REFERENCE = (("key", "key"), ("takes", "kind"), ("default", "default"), ("meaning", "description"))


@experiments.command("list")
def list_experiments(json_path: Json = None) -> None:
    """List the experiments that come with the package."""
    check_json(json_path)
    rows = []
    for name in shipped_experiments():
        settings = load_experiment(name)
        classes = settings.data.classes
        rows.append(
            {
                "name": name,
                "title": settings.title,
                "dataset": settings.data.dataset,
                "classes": "all" if classes is None else len(classes),
                "clients": len(settings.clients),
                "qubits": settings.model.n_qubits,
                "encoding": settings.model.encoding,
            }
        )
    show("Shipped experiments", _LISTED, rows, json_path)


@experiments.command("show")
def show_experiment(
    name: Annotated[
        str, typer.Argument(metavar="EXPERIMENT", help="Shipped experiment.", autocompletion=complete.shipped)
    ],
) -> None:
    """Print a shipped experiment as TOML: a file to start from."""
    typer.echo(shipped_text("experiments", name), nl=False)


@app.command()
def settings(
    key: Annotated[
        str,
        typer.Argument(
            metavar="KEY", help="Only this one, or those inside it.", autocompletion=complete.setting_keys
        ),
    ] = "",
    json_path: Json = None,
) -> None:
    """List the settings of an experiment, with defaults and meanings."""
    check_json(json_path)
    rows = [asdict(setting) for setting in settings_reference(key)]
    show("Settings", _REFERENCE, rows, json_path)


@app.command()
def init(
    data: Annotated[str, typer.Argument(metavar="DATA", help="File or folder, or name of a dataset.")],
    output: Annotated[Path, typer.Option(metavar="FILE", help="The experiment that is written.")] = Path(
        "experiment.toml"
    ),
    labels: Annotated[str | None, typer.Option(help="Label file, or label column of a table.")] = None,
    backend: Annotated[
        list[str] | None,
        typer.Option(
            help="Device of a client; repeatable; ibm_torino when omitted.", autocompletion=complete.devices
        ),
    ] = None,
    clients: Annotated[int | None, typer.Option(min=1, help="Clients; one a device when omitted.")] = None,
    dirichlet: Annotated[
        float | None, typer.Option(min=1e-3, help="Label skew between clients; small is unequal.")
    ] = None,
    qubits: Annotated[
        int | None, typer.Option(min=2, max=16, help="Width of the models; 8 or fewer when omitted.")
    ] = None,
    missing: Missing = None,
) -> None:
    """Write a commented experiment for data and devices of your own."""
    if output.exists():
        raise ConfigError(f"{output} is there already: --output names another file")
    if output.suffix != ".toml":
        raise ConfigError(f"--output: expected a .toml file, found {output}")
    check_folder(output.parent)
    backends = tuple(backend or ("ibm_torino",))
    options = TemplateOptions(data, labels, backends, clients, dirichlet, qubits, missing)
    services.write_file(output, experiment_template(output.stem, options))
    typer.echo(f"{output}: change it as you like, then: qkd-qiskit run {output}")
