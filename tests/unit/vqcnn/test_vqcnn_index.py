import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qkd_qiskit.errors import VQCNNError
from qkd_qiskit.vqcnn import MAX_INDEX_BITS, Gene, Kernel, VQCNNSpec
from qkd_qiskit.vqcnn.layers import apply_layer

GENES = st.builds(Gene, st.integers(1, 13), st.integers(0, 1))
KERNELS = st.lists(GENES, max_size=64).map(lambda genes: Kernel(tuple(genes)))


@st.composite
def specs(draw: st.DrawFn) -> VQCNNSpec:
    """Any spec of the family."""
    n_qubits = draw(st.integers(2, 32))
    active: tuple[int, ...] = tuple(range(n_qubits))
    plan: list[str] = []
    for _ in range(draw(st.integers(1, 32))):
        kinds = [kind for kind, needed in (("conv", 2), ("edge", 3), ("tree", 2)) if len(active) >= needed]
        if not kinds:
            break
        plan.append(draw(st.sampled_from(kinds)))
        _, active = apply_layer(plan[-1], active)
    kernels = draw(KERNELS | st.lists(KERNELS, min_size=len(plan), max_size=len(plan)))
    encoding = draw(st.sampled_from(["angle", "amplitude", "zz(reps=3)"]))
    sharing = draw(st.sampled_from(["layer", "site"]))
    outcomes = draw(st.integers(2, 2 ** len(active)))
    measured = None
    if draw(st.booleans()):
        count = (outcomes - 1).bit_length()
        measured = sorted(draw(st.permutations(active))[:count])
    return VQCNNSpec(n_qubits, encoding, plan, kernels, sharing, outcomes, measured)


@settings(max_examples=80)
@given(specs())
def test_every_spec_comes_back(spec: VQCNNSpec) -> None:
    assert spec.index >= 0
    assert VQCNNSpec.from_index(spec.index) == spec
    assert VQCNNSpec.from_index(int(str(spec.index))) == spec
    assert VQCNNSpec.from_index(spec.index).measured_qubits == spec.measured_qubits


@pytest.mark.parametrize(
    ("index", "spec"),
    [
        (
            19451435733710758930,
            VQCNNSpec(4, "angle", "conv, edge, conv", "RZ0 RY0 RZ1 CX10 RX1 RY0 CX10 RY1", "site", 2),
        ),
        (
            383094604847894,
            VQCNNSpec(4, "angle", "conv, conv, conv, edge, conv", "RZ0 RY0 CX10 RY1", "site", 3),
        ),
        (27165337641323, VQCNNSpec(3, "amplitude", "conv, edge", ("RY0 CX01", "CZ10"), "site", 2)),
    ],
)
def test_indices_of_saved_models_keep_their_meaning(index: int, spec: VQCNNSpec) -> None:
    """They were made before there was a registry of encodings."""
    assert spec.index == index
    assert VQCNNSpec.from_index(index) == spec


def _comes_back_or_is_refused(index: int) -> bool:
    try:
        spec = VQCNNSpec.from_index(index)
    except VQCNNError:
        return False
    assert spec.index == index
    return True


def test_every_small_integer_is_an_index_or_refused() -> None:
    # Below 11904 = 2 * 2 * 31 * 3 * 32 two qubits get only `conv`; from there on `edge` too, which fails.
    assert all(_comes_back_or_is_refused(index) for index in range(2000))
    later = [_comes_back_or_is_refused(index) for index in range(11904, 40000, 7)]
    assert any(later)
    assert not all(later)


@settings(max_examples=150)
@given(
    st.integers(0, 200)
    | st.integers(1, 40).flatmap(lambda k: st.integers(0, 2 ** (64 * k)))
    | specs().map(lambda s: s.index + 1)
)
def test_every_integer_is_an_index_or_refused(index: int) -> None:
    _comes_back_or_is_refused(index)


def test_uniform_kernels_are_written_once() -> None:
    long = VQCNNSpec(8, plan="conv, " * 30 + "conv")
    varied = VQCNNSpec(8, plan="conv, " * 30 + "conv", kernels=("su4",) * 30 + ("one_cx",))
    assert long.index.bit_length() < 200 < varied.index.bit_length()
    assert len(str(VQCNNSpec(8).index)) < 45


def test_the_longest_index_stays_below_the_limits() -> None:
    big = Kernel((Gene(13, 1),) * 64)
    other = Kernel((Gene(13, 1),) * 63 + (Gene(12, 1),))
    spec = VQCNNSpec(32, "amplitude", ["conv"] * 32, [other] + [big] * 31, "site", 2**31, range(1, 32))
    assert spec.index.bit_length() <= MAX_INDEX_BITS
    assert len(str(2**MAX_INDEX_BITS)) < 4300
    assert VQCNNSpec.from_index(spec.index) == spec


def test_repeated_uniform_kernels_are_refused() -> None:
    # The digit after the layers tells whether kernels differ; written by hand here: angle, layer, 2 qubits,
    # 2 outcomes, 2 layers of conv, "differ", and twice the empty kernel.
    digits = [(0, 2), (0, 2), (0, 31), (0, 3), (1, 32), (0, 3), (0, 3), (1, 2), (0, 65), (0, 65)]
    index, place = 0, 1
    for digit, radix in digits:
        index += digit * place
        place *= radix
    with pytest.raises(VQCNNError, match="expected equal kernels to be written once"):
        VQCNNSpec.from_index(index)


def test_other_measured_qubits_have_indices_of_their_own() -> None:
    first = VQCNNSpec(4, plan="conv", kernels="one_cx")
    # The first survivors are what is measured anyway.
    assert VQCNNSpec(4, plan="conv", kernels="one_cx", measured=[0]) == first
    others = [VQCNNSpec(4, plan="conv", kernels="one_cx", measured=[qubit]) for qubit in (1, 2, 3)]
    assert len({spec.index for spec in (first, *others)}) == 4
    # By hand: the digits of the first schema, but the code is 32767 + 65536 * (bits + 16 * code).
    code = 32767 + 65536 * (0b0100 + 16 * 0)
    assert others[1].index % 2 == code % 2
    rest, digits = others[1].index // 2, (first.index - 0) // 2
    place = 2 * 31 * 15 * 32 * 3 * 2 * 65 * 26**4
    assert rest == digits % place + place * (code // 2)


def test_first_survivors_are_not_named_in_an_index() -> None:
    spec = VQCNNSpec(4, plan="conv", kernels="one_cx", measured=[2])
    place = 2 * 2 * 31 * 15 * 32 * 3 * 2 * 65 * 26**4
    # Bit 0 in place of bit 2: qubit 0 is measured anyway.
    index = spec.index - place * (65536 * (0b0100 - 0b0001) // 2)
    with pytest.raises(VQCNNError, match=r"measured without being named, found \[0\] named"):
        VQCNNSpec.from_index(index)


@pytest.mark.parametrize("index", [-1, -(10**50), True, 1.0, "12", None])
def test_what_is_no_index_is_refused(index: object) -> None:
    with pytest.raises(VQCNNError, match="expected a nonnegative integer, found"):
        VQCNNSpec.from_index(index)


def test_absurd_integers_are_refused_unread() -> None:
    with pytest.raises(VQCNNError, match="expected at most 10000 bits, found 50000001"):
        VQCNNSpec.from_index(1 << 50_000_000)


def test_more_digits_than_the_spec_has_are_refused() -> None:
    with pytest.raises(
        VQCNNError, match="expected an encoding with a code among 0, 1, .*, found an integer of"
    ):
        VQCNNSpec.from_index(VQCNNSpec(4).index + (1 << 3000))


def test_an_index_of_impossible_fields_is_refused() -> None:
    # angle, layer, 2 qubits, 2 outcomes, 1 layer, and that is `edge`, which two qubits do not allow.
    with pytest.raises(VQCNNError, match="edge needs at least 3 active qubits"):
        VQCNNSpec.from_index(2 * 2 * 31 * 3 * 32 * 1)
