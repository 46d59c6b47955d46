"""A run's global model for other programs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from qkd_qiskit.arguments import items, takes
from qkd_qiskit.errors import ModelError
from qkd_qiskit.hardware import TranspiledVQCNN, fold_angles, transpile_verified
from qkd_qiskit.hardware.registry import DeviceLike
from qkd_qiskit.interop import export_circuit, to_qasm3, to_qpy
from qkd_qiskit.models import card_markdown, device_of_run, load_model, model_card
from qkd_qiskit.reporting import read_results, write_json
from qkd_qiskit.services.output import write_file
from qkd_qiskit.vqcnn import VQCNNSpec

EXPORTS = ("qpy", "qasm3", "card")


@takes(ModelError, run=(str, Path), output=(str, Path), free=bool)
def export_model(
    run: str | Path,
    output: str | Path,
    *,
    formats: Sequence[str] = EXPORTS,
    backend: DeviceLike | None = None,
    free: bool = False,
) -> tuple[Path, ...]:
    """Write a run's global model for other programs.

    Args:
        run: Folder of a finished run.
        output: Folder for the files.
        formats: Any of `qpy`, `qasm3` and `card`.
        backend: Device whose ISA circuit is exported; the logical circuit when omitted.
        free: Whether weights stay parameters; else the trained ones are bound and inputs stay free.

    Returns:
        Paths of the files.

    Raises:
        ModelError: If there is no model, or a format is unknown.
        ReportingError: If a file cannot be written.
    """
    run, output = Path(run), Path(output)
    formats = items(ModelError, "formats", formats, f"any of {', '.join(EXPORTS)}")
    unknown = [name for name in formats if not isinstance(name, str) or name not in EXPORTS]
    if unknown:
        raise ModelError(f"unknown format {unknown[0]!r}: expected {', '.join(EXPORTS)}")
    model = load_model(run)
    source: VQCNNSpec | TranspiledVQCNN = model.spec
    if backend is not None:
        device = device_of_run(run, backend)
        source = transpile_verified(model.spec, device, seed=model.seed)
        if device.fractional and not free:
            source = fold_angles(source, model.weights, device)
    circuit = export_circuit(source, None if free else model.weights)
    files: dict[str, str | bytes] = {}
    if "qpy" in formats:
        files["global_model.qpy"] = to_qpy(circuit)
    if "qasm3" in formats:
        files["global_model.qasm"] = to_qasm3(circuit)
    if "card" in formats:
        results = run / "results.json"
        card = model_card(model, read_results(results) if results.is_file() else None)
        files["model_card.md"] = card_markdown(card)
        write_json(card, output / "model_card.json")
    return tuple(write_file(output / name, content) for name, content in files.items()) + (
        (output / "model_card.json",) if "card" in formats else ()
    )
