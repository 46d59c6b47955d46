"""The strongest peers: checked against the engine, then timed; compiling is told apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import clock
import numpy as np
from peer_pennylane import PennyLanePeer
from peer_program import Peer, PeerProgram
from peer_qulacs import QulacsPeer
from peer_tensorcircuit import TensorCircuitPeer

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.errors import InteropError, ReportingError

#: Samples that are run; times of more are scaled up. Under noise a sample takes up to half a second.
SAMPLES = {"swarm": 2, "ideal swarm": 500}
#: Largest difference from the engine: all run in double precision.
TOLERANCE = 1e-7

PEERS: tuple[Callable[..., Peer], ...] = (QulacsPeer, TensorCircuitPeer, PennyLanePeer)


@dataclass(frozen=True)
class PeerTask:
    """One task of the engine.

    Attributes:
        name: `swarm` under noise, or `ideal swarm`.
        program: What is run.
        weights: Radians `[W]`.
        inputs: Encoded samples `[N, F]`.
        expected: The engine's probabilities `[N, 2^m]`, readout errors included.
    """

    name: str
    program: PeerProgram
    weights: FloatArray
    inputs: FloatArray
    expected: FloatArray


@dataclass(frozen=True)
class PeerTiming:
    """What one peer took.

    Attributes:
        method: Who it was.
        seconds: For all samples, after the first run.
        compile_seconds: What the first run took longer.
        samples: Samples that were run.
        difference: Largest difference from the engine's probabilities.
        note: Its settings.
    """

    method: str
    seconds: float
    compile_seconds: float
    samples: int
    difference: float
    note: str


def measure_peers(
    task: PeerTask, makers: Sequence[Callable[..., Peer]] = PEERS
) -> Iterator[PeerTiming | str]:
    """Run a task on every peer.

    Args:
        task: What is run.
        makers: Make the peers.

    Yields:
        A timing, or a line that says why a peer was left out.

    Raises:
        ReportingError: If a peer's probabilities differ from the engine's.
    """
    angles = task.program.angles(task.weights, task.inputs)
    for make in makers:
        start = clock.seconds()
        try:
            peer = make(task.program, noisy=task.name == "swarm")
        except InteropError as error:
            yield str(error)
            continue
        run = partial(peer.probabilities, angles)
        difference = float(np.abs(run() @ task.program.readout - task.expected).max())
        first = clock.seconds() - start
        if not difference <= TOLERANCE:
            raise ReportingError(
                f"bench: {peer.method}: expected the engine's probabilities, found {difference:.2g} off"
            )
        start = clock.seconds()
        run()
        seconds = clock.seconds() - start
        compiling = max(first - seconds, 0.0)
        yield PeerTiming(peer.method, seconds, compiling, len(angles), difference, peer.note)
