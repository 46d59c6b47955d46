"""Jointly encoded samples: Pauli vectors, or states, made once and kept as long as there is room."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

import numpy as np

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.simulation.contraction_plan import ContractionPlan
from qkd_qiskit.simulation.sample_encoder import SampleEncoder, Vectors

DEFAULT_ENCODED_MEMORY = 2 * 2**30
"""Bytes of encoded samples that a process keeps where nothing else is said."""

# Fewer bytes than these stay beside a contraction for its next use.
_STAYING_BYTES = 256 * 2**20


class EncodedStore:
    """Encoded samples of a process by what made them, up to a number of bytes.

    What is full takes nothing more from the same encoding, so that a pass over more samples than there is
    room for finds a part of them each time; samples of encodings that were not asked for the longest go
    first.
    """

    def __init__(self, limit: int = DEFAULT_ENCODED_MEMORY) -> None:
        """Start empty.

        Args:
            limit: Most bytes that are kept.
        """
        self._limit, self._bytes = limit, 0
        self._rows: OrderedDict[bytes, dict[bytes, Vectors]] = OrderedDict()
        self._lock = Lock()

    @property
    def n_bytes(self) -> int:
        """Bytes that are kept now."""
        return self._bytes

    @property
    def limit(self) -> int:
        """Most bytes that are kept."""
        return self._limit

    def resize(self, limit: int) -> None:
        """Keep at most another number of bytes from now on."""
        with self._lock:
            self._limit = limit
            while self._bytes > limit:
                self._drop(next(iter(self._rows)))

    def gather(self, key: bytes, inputs: FloatArray, make: Callable[[FloatArray], Vectors]) -> Vectors:
        """Return the vectors `[N, elements]` of inputs `[N, F]`; make those that are not kept.

        Args:
            key: What makes them.
            inputs: Encoded inputs.
            make: Makes the vectors `[n, elements]` of inputs `[n, F]`.
        """
        names = [row.tobytes() for row in inputs]
        with self._lock:
            known = self._rows.setdefault(key, {})
            self._rows.move_to_end(key)
            found = {name: known[name] for name in names if name in known}
        missing = {name: k for k, name in enumerate(names) if name not in found}
        if missing:
            made = make(inputs[list(missing.values())])
            fresh = dict(zip(missing, made, strict=True))
            if len(missing) == len(names):
                self._keep(key, fresh)
                return made
            self._keep(key, fresh)
            found |= fresh
        return np.stack([found[name] for name in names]) if names else make(inputs)

    def _keep(self, key: bytes, fresh: dict[bytes, Vectors]) -> None:
        with self._lock:
            rows = self._rows.setdefault(key, {})
            for name, vector in fresh.items():
                while self._bytes + vector.nbytes > self._limit and next(iter(self._rows)) != key:
                    self._drop(next(iter(self._rows)))
                if self._bytes + vector.nbytes > self._limit:
                    return
                if name not in rows:
                    rows[name] = vector.copy()
                    self._bytes += vector.nbytes

    def _drop(self, key: bytes) -> None:
        self._bytes -= sum(vector.nbytes for vector in self._rows.pop(key).values())


_STORE = EncodedStore()


def limit_encoded_memory(gibibytes: float) -> None:
    """Let this process keep so much of encoded samples, 2 GiB by default; results do not depend on it.

    A sample takes 4^g numbers for each group of g qubits that its encoding joins: 256 KiB in single precision
    on 8 qubits.

    Args:
        gibibytes: GiB; with 0 every evaluation simulates the encoding again.
    """
    _STORE.resize(int(gibibytes * 2**30))


class EncodedSamples:
    """Samples whose qubits the encoding correlates: Pauli vectors, group by group."""

    def __init__(self, encoder: SampleEncoder, inputs: FloatArray, store: EncodedStore | None = None) -> None:
        """Take samples; nothing is simulated before it is asked for.

        Args:
            encoder: Makes the vectors.
            inputs: Encoded inputs `[N, F]`.
            store: Where vectors are kept; the process's own store when omitted.
        """
        self._encoder, self._inputs, self._store = encoder, inputs, store
        self._key = encoder.key()

    @property
    def n_samples(self) -> int:
        """Number of samples."""
        return len(self._inputs)

    @property
    def stays(self) -> bool:
        """Whether all vectors may be held for the next evaluation of the same samples."""
        n_bytes: int = self.n_samples * sum(self._encoder.sizes) * np.dtype(self._encoder.dtype).itemsize
        return n_bytes <= _STAYING_BYTES

    def gathered(self, part: slice) -> list[Vectors]:
        """Return the groups' vectors `[samples, elements]` of some samples."""
        store = _STORE if self._store is None else self._store
        vectors = store.gather(self._key, self._inputs[part], self._encoder.encode)
        return self._encoder.split(vectors)

    def groups(self, plan: ContractionPlan, part: slice) -> tuple[FloatArray, ...]:
        """Return the vectors `[elements, samples]` of the plan's groups."""
        found = dict(zip(self._encoder.groups, self.gathered(part), strict=True))
        return tuple(found[qubits].T for qubits in plan.clusters[: plan.n_groups])

    def vectors(self, plan: ContractionPlan) -> list[tuple[tuple[int, ...], FloatArray]]:
        """Return Pauli vectors `[samples, elements]` of the light cone's qubits, in uncorrelated groups."""
        del plan
        return list(zip(self._encoder.groups, self.gathered(slice(None)), strict=True))
