"""The shipped ladder: from a number of two-qubit blocks to plan, kernel and sharing.

Every structure narrows the chain by `edge` pooling, ring by ring, to as few qubits as are measured, and is
given by the number of convolution layers on each ring. The lowest rung has them on the innermost ring only;
the next ones add a layer on each ring, from the inside out, as inner rings cost fewer blocks; then the
rings get a second layer, and so on. Pairs are always neighbours on the chain, so no rung needs routing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import takewhile
from numbers import Integral

from qkd_qiskit.arguments import takes
from qkd_qiskit.encoding import Encoding
from qkd_qiskit.errors import EstimatorError, VQCNNError
from qkd_qiskit.estimator.rule import FULL_BLOCK
from qkd_qiskit.vqcnn import PRESETS, Kernel, VQCNNSpec, resolve_kernel
from qkd_qiskit.vqcnn.index import MAX_LAYERS, MAX_QUBITS

MAX_DEPTH = 8
"""Convolution layers on one ring, at most."""


@takes(EstimatorError, n_qubits=Integral, kernel=(str, Kernel), sharing=str, n_outcomes=Integral)
def build_size_ladder(
    n_qubits: int,
    *,
    encoding: str | Encoding = "angle",
    kernel: str | Kernel = "su4",
    sharing: str = "site",
    n_outcomes: int = 2,
) -> tuple[VQCNNSpec, ...]:
    """Return all structures that the estimator grants, the smallest first.

    Blocks and two-qubit gates grow from rung to rung. The lowest rung has `n_qubits - 1` blocks, the least
    with which every qubit reaches the measured ones. The ladder ends at `MAX_DEPTH` layers a ring, at the
    longest plan that a spec may have, or where a general unitary needs no more blocks, whichever comes first.

    Args:
        n_qubits: Width of the chain, at least 2.
        encoding: Name of the encoding, or the encoding itself.
        kernel: Preset name, gate string or `Kernel`, used in every layer.
        sharing: `layer` or `site`.
        n_outcomes: Outcomes of the model, at least 2.

    Raises:
        EstimatorError: If no structure of this family exists for the arguments.
    """
    if not 2 <= n_qubits <= MAX_QUBITS:
        raise EstimatorError(f"n_qubits: expected an integer from 2 to {MAX_QUBITS}, found {n_qubits}")
    measured = max(n_outcomes - 1, 1).bit_length()
    if measured > n_qubits:
        raise EstimatorError(
            f"{n_outcomes} outcomes need {measured} measured qubits, found n_qubits = {n_qubits}"
        )
    try:
        block = resolve_kernel(kernel) if isinstance(kernel, str) else kernel
        specs = [
            VQCNNSpec(n_qubits, encoding, plan, (block,) * len(plan), sharing, n_outcomes)
            for plan in _plans(n_qubits, measured, block)
        ]
    except VQCNNError as error:
        raise EstimatorError(f"no gate budget: {error}") from None
    most = _general_blocks(n_qubits, block)
    return tuple(specs[:1] + [spec for spec in specs[1:] if len(spec.blocks) <= most])


def preset_sizes(
    base: VQCNNSpec, fits: Callable[[VQCNNSpec], bool]
) -> tuple[tuple[VQCNNSpec, ...], tuple[VQCNNSpec, ...]]:
    """Return the sizes of each preset kernel that fit: the largest of each ladder, and all others.

    Args:
        base: Width, encoding, sharing and outcomes.
        fits: Whether a structure is within a budget; if one is, smaller ones are.

    Returns:
        The largest structures, and the others with the fewest two-qubit gates first.
    """
    largest: list[VQCNNSpec] = []
    smaller: list[VQCNNSpec] = []
    for kernel in PRESETS:
        ladder = build_size_ladder(
            base.n_qubits,
            encoding=base.input_encoding,
            kernel=kernel,
            sharing=base.sharing,
            n_outcomes=base.n_outcomes,
        )
        fitting = list(takewhile(fits, ladder))
        largest += fitting[-1:]
        smaller += fitting[:-1]
    return tuple(largest), tuple(sorted(smaller, key=lambda spec: spec.n_two_qubit))


def trainable_blocks(spec: VQCNNSpec) -> tuple[int, int]:
    """Count the independently trained blocks T, and the most uses M of one of them."""
    uses = Counter((block.layer, block.weights) for block in spec.blocks)
    return len(uses), max(uses.values())


def _plans(n_qubits: int, measured: int, kernel: Kernel) -> list[tuple[str, ...]]:
    widths = list(range(n_qubits, max(measured, 1) - 1, -2))
    depths = [0] * len(widths)
    if widths[-1] > 1:
        depths[-1] = 1
    plans = [_plan(depths)]
    for level in range(1, MAX_DEPTH + 1):
        for ring in reversed(range(len(widths))):
            if depths[ring] < level <= _deepest(widths[ring], kernel):
                depths[ring] = level
                plans.append(_plan(depths))
    return plans[:1] + [plan for plan in plans[1:] if len(plan) <= MAX_LAYERS]


def _plan(depths: list[int]) -> tuple[str, ...]:
    layers = ["conv"] * depths[0]
    for depth in depths[1:]:
        layers += ["edge"] + ["conv"] * depth
    return tuple(layers)


def _deepest(width: int, kernel: Kernel) -> int:
    """Layers that a ring can use: on two qubits, three two-qubit gates are general (Vatan, Williams 2004)."""
    if width == 1:
        return 0
    return 1 if width == 2 and kernel.n_two_qubit >= 3 else MAX_DEPTH


def _general_blocks(n_qubits: int, kernel: Kernel) -> int:
    """Return the blocks that reach 4^n - 3n - 1 directions of a general unitary (Shende et al. 2004)."""
    each = min(max(kernel.n_parameters, 1), FULL_BLOCK)
    return -((1 + 3 * n_qubits - (1 << 2 * n_qubits)) // each)
