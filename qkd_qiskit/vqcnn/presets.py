"""Named kernels."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from qkd_qiskit.errors import VQCNNError
from qkd_qiskit.vqcnn.kernel import Kernel

PRESETS: Final[Mapping[str, Kernel]] = MappingProxyType(
    {
        "su4": Kernel.from_string(
            "RZ0 RY0 RZ0 RZ1 RY1 RZ1 CX10 RY1 RZ0 CX01 RY1 RZ1 CX10 RY1 RZ0 RY0 RZ0 RZ1"
        ),
        "two_cx": Kernel.from_string("RZ0 RY0 RZ1 CX10 RX1 RY0 CX10 RY1"),
        "one_cx": Kernel.from_string("RZ0 RY0 CX10 RY1"),
    }
)
"""Canonical kernels by name, named after what they can do or cost.

`su4` reaches every two-qubit unitary with three CX and 15 parameters (Vatan and Williams, *Physical Review
A* 69:032315, 2004). `two_cx` (6 parameters) and `one_cx` (3) turn the first qubit before and the second
qubit after their CX: neither neighbouring blocks, nor pooling, which discards the first qubit, leave a
parameter idle.
"""

_EXPECTED: Final = f"a preset ({', '.join(PRESETS)}) or a gate string"


def resolve_kernel(text: str) -> Kernel:
    """Return the kernel that a preset name or a gate string means.

    Args:
        text: A name in `PRESETS`, or genes separated by blanks.

    Raises:
        VQCNNError: If the text is neither.
    """
    name = text.strip()
    if name in PRESETS:
        return PRESETS[name]
    try:
        kernel = Kernel.from_string(name)
    except VQCNNError as error:
        raise VQCNNError(f"kernel: expected {_EXPECTED}, found {text!r}: {error}") from None
    if not kernel.genes:
        raise VQCNNError(f"kernel: expected {_EXPECTED}, found {text!r}")
    return kernel


def kernel_name(kernel: Kernel) -> str:
    """Return the preset's name where the kernel is one, else its gate string."""
    return next((name for name, preset in PRESETS.items() if preset == kernel), str(kernel))
