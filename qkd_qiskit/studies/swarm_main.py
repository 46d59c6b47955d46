"""The swarm studies from the command line.

    python -m qkd_qiskit.studies.swarm_main hard-pairs --json docs/swarm-hard-pairs.json

Finished pieces are kept in a folder, so that an interrupted study goes on where it stopped.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib.figure import Figure
from rich.console import Console

from qkd_qiskit.errors import QKDError
from qkd_qiskit.progress import Progress, RichProgress
from qkd_qiskit.reporting import records_table, write_json
from qkd_qiskit.studies import swarm_methods as methods
from qkd_qiskit.studies import swarm_pairs as pairs
from qkd_qiskit.studies import swarm_plots as plots
from qkd_qiskit.studies import swarm_price as price
from qkd_qiskit.studies import swarm_structure as structure

Rows = list[dict[str, Any]]


class Study(NamedTuple):
    """One study.

    Attributes:
        title: Heading of its table.
        seeds: Seeds that it runs when none are asked for.
        run: Makes its records from seeds, folder and progress.
        rows: Makes the table's rows of the records.
        columns: Keys of a row that the table shows.
        plot: Draws its picture from rows and records.
    """

    title: str
    seeds: int
    run: Callable[[Sequence[int], Path, Progress], Rows]
    rows: Callable[[Rows], Rows]
    columns: tuple[str, ...]
    plot: Callable[[Rows, Rows], Figure] | None


_PAIR_COLUMNS = ("pair", "noise", "seeds", "accuracy", "accuracy_spread", "logistic_regression", "rbf_svm")

STUDIES = {
    "hard-pairs": Study(
        "Hard pairs of MNIST digits, 700 training images",
        5,
        lambda seeds, folder, progress: pairs.run_pairs(
            pairs.HARD_PAIRS, seeds=seeds, noises=(None, pairs.DEVICE), folder=folder, progress=progress
        ),
        pairs.summarize_pairs,
        _PAIR_COLUMNS,
        lambda rows, records: plots.plot_hard_pairs(rows),
    ),
    "all-pairs": Study(
        "All pairs of MNIST digits, 700 training images, without noise",
        1,
        lambda seeds, folder, progress: pairs.run_pairs(
            pairs.ALL_PAIRS, seeds=seeds, noises=(None,), folder=folder, progress=progress
        ),
        pairs.summarize_pairs,
        _PAIR_COLUMNS,
        lambda rows, records: plots.plot_all_pairs(rows),
    ),
    "presets": Study(
        "Searched kernels against the preset with equally many native two-qubit gates",
        3,
        lambda seeds, folder, progress: structure.run_against_presets(
            structure.TEN_PAIRS, seeds=seeds, folder=folder, progress=progress
        ),
        structure.summarize_against_presets,
        ("pair", "seeds", "two_qubit_gates", "weights", "searched", "preset", "difference", "interval"),
        lambda rows, records: plots.plot_against_presets(rows),
    ),
    "noise": Study(
        "Native two-qubit gates of the kernels that the search prefers",
        5,
        lambda seeds, folder, progress: structure.run_under_noise(
            seeds=seeds, folder=folder, progress=progress
        ),
        structure.summarize_under_noise,
        ("device", "price", "seeds", "best", "best_mean", "best_five_mean", "tried_mean"),
        lambda rows, records: plots.plot_search(records[-1]),
    ),
    "price": Study(
        "Loss per unit of -log(expected success probability), by shots an image",
        3,
        lambda seeds, folder, progress: price.run_price(seeds=seeds, folder=folder, progress=progress),
        price.summarize_price,
        ("shots", "records", "price", "price_spread", "loss_without_noise"),
        None,
    ),
    "methods": Study(
        "Ways to find weights: four digits, 300 training images, without noise",
        3,
        lambda seeds, folder, progress: methods.run_methods(seeds=seeds, folder=folder, progress=progress),
        methods.summarize_methods,
        ("equal", "method", "evaluations", "search_cpu_seconds", "accuracy", "accuracy_refined"),
        None,
    ),
    "cooperative": Study(
        "The cooperative swarm alone: four digits, 1000 training images, no gradient",
        3,
        lambda seeds, folder, progress: methods.run_cooperative_study(
            seeds=seeds, folder=folder, progress=progress
        ),
        list,
        (
            "seed",
            "accuracy",
            "training_accuracy",
            "sweeps",
            "evaluations",
            "training_seconds",
            "training_cpu_seconds",
        ),
        None,
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one study and print its table.

    Args:
        arguments: What follows the program's name; the process's own arguments when omitted.

    Returns:
        Exit status: 0 when the work is done, 2 for bad input.
    """
    parser = argparse.ArgumentParser(prog="swarm_main", description="Studies of the particle swarms.")
    parser.add_argument("study", choices=STUDIES)
    parser.add_argument("--seeds", type=int, help="number of seeds, from 0")
    parser.add_argument("--folder", type=Path, default=Path("runs/swarm"), help="where finished pieces lie")
    parser.add_argument("--json", type=Path, help="also write rows and records here")
    parser.add_argument("--plot", type=Path, help="also draw the picture here, as PNG")
    chosen = parser.parse_args(arguments)
    study = STUDIES[chosen.study]
    seeds = study.seeds if chosen.seeds is None else chosen.seeds
    if seeds < 1:
        parser.error(f"--seeds: expected 1 or more, found {seeds}")
    try:
        with RichProgress() as progress:
            records = study.run(range(seeds), chosen.folder, progress)
    except QKDError as error:
        print(f"swarm_main: error: {error}", file=sys.stderr)
        return 2
    rows = study.rows(records)
    columns = [(key.replace("_", " "), key) for key in study.columns]
    Console().print(records_table(study.title, columns, rows))
    if chosen.json is not None:
        # The hits on single images stay in the folder.
        kept = [{k: v for k, v in r.items() if k != "settings" and not k.endswith("_hits")} for r in records]
        settings = records[0]["settings"]
        write_json({"study": chosen.study, "settings": settings, "rows": rows, "records": kept}, chosen.json)
    if chosen.plot is not None and study.plot is not None:
        plots.save_plot(study.plot(rows, records), chosen.plot)
    return 0


if __name__ == "__main__":
    sys.exit(main())
