"""Angles and amplitudes, against independent derivations."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.decomposition import PCA

from qkd_qiskit.data import load_dataset
from qkd_qiskit.encoding import ENCODINGS, encoding_named, make_encoder
from qkd_qiskit.encoding.amplitude import AmplitudeEncoder
from qkd_qiskit.encoding.angle import ANGLE_SCALE, AngleEncoder
from qkd_qiskit.encoding.resizing import axis_weights, resize
from qkd_qiskit.errors import DataError


def table(rows=40, columns=20, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, columns)) * np.linspace(3, 0.5, columns) + 7


@pytest.mark.parametrize(
    ("n_qubits", "ranked"),
    [(1, [0]), (2, [0, 1]), (3, [1, 0, 2]), (5, [2, 1, 3, 0, 4]), (8, [3, 4, 2, 5, 1, 6, 0, 7])],
)
def test_angles_are_scaled_components_from_the_middle_outwards(n_qubits, ranked):
    public, other = table(seed=0), table(seed=1)
    encoder = AngleEncoder(n_qubits).fit(public)
    pca = PCA(2 * n_qubits, svd_solver="full").fit(public)
    deviation = np.sqrt(pca.explained_variance_)
    scaled = pca.transform(other) * ANGLE_SCALE / np.sqrt(deviation * deviation[0])
    expected = np.empty_like(scaled)
    for rank, qubit in enumerate(ranked):
        expected[:, 2 * qubit] = scaled[:, rank]
        expected[:, 2 * qubit + 1] = scaled[:, rank + n_qubits]
    found = encoder.transform(other)
    # Signs are conventions of their own: each column may be flipped as a whole.
    flips = np.sign((found * expected).sum(axis=0))
    np.testing.assert_allclose(found * flips, np.clip(expected, -np.pi / 2, np.pi / 2), atol=1e-12)


def test_angles_of_mnist_stay_in_range_and_reach_it():
    features = load_dataset().features
    angles = AngleEncoder(8).fit(features[::20]).transform(features)
    assert angles.shape == (5000, 16)
    assert np.abs(angles).max() == np.pi / 2
    assert np.mean(np.abs(angles) == np.pi / 2) < 0.05


def test_component_signs_do_not_depend_on_the_order_of_the_samples():
    public = table()
    flipped = AngleEncoder(3).fit(public[::-1]).transform(public)
    np.testing.assert_allclose(AngleEncoder(3).fit(public).transform(public), flipped, atol=1e-12)


@pytest.mark.parametrize("factor", [1e-150, 1e-9, 1e9, 1e150])
def test_angles_do_not_depend_on_the_unit_of_the_features(factor):
    public = table()
    expected = AngleEncoder(2).fit(public).transform(public)
    np.testing.assert_allclose(
        AngleEncoder(2).fit(public * factor).transform(public * factor), expected, atol=1e-9
    )


@pytest.mark.parametrize(("shape", "used"), [((2, 20), 1), ((4, 20), 3), ((40, 3), 3), ((40, 1), 1)])
def test_angles_without_a_component_are_zero(shape, used):
    public = table(*shape)
    angles = AngleEncoder(4).fit(public).transform(public)
    assert angles.shape == (shape[0], 8)
    assert np.count_nonzero(np.abs(angles).max(axis=0)) == used


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: AngleEncoder(0), "at least 1 qubit, found 0"),
        (lambda: AngleEncoder(2, scale=0.0), "positive scale, found 0.0"),
        (lambda: AngleEncoder(2).transform(table()), "a fitted encoder, call fit with public features first"),
        (lambda: AngleEncoder(2).arrays(), "a fitted encoder"),
        (lambda: AngleEncoder(2).fit(table(1)), "at least 2 samples, found 1"),
        (lambda: AngleEncoder(2).fit(np.ones((5, 3))), "samples that differ, found 5 alike"),
        (lambda: AngleEncoder(2).fit(np.full((5, 3), np.nan)), "finite features, found nan"),
        (lambda: AngleEncoder(2).fit(table()).transform(table(3, 4)), "expected 20 features, found 4"),
        (lambda: AmplitudeEncoder(0), "at least 1 qubit, found 0"),
        (lambda: AmplitudeEncoder(2, (0, 3)), r"positive image shape, found \(0, 3\)"),
        (lambda: AmplitudeEncoder(2, (2, 3)).fit(table(3, 5)), "expected 6 features, found 5"),
        (lambda: AmplitudeEncoder(2).transform(table(3, 5)), "at most 4 features on 2 qubits, found 5"),
        (lambda: AmplitudeEncoder(2).fit([[np.inf, 0]]), "finite features, found inf"),
        (lambda: AmplitudeEncoder(2).transform([[1, 0], [0, 0]]), "nonzero value in each row, none in row 1"),
        (lambda: make_encoder("phase", 2), "unknown encoding 'phase': expected angle or amplitude"),
        (lambda: make_encoder("angle", 0), "at least 1 qubit"),
        (lambda: encoding_named("phase"), "unknown encoding 'phase'"),
        (lambda: AngleEncoder.from_arrays(2, {}), "array directions is missing"),
        (lambda: AmplitudeEncoder.from_arrays(2, {}), "image_shape is not two integers"),
        (
            lambda: AngleEncoder.from_arrays(3, AngleEncoder(2).fit(table()).arrays()),
            r"directions.*shape \(20, 6\), found \(20, 4\)",
        ),
        (
            lambda: AngleEncoder.from_arrays(
                2, {**AngleEncoder(2).fit(table()).arrays(), "scale": np.ones(2)}
            ),
            "expected one scale, found 2",
        ),
    ],
)
def test_encoders_refuse(call, message):
    with pytest.raises(DataError, match=message):
        call()


@pytest.mark.parametrize("encoding", ["angle", "amplitude"])
@pytest.mark.parametrize("n_qubits", [1, 4, 7])
def test_saved_encoders_give_the_same_inputs(encoding, n_qubits):
    images = np.random.default_rng(0).random((30, 12))
    encoder = make_encoder(encoding, n_qubits, image_shape=(3, 4)).fit(images)
    restored = encoding_named(encoding).restore_encoder(n_qubits, encoder.arrays())
    np.testing.assert_array_equal(restored.transform(images), encoder.transform(images))
    assert type(restored) is type(encoder)
    assert restored.n_qubits == n_qubits
    assert restored.n_features == encoder.transform(images).shape[1]


@pytest.mark.parametrize(
    ("n_qubits", "grid"), [(1, (2, 1)), (2, (2, 2)), (3, (4, 2)), (5, (8, 4)), (8, (16, 16))]
)
def test_amplitude_grid_and_bit_order(n_qubits, grid):
    encoder = AmplitudeEncoder(n_qubits, grid)
    assert encoder.grid == grid
    pixel = np.zeros((grid[0] * grid[1], *grid))
    for index in range(len(pixel)):
        pixel[index, index // grid[1], index % grid[1]] = 0.3
    # On the grid itself nothing is resized: the pixel in row r, column c is the state |r c>.
    np.testing.assert_allclose(
        encoder.transform(pixel.reshape(len(pixel), -1)), np.eye(2**n_qubits), atol=1e-15
    )


@pytest.mark.parametrize("factor", [1e-300, 1.0, 1e300])
def test_amplitudes_have_norm_one(factor):
    rows = np.random.default_rng(0).random((5, 3)) * factor
    amplitudes = AmplitudeEncoder(2).transform(rows)
    np.testing.assert_allclose(np.linalg.norm(amplitudes, axis=1), 1, rtol=1e-14)
    np.testing.assert_array_equal(amplitudes[:, 3], 0)
    np.testing.assert_allclose(amplitudes[:, 0] / amplitudes[:, 1], rows[:, 0] / rows[:, 1], rtol=1e-12)


def test_halving_averages_blocks_and_doubling_interpolates():
    image = np.arange(16.0).reshape(1, 4, 4)
    np.testing.assert_allclose(resize(image, (2, 2))[0], [[2.5, 4.5], [10.5, 12.5]])
    np.testing.assert_allclose(resize(np.array([[[0.0, 1.0]]]), (1, 4))[0], [[0, 0.25, 0.75, 1]])


def test_growing_equals_scipys_linear_zoom():
    from scipy.ndimage import zoom

    image = np.random.default_rng(0).random((5, 7))
    expected = zoom(image, (16 / 5, 16 / 7), order=1, grid_mode=True, mode="nearest")
    np.testing.assert_allclose(resize(image[None], (16, 16))[0], expected, atol=1e-12)


@given(st.integers(1, 40), st.integers(1, 40))
def test_resizing_keeps_constants_and_shrinking_keeps_the_mean(source, target):
    weights = axis_weights(source, target)
    assert weights.shape == (target, source)
    assert (weights >= 0).all()
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-12)
    if target <= source:
        np.testing.assert_allclose(weights.sum(axis=0), target / source, rtol=1e-12)


def test_bloch_features_are_the_bloch_vectors_of_the_encoding():
    rng = np.random.default_rng(1)
    angles = rng.uniform(-np.pi / 2, np.pi / 2, size=(5, 6))
    got = ENCODINGS["angle"].feature_space(angles).reshape(5, 3, 3)
    for row, (a, b) in [(r, angles[r, 2 * q : 2 * q + 2]) for r in range(5) for q in (0,)]:
        theta = np.pi / 2 + a
        ket = np.array([np.cos(theta / 2), np.exp(1j * b) * np.sin(theta / 2)])
        rho = np.outer(ket, ket.conj())
        paulis = (np.array([[0, 1], [1, 0]]), np.array([[0, -1j], [1j, 0]]), np.diag([1, -1]))
        assert got[row, 0] == pytest.approx([np.trace(rho @ p).real for p in paulis])
    assert np.linalg.norm(got, axis=2) == pytest.approx(np.ones((5, 3)))


def test_states_are_their_own_feature_space():
    states = ENCODINGS["amplitude"].random_inputs(2, 3, rng=np.random.default_rng(0))
    np.testing.assert_allclose(np.linalg.norm(states, axis=1), 1)
    np.testing.assert_array_equal(ENCODINGS["amplitude"].feature_space(states), states)


def test_names_and_codes_are_those_of_saved_models():
    """The model index of every message and every saved model rests on them."""
    assert {name: (encoding.name, encoding.code) for name, encoding in ENCODINGS.items()} == {
        "angle": ("angle", 0),
        "amplitude": ("amplitude", 1),
        "zz": ("zz", 8),
        "hardware_efficient": ("hardware_efficient", 10),
        "amplitude_exact": ("amplitude_exact", 16),
        "amplitude_mps": ("amplitude_mps", 17),
        "amplitude_brick": ("amplitude_brick", 18),
        "reupload": ("reupload", 32),
    }
