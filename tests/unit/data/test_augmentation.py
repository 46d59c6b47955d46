import numpy as np
import pytest

from qkd_qiskit.config import AugmentSettings, load_experiment
from qkd_qiskit.data import (
    Blends,
    Samples,
    augment_images,
    draw_blends,
    mixup_images,
    originals,
    prepare_data,
)
from qkd_qiskit.errors import DataError

TINY = ["data.classes=[0, 1, 2]", "data.test=40", "data.public_train=20", "data.public_unlabelled=10"]


def _images(n=3, size=8):
    return np.random.default_rng(0).random((n, size * size))


def _rng():
    return np.random.default_rng(5)


@pytest.mark.parametrize("copies", [0, 1, 3])
def test_copies_come_one_round_after_the_other(copies):
    still = AugmentSettings(copies=copies, rotation=0, shift=0)
    found = augment_images(_images(), (8, 8), still, rng=_rng())
    np.testing.assert_allclose(found, np.tile(_images(), (copies, 1)), atol=1e-12)


def test_the_number_of_copies_can_be_replaced():
    assert len(augment_images(_images(), (8, 8), AugmentSettings(copies=1), copies=4, rng=_rng())) == 12


def test_a_quarter_turn_is_a_quarter_turn():
    """Rotation bounds are symmetric: with equal seeds the angle of the first copy is known."""
    settings = AugmentSettings(copies=1, rotation=90, shift=0)

    class Fixed:
        def uniform(self, low, high, size):
            return np.full(size, high)

    image = _images(1)
    turned = augment_images(image, (8, 8), settings, rng=Fixed()).reshape(8, 8)
    expected = [np.rot90(image.reshape(8, 8), k) for k in (1, -1)]
    assert min(np.abs(turned - one).max() for one in expected) < 1e-6


def test_plain_features_cannot_be_augmented():
    with pytest.raises(DataError, match="expected images to augment, found 64 plain features"):
        augment_images(_images(), None, AugmentSettings(copies=1), rng=_rng())


@pytest.mark.parametrize("count", [0, 1, 20])
def test_blends_lie_between_two_images(count):
    images = np.eye(5)
    drawn = draw_blends(5, count, rng=_rng())
    blends = mixup_images(images, drawn)
    assert blends.shape == (count, 5)
    np.testing.assert_allclose(blends.sum(axis=1), 1.0)
    assert ((blends > 0).sum(axis=1) <= 2).all()
    assert (blends.max(axis=1, initial=0.5) >= 0.5).all()
    assert (drawn.share >= 0.5).all()
    assert (drawn.share < 1).all()


def test_a_blend_takes_its_share_of_each_image():
    blends = Blends(np.array([0, 2]), np.array([1, 2]), np.array([0.75, 0.5]))
    np.testing.assert_array_equal(mixup_images(np.eye(3), blends), [[0.75, 0.25, 0], [0, 0, 1]])


def test_blends_of_nothing_are_nothing():
    assert mixup_images(np.empty((0, 5)), draw_blends(0, 3, rng=_rng())).shape == (0, 5)


def test_a_clients_task_is_its_own_samples_and_public_ones_that_it_learns_to_reject():
    data = _prepared(*CLIENTS)
    known = data.known
    assert len(known) == 20
    one_class, two_classes = data.task(3), data.task(2)
    assert set(two_classes.labels) == {1, 2, 3}
    others = known.inputs[known.labels != 0]
    np.testing.assert_array_equal(one_class.inputs, np.concatenate([data.own(3).inputs, others]))
    np.testing.assert_array_equal(one_class.labels, [0] * 20 + [3] * len(others))


def test_the_public_set_knows_what_its_samples_are_made_of():
    """Without rotation and shift a copy is its original, and amplitudes of a blend are those of the blend."""
    data = _prepared(
        *CLIENTS,
        "data.augment.rotation=0",
        "data.augment.shift=0",
        "data.augment.public_copies=2",
        "data.augment.mixup=3",
    )
    public, origins = data.public, data.public.origins
    distilled = np.concatenate([np.arange(20), data.originals.unlabelled])
    images = data.originals.features[distilled]
    assert len(origins.first) == len(public.to_distil) == 30 * (1 + 2 + 3)
    share = origins.share[:, None]
    made = share * images[origins.first] + (1 - share) * images[origins.second]
    np.testing.assert_allclose(public.to_distil.inputs, data.encoder.transform(made), atol=1e-9)
    assert (origins.share[: 30 * 3] == 1).all()
    assert (origins.share[30 * 3 :] < 1).all()


def test_originals_share_numbers_with_their_copies():
    parts = [Samples(np.zeros((n, 1)), np.zeros(n, dtype=np.int64)) for n in (4, 3)]
    np.testing.assert_array_equal(originals(parts, (2, 1)), [0, 1, 0, 1, 2, 2, 2])


def _prepared(*more):
    return prepare_data(load_experiment("quickstart", overrides=[*TINY, "data.dataset=digits", *more]))


CLIENTS = [
    "clients.0.samples=20",
    "clients.1.samples=20",
    "clients.2.samples=20",
    "clients.3.samples=20",
    "clients.2.classes=[1, 2]",
    "clients.3.classes=[0]",
    "data.public_calibration=9",
    "data.public_validation=9",
]


def test_the_public_set_keeps_its_parts_in_order():
    data = _prepared(*CLIENTS, "data.augment={copies=1, public_copies=3, mixup=2}")
    public = data.public
    assert (public.n_labelled, public.n_listed, public.n_answered) == (80, 28, 4 * 28)
    assert len(public.samples) == 80 + 4 * 28
    assert (public.labelled.labels >= 0).all()
    assert len(public.to_distil) == 80 + 4 * 10 + 60
    assert (public.to_distil.labels[80:] == -1).all()
    # Copies of what the server knows are known too.
    assert len(public.calibration_rows) == len(public.validation_rows) == 4 * 9
    for rows in (public.calibration_rows, public.validation_rows):
        labels = public.samples.labels[rows].reshape(4, 9)
        assert (labels >= 0).all()
        np.testing.assert_array_equal(labels, np.tile(labels[0], (4, 1)))
    assert (np.diff(public.held_back_rows) > 0).all()
    np.testing.assert_array_equal(public.held_back.labels, np.tile(public.held_back.labels[:18], 4))
    # Examples and the pool are 30 originals: what is held back goes on from there.
    np.testing.assert_array_equal(public.held_back_origins.first, np.tile(np.arange(30, 48), 4))
    parts = [public.unlabelled_rows, public.calibration_rows, public.validation_rows]
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(80, 80 + 4 * 28))
    assert len(data.clients[0]) == 40
    np.testing.assert_array_equal(public.labelled.labels[:20], public.labelled.labels[60:])


def test_the_public_set_depends_on_the_seed_alone():
    first, again = _prepared(*CLIENTS), _prepared(*CLIENTS)
    assert first.public.digest == again.public.digest
    other = _prepared(*CLIENTS, "data.augment={copies=2, mixup=1}")
    assert other.public.digest != first.public.digest
