"""Fractional gates: `rzz` and `rx` with angles, as IBM's Heron devices offer them natively.

A controlled rotation takes one `rzz` where it takes two `cz`, and a rotation one `rx` where it takes two
`sx`. They are asked for by a device's name with `+fractional` behind it.
"""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

from qiskit.circuit import Parameter
from qiskit.circuit.library import RXGate, RZZGate
from qiskit.providers import BackendV2
from qiskit.transpiler import InstructionProperties, Target

SUFFIX = "+fractional"
"""What stands behind the name of a device whose fractional gates are used."""
_GATES = {"rx": RXGate, "rzz": RZZGate}


def split_name(name: str) -> tuple[str, bool]:
    """Return the name of a device, or the path of its descriptor, and whether fractional gates are wanted."""
    return name.removesuffix(SUFFIX), name.endswith(SUFFIX)


def fractional_name(name: str) -> str:
    """Return the name under which a device uses its fractional gates."""
    return split_name(name)[0] + SUFFIX


def device_name(backend: str) -> str:
    """Return what tables and files call a device: its name, or that of its descriptor's file.

    Args:
        backend: A name or the path of a descriptor, with `+fractional` behind it or without.
    """
    plain, fractional = split_name(backend)
    name = Path(plain).stem if plain.endswith(".toml") else plain
    return name + SUFFIX if fractional else name


def with_fractional_gates(backend: BackendV2) -> Target:
    """Return a backend's target with the fractional gates that it is calibrated for.

    Live devices list them where they are asked for. Fake ones have their calibration alone, outside the
    target.

    Args:
        backend: A live or a fake backend, or any other.

    Returns:
        The target, with `rx` and `rzz` where they were found.
    """
    target = backend.target
    lacking = set(_GATES) - set(target.operation_names)
    properties = getattr(backend, "properties", None)
    calibration: Any = properties() if callable(properties) else None
    placed: dict[str, dict[tuple[int, ...], InstructionProperties]] = {}
    for gate in getattr(calibration, "gates", ()) if lacking else ():
        if gate.gate in lacking:
            said = {each.name for each in gate.parameters}
            placed.setdefault(gate.gate, {})[tuple(gate.qubits)] = InstructionProperties(
                error=calibration.gate_error(gate.gate, gate.qubits) if "gate_error" in said else None,
                duration=calibration.gate_length(gate.gate, gate.qubits) if "gate_length" in said else None,
            )
    if placed:
        target = deepcopy(target)
        for name, places in placed.items():
            target.add_instruction(_GATES[name](Parameter("angle")), places)
    return target
