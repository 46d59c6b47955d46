import numpy as np
import pytest
from qiskit.transpiler import CouplingMap, PassManager, generate_preset_pass_manager

from qkd_qiskit.vqcnn import PRESETS, Gene, Kernel, VQCNNSpec, build_circuit, is_tight, native_two_qubit


def transpiler(n_qubits: int, gate: str) -> PassManager:
    return generate_preset_pass_manager(
        optimization_level=3,
        coupling_map=CouplingMap.from_line(n_qubits),
        basis_gates=[gate, "rz", "sx", "x"],
        initial_layout=list(range(n_qubits)),
        seed_transpiler=1,
    )


@pytest.mark.parametrize("gate", ["cz", "ecr"])
@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_tight_and_counted_exactly(name: str, gate: str) -> None:
    for n_qubits, n_outcomes in ((2, 2), (5, 2), (8, 2), (8, 10)):
        spec = VQCNNSpec(n_qubits, kernels=name, n_outcomes=n_outcomes)
        assert is_tight(spec)
        counted = transpiler(n_qubits, gate).run(build_circuit(spec)).count_ops()[gate]
        assert counted == native_two_qubit(spec) == PRESETS[name].n_two_qubit * len(spec.blocks)


@pytest.mark.parametrize(
    ("n_qubits", "n_outcomes", "plan"),
    [(4, 4, "conv, edge, conv"), (5, 2, "conv, edge, conv, edge"), (3, 8, "conv, conv")],
)
def test_random_strings(n_qubits: int, n_outcomes: int, plan: str) -> None:
    """Tight specs keep the predicted count; no spec exceeds it."""
    rng = np.random.default_rng(n_qubits)
    manager, tight = transpiler(n_qubits, "cz"), 0
    for _ in range(40):
        genes = zip(rng.integers(1, 14, 9).tolist(), rng.integers(0, 2, 9).tolist(), strict=True)
        kernel = Kernel(tuple(Gene(*gene) for gene in genes)).canonical()
        spec = VQCNNSpec(n_qubits, plan=plan, kernels=kernel, n_outcomes=n_outcomes)
        counted = manager.run(build_circuit(spec)).count_ops().get("cz", 0)
        assert counted <= native_two_qubit(spec)
        if is_tight(spec):
            tight += 1
            assert counted == native_two_qubit(spec), str(kernel)
    assert tight >= 8


@pytest.mark.parametrize(
    ("kernel", "plan", "tight", "bound"),
    [
        ("RY0 RY1 CX01", "conv", True, 1),
        ("CRY01 RX0 RX1", "conv", True, 2),
        ("RY0 CRX01", "conv", True, 2),
        ("CRZ10 RY0 RY1", "conv", True, 2),
        ("RY0 CX01 CY01", "conv", False, 2),  # one CX and a phase gate
        ("RY0 CX01 CX10 CX01", "conv", False, 3),  # a SWAP may become a relabelling
        ("RY0 RY1 CZ01", "conv", False, 1),  # diagonal before both measurements
        ("RZ0 CX01", "conv, conv", False, 2),  # the blocks' CX cancel
        ("RX0 CX01", "conv, conv", True, 2),
        ("RY0 CRZ01", "conv", False, 2),
        ("RX0", "conv", True, 0),
        ("I0", "conv", True, 0),
    ],
)
def test_examples(kernel: str, plan: str, tight: bool, bound: int) -> None:
    spec = VQCNNSpec(2, plan=plan, kernels=kernel, n_outcomes=4)
    assert (is_tight(spec), native_two_qubit(spec)) == (tight, bound)
    counted = transpiler(2, "cz").run(build_circuit(spec)).count_ops().get("cz", 0)
    assert counted <= bound
    assert counted == bound or not tight
