"""Clients without stanzas."""

from __future__ import annotations

import pytest

from qkd_qiskit.config import load_experiment
from qkd_qiskit.data import prepare_data
from qkd_qiskit.errors import ConfigError, DataError
from qkd_qiskit.experiment.spread import EXAMPLES, spread_experiment

BARE = """
name = "bare"
[data]
dataset = "digits"
classes = [0, 1, 2]
public_train = 30
public_calibration = 0
public_validation = 12
test = 60
[model]
n_qubits = 2
[server]
backend = "noisy_line"
"""


@pytest.fixture
def bare(tmp_path):
    path = tmp_path / "bare.toml"
    path.write_text(BARE)
    return str(path)


def test_without_a_wish_it_is_the_experiment():
    assert spread_experiment("quickstart") == load_experiment("quickstart")
    changed = ["seed=3", "clients.0.samples=50"]
    assert spread_experiment("quickstart", overrides=changed) == load_experiment(
        "quickstart", overrides=changed
    )


def test_clients_share_the_samples_and_the_devices_of_those_before():
    before = load_experiment("quickstart").clients
    found = spread_experiment("quickstart", clients=7, partition="dirichlet:0.3", seed=2)
    assert sum(client.samples for client in found.clients) == sum(client.samples for client in before)
    assert max(c.samples for c in found.clients) - min(c.samples for c in found.clients) <= 1
    assert [c.backend for c in found.clients] == [before[k % 4].backend for k in range(7)]
    assert {client.classes for client in found.clients} == {None}
    assert (found.data.partition, found.data.beta, found.seed) == ("noniid-labeldir", 0.3, 2)


def test_devices_alone_keep_the_clients():
    before = load_experiment("quickstart").clients
    found = spread_experiment("quickstart", backends=["noisy_line", "ion_trap"]).clients
    assert [c.backend for c in found] == ["noisy_line", "ion_trap"] * 2
    assert [(c.name, c.samples, c.classes) for c in found] == [(c.name, c.samples, c.classes) for c in before]


def test_a_file_without_clients_shares_what_is_left(bare):
    found = spread_experiment(bare, clients=3)
    # 537 images of three digits, of which 30 + 12 are public and 60 for the test.
    held = [client.samples for client in found.clients]
    assert sum(held) == 537 - 102
    assert max(held) - min(held) <= 1
    assert {client.backend for client in found.clients} == {"noisy_line"}
    data = prepare_data(found)
    assert [len(data.own(k)) for k in range(3)] == held
    two = spread_experiment(bare, backends=["noisy_line", "ion_trap"], overrides=["data.test=100"])
    assert [client.backend for client in two.clients] == ["noisy_line", "ion_trap"]
    assert sum(client.samples for client in two.clients) == 537 - 142


def test_settings_of_new_clients_can_be_set(bare):
    found = spread_experiment(bare, clients=2, overrides=["clients.1.output_noise=0.5"])
    assert [client.output_noise for client in found.clients] == [0.0, 0.5]


@pytest.mark.parametrize(
    ("text", "name", "beta"),
    [
        ("homo", "homo", 0.5),
        ("dirichlet", "noniid-labeldir", 0.5),
        ("dirichlet:2", "noniid-labeldir", 2.0),
        ("noniid-labeldir:0.1", "noniid-labeldir", 0.1),
        ("quantity:0.25", "iid-diff-quantity", 0.25),
        ("classes:2", "noniid-#label2", 0.5),
        ("noniid-#label3", "noniid-#label3", 0.5),
    ],
)
def test_partitions_in_a_word(text, name, beta):
    data = spread_experiment("quickstart", partition=text).data
    assert (data.partition, data.beta, data.dirichlet) == (name, beta, None)


def test_every_example_deals(bare):
    for text in EXAMPLES:
        data = prepare_data(spread_experiment(bare, clients=3, partition=text))
        assert sum(data.sizes) == 537 - 102


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("dirichlet:x", "a number behind the colon, found 'dirichlet:x'"),
        ("dirichlet:0", "a positive number behind the colon"),
        ("dirichlet:nan", "a positive number behind the colon"),
        ("homo:1", "expected one such as homo, dirichlet:0.3, .*found 'homo:1'"),
        ("classes", "expected one such as"),
        ("classes:1.5", "expected one such as"),
        ("classes:0", "expected one such as"),
        ("", "expected one such as .*found ''"),
        ("noniid", "expected one such as"),
    ],
)
def test_other_words_are_refused(text, told):
    with pytest.raises(ConfigError, match=told):
        spread_experiment("quickstart", partition=text)


def test_what_cannot_be_dealt_is_told(bare):
    with pytest.raises(ConfigError, match=r"expected \[\[clients\]\], or --clients with their number"):
        spread_experiment(bare)
    with pytest.raises(DataError, match="a sample for each of 5 clients at least, found 0"):
        spread_experiment(bare, clients=5, overrides=["data.test=495"])
    with pytest.raises(DataError, match="class 17 does not occur"):
        spread_experiment(bare, clients=5, overrides=["data.classes=[0, 17]"])
    with pytest.raises(ConfigError, match="data: unknown key tset"):
        spread_experiment(bare, clients=5, overrides=["data.tset=5"])
