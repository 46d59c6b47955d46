"""What a unit of -log(expected success probability) costs: where the default price of a search comes from.

Training on exact probabilities undoes most of a damping by a larger logit scale. Whoever reads an image
out with a finite number of shots pays for that scale: it enlarges the shot noise too. This study measures by
how much.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.config import TrainingSettings
from qkd_qiskit.hardware import load_backend, predict_counts
from qkd_qiskit.progress import Progress
from qkd_qiskit.simulation import PauliEvaluator, compile_model
from qkd_qiskit.studies.swarm_data import Cell, draw, run_cells
from qkd_qiskit.training import Targets, train_model
from qkd_qiskit.training.lbfgs import LOG_SCALE_BOUNDS
from qkd_qiskit.vqcnn import PRESETS, VQCNNSpec

PAIRS = ((3, 5), (4, 9))
DEVICES = ("ibm_torino", "ibm_sherbrooke", "ibm_guadalupe")
SHOTS = (64, 128, 256, 1024)
SAMPLES, JUDGED = 300, 200
TRAINING = TrainingSettings(particles=8, iterations=3, refine=60, l2=0.015)
_DRAWS = 20


def run_price(
    *, seeds: Sequence[int], folder: Path, progress: Progress | None = None
) -> list[dict[str, Any]]:
    """The same trained weights on devices of growing noise, read out with few shots and with many.

    Only the logit scale is fitted again on each device. All images are training images; the ones that judge
    took no part in the training.

    Args:
        seeds: Each seed draws its own images and starts.
        folder: Where records are kept.
        progress: Told of every kernel.
    """
    cells = [
        Cell(
            name=f"{pair[0]}-{pair[1]} {preset} seed {seed}",
            settings={
                "samples": SAMPLES,
                "judged": JUDGED,
                "devices": list(DEVICES),
                "shots": list(SHOTS),
                "draws": _DRAWS,
                "training": TRAINING.model_dump(exclude_unset=True),
            },
            work=partial(_damped, pair, preset, seed),
        )
        for seed in seeds
        for pair in PAIRS
        for preset in PRESETS
    ]
    return run_cells("price", cells, folder, progress=progress)


def summarize_price(records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row for each number of shots: loss per unit of -log(expected success probability).

    Each record gives one slope, through its loss without noise; rows have mean and spread over records.
    """
    rows = []
    for place, shots in enumerate(["exact", *SHOTS]):
        slopes = [_slope(r["minus_log_success"], [losses[place] for losses in r["losses"]]) for r in records]
        rows.append(
            {
                "shots": shots,
                "records": len(slopes),
                "price": round(float(np.mean(slopes)), 3),
                "price_spread": round(float(np.std(slopes, ddof=1)), 3) if len(slopes) > 1 else None,
                "loss_without_noise": round(float(np.mean([r["losses"][0][place] for r in records])), 3),
            }
        )
    return rows


def _slope(success: Sequence[float], losses: Sequence[float]) -> float:
    """Least-squares slope of the rise over the first entry, whose success is certain."""
    x, y = np.array(success), np.array(losses) - losses[0]
    return float(x @ y / (x @ x))


def _damped(pair: tuple[int, int], preset: str, seed: int) -> dict[str, Any]:
    data = draw(pair, samples=SAMPLES + JUDGED, seed=seed)
    spec = VQCNNSpec(8, kernels=preset, sharing="site", n_outcomes=2)
    rng = np.random.default_rng(seed)
    learnt = Targets(2, labels=data.labels[:SAMPLES])
    model = train_model(PauliEvaluator(spec), data.inputs[:SAMPLES], learnt, TRAINING, rng=rng)
    judged = Targets(2, labels=data.labels[SAMPLES:])
    success, losses = [], []
    for name in (None, *DEVICES):
        evaluator, minus_log = PauliEvaluator(spec), 0.0
        if name is not None:
            device = load_backend(name)
            evaluator = compile_model(spec, device, seed=seed).noisy
            minus_log = -float(np.log(predict_counts(spec, device).esp))
        scale = _best_scale(evaluator.probabilities(model.weights[None], data.inputs[:SAMPLES]), learnt)
        found = evaluator.probabilities(model.weights[None], data.inputs[SAMPLES:])
        success.append(minus_log)
        losses.append([_loss(found, judged, scale), *(_sampled(found, judged, scale, s, rng) for s in SHOTS)])
    return {
        "pair": list(pair),
        "preset": preset,
        "seed": seed,
        "devices": ["none", *DEVICES],
        "minus_log_success": [round(value, 4) for value in success],
        "losses": [[round(value, 5) for value in row] for row in losses],
    }


def _best_scale(probabilities: FloatArray, targets: Targets) -> float:
    found = minimize_scalar(
        lambda log_scale: _loss(probabilities, targets, log_scale) + TRAINING.l2 * log_scale**2,
        bounds=LOG_SCALE_BOUNDS,
        method="bounded",
    )
    return float(found.x)


def _loss(probabilities: FloatArray, targets: Targets, log_scale: float) -> float:
    return float(targets.values(probabilities, np.array([log_scale]))[0])


def _sampled(
    probabilities: FloatArray, targets: Targets, log_scale: float, shots: int, rng: np.random.Generator
) -> float:
    """Mean loss of frequencies drawn from probabilities [1, N, 2^m]."""
    exact = probabilities[0] / probabilities[0].sum(axis=-1, keepdims=True)
    drawn = [rng.multinomial(shots, exact)[None] / shots for _ in range(_DRAWS)]
    return float(np.mean([_loss(frequencies, targets, log_scale) for frequencies in drawn]))
