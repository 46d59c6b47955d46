"""NIID-Bench's partitions: all samples dealt once, skewed as asked, refused in clear words."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qkd_qiskit.config import load_experiment
from qkd_qiskit.data import (
    ClientShare,
    SplitSizes,
    deal_data,
    hellinger_distances,
    make_split,
    partition_named,
    prepare_data,
)
from qkd_qiskit.data.partitions import LEAST_SAMPLES
from qkd_qiskit.errors import DataError
from qkd_qiskit.federation.data_files import read_server_data, write_data_files

TINY = str(Path(__file__).parents[2] / "integration" / "tiny.toml")
SIZES = SplitSizes(public_train=10, public_calibration=0, public_validation=5, test=10)
NAMES = st.sampled_from(
    ["homo", "noniid-labeldir", "iid-diff-quantity", "noniid-#label1", "noniid-#label2", "noniid-#label3"]
)


def _held(name, stock, n, *, beta=0.5, seed=0):
    return partition_named(name, beta)(np.asarray(stock), n, np.random.default_rng(seed))


@given(
    name=NAMES,
    stock=st.lists(st.integers(30, 120), min_size=3, max_size=6),
    n=st.integers(1, 6),
    beta=st.sampled_from([0.3, 0.5, 5.0]),
    seed=st.integers(0, 99),
)
@settings(max_examples=150, deadline=None)
def test_every_sample_goes_to_one_client(name, stock, n, beta, seed):
    held = _held(name, stock, n, beta=beta, seed=seed)
    assert held.shape == (n, len(stock))
    assert (held >= 0).all()
    dealt = held.sum(axis=0)
    if name.startswith("noniid-#"):
        # A class that no client drew is left out whole.
        assert all(count in (0, there) for count, there in zip(dealt, stock, strict=True))
    else:
        np.testing.assert_array_equal(dealt, stock)
    if "dir" in name or "quantity" in name:
        assert held.sum(axis=1).min() >= min(LEAST_SAMPLES, sum(stock) // (4 * n))


@given(count=st.integers(1, 5), n=st.integers(1, 12), seed=st.integers(0, 99))
def test_so_many_classes_a_client_and_equal_parts_of_each(count, n, seed):
    held = _held(f"noniid-#label{count}", [60] * 5, n, seed=seed)
    assert ((held > 0).sum(axis=1) == count).all()
    assert all(held[i, i % 5] > 0 for i in range(n))
    for column in held.T:
        there = column[column > 0]
        assert len(there) == 0 or there.max() - there.min() <= 1


def test_equal_parts_are_alike_and_quantity_skew_keeps_labels():
    homo, skewed = (_held(name, [800, 800], 4) for name in ("homo", "iid-diff-quantity"))
    assert set(homo.sum(axis=1)) == {400}
    assert hellinger_distances(homo).max() < 0.1
    sizes = skewed.sum(axis=1)
    assert sizes.max() > 2 * sizes.min()
    assert hellinger_distances(skewed).max() < 0.2


def test_a_small_concentration_skews_more():
    def mean_distance(beta):
        found = [
            hellinger_distances(_held("noniid-labeldir", [500] * 5, 5, beta=beta, seed=s)) for s in range(8)
        ]
        return np.mean(found)

    assert mean_distance(0.2) > mean_distance(1.0) > mean_distance(20.0)


def test_hellinger_distances_by_hand():
    distances = hellinger_distances(np.array([[10, 0], [0, 3], [5, 5], [50, 50]]))
    assert distances[0, 1] == pytest.approx(1.0)
    assert distances[0, 2] == pytest.approx(np.sqrt(1 - np.sqrt(0.5)))
    assert distances[2, 3] == pytest.approx(0.0, abs=1e-7)
    np.testing.assert_allclose(distances, distances.T)


def test_the_sum_of_the_samples_counts_and_classes_do_not():
    labels = np.repeat([0, 1, 2], 60)
    clients = [ClientShare(30, (0,)), ClientShare(50, (1,)), ClientShare(10)]
    split = make_split(
        labels, SIZES, clients, partition=partition_named("homo", 0.5), rng=np.random.default_rng(0)
    )
    assert [len(held) for held in split.clients] == [30, 30, 30]
    parts = [split.public, split.test, *split.clients]
    assert len(np.unique(np.concatenate(parts))) == sum(map(len, parts))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("noniid-#label0", "data.partition: expected one of homo, .*found 'noniid-#label0'"),
        ("dirichlet", "data.partition: expected one of homo, .*found 'dirichlet'"),
        ("noniid-#label4", "expected at most 3 classes a client, found 4"),
    ],
)
def test_an_unknown_partition_is_refused(name, message):
    with pytest.raises(DataError, match=message):
        _held(name, [20, 20, 20], 2)


@pytest.mark.parametrize("name", ["noniid-labeldir", "iid-diff-quantity"])
def test_few_samples_are_dealt_too(name):
    for seed in range(20):
        held = _held(name, [15, 15, 14], 4, seed=seed)
        assert held.sum() == 44
        assert held.sum(axis=1).min() >= 2


def _all_to_the_first(stock, n, rng):
    return np.stack([stock, *[0 * stock] * (n - 1)])


def test_what_cannot_be_dealt_is_refused():
    with pytest.raises(
        DataError, match="noniid-labeldir: expected 1 samples for each of 4 clients, found no"
    ):
        _held("noniid-labeldir", [1, 1], 4)
    labels, rng = np.repeat([0, 1], 30), np.random.default_rng(0)
    homo = partition_named("homo", 0.5)
    with pytest.raises(DataError, match="expected 40 samples in all, only 35 are left"):
        make_split(labels, SIZES, [ClientShare(20)] * 2, partition=homo, rng=rng)
    with pytest.raises(DataError, match="client number 1: the partition leaves it no sample"):
        make_split(labels, SIZES, [ClientShare(3)] * 2, partition=_all_to_the_first, rng=rng)
    with pytest.raises(DataError, match="expected data.partition or data.dirichlet, found both"):
        make_split(labels, SIZES, [ClientShare(9)], partition=homo, dirichlet=1.0, rng=rng)


def _settings(*overrides):
    return load_experiment(TINY, overrides=["data.partition=homo", *overrides])


def test_client_i_of_n_has_its_share_of_the_noise():
    plain, noisy = (deal_data(_settings(f"data.noise={level}")) for level in (0, 0.3))
    for number, held in enumerate(noisy.split.clients, start=1):
        added = noisy.features[held] - plain.features[held]
        assert added.var() == pytest.approx(0.3 * number / 3, rel=0.15)
        assert abs(added.mean()) < 0.05
    rest = np.concatenate([noisy.split.public, noisy.split.test])
    np.testing.assert_array_equal(noisy.features[rest], plain.features[rest])


def test_features_that_are_no_pixels_have_noise_in_their_deviations(tmp_path):
    rng = np.random.default_rng(0)
    table = np.column_stack([rng.standard_normal((600, 4)) * [1, 1000, 1e-3, 5], np.arange(600) % 3])
    path = tmp_path / "table.csv"
    np.savetxt(path, table, fmt=["%.9g"] * 4 + ["%d"], delimiter=",", header="a,b,c,d,label", comments="")
    more = [f"data.path={path}", "data.labels=label", "data.augment={copies=0}", "data.classes=[0, 1, 2]"]
    plain, noisy = (deal_data(_settings(f"data.noise={level}", *more)) for level in (0, 1.0))
    last = noisy.split.clients[-1]
    deviations = (noisy.features[last] - plain.features[last]).std(axis=0)
    np.testing.assert_allclose(deviations / plain.features[plain.split.public].std(axis=0), 1.0, rtol=0.35)


def test_noisy_pixels_are_written_and_read_as_they_are(tmp_path):
    settings = _settings("data.noise=0.2", "data.partition=noniid-#label2")
    files = write_data_files(settings, tmp_path)
    here = prepare_data(settings)
    with np.load(files.clients[2]) as found:
        raw = deal_data(settings)
        images = found["images"].reshape(len(found["images"]), -1)
        np.testing.assert_array_equal(images, raw.features[raw.split.clients[2]])
    np.testing.assert_array_equal(read_server_data(settings, files.public).test.inputs, here.test.inputs)
