"""Runs in MLflow: the only module that imports it, and only when a run is kept.

Where MLflow keeps its runs is MLflow's own affair: `MLFLOW_TRACKING_URI`, or a database in the present
folder.
"""

from __future__ import annotations

import os
import re
from importlib.util import find_spec

from qkd_qiskit.errors import ReportingError
from qkd_qiskit.extras import missing_extra
from qkd_qiskit.trackers.base import TrackedRun

# What MLflow takes: more parameters at once, and longer ones, are refused by its servers.
_AT_ONCE, _LONGEST = 100, 500
_EXPERIMENT = "MLFLOW_EXPERIMENT_NAME"


class MlflowTracker:
    """Keeps a run's settings as parameters, its figures as metrics, its files as artifacts."""

    name = "mlflow"

    def require(self) -> None:
        """Make sure that MLflow is installed.

        Raises:
            ReportingError: If it is not.
        """
        if find_spec("mlflow") is None:
            raise ReportingError(missing_extra("--track mlflow", "mlflow"))

    def keep(self, run: TrackedRun) -> str:
        """Keep a run in MLflow's experiment of the same name, or in that of `MLFLOW_EXPERIMENT_NAME`.

        Raises:
            ReportingError: If MLflow is not installed, or refuses.
        """
        self.require()
        import mlflow

        try:
            mlflow.set_experiment(os.environ.get(_EXPERIMENT) or run.record.experiment)
            with mlflow.start_run(run_name=run.name) as kept:
                parameters = [(_key(key), value[:_LONGEST]) for key, value in run.parameters().items()]
                for start in range(0, len(parameters), _AT_ONCE):
                    mlflow.log_params(dict(parameters[start : start + _AT_ONCE]))
                mlflow.log_metrics({_key(key): value for key, value in run.metrics().items()})
                mlflow.set_tags({f"version.{name}": text for name, text in run.record.versions.items()})
                for path in run.files():
                    mlflow.log_artifact(str(path))
        except mlflow.exceptions.MlflowException as error:
            raise ReportingError(f"mlflow: cannot keep the run: {error}") from None
        return f"MLflow run {kept.info.run_id} in {mlflow.get_tracking_uri()}"


def _key(name: str) -> str:
    """Return a name of the signs that MLflow allows."""
    return re.sub(r"[^\w\-./ ]", "_", name, flags=re.ASCII)
