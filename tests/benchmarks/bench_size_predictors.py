"""Training-free predictors of a structure's size against the recorded truth of the sweep `kinds`.

- expressibility (Sim et al., Advanced Quantum Technologies 2:1900070, 2019), on outcomes: the divergence of
  the overlaps of random weights from those of Haar-random states; the smallest size within a tenth of the
  least. It does not see the data.
- representational capacity, after Elivagar (arXiv:2401.09393): how much nearer outcomes of one class lie than
  those of different ones, over random weights; the smallest size within two hundredths of the best.

Elivagar's Clifford noise resilience sees circuit and noise, not the data: in one family of chains it falls
with every block, so that it always ranks the smallest size first: the row `smallest`.

    python tests/benchmarks/bench_size_predictors.py [DATA_FOLDER]

Without the folder, tasks whose datasets the package lacks are left out.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

from qkd_qiskit.estimator import ProbeModel, calibration, load_coefficients
from qkd_qiskit.estimator.calibration import predictors, probe_fit, probed
from qkd_qiskit.estimator.calibration.curves import curves
from qkd_qiskit.estimator.calibration.records import draw_task, task_rungs
from qkd_qiskit.estimator.probes.search import granted_size
from qkd_qiskit.simulation import compile_model

DRAWS = 16
SAMPLES = 80


def capacity(spec, inputs, labels, rng):
    """Return mean similarity within classes less that between them, over random weights."""
    evaluator = compile_model(spec, None).fast
    same = labels[:, None] == labels[None, :]
    np.fill_diagonal(same, val=False)
    other = labels[:, None] != labels[None, :]
    found = []
    for _ in range(DRAWS):
        p = evaluator.probabilities(rng.uniform(-np.pi, np.pi, spec.n_weights), inputs)
        near = 1.0 - 0.5 * np.abs(p[:, None, :] - p[None, :, :]).sum(axis=2)
        found.append(near[same].mean() - near[other].mean())
    return float(np.mean(found))


def divergence(spec, inputs, rng):
    """Return the divergence of outcome overlaps from those of Haar-random states of the measured qubits."""
    evaluator = compile_model(spec, None).fast
    weights = rng.uniform(-np.pi, np.pi, (200, spec.n_weights))
    p = np.array([evaluator.probabilities(w, inputs[:1])[0] for w in weights])
    overlap = (np.sqrt(np.clip(p[::2], 0, None) * np.clip(p[1::2], 0, None))).sum(axis=1) ** 2
    states = rng.standard_normal((200, p.shape[1])) + 1j * rng.standard_normal((200, p.shape[1]))
    q = np.abs(states) ** 2
    q /= q.sum(axis=1, keepdims=True)
    haar = (np.sqrt(q[::2] * q[1::2])).sum(axis=1) ** 2
    edges = np.linspace(0, 1, 11)
    a, b = (np.histogram(values, edges)[0] + 0.5 for values in (overlap, haar))
    a, b = a / a.sum(), b / b.sum()
    return float((a * np.log(a / b)).sum())


def main() -> None:
    """Print a table of all predictors on the tasks left out."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    plan = calibration.load_plan("kinds")
    records, _ = calibration.shipped_records(plan)
    tasks = probed.probed_tasks(plan, curves(plan, records), load_coefficients(), ProbeModel())
    tasks = [t for t in tasks if t.curve.task.use == "fit" or t.curve.task.file is None or folder is not None]
    model, _ = probe_fit.fit_probe_model([task for task in tasks if task.curve.task.use == "fit"])
    searched = [probed.simulate_probes(task, model) for task in tasks]
    rows = {
        "rule": ([task.granted[1] for task in tasks], 0.0),
        "smallest": ([0] * len(tasks), 0.0),
        "constant": (predictors.constant_sizes(tasks), 0.0),
        "regression": (predictors.regressed_sizes(tasks), 0.0),
        "prior": (
            [granted_size(np.cumsum(probed.prior_of(task, model)), model.confidence) for task in tasks],
            0.0,
        ),
        "probes": (
            [found.granted(model.confidence) for found, _ in searched],
            float(np.median([spent for _, spent in searched])),
        ),
    }
    for name in ("expressibility", "capacity"):
        sizes, begun = [], time.process_time()
        for task in tasks:
            if task.curve.task.use == "fit":
                sizes.append(0)
                continue
            data = draw_task(plan, task.curve.task, 0, folder)
            rng = np.random.default_rng(0)
            rows_used = rng.permutation(len(data.labels))[:SAMPLES]
            x, y = data.inputs[rows_used], data.labels[rows_used]
            specs = task_rungs(plan, task.curve.task)
            if name == "capacity":
                values = np.array([capacity(spec, x, y, rng) for spec in specs])
                sizes.append(int(np.argmax(values >= values.max() - 0.02)))
            else:
                values = np.array([divergence(spec, x, rng) for spec in specs])
                sizes.append(int(np.argmax(values <= values.min() + 0.1 * (values.max() - values.min()))))
        left_out = sum(task.curve.task.use == "validation" for task in tasks)
        rows[name] = sizes, (time.process_time() - begun) / max(left_out, 1)
    print(f"{'predictor':16} {'median':>7} {'90 %':>7} {'within a point':>15} {'seconds':>8}")
    for name, (sizes, seconds) in rows.items():
        f = predictors.predictor_figures(tasks, sizes, "validation")
        print(f"{name:16} {f['median']:7.2f} {f['90']:7.2f} {f['sufficient']:15.2f} {seconds:8.1f}")


if __name__ == "__main__":
    main()
