"""Searched kernels beside presets at equal native gates, and what noise does to the search's choice."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from qkd_qiskit.config import StructureSettings, TrainingSettings
from qkd_qiskit.evaluation import difference_interval
from qkd_qiskit.hardware import load_backend
from qkd_qiskit.progress import Progress
from qkd_qiskit.simulation import PauliEvaluator
from qkd_qiskit.studies.swarm_data import Cell, Draw, draw, run_cells
from qkd_qiskit.training import (
    CandidateFactory,
    KernelSpace,
    SearchTask,
    StructureSearch,
    Targets,
    device_candidates,
    search_structure,
    searched_spec,
    train_model,
)
from qkd_qiskit.vqcnn import PRESETS, VQCNNSpec, native_two_qubit

TEN_PAIRS = ((3, 5), (4, 9), (7, 9), (5, 8), (3, 8), (2, 7), (1, 7), (0, 6), (2, 3), (8, 9))
SAMPLES = 700
PRESET = "two_cx"
"""The preset with two native two-qubit gates a block; the search must use as many."""
SEARCH = TrainingSettings(
    particles=10,
    iterations=5,
    refine=150,
    l2=0.015,
    structure=StructureSettings(
        enabled=True,
        particles=12,
        iterations=7,
        patience=7,
        samples=200,
        price=0.0,
        resolution=0.0,
        finalists=3,
        presets=False,
    ),
)
NOISE_PAIR = (4, 9)
NOISE_DEVICES = (None, "ibm_torino", "ibm_sherbrooke", "ibm_guadalupe")
NOISE_SAMPLES = 400
NOISE_PRICES = (0.0, 0.1, 0.35)
"""Without a price, and the prices of damping at 256 and at 64 shots an image (`swarm_price`)."""


def run_against_presets(
    pairs: Sequence[tuple[int, int]],
    *,
    seeds: Sequence[int],
    folder: Path,
    progress: Progress | None = None,
) -> list[dict[str, Any]]:
    """Search a kernel for each pair, with exactly as many native two-qubit gates as the preset's.

    No preset is among the first particles. The search chooses on a part of the training images; then both
    kernels are trained on all of them, in the same way.

    Args:
        pairs: Pairs of digits.
        seeds: Each seed draws its own images and starts.
        folder: Where records are kept.
        progress: Told of every pair.
    """
    cells = [
        Cell(
            name=f"{pair[0]}-{pair[1]} seed {seed}",
            settings={"samples": SAMPLES, "preset": PRESET, "search": SEARCH.model_dump(exclude_unset=True)},
            work=partial(_against_preset, pair, seed),
        )
        for seed in seeds
        for pair in pairs
    ]
    return run_cells("presets", cells, folder, progress=progress)


def summarize_against_presets(records: Sequence[dict[str, Any]], *, seed: int = 0) -> list[dict[str, Any]]:
    """One row a pair, and one for all: accuracies, their difference and its paired bootstrap interval."""
    rng = np.random.default_rng(seed)
    rows = []
    pairs = list(dict.fromkeys(tuple(r["pair"]) for r in records))
    for pair in [*pairs, None]:
        mine = [r for r in records if pair is None or tuple(r["pair"]) == pair]
        searched = np.concatenate([np.array(r["searched_hits"], dtype=bool) for r in mine])
        preset = np.concatenate([np.array(r["preset_hits"], dtype=bool) for r in mine])
        interval = difference_interval(searched, preset, rng=rng)
        rows.append(
            {
                "pair": "all" if pair is None else f"{pair[0]}/{pair[1]}",
                "seeds": len({r["seed"] for r in mine}),
                "kernels": [r["kernel"] for r in mine],
                "two_qubit_gates": mine[0]["two_qubit_gates"],
                "weights": round(float(np.mean([r["weights"] for r in mine])), 1),
                "searched": round(float(searched.mean()), 4),
                "preset": round(float(preset.mean()), 4),
                "difference": round(float(searched.mean() - preset.mean()), 4),
                "interval": [round(interval.low, 4), round(interval.high, 4)],
            }
        )
    return rows


def run_under_noise(
    *, seeds: Sequence[int], folder: Path, progress: Progress | None = None
) -> list[dict[str, Any]]:
    """The same search without noise and under devices' noise, with and without a price for native gates.

    Args:
        seeds: Each seed draws its own images and starts.
        folder: Where records are kept.
        progress: Told of every search.
    """
    cells = [
        Cell(
            name=f"{device or 'ideal'} price {price} seed {seed}",
            settings={"pair": list(NOISE_PAIR), "samples": NOISE_SAMPLES, "price": price},
            work=partial(_under_noise, device, price, seed),
        )
        for seed in seeds
        for device in NOISE_DEVICES
        for price in (NOISE_PRICES if device else NOISE_PRICES[:1])
    ]
    return run_cells("noise", cells, folder, progress=progress)


def summarize_under_noise(records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row for each device and price: native gates of the best kernel and of the best five, by seed."""
    rows = []
    for key in dict.fromkeys((r["device"], r["price"]) for r in records):
        mine = [r for r in records if (r["device"], r["price"]) == key]
        rows.append(
            {
                "device": key[0],
                "price": key[1],
                "seeds": len(mine),
                "best": [r["best_gates"] for r in mine],
                "best_mean": round(float(np.mean([r["best_gates"] for r in mine])), 1),
                "best_five_mean": round(float(np.mean([r["best_five_gates"] for r in mine])), 1),
                "tried_mean": round(float(np.mean([r["tried_gates"] for r in mine])), 1),
            }
        )
    return rows


def _against_preset(pair: tuple[int, int], seed: int) -> dict[str, Any]:
    data = draw(pair, samples=SAMPLES, seed=seed)
    targets = Targets(2, labels=data.labels)
    preset = VQCNNSpec(8, kernels=PRESET, sharing="site", n_outcomes=2)
    kernel = PRESETS[PRESET]
    search = search_structure(
        CandidateFactory(preset, PauliEvaluator, lambda spec: 0.0, native_two_qubit),
        KernelSpace(len(kernel.genes), kernel.n_two_qubit, kernel.n_two_qubit),
        SearchTask(data.inputs, targets, seed),
        SEARCH,
    )
    spec = searched_spec(preset, search)
    hits = {"preset": _hits(preset, data, targets, seed), "searched": _hits(spec, data, targets, seed)}
    return {
        "pair": list(pair),
        "seed": seed,
        "kernel": search.winner,
        "two_qubit_gates": native_two_qubit(spec),
        "preset_two_qubit_gates": native_two_qubit(preset),
        "weights": spec.n_weights,
        "tried": len(search.kernels),
        "reused": search.reused,
        "history": list(search.history),
        **{f"{name}_hits": [int(hit) for hit in found] for name, found in hits.items()},
    }


def _hits(spec: VQCNNSpec, data: Draw, targets: Targets, seed: int) -> Any:
    evaluator = PauliEvaluator(spec)
    model = train_model(evaluator, data.inputs, targets, SEARCH, rng=np.random.default_rng(seed))
    return model.predict(evaluator, data.test_inputs) == data.test_labels


def _under_noise(device: str | None, price: float, seed: int) -> dict[str, Any]:
    data = draw(NOISE_PAIR, samples=NOISE_SAMPLES, seed=seed)
    base = VQCNNSpec(8, kernels="su4", sharing="site", n_outcomes=2)
    if device is None:
        workshop = CandidateFactory(base, PauliEvaluator, lambda spec: 0.0, native_two_qubit)
    else:
        workshop = device_candidates(base, load_backend(device), seed=seed)
    structure = StructureSettings(
        enabled=True,
        particles=10,
        iterations=4,
        samples=150,
        price=price,
        resolution=0.0,
        finalists=1,
        presets=True,
    )
    settings = SEARCH.model_copy(update={"structure": structure})
    kernel = PRESETS["su4"]
    search = search_structure(
        workshop,
        KernelSpace(len(kernel.genes), kernel.n_two_qubit),
        SearchTask(data.inputs, Targets(2, labels=data.labels), seed),
        settings,
    )
    return {"device": device or "none", "price": price, "seed": seed, **_gates(search)}


def _gates(search: StructureSearch) -> dict[str, Any]:
    order = np.argsort(search.fitness, kind="stable")
    return {
        "winner": search.winner,
        "best_gates": int(search.two_qubit[order[0]]),
        "best_five_gates": float(search.two_qubit[order[:5]].mean()),
        "tried_gates": float(search.two_qubit.mean()),
        "fitness": [round(float(value), 5) for value in search.fitness],
        "two_qubit": [int(value) for value in search.two_qubit],
        "history": list(search.history),
    }
