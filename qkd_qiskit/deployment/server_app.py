"""What runs in the server's process on Flower: one experiment, its clients elsewhere."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from qkd_qiskit.config import load_experiment
from qkd_qiskit.deployment.flower import Context, Grid, ServerApp
from qkd_qiskit.deployment.outcome import write_outcome
from qkd_qiskit.deployment.settings import (
    PROGRESS,
    SERVER_VARIABLE,
    RoundSettings,
    load_server,
    round_settings,
)
from qkd_qiskit.deployment.transport import FlowerTransport
from qkd_qiskit.errors import QKDError
from qkd_qiskit.experiment.run import run_experiment
from qkd_qiskit.federation.data_files import read_server_data
from qkd_qiskit.store import folder_lock

LOGGER = logging.getLogger("qkd_qiskit")

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Run the experiment, and write its results and how it ended.

    The settings are those of the server's file; on a SuperLink of somebody else's, those of `flwr run`.
    """
    settings = _settings(context)
    state = Path(settings.state)
    state.mkdir(parents=True, exist_ok=True)
    LOGGER.setLevel(logging.INFO)
    LOGGER.addHandler(logging.FileHandler(state / PROGRESS, encoding="utf-8"))
    try:
        run_round(settings, grid)
    except Exception as failure:
        error = str(failure)
        if not isinstance(failure, QKDError):
            LOGGER.exception("the round failed")
            error = "the round failed; the SuperLink's log tells where"
        write_outcome(state, error)
        if context.run_config:
            raise
    else:
        write_outcome(state, None)


def _settings(context: Context) -> RoundSettings:
    if context.run_config:
        return round_settings(context.run_config)
    return load_server(Path(os.environ[SERVER_VARIABLE]))


def run_round(settings: RoundSettings, grid: Grid) -> None:
    """Run the experiment with clients that are SuperNodes, and write its results.

    Args:
        settings: What is run, and where its files are.
        grid: Flower's access to the clients.

    Raises:
        QKDError: If the settings cannot be met, or too few clients answer.
    """
    experiment, output = load_experiment(settings.experiment), Path(settings.output)
    # A server that was killed a moment ago may still have a process that is about to end.
    with folder_lock(output, wait=True):
        pass
    run_experiment(
        experiment,
        output=output,
        resume=True,
        transport=FlowerTransport(
            grid, tuple(client.name for client in experiment.clients), Path(settings.state)
        ),
        data=read_server_data(experiment, settings.public),
    )
