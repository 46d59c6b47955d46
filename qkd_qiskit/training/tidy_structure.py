"""Structures brought into one form: layers without any effect are left out, and costly ones made cheaper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from qkd_qiskit.encoding import encoding_named
from qkd_qiskit.training.kernel_space import native_cost
from qkd_qiskit.vqcnn import PRESETS, Kernel, VQCNNSpec
from qkd_qiskit.vqcnn.layers import apply_layer, measured_count

_GENERAL = PRESETS["su4"]
_BY_COST = sorted(PRESETS.values(), key=native_cost)

Layers = tuple[tuple[str, Kernel], ...]


@dataclass(frozen=True)
class StructureDraft:
    """A structure that may not be possible yet.

    Attributes:
        encoding: Name of the encoding.
        sharing: `layer` or `site`.
        window: Which surviving qubits are measured: 0 the first ones, 1 those in the middle, 2 the last ones.
        layers: Kind and kernel of each layer.
    """

    encoding: str
    sharing: str
    window: int
    layers: Layers


def tidied(base: VQCNNSpec, draft: StructureDraft) -> VQCNNSpec | None:
    """Return the canonical structure of a draft; None where nothing of it is left.

    - A pooling that leaves too few qubits is left out; `edge` on two qubits becomes `tree`. Where inputs come
      again between blocks, no qubit may be exchanged with another: `tree` on more qubits becomes `edge`.
    - On two qubits a general kernel next to another layer takes its place (Vatan and Williams 2004).
    - Layers without a block in the light cone of the measured qubits are left out.
    - Where every layer is a single block, sharing means nothing, and is `site`.

    Args:
        base: Gives width and outcomes.
        draft: What is wanted.
    """
    needed = measured_count(base.n_outcomes)
    again = encoding_named(draft.encoding).comes_again
    poolings = [("edge" if again and kind == "tree" else kind, kernel) for kind, kernel in draft.layers]
    layers = _merged_on_pairs(base.n_qubits, _possible(base.n_qubits, needed, poolings))
    while layers:
        spec = _spec(base, replace(draft, layers=layers), needed)
        reached = _reached_layers(spec)
        if len(reached) == len(layers):
            return spec
        layers = tuple(layer for number, layer in enumerate(layers) if number in reached)
    return None


def cheaper(draft: StructureDraft, spec: VQCNNSpec) -> StructureDraft:
    """Return a draft with fewer native two-qubit gates: its costliest layer gets a cheaper kernel, or goes.

    Convolutions with the cheapest kernel are left out, the outermost first; poolings only after them.

    Args:
        draft: What is too costly.
        spec: Its canonical structure.
    """
    blocks = [0] * len(spec.plan)
    for block in spec.blocks:
        blocks[block.layer] += 1
    costs = [native_cost(kernel) for kernel in spec.kernels]
    layers = list(zip(spec.plan, spec.kernels, strict=True))
    worst = max(range(len(layers)), key=lambda k: (costs[k] > 1, blocks[k] * costs[k], -k))
    if costs[worst] > 1:
        kernel = max((k for k in _BY_COST if native_cost(k) < costs[worst]), key=native_cost)
        layers[worst] = (layers[worst][0], kernel)
    else:
        convs = [k for k, (kind, _) in enumerate(layers) if kind == "conv"]
        del layers[max(convs, key=lambda k: (blocks[k], -k)) if convs else 0]
    return replace(draft, layers=tuple(layers))


def _possible(n_qubits: int, needed: int, layers: Sequence[tuple[str, Kernel]]) -> Layers:
    chain = tuple(range(n_qubits))
    kept: list[tuple[str, Kernel]] = []
    for wanted, kernel in layers:
        kind = "tree" if wanted == "edge" and len(chain) == 2 else wanted
        if len(chain) < 2:
            break
        _, after = apply_layer(kind, chain)
        if len(after) >= max(needed, 1):
            kept.append((kind, kernel))
            chain = after
    return tuple(kept)


def _merged_on_pairs(n_qubits: int, layers: Layers) -> Layers:
    """Leave out what a general kernel on the last two qubits does already."""
    chain = tuple(range(n_qubits))
    kept: list[tuple[str, Kernel, int]] = []
    for kind, kernel in layers:
        if len(chain) == 2 and kept and kept[-1][2] == 2:
            before_kind, before, _ = kept[-1]
            if before_kind == "conv" and _GENERAL in (before, kernel):
                kept.pop()
                kernel = _GENERAL
        kept.append((kind, kernel, len(chain)))
        chain = apply_layer(kind, chain)[1]
    return tuple((kind, kernel) for kind, kernel, _ in kept)


def _spec(base: VQCNNSpec, draft: StructureDraft, needed: int) -> VQCNNSpec:
    kinds, kernels = zip(*draft.layers, strict=True)
    # An encoding of one's own may have no name that others know.
    encoding = base.input_encoding if draft.encoding == base.encoding else draft.encoding
    plain = VQCNNSpec(base.n_qubits, encoding, kinds, kernels, draft.sharing, base.n_outcomes)
    spare = len(plain.survivors) - needed
    first = (0, spare // 2, spare)[draft.window]
    single = len(plain.blocks) == len(plain.plan)
    return VQCNNSpec(
        base.n_qubits,
        encoding,
        plain.plan,
        plain.kernels,
        "site" if single else draft.sharing,
        base.n_outcomes,
        plain.survivors[first : first + needed],
    )


def _reached_layers(spec: VQCNNSpec) -> set[int]:
    """Return the layers with a block on which the outcomes can depend."""
    cone, reached = set(spec.measured_qubits), set()
    for block in reversed(spec.blocks):
        if cone & set(block.qubits):
            reached.add(block.layer)
            cone |= set(block.qubits)
    return reached
