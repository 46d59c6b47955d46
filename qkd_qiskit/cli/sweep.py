"""The commands `sweep` and `drift`: a grid, or a list, of settings times seeds."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from qkd_qiskit.cli import complete
from qkd_qiskit.cli.log import shown_progress
from qkd_qiskit.cli.options import Json, Overrides, check_folder, check_json
from qkd_qiskit.cli.tables import show
from qkd_qiskit.config.loading import shipped_files
from qkd_qiskit.sweep import SweepOptions, SweepSettings, load_sweep, run_sweep
from qkd_qiskit.sweep.plot import save_picture

app = typer.Typer()

_LISTED = (("name", "name"), ("title", "title"), ("experiment", "experiment"), ("seeds", "seeds"))


@app.command()
def sweep(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[SWEEP]",
            help="Shipped sweep, or .toml file; lists the shipped ones when omitted.",
            autocompletion=complete.sweeps,
        ),
    ] = None,
    experiment: Annotated[
        str | None,
        typer.Option(
            help="Replaces the sweep's experiment: a shipped one, or a .toml file.",
            autocompletion=complete.experiments,
        ),
    ] = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="Number of seeds, from --first-seed on.")] = None,
    first_seed: Annotated[int | None, typer.Option(min=0, help="The first seed.")] = None,
    overrides: Overrides = None,
    variant: Annotated[
        list[str] | None,
        typer.Option(help="Only this variant, beside the one that others are compared with; repeatable."),
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Processes that run cells at the same time.")] = 1,
    output: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Records and picture; runs/SWEEP-EXPERIMENT if omitted."),
    ] = None,
    json_path: Json = None,
    csv_path: Annotated[
        Path | None, typer.Option("--csv", metavar="PATH", help="Also write the table as CSV.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="PATH", help="The picture; in the folder of records if omitted.")
    ] = None,
) -> None:
    """Run experiments over a grid of settings and seeds, and compare them.

    Without SWEEP, the shipped ones are listed. Every record is kept as it comes: an interrupted sweep goes on
    where it stopped.
    """
    if name is None:
        check_json(json_path)
        show("Shipped sweeps", _LISTED, [_listed(shipped) for shipped in shipped_files("sweeps")], json_path)
        return
    settings = load_sweep(name)
    changes: dict[str, Any] = {"experiment": experiment or settings.experiment}
    changes["seeds"] = {
        "first": settings.seeds.first if first_seed is None else first_seed,
        "count": seeds or settings.seeds.count,
    }
    settings = load_sweep(name, changes)
    used = settings.experiment
    own = settings.name if used is None else f"{settings.name}-{Path(used).stem}"
    options = SweepOptions(
        folder=Path("runs") / own if output is None else output,
        jobs=None if jobs == 1 else jobs,
        overrides=tuple(overrides or ()),
        variants=tuple(variant or ()),
    )
    _run(settings, options, _Files(json_path, csv_path, plot))


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
    later = [*(other or ()), *(spread or ([] if other else [0.1, 0.3]))]
    settings = load_sweep(
        "drift",
        {
            "seeds": {"count": seeds},
            "set": [f"measurement.backend={json.dumps(backend)}", f"measurement.samples={samples}"],
            "grid": {"measurement.later": later},
        },
    )
    _run(settings, SweepOptions(folder=output), _Files(json_path or output / "drift.json"))


def _listed(name: str) -> dict[str, Any]:
    """Return the row of a shipped sweep."""
    settings = load_sweep(name)
    return {
        "name": name,
        "title": settings.title,
        "experiment": settings.experiment,
        "seeds": settings.seeds.count,
    }


@dataclass(frozen=True)
class _Files:
    """Where table and picture go; the picture into the folder of records if there is no other place."""

    json: Path | None = None
    csv: Path | None = None
    plot: Path | None = None


def _run(settings: SweepSettings, options: SweepOptions, files: _Files) -> None:
    """Run a sweep in its folder, show its table, and write its files."""
    folder = options.folder or Path()
    check_folder(folder)
    for path in (files.json, files.csv, files.plot):
        check_json(path)
    with shown_progress() as progress:
        found = run_sweep(settings, options, progress=progress)
    used = settings.experiment
    heading = settings.title if used is None else f"{settings.title}: {used}"
    show(heading, [(key, key) for key in found.columns], found.rows(), None)
    found.save(json=files.json, csv=files.csv)
    typer.echo(f"records: {folder}")
    if settings.panels:
        picture = files.plot or folder / f"{settings.name}.png"
        save_picture(found, picture)
        typer.echo(f"picture: {picture}")
