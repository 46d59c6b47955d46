"""Training-free predictors of a structure's size against the recorded truth of the sweep `kinds`.

- expressibility (Sim et al., Advanced Quantum Technologies 2:1900070, 2019), on outcomes: the divergence of
  the overlaps of random weights from those of Haar-random states; the smallest size within a tenth of the
  range of the least. It does not see the data.
- representational capacity, after Elivagar (arXiv:2401.09393): how much nearer outcomes of one class lie than
  those of different ones, over random weights; the smallest size within two hundredths of the best.

Elivagar's Clifford noise resilience sees circuit and noise, not the data: in one family of chains it falls
with every block, so that it always ranks the smallest size first: the row `smallest`.

Both go on drawing weights until the processor time is spent that the probes of the task take in closed form.
The tasks are those of use `confirmation`; what is fitted is fitted to all others.

    python tests/benchmarks/bench_size_predictors.py [--data FOLDER] [--task NAME ...]

Without the folder, tasks whose datasets the package lacks are left out.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from qkd_qiskit.estimator import ProbeModel, calibration, load_coefficients, load_probe_model
from qkd_qiskit.estimator.calibration.curves import curves
from qkd_qiskit.estimator.calibration.predictors import Part, compare_ways, size_figures
from qkd_qiskit.estimator.calibration.probed import probed_tasks, simulate_probes
from qkd_qiskit.estimator.calibration.records import draw_task, task_rungs
from qkd_qiskit.simulation import compile_model

SAMPLES = 200
EDGES = np.linspace(0, 1, 21)


def capacity(evaluator, weights, inputs, labels):
    """Return mean similarity of outcomes within classes less that between them, for some weights."""
    same = labels[:, None] == labels[None, :]
    other = ~same
    np.fill_diagonal(same, val=False)
    p = evaluator.probabilities(weights, inputs)
    near = 1.0 - 0.5 * np.abs(p[:, None, :] - p[None, :, :]).sum(axis=2)
    return near[same].mean() - near[other].mean()


def overlaps(evaluator, pairs, inputs):
    """Return the overlap of the outcomes of two weights on one sample."""
    p, q = (evaluator.probabilities(weights, inputs[:1])[0] for weights in pairs)
    return np.sqrt(np.clip(p * q, 0, None)).sum() ** 2


def divergence(found, outcomes, rng):
    """Return the divergence of outcome overlaps from those of Haar-random states of the measured qubits."""
    states = rng.standard_normal((2, 20_000, outcomes)) + 1j * rng.standard_normal((2, 20_000, outcomes))
    q = np.abs(states) ** 2
    q /= q.sum(axis=2, keepdims=True)
    a, b = (np.histogram(values, EDGES)[0] + 0.5 for values in (found, np.sqrt(q[0] * q[1]).sum(axis=1) ** 2))
    a, b = a / a.sum(), b / b.sum()
    return float((a * np.log(a / b)).sum())


def drawn(specs, seconds, draw):
    """Return what draws of each size gave, all sizes in turn, until the processor time is spent."""
    rng = np.random.default_rng(0)
    evaluators = [compile_model(spec, None).fast for spec in specs]
    found, begun = [[] for _ in specs], time.process_time()
    while time.process_time() - begun < seconds or not found[0]:
        for values, spec, evaluator in zip(found, specs, evaluators, strict=True):
            values.append(draw(evaluator, rng.uniform(-np.pi, np.pi, (2, spec.n_weights))))
    return found


def main() -> None:
    """Print a table of all predictors on the tasks of use `confirmation`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, help="folder of the datasets that the package lacks")
    parser.add_argument("--task", action="append", help="name of a task; all when omitted")
    asked_for = parser.parse_args()
    folder = asked_for.data
    plan = calibration.load_plan("kinds")
    records, _ = calibration.shipped_records(plan)
    tasks = probed_tasks(plan, curves(plan, records), load_coefficients(), ProbeModel())
    used = [task for task in tasks if task.curve.task.use != "confirmation"]
    asked = [
        task
        for task in tasks
        if task not in used
        and (task.curve.task.file is None or folder is not None)
        and (asked_for.task is None or task.curve.task.name in asked_for.task)
    ]
    model = load_probe_model()
    rows = dict(compare_ways([Part(used, asked, model)]).figures)
    sizes = {"expressibility": [], "capacity": []}
    counts = {name: [] for name in sizes}
    for task in asked:
        seconds = simulate_probes(task, model)[1]
        data = draw_task(plan, task.curve.task, 0, folder)
        chosen = np.random.default_rng(0).permutation(len(data.labels))[:SAMPLES]
        x, y = data.inputs[chosen], data.labels[chosen]
        specs = task_rungs(plan, task.curve.task)
        found = drawn(specs, seconds, lambda evaluator, pair, x=x: overlaps(evaluator, pair, x))
        measured = 2 ** (specs[0].n_outcomes - 1).bit_length()
        values = np.array([divergence(one, measured, np.random.default_rng(1)) for one in found])
        sizes["expressibility"].append(int(np.argmax(values <= values.min() + 0.1 * np.ptp(values))))
        counts["expressibility"].append(len(found[0]))
        found = drawn(specs, seconds, lambda evaluator, pair, x=x, y=y: capacity(evaluator, pair[0], x, y))
        values = np.mean(found, axis=1)
        sizes["capacity"].append(int(np.argmax(values >= values.max() - 0.02)))
        counts["capacity"].append(len(found[0]))
    rows |= {name: size_figures(asked, chosen) for name, chosen in sizes.items()}
    draws = ", ".join(f"{name} {np.median(found):.0f}" for name, found in counts.items())
    print(f"{len(asked)} tasks; draws of each size, median: {draws}")
    print(f"{'predictor':16} {'median':>7} {'90 %':>7} {'within a point':>15} {'points lost':>12}")
    for name, f in rows.items():
        print(f"{name:16} {f.median:7.2f} {f.most:7.2f} {f.sufficient:15.2f} {f.lost:12.2f}")


if __name__ == "__main__":
    main()
