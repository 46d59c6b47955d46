"""Gate budgets, and native gates."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from qkd_qiskit.cli import complete
from qkd_qiskit.cli.log import shown_progress
from qkd_qiskit.cli.options import (
    Backends,
    Encoding,
    Fractional,
    Json,
    Kernel,
    Missing,
    Overrides,
    Qubits,
    Seed,
    Sharing,
    check_folder,
    check_json,
    class_names,
    is_path,
    model_index,
)
from qkd_qiskit.cli.tables import percentages, show
from qkd_qiskit.config import EstimatorSettings, ExperimentSettings, load_experiment, model_settings
from qkd_qiskit.data import DataSource, TableOptions
from qkd_qiskit.errors import ConfigError, EstimatorError
from qkd_qiskit.hardware import fractional_name, list_backends, unavailable
from qkd_qiskit.reporting import resources, write_json
from qkd_qiskit.reporting.pareto import (
    PARETO_COLUMNS,
    ParetoRequest,
    check_picture,
    execution_costs,
    measure_pareto,
    pareto_lines,
    write_pareto,
)
from qkd_qiskit.reporting.transpile_reports import write_transpile_reports
from qkd_qiskit.vqcnn import VQCNNSpec

app = typer.Typer()


@app.command()
def estimate(
    experiment: Annotated[
        str | None,
        typer.Argument(
            help="Experiment whose clients are estimated; quickstart when omitted.",
            autocompletion=complete.experiments,
        ),
    ] = None,
    dataset: Annotated[
        str | None, typer.Option(help="No experiment: one client holds this dataset, by name or path.")
    ] = None,
    labels: Annotated[str | None, typer.Option(help="Label file, or label column of a table.")] = None,
    missing: Missing = None,
    classes: Annotated[str | None, typer.Option(metavar="A,B,...", help="Classes that take part.")] = None,
    samples: Annotated[int | None, typer.Option(min=1, help="A random part of the dataset.")] = None,
    backends: Backends = None,
    qubits: Qubits = 8,
    encoding: Encoding = "angle",
    kernel: Kernel = "su4",
    sharing: Sharing = "site",
    fractional: Fractional = False,
    probes: Annotated[
        bool, typer.Option("--probes", help="Settle the sizes by short trainings; about a minute a client.")
    ] = False,
    shots: Annotated[
        int | None, typer.Option(min=1, help="Shots of each circuit; fewer bear less noise.")
    ] = None,
    pareto: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="With --dataset: draw accuracy against gates, seconds and price; .png or .svg.",
        ),
    ] = None,
    predictions: Annotated[int, typer.Option(min=1, help="With --pareto: samples to classify.")] = 1000,
    prices: Annotated[
        list[str] | None,
        typer.Option(
            "--price",
            metavar="[DEVICE=]PRICE",
            help="With --pareto: what a quantum second costs, on one device or all others; repeatable.",
        ),
    ] = None,
    seed: Seed = None,
    overrides: Overrides = None,
    json_path: Json = None,
) -> None:
    """Estimate how many gates each client's data needs and its device allows.

    With --dataset, one client holds that dataset, on every device or those named; qubits, encoding,
    kernel and sharing then come from the options, and otherwise from the experiment.
    """
    check_json(json_path)
    if pareto is not None and (dataset is None or probes):
        raise ConfigError(
            "--pareto needs --dataset, and stands without --probes: it trains every size itself"
        )
    if prices and pareto is None:
        raise ConfigError("--price needs --pareto")
    if dataset is not None and (experiment is not None or overrides):
        raise ConfigError("--dataset stands without an experiment and without --set")
    if dataset is not None and fractional and not backends:
        raise ConfigError("--fractional with --dataset needs --backend: few devices offer fractional gates")
    if dataset is None and any(value is not None for value in (labels, missing, classes, samples)):
        raise ConfigError(
            "--labels, --missing, --classes and --samples need --dataset; an experiment takes --set"
        )

    named = _fractional_names(backends, fractional)
    chosen = [f"estimator.{key}" for key in (("probes=true",) if probes else ())]
    chosen += [f"estimator.shots={shots}"] if shots is not None else []
    if dataset is None:
        settings = load_experiment(
            experiment or "quickstart", overrides=[*(overrides or ()), *chosen], seed=seed
        )
        if shots is not None:
            # Who names the shots asks for the floor that belongs to them.
            free = settings.estimator.model_copy(update={"esp_floor": None})
            settings = settings.model_copy(update={"estimator": free})
        found = resources.experiment_budgets(_with_fractional(settings, fractional), backends=named)
    else:
        model = model_settings(n_qubits=qubits, encoding=encoding, kernel=kernel, sharing=sharing)
        source = DataSource(
            dataset,
            dataset if is_path(dataset) else None,
            labels,
            class_names(classes),
            TableOptions(missing=missing),
        )
        devices = named or [name for name in list_backends() if unavailable(name) is None]
        if pareto is not None:
            costs = execution_costs(predictions, shots, prices or ())
            asked = ParetoRequest(source, model, samples, tuple(devices), costs, seed or 0)
            _draw_pareto(asked, pareto, json_path)
            return
        estimator = {"probes": probes, **({} if shots is None else {"shots": shots})}
        found = resources.dataset_budgets(
            source,
            model,
            samples=samples,
            backends=devices,
            estimator=EstimatorSettings.model_validate(estimator),
            seed=seed or 0,
        )
    rows = [row.to_dict() for row in found]
    columns = resources.ESTIMATE_COLUMNS
    if any(row.get("probes") for row in rows):
        columns += resources.PROBE_COLUMNS
    show("Gate budgets", columns, rows, json_path)
    if rows and all(row.get("refused") for row in rows):
        raise EstimatorError("none of these clients gets a gate budget")


@app.command()
def transpile(
    experiment: Annotated[
        str | None, typer.Argument(help="Experiment whose clients' circuits are transpiled.")
    ] = None,
    index: Annotated[str | None, typer.Option(help="Model index of the structure.")] = None,
    plan: Annotated[
        str | None, typer.Option(help="Layers, as in '4*conv, edge, conv'; a usual plan when omitted.")
    ] = None,
    qubits: Qubits = 8,
    encoding: Encoding = "angle",
    kernel: Kernel = "su4",
    sharing: Sharing = "site",
    outcomes: Annotated[int, typer.Option(min=2, help="Outcomes to tell apart.")] = 2,
    backends: Backends = None,
    fractional: Fractional = False,
    seed: Seed = None,
    overrides: Overrides = None,
    reports: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write the reports of all devices and shipped experiments instead."),
    ] = None,
    json_path: Json = None,
) -> None:
    """Transpile, and show predicted beside counted native gates.

    Without an experiment the structure comes from --index, or from the options that describe it, on
    ibm_torino or the devices named. With --reports, everything that is shipped is transpiled. With
    --fractional, what the native gates save is counted on the same devices without them.
    """
    check_json(json_path)
    if reports is not None:
        if experiment is not None or index is not None or overrides or backends or fractional:
            raise ConfigError(
                "--reports stands without an experiment, --index, --set, --backend and --fractional"
            )
        _write_reports(reports, json_path)
        return
    if experiment is None and overrides:
        raise ConfigError("--set needs an experiment")
    if experiment is not None and index is not None:
        raise ConfigError("--index stands without an experiment")

    named = _fractional_names(backends, fractional)
    if experiment is not None:
        settings = load_experiment(experiment, overrides=overrides or (), seed=seed)
        found = resources.transpile_experiment(_with_fractional(settings, fractional), backends=named)
    else:
        spec = (
            VQCNNSpec.from_index(model_index(index))
            if index is not None
            else VQCNNSpec(qubits, encoding, plan, kernel, sharing, outcomes)
        )
        names = named or ["ibm_torino"]
        found = [resources.transpile_structure(spec, name, seed=seed or 0) for name in names]
    rows = [row.to_dict() for row in found]
    saves = any(row.get("saved") for row in rows)
    columns = resources.TRANSPILE_COLUMNS + (resources.SAVED_COLUMNS if saves else ())
    show("Native gates, predicted and counted", columns, rows, json_path)


def _draw_pareto(request: ParetoRequest, picture: Path, json_path: Path | None) -> None:
    check_picture(picture)
    with shown_progress() as progress:
        front = measure_pareto(request, progress=progress)
    table = front.to_dict()
    rows = [point | percentages(point, ("accuracy", "error")) for point in table["points"]]
    show("Sizes on devices", PARETO_COLUMNS, rows, None)
    for line in pareto_lines(front):
        typer.echo(line)
    write_pareto(front, picture)
    typer.echo(f"picture: {picture}")
    if json_path is not None:
        write_json(table, json_path)


def _fractional_names(backends: Sequence[str] | None, fractional: bool) -> Sequence[str]:
    return [fractional_name(name) if fractional else name for name in backends or ()]


def _with_fractional(settings: ExperimentSettings, fractional: bool) -> ExperimentSettings:
    """Return the settings with the fractional gates of all clients' devices, if wanted."""
    if not fractional:
        return settings
    clients = [
        client.model_copy(update={"backend": fractional_name(client.backend)}) for client in settings.clients
    ]
    return settings.model_copy(update={"clients": tuple(clients)})


def _write_reports(folder: Path, json_path: Path | None) -> None:
    check_folder(folder)
    with shown_progress() as progress:
        written = write_transpile_reports(folder, progress=progress)
    typer.echo(f"{len(written)} devices, {len(written[0].rows)} structures each: {folder / 'README.md'}")
    if json_path is not None:
        write_json([report.dump() for report in written], json_path)
