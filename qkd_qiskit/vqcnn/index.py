"""The model index: a spec's fields as one nonnegative integer, and back.

The fields are the digits of a mixed-radix number, the least significant first: the lowest bit of the
encoding's code, sharing, qubits, outcomes, number of layers, the layers, whether kernels differ, the kernels,
and the rest of the code. A kernel is its length and its genes. What a digit's radix depends on comes before
it, so that nothing is padded; equal kernels are written once.

That is the first schema, and every index of it keeps its meaning. The second one holds what the first
cannot say: which of the surviving qubits are measured, where these are not the first ones. Its code is
`SECOND_SCHEMA`, which is no encoding's, and in multiples of `CODES` stand the measured qubits as a set of
bits, then the encoding's own code. What the first schema can say is written in the first one alone.

NOTE: the limits below are radices. A change of one, or of the order of `LAYERS` or `GATES`, changes every
index. A new encoding changes none. What is chosen of an encoding's options is part of its code; the code of a
circuit of one's own is a digest of the circuit, so that its index means nothing else, and can be read where
that circuit is known.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from qkd_qiskit.arguments import plain
from qkd_qiskit.encoding import ENCODINGS, encoding_coded, encoding_named
from qkd_qiskit.encoding.options import CODES, OWN_CODE, SECOND_SCHEMA
from qkd_qiskit.errors import VQCNNError
from qkd_qiskit.vqcnn.genes import GATES, Gene
from qkd_qiskit.vqcnn.kernel import MAX_GENES, Kernel
from qkd_qiskit.vqcnn.layers import LAYERS

SHARINGS: Final = ("layer", "site")
MAX_QUBITS: Final = 32
MAX_LAYERS: Final = 32

MAX_INDEX_BITS: Final = 10_000
"""No spec's index is longer, and longer integers are refused unread. These are some 3000 decimal digits,
below the 4300 at which Python itself stops converting text to integers."""


class Fields(NamedTuple):
    """What a spec consists of."""

    n_qubits: int
    encoding: str
    plan: tuple[str, ...]
    kernels: tuple[Kernel, ...]
    sharing: str
    n_outcomes: int
    measured: tuple[int, ...] | None = None
    """Measured qubits of the chain, rising; None for the first ones that survive."""


def encode(fields: Fields) -> int:
    """Return the index of valid fields."""
    code = encoding_named(fields.encoding).code
    if fields.measured is not None:
        bits = sum(1 << qubit for qubit in fields.measured)
        code = SECOND_SCHEMA + CODES * (bits + (code << fields.n_qubits))
    digits = [
        (code % 2, 2),
        (SHARINGS.index(fields.sharing), len(SHARINGS)),
        (fields.n_qubits - 2, MAX_QUBITS - 1),
        (fields.n_outcomes - 2, 2**fields.n_qubits - 1),
        (len(fields.plan) - 1, MAX_LAYERS),
    ]
    digits += [(LAYERS.index(kind), len(LAYERS)) for kind in fields.plan]
    varied = len(set(fields.kernels)) > 1
    digits.append((int(varied), 2))
    for kernel in fields.kernels if varied else fields.kernels[:1]:
        digits.append((len(kernel.genes), MAX_GENES + 1))
        digits += [(2 * (gene.gate - 1) + gene.orientation, 2 * len(GATES)) for gene in kernel.genes]
    index = code // 2
    for digit, radix in reversed(digits):
        index = index * radix + digit
    return index


def decode(index: int) -> Fields:
    """Return the fields that an index stands for; they may still break a rule of the family.

    Args:
        index: Any integer, also one from an untrusted sender: the work is bounded by `MAX_INDEX_BITS`.

    Raises:
        VQCNNError: If the integer is negative, too long, or not the index that its fields have.
    """
    index = plain(index)
    if type(index) is not int or index < 0:
        raise VQCNNError(f"model index: expected a nonnegative integer, found {_shown(index)}")
    if index.bit_length() > MAX_INDEX_BITS:
        raise VQCNNError(f"model index: expected at most {MAX_INDEX_BITS} bits, found {index.bit_length()}")
    digits = _Digits(index)
    lowest_bit = digits.take(2)
    sharing = SHARINGS[digits.take(len(SHARINGS))]
    n_qubits = digits.take(MAX_QUBITS - 1) + 2
    n_outcomes = digits.take(2**n_qubits - 1) + 2
    plan = tuple(LAYERS[digits.take(len(LAYERS))] for _ in range(digits.take(MAX_LAYERS) + 1))
    varied = digits.take(2) == 1
    kernels = tuple(_kernel(digits) for _ in range(len(plan) if varied else 1))
    code, measured = 2 * digits.rest + lowest_bit, None
    if code % CODES == SECOND_SCHEMA:
        code, bits = divmod(code // CODES, 1 << n_qubits)
        measured = tuple(qubit for qubit in range(n_qubits) if bits >> qubit & 1)
    encoding = _encoding(code)
    if varied and len(set(kernels)) == 1:
        raise VQCNNError("model index: expected equal kernels to be written once, found them repeated")
    each = kernels if varied else kernels * len(plan)
    return Fields(n_qubits, encoding, plan, each, sharing, n_outcomes, measured)


class _Digits:
    """The digits of a mixed-radix number, from the least significant on."""

    def __init__(self, number: int) -> None:
        self.rest = number

    def take(self, radix: int) -> int:
        self.rest, digit = divmod(self.rest, radix)
        return digit


def _encoding(code: int) -> str:
    found = encoding_coded(code)
    if found is None and code % CODES == OWN_CODE:
        raise VQCNNError(
            "model index: expected a circuit of one's own that this process has made, found the digest "
            f"{code // CODES:x}"[:160]
        )
    if found is None:
        known = ", ".join(str(encoding.code) for encoding in ENCODINGS.values())
        raise VQCNNError(f"model index: expected an encoding with a code among {known}, found {_shown(code)}")
    return found.name


def _kernel(digits: _Digits) -> Kernel:
    places = [digits.take(2 * len(GATES)) for _ in range(digits.take(MAX_GENES + 1))]
    return Kernel(tuple(Gene(place // 2 + 1, place % 2) for place in places))


def _shown(index: object) -> str:
    """Return the offending value, short: an integer of many digits would not print."""
    if isinstance(index, int) and index.bit_length() > 64:
        return f"an integer of {index.bit_length()} bits"
    return repr(index)[:80]
