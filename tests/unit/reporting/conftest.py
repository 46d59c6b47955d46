"""A hand-made result: plausible numbers, found by nobody."""

from __future__ import annotations

import copy
from typing import Any

import pytest

_MODELS = {
    "global": (0.921, 0.934, (0.902, 0.939), "ibm_torino", 331, 66),
    "centralized": (0.936, 0.941, (0.918, 0.952), "ibm_torino", 331, 66),
    "fedavg": (0.874, 0.903, (0.85, 0.896), "each client's", 331, 66),
    "public_only": (0.895, 0.912, (0.872, 0.915), "ibm_torino", 331, 66),
    "teacher_ensemble": (0.914, 0.92, (0.895, 0.932), "each client's", None, None),
    "best_client": (0.732, 0.741, (0.7, 0.762), "ibm_torino", 211, 42),
    "logistic_regression": (0.947, None, (0.931, 0.962), None, 68, None),
    "rbf_svm": (0.97, None, (0.957, 0.981), None, None, None),
    "mlp": (0.955, None, (0.94, 0.969), None, 329, None),
}

_CLIENTS = (
    ("north", "ibm_torino", 600, [0, 1, 2], 14, 42, 0.71, "data"),
    ("east", "ibm_sherbrooke", 250, [1, 2, 3], 11, 33, 0.66, "device"),
    ("south", "ibm_marrakesh", 400, [0, 3], 8, 24, 0.8, "need"),
    ("west", "ibm_guadalupe", 120, [2], 5, 15, 0.83, "data"),
)


def _client(row: tuple[Any, ...]) -> dict[str, Any]:
    name, backend, samples, classes, blocks, two_qubit, esp, limited_by = row
    return {
        "name": name,
        "backend": backend,
        "samples": samples,
        "classes": classes,
        "budget": {
            "blocks": blocks,
            "weights": 15 * blocks + 1,
            "two_qubit_gates": 3 * blocks,
            "limited_by": limited_by,
        },
        "model_index": str(3**80 + blocks),
        "gates": {
            "estimated": {
                "two_qubit": two_qubit,
                "one_qubit": {"low": 6 * two_qubit, "mid": 7 * two_qubit, "high": 9 * two_qubit},
                "two_qubit_depth": 21,
                "esp": esp,
            },
            "transpiled": {
                "two_qubit": two_qubit,
                "one_qubit": 7 * two_qubit + 3,
                "two_qubit_depth": 21,
                "esp": esp - 0.012,
            },
            "relative_error": {
                "two_qubit": 0.0,
                "one_qubit": -0.01,
                "two_qubit_depth": 0.0,
                "esp": 0.02,
            },
        },
        "accuracy": {"own_classes": 0.96, "all_classes": 0.2 + 0.17 * len(classes)},
        "bytes_sent": 400 * 2 * (len(classes) + 1) + 90,
        "seconds": 9.5,
    }


_RESULTS: dict[str, Any] = {
    "schema": 1,
    "experiment": "quickstart",
    "seed": 7,
    "versions": {"qkd_qiskit": "0.1.0", "qiskit": "2.3.0", "numpy": "2.4.6"},
    "data": {"dataset": "mnist5000", "classes": [0, 1, 2, 3], "public": 400, "test": 800},
    "clients": [_client(row) for row in _CLIENTS],
    "models": {
        name: {
            "accuracy": accuracy,
            "accuracy_ideal": ideal,
            "interval": list(interval),
            "noise": noise,
            "weights": weights,
            "two_qubit_gates": gates,
        }
        for name, (accuracy, ideal, interval, noise, weights, gates) in _MODELS.items()
    },
    "absent": {},
    "comparisons": {
        "global_minus_public_only": {"difference": 0.026, "interval": [0.011, 0.041]},
        "global_minus_fedavg": {"difference": 0.047, "interval": [0.03, 0.064]},
        "global_minus_teacher_ensemble": {"difference": 0.007, "interval": [-0.006, 0.02]},
    },
    "communication": {
        "distillation": {"up": 11_560, "down": 62_720, "rounds": 1},
        "fedavg": {"up": 105_920, "down": 105_920, "rounds": 20},
    },
    "timings": {"data": 1.2, "clients": 41.0, "global": 38.5, "baselines": 60.1, "total": 142.0},
}


@pytest.fixture
def results() -> dict[str, Any]:
    """A fresh result of schema 1."""
    return copy.deepcopy(_RESULTS)
