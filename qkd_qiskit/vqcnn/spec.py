"""`VQCNNSpec`: the structure of a VQCNN as frozen data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from qkd_qiskit.arguments import found, items, takes
from qkd_qiskit.encoding import ENCODINGS, Encoding, encoding_named, introduce
from qkd_qiskit.errors import DataError, VQCNNError
from qkd_qiskit.vqcnn import index as model_index
from qkd_qiskit.vqcnn.drawing import spec_html
from qkd_qiskit.vqcnn.index import MAX_LAYERS, MAX_QUBITS, SHARINGS
from qkd_qiskit.vqcnn.kernel import Kernel
from qkd_qiskit.vqcnn.layers import apply_layer, default_plan, measured_count
from qkd_qiskit.vqcnn.plans import parse_plan, plan_text
from qkd_qiskit.vqcnn.presets import kernel_name, resolve_kernel

KernelLike = Kernel | str


@dataclass(frozen=True)
class Block:
    """One kernel on one pair of qubits.

    Attributes:
        layer: Which layer of the plan the block belongs to, from 0.
        kind: `conv`, `edge` or `tree`.
        qubits: The pair (first, second); in pooling layers (discarded, kept).
        weights: Positions in the weight vector `w`, one for each parametrized gene of the layer's kernel.
    """

    layer: int
    kind: str
    qubits: tuple[int, int]
    weights: tuple[int, ...]


@dataclass(frozen=True, init=False)
class VQCNNSpec:
    """The structure of a VQCNN, without parameters.

    Attributes:
        n_qubits: Length of the qubit chain, 2 to 32.
        encoding: Name of the encoding, for example `angle` or `zz(reps=1)`.
        plan: The layers: `conv`, `edge` or `tree`, at most 32 of them.
        kernels: One kernel for each layer.
        sharing: `layer` gives the blocks of a layer the same weights, `site` each block its own.
        n_outcomes: Outcomes to tell apart, at least 2.
        measured: Measured qubits of the chain, rising, where they are not the first ones that survive;
            else None. `measured_qubits` gives them in any case.
    """

    n_qubits: int
    encoding: str
    plan: tuple[str, ...]
    kernels: tuple[Kernel, ...]
    sharing: str
    n_outcomes: int
    measured: tuple[int, ...] | None = None

    @takes(VQCNNError, sharing=str)
    def __init__(
        self,
        n_qubits: int,
        encoding: str | Encoding = "angle",
        plan: str | Sequence[str] | None = None,
        kernels: KernelLike | Iterable[KernelLike] = "su4",
        sharing: str = "layer",
        n_outcomes: int = 2,
        measured: Sequence[int] | None = None,
    ) -> None:
        """Check the structure and bring it into its one form.

        Args:
            n_qubits: Length of the qubit chain, 2 to 32.
            encoding: Name of the encoding, for example `angle` or `zz(reps=1)`; or an encoding object, also
                one that no registry knows.
            plan: Layers as a sequence or as text, `"4*conv, edge, conv"`; `default_plan` when omitted.
            kernels: A preset's name, a gate string or a `Kernel`, for all layers or one for each.
            sharing: `layer` or `site`.
            n_outcomes: Outcomes to tell apart, 2 to 2 to the number of qubits that survive the plan.
            measured: Qubits of the chain to measure, rising, as many as the outcomes need, among those that
                survive; the first ones when omitted.

        Raises:
            VQCNNError: If a field is out of range, a layer finds too few active qubits, the number of kernels
                is not that of the layers, too few qubits survive for the outcomes, or `measured` does not
                fit.
        """
        for name, value, low, high in (
            ("n_qubits", n_qubits, 2, MAX_QUBITS),
            ("n_outcomes", n_outcomes, 2, 2**MAX_QUBITS),
        ):
            if type(value) is not int or not low <= value <= high:
                raise VQCNNError(f"{name}: expected an integer from {low} to {high}, found {value!r}")
        known = _encoding(encoding, n_qubits)
        if sharing not in SHARINGS:
            raise VQCNNError(f"sharing: expected {' or '.join(SHARINGS)}, found {sharing!r}")
        layers = default_plan(n_qubits, n_outcomes) if plan is None else parse_plan(plan)
        if not 1 <= len(layers) <= MAX_LAYERS:
            raise VQCNNError(f"plan: expected 1 to {MAX_LAYERS} layers, found {len(layers)}")
        set_field = object.__setattr__
        set_field(self, "n_qubits", n_qubits)
        set_field(self, "encoding", known.name)
        if known.name not in ENCODINGS:
            set_field(self, "_own", known)
        set_field(self, "plan", layers)
        set_field(self, "kernels", _kernels(kernels, len(layers)))
        set_field(self, "sharing", sharing)
        set_field(self, "n_outcomes", n_outcomes)
        survivors = len(self._chains[-1])
        if self.n_measured > survivors:
            raise VQCNNError(
                f"plan: {n_outcomes} outcomes need {self.n_measured} surviving qubits, found {survivors}"
            )
        set_field(self, "measured", None if measured is None else self._checked(measured))

    @cached_property
    def index(self) -> int:
        """The model index: the one nonnegative integer of this spec."""
        fields = (self.n_qubits, self.encoding, self.plan, self.kernels, self.sharing, self.n_outcomes)
        return model_index.encode(model_index.Fields(*fields, self.measured))

    @classmethod
    def from_index(cls, index: int) -> VQCNNSpec:
        """Return the spec whose `index` this is.

        Args:
            index: Any integer, also one from an untrusted sender; the work on it is bounded.

        Raises:
            VQCNNError: If no spec has this index.
        """
        fields = model_index.decode(index)
        spec = cls(**fields._asdict())
        if spec.measured != fields.measured:
            raise VQCNNError(
                "model index: expected the first surviving qubits to be measured without being named, found "
                f"{list(spec.measured_qubits)} named"
            )
        return spec

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """All blocks in the order in which they act."""
        blocks: list[Block] = []
        used = 0
        for layer, (kind, kernel) in enumerate(zip(self.plan, self.kernels, strict=True)):
            pairs, _ = apply_layer(kind, self._chains[layer])
            count = kernel.n_parameters
            for site, pair in enumerate(pairs):
                start = used + site * count * (self.sharing == "site")
                blocks.append(Block(layer, kind, pair, tuple(range(start, start + count))))
            used += count * (len(pairs) if self.sharing == "site" else 1)
        return tuple(blocks)

    @property
    def n_weights(self) -> int:
        """Length of the weight vector `w`."""
        return 1 + max((weight for block in self.blocks for weight in block.weights), default=-1)

    @cached_property
    def blocks_before_inputs(self) -> int | None:
        """Blocks before rotations by inputs come again: the first ones that share no qubit; None for none."""
        if not self.input_encoding.comes_again:
            return None
        seen: set[int] = set()
        for number, block in enumerate(self.blocks):
            if seen & set(block.qubits):
                return number
            seen |= set(block.qubits)
        return len(self.blocks)

    @property
    def n_features(self) -> int:
        """Length of one encoded input."""
        return self.input_encoding.n_features(self.n_qubits)

    @property
    def input_encoding(self) -> Encoding:
        """The encoding itself."""
        return self.__dict__.get("_own") or encoding_named(self.encoding)

    @property
    def executable(self) -> bool:
        """Whether a device can run it: inputs are angles of gates, not ideal states of a simulation."""
        return self.input_encoding.executable

    @property
    def takes_states(self) -> bool:
        """Whether inputs enter a simulation as ideal states, which no gates make."""
        return not self.executable

    @property
    def n_measured(self) -> int:
        """Number of measured qubits m = ceil(log2(n_outcomes))."""
        return measured_count(self.n_outcomes)

    @property
    def n_two_qubit(self) -> int:
        """Number of two-qubit genes in all blocks, controlled rotations counted once, encoding left out."""
        return sum(self.kernels[block.layer].n_two_qubit for block in self.blocks)

    @property
    def measured_qubits(self) -> tuple[int, ...]:
        """The measured qubits, `meas[0]` (least significant) first."""
        return self.survivors[: self.n_measured] if self.measured is None else self.measured

    @property
    def survivors(self) -> tuple[int, ...]:
        """The qubits of the chain that no pooling discards, rising."""
        return self._chains[-1]

    @property
    def is_chain_native(self) -> bool:
        """Whether blocks and encoding act on neighbours of the physical chain: nothing needs routing."""
        pairs = [*self.encoding_pairs, *(block.qubits for block in self.blocks)]
        return all(abs(first - second) == 1 for first, second in pairs)

    @cached_property
    def encoding_pairs(self) -> tuple[tuple[int, int], ...]:
        """Qubits of each two-qubit gate of the encoding, in the order in which they act."""
        return self.input_encoding.pairs(self.n_qubits)

    def describe(self) -> str:
        """Return the structure in one line, for tables and logs."""
        names = list(dict.fromkeys(map(kernel_name, self.kernels)))
        return (
            f"{self.n_qubits} qubits, {self.encoding} encoding, {plan_text(self.plan)}, "
            f"kernel {' | '.join(name or 'identity' for name in names)}, {self.sharing} sharing, "
            f"{self.n_outcomes} outcomes{self._measured_text()}: {len(self.blocks)} blocks, "
            f"{self.n_weights} weights, {self.n_two_qubit} two-qubit gates"
        )

    def _repr_html_(self) -> str:
        """Return the structure in words and as a drawing, for a notebook."""
        return spec_html(self)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore a spec of another process, whose encoding this one may not know yet."""
        self.__dict__.update(state)
        if "_own" in state:
            introduce(state["_own"])

    def _measured_text(self) -> str:
        if self.measured is None:
            return ""
        return f" on qubits {', '.join(map(str, self.measured))}"

    def _checked(self, measured: Sequence[int]) -> tuple[int, ...] | None:
        chosen = items(VQCNNError, "measured", measured, "qubits")
        rising = all(type(qubit) is int for qubit in chosen) and sorted(set(chosen)) == list(chosen)
        if not rising or len(chosen) != self.n_measured or not set(chosen) <= set(self.survivors):
            raise VQCNNError(
                f"measured: expected {self.n_measured} of the surviving qubits {list(self.survivors)}, "
                f"rising, found {list(chosen)}"
            )
        return None if chosen == self.survivors[: self.n_measured] else chosen

    @cached_property
    def _chains(self) -> tuple[tuple[int, ...], ...]:
        """Active qubits before the first layer, and after each."""
        chains = [tuple(range(self.n_qubits))]
        for position, kind in enumerate(self.plan):
            try:
                chains.append(apply_layer(kind, chains[-1])[1])
            except VQCNNError as error:
                raise VQCNNError(f"{error}, at layer {position} of {plan_text(self.plan)}") from None
        return tuple(chains)


def _encoding(encoding: str | Encoding, n_qubits: int) -> Encoding:
    try:
        if isinstance(encoding, str):
            known = encoding_named(encoding)
        elif all(hasattr(encoding, name) for name in ("name", "code", "append", "n_features")):
            known = introduce(encoding)
        else:
            raise VQCNNError(f"encoding: expected a name or an Encoding, found {found(encoding)}")
        known.n_features(n_qubits)  # refuses widths that the encoding does not have
    except DataError as error:
        message = str(error)
        if message.startswith("unknown"):
            message = f"encoding: expected {' or '.join(ENCODINGS)}, found {encoding!r}"
        raise VQCNNError(message) from None
    return known


def _kernels(kernels: KernelLike | Iterable[KernelLike], n_layers: int) -> tuple[Kernel, ...]:
    if isinstance(kernels, KernelLike):
        return (_kernel(kernels),) * n_layers
    given = items(VQCNNError, "kernels", kernels, "a Kernel, a preset, a gate string or a sequence of them")
    resolved = tuple(map(_kernel, given))
    if len(resolved) == 1:
        return resolved * n_layers
    if len(resolved) != n_layers:
        raise VQCNNError(f"kernels: expected 1 or one for each of {n_layers} layers, found {len(resolved)}")
    return resolved


def _kernel(kernel: KernelLike) -> Kernel:
    resolved = resolve_kernel(kernel) if isinstance(kernel, str) else kernel
    if not isinstance(resolved, Kernel):
        raise VQCNNError(f"kernels: expected a Kernel, a preset or a gate string, found {found(kernel)}")
    return resolved
