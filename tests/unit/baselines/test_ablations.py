"""What remains of the circuit without entanglement."""

import numpy as np
import pytest

from qkd_qiskit.baselines import without_entanglement
from qkd_qiskit.encoding import ENCODINGS
from qkd_qiskit.simulation import PauliEvaluator
from qkd_qiskit.vqcnn import PRESETS, VQCNNSpec


@pytest.mark.parametrize("kernel", [*PRESETS, "CX01 CZ10", "CRX01 RY1"])
@pytest.mark.parametrize("sharing", ["layer", "site"])
def test_no_two_qubit_gate_is_left_and_the_plan_stays(kernel, sharing):
    spec = VQCNNSpec(4, plan="conv, edge, conv", kernels=kernel, sharing=sharing, n_outcomes=4)
    rest = without_entanglement(spec)
    assert rest.n_two_qubit == 0
    assert (rest.plan, rest.sharing, rest.n_outcomes, rest.encoding) == (
        spec.plan,
        spec.sharing,
        spec.n_outcomes,
        spec.encoding,
    )
    assert rest.n_weights > 0
    assert VQCNNSpec.from_index(rest.index) == rest


def test_outcomes_are_a_product_of_the_measured_qubits():
    spec = without_entanglement(VQCNNSpec(4, plan="conv, edge, conv", n_outcomes=4))
    rng = np.random.default_rng(0)
    inputs = ENCODINGS["angle"].random_inputs(4, 7, rng=rng)
    p = PauliEvaluator(spec).probabilities(rng.uniform(-3, 3, spec.n_weights), inputs)
    first, second = p[:, [0, 2]].sum(axis=1), p[:, [0, 1]].sum(axis=1)
    np.testing.assert_allclose(p[:, 0], first * second, atol=1e-12)
