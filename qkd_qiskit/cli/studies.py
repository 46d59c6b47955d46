"""Long measurements: calibration, drift, bench, studies of the distillation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qkd_qiskit.cli.options import Json, Overrides, check_folder, check_json, numbers
from qkd_qiskit.cli.tables import show

app = typer.Typer()
study_app = typer.Typer(help="Studies of the distillation: many federations, kept as they come.")
app.add_typer(study_app, name="study")

Seeds = Annotated[int, typer.Option(min=1, help="Number of seeds, from --first-seed on.")]
FirstSeed = Annotated[int, typer.Option(min=0, help="The first seed.")]
StudyFolder = Annotated[
    Path | None,
    typer.Option("--output", metavar="DIR", help="Records and pictures; runs/STUDY-EXPERIMENT if omitted."),
]


@app.command()
def calibrate(
    plan: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Sweep as .toml; the shipped one when omitted.")
    ] = None,
    output: Annotated[Path, typer.Option(metavar="DIR", help="Folder for records and results.")] = Path(
        "runs/calibration"
    ),
    jobs: Annotated[int, typer.Option(min=1, help="Processes that train at the same time.")] = 1,
    refit: Annotated[
        bool, typer.Option("--refit", help="Train nothing: fit the records that come with the package.")
    ] = False,
    json_path: Json = None,
) -> None:
    """Train the estimator's calibration tasks, fit its coefficients and validate them.

    An interrupted sweep goes on where it stopped. The shipped one takes the better part of an hour.
    """
    check_folder(output)
    check_json(json_path)
    from qkd_qiskit.progress import RichProgress
    from qkd_qiskit.reporting import write_json
    from qkd_qiskit.studies import calibration
    from qkd_qiskit.studies.calibration_plan import load_plan

    sweep = load_plan(plan)
    if refit:
        finished = calibration.evaluate_records(sweep, *calibration.shipped_records(sweep))
        calibration.write_calibration(finished, output)
    else:
        with RichProgress() as progress:
            finished = calibration.calibrate(sweep, output, jobs=jobs, progress=progress)
    found = finished.to_dict()
    show("Calibration tasks", calibration.TASK_COLUMNS, found["tasks"], None)
    typer.echo(finished.coefficients.method)
    typer.echo(f"coefficients: {output / 'coefficients.json'}")
    if json_path is not None:
        write_json(found, json_path)


@app.command()
def drift(
    backend: Annotated[
        str, typer.Option(help="Device, or snapshot, that models are trained for.")
    ] = "ibm_torino",
    other: Annotated[
        list[str] | None, typer.Option(help="Later snapshot, or another device; repeatable.")
    ] = None,
    spread: Annotated[
        list[float] | None,
        typer.Option(min=0, help="Spread of made-up calibrations; repeatable; 0.1 and 0.3 without --other."),
    ] = None,
    samples: Annotated[int, typer.Option(min=8, help="Training samples.")] = 300,
    seeds: Annotated[int, typer.Option(min=1, help="Draws of data, start and drift.")] = 3,
    output: Annotated[Path, typer.Option(metavar="DIR", help="Folder for drift.json and drift.png.")] = Path(
        "runs/drift"
    ),
    json_path: Json = None,
) -> None:
    """Train for one calibration of a device, and run under later ones."""
    check_folder(output)
    check_json(json_path)
    from qkd_qiskit.hardware import load_backend
    from qkd_qiskit.progress import RichProgress
    from qkd_qiskit.studies.drift import DRIFT_COLUMNS, study_drift, write_drift

    spreads = spread or ([] if other else [0.1, 0.3])
    with RichProgress() as progress:
        rows = study_drift(
            load_backend(backend),
            [load_backend(name) for name in other or ()],
            spreads=spreads,
            samples=samples,
            seeds=seeds,
            progress=progress,
        )
    write_drift(rows, output)
    show(f"Trained for {backend}", DRIFT_COLUMNS, [row.to_dict() for row in rows], json_path)
    typer.echo(f"picture: {output / 'drift.png'}")


@app.command()
def bench(
    qubits: Annotated[str, typer.Option(metavar="A,B,...", help="Widths to measure.")] = "4,6,8,10,12",
    samples: Annotated[
        str, typer.Option(metavar="A,B,...", help="Numbers of samples.")
    ] = "10,100,500,1000,5000,10000",
    particles: Annotated[int, typer.Option(min=1, help="Particles of the swarm.")] = 30,
    threads: Annotated[int, typer.Option(min=0, help="BLAS threads; 0 for one each core.")] = 0,
    peers: Annotated[
        bool, typer.Option("--peers/--no-peers", help="Also PennyLane and qiskit-machine-learning.")
    ] = True,
    plot: Annotated[Path | None, typer.Option(metavar="PATH", help="Also draw the result as PNG.")] = None,
    json_path: Json = None,
) -> None:
    """Measure the exact engine beside its peers, side by side on this machine."""
    check_json(json_path)
    check_json(plot)
    from qkd_qiskit.progress import RichProgress
    from qkd_qiskit.store.files import write_atomic
    from qkd_qiskit.studies.bench import BENCH_COLUMNS, BenchSettings, bench_rows, run_bench
    from qkd_qiskit.studies.bench_plot import plot_bench

    settings = BenchSettings(
        qubits=numbers("--qubits", qubits),
        samples=numbers("--samples", samples),
        particles=particles,
        threads=threads,
        peers=peers,
    )
    with RichProgress() as progress:
        result = run_bench(settings, progress)
    show("Seconds a particle; * scaled up from at most 10 samples", BENCH_COLUMNS, bench_rows(result), None)
    for name, value in result["checks"].items():
        typer.echo(f"{name.replace('_', ' ')}: {'not measured' if value is None else f'{value:.3g}'}")
    if plot is not None:
        write_atomic(plot, plot_bench(result))
    if json_path is not None:
        from qkd_qiskit.reporting import write_json

        write_json(result, json_path)


def _study(
    name: str,
    experiment: str,
    seeds: int,
    first_seed: int,
    overrides: list[str] | None,
    output: Path | None,
    json_path: Path | None,
    variants: list[str] | None = None,
) -> None:
    """Run one study of the distillation, and print its table."""
    folder = Path("runs") / f"{name}-{Path(experiment).stem}" if output is None else output
    check_folder(folder)
    check_json(json_path)
    from qkd_qiskit.progress import RichProgress
    from qkd_qiskit.studies.distillation_studies import run_study

    with RichProgress() as progress:
        rows = run_study(
            name,
            experiment,
            range(first_seed, first_seed + seeds),
            folder,
            overrides=overrides or (),
            variants=variants,
            progress=progress,
        )
    columns = dict.fromkeys(key for row in rows for key in row if key != "refused")
    show(f"{name}: {experiment}", [(key, key) for key in columns], rows, json_path)
    typer.echo(f"records: {folder}")


@study_app.command("margins")
def study_margins(
    experiment: Annotated[str, typer.Argument(help="Shipped experiment, or .toml file.")] = "mnist4",
    seeds: Seeds = 3,
    first_seed: FirstSeed = 7,
    overrides: Overrides = None,
    output: StudyFolder = None,
    json_path: Json = None,
) -> None:
    """Whole experiments over several seeds, with margins over every baseline."""
    _study("margins", experiment, seeds, first_seed, overrides, output, json_path)


@study_app.command("ablation")
def study_ablation(
    experiment: Annotated[str, typer.Argument(help="Shipped experiment, or .toml file.")] = "mnist4",
    seeds: Seeds = 3,
    first_seed: FirstSeed = 0,
    overrides: Overrides = None,
    variant: Annotated[
        list[str] | None, typer.Option(help="Only this variant, beside the one as shipped; repeatable.")
    ] = None,
    output: StudyFolder = None,
    json_path: Json = None,
) -> None:
    """Show what each ingredient gives: one left out or exchanged at a time."""
    _study("ablation", experiment, seeds, first_seed, overrides, output, json_path, variant)


@study_app.command("robustness")
def study_robustness(
    experiment: Annotated[str, typer.Argument(help="Shipped experiment, or .toml file.")] = "mnist10",
    seeds: Seeds = 3,
    first_seed: FirstSeed = 0,
    overrides: Overrides = None,
    output: StudyFolder = None,
    json_path: Json = None,
) -> None:
    """Show what silent, broken and lying clients cost."""
    _study("robustness", experiment, seeds, first_seed, overrides, output, json_path)


@study_app.command("heterogeneity")
def study_heterogeneity(
    experiment: Annotated[str, typer.Argument(help="Shipped experiment, or .toml file.")] = "heterogeneity",
    seeds: Seeds = 3,
    first_seed: FirstSeed = 0,
    overrides: Overrides = None,
    output: StudyFolder = None,
    json_path: Json = None,
) -> None:
    """From all classes a client to one: who keeps its accuracy."""
    _study("heterogeneity", experiment, seeds, first_seed, overrides, output, json_path)


@study_app.command("noise")
def study_noise(
    experiment: Annotated[str, typer.Argument(help="Shipped experiment, or .toml file.")] = "noise",
    seeds: Seeds = 3,
    first_seed: FirstSeed = 0,
    overrides: Overrides = None,
    output: StudyFolder = None,
    json_path: Json = None,
) -> None:
    """Strength of the noise, shots, and gradients against qubits."""
    _study("noise", experiment, seeds, first_seed, overrides, output, json_path)


@study_app.command("privacy")
def study_privacy(
    experiment: Annotated[str, typer.Argument(help="Shipped experiment, or .toml file.")] = "mnist4",
    seeds: Seeds = 3,
    first_seed: FirstSeed = 0,
    overrides: Overrides = None,
    output: StudyFolder = None,
    json_path: Json = None,
) -> None:
    """Membership inference from outputs, beside that from FedAvg's parameters."""
    _study("privacy", experiment, seeds, first_seed, overrides, output, json_path)
