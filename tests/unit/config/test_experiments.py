from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from qkd_qiskit.config import (
    AdamSettings,
    ExperimentSettings,
    load_experiment,
    model_settings,
    shipped_experiments,
)
from qkd_qiskit.errors import ConfigError

_TEXT = """
name = "tiny"
seed = 3

[data]
dataset = "digits"
classes = [0, 1]

[[clients]]
name = "a"
backend = "ibm_torino"
samples = 30
classes = [0]

[[clients]]
name = "b"
backend = "ion_trap"
samples = 20
"""


@pytest.fixture
def tiny(tmp_path: Path) -> str:
    path = tmp_path / "tiny.toml"
    path.write_text(_TEXT, "utf-8")
    return str(path)


def test_a_file_is_read_and_the_rest_has_defaults(tiny: str) -> None:
    settings = load_experiment(tiny)
    assert (settings.name, settings.seed, settings.data.dataset) == ("tiny", 3, "digits")
    assert settings.clients[0].classes == (0,)
    assert settings.clients[1].classes is None
    assert settings.model == ExperimentSettings.model_fields["model"].default


@pytest.mark.parametrize("name", shipped_experiments())
def test_shipped_experiments_load(name: str) -> None:
    assert load_experiment(name).name == name


def test_settings_are_frozen(tiny: str) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        load_experiment(tiny).seed = 4  # type: ignore[misc]


@pytest.mark.parametrize(
    ("override", "read"),
    [
        ("seed=9", lambda s: s.seed == 9),
        ("data.test = 7", lambda s: s.data.test == 7),
        ("clients.1.samples=50", lambda s: s.clients[1].samples == 50),
        ("clients.0.classes=[0, 'x']", lambda s: s.clients[0].classes == (0, "x")),
        ("data.dataset=mnist5000", lambda s: s.data.dataset == "mnist5000"),
        ('data.dataset="mnist5000"', lambda s: s.data.dataset == "mnist5000"),
        ("data.path=a=b.csv", lambda s: s.data.path == "a=b.csv"),
        ("title=", lambda s: s.title == ""),
        ("noise.enabled=false", lambda s: s.noise.enabled is False),
        ("training.refine=0", lambda s: s.training.refine == 0),
        (
            "clients=[{name='c', backend='ion_trap', samples=1}]",
            lambda s: [c.name for c in s.clients] == ["c"],
        ),
        ("clients.0={name='c', backend='ion_trap', samples=1}", lambda s: s.clients[0].samples == 1),
    ],
)
def test_overrides_replace_values(tiny: str, override: str, read: Any) -> None:
    assert read(load_experiment(tiny, overrides=[override]))


def test_later_overrides_win_and_the_seed_option_wins_over_all(tiny: str) -> None:
    assert load_experiment(tiny, overrides=["seed=1", "seed=2"]).seed == 2
    assert load_experiment(tiny, overrides=["seed=1"], seed=5).seed == 5


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("seed", "--set expects key=value, as in seed=3, found 'seed'"),
        ("=3", "--set expects key=value, as in seed=3, found '=3'"),
        ("nothing=3", "unknown key nothing"),
        ("data.nothing=3", "unknown key data.nothing"),
        ("nothing.at.all=3", "unknown key nothing"),
        ("clients.0.nothing=3", "unknown key clients.0.nothing"),
        ("clients.2.samples=3", "expected a number below 2, found '2'"),
        ("clients.x.samples=3", "expected a number below 2, found 'x'"),
        ("clients.-1.samples=3", "expected a number below 2, found '-1'"),
        ("clients.².samples=3", "expected a number below 2, found '²'"),
        ("clients.5=3", "expected a number below 2, found '5'"),
        ("name.first=3", "'name' holds a value, not a table"),
        ("name.first.second=3", "'first' lies inside a value, not a table"),
        ("clients.0.samples=0", "clients.0.samples: .*found 0"),
        ("clients.0.samples=many", "clients.0.samples: .*found 'many'"),
        ("clients.1.name=a", "client names must differ"),
        ("clients=[]", "clients: "),
        ("seed=-1", "seed: .*found -1"),
        ("training.inertia=inf", "training.inertia: .*finite"),
        ("distillation.alpha=nan", "distillation.alpha: "),
        ("distillation.alpha=1.5", "distillation.alpha: .*found 1.5"),
        ("model.encoding=phase", "model.encoding: .*found 'phase'"),
        ("data=3", "data: .*found 3"),
        ("training.structure={moves=1, starts=1}", "moves need at least 2 starts, found 1"),
        ("seed=" + "9" * 5000, "seed: "),
        ("data.classes=" + "[" * 5000, "data.classes: "),
    ],
)
def test_wrong_overrides_are_named_in_one_line(tiny: str, override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        load_experiment(tiny, overrides=[override])
    assert "\n" not in str(caught.value)


def test_unknown_experiments_name_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="unknown experiment 'nowhere': expected one of ") as caught:
        load_experiment("nowhere")
    assert all(name in str(caught.value) for name in shipped_experiments())


def test_unreadable_files_say_why(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read experiment file .*no.toml: No such file"):
        load_experiment(str(tmp_path / "no.toml"))
    folder = tmp_path / "folder.toml"
    folder.mkdir()
    with pytest.raises(ConfigError, match="cannot read experiment file .*folder.toml: Is a directory"):
        load_experiment(str(folder))
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"binary.toml: not UTF-8 text"):
        load_experiment(str(binary))


@pytest.mark.parametrize(
    "text", ["name = ", "[clients", "name = 'a'\nname = 'b'", "n = " + "9" * 5000, "n = " + "[" * 5000]
)
def test_files_that_are_not_toml_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match="is not valid TOML"):
        load_experiment(str(path))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "name: expected a value, found none; for example name = "),
        ("name = 'a'", "clients: expected a value, found none; for example clients = "),
    ],
)
def test_missing_keys_are_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "short.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_experiment(str(path))


def test_model_settings_stand_alone() -> None:
    assert model_settings(n_qubits=4).n_qubits == 4
    with pytest.raises(ConfigError, match="model: n_qubits: .*found 1"):
        model_settings(n_qubits=1)
    with pytest.raises(ConfigError, match="model: unknown key width"):
        model_settings(width=4)


@given(
    seed=st.integers(0, 2**40),
    samples=st.integers(1, 10**6),
    name=st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1),
)
def test_values_survive_overriding(seed: int, samples: int, name: str) -> None:
    base = tomllib.loads(_TEXT)
    expected = ExperimentSettings.model_validate(
        base | {"seed": seed, "clients": [base["clients"][0] | {"samples": samples}], "title": name}
    )
    quoted = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("qkd_qiskit.config.loading.read_table", lambda *_: tomllib.loads(_TEXT))
        found = load_experiment(
            "tiny",
            overrides=[
                f"seed={seed}",
                "clients=[{name='a', backend='ibm_torino', samples=1, classes=[0]}]",
                f"clients.0.samples={samples}",
                f"title={quoted}",
            ],
        )
    assert found == expected


def test_the_server_descends_with_its_own_numbers_where_it_has_any() -> None:
    plain = AdamSettings(steps=5, batch=3)
    assert plain.of_server() == plain
    own = AdamSettings(steps=5, server_steps=7, batch=3, server_batch=11)
    assert (own.of_server().steps, own.of_server().batch) == (7, 11)
