"""Studies of the distillation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qkd_qiskit.cli.options import Json, Overrides, check_folder, check_json, show

app = typer.Typer()
study_app = typer.Typer(help="Studies of the distillation: many federations, kept as they come.")
app.add_typer(study_app, name="study")

Seeds = Annotated[int, typer.Option(min=1, help="Number of seeds, from --first-seed on.")]
FirstSeed = Annotated[int, typer.Option(min=0, help="The first seed.")]
StudyFolder = Annotated[
    Path | None,
    typer.Option("--output", metavar="DIR", help="Records and pictures; runs/STUDY-EXPERIMENT if omitted."),
]


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
