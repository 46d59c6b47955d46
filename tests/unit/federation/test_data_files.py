"""Files for the clients and the server of an experiment: exact, and refused where they are damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from qkd_qiskit.config import load_experiment
from qkd_qiskit.data import load_client_samples, prepare_data
from qkd_qiskit.errors import FederationError
from qkd_qiskit.federation import read_server_data, write_data_files

TINY = str(Path(__file__).parents[2] / "integration" / "tiny.toml")


def _settings(kind, folder):
    if kind == "bytes":
        return load_experiment(TINY, overrides=["data.dataset=mnist5000", "data.augment.copies=0"])
    if kind == "sixteenths":
        return load_experiment(TINY)
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.repeat(["ant", "bee", "cat"], 120))
    table = rng.standard_normal((360, 7)) + np.eye(7)[:3][np.searchsorted(["ant", "bee", "cat"], labels)]
    np.savez(folder / "table.npz", X=table, y=labels)
    return load_experiment(
        TINY,
        overrides=[
            f"data.path={folder / 'table.npz'}",
            'data.classes=["ant", "bee", "cat"]',
            'clients.0.classes=["bee"]',
            'clients.1.classes=["ant", "cat"]',
            "data.augment.copies=0",
        ],
    )


@pytest.mark.parametrize("kind", ["bytes", "sixteenths", "features"])
def test_what_is_read_is_what_the_split_gives(kind, tmp_path):
    settings = _settings(kind, tmp_path)
    parts, direct = write_data_files(settings, tmp_path / "parts"), prepare_data(settings)
    server = read_server_data(settings, parts.public)
    assert server.classes == direct.classes
    assert server.name == direct.name
    assert server.clients == ()
    assert server.public.digest == direct.public.digest
    for mine, theirs in (
        (server.public.samples.inputs, direct.public.samples.inputs),
        (server.public.samples.labels, direct.public.samples.labels),
        (server.originals.features, direct.originals.features),
        (server.test.inputs, direct.test.inputs),
        (server.test.labels, direct.test.labels),
    ):
        np.testing.assert_array_equal(mine, theirs)
    shape = direct.originals.image_shape
    for number, path in enumerate(parts.clients):
        own = load_client_samples(path)
        inputs = direct.encoder.transform(own.features(shape))
        np.testing.assert_array_equal(inputs, direct.own(number).inputs)
        labels = np.array(direct.classes)[direct.own(number).labels]
        np.testing.assert_array_equal(own.labels, labels)


def _damaged(path, **changes):
    with np.load(path) as file:
        arrays = {key: file[key] for key in file.files}
    for key, value in changes.items():
        if value is None:
            del arrays[key]
        else:
            arrays[key] = np.asarray(value)
    np.savez(path, **arrays)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": None}, "expected an array 'labels', found none"),
        ({"parts": [1, 2, 3]}, "expected public samples as"),
        ({"parts": [1.5, 2, 3, 4]}, "expected public samples as"),
        ({"classes": [3]}, "expected public samples as"),
        ({"image_shape": [8]}, "expected public samples as"),
        ({"labels": np.full(80, 3)}, "labels: expected numbers from -1 to 2"),
        ({"test_labels": np.full(60, -1)}, "test_labels: expected numbers from 0 to 2"),
        ({"test_labels": np.zeros(3, dtype=int)}, "expected test samples like the public ones"),
        ({"test": np.zeros((60, 9, 9))}, "expected test samples like the public ones"),
        ({"public": np.full((80, 8, 8), np.nan)}, "public: expected finite samples"),
        ({"public": np.array(["a"] * 80)}, "public: expected finite samples"),
    ],
)
def test_damaged_public_samples_are_refused(changes, message, tmp_path):
    settings = load_experiment(TINY)
    path = write_data_files(settings, tmp_path).public
    _damaged(path, **changes)
    with pytest.raises(FederationError, match=message):
        read_server_data(settings, path)


def test_a_file_that_cannot_be_read_or_written_is_named(tmp_path):
    settings = load_experiment(TINY)
    with pytest.raises(FederationError, match="cannot read .*public.npz: No such file"):
        read_server_data(settings, tmp_path / "public.npz")
    (tmp_path / "public.npz").write_bytes(b"PK\x03\x04 torn")
    with pytest.raises(FederationError, match="cannot read .*public.npz"):
        read_server_data(settings, tmp_path / "public.npz")
    np.save(tmp_path / "pickle.npy", np.array([{}], dtype=object))
    (tmp_path / "pickle.npy").rename(tmp_path / "public.npz")
    with pytest.raises(FederationError, match="cannot read .*public.npz"):
        read_server_data(settings, tmp_path / "public.npz")
    (tmp_path / "folder").write_text("")
    with pytest.raises(FederationError, match="cannot write .*client-1.npz"):
        write_data_files(settings, tmp_path / "folder")


def test_without_test_samples_nothing_is_tested(tmp_path):
    settings = load_experiment(TINY)
    path = write_data_files(settings, tmp_path).public
    _damaged(path, test=np.zeros((0, 8, 8)), test_labels=np.zeros(0, dtype=int))
    assert len(read_server_data(settings, path).test) == 0
