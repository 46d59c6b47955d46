"""The structures that a search on a device chooses from."""

from __future__ import annotations

from dataclasses import replace

from qkd_qiskit.estimator import preset_sizes
from qkd_qiskit.training import CandidateFactory, StructureSpace


def search_space(
    candidates: CandidateFactory, *, own_kernels: int = 2, method: str = "starts"
) -> StructureSpace:
    """Return all structures within the native two-qubit gates of a base; presets that fit are tried first.

    Args:
        candidates: The base, and how native gates are counted.
        own_kernels: Gate strings that the search makes up.
        method: How weights will be trained. Sub-swarms along the circuit hold no inputs that come again
            between blocks, so that the encoding stays.
    """
    space = StructureSpace(
        candidates.base,
        candidates.two_qubit,
        own_kernels=own_kernels,
        other_encodings=method != "cooperative",
    )
    largest, smaller = preset_sizes(candidates.base, lambda spec: space.gates(spec) <= space.max_two_qubit)
    return replace(space, known=largest, smaller=smaller)
