"""Public functions meet arguments of any type: they work, or refuse in one line of an error class of ours."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit.library import zz_feature_map
from qiskit_aer.noise import NoiseModel

import qkd_qiskit
from qkd_qiskit import (
    AerEvaluator,
    CircuitEncoding,
    Client,
    Experiment,
    Kernel,
    PauliEvaluator,
    SamplerEvaluator,
    Server,
    SpendingLimit,
    VQCNNClassifier,
    VQCNNSpec,
    build_circuit,
    compare_runs,
    crosscheck,
    estimate_gate_budget,
    export_model,
    list_backends,
    load_backend,
    make_cases,
    model_card,
    predict_file,
    run_experiment,
    sampler_qnn,
    submit_model,
    transpile_verified,
)
from qkd_qiskit.config import load_experiment
from qkd_qiskit.data import load_dataset
from qkd_qiskit.encoding import make_encoder
from qkd_qiskit.errors import QKDError
from qkd_qiskit.estimator import load_coefficients
from qkd_qiskit.hardware import device_from_backend
from qkd_qiskit.interop import export_circuit, to_qasm3, to_qpy
from qkd_qiskit.models import load_model
from qkd_qiskit.simulation import compile_model
from qkd_qiskit.sweep import load_sweep
from qkd_qiskit.vqcnn import Gene

SPEC = VQCNNSpec(2, plan="conv", kernels="one_cx")
WEIGHTS, INPUTS = np.zeros(SPEC.n_weights), np.zeros((1, SPEC.n_features))
ODD: tuple[Any, ...] = (
    None, True, 5, -1, 10**30, 2.5, float("nan"), float("inf"), 1j, Decimal(3), "", "x", "a\nb", "\0",
    b"x", [], [None], [[]], (1, "a"), {}, {"a": 1}, {1, 2}, object(), len, int, Path("none"), range(3),
    np.array(3), np.zeros(3), np.zeros((2, 2)), np.array("x"), np.array([None, 1], dtype=object),
    QuantumCircuit(1), NoiseModel(), iter(()), slice(1), Ellipsis,
)  # fmt: skip


def _table() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {"X": rng.normal(size=(20, 4)), "y": np.arange(20) % 2}


def _experiment(**changed: Any) -> Any:
    parties = {"clients": [Client("a", **_table()), Client("b", **_table())], "server": Server(**_table())}
    return Experiment(**parties | changed)


def _fitted(**changed: Any) -> Any:
    values = {"X": _table()["X"], "y": _table()["y"]} | {k: v for k, v in changed.items() if k in ("X", "y")}
    chosen = {"n_qubits": 2, "particles": 1, "iterations": 0, "refine": 1}
    made = VQCNNClassifier(**chosen | {k: v for k, v in changed.items() if k not in values})
    return made.fit(values["X"], values["y"])


def _probabilities(weights: Any, inputs: Any) -> Any:
    return PauliEvaluator(SPEC).probabilities(weights, inputs)


def _sampled(weights: Any, inputs: Any) -> Any:
    return SamplerEvaluator(SPEC, shots=10, seed=0).probabilities(weights, inputs)


#: What is called, a call that works, and the arguments that are replaced, one at a time.
CALLS: dict[str, tuple[Callable[..., Any], dict[str, Any], tuple[str, ...]]] = {
    "VQCNNSpec": (
        VQCNNSpec,
        {"n_qubits": 2},
        ("n_qubits", "encoding", "plan", "kernels", "sharing", "n_outcomes"),
    ),
    "VQCNNSpec.from_index": (VQCNNSpec.from_index, {"index": SPEC.index}, ("index",)),
    "Kernel": (Kernel, {"genes": (Gene(8, 0),)}, ("genes",)),
    "CircuitEncoding": (
        CircuitEncoding,
        {"circuit": zz_feature_map(2, reps=1)},
        ("circuit", "name", "scale", "shift", "reach"),
    ),
    "build_circuit": (build_circuit, {"spec": SPEC}, ("spec",)),
    "load_backend": (load_backend, {"name": "noisy_line"}, ("name",)),
    "device_from_backend": (device_from_backend, {}, ("backend",)),
    "transpile_verified": (
        transpile_verified,
        {"spec": SPEC, "backend": "noisy_line"},
        ("spec", "backend", "seed", "chain"),
    ),
    "compile_model": (compile_model, {"spec": SPEC, "device": "noisy_line"}, ("spec", "device")),
    "PauliEvaluator": (
        PauliEvaluator,
        {"transpiled": SPEC},
        ("transpiled", "noise_model", "memory_budget", "dtype", "device"),
    ),
    "AerEvaluator": (AerEvaluator, {"transpiled": SPEC}, ("transpiled", "noise_model")),
    "SamplerEvaluator": (
        SamplerEvaluator,
        {"transpiled": SPEC},
        ("transpiled", "noise_model", "sampler", "shots", "seed"),
    ),
    "probabilities": (_probabilities, {"weights": WEIGHTS, "inputs": INPUTS}, ("weights", "inputs")),
    "sampled": (_sampled, {"weights": WEIGHTS, "inputs": INPUTS}, ("weights", "inputs")),
    "estimate_gate_budget": (
        estimate_gate_budget,
        {**_table(), "backend": "noisy_line", "n_qubits": 2},
        ("X", "y", "backend", "n_outcomes", "coefficients", "n_qubits", "encoding", "kernel", "sharing"),
    ),
    "VQCNNClassifier": (
        _fitted,
        {},
        # Data and random_state are checked by scikit-learn, in its own words, as its conventions want it.
        ("n_qubits", "encoding", "kernel", "sharing", "budget", "backend", "particles", "iterations", "l2"),
    ),
    "run_experiment": (run_experiment, {}, ("config",)),
    "load_experiment": (
        load_experiment,
        {"name_or_path": "quickstart"},
        ("name_or_path", "overrides", "seed", "unset"),
    ),
    "load_sweep": (load_sweep, {"name_or_path": "attacks"}, ("name_or_path", "changes")),
    "load_dataset": (load_dataset, {"name": "digits"}, ("name", "path", "labels", "classes")),
    "load_model": (load_model, {}, ("path",)),
    "load_coefficients": (load_coefficients, {}, ("path",)),
    "make_encoder": (
        make_encoder,
        {"encoding": "angle", "n_qubits": 2},
        ("encoding", "n_qubits", "image_shape"),
    ),
    "export_circuit": (export_circuit, {"source": SPEC, "weights": WEIGHTS}, ("source", "weights")),
    "to_qpy": (to_qpy, {}, ("circuit",)),
    "Client": (Client, {"name": "a", **_table()}, ("name", "X", "y", "backend", "samples", "classes")),
    "Server": (Server, _table(), ("X", "y", "test", "unlabelled", "backend", "sampler", "shots")),
    "Experiment": (
        _experiment,
        {},
        ("clients", "server", "name", "aggregation", "encoding", "baselines", "model", "training"),
    ),
    "compare_runs": (compare_runs, {"folders": ["one", "other"]}, ("folders", "model")),
    "export_model": (
        export_model,
        {"run": "run", "output": "out"},
        ("run", "output", "formats", "backend", "free"),
    ),
    "predict_file": (
        predict_file,
        {"run": "run", "source": "table.csv"},
        ("run", "source", "labels", "backend", "shots", "seed"),
    ),
    "model_card": (model_card, {"model": None}, ("model", "results")),
    "sampler_qnn": (sampler_qnn, {"source": SPEC}, ("source", "sampler", "input_gradients")),
    "submit_model": (
        submit_model,
        {"run": "run", "backend": "ibm_torino"},
        ("run", "backend", "options", "limits", "spend", "wait"),
    ),
    "make_cases": (make_cases, {"count": 1, "qubits": 2}, ("count", "qubits", "index", "backend", "seed")),
    "crosscheck": (crosscheck, {"cases": ()}, ("cases", "shots", "seed")),
    "SpendingLimit": (SpendingLimit, {}, ("max_seconds", "price_per_second", "max_price")),
    "to_qasm3": (to_qasm3, {}, ("circuit",)),
}  # fmt: skip


def test_every_public_name_is_called() -> None:
    no_arguments = {list_backends.__name__}
    # Made by functions that check what they are given, or plain records of what was found.
    made_by_others = {
        "CrosscheckCase", "Device", "ExperimentResult", "ExperimentSettings", "GateBudget", "ProgressEvent",
        "SavedModel", "SubmissionOptions",
    }  # fmt: skip
    no_functions = {"AggregationRule", "ClassicalBaseline", "Encoding", "QKDError"}
    # With an engine of its own, an extra.
    tested_beside_pennylane = {"PennyLaneEvaluator"}
    made_by_others |= no_functions | tested_beside_pennylane
    assert set(qkd_qiskit.__all__) <= set(CALLS) | no_arguments | made_by_others


def _calls() -> Iterator[tuple[str, str]]:
    for name, (_, _, arguments) in CALLS.items():
        for argument in arguments:
            yield name, argument


def wrong(call: Callable[..., Any], arguments: dict[str, Any]) -> str | None:
    """Return what is wrong about how a call ends; None if it works or refuses in one line of ours."""
    try:
        with warnings.catch_warnings():
            # A library's warning about an odd value is not what is looked for.
            warnings.simplefilter("ignore")
            call(**arguments)
    except QKDError as error:
        if len(str(error).splitlines()) == 1 and 10 < len(str(error)) < 1000:
            return None
        return f"no single line: {str(error)[:200]!r}"
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:120]}"
    return None


@pytest.mark.parametrize(("name", "argument"), list(_calls()))
def test_an_odd_argument_is_taken_or_refused_in_one_line(
    name: str, argument: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    call, whole, _ = CALLS[name]
    found = [
        f"{argument}={odd!r:.60}: {told}"
        for odd in ODD
        if (told := wrong(call, {**whole, argument: odd})) is not None
    ]
    assert not found, "\n".join(found)
