"""The model card: what a model is, how it was made, how good it is, in JSON and Markdown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from qkd_qiskit.arguments import NOTHING, takes
from qkd_qiskit.errors import ModelError
from qkd_qiskit.evaluation import Results
from qkd_qiskit.models.saved import ENCODER_PREFIX, MODEL_FILE, SavedModel
from qkd_qiskit.vqcnn import kernel_name

_LIMITS = (
    "Circuits of this kind can be simulated classically; no quantum advantage is claimed.",
    "Noise comes from a device's calibration data, which is a best case for the real machine.",
)


@takes(ModelError, model=SavedModel, results=(Results, NOTHING))
def model_card(model: SavedModel, results: Results | None = None) -> dict[str, Any]:
    """Return what there is to know about a global model, ready for JSON.

    Args:
        model: The model.
        results: The run's results, for accuracies, data and versions; None leaves them out.

    Returns:
        A dictionary of schema 1; the model index is a decimal string.

    Raises:
        ModelError: If the model or the results are something else.
    """
    spec = model.spec
    card: dict[str, Any] = {
        "schema": 1,
        "model": "global VQCNN, distilled from clients' outputs",
        "model_index": str(spec.index),
        "structure": {
            "n_qubits": spec.n_qubits,
            "encoding": spec.encoding,
            "plan": ", ".join(spec.plan),
            "kernels": list(dict.fromkeys(kernel_name(kernel) for kernel in spec.kernels)),
            "sharing": spec.sharing,
            "n_outcomes": spec.n_outcomes,
            "measured_qubits": list(spec.measured_qubits),
            "blocks": len(spec.blocks),
            "weights": spec.n_weights,
            "two_qubit_gates": spec.n_two_qubit,
        },
        "classes": list(model.classes),
        "logit_scale": model.logit_scale,
        "use": _use(model),
        "training": {
            "device": model.backend,
            "noise": model.backend if model.noise else None,
            "seed": model.seed,
        },
        "limits": list(_LIMITS),
    }
    if results is not None:
        card["experiment"] = results.experiment
        card["data"] = results.data.model_dump(exclude_unset=True)
        card["versions"] = dict(results.versions)
        if results.refit is not None:
            card["refit"] = results.refit.sentence
        if "global" in results.measured:
            own = results.measured["global"]
            card["accuracy"] = {
                "test": own.accuracy,
                "interval": list(own.interval),
                "without_noise": own.accuracy_ideal,
                "noise": own.noise,
            }
        card["compared"] = {
            name: model.accuracy for name, model in results.measured.items() if name != "global"
        }
    return card


def _use(model: SavedModel) -> dict[str, Any]:
    """Return what a program without this package needs: raw values to `x`, readings to classes."""
    formula: str | None = getattr(model.encoder, "formula", None)
    arrays = {
        name: value
        for name, value in model.encoder.arrays().items()
        if formula is None or re.search(rf"\b{name}\b", formula)
    }
    bits = len(model.spec.measured_qubits)
    inputs: dict[str, Any] = {
        "formula": formula or "load_model(run).encoder.transform(raw), of qkd_qiskit",
        "arrays": {name: f"{ENCODER_PREFIX}{name} of {MODEL_FILE}" for name in arrays},
        "shapes": {name: list(value.shape) for name, value in arrays.items()},
        "columns": None if model.columns is None else model.columns.names,
    }
    return {
        "x": inputs,
        "outcomes": {format(k, f"0{bits}b"): label for k, label in enumerate(model.classes)},
        "class_probabilities": "q = max(p, 1e-9) ** logit_scale over these outcomes, then q / sum(q)",
    }


def card_markdown(card: Mapping[str, Any]) -> str:
    """Return the card as a Markdown page."""
    structure, training = card["structure"], card["training"]
    rows = [(key.replace("_", " "), _text(value)) for key, value in structure.items()]
    lines = [
        f"# Model card: {card['model']}",
        "",
        f"Model index `{card['model_index']}`",
        "",
        "## Structure",
        "",
        *_table(("property", "value"), rows),
        "",
        "## Training",
        "",
        f"- classes: {_text(card['classes'])}",
        f"- device: {training['device']}",
        f"- noise: {training['noise'] or 'none'}",
        f"- seed: {training['seed']}",
        f"- logit scale: {card['logit_scale']:.4g}",
    ]
    if "experiment" in card:
        lines.append(f"- experiment: {card['experiment']}, on {card['data']['dataset']}")
    if card.get("refit"):
        lines.append(f"- {card['refit']}")
    use = card["use"]
    where = ", ".join(
        f"`{name}` is {place} {use['x']['shapes'][name]}" for name, place in use["x"]["arrays"].items()
    )
    lines += [
        "",
        "## Use",
        "",
        "Inputs of the circuit, from raw features [N, F]:",
        "",
        f"    x = {use['x']['formula']}",
        "",
        f"where {where}; `numpy.load` reads them, and `clip` is NumPy's.",
        "",
        "The register `meas` tells the class, its first bit on the right:",
        "",
        *_table(("`meas`", "class"), [(f"`{bits}`", str(label)) for bits, label in use["outcomes"].items()]),
        "",
        "Other readings are no class. With p the shares of the classes' readings, class probabilities are",
        "",
        f"    {use['class_probabilities']}",
        "",
        f"and logit_scale is {card['logit_scale']!r}.",
    ]
    if "accuracy" in card:
        accuracy = card["accuracy"]
        low, high = accuracy["interval"]
        lines += [
            "",
            "## Accuracy",
            "",
            f"{accuracy['test']:.1%} on {card['data']['test']} test samples under the noise of "
            f"{accuracy['noise'] or 'no device'} (95 % interval {low:.1%} to {high:.1%}); "
            f"{accuracy['without_noise']:.1%} without noise.",
            "",
            *_table(
                ("compared with", "accuracy"),
                [(name.replace("_", " "), f"{value:.1%}") for name, value in card["compared"].items()],
            ),
        ]
    if "versions" in card:
        lines += ["", "## Versions", "", *_table(("package", "version"), list(card["versions"].items()))]
    lines += ["", "## Limits", "", *(f"- {line}" for line in card["limits"]), ""]
    return "\n".join(lines)


def _table(head: tuple[str, str], rows: list[tuple[str, str]]) -> list[str]:
    return [f"| {head[0]} | {head[1]} |", "|---|---|", *(f"| {left} | {right} |" for left, right in rows)]


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
