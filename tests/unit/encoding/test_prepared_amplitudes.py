"""Amplitudes prepared by gates: circuits as Qiskit simulates them, against the states that they are for."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from qiskit.quantum_info import Statevector

from qkd_qiskit.data import load_dataset
from qkd_qiskit.encoding import encoding_named, make_encoder
from qkd_qiskit.encoding.coarse_middle import coarse_in_the_middle
from qkd_qiskit.encoding.real_circuits import brickwall, staircase
from qkd_qiskit.encoding.state_fit import common_start, fidelities, fit_angles
from qkd_qiskit.errors import DataError

FITTED = ("amplitude_mps", "amplitude_mps(layers=2)", "amplitude_brick", "amplitude_brick(layers=3)")


def prepared(encoding, n_qubits, angles):
    """The state that Qiskit makes of an encoding's circuit with these angles."""
    circuit = encoding.circuit(n_qubits)
    bound = circuit.assign_parameters({p: angles[p.index] for p in circuit.parameters})
    state = Statevector(bound).data
    assert np.abs(state.imag).max() < 1e-12
    return state.real


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def images(count, first=0):
    """MNIST images of all classes."""
    dataset = load_dataset()
    chosen = np.random.default_rng(0).permutation(len(dataset.labels))[first : first + count]
    return dataset.features[chosen]


@st.composite
def amplitudes(draw):
    size = 2 ** draw(st.integers(1, 5))
    numbers = st.one_of(st.just(0.0), st.floats(-1, 1, allow_subnormal=False).filter(lambda v: abs(v) > 1e-3))
    return draw(arrays(float, (1, size), elements=numbers).filter(lambda row: np.any(row != 0)))


@given(amplitudes())
@settings(deadline=None, max_examples=60)
def test_the_exact_preparation_gives_the_amplitudes_signs_included(row):
    n_qubits = row.shape[1].bit_length() - 1
    encoding = encoding_named("amplitude_exact")
    (angles,) = encoding.make_encoder(n_qubits).fit(row).transform(row)
    (expected,) = make_encoder("amplitude", n_qubits).fit(row).transform(row)
    np.testing.assert_allclose(prepared(encoding, n_qubits, angles), expected, atol=1e-12)


def test_the_exact_preparation_of_an_image_on_eight_qubits():
    encoding = encoding_named("amplitude_exact")
    features = images(2)
    angles = encoding.make_encoder(8, (28, 28)).fit(features).transform(features)
    expected = make_encoder("amplitude", 8, image_shape=(28, 28)).fit(features).transform(features)
    for row, state in zip(angles, expected, strict=True):
        np.testing.assert_allclose(prepared(encoding, 8, row), state, atol=1e-9)


@pytest.mark.parametrize(
    ("name", "n_qubits", "two_qubit"),
    [
        # Level k of the tree: 2^k - 1 CZ; the CZ of ruler r is in a ladder of 2r CX.
        ("amplitude_exact", 1, 0),
        ("amplitude_exact", 4, 1 + (3 + 2) + (7 + 2 * 4)),
        (
            "amplitude_exact",
            8,
            sum(1 + 2 * ((s & -s).bit_length() - 1) for k in range(8) for s in range(1, 2**k)),
        ),
        ("amplitude_mps", 1, 0),
        ("amplitude_mps", 8, 13),
        ("amplitude_mps(layers=3)", 8, 13 + 14 + 14),
        ("amplitude_brick", 8, 4 * (4 + 3)),
        ("amplitude_brick(layers=3)", 5, 2 + 2 + 2),
        ("amplitude_brick(layers=5)", 2, 3),
    ],
)
def test_gates_are_counted_and_act_on_neighbours(name, n_qubits, two_qubit):
    encoding = encoding_named(name)
    circuit = encoding.circuit(n_qubits)
    counts = circuit.count_ops()
    assert set(counts) <= {"ry", "cz", "cx"}
    assert len(encoding.pairs(n_qubits)) == counts.get("cz", 0) + counts.get("cx", 0) == two_qubit
    assert counts["ry"] == encoding.n_features(n_qubits) == len(circuit.parameters)
    assert all(abs(a - b) == 1 for a, b in encoding.pairs(n_qubits))
    drawn = [tuple(circuit.find_bit(q).index for q in item.qubits) for item in circuit.data]
    assert [pair for pair in drawn if len(pair) == 2] == list(encoding.pairs(n_qubits))


@pytest.mark.parametrize("name", FITTED)
@pytest.mark.parametrize("n_qubits", [1, 2, 5])
def test_told_fidelities_are_those_of_the_circuits_states(name, n_qubits):
    encoding, features = encoding_named(name), images(6)
    encoder = encoding.make_encoder(n_qubits, (28, 28)).fit(features)
    angles, told = encoder.transform(features), encoder.fidelities(features)
    plain = make_encoder("amplitude", n_qubits, image_shape=(28, 28)).fit(features).transform(features)
    for row, fidelity, amplitude in zip(angles, told, plain, strict=True):
        state = prepared(encoding, n_qubits, row)
        assert (state @ amplitude[encoder.order]) ** 2 == pytest.approx(fidelity, abs=1e-12)
        np.testing.assert_allclose(encoder.circuit.states(row[None])[0], state, atol=1e-12)


def truncated(states, n_qubits):
    """Fidelities of matrix product states of bond dimension 2, by singular values from the first site on."""
    rest = states.reshape(len(states), 1, -1)
    for _ in range(n_qubits - 1):
        matrices = rest.reshape(len(states), rest.shape[1] * 2, -1)
        _, values, right = np.linalg.svd(matrices, full_matrices=False)
        rest = values[:, :2, None] * right[:, :2]
    return np.square(rest).sum(axis=(1, 2))


def test_one_staircase_is_as_close_as_the_best_matrix_product_states():
    features = images(60)
    encoder = make_encoder("amplitude_mps", 8, image_shape=(28, 28)).fit(features)
    reached, best = encoder.fidelities(features), truncated(encoder.targets(features), 8)
    assert reached.mean() > best.mean() - 0.01
    # Singular values one site at a time are not quite the best; the fit may be a little better.
    assert (reached < best + 0.1).all()


def test_circuits_reach_states_of_their_own_kind():
    rng = np.random.default_rng(3)
    for circuit in (staircase(5, 1), brickwall(5, 4)):
        states = circuit.states(rng.uniform(-0.6, 0.6, (40, circuit.n_angles)))
        found = fidelities(
            circuit, fit_angles(circuit, states, common_start(circuit, states), passes=200), states
        )
        assert np.median(found) > 1 - 1e-4
        assert found.mean() > 0.98


def test_more_layers_come_closer_on_images():
    public, others = images(40), images(40, first=100)
    mean = []
    for name in ("amplitude_brick(layers=2)", "amplitude_brick(layers=4)", "amplitude_brick"):
        encoder = make_encoder(name, 6, image_shape=(28, 28)).fit(public)
        mean.append(encoder.fidelities(others).mean())
    assert mean[0] < mean[1] < mean[2]
    assert mean[2] > 0.95


@pytest.mark.parametrize("name", ["amplitude_mps", "amplitude_brick(layers=4)"])
def test_angles_of_a_sample_do_not_depend_on_others_its_size_or_its_sign(name):
    features = images(70)
    encoder = make_encoder(name, 5, image_shape=(28, 28)).fit(features[:20])
    angles = encoder.transform(features)
    assert np.abs(angles).max() <= np.pi
    np.testing.assert_array_equal(encoder.transform(features[::-1])[::-1], angles)
    np.testing.assert_array_equal(encoder.transform(features[66:67])[0], angles[66])
    np.testing.assert_array_equal(encoder.transform(-4 * features), angles)


def test_last_bits_of_features_change_neither_start_nor_angles():
    features = images(40)
    jitter = 1 + np.random.default_rng(0).uniform(-1e-14, 1e-14, features.shape)
    plain, moved = (
        make_encoder("amplitude_brick(layers=4)", 5, image_shape=(28, 28)).fit(part)
        for part in (features, features * jitter)
    )
    np.testing.assert_array_equal(plain.arrays()["start"], moved.arrays()["start"])
    np.testing.assert_array_equal(plain.transform(features), moved.transform(features * jitter))


def test_like_samples_become_like_states():
    features = images(60)
    encoder = make_encoder("amplitude_brick(layers=4)", 5, image_shape=(28, 28)).fit(features)
    nudged = features + np.random.default_rng(0).normal(0, 1e-3 * features.max(), features.shape)
    first, second = (encoder.circuit.states(encoder.transform(part)) for part in (features, nudged))
    overlaps = np.abs((first * second).sum(axis=1))
    assert np.median(overlaps) > 0.999
    assert overlaps.mean() > 0.99


@pytest.mark.parametrize("name", FITTED)
def test_features_that_cancel_or_are_no_images_are_prepared_too(name):
    rows = np.array([[1.0, 0, 0, 0, 0], [-1, 0, 0, 0, 0], [0, 0, 3, 0, 0], [0.2, -1, 0, 4, -2]])
    encoder = make_encoder(name, 3).fit(rows)
    np.testing.assert_allclose(encoder.targets(rows)[:, :5], unit(rows), atol=1e-15)
    assert encoder.fidelities(rows).min() > 0.8


@pytest.mark.parametrize("n_qubits", [1, 2, 3, 6, 7])
def test_neighbouring_pixels_differ_in_one_qubit(n_qubits):
    order = coarse_in_the_middle(n_qubits)
    np.testing.assert_array_equal(np.sort(order), np.arange(2**n_qubits))
    rows, columns = 2 ** (n_qubits - n_qubits // 2), 2 ** (n_qubits // 2)
    state = np.empty_like(order)
    state[order] = np.arange(len(order))
    grid = state.reshape(rows, columns)
    for difference in (grid[1:] ^ grid[:-1], grid[:, 1:] ^ grid[:, :-1]):
        assert all(int(value).bit_count() == 1 for value in difference.ravel())
    # The first two rows differ in the finest bit of rows, at one end of the chain; columns at the other end.
    assert grid[1, 0] ^ grid[0, 0] == 1
    if columns > 1:
        assert grid[0, 1] ^ grid[0, 0] == 2 ** (n_qubits - 1)


@pytest.mark.parametrize("name", ["amplitude_exact", *FITTED])
@pytest.mark.parametrize("n_qubits", [1, 4])
def test_saved_encoders_of_gates_give_the_same_inputs(name, n_qubits):
    features, encoding = images(20), encoding_named(name)
    encoder = encoding.make_encoder(n_qubits, (28, 28)).fit(features)
    kept = encoder.arrays()
    assert encoding.array_fault(n_qubits, {key: value.shape for key, value in kept.items()}) is None
    restored = encoding.restore_encoder(n_qubits, kept)
    np.testing.assert_array_equal(restored.transform(features), encoder.transform(features))
    assert restored.n_qubits == n_qubits
    assert restored.n_features == encoder.transform(features).shape[1] == encoding.n_features(n_qubits)


@pytest.mark.parametrize("name", ["angle", "amplitude", "amplitude_exact", "amplitude_mps"])
def test_encodings_tell_fidelities_where_they_approximate(name):
    features, encoding = images(10), encoding_named(name)
    encoder = encoding.make_encoder(4, (28, 28)).fit(features)
    found = encoding.fidelities(encoder, features)
    if name == "amplitude_mps":
        np.testing.assert_array_equal(found, encoder.fidelities(features))
    else:
        assert found is None


@pytest.mark.parametrize("name", ["amplitude_exact", *FITTED])
def test_memory_is_counted_for_amplitudes_and_angles(name):
    assert encoding_named(name).numbers(6) > 2**6 + encoding_named(name).n_features(6)


@pytest.mark.parametrize("name", FITTED)
def test_feature_space_is_the_prepared_state(name):
    encoding = encoding_named(name)
    angles = encoding.random_inputs(4, 3, rng=np.random.default_rng(0))
    for row, state in zip(angles, encoding.feature_space(angles), strict=True):
        expected = prepared(encoding, 4, row)
        np.testing.assert_allclose(state, expected * np.sign(expected.sum()), atol=1e-12)


def test_random_inputs_of_the_tree_are_angles_of_states():
    encoding = encoding_named("amplitude_exact")
    (angles,) = encoding.random_inputs(3, 1, rng=np.random.default_rng(0))
    assert np.linalg.norm(prepared(encoding, 3, angles)) == pytest.approx(1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: make_encoder("amplitude_exact", 15), "at most 14 qubits, found 15"),
        (lambda: encoding_named("amplitude_exact").n_features(32), "at most 14 qubits, found 32"),
        (lambda: encoding_named("amplitude_exact").pairs(32), "at most 14 qubits, found 32"),
        (lambda: make_encoder("amplitude_brick", 15), "amplitude_brick encoding: expected at most 14 qubits"),
        (lambda: make_encoder("amplitude_mps", 0), "at least 1 qubit, found 0"),
        (lambda: make_encoder("amplitude_mps(layers=9)", 4), "layers from 1 to 8, found 9"),
        (lambda: make_encoder("amplitude_exact", 2).fit(np.ones((2, 5))), "at most 4 features on 2 qubits"),
        (lambda: make_encoder("amplitude_exact", 2).transform([[0.0, 0]]), "nonzero value in each row"),
        (lambda: make_encoder("amplitude_mps", 2).fit([[1.0, 0], [0, 0]]), "none in row 1"),
        (lambda: make_encoder("amplitude_mps", 2).fit(np.ones((2, 5))), "at most 4 features on 2 qubits"),
        (lambda: make_encoder("amplitude_brick", 2).targets([[0.0, 0]]), "nonzero value in each row"),
        (lambda: make_encoder("amplitude_brick", 2).transform([[1.0]]), "a fitted encoder, call fit"),
        (lambda: make_encoder("amplitude_brick", 2).fidelities([[1.0]]), "a fitted encoder, call fit"),
        (lambda: make_encoder("amplitude_brick", 2).arrays(), "a fitted encoder, call fit"),
        (
            lambda: encoding_named("amplitude_mps").fidelities(make_encoder("angle", 2), np.ones((1, 4))),
            "amplitude_mps encoding: expected an encoder of its own, found AngleEncoder",
        ),
        (
            lambda: encoding_named("amplitude_brick").restore_encoder(2, {"image_shape": np.array([2, 2])}),
            r"array start is not \(2, 10\) finite numbers",
        ),
        (
            lambda: encoding_named("amplitude_exact").restore_encoder(2, {}),
            "image_shape is not two integers",
        ),
        (
            lambda: encoding_named("amplitude_mps").feature_space(np.zeros((2, 3))),
            "expected angles of its circuit, found 3 features",
        ),
    ],
)
def test_encodings_of_prepared_amplitudes_refuse(call, message):
    with pytest.raises(DataError, match=message):
        call()


@pytest.mark.parametrize(
    ("name", "shapes", "message"),
    [
        ("amplitude_exact", {}, r"array image_shape: expected shape \(2,\), found None"),
        ("amplitude_mps", {"image_shape": (2,)}, r"array start: expected shape \(2, 14\), found None"),
        (
            "amplitude_mps",
            {"image_shape": (2,), "start": (2, 5)},
            r"\(2, 14\), found \(2, 5\)",
        ),
    ],
)
def test_stored_arrays_of_other_shapes_are_named(name, shapes, message):
    fault = encoding_named(name).array_fault(4, shapes)
    assert fault is not None
    assert re.search(message, fault)
