"""The structures that a search on a device chooses from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from qkd_qiskit.estimator import preset_sizes
from qkd_qiskit.training import CandidateFactory, StructureSpace
from qkd_qiskit.vqcnn import VQCNNSpec


def search_space(
    candidates: CandidateFactory,
    *,
    own_kernels: int = 2,
    method: str = "starts",
    rungs: Sequence[float] = (),
) -> StructureSpace:
    """Return all structures within the native two-qubit gates of a base; presets that fit are tried first.

    Args:
        candidates: The base, and how native gates are counted.
        own_kernels: Gate strings that the search makes up.
        method: How weights will be trained. Sub-swarms along the circuit hold no inputs that come again
            between blocks, so that the encoding stays.
        rungs: Shares of the gate budget, above 0: the largest size of each preset within each of them is
            tried first too.
    """
    space = StructureSpace(
        candidates.base,
        candidates.two_qubit,
        own_kernels=own_kernels,
        other_encodings=method != "cooperative",
    )

    def fits(spec: VQCNNSpec) -> bool:
        return space.gates(spec) <= space.max_two_qubit and space.encode(spec) is not None

    largest, smaller = preset_sizes(candidates.base, fits)
    lower = [
        spec
        for share in rungs
        for spec in _rung((*largest, *smaller), space, share * space.max_two_qubit)
        if spec not in largest
    ]
    return replace(space, known=tuple(dict.fromkeys((*largest, *lower))), smaller=smaller)


def _rung(sizes: Sequence[VQCNNSpec], space: StructureSpace, most: float) -> list[VQCNNSpec]:
    """Return of each kernel the largest size of at most so many native two-qubit gates."""
    found: dict[object, VQCNNSpec] = {}
    for spec in sorted(sizes, key=space.gates):
        if space.gates(spec) <= most:
            found[spec.kernels[0]] = spec
    return list(found.values())
