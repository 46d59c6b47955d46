"""Made-up later calibrations: other errors, the same device."""

import numpy as np
import pytest

from qkd_qiskit.errors import HardwareError
from qkd_qiskit.hardware import drifted_device, load_backend, predict_counts, transpile_verified
from qkd_qiskit.hardware.targets import dead_gates, duration_of, error_of, placed_gates
from qkd_qiskit.vqcnn import VQCNNSpec


def drift(name, spread, seed=0):
    device = load_backend(name)
    return device, drifted_device(device, spread=spread, rng=np.random.default_rng(seed))


@pytest.mark.parametrize("name", ["ibm_torino", "ibm_guadalupe", "ion_trap"])
def test_errors_move_and_the_rest_stays(name):
    before, after = drift(name, 0.3)
    ratios = []
    for gate, place, _ in placed_gates(before.target):
        if gate == "delay":
            continue
        old, new = error_of(before.target, gate, place), error_of(after.target, gate, place)
        assert duration_of(before.target, gate, place) == duration_of(after.target, gate, place)
        if old > 0 and (gate, place) not in dead_gates(before.target):
            ratios.append(np.log(new / old))
    # Both directions of a coupling share a factor, which does not change the spread of all.
    assert np.std(ratios) == pytest.approx(0.3, rel=0.25)
    assert abs(np.mean(ratios)) < 0.15
    assert dead_gates(before.target) == dead_gates(after.target)
    assert before.usable_qubits == after.usable_qubits
    for qubit in after.target.qubit_properties:
        assert qubit.t2 <= 2 * qubit.t1


def test_no_spread_is_no_drift_and_the_original_stays():
    before, after = drift("noisy_line", 0.0)
    spec = VQCNNSpec(4)
    assert predict_counts(spec, after) == predict_counts(spec, before)
    esp = predict_counts(spec, before).esp
    assert predict_counts(spec, drift("noisy_line", 0.5)[1]).esp != esp
    assert predict_counts(spec, before).esp == esp


def test_seeds_decide():
    spec = VQCNNSpec(4)
    first, again, other = (predict_counts(spec, drift("noisy_line", 0.2, seed)[1]).esp for seed in (1, 1, 2))
    assert first == again != other


def test_circuits_still_run_and_the_notes_say_made_up():
    _, after = drift("ibm_sherbrooke", 0.5)
    assert transpile_verified(VQCNNSpec(3), after).report.exact
    assert "made up" in after.notes[-1]
    assert after.source == "drifted"


@pytest.mark.parametrize("spread", [-0.1, float("inf"), float("nan")])
def test_bad_spreads_are_refused(spread):
    with pytest.raises(HardwareError, match="spread: expected a number of at least 0, found"):
        drift("noisy_line", spread)
