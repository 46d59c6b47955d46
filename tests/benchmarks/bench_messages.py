"""Messages of many clients through check, audit, calibration and aggregation; run by `make bench`.

Each number of clients has a process of its own, so that its peak of memory is its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from qkd_qiskit.config import ClientSettings, ExperimentSettings
from qkd_qiskit.data import prepare_data
from qkd_qiskit.distillation import make_message
from qkd_qiskit.federation import Arrival, run_rounds
from qkd_qiskit.progress import NullProgress
from qkd_qiskit.run import RunContext
from qkd_qiskit.store import StageStore
from qkd_qiskit.vqcnn import VQCNNSpec

COUNTS = (100, 1000, 10_000)
# Of a client its screening, its classes and its calibrations stay in memory.
MOST_BYTES_A_CLIENT = 8_192
MOST_MEGABYTES_BESIDES = 64


@dataclass
class Crowd:
    """Clients that hold three to six of ten classes and answer most samples rightly, made when asked."""

    context: RunContext
    seconds: float = 0.0
    n_bytes: int = 0
    clients: None = None

    def traffic(self) -> None:
        """Return None: nothing travels."""

    def exchange(self, requests: Mapping[int, bytes], /, *, timeout: float) -> Iterator[Arrival]:
        for position in requests:
            start = time.perf_counter()
            raw = self._message(position)
            self.seconds += time.perf_counter() - start
            self.n_bytes += len(raw)
            yield Arrival(position, raw)

    def _message(self, position: int) -> bytes:
        public, rng = self.context.data.public, np.random.default_rng(position)
        held = np.sort(rng.permutation(10)[: rng.integers(3, 7)])
        labels = public.answered.labels
        truth = np.where(labels < 0, rng.integers(0, 10, len(labels)), labels)
        place = np.searchsorted(held, truth)
        mine = np.isin(truth, held)
        outcome = np.where(mine, np.minimum(place, len(held) - 1), len(held))
        logits = rng.standard_normal((len(labels), len(held) + 1))
        logits[np.arange(len(labels)), outcome] += 4.0
        p = np.exp(logits)
        p /= p.sum(axis=1, keepdims=True)
        spec = VQCNNSpec(n_qubits=4, plan="conv", kernels="su4", n_outcomes=len(held) + 1)
        name = self.context.settings.clients[position].name
        return make_message(name, spec.index, held, p, public.digest).to_bytes()


def measure(count: int) -> dict[str, Any]:
    """Measure one round with this many clients."""
    settings = ExperimentSettings.model_validate(
        {
            "name": "crowd",
            "data": {
                "dataset": "digits",
                "public_train": 200,
                "public_unlabelled": 400,
                "public_calibration": 100,
                "public_validation": 100,
                "test": 100,
            },
            "clients": [{"name": "0", "backend": "noisy_line", "samples": 10}],
        }
    )
    data = prepare_data(settings)
    clients = tuple(ClientSettings(name=str(k), backend="noisy_line", samples=10) for k in range(count))
    settings = settings.model_copy(update={"clients": clients})
    context = RunContext(settings, data, StageStore(None, ""), NullProgress())
    crowd = Crowd(context)
    # The first message imports what is imported late.
    crowd._message(0)
    Path("/proc/self/clear_refs").write_text("5")
    before = _memory("VmHWM")
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        result = run_rounds(context, crowd, folder=Path(folder))
        seconds = time.perf_counter() - start - crowd.seconds
    taking = context.timings["clients"] - crowd.seconds
    return {
        "clients": count,
        "used": sum(record.status == "used" for record in result.records),
        "public": data.public.n_answered,
        "bytes": crowd.n_bytes,
        "check_and_audit": taking,
        "calibrate_and_aggregate": seconds - taking,
        "memory": _memory("VmHWM") - before,
        "validation_accuracy": result.aggregate.teacher.scores[0].accuracy,
    }


def _memory(key: str) -> int:
    """A line of /proc/self/status in bytes."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return 1024 * int(status[key].split()[0])


def test_memory_does_not_grow_with_the_messages() -> None:
    print("\nOne round with many clients, 600 public inputs of ten classes:")
    for count in COUNTS:
        done = subprocess.run(
            [sys.executable, __file__, str(count)], capture_output=True, text=True, check=True
        )
        found = json.loads(done.stdout.splitlines()[-1])
        print(
            f"  {count:6d} clients   {found['bytes'] / 1e6:7.1f} MB of messages"
            f"   check and audit {found['check_and_audit']:6.1f} s"
            f"   calibrate and aggregate {found['calibrate_and_aggregate']:6.1f} s"
            f"   peak memory +{found['memory'] / 1e6:5.1f} MB   used {found['used']}"
        )
        assert found["used"] == count
        assert found["memory"] < MOST_MEGABYTES_BESIDES * 1e6 + MOST_BYTES_A_CLIENT * count
        assert found["validation_accuracy"] > 0.9


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]))))
