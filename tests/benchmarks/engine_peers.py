"""The exact engine beside its peers, in one run on one machine."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from operator import itemgetter
from typing import Any

import clock
import numpy as np
import peers
from peer_program import PeerProgram
from qiskit_aer.noise import NoiseModel
from strong_peers import SAMPLES, PeerTask, measure_peers
from threadpoolctl import threadpool_limits

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.hardware import load_backend, transpile_verified
from qkd_qiskit.progress import NullProgress, Progress
from qkd_qiskit.simulation import ActiveCircuit, AerEvaluator, PauliEvaluator
from qkd_qiskit.simulation.evaluator import as_measured_circuit
from qkd_qiskit.vqcnn import VQCNNSpec

SLOW_SAMPLES = 10
BENCH_COLUMNS = (
    ("task", "task"),
    ("method", "method"),
    ("qubits", "qubits"),
    ("samples", "samples"),
    ("seconds", "seconds"),
    ("over\nengine", "ratio"),
    ("first run,\nlonger by", "compiling"),
)


@dataclass(frozen=True)
class BenchSettings:
    """What is measured.

    Attributes:
        device: Device of the noisy runs.
        qubits: Widths, with the plan that pools from both edges down to two measured qubits.
        samples: Numbers of samples.
        particles: Particles of a swarm.
        threads: BLAS threads, and cores for the whole process; 0 for all cores. With one, the clock is the
            processor's: what else runs on the machine does not count.
        peers: Whether other libraries are measured too.
        peer_qubits: Those of the widths at which the peers of the extra `bench` run: compiling them takes
            minutes.
    """

    device: str = "ibm_torino"
    qubits: tuple[int, ...] = (4, 6, 8, 10, 12)
    samples: tuple[int, ...] = (10, 100, 500, 1000, 5000, 10000)
    particles: int = 30
    threads: int = 0
    peers: bool = True
    peer_qubits: tuple[int, ...] = (8,)


@dataclass(frozen=True)
class BenchTiming:
    """One measured time.

    Attributes:
        task: `swarm`, `gradient`, `ideal swarm` or `contraction`.
        method: Who did it.
        qubits: Width of the circuit.
        samples: Samples of the task.
        particles: Particles that were run.
        seconds: For each particle on all samples.
        measured_samples: Samples that were run; fewer than `samples` where the time is extrapolated.
        note: Settings of the method.
        compile_seconds: What the first run took longer; 0 where nothing is compiled.
    """

    task: str
    method: str
    qubits: int
    samples: int
    particles: int
    seconds: float
    measured_samples: int
    note: str = ""
    compile_seconds: float = 0.0

    @property
    def extrapolated(self) -> bool:
        """Whether the time was scaled up from fewer samples."""
        return self.measured_samples < self.samples


def bench_spec(n_qubits: int) -> VQCNNSpec:
    """The structure that is measured: `su4` blocks, pooled from both edges down to two measured qubits."""
    plan = "conv, edge, " * ((n_qubits - 2) // 2) + "conv"
    return VQCNNSpec(n_qubits, plan=plan, kernels="su4", sharing="site", n_outcomes=4)


def run_bench(settings: BenchSettings, progress: Progress | None = None) -> dict[str, Any]:
    """Measure the engine and its peers.

    Args:
        settings: What is measured.
        progress: Told of every width.

    Returns:
        `machine`; `timings` in seconds a particle; `ratios`, peer over engine at equal task, width and
        samples; `checks`, the figures that the engine is judged by; `skipped`, why peers were left out.
    """
    progress = progress or NullProgress()
    threads = settings.threads or os.cpu_count() or 1
    timings: list[BenchTiming] = []
    skipped: dict[str, None] = {}
    progress.start("bench", len(settings.qubits))
    with threadpool_limits(threads), _cores(threads):
        for n_qubits in settings.qubits:
            timings += _width(settings, n_qubits, skipped)
            progress.advance("bench")
        rates = _product_rates()
    progress.done("bench")
    return {
        "machine": {
            "processor": platform.processor() or platform.machine(),
            "cores": os.cpu_count(),
            "blas_threads": threads,
            "product_rate_gflops": rates,
        },
        "settings": asdict(settings),
        "timings": [asdict(timing) | {"extrapolated": timing.extrapolated} for timing in timings],
        "ratios": _ratios(timings),
        "checks": _checks(timings, rates),
        "skipped": list(skipped),
    }


@contextmanager
def _cores(count: int) -> Iterator[None]:
    """Keep this process, and the threads that libraries start in it, on some cores, where the system can."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, set(sorted(before)[:count]))
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def shortest(work: Callable[[], object], repeats: int = 3) -> float:
    """Seconds of the shortest run, the one that was disturbed least.

    A first run is not counted, unless the work is so long that one run must do.
    """
    if repeats > 1:
        work()
    found = []
    for _ in range(repeats):
        start = clock.seconds()
        work()
        found.append(clock.seconds() - start)
    return min(found)


def squared_loss(probabilities: FloatArray) -> tuple[FloatArray, FloatArray]:
    """A cheap smooth loss: the sum of squares."""
    return (probabilities**2).sum(axis=(1, 2)), 2 * probabilities


def _width(settings: BenchSettings, n_qubits: int, skipped: dict[str, None]) -> list[BenchTiming]:
    """All timings of one width; why peers were left out joins `skipped`."""
    case = _Case.of(settings, n_qubits)
    found = [timing for n in settings.samples for timing in _engine(case, n)]
    found += _aer(case, settings.samples)
    if settings.peers:
        few = case.inputs[:SLOW_SAMPLES]
        for task, method, each, count, note in peers.seconds_a_sample(
            case.active, case.noise, case.weights[0], few
        ):
            found += [
                BenchTiming(task, method, n_qubits, n, 1, each * n, min(n, count), note)
                for n in settings.samples
            ]
        if n_qubits in settings.peer_qubits:
            found += _strong(case, settings.samples, skipped)
    return found


def _strong(case: _Case, samples: Sequence[int], skipped: dict[str, None]) -> list[BenchTiming]:
    """The peers of the extra `bench`, with the engine's probabilities as a check."""
    weights, width, found = case.weights[0], case.spec.n_qubits, []
    for task, source, noise in (
        ("ideal swarm", as_measured_circuit(case.spec), None),
        ("swarm", case.active, case.noise),
    ):
        few = case.inputs[: SAMPLES[task]]
        expected = PauliEvaluator(source, noise).probabilities(weights, few)
        program = PeerProgram.of(source, noise)
        for timing in measure_peers(PeerTask(task, program, weights, few, expected)):
            if isinstance(timing, str):
                skipped[timing] = None
                continue
            each, count = timing.seconds / timing.samples, timing.samples
            found += [
                BenchTiming(
                    task,
                    timing.method,
                    width,
                    n,
                    1,
                    each * n,
                    min(n, count),
                    f"{timing.note}; differs from the engine by {timing.difference:.0e}",
                    timing.compile_seconds,
                )
                for n in samples
            ]
    return found


@dataclass(frozen=True)
class _Case:
    """One width: circuits, noise, a swarm and samples."""

    spec: VQCNNSpec
    active: ActiveCircuit
    noise: NoiseModel
    weights: FloatArray
    inputs: FloatArray

    @classmethod
    def of(cls, settings: BenchSettings, n_qubits: int) -> _Case:
        spec, device = bench_spec(n_qubits), load_backend(settings.device)
        transpiled = transpile_verified(spec, device)
        rng = np.random.default_rng(0)
        # One particle takes a second at 12 qubits: fewer of them tell as much.
        particles = max(1, settings.particles // {10: 4, 12: 15}.get(n_qubits, 1))
        return cls(
            spec=spec,
            active=ActiveCircuit(transpiled),
            noise=device.noise_model_for(transpiled.active_qubits),
            weights=rng.uniform(-np.pi, np.pi, (particles, spec.n_weights)),
            inputs=rng.uniform(-1.5, 1.5, (max(settings.samples), spec.n_features)),
        )


def _engine(case: _Case, n: int) -> list[BenchTiming]:
    """This engine on n samples: noisy swarm, noisy gradient, ideal swarm."""
    noisy, ideal = PauliEvaluator(case.active, case.noise), PauliEvaluator(case.spec)
    data, weights, width = case.inputs[:n], case.weights, case.spec.n_qubits
    repeats = 3 if width <= 10 else 1
    swarm = shortest(lambda: noisy.probabilities(weights, data), repeats) / len(weights)
    plain = shortest(lambda: ideal.probabilities(weights, data), repeats) / len(weights)
    found = [
        BenchTiming("swarm", "engine", width, n, len(weights), swarm, n),
        BenchTiming("ideal swarm", "engine", width, n, len(weights), plain, n),
    ]
    if width <= 10 or n <= 1000:
        some = weights[:4]
        seconds = shortest(lambda: noisy.loss_and_gradient(some, data, squared_loss), repeats) / len(some)
        found.append(BenchTiming("gradient", "engine", width, n, len(some), seconds, n))
    return found


def _aer(case: _Case, samples: Sequence[int]) -> list[BenchTiming]:
    """Aer, and the parameter shifts that its gradient would take."""
    found = []
    width, weights = case.spec.n_qubits, case.weights[0]
    note = "cut to the active qubits, parameter binds, gate fusion"
    runs = [
        ("swarm", "Aer density matrix", AerEvaluator(case.active, case.noise), 10),
        ("ideal swarm", "Aer statevector", AerEvaluator(case.spec), 12),
    ]
    for task, method, evaluator, widest in runs:
        if width > widest:
            continue
        count = 1 if width >= 10 else SLOW_SAMPLES
        few = case.inputs[:count]
        each = shortest(partial(evaluator.probabilities, weights, few), 2) / count
        found += [BenchTiming(task, method, width, n, 1, each * n, min(n, count), note) for n in samples]
        if task == "swarm":
            shifts = 2 * case.spec.n_weights
            found += [
                BenchTiming("gradient", f"{method}, parameter shift", width, n, 1, each * n * shifts, 0, note)
                for n in samples
            ]
    return found


def _product_rates() -> dict[str, float]:
    """Matrix-product rates in GF/s: the shape of the contraction, of a block, and a large square."""
    rng = np.random.default_rng(0)
    shapes = {"500x256x768": (500, 256, 768), "16x16x12288": (16, 16, 12288), "1024x1024x1024": (1024,) * 3}
    rates = {}
    for name, (m, k, n) in shapes.items():
        a, b = rng.random((m, k)), rng.random((k, n))
        rates[name] = 2e-9 * m * k * n / shortest(partial(np.matmul, a, b), 20)
    return rates


def _ratios(timings: Sequence[BenchTiming]) -> list[dict[str, Any]]:
    """Peer over engine, at equal task, width and samples."""
    own = {(t.task, t.qubits, t.samples): t.seconds for t in timings if t.method == "engine"}
    return [
        {
            "task": t.task,
            "method": t.method,
            "qubits": t.qubits,
            "samples": t.samples,
            "ratio": t.seconds / own[(t.task, t.qubits, t.samples)],
            "extrapolated": t.extrapolated,
        }
        for t in timings
        if t.method != "engine" and (t.task, t.qubits, t.samples) in own
    ]


def _checks(timings: Sequence[BenchTiming], rates: dict[str, float]) -> dict[str, float | None]:
    """The figures that the engine is judged by, at 8 qubits; None where they were not measured."""
    at = {(t.task, t.samples): t for t in timings if t.method == "engine" and t.qubits == 8}
    swarm, gradient, many = at.get(("swarm", 500)), at.get(("gradient", 500)), at.get(("swarm", 5000))
    if swarm is None:
        return {}
    flops = 2.0 * 500 * 4**8 * 3
    rate = rates["500x256x768"] * 1e9
    return {
        "milliseconds_a_particle": 1e3 * swarm.seconds,
        "share_of_product_rate": flops / swarm.seconds / rate,
        "gradient_over_forward": None if gradient is None else gradient.seconds / swarm.seconds,
        "extra_of_4500_samples_over_its_products": (
            None if many is None else (many.seconds - swarm.seconds) / (9 * flops / rate)
        ),
    }


def bench_rows(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows of the table: times as text, with a star where they were scaled up."""
    ratios = {(r["task"], r["method"], r["qubits"], r["samples"]): r["ratio"] for r in result["ratios"]}
    return [
        {
            **t,
            "seconds": f"{t['seconds']:.3g}{'*' if t['extrapolated'] else ''}",
            "ratio": _ratio_text(ratios.get((t["task"], t["method"], t["qubits"], t["samples"]))),
            "compiling": f"{t['compile_seconds']:.3g}" if t["compile_seconds"] else None,
        }
        for t in sorted(result["timings"], key=itemgetter("task", "qubits", "samples", "seconds"))
    ]


def _ratio_text(ratio: float | None) -> str | None:
    return None if ratio is None else f"{ratio:,.2g}" if ratio < 10 else f"{ratio:,.0f}"
