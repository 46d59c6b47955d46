from qkd_qiskit.estimator import preset_sizes
from qkd_qiskit.hardware import load_backend
from qkd_qiskit.run import search_space
from qkd_qiskit.training import device_candidates
from qkd_qiskit.vqcnn import VQCNNSpec, native_two_qubit


def test_presets_that_fit_are_tried_first_and_sub_swarms_keep_the_encoding():
    base = VQCNNSpec(6, kernels="two_cx", sharing="site")
    candidates = device_candidates(base, load_backend("ibm_guadalupe"))
    space = search_space(candidates, own_kernels=1)
    assert space.max_two_qubit == 26
    starts = [space.decode(genome) for genome in space.starts()]
    assert starts[0] == base
    assert {kernel for spec in starts for kernel in spec.kernels} >= set(base.kernels)
    assert all(space.gates(spec) <= 26 for spec in starts)
    assert len(starts) == 3
    assert "reupload(fresh=0)" in space.encodings
    assert search_space(candidates, method="cooperative").encodings == ("angle",)


def test_the_largest_structure_of_each_ladder_is_taken():
    base = VQCNNSpec(4, kernels="one_cx", sharing="layer", n_outcomes=3)
    found, smaller = preset_sizes(base, lambda spec: spec.n_two_qubit <= 9)
    # Rungs have 3, 6, 7, 10 ... blocks, with 3, 2 or 1 gates each.
    assert [spec.n_two_qubit for spec in found] == [3 * 3, 3 * 2, 7 * 1]
    assert all((spec.sharing, spec.n_outcomes) == ("layer", 3) for spec in found)
    # Below them are two rungs of `one_cx`, and none of the others.
    assert [spec.n_two_qubit for spec in smaller] == [3 * 1, 6 * 1]
    assert preset_sizes(base, lambda spec: spec.n_two_qubit < 3) == ((), ())


def test_sizes_of_presets_within_shares_of_the_budget_are_known_once():
    base = VQCNNSpec(6, kernels="su4", sharing="site")
    candidates = device_candidates(base, load_backend("ibm_guadalupe"))
    plain, space = search_space(candidates), search_space(candidates, rungs=(0.8, 0.5))
    assert plain.max_two_qubit == 39
    # One more layer of `one_cx` would fit, but the space holds no ring of four convolutions.
    assert sorted(map(space.gates, plain.known)) == [31, 34, 39]
    lower = space.known[len(plain.known) :]
    # At most 31 and 19 gates: `one_cx` reaches 31 with its largest size, which is known.
    each = [native_two_qubit(VQCNNSpec(2, plan="conv", kernels=spec.kernels[0])) for spec in lower]
    assert sorted(zip(map(space.gates, lower), each, strict=True)) == [
        *((15, 3), (16, 2), (17, 1), (24, 3), (28, 2))
    ]
    everything = [space.decode(genome) for genome in space.starts(99)]
    assert len(set(everything)) == len(everything) == len(plain.starts(99))
    assert search_space(candidates, rungs=(0.01,)).known == plain.known


def test_some_smaller_sizes_are_tried_too_evenly_spaced():
    base = VQCNNSpec(6, kernels="two_cx", sharing="site")
    space = search_space(device_candidates(base, load_backend("ibm_guadalupe")), own_kernels=0)
    everything = [space.decode(genome) for genome in space.starts(99)]
    assert everything[:3] == [space.decode(genome) for genome in space.starts()]
    assert len(set(everything)) == len(everything) == 3 + len(space.smaller)
    three = [space.decode(genome) for genome in space.starts(3)][3:]
    middle = three.pop(1)
    assert three == [space.smaller[0], space.smaller[-1]]
    assert abs(2 * space.smaller.index(middle) - (len(space.smaller) - 1)) <= 1
